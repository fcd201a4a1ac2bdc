"""Written data that waits in rclone's cache directory to be sent, whichever rclone put it there.

A file system of rclone's keeps its cache in directories of its own: below ``vfs/NAME/ROOT`` stand the data, below
``vfsMeta/NAME/ROOT`` a JSON file for each with whether it is dirty. NAME ends in a hash of all settings, the password
among them. What a dead rclone, or a connection with another password, has left is therefore under another name than
the one that a new connection looks under, and is moved there (``adopt``) before the new one begins.
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mprouter.providers.rclone.daemon import Daemon
from mprouter.providers.rclone.mend import Server, is_whole, mend
from mprouter.status import Status, WNetError

__all__ = ["Unsent", "adopt", "check_room", "clear", "is_member", "unsent"]

log = logging.getLogger("mprouter.providers")

ROOM = 1 << 20
"""Bytes that must be free on the cache's disk: an rclone that cannot describe an unsent file deletes it."""


@dataclass(frozen=True, slots=True)
class Unsent:
    """A file with data that the server does not have. path: in the connection. size: in bytes."""

    path: str
    size: int


def unsent(meta: Path) -> list[Unsent]:
    """The unsent files whose descriptions are below the directory *meta*, those still open among them."""
    return [Unsent(str(file.relative_to(meta)), _size(file)) for file in _dirty(meta)]


def is_member(name: str, family: str) -> bool:
    """Whether the file system *name*, with or without its root, is one of those whose names begin with *family*."""
    return re.fullmatch(re.escape(family) + r"(?:-[0-9a-f]+)*(?:\{[^}]*\})?", name.partition(":")[0]) is not None


def adopt(rclone: Daemon, family: str, fs: str) -> int:
    """Move what other members of *family* have left unsent to the directories of *fs*, mended; how many files.

    family: what the names of all file systems for one resource and user begin with. The caller keeps others from
    starting one. Raises ``Refused``, ``OSError`` and ``WNetError``, ERROR_DISK_FULL among them; nothing is lost then.
    """
    cache, living = rclone.cache, {each.partition(":")[0] for each in rclone.call("vfs/list")["vfses"]}
    name, _, root = fs.partition(":")
    if name in living:
        return 0
    check_room(cache)
    server = Server(rclone, fs)
    _mend(cache, name, root, server)
    moved = 0
    with suppress(FileNotFoundError):
        for left in sorted((cache / "vfsMeta").iterdir()):
            if left.name not in living and left.name != name and is_member(left.name, family):
                _mend(cache, left.name, root, server)
                moved += _move(cache, left.name, name)
    if moved:
        log.warning("%d files that were not sent by an earlier connection will be sent by this one", moved)
    return moved


def check_room(cache: Path) -> None:
    """Raise ``WNetError`` ERROR_DISK_FULL if there is no room for what is written."""
    disk = os.statvfs(cache)
    if disk.f_bavail * disk.f_frsize < ROOM or (disk.f_files and not disk.f_favail):
        raise WNetError(
            Status.ERROR_DISK_FULL,
            f"the disk of {cache}, where what is written waits to be sent, is full",
            hint="make room there, or connect with -o read_only=yes",
        )


def clear(cache: Path, fs: str) -> None:
    """Drop the copies of what the server has, when *fs* has ended and nothing waits there. See ``adopt`` for others."""
    import shutil

    name = fs.partition(":")[0]
    if not any(_dirty(cache / "vfsMeta" / name)):
        for kind in ("vfs", "vfsMeta"):  # in this order: data without a description would be taken for unwanted
            shutil.rmtree(cache / kind / name, ignore_errors=True)


def _move(cache: Path, old: str, new: str) -> int:
    """Move the dirty files of *old* to *new*, then drop the rest of *old*: copies of what the server has."""
    import shutil

    moved = 0
    for file in list(_dirty(cache / "vfsMeta" / old)):
        inner = file.relative_to(cache / "vfsMeta" / old)
        meta, data = (cache / kind / new / inner for kind in ("vfsMeta", "vfs"))
        if meta.exists() and meta.stat().st_mtime_ns > file.stat().st_mtime_ns:
            continue  # written again since
        for each in (meta, data):
            each.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileNotFoundError):  # an earlier attempt was cut short after this step
            (cache / "vfs" / old / inner).replace(data)
        file.replace(meta)
        moved += 1
    for kind in ("vfsMeta", "vfs"):
        shutil.rmtree(cache / kind / old, ignore_errors=True)
    return moved


def _mend(cache: Path, name: str, root: str, server: Server) -> None:
    """Set right what a killed rclone has left of the file system *name*."""
    meta, data, aside = (cache / kind / name / root.strip("/") for kind in ("vfsMeta", "vfs", "damaged"))
    for each in unsent(meta):
        mend(meta, data, aside, server, each.path)


def _dirty(meta: Path) -> Iterator[Path]:
    """The descriptions of dirty files, and those that are not whole: one that is being written is not for a moment."""
    for directory, _, names in os.walk(meta):
        for name in names:
            file = Path(directory, name)
            with suppress(FileNotFoundError):
                content = file.read_bytes()
                if b'"Dirty": true' in content or not is_whole(content):
                    yield file


def _size(file: Path) -> int:
    try:
        return int(json.loads(file.read_bytes())["Size"])
    except (OSError, ValueError, LookupError, TypeError):
        return 0
