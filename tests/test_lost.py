"""What an rclone that died has left, as a user has it: seen, cleaned up, connected again, and nothing written lost."""

from __future__ import annotations

import getpass
import json
import os
import pickle
import shlex
import shutil
import signal
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from mprouter import Router, Status, WNetError
from mprouter.providers.base import State
from mprouter.providers.rclone import daemon
from sandbox import Command, Places
from servers import sftp, webdav
from servers.daemon import Fresh, end, wait_for
from servers.sftp import SftpServer
from warm import MPR


@pytest.fixture
def server(fresh: Fresh) -> SftpServer:
    return fresh(sftp.serve)


def access(server: SftpServer) -> list[str]:
    """What the command needs to be told to log on there."""
    return ["-o", f"known_hosts={server.known_hosts}", "-o", f"key_file={server.key}"]


def kill_rclone() -> None:
    found = daemon.running()
    assert found is not None
    os.kill(found.pid, signal.SIGKILL)
    end([found.pid])


def reboot(places: Places) -> None:
    """Leave what a reboot leaves: no process, no mount, and an empty runtime directory."""
    kill_rclone()
    for point in reversed(places.mounts()):
        subprocess.run(["fusermount3", "-uz", point], check=True)
    shutil.rmtree(places.runtime)


def only_kill(places: Places) -> None:
    del places
    kill_rclone()


def unsent(mpr: Command) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(mpr("list", "--unsent", "--json").stdout)
    return found


def test_what_a_killed_rclone_served_is_lost_and_restore_leaves_no_dead_mount(
    mpr: Command, places: Places, server: SftpServer
) -> None:
    options = access(server)
    assert mpr("connect", server.url(), "Z:", "--persist", *options).returncode == 0
    assert mpr("connect", server.url(), "Y:", *options).returncode == 0
    assert mpr("connect", server.url(), *options).returncode == 0
    kill_rclone()
    assert {each["state"] for each in json.loads(mpr("list", "--json").stdout)} == {"lost"}
    assert len(places.mounts()) == 3
    assert "\nZ: is lost; to connect it again: mpr restore Z:; to be rid of it: " in mpr("list").stdout
    ran = mpr("restore")
    assert ran.returncode == 0
    assert "Y: was lost and is not remembered" in ran.stderr
    assert places.mounts() == [str(places.drives / "Z")]
    assert list((places.drives / "Z").iterdir()) == []
    assert not (places.drives / "Y").exists()
    assert [each["local_name"] for each in json.loads(mpr("list", "--json").stdout)] == ["Z:"]


def test_what_is_not_seen_in_an_older_mount_namespace_is_not_lost_and_stays(
    mpr: Command, places: Places, resource: str
) -> None:
    script = 'echo ready; read go; "$0" list --json; "$0" restore; "$0" disconnect Z: --force'
    argv = ["unshare", "--mount", "sh", "-c", script, str(MPR)]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as shell:
        assert shell.stdout is not None
        assert shell.stdout.readline() == "ready\n"
        assert mpr("connect", resource, "Z:").returncode == 0
        assert mpr("connect", resource, "Y:", "--persist").returncode == 0
        said, _ = shell.communicate("go on\n")
    assert said.count('"state": "connected"') == 2
    assert "There is nothing to restore" in said
    assert "it stands in another mount namespace, and is not seen from here (ERROR_BUSY, 170)" in said
    assert places.mounts() == [str(places.drives / each) for each in "YZ"]
    assert mpr("disconnect", "--all").returncode == 0


