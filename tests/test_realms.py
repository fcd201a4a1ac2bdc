"""One user's directories seen from two places that do not see each other's processes: containers, machines."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mprouter import Router, Status, WNetError, realm
from mprouter.notify.model import Event
from sandbox import Command, Places

Shell = Callable[[str], subprocess.CompletedProcess[str]]

CONTAINER = ("--pid", "--fork", "--kill-child", "--mount-proc")


@pytest.fixture
def elsewhere() -> Shell:
    """Runs a script in a container of its own, with a function ``mpr``; who is not root has a user namespace too."""
    namespaces = CONTAINER if os.geteuid() == 0 else ("--map-root-user", *CONTAINER)

    def run(script: str) -> subprocess.CompletedProcess[str]:
        given = f'mpr() {{ "{sys.executable}" -m mprouter "$@"; }}\n{script}'
        argv = ["unshare", *namespaces, "sh", "-uc", given]
        return subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)

    return run


def told(ran: subprocess.CompletedProcess[str]) -> str:
    assert "Traceback" not in ran.stderr
    return ran.stderr


def test_c6_what_is_connected_is_not_disturbed_from_elsewhere(
    mpr: Command, places: Places, resource: str, elsewhere: Shell
) -> None:
    assert mpr("connect", resource, "Z:", "--persist").returncode == 0
    assert mpr("connect", resource, "Y:").returncode == 0
    (places.drives / "Z" / "written").write_text("here")
    before = places.mounts()
    words = "in use in another container or on another machine"
    for command in (f"connect {resource} Z:", f"connect {resource}", "disconnect Z:", "disconnect Y: --force"):
        ran = elsewhere(f"mpr {command}")
        assert ran.returncode == 1, command
        assert words in told(ran), command
    assert words in told(elsewhere("mpr disconnect --all"))
    for command in ("restore", "recover", f"discard {resource} --yes", "browse file:///", "doctor --fix", "salvage"):
        told(elsewhere(f"mpr {command}"))
    assert places.mounts() == before
    assert {each["state"] for each in json.loads(mpr("list", "--json").stdout)} == {"connected"}
    assert (places.drives / "Z" / "written").read_text() == "here"
    assert mpr("disconnect", "--all").returncode == 0


def test_what_is_connected_elsewhere_is_told_as_that(mpr: Command, resource: str, elsewhere: Shell) -> None:
    assert mpr("connect", resource, "Z:", "--persist").returncode == 0
    assert "in use in another container" in told(elsewhere("mpr restore"))
    assert {each["state"] for each in json.loads(elsewhere("mpr list --json").stdout)} == {"elsewhere"}
    assert "Z: is connected in another container" in elsewhere("mpr list").stdout
    assert "Unavailable" in elsewhere("mpr net use").stdout
    found = json.loads(elsewhere("mpr doctor --json").stdout)
    assert "used-elsewhere" in json.dumps(found)
    assert "connection-lost" not in json.dumps(found)


def test_n19_an_operation_that_is_under_way_is_not_recovered_from_elsewhere(
    router: Router, resource: str, elsewhere: Shell, places: Places
) -> None:
    seen: list[object] = []

    def notifyee(event: Event) -> Iterator[None]:
        del event
        seen.append(json.loads(elsewhere("mpr recover --json").stdout))
        outcome = yield
        seen.append(outcome)

    router.register(notifyee, name="witness")
    router.connect(resource, "Z:")
    assert seen == [[], Status.WN_SUCCESS]
    assert places.mounts() == [str(places.drives / "Z")]


def test_c6_what_was_written_in_a_container_that_is_gone_is_sent_from_here(
    mpr: Command, resource: str, local_root: Path, elsewhere: Shell
) -> None:
    ran = elsewhere(f'mpr connect {resource} Z: && echo there > "$MPROUTER_DRIVES_DIR/Z/written"')
    assert ran.returncode == 0, ran.stderr
    assert mpr("connect", resource, "Y:").returncode == 0
    assert mpr("disconnect", "--all").returncode == 0
    assert (local_root / "written").read_text() == "there\n"


def test_c6_a_file_that_is_written_here_is_not_sent_in_pieces_from_a_container_with_the_same_home(
    mpr: Command, places: Places, resource: str, local_root: Path, elsewhere: Shell
) -> None:
    """Its runtime directory is another one, as where only the home is given to it: so it would start its own rclone."""
    assert mpr("connect", resource, "Z:").returncode == 0
    with (places.drives / "Z" / "big").open("wb", buffering=0) as file:
        file.write(b"1" * 1000000)
        ran = elsewhere(
            f"export MPROUTER_RUNTIME_DIR={places.base}/ownrun; mpr connect {resource} Y: && mpr disconnect Y:"
        )
        assert ran.returncode == 1
        assert "1 file (976.6 KiB) not on the server yet; disconnecting waits" in elsewhere("mpr list").stdout
        file.write(b"2" * 1000000)
    assert mpr("disconnect", "Z:").returncode == 0
    assert (local_root / "big").read_bytes() == b"1" * 1000000 + b"2" * 1000000


def test_after_all_is_disconnected_another_container_may_connect(mpr: Command, resource: str, elsewhere: Shell) -> None:
    assert mpr("connect", resource, "Z:").returncode == 0
    assert mpr("disconnect", "--all").returncode == 0
    ran = elsewhere(f"mpr connect {resource} Z: && mpr disconnect --all")
    assert ran.returncode == 0, ran.stderr
    assert mpr("connect", resource, "Z:").returncode == 0


def test_a_state_directory_of_its_own_wants_a_runtime_directory_of_its_own(
    mpr: Command, resource: str, places: Places, elsewhere: Shell
) -> None:
    assert mpr("connect", resource, "Z:").returncode == 0
    own = f"export MPROUTER_STATE_DIR={places.base}/own MPROUTER_DRIVES_DIR={places.base}/owndrives"
    ran = elsewhere(f"{own}; mpr connect {resource} Z:")
    assert ran.returncode == 1
    assert str(places.runtime) in told(ran)
    ran = elsewhere(
        f"{own} MPROUTER_RUNTIME_DIR={places.base}/ownrun; mpr connect {resource} Z: && mpr disconnect --all"
    )
    assert ran.returncode == 0, ran.stderr
    assert {each["state"] for each in json.loads(mpr("list", "--json").stdout)} == {"connected"}


def ran(code: str, *arguments: str) -> str:
    """What a program prints."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_a_program_may_disconnect_at_its_end(places: Places, resource: str) -> None:
    code = """
import atexit, sys
from mprouter import Router
router = Router()
atexit.register(lambda: (router.disconnect("Z:"), print("disconnected")))  # is called after all that comes later
router.connect(sys.argv[1], "Z:")
"""
    assert ran(code, resource) == "disconnected\n"
    assert places.mounts() == []


