"""SFTP by sshfs: what becomes of it in good and bad days, with the tests' OpenSSH server."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import warm
from diagnosis import report
from mprouter.names import parse_remote
from mprouter.providers.base import Mounted, State
from mprouter.providers.rclone.failures import meaning, server_words
from mprouter.providers.rclone.sftp import Sftp
from mprouter.providers.sshfs import Sshfs, attempt
from mprouter.providers.sshfs.provider import OPTIONS
from mprouter.status import Status, WNetError
from mprouter.testing import ProviderContract
from sandbox import Command, OrdinaryUser, Places
from servers import sftp
from servers.daemon import Fresh, end, free_port, wait_for
from servers.sftp import SftpServer
from shares import Connections, Refused, Share


@pytest.fixture
def password_share(sftp_share: Share) -> Share:
    """The share of SFTP, with a password."""
    return replace(sftp_share, provider=Sshfs())  # type: ignore[arg-type]  # it connects as any other


@pytest.fixture
def key_share(password_share: Share, sftp_server: SftpServer) -> Share:
    """The same, with a key."""
    return replace(password_share, password=None, options=access(sftp_server))


def access(server: SftpServer) -> dict[str, str]:
    """The options with which one logs on there."""
    return {"known_hosts": str(server.known_hosts), "key_file": str(server.key)}


def words(server: SftpServer) -> list[str]:
    """The same for a command."""
    return [word for name, value in access(server).items() for word in ("-o", f"{name}={value}")]


def of_sshfs(places: Places) -> list[int]:
    """The processes of sshfs that a test has started."""
    found = []
    for pid in places.processes():
        with suppress(OSError):  # it has ended meanwhile
            if Path(f"/proc/{pid}/comm").read_text() == "sshfs\n":
                found.append(pid)
    return found


class TestSshfs(ProviderContract):
    @pytest.fixture(autouse=True)
    def _prepare(self, password_share: Share, places: Places) -> None:
        del places  # they are in the environment
        password_share.put("hello.txt", "hello\n")
        self.remote_name, self.missing_name = password_share.url, f"{password_share.url}/not%20there"
        self.content, self.options, self.password = ["hello.txt"], password_share.options, password_share.password

    def provider(self) -> Sshfs:
        return Sshfs()


# What fails


@pytest.fixture
def refused(connections: Connections, places: Places) -> Refused:
    return RefusedAndEnded(connections, places)


class RefusedAndEnded(Refused):
    """That no process is left behind, either, is checked."""

    def __call__(self, share: Share, **different: Any) -> WNetError:
        error = super().__call__(share, **different)
        wait_for(lambda: not self._places.processes(), "the end of sshfs and ssh")
        assert error.provider == "sshfs"
        return error


@pytest.mark.parametrize(
    ("place", "status"),
    [
        ("{url}/missing", Status.ERROR_PATH_NOT_FOUND),
        ("{url}/file", Status.ERROR_DIRECTORY),
        ("{url}/private", Status.ERROR_ACCESS_DENIED),
        ("sftp://ana@no-such-host.invalid/", Status.WSAHOST_NOT_FOUND),
        ("sftp://ana@127.0.0.1:{port}/", Status.ERROR_CONNECTION_REFUSED),
    ],
)
def test_c8_each_fault_has_the_status_that_sftp_gives_it(
    place: str, status: Status, password_share: Share, refused: Refused
) -> None:
    password_share.put("file", "content")
    (password_share.root / "private").mkdir(mode=0o700)  # root's
    error = refused(password_share, url=place.format(url=password_share.url, port=free_port()))
    assert error.status is status


@pytest.mark.parametrize("who", [{"password": "wrong"}, {"user": "nobody.knows", "password": "secret"}, {}], ids=str)
def test_c8_who_is_not_let_in(who: Mapping[str, str], password_share: Share, refused: Refused) -> None:
    error = refused(replace(password_share, password=None), **who)
    assert error.status is Status.ERROR_LOGON_FAILURE
    assert ("another password" if "password" in who else "another key with -o key_file=FILE, a password") in str(error)


def test_r3_what_sshfs_cannot_do_is_left_to_sftp(
    key_share: Share, sftp_server: SftpServer, refused: Refused, tmp_path: Path
) -> None:
    locked = tmp_path / "locked"
    locked.write_text("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n")
    error = refused(key_share, options={"key_file": str(locked)}, password="its passphrase")
    assert error.status is Status.ERROR_NOT_SUPPORTED
    assert f"ssh-add {locked}" in str(error)
    assert refused(
        replace(key_share, options={"known_hosts": str(sftp_server.known_hosts)}), password="with\x03"
    ).status is (Status.ERROR_NOT_SUPPORTED)


def test_n4_the_options_are_those_of_sftp(password_share: Share, refused: Refused) -> None:
    assert set(OPTIONS) == {"read_only", *Sftp.options}
    assert refused(password_share, options={"no_such_option": "x"}).status is Status.ERROR_INVALID_PARAMETER


def test_a_drive_can_be_read_only_and_leaves_no_process(
    key_share: Share, connections: Connections, places: Places
) -> None:
    mounted = connections.connect(key_share, options={"read_only": "yes"})
    with pytest.raises(OSError, match="Read-only"):
        (mounted.mountpoint / "file").touch()
    connections.disconnect(mounted)
    assert of_sshfs(places) == []


# Whose server it is


class Person:
    """Somebody at the terminal who agrees to what is shown."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def ask_password(self, prompt: str) -> str | None:
        raise AssertionError(prompt)

    def confirm(self, question: str) -> bool:
        self.asked.append(question)
        return True