@pytest.mark.parametrize(
    ("death", "again"), [(only_kill, "another letter"), (reboot, "restore"), (reboot, "deviceless")]
)
def test_c6_what_waits_is_told_until_the_next_connection_sends_it(
    mpr: Command, places: Places, server: SftpServer, death: Callable[[Places], None], again: str
) -> None:
    options = access(server)
    assert mpr("connect", server.url(), "Z:", "--persist", *options).returncode == 0
    drive = places.drives / "Z"
    assert list(drive.iterdir()) == []  # rclone then knows for a while that there are no files
    server.stop()
    (drive / "report").write_text("important")
    (drive / "table").write_text("too")
    death(places)
    told = f"{server.url()}: 2 files (12 bytes) not on the server yet; to send that: mpr connect"
    assert told in mpr("list").stdout
    ran = mpr("restore")
    assert ran.returncode == 1
    assert told in mpr("list").stdout
    (found,) = unsent(mpr)
    assert (found["remote_name"], found["files"], found["bytes"]) == (server.url(), 2, 12)
    server.start()
    match again:
        case "restore":
            ran = mpr("restore")
        case "another letter":
            ran = mpr("connect", server.url(), "X:", *options)
        case _:
            ran = mpr("connect", server.url(), *options)
    assert ran.returncode == 0
    wait_for(lambda: not unsent(mpr), "the files to be sent")
    assert (server.root / "report").read_text() == "important"
    assert (server.root / "table").read_text() == "too"
    assert mpr("list", "--unsent").stdout == "Nothing waits to be sent.\n"


def test_c6_a_connection_is_closed_without_what_waits_and_no_other_to_the_same_resource(
    router: Router, server: SftpServer
) -> None:
    options = {"known_hosts": str(server.known_hosts), "key_file": str(server.key)}
    made, others = (router.connect(server.url(), options=options) for _ in range(2))
    assert list(made.path.iterdir()) == []
    server.stop()
    (made.path / "report").write_text("important")
    with pytest.raises(WNetError) as failure:
        made.close()
    assert failure.value.status is Status.ERROR_WRITE_FAULT
    pickle.loads(pickle.dumps(made)).close(later=True)  # noqa: S301 - our own
    assert router.connections() == [others]
    assert [each.remote_name for each in router.waiting()] == [server.url()]
    server.start()
    others.close()
    assert (server.root / "report").read_text() == "important"


def test_c6_what_is_left_beside_another_connection_is_not_told_as_what_that_one_waits_for(
    mpr: Command, places: Places, fresh: Fresh
) -> None:
    """As after a new password: the one with the old password goes, and the one with the new one does not send that."""
    server = fresh(webdav.serve)

    def connect(local_name: str, password: str) -> None:
        ran = mpr("connect", server.url(), local_name, "--password-stdin", stdin=f"{password}\n")
        assert ran.returncode == 0, ran.stderr

    connect("Z:", server.password)
    assert list((places.drives / "Z").iterdir())  # so that it is known without the server
    server.stop()
    (places.drives / "Z" / "report").write_text("important")
    server.change_password("changed")
    server.start()
    connect("Y:", "changed")
    assert "disconnecting waits for that" in mpr("list").stdout
    assert mpr("disconnect", "Z:", "--later").returncode == 0
    told = mpr("list").stdout
    assert "Y:" in told
    assert "disconnecting waits for that" not in told
    command = shlex.split(told.partition("to send that: mpr ")[2])
    assert mpr(*command, "X:", "--password-stdin", stdin="changed\n").returncode == 0
    assert "to send that" not in mpr("list").stdout
    assert mpr("disconnect", "X:").returncode == 0
    assert (server.root / "report").read_text() == "important"


def test_c6_what_waits_for_one_user_is_not_sent_by_the_connection_of_another(
    mpr: Command, places: Places, server: SftpServer
) -> None:
    remote = f"sftp://{server.host}:{server.port}{server.root}"
    assert mpr("connect", remote, "Z:", "--user", server.user, *access(server)).returncode == 0
    assert list((places.drives / "Z").iterdir()) == []
    server.stop()
    (places.drives / "Z" / "report").write_text("important")
    assert mpr("disconnect", "Z:", "--later").returncode == 0
    server.start()
    assert mpr("connect", remote, "Z:", "--user", getpass.getuser(), *access(server)).returncode == 0
    told = mpr("list").stdout.partition("to send that: mpr ")[2]
    assert mpr(*shlex.split(told)).returncode == 0  # what is told is the command that does it
    wait_for((server.root / "report").exists, "the file to be sent")


