"""What an rclone that was killed has left in its cache, set right before another one begins with it.

rclone describes a file when it is opened, when it is first written to, and after its last close. By a description of
the first kinds the next rclone would take what was written since for the server's, and overwrite it with that; a file
whose description is cut off it would delete. Where the data are, and how they are moved, is known by ``unsent``.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Self

__all__ = ["is_whole", "mend"]

log = logging.getLogger("mprouter.providers")


@dataclass(frozen=True, slots=True)
class _Description:
    """rclone's description of a file. parts: from where to where the cache has what was written or fetched."""

    modified: str
    size: int
    parts: list[tuple[int, int]]

    @classmethod
    def read(cls, file: Path) -> Self | None:
        """None if it is cut off."""
        try:
            said = json.loads(file.read_bytes())
            parts = [(each["Pos"], each["Pos"] + each["Size"]) for each in said["Rs"] or []]
            return cls(said["ModTime"], said["Size"], parts)
        except (ValueError, LookupError, TypeError):
            return None

    def write(self, file: Path) -> None:
        """Have rclone take it for that of a closed file which is to be sent."""
        parts = [{"Pos": start, "Size": end - start} for start, end in self.parts if end > start]
        said: dict[str, Any] = {"ModTime": self.modified, "ATime": self.modified, "Size": self.size, "Rs": parts}
        new = file.with_name(f".{file.name}.new")
        new.write_text(json.dumps({**said, "Fingerprint": "", "Dirty": True}, indent=1))
        new.replace(file)

    @property
    def gaps(self) -> list[tuple[int, int]]:
        """The parts of the server's file that were neither written nor fetched."""
        gaps, at = [], 0
        for start, end in [*self.parts, (self.size, self.size)]:
            if at < min(start, self.size):
                gaps.append((at, min(start, self.size)))
            at = max(at, end)
        return gaps

    def is_finished(self, data: os.stat_result) -> bool:
        """Whether *data* was closed when this was written: rclone then sets its time to the one described."""
        return self.size == data.st_size and not self.gaps and _micro(self.modified) == _micro(_time(data))


def mend(meta: Path, data: Path, aside: Path, on_server: Callable[[str], bool], name: str) -> None:
    """Set right the unsent file *name* of the directory *data*, described in *meta*.

    One that may not have been closed does not replace the server's: if *on_server* tells that there is one, it gets a
    name of its own beside it. What cannot be told from the server's content goes to the directory *aside*.
    """
    content, description = data / name, meta / name
    if not content.exists():
        return
    found, said = content.stat(), _Description.read(description)
    if said is not None and said.is_finished(found):
        return
    if said is not None and said.gaps and all(_is_untouched(content, *gap) for gap in said.gaps):
        # It was appended to; rclone fetches the rest.
        parts = [(start, min(end, found.st_size)) for start, end in [*said.parts, (said.size, found.st_size)]]
        _Description(_time(found), found.st_size, parts).write(description)
    elif said.gaps if said is not None else _has_holes(content):
        kept = _free(name, lambda each: (aside / each).exists())
        (aside / kept).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        content.replace(aside / kept)
        description.unlink()
        log.error(
            "%s was being written in part when rclone was killed: what there is of it is in %s", name, aside / kept
        )
    else:
        sent = _free(name, lambda each: on_server(each) or (each != name and (meta / each).exists()))
        _Description(_time(found), found.st_size, [(0, found.st_size)]).write(meta / sent)
        if sent != name:  # in this order, since without a description it would be deleted
            content.replace(data / sent)
            description.unlink()
            log.warning("%s was being written when rclone was killed: it will be on the server as %s", name, sent)


def is_whole(content: bytes) -> bool:
    """Whether a description is not cut off."""
    return content.rstrip().endswith(b"}")


def _free(name: str, is_taken: Callable[[str], bool]) -> str:
    """*name*, or the first one like it that is not taken."""
    path = Path(name)
    if not is_taken(name):
        return name
    numbered = (f" {number}" if number > 1 else "" for number in count(1))
    others = (str(path.with_name(f"{path.stem} (unfinished{number}){path.suffix}")) for number in numbered)
    return next(each for each in others if not is_taken(each))


def _time(data: os.stat_result) -> str:
    from datetime import UTC, datetime

    seconds, nano = divmod(data.st_mtime_ns, 10**9)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{nano:09}Z"


def _micro(time: str) -> float:
    """Microseconds since 1970, of which Python keeps no more."""
    from datetime import datetime

    return datetime.fromisoformat(time).timestamp()


def _has_holes(data: Path) -> bool:
    descriptor = os.open(data, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size = os.fstat(descriptor).st_size
        return size > 0 and os.lseek(descriptor, 0, os.SEEK_HOLE) < size
    finally:
        os.close(descriptor)


def _is_untouched(data: Path, start: int, end: int) -> bool:
    """Whether there is nothing between *start* and *end*: a hole, or zeros in a page that is partly used."""
    descriptor = os.open(data, os.O_RDONLY | os.O_CLOEXEC)
    try:
        while start < end:
            try:
                start = os.lseek(descriptor, start, os.SEEK_DATA)
            except OSError:  # ENXIO: there is only a hole up to the end
                return True
            found = os.pread(descriptor, max(0, min(end - start, 1 << 20)), start)
            if any(found):
                return False
            start += max(len(found), 1)
    finally:
        os.close(descriptor)
    return True
