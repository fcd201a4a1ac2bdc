"""The SQLite file: opening, locking, forking, and its errors in the project's words. What is in it stands elsewhere.

How durable: write-ahead log, and ``synchronous = NORMAL``, which survives the death of any process at any moment,
but may lose the last commits with the power. That is right for connections and events: after a loss of power no
mount is left. Two things wait for the disk (``synchronous = FULL``): a change of the profile, which a user asked to
have remembered, and, before an attempt begins, that somebody is owed a post for it (N19).

A transaction is only made on the file that has its name now, if it is of this program's version and what matters in it
is as it was written: since it was opened, others may have put it aside, brought it up to date or damaged it.

To be read, the file needs no room on its disk, nor that anything may be written there: SQLite, which does, is given a
copy then. To be changed, it is given some of the reserve.
"""

from __future__ import annotations

import atexit
import errno
import os
import sys
import threading
import time
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakSet

from mprouter import places, realm, reserve
from mprouter.processes import started_at
from mprouter.status import Status, WNetError, shortage
from mprouter.store import schema, sealed

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    _Error = sqlite3.Error | sealed.Damaged | UnicodeDecodeError | OSError

__all__ = ["BUSY_SECONDS", "Database", "connect", "fill", "let_go", "may_write"]

BUSY_SECONDS = 30.0
"""How long an operation waits for other processes. A transaction takes well under a millisecond."""

ROOM = 256 << 10
"""Bytes that a transaction may need for the log and what is beside it. One of this program's needs a tenth of that."""

_SMALLEST = 512  # bytes of a file of SQLite
_COPY = (-1, -1)  # no file is this one: what is open is not the file that has the name

_all: WeakSet[Database] = WeakSet()
_all_guard = threading.Lock()


