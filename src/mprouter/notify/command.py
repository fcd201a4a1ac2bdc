"""Command notifyees: any program, told by standard input and variables, answering by its exit code and last line.

Its protocol stands in ``docs/notifyees.md``. The program is run without a shell, in a session of its own, and ended
with all that it started when its time is up. POSIX.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mprouter.frozen import frozen
from mprouter.log import Log
from mprouter.notify.dispatch import nesting_environment
from mprouter.notify.model import AddConnect, Event, NotifyInfo, Phase
from mprouter.plugins.problem import WayOut, hinting, no_way_out
from mprouter.processes import has_ended, wait_until
from mprouter.status import Status, WNetError, in_short, shortage

if TYPE_CHECKING:
    from subprocess import Popen

    from mprouter.plugins.trust import Opened

__all__ = ["TIMEOUT", "Program", "from_command"]

TIMEOUT = 30.0
"""Seconds that a call may take, unless registered otherwise."""

MAX_OUTPUT = 1 << 20
"""How many bytes of standard output are read; a program that prints more is ended."""

MAX_VARIABLE = 1 << 16
"""The longest context, as JSON, that is also given as a variable; the system's limit is twice that."""

log = Log("mprouter.notify")

_EXIT_RETRY, _EXIT_CANCEL = 75, 77  # EX_TEMPFAIL and EX_NOPERM of sysexits.h
_LOOK_AGAIN = 0.05  # seconds: a program that ended may have left its output to one that goes on
_MAX_ERRORS = 1 << 14  # bytes: the end of standard error that is kept
_CHUNK = 1 << 16  # bytes


@frozen
class _Start:
    """What is run: words and variables, the file, if not the one of that path, and who wants to know the process."""

    argv: tuple[str, ...]
    file: Opened | None
    environment: dict[str, str]
    running: Callable[[int], None] | None
    way_out: WayOut


@frozen
class _Outcome:
    """How a program ended (negative: by that signal) and what it wrote."""

    code: int
    output: bytes
    errors: str


class Program:
    """A ``Call`` that runs a program. printed: what it wrote in the last call, standard output first."""

    __slots__ = ("_argv", "_opened", "_timeout", "_way_out", "printed")

    def __init__(
        self,
        argv: tuple[str, ...],
        timeout: float,
        opened: Callable[[], Opened] | None,
        way_out: WayOut,
    ) -> None:
        self._argv = argv
        self._timeout = timeout
        self._opened = opened
        self._way_out = way_out
        self.printed = ""

    def __call__(self, info: NotifyInfo, event: Event) -> Status:
        """Run it and wait for its answer, no longer than the time limit."""
        self.printed = ""
        begun: dict[str, bool] = {}
        try:
            return self._call(info, event, begun)
        except KeyboardInterrupt:
            if info.phase is Phase.POST and not begun.get("is"):  # it is owed all the same (N19)
                self._call(info, event, {})
            raise

    def _call(self, info: NotifyInfo, event: Event, begun: dict[str, bool]) -> Status:
        if self._opened is None:
            return self._run(info, event, None, begun)
        with hinting(self._way_out):
            file = self._opened()
        with file:
            return self._run(info, event, file, begun)

    def _run(self, info: NotifyInfo, event: Event, file: Opened | None, begun: dict[str, bool]) -> Status:
        path = self._argv[0]
        told = _told(info, event)
        environment = {**os.environ, **_variables(told), "MPR_COMMAND": path}
        start = _Start(self._argv, file, environment, info.running, self._way_out)
        try:
            outcome = _run(start, json.dumps(told).encode(), self._timeout, begun, owed=info.phase is Phase.POST)
        except KeyboardInterrupt:
            if info.phase is Phase.PRE:
                info.context = {}  # it may have done half of its work: its post is owed, as after a kill (N19)
            raise
        output = outcome.output.decode("utf-8", "replace").rstrip("\n")
        self.printed = "\n".join(filter(None, (output, outcome.errors)))
        if outcome.errors:
            log.info("%s wrote: %s", path, outcome.errors)
        return _answer(path, info, outcome)


