"""What an rclone that was killed has left in its cache, set right before another one begins with it.

rclone describes a file when it is opened, when it is first written to, and after its last close. By a description of
the first kinds the next rclone would take what was written since for the server's, and overwrite it with that, or, if
the server did not answer, send zeros for what it had not fetched; a file whose description is cut off it would delete.
Where the data are, and how they are moved, is known by ``unsent``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from itertools import count, islice
from pathlib import Path
from typing import Any, Self

from mprouter.frozen import frozen
from mprouter.log import Log
from mprouter.providers.rclone.server import Server, seconds
from mprouter.providers.rclone.unsent import is_unsent
from mprouter.status import Status, WNetError

__all__ = ["close", "lacks_parts", "mend"]

log = Log("mprouter.providers")

_NAME = 255
"""Bytes that the name of a file may have here."""

_MOST = 1000
"""Names that are tried for one file, until the server is taken for one that says of any name that it has it."""

_BLOCK = 1 << 20
"""Bytes that are compared at once."""


@frozen
class _Description:
    """rclone's description of a file.

    accessed: when it was last opened or closed. parts: from where to where the cache has what was written or fetched.
    fingerprint: of the server's file that it began with, as size, time and hash, where they are known; "" if there was
    none.
    """

    modified: str
    accessed: str
    size: int
    parts: list[tuple[int, int]]
    fingerprint: str

    @classmethod
    def read(cls, file: Path) -> Self | None:
        """None if it is cut off, or not there. Raises ``OSError`` if it cannot be read."""
        try:
            said = json.loads(file.read_bytes())
            parts = [(each["Pos"], each["Pos"] + each["Size"]) for each in said["Rs"] or []]
            seconds(said["ModTime"]), seconds(said["ATime"])
            return cls(said["ModTime"], said["ATime"], said["Size"], parts, said["Fingerprint"])
        except (FileNotFoundError, NotADirectoryError, ValueError, LookupError, TypeError):
            return None

    @classmethod
    def whole(cls, data: os.stat_result, fingerprint: str = "") -> Self:
        """That of *data* as a file which lacks nothing, and is new unless it began with that *fingerprint*."""
        return cls(_time(data), _time(data), data.st_size, [(0, data.st_size)], fingerprint)

    def write(self, file: Path) -> None:
        """Have rclone take it for that of a closed file which is to be sent."""
        parts = [{"Pos": start, "Size": end - start} for start, end in self.parts if end > start]
        said: dict[str, Any] = {"ModTime": self.modified, "ATime": self.accessed, "Size": self.size, "Rs": parts}
        new = file.with_name(os.fsdecode(b"." + os.fsencode(file.name)[: _NAME - 5] + b".new"))
        new.write_text(json.dumps({**said, "Fingerprint": self.fingerprint, "Dirty": True}, indent=1), encoding="utf-8")
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

    @property
    def lacks(self) -> bool:
        """Whether parts of it are, or were, on the server alone. Of a new file, what was not written is nowhere."""
        return bool(self.fingerprint and self.gaps)

    def is_finished(self, data: os.stat_result) -> bool:
        """Whether *data* was closed when this was written: rclone then sets its time to the one described."""
        return self.size == data.st_size and not self.gaps and seconds(self.modified) == seconds(_time(data))


def mend(
    meta: Path, data: Path, server: Server, name: str, *, others: Sequence[tuple[Path, Path]], aside: Path
) -> None:
    """Set right the unsent file *name* of the directory *data*, described in *meta*.

    Afterwards it is whole: what it lacks is fetched. One that may not have been closed does not replace a file that
    the server has, and none replaces what somebody else has made there meanwhile, or what waits under the same name in
    *others*, such directories of *meta* and *data*: it gets a name of its own beside that. What cannot be told from the
    server's content goes to the directory *aside*. Raises ``Refused``, ``WNetError`` and ``OSError``; then nothing has
    changed.
    """
    content, description = data / name, meta / name
    if not content.exists():
        return
    found, said = content.stat(), _Description.read(description)
    waiting = [each / name for each, its in others if (its / name).exists() and is_unsent(each / name)]

    def is_taken(other: str) -> bool:
        known = waiting if other == name else [meta / other, *(each / other for each, _ in others)]
        return server.has(other) or any(each.exists() for each in known)

    if said is not None and said.is_finished(found):
        if server.has_anothers(name, data, said.fingerprint, said.accessed):
            why = "was changed on the server while it waited here"
        elif any(_is_later(each, said) for each in waiting):
            why = "was written again, by another connection, while it waited here"
        else:
            return
        sent = _free(name, "conflict", lambda other: other == name or is_taken(other))
        _rename(meta, data, name, sent)
        log.warning("%s %s: it will be there as %s", name, why, sent)
        return
    lacks = said.lacks if said is not None else _has_holes(content)
    if said is not None and lacks and _fill(content, said, server, name):
        os.utime(content, ns=(found.st_atime_ns, found.st_mtime_ns))
        _Description.whole(found, said.fingerprint).write(description)
    elif lacks:
        kept = _free(name, "unfinished", lambda each: (aside / each).exists())
        (aside / kept).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        content.replace(aside / kept)
        description.unlink()
        log.error(
            "%s was changed in part, and its rest cannot be fetched any more: what there is of it is in %s",
            name,
            aside / kept,
        )
        return
    if waiting or not lacks:
        sent = _free(name, "unfinished", is_taken)
        _rename(meta, data, name, sent)
        if sent != name:
            log.warning("%s was being written when rclone was killed: it will be on the server as %s", name, sent)


def close(meta: Path, data: Path, name: str) -> None:
    """Note that nobody has the unsent file *name* open any more, which rclone was not told. See ``mend``.

    One that lacks parts is left to ``mend``: it gets its own name too, when they are fetched. Raises ``OSError``.
    """
    found, said = (data / name).stat(), _Description.read(meta / name)
    if said is not None and not said.lacks and not said.is_finished(found):
        _Description.whole(found, said.fingerprint).write(meta / name)


def _is_later(description: Path, other: _Description) -> bool:
    """Whether the file of that *description* was closed after the *other* one, or may have been."""
    said = _Description.read(description)
    return said is not None and seconds(said.accessed) >= seconds(other.accessed)


def lacks_parts(description: Path) -> bool:
    """Whether parts of the file are on the server alone, as far as rclone has written that down."""
    said = _Description.read(description)
    return said is not None and said.lacks


def _rename(meta: Path, data: Path, name: str, sent: str) -> None:
    """Have the file *name* sent as *sent*, a new one."""
    _Description.whole((data / name).stat()).write(meta / sent)
    if sent != name:  # in this order, since without a description it would be deleted
        (data / name).replace(data / sent)
        (meta / name).unlink()


def _free(name: str, why: str, is_taken: Callable[[str], bool]) -> str:
    """*name*, or the first one like it, which says *why*, that is not taken."""
    path = Path(name)
    if not is_taken(name):
        return name
    numbered = (f" {number}" if number > 1 else "" for number in count(1))
    suffix = path.suffix if len(os.fsencode(path.suffix)) < _NAME // 2 else ""
    stem = os.fsencode(path.name.removesuffix(suffix))

    def other(number: str) -> str:
        end = f" ({why}{number}){suffix}"
        room = _NAME - len(os.fsencode(end))
        return str(path.with_name(stem[:room].decode(errors="ignore") + end))

    found = next((each for each in islice(map(other, numbered), _MOST) if not is_taken(each)), None)
    if found is None:
        raise WNetError(
            Status.ERROR_UNEXP_NET_ERR, f"the server has {_MOST} files like {other('')}, or says so of any name"
        )
    return found


def _time(data: os.stat_result) -> str:
    from datetime import UTC, datetime

    seconds, nano = divmod(data.st_mtime_ns, 10**9)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{nano:09}Z"


def _has_holes(data: Path) -> bool:
    descriptor = os.open(data, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size = os.fstat(descriptor).st_size
        return size > 0 and os.lseek(descriptor, 0, os.SEEK_HOLE) < size
    finally:
        os.close(descriptor)


def _fill(content: Path, said: _Description, server: Server, name: str) -> bool:
    """Put what the server has into the gaps of *content*.

    False if something else is there already, or the server's file is another one now: the two would be mixed.
    """
    from tempfile import TemporaryDirectory

    if not server.still_has(name, said.fingerprint, said.modified):
        return False
    with TemporaryDirectory(dir=content.parent, prefix=".fetched") as directory:
        fetched = Path(directory, "file")
        if not server.fetch(name, fetched):
            return False
        with content.open("r+b", buffering=0) as ours, fetched.open("rb", buffering=0) as theirs:
            for writing in (False, True):
                for start, end in said.gaps:
                    for at in range(start, end, _BLOCK):
                        length = min(_BLOCK, end - at)
                        old, new = os.pread(ours.fileno(), length, at), os.pread(theirs.fileno(), length, at)
                        if old == new:
                            continue
                        if writing:
                            _write(ours.fileno(), new[: len(old)], at)
                        elif len(new) < len(old) or not _is_part(old, new):
                            return False
    return True


def _write(descriptor: int, content: bytes, at: int) -> None:
    """All of *content*, or ``OSError``: on a disk that becomes full the system writes a part and does not complain."""
    while content:
        written = os.pwrite(descriptor, content, at)
        content, at = content[written:], at + written


def _is_part(old: bytes, new: bytes) -> bool:
    """Whether *old* is *new*, or zeros where it was not fetched."""
    return not any(old) or all(ours in (0, theirs) for ours, theirs in zip(old, new, strict=False))
