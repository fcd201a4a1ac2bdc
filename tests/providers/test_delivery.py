"""C6: what was written and closed reaches the server before the connection goes, or the cancel fails and says so."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from errno import ENOSPC
from itertools import count
from pathlib import Path
from typing import Any
from unicodedata import normalize

import pytest

from mprouter.credentials import Credentials
from mprouter.providers.base import AddRequest, Mounted, Pending, State
from mprouter.providers.rclone import disconnect as disconnecting
from mprouter.providers.rclone import flush, hold, mounts, provider
from mprouter.providers.rclone.ftp import Ftp
from mprouter.providers.rclone.server import Server
from mprouter.providers.rclone.sftp import Sftp
from mprouter.providers.rclone.webdav import WebDav
from mprouter.status import Status, WNetError
from servers import ftp, sftp, webdav
from servers.daemon import Fresh, wait_for
from shares import Connect, Connections, Disconnect, Share


def test_c6_a_file_closed_the_moment_before_the_cancel_is_delivered(
    share: Share, connect: Connect, disconnect: Disconnect
) -> None:
    for attempt in range(5):
        mounted = connect(share)
        (mounted.mountpoint / f"{attempt}").write_text("written at the last moment")
        disconnect(mounted)
        assert (share.root / f"{attempt}").read_text() == "written at the last moment"


def test_c6_the_cancel_tells_what_is_pending(sftp_share: Share, connect: Connect, disconnect: Disconnect) -> None:
    mounted = connect(sftp_share)
    for number in range(20):
        (mounted.mountpoint / f"{number}").write_bytes(bytes(1 << 20))  # so much that they are not sent all at once
    told: list[Pending] = []
    disconnect(mounted, progress=told.append)
    assert told[0].files == 20
    assert told[0].bytes == 20 << 20
    assert told[-1].files < 20


def test_c6_open_files_keep_a_connection_that_is_not_forced(
    share: Share, connect: Connect, disconnect: Disconnect
) -> None:
    mounted = connect(share)
    with (mounted.mountpoint / "open").open("w") as file:
        file.write("first\n")
        file.flush()
        with pytest.raises(WNetError) as refused:
            disconnect(mounted)
        assert refused.value.status is Status.ERROR_OPEN_FILES
        assert "open" in str(refused.value)
        assert f"({os.getpid()})" in str(refused.value)
        assert share.provider.state(mounted) is State.CONNECTED
        file.write("second\n")
    disconnect(mounted)
    assert (share.root / "open").read_text() == "first\nsecond\n"


def test_c6_who_only_looks_at_a_connection_does_not_keep_it(
    sftp_share: Share, connect: Connect, disconnect: Disconnect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As ``df`` does: the kernel says for a moment that it is busy."""
    mounted = connect(sftp_share)
    first = (
        f'[ -e "$0.first" ] || {{ : >"$0.first"; echo "{mounted.mountpoint}: Device or resource busy" >&2; exit 1; }}'
    )
    program = tmp_path / "fusermount3"
    program.write_text(f'#!/bin/sh\n{first}\nexec {mounts.fusermount()} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    disconnect(mounted)
    assert (tmp_path / "fusermount3.first").exists()


def test_c6_where_fusermount_is_not_in_path_that_is_said_and_the_connection_stands(
    sftp_share: Share, connect: Connect, disconnect: Disconnect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a script or unit that sets PATH."""
    mounted = connect(sftp_share)
    with monkeypatch.context() as bare:
        bare.setenv("PATH", str(tmp_path))
        with pytest.raises(WNetError) as refused:
            disconnect(mounted)
    assert refused.value.status is Status.ERROR_SERVICE_NOT_FOUND
    assert sftp_share.provider.state(mounted) is State.CONNECTED
    disconnect(mounted)


def test_c6_a_working_directory_counts_as_open(sftp_share: Share, connect: Connect, disconnect: Disconnect) -> None:
    mounted = connect(sftp_share)
    with subprocess.Popen(["sleep", "60"], cwd=mounted.mountpoint) as sleeper:
        with pytest.raises(WNetError) as refused:
            disconnect(mounted)
        assert f"sleep ({sleeper.pid})" in str(refused.value)
        sleeper.kill()
    disconnect(mounted)


@pytest.mark.parametrize("way", [["unshare", "--mount"], []], ids=["a container", "a bind mount"])
def test_c6_what_is_open_in_another_place_where_it_is_mounted_counts_as_open(
    sftp_share: Share, connect: Connect, disconnect: Disconnect, tmp_path: Path, way: list[str]
) -> None:
    mounted, other = connect(sftp_share), connect(sftp_share)
    (mounted.mountpoint / "sub").mkdir()
    script = """
        mount --bind "$1" "$2"
        trap 'exec 3>&-; umount "$2"' EXIT
        exec 3>"$2/open"; echo first >&3; echo ready; read go
        echo second >&3
    """
    argv = [*way, "sh", "-ec", script, "sh", str(mounted.mountpoint / "sub"), str(tmp_path)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        assert program.stdout.readline() == "ready\n"
        with pytest.raises(WNetError, match=rf"sub/open: open in sh \({program.pid}\)") as refused:
            disconnect(mounted)
        assert refused.value.status is Status.ERROR_OPEN_FILES
        disconnect(mounted, force=True)
        disconnect(other)
        program.communicate("go on\n")
    assert program.returncode == 0
    disconnect(connect(sftp_share))
    assert (sftp_share.root / "sub" / "open").read_text() == "first\nsecond\n"


def test_c6_a_mapped_file_counts_as_open(sftp_share: Share, connect: Connect, disconnect: Disconnect) -> None:
    sftp_share.put("mapped", "content")
    mounted = connect(sftp_share)
    program = (
        "import mmap, os, sys, time; f = os.open(sys.argv[1], os.O_RDONLY);"
        "m = mmap.mmap(f, 0, prot=mmap.PROT_READ); os.close(f); print(m[:7], flush=True); time.sleep(60)"
    )
    argv = [sys.executable, "-c", program, str(mounted.mountpoint / "mapped")]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as mapper:
        assert mapper.stdout is not None
        mapper.stdout.readline()
        with pytest.raises(WNetError) as refused:
            disconnect(mounted)
        assert refused.value.status is Status.ERROR_OPEN_FILES
        assert "mapped" in str(refused.value)
        mapper.kill()
    disconnect(mounted)


def test_c6_force_takes_the_mount_away_and_delivers_what_was_closed(
    share: Share, connect: Connect, disconnect: Disconnect
) -> None:
    mounted = connect(share)
    with (mounted.mountpoint / "open").open("w") as file:
        file.write("unfinished")
        file.flush()
        (mounted.mountpoint / "closed").write_text("finished")
        disconnect(mounted, force=True)
        assert (share.root / "closed").read_text() == "finished"
        assert share.provider.state(mounted) is State.LOST


@dataclass
class Saving:
    """A program that saves *file*, in the directory *held* if that is given, whenever a cancel tells its progress."""

    file: Path
    held: int | None = None
    saved: str = ""

    def __call__(self, _: Pending) -> None:
        assert self.saved.count("\n") < 100, "the cancel does not end"
        with suppress(FileNotFoundError):  # the connection is gone
            self.save()

    def save(self) -> None:
        file = os.open(self.file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666, dir_fd=self.held)
        os.write(file, b"a line\n")
        os.close(file)
        self.saved += "a line\n"


@pytest.mark.parametrize("force", [False, True])
def test_c6_a_program_that_goes_on_saving_does_not_hold_up_a_cancel(
    sftp_share: Share, connect: Connect, disconnect: Disconnect, *, force: bool
) -> None:
    mounted = connect(sftp_share)
    (mounted.mountpoint / "sub").mkdir()
    saving = Saving(mounted.mountpoint / "sub" / "log")
    saving.save()
    disconnect(mounted, force=force, progress=saving)
    assert saving.saved > "a line\n"
    assert (sftp_share.root / "sub" / "log").read_text() == saving.saved


def test_c6_a_program_that_goes_on_saving_by_another_connection_does_not_hold_up_a_cancel(
    sftp_share: Share, connect: Connect, disconnect: Disconnect
) -> None:
    mounted, other = connect(sftp_share), connect(sftp_share)
    saving = Saving(other.mountpoint / "log")
    saving.save()
    disconnect(mounted, progress=saving)
    disconnect(other)
    assert (sftp_share.root / "log").read_text() == saving.saved


def test_c6_a_program_that_goes_on_saving_in_its_working_directory_does_not_hold_up_a_forced_cancel(
    sftp_share: Share, connect: Connect, disconnect: Disconnect, caplog: pytest.LogCaptureFixture
) -> None:
    """What it has saved last is sent by the next connection, which that says."""
    mounted = connect(sftp_share)
    held = os.open(mounted.mountpoint, os.O_RDONLY)
    try:
        saving = Saving(Path("log"), held)
        saving.save()
        disconnect(mounted, force=True, progress=saving)
    finally:
        os.close(held)
    assert "1 open file was not sent; the next connection sends what was written" in caplog.text
    disconnect(connect(sftp_share))
    assert (sftp_share.root / "log").read_text() == saving.saved


def test_c6_a_forced_cancel_ends_while_a_program_saves_one_file_after_another(
    sftp_share: Share, connect: Connect, disconnect: Disconnect, tmp_path: Path
) -> None:
    mounted = connect(sftp_share)
    (mounted.mountpoint / "sub").mkdir()
    saved = tmp_path / "saved"
    script = 'while :; do for n in 1 2 3; do (echo line >>"$0/$n") 2>&- && echo $n >>"$1"; sleep 0.03; done; done'
    with subprocess.Popen(["sh", "-c", script, mounted.mountpoint / "sub", saved], cwd="/") as program:
        try:
            wait_for(lambda: saved.exists() and len(saved.read_text()) > 10, "the program to save")
            disconnect(mounted, force=True)
        finally:
            program.kill()
    disconnect(connect(sftp_share))
    for number in "123":
        on_server = (sftp_share.root / "sub" / number).read_text().count("line\n")
        assert on_server >= saved.read_text().count(number)


def test_c6_a_forced_cancel_begins_anew_though_a_program_saves_as_that_takes_the_mount_away(
    sftp_share: Share, connect: Connect, disconnect: Disconnect, monkeypatch: pytest.MonkeyPatch
) -> None:
    unmount, saved = mounts.unmount, {"0": 0}

    def as_a_program_saves(mountpoint: Path, *, lazily: bool = False) -> bool:
        """Also when all is begun anew, but not the next time."""
        if mountpoint != mounted.mountpoint or saved[number] > 1:
            return unmount(mountpoint, lazily=lazily)
        with (mountpoint / f"{number} {saved[number]}").open("w") as file:
            file.write("saved")
            file.flush()
            saved[number] += 1
            return unmount(mountpoint, lazily=lazily)

    monkeypatch.setattr(mounts, "unmount", as_a_program_saves)
    for number in map(str, range(200)):  # in one of three the kernel ends the mount before it has told rclone
        saved[number] = 0
        mounted = connect(sftp_share)
        disconnect(mounted, force=True)
        if saved[number] > 1:
            break
    assert saved[number] > 1
    disconnect(connect(sftp_share))
    assert sorted(each.name for each in sftp_share.root.iterdir()) == [
        f"{number} {which}" for number in sorted(saved) for which in range(saved[number])
    ]
    assert {each.read_text() for each in sftp_share.root.iterdir()} == {"saved"}


def test_c6_what_was_open_when_forced_is_sent_by_the_next_connection(
    sftp_share: Share, connect: Connect, disconnect: Disconnect, caplog: pytest.LogCaptureFixture
) -> None:
    mounted = connect(sftp_share)
    with (mounted.mountpoint / "open").open("w") as file:
        file.write("closed too late")
        file.flush()
        disconnect(mounted, force=True)
    assert "1 open file was not sent; the next connection sends what was written" in caplog.text
    again = connect(sftp_share)
    wait_for((sftp_share.root / "open").exists, "the file on the server")
    disconnect(again)
    assert (sftp_share.root / "open").read_text() == "closed too late"


def test_c6_what_is_closed_while_the_next_connection_begins_is_sent_by_it(
    sftp_share: Share, connect: Connect, disconnect: Disconnect, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounted = connect(sftp_share)
    file = (mounted.mountpoint / "open").open("w")
    file.write("closed too late")
    disconnect(mounted, force=True)
    look, looks = mounts.served_by, count(1)

    def closed_at_the_fifth_look(pid: int) -> int:
        served = look(pid)
        if next(looks) == 5:
            file.close()
        return served

    with monkeypatch.context() as patched:
        patched.setattr(mounts, "served_by", closed_at_the_fifth_look)
        again = connect(sftp_share)
    wait_for((sftp_share.root / "open").exists, "the file on the server")
    disconnect(again)
    assert (sftp_share.root / "open").read_text() == "closed too late"


def test_c6_a_cancel_fails_while_the_server_refuses_the_data(sftp_share: Share, connections: Connections) -> None:
    directory = sftp_share.root / "not writable"
    directory.mkdir()
    mounted = connections.connect(sftp_share)
    (mounted.mountpoint / "not writable" / "report").write_text("important")
    for force in (False, True):
        with pytest.raises(WNetError) as failed:
            connections.disconnect(mounted, force=force)
        assert failed.value.status is Status.ERROR_WRITE_FAULT
        assert "not writable/report" in str(failed.value)
        assert "permission denied" in str(failed.value)
        assert sftp_share.provider.state(mounted) is State.CONNECTED
    assert (mounted.mountpoint / "not writable" / "report").read_text() == "important"
    assert len(connections.rclone().call("mount/listmounts")["mountPoints"]) == 1  # the hold is released
    directory.chmod(0o777)
    connections.disconnect(mounted)
    assert (directory / "report").read_text() == "important"


def test_c6_a_cancel_that_fails_says_what_is_not_sent_though_rclone_s_log_was_removed(
    sftp_share: Share, connections: Connections
) -> None:
    directory = sftp_share.root / "not writable"
    directory.mkdir()
    mounted = connections.connect(sftp_share)
    (mounted.mountpoint / "not writable" / "report").write_text("important")
    connections.rclone().log.unlink()
    with pytest.raises(WNetError) as failed:
        connections.disconnect(mounted)
    assert failed.value.status is Status.ERROR_WRITE_FAULT
    assert "not writable/report" in str(failed.value)
    directory.chmod(0o777)
    connections.disconnect(mounted)
    assert (directory / "report").read_text() == "important"


def changed_in_part(share: Share, connections: Connections) -> tuple[Mounted, Path]:
    """A connection, and the server's file that was changed there in part, whose rest the server lets nobody read."""
    share.provider.stall = 1
    log = share.put("log", "first line\n" * 100_000)
    mounted = connections.connect(share)
    with (mounted.mountpoint / "log").open("a") as file:
        log.chmod(0o200)
        file.write("last line\n")
    return mounted, log


def test_c6_a_cancel_fails_once_if_the_rest_of_what_was_changed_in_part_cannot_be_read(
    sftp_share: Share, connections: Connections
) -> None:
    mounted, log = changed_in_part(sftp_share, connections)
    with pytest.raises(WNetError) as failed:
        connections.disconnect(mounted)
    assert failed.value.status is Status.ERROR_WRITE_FAULT
    assert "log" in str(failed.value)
    assert sftp_share.provider.state(mounted) is State.CONNECTED
    (kept,) = sftp_share.provider.waiting()
    (aside,) = kept.aside
    assert aside.read_bytes().endswith(b"last line\n")
    rclone, given_up = connections.rclone(), "failed to download missing parts"
    before = rclone.log.read_text().count(given_up)
    with (mounted.mountpoint / "log").open("a") as file:
        file.write("one more line\n")
    wait_for(lambda: rclone.log.read_text().count(given_up) > before, "rclone to give up")
    log.chmod(0o600)
    connections.disconnect(mounted)
    assert log.read_text().endswith("first line\none more line\n")


@pytest.mark.parametrize(
    "failure", [WNetError(Status.ERROR_UNEXP_NET_ERR, "the server has gone"), OSError(ENOSPC, os.strerror(ENOSPC))]
)
def test_c6_a_cancel_leaves_the_connection_if_the_rest_of_a_file_is_not_fetched(
    sftp_share: Share, connections: Connections, monkeypatch: pytest.MonkeyPatch, failure: OSError
) -> None:
    mounted, log = changed_in_part(sftp_share, connections)

    def fails(*_: object) -> bool:
        log.chmod(0o600)
        raise failure

    with monkeypatch.context() as patched:
        patched.setattr(Server, "fetch", fails)
        with pytest.raises(WNetError) as failed:
            connections.disconnect(mounted)
    assert log.stat().st_mode & 0o777 == 0o600
    assert failed.value.status is Status.ERROR_WRITE_FAULT
    assert "log" in str(failed.value)
    assert sftp_share.provider.state(mounted) is State.CONNECTED
    connections.disconnect(mounted)
    connections.disconnect(connections.connect(sftp_share))
    assert log.read_text() == "first line\n" * 100_000 + "last line\n"


@pytest.mark.parametrize("is_mounted", [True, False])
def test_c6_a_cancel_fails_while_rclone_does_not_try_to_send_what_is_closed(
    sftp_share: Share, connections: Connections, monkeypatch: pytest.MonkeyPatch, *, is_mounted: bool
) -> None:
    """Though it has taken that up again, or the mount is gone: the hold of the cancel is no other connection."""
    mounted, log = changed_in_part(sftp_share, connections)
    rclone = connections.rclone()
    wait_for(lambda: "failed to download missing parts" in rclone.log.read_text(), "rclone to give up")
    if not is_mounted:
        assert mounts.unmount(mounted.mountpoint)
    begun = count()
    with monkeypatch.context() as patched:
        patched.setattr(disconnecting, "_begin_anew", lambda *_, lazily: next(begun) >= 0)  # noqa: ARG005
        with pytest.raises(WNetError) as failed:
            connections.disconnect(mounted)
    assert next(begun) == (2 if is_mounted else 0)  # twice
    assert failed.value.status is Status.ERROR_WRITE_FAULT
    assert "log: rclone cannot fetch what was not changed of it" in str(failed.value)
    log.chmod(0o600)
    connections.disconnect(mounted, later=True)
    connections.disconnect(connections.connect(sftp_share))
    assert log.read_text() == "first line\n" * 100_000 + "last line\n"


def test_c6_a_server_that_takes_few_connections_gets_one_file_after_another(
    fresh: Fresh, connect: Connect, disconnect: Disconnect
) -> None:
    """As many FTP servers do; rclone begins four uploads at once."""
    server = fresh(ftp.serve, most=2)
    mounted = connect(Share(Ftp(), server.url(), server.root, None, server.password))
    wanted = {f"report {number}": f"{number}" * 1000 for number in range(40)}
    for name, text in wanted.items():
        (mounted.mountpoint / name).write_text(text)
    disconnect(mounted)
    assert {each.name: each.read_text() for each in server.root.glob("report *")} == wanted


def test_c6_the_first_upload_that_fails_is_tried_once_more() -> None:
    """As after a VPN came back: what rclone sends first goes into sessions that are dead."""
    begun = []

    class Rclone:
        log = Path(os.devnull)

        def call(self, method: str, **parameters: Any) -> None:
            begun.append((method, parameters["id"]))

    uploads = flush._Uploads(Rclone(), "fs")  # type: ignore[arg-type]

    def queued(number: int, tries: int) -> dict[str, Any]:
        waits = 1.0 if tries == 0 else 2.0
        return {"id": number, "name": f"{number}", "tries": tries, "uploading": False, "expiry": waits, "delay": waits}

    assert uploads.failed([queued(1, 0), queued(2, 0)]) is None
    assert uploads.failed([queued(1, 1), queued(2, 1)]) is None
    assert begun == [("vfs/queue-set-expiry", number) for number in (1, 2, 1)]
    assert uploads.failed([queued(2, 1)]) is None  # the other one is sent
    assert uploads.failed([queued(2, 2)]) == "2"
    assert [number for _, number in begun] == [1, 2, 1, 2]


def test_c6_all_reasons_of_an_upload_that_failed_are_told(tmp_path: Path) -> None:
    """An FTP server that breaks off what it receives, for want of room say, gives one or two; so rclone logs them.

    A web server gives its own after a page of many lines.
    """
    log = tmp_path / "rclone.log"
    failed = "vfs cache: failed to upload try #1, will retry in 2s"
    failed += ": vfs cache: failed to transfer file from cache to remote"
    log.write_text(
        f"2026/01/01 00:00:00 ERROR : film: {failed}: update stor: 1 error occurred:\n"
        '\t* 552 "Quota exceeded."\n\n'
        f"2026/01/01 00:00:00 ERROR : sound: {failed}: update stor: 2 errors occurred:\n"
        '\t* write: broken pipe\n\t* 426 "Aborted."\n\n'
        f"2026/01/01 00:00:00 ERROR : page: {failed}: unchunked simple update failed: <html>\r\n"
        "<h1>507 Insufficient Storage</h1>\r\n</html>\r\n: 507 Insufficient Storage\n"
        "2026/01/01 00:00:00 ERROR : text: Failed to copy: EOF\n"
    )
    assert flush._logged_reason(log, ["film"]) == 'update stor: 552 "Quota exceeded."'
    assert flush._logged_reason(log, ["sound"]) == 'update stor: write: broken pipe; 426 "Aborted."'
    assert flush._logged_reason(log, ["page"]) == "unchunked simple update failed: 507 Insufficient Storage"
    assert flush._logged_reason(log, ["text"]) is None


def test_c6_a_cancel_fails_while_the_server_is_gone(fresh: Fresh, connect: Connect, disconnect: Disconnect) -> None:
    server = fresh(sftp.serve)
    provider = Sftp(stall=1)
    share = Share(provider, server.url(), server.root, None, server.password, {"known_hosts": str(server.known_hosts)})
    mounted = connect(share)
    (mounted.mountpoint / "report").write_text("important")
    server.stop()
    with pytest.raises(WNetError) as failed:
        disconnect(mounted)
    assert failed.value.status is Status.ERROR_WRITE_FAULT
    assert provider.state(mounted) is State.CONNECTED
    server.start()
    provider.stall = 30
    disconnect(mounted)
    assert (server.root / "report").read_text() == "important"


def test_c6_a_cancel_that_may_deliver_later_keeps_what_is_not_sent(
    fresh: Fresh, connections: Connections, caplog: pytest.LogCaptureFixture
) -> None:
    server = fresh(sftp.serve)
    options = {"known_hosts": str(server.known_hosts)}
    share = Share(Sftp(), server.url(), server.root, None, server.password, options)
    share.put("table", "the server's")
    first, second = connections.connect(share), connections.connect(share)
    assert (first.mountpoint / "table").read_text() == "the server's"
    server.stop()
    (first.mountpoint / "report").write_text("important")
    with (first.mountpoint / "table").open("w") as table:
        table.write("all of it")
        table.flush()
        with pytest.raises(WNetError) as refused:
            connections.disconnect(first, later=True)
        assert refused.value.status is Status.ERROR_OPEN_FILES
    (first.mountpoint / "table").write_text("closed just now")
    connections.disconnect(first, later=True)  # the second sends it, and goes on trying
    assert (second.mountpoint / "report").read_text() == "important"
    connections.disconnect(second, later=True)
    assert "kept, and sent by the next connection to it: report, table" in caplog.text
    assert connections.rclone().call("vfs/list")["vfses"] == []
    (waiting,) = share.provider.waiting()
    assert (waiting.pending, waiting.options, waiting.provider) == (Pending(2, 24), options, "sftp")
    server.start()
    connections.disconnect(connections.connect(share))
    assert {each.name: each.read_text() for each in server.root.iterdir()} == {
        "report": "important",
        "table": "closed just now",
    }
    assert share.provider.waiting() == []


def test_c6_what_waits_is_sent_by_the_next_connection_though_another_one_stands(
    fresh: Fresh, connections: Connections
) -> None:
    server = fresh(webdav.serve)
    share = Share(WebDav(stall=5), server.url(), server.root, None, server.password)
    first = connections.connect(share)
    assert "report" not in {each.name for each in first.mountpoint.iterdir()}  # known for some seconds
    server.change_password("changed")
    (first.mountpoint / "report").write_text("important")
    wait_for(lambda: connections.queued(first) == {"report"}, "rclone to be told of the close")
    second = connections.connect(share, password="changed")  # it shares nothing with the first, which has that file
    connections.disconnect(first, later=True)
    third = connections.connect(share, password="changed")
    connections.disconnect(third)
    assert (server.root / "report").read_text() == "important"
    connections.disconnect(second)


def test_c6_an_interrupted_cancel_leaves_the_connection_as_it_was(sftp_share: Share, connections: Connections) -> None:
    mounted = connections.connect(sftp_share)
    (mounted.mountpoint / "file").write_text("pending")

    def interrupt(_: Pending) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        connections.disconnect(mounted, progress=interrupt)
    assert sftp_share.provider.state(mounted) is State.CONNECTED
    assert len(connections.rclone().call("mount/listmounts")["mountPoints"]) == 1
    connections.disconnect(mounted)
    assert (sftp_share.root / "file").read_text() == "pending"


def test_c6_two_connections_to_one_resource_end_independently(sftp_share: Share, connections: Connections) -> None:
    first, second = connections.connect(sftp_share), connections.connect(sftp_share)
    (first.mountpoint / "by the first").write_text("1")
    connections.disconnect(first)
    assert (sftp_share.root / "by the first").read_text() == "1"
    (second.mountpoint / "by the second").write_text("2")
    connections.disconnect(second)
    assert (sftp_share.root / "by the second").read_text() == "2"
    assert connections.rclone().call("vfs/list")["vfses"] == []


def test_a_cancelled_connection_leaves_nothing_in_rclone(share: Share, connections: Connections) -> None:
    mounted = connections.connect(share)
    (mounted.mountpoint / "file").write_text("content")
    connections.disconnect(mounted)
    rclone = connections.rclone()
    assert rclone.call("vfs/list")["vfses"] == []
    wait_for(lambda: rclone.call("mount/listmounts")["mountPoints"] == [], "rclone to notice that its mounts are gone")


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Another program has written to the file, and still has it open."""
    code = "import sys; file = open(sys.argv[1], 'a'); file.write('new'); file.flush(); print(flush=True); input()"
    arguments = [sys.executable, "-c", code, str(path)]
    with subprocess.Popen(
        arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as program:
        assert program.stdout is not None
        assert program.stdout.readline()
        yield
        program.kill()


def test_c6_force_leaves_a_file_that_is_open_under_another_form_of_its_name(
    smb_share: Share, connections: Connections
) -> None:
    smb_share.put("Report", "old")
    mounted = connections.connect(smb_share)
    with writing(mounted.mountpoint / "REPORT"):
        connections.disconnect(mounted, force=True)


@pytest.mark.parametrize("kind", ["sftp", "smb", "webdav"])
def test_c6_a_file_does_not_replace_one_whose_name_is_the_same_letters_in_another_form(
    request: pytest.FixtureRequest, connections: Connections, kind: str
) -> None:
    share: Share = request.getfixturevalue(f"{kind}_share")
    on_server, here, removed = normalize("NFD", "é"), normalize("NFC", "é"), normalize("NFC", "ü")
    share.put(on_server, "the server's")
    mounted = connections.connect(share)
    (mounted.mountpoint / here).write_text("ours")
    (mounted.mountpoint / removed).write_text("ours")
    with pytest.raises(FileNotFoundError):
        (mounted.mountpoint / normalize("NFD", removed)).unlink()
    connections.disconnect(mounted)
    found = {each.name: each.read_text() for each in share.root.iterdir()}
    assert found == {on_server: "the server's", here: "ours", removed: "ours"}


def test_what_others_put_in_the_place_of_what_was_written_here_is_seen_though_it_is_as_long(
    webdav_share: Share, connections: Connections
) -> None:
    note = webdav_share.put("note", "old")
    mounted = connections.connect(webdav_share)
    (mounted.mountpoint / "note").write_text("ours")
    wait_for(lambda: note.exists() and note.stat().st_size == 4 and not connections.queued(mounted), "the upload")
    webdav_share.put("note", "your")
    wait_for(lambda: (mounted.mountpoint / "note").read_text() == "your", "the others' file to be seen")


def test_c6_what_an_earlier_version_has_connected_is_shared_as_it_is(
    sftp_share: Share, connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With options of its own it would be another file system, in the same cache."""
    with monkeypatch.context() as patched:
        patched.setattr(provider, "KEPT", "1h")
        first = connections.connect(sftp_share)
    second = connections.connect(sftp_share)
    (first.mountpoint / "report").write_text("important")
    assert (second.mountpoint / "report").read_text() == "important"
    connections.disconnect(first)
    connections.disconnect(second)
    assert (sftp_share.root / "report").read_text() == "important"


@pytest.mark.parametrize("kind", ["sftp", "smb"])
def test_what_others_made_of_a_file_written_here_stays_theirs_when_it_is_renamed_here(
    request: pytest.FixtureRequest, connections: Connections, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider, "KEPT", "1s")
    share: Share = request.getfixturevalue(f"{kind}_share")
    share.put("report", "before")  # of one that is made here the kernel would keep the size for a minute
    mounted = connections.connect(share)
    report, final = mounted.mountpoint / "report", mounted.mountpoint / "final"
    report.write_text("ours")
    wait_for(lambda: (share.root / "report").read_text() == "ours", "the upload")
    copy = next(connections.rclone().cache.glob("vfs/**/report"))
    wait_for(lambda: not copy.exists(), "the end of the copy")
    share.put("report", "theirs, and longer")
    wait_for(lambda: [*mounted.mountpoint.iterdir()] and report.stat().st_size > 4, "the others' file to be seen")
    report.rename(final)
    assert final.read_text() == "theirs, and longer"
    with final.open("a") as file:
        file.write(", and ours")
    connections.disconnect(mounted)
    assert (share.root / "final").read_text() == "theirs, and longer, and ours"


def test_c6_what_was_closed_as_rclone_missed_the_end_of_a_mount_is_sent(
    sftp_share: Share, connect: Connect, disconnect: Disconnect, connections: Connections
) -> None:
    mounted = connect(sftp_share)
    rclone, fs = connections.rclone(), mounted.handle["fs"]
    for number in range(2000):  # in one of some hundred it is reading from the kernel as that ends the mount
        detached = mounted.mountpoint.with_name(f"detached {number}")
        detached.mkdir()
        hold.mount(rclone, fs, detached, "detached")
        with (detached / f"{number}").open("w") as file:
            mounts.unmount(detached, lazily=True)
            file.write("closed too late")
            file.flush()
        if "unmount FAILED" in rclone.log.read_text():
            break
    disconnect(mounted)
    assert rclone.call("vfs/list")["vfses"] == []
    again = connect(sftp_share)
    assert again.handle["fs"] == fs
    disconnect(again)
    assert {each.name for each in sftp_share.root.iterdir()} == {f"{each}" for each in range(number + 1)}


@pytest.mark.parametrize("is_alone", [True, False])
def test_c6_a_file_closed_after_a_forced_disconnect_is_sent_as_itself_though_rclone_was_not_told(
    sftp_share: Share, connect: Connect, disconnect: Disconnect, connections: Connections, *, is_alone: bool
) -> None:
    for _ in range(200):  # in one of three the kernel ends the mount before it has told rclone of the close
        sftp_share.put("report", "the old one")
        others = [] if is_alone else [connect(sftp_share)]
        mounted = connect(sftp_share)
        with (mounted.mountpoint / "report").open("w") as file:
            file.write("the new one")
            file.flush()
            disconnect(mounted, force=True)
        wait_for(lambda: mounts.served_by(connections.rclone().pid) == len(others), "the end of the mount")  # noqa: B023
        was_told = bool(connections.queued(mounted))
        for each in others or [connect(sftp_share)]:
            disconnect(each)
        assert {each.name: each.read_text() for each in sftp_share.root.iterdir()} == {"report": "the new one"}
        if not was_told:
            break


def test_c6_of_a_file_of_which_rclone_was_not_told_a_cancel_says_so_while_another_is_open(
    sftp_share: Share, connect: Connect, disconnect: Disconnect
) -> None:
    """What was closed is not forced away; how to have it sent is told."""
    failures: list[WNetError] = []
    while not failures:  # in one of three the kernel ends the mount before it has told rclone of the close
        other = connect(sftp_share)
        with (other.mountpoint / "open").open("w"):
            mounted = connect(sftp_share)
            with (mounted.mountpoint / "report").open("w") as file:
                file.write("whole")
                file.flush()
                disconnect(mounted, force=True)
            try:
                disconnect(other, force=True)
            except WNetError as failure:
                failures.append(failure)
        disconnect(other if failures else connect(sftp_share))
    assert failures[0].status is Status.ERROR_WRITE_FAULT
    assert "report: rclone was not told that it is closed" in str(failures[0])
    assert "when the server answers and nothing is open there, or now with --later" in str(failures[0])
    assert {each.name: each.read_text() for each in sftp_share.root.iterdir()} == {"open": "", "report": "whole"}


@pytest.mark.parametrize("force", [False, True])
def test_c6_a_file_that_is_open_where_it_was_forced_keeps_no_other_connection(
    sftp_share: Share, connect: Connect, disconnect: Disconnect, *, force: bool
) -> None:
    forced, other = connect(sftp_share), connect(sftp_share)
    with (forced.mountpoint / "open").open("w") as file:
        file.write("first, ")
        file.flush()
        disconnect(forced, force=True)
        (other.mountpoint / "closed").write_text("finished")
        disconnect(other, force=force)
        assert (sftp_share.root / "closed").read_text() == "finished"
        file.write("second")
    disconnect(connect(sftp_share))
    assert (sftp_share.root / "open").read_text() == "first, second"


@pytest.mark.parametrize("times", [1, 2])
def test_c6_a_connection_in_the_place_of_a_forced_one_stays_when_the_files_of_that_are_closed(
    file_share: Share, connections: Connections, times: int
) -> None:
    mounted = connections.connect(file_share)
    rclone, used = connections.rclone(), []
    with ExitStack() as program:
        for number in range(times):
            file = program.enter_context((mounted.mountpoint / f"{number}").open("w"))
            file.write("first, ")
            file.flush()
            file_share.provider.cancel_connection(mounted, force=True)
            used.append(mounted.handle["fs"])
            again = AddRequest(mounted.name, mounted.mountpoint, Credentials())
            mounted = replace(mounted, handle=file_share.provider.add_connection(again).handle)
            file.write("second")
        another = connections.connect(file_share)
        assert not {mounted.handle["fs"], another.handle["fs"]} & {*used}
    wait_for(lambda: mounts.served_by(rclone.pid) == 2, "the end of what was forced")
    wait_for(lambda: len(rclone.call("mount/listmounts")["mountPoints"]) == 2, "rclone to notice it")
    assert file_share.provider.state(mounted) is State.CONNECTED
    (mounted.mountpoint / "new").write_text("third")
    for each in (another, mounted):
        file_share.provider.cancel_connection(each, force=False)
    connections.disconnect(connections.connect(file_share))
    found = {each.name: each.read_text() for each in file_share.root.iterdir()}
    assert found == {"new": "third", **dict.fromkeys(map(str, range(times)), "first, second")}
