"""C6 when something dies: servers, the network, rclone, and the disk of the cache. Nothing closed is silently gone."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mprouter.providers.base import Mounted, Pending, State
from mprouter.providers.rclone import daemon, program, provider, rc
from mprouter.providers.rclone.ftp import Ftp
from mprouter.providers.rclone.provider import RcloneProvider
from mprouter.providers.rclone.sftp import Sftp
from mprouter.providers.rclone.smb import Smb
from mprouter.providers.rclone.webdav import WebDav
from mprouter.status import Status, WNetError
from sandbox import Places
from servers import ftp, sftp, smb, webdav
from servers.busy import busy
from servers.daemon import Fresh, Server, end, wait_for
from servers.relay import Relay, relay
from servers.sftp import SftpServer
from shares import Connections, Share

MIB = 1 << 20
BLOCK = bytes(range(256)) * (MIB // 256)
"""What programs write: no part of it is zeros, which a part that was never written would be."""

LARGE = 256


def block(number: int) -> bytes:
    """The block *number* of a large file; no two are alike."""
    return number.to_bytes(8, "big") + BLOCK[8:]


def write(path: Path, blocks: int = LARGE, *, then: Callable[[int], None] = lambda _: None) -> str:
    """Write and close a file as a program does; its checksum. *then*: is told the number of each block written."""
    checksum = hashlib.sha256()
    with path.open("wb", buffering=0) as file:
        for number in range(blocks):
            file.write(block(number))
            checksum.update(block(number))
            then(number)
    return checksum.hexdigest()


def checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_part_of_it(content: bytes) -> bool:
    """Whether *content* is a beginning of what ``write`` writes."""
    return all(content[at : at + MIB] == block(at // MIB)[: len(content) - at] for at in range(0, len(content), MIB))


def at(moment: int, action: Callable[[], None]) -> Callable[[int], None]:
    """Do *action* after the block *moment*."""
    return lambda number: action() if number == moment else None


def on_the_way(root: Path, path: Path) -> int:
    """How many bytes of an upload are on the server, under whichever name."""
    return max((each.stat().st_size for each in root.iterdir() if each.name != path.name), default=0)


def files(root: Path) -> list[str]:
    return sorted(each.name for each in root.iterdir() if each.is_file())


@pytest.fixture
def own_sftp(fresh: Fresh) -> tuple[SftpServer, Share]:
    """An SFTP server that the test may kill, and a share of it."""
    server = fresh(sftp.serve)
    options = {"known_hosts": str(server.known_hosts)}
    return server, Share(Sftp(stall=2), server.url(), server.root, None, server.password, options)


@pytest.fixture
def own_smb(fresh: Fresh) -> tuple[Server, Share]:
    server = fresh(smb.serve)
    return server, Share(Smb(stall=2), server.url(), server.root, None, server.password)


@pytest.fixture
def own_webdav(fresh: Fresh) -> tuple[Server, Share]:
    server = fresh(webdav.serve)
    root = server.directory("share")
    return server, Share(WebDav(stall=2), server.url("/share"), root, None, server.password)


@pytest.fixture(params=["sftp", "smb", "webdav"])
def own(request: pytest.FixtureRequest) -> tuple[Server, Share]:
    """A server of a kind that the test may kill, and a share of it."""
    server, share = request.getfixturevalue(f"own_{request.param}")
    return server, share


def pending(connections: Connections, mounted: Mounted, name: str) -> None:
    """The disconnect does not succeed, and says what is not on the server."""
    with pytest.raises(WNetError) as failed:
        connections.disconnect(mounted)
    assert failed.value.status is Status.ERROR_WRITE_FAULT
    assert name in str(failed.value)


# -- the server


def test_c6_a_server_killed_in_the_middle_of_a_write(own: tuple[Server, Share], connections: Connections) -> None:
    server, share = own
    mounted = connections.connect(share)
    wanted = write(mounted.mountpoint / "film", then=at(100, server.stop))
    pending(connections, mounted, "film")
    assert share.provider.state(mounted) is State.CONNECTED
    server.start()
    share.provider.stall = 60
    connections.disconnect(mounted)
    assert checksum(share.root / "film") == wanted
    assert files(share.root) == ["film"]


def test_a_web_server_that_is_busy_for_a_while_is_asked_again(
    own_webdav: tuple[Server, Share], connections: Connections
) -> None:
    server, share = own_webdav
    share.put("film", "shown")
    with busy(server.host, server.port, 11) as front:
        url = f"dav://{server.user}@{server.host}:{front.port}/share"
        mounted = connections.connect(replace(share, url=url))
        assert (mounted.mountpoint / "film").read_text() == "shown"
        assert front.refused == 11
        connections.disconnect(mounted)


def test_c6_a_server_killed_in_the_middle_of_an_upload(own: tuple[Server, Share], connections: Connections) -> None:
    server, share = own
    old = share.put("film", "the old one")
    mounted = connections.connect(share)
    wanted = write(mounted.mountpoint / "film")
    wait_for(lambda: on_the_way(share.root, old) > MIB, "the upload")
    server.stop()
    assert old.read_text() == "the old one"
    pending(connections, mounted, "film")
    server.start()
    share.provider.stall = 60
    connections.disconnect(mounted)
    assert checksum(share.root / "film") == wanted
    assert files(share.root) == ["film"]


# -- rclone


def test_c6_rclone_killed_in_the_middle_of_a_write_keeps_the_servers_file(
    sftp_share: Share, connections: Connections
) -> None:
    old = sftp_share.put("film", "the old one, in full\n" * 100_000)
    was = checksum(old)
    mounted = connections.connect(sftp_share)
    with pytest.raises(OSError, match=r"not connected|aborted"):
        write(mounted.mountpoint / "film", then=at(100, connections.kill_rclone))
    connections.disconnect(mounted)
    connections.disconnect(connections.connect(sftp_share))
    assert checksum(old) == was
    assert files(sftp_share.root) == ["film", "film (unfinished)"]
    content = (sftp_share.root / "film (unfinished)").read_bytes()
    assert len(content) >= 100 * MIB
    assert is_part_of_it(content)


def test_c6_rclone_killed_in_the_middle_of_a_write_of_a_new_file(sftp_share: Share, connections: Connections) -> None:
    mounted = connections.connect(sftp_share)
    with pytest.raises(OSError, match=r"not connected|aborted"):
        write(mounted.mountpoint / "film", then=at(100, connections.kill_rclone))
    connections.disconnect(mounted)
    connections.disconnect(connections.connect(sftp_share))
    content = (sftp_share.root / "film").read_bytes()
    assert len(content) >= 100 * MIB
    assert is_part_of_it(content)


def test_c6_rclone_killed_in_the_middle_of_an_upload(own: tuple[Server, Share], connections: Connections) -> None:
    _, share = own
    old = share.put("film", "the old one")
    mounted = connections.connect(share)
    wanted = write(mounted.mountpoint / "film")
    wait_for(lambda: on_the_way(share.root, old) > MIB, "the upload")
    connections.kill_rclone()
    assert old.read_text() == "the old one"
    connections.disconnect(mounted)
    share.provider.stall = 60
    connections.disconnect(connections.connect(share))
    assert checksum(old) == wanted
    assert files(share.root) == ["film"]


def test_c6_rclone_killed_while_the_server_is_away(own: tuple[Server, Share], connections: Connections) -> None:
    server, share = own
    mounted = connections.connect(share)
    assert list(mounted.mountpoint.iterdir()) == []  # rclone then knows for a while that there are no files
    server.stop()
    wanted = write(mounted.mountpoint / "film", 8)
    connections.kill_rclone()
    connections.disconnect(mounted)
    with pytest.raises(WNetError):
        connections.connect(share)
    assert [each.pending for each in share.provider.waiting()] == [Pending(1, 8 * MIB)]
    server.start()
    connections.disconnect(connections.connect(share))
    assert checksum(share.root / "film") == wanted
    assert share.provider.waiting() == []


@pytest.mark.parametrize(("module", "provider"), [(smb, Smb), (ftp, Ftp)])
def test_c6_a_connection_goes_on_when_its_server_has_started_again(
    fresh: Fresh, connections: Connections, monkeypatch: pytest.MonkeyPatch, module: Any, provider: type[Smb | Ftp]
) -> None:
    monkeypatch.setattr(sys.modules[provider.__module__], "IDLE", "1ms")  # sooner than this test asks again
    server: Any = fresh(module.serve)
    share = Share(provider(stall=2), server.url(), server.root, None, server.password)
    directory = server.directory("directory")
    mounted = connections.connect(share)
    assert list(mounted.mountpoint.iterdir())
    server.stop()
    server.start()

    def is_read() -> bool:
        with suppress(OSError):
            return list((mounted.mountpoint / directory.name).iterdir()) == []
        return False

    wait_for(is_read, "rclone to give the dead session up")
    connections.disconnect(connections.connect(share))


def log_killed_in_append(share: Share, connections: Connections) -> Path:
    """A file on the server, of which an rclone that was killed has only the line that was appended, "ours"."""
    log = share.put("log", "".join(f"line {number}\n" for number in range(1000)))
    mounted = connections.connect(share)
    file = os.open(mounted.mountpoint / "log", os.O_WRONLY | os.O_APPEND)
    os.write(file, b"ours\n")
    connections.kill_rclone()
    with pytest.raises(OSError, match=r"not connected|aborted"):
        os.close(file)
    connections.disconnect(mounted)
    return log


def put_aside(share: Share) -> str:
    """What ends the one file that could not be sent, and of which the user is told."""
    (found,) = share.provider.waiting()
    assert found.remote_name == share.url
    assert found.pending == Pending(0, 0)
    (aside,) = found.aside
    return aside.read_bytes()[-5:].decode()


def test_c6_a_file_that_another_has_changed_is_not_mixed_with_what_was_written(
    sftp_share: Share, connections: Connections
) -> None:
    log = log_killed_in_append(sftp_share, connections)
    theirs = log.read_text().replace("line", "LINE") + "theirs\n"
    log.write_text(theirs)
    connections.disconnect(connections.connect(sftp_share))
    assert log.read_text() == theirs
    assert put_aside(sftp_share) == "ours\n"


def test_c6_a_file_that_may_no_longer_be_read_keeps_nobody_from_connecting(
    smb_share: Share, connections: Connections
) -> None:
    log = log_killed_in_append(smb_share, connections)
    log.chmod(0o200)
    connections.disconnect(connections.connect(smb_share))
    assert put_aside(smb_share) == "ours\n"


@pytest.mark.parametrize("length", [100, 10_000])
def test_c6_rclone_killed_while_a_file_is_open_for_append(
    sftp_share: Share, connections: Connections, length: int
) -> None:
    before = "".join(f"line {number}\n" for number in range(length))
    sftp_share.put("log", before)
    mounted = connections.connect(sftp_share)
    log = os.open(mounted.mountpoint / "log", os.O_WRONLY | os.O_APPEND)
    for number in range(3):
        os.write(log, f"new line {number}\n".encode())
    connections.kill_rclone()
    with pytest.raises(OSError, match=r"not connected|aborted"):
        os.close(log)
    connections.disconnect(mounted)
    connections.disconnect(connections.connect(sftp_share))
    assert (sftp_share.root / "log").read_text() == before + "new line 0\nnew line 1\nnew line 2\n"


# -- the network


@pytest.fixture
def kind(request: pytest.FixtureRequest) -> str:
    """The server's, SFTP if the test does not say."""
    return getattr(request, "param", "sftp")


