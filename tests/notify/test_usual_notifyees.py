"""Function notifyees, which the dispatch tells without a ``NotifyInfo``: just as any other kind is told."""

from __future__ import annotations

import gc
import inspect
import itertools
import signal
import sys
import threading
import weakref
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from random import Random
from time import perf_counter
from types import FrameType
from typing import Any, Self

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mprouter import AddConnect, Cancel, NetResource, NotifyInfo, Phase, Status, WNetError
from mprouter.history import History
from mprouter.notify.dispatch import nesting, operate
from mprouter.notify.model import Answer, Call, Event, Registration, Told
from mprouter.notify.python import Function, from_python
from mprouter.store import Store

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
    """Presses Ctrl-C where CPython looks for it: as a function begins, and as one that is written in C has ended.

    within: in which modules.
    """

    def __init__(self, after: int, within: tuple[str, ...] = ("mprouter.", __name__)) -> None:
        self._left = after
        self._within = within
        self.is_pressed = False

    def __enter__(self) -> Self:
        sys.setprofile(self._look)
        return self

    def __exit__(self, *raised: object) -> None:
        sys.setprofile(None)

    def _look(self, frame: FrameType, event: str, _: object) -> None:
        if not str(frame.f_globals["__name__"]).startswith(self._within):
            return  # a callback of the garbage collector, say, which would swallow it
        begins = event == "call" and not frame.f_code.co_flags & inspect.CO_GENERATOR
        if begins or (event == "c_return" and frame.f_code is not CtrlC.__exit__.__code__):
            self._left -= 1
            if self._left < 0:
                self.is_pressed = True
                sys.setprofile(None)
                raise KeyboardInterrupt


HOW = ["directly", "recorded", "after a retry", "with an answer", "by any thread"]


class Struck:
    """An operation on three generators that Ctrl-C strikes somewhere: whoever is at its yield has one post."""

    def __init__(self, how: str) -> None:
        self._how = how
        self._cast = [
            Registration(f"n{place}", from_python(self._notifyee(place)), thread_safe=how == "by any thread")
            for place in range(3)
        ]
        self._told: list[Told] = []
        self._thrown_away: list[int] = []
        self._told_of_success: list[Status] = []
        self._is_made = False
        self._began = perf_counter()

    def operate(self) -> None:
        self._coming = [OK, FAILED] if self._how == "after a retry" else [OK]
        self._told_of_success = []
        self._is_made = False
        operate(ADD, self._cast, self._attempt, record=None if self._how == "directly" else self._told.append)

    def check(self) -> None:
        assert self._thrown_away == []
        assert set(self._told_of_success) <= {OK}, "what has succeeded is told as cancelled"
        assert nesting() == ()
        assert all(hasattr(each.turn, "free") for each in self._cast), "a turn has stayed taken"
        taken = perf_counter() - self._began
        assert all(0 <= each.duration <= taken for each in self._told)
        self._told.clear()

    def _attempt(self) -> Event:
        if self._coming.pop():
            raise WNetError(FAILED)
        self._is_made = True  # Ctrl-C cannot strike between this and the end
        return ADD

    def _notifyee(self, place: int) -> Callable[[Event], Telling]:
        def told(event: Event) -> Telling:
            del event
            try:
                status = yield OK if self._how == "with an answer" else None
            except GeneratorExit:
                self._thrown_away.append(place)
                raise
            if self._is_made:
                self._told_of_success.append(status)
            while self._how == "after a retry" and place == 1 and status:
                status = yield RETRY

        return told


@pytest.mark.parametrize("how", HOW)
def test_n19_wherever_ctrl_c_strikes_who_is_at_its_yield_has_one_post_and_no_turn_stays_taken(how: str) -> None:
    struck = Struck(how)
    for places in itertools.count():
        with suppress(KeyboardInterrupt), CtrlC(places) as ctrl_c:
            struck.operate()
        struck.check()
        if not ctrl_c.is_pressed:
            break
    assert places > 15


def test_n17_wherever_ctrl_c_strikes_a_nested_operation_the_outer_one_is_nested_as_before() -> None:
    pressed = True
    for places in itertools.count():
        seen: list[tuple[str, ...]] = []

        def early(event: Event, seen: list[tuple[str, ...]] = seen) -> Telling:
            del event
            yield
            seen.append(nesting())

        def dialler(event: Event, places: int = places) -> None:
            nonlocal pressed
            with suppress(KeyboardInterrupt), CtrlC(places, IN_MEMORY) as ctrl_c:
                operate(event, [], lambda: event)
            pressed = ctrl_c.is_pressed

        cast = [Registration(each.__name__, from_python(each)) for each in (early, dialler)]
        operate(ADD, cast, lambda: ADD)
        assert seen == [("code/early",)]
        if not pressed:
            break
    assert places > 5


@pytest.mark.parametrize("how", HOW)
def test_n19_so_it_is_when_ctrl_c_is_a_signal(how: str, alarm: Alarm) -> None:
    struck = Struck(how)
    struck.operate()
    while alarm.struck < 200:
        alarm.during(struck.operate)
        struck.check()


class Alarm:
    """A signal that comes at any moment and interrupts what runs then. struck: how often it did."""

    def __init__(self) -> None:
        self.struck = 0
        self._is_awaited = False
        self._moments = Random(6)  # noqa: S311 - it guards nothing

    def during(self, run: Callable[[], object]) -> None:
        try:
            try:
                self._is_awaited = True
                signal.setitimer(signal.ITIMER_REAL, self._moments.uniform(1e-6, 1e-4))
                run()
            finally:
                self._is_awaited = False
        except KeyboardInterrupt:
            self.struck += 1
        signal.setitimer(signal.ITIMER_REAL, 0)

    def rings(self, *_: object) -> None:
        if self._is_awaited:
            self._is_awaited = False
            raise KeyboardInterrupt


@pytest.fixture
def alarm() -> Iterator[Alarm]:
    made = Alarm()
    before = signal.signal(signal.SIGALRM, made.rings)
    gc.disable()  # an interrupt in a callback of its is lost
    yield made
    gc.enable()
    signal.signal(signal.SIGALRM, before)


IN_MEMORY = "mprouter.notify.", "mprouter.history", __name__
"""The modules that collect what is to be written down."""


class Leasing:
    """A notifyee whose context is in the journal. posts: how many it had."""

    posts = 0

    def add_connect_notify(self, info: NotifyInfo, event: Event) -> None:
        del event
        if info.phase is Phase.PRE:
            info.context = {"lease": 7}
        else:
            self.posts += 1


def test_n19_wherever_ctrl_c_strikes_a_post_that_is_made_is_no_longer_owed(tmp_path: Path) -> None:
    with closing(Store(tmp_path / "state")) as store:
        for places in itertools.count():
            history = History(store, ADD, None, "Z:")
            store.begin(history.operation())
            leasing = Leasing()
            cast = [Registration("n", from_python(leasing), durable=True)]
            with suppress(KeyboardInterrupt), CtrlC(places, IN_MEMORY) as ctrl_c:
                operate(ADD, cast, lambda: ADD, record=history.told, journal=history)
            history.write()
            (operation,) = store.operations()
            assert leasing.posts + len(operation.owed) <= 1
            store.end(operation.id, [])
            if not ctrl_c.is_pressed:
                break
    assert (leasing.posts, operation.owed) == (1, ())
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