def from_command(
    argv: Sequence[str],
    timeout: float = TIMEOUT,
    *,
    opened: Callable[[], Opened] | None = None,
    way_out: WayOut = no_way_out,
) -> Program:
    """The call that runs the program *argv*, for at most *timeout* seconds.

    opened: asked before each run for the file that is to be run, instead of the one that the path leads to then; raises
    ``WNetError`` to refuse. way_out: for one that cannot be run.

    Raises ``WNetError`` (ERROR_BAD_CONFIGURATION) if its path is not absolute. The call raises ERROR_FILE_NOT_FOUND,
    ERROR_ACCESS_DENIED or ERROR_BAD_CONFIGURATION for what cannot be run, ERROR_TIMEOUT, ERROR_PROCESS_ABORTED for
    what a signal ended, ERROR_INVALID_DATA for what it may not print, ERROR_EXTENDED_ERROR for other exit codes.
    """
    argv = tuple(argv)
    if not argv or not Path(argv[0]).is_absolute():
        raise WNetError(
            Status.ERROR_BAD_CONFIGURATION, f"the path of a command must be absolute, not {' '.join(argv) or 'empty'}"
        )

    return Program(argv, timeout, opened, way_out)


def _told(info: NotifyInfo, event: Event) -> dict[str, Any]:
    """What the program reads: the names are fixed, a key that does not apply is null."""
    told = {
        "operation": event.operation,
        "phase": info.phase.name.lower(),
        "status": int(info.status),
        "status_name": info.status.name,
        "may_retry": info.may_retry,
        "recovered": info.recovered,
        "name": None,
        "remote_name": None,
        "local_name": None,
        "provider": None,
        "type": None,
        "flags": int(event.flags),
        "force": False,
        "owner": None,
        "context": info.context.get("context") if isinstance(info.context, dict) else None,
    }
    if isinstance(event, AddConnect):
        resource = event.resource
        return told | {
            "name": resource.remote_name,
            "remote_name": resource.remote_name,
            "local_name": resource.local_name,
            "provider": resource.provider,
            "type": resource.type.name.lower(),
            "owner": event.owner,
        }
    from mprouter.names import looks_local

    which = "local_name" if looks_local(event.name) else "remote_name"
    return told | {"name": event.name, which: event.name, "provider": event.provider, "force": event.force}


def _variables(told: dict[str, Any]) -> dict[str, str]:
    """The same for shell scripts; what does not apply is empty, never unset, so that ``set -u`` holds."""
    context = "" if told["context"] is None else json.dumps(told["context"])
    return {
        "MPR_OPERATION": told["operation"],
        "MPR_PHASE": told["phase"],
        "MPR_STATUS": str(told["status"]),
        "MPR_REMOTE_NAME": told["remote_name"] or "",
        "MPR_LOCAL_NAME": told["local_name"] or "",
        "MPR_PROVIDER": told["provider"] or "",
        "MPR_FLAGS": str(told["flags"]),
        "MPR_FORCE": str(int(told["force"])),
        "MPR_MAY_RETRY": str(int(told["may_retry"])),
        "MPR_CONTEXT": context if len(context) <= MAX_VARIABLE else "",
        **nesting_environment(),
    }


def _answer(path: str, info: NotifyInfo, outcome: _Outcome) -> Status:
    """The answer that an exit code and a last line mean; 75 and 77 say it alone. Leaves the context in *info*."""
    if outcome.code < 0:
        raise WNetError(Status.ERROR_PROCESS_ABORTED, _words(f"{path} was ended by {_signal(-outcome.code)}", outcome))
    printed: dict[str, Any] = {}
    status: Status | None = None
    fault: ValueError | None = None
    try:
        printed = _printed(outcome.output)
        status = _status(printed.get("status"))
    except ValueError as error:
        fault = error
    info.message = _plain(printed.get("message") or "") or None
    if outcome.code == _EXIT_CANCEL:
        status, fault = Status.WN_CANCEL, None
    elif outcome.code == _EXIT_RETRY:
        status = Status.WN_RETRY
    elif outcome.code and not status:
        what = f"{path} ended with exit code {outcome.code}"
        raise WNetError(Status.ERROR_EXTENDED_ERROR, info.message or _words(what, outcome))
    if fault is not None:
        raise WNetError(Status.ERROR_INVALID_DATA, f"{path}: {fault}") from fault
    if info.phase is Phase.PRE and ("context" not in printed or printed["context"] is not None):
        info.context = {"context": printed["context"]} if "context" in printed else {}
    if status and status is not Status.WN_RETRY and not info.message:
        info.message = _last(outcome.errors) or None
    return status or Status.WN_SUCCESS


