"""Starting rclone before it is asked for: that takes as long as the rest of a command, and goes on beside it.

Nothing of the network is touched, and whoever needs rclone waits for it there (``daemon.obtain``).
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["begin"]


def begin(words: Sequence[str]) -> None:
    """Begin to start rclone if it is likely to make the connection that *words*, of ``mpr connect``, ask for.

    It is not if they ask for something else, or if providers are registered by files, which may want the name.
    Whatever is wrong is told by whoever comes to it again: this never raises, and waits for nobody.
    """
    with suppress(Exception):
        _begin(words)


def _begin(words: Sequence[str]) -> None:
    if any(word == "-h" or word.startswith(("--h", "--prov")) for word in words):
        return
    from mprouter import places
    from mprouter.names import parse_remote
    from mprouter.providers import DIRECTORY
    from mprouter.providers.rclone import daemon
    from mprouter.status import WNetError

    if not os.path.exists("/proc/self"):  # noqa: PTH110 - ``mounts.check_fuse`` says so, without pathlib
        return
    if any((base / DIRECTORY).exists() for base in (places.system_dir(), places.config_dir())):
        return
    for word in words:
        try:
            is_ours = not parse_remote(word).is_foreign
        except WNetError:
            continue
        if is_ours:
            daemon.begin()
        return
