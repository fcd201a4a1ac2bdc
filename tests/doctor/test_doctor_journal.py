"""The doctor on operations whose processes died: it tells of them, and has them settled as every command does (N19)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from crashes import Crash, World
from diagnosis import Examine
from mprouter.recovery import KEPT
from mprouter.store import Store
from sandbox import Command, Places
from servers.daemon import wait_for


@pytest.fixture
def world(places: Places, resource: str) -> World:
    return World(places, resource, (), Path(resource.removeprefix("file://").replace("%20", " ")))


@pytest.mark.parametrize("point", ["begun", "mounted", "connected", "ending"])
def test_a_connect_that_was_killed_is_settled_and_all_are_told(doctor: Examine, world: World, point: str) -> None:
    world.killed(Crash(point), *world.connect())
    for _ in range(2):  # looking settles nothing
        found = doctor()
        assert "operation-interrupted" in found.codes
    assert f"died while connecting Z: ({world.resource})" in found.one("operation-interrupted")["what"]
    assert found.one("operation-interrupted")["mend"] == "`mpr recover`"
    after = doctor("--fix")
    assert "operation-interrupted" in after.mended
    assert after.codes <= {"rclone-unrecorded"}  # which the command begins before it is needed
    posts = [each.who for each in world.told("add", phase="post") if each.recovered]
    assert posts == ([] if point in {"begun", "ending"} else ["isolated", "inline", "command"])
    assert doctor().codes <= {"rclone-unrecorded"}
    world.check()


@pytest.mark.parametrize("point", ["held", "unmounted", "disconnected"])
def test_a_disconnect_that_was_killed_is_finished_with_its_data_delivered(
    doctor: Examine, world: World, point: str
) -> None:
    world.mpr(*world.connect())
    (world.places.drives / "Z" / "report").write_text("important")
    world.killed(Crash(point), "disconnect", "Z:")
    assert "died while disconnecting Z:" in doctor().one("operation-interrupted")["what"]
    after = doctor("--fix")
    assert "operation-interrupted" in after.mended
    assert after.codes <= {"unsent-waiting"}  # a connection that stands again sends it itself
    wait_for(lambda: doctor().codes == set(), "the delivery")
    assert (world.root / "report").read_text() == "important"
    world.check()


def test_what_cannot_be_settled_is_said_with_the_reason(doctor: Examine, world: World, places: Places) -> None:
    world.killed(Crash("mounted"), *world.connect())
    settings = places.config / "settings.toml"
    settings.write_text("max_retries = many\n")
    found = doctor("--fix")
    assert found.codes >= {"operation-interrupted", "settings-broken"}
    (failed,) = [each for each in found.shown["not_mended"] if each["code"] == "operation-interrupted"]
    assert failed["reason"]
    settings.unlink()
    assert "operation-interrupted" in doctor("--fix").mended
    assert doctor().codes == set()
    world.check()


PROGRAM = """
import os, signal, sys
from mprouter import Router, faults
sys.path.insert(0, {directory!r})
from witness import Witness
with Router() as router:
    router.register(Witness({log!r}, "program"), name="program")
    if sys.argv[1] == "dies":
        faults.hook = lambda point: point == "connected" and os.kill(os.getpid(), signal.SIGKILL)
        router.connect({resource!r}, "Z:")
    router.recover()
"""


def test_what_a_program_s_own_notifyee_is_owed_is_noted_until_the_program_comes(
    doctor: Examine, mpr: Command, world: World
) -> None:
    code = PROGRAM.format(directory=str(world.places.home), log=str(world.log), resource=world.resource)
    subprocess.run([sys.executable, "-c", code, "dies"], check=False)
    assert doctor().codes == {"operation-interrupted"}
    after = doctor("--fix")
    assert (after.mended, after.codes) == ({"operation-interrupted"}, {"post-owed"})
    noted = after.one("post-owed")
    assert noted["what"].endswith(f"died while connecting Z: ({world.resource}), and owes that to code/program")
    assert noted["severity"] == "note"
    assert not world.told("add", "program", "post")
    subprocess.run([sys.executable, "-c", code, "comes"], check=True)
    assert [each.recovered for each in world.told("add", "program", "post")] == [True]
    assert doctor().codes == set()

    subprocess.run([sys.executable, "-c", code.replace("Z:", "Y:"), "dies"], check=False)
    assert mpr("recover").returncode == 0
    with Store()._database.writing() as db:  # that long ago
        db.execute("UPDATE operations SET started = started - ?", [KEPT])
    assert "operation-interrupted" in doctor("--fix").mended  # nobody waits for the program any longer
    assert doctor().codes == set()


def test_a_claim_of_an_earlier_version_is_settled_too(doctor: Examine, world: World) -> None:
    world.killed(Crash("mounted"), *world.connect())
    with Store()._database.writing() as db:  # which kept no journal
        db.execute("DELETE FROM operations")
    assert "died while connecting Z:" in doctor().one("operation-interrupted")["what"]
    assert "operation-interrupted" in doctor("--fix").mended
    assert doctor().codes == set()
    assert not os.listdir(world.places.drives)  # noqa: PTH208
