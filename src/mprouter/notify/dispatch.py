"""The two-phase call: tell everybody, make the attempt, tell everybody in reverse (N5 to N13, N17 to N19).

Nothing else is here: who is registered comes from the router, what the attempt is comes from the router, and how
each kind of notifyee is reached is that kind's own file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar
from functools import partial
from threading import get_ident
from time import perf_counter
from types import GeneratorType
from typing import Any, ParamSpec, Protocol, TypeVar

from mprouter import faults, forks
from mprouter.log import Log
from mprouter.notify.model import Call, Event, NotifyInfo, Phase, Registration, Told
from mprouter.notify.python import Function
from mprouter.notify.turn import waiting
from mprouter.status import Status, WNetError, in_words, shortage, text_of

__all__ = [
    "MAX_DEPTH",
    "MAX_RETRIES",
    "NESTING_VARIABLE",
    "Journal",
    "inherit",
    "nested",
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

log = Log("mprouter.notify")

P = ParamSpec("P")
T = TypeVar("T")

_under_way: ContextVar[_Operation | None] = ContextVar("mprouter-operation", default=None)
"""The innermost one, which knows whom it is telling. Setting this anew for each notifyee would cost a fourth more."""

_inherited: tuple[str, ...] = ()

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


def operate(  # noqa: C901, PLR0912 - it is told in the order in which it happens
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
    outer = _under_way.get()
    stack = _inherited if outer is None else outer.nesting()
    if stack and len(stack) >= MAX_DEPTH:
        raise WNetError(
            Status.ERROR_NESTING_NOT_ALLOWED,
            f"connections made inside notifications are nested more than {MAX_DEPTH} deep",
            hint=f"look for a circle among the notifyees {', '.join(stack)}",
        )
    notifyees = [each for each in registrations if each.id not in stack] if stack else [*registrations]
    operation = _Operation(notifyees, stack, record, journal)
    told, status = event, CANCEL  # by the posts, if Ctrl-C strikes here (N19)
    try:
        _under_way.set(operation)
        operation.tell_before(event, SUCCESS, enumerate(notifyees))
        while True:
            failure: WNetError | None = None
            try:
                if journal is not None:
                    journal.attempting(told_after=bool(operation.contexts))
                if faults.hook is not None:
                    faults.reached("attempting")
                told = attempt()
                status = SUCCESS
            except WNetError as error:
                failure, status = error, error.status
                faults.reached("failed")
            except BaseException as error:
                status = CANCEL if isinstance(error, KeyboardInterrupt) else UNHANDLED
                operation.tell_after(event, status)
                raise
            again = operation.tell_after(told, status, operation.attempt <= max_retries)
            if again is None:
                if failure is None:
                    return
                if operation.cancelled is None:
                    raise failure
                raise operation.cancelled from failure
            told, status = event, CANCEL
            operation.attempt += 1
            if journal is not None:
                journal.outcome(None)
            operation.tell_before(event, RETRY, [(place, notifyees[place]) for place in again])
    except KeyboardInterrupt:
        operation.telling = None  # where a loop begins again it may strike past a ``finally``, from Python 3.13 on
        if operation.contexts:  # whoever left one has its post (N19)
            operation.tell_after(told, status)
        raise
    finally:
        _under_way.set(outer)


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
    outer = _under_way.get()
    try:
        _under_way.set(operation)
        operation.tell_after(event, status)
    finally:
        _under_way.set(outer)


def nesting() -> tuple[str, ...]:
    """The ids of the notifyees that are being told right now, outermost first, across processes (N17)."""
    operation = _under_way.get()
    return _inherited if operation is None else operation.nesting()


def nested(function: Callable[P, T]) -> Callable[P, T]:
    """*function* for a thread of the notifyee that is being told: what it connects, now or later, is nested (N17).

    A copy of the context does that only while the notifyee is being told: of what is connected in it afterwards the
    notifyee is told again, and whoever is being told just then is not.
    """
    here = _Operation([], nesting(), None, None)

    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        outer = _under_way.get()
        try:
            _under_way.set(here)
            return function(*args, **kwargs)
        finally:
            _under_way.set(outer)

    return run


def inherit(stack: str) -> None:
    """Have this process be nested in *stack*, ``nesting()`` of another one as JSON. What is no such thing is none."""
    global _inherited  # noqa: PLW0603 - a process has one
    try:
        found = json.loads(stack)
        _inherited = tuple(str(each) for each in found) if isinstance(found, list) else ()
    except (ValueError, TypeError):
        _inherited = ()


_parents: _Operation | None = None
"""The operation that was under way when this process was forked: it is its parent's."""


