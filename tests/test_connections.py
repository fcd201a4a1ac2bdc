"""What a connection is, and what its local name may be: C1 to C5, C7; connections of other processes."""

from __future__ import annotations

import copy
import dataclasses
import errno
import gc
import json
import os
import pickle
import select
import signal
import subprocess
import sys
import weakref
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from mprouter import ConnectFlag, Router, State, Status, WNetError, mountpoints
from mprouter.credentials import Secret
from mprouter.errand import Errand
from mprouter.names import DRIVE_LETTERS, parse_remote
from mprouter.notify.model import Registration
from mprouter.notify.registration import DropIns
from mprouter.providers.base import Added, AddRequest, Mounted, Progress
from mprouter.providers.rclone import daemon
from mprouter.store import Remembered, Store
from recorder import Recorder
from sandbox import Command, Places
from strangers import Stranger


def status_of(call: object, *arguments: object, **named: object) -> Status:
    with pytest.raises(WNetError) as failure:
        call(*arguments, **named)  # type: ignore[operator]
    return failure.value.status


def test_c1_a_drive_letter(router: Router, places: Places, resource: str) -> None:
    connection = router.connect(resource, "z:")
    assert connection.local_name == "Z:"
    assert connection.path == places.drives / "Z"
    assert (connection.path / "README").read_text() == "hello\n"


def test_c1_an_empty_directory_stays_and_a_missing_one_goes(router: Router, places: Places, resource: str) -> None:
    empty, missing = places.home / "empty", places.home / "missing"
    empty.mkdir()
    for path in (empty, missing):
        router.connect(resource, path)
        assert (path / "README").exists()
        router.disconnect(path)
    assert empty.is_dir()
    assert not missing.exists()


def test_c1_deviceless_connections_have_paths_of_their_own(router: Router, resource: str) -> None:
    with router.connect(resource) as first, router.connect(resource) as second:
        assert first.local_name is None
        assert first.path != second.path
        first.close()
        assert (second.path / "README").exists()
    assert not first.path.exists()
    assert not second.path.exists()


@pytest.mark.parametrize(
    ("local", "status"),
    [
        ("A:", Status.ERROR_BAD_DEVICE),
        ("LPT1", Status.ERROR_BAD_DEVICE),
        ("/", Status.ERROR_BAD_DEVICE),
        ("{home}/full", Status.ERROR_DIR_NOT_EMPTY),
        ("{home}/full/file", Status.ERROR_DIRECTORY),
        ("{home}/circle", Status.ERROR_BAD_DEVICE),
        ("{home}/no/where", Status.ERROR_PATH_NOT_FOUND),
    ],
)
def test_c1_unusable_local_names(router: Router, places: Places, resource: str, local: str, status: Status) -> None:
    (places.home / "full").mkdir()
    (places.home / "full" / "file").touch()
    (places.home / "circle").symlink_to("circle")
    assert status_of(router.connect, resource, local.format(home=places.home)) is status
    assert places.mounts() == []


def test_n4_nothing_is_recorded_of_a_local_name_that_is_refused(
    router: Router, store: Store, local_root: Path, resource: str
) -> None:
    assert status_of(router.connect, resource, local_root) is Status.ERROR_DIR_NOT_EMPTY
    assert store.entries() == []
    assert store.events() == []


def test_c1_a_directory_in_a_connection_is_no_local_name(
    router: Router, places: Places, local_root: Path, resource: str
) -> None:
    outer = router.connect(resource, "Z:")
    (local_root / "below").mkdir()
    (places.home / "link").symlink_to(outer.path)
    for local in (outer.path / "below", outer.path / "new", places.home / "link" / "new"):
        assert status_of(router.connect, local_root.parent.as_uri(), local) is Status.ERROR_BAD_DEVICE
    assert [each.path for each in router.connections()] == [outer.path]
    assert sorted(each.name for each in local_root.iterdir()) == ["README", "below"]
    outer.close()


