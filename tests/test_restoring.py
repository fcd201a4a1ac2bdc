"""Restoring: how long the network is waited for (R7), what is tried again, who is asked, and who else may be at it.

With real servers, and as a user has it: `cli/test_mpr_restore.py`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from queue import SimpleQueue

import pytest

from mprouter import Router, Status, WNetError, restoring
from mprouter.names import RemoteName
from mprouter.notify.model import CancelConnect, Event
from mprouter.providers.base import Added, AddRequest, Capability, Mounted, Progress, Provider, State
from mprouter.providers.order import builtin_providers
from mprouter.restoring import NOT_YET, Restored, Stage, Step, is_not_yet, start_up_time
from mprouter.settings import load
from mprouter.store import Store
from sandbox import Places


def _mounted(request: AddRequest) -> Added:
    del request
    return Added(None, {})


@dataclass
class Double:
    """A provider of ``file://`` that only does what it is made to, and is not asked when it will be ready."""

    does: Callable[[AddRequest], Added] = _mounted
    name: str = "double"
    capabilities: Capability = Capability.ADD_CONNECTION | Capability.CANCEL_CONNECTION

    def claims(self, name: RemoteName) -> bool:
        return name.scheme == "file"

    def check_options(self, name: RemoteName, options: Mapping[str, str]) -> None: ...

    def add_connection(self, request: AddRequest) -> Added:
        return self.does(request)

    def cancel_connection(self, mounted: Mounted, *, force: bool, progress: Progress | None = None) -> None: ...

    def state(self, mounted: Mounted) -> State:
        del mounted
        return State.CONNECTED

    def settle(self, mounted: Mounted) -> State:
        return self.state(mounted)


@dataclass
class Ready(Double):
    """A provider that answers this when it is asked when it will be ready."""

    answer: float | Exception | None = None

    def start_up(self) -> float | None:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


UNKNOWN, NOW = Ready(answer=None), Ready(answer=0.0)


@pytest.mark.parametrize(
    ("providers", "restore_timeout", "seconds"),
    [
        ([], None, 0.0),
        ([NOW], None, 0.0),
        ([NOW, Ready(answer=5.0)], None, 5.0),
        ([Ready(answer=5.0), UNKNOWN], None, 60.0),
        ([Ready(answer=90.0), UNKNOWN], None, 90.0),
        ([Double()], None, 60.0),
        ([Ready(answer=RuntimeError()), NOW], None, 60.0),
        ([Ready(answer=-1.0)], None, 60.0),
        # RestoreTimeout replaces the unknown ...
        ([UNKNOWN], 20.0, 20.0),
        ([UNKNOWN], 300.0, 300.0),
        ([UNKNOWN], 0.0, 0.0),
        ([Ready(answer=90.0), UNKNOWN], 20.0, 90.0),
        # ... and is the least
        ([NOW], 20.0, 20.0),
        ([Ready(answer=5.0)], 20.0, 20.0),
        ([], 20.0, 20.0),
    ],
)
def test_r7_how_long_the_networks_are_waited_for(
    providers: list[Provider], restore_timeout: float | None, seconds: float
) -> None:
    assert start_up_time(providers, restore_timeout) == seconds


def test_r7_the_networks_that_come_along_do_not_know_and_a_local_directory_is_there() -> None:
    assert start_up_time(builtin_providers(), None) == 60.0
    assert start_up_time([each for each in builtin_providers() if each.name == "file"], None) == 0.0


@pytest.mark.parametrize("text", ["restore_timeout = 90", "restore_timeout = 0.5", "restore_timeout = 0"])
def test_r7_restore_timeout_is_the_users_or_the_systems(places: Places, text: str) -> None:
    (places.system / "settings.toml").write_text(text)
    assert load().restore_timeout == float(text.partition("= ")[2])
    (places.config / "settings.toml").write_text("restore_timeout = 7")
    assert load().restore_timeout == 7.0


@pytest.mark.parametrize("value", ["-1", "inf", "nan", "true", '"60"'])
def test_r7_a_restore_timeout_that_is_no_time_is_refused(places: Places, value: str) -> None:
    (places.config / "settings.toml").write_text(f"restore_timeout = {value}")
    with pytest.raises(WNetError, match="restore_timeout must be a number of seconds from 0 up"):
        load()


@pytest.mark.parametrize("status", sorted(NOT_YET))
def test_what_may_be_gone_when_the_network_is_there_is_tried_again(status: Status) -> None:
    assert is_not_yet(WNetError(status))