@pytest.fixture
def network(kind: str, request: pytest.FixtureRequest) -> Iterator[Relay]:
    """A network to the server that can be cut."""
    server = request.getfixturevalue(f"{kind}_server")
    with relay(server.host, server.port) as made:
        yield made


@pytest.fixture
def far(kind: str, network: Relay, request: pytest.FixtureRequest, tmp_path: Path) -> Share:
    """The server's share, behind that network."""
    server: Server = request.getfixturevalue(f"{kind}_server")
    share: Share = request.getfixturevalue(f"{kind}_share")
    share = replace(share, url=share.url.replace(f":{server.port}", f":{network.port}"))
    if not isinstance(server, SftpServer):
        return share
    keys = server.known_hosts.read_text().replace(f":{server.port}", f":{network.port}")
    (tmp_path / "known_hosts").write_text(keys)
    return replace(share, provider=Sftp(stall=2), options={"known_hosts": str(tmp_path / "known_hosts")})


def hold_renaming(network: Relay, share: Share, connections: Connections, word: bytes) -> Mounted:
    """A connection with an upload that lacks but its renaming, which is on its way to the server."""
    is_held = network.hold(word)
    mounted = connections.connect(share)
    (mounted.mountpoint / "report").write_text("ours")
    wait_for(is_held.is_set, "rclone to ask for its name")
    return mounted


