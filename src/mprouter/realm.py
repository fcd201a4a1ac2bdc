"""The realm of a process: all those that it can find by their ids.

Another container, and another machine with the same home, are other realms. From there processes of this one look dead,
or like others with their ids: what runs would be undone, what stands cleared, and what waits to be sent moved while it
is written. So only one realm at a time is at work on a state directory: each program that has changed the store, until
it lets go of that, and each rclone has a byte of ``realm.lock`` locked, the same for all of a realm. The kernel, or a
server that it asks, ends the lock with the last.
"""

from __future__ import annotations

import os
import struct
import sys
import threading
from contextlib import suppress
from functools import cache
from pathlib import Path
from weakref import WeakValueDictionary, finalize

from mprouter.digest import sha256
from mprouter.forks import lock
from mprouter.status import Status, WNetError, check_known

__all__ = ["AtWork", "enter", "is_elsewhere"]

_MOST = 1 << 62
_LOCK = "hhqqi4x"  # struct flock of <fcntl.h>


class AtWork:
    """That this process is at work on a directory, for as long as somebody has this object.

    file: the open file that has the lock; a program that inherits it is at work too.
    """

    __slots__ = ("__weakref__", "_close", "_is", "_path", "file")

    def __init__(self, file: int, path: str) -> None:
        self.file = file
        self._path = path
        self._is = _identity(file)
        self._close = finalize(self, _close, file, self._is)  # a fork shares the lock with its parent
        self._close.atexit = False  # then, too, a program may disconnect; the end of the process ends the lock

    def is_valid(self) -> bool:
        """Whether the program has not closed the file, and it is not one that was removed or replaced."""
        if _identity(self.file) != self._is:
            self._close.detach()  # its number may be that of the next one
            return False
        return _identity(self._path) == self._is


def _identity(file: int | str) -> tuple[int, int] | None:
    try:
        found = os.stat(file)  # noqa: PTH116 - many times in each operation
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _close(file: int, what: tuple[int, int] | None) -> None:
    if _identity(file) == what:  # a program that becomes a daemon closes all, and may have another one as *file* now
        os.close(file)


_entered: WeakValueDictionary[tuple[Path, int], AtWork] = WeakValueDictionary()
_guard = lock(sys.modules[__name__], "_guard", threading.RLock)


def enter(directory: Path) -> AtWork | None:
    """Be at work on the *directory*, for the state or for what runs.

    None where the system has no such locks, or does not say which realm this is.
    Raises ``WNetError`` ERROR_BUSY if another realm is at work there, and ``OSError``.
    """
    if sys.platform != "linux":
        return None
    import fcntl

    mine = _byte(os.getpid())
    if mine is None:
        return None
    with _guard:
        if (there := _at_work(directory, mine)) is not None:
            return there
        opened = os.open(directory / "realm.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:  # where output is closed it would be that of a program that inherits it
            _check_alone(opened, mine, directory)  # who must not have the lock is not to have it for a moment
            made = AtWork(fcntl.fcntl(opened, fcntl.F_DUPFD_CLOEXEC, 3), f"{directory}/realm.lock")
        finally:
            os.close(opened)
        with suppress(OSError):  # a file system without locks: the store says so
            fcntl.fcntl(made.file, fcntl.F_OFD_SETLK, struct.pack(_LOCK, fcntl.F_RDLCK, 0, mine, 1, 0))
        _check_alone(made.file, mine, directory)
        with suppress(OSError):  # it is only told
            os.pwrite(made.file, os.uname().nodename.encode()[:64].ljust(64), 0)
        _entered[directory, mine] = made
        return made


def _at_work(directory: Path, mine: int) -> AtWork | None:
    """That it is already; None also if the directory was removed or replaced since."""
    there = _entered.get((directory, mine))
    return there if there is not None and there.is_valid() else None


def is_elsewhere(directory: Path) -> bool:
    """Whether another realm is at work on the state *directory*."""
    if sys.platform != "linux":
        return False
    mine = _byte(os.getpid())
    if mine is None or _at_work(directory, mine) is not None:
        return False
    try:
        file = os.open(directory / "realm.lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:  # nobody has been at work there
        check_known(error)
        return False
    try:
        return _others(file, mine)
    finally:
        os.close(file)


def _others(file: int, mine: int) -> bool:
    """Whether anybody has another byte locked than *mine*."""
    import fcntl

    for start, length in ((0, mine), (mine + 1, 0)):
        asked = struct.pack(_LOCK, fcntl.F_WRLCK, 0, start, length, 0)
        with suppress(OSError):  # as above
            if struct.unpack(_LOCK, fcntl.fcntl(file, fcntl.F_OFD_GETLK, asked))[0] != fcntl.F_UNLCK:
                return True
    return False


def _check_alone(file: int, mine: int, directory: Path) -> None:
    if not _others(file, mine):
        return
    name = os.pread(file, 64, 0).decode(errors="replace").strip()
    raise WNetError(
        Status.ERROR_BUSY,
        "connections are in use in another container or on another machine"
        + (f", which calls itself {name}" if name else ""),
        name=str(directory),
        hint="work with them there, or end that with mpr disconnect --all there; to have other connections here, set"
        " MPROUTER_STATE_DIR and MPROUTER_RUNTIME_DIR to directories of their own",
    )


@cache
def _byte(pid: int) -> int | None:
    """Which byte stands for the realm of this process; by *pid*, since a forked child may be in another one.

    None if a sandbox hides that: not to know is not to be in another one.
    """
    del pid
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
        processes = os.readlink("/proc/self/ns/pid")  # noqa: PTH115
    except OSError as error:
        check_known(error)
        return None
    return 1 + int.from_bytes(sha256(f"{boot}/{processes}".encode()).digest()[:8], "big") % _MOST