@pytest.mark.parametrize(
    "status",
    [
        Status.ERROR_INVALID_PASSWORD,
        Status.ERROR_LOGON_FAILURE,
        Status.ERROR_ACCESS_DENIED,
        Status.ERROR_MUTUAL_AUTH_FAILED,
        Status.ERROR_WINHTTP_SECURE_FAILURE,
        Status.ERROR_BAD_NET_NAME,
        Status.ERROR_PATH_NOT_FOUND,
        Status.ERROR_SERVICE_NOT_FOUND,
        Status.ERROR_DIR_NOT_EMPTY,
        Status.ERROR_BAD_PROVIDER,
        Status.WN_CANCEL,
    ],
)
def test_an_answer_is_not_asked_for_again(status: Status) -> None:
    assert not is_not_yet(WNetError(status))


# With providers that do what a test makes them do


@pytest.fixture
def profile(places: Places) -> list[str]:
    """Five local names that are remembered."""
    del places  # they are in the environment
    letters = ["V:", "W:", "X:", "Y:", "Z:"]
    with Router(providers=[Double()], drop_ins=False) as router:
        for letter in letters:
            router.connect(f"file:///{letter[0]}", letter, persist=True)
            router.disconnect(letter)
    return letters


def test_each_is_heard_and_reported_in_the_order_of_the_profile(profile: list[str]) -> None:
    def does(request: AddRequest) -> Added:
        if request.name.path == "/X":
            raise WNetError(Status.ERROR_ACCESS_DENIED)
        return Added(None, {})

    heard: list[Step] = []
    with Router(providers=[Double(does)]) as router:
        results = router.restore(wait=True, hearing=heard.append)
    assert [each.local_name for each in results] == profile
    assert [each.local_name for each in results if each.error] == ["X:"]
    for letter in profile:
        stages = [step.stage for step in heard if step.local_name == letter]
        assert stages == [Stage.CONNECTING, Stage.FAILED if letter == "X:" else Stage.RESTORED]


@pytest.mark.parametrize("status", [Status.ERROR_LOGON_FAILURE, Status.ERROR_BAD_NET_NAME])
def test_an_answer_ends_it_at_once_however_long_it_may_wait(profile: list[str], status: Status) -> None:
    tried: list[str] = []

    def does(request: AddRequest) -> Added:
        tried.append(request.name.path)
        raise WNetError(status)

    with Router(providers=[Double(does)]) as router:
        results = router.restore(wait=3600)
    assert {each.error.status for each in results if each.error} == {status}
    assert sorted(tried) == [f"/{letter[0]}" for letter in profile]


def test_a_unc_name_that_no_network_answers_for_is_tried_again(profile: list[str]) -> None:
    refusals = [WNetError(Status.ERROR_BAD_NETPATH) for _ in range(2)]

    def does(request: AddRequest) -> Added:
        del request
        if refusals:
            raise refusals.pop()  # which the router makes ERROR_BAD_NET_NAME of, as of a missing share
        return Added(None, {})

    heard: list[Step] = []
    with Router(providers=[Double(does)]) as router:
        router.restore(profile[0], wait=600, hearing=heard.append)
    assert [step.stage for step in heard] == [Stage.CONNECTING, Stage.WAITING, Stage.WAITING, Stage.RESTORED]
    assert {step.error.status for step in heard if step.error} == {Status.ERROR_BAD_NET_NAME}


