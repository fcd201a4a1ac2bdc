"""How connections on rclone are and what of them is not sent yet, asked of the kernel and the files alone.

Neither rclone nor any network has to be loaded for that, so that connections are listed at once.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mprouter import mountinfo
from mprouter.processes import started_at
from mprouter.providers.mounted import State
from mprouter.providers.rclone.mounts import KIND
from mprouter.providers.rclone.unsent import waiting

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["states", "waiting"]


def states(handles: Sequence[Mapping[str, Any]]) -> list[State]:
    """What became of each (``NPGetConnection``): the kernel is asked once for all of them.

    handles: as ``Handle.written`` made them; one in which anything is missing is a lost one's.
    """
    start, kinds = cache(started_at), mountinfo.kinds()
    kinds_for = cache(lambda pid: mountinfo.kinds(Path(f"/proc/{pid}")))  # it may have another mount namespace

    def is_connected(handle: Mapping[str, Any] | None) -> bool:
        handle = handle or {}
        pid, place = handle.get("pid", 0), handle.get("mountpoint", "")
        return start(pid) == handle.get("started", -1) and (
            kinds.get(place) == KIND or kinds_for(pid).get(place) == KIND
        )

    return [State.CONNECTED if is_connected(each) else State.LOST for each in handles]
