"""Recovery beyond the matrix: who is told, who waits, what is retried, and what is said of it (N19, N20)."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shlex
import signal
import subprocess
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

from crashes import Crash, World
from mprouter import Router, Status
from mprouter.names import parse_remote
from mprouter.plugins import trust
from mprouter.providers.rclone import daemon
from mprouter.providers.rclone.unsent import unsent
from mprouter.store import Store
from servers.daemon import end, wait_for

CONNECTED = Crash("connected")


@pytest.fixture
def slow(world: World) -> Path:
    """A command, registered last, that waits in its post, or where the file beside it says, until this is closed."""
    gate = world.places.home / "gate"
    os.mkfifo(gate)
    script = world.places.home / "slow"
    script.write_text(
        f"#!/bin/sh\ncd {world.places.home}\n"
        'echo "$MPR_PHASE begun" >>told-slow\n'
        '[ "$MPR_PHASE" = "$(cat \'waits for\')" ] && cat gate >/dev/null\n'
        'echo "$MPR_PHASE done" >>told-slow\n'
    )
    script.chmod(0o700)
    gate.with_name("waits for").write_text("post")
    world.register("slow", f"command:{script}")
    return gate


def mpr(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-m", "mprouter", *arguments], stdout=subprocess.PIPE, text=True)


def is_waiting_for_a_lock(pid: int) -> bool:
    return any("->" in line and f" {pid} " in line for line in Path("/proc/locks").read_text().splitlines())


def commands(world: World) -> list[str]:
    """The names of the processes that run in the user's places."""
    found = []
    for each in world.places.processes():
        with suppress(OSError):  # it ended meanwhile
            found.append(Path(f"/proc/{each}/comm").read_text().strip())
    return found


def begun(store: Store) -> None:
    """Return when the journal knows that the command ``slow`` runs, of which its process can then be killed."""
    wait_for(
        lambda: any(each.pid for under_way in store.operations() for each in under_way.owed if "slow" in each.notifyee),
        "the journal to know of the command",
    )


def is_held(lock: Path) -> bool:
    """Whether a process has *lock*."""
    if not lock.exists():
        return False
    with lock.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


@pytest.mark.parametrize("command", [("list",), ("connect",), ("disconnect", "Z:"), ("restore",), ("recover",)])
def test_n19_whatever_command_comes_next_recovers_first(world: World, command: tuple[str, ...]) -> None:
    world.killed(CONNECTED, *world.connect())
    world.mpr(*(world.connect("Y:") if command == ("connect",) else command))
    assert [each.recovered for each in world.told("add", "command", "post")[:1]] == [True]
    operations = [(each.operation, each.name) for each in world.told("add") + world.told("cancel") if each.recovered]
    assert set(operations) == {("add", "Z:")}
    world.check()


def test_n19_the_posts_are_made_before_a_new_operation_on_that_name(world: World) -> None:
    world.killed(CONNECTED, *world.connect())
    world.mpr("disconnect", "Z:")
    lines = [json.loads(line) for line in world.log.read_text().splitlines()]
    last_post_of_add = max(place for place, each in enumerate(lines) if each["operation"] == "add")
    first_pre_of_cancel = min(place for place, each in enumerate(lines) if each["operation"] == "cancel")
    assert last_post_of_add < first_pre_of_cancel


def test_n8_recovered_posts_come_in_reverse_order(world: World) -> None:
    world.killed(CONNECTED, *world.connect())
    first, second = world.mpr("recover").splitlines()
    assert first == f"Z:  {parse_remote(world.resource).told}"  # as docs/recovery.md shows it
    assert second.startswith("    process ")
    assert " died while connecting it; finished: the connection stands. Told after: user/command, " in second
    assert [each.who for each in world.told("add", phase="post")] == ["isolated", "inline", "command"]


@pytest.mark.parametrize("what", ["command.toml", ""])
def test_n19_who_cannot_be_read_just_now_is_told_by_a_later_command(
    world: World, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    unread = world.places.config / "notifyees.d" / what
    opened, listed = trust.look, Path.iterdir

    def check(path: Path) -> Path:
        if path == unread:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return path

    world.killed(CONNECTED, *world.connect())
    with monkeypatch.context() as patched, Router() as router:
        patched.setattr(trust, "look", lambda path: opened(check(Path(path))))
        patched.setattr(Path, "iterdir", lambda path: listed(check(path)))
        router.recover()
    assert world.told("add", "command", "post") == []
    world.mpr("recover")
    assert Counter(each.who for each in world.told("add", phase="post")) == {"command": 1, "inline": 1, "isolated": 1}
    world.check()


def test_n19_processes_that_recover_at_once_do_it_once(world: World) -> None:
    world.killed(CONNECTED, *world.connect())
    command = [sys.executable, "-m", "mprouter", "recover", "--json"]
    several = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(6)]
    said = [json.loads(each.communicate()[0]) for each in several]
    assert [each.returncode for each in several] == [0] * 6
    assert sorted(map(len, said)) == [0] * 5 + [1]
    assert Counter(each.who for each in world.told("add", phase="post")) == {"command": 1, "inline": 1, "isolated": 1}
    world.check()


