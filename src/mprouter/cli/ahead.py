"""Starting rclone before it is asked for: that takes as long as the rest of a command, and goes on beside it.

Nothing of the network is touched, and whoever needs rclone waits for it there (``daemon.obtain``).
"""

from __future__ import annotations

import os
from contextlib import suppress

TYPE_CHECKING = False  # that of typing, which takes as long to load as the rest of this
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["begin", "is_likely_ours"]

_SCHEMES = "smb sftp ssh dav webdav webdav+http davs webdavs webdav+https ftp ftps s3 file"

_BEGINNINGS = ("rclone:", *(f"{each}://" for each in _SCHEMES.split()))
"""How a name of ours begins, if not by two slashes. ``names.py`` knows, and loads what it takes to know all of it."""


def begin(words: Sequence[str]) -> None:
    """Begin to start rclone if it is likely to make the connection that *words*, of ``mpr connect``, ask for.

    It is not if they ask for something else, or if providers are registered by files, which may want the name.
    Whatever is wrong is told by whoever comes to it again: this never raises, and waits for nobody.
    """
    with suppress(Exception):
        _begin(words)


def is_likely_ours(word: str) -> bool:
    """Whether *word* is a remote name of ours, as far as that can be seen at once, and holds no password."""
    plain = word.lower().replace("\\", "/")
    login, at, _ = plain.partition("://")[2].partition("@")
    is_unc = plain.startswith("//") and "/" in plain.strip("/")
    return (is_unc or plain.startswith(_BEGINNINGS)) and not (at and ":" in login)


def _begin(words: Sequence[str]) -> None:
    if any(word == "-h" or word.startswith(("--h", "--prov")) for word in words):
        return
    if not any(map(is_likely_ours, words)) or not os.path.exists("/proc/self"):  # noqa: PTH110 - short of pathlib
        return  # without that directory ``mounts.check_fuse`` says so
    from mprouter import places
    from mprouter.providers import DIRECTORY
    from mprouter.providers.rclone import program

    if any((base / DIRECTORY).exists() for base in (places.system_dir(), places.config_dir())):
        return
    program.begin(program.record().exists)  # if that one has died, whoever needs one finds out
