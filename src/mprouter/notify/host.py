"""Isolation: a notifyee in a host process of its own, so that nothing that it does can hurt the caller.

Here is the router's side: starting the host, speaking with it, and noticing when it crashes, hangs, floods or talks
nonsense. What runs inside the host stands in ``hosted.py``, what the two say to each other in ``wire.py``. This is no
sandbox: the notifyee runs as the same user and may do what that user may. POSIX.
"""

from __future__ import annotations

import functools
import json
import logging
import os
import select
import signal
import sys
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from time import monotonic
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from mprouter.notify.context import Elsewhere, frozen
from mprouter.notify.dispatch import nesting
from mprouter.notify.model import CancelConnect, Event, NotifyInfo, Phase
from mprouter.status import Status, WNetError

if TYPE_CHECKING:
    import subprocess

    from mprouter.notify.wire import Answer, Marks, Request

__all__ = ["GRACE", "MEMORY_LIMIT", "OUTPUT_LIMIT", "TIMEOUT", "Isolated"]

TIMEOUT = 30.0
"""Seconds that a call may take, unless registered otherwise."""

MEMORY_LIMIT = 1 << 30
"""Bytes of memory that a host may have to itself, unless given otherwise."""

OUTPUT_LIMIT = 1 << 20
"""Bytes that a notifyee may print in one call."""

GRACE = 2.0
"""Seconds that a host gets to end in good order."""

PRE, RETRY = Phase.PRE, Status.WN_RETRY

log = logging.getLogger("mprouter.notify")

_CHUNK = 1 << 16  # bytes: more than a message has, so that one that is there is read at once
_DYING = 0.5  # seconds that a process may take to end after its pipes have closed
_BOOT = """\
import sys, json
sys.path[:] = json.loads(sys.argv[1])
from mprouter.notify.hosted import main
main(*map(int, sys.argv[3:]))  # what is before is for whoever looks at the list of processes
"""