def put_later(share: Share, name: str, text: str) -> None:
    """Somebody else makes a file on the server after all that was written until now."""
    file = share.put(name, text)
    os.utime(file, (file.stat().st_mtime + 60,) * 2)


def texts(share: Share) -> dict[str, str]:
    return {each.name: each.read_text() for each in share.root.iterdir()}


def arrived(connections: Connections) -> bool:
    """Whether rclone has nothing under way any more."""
    return not connections.rclone().call("core/stats").get("transferring")


RENAMING = {"ftp": b"RNTO ", "smb": b"\0\0\1\0\x80\0\0\0\4\0\0\0\1"}
"""By what a client's wish to rename a file is known; of SMB it is how the file is opened for that."""

late_renaming = pytest.mark.parametrize(
    ("kind", "is_killed"), [("ftp", False), ("ftp", True), ("smb", False)], indirect=["kind"]
)


@pytest.fixture
def late(far: Share, network: Relay, connections: Connections, file_share: Share, is_killed: bool) -> Iterator[None]:
    """An upload whose connection has ended lacks but its renaming, which is on its way to the server."""
    mounted = hold_renaming(network, far, connections, RENAMING[far.provider.name])
    other = connections.connect(file_share)  # else a disconnect that does not wait ends that rclone
    if is_killed:
        connections.kill_rclone()
    connections.disconnect(mounted, later=not is_killed)
    yield
    connections.disconnect(other)