@pytest.mark.parametrize("opens", [0, 50])
def test_n18_a_daemon_that_has_closed_all_files_goes_on_and_keeps_those_that_it_opens(
    places: Places, resource: str, opens: int
) -> None:
    code = """
import os, sys
from mprouter import Router
router = Router()
router.connect(sys.argv[1], "Z:")
if os.fork():
    sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
os.closerange(3, 1024)
mine = [open("/etc/passwd") for _ in range(int(sys.argv[2]))]
router.connect(sys.argv[1], "Y:")
router.disconnect("Z:")
router.close()
for each in mine:
    os.fstat(each.fileno())
router.connect(sys.argv[1], "Z:")
del router
for each in mine:
    os.fstat(each.fileno())
"""
    ran(code, resource, str(opens))
    assert sorted(places.mounts()) == [str(places.drives / "Y"), str(places.drives / "Z")]


def test_n18_a_state_directory_that_was_replaced_is_entered_anew(tmp_path: Path) -> None:
    first = realm.enter(tmp_path)
    (tmp_path / "realm.lock").rename(tmp_path / "aside")
    assert first is not None
    assert realm.enter(tmp_path) is not first
    assert (tmp_path / "realm.lock").exists()


def test_who_may_not_be_at_work_is_not_so_for_a_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a command that begins in this moment where the connections are would be refused."""
    import fcntl

    asked: list[int] = []

    def recorded(file: int, command: int, lock: bytes) -> bytes:
        asked.append(command)
        return real(file, command, lock)

    monkeypatch.setattr(realm, "_byte", lambda _: 1)
    at_work = realm.enter(tmp_path)
    monkeypatch.setattr(realm, "_byte", lambda _: 2)
    real = fcntl.fcntl
    monkeypatch.setattr(fcntl, "fcntl", recorded)
    with pytest.raises(WNetError, match="in use in another container"):
        realm.enter(tmp_path)
    assert fcntl.F_OFD_GETLK in asked
    assert fcntl.F_OFD_SETLK not in asked
    del at_work


def test_a_sandbox_that_hides_which_realm_it_is_in_is_not_another_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As systemd does with ``ProcSubset=pid``."""
    at_work = realm.enter(tmp_path)

    def hidden(*_: object, **__: object) -> str:
        raise FileNotFoundError

    realm._byte.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_text", hidden)
        assert not realm.is_elsewhere(tmp_path)
        assert realm.enter(tmp_path) is None
    realm._byte.cache_clear()
    del at_work
