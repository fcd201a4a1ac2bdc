"""The disk of the state directory is full, of what waits there to be sent too, or read-only: what a user can still do.

What the store alone makes of that is in `test_store_faults.py`, a full disk of the cache alone in `providers`.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from mprouter.places import private
from mprouter.providers.rclone import daemon, mend, unsent
from mprouter.status import Status, WNetError
from servers import sftp
from servers.daemon import Fresh, end, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sandbox import Command, Places
    from servers.sftp import SftpServer


@pytest.fixture
def disk(places: Places) -> Iterator[Path]:
    """A disk of 8 MiB for the state directory."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m,mode=700", "none", places.state], check=True)
    yield places.state
    for point in reversed(places.mounts()):
        if point != str(places.state):
            subprocess.run(["fusermount3", "-uz", point], check=True)
    end(places.processes())
    subprocess.run(["umount", places.state], check=True)


@pytest.fixture
def server(fresh: Fresh) -> SftpServer:
    return fresh(sftp.serve)


@pytest.fixture
def access(server: SftpServer) -> list[str]:
    """The options with which ``mpr connect`` is let in."""
    return ["-o", f"known_hosts={server.known_hosts}", "-o", f"key_file={server.key}"]


def write_until_full(drive: Path) -> dict[str, bytes]:
    """What was written and closed; the last file was not, since there was no room for all of it."""
    written = {}
    with pytest.raises(OSError, match="Input/output error"):  # noqa: PT012 - the program is told
        for number in range(1, 9):
            content = os.urandom(1 << 20)
            with (drive / f"t{number}").open("wb", buffering=0) as file:
                for at in range(0, len(content), 1 << 16):
                    file.write(content[at : at + (1 << 16)])
            written[f"t{number}"] = content
    return written


def kill_rclone() -> None:
    found = daemon.running()
    assert found is not None
    os.kill(found.pid, signal.SIGKILL)
    end([found.pid])


def fill(disk: Path) -> None:
    with suppress(OSError), (disk / "something else").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(1024))


@pytest.mark.parametrize("way", ["disconnect", "restore"])
def test_c6_what_fills_the_disk_can_be_seen_and_sent(
    mpr: Command, places: Places, disk: Path, server: SftpServer, access: list[str], *, way: str
) -> None:
    assert mpr("connect", server.url(), "X:", *access, "--persist").returncode == 0
    assert list((places.drives / "X").iterdir()) == []
    server.stop()
    wanted = write_until_full(places.drives / "X")
    cut_off = f"t{len(wanted) + 1}"
    if way != "disconnect":
        kill_rclone()
    fill(disk)
    assert "X:" in mpr("events").stdout
    (shown,) = json.loads(mpr("list", "--json").stdout)
    assert (shown["local_name"], shown["state"]) == ("X:", "connected" if way == "disconnect" else "lost")
    assert "not on the server yet" in mpr("list", "--unsent").stdout
    server.start()
    ran = mpr(way, "X:")
    assert (ran.returncode, ran.stderr.count("full")) == (0, 0)
    wait_for(lambda: not unsent.waiting(), "the files to be sent", 60)
    assert {name: (server.root / name).read_bytes() for name in wanted} == wanted
    assert {each.name for each in server.root.iterdir()} - wanted.keys() <= {cut_off}  # what there was of it
    assert not (disk / "cache" / "damaged").exists()


def test_c6_a_file_whose_rest_has_no_room_keeps_no_other_from_being_sent(
    mpr: Command, places: Places, disk: Path, server: SftpServer, access: list[str]
) -> None:
    old = os.urandom(3 << 19)
    (server.root / "log").write_bytes(old)
    assert mpr("connect", server.url(), "X:", *access, "--persist").returncode == 0
    drive = places.drives / "X"
    assert [each.name for each in drive.iterdir()] == ["log"]
    log = os.open(drive / "log", os.O_WRONLY | os.O_APPEND)
    os.write(log, b"appended")
    server.stop()
    (drive / "report").write_bytes(b"whole")
    kill_rclone()
    with suppress(OSError):
        os.close(log)
    fill(disk)
    server.start()
    ran = mpr("restore")
    assert ran.returncode == 0
    assert "log: no room to fetch the rest of it" in ran.stderr
    wait_for((server.root / "report").exists, "the file that has room")
    (waiting,) = json.loads(mpr("list", "--unsent", "--json").stdout)
    assert (waiting["remote_name"], waiting["files"]) == (server.url(), 1)
    assert (server.root / "log").read_bytes() == old
    assert mpr("disconnect", "X:").returncode == 0
    os.truncate(disk / "something else", (disk / "something else").stat().st_size - (1 << 20))
    assert mpr("restore").returncode == 0  # there is room to fetch the rest, and not to put it into the file
    assert mpr("disconnect", "X:").returncode == 0
    assert (server.root / "log").read_bytes() == old
    (disk / "something else").unlink()
    assert mpr("restore").returncode == 0
    wait_for(lambda: not unsent.waiting(), "the rest to be sent", 60)
    assert (server.root / "log").read_bytes() == old + b"appended"
    assert not (disk / "cache" / "damaged").exists()