def _printed(output: bytes) -> dict[str, Any]:
    """The JSON object on the last line, if there is one. Raises ValueError if it only looks like one."""
    line = output.rstrip().rpartition(b"\n")[2].strip()
    if not line.startswith(b"{"):
        return {}
    try:
        printed = json.loads(line, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"its last line is not a JSON object: {error}") from error
    return printed if isinstance(printed, dict) else {}


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _status(value: object) -> Status | None:
    """A printed status: a number or a Windows name."""
    if value is None:
        return None
    try:
        if isinstance(value, str):
            return Status[value]
        if isinstance(value, int) and not isinstance(value, bool):
            return Status(value)
    except (KeyError, ValueError):
        pass
    raise ValueError(f"it printed the status {_plain(value)}, which is neither a number nor a Windows name")


def _words(what: str, outcome: _Outcome) -> str:
    return ": ".join(filter(None, (what, _last(outcome.errors))))


def _last(errors: str) -> str:
    """The last lines of standard error: what a script says when it gives up."""
    return " / ".join(errors.splitlines()[-3:])


def _plain(text: object) -> str:
    """A program's words as one line that is safe to print on a terminal."""
    return " ".join("".join(each if each.isprintable() else " " for each in str(text)).split())[:1000]


def _signal(number: int) -> str:
    import signal

    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


# -- running a program -----------------------------------------------------------------------------------------


def _run(start: _Start, told: bytes, timeout: float, begun: dict[str, bool], *, owed: bool) -> _Outcome:
    """Run it to its end, in a thread of its own. owed: a first Ctrl-C waits for that, as for every post (N19).

    Ctrl-C and other signals reach the main thread only. There they could cut the start of a process in two, so that
    nobody knows of it; here they are a request to end it. begun: gets under "is" whether the program was begun.
    """
    stop, ended = threading.Event(), threading.Event()  # a join that was interrupted takes the thread for ended
    results: list[_Outcome | BaseException] = []

    def run() -> None:
        if not begun.setdefault("is", True):  # one step: whoever comes first has decided it
            return
        try:
            results.append(_run_here(start, told, timeout, stop))
        except BaseException as error:  # noqa: BLE001 - raised again below
            results.append(error)
        finally:
            ended.set()

    thread = threading.Thread(target=run, name=f"mprouter-{Path(start.argv[0]).name}")
    try:
        try:
            thread.start()
            ended.wait()
        except KeyboardInterrupt:
            if owed and begun.setdefault("is", False):
                ended.wait()
            raise
    except RuntimeError as error:  # no thread can be started
        raise in_short(error) from None
    except BaseException:
        stop.set()
        if begun.setdefault("is", False):
            ended.wait()
        raise
    result = results[0]
    if isinstance(result, BaseException):
        raise in_short(result)
    return result


def _run_here(start: _Start, told: bytes, timeout: float, stop: threading.Event) -> _Outcome:
    """Run it to its end; if that does not come in time or before *stop*, end it and all that it started."""
    path = start.argv[0]
    with hinting(start.way_out):
        process = _started(start)
    try:
        pipes = _Pipes(process, told)
    except BaseException:
        _end(process)
        raise
    try:
        pipes.write()  # before anybody is told that it runs: it is to know what for, even if we are killed now
        if start.running is not None:
            start.running(process.pid)
        pipes.converse(timeout, stop)
    except TimeoutError as error:
        raise WNetError(Status.ERROR_TIMEOUT, f"{path} has not answered within {timeout:g} seconds") from error
    except ChildProcessError as error:
        raise WNetError(
            Status.ERROR_PROCESS_ABORTED,
            f"nobody knows how {path} ended: this process ignores SIGCHLD, or waits for all of its children itself",
        ) from error
    except OverflowError as error:
        raise WNetError(Status.ERROR_INVALID_DATA, f"{path} printed more than {MAX_OUTPUT >> 10} KiB") from error
    finally:
        _end(process)
        pipes.close()
    lines = map(_plain, pipes.errors.decode("utf-8", "replace").splitlines())
    return _Outcome(process.returncode, bytes(pipes.output), "\n".join(filter(None, lines)))


