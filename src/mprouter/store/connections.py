"""The connections, made and in the making: the rows, read and changed inside the caller's transaction."""

from __future__ import annotations

import json
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from mprouter.frozen import names
from mprouter.store import owner
from mprouter.store.model import Entry
from mprouter.store.sealed import Damaged

if TYPE_CHECKING:
    from collections.abc import Mapping
    from sqlite3 import Connection

__all__ = [
    "around",
    "begin_anew",
    "begin_cancel",
    "by_id",
    "by_local_name",
    "by_remote",
    "claimed",
    "complete",
    "insert",
    "keep",
    "next_id",
    "occupant",
    "read",
    "remove",
]

_FIELDS = names(Entry)
_COLUMNS = ", ".join(_FIELDS)
_SELECT = f"SELECT {_COLUMNS} FROM connections"  # noqa: S608
_INSERT = f"INSERT INTO connections ({_COLUMNS}) VALUES ({', '.join('?' * len(_FIELDS))})"  # noqa: S608


def next_id(db: Connection) -> int:
    """The id of the next row."""
    row = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'connections'").fetchone()
    if row is not None and not isinstance(row[0], int):
        raise Damaged("the number of the last connection is none")
    return row[0] + 1 if row else 1


def insert(db: Connection, entry: Entry) -> None:
    """Add *entry*, whose names must be free."""
    values = {name: getattr(entry, name) for name in _FIELDS}
    values |= {"options": _text(entry.options), "handle": _text(entry.handle)}
    db.execute(_INSERT, list(values.values()))


def read(db: Connection) -> list[Entry]:
    """All, the oldest first."""
    return [_entry(row) for row in db.execute(f"{_SELECT} ORDER BY id")]


def claimed(db: Connection) -> list[Entry]:
    """Those that somebody is at work on, or was, the oldest first."""
    return [_entry(row) for row in db.execute(f"{_SELECT} WHERE phase <> 'connected' ORDER BY id")]


def by_id(db: Connection, entry_id: int) -> Entry | None:
    """The one with this id."""
    return _one(db.execute(f"{_SELECT} WHERE id = ?", [entry_id]).fetchone())


def by_local_name(db: Connection, local_name: str) -> Entry | None:
    """The one with this local name."""
    return _one(db.execute(f"{_SELECT} WHERE local_name = ?", [local_name]).fetchone())


def by_remote(db: Connection, canonical: str) -> list[Entry]:
    """The deviceless ones to this resource, the oldest first."""
    where = "WHERE canonical = ? AND local_name IS NULL ORDER BY id"
    return [_entry(row) for row in db.execute(f"{_SELECT} {where}", [canonical])]


def occupant(db: Connection, local_name: str | None, path: str) -> Entry | None:
    """The one that has this local name or mount point: ``Z:`` and its directory are two names of one place."""
    return _one(db.execute(f"{_SELECT} WHERE local_name = ? OR path = ? LIMIT 1", [local_name, path]).fetchone())


def around(db: Connection, path: str) -> Entry | None:
    """The one that *path* lies in, and not at."""
    above = [str(each) for each in PurePath(path).parents]
    return _one(db.execute(f"{_SELECT} WHERE path IN ({', '.join('?' * len(above))}) LIMIT 1", above).fetchone())


def complete(
    db: Connection, entry_id: int, *, provider: str, user: str | None, handle: Mapping[str, Any], made_directory: bool
) -> Entry | None:
    """From "adding" to "connected"; None if there is no such claim."""
    changed = db.execute(
        "UPDATE connections SET phase = 'connected', provider = ?, user = ?, handle = ?, made_directory = ?"
        " WHERE id = ? AND phase = 'adding'",
        [provider, user, _text(handle), made_directory, entry_id],
    )
    return by_id(db, entry_id) if changed.rowcount else None


def begin_cancel(db: Connection, entry_id: int) -> bool:
    """From "connected" to "cancelling" by this process; whether it was."""
    changed = db.execute(
        "UPDATE connections SET phase = 'cancelling', owner_pid = ?, owner_start = ?"
        " WHERE id = ? AND phase = 'connected'",
        [*owner.me(), entry_id],
    )
    return bool(changed.rowcount)


def keep(db: Connection, entry_id: int) -> bool:
    """Back to "connected", from "cancelling", or from a claim to the lost one whose place it took; whether it was."""
    was = "phase = 'cancelling' OR (phase = 'adding' AND handle <> '{}')"
    changed = db.execute(f"UPDATE connections SET phase = 'connected' WHERE id = ? AND ({was})", [entry_id])  # noqa: S608
    return bool(changed.rowcount)


def begin_anew(db: Connection, entry_id: int) -> None:
    """Nothing is left of the lost connection whose place a claim took."""
    db.execute("UPDATE connections SET handle = '{}', provider = NULL WHERE id = ? AND phase = 'adding'", [entry_id])


def asking(db: Connection, entry_id: int, provider: str) -> None:
    """A claim is *provider*'s to make, and to clear away."""
    db.execute("UPDATE connections SET provider = ? WHERE id = ? AND phase = 'adding'", [provider, entry_id])


def remove(db: Connection, entry_id: int) -> None:
    """The row goes, if it is there."""
    db.execute("DELETE FROM connections WHERE id = ?", [entry_id])


def _one(row: tuple[Any, ...] | None) -> Entry | None:
    return _entry(row) if row else None


def _entry(row: tuple[Any, ...]) -> Entry:
    values = dict(zip(_FIELDS, row, strict=True))
    values |= {
        "options": _mapping(values["options"]),
        "handle": _mapping(values["handle"]),
        "made_directory": bool(values["made_directory"]),
    }
    return Entry(**values)


def _text(mapping: Mapping[str, Any]) -> str:
    return json.dumps(dict(mapping)) if mapping else "{}"


def _mapping(text: str) -> dict[str, Any]:
    return json.loads(text) if text != "{}" else {}  # as most are