class Database:
    """One file, opened at its first use and again after ``close``, a fork or an error. For any number of threads.

    as_is: to be looked at only. It is neither made if it is missing nor brought up to date if it is older: what is seen
    then is an empty one, or a copy.
    """

    _connection: sqlite3.Connection | None = None  # also where ``__init__`` was interrupted

    def __init__(self, directory: Path | None, file_name: str, *, as_is: bool = False) -> None:
        self._directory = directory
        self._file_name = file_name
        self._as_is = as_is
        self._lock = threading.RLock()
        self._file: tuple[int, int] | None = None  # which one the connection is to
        self._at_work: realm.AtWork | None = None
        self._changes: int | None = None  # that others have made, when its pages were looked at
        self._synchronous: str | None = None  # as it was set last; None: not certain
        self._is_in_use = False  # by the thread that has the lock, in the middle of a transaction
        with _all_guard:
            _all.add(self)

    @property
    def path(self) -> Path:
        """The file."""
        return places.path_to(self._directory or places.state_dir(), self._file_name)

    def reading(self) -> AbstractContextManager[sqlite3.Connection]:
        """For queries, which all see one state. Raises ``WNetError``."""
        return self._transaction(self._begun_or_copied)

    def writing(self, *, durable: bool = False) -> AbstractContextManager[sqlite3.Connection]:
        """For one transaction, which is undone if the block raises. Raises ``WNetError``.

        durable: the commit is on the disk when the block ends, even if the power fails then.
        """
        return self._transaction(partial(self._begun, "BEGIN IMMEDIATE", "FULL" if durable else "NORMAL"))

    @contextmanager
    def told(self) -> Iterator[None]:
        """Errors of SQLite and of the system as ``WNetError`` with the file's name and the next step."""
        import sqlite3

        try:
            yield
        except (sqlite3.Error, sealed.Damaged, UnicodeDecodeError, OSError) as error:
            if isinstance(error, WNetError):
                raise
            if sealed.was_interrupted(error):
                raise KeyboardInterrupt from error
            if self._lock.acquire(blocking=False):  # else another thread is in the middle of a transaction
                try:
                    self._leave()  # the next use may find the file mended
                finally:
                    self._lock.release()
            if not self._as_is and _code(error, self.path) & 0xFF == sqlite3.SQLITE_FULL:
                reserve.give_up(self.path.parent)  # for that next use
            raise _in_words(error, self.path) from error
        except UnicodeEncodeError as error:
            raise WNetError(
                Status.ERROR_INVALID_PARAMETER, "a name holds characters that are no Unicode text", name=str(self.path)
            ) from error

    def enter(self) -> None:
        """Be at work on it until ``leave``. Raises ``WNetError`` ERROR_BUSY if another realm is, and ``OSError``."""
        if not self._is_at_work:
            self._at_work = realm.enter(self.path.parent)

    @property
    def _is_at_work(self) -> bool:
        return self._at_work is not None and self._at_work.is_valid()

    def leave(self) -> None:
        """The counterpart of ``enter``."""
        self._at_work = None

    def close(self) -> None:
        """Let go of the file, unless a signal handler asks for that in the middle of a transaction. Never raises."""
        with self._lock:
            if not self._is_in_use:
                self._shut()

    def __del__(self) -> None:  # since Python 3.13 sqlite3 warns of what is not closed
        self._shut()

    def _shut(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    @contextmanager
    def _transaction(self, begun: Callable[[], sqlite3.Connection]) -> Iterator[sqlite3.Connection]:
        with self._lock:
            if self._is_in_use:
                let_go(sys.exc_info()[1], getattr(sys, "last_value", None))
            if self._is_in_use:
                raise places.in_the_middle(self.path)
            self._is_in_use = True
            try:
                with self.told():
                    try:
                        db = begun()
                        yield db
                        db.execute("COMMIT")
                    except BaseException:
                        if self._connection is not None and self._connection.in_transaction:
                            self._connection.execute("ROLLBACK")
                        raise
            finally:
                self._is_in_use = False

    def _begun_or_copied(self) -> sqlite3.Connection:
        """A transaction to read in: on the file, or on a copy where SQLite may not write what it needs for that.

        Also where another realm is at work: of what SQLite keeps beside the file each machine would have its own.
        """
        import sqlite3

        try:
            if self._is_at_work or not realm.is_elsewhere(self.path.parent):
                return self._begun("BEGIN")
        except (sqlite3.Error, OSError) as error:
            if isinstance(error, WNetError) or not _is_unwritable(error, self.path):
                raise
        self._leave()
        db = self._connection = self._looked_at()
        self._file = _COPY
        self._changes = self._synchronous = None
        db.execute("BEGIN")
        self._is_current(db)
        return db

    def _begun(self, begin: str, synchronous: str = "NORMAL") -> sqlite3.Connection:
        """A transaction on the file that is there now, which is looked at when nobody can replace it any more."""
        path = self.path
        is_to_enter = begin != "BEGIN"
        if is_to_enter:
            reserve.give_up(path.parent, ROOM)
            if _identity(path) is not None:  # else it is made first: where that has no room, nothing is left behind
                self.enter()
                is_to_enter = False
        for _ in range(5):
            db = self._opened()
            if self._synchronous != synchronous:
                self._synchronous = None  # this may be interrupted
                db.execute(f"PRAGMA synchronous = {synchronous}")
                self._synchronous = synchronous
            db.execute(begin)
            if self._file == _identity(path) and self._is_current(db):
                if is_to_enter:
                    self.enter()
                return db
            db.execute("ROLLBACK")
            self._leave()
        raise WNetError(
            Status.ERROR_BUSY,
            "other processes replace the store of connections again and again",
            name=str(self.path),
            hint="try again",
        )

    def _is_current(self, db: sqlite3.Connection) -> bool:
        """Whether it is of this program's version. What matters in it is looked at; raises ``Damaged``.

        Both only if it is new to SQLite: the file was just opened, or another process has changed it.
        """
        changes = db.execute("PRAGMA data_version").fetchone()[0]
        if changes != self._changes:
            if db.execute("PRAGMA user_version").fetchone()[0] != schema.VERSION:
                return False
            sealed.verify_pages(db)
            sealed.verify(db)
            self._changes = changes
        return True

    def _leave(self) -> None:
        """Let go of the file, which is not as it should be, and do not touch it."""
        connection, self._connection = self._connection, None
        if connection is not None:
            _close_unchanged(connection, self.path)

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            path = self.path
            if not (self._as_is and _identity(path.parent) is None):
                places.private(path.parent)
            if _identity(path) is None:
                if Path(f"{path}-wal").exists() and _identity(path) is None:  # which must not meet a new file
                    raise sealed.Damaged("it is gone, and its log is still there")
                if not self._as_is:
                    _make(path)
            self._file = _identity(path)
            if path.is_file() and path.stat().st_size < _SMALLEST:  # SQLite may begin anew, and drop the log beside it
                raise sealed.Damaged("it is cut short")
            connection = connect(path) if self._file or not self._as_is else _copied(None)
            try:
                if self._as_is and self._version(connection) < schema.VERSION:
                    connection = _copied(connection)
                self._prepare(connection, path)
            except BaseException:
                _close_unchanged(connection, path)
                raise
            self._connection = connection
            self._changes = self._synchronous = None
            if not self._as_is:
                reserve.keep(path.parent)
                _clear_unfinished(path)
        return self._connection

    def _looked_at(self) -> sqlite3.Connection:
        """What is in the file and its log, in memory. Raises ``sqlite3.Error``, ``OSError`` and ``WNetError``."""
        import shutil
        from tempfile import TemporaryDirectory

        path, memory = self.path, Path("/dev/shm")  # noqa: S108 - in it a directory that is this user's alone
        if _identity(path) is None:
            return _copied(None)
        with TemporaryDirectory(prefix="mprouter-", dir=memory if os.access(memory, os.W_OK) else None) as directory:
            copy = Path(directory, path.name)
            before = None
            while before != (before := _written(path)):  # by another process, for which there is room again
                for suffix in ("", "-wal"):
                    with suppress(FileNotFoundError):
                        Path(f"{copy}{suffix}").unlink(missing_ok=True)
                        shutil.copyfile(f"{path}{suffix}", f"{copy}{suffix}")
            db = connect(copy)
            try:
                self._version(db)
                db = _copied(db)
                self._prepare(db, path)
            except BaseException:
                db.close()
                raise
            return db

    def _prepare(self, db: sqlite3.Connection, path: Path) -> None:
        version = self._version(db)
        if version < schema.VERSION:
            with suppress(OSError):  # a stranger's file: what is written next tells
                path.chmod(0o600)  # before the log beside it is made, which takes the mode over
            _use_log(db)
            db.execute("BEGIN IMMEDIATE")
            schema.migrate(db, self._version(db))  # another process may have been quicker
            db.execute("COMMIT")
        sealed.verify_schema(db)
        sealed.install(db)

    def _version(self, db: sqlite3.Connection) -> int:
        """The schema version of the file, if it is one that this program may use."""
        # in one query, since another process may change the file between two
        version, tables, ours = db.execute(
            "SELECT user_version, (SELECT count(*) FROM sqlite_master),"
            " (SELECT count(*) FROM sqlite_master WHERE name IN ('connections', 'profile', 'events'))"
            " FROM pragma_user_version"
        ).fetchone()
        if version > schema.VERSION:
            raise WNetError(
                Status.ERROR_REVISION_MISMATCH,
                f"made by a newer mprouter (schema {version}, this one knows {schema.VERSION})",
                name=str(self.path),
                hint="update this mprouter, or start this program again if it is older than the update; the file was"
                " left as it is",
            )
        if version < 1 and (ours == 3 or not tables):
            raise sealed.Damaged(f"it says that its version is {version}")
        if version < 1 and tables:
            raise WNetError(
                Status.ERROR_BAD_PROFILE,
                "another program's database",
                name=str(self.path),
                hint="move it away, or set MPROUTER_STATE_DIR to another directory",
            )
        return int(version)


def connect(path: Path, mode: str = "rw") -> sqlite3.Connection:
    """Open the file as it is. mode: "rw" or "ro"; neither makes it."""
    import sqlite3

    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,  # transactions begin where this file says so, not where sqlite3 guesses
        check_same_thread=False,
    )


