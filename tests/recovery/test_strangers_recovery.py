"""Recovery with providers of strangers: whose a connection is that was cut off, and what if they cannot clear it."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace

import pytest

import strangers
from mprouter import AddConnect, CancelConnect, NetResource, NotifyInfo, Phase, Router, Status, WNetError
from mprouter.history import History
from mprouter.notify.model import Event
from mprouter.providers.base import Added, AddRequest, Mounted, State
from mprouter.store import Owed, Store
from sandbox import Places
from strangers import Stranger


def killed_while_connecting(*words: str) -> None:
    """``mpr connect``, whose provider ends the process once something is there."""
    ran = subprocess.run([sys.executable, "-m", "mprouter", "connect", *words], capture_output=True, check=False)
    assert ran.returncode == -signal.SIGKILL


DYING = """
def add_connection(self, request):
    super().add_connection(request)
    import os, signal
    os.kill(os.getpid(), signal.SIGKILL)
"""

REFUSING = """
def add_connection(self, request):
    from mprouter import Status, WNetError
    raise WNetError(Status.ERROR_BAD_NET_NAME)
def cancel_connection(self, mounted, *, force, progress=None): ...
"""


@pytest.mark.parametrize("words", [[], ["--provider", "dying"]], ids=["routed", "named"])
def test_n19_r1_what_a_later_provider_has_begun_is_its_to_clear_away(places: Places, words: list[str]) -> None:
    strangers.register(places, "refusing", REFUSING, more="order = 1")
    strangers.register(places, "dying", DYING, more="order = 2")
    killed_while_connecting("strange://it", "Z:", *words)
    assert (places.drives / "Z" / "connected").exists()
    with Router() as router:
        assert [each.outcome for each in router.recover()] == ["undone"]
    assert not (places.drives / "Z").exists()


def test_n19_what_a_disabled_provider_has_begun_is_its_to_clear_away(places: Places) -> None:
    strangers.register(places, "dying", DYING)
    killed_while_connecting("strange://it", "Z:")
    (places.config / "settings.toml").write_text('disabled_providers = ["dying"]')
    with Router() as router:
        assert [each.outcome for each in router.recover()] == ["undone"]


def test_n19_what_cannot_be_cleared_away_can_be_given_up(places: Places) -> None:
    cannot = "def cancel_connection(self, mounted, *, force, progress=None):\n    mounted.handle['host']\n"
    strangers.register(places, "dying", DYING + cannot)
    killed_while_connecting("strange://it", "Z:")
    with Router() as router:
        assert [each.outcome for each in router.recover()] == ["not settled"]
        with pytest.raises(WNetError):
            router.disconnect("Z:")
        router.disconnect("Z:", force=True)
        assert router.recover() == []
        assert router.connections() == []
    assert (places.drives / "Z" / "connected").exists()  # as the warning says
    store = Store()
    assert [(each.status, each.recovered) for each in store.events() if each.operation == "add"] == [
        (Status.ERROR_PROCESS_ABORTED, True)
    ]
    store.close()


@pytest.mark.parametrize("can", [True, False], ids=["can", "cannot"])
def test_n19_a_connection_in_the_making_whose_operation_is_lost_is_undone_or_given_up(
    places: Places, store: Store, *, can: bool
) -> None:
    cannot = "def cancel_connection(self, mounted, *, force, progress=None):\n    mounted.handle['host']\n"
    strangers.register(places, "dying", DYING + ("" if can else cannot))
    killed_while_connecting("strange://it", "Z:")
    [operation] = store.operations()
    store.end(operation.id, [])  # as where salvage could not keep it
    with Router() as router:
        assert [each.outcome for each in router.recover()] == ["undone" if can else "not settled"]
        if not can:
            router.disconnect("Z:", force=True)
        assert router.recover() == []
    assert store.entries() == []
    assert (places.drives / "Z").exists() is not can


class Silent(Stranger):
    """Is interrupted while it disconnects, and cannot say then what is left."""

    def cancel_connection(self, *_: object, **__: object) -> None:
        raise KeyboardInterrupt

    def settle(self, _: Mounted) -> State:
        raise FileNotFoundError


def test_c5_what_is_given_up_is_forgotten_too_if_that_is_asked_for(places: Places) -> None:
    del places
    with Router(providers=[Silent()]) as router:
        router.connect("strange://it", "Z:", persist=True)
        with pytest.raises(KeyboardInterrupt):
            router.disconnect("Z:")
        router.disconnect("Z:", force=True, forget=True)
        assert router.connections(remembered=True) == []


def test_c6_what_stands_is_disconnected_by_force_and_not_given_up_though_its_add_was_just_cut_off(
    places: Places, store: Store
) -> None:
    with Router(providers=[Stranger()]) as router:
        router.connect("strange://it", "Z:")
        [entry] = store.entries()

        def another_process_dies_and_it_is_disconnected(_: Event) -> None:
            history = History(store, AddConnect(NetResource("strange://it", "Z:")), "strange://it", "Z:")
            operation = history.operation(entries=[entry.id])
            store.begin(replace(operation, status=int(Status.WN_SUCCESS), owner_start="an earlier boot/1"))
            router.disconnect("Z:", force=True)

        router.register(another_process_dies_and_it_is_disconnected)
        router.connect("strange://other", "Y:")
    assert not (places.drives / "Z").exists()


class Interrupted(Stranger):
    """Is interrupted while it connects, and cannot clear away what is not there."""

    def add_connection(self, _: AddRequest) -> Added:
        raise KeyboardInterrupt

    def cancel_connection(self, *_: object, **__: object) -> None:
        raise FileNotFoundError


def test_n19_an_interrupt_is_not_hidden_by_a_provider_that_cannot_clear_away(places: Places) -> None:
    with Router(providers=[Interrupted()]) as router:
        with pytest.raises(KeyboardInterrupt) as caught:
            router.connect("strange://it", "Z:")
        assert "not settled yet" in caught.value.__notes__[0]
        router.disconnect("Z:", force=True)
    assert not list(places.drives.iterdir())


def test_n19_the_directory_is_there_when_what_was_interrupted_is_cleared_away(places: Places) -> None:
    seen = []

    class Looking(Interrupted):
        def cancel_connection(self, *_: object, **__: object) -> None:
            seen.append((places.drives / "Z").is_dir())

    with Router(providers=[Looking()]) as router, pytest.raises(KeyboardInterrupt):
        router.connect("strange://it", "Z:")
    assert seen == [True]
    assert not (places.drives / "Z").exists()


def test_n19_c1_an_empty_directory_stays_though_what_was_interrupted_there_is_undone(places: Places) -> None:
    class Clearing(Interrupted):
        def cancel_connection(self, *_: object, **__: object) -> None: ...

    mine = places.home / "mine"
    mine.mkdir()
    with Router(providers=[Clearing()]) as router:
        with pytest.raises(KeyboardInterrupt):
            router.connect("strange://it", mine)
        assert router.connections() == []
    assert mine.is_dir()


@pytest.mark.parametrize(
    ("status", "provider"),
    [(Status.WN_SUCCESS, "stranger"), (Status.ERROR_OPEN_FILES, None)],
    ids=str,
)
def test_n14_n19_a_recovered_post_names_the_provider_that_cancelled(
    places: Places, store: Store, status: Status, provider: str | None
) -> None:
    del places
    told = []

    class Notifyee:
        def cancel_connect_notify(self, info: NotifyInfo, event: CancelConnect) -> None:
            told.append((info.phase, info.status, info.context, info.recovered, event.provider))

    operation = History(store, CancelConnect("Z:"), "strange://it", "Z:").operation(provider="stranger")
    store.begin(replace(operation, owner_start="an earlier boot/1"))
    store.note(operation.id, attempt=1, status=status, owed={"code/it": Owed("code/it", 0, '"kept"')})
    with Router(providers=[Stranger()]) as router:
        router.register(Notifyee(), name="it")
        assert [each.told for each in router.recover()] == [("code/it",)]
    assert told == [(Phase.POST, status, "kept", True, provider)]
