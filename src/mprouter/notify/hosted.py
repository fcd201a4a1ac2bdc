"""What runs in the host process of an isolated notifyee: loads it, and calls it as it is told to.

``host.py`` starts this in a fresh interpreter and does the watching; here is only what must be done from inside.
"""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Iterator
from contextlib import suppress

from mprouter.notify.context import frozen, thawed
from mprouter.notify.dispatch import NESTING_VARIABLE
from mprouter.notify.model import Call, NotifyInfo, Phase
from mprouter.notify.wire import LENGTH, Add, Answer, Cancel, Load, Marks, decode_request, frame
from mprouter.status import Status, WNetError

__all__ = ["main"]

MESSAGE_LENGTH = 2000
"""Characters of a notifyee's message that are passed on."""

OK, RETRY = Status.WN_SUCCESS, Status.WN_RETRY


def main(requests: int, answers: int, lifeline: int, memory: int) -> None:
    """Load a notifyee and serve it until the router closes its end.

    requests, answers, lifeline: descriptors of pipes. memory: bytes that this process may have to itself.
    """
    for each in (requests, answers, lifeline):
        os.set_inheritable(each, False)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    _die_with(lifeline)
    _bound(memory)
    served = _Served()
    stack = ""
    serial = 0
    for request in map(decode_request, _messages(requests)):
        if request.serial == serial:  # sent again, by a router that was interrupted and could not know
            continue
        serial = request.serial
        if request.stack != stack:
            stack = os.environ[NESTING_VARIABLE] = request.stack
        os.write(answers, frame(served.load(request) if isinstance(request, Load) else served.tell(request)))


class _Served:
    """The notifyee, and the contexts that it has left: each under the serial of the call that left it."""

    def __init__(self) -> None:
        self._call: Call
        self._durable = False
        self._contexts: dict[int, object] = {}

    def load(self, request: Load) -> Answer:
        """Load the target."""
        try:
            self._call, marks = _load(request)
        except BaseException as error:  # noqa: BLE001 - whatever its code raises is the answer (N10)
            status, message = _failed(error)
            return Answer(request.serial, status, message=_sendable(message))
        self._durable = marks is not None and marks.durable
        return Answer(request.serial, OK, marks=marks)

    def tell(self, request: Add | Cancel) -> Answer:
        """Make one call, and keep its context for as long as a post may ask for it."""
        context = self._contexts.get(request.context) if request.context else thawed(request.frozen)
        info = NotifyInfo(request.phase, request.status, context)
        info.may_retry = request.may_retry
        info.recovered = request.recovered
        try:
            said = self._call(info, request.event)
            status = Status(said) if said else OK
        except BaseException as error:  # noqa: BLE001 - as in the dispatch: whatever it raises is its answer (N10)
            status, message = _failed(error)
            info.message = info.message or message
        kept = False
        if info.phase is Phase.PRE:
            kept = info.context is not None and (status is OK or status is RETRY)
            if kept:
                self._contexts[request.serial] = info.context
        elif not (info.may_retry and status is RETRY):  # no further post will ask for it
            self._contexts.pop(request.context, None)
        return Answer(
            request.serial,
            status,
            kept,
            frozen(info.context) if kept and self._durable else None,
            None if info.message is None else _sendable(info.message),
        )


def _failed(error: BaseException) -> tuple[Status, str]:
    """The answer that *error* is, and what it says."""
    if isinstance(error, WNetError):
        return error.status or Status.ERROR_UNHANDLED_EXCEPTION, str(error.strerror)
    sys.excepthook(type(error), error, error.__traceback__)
    memory = isinstance(error, MemoryError)
    status = Status.ERROR_NOT_ENOUGH_MEMORY if memory else Status.ERROR_UNHANDLED_EXCEPTION
    return status, f"{type(error).__name__}: {error}"


def _sendable(message: object) -> str:
    """*message*, not too long, and without the halves of characters that no message can have."""
    return str(message)[:MESSAGE_LENGTH].encode("utf-8", "replace").decode()


def _load(request: Load) -> tuple[Call, Marks | None]:
    """The call of the target, and what a Python target says of itself."""
    kind, _, where = request.target.partition(":")
    if kind == "native":
        from mprouter.notify.native import from_library

        _buffer_by_line()
        return from_library(where, request.sha256), None
    from mprouter.notify.python import registration_of
    from mprouter.plugins.configured import configured
    from mprouter.plugins.target import PythonObject, load

    module, _, attribute = where.rpartition(":")
    found = load(PythonObject(module, attribute), sha256=request.sha256)
    marked = registration_of(configured(found, request.settings, match=request.match))
    return marked.call, Marks(marked.order, marked.required, marked.thread_safe, marked.durable, marked.operations)


def _messages(requests: int) -> Iterator[bytes]:
    """One after the other, until the router closes its end."""
    data = b""
    while more := os.read(requests, 65536):
        data += more
        while len(data) >= (end := LENGTH + int.from_bytes(data[:LENGTH], "little")):
            yield data[LENGTH:end]
            data = data[end:]


def _die_with(lifeline: int) -> None:
    """Have the kernel end this process when the router's end of *lifeline* closes, whatever the notifyee is doing.

    PR_SET_PDEATHSIG would not do: it strikes when the *thread* ends that started this process.
    """
    import fcntl
    import signal

    fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
    if hasattr(fcntl, "F_SETSIG"):  # elsewhere SIGIO comes, and ends a process that does not expect it
        fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)
    if select.select([lifeline], [], [], 0)[0]:  # it closed before
        os._exit(1)


def _bound(memory: int) -> None:
    """Limit the memory, and leave no core file. What the notifyee starts may raise the limit for itself again."""
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (memory if most == resource.RLIM_INFINITY else min(memory, most), most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _buffer_by_line() -> None:
    """What C code prints is to be there when it has crashed; into a pipe the C library would collect it for long."""
    import ctypes

    with suppress(AttributeError, ValueError):
        c = ctypes.CDLL(None)
        for name in ("stdout", "stderr"):
            c.setvbuf(ctypes.c_void_p.in_dll(c, name), None, 1, 0)
