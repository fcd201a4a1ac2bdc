"""Connections whose rclone died or whose mount was taken away: seen, cleaned up, and made again with nothing lost."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import cast

import pytest

from mprouter.providers.base import Mounted, State
from mprouter.providers.rclone import hold, mend, provider, rc, unsent
from mprouter.providers.rclone.server import Server
from mprouter.providers.rclone.sftp import Sftp
from mprouter.status import Status, WNetError
from sandbox import Places
from servers import sftp
from servers.daemon import Fresh, wait_for
from servers.sftp import SftpServer
from shares import Connections, Share


@pytest.fixture
def connections(places: Places, monkeypatch: pytest.MonkeyPatch) -> Connections:
    """What is written waits until rclone is killed, or it is disconnected, however busy the machine is."""
    usual = provider.WRITE_BACK

    class Unhurried(Connections):
        def kill_rclone(self, number: signal.Signals = signal.SIGKILL) -> None:
            super().kill_rclone(number)
            monkeypatch.setattr(provider, "WRITE_BACK", usual)

    monkeypatch.setattr(provider, "WRITE_BACK", "1h")
    return Unhurried(places)


@pytest.fixture
def hurried(connections: Connections, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written is sent soon, as ever."""
    del connections
    monkeypatch.setattr(provider, "WRITE_BACK", "1s")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_connection_whose_rclone_was_ended_is_lost_and_nobody_writes_into_its_bare_directory(
    sftp_share: Share, connections: Connections, number: signal.Signals
) -> None:
    mounted = connections.connect(sftp_share)
    assert sftp_share.provider.state(mounted) is State.CONNECTED
    (mounted.mountpoint / "report").write_text("important")
    wait_for(lambda: connections.queued(mounted) == {"report"}, "rclone to be told of the close")
    connections.kill_rclone(number)
    assert sftp_share.provider.state(mounted) is State.LOST
    with pytest.raises(OSError, match=os.strerror(errno.ENOTCONN)):
        (mounted.mountpoint / "report").write_text("lost")
    connections.disconnect(mounted)  # also checks that the directory is one again
    connections.disconnect(connections.connect(sftp_share))
    assert (sftp_share.root / "report").read_text() == "important"


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("later", [False, True])
def test_c6_a_connection_that_is_covered_by_another_mount_is_not_said_to_be_gone(
    sftp_share: Share, connections: Connections, *, force: bool, later: bool
) -> None:
    mounted = connections.connect(sftp_share)
    subprocess.run(["mount", "-t", "tmpfs", "none", mounted.mountpoint], check=True)
    try:
        with pytest.raises(WNetError, match=r"\(tmpfs\) is mounted over") as refused:
            sftp_share.provider.cancel_connection(replace(mounted, later=later), force=force)
        assert refused.value.status is Status.ERROR_DEVICE_IN_USE
    finally:
        subprocess.run(["umount", mounted.mountpoint], check=True)
    connections.disconnect(mounted)


def test_a_connection_whose_mount_was_taken_away_is_lost(sftp_share: Share, connections: Connections) -> None:
    mounted = connections.connect(sftp_share)
    subprocess.run(["fusermount3", "-u", mounted.mountpoint], check=True)
    assert sftp_share.provider.state(mounted) is State.LOST
    connections.disconnect(mounted)


def test_another_mount_in_the_place_of_a_lost_one_is_left_alone(
    sftp_share: Share, connections: Connections, places: Places
) -> None:
    mounted = connections.connect(sftp_share)
    connections.kill_rclone()
    subprocess.run(["fusermount3", "-uz", mounted.mountpoint], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "none", mounted.mountpoint], check=True)
    try:
        assert sftp_share.provider.state(mounted) is State.LOST
        sftp_share.provider.cancel_connection(mounted, force=True)
        assert str(mounted.mountpoint) in places.mounts()
    finally:
        subprocess.run(["umount", mounted.mountpoint], check=True)


def test_c6_unsent_data_of_a_killed_rclone_is_sent_by_the_next_connection(
    share: Share,
    connections: Connections,
    caplog: pytest.LogCaptureFixture,
) -> None:
    share.put("log", "first line\n")
    mounted = connections.connect(share)
    (mounted.mountpoint / "directory").mkdir()
    (mounted.mountpoint / "directory" / "report").write_text("important")
    with (mounted.mountpoint / "log").open("a") as log:
        log.write("second line\n")
    wait_for(lambda: connections.queued(mounted) == {"directory/report", "log"}, "rclone to be told of the closes")
    connections.kill_rclone()
    connections.disconnect(mounted)
    assert "directory/report" in caplog.text  # the person is told that it is kept
    again = connections.connect(share)
    connections.disconnect(again)
    assert (share.root / "directory" / "report").read_text() == "important"
    assert (share.root / "log").read_text() == "first line\nsecond line\n"