def test_an_unknown_server_is_refused_until_a_person_agrees(
    key_share: Share, sftp_server: SftpServer, refused: Refused, connections: Connections
) -> None:
    unknown = replace(key_share, options={"key_file": str(sftp_server.key)})
    error = refused(unknown)
    assert error.status is Status.ERROR_MUTUAL_AUTH_FAILED
    assert all(fingerprint in str(error) for fingerprint in sftp_server.fingerprints)
    assert "mpr hostkey accept" in str(error)
    person = Person()
    connections.disconnect(connections.connect(unknown, conversation=person))
    assert len(person.asked) == 1
    connections.disconnect(connections.connect(unknown))


def test_a_changed_key_is_refused_whoever_would_agree(
    key_share: Share, sftp_server: SftpServer, refused: Refused
) -> None:
    person = Person()
    error = refused(key_share, options={"known_hosts": str(sftp_server.wrong_hosts)}, conversation=person)
    assert error.status is Status.ERROR_MUTUAL_AUTH_FAILED
    assert f"{sftp_server.wrong_hosts}:1" in str(error)
    assert "ssh-keygen -R" in str(error)
    assert person.asked == []


# A server that accepts, and says nothing


@contextmanager
def silent_server() -> Iterator[str]:
    """The URL of one, at which whoever connects hangs until the end."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"sftp://ana@127.0.0.1:{server.getsockname()[1]}/"


def test_n15_the_password_is_in_no_words_and_no_variable(
    password_share: Share, connections: Connections, places: Places
) -> None:
    def connect() -> None:
        with pytest.raises(WNetError):
            connections.connect(password_share, url=url, password="ge-heim")

    with silent_server() as url:
        failing = threading.Thread(target=connect)
        failing.start()
        wait_for(lambda: len(places.processes()) >= 2, "sshfs and ssh")
        told = [
            Path(f"/proc/{pid}/{file}").read_bytes() for pid in places.processes() for file in ("cmdline", "environ")
        ]
    failing.join()
    assert any(b"password_stdin" in each for each in told)
    assert not any(b"ge-heim" in each for each in told)


def test_a_server_that_never_comes_to_an_end_is_given_up(
    key_share: Share, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempt, "LIMIT", 0.2)
    with silent_server() as url:
        assert refused(key_share, url=url).status is Status.ERROR_TIMEOUT


def test_a_server_that_falls_silent_is_given_up(
    fresh: Fresh, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient = {"ServerAliveInterval=15": "ServerAliveInterval=1", "ServerAliveCountMax=3": "ServerAliveCountMax=1"}
    monkeypatch.setattr(attempt, "SSH", [impatient.get(each, each) for each in attempt.SSH])
    server = fresh(sftp.serve)
    server.stop()
    settings = server.root.parent / "sshd_config"
    settings.write_text(settings.read_text().replace("internal-sftp", "kill -STOP $PPID"))
    server.start()
    share = Share(Sshfs(), server.url(), server.root, options=access(server))  # type: ignore[arg-type]
    error = refused(share)
    assert error.status is Status.ERROR_UNEXP_NET_ERR
    assert "breaks off the connection" in str(error.strerror)


def test_c8_a_server_that_lets_this_address_not_in_for_now_is_told_as_that(key_share: Share, refused: Refused) -> None:
    with sftp.barring() as port:
        error = refused(key_share, url=f"sftp://ana@127.0.0.1:{port}/")
    assert error.status is Status.ERROR_UNEXP_NET_ERR
    assert "lets nobody in from this address for now" in str(error.strerror)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("read: Connection reset by peer\n", "breaks off"),
        ("Connection to 127.0.0.1 closed by remote host.\nremote host has disconnected", "breaks off"),
        ("remote host has disconnected", "breaks off"),
        ("kex_exchange_identification: Connection closed by remote host", "breaks off"),
        ("Input/output error", "breaks off"),
        ("kex_exchange_identification: banner line contains invalid characters", "does not speak SSH"),
    ],
)
def test_c8_what_is_broken_off_is_no_other_protocol(said: str, message: str) -> None:
    error = meaning(said, attempt.FAILURES, {"network": "SFTP", **server_words(said, "files", 22)})
    assert error.status is Status.ERROR_UNEXP_NET_ERR
    assert message in str(error.strerror)
    assert "\n" not in str(error.strerror)


def test_c8_a_password_is_in_no_variable_of_the_error_of_a_silent_server(
    password_share: Share, connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempt, "LIMIT", 0.2)
    with silent_server() as url, pytest.raises(WNetError) as failure:
        connections.connect(password_share, url=url, password="ge-heim")
    frames = [each for each, _ in traceback.walk_tb(failure.tb) if each.f_code.co_filename == attempt.__file__]
    assert frames
    assert "ge-heim" not in repr([each.f_locals for each in frames])


def test_a_command_whose_words_are_like_those_of_sshfs_is_not_taken_for_one(
    installed: Command, places: Places, sftp_server: SftpServer
) -> None:
    enable(places)
    url = f"{sftp_server.url()}/missing"
    ran = installed("connect", "--provider", "sshfs", *words(sftp_server), url, places.home / "drive")
    assert ran.returncode == 1
    assert "there is no directory" in ran.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_n19_a_command_that_ends_while_it_connects_leaves_nothing(
    number: signal.Signals, mpr: Command, places: Places
) -> None:
    enable(places)
    with silent_server() as url, warm.Started("connect", url, "Z:", stdin="secret") as command:
        wait_for(lambda: of_sshfs(places), "sshfs")
        command.send_signal(number)
        command.communicate()
        mpr("recover")
        wait_for(lambda: not places.processes(), "the end of sshfs and ssh")
    assert places.mounts() == []
    assert list(places.drives.iterdir()) == []


# Files


def test_a_big_file_and_many_small_ones_arrive(key_share: Share, connections: Connections) -> None:
    mounted = connections.connect(key_share)
    big = os.urandom(5 << 20)
    (mounted.mountpoint / "big").write_bytes(big)
    assert (key_share.root / "big").read_bytes() == big  # at the close, not a second after
    for number in range(30):
        (mounted.mountpoint / f"small, {number}").write_text(str(number))
    assert len(list(key_share.root.iterdir())) == 31
    connections.disconnect(mounted)
    mounted = connections.connect(key_share)
    assert (mounted.mountpoint / "big").read_bytes() == big
    assert {(mounted.mountpoint / f"small, {each}").read_text() for each in range(30)} == set(map(str, range(30)))
    connections.disconnect(mounted)


def test_c6_with_force_whoever_has_a_file_open_can_write_it_to_the_end(
    key_share: Share, connections: Connections, places: Places
) -> None:
    mounted = connections.connect(key_share)
    with (mounted.mountpoint / "file").open("w") as file:
        with pytest.raises(WNetError, match=r"file: open in .*--force") as refused:
            connections.disconnect(mounted)
        assert refused.value.status is Status.ERROR_OPEN_FILES
        connections.disconnect(mounted, force=True)
        assert places.mounts() == []
        file.write("to the end")
    assert (key_share.root / "file").read_text() == "to the end"
    wait_for(lambda: not places.processes(), "the end of sshfs")


def test_c6_a_broken_line_is_told_at_the_close_and_the_drive_comes_back(
    fresh: Fresh, connections: Connections, places: Places
) -> None:
    del places
    server = fresh(sftp.serve)
    mounted = connections.connect(Share(Sshfs(), server.url(), server.root, options=access(server)))  # type: ignore[arg-type]
    file = (mounted.mountpoint / "file").open("w")
    file.write("what is not on the server at the close")
    server.stop()
    with pytest.raises(OSError, match="error"):
        file.close()
    server.start()
    (mounted.mountpoint / "file").write_text("again")
    assert (server.root / "file").read_text() == "again"
    connections.disconnect(mounted)


def test_what_ssh_says_of_a_server_that_stays_away_takes_no_more_memory_each_time(
    fresh: Fresh, connections: Connections, places: Places
) -> None:
    server = fresh(sftp.serve)
    mounted = connections.connect(Share(Sshfs(), server.url(), server.root, options=access(server)))  # type: ignore[arg-type]
    server.stop()
    (pid,) = of_sshfs(places)
    said = Path(f"/proc/{pid}/fd/9")  # nobody else hears it by now

    def is_refused() -> bool:
        with pytest.raises(OSError, match="error"):
            (mounted.mountpoint / "file").touch()
        return "refused" in said.read_text()

    for _ in range(3):
        wait_for(is_refused, "an ssh that connects again")
        assert said.read_text().count("refused") == 1
    connections.disconnect(mounted)


def test_a_shell_that_stands_in_a_silent_drive_can_connect_another(
    key_share: Share, connections: Connections, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = connections.connect(key_share)
    (pid,) = of_sshfs(places)
    monkeypatch.setenv("PWD", str(silent.mountpoint / "directory"))
    os.kill(pid, signal.SIGSTOP)
    try:
        other = connections.connect(key_share)
    finally:
        os.kill(pid, signal.SIGCONT)
    for each in (other, silent):
        connections.disconnect(each)


# As a user has it


def enable(places: Places, order: int = 10) -> None:
    """The file that a user makes."""
    (places.config / "providers.d").mkdir(exist_ok=True)
    file = places.config / "providers.d" / "sshfs.toml"
    file.write_text(f'target = "python:mprouter.providers.sshfs:Sshfs"\norder = {order}\n')


def provider_of_z(mpr: Command) -> str:
    (found,) = json.loads(mpr("list", "--json").stdout)
    return str(found["provider"])


@pytest.mark.parametrize(("order", "asked"), [(10, "sshfs"), (200, "sftp")])
def test_r1_its_order_says_who_is_asked_first(
    order: int, asked: str, mpr: Command, places: Places, sftp_server: SftpServer
) -> None:
    enable(places, order)
    assert mpr("connect", sftp_server.url(), "Z:", *words(sftp_server)).returncode == 0
    assert provider_of_z(mpr) == asked
    assert mpr("disconnect", "Z:").returncode == 0


def test_r4_a_changed_key_is_refused_by_both_when_no_session_is_there(
    mpr: Command, places: Places, sftp_server: SftpServer
) -> None:
    enable(places)
    wrong = ["-o", f"known_hosts={sftp_server.wrong_hosts}", "-o", f"key_file={sftp_server.key}"]
    for only in ([], ["--provider", "sftp"]):
        ran = mpr("connect", sftp_server.url(), "Z:", *wrong, *only)
        assert ran.returncode == 1
        assert "is not the recorded one" in ran.stderr
        assert "(ERROR_MUTUAL_AUTH_FAILED, 1397)" in ran.stderr
        assert f"the old one is in {sftp_server.wrong_hosts}:1" in ran.stderr


@pytest.fixture
def without_sshfs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program is not installed, and all else that is needed is."""
    for each in ("fusermount3", "sh", "ssh"):
        (tmp_path / each).symlink_to(f"/bin/{each}")
    monkeypatch.setenv("PATH", str(tmp_path))