def test_n19_who_comes_while_another_recovers_waits_for_it(world: World, slow: Path) -> None:
    world.killed(CONNECTED, *world.connect())
    # the gate opens when the post has begun
    with mpr("recover") as first, slow.open("w") as gate, mpr("disconnect", "Z:") as second:
        wait_for(lambda: is_waiting_for_a_lock(second.pid), "the second to wait for the first")
        assert world.told("cancel") == []
        slow.with_name("waits for").write_text("nothing any more")
        gate.close()
        assert (first.wait(), second.wait()) == (0, 0)
    assert world.told("cancel", "command", "pre")


def test_n19_c4_a_cancel_that_died_does_not_touch_what_another_process_is_connecting(world: World, slow: Path) -> None:
    slow.with_name("waits for").write_text("pre")
    with mpr(*world.connect()) as connecting, slow.open("w") as gate:  # its name is claimed
        slow.with_name("waits for").write_text("nothing any more")
        world.killed(Crash("attempting"), "disconnect", "Z:")
        (world.places.drives / "Z").mkdir()  # as it will be next
        recovered = json.loads(world.mpr("recover", "--json"))
        assert (world.places.drives / "Z").exists()
        gate.close()
        assert connecting.wait() == 0
    assert [each["outcome"] for each in recovered] == ["undone: the connection stands"]
    assert world.places.mounts() == [str(world.places.drives / "Z")]
    world.mpr("disconnect", "Z:")


def test_n19_a_living_process_is_left_alone(world: World, slow: Path, store: Store) -> None:
    slow.with_name("waits for").write_text("pre")
    with mpr(*world.connect()) as connecting, slow.open("w"):  # its pre is under way
        begun(store)
        assert world.mpr("recover") == "There is nothing to recover.\n"
        connecting.kill()
    assert "died while connecting it; undone" in world.mpr("recover")
    world.check()


def test_n19_a_command_that_runs_on_is_awaited_before_it_is_told(world: World, slow: Path, store: Store) -> None:
    slow.with_name("waits for").write_text("pre")
    with mpr(*world.connect()) as connecting, slow.open("w") as gate:
        begun(store)
        connecting.kill()
        connecting.wait()
        with mpr("recover") as recovering:
            wait_for(lambda: is_held(world.places.state / "recovery.lock"), "the recovery to begin")
            assert slow.with_name("told-slow").read_text() == "pre begun\n"
            gate.close()
            assert recovering.wait() == 0
    assert slow.with_name("told-slow").read_text().split("\n")[1:3] == ["pre done", "post begun"]
    world.check()


def test_n19_a_command_that_never_ends_is_ended_by_recovery(world: World, slow: Path, store: Store) -> None:
    slow.with_name("waits for").write_text("pre")
    registration = world.places.config / "notifyees.d" / "slow.toml"
    registration.write_text(registration.read_text() + "\ntimeout = 3.0")
    with mpr(*world.connect()) as connecting, slow.open("w"):
        begun(store)
        connecting.kill()
        connecting.wait()
        assert "cat" in commands(world)
        world.mpr("recover")
        wait_for(lambda: "cat" not in commands(world), "the end of the command's own child")
    assert slow.with_name("told-slow").read_text().split("\n")[:2] == ["pre begun", "post begun"]
    world.check()


def test_n19_a_process_id_that_was_used_again_does_not_hide_a_dead_one(world: World) -> None:
    world.killed(Crash("mounted"), *world.connect())
    store = Store()
    with store._database.writing() as db:  # as if the dead process had had our id
        db.execute("UPDATE operations SET owner_pid = ?", [os.getpid()])
        db.execute("UPDATE connections SET owner_pid = ?", [os.getpid()])
    store.close()
    assert f"process {os.getpid()} died while connecting it; undone" in world.mpr("recover")
    world.check()