def test_without_waiting_there_is_one_attempt_each_and_one_event(profile: list[str], store: Store) -> None:
    heard: list[Step] = []

    def does(request: AddRequest) -> Added:
        raise WNetError(Status.ERROR_NETWORK_UNREACHABLE, name=request.name.given)

    with Router(providers=[Double(does)]) as router:
        results = router.restore(hearing=heard.append)
    assert [each.error.status for each in results if each.error] == [Status.ERROR_NETWORK_UNREACHABLE] * len(profile)
    assert not [step for step in heard if step.stage is Stage.WAITING]
    ends = [each for each in store.events() if each.status]
    assert sorted(str(each.local_name) for each in ends) == profile


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of a restore."""
    made = Clock()
    monkeypatch.setattr(restoring, "monotonic", lambda: made.now)
    return made


class Clock:
    """Goes on by the pauses that are heard of, and not while attempts are made, however long those take."""

    def __init__(self) -> None:
        self.now = 0.0
        self.heard: list[Step] = []

    def hear(self, step: Step) -> None:
        self.heard.append(step)
        self.now += step.pause or 0.0


def test_r7_the_last_attempt_is_made_when_the_time_is_over(profile: list[str], store: Store, clock: Clock) -> None:
    def does(request: AddRequest) -> Added:
        raise WNetError(Status.ERROR_HOST_UNREACHABLE, name=request.name.given)

    with Router(providers=[Double(does)]) as router:
        (result,) = router.restore(profile[0], wait=0.2, hearing=clock.hear)
    assert result.error is not None
    assert result.error.status is Status.ERROR_HOST_UNREACHABLE
    assert clock.now == pytest.approx(0.2)
    (*waits,) = [step.pause for step in clock.heard if step.stage is Stage.WAITING]
    assert waits
    assert all(pause is not None and pause <= 0.2 for pause in waits)
    assert len(store.events()) == len(profile) * 2 + 1  # the attempts of one restore are one operation


@pytest.mark.parametrize(
    ("provider", "text", "waits"),
    [
        (Ready(answer=0.0), "", False),
        (Ready(answer=0.1), "", True),
        (Ready(answer=None), "restore_timeout = 0", False),
        (Ready(answer=None), "restore_timeout = 0.1", True),
    ],
)
def test_r7_at_login_it_waits_as_long_as_the_rule_says(
    profile: list[str], places: Places, clock: Clock, provider: Ready, text: str, *, waits: bool
) -> None:
    def does(request: AddRequest) -> Added:
        raise WNetError(Status.ERROR_NETWORK_UNREACHABLE, name=request.name.given)

    (places.config / "settings.toml").write_text(text)
    with Router(providers=[replace(provider, does=does)]) as router:
        router.restore(profile[0], wait=True, hearing=clock.hear)
    assert (Stage.WAITING in {step.stage for step in clock.heard}) == waits
    assert clock.heard[-1].stage is Stage.FAILED


def test_passwords_are_asked_for_one_at_a_time_where_ctrl_c_arrives(profile: list[str]) -> None:
    @dataclass
    class Person:
        asked: list[tuple[str, threading.Thread]] = field(default_factory=list)

        def ask_password(self, prompt: str) -> str | None:
            self.asked.append((prompt, threading.current_thread()))
            return prompt.upper()

        def confirm(self, question: str) -> bool:
            return bool(question)

    given: list[str | None] = []

    def does(request: AddRequest) -> Added:
        assert request.conversation is not None
        assert request.conversation.confirm("well?")
        given.append(request.conversation.ask_password(request.name.path.lower()))
        return Added(None, {})

    person = Person()
    with Router(providers=[Double(does)]) as router:
        results = router.restore(conversation=person)
    assert not [each for each in results if each.error]
    assert sorted(str(each) for each in given) == [f"/{letter[0]}" for letter in profile]
    assert {thread for _, thread in person.asked} == {threading.current_thread()}


@pytest.mark.usefixtures("profile")
def test_who_ends_it_at_a_question_ends_it_all_with_what_is_done_standing(store: Store) -> None:
    class Person:
        def ask_password(self, prompt: str) -> str | None:
            raise KeyboardInterrupt(prompt)

        def confirm(self, question: str) -> bool:
            return bool(question)

    done = threading.Barrier(2)

    def does(request: AddRequest) -> Added:
        if request.name.path == "/V":
            done.wait(60)
            return Added(None, {})
        if request.name.path == "/W":
            done.wait(60)
        assert request.conversation is not None
        if request.conversation.ask_password("") is None:
            raise WNetError(Status.ERROR_LOGON_FAILURE)
        return Added(None, {})

    with Router(providers=[Double(does)]) as router:
        with pytest.raises(KeyboardInterrupt):
            router.restore(conversation=Person())
        assert [each.local_name for each in router.connections()] == ["V:"]
    assert [entry.local_name for entry in store.entries()] == ["V:"]


class Struck(SimpleQueue[object]):
    """Ctrl-C comes when something has been taken from it, and before anybody has that."""

    strikes = 1

    def get(self, block: bool = True, timeout: float | None = None) -> object:
        if timeout is None and not self.strikes:
            pytest.fail("it waits for ever for an attempt that is over")
        taken = super().get(block, timeout)
        if self.strikes:
            self.strikes -= 1
            raise KeyboardInterrupt
        return taken


@pytest.mark.usefixtures("profile")
def test_ctrl_c_at_the_end_of_an_attempt_ends_it(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restoring, "SimpleQueue", Struck)
    with Router(providers=[Double(lambda _: Added(None, {}))]) as router, pytest.raises(KeyboardInterrupt):
        router.restore("Z:")
    assert [each.local_name for each in store.entries()] == ["Z:"]
    assert not [each for each in store.events() if each.status is Status.WN_CANCEL]


@pytest.mark.usefixtures("profile")
def test_n19_ctrl_c_when_an_attempt_is_being_started_leaves_none_that_nobody_awaits(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[threading.Thread] = []

    def strike(thread: threading.Thread) -> None:
        begun.append(thread)
        raise KeyboardInterrupt

    with Router(providers=[Double(lambda _: Added(None, {}))]) as router:
        with monkeypatch.context() as context:
            context.setattr(threading.Thread, "start", strike)
            with pytest.raises(KeyboardInterrupt):
                router.restore("Z:")
        for thread in begun:
            thread.start()
            thread.join()
    assert len(begun) == 1
    assert store.entries() == []


def test_c4_a_connection_that_another_process_is_making_is_awaited_and_reported(profile: list[str]) -> None:
    letter = profile[0]
    begun, release = threading.Event(), threading.Event()
    made: list[str] = []

    def slowly(request: AddRequest) -> Added:
        made.append(request.name.path)
        begun.set()
        release.wait(60)
        return Added(None, {})

    def hearing(step: Step) -> None:
        if step.stage is Stage.CONNECTING:
            release.set()

    with Router(providers=[Double(slowly)]) as first, Router(providers=[Double(slowly)]) as second:
        other = threading.Thread(target=lambda: first.restore(letter))
        other.start()
        assert begun.wait(60)
        (result,) = second.restore(letter, hearing=hearing)
        other.join()
    assert result.error is None
    assert result.connection is not None
    assert made == ["/V"]


def test_c4_another_process_that_does_not_come_to_an_end_is_not_waited_for_without_one(
    profile: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restoring, "OTHERS_TIME", 0.0)
    results: list[Restored] = []

    def meanwhile(_: AddRequest) -> Added:
        with Router(providers=[Double()]) as second:
            results.extend(second.restore(profile[0]))
        return Added(None, {})

    with Router(providers=[Double(meanwhile)]) as first:
        first.restore(profile[0])
    [result] = results
    assert result.error is not None
    assert (result.error.status, result.error.name) == (Status.ERROR_BUSY, result.remote_name)


@pytest.mark.parametrize("stage", [Stage.CONNECTING, Stage.WAITING])
def test_c5_what_is_forgotten_while_it_is_restored_is_not_connected(
    profile: list[str], store: Store, stage: Stage
) -> None:
    def does(request: AddRequest) -> Added:
        if not forgotten:
            raise WNetError(Status.ERROR_HOST_UNREACHABLE, name=request.name.given)
        return Added(None, {})

    def hearing(step: Step) -> None:
        if step.stage is stage and not forgotten:
            with Router(drop_ins=False) as other:
                other.disconnect(profile[0], forget=True)
            forgotten.append(step)

    forgotten: list[Step] = []
    with Router(providers=[Double(does)]) as router:
        (result,) = router.restore(profile[0], wait=600, hearing=hearing)
    assert result.error is not None
    assert (result.error.status, result.error.strerror) == (Status.ERROR_NOT_CONNECTED, "it was forgotten meanwhile")
    assert store.entries() == []
    assert store.operations() == []


def test_c5_what_is_restored_while_it_is_forgotten_stays_remembered(profile: list[str], store: Store) -> None:
    letter = profile[0]

    def connecting(event: Event) -> None:
        if isinstance(event, CancelConnect) and not store.entries():
            with Router(providers=[Double()], drop_ins=False) as other:
                assert other.restore(letter)[0].connection

    with Router(providers=[Double()], drop_ins=False) as router:
        router.register(connecting)
        with pytest.raises(WNetError, match="already connected to file:///V") as refused:
            router.disconnect(letter, forget=True)
        assert refused.value.status is Status.ERROR_BUSY
        assert [each.local_name for each in router.connections()] == [letter]
        assert [each.local_name for each in store.remembered()] == profile
        router.disconnect(letter, forget=True)
    assert [each.local_name for each in store.remembered()] == profile[1:]


def test_c4_a_local_name_that_something_else_has_taken_is_not_waited_for(
    profile: list[str], places: Places, resource: str
) -> None:
    letter = profile[0]
    drive = places.drives / letter[0]
    drive.mkdir()
    with Router(providers=[Double()]) as router:
        router.connect(resource, drive)  # the same directory, under its path
        (result,) = router.restore(letter, wait=600)
    assert result.error is not None
    assert result.error.status is Status.ERROR_ALREADY_ASSIGNED
