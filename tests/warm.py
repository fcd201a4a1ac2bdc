"""The command ``mpr`` without the time that an interpreter takes to start: a fork of one that has loaded the package.

Each process of tests has one such server; run as a program, this file is it, or with arguments one command that is to
be struck, without a server. A command is a process of its own, as it always is: it can be killed, and ends with its own
exit code. What shows only where an interpreter is started for the command (what it imports, its words and variables in
the list of processes, a terminal) is for tests that start one.
"""

from __future__ import annotations

import atexit
import functools
import gc
import json
import os
import pkgutil
import select
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Self

__all__ = ["MPR", "Started", "Strike", "run"]

MPR = Path(sys.executable).with_name("mpr")
"""The command as it is installed."""

LIBRARIES = ("http.client", "keyring.backends.fail", "keyring.backends.null", "msgspec.json", "sqlite3", "uuid")
"""What the package imports when it needs it."""


@dataclass(frozen=True)
class Strike:
    """A signal that the command gets from itself, the *nth* time that the fault point *point* is reached.

    pid: instead, who gets it, and is gone when the command goes on.
    """

    point: str
    nth: int
    number: int
    pid: int | None = None

    def prepare(self) -> None:
        """Have this process struck."""
        from mprouter import faults

        left = self.nth

        def reached(name: str) -> None:
            nonlocal left
            left -= name == self.point
            if name == self.point and left == 0:
                self.hit()

        faults.hook = reached

    def hit(self) -> None:
        if self.pid is None:
            os.kill(os.getpid(), self.number)
            return
        with suppress(ProcessLookupError):
            handle = os.pidfd_open(self.pid)
            signal.pidfd_send_signal(handle, self.number)
            select.select([handle], [], [])
            os.close(handle)


@dataclass(frozen=True)
class Request:
    """What the server is asked for, besides its three standard descriptors and where it tells its id and exit code."""

    words: list[str]
    environment: dict[str, str]
    directory: str
    strike: dict[str, Any] | None


# -- the side of the tests -------------------------------------------------------------------------------------


class Started:
    """A command that was started: as much of ``subprocess.Popen`` as the tests need.

    stdin: what it can read, no more than a pipe holds. Its variables and directory are those of this process.
    """

    def __init__(self, *words: str | Path, stdin: str = "", strike: Strike | None = None) -> None:
        assert words[:1] != ("net",), "it wipes passwords from its words, which the server was not started with"
        self.words = list(map(str, words))
        self.returncode: int | None = None
        self._reply, reply = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        (typed, typing), (printed, out), (said, err) = os.pipe(), os.pipe(), os.pipe()
        self._printed, self._said = (open(each, "rb", buffering=0) for each in (printed, said))  # noqa: PTH123, SIM115
        os.write(typing, stdin.encode())
        strikes = asdict(strike) if strike else None
        request = Request(self.words, dict(os.environ), os.getcwd(), strikes)  # noqa: PTH109
        given = [typed, out, err, reply.detach()]
        socket.send_fds(_server(_read_at_start()), [json.dumps(asdict(request)).encode()], given)
        for each in (typing, *given):
            os.close(each)
        self.pid = int(self._reply.recv(64))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.wait()
        self._printed.close()
        self._said.close()

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            os.kill(self.pid, number)

    def wait(self) -> int:
        """Its exit code when it has ended; negative: the signal that ended it."""
        if self.returncode is None:
            self.returncode = int(self._reply.recv(64))
            self._reply.close()
        return self.returncode

    def communicate(self, seconds: float = 120.0) -> tuple[str, str]:
        """What it prints and says on standard error, until nobody has these pipes; killed if silent for *seconds*."""
        read = {self._printed: b"", self._said: b""}
        left = set(read)
        while left:
            ready = select.select(left, [], [], seconds)[0]
            if not ready:
                self.send_signal(signal.SIGKILL)
                raise subprocess.TimeoutExpired(self.words, seconds)
            for each in ready:
                read[each] += (more := each.read(1 << 16))
                left -= set() if more else {each}
        self.wait()
        return read[self._printed].decode(), read[self._said].decode()


