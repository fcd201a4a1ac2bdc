"""The tables of the store, and how a file of an older version is brought up to date."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mprouter.store import sealed

if TYPE_CHECKING:
    from sqlite3 import Connection

__all__ = ["VERSION", "migrate"]

_FIRST = (
    # AUTOINCREMENT: an id, and the mount point that is named after it, is never used twice
    """
    CREATE TABLE connections (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        remote_name TEXT NOT NULL,
        canonical TEXT NOT NULL,
        local_name TEXT UNIQUE,
        path TEXT NOT NULL UNIQUE,
        type INTEGER NOT NULL,
        provider TEXT,
        user TEXT,
        options TEXT NOT NULL,
        handle TEXT NOT NULL,
        phase TEXT NOT NULL CHECK (phase IN ('adding', 'connected', 'cancelling')),
        owner_pid INTEGER NOT NULL,
        owner_start TEXT NOT NULL,
        created REAL NOT NULL,
        made_directory INTEGER NOT NULL
    )
    """,
    "CREATE INDEX connections_by_canonical ON connections (canonical)",
    """
    CREATE TABLE profile (
        local_name TEXT PRIMARY KEY,
        remote_name TEXT NOT NULL,
        canonical TEXT NOT NULL,
        provider TEXT,
        user TEXT,
        type INTEGER NOT NULL,
        options TEXT NOT NULL,
        saved REAL NOT NULL
    ) WITHOUT ROWID
    """,
    # AUTOINCREMENT: who follows the events by their ids misses none, also when the old ones are trimmed
    """
    CREATE TABLE events (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        time REAL NOT NULL,
        operation_id TEXT NOT NULL,
        kind TEXT NOT NULL,
        operation TEXT NOT NULL,
        phase TEXT,
        notifyee TEXT,
        attempt INTEGER NOT NULL,
        remote_name TEXT COLLATE NOCASE,
        local_name TEXT COLLATE NOCASE,
        provider TEXT,
        flags INTEGER NOT NULL,
        force INTEGER NOT NULL,
        status INTEGER NOT NULL,
        answer INTEGER,
        message TEXT,
        duration REAL NOT NULL,
        pid INTEGER NOT NULL,
        recovered INTEGER NOT NULL
    )
    """,
    "CREATE INDEX events_by_remote_name ON events (remote_name)",
    "CREATE INDEX events_by_local_name ON events (local_name)",
)

_SECOND = (
    # the journal
    """
    CREATE TABLE operations (
        id TEXT PRIMARY KEY,
        event TEXT NOT NULL,
        remote_name TEXT,
        local_name TEXT,
        provider TEXT,
        entries TEXT NOT NULL,
        forget TEXT,
        attempt INTEGER NOT NULL,
        status INTEGER,
        owner_pid INTEGER NOT NULL,
        owner_start TEXT NOT NULL,
        started REAL NOT NULL
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE owed (
        operation TEXT NOT NULL,
        notifyee TEXT NOT NULL,
        place INTEGER NOT NULL,
        context TEXT,
        made INTEGER NOT NULL,
        pid INTEGER NOT NULL,
        start TEXT NOT NULL,
        PRIMARY KEY (operation, notifyee)
    ) WITHOUT ROWID
    """,
)


def _with_sums(table: str, key: str, columns: str, *, has_seal: bool = True) -> tuple[str, ...]:
    """Statements that give each row of *table* a checksum, and the table a seal, see ``sealed``. key: its own."""
    summing = f"UPDATE {table} SET sum = mprouter_checksum({_new(columns)}) WHERE ({key}) = ({_new(key)}); "  # noqa: S608
    sums = (
        f"ALTER TABLE {table} ADD COLUMN sum INTEGER NOT NULL DEFAULT 0",
        f"UPDATE {table} SET sum = mprouter_checksum({columns})",  # noqa: S608
        f"CREATE TRIGGER {table}_inserted AFTER INSERT ON {table} BEGIN {summing}END",
    )
    if not has_seal:
        return sums
    seal = f"UPDATE seals SET sum = sum - OLD.sum{{}} WHERE name = '{table}'; "  # noqa: S608
    return (
        *sums,
        f"INSERT INTO seals SELECT '{table}', coalesce(sum(sum), 0) FROM {table}",  # noqa: S608
        f"CREATE TRIGGER {table}_changed AFTER UPDATE OF {columns} ON {table} BEGIN {summing}END",
        f"CREATE TRIGGER {table}_summed AFTER UPDATE OF sum ON {table} BEGIN {seal.format(' + NEW.sum')}END",
        f"CREATE TRIGGER {table}_deleted AFTER DELETE ON {table} BEGIN {seal.format('')}END",
    )


def _new(columns: str) -> str:
    return ", ".join(f"NEW.{column}" for column in columns.split(", "))


_THIRD = (
    "CREATE TABLE seals (name TEXT PRIMARY KEY, sum INTEGER NOT NULL) WITHOUT ROWID",
    *_with_sums(
        "connections",
        "id",
        "id, remote_name, canonical, local_name, path, type, provider, user, options, handle, phase, owner_pid,"
        " owner_start, created, made_directory",
    ),
    *_with_sums("profile", "local_name", "local_name, remote_name, canonical, provider, user, type, options, saved"),
    *_with_sums(
        "operations",
        "id",
        "id, event, remote_name, local_name, provider, entries, forget, attempt, status, owner_pid,"
        " owner_start, started",
    ),
    *_with_sums("owed", "operation, notifyee", "operation, notifyee, place, context, made, pid, start"),
    *_with_sums(
        "events",
        "id",
        "id, time, operation_id, kind, operation, phase, notifyee, attempt, remote_name, local_name, provider, flags,"
        " force, status, answer, message, duration, pid, recovered",
        has_seal=False,  # there are many, and one that is lost harms nobody
    ),
)

_STEPS = (_FIRST, _SECOND, _THIRD)
"""The statements that lead from each version to the next; a released step is never changed, only followed by more."""

VERSION = len(_STEPS)
"""What ``PRAGMA user_version`` of an up-to-date file says; 0 is an empty file."""


def migrate(db: Connection, version: int) -> None:
    """Bring the file from *version* up to date, inside the caller's transaction, which makes it all or nothing."""
    sealed.install(db)
    for step in _STEPS[version:]:
        for statement in step:
            db.execute(statement)
    sealed.seal_schema(db)
    db.execute(f"PRAGMA user_version = {VERSION}")
