"""Out of a damaged store: the file is put aside, and what is in it as it was written goes into a new one.

Only a person asks for this, who is then told what is lost. Nothing is ever deleted.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from mprouter import reserve
from mprouter.frozen import frozen
from mprouter.store import sealed
from mprouter.store.database import connect, fill, may_write

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["Salvaged", "damage", "salvage"]

_TABLES = (*sealed.TABLES, "events")
_FIRST_WITH_SUMS = 3
_PAGE = 4096
_INNER = 5  # the first byte of a page of a table that only leads to others
_MOST = 10  # of SQLite's complaints
_Errors = (sqlite3.Error, UnicodeDecodeError)  # the second: SQLite's complaint repeats a broken name


@frozen
class Salvaged:
    """What became of a damaged store.

    aside: where its file is now. remembered: the local names that are still remembered. connections: where those are
    that are still known. events: how many are. lost: what could not be taken over, in words.
    """

    aside: Path
    remembered: tuple[str, ...]
    connections: tuple[Path, ...]
    events: int
    lost: tuple[str, ...]


def damage(db: sqlite3.Connection) -> list[str]:
    """All that is wrong with an open store, in words; the caller has begun a transaction. Raises ``sqlite3.Error``."""
    problems = [" ".join(row[0].split()) for row in db.execute(f"PRAGMA integrity_check({_MOST})") if row[0] != "ok"]
    try:
        sealed.verify(db)
    except sealed.Damaged as error:
        problems.append(str(error))
    try:
        db.execute("DELETE FROM seals WHERE 0")  # which changes nothing, and asks for the right to write
    except sqlite3.OperationalError as error:
        file = Path(db.execute("PRAGMA database_list").fetchone()[2])
        if error.sqlite_errorcode == sqlite3.SQLITE_READONLY and may_write(file):
            problems.append("its header says that nobody may write it")
    bad = sum(found != sealed.checksum(*values) for *values, found in db.execute("SELECT * FROM events"))
    return [*problems, f"events that do not match their checksums: {bad}"] if bad else problems


def salvage(path: Path) -> Salvaged:
    """Put the file *path* aside and a new one in its place, with what is good of it.

    Whoever has it open notices at the next transaction. Raises ``OSError`` or ``sqlite3.Error`` if there is no room, no
    permission, or another process is at work on it; the damaged file is then where it was.
    """
    path.touch(0o600)  # it may be gone, and only its log there
    reserve.give_up(path.parent, 8 * path.stat().st_size)
    aside = path.with_name(f"{path.name}.damaged-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}")
    with TemporaryDirectory(prefix="salvage-", dir=path.parent) as directory, _alone(path):
        new = Path(directory, "new.db")
        fill(new)
        found = _read(_copied(path, Path(directory, "as-it-is.db")), new)
        if found.broken:
            # where the tables are is the same in all stores that began with this version
            again = _read(_copied(path, Path(directory, "other-schema.db"), _schema_pages(new.read_bytes())), new)
            found = max(found, again, key=lambda each: sum(map(len, each.rows.values())))
        salvaged = _write(new, found, aside)
        _swap(path, aside, new)
    return salvaged


@dataclass(slots=True)
class _Found:
    """What was read: the good rows of each table, the last id that was given, what is lost, and if pages are broken."""

    rows: dict[str, list[tuple[Any, ...]]] = field(default_factory=dict)
    given: dict[str, int] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    broken: bool = False


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Keep other processes from changing the file, as far as its damage admits."""
    if path.stat().st_size == 0:  # SQLite would remove the log beside it
        yield
        return
    with closing(connect(path)) as db:
        try:
            db.execute("BEGIN IMMEDIATE")
        except _Errors as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY:
                raise
        yield


