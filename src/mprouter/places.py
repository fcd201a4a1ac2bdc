"""Places: where the files of the user and of the system are, and how a private directory is made.

The table stands in the interface: each place has a variable that moves it, else it follows the XDG base directories
on Linux and platformdirs elsewhere. What is in these directories is the business of those who put it there.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from math import inf
from pathlib import Path
from threading import get_ident, get_native_id

from mprouter.processes import wait_until
from mprouter.status import Status, WNetError, shortage

__all__ = [
    "config_dir",
    "drives_dir",
    "in_the_middle",
    "is_for_all",
    "locked",
    "make",
    "path_to",
    "private",
    "runtime_dir",
    "session_variables",
    "state_dir",
    "system_dir",
    "users_above",
]


def system_dir() -> Path:
    """Registrations and settings of the system (``MPROUTER_SYSTEM_DIR``, ``/etc/mprouter``)."""
    return _moved("SYSTEM") or (Path("/etc/mprouter") if _is_xdg() else _platform("site_config_dir"))


def config_dir() -> Path:
    """Registrations and settings of the user (``MPROUTER_CONFIG_DIR``, ``~/.config/mprouter``)."""
    return _moved("CONFIG") or (_xdg("CONFIG", ".config") if _is_xdg() else _platform("user_config_dir"))


def state_dir() -> Path:
    """Connections, journal, events, unsent data (``MPROUTER_STATE_DIR``, ``~/.local/state/mprouter``)."""
    return _moved("STATE") or (_xdg("STATE", ".local/state") if _is_xdg() else _platform("user_state_dir"))


def runtime_dir() -> Path:
    """Sockets and deviceless mounts (``MPROUTER_RUNTIME_DIR``, ``$XDG_RUNTIME_DIR/mprouter``); gone after a reboot.

    Where no session manager made a runtime directory for the user (cron, su, a container) it is
    ``/tmp/mprouter-UID``, which ``private`` refuses if somebody else made it first.
    """
    moved = _moved("RUNTIME")
    if moved is not None:
        return moved
    if not _is_xdg():
        return _platform("user_runtime_dir")
    session = _session_dir()
    return Path(f"/tmp/mprouter-{os.getuid()}") if session is None else session / "mprouter"  # noqa: S108 - see above


def session_variables() -> dict[str, str]:
    """By which a program finds this user's systemd, also from su and cron; none without a session manager."""
    session = _session_dir()
    return {} if session is None else {"XDG_RUNTIME_DIR": str(session)}


def _session_dir() -> Path | None:
    """The directory that a session manager made for this user, through which systemd is asked; None without one.

    su and cron do not say where it is, or name that of whoever called them.
    """
    uid = os.getuid()
    for base in (os.environ.get("XDG_RUNTIME_DIR", ""), f"/run/user/{uid}"):
        if base.startswith("/") and _is_private(Path(base), uid):
            return Path(base)
    return None


def drives_dir() -> Path:
    """Where drive letters appear (``MPROUTER_DRIVES_DIR``, ``~/Network``): ``Z:`` is the directory ``Z`` in it."""
    return _moved("DRIVES") or _home() / "Network"