class Isolated:
    """A ``Call`` that runs a notifyee in a host process, which lives from the first call to ``close`` or a mishap.

    target: ``native:/path/lib.so``, ``python:module:attribute`` or ``python:/path/file.py:attribute``. name: the
    registration's id, for what the notifyee does while it is loaded (N17). settings, match: for a Python target, see
    ``configured.py``. sha256: see ``trust.opened``. timeout: seconds that a call may take, the start of the host
    included. memory: bytes that the host may have to itself.

    A mishap is raised as ``WNetError`` (N10): ERROR_TIMEOUT; ERROR_PROCESS_ABORTED when the host crashed or ended;
    ERROR_INVALID_DATA when it flooded or answered nonsense; what ``target.load`` and ``from_library`` raise when it
    cannot be loaded. The next operation gets a new host. Contexts live in the host and go with it: their posts raise
    ERROR_PROCESS_ABORTED. Thread-safe; calls are made one at a time.
    """

    def __init__(
        self,
        target: str,
        *,
        name: str | None = None,
        settings: Mapping[str, Any] = MappingProxyType({}),
        match: Sequence[str] = (),
        sha256: str | None = None,
        timeout: float = TIMEOUT,
        memory: int = MEMORY_LIMIT,
    ) -> None:
        self.target = target
        self.name = name
        self.settings = settings
        self.match = match
        self.sha256 = sha256
        self.timeout = timeout
        self.memory = memory
        self._lock = threading.Lock()
        self._host: _Host | None = None
        self._owed: set[int] = set()
        self._closing = False
        self._last_resort: weakref.finalize[[], Isolated] | None = None
        _all.add(self)

    def __call__(self, info: NotifyInfo, event: Event) -> Status:
        """Tell the notifyee and wait for its answer, no longer than the time limit."""
        tell = self._before if info.phase is PRE else self._after
        try:
            with self._lock:
                host, answer = tell(info, event, _Patience(self.timeout))
        finally:
            if self._closing:
                self.close()
        if host.printed:
            log.info("%s wrote: %s", self.target, " / ".join(host.lines()))
        info.message = answer.message
        return answer.status

    def _before(self, info: NotifyInfo, event: Event, patience: _Patience) -> tuple[_Host, Answer]:
        host = self._ready(patience)
        try:
            answer = host.tell(info, event, patience)
        except WNetError as error:
            if not host.ended_before:
                raise
            log.warning("%s is started again: between two calls %s", self.target, error.strerror)
            host = self._ready(patience)
            answer = host.tell(info, event, patience)
        if answer.kept:
            info.context = _Held(host, answer.serial, answer.frozen)
            self._owed.add(answer.serial)
        return host, answer

    def _after(self, info: NotifyInfo, event: Event, patience: _Patience) -> tuple[_Host, Answer]:
        held = info.context
        if info.recovered:  # what it was made of by a host that is gone
            host = self._ready(patience)
            return host, host.tell(info, event, patience)
        if not isinstance(held, _Held) or held.host is not self._host or not held.host.running:
            raise WNetError(Status.ERROR_PROCESS_ABORTED, "the process that held its context has ended")
        try:
            answer = held.host.tell(info, event, patience, held.serial)
        except KeyboardInterrupt:
            self._owed.discard(held.serial)
            raise
        if not (answer.status is RETRY and info.may_retry):
            self._owed.discard(held.serial)
        return held.host, answer

    def load(self) -> Marks | None:
        """Have the notifyee loaded, if it is not yet. Returns what a Python notifyee says of itself.

        Raises ``WNetError`` if it cannot be loaded, and for a mishap.
        """
        with self._lock:
            return self._ready(_Patience(self.timeout)).marks

    @property
    def printed(self) -> str:
        """What the notifyee wrote to standard output and standard error during the last call."""
        return "" if self._host is None else self._host.printed.decode("utf-8", "replace")

    def close(self) -> None:
        """Let the host end in good order, as soon as it owes no answer and holds no context; does not wait for that.

        It is killed if its end takes longer than ``GRACE``.
        """
        self._closing = True
        if not self._lock.acquire(blocking=False):
            return  # whoever is at it closes it then
        try:
            if self._host is not None and not (self._owed and self._host.running):
                self._host.dismiss()
        finally:
            self._lock.release()

    def _ready(self, patience: _Patience) -> _Host:
        """A host that lives and has loaded the notifyee: the one that is there, or a new one."""
        host = self._host
        if host is not None and host.running:
            return host
        host = self._host = _Host(self.target, self.memory)
        self._owed = set()
        self._closing = False
        if self._last_resort is not None:
            self._last_resort.detach()
        self._last_resort = weakref.finalize(self, host.dismiss)
        on_stack = nesting()
        if self.name is not None and self.name not in on_stack:
            on_stack += (self.name,)
        try:
            answer = host.load(self, on_stack, patience)
        except BaseException:
            host.kill()
            raise
        if answer.status:
            host.dismiss()
            raise WNetError(answer.status, answer.message)
        return host

    def _after_fork(self) -> None:
        """In a child of this process: the host remains the parent's."""
        self._lock = threading.Lock()
        if self._host is not None:
            self._host.let_go()


class _Held(Elsewhere):
    """A context as the router knows it: the host that it is in, and its number there."""

    __slots__ = ("host", "serial")

    def __init__(self, host: _Host, serial: int, frozen: str | None) -> None:
        super().__init__(frozen)
        self.host = host
        self.serial = serial


class _Patience:
    """How long one call may still take. limit: seconds in all. deadline: when they are over."""

    __slots__ = ("deadline", "limit")

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.deadline = monotonic() + limit


