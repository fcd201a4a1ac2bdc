"""Isolation: a notifyee in a host process of its own, so that nothing that it does can hurt the caller.

Here is what the router tells it and what comes back: the two phases, and the contexts, which live in the host. What a
host process is, and what becomes of one that crashes, hangs, floods or talks nonsense, stands in ``plugins/host.py``;
what runs inside in ``hosted.py``, what the two say to each other in ``wire.py``.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from mprouter.log import Log
from mprouter.notify.context import Elsewhere, frozen
from mprouter.notify.dispatch import nesting
from mprouter.notify.model import CancelConnect, Event, NotifyInfo, Phase
from mprouter.plugins.host import MEMORY_LIMIT, Host, Hosting, Patience
from mprouter.plugins.problem import hinting, no_way_out
from mprouter.status import Status, WNetError

if TYPE_CHECKING:
    from mprouter.notify.wire import Answer, Marks, Request
    from mprouter.plugins.problem import WayOut

__all__ = ["TIMEOUT", "Isolated"]

TIMEOUT = 30.0
"""Seconds that a call may take, unless registered otherwise."""

PRE, RETRY = Phase.PRE, Status.WN_RETRY

log = Log("mprouter.notify")


class Isolated(Hosting["_Host"]):
    """A ``Call`` that runs a notifyee in a host process, which lives from the first call to ``close`` or a mishap.

    target: ``native:/path/lib.so``, ``python:module:attribute`` or ``python:/path/file.py:attribute``. name: the
    registration's id, for what the notifyee does while it is loaded (N17). settings, match: for a Python target, see
    ``configured.py``. sha256: see ``trust.opened``. timeout: seconds that a call may take, the start of the host
    included. memory: bytes that the host may have to itself. way_out: for one that cannot be loaded.

    A mishap is raised as ``WNetError`` (N10), see ``Host.ask``; and what ``target.load`` and ``from_library`` raise
    when it cannot be loaded. The next operation gets a new host. Contexts live in the host and go with it: their posts
    raise ERROR_PROCESS_ABORTED. A pre that Ctrl-C cuts off leaves a context if that could outlive the process: a new
    host makes the post, without it. Thread-safe; calls are made one at a time.
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
        way_out: WayOut = no_way_out,
    ) -> None:
        super().__init__(target)
        self.name = name
        self.settings = settings
        self.match = match
        self.sha256 = sha256
        self.timeout = timeout
        self.memory = memory
        self.way_out = way_out
        self._owed: set[int] = set()

    def __call__(self, info: NotifyInfo, event: Event) -> Status:
        """Tell the notifyee and wait for its answer, no longer than the time limit."""
        tell = self._before if info.phase is PRE else self._after
        try:
            with self._lock:
                host, answer = tell(info, event, Patience(self.timeout))
        finally:
            if self._closing:
                self.close()
        if host.printed:
            log.info("%s wrote: %s", self.target, " / ".join(host.lines()))
        info.message = answer.message
        return answer.status

    def _before(self, info: NotifyInfo, event: Event, patience: Patience) -> tuple[_Host, Answer]:
        host = self._ready(patience)
        try:
            try:
                answer = host.tell(info, event, patience)
            except WNetError as error:
                if not host.ended_before:
                    raise
                log.warning("%s is started again: between two calls %s", self.target, error.strerror)
                host = self._ready(patience)
                answer = host.tell(info, event, patience)
        except KeyboardInterrupt:
            if host.marks is not None and host.marks.durable:
                info.context = _CUT_OFF  # it may have done half of its work: its post is owed, as after a kill (N19)
            raise
        if answer.kept:
            info.context = _Held(host, answer.serial, answer.frozen)
            self._owed.add(answer.serial)
        return host, answer

    def _after(self, info: NotifyInfo, event: Event, patience: Patience) -> tuple[_Host, Answer]:
        held = info.context
        if info.recovered or held is _CUT_OFF:  # what it was made of by a host that is gone
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
            return self._ready(Patience(self.timeout)).marks

    @property
    def printed(self) -> str:
        """What the notifyee wrote to standard output and standard error during the last call."""
        return "" if self._host is None else self._host.printed.decode("utf-8", "replace")

    def _owes(self) -> bool:
        return bool(self._owed)

    def _started(self) -> _Host:
        self._owed = set()
        return _Host(self.target, self.memory)

    def _load(self, host: _Host, patience: Patience) -> WNetError | None:
        on_stack = nesting()
        if self.name is not None and self.name not in on_stack:
            on_stack += (self.name,)
        with hinting(self.way_out):
            answer = host.load(self, on_stack, patience)
        return WNetError(answer.status, answer.message, hint=self.way_out()) if answer.status else None


class _Held(Elsewhere):
    """A context as the router knows it: the host that it is in, and its number there."""

    __slots__ = ("host", "serial")

    def __init__(self, host: _Host, serial: int, frozen: str | None) -> None:
        super().__init__(frozen)
        self.host = host
        self.serial = serial


_CUT_OFF = Elsewhere(None)
"""The context of a pre that Ctrl-C cut off: nobody knows it, and the host that was at it is gone."""


class _Host(Host["Answer"]):
    """The host process of a notifyee. marks: what that said of itself when it was loaded."""

    def __init__(self, target: str, memory: int) -> None:
        from mprouter.notify import wire

        super().__init__("mprouter.notify.hosted", target, memory, frame=wire.frame, decode=wire.decode_answer)
        self.marks: Marks | None = None
        self._wire = wire

    def load(self, what: Isolated, stack: tuple[str, ...], patience: Patience) -> Answer:
        """Have it load the target; must come first. stack: whom to count as being told. Raises as ``tell``."""
        request = self._wire.Load(
            serial=1,
            stack=_as_json(stack),
            target=what.target,
            settings=dict(what.settings),
            match=list(what.match),
            sha256=what.sha256,
        )
        answer = self.ask(request, patience)
        self.marks = answer.marks
        return answer

    def tell(self, info: NotifyInfo, event: Event, patience: Patience, held: int = 0) -> Answer:
        """One call. held: the number of the context that goes with it.

        Raises as ``ask`` does; a post is made in any case (N19).
        """
        kind: Callable[..., Request] = self._wire.Cancel if isinstance(event, CancelConnect) else self._wire.Add
        text = frozen(info.context) if info.recovered else None
        return self.ask(
            kind(
                self.serial + 1,
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


@functools.lru_cache(maxsize=64)
def _as_json(stack: tuple[str, ...]) -> str:
    return json.dumps(stack)