def test_r3_without_the_program_sftp_connects_and_a_warning_says_why(
    mpr: Command, places: Places, sftp_server: SftpServer, without_sshfs: None
) -> None:
    del without_sshfs
    enable(places)
    why, hint = f"{sftp_server.url()}: the program sshfs is not there", "install it: apt install sshfs"
    ran = mpr("connect", sftp_server.url(), "Z:", *words(sftp_server), "--provider", "sshfs")
    assert (ran.returncode, ran.stderr) == (1, f"mpr: {why} (ERROR_BAD_NET_NAME, 67); {hint}\n")
    ran = mpr("connect", sftp_server.url(), "Z:", *words(sftp_server))
    refused = f"{why} (ERROR_NOT_SUPPORTED, 50); {hint}"
    assert (ran.returncode, ran.stderr) == (0, f"mpr: warning: connected by sftp, since sshfs has refused: {refused}\n")
    assert provider_of_z(mpr) == "sftp"
    assert mpr("disconnect", "Z:").returncode == 0


def test_the_doctor_knows_that_the_program_of_an_enabled_provider_is_missing(
    mpr: Command, places: Places, without_sshfs: None
) -> None:
    del without_sshfs
    assert report(mpr("doctor", "--json")).codes == set()
    enable(places)
    assert report(mpr("doctor", "--json")).one("sshfs-missing")["mend"].startswith("as root: `apt install sshfs`")
    assert mpr("provider", "disable", "sshfs").returncode == 0
    assert report(mpr("doctor", "--json")).codes == set()