def test_c6_two_changes_of_one_file_wait_side_by_side_while_there_is_no_room_for_its_rest(
    mpr: Command, places: Places, disk: Path, server: SftpServer, access: list[str]
) -> None:
    old = os.urandom(3 << 19)
    (server.root / "log").write_bytes(old)
    for appended in (b"first", b"second"):
        assert mpr("connect", server.url(), "X:", *access).returncode == 0
        assert [each.name for each in (places.drives / "X").iterdir()] == ["log"]
        log = os.open(places.drives / "X" / "log", os.O_WRONLY | os.O_APPEND)
        os.write(log, appended)
        kill_rclone()
        with suppress(OSError):
            os.close(log)
        fill(disk)
        os.truncate(disk / "something else", (disk / "something else").stat().st_size - (5 << 18))
        assert "log: no room to fetch the rest of it" in mpr("connect", server.url(), "X:", *access).stderr
        assert mpr("disconnect", "X:").returncode == 0
    (disk / "something else").unlink()
    assert mpr("connect", server.url(), "X:", *access).returncode == 0
    assert mpr("disconnect", "X:").returncode == 0
    sent = {each.read_bytes() for each in server.root.iterdir()}
    assert sent == {old + b"first", old + b"second"}


def test_what_the_disk_takes_only_in_part_is_not_taken_for_written(disk: Path) -> None:
    """Zeros would be sent in place of the rest."""
    fill(disk)
    os.truncate(disk / "something else", (disk / "something else").stat().st_size - (1 << 16))
    with (disk / "file").open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        mend._write(file.fileno(), bytes(1 << 20), 0)


def leave_files(disk: Path, number: int) -> None:
    """Have *number* more files be possible."""
    found = os.statvfs(disk)
    number += found.f_files - found.f_ffree
    subprocess.run(["mount", "-o", f"remount,nr_inodes={number}", disk], check=True)


def test_a_disk_without_another_file_is_full(mpr: Command, disk: Path, resource: str) -> None:
    assert mpr("connect", resource, "Z:").returncode == 0
    assert mpr("disconnect", "Z:").returncode == 0
    shutil.rmtree(disk / "cache")
    leave_files(disk, 2)  # as many as the store needs for its log
    refused = mpr("connect", resource, "Z:")
    assert refused.returncode == 1
    assert "(ERROR_DISK_FULL, 112); make room" in refused.stderr
    leave_files(disk, 0)
    with pytest.raises(WNetError) as caught:
        private(disk / "another")
    assert caught.value.status is Status.ERROR_DISK_FULL


def test_c6_nothing_is_connected_for_writing_where_there_can_be_no_cache(
    mpr: Command, places: Places, local_root: Path
) -> None:
    resource = local_root.as_uri()
    assert mpr("connect", resource, "Z:").returncode == 0
    assert mpr("disconnect", "Z:").returncode == 0
    cache = places.state / "cache" / "vfs"
    shutil.rmtree(cache)
    cache.touch()  # in its place; as root one may write everywhere
    refused = mpr("connect", resource, "Z:")
    assert refused.returncode == 1
    assert f"there can be no cache, where what is written waits to be sent ({cache}" in refused.stderr
    assert not places.mounts()
    assert mpr("connect", resource, "Y:", "-o", "read_only=yes").returncode == 0
    cache.unlink()
    assert mpr("connect", resource, "Z:").returncode == 0
    with (places.drives / "Z" / "log").open("a") as file:
        file.write("more")


def test_on_a_disk_that_is_read_only_all_can_be_seen(mpr: Command, places: Places, local_root: Path) -> None:
    assert mpr("connect", local_root.as_uri(), "Z:").returncode == 0
    subprocess.run(["mount", "--bind", places.state, places.state], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", places.state], check=True)
    try:
        assert json.loads(mpr("list", "--json").stdout)[0]["local_name"] == "Z:"
        assert "Z:" in mpr("events").stdout
        ran = mpr("disconnect", "Z:")
        assert ran.returncode == 1
        assert "mounted read-only" in ran.stderr
        assert (places.drives / "Z").is_mount()
    finally:
        subprocess.run(["umount", places.state], check=True)
