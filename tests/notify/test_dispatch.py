"""The two-phase call, against a script: who is told what, in which order, and what becomes of the answers."""

from __future__ import annotations

import dataclasses
import logging
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mprouter import AddConnect, Cancel, CancelConnect, ConnectFlag, NetResource, NotifyInfo, Phase, Status, WNetError
from mprouter.notify import turn
from mprouter.notify.dispatch import (
    MAX_DEPTH,
    MAX_RETRIES,
    inherit,
    nested,
    nesting,
    nesting_environment,
    operate,
)
from mprouter.notify.model import Answer, Event, Registration, Told
from mprouter.notify.python import Function, notifyee, registration_of

OK, RETRY, CANCEL = Status.WN_SUCCESS, Status.WN_RETRY, Status.WN_CANCEL
FAILED = Status.ERROR_BAD_NETPATH
DENIED = Status.ERROR_ACCESS_DENIED

ADD = AddConnect(NetResource(r"\\files\projects", "Z:"))

Answering = Status | int | type[BaseException] | BaseException | None


class Play:
    """Notifyees that answer as scripted, an attempt that ends as scripted, and the log of what happened."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.told: list[Told] = []
        self.infos: list[tuple[str, NotifyInfo]] = []
        self.events: list[Event] = []
        self.cast: list[Registration] = []

    def add(
        self,
        name: str,
        *,
        pre: Answering | list[Answering] = None,
        post: Answering | list[Answering] = None,
        context: bool | list[bool] = True,
        **registration: Any,
    ) -> Registration:
        """A notifyee. A list is what it does call by call; its last item is repeated."""
        script = {Phase.PRE: _endless(pre), Phase.POST: _endless(post)}
        contexts = _endless(context)

        def call(info: NotifyInfo, event: Event) -> Answer:
            again = " again" if info.phase is Phase.PRE and info.status is RETRY else ""
            after = f" {int(info.status)}" if info.phase is Phase.POST else ""
            self.log.append(f"{info.phase.name.lower()} {name}{again}{after}")
            self.infos.append((name, info))
            self.events.append(event)
            if info.phase is Phase.PRE and next(contexts):
                assert info.context is None  # N5, N11
                info.context = Context(name)
            answer: Answering = next(script[info.phase])
            if isinstance(answer, (BaseException, type)):
                raise answer
            return answer

        self.cast.append(Registration(name, call, **registration))
        return self.cast[-1]

    def run(self, *outcomes: Status | BaseException, max_retries: int = MAX_RETRIES, event: Event = ADD) -> None:
        """One operation; *outcomes* are those of its attempts, success if none is given."""
        scripted = _endless(list(outcomes) or [OK])

        def attempt() -> Event:
            self.log.append("attempt")
            outcome = next(scripted)
            if isinstance(outcome, BaseException):
                raise outcome
            if outcome:
                raise WNetError(outcome)
            return event

        operate(event, self.cast, attempt, max_retries=max_retries, record=self.told.append)

    def fails(self, *outcomes: Status | BaseException, **options: Any) -> WNetError:
        """The same, where it must fail."""
        with pytest.raises(WNetError) as caught:
            self.run(*outcomes, **options)
        return caught.value

    def contexts(self, name: str) -> list[object]:
        """What *name* had as its context at the end of each call."""
        return [info.context for who, info in self.infos if who == name]


@dataclasses.dataclass(eq=False)
class Context:
    """A context that is equal only to itself."""

    owner: str


def _endless(values: Any) -> Iterator[Any]:
    values = values if isinstance(values, list) else [values]
    yield from values
    while True:
        yield values[-1]


@pytest.fixture
def play() -> Play:
    return Play()


class Unspeakable(str):
    __slots__ = ()

    def __str__(self) -> str:
        raise SystemExit("not a word")

    def __bool__(self) -> bool:
        raise SystemExit("nor whether there is one")


class Spoiler:
    """Leaves nothing of what it was told as it was."""

    def add_connect_notify(self, info: Any, add: object) -> Status:
        del add
        info.phase, info.status, info.may_retry = "never", "unknown", True
        del info.context
        info.context = "mine"
        info.message = Unspeakable("said")
        return RETRY


class Emptier:
    """Takes away what may be left empty."""

    def add_connect_notify(self, info: NotifyInfo, add: object) -> None:
        del add, info.context, info.message


class Denied(WNetError):
    def __init__(self, status: int) -> None:
        """Without the base class's."""


# -- what is told, to whom, in which order ---------------------------------------------------------------------


def test_n5_a_pre_is_told_success_and_an_empty_context() -> None:
    seen: list[tuple[Phase, Status, object]] = []

    def call(info: NotifyInfo, event: Event) -> None:
        del event
        seen.append((info.phase, info.status, info.context))

    operate(ADD, [Registration("a", call)], lambda: ADD)
    assert seen == [(Phase.PRE, OK, None)]


def test_n6_no_context_no_post(play: Play) -> None:
    play.add("a", context=False)
    play.add("b")
    play.run()
    assert play.log == ["pre a", "pre b", "attempt", "post b 0"]


def test_n6_any_context_but_none_counts_even_a_false_one() -> None:
    contexts: list[object] = [0, False, "", [], {}]
    for context in contexts:
        posts: list[object] = []

        def call(info: NotifyInfo, event: Event, context: object = context, posts: list[object] = posts) -> None:
            del event
            if info.phase is Phase.PRE:
                info.context = context
            else:
                posts.append(info.context)

        operate(ADD, [Registration("a", call)], lambda: ADD)
        assert posts == [context]


def test_n7_a_post_is_told_the_status_of_the_operation_and_gets_its_own_context(play: Play) -> None:
    play.add("a")
    play.add("b")
    assert play.fails(FAILED).status is FAILED
    assert play.log == ["pre a", "pre b", "attempt", f"post b {FAILED:d}", f"post a {FAILED:d}"]
    for name in ("a", "b"):
        before, after = play.contexts(name)
        assert after is before


def test_n7_the_failure_itself_reaches_the_caller(play: Play) -> None:
    play.add("a")
    failure = WNetError(FAILED, "no such server", name="files", provider="smb")
    assert play.fails(failure) is failure


