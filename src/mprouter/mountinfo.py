"""What the kernel says is mounted. Nothing here touches a mounted directory, which could hang."""

from __future__ import annotations

import os
import re
from pathlib import Path

from mprouter.frozen import frozen
from mprouter.status import check_known

__all__ = ["Mount", "at", "kinds", "mounted", "of_kind", "on"]

_SELF = Path("/proc/self")


@frozen
class Mount:
    """A line of ``/proc/self/mountinfo``.

    path: where it is. device: the minor number, which FUSE also calls its connection by. kind: the type of the file
    system. source: what is mounted. user: for whom, where the file system says so (``user_id``, as FUSE does). root:
    which directory of the file system is there.
    """

    path: Path
    device: int
    kind: str
    source: str
    user: int | None
    root: Path


def mounted() -> list[Mount]:
    """All mounts, in the order in which they were made; a later one covers an earlier one of the same path."""
    return [_read(fields) for fields in _lines()]


def of_kind(kind: str, device: int | None = None, *, process: Path = _SELF) -> list[Mount]:
    """The mounts of the file systems of this *kind*, or of the one on this *device*, wherever they are.

    process: its directory in /proc; those that it sees, which may have a mount namespace of its own.
    """
    end = b"" if device is None else b":%d" % device
    lines = [fields for fields in _lines(process) if fields[2].endswith(end)]
    return [_read(fields) for fields in lines if fields[fields.index(b"-", 6) + 1] == os.fsencode(kind)]


def on(path: Path) -> list[Mount]:
    """The mounts on *path*, a path without links, each of which covers those before it."""
    wanted = os.fsencode(path)
    return [_read(fields) for fields in _lines() if _unescaped(fields[4]) == wanted]


def at(path: Path) -> Mount | None:
    """The topmost mount on *path*, a path without links; None if nothing is mounted there."""
    there = on(path)
    return there[-1] if there else None


def kinds(process: Path = _SELF) -> dict[str, str]:
    """Where something is mounted, as text in any locale, and the type of the topmost file system there.

    process: as in ``of_kind``.
    """
    return {_named(_unescaped(fields[4])): os.fsdecode(fields[fields.index(b"-", 6) + 1]) for fields in _lines(process)}


def _lines(process: Path = _SELF) -> list[list[bytes]]:
    try:
        return [line.split(b" ") for line in (process / "mountinfo").read_bytes().splitlines()]
    except OSError as error:  # no Linux
        check_known(error)
        return []


def _read(fields: list[bytes]) -> Mount:
    dash = fields.index(b"-", 6)
    user = re.search(rb"\buser_id=(\d+)", fields[dash + 3])
    return Mount(
        Path(os.fsdecode(_unescaped(fields[4]))),
        int(fields[2].partition(b":")[2]),
        os.fsdecode(fields[dash + 1]),
        os.fsdecode(_unescaped(fields[dash + 2])),
        int(user[1]) if user else None,
        Path(os.fsdecode(_unescaped(fields[3]))),
    )


def _named(path: bytes) -> str:
    """*path* in UTF-8, as whoever mounts there has it nearly everywhere, else by the locale of this process."""
    try:
        return path.decode()
    except UnicodeDecodeError:
        return os.fsdecode(path)


def _unescaped(field: bytes) -> bytes:
    if b"\\" not in field:  # as in nearly all of what may be a thousand
        return field
    return re.sub(rb"\\([0-7]{3})", lambda match: bytes([int(match[1], 8)]), field)