def test_c6_what_another_rclone_has_that_lives_is_left_to_it(
    share: Share, connections: Connections, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    share.put("log", "the server's\n")
    mounted = connections.connect(share)
    with (mounted.mountpoint / "log").open("w") as log:
        log.write("first line\n")
        log.flush()
        with monkeypatch.context() as in_a_session:  # what ran before has another runtime directory
            in_a_session.setenv("MPROUTER_RUNTIME_DIR", str(places.base / "session"))
            connections.disconnect(connections.connect(share))
            with pytest.raises(WNetError) as refused:
                share.provider.discard(share.provider.waiting()[0])
            assert refused.value.status is Status.ERROR_BUSY
        log.write("second line\n")
    connections.disconnect(mounted)
    assert {each.name: each.read_text() for each in share.root.iterdir()} == {"log": "first line\nsecond line\n"}


def test_c6_what_was_left_beside_a_connection_that_was_forced_is_sent_by_the_next_one(
    share: Share, connections: Connections
) -> None:
    forced = connections.connect(share)
    with (forced.mountpoint / "open").open("w") as file:  # so that the next connection shares nothing with this one
        connections.disconnect(forced, force=True)
        beside = connections.connect(share)
        assert beside.handle["fs"] != forced.handle["fs"]
        (beside.mountpoint / "report").write_text("important")
        wait_for(lambda: connections.queued(beside) == {"report"}, "rclone to be told of the close")
        connections.kill_rclone()
        connections.disconnect(beside)
        with suppress(OSError):
            file.close()
    connections.disconnect(connections.connect(share))
    assert (share.root / "report").read_text() == "important"


def test_c6_what_was_closed_is_not_replaced_by_what_was_still_written_on_a_connection_that_was_forced(
    share: Share, connections: Connections, caplog: pytest.LogCaptureFixture
) -> None:
    forced = connections.connect(share)
    with (forced.mountpoint / "report.txt").open("w") as file:
        file.write("half")
        file.flush()
        connections.disconnect(forced, force=True)
        beside = connections.connect(share)
        (beside.mountpoint / "report.txt").write_text("whole")
        wait_for(lambda: connections.queued(beside) == {"report.txt"}, "rclone to be told of the close")
        connections.kill_rclone()
        connections.disconnect(beside)
        with suppress(OSError):
            file.close()
    assert sent(share, connections) == {"report.txt": "whole", "report (unfinished).txt": "half"}
    assert "report (unfinished).txt" in caplog.text


@pytest.mark.parametrize("again", ["password", "key"])
def test_c6_what_waits_under_two_passwords_is_sent_as_two_files(
    fresh: Fresh, connections: Connections, caplog: pytest.LogCaptureFixture, again: str
) -> None:
    server = fresh(sftp.serve)
    options = {"known_hosts": str(server.known_hosts)}
    share = Share(Sftp(), server.url(), server.root, None, server.password, options)
    first, second = connections.connect(share), connections.connect(by_key(share, server))
    for mounted in (first, second):
        assert list(mounted.mountpoint.iterdir()) == []  # known for some seconds
    server.stop()
    (first.mountpoint / "report.txt").write_text("first")
    wait_for(lambda: connections.queued(first), "rclone to be told of the close")
    (second.mountpoint / "report.txt").write_text("second")
    wait_for(lambda: connections.queued(second), "rclone to be told of the close")
    connections.kill_rclone()
    for mounted in (first, second):
        connections.disconnect(mounted)
    server.start()
    assert sent(share if again == "password" else by_key(share, server), connections) == {
        "report.txt": "second",
        "report (conflict).txt": "first",
    }
    assert "report.txt was written again, by another connection, while it waited here" in caplog.text


def test_c6_of_two_files_that_wait_under_one_name_as_if_closed_at_one_time_neither_is_dropped(
    sftp_share: Share, sftp_server: SftpServer, connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as slowly:
        slowly.setattr(provider, "WRITE_BACK", "1h")
        by_password, with_key = (connections.connect(each) for each in (sftp_share, by_key(sftp_share, sftp_server)))
    for mounted, content in ((by_password, "first"), (with_key, "second")):
        (mounted.mountpoint / "report.txt").write_text(content)
    for mounted in (by_password, with_key):
        wait_for(partial(connections.queued, mounted), "rclone to be told of the close")
    connections.kill_rclone()
    for mounted in (by_password, with_key):
        connections.disconnect(mounted)
        description = Path(mounted.handle["meta"], "report.txt")
        said = json.loads(description.read_bytes())
        description.write_text(json.dumps({**said, "ATime": "2001-01-01T00:00:00Z"}, indent=1))
    assert sorted(sent(sftp_share, connections).values()) == ["first", "second"]


@pytest.mark.parametrize("soon", ["1s", "1ms"])  # as with very many files, of which some are sent before they are known
def test_c6_what_an_earlier_connection_has_left_is_a_file_as_any_other_once_it_is_sent(
    share: Share, connections: Connections, monkeypatch: pytest.MonkeyPatch, soon: str
) -> None:
    share.put("changed", "short")
    share.put("shortened", "long, and to be shortened")
    mounted = connections.connect(share)
    full = {"read", "changed", "shortened", "continued", "removed", "renamed"}
    empty = {"empty", "empty and removed"}
    for name in full | empty:
        (mounted.mountpoint / name).write_text("" if name in empty else f"{name}, and long\n")
    wait_for(lambda: connections.queued(mounted) == full | empty, "rclone to be told of the closes")
    connections.kill_rclone()
    connections.disconnect(mounted)
    monkeypatch.setattr(provider, "WRITE_BACK", soon)
    again = connections.connect(share)
    # Which rclone does not read anew for some seconds; what it sends just then is on some servers as "NAME.….partial".
    left = {each.name for each in again.mountpoint.iterdir() if each.suffix != ".partial"}
    wait_for(lambda: not connections.queued(again), "rclone to have sent all")
    assert left == full | empty
    for name in ("read", "changed", "shortened"):
        assert (again.mountpoint / name).read_text() == f"{name}, and long\n"
    with (again.mountpoint / "continued").open("a") as file:
        file.write("and longer\n")
    (again.mountpoint / "removed").unlink()
    (again.mountpoint / "empty and removed").unlink()
    (again.mountpoint / "renamed").rename(again.mountpoint / "another name")
    connections.disconnect(again)
    assert {each.name: each.read_text() for each in share.root.iterdir()} == {
        "read": "read, and long\n",
        "changed": "changed, and long\n",
        "shortened": "shortened, and long\n",
        "continued": "continued, and long\nand longer\n",
        "another name": "renamed, and long\n",
        "empty": "",
    }


def cut_off_in_part(share: Share, connections: Connections, name: str, at: int) -> None:
    """Write "ours" into the file *name* at the offset *at*, and kill rclone before it is closed."""
    mounted = connections.connect(share)
    with suppress(OSError), (mounted.mountpoint / name).open("r+b", buffering=0) as file:
        file.seek(at)
        file.write(b"ours")
        connections.kill_rclone()
    connections.disconnect(mounted)


def left_waiting(share: Share, connections: Connections, others: int, **files: str) -> Path:
    """Write *files*, and *others* beside them, and kill rclone before they are sent. Returns where they wait."""
    mounted = connections.connect(share)
    for name, content in {**files, **{f"other {number}": "one of them" for number in range(others)}}.items():
        (mounted.mountpoint / name).write_text(content)
    wait_for(lambda: connections.queued(mounted) >= set(files), "rclone to be told of the closes")
    connections.kill_rclone()
    connections.disconnect(mounted)
    return Path(mounted.handle["meta"].replace("/vfsMeta/", "/vfs/"))


def put_later(share: Share, name: str, content: str) -> None:
    later = time.time() + 10
    os.utime(share.put(name, content), (later, later))


def sent(share: Share, connections: Connections) -> dict[str, str]:
    """What the next connection makes of the server's files."""
    connections.disconnect(connections.connect(share))
    files = {each.name: each.read_text() for each in share.root.iterdir()}
    return {name: content for name, content in files.items() if not name.startswith("other ")}


few_and_many = pytest.mark.parametrize("others", [0, 9])
"""Few files of a directory are compared with the server's one by one, many are at once."""


@few_and_many
@pytest.mark.parametrize("before", ["theirs", None])
def test_c6_what_waited_does_not_replace_what_somebody_else_has_made_meanwhile(
    share: Share, connections: Connections, caplog: pytest.LogCaptureFixture, before: str | None, others: int
) -> None:
    if before is not None:
        share.put("log.txt", before)
    left_waiting(share, connections, others, **{"log.txt": "ours"})
    put_later(share, "log.txt", "theirs, and newer")
    found = sent(share, connections)
    if share.provider.copies_age:  # its servers tell too little
        assert found == {"log.txt": "ours"}
    else:
        assert found == {"log.txt": "theirs, and newer", "log (conflict).txt": "ours"}
        assert "log.txt was changed on the server while it waited here" in caplog.text
        assert "log (conflict).txt" in caplog.text


@few_and_many
@pytest.mark.parametrize(  # in an S3 bucket a file beside a directory of the same name is nothing strange
    "share", ["sftp", "smb", "webdav", "webdav_tls", "ftp", "ftp_tls", "file", "rclone"], indirect=True
)
def test_c6_what_waited_does_not_replace_a_directory_that_somebody_else_has_made_meanwhile(
    share: Share, connections: Connections, others: int
) -> None:
    left_waiting(share, connections, others, **{"log.txt": "ours"})
    (share.root / "log.txt").mkdir()
    shutil.chown(share.root / "log.txt", share.root.owner(), share.root.group())
    theirs = share.put("log.txt/theirs", "theirs")
    connections.disconnect(connections.connect(share))
    assert theirs.read_text() == "theirs"
    assert (share.root / "log (conflict).txt").read_text() == "ours"


def test_c6_a_server_that_has_whatever_it_is_asked_for_ends_the_search_for_a_free_name() -> None:
    asked = count(1)
    with pytest.raises(WNetError) as failed:
        mend._free("report.odt", "conflict", lambda _: next(asked) < 10**6)
    assert failed.value.status is Status.ERROR_UNEXP_NET_ERR
    assert "report (conflict).odt" in str(failed.value)
    assert next(asked) < 10**4


@few_and_many
def test_c6_what_waited_replaces_what_nobody_else_has_changed(
    share: Share, connections: Connections, others: int
) -> None:
    share.put("log", "old")
    left_waiting(share, connections, others, log="ours", new="ours too")
    assert sent(share, connections) == {"log": "ours", "new": "ours too"}


@few_and_many
def test_c6_what_waited_replaces_what_a_program_has_saved_it_over(
    share: Share, connections: Connections, others: int
) -> None:
    share.put("log", "old")
    mounted = connections.connect(share)
    for name in ["log", *map(str, range(others))]:
        (mounted.mountpoint / f"{name}.new").write_text("ours")
        (mounted.mountpoint / f"{name}.new").rename(mounted.mountpoint / name)
    wait_for(lambda: "log" in connections.queued(mounted), "rclone to be told of the close")
    connections.kill_rclone()
    connections.disconnect(mounted)
    assert sent(share, connections) == {"log": "ours", **{f"{number}": "ours" for number in range(others)}}


@few_and_many
@pytest.mark.parametrize("before", ["old", None])
def test_c6_what_was_sent_whole_when_rclone_was_killed_is_sent_once(
    share: Share, connections: Connections, before: str | None, others: int
) -> None:
    if before is not None:
        share.put("log", before)
    data = left_waiting(share, connections, others, log="ours")
    time = (data / "log").stat().st_mtime
    os.utime(share.put("log", "ours"), (time, time))
    assert sent(share, connections) == {"log": "ours"}


@few_and_many
def test_c6_what_waited_is_sent_although_the_server_s_file_was_removed_meanwhile(
    share: Share, connections: Connections, others: int
) -> None:
    share.put("log", "old").chmod(0o666)
    left_waiting(share, connections, others, log="ours")
    (share.root / "log").unlink()
    assert sent(share, connections) == {"log": "ours"}


@few_and_many
def test_c6_what_waited_is_told_from_somebody_else_s_file_in_capitals(
    smb_share: Share, connections: Connections, others: int
) -> None:
    left_waiting(smb_share, connections, others, log="ours")
    put_later(smb_share, "LOG", "theirs")
    assert sent(smb_share, connections) == {"LOG": "theirs", "log (conflict)": "ours"}


def test_c6_what_waited_is_compared_with_others_in_a_directory_that_is_gone(
    share: Share, connections: Connections
) -> None:
    mounted = connections.connect(share)
    (mounted.mountpoint / "directory").mkdir()
    for number in range(9):
        (mounted.mountpoint / "directory" / str(number)).write_text("ours")
    wait_for(lambda: len(connections.queued(mounted)) == 9, "rclone to be told of the closes")
    connections.kill_rclone()
    connections.disconnect(mounted)
    shutil.rmtree(share.root / "directory", ignore_errors=True)
    connections.disconnect(connections.connect(share))
    assert {each.read_text() for each in (share.root / "directory").iterdir()} == {"ours"}
    assert len(list((share.root / "directory").iterdir())) == 9


def test_c6_what_waited_does_not_get_the_name_of_another_file_that_waits(
    sftp_share: Share, connections: Connections
) -> None:
    left_waiting(sftp_share, connections, 0, **{"log": "ours", "log (conflict)": "another"})
    put_later(sftp_share, "log", "theirs")
    assert sent(sftp_share, connections) == {"log": "theirs", "log (conflict)": "another", "log (conflict 2)": "ours"}


def test_c6_of_two_that_waited_for_one_name_neither_replaces_the_other_beside_somebody_else_s(
    sftp_share: Share, connections: Connections, places: Places
) -> None:
    data = left_waiting(sftp_share, connections, 0, log="ours")
    for kind in ("vfs", "vfsMeta"):  # as that of another password is
        (own,) = (places.state / "cache" / kind).iterdir()
        shutil.copytree(own, own.with_name(own.name.replace("{", "-1{")))
    data = Path(str(data).replace("{", "-1{")) / "log"
    closed = data.stat().st_mtime_ns
    data.write_text("also")
    os.utime(data, ns=(closed, closed))
    put_later(sftp_share, "log", "theirs")
    found = sent(sftp_share, connections)
    assert set(found) == {"log", "log (conflict)", "log (conflict 2)"}
    assert found.pop("log") == "theirs"
    assert set(found.values()) == {"ours", "also"}


@pytest.mark.parametrize("step", range(4))
def test_c6_nothing_is_lost_when_what_waited_gets_another_name_and_that_is_cut_off(
    sftp_share: Share, connections: Connections, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    sftp_share.put("log", "theirs")
    left_waiting(sftp_share, connections, 0, log="ours")
    put_later(sftp_share, "log", "theirs, and newer")
    steps = count()

    def stopping(real: Callable[..., object]) -> Callable[..., object]:
        def call(path: Path, *arguments: object, **named: object) -> object:
            if "log" in path.name and next(steps) == step:
                raise KeyboardInterrupt
            return real(path, *arguments, **named)

        return call

    with monkeypatch.context() as patched:
        for name in ("write_text", "replace", "unlink"):
            patched.setattr(Path, name, stopping(getattr(Path, name)))
        with pytest.raises(KeyboardInterrupt):
            connections.connect(sftp_share)
    found = sent(sftp_share, connections)
    assert found.pop("log") == "theirs, and newer"
    assert set(found.values()) == {"ours"}


def test_c6_what_was_made_whole_from_the_server_s_file_still_replaces_it_after_that_was_cut_off(
    sftp_share: Share, connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = 3 << 20
    put_later(sftp_share, "log", "1" * size)  # as by a clock that is ahead
    cut_off_in_part(sftp_share, connections, "log", size // 2)

    def stop() -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(unsent, "monotonic", stop)  # which it looks at when all is mended
        with pytest.raises(KeyboardInterrupt):
            connections.connect(sftp_share)
    assert sent(sftp_share, connections) == {"log": "1" * (size // 2) + "ours" + "1" * (size // 2 - 4)}


def test_c6_of_a_file_saved_twice_the_second_replaces_the_first(share: Share, connections: Connections) -> None:
    log = share.put("log", "old")
    mounted = connections.connect(share)
    (mounted.mountpoint / "log").write_text("first")
    wait_for(lambda: connections.queued(mounted) == {"log"}, "rclone to be told of the close")
    connections.send(mounted)
    wait_for(lambda: not connections.queued(mounted), "rclone to have sent it")
    assert log.read_text() == "first"
    (mounted.mountpoint / "log").write_text("second, and longer")
    wait_for(lambda: connections.queued(mounted) == {"log"}, "rclone to be told of the close")
    connections.kill_rclone()
    connections.disconnect(mounted)
    assert sent(share, connections) == {"log": "second, and longer"}


def by_key(share: Share, server: SftpServer) -> Share:
    """The same by another way to log on, which is for rclone what another password is: another file system."""
    return Share(share.provider, share.url, share.root, options={**share.options, "key_file": str(server.key)})


def test_c6_what_waits_for_one_user_s_files_of_a_nextcloud_is_not_sent_to_another_s(
    webdav_share: Share, connections: Connections
) -> None:
    for name in ("ana", "team"):
        (webdav_share.root / "dav" / "files" / name).mkdir(parents=True)
    for directory in (webdav_share.root / "dav").rglob("*"):
        shutil.chown(directory, webdav_share.root.owner(), webdav_share.root.group())
    ana, team = (f"{webdav_share.url.rstrip('/')}/dav/files/{name}" for name in ("ana", "team"))
    mounted = connections.connect(webdav_share, url=ana)
    (mounted.mountpoint / "private").write_text("mine")
    wait_for(lambda: connections.queued(mounted), "rclone to be told of the close")
    connections.kill_rclone()
    connections.disconnect(mounted)
    connections.disconnect(connections.connect(webdav_share, url=team))
    assert list((webdav_share.root / "dav" / "files" / "team").iterdir()) == []
    connections.disconnect(connections.connect(webdav_share, url=ana))
    assert (webdav_share.root / "dav" / "files" / "ana" / "private").read_text() == "mine"


def test_c6_what_one_domain_s_user_left_is_not_sent_as_another_s(smb_share: Share, connections: Connections) -> None:
    mounted = connections.connect(smb_share, options={"domain": "ONE"})
    (mounted.mountpoint / "report").write_text("important")
    wait_for(lambda: connections.queued(mounted), "rclone to be told of the close")
    connections.kill_rclone()
    connections.disconnect(mounted)
    connections.disconnect(connections.connect(smb_share, options={"domain": "TWO"}))
    assert not (smb_share.root / "report").exists()
    connections.disconnect(connections.connect(smb_share, options={"domain": "ONE"}))
    assert (smb_share.root / "report").read_text() == "important"


def test_c7_a_share_is_one_resource_in_capitals_too(smb_share: Share, connections: Connections) -> None:
    mounted = connections.connect(smb_share)
    (mounted.mountpoint / "report").write_text("important")
    wait_for(lambda: connections.queued(mounted), "rclone to be told of the close")
    connections.kill_rclone()
    connections.disconnect(mounted)
    connections.disconnect(connections.connect(smb_share, url=smb_share.url.replace("/projects", "/PROJECTS")))
    assert (smb_share.root / "report").read_text() == "important"


@pytest.mark.parametrize("length", [245, 255])
def test_c6_names_that_are_as_long_as_can_be_are_sent_too(
    sftp_share: Share, sftp_server: SftpServer, connections: Connections, length: int
) -> None:
    closed, open_, changed = ("é" * (length // 2) + end for end in "cxy")
    sftp_share.put(changed, "whole")
    mounted = connections.connect(sftp_share)
    (mounted.mountpoint / closed).write_text("closed")
    wait_for(lambda: connections.queued(mounted), "rclone to be told of the close")
    with (
        suppress(OSError),
        (mounted.mountpoint / open_).open("w") as new,
        (mounted.mountpoint / changed).open("w") as old,
    ):
        for file in (new, old):
            file.write("half")
            file.flush()
        connections.kill_rclone()
    connections.disconnect(mounted)
    connections.disconnect(connections.connect(by_key(sftp_share, sftp_server)))
    there = {each.name: each.read_text() for each in sftp_share.root.iterdir()}
    assert (there.pop(closed), there.pop(open_), there.pop(changed)) == ("closed", "half", "whole")
    ((name, content),) = there.items()
    assert name.endswith(" (unfinished)")
    assert content == "half"


def test_c6_a_part_is_not_mixed_with_another_file_of_the_same_size(share: Share, connections: Connections) -> None:
    size = 3 << 20
    share.put("log", "1" * size)
    os.utime(share.root / "log", (0, 0))
    cut_off_in_part(share, connections, "log", size // 2)
    share.put("log", "2" * size)
    later = time.time() + 10
    os.utime(share.root / "log", (later, later))
    connections.disconnect(connections.connect(share))
    assert (share.root / "log").read_bytes() == b"2" * size


def test_c6_a_part_that_does_not_fit_the_server_s_file_is_not_mixed_with_it_here_and_there_either(
    tmp_path: Path,
) -> None:
    class Another(Server):
        def still_has(self, name: str, fingerprint: str, since: str) -> bool:
            return bool(name and fingerprint and since)

        def fetch(self, name: str, file: Path) -> bool:
            return file.write_text(f"their {name}") > 0

    ours = tmp_path / "log"
    ours.write_bytes(bytes(4) + b"ours and")
    said = mend._Description("then", "then", 12, [(4, 8)], "12,then")
    assert mend._fill(ours, said, Another.__new__(Another), "change") is False
    assert ours.read_bytes() == bytes(4) + b"ours and"


def test_c6_what_is_noted_as_closed_still_wants_what_is_on_the_server_alone(tmp_path: Path) -> None:
    meta, data = tmp_path / "vfsMeta", tmp_path / "vfs"
    for each in (meta, data):
        each.mkdir()
    (data / "log").write_bytes(bytes(8) + b"ours")
    said = mend._Description("2001-01-01T00:00:00Z", "2001-01-01T00:00:00Z", 12, [(8, 12)], "8,then")
    said.write(meta / "log")
    mend.close(meta, data, "log")
    assert mend._Description.read(meta / "log") == said


def test_c6_unsent_data_is_sent_although_the_password_has_changed(
    sftp_share: Share,
    sftp_server: SftpServer,
    connections: Connections,
) -> None:
    mounted = connections.connect(sftp_share)
    (mounted.mountpoint / "report").write_text("important")
    connections.kill_rclone()
    connections.disconnect(mounted)
    connections.disconnect(connections.connect(by_key(sftp_share, sftp_server)))
    assert (sftp_share.root / "report").read_text() == "important"


@pytest.mark.parametrize("step", range(4))
def test_c6_unsent_data_outlives_that_its_move_to_another_password_is_cut_off(
    sftp_share: Share, sftp_server: SftpServer, connections: Connections, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    mounted = connections.connect(sftp_share)
    (mounted.mountpoint / "report").write_text("important")
    wait_for(lambda: connections.queued(mounted), "rclone to be told of the close")
    connections.kill_rclone()
    connections.disconnect(mounted)
    steps = count()

    def stopping(real: Callable[..., object]) -> Callable[..., object]:
        def call(path: Path, *arguments: object, **named: object) -> object:
            if "report" in f"{path.name}{arguments}" and next(steps) == step:
                raise KeyboardInterrupt
            return real(path, *arguments, **named)

        return call

    with monkeypatch.context() as patched:
        for place, name in ((shutil, "copy2"), (Path, "replace"), (Path, "unlink")):
            patched.setattr(place, name, stopping(getattr(place, name)))
        with pytest.raises(KeyboardInterrupt):
            connections.connect(by_key(sftp_share, sftp_server))
    connections.disconnect(connections.connect(sftp_share))
    assert (sftp_share.root / "report").read_text() == "important"


def test_c6_unsent_data_of_another_user_stays_that_users(
    sftp_share: Share,
    sftp_server: SftpServer,
    connections: Connections,
) -> None:
    mounted = connections.connect(sftp_share)
    (mounted.mountpoint / "report").write_text("important")
    connections.kill_rclone()
    connections.disconnect(mounted)
    options = {**sftp_share.options, "key_file": str(sftp_server.key)}
    other = Share(sftp_share.provider, sftp_share.url, sftp_share.root, user="root", options=options)
    connections.disconnect(connections.connect(other))
    assert not (sftp_share.root / "report").exists()
    connections.disconnect(connections.connect(sftp_share))
    assert (sftp_share.root / "report").read_text() == "important"


def test_c6_a_file_whose_description_was_cut_off_by_the_kill_is_sent(
    sftp_share: Share,
    connections: Connections,
) -> None:
    mounted = connections.connect(sftp_share)
    (mounted.mountpoint / "report").write_text("important")
    connections.kill_rclone()
    description = Path(mounted.handle["meta"]) / "report"
    description.write_bytes(b"")  # what rclone leaves if it is killed while it writes it
    connections.disconnect(mounted)
    connections.disconnect(connections.connect(sftp_share))
    assert (sftp_share.root / "report").read_text() == "important"


def test_c6_a_part_of_a_file_is_not_sent_as_the_whole(
    sftp_share: Share,
    connections: Connections,
    places: Places,
    caplog: pytest.LogCaptureFixture,
) -> None:
    mounted = connections.connect(sftp_share)
    (mounted.mountpoint / "report").write_text("x")
    connections.kill_rclone()
    description = Path(mounted.handle["meta"]) / "report"
    description.write_bytes(b"")
    data = Path(str(description).replace("/vfsMeta/", "/vfs/"))
    os.truncate(data, 10 << 20)  # a hole: that part of the file was never fetched
    connections.disconnect(mounted)
    connections.disconnect(connections.connect(sftp_share))
    assert not (sftp_share.root / "report").exists()
    assert "report was changed in part" in caplog.text
    assert [each.name for each in (places.state / "cache" / "damaged").rglob("report")] == ["report"]


def test_c6_what_is_put_aside_under_one_name_again_and_again_is_all_kept(tmp_path: Path) -> None:
    meta, data, aside = (tmp_path / each for each in ("vfsMeta", "vfs", "damaged"))
    for name in (meta, data):
        name.mkdir()
    for number in range(3):
        (meta / "log.txt").write_bytes(b"")  # cut off
        (data / "log.txt").write_text(f"part {number}")
        os.truncate(data / "log.txt", 1 << 20)
        mend.mend(meta, data, cast("Server", None), "log.txt", others=[], aside=aside)
    kept = {each.name: each.read_bytes().rstrip(b"\0").decode() for each in aside.iterdir()}
    assert kept == {"log.txt": "part 0", "log (unfinished).txt": "part 1", "log (unfinished 2).txt": "part 2"}


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EIO])
@pytest.mark.parametrize("size", [6, 1 << 20], ids=["whole", "changed in part"])
def test_c6_a_description_that_cannot_be_read_is_not_taken_for_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, size: int
) -> None:
    """Else a whole file would be sent beside the one that it is to replace, and the rest put aside."""
    meta, data, aside = (tmp_path / each for each in ("vfsMeta", "vfs", "damaged"))
    for name in (meta, data):
        name.mkdir()
        (name / "log.txt").write_text("log.txt")
    os.truncate(data / "log.txt", size)

    def refuse(_: Path) -> bytes:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr(Path, "read_bytes", refuse)
        with pytest.raises(OSError, match=re.escape(os.strerror(number))):
            mend.mend(meta, data, cast("Server", None), "log.txt", others=[], aside=aside)
    assert sorted(each.name for each in tmp_path.rglob("*")) == ["log.txt", "log.txt", "vfs", "vfsMeta"]


def test_a_connection_that_was_never_written_down_is_cleaned_up(
    sftp_share: Share, connections: Connections, places: Places
) -> None:
    mounted = connections.connect(sftp_share)
    unknown = Mounted(mounted.name, mounted.mountpoint, {})
    assert sftp_share.provider.state(unknown) is State.LOST
    sftp_share.provider.cancel_connection(unknown, force=True)
    assert places.mounts() == []


def test_c6_a_connection_whose_rclone_dies_when_the_mount_is_gone_leaves_no_bare_directory_to_write_into(
    sftp_share: Share, connections: Connections, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounted = connections.connect(sftp_share)

    def strike(point: str) -> None:
        if point == "unmounted":
            connections.kill_rclone()

    monkeypatch.setattr("mprouter.faults.hook", strike)
    connections.disconnect(mounted)
    assert places.mounts() == []


def test_whoever_is_told_that_rclone_has_died_is_told_what_to_do(
    sftp_share: Share, connections: Connections, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    def strike(point: str) -> None:
        if point in {"logged on", "held"}:
            connections.kill_rclone()

    with monkeypatch.context() as context:
        context.setattr("mprouter.faults.hook", strike)
        with pytest.raises(WNetError) as failed:
            connections.connect(sftp_share)
    errors = [failed.value]
    mounted = connections.connect(sftp_share)
    with monkeypatch.context() as context:
        context.setattr("mprouter.faults.hook", strike)
        with pytest.raises(WNetError) as failed:
            connections.disconnect(mounted)
    errors.append(failed.value)
    for error in errors:
        assert error.status is Status.ERROR_PROCESS_ABORTED
        assert error.hint == f"rclone has ended, and another begins: try again; its log is {places.state}/rclone.log"
    connections.disconnect(mounted)
    assert places.mounts() == []


def test_c6_an_rclone_that_cannot_be_reached_when_the_mount_is_gone_but_lives_is_not_taken_for_dead(
    sftp_share: Share, connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be sending, which is neither done then nor left to the next connection."""
    monkeypatch.setattr(provider, "DYING", 0.0)
    mounted = connections.connect(sftp_share)
    socket = connections.rclone().socket

    def strike(point: str) -> None:
        if point == "unmounted":
            socket.rename(socket.with_name("elsewhere"))

    monkeypatch.setattr("mprouter.faults.hook", strike)
    with pytest.raises(WNetError) as failed:
        connections.disconnect(mounted)
    assert failed.value.status is Status.ERROR_PROCESS_ABORTED
    monkeypatch.setattr("mprouter.faults.hook", None)
    socket.with_name("elsewhere").rename(socket)
    connections.disconnect(mounted)


def test_a_mount_that_hangs_holds_nobody(
    sftp_share: Share,
    connections: Connections,
) -> None:
    mounted = connections.connect(sftp_share)
    pid = connections.rclone().pid
    os.kill(pid, signal.SIGSTOP)
    try:
        assert sftp_share.provider.state(mounted) is State.CONNECTED
    finally:
        os.kill(pid, signal.SIGCONT)
    connections.disconnect(mounted)


def test_holds_of_a_killed_process_are_released(sftp_share: Share, connections: Connections, places: Places) -> None:
    mounted = connections.connect(sftp_share)
    abandoned = places.runtime / "hold" / "999999-1-1"
    abandoned.mkdir(parents=True)
    for directory in (abandoned.parent, places.runtime):
        directory.chmod(0o700)
    hold.mount(connections.rclone(), mounted.handle["fs"], abandoned, "abandoned")
    connections.disconnect(mounted)
    wait_for(lambda: not abandoned.exists(), "the release of the hold")
    assert places.mounts() == []


@pytest.mark.usefixtures("hurried")
def test_c6_an_rclone_that_cannot_be_asked_any_more_is_not_taken_for_one_that_has_sent_all(
    sftp_share: Share, connections: Connections, places: Places
) -> None:
    mounted = connections.connect(sftp_share)
    with (mounted.mountpoint / "open").open("w") as file:
        file.write("not sent before it is closed")
        file.flush()
        rclone = connections.rclone()
        (places.runtime / "rclone.json").unlink()
        for force in (False, True):
            with pytest.raises(WNetError, match=f"not yet on the server: open; .*process {rclone.pid}") as failed:
                connections.disconnect(mounted, force=force)
            assert failed.value.status is Status.ERROR_WRITE_FAULT
    wait_for((sftp_share.root / "open").exists, "the rclone that nobody knows to send it")
    wait_for(lambda: (sftp_share.root / "open").read_text() == "not sent before it is closed", "all of it")
    wait_for(lambda: not sftp_share.provider.waiting(), "the end of that")
    connections.disconnect(mounted)


def test_c6_open_files_keep_a_connection_whose_rclone_cannot_be_asked_any_more(
    sftp_share: Share, connections: Connections, places: Places
) -> None:
    sftp_share.put("read", "text")
    mounted = connections.connect(sftp_share)
    with (mounted.mountpoint / "read").open() as file:
        (places.runtime / "rclone.json").unlink()
        with pytest.raises(WNetError) as refused:
            connections.disconnect(mounted)
        assert refused.value.status is Status.ERROR_OPEN_FILES
        assert file.read() == "text"
    connections.disconnect(mounted)


@pytest.mark.parametrize(("quiet", "timeout"), [(60.0, 0.2), (0.2, 3600.0)])
def test_an_rclone_that_hangs_is_told_from_a_server_that_does(
    sftp_share: Share, connections: Connections, monkeypatch: pytest.MonkeyPatch, quiet: float, timeout: float
) -> None:
    monkeypatch.setattr(rc, "_QUIET", quiet)
    mounted = connections.connect(sftp_share)
    rclone = connections.rclone()
    os.kill(rclone.pid, signal.SIGSTOP)
    threads = list(Path(f"/proc/{rclone.pid}/task").glob("*/stat"))
    wait_for(lambda: all(each.read_text().rpartition(")")[2].split()[0] == "T" for each in threads), "rclone to stop")
    try:
        with pytest.raises(WNetError, match="rclone itself does not answer"):
            rclone.call("vfs/list", timeout=timeout)
    finally:
        os.kill(rclone.pid, signal.SIGCONT)
    connections.disconnect(mounted)


def test_an_rclone_that_is_at_work_for_long_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rc, "_QUIET", 0.2)
    answer = b'HTTP/1.0 200 OK\r\n\r\n{"is": "done"}'

    def serve(listening: socket.socket) -> None:
        at_work, _ = listening.accept()
        at_work.recv(1 << 16)
        for _ in range(2):  # until it was asked twice whether it runs
            asking, _ = listening.accept()
            with asking:
                asking.recv(1 << 16)
                asking.sendall(answer)
        with at_work:
            at_work.sendall(answer)

    with socket.socket(socket.AF_UNIX) as listening, ThreadPoolExecutor() as threads:
        listening.bind(str(tmp_path / "socket"))
        listening.listen()
        served = threads.submit(serve, listening)
        assert rc.call(tmp_path / "socket", "operations/copyfile", {}, 3600) == {"is": "done"}
        served.result()
