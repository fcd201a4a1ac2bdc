"""Ctrl-C and SIGTERM at each fault point: the operation is undone, or finished, before the command ends (N19)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import _GeneratorContextManager, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import pytest

from crashes import NOTIFYEES, Crash, World
from mprouter import Router, Status
from mprouter.cli import failure
from mprouter.cli.running import Ended
from mprouter.notify import command
from mprouter.providers.rclone import hold, mounts
from mprouter.providers.rclone.daemon import Daemon
from mprouter.store import Store, sealed
from sandbox import Places
from servers.daemon import wait_for
from strangers import Stranger

POINTS_OF_ADD = [
    *map(Crash, ("begun", "running", "attempting", "directory made", "rclone started", "logged on", "mounted")),
    *(Crash(point, nth) for point in ("telling", "told") for nth in range(1, 5)),
]
POINTS_OF_ADD_DONE = [
    *map(Crash, ("connected", "ending", "ended")),
    Crash("running", 2),
    *(Crash(point, nth) for point in ("posting", "posted") for nth in range(1, 5)),
]
POINTS_OF_CANCEL = [
    *map(Crash, ("begun", "running", "attempting", "cancelling", "holding", "held", "delivered")),
    *(Crash(point, nth) for point in ("telling", "told") for nth in range(1, 5)),
]
POINTS_OF_CANCEL_DONE = [
    *map(
        Crash,
        ("unmounted", "releasing", "released", "disconnected", "directory removed", "removed", "ending", "ended"),
    ),
    Crash("running", 2),
    *(Crash(point, nth) for point in ("posting", "posted") for nth in range(1, 5)),
]


def check(world: World, crash: Crash, operation: str, *, connected: bool) -> None:
    """Without recovery: all is as it should be, and who left a context was told after, once."""
    assert world.programs() in ({"rclone": 1}, {})  # the command has waited for those that it started
    world.check()
    assert bool(world.places.mounts()) is connected
    for who in NOTIFYEES:
        pres, posts = (world.told(operation, who, phase) for phase in ("pre", "post"))
        assert len(pres) <= 1
        begun = pres or (str(crash), who) == ("running", "command")  # it was ended, maybe before it wrote that down
        assert len(posts) == bool(begun), who
        assert not any(each.recovered for each in posts)


@pytest.mark.parametrize("crash", POINTS_OF_ADD, ids=str)
def test_n19_an_interrupted_add_is_undone(world: World, crash: Crash) -> None:
    assert world.struck(crash, signal.SIGINT, *world.connect()) == 130
    assert world.said.endswith("mpr: Z: interrupted; undone\n")
    check(world, crash, "add", connected=False)


@pytest.mark.parametrize("crash", POINTS_OF_ADD_DONE, ids=str)
def test_n19_an_add_that_is_interrupted_after_it_is_done_stands(world: World, crash: Crash) -> None:
    assert world.struck(crash, signal.SIGINT, *world.connect("*"), "--json") == 130
    told = {"name": "Z:", "message": "interrupted; the connection stands", "outcome": "the connection stands"}
    assert json.loads(world.printed).items() >= told.items()
    check(world, crash, "add", connected=True)


@pytest.mark.parametrize("crash", POINTS_OF_CANCEL, ids=str)
def test_n19_an_interrupted_cancel_leaves_the_connection(world: World, crash: Crash) -> None:
    world.mpr(*world.connect())
    (world.places.drives / "Z" / "data").write_bytes(bytes(1 << 20))
    assert world.struck(crash, signal.SIGTERM, "disconnect", "Z:") == 143
    assert world.said.endswith("mpr: Z: interrupted; the connection stands\n")
    check(world, crash, "cancel", connected=True)
    world.mpr("disconnect", "Z:")
    assert (world.root / "data").read_bytes() == bytes(1 << 20)


@pytest.mark.parametrize("crash", POINTS_OF_CANCEL_DONE, ids=str)
def test_n19_a_cancel_that_is_interrupted_after_the_mount_went_is_finished(world: World, crash: Crash) -> None:
    world.mpr(*world.connect())
    (world.places.drives / "Z" / "data").write_bytes(bytes(1 << 20))
    assert world.struck(crash, signal.SIGTERM, "disconnect", "Z:") == 143
    assert world.said.endswith("mpr: Z: interrupted; it is disconnected\n")
    check(world, crash, "cancel", connected=False)
    assert (world.root / "data").read_bytes() == bytes(1 << 20)


@pytest.mark.parametrize("point", ["begun", "attempting", "directory made", "mounted"])
def test_n19_an_interrupted_add_that_nobody_is_told_of_is_undone(alone: World, point: str) -> None:
    assert alone.struck(Crash(point), signal.SIGINT, *alone.connect()) == 130
    assert alone.said.endswith("mpr: Z: interrupted; undone\n")
    check(alone, Crash(point), "add", connected=False)


@pytest.mark.parametrize("point", ["connected", "ended"])
def test_n19_an_add_that_nobody_is_told_of_and_is_interrupted_after_it_is_done_stands(alone: World, point: str) -> None:
    assert alone.struck(Crash(point), signal.SIGINT, *alone.connect()) == 130
    assert alone.said.endswith("mpr: Z: interrupted; the connection stands\n")
    check(alone, Crash(point), "add", connected=True)
    assert [each["status"] for each in alone.events()] == ["WN_SUCCESS"]


@pytest.mark.parametrize("point", ["attempting", "begun", "cancelling"])
def test_n19_an_interrupted_cancel_that_nobody_is_told_of_leaves_the_connection(alone: World, point: str) -> None:
    alone.mpr(*alone.connect())
    assert alone.struck(Crash(point), signal.SIGTERM, "disconnect", "Z:") == 143
    assert alone.said.endswith("mpr: Z: interrupted; the connection stands\n")
    check(alone, Crash(point), "cancel", connected=True)
    alone.mpr("disconnect", "Z:")


@pytest.mark.parametrize("point", ["directory removed", "removed", "ended"])
def test_n19_a_cancel_that_nobody_is_told_of_and_is_interrupted_after_the_mount_went_is_finished(
    alone: World, point: str
) -> None:
    alone.mpr(*alone.connect())
    assert alone.struck(Crash(point), signal.SIGTERM, "disconnect", "Z:") == 143
    assert alone.said.endswith("mpr: Z: interrupted; it is disconnected\n")
    check(alone, Crash(point), "cancel", connected=False)
    assert [each["status"] for each in alone.events()] == ["WN_SUCCESS"] * 2


class Struck(Store):
    """Is interrupted when a success is written, and before anybody knows."""

    def complete(self, *arguments: Any, **named: Any) -> NoReturn:
        super().complete(*arguments, **named)
        raise KeyboardInterrupt

    def remove(self, *arguments: Any, **named: Any) -> NoReturn:
        super().remove(*arguments, **named)
        raise KeyboardInterrupt


@pytest.mark.parametrize("told", [False, True], ids=["nobody", "somebody"])
def test_n19_a_success_that_is_written_counts_though_an_interrupt_came_at_once(
    places: Places, store: Store, told: bool
) -> None:
    answers: list[object] = []

    def notifyee(_: object) -> Iterator[None]:
        answers.append((yield))

    with Router(providers=[Stranger()], store=Struck()) as router:
        if told:
            router.register(notifyee)
        with pytest.raises(KeyboardInterrupt) as caught:
            router.connect("strange://it", "Z:")
        assert caught.value.__notes__ == ["the connection stands: Z:"]
        assert (places.drives / "Z" / "connected").exists()
        assert [each.phase for each in store.entries()] == ["connected"]
        with pytest.raises(KeyboardInterrupt) as caught:
            router.disconnect("Z:")
        assert caught.value.__notes__ == ["it is disconnected: Z:"]
    assert not list(places.drives.iterdir())
    assert (store.entries(), store.operations()) == ([], [])
    assert [(each.operation, each.status) for each in store.events() if each.kind == "operation"] == [
        ("add", Status.WN_SUCCESS),
        ("cancel", Status.WN_SUCCESS),
    ]
    assert answers == [Status.WN_SUCCESS] * 2 * told


def test_an_interrupt_after_all_is_done_says_what_became_of_it(world: World) -> None:
    gate, ending, dial = (world.places.home / name for name in ("gate", "ending", "dial.py"))
    os.mkfifo(gate)
    dial.write_text(
        "import atexit\n"
        f"atexit.register(lambda: (open({str(ending)!r}, 'w').close(), open({str(gate)!r}).read()))\n"
        "def dial(event): pass\n"
    )
    world.register("dial", f"python:{dial}:dial", isolation="process")
    for words, outcome in (
        (world.connect(), "the connection stands"),
        (("disconnect", "Z:"), "it is disconnected"),
    ):
        command = [sys.executable, "-m", "mprouter", *words]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as running:
            wait_for(ending.exists, "the end of the notifyee's process")
            running.send_signal(signal.SIGTERM)
            assert running.wait() == 143
            assert running.communicate()[1].endswith(f"mpr: Z: interrupted; {outcome}\n")
        ending.unlink()
    world.check()


def test_a_second_ctrl_c_ends_the_command_at_once_and_the_next_one_settles_what_is_left(
    world: World, store: Store
) -> None:
    gate, slow = world.places.home / "gate", world.places.home / "slow"
    os.mkfifo(gate)
    slow.write_text(f'#!/bin/sh\n[ "$MPR_PHASE" = pre ] || cat {gate}\n')
    slow.chmod(0o700)
    world.register("slow", f"command:{slow}")
    words = world.words(Crash("attempting"), signal.SIGINT, *world.connect())
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as connecting:
        with gate.open("w"):  # its post is under way, after the first Ctrl-C
            wait_for(
                lambda: any(each.made and each.pid for under_way in store.operations() for each in under_way.owed),
                "the journal to know of that",
            )
            connecting.send_signal(signal.SIGINT)
            assert connecting.wait() == 130
            assert "the next command settles what is left" in connecting.communicate()[1]
            assert world.told("add", phase="post") == []
        recovered = json.loads(world.mpr("recover", "--json"))[0]
    assert recovered["told"] == ["user/command", "user/inline", "user/isolated"]  # the slow one went on by itself
    posts = world.told("add", phase="post")
    assert {each.status for each in posts} == {Status.WN_CANCEL}
    world.check()


# -- where no fault point is -----------------------------------------------------------------------------------


@contextmanager
def struck(function: Callable[..., object], within: str, nth: int = 1) -> Iterator[None]:
    """Ctrl-C strikes when *function* is called for the *nth* time while a function of the name *within* runs."""
    left = nth

    def look(frame: FrameType | None, event: str, _: object) -> None:
        nonlocal left
        if frame is None or event != "call" or frame.f_code is not function.__code__:
            return
        while frame is not None and frame.f_code.co_name != within:
            frame = frame.f_back
        left -= frame is not None
        if not left:
            sys.setprofile(None)
            raise KeyboardInterrupt

    sys.setprofile(look)
    try:
        yield
    finally:
        sys.setprofile(None)
        assert not left


@pytest.mark.parametrize(
    ("function", "nth"),
    [(command._told, 2), (threading.Thread.start, 2), (threading.Event.wait, 3)],
    ids=["it is prepared", "it is started", "it has just been started"],
)
def test_n19_a_command_is_told_after_though_an_interrupt_comes_when_it_is_about_to_be(
    world: World, function: Callable[..., object], nth: int
) -> None:
    with Router(providers=[Stranger()]) as router:
        with struck(function, "_run", nth), pytest.raises(KeyboardInterrupt) as caught:
            router.connect("strange://it", "Z:")
        assert caught.value.__notes__ == ["the connection stands: Z:"]
        assert [each.status for each in world.told("add", "command", "post")] == [0]
        router.disconnect("Z:")
    assert Store().operations() == []


@pytest.mark.parametrize("within", ["claim", "_changed"])
def test_n19_an_interrupt_where_a_transaction_is_left_holds_up_nobody(store: Store, within: str) -> None:
    def notifyee(_: object) -> Iterator[None]:
        yield

    with Router(providers=[Stranger()]) as router:
        router.register(notifyee)
        with struck(_GeneratorContextManager.__exit__, within), pytest.raises(KeyboardInterrupt) as caught:
            router.connect("strange://it", "Z:")
        assert caught.value.__notes__[-1:] in (["undone: Z:"], ["the connection stands: Z:"])
        assert store.operations() == []
        if store.entries():
            router.disconnect("Z:")
        router.connect("strange://it", "Z:")
        router.disconnect("Z:")


@pytest.mark.parametrize("method", ["connections", "recover", "restore"])
def test_an_interrupt_that_pythons_prompt_keeps_keeps_no_transaction(
    store: Store, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    with Router(providers=[Stranger()]) as router:
        router.connect("strange://it", "Z:", persist=True)
        with struck(_GeneratorContextManager.__exit__, method), pytest.raises(KeyboardInterrupt) as kept:
            getattr(router, method)()
        monkeypatch.setattr(sys, "last_value", kept.value, raising=False)
        router.disconnect("Z:", forget=True)
    assert store.entries() == []


def test_c8_an_interrupt_while_a_row_is_written_is_no_damage(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    left = [True]

    def checksum(*values: object) -> int:
        if left:
            left.clear()
            signal.raise_signal(signal.SIGINT)
        return sealed.checksum(*values)

    def install(db: Any) -> None:
        db.create_function("mprouter_checksum", -1, checksum, deterministic=True)

    monkeypatch.setattr(sealed, "install", install)
    with Router(providers=[Stranger()]) as router:
        with pytest.raises(KeyboardInterrupt):
            router.connect("strange://it", "Z:")
        assert router.connections() == []
        router.connect("strange://it", "Z:")
        router.disconnect("Z:")
    assert store.operations() == []


def test_a_signal_that_had_to_pass_through_sqlite_keeps_its_exit_code(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Ended, "latest", None)
    assert failure.tell(KeyboardInterrupt(), json=False) == 130
    Ended(signal.SIGTERM)
    assert failure.tell(KeyboardInterrupt(), json=False) == 143
    assert capsys.readouterr().err == "mpr: interrupted\n" * 2


def test_n19_an_interrupt_while_rclone_mounts_to_end_a_file_system_leaves_no_mount(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual, call, unmount = hold.mount, Daemon.call, mounts.unmount
    left: list[Callable[[], None]] = []  # what rclone is at
    is_struck: list[bool] = []

    def struck_mount(daemon: Daemon, fs: str, mountpoint: Path, device: str, *more: Any, **named: Any) -> None:
        left.append(lambda: usual(daemon, fs, mountpoint, device, *more, **named))
        if device == "mprouter, ending" and not is_struck:
            is_struck.append(True)
            raise KeyboardInterrupt
        left.pop()()

    def called(daemon: Daemon, method: str, **parameters: Any) -> dict[str, Any]:
        if method == "mount/unmount" and left:
            left.pop()()
        return call(daemon, method, **parameters)

    def unmounted(*arguments: Any, **named: Any) -> bool:
        done = unmount(*arguments, **named)
        if left:
            left.pop()()
        return done

    monkeypatch.setattr(Daemon, "call", called)
    monkeypatch.setattr(mounts, "unmount", unmounted)
    monkeypatch.setattr(hold, "mount", struck_mount)
    options = dict(each.split("=", 1) for each in world.options if "=" in each)
    with Router() as router:
        router.connect(world.resource, "Z:", options=options)
        with pytest.raises(KeyboardInterrupt) as caught:
            router.disconnect("Z:")
        assert caught.value.__notes__ == ["it is disconnected: Z:"]
    world.check()
    assert world.places.mounts() == []