@late_renaming
@pytest.mark.usefixtures("late")
def test_c6_an_upload_whose_renaming_arrives_late_does_not_replace_what_others_have_made_meanwhile(
    far: Share, network: Relay, connections: Connections
) -> None:
    put_later(far, "report", "theirs")
    mounted = connections.connect(far)
    network.release()
    wait_for(lambda: arrived(connections), "what was held to arrive")
    connections.disconnect(mounted)
    assert texts(far) == {"report": "theirs", "report (conflict)": "ours"}


@late_renaming
@pytest.mark.usefixtures("late")
def test_c6_an_upload_whose_renaming_arrives_late_does_not_replace_what_was_written_here_since(
    far: Share, network: Relay, connections: Connections
) -> None:
    mounted = connections.connect(far)
    (mounted.mountpoint / "report").write_text("newer")
    wait_for(lambda: texts(far).get("report") == "newer", "it to be sent")
    network.release()
    wait_for(lambda: arrived(connections), "what was held to arrive")
    connections.disconnect(mounted)
    assert texts(far) == {"report": "newer"}


@pytest.mark.parametrize("kind", ["ftp"], indirect=True)
def test_c6_a_disconnect_that_does_not_wait_ends_what_is_under_way(
    far: Share, network: Relay, connections: Connections
) -> None:
    connections.disconnect(hold_renaming(network, far, connections, b"RNFR "), later=True)
    put_later(far, "report", "theirs")
    network.release()
    wait_for(lambda: daemon.running() is None or arrived(connections), "what was held to arrive")
    assert texts(far)["report"] == "theirs"
    connections.disconnect(connections.connect(far))
    assert texts(far) == {"report": "theirs", "report (conflict)": "ours"}