def run(*words: str | Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    with Started(*words, stdin=stdin) as command:
        printed, said = command.communicate()
        return subprocess.CompletedProcess(command.words, command.wait(), printed, said)


def _read_at_start() -> frozenset[tuple[str, str]]:
    """The variables that an interpreter, or its C library, reads once."""
    return frozenset(each for each in os.environ.items() if each[0].startswith(("PYTHON", "LC_", "LANG", "LD_", "TZ")))


@functools.cache
def _server(variables: frozenset[tuple[str, str]]) -> socket.socket:
    """Where commands with these *variables* are asked for. The server ends when this process does."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:  # as its standard input and output, which are then no files, as those of the commands are none
        words = [sys.executable, __file__]
        server = subprocess.Popen(words, stdin=theirs.fileno(), stdout=theirs.fileno(), cwd="/", env=dict(variables))
    atexit.register(server.wait)
    atexit.register(ours.close)  # which is called before that
    return ours


# -- the side of the server ------------------------------------------------------------------------------------


def load() -> None:
    """Import what a command may need. Nothing of it looks at variables, starts threads or opens files by that."""
    import mprouter

    for each in pkgutil.walk_packages(mprouter.__path__, "mprouter."):
        if not each.name.startswith(("mprouter.testing", "mprouter.__main__")):
            import_module(each.name)
    for library in LIBRARIES:
        import_module(library)
    gc.collect()
    gc.freeze()  # the collector of a fork need not look at it, which would copy it


def serve(requests: socket.socket) -> Request:
    """Fork for each of *requests*, and tell how each fork ended. Returns in the forks."""
    running: dict[int, tuple[int, socket.socket]] = {}  # by what becomes readable at its end
    while True:
        for ready in select.select([requests.fileno(), *running], [], [])[0]:
            if ready in running:
                pid, reply = running.pop(ready)
                os.close(ready)
                _tell(reply, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
                reply.close()
                continue
            message, given, *_ = socket.recv_fds(requests, 1 << 20, 4, socket.MSG_CMSG_CLOEXEC)
            if not message:
                sys.exit()
            reply = socket.socket(fileno=given.pop())
            if not (pid := os.fork()):
                for number, each in enumerate(given):
                    os.dup2(each, number)
                for each in (*given, *running):
                    os.close(each)
                for held in (requests, reply, *(other for _, other in running.values())):
                    held.close()
                return Request(**json.loads(message))
            for each in given:
                os.close(each)
            running[os.pidfd_open(pid)] = (pid, reply)
            _tell(reply, pid)


def _tell(reply: socket.socket, number: int) -> None:
    with suppress(BrokenPipeError):  # nobody waits for it any more
        reply.send(str(number).encode())


def become(request: Request) -> None:
    """Be as an interpreter that was started for the command."""
    os.environ.clear()
    os.environ.update(request.environment)
    os.chdir(request.directory)
    sys.argv = [str(MPR), *request.words]
    sys.orig_argv = [sys.executable, *sys.argv]
    if request.strike:
        Strike(**request.strike).prepare()


_code: int | None = None  # with which the command is to end


def leave() -> None:
    """End a command that has done its work. To take its modules down would copy what it shares with the server."""
    if _code is not None:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(_code)


if __name__ == "__main__":
    sys.path[0] = str(MPR.parent)
    if sys.argv[1:]:
        point, nth, number, *words = sys.argv[1:]
        Strike(point, int(nth), int(number)).prepare()
        sys.argv = [str(MPR), *words]
    else:
        atexit.register(leave)  # before the package is loaded: what that registers is called first
        try:
            load()
            become(serve(socket.socket(fileno=os.dup(sys.stdin.fileno()))))
        except KeyboardInterrupt:  # of the tests
            sys.exit(130)
    from mprouter.cli import main

    try:
        main()
    except SystemExit as ended:
        _code = ended.code if isinstance(ended.code, int) else None
        raise