def test_n8_pres_in_registration_order_posts_in_reverse(play: Play) -> None:
    for name in "abc":
        play.add(name)
    play.run()
    assert play.log == ["pre a", "pre b", "pre c", "attempt", "post c 0", "post b 0", "post a 0"]


def test_n8_registration_order_is_the_number_then_the_source_then_the_name() -> None:
    def silent(info: NotifyInfo, event: Event) -> None:
        del info, event

    registrations = [
        Registration("a", silent, order=60, source="system"),
        Registration("a", silent, source="code"),
        Registration("z", silent, source="user"),
        Registration("b", silent, source="system"),
        Registration("b", silent, source="user"),
        Registration("z", silent, order=-1, source="entry-point"),
    ]
    ranked = [each.id for each in sorted(registrations, key=lambda each: each.rank)]
    assert ranked == ["entry-point/z", "system/b", "user/b", "user/z", "code/a", "system/a"]


def test_n14_the_post_of_a_success_tells_what_the_attempt_found_that_of_a_failure_what_was_asked() -> None:
    asked = CancelConnect("Z:", flags=ConnectFlag.UPDATE_PROFILE, force=True)
    seen: list[Event] = []

    def call(info: NotifyInfo, event: Event) -> None:
        info.context = "kept"
        seen.append(event)

    def attempt() -> Event:
        return dataclasses.replace(asked, provider="smb")

    def failing() -> Event:
        raise WNetError(FAILED)

    operate(asked, [Registration("a", call)], attempt)
    with suppress(WNetError):
        operate(asked, [Registration("a", call)], failing)
    assert seen == [asked, dataclasses.replace(asked, provider="smb"), asked, asked]


def test_n15_nothing_that_a_notifyee_is_given_or_that_is_recorded_has_a_place_for_a_user_or_password() -> None:
    names = {*NotifyInfo.__slots__}
    for each in (AddConnect, CancelConnect, NetResource, Told):
        names |= {field.name for field in dataclasses.fields(each)}
    assert {"resource", "remote_name", "context", "answer"} <= names
    assert not [name for name in names if re.search("user|pass|cred|secret|token|key", name)]


def test_n15_events_cannot_be_given_more_than_they_have() -> None:
    for thing in (ADD, ADD.resource, CancelConnect("Z:")):
        with pytest.raises((AttributeError, TypeError)):
            thing.password = "x"  # type: ignore[union-attr]


def test_n16_connect_current_media_reaches_the_notifyees(play: Play) -> None:
    play.add("a")
    play.run(event=dataclasses.replace(ADD, flags=ConnectFlag.CURRENT_MEDIA))
    assert [event.flags for event in play.events] == [ConnectFlag.CURRENT_MEDIA] * 2


def test_n20_each_call_is_recorded_with_what_was_told_and_answered(play: Play) -> None:
    play.add("a", post=[RETRY, None])
    play.add("b", pre=Cancel("not today"), context=False)
    with suppress(WNetError):
        play.run()
    assert [
        (each.notifyee, each.phase, each.attempt, each.status, each.answer, each.message) for each in play.told
    ] == [
        ("code/a", Phase.PRE, 1, OK, OK, None),
        ("code/b", Phase.PRE, 1, OK, CANCEL, "not today"),
        ("code/a", Phase.POST, 1, CANCEL, RETRY, None),
    ]
    assert all(each.duration >= 0 for each in play.told)


# -- veto and error in a pre -----------------------------------------------------------------------------------


@pytest.mark.parametrize("veto", [CANCEL, 1223, Cancel("not today"), WNetError(CANCEL, "not today")])
def test_n9_a_veto_ends_it_before_the_attempt(play: Play, veto: Answering) -> None:
    play.add("a")
    play.add("silent", context=False)
    play.add("b", pre=veto)
    play.add("c")
    error = play.fails()
    assert error.status is CANCEL
    assert play.log == ["pre a", "pre silent", "pre b", "post a 1223"]


def test_n9_the_caller_is_told_why_or_else_by_whom(play: Play) -> None:
    play.add("policy", pre=[Cancel("not an approved server"), CANCEL])
    assert "not an approved server" in str(play.fails())
    assert "policy" in str(play.fails())


def test_n9_a_veto_also_of_one_that_is_required_is_a_veto(play: Play) -> None:
    play.add("a", pre=CANCEL, required=True)
    assert play.fails().status is CANCEL


ERRORS = [
    (ZeroDivisionError("oops"), Status.ERROR_UNHANDLED_EXCEPTION),
    (SystemExit(1), Status.ERROR_UNHANDLED_EXCEPTION),
    (WNetError(Status.ERROR_TIMEOUT, "no answer within 30 seconds"), Status.ERROR_TIMEOUT),
    (WNetError(Status.ERROR_PROCESS_ABORTED, "it crashed"), Status.ERROR_PROCESS_ABORTED),
    (WNetError(Status.ERROR_MOD_NOT_FOUND, "cannot be loaded"), Status.ERROR_MOD_NOT_FOUND),
    (WNetError(OK, "an error that says success"), Status.ERROR_UNHANDLED_EXCEPTION),
    (Denied(5), Status.ERROR_ACCESS_DENIED),
    (DENIED, DENIED),
    (99999, Status(99999)),
    (-1, Status.ERROR_UNHANDLED_EXCEPTION),
]


@pytest.mark.parametrize(("problem", "status"), ERRORS)
def test_n10_an_error_of_an_advisory_notifyee_is_logged_and_recorded_and_the_operation_goes_on(
    play: Play, problem: Answering, status: Status, caplog: pytest.LogCaptureFixture
) -> None:
    play.add("a")
    play.add("b", pre=problem, context=True)
    play.add("c")
    with caplog.at_level(logging.WARNING, "mprouter.notify"):
        play.run()
    assert play.log == ["pre a", "pre b", "pre c", "attempt", "post c 0", "post a 0"]
    assert play.told[1].answer == status
    assert [record for record in caplog.records if "code/b" in record.getMessage()]


def test_n10_that_the_system_has_run_out_of_something_is_told_with_what_to_do(
    play: Play, caplog: pytest.LogCaptureFixture
) -> None:
    play.add("a", pre=RuntimeError("can't start new thread"))
    play.run()
    assert [told.answer for told in play.told] == [Status.ERROR_NOT_ENOUGH_MEMORY]
    assert "(ERROR_NOT_ENOUGH_MEMORY, 8); end other programs" in caplog.text


