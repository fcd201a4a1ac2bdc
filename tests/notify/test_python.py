"""Python notifyees: each shape of interface.md as a call, told through the dispatch."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterator, Callable, Generator
from typing import Any

import pytest

import mprouter
from mprouter import AddConnect, Cancel, CancelConnect, NetResource, NotifyInfo, Phase, Status, WNetError
from mprouter.notify.dispatch import operate
from mprouter.notify.model import Event, Told
from mprouter.notify.python import from_python, marks_of, registration_of

ADD = AddConnect(NetResource(r"\\files\projects", "Z:"))
CANCEL = CancelConnect("Z:")
FAILED = Status.ERROR_NETWORK_UNREACHABLE

Telling = Generator[Status | int | None, Status, Status | int | None]


def tell(
    *notifyees: object, outcomes: list[Status] | None = None, event: Event = ADD, required: bool = False
) -> list[Told]:
    """One operation with these notifyees; what they were told. *outcomes*: of the attempts; success after those."""
    told: list[Told] = []
    coming = iter(outcomes or [])

    def attempt() -> Event:
        if status := next(coming, Status.WN_SUCCESS):
            raise WNetError(status)
        return event

    cast = [registration_of(each, name=f"n{place}", required=required) for place, each in enumerate(notifyees)]
    try:
        operate(event, cast, attempt, record=told.append)
    except WNetError as error:
        told_failure.append(error)
    return told


told_failure: list[WNetError] = []
"""What ``tell`` got from the operation where it failed."""


@pytest.fixture(autouse=True)
def no_failure_yet() -> None:
    told_failure.clear()
    generators.clear()


def kept(function: Callable[[Event], Telling]) -> Callable[[Event], Telling]:
    """*function*, whose generators stay referenced, so that only who closes them does end them."""

    @functools.wraps(function)
    def wrapper(event: Event) -> Telling:
        generators.append(function(event))
        return generators[-1]

    return wrapper


generators: list[Telling] = []


def answers(told: list[Told]) -> list[tuple[Phase, Status]]:
    return [(each.phase, each.answer) for each in told]


# -- generators ------------------------------------------------------------------------------------------------


def test_a_generator_goes_on_after_the_yield_with_the_status() -> None:
    log: list[object] = []

    def dial(event: Event) -> Telling:
        log.append(f"up for {event.operation}")
        status = yield None
        log.append(status)
        return None

    tell(dial, outcomes=[FAILED])
    assert log == ["up for add", FAILED]
    assert isinstance(log[1], Status)


def test_n7_the_frame_of_a_generator_is_the_context() -> None:
    seen: list[bool] = []

    def remember(event: Event) -> Telling:
        mine = object()
        before = id(mine)
        yield None
        seen.append(id(mine) == before and event is ADD)
        return None

    tell(remember, remember)
    assert seen == [True, True]


def test_n6_a_generator_that_ends_before_its_yield_gets_no_post() -> None:
    def adds_only(event: Event) -> Telling:
        if event.operation == "add":
            yield None
        return None

    assert len(tell(adds_only)) == 2
    assert len(tell(adds_only, event=CANCEL)) == 1


def test_n9_a_generator_vetoes_by_a_yield_a_return_or_cancel() -> None:
    closed: list[str] = []

    def yields(event: Event) -> Telling:
        del event
        try:
            yield Status.WN_CANCEL
        finally:
            closed.append("yields")
        return None

    def returns(event: Event) -> Telling:
        if event.operation == "add":
            return Status.WN_CANCEL
        yield None
        return None

    def raises(event: Event) -> Telling:
        if event.operation == "add":
            raise Cancel("not an approved server")
        yield None
        return None

    for notifyee in (yields, returns, raises):
        assert answers(tell(notifyee)) == [(Phase.PRE, Status.WN_CANCEL)]
    assert closed == ["yields"]
    assert [error.status for error in told_failure] == [Status.WN_CANCEL] * 3
    assert told_failure[2].strerror == "not an approved server"


@pytest.mark.parametrize("phase", [Phase.PRE, Phase.POST])
def test_n9_n13_what_a_generator_does_at_its_end_takes_no_veto_back(
    phase: Phase, caplog: pytest.LogCaptureFixture
) -> None:
    @kept
    def fails(event: Event) -> Telling:
        del event
        if phase is Phase.POST:
            yield None
        try:
            yield Status.WN_CANCEL
        finally:
            raise RuntimeError("the lock is not there")

    @kept
    def goes_on(event: Event) -> Telling:
        del event
        if phase is Phase.POST:
            yield None
        try:
            yield Status.WN_CANCEL
        except GeneratorExit:
            yield None
        return None

    for notifyee in (fails, goes_on):
        assert answers(tell(notifyee, outcomes=[FAILED]))[-1] == (phase, Status.WN_CANCEL)
    assert [error.status for error in told_failure] == [Status.WN_CANCEL] * 2
    assert "the lock is not there" in caplog.text


def test_n11_a_later_yield_of_retry_has_it_tried_again_in_the_same_frame() -> None:
    log: list[object] = []

    def redial(event: Event) -> Telling:
        del event
        tries = 0
        status = yield None
        while status == FAILED:
            tries += 1
            status = yield Status.WN_RETRY
        log.append((tries, status))
        return None

    told = tell(redial, outcomes=[FAILED, FAILED])
    assert log == [(2, Status.WN_SUCCESS)]
    assert answers(told) == [
        (Phase.PRE, Status.WN_SUCCESS),
        (Phase.POST, Status.WN_RETRY),
        (Phase.POST, Status.WN_RETRY),
        (Phase.POST, Status.WN_SUCCESS),
    ]
    assert told_failure == []


def test_n11_a_generator_that_asks_once_too_often_is_closed_in_its_post() -> None:
    log: list[str] = []

    @kept
    def stubborn(event: Event) -> Telling:
        del event
        try:
            while True:
                yield Status.WN_RETRY
        finally:
            log.append("closed")

    def outer(event: Event) -> Telling:
        del event
        yield None
        log.append("outer post")
        return None

    tell(outer, stubborn, outcomes=[FAILED] * 4)
    assert log == ["closed", "outer post"]
    assert told_failure[0].status is FAILED


def test_n11_the_pre_of_a_retry_runs_a_new_generator() -> None:
    log: list[str] = []

    def asker(event: Event) -> Telling:
        del event
        yield None
        yield Status.WN_RETRY
        return None

    def inner(event: Event) -> Telling:
        del event
        log.append("new")
        status = yield None
        log.append(f"told {status:d}")
        return None

    tell(asker, inner, outcomes=[FAILED])
    assert log == ["new", f"told {FAILED:d}", "new", "told 0"]


def test_n13_the_post_of_a_generator_answers_by_yield_return_or_cancel() -> None:
    def yields(event: Event) -> Telling:
        del event
        yield None
        yield Status.WN_CANCEL
        raise AssertionError("nobody goes on here")

    def returns(event: Event) -> Telling:
        del event
        yield None
        return Status.WN_CANCEL

    def raises(event: Event) -> Telling:
        del event
        yield None
        raise Cancel("give up")

    for notifyee in (yields, returns, raises):
        assert answers(tell(notifyee, outcomes=[FAILED]))[1] == (Phase.POST, Status.WN_CANCEL)
    assert [error.status for error in told_failure] == [Status.WN_CANCEL] * 3


def test_a_generator_with_a_yield_too_many_is_closed_after_its_post() -> None:
    closed: list[GeneratorExit] = []

    @kept
    def notifyee(event: Event) -> Telling:
        del event
        yield None
        try:
            yield None
        except GeneratorExit as error:
            closed.append(error)
            raise
        return None

    assert answers(tell(notifyee))[1] == (Phase.POST, Status.WN_SUCCESS)
    assert len(closed) == 1


def test_n10_an_error_that_a_generator_yields_gets_no_post_and_closes_it() -> None:
    log: list[str] = []

    @kept
    def notifyee(event: Event) -> Telling:
        del event
        try:
            yield Status.ERROR_ACCESS_DENIED
            log.append("post")
        finally:
            log.append("closed")
        return None

    assert answers(tell(notifyee)) == [(Phase.PRE, Status.ERROR_ACCESS_DENIED)]
    assert log == ["closed"]


def test_a_yield_from_another_generator_is_one_notifyee() -> None:
    log: list[object] = []

    def dial(event: Event) -> Telling:
        del event
        log.append((yield None))
        return Status.WN_CANCEL

    def careful(event: Event) -> Telling:
        return (yield from dial(event))

    assert answers(tell(careful, outcomes=[FAILED]))[1] == (Phase.POST, Status.WN_CANCEL)
    assert log == [FAILED]


# -- functions -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [None, 0, Status.WN_SUCCESS, Status.WN_RETRY, 1237])
def test_n6_a_plain_function_is_told_before_only(answer: Status | int | None) -> None:
    def policy(event: Event) -> Status | int | None:
        del event
        return answer

    assert [each.phase for each in tell(policy)] == [Phase.PRE]


def test_n9_a_plain_function_vetoes_by_its_answer_or_by_cancel() -> None:
    def returns(event: Event) -> Status:
        assert isinstance(event, AddConnect)
        return Status.WN_CANCEL

    def raises(event: Event) -> None:
        raise Cancel(f"{event.operation} is not allowed")

    tell(returns)
    tell(raises)
    assert [error.status for error in told_failure] == [Status.WN_CANCEL] * 2
    assert told_failure[1].strerror == "add is not allowed"


def test_n10_a_raised_error_is_the_answer() -> None:
    def raises(event: Event) -> None:
        raise WNetError(Status.ERROR_TIMEOUT, "the gateway is silent", name=event.operation)

    assert tell(raises)[0].message == "the gateway is silent"
    tell(raises, required=True)
    assert told_failure[0].status is Status.ERROR_TIMEOUT


@pytest.mark.parametrize("answer", ["no", True, False, 1.0, object(), [Status.WN_CANCEL]])
def test_a_wrong_kind_of_answer_is_an_error_of_the_notifyee(answer: object) -> None:
    def function(event: Event) -> Any:
        del event
        return answer

    def generator(event: Event) -> Generator[Any, Status, Any]:
        del event
        yield answer

    def generator_s_post(event: Event) -> Generator[Any, Status, Any]:
        del event
        yield
        yield answer

    def generator_s_return(event: Event) -> Generator[Any, Status, Any]:
        del event
        yield
        return answer

    class Object:
        def add_connect_notify(self, info: NotifyInfo, add: AddConnect) -> Any:
            del info, add
            return answer

    for notifyee in (function, generator, generator_s_post, generator_s_return, Object):
        told = tell(notifyee)[-1]
        assert told.answer is Status.ERROR_UNHANDLED_EXCEPTION
        assert type(answer).__name__ in str(told.message)


def test_a_decorated_generator_function_is_a_generator_notifyee() -> None:
    log: list[object] = []

    def logged(function: Callable[[Event], Telling]) -> Callable[[Event], Telling]:
        @functools.wraps(function)
        def wrapper(event: Event) -> Telling:
            log.append("called")
            return function(event)

        return wrapper

    @logged
    def dial(event: Event) -> Telling:
        del event
        log.append((yield None))
        return None

    tell(dial)
    assert log == ["called", Status.WN_SUCCESS]


class Dialler:
    def __init__(self) -> None:
        self.log: list[object] = []

    def dial(self, event: Event) -> Telling:
        self.log.append(event.operation)
        self.log.append((yield None))
        return None

    def __call__(self, event: Event) -> Telling:
        return self.dial(event)


def test_bound_methods_partials_and_callable_objects_are_functions() -> None:
    def dial(dialler: Dialler, event: Event, *, loud: bool = False) -> Telling:
        assert loud
        return dialler.dial(event)

    dialler = Dialler()
    tell(dialler.dial, functools.partial(dial, dialler, loud=True), dialler)
    assert dialler.log == ["add"] * 3 + [Status.WN_SUCCESS] * 3


# -- objects and classes ---------------------------------------------------------------------------------------


class Auditor:
    made = 0

    def __init__(self) -> None:
        Auditor.made += 1
        self.log: list[tuple[Phase, Status, object]] = []

    def add_connect_notify(self, info: NotifyInfo, add: AddConnect) -> None:
        assert add.operation == "add"
        self.log.append((info.phase, info.status, info.context))
        if info.phase is Phase.PRE:
            info.context = self

    def cancel_connect_notify(self, info: NotifyInfo, cancel: CancelConnect) -> Status:
        assert cancel.operation == "cancel"
        info.message = "not while I look"
        return Status.WN_CANCEL


def test_n7_an_object_has_the_c_interface_with_a_writable_context() -> None:
    auditor = Auditor()
    tell(auditor, outcomes=[FAILED])
    assert auditor.log == [(Phase.PRE, Status.WN_SUCCESS, None), (Phase.POST, FAILED, auditor)]


def test_an_object_is_asked_by_the_kind_of_operation_and_gives_its_reason() -> None:
    told = tell(Auditor(), event=CANCEL)
    assert (told[0].answer, told[0].message) == (Status.WN_CANCEL, "not while I look")
    assert told_failure[0].strerror == "not while I look"


def test_a_class_is_instantiated_once() -> None:
    Auditor.made = 0
    auditor = registration_of(Auditor)
    for _ in range(3):
        operate(ADD, [auditor], lambda: ADD)
    assert Auditor.made == 1


def test_of_an_object_with_one_method_the_other_operation_is_not_its_business() -> None:
    class Hangup:
        def cancel_connect_notify(self, info: NotifyInfo, cancel: CancelConnect) -> None:
            del cancel
            info.context = "kept"

    assert registration_of(Hangup).operations == {"cancel"}
    assert registration_of(Auditor).operations == {"add", "cancel"}
    assert from_python(Hangup())(NotifyInfo(Phase.PRE, Status.WN_SUCCESS), ADD) is None
    assert len(tell(Hangup, event=CANCEL)) == 2


def test_a_class_whose_objects_can_be_called_is_a_function_of_the_event() -> None:
    assert [each.phase for each in tell(Dialler)] == [Phase.PRE, Phase.POST]


# -- what is no notifyee ---------------------------------------------------------------------------------------


async def asynchronous(event: Event) -> None:
    del event


async def asynchronous_generator(event: Event) -> AsyncIterator[None]:
    del event
    yield


class AsynchronousMethod:
    async def add_connect_notify(self, info: NotifyInfo, add: AddConnect) -> None: ...


class AsynchronousCall:
    async def __call__(self, event: Event) -> None: ...


class GeneratorMethod:
    def add_connect_notify(self, info: NotifyInfo, add: AddConnect) -> Telling:
        del info, add
        yield None
        return None


class NeedsArguments:
    def __init__(self, host: str) -> None:
        self.host = host

    def __call__(self, event: Event) -> None: ...


class WrongMethod:
    def add_connect_notify(self, info: NotifyInfo) -> None: ...


class Neither:
    pass


def two(event: Event, host: str) -> None:
    del event, host


def keyword(event: Event, *, host: str) -> None:
    del event, host


def none() -> None: ...


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        (asynchronous, "asynchronous"),
        (asynchronous_generator, "asynchronous"),
        (functools.partial(asynchronous), "asynchronous"),
        (AsynchronousMethod, "asynchronous"),
        (AsynchronousCall(), "asynchronous"),
        (GeneratorMethod(), "generator"),
        (NeedsArguments, "instantiated"),
        (WrongMethod, "info and event"),
        (Neither, "neither"),
        (Neither(), "neither"),
        ("a string", "neither"),
        (None, "neither"),
        (two, "host"),
        (keyword, "host"),
        (none, "event"),
    ],
)
def test_what_could_not_be_called_is_refused_in_words(target: object, reason: str) -> None:
    with pytest.raises(WNetError, match=reason) as caught:
        registration_of(target)
    assert caught.value.status is Status.ERROR_BAD_CONFIGURATION


def test_a_coroutine_in_disguise_is_an_error_and_is_not_left_lying_about() -> None:
    coroutines: list[Any] = []

    def disguised(event: Event) -> Any:
        coroutines.append(asynchronous(event))
        return coroutines[-1]

    assert tell(disguised)[0].answer is Status.ERROR_UNHANDLED_EXCEPTION
    assert inspect.getcoroutinestate(coroutines[0]) == inspect.CORO_CLOSED


# -- registration ----------------------------------------------------------------------------------------------


def test_the_decorator_only_marks() -> None:
    def dial(event: Event) -> None: ...

    assert mprouter.notifyee(dial) is dial
    assert mprouter.notifyee(name="d", order=7, required=True, thread_safe=True)(dial) is dial
    registration = registration_of(dial)
    assert (registration.name, registration.order, registration.required) == ("d", 7, True)
    assert registration.thread_safe
    assert (registration.source, registration.id) == ("code", "code/d")


def test_the_decorator_s_marks_hold_for_classes_methods_and_partials() -> None:
    class Marked:
        @mprouter.notifyee(order=3)
        def dial(self, event: Event) -> None: ...

    @mprouter.notifyee(order=4)
    class Notifyee:
        def __call__(self, event: Event) -> None: ...

    assert registration_of(Marked().dial).order == 3
    assert registration_of(functools.partial(Marked().dial)).order == 3
    assert registration_of(Notifyee).order == registration_of(Notifyee()).order == 4


def test_what_the_registration_says_counts_more_than_the_marks() -> None:
    @mprouter.notifyee(name="marked", order=7, required=True)
    def dial(event: Event) -> None: ...

    registration = registration_of(dial, name="other", order=0, required=False, source="user")
    assert (registration.id, registration.order, registration.required) == ("user/other", 0, False)


def test_a_registration_is_named_after_its_target() -> None:
    def dial(event: Event) -> None: ...

    registrations = [dial, functools.partial(dial), Dialler, Dialler(), Dialler().dial]
    assert [registration_of(each).name for each in registrations] == [
        "dial",
        "dial",
        "Dialler",
        "Dialler",
        "Dialler.dial",
    ]


def test_a_name_that_could_not_be_sorted_is_refused() -> None:
    with pytest.raises(WNetError, match="Dialler is no notifyee: its name must be a text, not 7"):
        registration_of(Dialler, name=7)  # type: ignore[arg-type]


def test_an_order_that_could_not_be_sorted_is_refused() -> None:
    with pytest.raises(WNetError, match="order"):
        registration_of(Dialler, order="10")  # type: ignore[arg-type]
    assert marks_of(Dialler).order is None