def _started(start: _Start) -> Popen[bytes]:
    import errno
    import subprocess

    path, file = start.argv[0], start.file
    try:
        return subprocess.Popen(
            start.argv,
            executable=None if file is None else file.place,
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd="/",
            env=start.environment,
            start_new_session=True,
            pass_fds=() if file is None else (file.fileno(),),  # the interpreter of a script reads from it
        )
    except (FileNotFoundError, NotADirectoryError) as error:
        problem = "the program that its first line names is missing" if os.path.lexists(path) else "file not found"
        raise WNetError(Status.ERROR_FILE_NOT_FOUND, f"{path}: {problem}") from error
    except PermissionError as error:
        problem = "it is a directory" if Path(path).is_dir() else "not executable for this user"
        raise WNetError(Status.ERROR_ACCESS_DENIED, f"{path}: {problem}") from error
    except OSError as error:
        if error.errno == errno.ENOEXEC:
            problem = "not a program; a script names its interpreter in the first line, as in #!/bin/sh"
            raise WNetError(Status.ERROR_BAD_CONFIGURATION, f"{path}: {problem}") from error
        status, hint = shortage(error) or (Status.ERROR_GEN_FAILURE, None)
        raise WNetError(status, f"{path} cannot be run: {error.strerror}", hint=hint) from error


class _Pipes:
    """The conversation with a running program: it need not read, and others may hold its pipes open after its end."""

    def __init__(self, process: Popen[bytes], told: bytes) -> None:
        import selectors

        assert process.stdin is not None  # noqa: S101 - all three are pipes
        assert process.stdout is not None  # noqa: S101
        assert process.stderr is not None  # noqa: S101
        self.output = bytearray()
        self.errors = bytearray()
        self._left = memoryview(told)
        self._process = process
        self._pipes = (process.stdin, process.stdout, process.stderr)
        self._selector = selectors.DefaultSelector()
        for pipe in self._pipes:
            os.set_blocking(pipe.fileno(), False)
            self._selector.register(pipe, selectors.EVENT_WRITE if pipe is process.stdin else selectors.EVENT_READ)

    def converse(self, timeout: float, stop: threading.Event) -> None:
        """Until the program ends.

        Raises TimeoutError after *timeout* seconds, OverflowError if it prints too much, InterruptedError on *stop*,
        ChildProcessError if it has ended and nobody here was told how.
        """
        from time import monotonic

        deadline = monotonic() + timeout
        while not has_ended(self._process):
            left = deadline - monotonic()
            if left <= 0:
                raise TimeoutError
            if stop.is_set():
                raise InterruptedError
            self._exchange(min(left, _LOOK_AGAIN))
        for _ in range(MAX_OUTPUT // _CHUNK):  # what it wrote is in the pipes now, and they hold no more than that
            if not self._exchange(0):
                break

    def close(self) -> None:
        self._selector.close()
        for pipe in self._pipes:
            pipe.close()

    def _exchange(self, patience: float) -> bool:
        """Write and read what can be within *patience* seconds. Returns whether anything was read."""
        if not self._selector.get_map():  # it has closed them all, and is about to end
            wait_until(lambda: has_ended(self._process), patience)
            return False
        stdin, stdout, _ = self._pipes
        read = False
        for key, _ in self._selector.select(patience):
            if key.fileobj is stdin:
                self.write()
                continue
            data = os.read(key.fd, _CHUNK)
            if not data:
                self._selector.unregister(key.fileobj)
            elif key.fileobj is stdout:
                self.output += data
                if len(self.output) > MAX_OUTPUT:
                    raise OverflowError
            else:
                self.errors += data
                del self.errors[:-_MAX_ERRORS]
            read = read or bool(data)
        return read

    def write(self) -> None:
        """As much of what it is to read as fits into the pipe."""
        stdin = self._pipes[0]
        try:
            self._left = self._left[os.write(stdin.fileno(), self._left) :]
        except BrokenPipeError:  # it does not want to know
            self._left = self._left[:0]
        if not self._left:
            self._selector.unregister(stdin)
            stdin.close()


def _end(process: Popen[bytes]) -> None:
    """End the program, if it still runs, and every process of its group."""
    import signal
    from subprocess import TimeoutExpired

    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        with suppress(TimeoutExpired):  # one that hangs in the kernel must not hang us
            process.wait(5)