@pytest.mark.parametrize("phase", ["pre", "post"])
def test_n10_n19_a_log_that_cannot_be_written_costs_nobody_a_post(play: Play, phase: str) -> None:
    def fail(_: logging.LogRecord) -> bool:
        raise ValueError("I/O operation on closed file")

    play.add("a")
    play.add("b", pre=RuntimeError if phase == "pre" else None, post=RuntimeError)
    logger = logging.getLogger("mprouter.notify")
    logger.addFilter(fail)
    try:
        play.run()
    finally:
        logger.removeFilter(fail)
    assert play.log == ["pre a", "pre b", "attempt", *(["post b 0"] if phase == "post" else []), "post a 0"]
    assert Status.ERROR_UNHANDLED_EXCEPTION in {each.answer for each in play.told}


@pytest.mark.parametrize(("problem", "status"), ERRORS)
def test_n10_an_error_of_a_required_notifyee_ends_it_with_that_error(
    play: Play, problem: Answering, status: Status
) -> None:
    play.add("a")
    play.add("b", pre=problem, required=True)
    play.add("c")
    error = play.fails()
    assert error.status == status
    assert play.log == ["pre a", "pre b", f"post a {status:d}"]
    assert "the required notifyee b" in str(error)


def test_n10_the_words_of_the_failed_notifyee_reach_the_caller(play: Play) -> None:
    play.add("vpn", pre=WNetError(Status.ERROR_TIMEOUT, "the gateway is silent"), required=True)
    assert "the required notifyee vpn failed: the gateway is silent" in str(play.fails())


# -- retry -----------------------------------------------------------------------------------------------------


def test_n11_retry_with_notifyees_on_both_sides_of_the_asking_one(play: Play) -> None:
    for name in "ab":
        play.add(name)
    play.add("asker", post=[RETRY, None])
    for name in "cd":
        play.add(name)
    play.run(FAILED, OK)
    assert play.log == [
        *("pre a", "pre b", "pre asker", "pre c", "pre d", "attempt"),
        *("post d 53", "post c 53", "post asker 53"),  # b and a are not reached
        *("pre c again", "pre d again", "attempt"),
        *("post d 0", "post c 0", "post asker 0", "post b 0", "post a 0"),
    ]
    for name in ("a", "b", "asker"):  # kept from the first pre to the last post
        assert len({id(context) for context in play.contexts(name)}) == 1
    for name in "cd":  # a new one for each pre
        first, first_post, second, second_post = play.contexts(name)
        assert first is first_post is not second is second_post


def test_n11_several_may_ask_in_turn(play: Play) -> None:
    play.add("a", post=[RETRY, None])
    play.add("b", post=[RETRY, None])
    play.run(FAILED, FAILED, OK)
    assert play.log == [
        *("pre a", "pre b", "attempt", "post b 53"),
        *("attempt", "post b 53", "post a 53"),
        *("pre b again", "attempt", "post b 0", "post a 0"),
    ]


def test_n11_at_most_three_retries_then_it_counts_as_success(play: Play) -> None:
    play.add("a")
    play.add("b", post=RETRY)
    assert play.fails(FAILED).status is FAILED
    assert play.log == ["pre a", "pre b", *["attempt", "post b 53"] * 4, "post a 53"]


@pytest.mark.parametrize("limit", [0, 1, 5])
def test_n11_the_limit_is_configurable(play: Play, limit: int) -> None:
    play.add("a", post=RETRY)
    play.fails(FAILED, max_retries=limit)
    assert play.log.count("attempt") == limit + 1
    assert [info.may_retry for _, info in play.infos] == [False, *[True] * limit, False]


def test_n11_a_retry_that_succeeds_gives_success_to_the_caller(play: Play) -> None:
    play.add("a", post=[RETRY, RETRY, None])
    play.run(FAILED, DENIED, OK)
    assert play.log == ["pre a", "attempt", "post a 53", "attempt", "post a 5", "attempt", "post a 0"]


def test_n11_a_veto_in_the_pre_of_a_retry_ends_the_operation(play: Play) -> None:
    play.add("a")
    play.add("asker", post=[RETRY, None])
    play.add("b", pre=[None, Cancel("not again")])
    play.add("c")
    error = play.fails(FAILED)
    assert (error.status, error.strerror) == (CANCEL, "not again")
    assert play.log == [
        *("pre a", "pre asker", "pre b", "pre c", "attempt", "post c 53", "post b 53", "post asker 53"),
        *("pre b again", "post asker 1223", "post a 1223"),
    ]


@pytest.mark.parametrize("required", [False, True])
def test_n11_an_error_in_the_pre_of_a_retry_counts_as_in_any_other(play: Play, required: bool) -> None:
    play.add("asker", post=[RETRY, None])
    play.add("b", pre=[None, DENIED], required=required)
    if required:
        assert play.fails(FAILED, OK).status is DENIED
        assert play.log[-2:] == ["pre b again", "post asker 5"]
    else:
        play.run(FAILED, OK)
        assert play.log[-3:] == ["pre b again", "attempt", "post asker 0"]


def test_n11_who_leaves_no_context_in_the_second_pre_hears_no_more(play: Play) -> None:
    play.add("asker", post=[RETRY, RETRY, None])
    play.add("b", context=[True, False])
    play.run(FAILED, FAILED, OK)
    assert play.log == [
        *("pre asker", "pre b", "attempt", "post b 53", "post asker 53"),
        *("pre b again", "attempt", "post asker 53", "attempt", "post asker 0"),
    ]


def test_n11_who_left_no_context_in_the_first_pre_gets_no_second(play: Play) -> None:
    play.add("asker", post=[RETRY, None])
    play.add("b", context=False)
    play.run(FAILED, OK)
    assert play.log.count("pre b") == 1
    assert "pre b again" not in play.log


