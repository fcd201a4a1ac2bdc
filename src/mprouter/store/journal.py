"""The journal: operations that are under way, and who is owed a post for which context (N19).

A row is there from before an operation's first effect until after its last one. One whose process is dead was cut off.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mprouter.store.model import Operation, Owed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from sqlite3 import Connection

__all__ = ["delete", "insert", "note", "read", "settle", "succeeded"]

_OPERATION = (
    "id, event, remote_name, local_name, provider, entries, forget, attempt, status, owner_pid, owner_start, started"
)
_OWED = "place, context, made, pid, start"
_OWE = f"INSERT INTO owed (operation, notifyee, {_OWED}) VALUES (?, ?, ?, ?, ?, ?, ?)"  # noqa: S608


def insert(db: Connection, operation: Operation) -> None:
    """Begin: *operation* is under way."""
    values = [
        operation.id,
        json.dumps(dict(operation.event)),
        operation.remote_name,
        operation.local_name,
        operation.provider,
        json.dumps(operation.entries),
        operation.forget,
        operation.attempt,
        operation.status,
        operation.owner_pid,
        operation.owner_start,
        operation.started,
    ]
    db.execute(f"INSERT INTO operations ({_OPERATION}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values)  # noqa: S608


def note(
    db: Connection, operation_id: str, *, attempt: int, status: int | None, owed: Mapping[str, Owed | None]
) -> None:
    """How far it is, and what has changed of what is owed, by notifyee; None: nothing any more.

    What is owed is written anew though it be the same, so that the disk can be waited for: SQLite writes no page that
    is as it was.
    """
    db.execute(
        "UPDATE operations SET attempt = ?, status = ? WHERE id = ? AND (attempt, status) IS NOT (?, ?)",
        [attempt, status, operation_id, attempt, status],
    )
    for notifyee, each in owed.items():
        db.execute("DELETE FROM owed WHERE operation = ? AND notifyee = ?", [operation_id, notifyee])
        if each is not None:
            values = [operation_id, notifyee, each.place, each.context, each.made, each.pid, each.start]
            db.execute(_OWE, values)


def succeeded(db: Connection, operation_id: str, *, is_over: bool) -> None:
    """The attempt has succeeded. is_over: nobody is told after it; else the posts are still to be made."""
    if is_over:
        delete(db, operation_id)
        return
    db.execute("UPDATE operations SET status = 0 WHERE id = ?", [operation_id])


def settle(db: Connection, operation_id: str, status: int) -> None:
    """It was cut off and has ended so: nothing is left to do for it but the posts."""
    db.execute("UPDATE operations SET status = ?, entries = '[]' WHERE id = ?", [status, operation_id])


def delete(db: Connection, operation_id: str) -> None:
    """It is over."""
    db.execute("DELETE FROM operations WHERE id = ?", [operation_id])
    db.execute("DELETE FROM owed WHERE operation = ?", [operation_id])


def read(db: Connection) -> list[Operation]:
    """All that are under way or were cut off, the oldest first."""
    rows = db.execute(f"SELECT {_OPERATION} FROM operations ORDER BY started, id").fetchall()  # noqa: S608
    return [_operation(db, row) for row in rows]


def _operation(db: Connection, row: tuple[Any, ...]) -> Operation:
    values = dict(zip(_OPERATION.split(", "), row, strict=True))
    values |= {"event": json.loads(values["event"]), "entries": tuple(json.loads(values["entries"]))}
    query = f"SELECT notifyee, {_OWED} FROM owed WHERE operation = ? ORDER BY place"  # noqa: S608
    owed = tuple(
        Owed(notifyee, place, context, bool(made), pid, start)
        for notifyee, place, context, made, pid, start in db.execute(query, [values["id"]])
    )
    return Operation(**values, owed=owed)
