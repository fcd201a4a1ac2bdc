"""A host process: where code of others runs, so that nothing that it does can hurt the caller.

Here is the router's side: starting a host, exchanging messages with it, and noticing when it crashes, hangs, floods or
talks nonsense. What is the same for all that runs inside stands in ``hosted.py``; what the messages say is the business
of ``notify/host.py`` and ``providers/native/``. This is no sandbox: what runs there runs as the same user and may do
what that user may. POSIX.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import threading
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from mprouter.forks import inherit
from mprouter.plugins.frames import LENGTH, LIMIT
from mprouter.processes import has_something
from mprouter.status import Status, WNetError, shortage

if TYPE_CHECKING:
    import subprocess

__all__ = ["GRACE", "MARK", "MEMORY_LIMIT", "OUTPUT_LIMIT", "Host", "Hosting", "Patience"]

MEMORY_LIMIT = 1 << 30
"""Bytes of memory that a host may have to itself, unless given otherwise."""

OUTPUT_LIMIT = 1 << 20
"""Bytes that may be printed there in one call."""

GRACE = 2.0
"""Seconds that a host gets to end in good order."""

MARK = "# a host process of mprouter"
"""Stands in the command line of every host."""

GLANCES = 40
"""How often one looks for an answer before one sleeps until it is there: in some 30 microseconds a fast one comes.