def test_n11_n19_a_notifyee_may_write_over_what_it_was_told(play: Play) -> None:
    """It gets its post, no more retries than others, and neither its caller nor the others hear of it."""
    play.add("first")
    play.cast += [registration_of(Spoiler()), registration_of(Emptier())]
    assert play.fails(*[FAILED] * 9, AssertionError("again and again")).status is FAILED
    assert play.log.count("attempt") == 1 + MAX_RETRIES
    told = [(each.phase, each.message) for each in play.told if each.notifyee == "code/Spoiler"]
    assert told == [(Phase.PRE, "said")] + [(Phase.POST, "said")] * (1 + MAX_RETRIES)
    assert play.log[-1] == f"post first {int(FAILED)}"
    assert [each.phase for each in play.told if each.notifyee == "code/Emptier"] == [Phase.PRE]


def test_n12_retry_from_a_pre_is_success_and_keeps_the_context(play: Play) -> None:
    play.add("a", pre=RETRY)
    play.run()
    assert play.log == ["pre a", "attempt", "post a 0"]


def test_n12_retry_from_the_post_of_a_success_is_success(play: Play) -> None:
    play.add("a")
    play.add("b", post=RETRY)
    play.run()
    assert play.log == ["pre a", "pre b", "attempt", "post b 0", "post a 0"]
    assert not play.infos[-1][1].may_retry


# -- answers of a post -----------------------------------------------------------------------------------------


def test_n13_cancel_from_the_post_of_a_failure_is_what_the_caller_gets(play: Play) -> None:
    play.add("a")
    play.add("b", post=Cancel("give up"))
    error = play.fails(FAILED)
    assert (error.status, error.strerror) == (CANCEL, "give up")
    assert isinstance(error.__cause__, WNetError)
    assert error.__cause__.status is FAILED
    assert play.log[-2:] == ["post b 53", "post a 53"]  # the others are told what it was (N7)


def test_n13_cancel_from_the_post_of_a_success_has_no_effect(play: Play) -> None:
    play.add("a")
    play.add("b", post=CANCEL)
    play.run()
    assert play.log[-2:] == ["post b 0", "post a 0"]


@pytest.mark.parametrize("outcome", [OK, FAILED])
@pytest.mark.parametrize(("problem", "status"), ERRORS)
def test_n13_any_other_error_from_a_post_is_recorded_and_has_no_effect(
    play: Play, problem: Answering, status: Status, outcome: Status
) -> None:
    play.add("a")
    play.add("b", post=problem, required=True)
    if outcome:
        assert play.fails(outcome).status is outcome
    else:
        play.run(outcome)
    assert play.log[-2:] == [f"post b {outcome:d}", f"post a {outcome:d}"]
    assert [each.answer for each in play.told if each.phase is Phase.POST] == [status, OK]


def test_n13_a_cancel_stands_against_a_later_wish_to_retry(play: Play) -> None:
    play.add("a", post=RETRY)
    play.add("b", post=CANCEL)
    error = play.fails(FAILED)
    assert (error.status, error.strerror) == (CANCEL, "cancelled by the notifyee b")
    assert play.log == ["pre a", "pre b", "attempt", "post b 53", "post a 53"]
    assert not play.infos[-1][1].may_retry


def test_n13_a_retry_comes_before_a_cancel_that_is_not_yet_reached(play: Play) -> None:
    play.add("a", post=CANCEL)
    play.add("b", post=[RETRY, None])
    play.run(FAILED, OK)
    assert play.log == ["pre a", "pre b", "attempt", "post b 53", "attempt", "post b 0", "post a 0"]


# -- nesting ---------------------------------------------------------------------------------------------------


def test_n17_a_nested_operation_tells_everybody_but_those_on_the_stack() -> None:
    log: list[str] = []

    def plain(name: str) -> Registration:
        return Registration(name, lambda _, event: log.append(f"{name} {event.operation}"))

    def dial(info: NotifyInfo, event: Event) -> None:
        del event
        log.append("dialler add")
        if info.phase is Phase.PRE:
            operate(CancelConnect("Y:"), cast, lambda: CancelConnect("Y:"))
            log.append("dialled")

    cast = [plain("a"), Registration("dialler", dial), plain("b")]
    operate(ADD, cast, lambda: ADD)
    assert log == ["a add", "dialler add", "a cancel", "b cancel", "dialled", "b add"]
    assert nesting() == ()


def test_n17_a_nested_veto_is_the_nested_caller_s_only(play: Play) -> None:
    inner: list[WNetError] = []

    def dial(info: NotifyInfo, event: Event) -> None:
        del info, event
        try:
            operate(ADD, play.cast, lambda: ADD)
        except WNetError as error:
            inner.append(error)

    play.cast.append(Registration("dialler", dial))
    play.add("policy", pre=[CANCEL, None])
    play.run()
    assert [error.status for error in inner] == [CANCEL]
    assert play.log == ["pre policy", "pre policy", "attempt", "post policy 0"]


def test_n17_past_the_bound_a_nested_operation_fails_with_a_clear_error() -> None:
    depths: list[int] = []
    errors: list[WNetError] = []

    def digger(name: str) -> Registration:
        def dig(info: NotifyInfo, event: Event) -> None:
            del info, event
            depths.append(len(nesting()))
            try:
                operate(ADD, cast, lambda: ADD)
            except WNetError as error:
                errors.append(error)
                raise

        return Registration(name, dig, required=True)

    cast = [digger(f"digger{number}") for number in range(MAX_DEPTH + 2)]
    with pytest.raises(WNetError):
        operate(ADD, cast, lambda: ADD)
    assert max(depths) == MAX_DEPTH == 8
    assert errors[0].status is Status.ERROR_NESTING_NOT_ALLOWED
    assert all(f"digger{number}" in str(errors[0]) for number in range(MAX_DEPTH))
    assert nesting() == ()


def test_n17_nesting_goes_across_processes(play: Play) -> None:
    child = (
        "from mprouter.notify.dispatch import nesting, operate\n"
        "from mprouter.notify.model import CancelConnect, Registration\n"
        "event = CancelConnect('Y:')\n"
        "cast = [Registration(name, lambda info, event, name=name: print(name, *nesting())) for name in 'abc']\n"
        "operate(event, cast, lambda: event)\n"
    )
    outputs: list[str] = []

    def dial(info: NotifyInfo, event: Event) -> None:
        del info, event
        environment = {**os.environ, **nesting_environment()}
        outputs.append(subprocess.check_output([sys.executable, "-c", child], env=environment, text=True))

    operate(ADD, [Registration("b", dial)], lambda: ADD)
    assert outputs == ["a code/b code/a\nc code/b code/c\n"]
    assert not play.log