def private(path: Path) -> Path:
    """Make the directory *path*, for the user alone, if it is missing; returns it.

    Raises ``WNetError`` (ERROR_ACCESS_DENIED) if it belongs to somebody else or others may enter it, or if it would be
    root's in the directory of who has called ``sudo``; ERROR_DISK_FULL.
    """
    try:
        if not os.path.lexists(path):
            _check_above(path)
            for missing in reversed([each for each in (path, *path.parents) if not os.path.lexists(each)]):
                missing.mkdir(mode=0o700, exist_ok=True)
        found = path.lstat()
    except WNetError:
        raise
    except OSError as error:
        status, hint = shortage(error) or (Status.ERROR_ACCESS_DENIED, None)
        raise WNetError(
            status, f"the directory {path} cannot be made: {error.strerror}", name=str(path), hint=hint
        ) from error
    if sys.platform == "win32":
        return path
    owner, mode = found.st_uid, stat.S_IMODE(found.st_mode)
    if not stat.S_ISDIR(found.st_mode):
        raise WNetError(
            Status.ERROR_ACCESS_DENIED,
            f"{path} is not a directory of its own (a link or a file)",
            name=str(path),
            hint=f"see what is there, and move it away: ls -ld {path};"
            " to have the directory elsewhere, set MPROUTER_STATE_DIR or MPROUTER_RUNTIME_DIR",
        )
    if owner != os.getuid():
        raise WNetError(
            Status.ERROR_ACCESS_DENIED,
            f"the directory {path} belongs to user {owner}, not to user {os.getuid()}",
            name=str(path),
            hint=f"chown {os.getuid()} {path}" if os.getuid() else _AS_WHOM,
        )
    if mode & 0o077:
        raise WNetError(
            Status.ERROR_ACCESS_DENIED,
            f"others may enter the directory {path} (mode {mode:04o})",
            name=str(path),
            hint=f"chmod 700 {path}",
        )
    return path


def users_above(path: Path) -> Path | None:
    """For root by ``sudo``, and a *path* that is missing: the directory to make it in, if that is the caller's own.

    Root of a container may well have a home that is somebody else's, and nobody else there who needs it.
    """
    if sys.platform == "win32" or os.getuid():
        return None
    above = next(each for each in path.parents if each.exists())
    owner = above.stat().st_uid
    return above if owner and str(owner) == os.environ.get("SUDO_UID") else None  # root may call sudo, too


def _check_above(path: Path) -> None:
    if (above := users_above(path)) is not None:
        raise WNetError(
            Status.ERROR_ACCESS_DENIED,
            f"the directory {above} belongs to user {above.stat().st_uid}, who could not use what root makes there",
            name=str(path),
            hint=_AS_WHOM,
        )


def make(path: Path, *, for_all: bool = False) -> list[Path]:
    """Make the directory *path*, where nobody else may write, whatever the umask; returns those made, topmost first.

    for_all: whatever the umask, all users may read what is in them. Raises ``OSError``, and leaves none then.
    """
    made: list[Path] = []
    try:
        for missing in reversed([each for each in (path, *path.parents) if not each.exists()]):
            try:
                missing.mkdir(mode=0o755)
            except FileExistsError:  # another process was quicker
                if not missing.is_dir():
                    raise
                continue
            made.append(missing)
            if for_all:
                missing.chmod(0o755)
    except BaseException:
        for each in reversed(made):
            with suppress(OSError):  # another process uses it
                each.rmdir()
        raise
    return made


def is_for_all(path: Path) -> bool:
    """Whether *path* is one of the system's, which all users read."""
    return path.is_relative_to(system_dir())


_AS_WHOM = "run it as that user, or with root's own home: sudo -H; or set MPROUTER_STATE_DIR and MPROUTER_RUNTIME_DIR"