def _copied(path: Path, copy: Path, pages: Mapping[int, bytes] | None = None) -> Path:
    """A copy of the file and its log to read from, since reading may write. pages: in place of its own, by number."""
    shutil.copyfile(path, copy)
    if pages:
        with copy.open("r+b") as file:
            for number, page in pages.items():
                file.seek((number - 1) * _PAGE)
                file.write(page)
            count = -(-file.seek(0, os.SEEK_END) // _PAGE)
            file.truncate(count * _PAGE)
            file.seek(28)
            file.write(count.to_bytes(4, "big") + bytes(8))  # and none of them free
    log = Path(f"{path}-wal")
    if log.exists() and copy.stat().st_size:
        shutil.copyfile(log, f"{copy}-wal")
    return copy


def _schema_pages(store: bytes) -> dict[int, bytes]:
    """The pages of *store* that say which tables there are and where, by number: the tree that begins on the first."""
    pages: dict[int, bytes] = {}
    wanted = [1]
    while wanted:
        number = wanted.pop()
        page = pages[number] = store[(number - 1) * _PAGE : number * _PAGE]
        header = 100 if number == 1 else 0  # after that of the file
        if page[header] == _INNER:  # its cells begin with the number of a page; that of the last page is in the header
            cells = int.from_bytes(page[header + 3 : header + 5], "big")
            places = (int.from_bytes(page[at : at + 2], "big") for at in range(header + 12, header + 12 + 2 * cells, 2))
            wanted += [int.from_bytes(page[at : at + 4], "big") for at in (header + 8, *places)]
    return pages


def _read(copy: Path, new: Path) -> _Found:
    """What is good in *copy* of the tables that *new* has."""
    found = _Found()
    with closing(connect(copy)) as db, closing(connect(new)) as pattern:
        db.text_factory = lambda raw: raw.decode(errors="surrogateescape")  # the checksum tells that it is wrong
        try:
            there = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            is_older = 0 < db.execute("PRAGMA user_version").fetchone()[0] < _FIRST_WITH_SUMS and "seals" not in there
        except _Errors as error:
            return _Found(lost=[f"all that is in it ({error})"], broken=True)
        for table in _TABLES:
            columns = [column[1] for column in pattern.execute(f"PRAGMA table_info({table})")][:-1]
            if table in there or not is_older:
                _read_table(db, table, columns, found, with_sums=not is_older)
        with suppress(*_Errors):
            given = db.execute("SELECT name, seq FROM sqlite_sequence").fetchall()
            found.given = {name: number for name, number in given if sealed.is_number(name, number)}
    return found


def _read_table(db: sqlite3.Connection, table: str, columns: Sequence[str], found: _Found, *, with_sums: bool) -> None:
    """Add to *found* what is good of *table*."""
    query = f"SELECT {', '.join(columns)}, {'sum' if with_sums else 'NULL'} FROM {table} NOT INDEXED"  # noqa: S608
    rows: dict[tuple[Any, ...], None] = {}
    lost = []
    for order in ("ASC", "DESC"):  # from both ends up to where it is broken
        try:
            for row in db.execute(f"{query} ORDER BY {columns[0]} {order}"):
                rows[row] = None
        except _Errors as error:
            lost = [f"what cannot be read of the table {table} ({error})"]
            found.broken = True
        else:
            break
    good = [row for row in rows if not with_sums or row[-1] == sealed.checksum(*row[:-1])]
    found.rows[table] = good
    if table == "events" and len(good) < len(rows):
        lost.append(f"damaged events: {len(rows) - len(good)}")
    elif len(good) < len(rows):
        lost += [_damaged_row(table, columns, row[:-1]) for row in rows if row not in good]
    if with_sums and not lost and table in sealed.TABLES:
        lost = _missing_rows(db, table, good)
    found.lost += lost


def _missing_rows(db: sqlite3.Connection, table: str, good: Sequence[tuple[Any, ...]]) -> list[str]:
    """What the seal of *table* says of rows that are not there at all, in words."""
    seal = None
    with suppress(*_Errors):
        seal = db.execute("SELECT sum FROM seals WHERE name = ?", [table]).fetchone()
    if seal is None:
        return [f"perhaps rows of the table {table}: what tells is lost too"]
    return [] if seal[0] == sum(row[-1] for row in good) else [f"rows that are missing from the table {table}"]


def _damaged_row(table: str, columns: Sequence[str], values: Sequence[object]) -> str:
    known = dict(zip(columns, values, strict=True))
    said = ascii([known.get("local_name"), known.get("remote_name")])
    return f"a damaged row of the table {table}, which now reads {said[:200]}"


def _write(new: Path, found: _Found, aside: Path) -> Salvaged:
    """Fill the store *new*."""
    lost = list(dict.fromkeys(found.lost))
    with closing(connect(new)) as db:
        sealed.install(db)
        db.execute("BEGIN IMMEDIATE")
        for table, rows in found.rows.items():
            columns = [column[1] for column in db.execute(f"PRAGMA table_info({table})")][:-1]
            insert = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608
            for row in rows:
                try:
                    db.execute(insert, row[:-1])
                except (sqlite3.Error, UnicodeEncodeError):  # an older one, without a checksum
                    lost.append(_damaged_row(table, columns, row[:-1]))
        for name, number in found.given.items():  # an id is never used twice
            if not db.execute("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ?", [number, name]).rowcount:
                db.execute("INSERT INTO sqlite_sequence VALUES (?, ?)", [name, number])
        db.execute("DELETE FROM owed WHERE operation NOT IN (SELECT id FROM operations)")
        db.execute("COMMIT")
        return Salvaged(
            aside,
            tuple(name for (name,) in db.execute("SELECT local_name FROM profile ORDER BY 1")),
            tuple(Path(path) for (path,) in db.execute("SELECT path FROM connections ORDER BY id")),
            db.execute("SELECT count(*) FROM events").fetchone()[0],
            tuple(lost),
        )


def _swap(path: Path, aside: Path, new: Path) -> None:
    """*new* takes the place of *path*, which goes *aside* with its log."""
    # copies: SQLite changes the files that have the names which it knows, whatever other names they have
    log = Path(f"{path}-wal")
    suffixes = ["", "-wal"] if log.exists() and log.stat().st_size else [""]
    for suffix in suffixes:
        shutil.copy2(f"{path}{suffix}", f"{new}-aside{suffix}")
    for suffix in reversed(suffixes):  # so that the file is never there without its log
        Path(f"{new}-aside{suffix}").rename(f"{aside}{suffix}")
    for suffix in ("-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)  # it must not meet the new file
    new.replace(path)