def test_n11_a_kill_while_it_is_attempted_again(world: World) -> None:
    stubborn = f"python:{world.places.home / 'witness.py'}:Stubborn"
    world.register("stubborn", stubborn, settings=True)
    missing = (*world.connect()[:1], world.resource + "/missing", *world.connect()[2:])
    world.killed(Crash("attempting", 3), *missing)
    world.mpr("recover")
    posts = world.told("add", "stubborn", "post")
    assert [each.recovered for each in posts] == [False, False, True]
    assert posts[-1].status == Status.ERROR_PROCESS_ABORTED
    assert len(world.told("add", "stubborn", "pre")) == 1  # it keeps its context from attempt to attempt
    world.check()


def test_n20_what_was_recovered_is_recorded_as_such(world: World) -> None:
    world.killed(CONNECTED, *world.connect())
    world.mpr("recover")
    events = world.events()
    operation = events[-1]
    assert (operation["kind"], operation["recovered"], operation["code"]) == ("operation", True, 0)
    assert "died; finished: the connection stands" in operation["message"]
    calls = {(each["notifyee"], each["phase"], each["recovered"]) for each in events if each["kind"] == "notify"}
    for who in ("user/command", "user/inline", "user/isolated"):
        assert {(who, "pre", False), (who, "post", True)} <= calls
    assert len({each["operation_id"] for each in events}) == 1


def test_n19_a_notifyee_that_is_no_longer_registered_is_lost_and_told_of(world: World) -> None:
    world.killed(CONNECTED, *world.connect())
    world.mpr("notify", "remove", "command")
    (recovered,) = json.loads(world.mpr("recover", "--json"))
    assert recovered["lost"] == ["user/command"]
    assert recovered["told"] == ["user/inline", "user/isolated"]
    (event,) = [each for each in world.events() if "not told" in (each["message"] or "")]
    assert (event["notifyee"], event["phase"], event["recovered"]) == ("user/command", "post", True)
    world.check()


PROGRAM = """
import os, signal, sys
sys.path.insert(0, {directory!r})
from mprouter import Router, faults
from witness import Witness
router = Router()
router.register(Witness({log!r}, "program"), name="program")
if sys.argv[1] == "dies":
    faults.hook = lambda point: point == "connected" and os.kill(os.getpid(), signal.SIGKILL)
    router.connect(sys.argv[2], "Z:", options=dict(each.split("=") for each in sys.argv[3:] if each != "-o"))
router.connections()
"""


def test_n19_what_is_owed_to_a_programs_own_notifyee_waits_for_the_program(world: World) -> None:
    code = PROGRAM.format(directory=str(world.places.home), log=str(world.log))
    subprocess.run([sys.executable, "-c", code, "dies", world.resource, *world.options], check=False)
    world.mpr("recover")
    assert world.told("add", "command", "post")
    assert not world.told("add", "program", "post")
    assert world.mpr("recover") == "There is nothing to recover.\n"
    subprocess.run([sys.executable, "-c", code, "lives"], check=True)
    (post,) = world.told("add", "program", "post")
    assert (post.recovered, post.status, post.context) == (True, 0, {"by": "program"})
    world.check()


def test_n17_nested_operations_are_settled_from_the_inside(world: World) -> None:
    script = world.places.home / "nests"
    (world.places.home / "inner").mkdir()
    inner = f"{sys.executable} -m mprouter connect file://{world.places.home}/inner Y:"
    script.write_text(f'#!/bin/sh\n[ "$MPR_PHASE/$MPR_LOCAL_NAME" = pre/Z: ] || exit 0\n{inner}\nkill -9 $PPID\n')
    script.chmod(0o700)
    world.register("nests", f"command:{script}")
    ran = subprocess.run([sys.executable, "-m", "mprouter", *world.connect()], check=False)
    assert ran.returncode < 0
    assert [each.name for each in world.told("add", "command", "post")] == ["Y:"]
    world.mpr("recover")
    assert [each.name for each in world.told("add", "command", "post")] == ["Y:", "Z:"]
    assert world.mpr("list").count("connected") == 1
    world.check()


def test_n17_nested_operations_that_died_both_are_settled_the_inner_one_first(world: World) -> None:
    script, inside = world.places.home / "nests", world.places.home / "inner"
    inside.mkdir()
    inner = shlex.join(world.words(Crash("mounted"), signal.SIGKILL, "connect", inside.as_uri(), "Y:"))
    script.write_text(f'#!/bin/sh\n[ "$MPR_PHASE/$MPR_LOCAL_NAME" = pre/Z: ] || exit 0\n{inner}\nkill -9 $PPID\n')
    script.chmod(0o700)
    world.register("nests", f"command:{script}")
    ran = subprocess.run([sys.executable, "-m", "mprouter", *world.connect()], check=False)
    assert ran.returncode < 0
    world.mpr("recover")
    assert [each.name for each in world.told("add", "command", "post")] == ["Y:", "Z:"]
    world.check()


