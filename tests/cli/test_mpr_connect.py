"""A drive, as a user has one: connect, list, disconnect, restore, in words and as JSON, on real mounts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from recorder import Script
from sandbox import Command as Run
from sandbox import Places
from servers.daemon import wait_for
from servers.webdav import WebdavServer

MPR = Path(sys.executable).with_name("mpr")


def parsed(ran: subprocess.CompletedProcess[str]) -> Any:
    assert ran.stderr == ""
    return json.loads(ran.stdout)


def test_a_drive_from_connect_to_disconnect(mpr: Run, places: Places, resource: str, local_root: Path) -> None:
    drive = places.drives / "Z"
    assert mpr("list").stdout == "Nothing is connected.\n"

    connected = mpr("connect", resource, "z:")
    assert (connected.returncode, connected.stdout, connected.stderr) == (0, f"Z: -> {drive}  {resource}\n", "")
    assert (drive / "README").read_text() == "hello\n"
    heading, row = mpr("list").stdout.splitlines()
    assert heading.split() == ["LOCAL", "REMOTE", "PROVIDER", "STATE", "PATH"]
    assert row.split() == ["Z:", resource, "file", "connected", str(drive)]

    (drive / "written").write_text("through the drive\n")
    assert mpr("disconnect", "Z:").stdout == "Z: disconnected\n"
    assert (local_root / "written").read_text() == "through the drive\n"
    assert not drive.exists()
    assert mpr("list").stdout == "Nothing is connected.\n"


def test_the_same_as_json(mpr: Run, places: Places, resource: str) -> None:
    shown = parsed(mpr("connect", resource, "Z:", "--persist", "--json"))
    assert shown == {
        "remote_name": resource,
        "local_name": "Z:",
        "provider": "file",
        "user": None,
        "path": str(places.drives / "Z"),
        "remembered": True,
        "state": "connected",
        "options": {},
    }
    assert parsed(mpr("list", "--json")) == [shown]
    done = {"status": "WN_SUCCESS", "code": 0, "name": "Z:", "forgotten": False}
    assert parsed(mpr("disconnect", "Z:", "--json")) == done
    assert parsed(mpr("list", "--json")) == []
    remembered = shown | {"state": None}
    assert parsed(mpr("list", "--remembered", "--json")) == [remembered]
    assert parsed(mpr("restore", "--json")) == [{"status": "WN_SUCCESS", "code": 0, **shown}]
    assert parsed(mpr("restore", "--json")) == []
    assert parsed(mpr("disconnect", "Z:", "--forget", "--json")) == done | {"forgotten": True}
    assert parsed(mpr("list", "--remembered", "--json")) == []


def test_connections_without_and_with_other_local_names(mpr: Run, places: Places, resource: str) -> None:
    path = places.home / "mnt"
    without = mpr("connect", resource).stdout
    assert without == f"{places.runtime}/mounts/1  {resource}\n"
    assert mpr("connect", resource, "*").stdout == f"Z: -> {places.drives}/Z  {resource}\n"
    assert mpr("connect", resource, path).stdout == f"{path}  {resource}\n"
    assert [line.split()[0] for line in mpr("list").stdout.splitlines()[1:]] == ["-", "Z:", str(path)]
    assert mpr("disconnect", resource).stdout == f"{resource} disconnected\n"
    assert [line.split()[0] for line in mpr("list").stdout.splitlines()[1:]] == ["Z:", str(path)]


def test_a_failure_is_one_line_and_leaves_nothing(mpr: Run, places: Places, local_root: Path) -> None:
    ran = mpr("connect", f"{local_root.as_uri()}/missing", "Z:")
    assert ran.returncode == 1
    assert ran.stdout == ""
    assert ran.stderr.startswith(f"mpr: {local_root.as_uri()}/missing: ")
    assert "(ERROR_PATH_NOT_FOUND, 3)" in ran.stderr
    assert ran.stderr.count("\n") == 1
    assert mpr("list").stdout == "Nothing is connected.\n"
    assert list(places.drives.iterdir()) == []


def test_a_name_that_is_taken_says_how_to_get_it(mpr: Run, resource: str) -> None:
    mpr("connect", resource, "Z:")
    ran = mpr("connect", resource, "Z:")
    assert ran.returncode == 1
    assert "ERROR_ALREADY_ASSIGNED, 85" in ran.stderr
    assert "mpr disconnect Z:" in ran.stderr


def test_open_files_need_force(mpr: Run, places: Places, resource: str) -> None:
    mpr("connect", resource, "Z:")
    with (places.drives / "Z" / "README").open():
        refused = mpr("disconnect", "Z:")
        assert refused.returncode == 1
        assert "ERROR_OPEN_FILES, 2401" in refused.stderr
        assert mpr("disconnect", "Z:", "--force").returncode == 0


def test_a_lost_connection_is_shown_with_the_way_to_mend_it(mpr: Run, places: Places, resource: str) -> None:
    mpr("connect", resource, "Z:")
    for pid in places.processes():
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not places.processes(), "the end of what held the mount")
    shown = mpr("list").stdout
    assert "LOST" in shown
    again = f"mpr connect {resource} Z:"
    assert shown.splitlines()[-1] == f"Z: is lost; to connect it again: {again}; to be rid of it: mpr disconnect Z:"
    assert mpr(*again.split()[1:]).returncode == 0
    assert "LOST" not in mpr("list").stdout


def test_restore_connects_what_is_remembered_and_reports_each(mpr: Run, places: Places, tmp_path: Path) -> None:
    for letter in ("Y", "Z"):
        (tmp_path / letter).mkdir()
        assert mpr("connect", (tmp_path / letter).as_uri(), f"{letter}:", "--persist").returncode == 0
        assert mpr("disconnect", f"{letter}:").returncode == 0
    (tmp_path / "Y").rmdir()
    assert "Z: is not connected; to connect it: mpr restore Z:" in mpr("list", "--remembered").stdout

    ran = mpr("restore")
    assert ran.returncode == 1
    assert ran.stdout == f"Z: -> {places.drives}/Z  {(tmp_path / 'Z').as_uri()}\n"
    assert ran.stderr.startswith("mpr: Y: is not restored: ")
    assert "ERROR_PATH_NOT_FOUND" in ran.stderr
    failed = json.loads(mpr("restore", "--json").stdout)
    assert [(each["local_name"], each["status"]) for each in failed] == [("Y:", "ERROR_PATH_NOT_FOUND")]

    (tmp_path / "Y").mkdir()
    assert mpr("restore", "Y:").returncode == 0
    assert mpr("restore").stdout == "There is nothing to restore.\n"
    assert mpr("restore", "Y:").stdout == "Y: is connected.\n"
    unknown = mpr("restore", "X:")
    assert unknown.returncode == 1
    assert "not remembered (ERROR_NOT_CONNECTED, 2250)" in unknown.stderr


def test_restore_says_how_the_password_is_found_next_time(mpr: Run, webdav_server: WebdavServer) -> None:
    webdav_server.directory("remembered")
    connect = ("connect", webdav_server.url("/remembered"), "Z:", "--persist", "--password-stdin")
    password = f"{webdav_server.password}\n"
    assert mpr(*connect, stdin=password).returncode == 0
    mpr("disconnect", "Z:")
    refused = mpr("restore")
    assert refused.returncode == 1
    assert "(ERROR_LOGON_FAILURE, 1326); connect it once with --persist --save-password" in refused.stderr
    assert mpr(*connect, "--save-password", stdin=password).returncode == 0
    mpr("disconnect", "Z:")
    assert mpr("restore").returncode == 0


def test_where_the_password_is_saved_is_said(
    mpr: Run, places: Places, webdav_server: WebdavServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("DISPLAY", "WAYLAND_DISPLAY"):  # so that no keyring is expected
        monkeypatch.delenv(variable, raising=False)
    webdav_server.directory("kept")
    connect = ("connect", webdav_server.url("/kept"), "--password-stdin", "--json")
    password = f"{webdav_server.password}\n"
    assert parsed(mpr(*connect, stdin=password))["state"] == "connected"  # and nothing is said of a password

    saved = mpr(*connect, "--save-password", stdin=password)
    server = f"dav://{webdav_server.host}:{webdav_server.port}"
    file = places.config / "credentials.toml"
    assert saved.stderr.startswith(f"mpr: info: the password for {server} is saved in {file}, since ")
    assert saved.stderr.count("\n") == 1
    assert webdav_server.password not in saved.stderr
    assert json.loads(saved.stdout)["state"] == "connected"


def test_that_no_password_is_saved_is_said(mpr: Run, resource: str) -> None:
    ran = mpr("connect", resource, "--save-password")
    assert ran.returncode == 0
    assert (
        ran.stderr
        == f"mpr: info: no password is saved for {resource}: none was needed, or its provider does not tell\n"
    )


def test_what_cannot_be_remembered_is_said(mpr: Run, resource: str) -> None:
    ran = mpr("connect", resource, "--persist")
    assert ran.returncode == 0
    assert ran.stderr == "mpr: warning: without a local name it cannot be remembered\n"
    both = mpr("connect", resource, "Z:", "--persist", "--temporary")
    assert (both.returncode, "--persist and --temporary exclude each other" in both.stderr) == (2, True)


def test_n16_current_media_reaches_the_notifyees(mpr: Run, resource: str, script: Script) -> None:
    script.does(f'echo "flags $MPR_FLAGS" >>{script.log}')
    mpr("notify", "add", "script", script.target, "--operation", "add")
    mpr("connect", resource, "Z:", "--current-media")
    assert "flags 512" in script.told()
    mpr("connect", resource, "Y:", "--temporary")
    assert "flags 4" in script.told()


def test_n9_a_veto_is_told_with_its_reason(mpr: Run, resource: str, script: Script) -> None:
    script.does("""echo '{"status": "WN_CANCEL", "message": "not on a Sunday"}'""")
    mpr("notify", "add", "script", script.target)
    ran = mpr("connect", resource, "Z:")
    assert ran.returncode == 1
    assert ran.stderr == f"mpr: {resource}: not on a Sunday (WN_CANCEL, 1223)\n"
    shown = json.loads(mpr("connect", resource, "Z:", "--json").stdout)
    assert (shown["status"], shown["code"], shown["message"]) == ("WN_CANCEL", 1223, "not on a Sunday")


@pytest.mark.usefixtures("places")
def test_n9_a_veto_counts_also_where_the_end_of_children_is_ignored(resource: str, script: Script) -> None:
    """As after ``trap '' CHLD``, or in what a daemon has started that does so: that is inherited."""
    subprocess.run([MPR, "notify", "add", "policy", script.does("exit 77").target], check=True, capture_output=True)
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        with subprocess.Popen([MPR, "connect", resource, "Z:"], stderr=subprocess.PIPE, text=True) as ran:
            said = ran.communicate(timeout=60)[1]
    finally:
        signal.signal(signal.SIGCHLD, before)
    assert "WN_CANCEL" in said
    assert "Nothing is connected" in subprocess.run([MPR, "list"], check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_n19_a_signal_ends_it_after_the_posts(
    mpr: Run, places: Places, resource: str, script: Script, number: signal.Signals
) -> None:
    reached = places.base / "reached"
    slow = Script(places.base / "slow", places.base / "slow.log")
    slow.does(f'[ "$MPR_PHASE" = post ] || {{ touch {reached}; exec sleep 60; }}')
    mpr("notify", "add", "script", script.target, "--order", "10")
    mpr("notify", "add", "slow", slow.target, "--order", "20")
    with subprocess.Popen(
        [MPR, "connect", resource, "Z:"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        wait_for(reached.exists, "the call of the second notifyee")
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=30)
    assert (process.returncode, stdout, stderr) == (128 + number, "", "mpr: Z: interrupted; undone\n")
    assert script.told() == slow.told() == ["add pre 0", "add post 1223"]  # it may have done half of its work
    assert mpr("list").stdout == "Nothing is connected.\n"


@pytest.mark.parametrize("limit", [6, 7, 8, 9, 12])
def test_too_many_open_files_are_told_wherever_that_is_noticed(places: Places, resource: str, limit: int) -> None:
    words = ["list"] if limit == 6 else ["connect", resource, "Z:"]
    limited = ["/bin/sh", "-c", f'ulimit -n {limit}; exec "$@"', "sh"]
    ran = subprocess.run([*limited, MPR, *words], capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert "(ERROR_TOO_MANY_OPEN_FILES, 4); " in ran.stderr
    assert "ulimit -n" in ran.stderr
    assert places.mounts() == []
