"""Restoring 100 remembered connections on three servers, beside as many ``rclone mount --daemon`` side by side."""

from __future__ import annotations

from collections.abc import Iterator

from ground import Ground
from harness import Case, Goal, Kind, Role, timed
from many import NUMBER, Many


def cases(ground: Ground) -> Iterator[Case]:
    """One, from nothing running to all paths listed."""
    many = Many(ground)
    kinds = [
        Kind("mpr restore", Role.OURS, timed(many.restore, "s"), many.disconnect, "rclone"),
        Kind("rclone mount", Role.PEER, timed(many.mount, "s"), many.unmount, "rclone"),
    ]
    yield Case(f"restore {NUMBER} connections on 3 servers", "s", kinds, [Goal(0.33)])
