"""The journal: what the store says of operations that are under way, and how little is written for it (N19)."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import pytest

from mprouter import AddConnect, CancelConnect, ConnectFlag, NetResource, NotifyInfo, Phase, Router, Status, WNetError
from mprouter.history import History, event_of
from mprouter.notify.context import LIMIT
from mprouter.notify.model import Event
from mprouter.providers.base import Mounted, Progress
from mprouter.recovery import cut_off
from mprouter.resource import DisplayType, ResourceScope, ResourceType, ResourceUsage
from mprouter.store import Entry, Operation, Owed, Remembered, Store, owner
from mprouter.store.database import Database
from sandbox import Places
from strangers import Stranger

ADD = AddConnect(NetResource("sftp://files/projects", "Z:", provider="sftp"), ConnectFlag.UPDATE_PROFILE, 7)
CANCEL = CancelConnect("Z:", "sftp", ConnectFlag.UPDATE_PROFILE, force=True)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "state")
    yield made
    made.close()


@pytest.fixture
def store_of_user(places: Places) -> Iterator[Store]:
    """What the user's routers have written down."""
    del places  # they are in the environment
    made = Store()
    yield made
    made.close()


@pytest.fixture
def history(store: Store) -> History:
    """Of an add that has begun."""
    begun = History(store, ADD, "sftp://files/projects", "Z:")
    store.begin(begun.operation())
    return begun


def only(store: Store) -> Operation:
    (operation,) = store.operations()
    return operation


@contextmanager
def counting(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bool]]:
    """The transactions that are made meanwhile; each, whether it waits for the disk."""
    made: list[bool] = []
    real = Database.writing

    def writing(self: Database, *, durable: bool = False) -> object:
        made.append(durable)
        return real(self, durable=durable)

    with monkeypatch.context() as patched:
        patched.setattr(Database, "writing", writing)
        yield made


@pytest.mark.parametrize(
    "event",
    [
        ADD,
        CANCEL,
        CancelConnect("//files/projects", None, ConnectFlag(0), force=False),
        AddConnect(
            NetResource(
                r"\\files\projects",
                type=ResourceType.ANY,
                comment="the projects",
                scope=ResourceScope.GLOBALNET,
                display_type=DisplayType.SHARE,
                usage=ResourceUsage.CONNECTABLE,
            )
        ),
    ],
    ids=lambda each: type(each).__name__,
)
def test_n19_what_the_notifyees_were_told_can_be_told_again(store: Store, event: AddConnect | CancelConnect) -> None:
    store.begin(History(store, event, None, None).operation())
    assert event_of(only(store)) == event


def test_n19_an_operation_is_in_the_journal_from_its_begin_to_its_end(store: Store, history: History) -> None:
    there = only(store)
    assert (there.id, there.owner_pid, there.owner_alive()) == (history.id, os.getpid(), True)
    assert (there.status, there.attempt, there.owed) == (None, 1, ())
    history.ended(Status.WN_SUCCESS)
    assert store.operations() == []
    assert [each.status for each in store.events()] == [0]


def test_n19_the_journal_tells_who_is_owed_a_post_with_which_context(store: Store, history: History) -> None:
    history.telling("user/a", 1)
    history.write()
    assert only(store).owed == (Owed("user/a", 0),)
    history.left("user/a", {"lease": 7})
    history.telling("user/b", 1)
    history.write()
    assert only(store).owed == (Owed("user/a", 0, '{"lease": 7}'), Owed("user/b", 1))
    history.left("user/b", None)
    history.write()
    assert [each.notifyee for each in only(store).owed] == ["user/a"]
    history.outcome(Status.ERROR_BAD_NETPATH)
    history.posted("user/a")
    history.write()
    assert (only(store).status, only(store).owed) == (Status.ERROR_BAD_NETPATH, ())


