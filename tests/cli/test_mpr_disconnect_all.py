"""``mpr disconnect --all``: every connection on its own, with all data delivered, and what is remembered kept."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from click.testing import CliRunner

import warm
from mprouter import Router, State
from mprouter.cli.disconnect import command
from mprouter.providers.rclone import daemon, hold, mounts
from recorder import Script
from sandbox import Command, Places
from servers.daemon import wait_for
from servers.relay import relay
from servers.sftp import SftpServer


@pytest.fixture
def shares(tmp_path: Path) -> dict[str, Path]:
    """What X:, Y: and Z: are to be connected to."""
    found = {f"{letter}:": tmp_path / letter for letter in "XYZ"}
    for root in found.values():
        root.mkdir()
    return found


def test_everything_goes_and_what_is_remembered_can_be_restored(
    mpr: Command, places: Places, shares: dict[str, Path], script: Script
) -> None:
    mpr("notify", "add", "script", script.target)
    for letter, root in shares.items():
        mpr("connect", root.as_uri(), letter, *(["--persist"] if letter == "Z:" else []))
    for _ in range(2):
        mpr("connect", shares["X:"].as_uri())
    for letter in shares:
        (places.drives / letter[0] / "file").write_text(f"through {letter}")
    told = len(script.told())

    ran = mpr("disconnect", "--all")
    names = [*shares, shares["X:"].as_uri()]
    assert ran.returncode == 0, ran.stderr
    assert sorted(ran.stdout.splitlines()) == sorted(f"{name} disconnected" for name in names)  # as each is done
    assert sorted(script.told()[told:]) == sorted(["cancel pre 0", "cancel post 0"] * len(names))
    assert [(root / "file").read_text() for root in shares.values()] == [f"through {letter}" for letter in shares]
    assert places.mounts() == []
    assert mpr("disconnect", "--all").stdout == "Nothing is connected.\n"
    assert mpr("restore").stdout.startswith("Z: -> ")


def test_one_with_open_files_stays_and_does_not_keep_the_others(
    mpr: Command, places: Places, shares: dict[str, Path]
) -> None:
    for letter, root in shares.items():
        mpr("connect", root.as_uri(), letter)
    (places.drives / "Y" / "closed").write_text("all of it")
    with (places.drives / "Y" / "open").open("w") as file:
        file.write("half of it")
        file.flush()
        ran = mpr("disconnect", "--all")
        assert ran.returncode == 1
        assert sorted(ran.stdout.splitlines()) == ["X: disconnected", "Z: disconnected"]
        assert f"mpr: Y: is not disconnected: {shares['Y:'].as_uri()}: open: open in " in ran.stderr
        assert "(ERROR_OPEN_FILES, 2401)" in ran.stderr
        assert places.mounts() == [str(places.drives / "Y")]

        forced = mpr("disconnect", "--all", "--force", "--json")
        shown = {"status": "WN_SUCCESS", "code": 0, "name": "Y:", "forgotten": False}
        assert (forced.returncode, json.loads(forced.stdout)) == (0, [shown])
        assert (shares["Y:"] / "closed").read_text() == "all of it"
        assert places.mounts() == []


def test_a_veto_keeps_one_and_is_reported(mpr: Command, shares: dict[str, Path], script: Script) -> None:
    for letter, root in shares.items():
        mpr("connect", root.as_uri(), letter)
    script.does('test "$MPR_LOCAL_NAME" != X: || exit 77')
    mpr("notify", "add", "script", script.target, "--operation", "cancel")
    ran = mpr("disconnect", "--all", "--json")
    assert ran.returncode == 1
    shown = {each["name"]: each["status"] for each in json.loads(ran.stdout)}
    assert shown == {"X:": "WN_CANCEL", "Y:": "WN_SUCCESS", "Z:": "WN_SUCCESS"}


def test_c6_n18_a_silent_server_keeps_only_its_own_and_ctrl_c_leaves_that_as_it_was(
    mpr: Command, places: Places, shares: dict[str, Path], sftp_server: SftpServer
) -> None:
    for letter, root in shares.items():
        mpr("connect", root.as_uri(), letter)
    root, drive = sftp_server.directory("silent"), places.drives / "D"
    with relay(sftp_server.host, sftp_server.port) as line:
        known = places.home / "known_hosts"
        known.write_text(sftp_server.known_hosts.read_text().replace(f":{sftp_server.port}", f":{line.port}"))
        remote = sftp_server.url(root).replace(f":{sftp_server.port}", f":{line.port}")
        access = ["-o", f"known_hosts={known}", "-o", f"key_file={sftp_server.key}"]
        assert mpr("connect", remote, "D:", *access).returncode == 0
        assert list(drive.iterdir()) == []
        line.hang()
        (drive / "report").write_text("important")
        words = [str(Path(sys.executable).with_name("mpr")), "disconnect", "--all"]
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
            gone = [places.drives / letter[0] for letter in shares]
            wait_for(lambda: not any(each.exists() for each in gone), "the others to be gone")
            assert running.stderr is not None
            assert running.stderr.readline() == "mpr: D: waiting for 1 file (9 bytes) to reach the server\n"
            running.send_signal(signal.SIGINT)
            out, err = running.communicate()
        assert running.returncode == 130
        assert sorted(out.splitlines()) == ["X: disconnected", "Y: disconnected", "Z: disconnected"]
        assert "mpr: D: is not disconnected: D: interrupted; the connection stands (WN_CANCEL, 1223)\n" in err
        assert err.endswith("\nmpr: interrupted\n")
        assert places.mounts() == [str(drive)]

        ran = mpr("disconnect", "--all", "--later")
        assert (ran.returncode, ran.stdout) == (0, "D: disconnected\n")
        assert "kept, and sent by the next connection to it: report" in ran.stderr
        assert places.mounts() == []
        assert f"{remote}: 1 file (9 bytes) not on the server yet" in mpr("list", "--unsent").stdout
        line.restore()
        assert mpr("connect", remote, "E:", *access).returncode == 0
        assert mpr("disconnect", "E:").returncode == 0
        assert (root / "report").read_text() == "important"


@pytest.mark.parametrize("arguments", [[], ["Z:", "--all"], ["--all", "--forget"]])
def test_all_and_a_name_exclude_each_other(mpr: Command, arguments: list[str]) -> None:
    ran = mpr("disconnect", *arguments)
    assert ran.returncode == 2
    assert "--all" in ran.stderr


def test_c6_what_is_connected_while_rclone_is_ended_stands(
    places: Places, shares: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    stop, begun = daemon.stop, list[Future[object]]()
    with Router() as router, ThreadPoolExecutor() as threads:

        def meanwhile() -> bool:
            begun.append(threads.submit(router.connect, shares["Y:"].as_uri(), "Y:"))
            return stop()

        router.connect(shares["Z:"].as_uri(), "Z:")
        monkeypatch.setattr(hold, "stop", meanwhile)
        assert CliRunner().invoke(command, ["--all"]).exit_code == 0
        begun[0].result()
        assert [(each.local_name, each.state) for each in router.connections()] == [("Y:", State.CONNECTED)]
        (places.drives / "Y" / "file").write_text("sent")
        router.disconnect("Y:")
    assert (shares["Y:"] / "file").read_text() == "sent"


def test_rclone_ends_although_it_still_has_what_a_connect_that_was_killed_had_mounted(
    places: Places, mpr: Command, shares: dict[str, Path]
) -> None:
    """Else it would keep another container or machine from using the directories for ever."""
    strike = warm.Strike("mounted", 1, signal.SIGKILL)
    with warm.Started("connect", shares["Z:"].as_uri(), "Z:", strike=strike) as connect:
        assert connect.wait() == -signal.SIGKILL
    assert mpr("recover").returncode == 0
    assert (places.runtime / "rclone.json").exists()
    assert mpr("disconnect", "--all").returncode == 0
    assert daemon.running() is None


def test_an_rclone_is_ended_too_when_what_a_forced_disconnect_has_left_open_is_closed(
    mpr: Command, places: Places, shares: dict[str, Path]
) -> None:
    mpr("connect", shares["Z:"].as_uri(), "Z:")
    (places.drives / "Z" / "file").write_text("to read")
    wait_for((shares["Z:"] / "file").exists, "the file to be sent")
    with (places.drives / "Z" / "file").open():
        assert mpr("disconnect", "Z:", "--force").returncode == 0
        mpr("disconnect", "--all")
        rclone = daemon.running()
        assert rclone is not None
    wait_for(lambda: mounts.served_by(rclone.pid) == 0, "the end of the mount")
    assert mpr("disconnect", "--all").returncode == 0
    assert daemon.running() is None
    assert list((places.state / "cache").glob("vfs*/*")) == []  # no copies of what was sent