class _Host:
    """A running host process, and the router's ends of the pipes to it.

    marks: what the notifyee said of itself when it was loaded. ended_before: whether the process had ended before it
    was asked the last time. printed: what it wrote meanwhile.
    """

    def __init__(self, target: str, memory: int) -> None:
        from mprouter.notify import wire

        self.running = True
        self.marks: Marks | None = None
        self.ended_before = False
        self.printed = bytearray()
        self._wire = wire
        self._calls = 0
        self._ends: list[int] = []
        try:
            for _ in range(4):
                self._ends += os.pipe()
            requests, self._requests, self._answers, answers, self._output, output, lifeline, _ = self._ends
            pipes = (requests, answers, lifeline)
            self._process = _start([target, *map(str, (*pipes, memory))], pipes, output)
        except BaseException as error:
            self.let_go()
            if isinstance(error, OSError):
                raise WNetError(Status.ERROR_SERVICE_NOT_FOUND, f"no host process can be started: {error}") from error
            raise
        # The reading end of the requests stays open here too: then writing to a host that has died is no SIGPIPE,
        # which the program that we are in may have made deadly.
        for each in (answers, output, lifeline):
            self._ends.remove(each)
            os.close(each)
        os.set_blocking(self._requests, False)
        os.set_blocking(self._output, False)
        self._poller = select.poll()
        self._until_end = select.poll()
        for each in (self._output, self._answers):
            self._poller.register(each, select.POLLIN)
        self._pidfd = _pidfd(self._process.pid)
        if self._pidfd is not None:
            self._ends.append(self._pidfd)
            self._poller.register(self._pidfd, select.POLLIN)
            self._until_end.register(self._pidfd, select.POLLIN)

    def load(self, what: Isolated, stack: tuple[str, ...], patience: _Patience) -> Answer:
        """Have it load the target; must come first. stack: whom to count as being told. Raises as ``tell``."""
        request = self._wire.Load(
            serial=1,
            stack=_as_json(stack),
            target=what.target,
            settings=dict(what.settings),
            match=list(what.match),
            sha256=what.sha256,
        )
        answer = self._ask(request, patience)
        self.marks = answer.marks
        return answer

    def tell(self, info: NotifyInfo, event: Event, patience: _Patience, held: int = 0) -> Answer:
        """One call. held: the number of the context that goes with it.

        Raises ``WNetError`` for a mishap. The process is ended then, also if Ctrl-C comes meanwhile; a post is made in
        any case (N19), so that a first Ctrl-C waits for its answer.
        """
        kind: Callable[..., Request] = self._wire.Cancel if isinstance(event, CancelConnect) else self._wire.Add
        text = frozen(info.context) if info.recovered else None
        return self._ask(
            kind(
                self._calls + 1,
                info.phase,
                info.status,
                held,
                text,
                info.may_retry,
                info.recovered,
                _as_json(nesting()),
                event,
            ),
            patience,
            owed=info.phase is not PRE,
        )

    def _ask(self, request: Request, patience: _Patience, *, owed: bool = False) -> Answer:
        if self.printed:
            self.printed = bytearray()
        try:
            message = self._wire.frame(request)
        except (ValueError, OverflowError) as error:
            raise WNetError(Status.ERROR_INVALID_PARAMETER, f"not to be told to another process: {error}") from error
        if len(message) > self._wire.LIMIT:
            raise WNetError(Status.ERROR_INVALID_PARAMETER, "too long to be told")
        self._calls = request.serial
        interrupts: list[KeyboardInterrupt] = []
        try:
            answer = self._wire.decode_answer(self._exchange(message, patience, interrupts if owed else None))
            if answer.serial != request.serial:
                raise ValueError("to another call")  # noqa: TRY301 - as the decoder does
        except ValueError as error:
            self.kill()
            raise self._mishap(Status.ERROR_INVALID_DATA, f"answers nonsense: {error}") from error
        except BaseException:
            self.kill()
            raise
        if interrupts:
            raise interrupts[0]
        return answer

    def _exchange(self, message: bytes, patience: _Patience, interrupts: list[KeyboardInterrupt] | None) -> memoryview:
        """Send *message* and wait for the answer. interrupts: gets the first Ctrl-C; None: that one is raised too."""
        received = bytearray()
        try:
            self._send(message, patience)
            self._receive(received, patience)
        except KeyboardInterrupt as error:
            if interrupts is None:
                raise
            interrupts.append(error)
            if not received:
                self._send(message, patience)  # again, perhaps; the host minds the serial
            self._receive(received, patience)
        return memoryview(received)[self._wire.LENGTH :]

    def _send(self, message: bytes, patience: _Patience) -> None:
        sent = os.write(self._requests, message)
        if sent == len(message):
            return
        room = select.poll()  # the system is short of memory for pipes
        room.register(self._requests, select.POLLOUT)
        while sent < len(message):
            if not room.poll(max(0.0, patience.deadline - monotonic()) * 1000):
                raise self._mishap(Status.ERROR_TIMEOUT, f"has read nothing within {patience.limit:g} seconds")
            sent += os.write(self._requests, message[sent:])

    def _receive(self, received: bytearray, patience: _Patience) -> None:
        """Add to *received* until it is the next message of the host."""
        length = self._wire.LENGTH
        while ready := self._poller.poll(max(0.0, patience.deadline - monotonic()) * 1000):
            for descriptor, _ in ready:  # in the order of their registration: the end comes last
                if descriptor == self._output:
                    self._collect()
                elif descriptor == self._answers and (chunk := os.read(self._answers, _CHUNK)):
                    received += chunk
                    size = int.from_bytes(received[:length], "little")
                    if len(received) == length + size:
                        return
                    if size > self._wire.LIMIT or len(received) > length + size > length:
                        raise ValueError(f"a message of {max(size, len(received))} bytes")
                else:
                    raise self._mishap(Status.ERROR_PROCESS_ABORTED, self._fate())
        raise self._mishap(Status.ERROR_TIMEOUT, f"has not answered within {patience.limit:g} seconds")

    def _collect(self) -> None:
        """Take in what it has printed."""
        printed = os.read(self._output, _CHUNK)
        if not printed:  # it has closed standard output and error; so be it
            self._poller.unregister(self._output)
        self.printed += printed
        if len(self.printed) > OUTPUT_LIMIT:
            raise self._mishap(Status.ERROR_INVALID_DATA, f"printed more than {OUTPUT_LIMIT >> 10} KiB in one call")

    def _mishap(self, status: Status, what: str) -> WNetError:
        last = " / ".join(self.lines()[-3:])
        return WNetError(status, f"its process {what}" + (f"; it printed last: {last}" if last else ""))

    def lines(self) -> list[str]:
        """The end of what it has printed, safe to be shown."""
        lines = self.printed[-2000:].decode("utf-8", "replace").splitlines()
        plain = ("".join(each if each.isprintable() else " " for each in line).strip() for line in lines)
        return list(filter(None, plain))

    def _fate(self) -> str:
        """What has become of a process whose pipes have closed."""
        if not self._has_ended(_DYING):
            return "has closed its pipes"
        unread = select.poll()
        unread.register(self._ends[0], select.POLLIN)  # our reading end of the requests
        self.ended_before = self._calls > 1 and bool(unread.poll(0))
        self.kill()
        code = self._process.returncode
        if code >= 0:
            return f"ended with exit code {code}"
        try:
            return f"was killed by {signal.Signals(-code).name}"
        except ValueError:
            return f"was killed by signal {-code}"

    def _has_ended(self, patience: float) -> bool:
        """Whether the process ends within *patience* seconds."""
        from subprocess import TimeoutExpired

        if self._pidfd is not None:
            return bool(self._until_end.poll(patience * 1000))
        with suppress(TimeoutExpired):
            self._process.wait(patience)
        return self._process.returncode is not None

    def kill(self) -> None:
        """End the process at once, with all that it started in its own process group."""
        if not self.running:
            return
        from subprocess import TimeoutExpired

        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        with suppress(TimeoutExpired):  # one that hangs in the kernel must not hang us
            self._process.wait(GRACE)
        self.let_go()

    def dismiss(self) -> None:
        """Let the process end: its destructors run, and what it started stays. Kill it if that takes too long."""
        if not self.running:
            return
        for each in self._ends[:2]:
            os.close(each)
        del self._ends[:2]
        if self._has_ended(GRACE):
            self._process.wait()
            self.let_go()
        else:
            self.kill()

    def let_go(self) -> None:
        """Close the pipes and forget the process."""
        self.running = False
        for each in self._ends:
            os.close(each)
        self._ends.clear()


def _start(arguments: list[str], inherited: Sequence[int], output: int) -> subprocess.Popen[bytes]:
    """A new interpreter that runs ``hosted.main``; what it prints goes to the descriptor *output*."""
    import subprocess

    path = json.dumps([os.path.abspath(each) for each in sys.path])  # noqa: PTH100 - of "", the current directory
    return subprocess.Popen(
        [sys.executable or "python3", "-I", "-c", _BOOT, path, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        pass_fds=inherited,
        cwd="/",
        start_new_session=True,
    )


def _pidfd(pid: int) -> int | None:
    """A descriptor that becomes readable at the process's end, even if what it forked holds its pipes open."""
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):  # no Linux, or an old one
        return None


@functools.lru_cache(maxsize=64)
def _as_json(stack: tuple[str, ...]) -> str:
    return json.dumps(stack)


_all: weakref.WeakSet[Isolated] = weakref.WeakSet()


def _after_fork() -> None:
    for each in list(_all):
        each._after_fork()  # noqa: SLF001 - the class's own business


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