def _copied(db: sqlite3.Connection | None) -> sqlite3.Connection:
    """What is in *db*, which is closed, brought up to date in memory; without one, nothing is in it."""
    import sqlite3

    copy = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    if db is not None:
        with closing(db):
            db.backup(copy)
    version = copy.execute("PRAGMA user_version").fetchone()[0]
    if version < schema.VERSION:
        schema.migrate(copy, version)
    return copy


def fill(path: Path) -> None:
    """Make a store without content, of which no other process knows yet. Raises ``OSError`` or ``sqlite3.Error``."""
    path.touch(0o600, exist_ok=False)
    with closing(connect(path)) as db:
        _use_log(db)
        db.execute("BEGIN IMMEDIATE")
        schema.migrate(db, 0)
        db.execute("COMMIT")


def let_go(*kept: BaseException | None) -> None:
    """Let go of a transaction that only the traceback of Ctrl-C still holds, which struck where its block was left.

    kept: what is being handled, and what Python's prompt, as Jupyter's, has shown last.
    """
    for each in kept:
        if isinstance(each, KeyboardInterrupt):
            import traceback

            traceback.clear_frames(each.__traceback__)


def _make(path: Path) -> None:
    """A new file, which appears whole: one that is found empty has lost what it held. Raises as ``fill``."""
    if not reserve.has_room(path.parent, 0, files=3):  # with the log and what is beside it
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    _clear_unfinished(path)
    new = path.with_name(f"{path.name}.new-{os.getpid()}-{threading.get_ident()}")
    try:
        fill(new)
        try:
            os.link(new, path)
        except FileExistsError:  # another process was quicker
            return
        except OSError:  # a file system without links
            if not path.exists():
                new.rename(path)
    finally:
        for suffix in ("", "-wal", "-shm"):  # the log, if there was no room to close it
            new.with_name(new.name + suffix).unlink(missing_ok=True)