def test_n17_n19_who_is_told_of_what_was_recovered_may_use_the_router(world: World) -> None:
    script, seen = world.places.home / "looks", world.places.home / "seen"
    look = f"{sys.executable} -m mprouter list"
    script.write_text(f'#!/bin/sh\n[ "$MPR_PHASE" = pre ] || {look} >{seen}\n')
    script.chmod(0o700)
    world.register("looks", f"command:{script}")
    world.killed(CONNECTED, *world.connect())
    world.mpr("recover")
    assert "Z:" in seen.read_text()
    world.check()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
@pytest.mark.parametrize("point", ["begun", "logged on", "mounted"])
def test_n19_a_lost_connection_is_still_there_if_the_next_one_is_cut_off_before_it_takes_its_place(
    world: World, point: str, number: signal.Signals
) -> None:
    world.mpr(*world.connect())
    rclone = daemon.running()
    assert rclone is not None
    os.kill(rclone.pid, signal.SIGKILL)
    end([rclone.pid])
    world.struck(Crash(point), number, *world.connect())
    world.mpr("recover")
    world.check()
    still_there = [str(world.places.drives / "Z")]
    assert world.places.mounts() == ([] if point == "mounted" else still_there)
    world.mpr(*world.connect())
    assert world.places.mounts() == still_there
    world.mpr("disconnect", "Z:")
    world.check()


def test_n19_c6_where_a_lost_connection_was_just_cleared_nobody_can_write_into_the_bare_directory(world: World) -> None:
    world.mpr(*world.connect())
    rclone = daemon.running()
    assert rclone is not None
    os.kill(rclone.pid, signal.SIGKILL)
    end([rclone.pid])
    world.killed(Crash("logged on"), *world.connect())
    drive = world.places.drives / "Z"
    subprocess.run(["fusermount3", "-u", drive], check=True)  # as far as it may have come when it was killed
    world.mpr("recover")
    assert not drive.exists()
    assert "LOST" in world.mpr("list")
    world.mpr(*world.connect())
    assert world.places.mounts() == [str(drive)]
    world.mpr("disconnect", "Z:")
    world.check()


def test_n19_a_connection_that_cannot_be_settled_yet_is_tried_again(world: World) -> None:
    world.killed(Crash("mounted"), *world.connect())
    hidden = world.places.home / "no fusermount"
    hidden.mkdir()
    words = [sys.executable, "-m", "mprouter", "recover"]
    failed = subprocess.run(words, env={**os.environ, "PATH": str(hidden)}, capture_output=True, text=True, check=False)
    assert failed.returncode == 1
    assert "Z:" in failed.stderr
    assert "cannot be settled yet" in failed.stderr
    assert "mpr disconnect Z: --force" in failed.stderr
    world.mpr("recover")
    world.check()


def test_n19_c6_what_rclone_has_not_heard_of_does_not_hold_up_the_end_of_a_connection_beside_others(
    world: World,
) -> None:
    world.mpr(*world.connect("Y:"))
    world.mpr(*world.connect("Z:"))
    (world.places.drives / "Y" / "report").write_text("important")
    cache = world.places.state / "cache"
    wait_for(lambda: not unsent(cache / "vfsMeta"), "the file on the server")
    for known in list(cache.rglob("report")):  # its content, and what rclone knows of it
        known.with_name("forgotten").write_text(known.read_text().replace('"Dirty": false', '"Dirty": true'))
    world.killed(Crash("directory removed"), "disconnect", "Z:")
    assert "finished" in world.mpr("recover")
    assert [each["local_name"] for each in json.loads(world.mpr("list", "--json"))] == ["Y:"]
    world.mpr("disconnect", "Y:")
    assert (world.root / "forgotten").read_text() == "important"


def test_n19_a_long_lived_program_recovers_what_dies_beside_it(world: World) -> None:
    with Router() as router:
        assert router.connections() == []
        world.killed(CONNECTED, *world.connect())
        assert [each.local_name for each in router.connections()] == ["Z:"]
    assert all(each.recovered for each in world.told("add", "command", "post"))
    world.check()