@pytest.mark.parametrize("kind", ["sftp", "smb", "webdav", "ftp"], indirect=True)
def test_this_machine_gets_another_address_while_rclone_has_sessions(
    far: Share, network: Relay, connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider, "WAKING", 1.0)
    connections.disconnect(connections.connect(far))
    network.forget()
    mounted = connections.connect(far)
    (mounted.mountpoint / "file").write_text("content")
    connections.disconnect(mounted)
    network.refuse()  # else rclone would wait for the silent ones at its end
    assert (far.root / "file").read_text() == "content"


@pytest.mark.parametrize(
    ("module", "made"), [(sftp, Sftp), (smb, Smb), (webdav, WebDav), (ftp, Ftp)], ids=["sftp", "smb", "webdav", "ftp"]
)
def test_a_server_is_connected_to_at_once_after_it_has_started_again(
    fresh: Fresh, connections: Connections, module: Any, made: type[RcloneProvider]
) -> None:
    server: Any = fresh(module.serve)
    known = {"known_hosts": str(server.known_hosts)} if isinstance(server, SftpServer) else {}
    share = Share(made(), server.url(), server.root, None, server.password, known)
    connections.disconnect(connections.connect(share))
    server.stop()
    server.start()
    connections.disconnect(connections.connect(share))


