"""A server program in the foreground: started, awaited, ended with all its children, also when the tests are killed."""

from __future__ import annotations

import os
import random
import select
import signal
import socket
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from mprouter.processes import fields, parent, words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from servers.account import Account

__all__ = ["Daemon", "Fresh", "Server", "ServerT", "end", "free_port", "listens", "processes", "wait_for"]


def wait_for(condition: Callable[[], object], what: Callable[[], str] | str, seconds: float = 20.0) -> None:
    """Return as soon as *condition* holds; fail with *what* was awaited if it does not within *seconds*."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds:g} s: {what if isinstance(what, str) else what()}")
        time.sleep(0.01)


def free_port(host: str = "127.0.0.1") -> int:
    """A port that nobody uses, outside of the range from which the kernel takes the ports of clients."""
    for _ in range(100):
        port = random.SystemRandom().randrange(20000, 32000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind((host, port))
            return port
    raise OSError(f"no free port on {host}")


def listens(path: Path) -> bool:
    """Whether a Unix socket is there that takes connections: it is there a moment before it does."""
    with socket.socket(socket.AF_UNIX) as probe, suppress(OSError):
        probe.connect(str(path))
        return True
    return False


def processes() -> Iterator[tuple[int, int]]:
    """The id of every process, each with its parent's."""
    for directory in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended meanwhile
            yield int(directory.name), parent(int(directory.name))


def _words(pid: int) -> list[str]:
    """The command line of a process; empty when it has ended."""
    with suppress(OSError):
        return [os.fsdecode(each) for each in words(pid)]
    return []


def end(pids: Iterable[int]) -> None:
    """End these processes, by force those that are still there after 5 s, and return when they are gone."""
    handles = []
    for pid in pids:
        with suppress(ProcessLookupError):
            handles.append(os.pidfd_open(pid))
    if not handles:
        return
    for sign in (signal.SIGTERM, signal.SIGKILL):
        for handle in handles:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, sign)
                signal.pidfd_send_signal(handle, signal.SIGCONT)  # it may be stopped, and would not notice
        with suppress(TimeoutError):  # a pidfd can be read from as soon as its process has ended
            wait_for(lambda: len(select.select(handles, [], [], 0.1)[0]) == len(handles), "the end of processes", 5)
            break
    for handle in handles:
        os.close(handle)


def _freeze(pid: int) -> None:
    """Stop a process, and return when it has stopped, or is gone."""

    def is_frozen() -> bool:
        try:
            return fields(pid)[0] in {b"T", b"t", b"Z", b"X"}
        except OSError:
            return True

    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)
        wait_for(is_frozen, f"process {pid} to stop")


class Daemon:
    """One server program and its children."""

    def __init__(
        self,
        argv: Sequence[str | Path],
        *,
        ports: Sequence[int],
        log: Path,
        host: str = "127.0.0.1",
        environment: Mapping[str, str] | None = None,
        mark: str | None = None,
    ) -> None:
        """*ports*: where it answers when it is ready; *log*: gets what it prints.

        mark: a word in the command lines of those that it starts to be nobody's children.
        """
        self._mark = mark
        self._argv = argv
        self._addresses = [(host, port) for port in ports]
        self._log = log
        # Nothing of the test's own environment, least of all the places of its mounts.
        self._environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and return when it answers; fail with its log if it ends or stays silent."""
        assert self._process is None, "it runs already"
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                # The kernel ends it when this process is killed; a session of its own keeps Ctrl-C away from it.
                ["setpriv", "--pdeathsig", "TERM", "--", *self._argv],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=self._environment,
                start_new_session=True,
            )
        try:
            wait_for(self._answers, lambda: f"an answer of {self._argv[0]}\n{self.log()}")
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End it with all its children, so that connections which clients have open break; a second time is fine."""
        if self._process is None:
            return
        tree = [self._process.pid]
        for pid in tree:  # grows while it is walked
            _freeze(pid)  # a child that it begins meanwhile would go on serving whoever has just connected
            tree += [child for child, its_parent in processes() if its_parent == pid]
        end({*tree, *(pid for pid, _ in processes() if self._mark and self._mark in _words(pid))})
        self._process.wait()
        self._process = None

    def log(self) -> str:
        """What it has printed so far."""
        return self._log.read_text(errors="replace")

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise RuntimeError(f"{self._argv[0]} ended with {self._process.returncode}\n{self.log()}")
        try:
            for address in self._addresses:
                socket.create_connection(address, timeout=5).close()
        except OSError:
            return False
        return True


@dataclass(frozen=True, kw_only=True)
class Server:
    """What tests know of any server.

    root: the directory that it serves, on the server's side. account: who logs in; the files are theirs.
    """

    host: str
    port: int
    root: Path
    account: Account
    daemon: Daemon

    @property
    def user(self) -> str:
        """The user name that the server knows."""
        return self.account.name

    @property
    def password(self) -> str:
        """That user's password."""
        return self.account.password

    def directory(self, name: str) -> Path:
        """Make a directory below ``root`` that the account may write to: a test's own piece of a shared server."""
        path = self.root / name
        path.mkdir()
        self.account.own(path)
        return path

    def start(self) -> None:
        """Start it again after ``stop``, on the same port with the same files."""
        self.daemon.start()

    def stop(self) -> None:
        """End it and every connection to it."""
        self.daemon.stop()


ServerT = TypeVar("ServerT", bound=Server)


class Fresh(Protocol):
    """``fresh(sftp.serve)`` runs a server of the test's own, and ends it with the test."""

    def __call__(self, serve: Callable[..., AbstractContextManager[ServerT]], **options: Any) -> ServerT: ...