def test_c6_what_waits_is_told_when_the_lost_connection_is_gone_too(
    mpr: Command, places: Places, server: SftpServer
) -> None:
    options = access(server)[:2]
    options += ["-o", f"key_file={shutil.copy(server.key, places.home / 'my key')}"]
    assert mpr("connect", server.url(), "Z:", *options).returncode == 0
    assert list((places.drives / "Z").iterdir()) == []
    server.stop()
    (places.drives / "Z" / "report").write_text("important")
    assert "disconnecting waits for that" in mpr("list").stdout
    kill_rclone()
    again = mpr("list").stdout.partition("to connect it again: mpr ")[2].partition("; to be rid of it")[0]
    assert set(options) < set(shlex.split(again))
    assert "kept, and sent by the next connection to it: report" in mpr("disconnect", "Z:").stderr
    ran = mpr("list")
    assert ran.stdout.startswith("Nothing is connected.\n")
    assert "1 file (9 bytes) not on the server yet" in ran.stdout
    server.start()
    assert mpr(*shlex.split(again)).returncode == 0  # what is told is the command that does it
    assert mpr("disconnect", "Z:").returncode == 0
    assert (server.root / "report").read_text() == "important"
    assert mpr(*shlex.split(ran.stdout.partition("to send that: mpr ")[2])).returncode == 0


def test_c6_what_waits_is_told_although_the_state_directory_was_moved(
    mpr: Command, places: Places, server: SftpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert mpr("connect", server.url(), "Z:", *access(server)).returncode == 0
    assert list((places.drives / "Z").iterdir()) == []
    server.stop()
    (places.drives / "Z" / "report").write_text("important")
    kill_rclone()
    subprocess.run(["fusermount3", "-uz", places.drives / "Z"], check=True)
    monkeypatch.setenv("MPROUTER_STATE_DIR", str(places.state.rename(places.base / "moved")))
    assert "kept, and sent by the next connection to it: report" in mpr("disconnect", "Z:").stderr


def test_c6_a_reported_file_is_shown_safely_whatever_is_written_down_of_it(mpr: Command, places: Places) -> None:
    content, description = (
        places.state / "cache" / kind / "mpr-sftp ana@host 0123456789ab{x}" / "report" for kind in ("vfs", "vfsMeta")
    )
    for each in (content, description):
        each.parent.mkdir(parents=True)
        each.write_text("")  # cut off
    assert mpr("list").stdout.splitlines()[1].startswith("mpr-sftp ana@host 0123456789ab{x}: 1 file (0 bytes)")
    said = places.state / "cache" / "resources" / description.parent.name
    said.parent.mkdir()
    said.write_text('{"remote_name": "sftp://h')  # cut off
    assert mpr("list").stdout.splitlines()[1].startswith("mpr-sftp ana@host 0123456789ab{x}: 1 file (0 bytes)")
    said.write_text('{"remote_name": "sftp://h\\u001b[2J"}')
    assert mpr("list").stdout.splitlines()[1].startswith(r"sftp://h\x1b[2J: 1 file (0 bytes)")


def test_c6_a_disconnect_that_fails_when_the_mount_is_gone_leaves_no_bare_directory_to_write_into(
    router: Router, places: Places, server: SftpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mprouter.providers.rclone.provider.DYING", 0.0)
    options = {"known_hosts": str(server.known_hosts), "key_file": str(server.key)}
    router.connect(server.url(), "Z:", options=options)
    socket = places.runtime / "rclone.sock"

    def strike(point: str) -> None:  # rclone lives, and cannot be asked
        if point == "unmounted":
            socket.rename(socket.with_name("elsewhere"))

    with monkeypatch.context() as context:
        context.setattr("mprouter.faults.hook", strike)
        with pytest.raises(WNetError) as failed:
            router.disconnect("Z:")
    assert failed.value.status is Status.ERROR_PROCESS_ABORTED
    assert [each.state for each in router.connections()] == [State.LOST]
    assert not (places.drives / "Z").exists()
    socket.with_name("elsewhere").rename(socket)
    router.connect(server.url(), "Z:", options=options)
    assert places.mounts() == [str(places.drives / "Z")]
    router.disconnect("Z:")