def test_c6_sftp_first_sends_what_was_written_through_it(mpr: Command, places: Places, fresh: Fresh) -> None:
    server = fresh(sftp.serve)
    connect = ["connect", server.url(), "Z:", *words(server)]
    mpr(*connect)
    assert list((places.drives / "Z").iterdir()) == []  # rclone then knows for a while that there are no files
    server.stop()
    (places.drives / "Z" / "report").write_text("important")
    mpr("disconnect", "Z:", "--later")
    server.start()
    enable(places)
    assert "written there through sftp" in mpr(*connect, "--provider", "sshfs").stderr
    assert mpr(*connect).returncode == 0
    assert provider_of_z(mpr) == "sftp"
    mpr("disconnect", "Z:")
    assert (server.root / "report").read_text() == "important"
    mpr(*connect)
    assert provider_of_z(mpr) == "sshfs"
    mpr("disconnect", "Z:")


def test_a_password_that_the_server_has_accepted_is_kept_and_found(
    mpr: Command, places: Places, sftp_server: SftpServer
) -> None:
    enable(places)
    file = places.config / "credentials.toml"
    file.touch(mode=0o600)
    connect = ["connect", sftp_server.url(), "Z:", "-o", f"known_hosts={sftp_server.known_hosts}"]
    assert mpr(*connect, "--password-stdin", "--save-password", stdin=sftp_server.password).returncode == 0
    assert sftp_server.password in file.read_text()
    mpr("disconnect", "Z:")
    before = sftp_server.connections()
    assert mpr(*connect).returncode == 0
    assert sftp_server.connections() == before + 1  # no key is tried: the server may count that as failed
    assert provider_of_z(mpr) == "sshfs"
    mpr("disconnect", "Z:")