@pytest.mark.parametrize("value", ["", "x", "5", "null", "{", '"'])
def test_n17_a_mangled_variable_is_no_nesting(value: str) -> None:
    inherit('["code/a"]')
    assert nesting() == ("code/a",)
    inherit(value)
    assert nesting() == ()


def test_n17_an_operation_that_fails_leaves_nobody_on_the_stack(play: Play) -> None:
    play.add("a", pre=KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        play.run()
    assert nesting() == ()


def test_n17_a_thread_with_a_copy_of_the_context_is_nested_while_the_notifyee_is_told(play: Play) -> None:
    """As with ``asyncio.to_thread``: the notifyee waits for it, and would have to be told by it."""
    copies = []

    def dial(info: NotifyInfo, event: Event) -> None:
        del info, event
        copies.append(copy_context())
        with ThreadPoolExecutor() as pool:
            pool.submit(copies[0].run, operate, ADD, cast, lambda: ADD).result(30)

    play.add("a")
    cast = [Registration("dialler", dial, required=True), *play.cast]
    operate(ADD, cast, lambda: ADD)
    assert play.log == ["pre a", "post a 0"] * 2
    assert copies[0].run(nesting) == ()  # nobody is told any more


def test_n17_a_thread_of_the_notifyee_s_own_is_nested_for_as_long_as_it_runs(play: Play) -> None:
    work: list[Callable[[], None]] = []

    def dial(info: NotifyInfo, event: Event) -> None:
        del info, event
        work.append(nested(lambda: operate(ADD, cast, lambda: ADD)))

    play.add("a")
    cast = [Registration("dialler", dial, required=True), *play.cast]
    operate(ADD, cast, lambda: ADD)
    assert in_threads(work[0], work[0]) == []
    assert len(work) == 1
    assert sorted(play.log) == ["post a 0"] * 3 + ["pre a"] * 3
    assert nesting() == ()


# -- threads ---------------------------------------------------------------------------------------------------


def in_threads(*targets: Callable[[], None]) -> list[BaseException]:
    """Run all at the same time; what they raised."""
    errors: list[BaseException] = []

    def run(target: Callable[[], None]) -> None:
        try:
            target()
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            errors.append(error)

    threads = [threading.Thread(target=run, args=(target,), daemon=True) for target in targets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive(), "the threads wait for each other"
    return errors


def test_n18_a_notifyee_is_called_by_one_thread_at_a_time() -> None:
    inside = threading.Lock()
    calls: list[Phase] = []

    def call(info: NotifyInfo, event: Event) -> None:
        del event
        assert inside.acquire(blocking=False), "somebody else is here"
        calls.append(info.phase)
        info.context = "kept"
        sum(range(2000))  # give the other thread its chance
        inside.release()

    cast = [Registration("a", call, required=True)]

    def run() -> None:
        for _ in range(200):
            operate(ADD, cast, lambda: ADD)

    assert in_threads(run, run, run) == []
    assert len(calls) == 3 * 200 * 2


def test_n18_a_thread_safe_one_is_called_by_several() -> None:
    together = threading.Barrier(2)

    def call(info: NotifyInfo, event: Event) -> None:
        del info, event
        together.wait(30)

    cast = [Registration("a", call, thread_safe=True, required=True)]
    assert in_threads(*[lambda: operate(ADD, cast, lambda: ADD)] * 2) == []


def test_n18_a_thread_safe_function_is_called_by_several() -> None:
    together = threading.Barrier(2)

    @notifyee(thread_safe=True)
    def told(event: Event) -> Iterator[None]:
        del event
        together.wait(30)
        yield
        together.wait(30)

    cast = [registration_of(told, required=True)]
    assert in_threads(*[lambda: operate(ADD, cast, lambda: ADD)] * 2) == []


def test_n18_operations_side_by_side_do_not_wait_for_each_other_s_attempts(play: Play) -> None:
    play.add("a")
    together = threading.Barrier(2)

    def attempt() -> Event:
        together.wait(30)
        return ADD

    assert in_threads(*[lambda: operate(ADD, play.cast, attempt)] * 2) == []
    assert sorted(play.log) == ["post a 0"] * 2 + ["pre a"] * 2


def test_n18_two_notifyees_that_would_wait_for_each_other_for_ever_do_not() -> None:
    both_inside = threading.Barrier(2)
    told: list[str] = []
    refused: list[Told] = []

    def connecting(name: str) -> Registration:
        def call(info: NotifyInfo, event: Event) -> None:
            del info, event
            told.append(name)
            if len(nesting()) == 1:
                both_inside.wait(30)
                operate(ADD, [a, b], lambda: ADD, record=record)

        return Registration(name, call)

    def record(each: Told) -> None:
        if each.answer:
            refused.append(each)

    a, b = connecting("a"), connecting("b")
    errors = in_threads(lambda: operate(ADD, [a], lambda: ADD), lambda: operate(ADD, [b], lambda: ADD))
    assert errors == []
    assert [each.answer for each in refused] == [Status.ERROR_POSSIBLE_DEADLOCK]
    assert sorted(told) == ["a", "a", "b"] or sorted(told) == ["a", "b", "b"]


@pytest.mark.parametrize("phase", [Phase.PRE, Phase.POST])
def test_n18_two_generators_that_would_wait_for_each_other_for_ever_do_not(phase: Phase) -> None:
    both_inside = threading.Barrier(2)
    refused: list[Told] = []
    other = CancelConnect("Y:")

    def connecting(name: str) -> Registration:
        def told(event: Event) -> Iterator[None]:
            if phase is Phase.POST:
                yield
            if event is ADD:
                both_inside.wait(30)
                operate(other, [a, b], lambda: other, record=lambda each: refused.append(each) if each.answer else None)
            if phase is Phase.PRE:
                yield

        return registration_of(told, name=name)

    def run(one: Registration) -> None:
        def attempt() -> Event:
            assert in_threads(lambda: operate(other, [one], lambda: other)) == []  # another thread has its turn
            return ADD

        operate(ADD, [one], attempt)

    a, b = connecting("a"), connecting("b")
    assert in_threads(lambda: run(a), lambda: run(b)) == []
    assert [each.answer for each in refused] == [Status.ERROR_POSSIBLE_DEADLOCK]


@pytest.mark.parametrize(
    ("shape", "phase"),
    [("object", Phase.PRE), ("object", Phase.POST), ("function", Phase.PRE), ("generator", Phase.POST)],
)
def test_n18_who_waits_for_a_notifyee_is_let_in_when_it_is_done(
    shape: str, phase: Phase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turn, "_ATTENTION", 3600)  # no other thread gets in by looking again
    is_inside = threading.Event()

    def be_told(event: Event, now: Phase) -> None:
        if event is ADD and now is phase:
            is_inside.set()
            until(lambda: it.turn in waited_for())

    def call(info: NotifyInfo, event: Event) -> None:
        be_told(event, info.phase)
        info.context = "kept" if phase is Phase.POST else None

    def function(event: Event) -> None:
        be_told(event, Phase.PRE)

    def generator(event: Event) -> Iterator[None]:
        yield
        be_told(event, Phase.POST)

    def come_later() -> None:
        is_inside.wait(30)
        operate(CancelConnect("Y:"), [it], lambda: CancelConnect("Y:"))

    it = {
        "object": Registration("it", call),
        "function": registration_of(function, name="it"),
        "generator": registration_of(generator, name="it"),
    }[shape]
    assert in_threads(lambda: operate(ADD, [it], lambda: ADD), come_later) == []


def test_n1_n18_the_others_are_told_though_one_had_to_be_waited_for() -> None:
    log: list[str] = []
    is_inside = threading.Event()

    def named(name: str) -> Registration:
        def told(_: Event) -> None:
            log.append(name)

        return registration_of(told, name=name)

    first, second = named("first"), named("second")

    def be_there() -> None:
        first.turn.take()
        is_inside.set()
        until(lambda: first.turn in waited_for())
        leave(first.turn)

    def come_later() -> None:
        is_inside.wait(30)
        operate(ADD, [first, second], lambda: ADD)

    assert in_threads(be_there, come_later) == []
    assert log == ["first", "second"]


def test_n18_ctrl_c_that_comes_when_a_thread_is_let_in_leaves_no_turn_taken() -> None:
    its_turn, is_left = turn.Turn(), threading.Event()

    def look(frame: FrameType, event: str, _: object) -> None:
        is_in = is_left.is_set() and not hasattr(its_turn, "free")
        if is_in and event == "c_call" and frame.f_code is turn.Turn._waited.__code__:
            raise KeyboardInterrupt

    def let_in() -> None:
        until(lambda: its_turn in waited_for())
        leave(its_turn)
        is_left.set()

    with ThreadPoolExecutor() as pool:
        assert pool.submit(its_turn.take).result(30)
        left = pool.submit(let_in)
        sys.setprofile(look)
        try:
            its_turn.take()
            leave(its_turn)
        except KeyboardInterrupt:
            pass
        finally:
            sys.setprofile(None)
        left.result(30)
    assert hasattr(its_turn, "free")
    assert not waited_for()


def test_n7_n18_the_others_have_their_posts_though_one_had_to_be_waited_for() -> None:
    log: list[str] = []
    is_inside = threading.Event()
    other = CancelConnect("Y:")

    def named(name: str) -> Registration:
        def told(event: Event) -> Iterator[None]:
            if event is other:
                is_inside.set()
                until(lambda: second.turn in waited_for())
                return
            yield
            log.append(f"post {name}")

        return registration_of(told, name=name)

    def attempt() -> Event:
        log.append("attempt")
        assert is_inside.wait(30)
        return ADD

    first, second = named("first"), named("second")

    def come_between() -> None:
        until(lambda: log == ["attempt"])
        operate(other, [second], lambda: other)

    assert in_threads(lambda: operate(ADD, [first, second], attempt), come_between) == []
    assert log == ["attempt", "post second", "post first"]


def test_n19_a_post_that_would_close_a_circle_is_made_all_the_same() -> None:
    """``b`` connects while it is told. When ``a`` is owed its post of that, a thread that needs ``b`` is with ``a``."""
    log: list[str] = []

    def call_a(info: NotifyInfo, event: Event) -> None:
        if event is ADD:
            operate(CancelConnect("X:"), [b], lambda: CancelConnect("X:"))  # waits for b's turn
        else:
            log.append(f"a {info.phase.name}")
            info.context = "kept"

    def call_b(info: NotifyInfo, event: Event) -> None:
        del info
        if event == CancelConnect("Y:"):
            operate(CancelConnect("W:"), [a], attempt)
            if hasattr(a.turn, "free"):
                log.append("yet another may come in to a, where the other thread still is")
        else:
            log.append("b told")

    def attempt() -> Event:
        other.start()
        until(lambda: b.turn in waited_for())
        return CancelConnect("W:")

    a, b = Registration("a", call_a), Registration("b", call_b)
    other = threading.Thread(target=lambda: operate(ADD, [a], lambda: ADD), daemon=True)
    assert in_threads(lambda: operate(CancelConnect("Y:"), [b], lambda: CancelConnect("Y:"))) == []
    other.join(30)
    assert not other.is_alive()
    assert log == ["a PRE", "a POST", "b told"]


def waited_for() -> list[object]:
    return list(turn.waiting.values())


def leave(taken: turn.Turn) -> None:
    """As the dispatch does, where somebody waits."""
    taken.free = True
    taken.wake()


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline


# -- interruption ----------------------------------------------------------------------------------------------


FORKING = """
import os, sys
from mprouter import Status
from mprouter.testing import RecordingRouter

def forking(event):
    for phase in ("pre", "post"):
        print(phase, flush=True)
        if not (child := os.fork()):
            print("the child's", end=" ")
            sys.exit({"pre": 5, "post": None}[phase])
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
        yield

with RecordingRouter(forking) as router:
    print(router.add("//files/projects").attempts, "attempt")
"""


def test_n1_a_child_that_a_notifyee_forks_makes_no_attempt_of_its_own() -> None:
    ran = subprocess.run([sys.executable, "-c", FORKING], capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.splitlines() == ["pre", "the child's 5", "post", "the child's 0", "1 attempt"]


class Paper:
    """A journal that has on paper what it had heard when it was told to write."""

    def __init__(self) -> None:
        self.heard: dict[str, object] = {}
        self.written: dict[str, object] = {}

    def telling(self, notifyee: str, attempt: int) -> None:
        self.heard[notifyee] = f"told in attempt {attempt}"

    def running(self, notifyee: str, pid: int) -> None:
        raise AssertionError(notifyee, pid)

    def left(self, notifyee: str, context: object) -> None:
        self.heard[notifyee] = context

    def posted(self, notifyee: str) -> None:
        del self.heard[notifyee]

    def outcome(self, status: Status | None) -> None:
        self.heard["outcome"] = status

    def write(self) -> None:
        self.written = dict(self.heard)

    def attempting(self, *, told_after: bool) -> None:
        assert told_after
        self.write()


@pytest.mark.parametrize("shape", ["generator", "object"])
def test_n19_before_anything_with_an_effect_the_journal_is_written(shape: str) -> None:
    """Whoever is killed anywhere leaves on paper to whom a post is owed, and whether and how the attempt has ended.

    What ``dial`` keeps is gone then, so that nothing is said of it.
    """
    paper = Paper()
    log: list[tuple[str, dict[str, object]]] = []

    def does(step: str) -> None:
        log.append((step, paper.written))

    def lease(info: NotifyInfo, event: Event) -> Answer:
        del event
        does(f"{info.phase.name.lower()} lease")
        info.context = "leased"
        return RETRY

    def dial(event: Event) -> Iterator[None]:
        del event
        does("pre dial")
        yield
        does("post dial")

    def call_dial(info: NotifyInfo, event: Event) -> None:
        del event
        does(f"{info.phase.name.lower()} dial")
        info.context = "connected"

    outcomes = iter([FAILED, OK])

    def attempt() -> Event:
        does("attempt")
        if status := next(outcomes):
            raise WNetError(status)
        return ADD

    dialler = registration_of(dial) if shape == "generator" else Registration("dial", call_dial)
    cast = [Registration("lease", lease, durable=True), dialler]
    operate(ADD, cast, attempt, journal=paper)
    leased = {"code/lease": "leased"}
    assert log == [
        ("pre lease", {"code/lease": "told in attempt 1"}),
        ("pre dial", leased),
        ("attempt", leased),
        ("post dial", leased | {"outcome": FAILED}),
        ("post lease", leased | {"outcome": FAILED}),
        ("pre dial", leased | {"outcome": None}),
        ("attempt", leased | {"outcome": None}),
        ("post dial", leased | {"outcome": OK}),
        ("post lease", leased | {"outcome": OK}),
    ]


def test_n10_n19_before_the_attempt_it_is_written_that_nothing_is_owed_to_one_whose_pre_failed() -> None:
    paper = Paper()

    def lease(info: NotifyInfo, event: Event) -> None:
        del event
        info.context = "leased"

    def broken(info: NotifyInfo, event: Event) -> None:
        lease(info, event)
        raise RuntimeError("and now it is broken")

    def attempt() -> Event:
        assert paper.written == {"code/broken": None, "code/lease": "leased"}
        return ADD

    cast = [Registration("broken", broken, durable=True), Registration("lease", lease, durable=True)]
    operate(ADD, cast, attempt, journal=paper)


def test_n19_ctrl_c_in_a_pre_gives_the_earlier_ones_their_post(play: Play) -> None:
    play.add("a")
    play.add("b", pre=KeyboardInterrupt, context=False)
    play.add("c")
    with pytest.raises(KeyboardInterrupt):
        play.run()
    assert play.log == ["pre a", "pre b", "post a 1223"]
    assert play.told[1].message == "interrupted"


def test_n19_ctrl_c_after_it_left_a_context_gives_also_that_one_its_post(play: Play) -> None:
    play.add("a", pre=KeyboardInterrupt, context=True)
    with pytest.raises(KeyboardInterrupt):
        play.run()
    assert play.log == ["pre a", "post a 1223"]


def is_interrupted(_: Event) -> None:
    raise KeyboardInterrupt


def is_interrupted_before(_: Event) -> Iterator[None]:
    raise KeyboardInterrupt
    yield


def is_interrupted_after(_: Event) -> Iterator[None]:
    yield
    raise KeyboardInterrupt


@pytest.mark.parametrize("function", [is_interrupted, is_interrupted_before])
def test_n19_ctrl_c_in_a_function_ends_the_operation_and_gives_the_earlier_ones_their_post(
    play: Play, function: Callable[[Event], object]
) -> None:
    play.add("a")
    play.cast.append(registration_of(function, name="b"))
    play.add("c")
    with pytest.raises(KeyboardInterrupt):
        play.run()
    assert play.log == ["pre a", "post a 1223"]
    assert [(told.notifyee, told.message) for told in play.told] == [
        ("code/a", None),
        ("code/b", "interrupted"),
        ("code/a", None),
    ]


@pytest.mark.parametrize("outcome", [OK, FAILED])
def test_n19_ctrl_c_after_the_yield_of_a_generator_gives_the_others_their_post(play: Play, outcome: Status) -> None:
    play.add("a")
    play.cast.append(registration_of(is_interrupted_after, name="b"))
    play.add("c")
    with pytest.raises(KeyboardInterrupt):
        play.run(outcome)
    assert play.log[-3:] == ["attempt", f"post c {outcome:d}", f"post a {outcome:d}"]
    posts = [(told.notifyee, told.message) for told in play.told if told.phase is Phase.POST]
    assert posts == [("code/c", None), ("code/b", "interrupted"), ("code/a", None)]


@pytest.mark.parametrize("moment", ["it has yielded", "what it has yielded is looked at"])
def test_n19_ctrl_c_just_when_a_generator_is_at_its_yield_does_not_cost_its_post(play: Play, moment: str) -> None:
    def told(_: Event) -> Generator[Status, Status, None]:
        play.log.append(f"post b {yield OK:d}")

    def strike(frame: FrameType, event: str, function: object) -> None:
        if moment == "it has yielded":
            now = event == "c_return" and function is next
        else:
            now = event == "call" and frame.f_code is Function.first.__code__
        if now:
            sys.setprofile(None)
            raise KeyboardInterrupt

    play.cast.append(registration_of(told, name="b"))
    sys.setprofile(strike)
    try:
        with pytest.raises(KeyboardInterrupt):
            play.run()
    finally:
        sys.setprofile(None)
    assert play.log == ["post b 1223"]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (KeyboardInterrupt(), CANCEL),
        (RuntimeError("a bug"), Status.ERROR_UNHANDLED_EXCEPTION),
        (SystemExit(0), Status.ERROR_UNHANDLED_EXCEPTION),
    ],
)
def test_n19_whatever_the_attempt_raises_the_posts_are_made_and_it_is_raised_again(
    play: Play, error: BaseException, status: Status
) -> None:
    play.add("a", post=RETRY)
    play.add("b", post=CANCEL)
    with pytest.raises(type(error)) as caught:
        play.run(error)
    assert caught.value is error
    assert play.log == ["pre a", "pre b", "attempt", f"post b {status:d}", f"post a {status:d}"]


@pytest.mark.parametrize("outcome", [OK, FAILED])
def test_n19_ctrl_c_in_a_post_leaves_nobody_without_and_nobody_told_twice(play: Play, outcome: Status) -> None:
    play.add("a", post=RETRY)
    play.add("b", post=KeyboardInterrupt)
    play.add("c")
    with pytest.raises(KeyboardInterrupt):
        play.run(outcome)
    assert play.log[-4:] == ["attempt", f"post c {outcome:d}", f"post b {outcome:d}", f"post a {outcome:d}"]


@pytest.fixture
def ctrl_c() -> Iterator[Callable[[], None]]:
    """Have Ctrl-C raise KeyboardInterrupt in the main thread, and press it."""
    assert threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    main = threading.main_thread().ident
    assert main is not None
    yield lambda: signal.pthread_kill(main, signal.SIGINT)
    signal.signal(signal.SIGINT, before)


def test_n10_n19_ctrl_c_in_a_post_hides_from_nobody_why_the_operation_ended(play: Play) -> None:
    play.add("a")
    play.add("b", post=KeyboardInterrupt)
    play.add("c", pre=DENIED, required=True)
    with pytest.raises(KeyboardInterrupt):
        play.run()
    assert play.log == ["pre a", "pre b", "pre c", f"post b {int(DENIED)}", f"post a {int(DENIED)}"]


def test_n19_ctrl_c_while_a_post_waits_for_its_turn_does_not_cost_the_post(
    play: Play, ctrl_c: Callable[[], None]
) -> None:
    a = play.add("a")
    taken = threading.Event()

    def occupy() -> None:
        a.turn.take()
        taken.set()
        try:
            until(lambda: a.turn in waited_for())
            ctrl_c()
            until(lambda: "interrupted" in [each.message for each in play.told])
        finally:
            leave(a.turn)

    other = threading.Thread(target=occupy, daemon=True)

    def attempt() -> Event:
        other.start()
        assert taken.wait(30)
        return ADD

    with pytest.raises(KeyboardInterrupt):
        operate(ADD, play.cast, attempt, record=play.told.append)
    other.join(30)
    assert play.log == ["pre a", "post a 0"]


# -- any script ------------------------------------------------------------------------------------------------

answers = st.sampled_from([None, OK, RETRY, CANCEL, DENIED, 99999, ZeroDivisionError, KeyboardInterrupt])
actors = st.fixed_dictionaries(
    {
        "pre": st.lists(answers, min_size=1, max_size=4),
        "post": st.lists(answers, min_size=1, max_size=5),
        "context": st.lists(st.booleans(), min_size=1, max_size=4),
        "required": st.booleans(),
    }
)
outcomes = st.lists(st.sampled_from([OK, FAILED, DENIED, KeyboardInterrupt(), RuntimeError()]), min_size=1, max_size=5)


@given(st.lists(actors, max_size=5), outcomes, st.integers(0, 3))
def test_n5_to_n13_and_n19_hold_for_any_script(
    scripts: list[dict[str, Any]], attempts: list[Status | BaseException], max_retries: int
) -> None:
    play = Play()
    for place, script in enumerate(scripts):
        play.add("abcde"[place], **script)
    required = {name: script["required"] for name, script in zip("abcde", scripts, strict=False)}
    raised: BaseException | None = None
    try:
        play.run(*attempts, max_retries=max_retries)
    except (WNetError, KeyboardInterrupt, RuntimeError) as error:
        raised = error

    calls = iter(zip(play.infos, play.told, strict=True))
    owed: dict[str, object] = {}  # who holds a context
    vetoed = False
    last: tuple[Phase, str] | None = None  # the call before, in this round
    for entry in play.log:
        if entry == "attempt":
            assert not vetoed, "no attempt after a veto (N9, N10)"
            last = None
            continue
        (name, info), told = next(calls)
        interrupted = told.message == "interrupted"
        if info.phase is Phase.PRE:
            assert not vetoed, "nobody has a pre after a veto or Ctrl-C (N9, N10)"
            assert name not in owed, "no second pre for who still holds a context (N11)"
            assert last is None or last < (Phase.PRE, name), "pres in order (N8)"
            if info.context is not None and (told.answer in {OK, RETRY} or interrupted):
                owed[name] = info.context
            vetoed = interrupted or told.answer is CANCEL or (told.answer not in {OK, RETRY} and required[name])
            last = (Phase.PRE, name)
        else:
            assert last is None or last[0] is Phase.PRE or last[1] > name, "posts in reverse order (N8)"
            assert owed.pop(name) is info.context, "a post for who holds a context, with that very object (N6, N7)"
            last = (Phase.POST, name)
            if told.answer is RETRY and info.may_retry:
                assert info.status is not OK, "nothing is retried that succeeded (N12)"
                owed[name] = info.context
                last = None
    assert owed == {}, "every context has had its final post (N19)"
    assert play.log.count("attempt") <= 1 + max_retries
    assert raised is not None or not vetoed
    assert raised is not None or play.told[-1:] == [] or play.told[-1].status in {OK, RETRY}
