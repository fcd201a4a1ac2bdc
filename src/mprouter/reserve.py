"""The reserve: room on the disk of the state directory that is kept for the moment when everything else has filled it.

What waits there to be sent may be what fills the disk. To send it a connection has to be noted in the store, and
rclone has to describe the files, which both need some room: a file of no use keeps it, and is cut when it is wanted.
It is cut by no more than that, since a program that writes without end takes what is given up here too.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["FILE_NAME", "SIZE", "give_up", "has_room", "keep"]

FILE_NAME = "mprouter.reserve"

SIZE = 2 << 20
"""Bytes that are kept, on a disk that has three times as much free."""

_PIECE = 1 << 16  # bytes; file systems give and take whole blocks


def keep(directory: Path) -> None:
    """Take room into the reserve of the state *directory*, if there is plenty. Never raises."""
    file = directory / FILE_NAME
    with suppress(OSError):
        if (file.exists() and file.stat().st_size >= SIZE) or not hasattr(os, "posix_fallocate"):
            return
        if has_room(directory, 3 * SIZE):
            descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, SIZE)
            finally:
                os.close(descriptor)


def give_up(directory: Path, size: int | None = None) -> None:
    """Have *size* bytes be free on the disk of the state *directory*, as far as the reserve goes. Never raises.

    None: all of it, where the system does not tell how much of the disk this user may still take.
    """
    with suppress(OSError):
        if size is not None and has_room(directory, size):
            return
        file = directory / FILE_NAME
        kept = file.stat().st_size
        disk = os.statvfs(directory)
        kept -= (size or SIZE) - disk.f_bavail * disk.f_frsize
        if size is None or kept <= 0 or (disk.f_files and not disk.f_favail):
            file.unlink()
        else:
            os.truncate(file, kept // _PIECE * _PIECE)


def has_room(directory: Path, size: int, files: int = 1) -> bool:
    """Whether *size* bytes, and as many more *files*, are free on its disk. Raises ``OSError``."""
    if not hasattr(os, "statvfs"):  # there nothing is kept either
        return True
    disk = os.statvfs(directory)
    return disk.f_bavail * disk.f_frsize >= size and (disk.f_favail >= files or not disk.f_files)
