"""The recording router: the true dispatch around operations that connect nothing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator

import pytest

import mprouter
from mprouter import AddConnect, CancelConnect, ConnectFlag, NetResource, NotifyInfo, Phase, Status, WNetError
from mprouter.notify.model import Event, Registration
from mprouter.testing import RecordingRouter

NAME = r"\\files\projects"


def dial(event: Event) -> Generator[Status | None, Status, None]:
    """Asks for one more attempt when the network was not reachable."""
    del event
    status = yield None
    if status is Status.ERROR_NETWORK_UNREACHABLE:
        yield Status.WN_RETRY


def test_a_call_is_recorded_with_what_was_told_and_answered() -> None:
    with RecordingRouter(dial) as router:
        result = router.add(NAME, "Z:", flags=ConnectFlag.CURRENT_MEDIA, owner=7)
    assert (result.status, result.error, result.attempts) == (Status.WN_SUCCESS, None, 1)
    assert [(call.notifyee, call.phase, call.status, call.answer) for call in result.calls] == [
        ("code/dial", Phase.PRE, Status.WN_SUCCESS, Status.WN_SUCCESS),
        ("code/dial", Phase.POST, Status.WN_SUCCESS, Status.WN_SUCCESS),
    ]
    assert result.calls[0].event == AddConnect(NetResource(NAME, "Z:"), ConnectFlag.CURRENT_MEDIA, 7)
    assert router.calls == list(result.calls)


def test_n11_outcomes_are_those_of_the_attempts_and_the_last_one_holds() -> None:
    unreachable = Status.ERROR_NETWORK_UNREACHABLE
    with RecordingRouter(dial) as router:
        assert router.add(NAME, outcomes=[unreachable, Status.WN_SUCCESS]).attempts == 2
        assert router.add(NAME, outcomes=[unreachable]).status is unreachable
    with RecordingRouter(dial, max_retries=0) as router:
        assert router.add(NAME, outcomes=[unreachable, Status.WN_SUCCESS]).attempts == 1


def test_n9_a_veto_is_the_result_and_nothing_is_attempted() -> None:
    def refuse(event: Event) -> None:
        del event
        raise mprouter.Cancel("not today")

    with RecordingRouter(refuse) as router:
        result = router.add(NAME)
    assert (result.status, result.attempts) == (Status.WN_CANCEL, 0)
    assert result.error is not None
    assert result.error.strerror == "not today"


def test_n8_in_order_before_and_in_reverse_afterwards() -> None:
    with RecordingRouter() as router:
        router.register(dial, name="second", order=2)
        router.register(dial, name="first", order=1)
        calls = router.add(NAME).calls
    assert [call.notifyee for call in calls] == ["code/first", "code/second", "code/second", "code/first"]


def test_n10_required_is_as_registered() -> None:
    def fail(event: Event) -> None:
        raise ValueError(event.operation)

    with RecordingRouter() as router:
        router.register(fail, required=True)
        result = router.add(NAME)
    assert (result.status, result.attempts) == (Status.ERROR_UNHANDLED_EXCEPTION, 0)


def test_n14_a_cancel_tells_who_cancelled_after_a_success_only() -> None:
    with RecordingRouter(dial) as router:
        router.add(NAME, "Z:")
        failed = router.cancel("Z:", outcome=Status.ERROR_OPEN_FILES)
        done = router.cancel("Z:", provider="smb", force=True, forget=True)
    assert [call.event.provider for call in failed.calls if isinstance(call.event, CancelConnect)] == [None, None]
    before, after = (call.event for call in done.calls)
    assert before == CancelConnect("Z:", None, ConnectFlag.UPDATE_PROFILE, force=True)
    assert after == CancelConnect("Z:", "smb", ConnectFlag.UPDATE_PROFILE, force=True)


def test_a_match_is_compared_as_in_the_real_router() -> None:
    heard: list[str] = []

    def hear(info: NotifyInfo, event: Event) -> None:
        del info
        heard.append(event.operation)

    corp = Registration("corp", hear, matches=lambda names: r"\\corp\x" in names)
    with RecordingRouter(corp) as router:
        router.add(r"\\elsewhere\x", "Y:")
        router.cancel("Y:")
        router.add("//corp/x", "Z:")
        router.cancel("z:")
        router.cancel("Z:")  # no longer known
    assert heard == ["add", "cancel"]


def test_n15_a_user_in_the_name_is_not_told() -> None:
    with RecordingRouter(dial) as router:
        event = router.add("sftp://ana@files.example.com/x").calls[0].event
    assert isinstance(event, AddConnect)
    assert event.resource.remote_name == "sftp://files.example.com/x"


def test_an_outcome_that_is_no_status_is_raised_after_the_posts() -> None:
    with RecordingRouter(dial) as router:
        with pytest.raises(KeyboardInterrupt):
            router.add(NAME, outcome=KeyboardInterrupt())
        assert [call.status for call in router.calls] == [Status.WN_SUCCESS, Status.WN_CANCEL]


def test_a_name_is_registered_once() -> None:
    with RecordingRouter(dial) as router, pytest.raises(WNetError) as failure:
        router.register(dial)
    assert failure.value.status is Status.ERROR_ALREADY_ASSIGNED


def test_what_a_notifyee_holds_is_let_go_at_the_end() -> None:
    closed: list[int] = []
    with RecordingRouter(Registration("holding", lambda *_: None, close=lambda: closed.append(1))):
        assert not closed
    assert closed == [1]


def test_importing_it_needs_no_pytest() -> None:
    script = "import sys; sys.modules['pytest'] = None; import mprouter.testing"
    subprocess.run([sys.executable, "-c", script], check=True)
