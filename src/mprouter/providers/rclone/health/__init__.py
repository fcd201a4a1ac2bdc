"""What the data plane needs, looked at for ``mpr doctor``: what is wrong with it, and how it is mended.

Nothing here touches a mount or waits long for an rclone that does not answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mprouter.finding import Check
    from mprouter.providers.base import Mounted

__all__ = ["diagnose"]


def diagnose(known: Callable[[], Sequence[Mounted]]) -> Sequence[Check]:
    """The checks of the data plane; see ``providers.base.Diagnosing``."""
    from mprouter.finding import Check
    from mprouter.providers.rclone.health import cache, fuse, mounts, processes, program

    return (
        Check("FUSE", fuse.look),
        Check("rclone", program.look),
        Check("rclone's process", processes.look, is_of_what_runs=True),
        Check("mounts", partial(mounts.look, known), is_of_what_runs=True),
        Check("unsent data", cache.look, is_of_what_runs=True),
    )