def _clear_unfinished(path: Path) -> None:
    """Remove what processes have left that were killed while they made the file *path*.

    It is looked for only if it may be there: the file is missing, or has another name too.
    """
    with suppress(OSError):  # it does no harm
        if path.exists() and path.stat().st_nlink == 1:
            return
        for each in path.parent.glob(f"{path.name}.new-*-*"):
            pid = each.name.removeprefix(f"{path.name}.new-").partition("-")[0]
            if pid.isdecimal() and started_at(int(pid)) is None:
                each.unlink()


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - each transaction pays for it
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _written(path: Path) -> list[tuple[int, int, int] | None]:
    """What differs when the file or its log is written to."""
    found: list[tuple[int, int, int] | None] = []
    for each in (path, Path(f"{path}-wal")):
        try:
            now = each.stat()
        except FileNotFoundError:
            found.append(None)
        else:
            found.append((now.st_ino, now.st_size, now.st_mtime_ns))
    return found


def _close_unchanged(db: sqlite3.Connection, path: Path) -> None:
    """Close *db* and leave its log as it is: SQLite takes it away when the last connection that may write is closed."""
    import sqlite3

    with suppress(sqlite3.Error), closing(connect(path, "ro")) as last:
        last.execute("PRAGMA schema_version")
        db.close()
    db.close()


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


def _code(error: _Error, path: Path) -> int:
    """What has happened, as SQLite numbers it; the low byte is the kind of error."""
    import sqlite3

    code = int(getattr(error, "sqlite_errorcode", -1))
    if code == -1 and isinstance(error, sealed.Damaged | UnicodeDecodeError | sqlite3.OperationalError):
        return sqlite3.SQLITE_CORRUPT  # the last two: a text in it is no UTF-8
    if isinstance(error, OSError):
        return sqlite3.SQLITE_FULL if error.errno in {errno.ENOSPC, errno.EDQUOT} else sqlite3.SQLITE_CANTOPEN
    if code == sqlite3.SQLITE_READONLY and may_write(path) and not _is_read_only(path):
        return sqlite3.SQLITE_CORRUPT  # its header says that nobody may write it
    if code == sqlite3.SQLITE_IOERR_SHMSIZE:  # the file beside the log could not grow
        return sqlite3.SQLITE_FULL
    with suppress(OSError):
        if code & 0xFF == sqlite3.SQLITE_CANTOPEN and not reserve.has_room(path.parent, 0):  # for one more file
            return sqlite3.SQLITE_FULL
    return code


