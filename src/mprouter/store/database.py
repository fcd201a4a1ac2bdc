"""The SQLite file: opening, locking, forking, and its errors in the project's words. What is in it stands elsewhere.

How durable: write-ahead log, and ``synchronous = NORMAL``, which survives the death of any process at any moment,
but may lose the last commits with the power. That is right for connections and events: after a loss of power no
mount is left. Two things wait for the disk (``synchronous = FULL``): a change of the profile, which a user asked to
have remembered, and, before an attempt begins, that somebody is owed a post for it (N19).
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING
from weakref import WeakSet

from mprouter import places
from mprouter.status import Status, WNetError
from mprouter.store import schema

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["BUSY_SECONDS", "Database"]

BUSY_SECONDS = 30.0
"""How long an operation waits for other processes. A transaction takes well under a millisecond."""

_all: WeakSet[Database] = WeakSet()
_all_guard = threading.Lock()


class Database:
    """One file, opened at its first use and again after ``close``, a fork or an error. For any number of threads."""

    def __init__(self, directory: Path | None, file_name: str) -> None:
        self._directory = directory
        self._file_name = file_name
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        with _all_guard:
            _all.add(self)

    @property
    def path(self) -> Path:
        """The file."""
        return (self._directory or places.state_dir()) / self._file_name

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """For one query. Raises ``WNetError``."""
        with self._lock, self._told():
            yield self._opened()

    @contextmanager
    def writing(self, *, durable: bool = False) -> Iterator[sqlite3.Connection]:
        """For one transaction, which is undone if the block raises. Raises ``WNetError``.

        durable: the commit is on the disk when the block ends, even if the power fails then.
        """
        with self._lock, self._told():
            db = self._opened()
            if durable:
                db.execute("PRAGMA synchronous = FULL")
            try:
                db.execute("BEGIN IMMEDIATE")
                yield db
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise
            finally:
                if durable:
                    db.execute("PRAGMA synchronous = NORMAL")

    def close(self) -> None:
        """Let go of the file. Never raises."""
        with self._lock:
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.close()

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            import sqlite3

            path = self.path
            places.private(path.parent)
            # isolation_level: transactions begin where this file says so, not where sqlite3 guesses
            connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
            try:
                self._prepare(connection, path)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _prepare(self, db: sqlite3.Connection, path: Path) -> None:
        version = self._version(db)
        if version < schema.VERSION:
            with suppress(OSError):  # a stranger's file: what is written next tells
                path.chmod(0o600)  # before the log beside it is made, which takes the mode over
            _use_log(db)
            db.execute("BEGIN IMMEDIATE")
            version = self._version(db)  # another process may have been quicker
            schema.migrate(db, version)
            db.execute("COMMIT")
        db.execute("PRAGMA synchronous = NORMAL")

    def _version(self, db: sqlite3.Connection) -> int:
        """The schema version of the file, if it is one that this program may use."""
        # in one query, since another process may fill the file between two
        query = "SELECT user_version, EXISTS (SELECT 1 FROM sqlite_master) FROM pragma_user_version"
        version, filled = db.execute(query).fetchone()
        if version > schema.VERSION:
            raise WNetError(
                Status.ERROR_REVISION_MISMATCH,
                f"made by a newer mprouter (schema {version}, this one knows {schema.VERSION})",
                name=str(self.path),
                hint="update this mprouter; the file was left as it is",
            )
        if version == 0 and filled:
            raise WNetError(
                Status.ERROR_BAD_PROFILE,
                "another program's database",
                name=str(self.path),
                hint="move it away, or set MPROUTER_STATE_DIR to another directory",
            )
        return int(version)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Errors of SQLite as ``WNetError`` with the file's name and the next step."""
        import sqlite3

        try:
            yield
        except sqlite3.Error as error:
            self.close()  # the next use may find the file mended
            raise _in_words(error, self.path) from error
        except UnicodeEncodeError as error:
            raise WNetError(
                Status.ERROR_INVALID_PARAMETER, "a name holds characters that are no Unicode text", name=str(self.path)
            ) from error


def _use_log(db: sqlite3.Connection) -> None:
    """Switch to the write-ahead log, which the file then remembers.

    SQLite does not wait here for other processes that do the same, so this does. Where the file system has no shared
    memory the file stays with the rollback journal, which works too.
    """
    import sqlite3

    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.005)
        else:
            return


def _in_words(error: sqlite3.Error, path: Path) -> WNetError:
    import sqlite3

    name = str(path)
    code = getattr(error, "sqlite_errorcode", -1)  # what sqlite3 itself raises has none
    if code == sqlite3.SQLITE_IOERR_SHMSIZE:  # the file beside the log could not grow
        code = sqlite3.SQLITE_FULL
    match code & 0xFF:  # the low byte is the kind of error
        case sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM | sqlite3.SQLITE_READONLY:
            return WNetError(
                Status.ERROR_CANNOT_OPEN_PROFILE,
                f"the store of connections cannot be opened for writing: {error}",
                name=name,
                hint=f"check that the directory {path.parent} and what is in it are yours and writable",
            )
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return WNetError(
                Status.ERROR_BAD_PROFILE,
                f"the store of connections is damaged: {error}",
                name=name,
                hint="move the file away to begin anew; remembered connections must then be made again",
            )
        case sqlite3.SQLITE_FULL:
            return WNetError(Status.ERROR_DISK_FULL, name=name, hint="make room on that disk and try again")
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return WNetError(
                Status.ERROR_BUSY,
                f"the store of connections was locked by another process for {BUSY_SECONDS:.0f} s",
                name=name,
                hint=f"see which process holds it: fuser {path}",
            )
    return WNetError(
        Status.ERROR_DATABASE_FAILURE,
        f"the store of connections cannot be used: {error}",
        name=name,
        hint="check the disk that it is on",
    )


# SQLite keeps its knowledge of file locks in the process. A forked child would inherit the knowledge without the
# locks, and could lose data of its parent's; so no connection is open, or in use by a thread, while a process forks.

_held: list[Database] = []


def _before_fork() -> None:
    _all_guard.acquire()
    _held.extend(_all)
    for each in _held:
        each._lock.acquire()  # noqa: SLF001
        each.close()


def _after_fork() -> None:
    for each in _held:
        each._lock.release()  # noqa: SLF001
    _held.clear()
    _all_guard.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
