"""Function notifyees, which the dispatch tells without a ``NotifyInfo``: just as any other kind is told."""

from __future__ import annotations

import gc
import inspect
import itertools
import sys
import threading
import weakref
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from types import FrameType
from typing import Any, Self

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mprouter import AddConnect, Cancel, NetResource, NotifyInfo, Phase, Status, WNetError
from mprouter.notify.dispatch import nesting, operate
from mprouter.notify.model import Answer, Call, Event, Registration, Told
from mprouter.notify.python import Function, from_python

ADD = AddConnect(NetResource(r"\\files\projects", "Z:"))
OK, RETRY, CANCEL = Status.WN_SUCCESS, Status.WN_RETRY, Status.WN_CANCEL
FAILED, DENIED = Status.ERROR_BAD_NETPATH, Status.ERROR_ACCESS_DENIED

Telling = Generator[Any, Status, Any]
End = BaseException | type[BaseException] | Status | int | str | bool | None

# -- told directly, or as any other kind -----------------------------------------------------------------------

answers = st.sampled_from(
    [
        *(None, None, None, OK, RETRY, CANCEL, DENIED, 99999, -1, True, "no", Cancel("not now"), KeyError, SystemExit),
        *(KeyboardInterrupt, StopIteration(CANCEL), WNetError(DENIED, "no access")),
    ]
)
steps = st.tuples(st.sampled_from(["yield", "return"]), answers)
actors = st.fixed_dictionaries(
    {
        "shape": st.sampled_from(["generator", "generator", "function", "methods"]),
        "steps": st.lists(steps, max_size=4),
        "required": st.booleans(),
        "thread_safe": st.booleans(),
    }
)
outcomes = st.lists(st.sampled_from([OK, FAILED, KeyboardInterrupt(), RuntimeError("a bug")]), min_size=1, max_size=4)


class Listening:
    """A journal that only keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[object] = []

    def telling(self, notifyee: str, attempt: int) -> None:
        self.heard.append((notifyee, attempt))

    def running(self, notifyee: str, pid: int) -> None:
        self.heard.append((notifyee, pid))

    def left(self, notifyee: str, context: object) -> None:
        self.heard.append((notifyee, context is None))

    def posted(self, notifyee: str) -> None:
        self.heard.append(notifyee)

    def outcome(self, status: Status | None) -> None:
        self.heard.append(status)

    def write(self) -> None:
        pass

    def attempting(self, *, told_after: bool) -> None:
        pass


class Theatre:
    """What happened in one operation with notifyees that do as scripted."""

    def __init__(self, scripts: list[dict[str, Any]], outcomes: list[Any], how: Callable[[Call], Call]) -> None:
        self.log: list[object] = []
        self.told: list[object] = []
        self.journal = Listening()
        self._outcomes = iter(outcomes)
        self.cast = [
            Registration(
                name,
                how(from_python(getattr(self, script["shape"])(name, script["steps"]))),
                required=script["required"],
                thread_safe=script["thread_safe"],
            )
            for name, script in zip("abcde", scripts, strict=False)
        ]

    def generator(self, name: str, steps: list[tuple[str, End]]) -> Callable[[Event], Telling]:
        def told(event: Event) -> Telling:
            self.log.append((name, event.operation, nesting()))
            try:
                for kind, answer in steps:
                    if kind == "return":
                        return _done(answer)
                    self.log.append((name, (yield _done(answer))))
            except GeneratorExit:
                self.log.append((name, "closed", nesting()))
                raise
            return None

        return told

    def function(self, name: str, steps: list[tuple[str, End]]) -> Callable[[Event], object]:
        def told(event: Event) -> object:
            self.log.append((name, event.operation, nesting()))
            return _done(steps[0][1]) if steps else None

        return told

    def methods(self, name: str, steps: list[tuple[str, End]]) -> object:
        log = self.log

        class Object:
            def add_connect_notify(self, info: NotifyInfo, add: AddConnect) -> object:
                log.append((name, add.operation, info.phase, info.status, info.context))
                info.context = "kept"
                return _done(steps[info.phase is Phase.POST][1]) if len(steps) > 1 else None

        return Object()

    def attempt(self) -> Event:
        outcome = next(self._outcomes, OK)
        self.log.append(("attempt", str(outcome), nesting()))
        if isinstance(outcome, BaseException):
            raise outcome
        if outcome:
            raise WNetError(outcome)
        return ADD

    def run(self, *, recorded: bool, journaled: bool, max_retries: int) -> object:
        """Have it played; what came of it for the caller."""
        try:
            operate(
                ADD,
                self.cast,
                self.attempt,
                max_retries=max_retries,
                record=self._record if recorded else None,
                journal=self.journal if journaled else None,
            )
        except BaseException as error:  # noqa: BLE001 - it is compared
            return type(error), str(error)
        finally:
            assert nesting() == ()
            assert all(each.turn.take() for each in self.cast), "a turn has stayed taken"
        return None

    def _record(self, told: Told) -> None:
        self.told.append((told.notifyee, told.phase, told.attempt, told.status, told.answer, told.message))


def _done(answer: Any) -> Any:
    if isinstance(answer, BaseException) or (isinstance(answer, type) and issubclass(answer, BaseException)):
        raise answer
    return answer


def as_it_is(call: Call) -> Call:
    return call


def unknown(call: Call) -> Call:
    """The same call, of which the dispatch does not know what is behind it."""

    def told(info: NotifyInfo, event: Event) -> Answer:
        return call(info, event)

    return told


@settings(max_examples=300, deadline=None)
@given(st.lists(actors, max_size=5), outcomes, st.integers(0, 3), st.booleans(), st.booleans())
def test_a_function_is_told_as_any_other_notifyee_whatever_it_does(
    scripts: list[dict[str, Any]], attempts: list[Any], max_retries: int, recorded: bool, journaled: bool
) -> None:
    direct, other = Theatre(scripts, attempts, as_it_is), Theatre(scripts, attempts, unknown)
    came = [each.run(recorded=recorded, journaled=journaled, max_retries=max_retries) for each in (direct, other)]
    assert came[0] == came[1]
    assert direct.log == other.log
    assert direct.told == other.told
    assert direct.journal.heard == other.journal.heard


def test_functions_and_generators_are_of_the_kind_that_is_told_directly() -> None:
    def generator(event: Event) -> Telling:
        yield event

    assert type(from_python(generator)) is Function
    assert type(from_python(print)) is Function


# -- threads ---------------------------------------------------------------------------------------------------


@pytest.fixture
def restless() -> Iterator[None]:
    """Threads that are interrupted all the time."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("restless")
