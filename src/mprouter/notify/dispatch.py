"""The two-phase call: tell everybody, make the attempt, tell everybody in reverse (N5 to N13, N17 to N19).

Nothing else is here: who is registered comes from the router, what the attempt is comes from the router, and how
each kind of notifyee is reached is that kind's own file.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar
from functools import partial
from time import perf_counter
from typing import Protocol

from mprouter import faults
from mprouter.notify.model import Event, NotifyInfo, Phase, Registration, Told
from mprouter.status import Status, WNetError

__all__ = [
    "MAX_DEPTH",
    "MAX_RETRIES",
    "NESTING_VARIABLE",
    "Journal",
    "nesting",
    "nesting_environment",
    "operate",
    "tell_owed",
]

MAX_RETRIES = 3
"""How often an operation is attempted again because a post asked for it (N11), unless configured."""

MAX_DEPTH = 8
"""How deep operations may nest inside notifications (N17)."""

NESTING_VARIABLE = "MPROUTER_NESTING"
"""Carries ``nesting()`` as JSON into the processes that notifyees start, whose own ``mpr connect`` is nested too."""

log = logging.getLogger("mprouter.notify")

_stack: ContextVar[tuple[str, ...] | None] = ContextVar("mprouter-notifyees-being-told", default=None)

PRE, POST = Phase.PRE, Phase.POST
SUCCESS, RETRY, CANCEL = Status.WN_SUCCESS, Status.WN_RETRY, Status.WN_CANCEL
UNHANDLED = Status.ERROR_UNHANDLED_EXCEPTION


class Journal(Protocol):
    """Who hears how far an operation is, so that another process can make the posts that are owed (N19).

    It may collect what it hears until ``write`` is called, which comes before everything that has an effect. Notifyees
    are named by the id of their registration; only of those that are ``durable`` it hears.
    """

    def telling(self, notifyee: str, attempt: int) -> None:
        """A pre is about to be made."""

    def running(self, notifyee: str, pid: int) -> None:
        """The call has become the process *pid*, which goes on without this one; to be written down at once."""

    def left(self, notifyee: str, context: object) -> None:
        """A context is owed a post; None: none is (N6)."""

    def posted(self, notifyee: str) -> None:
        """The post is made."""

    def outcome(self, status: Status | None) -> None:
        """The attempt has ended so, and the posts begin; None: there will be another attempt."""

    def write(self) -> None:
        """Something with an effect comes next."""

    def attempting(self, *, told_after: bool) -> None:
        """The attempt comes next, which takes long: what is owed is to outlive a loss of power.

        told_after: whether posts come after it, also of those that are not durable.
        """


def operate(
    event: Event,
    registrations: Iterable[Registration],
    attempt: Callable[[], Event],
    *,
    max_retries: int = MAX_RETRIES,
    record: Callable[[Told], None] | None = None,
    journal: Journal | None = None,
) -> None:
    """Carry out one operation with its notifications.

    event: what is told before the attempt. registrations: whom to tell, in registration order. attempt: makes or
    breaks the connection; returns the event as a post of success tells it, raises ``WNetError`` on failure.
    record: gets each call that was made. journal: see ``Journal``.

    Raises the ``WNetError`` of the attempt, of a veto (N9, N13) or of a required notifyee (N10). Any other
    exception of the attempt, Ctrl-C among them, is raised again after the posts (N19).
    """
    on_stack = nesting()
    if len(on_stack) >= MAX_DEPTH:
        raise WNetError(
            Status.ERROR_NESTING_NOT_ALLOWED,
            f"connections made inside notifications are nested more than {MAX_DEPTH} deep",
            hint=f"look for a circle among the notifyees {', '.join(on_stack)}",
        )
    operation = _Operation([each for each in registrations if each.id not in on_stack], on_stack, record, journal)
    operation.begin(event, SUCCESS, range(len(operation.notifyees)))
    while True:
        failure: WNetError | None = None
        told = event
        try:
            if journal is not None:
                journal.attempting(told_after=bool(operation.contexts))
            faults.reached("attempting")
            told = attempt()
        except WNetError as error:
            failure = error
            faults.reached("failed")
        except BaseException as error:
            operation.tell_after(event, CANCEL if isinstance(error, KeyboardInterrupt) else UNHANDLED)
            raise
        again = operation.tell_after(
            told, failure.status if failure else SUCCESS, may_retry=operation.attempt <= max_retries
        )
        if again is None:
            if failure is None:
                return
            if operation.cancelled is None:
                raise failure
            raise operation.cancelled from failure
        operation.attempt += 1
        if journal is not None:
            journal.outcome(None)
        operation.begin(event, RETRY, again)


def tell_owed(
    event: Event,
    owed: Iterable[tuple[Registration, object]],
    status: Status,
    *,
    attempt: int,
    recovered: bool,
    record: Callable[[Told], None] | None = None,
    journal: Journal | None = None,
) -> None:
    """Make the posts of an operation that was cut off (N19).

    owed: whom to tell with which context, in the order of the pres. status: of the operation. attempt: its number.
    recovered: its process has died.
    """
    notifyees = list(owed)
    operation = _Operation([each for each, _ in notifyees], nesting(), record, journal)
    operation.attempt = attempt
    operation.contexts = {place: context for place, (_, context) in enumerate(notifyees)}
    operation.recovered = recovered
    operation.tell_after(event, status)


def nesting() -> tuple[str, ...]:
    """The ids of the notifyees that are being told right now, outermost first, across processes (N17)."""
    stack = _stack.get()
    if stack is None:
        try:
            inherited = json.loads(os.environ.get(NESTING_VARIABLE, "[]"))
            stack = tuple(str(each) for each in inherited)
        except (ValueError, TypeError):
            stack = ()
    return stack


def nesting_environment() -> dict[str, str]:
    """The variable by which a program that a notifyee starts is known to be nested in this notification (N17)."""
    return {NESTING_VARIABLE: json.dumps(nesting())}


class _Operation:
    """One operation under way: whom to tell, how often it was attempted, and who is owed a post for which context."""

    __slots__ = ("attempt", "cancelled", "contexts", "journal", "notifyees", "record", "recovered", "stack")

    def __init__(
        self,
        notifyees: Sequence[Registration],
        stack: tuple[str, ...],
        record: Callable[[Told], None] | None,
        journal: Journal | None,
    ) -> None:
        self.notifyees = notifyees
        self.stack = stack
        self.record = record
        self.journal = journal
        self.recovered = False
        self.attempt = 1
        self.contexts: dict[int, object] = {}
        self.cancelled: WNetError | None = None

    def begin(self, event: Event, status: Status, places: Iterable[int]) -> None:
        """``tell_before``; if that is interrupted, whoever left a context has its post (N19)."""
        try:
            self.tell_before(event, status, places)
        except KeyboardInterrupt:
            self.tell_after(event, CANCEL)
            raise

    def tell_before(self, event: Event, status: Status, places: Iterable[int]) -> None:
        """The pre of the notifyees at *places*. Raises the veto of one (N9, N10), after the posts then due."""
        for place in places:
            registration = self.notifyees[place]
            info = NotifyInfo(PRE, status)
            if self.journal is not None and registration.durable:
                self.journal.telling(registration.id, self.attempt)
            try:
                answer = self.call(place, info, event)
            except KeyboardInterrupt:
                self.keep(place, info.context)
                raise
            if answer is SUCCESS or answer is RETRY:  # N12
                if info.context is not None or self.journal is not None:
                    self.keep(place, info.context)
                continue
            self.keep(place, None)
            if answer is CANCEL or registration.required:
                self.tell_after(event, answer)
                name = registration.name
                if answer is CANCEL:
                    raise WNetError(CANCEL, info.message or f"refused by the notifyee {name}")
                raise WNetError(answer, f"the required notifyee {name} failed: {info.message or answer.text}")

    def keep(self, place: int, context: object) -> None:
        """*context*, unless it is empty (N6), will have its post."""
        if context is not None:
            self.contexts[place] = context
        if self.journal is not None and self.notifyees[place].durable:
            self.journal.left(self.notifyees[place].id, context)

    def tell_after(self, event: Event, status: Status, *, may_retry: bool = False) -> list[int] | None:
        """The post of those that hold a context, in reverse order (N7, N8).

        Returns None when all are done, else the places to tell again before another attempt (N11). A cancel in
        this round (N13) stands against a later wish to retry.
        """
        self.cancelled = None
        if self.journal is not None:
            self.journal.outcome(status)
        interrupt: KeyboardInterrupt | None = None
        finished: list[int] = []
        owed = sorted(self.contexts)
        while owed:
            place = owed[-1]
            context = self.contexts[place]
            info = NotifyInfo(POST, status, context)
            info.recovered = self.recovered
            info.may_retry = may_retry and status is not SUCCESS and self.cancelled is None and interrupt is None
            try:
                answer = self.call(place, info, event)
            except KeyboardInterrupt as error:  # who is still owed a post gets it (N19), also this one if not reached
                interrupt = error
                if place not in self.contexts:
                    self.made(place)
                    owed.pop()
                continue
            self.made(place)
            owed.pop()
            self.contexts.pop(place, None)
            if answer is RETRY and info.may_retry:
                self.keep(place, context)
                finished.reverse()
                return finished
            finished.append(place)
            if answer is CANCEL and status is not SUCCESS and self.cancelled is None:
                name = self.notifyees[place].name
                self.cancelled = WNetError(CANCEL, info.message or f"cancelled by the notifyee {name}")
        if interrupt is not None:
            raise interrupt
        return None

    def made(self, place: int) -> None:
        """Its post is made."""
        if self.journal is not None and self.notifyees[place].durable:
            self.journal.posted(self.notifyees[place].id)

    def call(self, place: int, info: NotifyInfo, event: Event) -> Status:
        """One call of one notifyee, in its turn (N18); whatever it raises becomes its answer (N10)."""
        registration = self.notifyees[place]
        journal, contexts = self.journal, self.contexts
        status = info.status
        answer = CANCEL
        on_stack = _stack.set((*self.stack, registration.id))
        started = 0.0 if self.record is None else perf_counter()
        try:
            taken = not registration.thread_safe and registration.turn.take(owed=info.phase is POST)
            try:
                if journal is not None:
                    journal.write()
                    if registration.durable:
                        info.running = partial(journal.running, registration.id)
                faults.reached("telling" if info.phase is PRE else "posting")
                if contexts:
                    contexts.pop(place, None)  # from here on this post is made
                said = registration.call(info, event)
                faults.reached("told" if info.phase is PRE else "posted")
            finally:
                if taken:
                    registration.turn.leave()
            answer = SUCCESS if said is None else Status(said)
        except KeyboardInterrupt:
            info.message = "interrupted"
            raise
        except WNetError as error:
            answer = error.status or UNHANDLED
            info.message = info.message or error.strerror
        except BaseException as error:  # also SystemExit: a notifyee does not end its caller
            answer = UNHANDLED
            info.message = info.message or f"{type(error).__name__}: {error}"
            log.debug("notifyee %s raised", registration.id, exc_info=True)
        finally:
            _stack.reset(on_stack)
            if self.record is not None:
                duration = perf_counter() - started
                self.record(
                    Told(registration.id, event, info.phase, self.attempt, status, answer, info.message, duration)
                )
        if answer is not SUCCESS and answer is not RETRY and answer is not CANCEL:
            log.warning(
                "notifyee %s failed before the %s" if info.phase is PRE else "notifyee %s failed after the %s",
                registration.id,
                f"{event.operation}: {info.message or answer.text} ({answer.name}, {int(answer)})",
            )
        return answer