To be woken takes a processor as long as such a call. Where there is but one, the host has run before the first look.
"""

_CHUNK = 1 << 16  # bytes: more than a message has, so that one that is there is read at once
_DYING = 0.5  # seconds that a process may take to end after its pipes have closed
_BOOT = f"""\
{MARK}
import sys, json
sys.path[:] = json.loads(sys.argv[1])
from importlib import import_module
import_module(sys.argv[2]).main(*map(int, sys.argv[4:]))  # what is before is for whoever looks at the list of processes
"""


class _Numbered(Protocol):
    @property
    def serial(self) -> int: ...


A = TypeVar("A", bound=_Numbered)


class Patience:
    """How long one call may still take. limit: seconds in all. deadline: when they are over."""

    __slots__ = ("deadline", "limit")

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.deadline = monotonic() + limit

    @property
    def milliseconds(self) -> float:
        """What is left of it, as far as ``poll`` can wait."""
        return min(max(0.0, self.deadline - monotonic()) * 1000, 2**31 - 1)


class Host(Generic[A]):
    """A running host process, and the router's ends of the pipes to it.

    inside: the module whose ``main`` runs there. target: what it will load, for whoever looks at the list of processes.
    memory: bytes that it may have to itself. frame: makes a message of a request, its length first; a ``bytearray`` is
    wiped when it has been sent. decode: makes an answer, which has the serial of its request, of what comes back.

    ended_before: whether the process had ended before it was asked the last time. printed: what it wrote meanwhile.
    """

    def __init__(
        self,
        inside: str,
        target: str,
        memory: int,
        *,
        frame: Callable[[Any], bytes | bytearray],
        decode: Callable[[memoryview], A],
    ) -> None:
        self.running = True
        self.ended_before = False
        self.printed = bytearray()
        self.serial = 0
        self._frame = frame
        self._decode = decode
        self._ends: list[int] = []
        try:
            for _ in range(4):
                self._ends += os.pipe()
            requests, self._requests, self._answers, answers, self._output, output, lifeline, _ = self._ends
            pipes = (requests, answers, lifeline)
            self._process = _start([inside, target, *map(str, (*pipes, memory))], pipes, output)
        except BaseException as error:
            self.let_go()
            if isinstance(error, OSError):
                status, hint = shortage(error) or (Status.ERROR_SERVICE_NOT_FOUND, None)
                raise WNetError(status, f"no host process can be started: {error}", hint=hint) from error
            raise
        # The reading end of the requests stays open here too: then writing to a host that has died is no SIGPIPE,
        # which the program that we are in may have made deadly.
        self._shut([answers, output, lifeline])
        os.set_blocking(self._requests, False)
        os.set_blocking(self._output, False)
        self._poller = select.poll()
        for each in (self._output, self._answers):
            self._poller.register(each, select.POLLIN)
        self._pidfd = _pidfd(self._process.pid)
        if self._pidfd is not None:
            self._ends.append(self._pidfd)
            self._poller.register(self._pidfd, select.POLLIN)

    def ask(self, request: _Numbered, patience: Patience, *, owed: bool = False) -> A:
        """One call. owed: it is made in any case, so that a first Ctrl-C waits for its answer.

        Raises ``WNetError`` for a mishap: ERROR_TIMEOUT; ERROR_PROCESS_ABORTED when the host crashed or ended;
        ERROR_INVALID_DATA when it flooded or answered nonsense. The process is ended then, also if Ctrl-C comes
        meanwhile. ERROR_INVALID_PARAMETER, and nothing has happened, for what cannot be told.
        """
        if self.printed:
            self.printed = bytearray()
        try:
            message = self._frame(request)
        except (ValueError, OverflowError) as error:
            raise WNetError(Status.ERROR_INVALID_PARAMETER, f"not to be told to another process: {error}") from error
        if len(message) > LIMIT:
            raise WNetError(Status.ERROR_INVALID_PARAMETER, "too long to be told")
        self.serial = request.serial
        interrupts: list[KeyboardInterrupt] = []
        try:
            answer = self._decode(self._exchange(message, patience, interrupts if owed else None))
            if answer.serial != request.serial:
                raise ValueError("to another call")  # noqa: TRY301 - as the decoder does
        except ValueError as error:
            self.kill()
            raise self._mishap(Status.ERROR_INVALID_DATA, f"answers nonsense: {error}") from error
        except BaseException:
            self.kill()
            raise
        finally:
            if isinstance(message, bytearray):
                message[:] = bytes(len(message))
        if interrupts:
            raise interrupts[0]
        return answer

    def _exchange(
        self, message: bytes | bytearray, patience: Patience, interrupts: list[KeyboardInterrupt] | None
    ) -> memoryview:
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
        return memoryview(received)[LENGTH:]

    def _send(self, message: bytes | bytearray, patience: Patience) -> None:
        sent = os.write(self._requests, message)
        if sent == len(message):
            return
        room = select.poll()  # the system is short of memory for pipes
        room.register(self._requests, select.POLLOUT)
        while sent < len(message):
            if not room.poll(patience.milliseconds):
                raise self._mishap(Status.ERROR_TIMEOUT, f"has read nothing within {patience.limit:g} seconds")
            sent += os.write(self._requests, memoryview(message)[sent:])

    def _receive(self, received: bytearray, patience: Patience) -> None:
        """Add to *received* until it is the next message of the host."""
        while ready := self._heard(patience):
            for descriptor, _ in ready:  # in the order of their registration: the end comes last
                if descriptor == self._output:
                    self._collect()
                elif descriptor == self._answers and (chunk := os.read(self._answers, _CHUNK)):
                    received += chunk
                    size = int.from_bytes(received[:LENGTH], "little")
                    if len(received) == LENGTH + size:
                        return
                    if size > LIMIT or len(received) > LENGTH + size > LENGTH:
                        raise ValueError(f"a message of {max(size, len(received))} bytes")
                else:
                    raise self._mishap(Status.ERROR_PROCESS_ABORTED, self._fate())
        raise self._mishap(Status.ERROR_TIMEOUT, f"has not answered within {patience.limit:g} seconds")

    def _heard(self, patience: Patience) -> list[tuple[int, int]]:
        """Which descriptors have something, as soon as one has; none when the time is over."""
        for _ in range(GLANCES):
            if ready := self._poller.poll(0):
                return ready
        return self._poller.poll(patience.milliseconds)

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
        self.ended_before = self.serial > 1 and bool(unread.poll(0))
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
            return has_something(self._pidfd, patience)
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
        self._shut(self._ends[:2] if self._requests in self._ends else [])
        if self._has_ended(GRACE):
            self._process.wait()
            self.let_go()
        else:
            self.kill()

    def let_go(self) -> None:
        """Close the pipes and forget the process."""
        self.running = False
        self._shut(list(self._ends))

    def leave_to_parent(self) -> None:
        """In a child of this process: let go, and warn of no process that is left running."""
        self.let_go()
        self._process.returncode = 0

    def _shut(self, ends: list[int]) -> None:
        """Close *ends*, none of them twice, though Ctrl-C comes meanwhile or another thread does the same."""
        for each in ends:
            with suppress(ValueError):
                self._ends.remove(each)
                os.close(each)


def _start(arguments: list[str], inherited: Sequence[int], output: int) -> subprocess.Popen[bytes]:
    """A new interpreter that runs ``main`` of the module that *arguments* begin with; it prints to *output*."""
    import subprocess

    path = []
    for each in sys.path:
        with suppress(FileNotFoundError):  # of "", the current directory, which may be gone
            path.append(os.path.abspath(each))  # noqa: PTH100
    return subprocess.Popen(
        [sys.executable or "python3", "-I", "-c", _BOOT, json.dumps(path), *arguments],
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


H = TypeVar("H", bound=Host[Any])


class Hosting(ABC, Generic[H]):
    """Whoever has something run in a host process, which lives from the first call to ``close`` or a mishap.

    target: what runs there. Thread-safe; calls are made one at a time, by whoever holds ``_lock``.
    """

    def __init__(self, target: str) -> None:
        self.target = target
        self._lock = threading.Lock()
        self._host: H | None = None
        self._closing = False
        self._last_resort: weakref.finalize[[], Hosting[H]] | None = None
        inherit(self)

    @abstractmethod
    def _started(self) -> H:
        """A new host process, which has loaded nothing yet."""

    @abstractmethod
    def _load(self, host: H, patience: Patience) -> WNetError | None:
        """Have the new *host* load what is to run there; why it cannot. Raises ``WNetError`` for a mishap."""

    def _owes(self) -> bool:
        """Whether the host is still needed by somebody who has not come back yet."""
        return False

    def _ready(self, patience: Patience) -> H:
        """A host that lives and has loaded what is to run there: the one that is there, or a new one."""
        host = self._host
        if host is not None and host.running:
            return host
        host = self._host = self._started()
        self._closing = False
        if self._last_resort is not None:
            self._last_resort.detach()
        self._last_resort = weakref.finalize(self, host.dismiss)
        try:
            refusal = self._load(host, patience)
        except BaseException:
            host.kill()
            raise
        if refusal is not None:
            host.dismiss()
            raise refusal
        return host

    def close(self) -> None:
        """Let the host end in good order, as soon as no call is being made and nobody needs it; does not wait for that.

        It is killed if its end takes longer than ``GRACE``.
        """
        self._closing = True
        if not self._lock.acquire(blocking=False):
            return  # whoever is at it closes it then
        try:
            if self._host is not None and not (self._owes() and self._host.running):
                self._host.dismiss()
        finally:
            self._lock.release()

    def after_fork(self) -> None:
        """In a child of this process: the host remains the parent's."""
        self._lock = threading.Lock()
        if self._host is not None:
            self._host.leave_to_parent()