def may_write(path: Path) -> bool:
    """Whether this user may write the file *path* and those that SQLite has beside it."""
    files = (Path(f"{path}{suffix}") for suffix in ("", "-wal", "-shm"))
    return all(os.access(each, os.W_OK) for each in files if each.exists())


def _is_read_only(path: Path) -> bool:
    with suppress(OSError):
        return hasattr(os, "statvfs") and bool(os.statvfs(path.parent).f_flag & os.ST_RDONLY)
    return False


def _is_unwritable(error: _Error, path: Path) -> bool:
    """Whether nothing can be written to the disk, which is full or mounted read-only."""
    import sqlite3

    kind = _code(error, path) & 0xFF
    return kind == sqlite3.SQLITE_FULL or (
        kind in {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY} and _is_read_only(path)
    )


def _shortage(error: _Error, path: Path) -> tuple[Status, str] | None:
    """What the system has run out of, if it has. SQLite does not say why it cannot open its files, so it is tried."""
    import sqlite3

    kind = _code(error, path) & 0xFF
    if kind == sqlite3.SQLITE_FULL:
        return shortage(OSError(errno.ENOSPC, ""))
    if kind == sqlite3.SQLITE_CANTOPEN and not isinstance(error, OSError):
        try:
            with ExitStack() as opened:
                for _ in ("the file", "the log", "what is beside it"):
                    opened.callback(os.close, os.open(os.devnull, os.O_RDONLY))
        except OSError as found:
            return shortage(found)
    return shortage(error)


def _in_words(error: _Error, path: Path) -> WNetError:
    import sqlite3

    name = str(path)
    if short := _shortage(error, path):
        return WNetError(short[0], name=name, hint=short[1])
    match _code(error, path) & 0xFF:
        case sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM | sqlite3.SQLITE_READONLY if _is_read_only(path):
            return WNetError(
                Status.ERROR_CANNOT_OPEN_PROFILE,
                "the file system of the store of connections is mounted read-only, so nothing can be changed",
                name=name,
                hint=f"see where it is and why: findmnt -T {path.parent}, dmesg; as root: mount -o remount,rw",
            )
        case sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM | sqlite3.SQLITE_READONLY:
            return WNetError(
                Status.ERROR_CANNOT_OPEN_PROFILE,
                f"the store of connections cannot be opened for writing: {error}",
                name=name,
                hint=f"check that the directory {path.parent} and what is in it are yours and writable",
            )
        case (
            sqlite3.SQLITE_CORRUPT
            | sqlite3.SQLITE_NOTADB
            | sqlite3.SQLITE_ERROR  # our statements, and what they write, are right for what we made
            | sqlite3.SQLITE_CONSTRAINT
            | sqlite3.SQLITE_MISMATCH
            | sqlite3.SQLITE_TOOBIG
        ):
            return WNetError(
                Status.ERROR_BAD_PROFILE,
                f"the store of connections is damaged: {error}",
                name=name,
                hint="mpr salvage puts it aside and keeps what can still be read",
            )
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
        each._shut()  # noqa: SLF001


def _after_fork() -> None:
    for each in _held:
        each._lock.release()  # noqa: SLF001
    _held.clear()
    _all_guard.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)


@atexit.register
def _close_all() -> None:
    """A program need not close its default router."""
    with _all_guard:
        left = [*_all]
    for each in left:
        if each._lock.acquire(blocking=False):  # noqa: SLF001 - else a thread that nobody waits for is using it
            each.close()
            each._lock.release()  # noqa: SLF001
