"""The remembered connections (C3)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from mprouter.store.model import Remembered

if TYPE_CHECKING:
    from sqlite3 import Connection

__all__ = ["drop", "find", "put", "read"]

_COLUMNS = "local_name, remote_name, canonical, provider, user, type, options, saved"


def put(db: Connection, remembered: Remembered) -> None:
    """Remember it, in place of what was remembered under its local name."""
    each = remembered
    options = json.dumps(dict(each.options))
    drop(db, each.local_name)  # REPLACE would not call the triggers
    db.execute(
        f"INSERT INTO profile ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
        [each.local_name, each.remote_name, each.canonical, each.provider, each.user, each.type, options, each.saved],
    )


def drop(db: Connection, local_name: str) -> bool:
    """Remember *local_name* no longer; whether it was."""
    return db.execute("DELETE FROM profile WHERE local_name = ?", [local_name]).rowcount > 0


def find(db: Connection, local_name: str) -> Remembered | None:
    """What is remembered under *local_name*."""
    row = db.execute(f"SELECT {_COLUMNS} FROM profile WHERE local_name = ?", [local_name]).fetchone()  # noqa: S608
    return _remembered(row) if row else None


def read(db: Connection) -> list[Remembered]:
    """All, by local name."""
    return [_remembered(row) for row in db.execute(f"SELECT {_COLUMNS} FROM profile ORDER BY local_name")]  # noqa: S608


def _remembered(row: tuple[str, str, str, str | None, str | None, int, str, float]) -> Remembered:
    *names, options, saved = row
    return Remembered(*names, json.loads(options), saved)  # type: ignore[arg-type, call-arg]