def _after_fork() -> None:
    global _parents  # noqa: PLW0603 - a process has one
    _parents = _under_way.get()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def nesting_environment() -> dict[str, str]:
    """The variable by which a program that a notifyee starts is known to be nested in this notification (N17)."""
    return {NESTING_VARIABLE: json.dumps(nesting())}


class _Operation:
    """One operation under way: whom to tell, how often it was attempted, and who is owed a post for which context.

    The two loops that tell are long for the sake of speed: what is usual, a function or generator that has nothing to
    say, costs little more than itself. They take and leave the turns without a call, and know by its type the kind of
    notifyee that needs no ``NotifyInfo``; what is unusual they leave to ``pre`` and ``post``, which do all of it. So
    does a thread-safe one go to whose turn another thread has just taken: there nobody waits for it.

    telling: who is being told now. Whatever runs in a copy of the context meanwhile is nested in it, too (N17).

    CPython lets Ctrl-C strike where something is called or a loop begins again, not between two simple statements. On
    that rests that no turn stays taken, and that a post is made once: just before it, its context leaves ``contexts``.
    """

    __slots__ = (
        *("attempt", "cancelled", "contexts", "journal", "may_retry", "notifyees"),
        *("record", "recovered", "stack", "telling", "thread"),
    )

    def __init__(
        self,
        notifyees: Sequence[Registration],
        stack: tuple[str, ...],
        record: Callable[[Told], None] | None,
        journal: Journal | None,
    ) -> None:
        self.notifyees = notifyees
        self.stack = stack
        self.telling: Registration | None = None
        self.thread = get_ident()
        self.record = record
        self.journal = journal
        self.recovered = False
        self.may_retry = False
        self.attempt = 1
        self.contexts: dict[int, Any] = {}
        self.cancelled: WNetError | None = None

    def nesting(self) -> tuple[str, ...]:
        """In what an operation is nested that is begun now (N17)."""
        telling = self.telling
        return self.stack if telling is None else (*self.stack, telling.id)

    def tell_before(self, event: Event, status: Status, wanted: Iterable[tuple[int, Registration]]) -> None:  # noqa: C901, PLR0912
        """The pre of those *wanted*, with their places. Raises the veto of one (N9, N10), after the posts then due."""
        contexts, journal, record = self.contexts, self.journal, self.record
        thread, usual, started = self.thread, Function if faults.hook is None else None, 0.0
        try:
            for place, registration in wanted:
                call, turn = registration.call, registration.turn
                if record is not None:
                    started = perf_counter()
                if type(call) is not usual:
                    self.pre(event, status, place, started)
                    continue
                try:
                    del turn.free
                except AttributeError:
                    self.pre(event, status, place, started)
                    continue
                rest = found = None
                try:
                    turn.owner = thread
                    self.telling = registration
                    if journal is not None:
                        journal.write()
                    found = call.function(event)
                    if type(found) is GeneratorType:
                        contexts[place] = found
                        said = next(found)
                        if said is not None:
                            rest = partial(call.first, found=found, said=said)
                    elif found is not None:
                        rest = partial(call.first, found=found)
                except KeyboardInterrupt:
                    if place in contexts and not contexts[place].gi_suspended:
                        del contexts[place]  # it has not come to its yield
                    self.note(event, PRE, status, place, CANCEL, "interrupted", started)
                    raise
                except BaseException as error:  # noqa: BLE001 - it is an answer (N10)
                    rest = partial(call.first, found=found, error=error)
                finally:
                    turn.free = True
                    if waiting:
                        turn.wake()
                if rest is not None:
                    self.pre(event, status, place, started, rest)
                elif record is not None:
                    self.note(event, PRE, status, place, SUCCESS, None, started)
        finally:
            self.telling = None

    def pre(self, event: Event, status: Status, place: int, started: float, rest: Call | None = None) -> None:
        """The pre of any notifyee. rest: what is left to do of it, if it has begun."""
        registration = self.notifyees[place]
        info = NotifyInfo(PRE, status)
        if self.journal is not None and registration.durable:
            self.journal.telling(registration.id, self.attempt)
        begun = None if rest is None else self.contexts.get(place)
        try:
            answer = self.call(place, info, event, started, rest)
            if answer is SUCCESS or answer is RETRY:  # N12
                self.keep(place, info.context)
                return
        except KeyboardInterrupt:
            if info.context is None and begun is not None and begun.gi_suspended:
                info.context = begun  # it is at its yield
            self.keep(place, info.context)
            raise
        self.keep(place, None)
        if answer is CANCEL or registration.required:
            self.tell_after(event, answer)
            name = registration.name
            if answer is CANCEL:
                raise WNetError(CANCEL, info.message or f"refused by the notifyee {name}")
            raise WNetError(answer, f"the required notifyee {name} failed: {info.message or answer.text}")

    def keep(self, place: int, context: object) -> None:
        """*context*, unless it is empty (N6), will have its post."""
        if context is None:
            self.contexts.pop(place, None)
        else:
            self.contexts[place] = context
        if self.journal is not None and self.notifyees[place].durable:
            self.journal.left(self.notifyees[place].id, context)

    def tell_after(  # noqa: C901, PLR0912, PLR0915
        self, event: Event, status: Status, may_retry: bool = False
    ) -> list[int] | None:
        """The post of those that hold a context, in reverse order (N7, N8).

        Returns None when all are done, else the places to tell again before another attempt (N11). A cancel in
        this round (N13) stands against a later wish to retry.
        """
        self.may_retry = may_retry and status is not SUCCESS
        notifyees, contexts, journal, record = self.notifyees, self.contexts, self.journal, self.record
        thread, usual, started = self.thread, Function if faults.hook is None else None, 0.0
        owed = [*reversed(contexts)]  # they are in the order of their places
        if journal is not None:
            journal.outcome(status)
        try:
            for place in owed:
                registration = notifyees[place]
                call, turn, context = registration.call, registration.turn, contexts[place]
                if record is not None:
                    started = perf_counter()
                if type(call) is not usual:
                    if self.post(event, status, place, context, started):
                        break
                    continue
                try:
                    del turn.free
                except AttributeError:
                    if self.post(event, status, place, context, started):
                        break
                    continue
                rest = None
                try:
                    turn.owner = thread
                    self.telling = registration
                    if journal is not None:
                        journal.write()
                    del contexts[place]
                    said = context.send(status)
                    rest = partial(call.second, said=said)
                except StopIteration as end:
                    if end.value is not None:
                        rest = partial(call.second, error=end)
                except KeyboardInterrupt:
                    self.note(event, POST, status, place, CANCEL, "interrupted", started)
                    raise
                except BaseException as error:  # noqa: BLE001 - it is an answer (N10)
                    rest = partial(call.second, error=error)
                finally:
                    turn.free = True
                    if waiting:
                        turn.wake()
                if rest is not None:
                    if self.post(event, status, place, context, started, rest):
                        break
                elif record is not None:
                    self.note(event, POST, status, place, SUCCESS, None, started)
            else:
                return None
            return owed[: owed.index(place)][::-1]
        except KeyboardInterrupt:
            if contexts:  # who is still owed a post gets it (N19), also this one if not reached
                self.tell_after(event, status)
            raise
        finally:
            self.telling = None

    def post(  # noqa: PLR0917
        self,
        event: Event,
        status: Status,
        place: int,
        context: object,
        started: float,
        rest: Call | None = None,
    ) -> bool:
        """The post of any notifyee, as ``pre``. Whether it wishes that the operation be attempted again (N11)."""
        info = NotifyInfo(POST, status, context)
        info.recovered = self.recovered
        info.may_retry = self.may_retry
        try:
            answer = self.call(place, info, event, started, rest)
            self.made(place)
        except KeyboardInterrupt:
            if type(context) is GeneratorType and context.gi_suspended:  # it was not reached
                self.contexts[place] = context
            elif place not in self.contexts:
                self.made(place)
            raise
        self.contexts.pop(place, None)
        if answer is RETRY and self.may_retry:
            self.keep(place, context)
            return True
        if answer is CANCEL and status is not SUCCESS and self.cancelled is None:
            name = self.notifyees[place].name
            self.cancelled = WNetError(CANCEL, info.message or f"cancelled by the notifyee {name}")
            self.may_retry = False
        return False

    def made(self, place: int) -> None:
        """Its post is made."""
        if self.journal is not None and self.notifyees[place].durable:
            self.journal.posted(self.notifyees[place].id)

    def call(self, place: int, info: NotifyInfo, event: Event, started: float, rest: Call | None) -> Status:
        """One call of one notifyee, or its rest, in its turn (N18); whatever it raises becomes its answer (N10)."""
        registration = self.notifyees[place]
        journal, turn = self.journal, registration.turn
        phase, status = info.phase, info.status  # as they are told: the notifyee may write over them
        answer, hint = CANCEL, None
        try:
            self.telling = registration
            taken = not registration.thread_safe and turn.take(owed=phase is POST or rest is not None)
            try:
                if journal is not None:
                    journal.write()
                    if registration.durable:
                        info.running = partial(journal.running, registration.id)
                faults.reached("telling" if phase is PRE else "posting")
                call = rest or registration.call
                if place in self.contexts:
                    del self.contexts[place]  # from here on this post is made
                said = call(info, event)
                faults.reached("told" if phase is PRE else "posted")
            finally:
                if taken:
                    turn.free = True
                    if waiting:
                        turn.wake()
            answer = SUCCESS if said is None else Status(said)
        except KeyboardInterrupt:
            info.message = "interrupted"
            raise
        except WNetError as error:
            answer, hint = error.status or UNHANDLED, error.hint
            info.message = text_of(info.message) or error.strerror
            error.__traceback__ = None  # its frames hold it, and would keep what their callers hold, too
        except BaseException as error:  # also SystemExit: a notifyee does not end its caller
            if self is _parents:
                forks.end(error)
            answer, hint = shortage(error) or (UNHANDLED, None)
            info.message = text_of(info.message) or in_words(error)
            log.debug("notifyee %s raised", registration.id, exc_info=True)
            error.__traceback__ = None
        finally:
            info.message = text_of(info.message)
            self.note(event, phase, status, place, answer, info.message, started, hint)
        return answer

    def note(  # noqa: PLR0917
        self,
        event: Event,
        phase: Phase,
        status: Status,
        place: int,
        answer: Status,
        message: str | None,
        started: float,
        hint: str | None = None,
    ) -> None:
        """Record a call (N20), and log it if it went wrong, with the hint."""
        name = self.notifyees[place].id
        if self.record is not None:
            duration = perf_counter() - started
            self.record(Told(name, event, phase, self.attempt, status, answer, message, duration))
        if answer is not SUCCESS and answer is not RETRY and answer is not CANCEL:
            told = f"{event.operation}: {message or answer.text} ({answer.name}, {int(answer)})"
            log.warning(
                "notifyee %s failed before the %s" if phase is PRE else "notifyee %s failed after the %s",
                name,
                f"{told}; {hint}" if hint else told,
            )


inherit(os.environ.get(NESTING_VARIABLE, "[]"))