def test_an_ordinary_user_has_a_drive(ordinary_user: OrdinaryUser, sftp_server: SftpServer) -> None:
    root = sftp_server.directory("of an ordinary user")
    enable(ordinary_user.places)
    url, known = sftp_server.url(root).replace(" ", "%20"), f"known_hosts={sftp_server.known_hosts}"
    ran = ordinary_user.mpr("connect", url, "Z:", "-o", known, "--password-stdin", stdin=f"{sftp_server.password}\n")
    assert ran.returncode == 0, ran.stderr
    ordinary_user.run("cp", "/etc/hostname", ordinary_user.places.drives / "Z" / "copy")
    assert (root / "copy").owner() == sftp_server.user
    ran = ordinary_user.mpr("disconnect", "Z:")
    assert ran.returncode == 0, ran.stderr
    assert of_sshfs(ordinary_user.places) == []


def test_what_a_killed_sshfs_served_is_lost_and_restored(mpr: Command, places: Places, sftp_server: SftpServer) -> None:
    enable(places)
    assert mpr("connect", sftp_server.url(), "Z:", "--persist", *words(sftp_server)).returncode == 0
    (pid,) = of_sshfs(places)
    os.kill(pid, signal.SIGKILL)
    end([pid])
    assert "LOST" in mpr("list").stdout
    assert mpr("restore").returncode == 0
    assert places.mounts() == [str(places.drives / "Z")]
    assert provider_of_z(mpr) == "sshfs"
    assert mpr("disconnect", "Z:").returncode == 0


@pytest.mark.parametrize(("point", "stands"), [("mounted", False), ("unmounted", False), ("cancelling", True)])
def test_n19_a_command_that_was_killed_is_undone_or_finished(
    point: str, stands: bool, mpr: Command, places: Places, sftp_server: SftpServer
) -> None:
    enable(places)
    connect = ["connect", sftp_server.url(), "Z:", *words(sftp_server)]
    if point != "mounted":
        mpr(*connect)
    killed = connect if point == "mounted" else ["disconnect", "Z:"]
    with warm.Started(*killed, strike=warm.Strike(point, 1, signal.SIGKILL)) as command:
        command.communicate()
        assert command.wait() == -signal.SIGKILL
    assert mpr("recover").returncode == 0
    assert [str(places.drives / "Z")] * stands == places.mounts()
    assert len(of_sshfs(places)) == stands


def test_a_handle_of_another_process_is_lost(places: Places) -> None:
    place = places.drives / "Z"
    handle = {"pid": os.getpid(), "started": 1, "mountpoint": str(place)}
    assert Sshfs().state(Mounted(parse_remote("sftp://files/"), place, handle)) is State.LOST