def test_c2_free_letters_are_picked_from_the_end(router: Router, places: Places, resource: str) -> None:
    router.connect(resource, "Y:")
    (places.drives / "X").mkdir()
    (places.drives / "X" / "a file of the user's").touch()
    letters = [router.connect(resource, flags=ConnectFlag.REDIRECT).local_name for _ in range(2)]
    assert letters == ["Z:", "W:"]


def test_c2_a_letter_that_is_taken_is_not_looked_at(
    router: Router, resource: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its server may not answer, and would hold up whoever looks."""
    router.connect(resource, "Z:")
    looked_at: list[str] = []
    check = mountpoints.check

    def watched(path: Path, local_name: str) -> None:
        looked_at.append(local_name)
        check(path, local_name)

    monkeypatch.setattr(mountpoints, "check", watched)
    assert router.connect(resource, "*").local_name == "Y:"
    assert "Y:" in looked_at
    assert "Z:" not in looked_at


def test_c2_no_letter_left(router: Router, places: Places, resource: str) -> None:
    for letter in DRIVE_LETTERS:
        (places.drives / letter[0] / "occupied").mkdir(parents=True)
    assert status_of(router.connect, resource, "*") is Status.ERROR_NO_MORE_DEVICES


def test_c3_only_a_successful_connection_with_a_local_name_is_remembered(
    router: Router, local_root: Path, resource: str
) -> None:
    router.connect(resource, "Z:", persist=True)
    router.connect(resource, "Y:", flags=ConnectFlag.TEMPORARY)
    router.connect(resource, persist=True)
    status_of(router.connect, (local_root / "missing").as_uri(), "X:", persist=True)
    assert [each.local_name for each in router.connections(remembered=True)] == ["Z:"]


def test_c3_a_name_that_is_remembered_for_another_resource_is_not_remembered_for_this_one(
    router: Router, store: Store, local_root: Path, resource: str
) -> None:
    router.connect(resource, "Z:")
    other = (local_root.parent).as_uri()
    store.remember(Remembered("Z:", other, parse_remote(other).canonical, None, None, 1, {}, 0.0))  # as an import does
    (present,), (remembered,) = router.connections(), router.connections(remembered=True)
    assert (present.remote_name, present.remembered) == (resource, False)
    assert (remembered.remote_name, remembered.state) == (other, None)


def test_a_remembered_directory_is_restored_by_its_path(router: Router, places: Places, resource: str) -> None:
    router.connect(resource, places.home / "mnt", persist=True)
    router.disconnect(places.home / "mnt")
    (restored,) = router.restore(places.home / "mnt")
    assert restored.connection is not None
    assert (restored.connection.path / "README").exists()


def test_c4_a_local_name_has_one_connection(router: Router, resource: str) -> None:
    router.connect(resource, "Z:")
    assert status_of(router.connect, resource, "Z:") is Status.ERROR_ALREADY_ASSIGNED


def test_c4_a_local_name_remembered_for_another_resource(router: Router, local_root: Path, resource: str) -> None:
    router.connect(resource, "Z:", persist=True)
    router.disconnect("Z:")
    (local_root / "below").mkdir()
    other = (local_root / "below").as_uri()
    assert status_of(router.connect, other, "Z:") is Status.ERROR_DEVICE_ALREADY_REMEMBERED
    assert router.connect(resource, "Z:").remembered


@pytest.mark.parametrize("force", [False, True])
def test_c5_cancel_by_a_directory_takes_only_what_appears_there(
    router: Router, resource: str, tmp_path: Path, force: bool
) -> None:
    connections = [router.connect(resource, "Z:"), router.connect(resource)]
    for nothing in (tmp_path, connections[0].path.parent, connections[0].path / "below"):
        assert status_of(router.disconnect, nothing, force) is Status.ERROR_NOT_CONNECTED
    assert router.connections() == connections
    for each in connections:
        router.disconnect(each.path, force)
    assert router.connections() == []


def test_c5_cancel_by_remote_name_takes_the_deviceless_ones_only(router: Router, resource: str) -> None:
    router.connect(resource, "Z:")
    router.connect(resource)
    router.connect(resource)
    router.disconnect(resource)
    assert [each.local_name for each in router.connections()] == ["Z:"]
    with pytest.raises(WNetError, match="Z:") as failure:
        router.disconnect(resource)
    assert failure.value.status is Status.ERROR_NOT_CONNECTED


def test_c5_a_remembered_connection_that_is_not_connected_can_be_forgotten(router: Router, resource: str) -> None:
    router.connect(resource, "Z:", persist=True)
    router.disconnect("Z:")
    assert [each.state for each in router.connections(remembered=True)] == [None]
    assert status_of(router.disconnect, "Z:") is Status.ERROR_NOT_CONNECTED
    router.disconnect("Z:", forget=True)
    assert router.connections(remembered=True) == []


def test_c5_forgetting_goes_with_the_local_name_alone(router: Router, resource: str) -> None:
    router.connect(resource, "Z:", persist=True)
    router.connect(resource)
    router.disconnect(resource, forget=True)
    assert [each.local_name for each in router.connections(remembered=True)] == ["Z:"]


def test_a_failure_after_the_directory_was_made_leaves_nothing(
    router: Router, places: Places, local_root: Path
) -> None:
    for local in ("Z:", str(places.home / "new"), None):
        status_of(router.connect, (local_root / "missing").as_uri(), local)
    assert places.mounts() == []
    assert router.connections() == []
    assert not (places.drives / "Z").exists()
    assert not (places.home / "new").exists()
    assert list((places.runtime / "mounts").iterdir()) == []


def test_c1_an_empty_directory_stays_though_the_connection_fails(
    router: Router, places: Places, local_root: Path
) -> None:
    mine = places.home / "mine"
    mine.mkdir()
    status_of(router.connect, (local_root / "missing").as_uri(), mine)
    assert mine.is_dir()


@pytest.mark.parametrize("point", ["unmounted", "released", "disconnected"])
def test_a_connection_is_not_lost_while_it_is_disconnected(
    router: Router, mpr: Command, resource: str, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    seen: list[str] = []
    connection = router.connect(resource, "Z:")

    def look(reached: str) -> None:
        if reached == point:
            assert not connection.path.is_mount()
            (told,) = json.loads(mpr("list", "--json").stdout)
            seen.append(told["state"])

    monkeypatch.setattr("mprouter.faults.hook", look)
    router.disconnect("Z:")
    assert seen == ["connected"]


def test_connections_are_seen_by_every_process(router: Router, mpr: Command, resource: str) -> None:
    router.connect(resource, "Z:")
    assert "Z:" in mpr("list").stdout
    assert mpr("disconnect", "Z:").returncode == 0
    assert router.connections() == []


def test_n2_a_connection_goes_to_another_process_and_back_and_is_closed_there(
    router: Router, recorder: Recorder, resource: str
) -> None:
    theirs = """
import pickle, sys, mprouter
pickle.load(sys.stdin.buffer).close()
pickle.dump(mprouter.connect(sys.argv[1]), sys.stdout.buffer)
"""
    ours, kept = router.connect(resource, "Z:"), router.connect(resource)
    command = [sys.executable, "-c", theirs, resource]
    ran = subprocess.run(command, input=pickle.dumps(ours), capture_output=True, check=True)
    made = pickle.loads(ran.stdout)  # noqa: S301 - our own
    assert router.connections() == [kept, made]
    made.close()
    copy.deepcopy(kept).close()
    assert router.connections() == []
    assert recorder.told[-1] == ("cancel", "post", Status.WN_SUCCESS)
    assert dataclasses.asdict(kept)["path"] == kept.path


def test_a_pickled_connection_is_closed_by_the_store_that_it_is_in(places: Places, resource: str) -> None:
    elsewhere = Store(places.home / "store")
    with Router(store=elsewhere) as router:
        made = router.connect(resource)
        pickle.loads(pickle.dumps(made)).close()  # noqa: S301 - our own
        assert router.connections() == []


def test_a_program_that_ends_leaves_no_store_open(places: Places) -> None:
    code = """if True:
        import atexit
        atexit.register(lambda: print(default_router()._store._database._connection))  # the first is called last
        from mprouter.default import connections, default_router
        assert connections() == []
    """
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "None\n"
    assert (places.state / "mprouter.db").exists()


def test_a_connection_whose_server_process_died_is_lost_and_can_be_made_again(
    router: Router, places: Places, resource: str
) -> None:
    router.connect(resource, "Z:")
    router.connect(resource, "Y:")
    kill_data_plane(places)
    assert {each.state for each in router.connections()} == {State.LOST}
    assert (router.connect(resource, "Z:").path / "README").exists()
    router.disconnect("Y:")
    assert [(each.local_name, each.state) for each in router.connections()] == [("Z:", State.CONNECTED)]
    assert places.mounts() == [str(places.drives / "Z")]
    assert not (places.drives / "Y").exists()


@pytest.mark.parametrize("again", ["connect", "restore", "refused by a notifyee"])
def test_a_lost_connection_stays_as_it_is_until_it_is_made_again(
    router: Router, recorder: Recorder, places: Places, local_root: Path, again: str
) -> None:
    (local_root / "README").touch()
    resource = local_root.as_uri()
    lost = router.connect(resource, "Z:", persist=True)
    kill_data_plane(places)
    if again == "refused by a notifyee":
        recorder.answers["add", "pre"] = Status.WN_CANCEL
    else:
        local_root.rename(local_root.with_name("away"))
    if again == "restore":
        assert [each.error is None for each in router.restore()] == [False]
    else:
        status_of(router.connect, resource, "Z:")
    assert [(each.local_name, each.state) for each in router.connections()] == [("Z:", State.LOST)]
    with pytest.raises(OSError, match=os.strerror(errno.ENOTCONN)):  # no program writes into the bare directory
        (lost.path / "file").touch()
    if again == "refused by a notifyee":
        recorder.answers.clear()
    else:
        local_root.with_name("away").rename(local_root)
    assert (router.connect(resource, "Z:").path / "README").exists()
    router.disconnect("Z:")
    assert not lost.path.exists()


def test_a_lost_connection_is_not_taken_over_by_another_resource(
    router: Router, places: Places, local_root: Path, resource: str
) -> None:
    router.connect(resource, "Z:")
    kill_data_plane(places)
    (local_root / "below").mkdir()
    assert status_of(router.connect, (local_root / "below").as_uri(), "Z:") is Status.ERROR_ALREADY_ASSIGNED


class Refusing(Stranger):
    """Makes a connection once."""

    made = 0

    def add_connection(self, request: AddRequest) -> Added:
        self.made += 1
        if self.made > 1:
            raise WNetError(Status.ERROR_ACCESS_DENIED)
        return super().add_connection(request)


def test_nothing_is_left_of_a_lost_connection_that_was_cleared_and_could_not_be_made_again(
    places: Places, store: Store
) -> None:
    with Router(providers=[Refusing()]) as router:
        lost = router.connect("strange://it", "Z:")
        (lost.path / "connected").unlink()
        assert status_of(router.connect, "strange://it", "Z:") is Status.ERROR_ACCESS_DENIED
        assert router.connections() == []
    assert store.entries() == []
    assert not (places.drives / "Z").exists()


class Clinging(Stranger):
    """Does not let go of a connection at once."""

    def __init__(self, refusals: int) -> None:
        super().__init__()
        self.refusals = refusals

    def add_connection(self, request: AddRequest) -> Added:
        request.credentials.used("ana", Secret("spring"))
        return super().add_connection(request)

    def cancel_connection(self, mounted: Mounted, *, force: bool, progress: Progress | None = None) -> None:
        self.refusals -= 1
        if self.refusals >= 0:
            raise WNetError(Status.ERROR_BUSY)
        super().cancel_connection(mounted, force=force, progress=progress)


@pytest.mark.parametrize("refusals", [0, 1, 2])
def test_nothing_is_left_of_a_connection_whose_password_cannot_be_saved(
    places: Places, store: Store, refusals: int
) -> None:
    """Also if the provider cannot undo it at once: what it has then is not forgotten."""
    places.config.mkdir(exist_ok=True)
    (places.config / "credentials.toml").write_text("no TOML")
    (places.config / "credentials.toml").chmod(0o600)
    with Router(providers=[Clinging(refusals)]) as router:
        with pytest.raises(WNetError) as failure:
            router.connect("strange://it", "Z:", flags=ConnectFlag.CMD_SAVECRED)
        assert failure.value.status is Status.ERROR_BAD_CONFIGURATION
        assert router.connections() == []
    assert store.entries() == []
    assert not (places.drives / "Z").exists()


def test_c1_what_was_written_where_a_lost_connection_was_is_not_hidden_by_the_next(
    places: Places, store: Store
) -> None:
    del places
    with Router(providers=[Stranger()]) as router:
        lost = router.connect("strange://it", "Z:")
        (lost.path / "connected").rename(lost.path / "written")
        assert status_of(router.connect, "strange://it", "Z:") is Status.ERROR_DIR_NOT_EMPTY
    assert (lost.path / "written").exists()
    assert store.entries() == []


CLAIM = """
import sys, mprouter
for _ in sys.stdin:
    with mprouter.Router() as router:
        try:
            router.connect(sys.argv[1], "Z:")
        except mprouter.WNetError as error:
            print(error.status.name, flush=True)
        else:
            print("WON", flush=True)
"""


def test_c4_of_two_processes_exactly_one_gets_the_local_name(router: Router, places: Places, resource: str) -> None:
    router.connect(resource, "Y:")  # the data plane runs
    command = [sys.executable, "-c", CLAIM, resource]
    with ExitStack() as running:
        both = [
            running.enter_context(
                subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
            )
            for _ in range(2)
        ]
        for _ in range(50):
            for process in both:
                assert process.stdin is not None
                process.stdin.write("go\n")
            answers = sorted(process.stdout.readline().strip() for process in both if process.stdout is not None)
            assert answers == ["ERROR_ALREADY_ASSIGNED", "WON"]
            assert places.mounts() == [str(places.drives / "Y"), str(places.drives / "Z")]
            router.disconnect("Z:")
            assert places.mounts() == [str(places.drives / "Y")]


def kill_data_plane(places: Places) -> None:
    """Kill this test's rclone as a crash would."""
    (pid,) = [each for each in places.processes() if "rcd" in Path(f"/proc/{each}/cmdline").read_text()]
    process = os.pidfd_open(pid)
    os.kill(pid, signal.SIGKILL)
    select.select([process], [], [])
    os.close(process)


def test_a_router_that_nobody_has_any_more_is_gone_at_once(places: Places, resource: str) -> None:
    del places  # they are in the environment
    router = Router()
    router.connect(resource).close()
    gone = weakref.ref(router)
    gc.disable()
    try:
        del router
        assert gone() is None
    finally:
        gc.enable()


def test_n18_a_signal_handler_that_disconnects_ends_whatever_it_interrupts(
    router: Router, resource: str, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = {"looking for notifyees": router.connect(resource, "X:"), "mounting": router.connect(resource, "Y:")}
    answers: dict[str, Status] = {}
    registrations = DropIns.registrations

    def interrupted(place: str) -> None:
        if place not in answers:
            answers[place] = Status.WN_SUCCESS
            try:
                held[place].close()
            except WNetError as error:
                answers[place] = error.status

    def at_a_lock(rclone: daemon.Daemon, method: str, **parameters: Any) -> Any:
        if method == "mount/mount":
            interrupted("mounting")
        return call(rclone, method, **parameters)

    def at_the_notifyees(found: DropIns) -> list[Registration]:
        interrupted("looking for notifyees")
        return registrations(found)

    call = daemon.Daemon.call
    monkeypatch.setattr(daemon.Daemon, "call", at_a_lock)
    monkeypatch.setattr(DropIns, "registrations", at_the_notifyees)
    errand = Errand(lambda: router.connect(resource, "Z:"))  # which hangs without hanging this
    assert errand.result(30).local_name == "Z:"
    assert answers == {"looking for notifyees": Status.WN_SUCCESS, "mounting": Status.ERROR_POSSIBLE_DEADLOCK}
    assert places.mounts() == [str(places.drives / "Y"), str(places.drives / "Z")]
