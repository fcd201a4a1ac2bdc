"""The record of what happened (N20): written, read, and kept within bounds."""

from __future__ import annotations

import time
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from mprouter.frozen import frozen, names
from mprouter.log import Log
from mprouter.store import sealed
from mprouter.store.model import EventRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from sqlite3 import Connection

__all__ = ["MAX_TEXT", "TRIM_AT_ONCE", "Bounds", "last_calls", "read", "trim", "write"]

MAX_TEXT = 8192
"""How many characters of a text are kept."""

_MAX = (1 << 63) - 1

TRIM_AT_ONCE = 500
"""How many old events go at once, so that nobody waits long for them."""

log = Log("mprouter.store")


@frozen
class Bounds:
    """What is kept: the newest *count* events, and of them those of the last *age* seconds."""

    count: int
    age: float


_FIELDS = names(EventRecord)
_COLUMNS = f"{', '.join(_FIELDS)}, sum"
_NEW = _FIELDS[1:]  # the id comes with the row
_values = attrgetter(*_NEW)
_INSERT = f"INSERT INTO events ({', '.join(_NEW)}) VALUES ({', '.join('?' * len(_NEW))})"  # noqa: S608


def write(db: Connection, events: Sequence[EventRecord]) -> None:
    """Append *events*."""
    for event in events:
        db.execute(_INSERT, [*map(_plain, _values(event))])


def read(db: Connection, *, after: int | None, last: int | None, name: str | None) -> list[EventRecord]:
    """The *last* events with ids above *after* that concern *name*, oldest first."""
    after = -1 if after is None else after
    last = -1 if last is None else last
    values: list[object]
    if name is None:
        query, values = f"SELECT {_COLUMNS} FROM events WHERE id > ? ORDER BY id DESC LIMIT ?", [after, last]  # noqa: S608
    else:
        # each half is answered by its index from its newest end; with OR, SQLite would gather all and sort
        query = (
            f"SELECT {_COLUMNS} FROM events WHERE id IN ("  # noqa: S608
            "SELECT id FROM (SELECT id FROM events WHERE remote_name = ? AND id > ? ORDER BY id DESC LIMIT ?) UNION "
            "SELECT id FROM (SELECT id FROM events WHERE local_name = ? AND id > ? ORDER BY id DESC LIMIT ?)"
            ") ORDER BY id DESC LIMIT ?"
        )
        values = [name, after, last, name, after, last, last]
    rows = db.execute(query, values).fetchall()
    return _events(reversed(rows))


def last_calls(db: Connection) -> dict[str, EventRecord]:
    """The newest call of each notifyee, by its id."""
    newest = "SELECT max(id) FROM events WHERE kind = 'notify' GROUP BY notifyee"
    rows = db.execute(f"SELECT {_COLUMNS} FROM events WHERE id IN ({newest})").fetchall()  # noqa: S608
    return {str(event.notifyee): event for event in _events(rows)}


def trim(db: Connection, bounds: Bounds) -> None:
    """Delete the oldest events that are past *bounds*, not too many at once."""
    query = "SELECT id, time, (SELECT max(id) FROM events) FROM events ORDER BY id LIMIT 1"
    oldest = db.execute(query).fetchone()
    if oldest is None:
        return
    number, told, newest = oldest
    past, before = max(newest - bounds.count, 0), time.time() - bounds.age
    if number <= past or told < before:
        first = "SELECT id FROM events ORDER BY id LIMIT ?"
        query = f"DELETE FROM events WHERE id IN ({first}) AND (id <= ? OR time < ?)"  # noqa: S608
        db.execute(query, [TRIM_AT_ONCE, past, before])


def _plain(value: object) -> object:
    if not isinstance(value, str):
        return value if type(value) is not int else min(max(value, -_MAX - 1), _MAX)  # SQLite has no larger ones
    text = value.encode(errors="backslashreplace").decode()  # what a notifyee says may hold halves of characters
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…"


def _events(rows: Iterable[Sequence[Any]]) -> list[EventRecord]:
    """Those that are as they were written."""
    found, damaged = [], 0
    for *row, checksum in rows:
        if checksum == sealed.checksum(*row):
            values = dict(zip(_FIELDS, row, strict=True))
            values["force"], values["recovered"] = bool(values["force"]), bool(values["recovered"])
            found.append(EventRecord(**values))
        else:
            damaged += 1
    if damaged:
        log.warning("%d damaged events are left out", damaged)
    return found