@pytest.mark.parametrize("context", [{"at": {1, 2}}, "x" * (LIMIT + 1), float("inf")], ids=["set", "long", "inf"])
def test_n19_who_left_a_context_that_cannot_be_kept_is_owed_a_post(
    store: Store, history: History, context: object
) -> None:
    history.telling("user/a", 1)
    history.left("user/a", context)
    history.write()
    assert only(store).owed == (Owed("user/a", 0),)
    history.outcome(Status.WN_SUCCESS)
    history.running("user/a", os.getpid())
    history.posted("user/a")
    history.write()
    assert only(store).owed == ()


def test_n11_another_attempt_is_in_the_journal(store: Store, history: History) -> None:
    history.telling("user/a", 1)
    history.left("user/a", {})
    history.outcome(Status.ERROR_BAD_NETPATH)
    history.write()
    history.outcome(None)
    history.telling("user/a", 2)
    history.write()
    assert (only(store).attempt, only(store).status) == (2, None)


def test_n19_a_command_that_runs_is_known_at_once(store: Store, history: History) -> None:
    history.telling("user/a", 1)
    history.running("user/a", os.getpid())
    pid, start = owner.me()
    assert only(store).owed == (Owed("user/a", 0, None, made=False, pid=pid, start=start),)
    history.left("user/a", {})
    history.outcome(Status.WN_SUCCESS)
    history.running("user/a", os.getpid())
    assert [each.made for each in only(store).owed] == [True]


