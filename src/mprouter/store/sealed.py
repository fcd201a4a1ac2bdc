"""How the store knows that it is damaged: SQLite notices a page that makes no sense, but not a letter that changed.

Each row carries a checksum of its values, and each of the small tables a seal, the sum of its checksums, which misses
a row that is gone. Triggers keep both, so that a program that does not know of them cannot change a row. Whether pages
and indexes make sense is SQLite's to say, for these tables here and for the whole file in the doctor.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING
from zlib import crc32

if TYPE_CHECKING:
    from sqlite3 import Connection

__all__ = [
    "TABLES",
    "Damaged",
    "checksum",
    "install",
    "seal_schema",
    "verify",
    "verify_pages",
    "verify_schema",
    "was_interrupted",
]

TABLES = ("connections", "profile", "operations", "owed")
"""Those that hold what matters, which is little. They are read whole and compared when SQLite reads them anew."""


_NUMBERED = ("connections", "events")
"""Those whose numbers SQLite gives, each once."""

_BELIEVABLE = 1 << 40
"""More than the number of any connection or event."""


class Damaged(Exception):
    """What is in the file is not what was written there; the text says where."""


def checksum(*values: object) -> int:
    """Of a row's values, as SQLite gives them back. The same on every system and in every Python."""
    return crc32(ascii(values).encode())


def install(db: Connection) -> None:
    """Let the triggers of *db* find ``checksum``."""
    db.create_function("mprouter_checksum", -1, checksum, deterministic=True)


def was_interrupted(error: Exception) -> bool:
    """Whether *error* is all that SQLite says of a Ctrl-C that struck when a trigger called ``checksum``.

    That raises nothing else, and a signal is for the main thread alone.
    """
    is_main = threading.current_thread() is threading.main_thread()
    return is_main and str(error) == "user-defined function raised exception"


def verify(db: Connection) -> None:
    """Raise ``Damaged``, or ``sqlite3.Error``, unless every row of ``TABLES`` is there and is what was written."""
    seals = dict(db.execute("SELECT name, sum FROM seals"))
    for table in TABLES:
        total = 0
        for *values, found in db.execute(f"SELECT * FROM {table}"):  # noqa: S608 - the sum is the last column
            if found != checksum(*values):
                raise Damaged(f"a row of the table {table} does not match its checksum")
            total += found
        if total != seals.get(table):
            raise Damaged(f"the rows of the table {table} do not match their seal")
    given = dict(db.execute("SELECT name, seq FROM sqlite_sequence"))
    newest = db.execute("SELECT coalesce(max(id), 0) FROM connections").fetchone()[0]
    if not all(is_number(*each) for each in given.items()) or given.get("connections", 0) < newest:
        raise Damaged("which number the last connection had is lost")


def is_number(table: object, number: object) -> bool:
    """Whether *number* may be what SQLite has written down of *table*: the last id that it gave there."""
    return table in _NUMBERED and isinstance(number, int) and 0 <= number < _BELIEVABLE


def verify_pages(db: Connection) -> None:
    """Raise ``Damaged``, or ``sqlite3.Error``, unless each row of ``TABLES`` is found where SQLite looks for it."""
    for table in TABLES:
        for (words,) in db.execute(f"PRAGMA integrity_check({table})"):
            if words != "ok":
                raise Damaged(" ".join(words.split()))


def seal_schema(db: Connection) -> None:
    """Have ``verify_schema`` know the tables and triggers as they are now."""
    db.execute("REPLACE INTO seals VALUES ('schema', ?)", [_schema(db)])


def verify_schema(db: Connection) -> None:
    """Raise ``Damaged`` unless the definitions of tables and triggers, which SQLite just obeys, are as they were."""
    if db.execute("SELECT sum FROM seals WHERE name = 'schema'").fetchone() != (_schema(db),):
        raise Damaged("the definitions of its tables do not match their seal")


def _schema(db: Connection) -> int:
    query = "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite%' ORDER BY name"
    return checksum(*db.execute(query))