@pytest.mark.parametrize("nested", [False, True])
def test_n18_a_generator_is_resumed_by_one_thread_at_a_time(nested: bool) -> None:
    calls: list[str] = []
    failed: list[Told] = []

    def notifyee(name: str) -> Registration:
        inside = threading.Lock()

        def enter(call: str) -> None:
            assert inside.acquire(blocking=False), "somebody else is here"
            calls.append(call)
            sum(range(500))  # give the other thread its chance

        def told(event: Event) -> Telling:
            enter("pre")
            if nested and name == "b":
                inside.release()  # a post that is owed may be made meanwhile
                operate(event, cast, lambda: event)
                enter("nested")
            inside.release()
            yield None
            enter("post")
            inside.release()

        return Registration(name, from_python(told))

    def record(each: Told) -> None:
        if each.answer not in {OK, Status.ERROR_POSSIBLE_DEADLOCK}:
            failed.append(each)

    def run() -> None:
        for _ in range(100):
            operate(ADD, cast, lambda: ADD, record=record)

    cast = [notifyee(name) for name in "abc"]
    with ThreadPoolExecutor(3) as threads:
        for each in [threads.submit(run) for _ in range(3)]:
            each.result(timeout=60)
    assert failed == []
    assert calls.count("post") == calls.count("pre") >= 3 * 3 * 100


# -- interruption ----------------------------------------------------------------------------------------------


class CtrlC:
    """Presses Ctrl-C where CPython looks for it: as a function begins, and as one that is written in C has ended."""

    def __init__(self, after: int) -> None:
        self._left = after
        self.is_pressed = False

    def __enter__(self) -> Self:
        sys.setprofile(self._look)
        return self

    def __exit__(self, *raised: object) -> None:
        sys.setprofile(None)

    def _look(self, frame: FrameType, event: str, _: object) -> None:
        if not str(frame.f_globals["__name__"]).startswith(("mprouter.", __name__)):
            return  # a callback of the garbage collector, say, which would swallow it
        begins = event == "call" and not frame.f_code.co_flags & inspect.CO_GENERATOR
        if begins or (event == "c_return" and frame.f_code is not CtrlC.__exit__.__code__):
            self._left -= 1
            if self._left < 0:
                self.is_pressed = True
                sys.setprofile(None)
                raise KeyboardInterrupt


@pytest.mark.parametrize("how", ["directly", "recorded", "after a retry", "with an answer", "by any thread"])
def test_n19_wherever_ctrl_c_strikes_who_is_at_its_yield_has_one_post_and_no_turn_stays_taken(how: str) -> None:
    thrown_away: list[int] = []
    told_of_success: list[Status] = []
    is_made = False

    def notifyee(place: int) -> Registration:
        def told(event: Event) -> Telling:
            del event
            try:
                status = yield OK if how == "with an answer" else None
            except GeneratorExit:
                thrown_away.append(place)
                raise
            if is_made:
                told_of_success.append(status)
            while how == "after a retry" and place == 1 and status:
                status = yield RETRY

        return Registration(f"n{place}", from_python(told), thread_safe=how == "by any thread")

    def attempt() -> Event:
        nonlocal is_made
        if coming.pop():
            raise WNetError(FAILED)
        is_made = True  # Ctrl-C cannot strike between this and the end
        return ADD

    cast = [notifyee(place) for place in range(3)]
    record = None if how == "directly" else list[Told]().append
    for places in itertools.count():
        coming = [OK, FAILED] if how == "after a retry" else [OK]
        is_made = False
        told_of_success.clear()
        with suppress(KeyboardInterrupt), CtrlC(places) as ctrl_c:
            operate(ADD, cast, attempt, record=record)
        assert thrown_away == []
        assert set(told_of_success) <= {OK}, "what has succeeded is told as cancelled"
        assert nesting() == ()
        assert all(hasattr(each.turn, "free") for each in cast), "a turn has stayed taken"
        if not ctrl_c.is_pressed:
            break
    assert places > 20


def test_an_error_of_a_notifyee_keeps_nothing_alive(caplog: pytest.LogCaptureFixture) -> None:
    class Held:
        pass

    def told(event: Event) -> Telling:
        raise ValueError(event)
        yield

    def caller() -> weakref.ref[Held]:
        held = Held()
        operate(ADD, [Registration("n", from_python(told))], lambda: ADD)
        return weakref.ref(held)

    gc.disable()
    try:
        assert caller()() is None
    finally:
        gc.enable()
    assert "ValueError" in caplog.text
