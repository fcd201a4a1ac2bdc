"""Ctrl-C and SIGTERM at each fault point: the operation is undone, or finished, before the command ends (N19)."""

from __future__ import annotations

import json
import os
import signal
import subprocess

import pytest

from crashes import NOTIFYEES, Crash, World
from mprouter import Status
from mprouter.store import Store
from servers.daemon import wait_for

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
    *map(Crash, ("begun", "running", "attempting", "cancelling", "held", "delivered")),
    *(Crash(point, nth) for point in ("telling", "told") for nth in range(1, 5)),
]
POINTS_OF_CANCEL_DONE = [
    *map(Crash, ("unmounted", "released", "disconnected", "directory removed", "removed", "ending", "ended")),
    Crash("running", 2),
    *(Crash(point, nth) for point in ("posting", "posted") for nth in range(1, 5)),
]


def check(world: World, crash: Crash, operation: str, *, connected: bool) -> None:
    """Without recovery: all is as it should be, and who left a context was told after, once."""
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
