"""The record of what happened (N20): written, read, and kept within bounds."""

from __future__ import annotations

import time
from dataclasses import fields
from typing import TYPE_CHECKING

from mprouter.store.model import EventRecord

if TYPE_CHECKING:
    from collections.abc import Sequence
    from sqlite3 import Connection

__all__ = ["MAX_AGE", "MAX_EVENTS", "TRIM_EVERY", "last_calls", "read", "trim", "write"]

MAX_EVENTS = 100_000
"""How many events are kept."""

MAX_AGE = 90 * 86400.0
"""How many seconds an event is kept."""

TRIM_EVERY = 100
"""After how many events the old ones are looked for, so the bounds may be passed by as many."""

_TRIM_AT_ONCE = 1000

_FIELDS = tuple(field.name for field in fields(EventRecord))
_COLUMNS = ", ".join(_FIELDS)
_NEW = _FIELDS[1:]  # the id comes with the row
_INSERT = f"INSERT INTO events ({', '.join(_NEW)}) VALUES ({', '.join('?' * len(_NEW))})"  # noqa: S608


def write(db: Connection, events: Sequence[EventRecord]) -> bool:
    """Append *events*; whether it is time to ``trim``."""
    last = 0
    for event in events:
        values = [getattr(event, name) for name in _NEW]
        # what a notifyee says may hold halves of characters; that is no reason to lose the event
        plain = [each.encode(errors="backslashreplace").decode() if isinstance(each, str) else each for each in values]
        last = db.execute(_INSERT, plain).lastrowid or 0
    return bool(events) and last % TRIM_EVERY < len(events)


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
    return [_event(row) for row in reversed(rows)]


def last_calls(db: Connection) -> dict[str, EventRecord]:
    """The newest call of each notifyee, by its id."""
    newest = "SELECT max(id) FROM events WHERE kind = 'notify' GROUP BY notifyee"
    rows = db.execute(f"SELECT {_COLUMNS} FROM events WHERE id IN ({newest})").fetchall()  # noqa: S608
    return {str(event.notifyee): event for event in map(_event, rows)}


def trim(db: Connection) -> None:
    """Delete some of the oldest events that are past the bounds: few at once, so that nobody waits long."""
    oldest, newest = db.execute("SELECT (SELECT min(id) FROM events), (SELECT max(id) FROM events)").fetchone()
    if oldest is None:
        return
    recent = db.execute("SELECT id FROM events WHERE time >= ? ORDER BY id LIMIT 1", [time.time() - MAX_AGE]).fetchone()
    keep_from = max(newest + 1 - MAX_EVENTS, recent[0] if recent else newest + 1)
    db.execute("DELETE FROM events WHERE id < ?", [min(keep_from, oldest + _TRIM_AT_ONCE)])


def _event(row: Sequence[object]) -> EventRecord:
    values = dict(zip(_FIELDS, row, strict=True))
    values["force"], values["recovered"] = bool(values["force"]), bool(values["recovered"])
    return EventRecord(**values)  # type: ignore[arg-type]
