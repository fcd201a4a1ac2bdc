"""What runs in the host process of an isolated notifyee: loads it, and calls it as it is told to.

``host.py`` is the router's side. What every host process does stands in ``plugins/hosted.py``.
"""

from __future__ import annotations

import os

from mprouter import forks
from mprouter.notify.context import frozen, thawed
from mprouter.notify.dispatch import NESTING_VARIABLE, inherit
from mprouter.notify.model import Call, NotifyInfo, Phase
from mprouter.notify.wire import Add, Answer, Cancel, Load, Marks, decode_request, frame
from mprouter.plugins.hosted import buffer_by_line, failed, messages, prepare, sendable
from mprouter.status import Status, text_of

__all__ = ["main"]

OK, RETRY = Status.WN_SUCCESS, Status.WN_RETRY


def main(requests: int, answers: int, lifeline: int, memory: int) -> None:
    """Load a notifyee and serve it until the router closes its end.

    requests, answers, lifeline: descriptors of pipes. memory: bytes that this process may have to itself.
    """
    prepare(requests, answers, lifeline, memory)
    served = _Served()
    stack = ""
    serial = 0
    for request in map(decode_request, messages(requests)):
        if request.serial == serial:  # sent again, by a router that was interrupted and could not know
            continue
        serial = request.serial
        if request.stack != stack:
            stack = os.environ[NESTING_VARIABLE] = request.stack
            inherit(stack)
        os.write(answers, frame(served.load(request) if isinstance(request, Load) else served.tell(request)))


class _Served:
    """The notifyee, and the contexts that it has left: each under the serial of the call that left it."""

    def __init__(self) -> None:
        self._call: Call
        self._durable = False
        self._pid = os.getpid()
        self._contexts: dict[int, object] = {}

    def load(self, request: Load) -> Answer:
        """Load the target."""
        try:
            self._call, marks = _load(request)
        except BaseException as error:  # noqa: BLE001 - whatever its code raises is the answer (N10)
            status, message = failed(error)
            return Answer(request.serial, status, message=sendable(message))
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
            if os.getpid() != self._pid:
                forks.end(error)
            status, message = failed(error)
            info.message = text_of(info.message) or message
        if os.getpid() != self._pid:
            forks.end(SystemExit())
        kept = False
        if request.phase is Phase.PRE:
            kept = info.context is not None and (status is OK or status is RETRY)
            if kept:
                self._contexts[request.serial] = info.context
        elif not (request.may_retry and status is RETRY):  # no further post will ask for it
            self._contexts.pop(request.context, None)
        return Answer(
            request.serial,
            status,
            kept,
            frozen(info.context) if kept and self._durable else None,
            None if info.message is None else sendable(info.message),
        )


def _load(request: Load) -> tuple[Call, Marks | None]:
    """The call of the target, and what a Python target says of itself."""
    kind, _, where = request.target.partition(":")
    if kind == "native":
        from mprouter.notify.native import from_library

        buffer_by_line()
        return from_library(where, request.sha256), None
    from mprouter.notify.python import registration_of
    from mprouter.plugins.configured import configured
    from mprouter.plugins.target import PythonObject, load

    module, _, attribute = where.rpartition(":")
    found = load(PythonObject(module, attribute), sha256=request.sha256)
    marked = registration_of(configured(found, request.settings, match=request.match))
    return marked.call, Marks(marked.order, marked.required, marked.thread_safe, marked.durable, marked.operations)
