"""The crash matrix: a command is killed at each fault point, then recovery runs, and then all is as it should be (N19).

Each point is tried with a notifyee of each kind. The table in ``docs/recovery.md`` says what becomes of an operation
that was cut off there.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from crashes import Crash, World
from mprouter import faults
from mprouter.status import Status
from mprouter.store import Store

ABORTED = int(Status.ERROR_PROCESS_ABORTED)

TOLD_BEFORE = [
    *(Crash("telling", nth) for nth in range(1, 5)),
    Crash("running"),
    *(Crash("told", nth) for nth in range(1, 5)),
]
TOLD_AFTER = [
    *(Crash("posting", nth) for nth in range(1, 5)),
    Crash("running", 2),
    *(Crash("posted", nth) for nth in range(1, 5)),
]
LAST = [Crash("ending"), Crash("ended")]

ADD_UNDONE = [
    Crash("begun"),
    *TOLD_BEFORE,
    *map(Crash, ("attempting", "directory made", "rclone started", "logged on", "mounted")),
]
ADD_FINISHED = [Crash("connected"), *TOLD_AFTER, *LAST]
ADD_FAILED = [Crash("failed"), *TOLD_AFTER, *LAST]

CANCEL_UNDONE = [
    Crash("begun"),
    *TOLD_BEFORE,
    *map(Crash, ("attempting", "cancelling", "holding", "held", "delivered")),
]
CANCEL_FINISHED = [
    *map(Crash, ("unmounted", "releasing", "released", "disconnected", "directory removed", "removed")),
    *TOLD_AFTER,
    *LAST,
]
CANCEL_FAILED = [Crash("failed"), *TOLD_AFTER, *LAST]
RECOVERY = [
    *map(Crash, ("recovering", "settled")),
    *(Crash("posting", nth) for nth in range(1, 4)),
    *(Crash("posted", nth) for nth in range(1, 4)),
    *LAST,
]


def can_be_used(world: World) -> None:
    """The local name can be connected again, shows what is on the server, and takes new data."""
    connected = world.mpr("list")
    if "Z:" not in connected:
        world.mpr(*world.connect())
    (world.places.drives / "Z" / "afterwards").write_text("still fine")
    world.mpr("disconnect", "Z:")
    assert (world.root / "afterwards").read_text() == "still fine"
    world.check()


@pytest.mark.parametrize("crash", ADD_UNDONE, ids=str)
def test_n19_an_add_that_is_killed_before_it_is_connected_is_undone(world: World, crash: Crash) -> None:
    world.killed(crash, *world.connect())
    world.mpr("recover")
    world.check()
    assert world.places.mounts() == []
    world.check_notifications(crash, "add", ABORTED)
    can_be_used(world)


@pytest.mark.parametrize("crash", ADD_FINISHED, ids=str)
def test_n19_an_add_that_is_killed_after_it_is_connected_is_finished(world: World, crash: Crash) -> None:
    world.killed(crash, *world.connect())
    world.mpr("recover")
    world.check()
    assert world.places.mounts() == [str(world.places.drives / "Z")]
    world.check_notifications(crash, "add", 0)
    can_be_used(world)


@pytest.mark.parametrize("crash", ADD_FAILED, ids=str)
def test_n19_an_add_that_is_killed_after_it_failed_stays_failed(world: World, crash: Crash) -> None:
    resource, world.resource = world.resource, world.resource + "/missing"
    world.killed(crash, *world.connect())
    world.mpr("recover")
    world.check()
    unknown = crash.point == "failed"
    world.check_notifications(crash, "add", ABORTED if unknown else int(Status.ERROR_PATH_NOT_FOUND))
    world.resource = resource
    can_be_used(world)


@pytest.mark.parametrize("crash", CANCEL_UNDONE, ids=str)
def test_n19_a_cancel_that_is_killed_while_the_mount_is_there_is_undone(world: World, crash: Crash) -> None:
    world.mpr(*world.connect())
    (world.places.drives / "Z" / "data").write_bytes(bytes(1 << 20))
    world.killed(crash, "disconnect", "Z:")
    world.mpr("recover")
    world.check()
    assert world.places.mounts() == [str(world.places.drives / "Z")]
    world.check_notifications(crash, "cancel", ABORTED)
    can_be_used(world)
    assert (world.root / "data").read_bytes() == bytes(1 << 20)


@pytest.mark.parametrize("crash", CANCEL_FINISHED, ids=str)
def test_n19_a_cancel_that_is_killed_after_the_mount_went_is_finished(world: World, crash: Crash) -> None:
    world.mpr(*world.connect())
    (world.places.drives / "Z" / "data").write_bytes(bytes(1 << 20))
    world.killed(crash, "disconnect", "Z:")
    world.mpr("recover")
    world.check()
    assert world.places.mounts() == []
    world.check_notifications(crash, "cancel", 0)
    assert (world.root / "data").read_bytes() == bytes(1 << 20)
    can_be_used(world)


@pytest.mark.parametrize("crash", CANCEL_FAILED, ids=str)
def test_n19_a_cancel_that_is_killed_after_it_failed_stays_failed(world: World, crash: Crash) -> None:
    world.mpr(*world.connect())
    with (world.places.drives / "Z" / "data").open("w"):
        world.killed(crash, "disconnect", "Z:")
        world.mpr("recover")
    world.check()
    assert world.places.mounts() == [str(world.places.drives / "Z")]
    unknown = crash.point == "failed"
    world.check_notifications(crash, "cancel", ABORTED if unknown else int(Status.ERROR_OPEN_FILES))
    can_be_used(world)


@pytest.mark.parametrize("crash", RECOVERY, ids=str)
def test_n19_a_recovery_that_is_killed_is_taken_up_by_the_next(world: World, crash: Crash) -> None:
    world.killed(Crash("connected"), *world.connect())
    world.killed(crash, "recover")
    world.mpr("recover")
    world.check()
    for who in ("command", "inline", "isolated"):
        posts = world.told("add", who, "post")
        assert len(posts) in ({1, 2} if crash.point == "posted" else {1})
        assert all(each.recovered and each.context == {"by": who} for each in posts)
    can_be_used(world)


# -- nobody is told --------------------------------------------------------------------------------------------
#
# Fewer commits are made then: an add is over with its success, a cancel begins with that of its connection.

ALONE_ADD_UNDONE = [*map(Crash, ("begun", "attempting", "directory made", "rclone started", "logged on", "mounted"))]
ALONE_ADD_FINISHED = [*map(Crash, ("connected", "ended"))]
ALONE_CANCEL_UNDONE = [*map(Crash, ("attempting", "begun", "cancelling", "holding", "held", "delivered"))]
ALONE_CANCEL_FINISHED = [
    *map(Crash, ("unmounted", "releasing", "released", "disconnected", "directory removed", "removed", "ended"))
]


def outcomes(world: World, operation: str) -> list[tuple[str, bool]]:
    """How the operations of this kind ended, as the record has it, and whether recovery found that out."""
    events = [each for each in world.events() if each["operation"] == operation]
    assert {each["kind"] for each in events} <= {"operation"}
    return [(each["status"], each["recovered"]) for each in events]


@pytest.mark.parametrize("crash", ALONE_ADD_UNDONE, ids=str)
def test_n19_an_add_that_nobody_is_told_of_is_undone_when_it_is_killed(alone: World, crash: Crash) -> None:
    alone.killed(crash, *alone.connect())
    alone.mpr("recover")
    alone.check()
    assert alone.places.mounts() == []
    assert outcomes(alone, "add") == [("ERROR_PROCESS_ABORTED", True)]
    can_be_used(alone)


@pytest.mark.parametrize("crash", ALONE_ADD_FINISHED, ids=str)
def test_n19_an_add_that_nobody_is_told_of_is_over_when_it_is_connected(alone: World, crash: Crash) -> None:
    alone.killed(crash, *alone.connect())
    assert Store().operations() == []
    assert alone.mpr("recover") == "There is nothing to recover.\n"
    alone.check()
    assert alone.places.mounts() == [str(alone.places.drives / "Z")]
    assert outcomes(alone, "add") == [("WN_SUCCESS", False)]
    can_be_used(alone)


@pytest.mark.parametrize("crash", ALONE_CANCEL_UNDONE, ids=str)
def test_n19_a_cancel_that_nobody_is_told_of_is_undone_when_it_is_killed(alone: World, crash: Crash) -> None:
    alone.mpr(*alone.connect())
    (alone.places.drives / "Z" / "data").write_bytes(bytes(1 << 20))
    alone.killed(crash, "disconnect", "Z:")
    alone.mpr("recover")
    alone.check()
    assert alone.places.mounts() == [str(alone.places.drives / "Z")]
    assert outcomes(alone, "cancel") == ([] if crash.point == "attempting" else [("ERROR_PROCESS_ABORTED", True)])
    can_be_used(alone)
    assert (alone.root / "data").read_bytes() == bytes(1 << 20)


@pytest.mark.parametrize("crash", ALONE_CANCEL_FINISHED, ids=str)
def test_n19_a_cancel_that_nobody_is_told_of_is_finished_when_the_mount_is_gone(alone: World, crash: Crash) -> None:
    alone.mpr(*alone.connect())
    (alone.places.drives / "Z" / "data").write_bytes(bytes(1 << 20))
    alone.killed(crash, "disconnect", "Z:")
    is_over = crash.point in {"removed", "ended"}
    assert is_over == (Store().operations() == [])
    alone.mpr("recover")
    alone.check()
    assert alone.places.mounts() == []
    assert outcomes(alone, "cancel") == [("WN_SUCCESS", not is_over)]
    assert (alone.root / "data").read_bytes() == bytes(1 << 20)
    can_be_used(alone)


# -- the table in the documentation ----------------------------------------------------------------------------


def becomes(point: str, undone: list[Crash], done: list[Crash], failed: list[Crash]) -> str:
    """What the tests above show of an operation that is killed there."""
    tried = [point in {each.point for each in crashes} for crashes in (undone, done, failed)]
    words = {
        (False, False, False): "not reached",
        (True, False, False): "undone",
        (False, False, True): "undone",
        (False, True, False): "finished",
        (False, True, True): "as it had ended",
        (True, True, True): "undone; after the attempt, as it had ended",
    }
    return words[tried[0], tried[1], tried[2]]


def test_the_documents_tell_what_the_matrix_shows() -> None:
    table = ["| point | what is so then | an add is | a cancel is |", "| --- | --- | --- | --- |"]
    for point, what in faults.POINTS.items():
        add = becomes(point, ADD_UNDONE, ADD_FINISHED, ADD_FAILED)
        cancel = becomes(point, CANCEL_UNDONE, CANCEL_FINISHED, CANCEL_FAILED)
        if (add, cancel) == ("not reached", "not reached"):
            assert point in {each.point for each in RECOVERY}
            add = cancel = "settled by the next"
        table.append(f"| {point} | {what} | {add} | {cancel} |")
    document = (Path(__file__).parents[2] / "docs" / "recovery.md").read_text()
    told = [line for line in document.splitlines() if line.startswith("|")][: len(table)]
    assert told == table
