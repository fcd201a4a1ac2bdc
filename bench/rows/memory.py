"""What 100 connections on three servers take of memory, all processes together, once each path was listed."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ground import Ground
from harness import Case, Goal, Kind, Role
from many import NUMBER, Many, memory


def cases(ground: Ground) -> Iterator[Case]:
    """One. Other processes named rclone on this machine count for neither."""
    many = Many(ground)
    kinds = [
        Kind("mprouter", Role.OURS, taken(many.restore), many.disconnect),
        Kind("rclone mount", Role.PEER, taken(many.mount), many.unmount),
    ]
    yield Case(f"memory of {NUMBER} connections", "MiB", kinds, [Goal(0.25)])


def taken(connect: Callable[[], None]) -> Callable[[], float]:
    """What *connect* adds."""

    def once() -> float:
        before = memory("rclone")
        connect()
        return memory("rclone") - before

    return once