@contextmanager
def locked(path: Path, *, wait: bool = True, patience: float | None = None, shared: bool = False) -> Iterator[None]:
    """Keep every other process of the user out of what is inside; what this one forks meanwhile has no part in it.

    path: a file for that, which is made, or a directory. wait: for one that is inside; else raises ``BlockingIOError``.
    patience: for so many seconds at most. shared: those who share it are inside together, and keep out the others.
    Raises ``WNetError``: ERROR_POSSIBLE_DEADLOCK if it is this thread that is inside, ERROR_BUSY if the patience was
    not enough, ERROR_BAD_CONFIGURATION if its file system has no locks.
    """
    if sys.platform == "win32":  # it has no such locks
        yield
        return
    import fcntl

    inside = path, get_ident(), get_native_id()
    others = [*_locks.values()]
    if wait and not shared and inside in others:
        raise in_the_middle(path)
    if wait and patience is None and any((which, thread) == (path, inside[2]) for which, _, thread in others):
        patience = inf  # another task of this thread is inside, as gevent has it: it goes on while this one sleeps
    how = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    flags = os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT
    descriptor = os.open(path, flags | os.O_CLOEXEC, 0o600)
    _locks[descriptor] = inside
    try:
        try:
            if wait and patience is not None:
                _lock_within(patience, descriptor, path, how)
            else:
                fcntl.flock(descriptor, how if wait else how | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in _NO_LOCKS or isinstance(error, WNetError):
                raise
            raise _without_locks(path, error) from error
        yield
    finally:
        if descriptor in _locks:  # else this is such a fork
            del _locks[descriptor]
            with suppress(OSError):  # of a network file system; who has it open last lets go
                fcntl.flock(descriptor, fcntl.LOCK_UN)  # for those, too, that have not let go yet
            os.close(descriptor)


def _without_locks(path: Path, error: OSError) -> WNetError:
    return WNetError(
        Status.ERROR_BAD_CONFIGURATION,
        f"the file system that it is on has no locks: {error.strerror}",
        name=str(path),
        hint=f"see which that is: findmnt -T {path}; have it pass locks on, as NFS does with its lock service, or set"
        " MPROUTER_STATE_DIR, MPROUTER_RUNTIME_DIR and MPROUTER_CONFIG_DIR to directories on another one",
    )


def _lock_within(patience: float, descriptor: int, path: Path, how: int) -> None:
    import fcntl

    def is_let_in() -> bool:
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, how | fcntl.LOCK_NB)
            return True
        return False

    if not wait_until(is_let_in, patience):
        raise WNetError(
            Status.ERROR_BUSY,
            f"another process has kept it locked for {patience:.0f} s",
            name=str(path),
            hint=f"see which process that is, as root: fuser -v {path}",
        )


_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}

_locks: dict[int, tuple[Path, int, int]] = {}
"""The open files by which this process has locks, or waits for them: what is locked, by which task and which thread.

These are the same but for gevent, which has many tasks in one thread.
"""


def in_the_middle(path: Path) -> WNetError:
    """What is said to a thread that wants *path* for an operation while it is in the middle of another one there."""
    return WNetError(
        Status.ERROR_POSSIBLE_DEADLOCK,
        "this thread is in the middle of another operation: a signal handler or a destructor has begun this one",
        name=str(path),
        hint="have the handler raise an exception, or set a flag, and do this when the other one has ended",
    )


def _let_go() -> None:
    """A fork shares its parent's locks for as long as it has their files open."""
    for each in _locks:
        os.close(each)
    _locks.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)


def _moved(place: str) -> Path | None:
    value = os.environ.get(f"MPROUTER_{place}_DIR")
    if not value:
        return None
    return path_to(value) if value.startswith("/") else Path(value).absolute()


path_to = lru_cache(maxsize=64)(Path)
"""The path that these parts make. Every operation asks for places many times, and taking a path apart is dear."""


def _is_xdg() -> bool:
    return sys.platform not in {"darwin", "win32"}


def _xdg(kind: str, default: str) -> Path:
    base = os.environ.get(f"XDG_{kind}_HOME", "")
    return path_to(base if base.startswith("/") else _home() / default, "mprouter")


def _home() -> Path:
    """The user's. Raises ``WNetError`` (ERROR_BAD_CONFIGURATION): a container may run as a user without a name."""
    try:
        return Path.home()
    except RuntimeError as error:
        raise WNetError(
            Status.ERROR_BAD_CONFIGURATION,
            "no home directory is known: HOME is not set, and the system does not know this user",
            hint="set HOME, or MPROUTER_CONFIG_DIR, MPROUTER_STATE_DIR and MPROUTER_DRIVES_DIR",
        ) from error


def _platform(kind: str) -> Path:
    import platformdirs

    return Path(getattr(platformdirs, kind)("mprouter", appauthor=False))


def _is_private(path: Path, uid: int) -> bool:
    try:
        found = path.stat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == uid and not found.st_mode & 0o077