@pytest.mark.parametrize(
    ("network", "answer"),
    [
        ("smb", "couldn't list files: read tcp 10.0.0.2:4711->10.0.0.1:445: i/o timeout"),
        ("ftp", '229 "Entering extended passive mode (|||44159|)."'),  # to what was asked before a silence
        ("ftp", 'short response: "?"'),
    ],
)
def test_a_session_that_rclone_has_was_given_up_meanwhile(
    network: str,
    answer: str,
    request: pytest.FixtureRequest,
    connections: Connections,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    share: Share = request.getfixturevalue(f"{network}_share")
    connections.disconnect(connections.connect(share))
    answers = [answer]
    call = daemon.Daemon.call

    def late(self: daemon.Daemon, method: str, **parameters: Any) -> dict[str, Any]:
        if method == "operations/stat" and answers:
            raise rc.Refused(method, answers.pop())
        return call(self, method, **parameters)

    monkeypatch.setattr(daemon.Daemon, "call", late)
    connections.disconnect(connections.connect(share))
    assert not answers


def test_c6_connections_to_a_server_that_is_only_slow_share_one_cache(
    share: Share, connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, call = connections.connect(share), daemon.Daemon.call
    probes: list[str] = []

    def slow(self: daemon.Daemon, method: str, **parameters: Any) -> dict[str, Any]:
        if method in {"operations/stat", "operations/list"}:
            probes.append(parameters["fs"])
            if self.patience <= provider.WAKING and len(probes) == 1:
                raise WNetError(Status.ERROR_TIMEOUT, "rclone does not answer")
        return call(self, method, **parameters)

    monkeypatch.setattr(daemon.Daemon, "call", slow)
    second = connections.connect(share)
    assert first.handle is not None
    assert second.handle is not None
    assert len(probes) >= 3
    assert second.handle["fs"] == first.handle["fs"]
    (first.mountpoint / "log").write_text("first\n")
    with (second.mountpoint / "log").open("a") as log:  # which is not sent yet
        log.write("second\n")
    for mounted in (first, second):
        connections.disconnect(mounted)
    assert (share.root / "log").read_text() == "first\nsecond\n"


@pytest.mark.parametrize("fault", [Relay.refuse, Relay.hang])
def test_c6_the_network_is_cut_in_the_middle_of_an_upload(
    far: Share, network: Relay, connections: Connections, fault: Callable[[Relay], None]
) -> None:
    mounted = connections.connect(far)
    wanted = write(mounted.mountpoint / "film")
    wait_for(lambda: on_the_way(far.root, far.root / "film") > MIB, "the upload")
    fault(network)
    assert not (far.root / "film").exists()
    pending(connections, mounted, "film")
    network.restore()
    far.provider.stall = 60
    connections.disconnect(mounted)
    assert checksum(far.root / "film") == wanted
    assert files(far.root) == ["film"]


@pytest.mark.parametrize("fault", [Relay.refuse, Relay.hang])
def test_c6_the_network_is_cut_while_something_is_appended(
    far: Share,
    network: Relay,
    connections: Connections,
    monkeypatch: pytest.MonkeyPatch,
    fault: Callable[[Relay], None],
) -> None:
    monkeypatch.setattr(program, "SILENCE", "3s")
    far.put("log", "first line\n")
    mounted = connections.connect(far)
    with (mounted.mountpoint / "log").open("a") as log:
        fault(network)
        log.write("second line\n")
    pending(connections, mounted, "log")
    network.restore()
    far.provider.stall = 60
    connections.disconnect(mounted)
    assert (far.root / "log").read_text() == "first line\nsecond line\n"


@pytest.mark.parametrize("kind", ["sftp", "smb", "webdav", "ftp"], indirect=True)
def test_c6_a_disconnect_gets_over_sessions_that_were_broken_off(
    far: Share, network: Relay, connections: Connections
) -> None:
    far.provider.stall = 60
    mounted = connections.connect(far)
    for number in range(4):
        (mounted.mountpoint / str(number)).write_text("content")
    network.refuse()
    network.restore()
    connections.disconnect(mounted)
    assert files(far.root) == ["0", "1", "2", "3"]


def test_c6_what_rclone_no_longer_tries_to_send_is_sent_by_the_disconnect(
    far: Share, network: Relay, connections: Connections, places: Places
) -> None:
    far.put("log", "first line\n")
    mounted = connections.connect(far)
    with (mounted.mountpoint / "log").open("a") as log:
        network.refuse()
        log.write("second line\n")
    given_up = "failed to download missing parts"
    wait_for(lambda: given_up in (places.state / "rclone.log").read_text(), "rclone to give up", 60)
    pending(connections, mounted, "log")
    assert far.provider.state(mounted) is State.CONNECTED
    network.restore()
    connections.disconnect(mounted)
    assert (far.root / "log").read_text() == "first line\nsecond line\n"


def test_c6_what_rclone_no_longer_tries_to_send_is_sent_by_the_last_disconnect_of_several(
    far: Share, network: Relay, connections: Connections, places: Places, caplog: pytest.LogCaptureFixture
) -> None:
    far.put("log", "first line\n")
    first, second = connections.connect(far), connections.connect(far)
    with (first.mountpoint / "log").open("a") as log:
        network.refuse()
        log.write("second line\n")
    given_up = "failed to download missing parts"
    wait_for(lambda: given_up in (places.state / "rclone.log").read_text(), "rclone to give up", 60)
    connections.disconnect(first)
    assert "not yet on the server: log" in caplog.text
    assert far.provider.state(second) is State.CONNECTED
    network.restore()
    connections.disconnect(second)
    assert (far.root / "log").read_text() == "first line\nsecond line\n"


@pytest.mark.parametrize("fault", [Relay.refuse, Relay.hang])
def test_a_program_that_reads_while_the_network_is_cut_gets_an_error(
    far: Share,
    network: Relay,
    connections: Connections,
    monkeypatch: pytest.MonkeyPatch,
    fault: Callable[[Relay], None],
) -> None:
    monkeypatch.setattr(program, "SILENCE", "1s")
    far.put("book", "text\n" * MIB)
    mounted = connections.connect(far)
    book = str(mounted.mountpoint / "book")
    reader = [sys.executable, "-c", "import sys; print(len(open(sys.argv[1]).read()))", book]
    fault(network)
    ended = subprocess.run(reader, capture_output=True, text=True, timeout=100, check=False)
    assert ended.returncode == 1
    assert "OSError" in ended.stderr
    network.restore()
    ended = subprocess.run(reader, capture_output=True, text=True, timeout=100, check=False)
    assert ended.stdout == f"{5 * MIB}\n"
    connections.disconnect(mounted)


# -- the disk of the cache


@pytest.fixture
def disk(places: Places) -> Iterator[Path]:
    """A small disk of 24 MiB for the cache."""
    cache = places.state / "cache"
    cache.mkdir(mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m,mode=700", "none", cache], check=True)
    yield cache
    end(places.processes())
    subprocess.run(["umount", cache], check=True)


def test_c6_the_disk_of_the_cache_is_full(
    own_sftp: tuple[SftpServer, Share], connections: Connections, disk: Path
) -> None:
    server, share = own_sftp
    mounted = connections.connect(share)
    assert list(mounted.mountpoint.iterdir()) == []  # rclone then knows for a while that there are no files
    server.stop()
    wanted = {name: write(mounted.mountpoint / name, 5) for name in "abcd"}
    with pytest.raises(OSError, match="Input/output error"):  # the program is told
        write(mounted.mountpoint / "e", 5)
    assert {name: checksum(mounted.mountpoint / name) for name in wanted} == wanted
    pending(connections, mounted, "a, b, c, d")
    server.start()
    share.provider.stall = 60
    connections.disconnect(mounted)
    assert {name: checksum(share.root / name) for name in wanted} == wanted
    again = connections.connect(share)  # there is room again
    more = write(again.mountpoint / "f", 20)
    connections.disconnect(again)
    assert checksum(share.root / "f") == more
    assert [each for each in disk.rglob("*") if each.is_file()] == []


def test_c6_copies_that_a_disconnect_has_not_dropped_are_room_for_the_next_connection(
    sftp_share: Share, connections: Connections, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the file system has not ended in time."""
    mounted = connections.connect(sftp_share)
    for name in "abcd":
        write(mounted.mountpoint / name, 5)
    with monkeypatch.context() as hurried:
        hurried.setattr("mprouter.providers.rclone.disconnect.clear", lambda *_: None)
        connections.disconnect(mounted)
    with suppress(OSError), (disk / "something else").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    again = connections.connect(sftp_share)
    assert {each.name for each in again.mountpoint.iterdir()} == {*"abcd"}
    connections.disconnect(again)


def test_c6_what_waits_on_a_full_disk_survives_a_kill(
    own_sftp: tuple[SftpServer, Share], connections: Connections, disk: Path
) -> None:
    server, share = own_sftp
    mounted = connections.connect(share)
    assert list(mounted.mountpoint.iterdir()) == []
    server.stop()
    wanted = {name: write(mounted.mountpoint / name, 5) for name in "abcd"}
    pending(connections, mounted, "a, b, c, d")
    connections.kill_rclone()
    connections.disconnect(mounted)
    server.start()
    with suppress(OSError), (disk / "something else").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    with pytest.raises(WNetError) as refused:
        connections.connect(share)
    assert refused.value.status is Status.ERROR_DISK_FULL
    (disk / "something else").unlink()
    connections.disconnect(connections.connect(share))
    assert {name: checksum(share.root / name) for name in wanted} == wanted