def test_n19_nothing_is_written_where_nothing_has_changed(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    with counting(monkeypatch) as made:
        history.write()
        history.outcome(Status.WN_SUCCESS)  # nobody is owed anything
        history.write()
        assert made == []
        history.telling("user/a", 1)
        history.left("user/a", None)
        history.write()
        history.write()
        assert made == [False]


def test_n19_before_an_attempt_that_somebody_is_owed_a_post_for_the_journal_waits_for_the_disk(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    history.telling("user/a", 1)
    history.left("user/a", {})
    with counting(monkeypatch) as made:
        history.write(durable=True)
    assert made == [True]


def test_n19_the_journal_waits_for_the_disk_also_for_what_was_written_before(
    store: Store, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = store.path.with_name(f"{store.path.name}-wal")
    history.telling("user/a", 1)
    history.left("user/a", {})
    history.write()  # as it is before one is told who is in this process alone
    before = log.stat().st_size
    with counting(monkeypatch) as made:
        history.write(durable=True)
        history.write(durable=True)
    assert made == [True]
    assert log.stat().st_size > before, "nothing was written, so that SQLite has not waited for the disk"


def test_an_operation_whose_process_has_the_id_of_another_one_was_cut_off(store: Store) -> None:
    store.begin(History(store, ADD, None, "Z:").operation())
    pid, _ = owner.me()
    assert replace(only(store), owner_pid=pid, owner_start="an earlier boot/1").owner_alive() is False


def test_n19_one_that_cannot_be_recovered_is_told_and_keeps_nobody_from_the_others(
    places: Places, store_of_user: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    del places
    for name in ("Y:", "Z:"):
        operation = History(store_of_user, ADD, None, name).operation()
        store_of_user.begin(replace(operation, owner_start="an earlier boot/1"))

    def strike(point: str) -> None:
        if point == "settled" and only_once:
            raise OverflowError(only_once.pop())

    only_once = ["too large"]
    monkeypatch.setattr("mprouter.faults.hook", strike)
    with Router() as router:
        failed, settled = router.recover()
        assert failed.error is not None
        assert "too large" in str(failed.error)
        assert (settled.local_name, settled.status) == ("Y:", Status.ERROR_PROCESS_ABORTED)
        assert [each.local_name for each in router.recover()] == ["Z:"]
    assert store_of_user.operations() == []


# -- an operation that nobody is told after ------------------------------------------------------------------------


def test_n19_an_add_and_a_cancel_that_nobody_is_told_of_make_two_commits_each(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    del places
    with Router(providers=[Stranger()]) as router, counting(monkeypatch) as made:
        router.connect("strange://it").close()
    assert made == [False] * 4


def test_c3_a_change_of_the_profile_waits_for_the_disk_also_where_the_operation_ends_with_it(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    del places
    with Router(providers=[Stranger()]) as router, counting(monkeypatch) as made:
        router.connect("strange://it", "Z:", persist=True).close(forget=True)
    assert made == [False, True, False, True]


def test_n6_n20_one_who_leaves_no_context_has_its_events_before_that_of_the_operation(
    places: Places, store_of_user: Store
) -> None:
    del places
    with Router(providers=[Stranger()]) as router:
        router.register(lambda _: None, name="listening")
        router.connect("strange://it").close()
    told = [(each.operation, each.kind, each.provider) for each in store_of_user.events()]
    assert told == [
        ("add", "notify", None),
        ("add", "operation", "stranger"),
        ("cancel", "notify", None),
        ("cancel", "operation", "stranger"),
    ]
    assert store_of_user.operations() == []


def test_a_cancel_that_is_refused_before_it_is_attempted_leaves_the_connection(
    places: Places, store_of_user: Store
) -> None:
    with Router(providers=[Stranger()]) as router:
        connection = router.connect("strange://it")
        (places.config / "settings.toml").write_text("max_retries = 'many'")
        with pytest.raises(WNetError) as caught:
            connection.close()
        assert caught.value.status is Status.ERROR_BAD_CONFIGURATION
        assert store_of_user.operations() == []
        assert [each.phase for each in store_of_user.entries()] == ["connected"]
        (places.config / "settings.toml").unlink()
        connection.close()
    assert [each.status for each in store_of_user.events()] == [0, Status.ERROR_BAD_CONFIGURATION, 0]


class Forgetful(Store):
    """Cannot write that an add has succeeded."""

    def complete(self, *_: object, **__: object) -> NoReturn:
        raise WNetError(Status.ERROR_DISK_FULL)


def test_an_add_that_cannot_be_written_down_is_undone_and_recorded_once(places: Places, store_of_user: Store) -> None:
    with Router(providers=[Stranger()], store=Forgetful()) as router, pytest.raises(WNetError):
        router.connect("strange://it", "Z:")
    assert not list(places.drives.iterdir())
    assert (store_of_user.entries(), store_of_user.operations()) == ([], [])
    assert [(each.operation, each.status) for each in store_of_user.events()] == [("add", Status.ERROR_DISK_FULL)]


class Unwilling(Store):
    """Cannot write how a cancel has ended, so many *times*."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def keep(self, *arguments: Any, **named: Any) -> None:
        self._fail()
        super().keep(*arguments, **named)

    def remove(self, *arguments: Any, **named: Any) -> None:
        self._fail()
        super().remove(*arguments, **named)

    def settle(self, *arguments: Any, **named: Any) -> None:
        self._fail()
        super().settle(*arguments, **named)

    def _fail(self) -> None:
        self.times -= 1
        if self.times >= 0:
            raise WNetError(Status.ERROR_BUSY, "locked for long")


class Clinging(Stranger):
    """Does not disconnect what is in use."""

    in_use = False

    def cancel_connection(self, mounted: Mounted, *, force: bool, progress: Progress | None = None) -> None:
        if self.in_use and not force:
            raise WNetError(Status.ERROR_OPEN_FILES)
        super().cancel_connection(mounted, force=force, progress=progress)


Cancelling = tuple[Router, Unwilling, Clinging, list[Status], bool]


class Leasing:
    """A notifyee whose context is in the journal, and who may wish a cancel to be attempted again."""

    def __init__(self, told: list[Status], wishes: list[Status]) -> None:
        self.told = told
        self.wishes = wishes

    def cancel_connect_notify(self, info: NotifyInfo, event: CancelConnect) -> Status:
        del event
        if info.phase is Phase.PRE:
            info.context = {"lease": 7}
            return Status.WN_SUCCESS
        self.told.append(info.status)
        return self.wishes.pop() if self.wishes else Status.WN_SUCCESS


@pytest.fixture(params=["nobody", "a generator", "an object"])
def cancelling(places: Places, request: pytest.FixtureRequest) -> Iterator[Cancelling]:
    """A router with Z:, and what somebody is told after its cancels; whether somebody is.

    Somebody: a generator, or one whose post another process could make.
    """
    del places
    store, provider = Unwilling(0), Clinging()
    told: list[Status] = []

    def notifyee(event: Event) -> Generator[None, Status, None]:
        status = yield
        if isinstance(event, CancelConnect):
            told.append(status)

    with Router(providers=[provider], store=store) as router:
        if request.param != "nobody":
            router.register(notifyee if request.param == "a generator" else Leasing(told, []))
        router.connect("strange://it", "Z:", persist=True)
        yield router, store, provider, told, request.param != "nobody"


def test_a_cancel_that_fails_leaves_the_connection_though_that_can_only_be_written_later(
    cancelling: Cancelling,
) -> None:
    router, store, provider, told, is_told = cancelling
    provider.in_use = True
    store.times = 1
    with pytest.raises(WNetError) as caught:
        router.disconnect("Z:")
    assert caught.value.status is Status.ERROR_OPEN_FILES
    assert told == [Status.ERROR_OPEN_FILES] * is_told
    assert ([each.phase for each in store.entries()], store.operations()) == (["connected"], [])
    provider.in_use = False
    router.disconnect("Z:")
    assert store.entries() == []


def test_a_cancel_that_succeeds_has_succeeded_though_that_can_only_be_written_later(
    cancelling: Cancelling, places: Places
) -> None:
    router, store, _, told, is_told = cancelling
    store.times = 1
    router.disconnect("Z:")
    assert told == [Status.WN_SUCCESS] * is_told
    assert (store.entries(), store.operations(), list(places.drives.iterdir())) == ([], [], [])
    assert [(each.operation, each.status) for each in store.events() if each.kind == "operation"] == [
        ("add", Status.WN_SUCCESS),
        ("cancel", Status.WN_SUCCESS),
    ]


@pytest.mark.parametrize("in_use", [False, True])
def test_n19_a_cancel_whose_end_cannot_be_written_is_settled_by_the_next_operation(
    cancelling: Cancelling, in_use: bool
) -> None:
    router, store, provider, told, is_told = cancelling
    provider.in_use = in_use
    store.times = 3  # both tries, and that of who settles it at once
    with pytest.raises(WNetError) as caught:
        router.disconnect("Z:", forget=True)
    assert caught.value.status is (Status.ERROR_OPEN_FILES if in_use else Status.ERROR_BUSY)
    assert caught.value.name == "Z:"
    assert told == [caught.value.status] * is_told
    assert [each.phase for each in store.entries()] == ["cancelling"]
    (recovered,) = router.recover()
    assert recovered.outcome == ("undone: the connection stands" if in_use else "finished")
    assert [each.phase for each in store.entries()] == ["connected"] * in_use
    assert [each.local_name for each in store.remembered()] == ["Z:"] * in_use
    assert store.operations() == []
    assert len(told) == is_told


def test_n11_a_cancel_whose_end_cannot_be_written_is_not_attempted_again(places: Places) -> None:
    del places
    store, told = Unwilling(0), list[Status]()
    with Router(providers=[Clinging()], store=store) as router:
        router.register(Leasing(told, [Status.WN_RETRY]))
        router.connect("strange://it", "Z:")
        store.times = 2
        with pytest.raises(WNetError) as caught:
            router.disconnect("Z:")
    assert caught.value.status is Status.ERROR_BUSY
    assert told == [Status.ERROR_BUSY] * 2
    assert (store.entries(), store.operations()) == ([], [])


def test_n19_what_could_not_be_written_of_the_journal_goes_with_what_is_written_next(
    store: Store, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> NoReturn:
        raise WNetError(Status.ERROR_BUSY)

    history.telling("user/a", 1)
    with monkeypatch.context() as patched:
        patched.setattr(store, "note", fail)
        history.write()
    history.left("user/a", {"lease": 7})
    history.telling("user/b", 1)
    history.write()
    assert [(each.notifyee, each.context) for each in only(store).owed] == [
        ("user/a", '{"lease": 7}'),
        ("user/b", None),
    ]
    history.posted("user/a")
    with monkeypatch.context() as patched:
        patched.setattr(store, "note", fail)
        history.write()
    history.write(durable=True)
    assert [each.notifyee for each in only(store).owed] == ["user/b"]


def test_n19_nothing_of_what_was_owed_stays_in_the_file_when_the_operation_is_over(
    store: Store, history: History
) -> None:
    history.telling("user/a", 1)
    history.left("user/a", {"lease": 7})
    history.write()
    history.posted("user/a")
    history.ended(Status.WN_SUCCESS)
    with closing(sqlite3.connect(store.path)) as db:
        assert db.execute("SELECT * FROM owed").fetchall() == []


@pytest.mark.parametrize("is_forgotten", [True, False])
def test_n19_c5_recovery_forgets_nothing_that_was_not_connected_or_is_remembered_anew(
    places: Places, store_of_user: Store, is_forgotten: bool
) -> None:
    del places
    remembered = Remembered("Z:", "strange://it", "strange://it", None, None, int(ResourceType.DISK), {}, 0.0)
    store_of_user.remember(remembered)
    operation = History(store_of_user, CANCEL, "strange://it", "Z:").operation(forget="Z:")
    store_of_user.begin(replace(operation, owner_start="an earlier boot/1"))
    if is_forgotten:
        store_of_user.forget("Z:", operation=operation.id)
        store_of_user.remember(remembered)  # once more, by another process
    with Router(providers=[Stranger()]) as router:
        assert [each.outcome for each in router.recover()] == [
            "finished" if is_forgotten else "undone: the connection stands"
        ]
    assert store_of_user.remembered() == [remembered]


def test_a_remembered_connection_is_forgotten_though_another_process_has_just_disconnected_it(places: Places) -> None:
    del places

    def another(_: Event) -> None:
        with Router(providers=[Stranger()]) as other:
            other.disconnect("Z:")

    with Router(providers=[Stranger()]) as router:
        router.connect("strange://it", "Z:", persist=True)
        router.register(another)
        router.disconnect("Z:", forget=True)
        assert router.connections(remembered=True) == []


@pytest.mark.parametrize("told", [False, True], ids=["nobody", "somebody"])
def test_c5_the_event_of_a_cancel_names_the_provider_of_the_oldest_connection(
    places: Places, store_of_user: Store, told: bool
) -> None:
    del places
    second = Stranger()
    second.name = "second"
    with Router(providers=[Stranger(), second]) as router:
        router.connect("strange://it")
        router.connect("strange://it", provider="second")
        if told:
            router.register(lambda _: (yield))
        router.disconnect("strange://it")
    assert store_of_user.entries() == []
    (*_, last) = store_of_user.events()
    assert (last.operation, last.provider) == ("cancel", "stranger")


def test_n19_what_ends_while_the_journal_is_read_was_not_cut_off(
    store: Store, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    under_way = store.under_way

    def ended_meanwhile() -> object:
        found = under_way()
        if history.is_open:
            history.ended(Status.WN_SUCCESS)
            at_work.close()
        return found

    monkeypatch.setattr(store, "under_way", ended_meanwhile)
    with ExitStack() as at_work:
        at_work.enter_context(history)
        assert cut_off(store) == ([], [])


def test_n19_a_claim_whose_process_ends_while_it_is_read_was_not_cut_off(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "sftp://files/projects"
    claim = store.claim(remote_name=name, canonical=name, type=1, options={}, path_of=lambda *_: Path("/nowhere"))
    under_way = store.under_way

    def ended_meanwhile() -> object:
        found = under_way()
        store.remove(claim.id)
        return found

    monkeypatch.setattr(store, "under_way", ended_meanwhile)
    monkeypatch.setattr(Entry, "owner_alive", lambda _: False)
    assert cut_off(store) == ([], [])
