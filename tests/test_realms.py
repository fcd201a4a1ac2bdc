"""One user's directories seen from two places that do not see each other's processes: containers, machines."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mprouter import Router, Status
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
