"""How connections on rclone are and what of them is not sent yet, asked of the kernel and the files alone.

Neither rclone nor any network has to be loaded for that, so that connections are listed at once.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from mprouter import mountinfo
from mprouter.processes import started_at
from mprouter.providers.mounted import State
from mprouter.providers.rclone.handle import Handle
from mprouter.providers.rclone.mounts import KIND
from mprouter.providers.rclone.unsent import waiting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mprouter.providers.mounted import Mounted

__all__ = ["states", "waiting"]


def states(mounted: Sequence[Mounted]) -> list[State]:
    """What became of each (``NPGetConnection``): the kernel is asked once for all of them."""
    start, kinds = cache(started_at), mountinfo.kinds()

    def is_connected(handle: Handle) -> bool:
        return start(handle.pid) == handle.started and kinds.get(str(handle.mountpoint)) == KIND

    return [State.CONNECTED if is_connected(Handle.read(each)) else State.LOST for each in mounted]
