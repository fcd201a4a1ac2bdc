"""What 100 connections on three servers take of memory, once each path was listed.

Counted are the processes that hold the connections: of ours the rclone of this row's own directories, of the others one
for each mount. What each has for itself is added up, and the program's file, which they share, is counted once:
``many.memory``. What the kernel keeps for a mount is not in it, on either side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ground import Ground
from harness import Case, Goal, Kind, Role
from many import NUMBER, Many


def cases(ground: Ground) -> Iterator[Case]:
    """One."""
    many = Many(ground)
    kinds = [
        Kind("mprouter", Role.OURS, after(many.restore, many.taken), many.disconnect, engine="rclone"),
        Kind("rclone mount", Role.PEER, after(many.mount, many.taken_by_theirs), many.unmount, engine="rclone"),
    ]
    yield Case(f"memory of {NUMBER} connections", "MiB", kinds, [Goal(0.25)])


def after(connect: Callable[[], None], taken: Callable[[], float]) -> Callable[[], float]:
    """What is taken as soon as all are there."""

    def once() -> float:
        connect()
        return taken()

    return once
