"""SSH host keys: an unknown server is shown to a person or refused, a changed key is always refused."""

from __future__ import annotations

import json
import os
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import pytest

from mprouter.names import parse_remote
from mprouter.processes import words
from mprouter.providers.rclone import hostkeys, sshconfig
from mprouter.providers.rclone import sftp as network
from mprouter.providers.rclone.accepted import of_keys
from mprouter.providers.rclone.sftp import Sftp, accept_host_key
from mprouter.status import Status, WNetError
from sandbox import Places
from servers import sftp
from servers.daemon import Daemon, Fresh, free_port, wait_for
from servers.sftp import SSHD, SftpServer
from shares import Connections, Share


class Person:
    """Somebody at the terminal who agrees, or not."""

    def __init__(self, answer: bool, password: str | None = None) -> None:
        self._answer = answer
        self._password = password
        self.asked: list[str] = []

    def ask_password(self, prompt: str) -> str | None:
        assert self._password is not None, prompt
        self.asked.append(prompt)
        return self._password

    def confirm(self, question: str) -> bool:
        self.asked.append(question)
        return self._answer


def with_its_keys_revoked(server: SftpServer, place: Path) -> Path:
    """A file in *place* in which the keys of *server* stand, and as revoked."""
    known = place / "known_hosts"
    lines = server.known_hosts.read_text().splitlines(keepends=True)
    known.write_text("".join([*lines, *(f"@revoked {line}" for line in lines)]))
    return known


@pytest.fixture
def unknown(sftp_share: Share, sftp_server: SftpServer, places: Places) -> Share:
    """A server whose key stands nowhere; the user logs on with a key of their own."""
    del places
    return replace(sftp_share, password=None, options={"key_file": str(sftp_server.key)})


def refusal(connections: Connections, share: Share, **different: object) -> WNetError:
    with pytest.raises(WNetError) as raised:
        connections.connect(share, **different)  # type: ignore[arg-type]
    assert raised.value.status is Status.ERROR_MUTUAL_AUTH_FAILED
    return raised.value


def test_an_unknown_server_is_refused_with_its_fingerprints(
    unknown: Share, sftp_server: SftpServer, connections: Connections
) -> None:
    error = refusal(connections, unknown)
    for fingerprint in sftp_server.fingerprints:
        assert fingerprint in str(error)


def test_the_hint_of_the_refusal_accepts_the_server(unknown: Share, connections: Connections, places: Places) -> None:
    hint = str(refusal(connections, unknown).hint)
    *_, name, fingerprint = shlex.split(hint)
    accept_host_key(parse_remote(name), fingerprint)
    known_hosts = places.home / ".ssh" / "known_hosts"
    assert known_hosts.stat().st_mode & 0o777 == 0o600
    assert len(known_hosts.read_text().splitlines()) == 1
    connections.disconnect(connections.connect(unknown))


def test_a_person_who_agrees_records_the_server(
    unknown: Share, sftp_server: SftpServer, connections: Connections
) -> None:
    person = Person(answer=True)
    connections.disconnect(connections.connect(unknown, conversation=person))
    assert all(fingerprint in person.asked[0] for fingerprint in sftp_server.fingerprints)
    connections.disconnect(connections.connect(unknown))  # and is not asked again
    assert len(person.asked) == 1


def test_a_person_who_does_not_agree_is_not_connected(unknown: Share, connections: Connections, places: Places) -> None:
    refusal(connections, unknown, conversation=Person(answer=False))
    assert not (places.home / ".ssh" / "known_hosts").exists()


def test_a_changed_key_is_refused_whoever_would_agree(
    sftp_share: Share, sftp_server: SftpServer, connections: Connections
) -> None:
    share = replace(sftp_share, options={"known_hosts": str(sftp_server.wrong_hosts)})
    error = refusal(connections, share, password=share.password, conversation=Person(answer=True))
    assert f"{sftp_server.wrong_hosts}:1" in str(error)
    assert "ssh-keygen -R" in str(error)


def test_a_changed_key_is_told_before_a_password_is_asked_for(
    sftp_share: Share, sftp_server: SftpServer, connections: Connections
) -> None:
    share = replace(sftp_share, password=None, options={"known_hosts": str(sftp_server.wrong_hosts)})
    error = refusal(connections, share, conversation=Person(answer=True))
    assert f"the host key of {sftp_server.host} is not the recorded one" in str(error)
    assert f"ssh-keygen -R '[{sftp_server.host}]:{sftp_server.port}' -f {sftp_server.wrong_hosts}" in str(error)


def test_a_revoked_key_is_told_before_a_password_is_asked_for(
    sftp_share: Share, sftp_server: SftpServer, connections: Connections, tmp_path: Path
) -> None:
    known = with_its_keys_revoked(sftp_server, tmp_path)
    share = replace(sftp_share, password=None, options={"known_hosts": str(known)})
    assert "revoked" in str(refusal(connections, share, conversation=Person(answer=True)))


def test_a_server_that_is_not_there_is_told_before_a_password_is_asked_for(
    sftp_share: Share, sftp_server: SftpServer, connections: Connections, tmp_path: Path
) -> None:
    port = free_port()
    known = tmp_path / "known_hosts"
    known.write_text(sftp_server.known_hosts.read_text().replace(str(sftp_server.port), str(port)))
    with pytest.raises(WNetError) as refused:
        connections.connect(
            replace(sftp_share, password=None, options={"known_hosts": str(known)}),
            url=f"sftp://{sftp_server.user}@{sftp_server.host}:{port}/",
            conversation=Person(answer=True),
        )
    assert refused.value.status is Status.ERROR_CONNECTION_REFUSED


def test_a_person_types_the_password_for_a_server_that_has_proved_itself(
    sftp_share: Share, sftp_server: SftpServer, connections: Connections
) -> None:
    person = Person(answer=False, password=sftp_server.password)
    connections.disconnect(connections.connect(replace(sftp_share, password=None), conversation=person))
    (asked,) = person.asked
    assert asked.startswith(f"Password of {sftp_server.user}")


def test_where_nobody_types_a_password_the_server_is_connected_to_once(fresh: Fresh, connections: Connections) -> None:
    server = fresh(sftp.serve)
    options = {"known_hosts": str(server.known_hosts)}
    share = Share(Sftp(stall=5), server.url(), server.root, None, server.password, options)

    def seen() -> int:
        return server.daemon.log().count("Connection from")

    wait_for(lambda: seen() == 1, "sshd to tell of the one that awaited it")
    connections.disconnect(connections.connect(share, conversation=Person(answer=False), password=server.password))
    assert seen() == 2


def test_a_key_that_changes_while_a_session_is_warm_is_refused(
    sftp_share: Share, sftp_server: SftpServer, connections: Connections
) -> None:
    connections.disconnect(connections.connect(sftp_share))
    refusal(connections, replace(sftp_share, options={"known_hosts": str(sftp_server.wrong_hosts)}))


@pytest.mark.parametrize("kind", ["ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"])
def test_any_one_recorded_key_of_the_server_will_do(
    kind: str, sftp_share: Share, sftp_server: SftpServer, connections: Connections, tmp_path: Path
) -> None:
    known = tmp_path / "known_hosts"
    lines = sftp_server.known_hosts.read_text().splitlines(keepends=True)
    known.write_text("".join(line for line in lines if line.split()[1] == kind))
    share = replace(sftp_share, options={"known_hosts": str(known)})
    connections.disconnect(connections.connect(share))


def test_hashed_names_are_found(
    sftp_share: Share, sftp_server: SftpServer, connections: Connections, tmp_path: Path
) -> None:
    hashed = tmp_path / "known_hosts"
    hashed.write_text(sftp_server.known_hosts.read_text())
    subprocess.run(["ssh-keygen", "-H", "-f", hashed], capture_output=True, check=True)
    assert "127.0.0.1" not in hashed.read_text()
    connections.disconnect(connections.connect(replace(sftp_share, options={"known_hosts": str(hashed)})))


def test_a_key_signed_by_a_recorded_authority_will_do(
    sftp_share: Share, sftp_server: SftpServer, connections: Connections, tmp_path: Path
) -> None:
    authority = tmp_path / "authority"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", authority], check=True)
    known = tmp_path / "known_hosts"
    known.write_text(f"@cert-authority [127.0.0.*]:* {authority.with_suffix('.pub').read_text()}")
    share = replace(sftp_share, options={"known_hosts": str(known)})
    refusal(connections, share)  # the server has no certificate, which is not the same as being unknown
    settings = sftp_server.known_hosts.with_name("sshd_config")
    key = sftp_server.known_hosts.with_name("host_ed25519.pub")
    certify: list[str | Path] = ["ssh-keygen", "-q", "-s", authority, "-I", "test", "-h", "-n", sftp_server.host, key]
    subprocess.run(certify, check=True)
    port = free_port()
    certified = settings.with_name("certified_config")
    text = settings.read_text().replace(f"{sftp_server.host}:{sftp_server.port}", f"{sftp_server.host}:{port}")
    certified.write_text(f"{text}\nHostCertificate {key.with_name('host_ed25519-cert.pub')}\n")
    server = Daemon([SSHD, "-D", "-e", "-f", certified], ports=[port], log=certified.with_name("log"))
    server.start()
    try:
        url = share.url.replace(f":{sftp_server.port}", f":{port}")
        connections.disconnect(connections.connect(share, url=url))
    finally:
        server.stop()


def test_a_revoked_key_is_refused(
    sftp_share: Share, sftp_server: SftpServer, connections: Connections, tmp_path: Path
) -> None:
    known = with_its_keys_revoked(sftp_server, tmp_path)
    error = refusal(connections, replace(sftp_share, options={"known_hosts": str(known)}))
    assert "revoked" in str(error)


def test_only_the_offered_key_is_accepted(sftp_server: SftpServer, places: Places) -> None:
    file = places.home / ".ssh" / "known_hosts"
    with pytest.raises(WNetError) as refused:
        hostkeys.accept(sftp_server.host, sftp_server.port, "SHA256:something/else", file)
    assert refused.value.status is Status.ERROR_MUTUAL_AUTH_FAILED
    assert not file.exists()


def test_acceptance_does_not_replace_a_recorded_key(sftp_server: SftpServer, places: Places) -> None:
    file = places.home / "known_hosts"
    file.write_text(sftp_server.wrong_hosts.read_text())
    offered = hostkeys.offered(sftp_server.host, sftp_server.port)
    fingerprint = next(key.fingerprint for key in offered if key.type == "ssh-ed25519")
    with pytest.raises(WNetError) as refused:
        hostkeys.accept(sftp_server.host, sftp_server.port, fingerprint, file)
    assert refused.value.status is Status.ERROR_MUTUAL_AUTH_FAILED
    assert "ssh-keygen -R" in str(refused.value)
    assert file.read_text() == sftp_server.wrong_hosts.read_text()


def test_a_recorded_key_starts_a_line_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    file.write_text("other ssh-ed25519 AAAA")  # the last line has no end
    hostkeys.record("files", 22, [hostkeys.HostKey("ssh-ed25519", "BBBB")], file)
    assert file.read_text() == "other ssh-ed25519 AAAA\nfiles ssh-ed25519 BBBB\n"


@pytest.mark.parametrize("room", [0, 10])
def test_a_key_that_does_not_fit_on_the_disk_is_told_and_no_half_of_it_recorded(tmp_path: Path, room: int) -> None:
    file = tmp_path / "known_hosts"
    before = "other ssh-ed25519 AAAA\n"
    file.write_text(before)
    script = (
        "import os, resource, sys; from pathlib import Path; from mprouter.providers.rclone import hostkeys\n"
        "size = int(sys.argv[2]); resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))\n"
        "try: hostkeys.record('files', 22, [hostkeys.HostKey('ssh-ed25519', 'BBBB')], Path(sys.argv[1]))\n"
        "except hostkeys.WNetError as error: print(error.status.name)"
    )
    words = [sys.executable, "-c", script, str(file), str(len(before) + room)]
    ran = subprocess.run(words, capture_output=True, text=True, check=True)
    assert ran.stdout == ("ERROR_DISK_FULL\n" if room else "ERROR_WRITE_FAULT\n")  # of a limit none is written
    assert file.read_text() == before


@pytest.mark.parametrize(
    ("line", "matches"),
    [
        ("files.example.com ssh-ed25519 AAAA", True),
        ("other,files.example.com ssh-ed25519 AAAA comment", True),
        ("*.example.com ssh-ed25519 AAAA", True),
        ("files.example.??? ssh-ed25519 AAAA", True),
        ("*.example.com,!files.example.com ssh-ed25519 AAAA", False),
        ("[files.example.com]:2222 ssh-ed25519 AAAA", False),
        ("# files.example.com ssh-ed25519 AAAA", False),
        ("files.example.com", False),
        ("|1|broken|hash ssh-ed25519 AAAA", False),
        ("", False),
    ],
)
def test_lines_are_read_as_ssh_reads_them(line: str, matches: bool, tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    file.write_text(f"{line}\n")
    assert bool(hostkeys.recorded("files.example.com", 22, [file])) is matches


def test_nobody_listens_where_the_unknown_server_should_be(unknown: Share, connections: Connections) -> None:
    with pytest.raises(WNetError) as refused:
        connections.connect(unknown, url=f"sftp://ana@127.0.0.1:{free_port()}/")
    assert refused.value.status is Status.ERROR_CONNECTION_REFUSED


@pytest.mark.parametrize("is_known", [True, False], ids=["a known server", "an unknown server"])
def test_c8_a_server_that_lets_this_address_not_in_for_now_is_told_as_that(
    is_known: bool, unknown: Share, connections: Connections, sftp_server: SftpServer, tmp_path: Path
) -> None:
    """As OpenSSH from 9.8 on after a few failed logons: it breaks off, but speaks SSH, and has to be waited for."""
    known = tmp_path / "known_hosts"
    with sftp.barring() as port:
        recorded = sftp_server.known_hosts.read_text().replace(f"]:{sftp_server.port}", f"]:{port}")
        known.write_text(recorded if is_known else "")
        options = {**unknown.options, "known_hosts": str(known)}
        with pytest.raises(WNetError) as refused:
            connections.connect(unknown, url=f"sftp://ana@127.0.0.1:{port}/", options=options)
    assert refused.value.status is Status.ERROR_UNEXP_NET_ERR
    assert "lets nobody in from this address for now" in str(refused.value.strerror)
    assert "PerSourcePenalties" in str(refused.value.hint)


class Agent(Protocol):
    """``agent(*keys)`` is the socket of an agent of ssh that has *keys*, and that this process names as its own.

    confirm: it asks before it uses one, and is told no.
    """

    def __call__(self, *keys: Path, confirm: bool = False) -> Path: ...


@pytest.fixture
def agent(places: Places, monkeypatch: pytest.MonkeyPatch) -> Iterator[Agent]:
    with ExitStack() as running:

        def begin(*keys: Path, confirm: bool = False) -> Path:
            socket_ = places.base / "agent"
            monkeypatch.setenv("SSH_AUTH_SOCK", str(socket_))
            process = running.enter_context(
                subprocess.Popen(
                    ["ssh-agent", "-D", "-a", socket_],
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    text=True,
                    env={**os.environ, "SSH_ASKPASS": "/bin/false", "DISPLAY": ":0"},
                )
            )
            running.callback(process.kill)
            assert process.stdout is not None
            process.stdout.readline()
            subprocess.run(["ssh-add", "-q", *(["-c"] if confirm else []), *keys], check=True)
            return socket_

        yield begin


def test_the_agent_of_the_caller_is_asked(
    sftp_share: Share, sftp_server: SftpServer, connections: Connections, agent: Agent
) -> None:
    agent(sftp_server.key)
    connections.disconnect(connections.connect(replace(sftp_share, password=None)))


def test_c8_where_the_agent_does_not_use_its_key_there_are_other_ways(
    sftp_share: Share, sftp_server: SftpServer, connections: Connections, places: Places, agent: Agent
) -> None:
    """As where its card is not there, or whoever it asks says no."""
    agent(sftp_server.key, confirm=True)
    share = replace(sftp_share, password=None)
    with pytest.raises(WNetError, match="the SSH agent does not log on with a key") as refused:
        connections.connect(share)
    assert refused.value.status is Status.ERROR_LOGON_FAILURE
    store(places, sftp_server, sftp_server.password)
    connections.disconnect(connections.connect(share))


def test_keys_in_the_usual_place_are_tried(
    sftp_share: Share, sftp_server: SftpServer, connections: Connections, places: Places
) -> None:
    directory = places.home / ".ssh"
    directory.mkdir(mode=0o700)
    subprocess.run(["ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", directory / "id_ecdsa"], check=True)
    (directory / "id_rsa").write_bytes(sftp_server.key.read_bytes())  # the second one is the right one
    connections.disconnect(connections.connect(replace(sftp_share, password=None)))


def unknown_keys(places: Places, *kinds: str) -> list[Path]:
    """Keys in the usual place that no server accepts."""
    directory = places.home / ".ssh"
    directory.mkdir(mode=0o700, exist_ok=True)
    made = [directory / f"id_{kind}" for kind in kinds]
    for kind, key in zip(kinds, made, strict=True):
        subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", key], check=True)
    return made


def store(places: Places, server: SftpServer, password: str) -> None:
    """Keep *password* for the user of *server*."""
    file = places.config / "credentials.toml"
    remote, user, quoted = (json.dumps(each) for each in (f"sftp://127.0.0.1:{server.port}/*", server.user, password))
    file.write_text(f"[[credential]]\nremote = {remote}\nuser = {user}\npassword = {quoted}\n")
    file.chmod(0o600)


def connects(connections: Connections, share: Share, server: SftpServer) -> int:
    """How many connections *server* sees until *share* is connected; it is disconnected again, and rclone ends."""
    before = server.connections()
    mounted = connections.connect(share)
    made = server.connections() - before
    connections.disconnect(mounted)
    connections.kill_rclone()
    return made


def test_c8_keys_that_the_server_does_not_accept_do_not_lock_out_who_has_a_stored_password(
    *,
    sftp_share: Share,
    sftp_server: SftpServer,
    connections: Connections,
    places: Places,
    agent: Agent,
    tmp_path: Path,
) -> None:
    """OpenSSH from 9.8 on lets nobody in for a while after three refusals: one is enough to know better."""
    unknown_keys(places, "ed25519", "ecdsa", "rsa")
    subprocess.run(["ssh-keygen", "-q", "-N", "", "-f", tmp_path / "key"], check=True)
    store(places, sftp_server, sftp_server.password)
    share = replace(sftp_share, password=None)
    agent(tmp_path / "key")
    assert [connects(connections, share, sftp_server) for _ in range(2)] == [2, 1]


def test_c8_of_several_keys_the_server_is_asked_at_once_and_the_right_one_is_remembered(
    sftp_share: Share, sftp_server: SftpServer, connections: Connections, places: Places
) -> None:
    *_, last = unknown_keys(places, "ed25519", "ecdsa", "rsa")
    last.write_bytes(sftp_server.key.read_bytes())
    last.with_suffix(".pub").unlink()
    share = replace(sftp_share, password=None)
    assert [connects(connections, share, sftp_server) for _ in range(2)] == [3, 1]  # one of ssh, for the other two
    last.unlink()  # what is remembered is no promise
    store(places, sftp_server, sftp_server.password)
    assert [connects(connections, share, sftp_server) for _ in range(2)] == [2, 1]


def test_c8_a_key_that_is_named_goes_before_the_password_that_worked_last(
    sftp_share: Share, sftp_server: SftpServer, connections: Connections, places: Places
) -> None:
    share = replace(sftp_share, password=None)
    store(places, sftp_server, sftp_server.password)
    assert connects(connections, share, sftp_server) == 1
    store(places, sftp_server, "another one by now")
    named = replace(share, options={**share.options, "key_file": str(sftp_server.key)})
    assert connects(connections, named, sftp_server) == 1


def test_c8_a_key_that_the_agent_has_offered_is_not_tried_again(
    sftp_share: Share, sftp_server: SftpServer, connections: Connections, places: Places, agent: Agent
) -> None:
    agent(*unknown_keys(places, "ed25519"))
    before = sftp_server.connections()
    with pytest.raises(WNetError) as refused:
        connections.connect(replace(sftp_share, password=None))
    assert refused.value.status is Status.ERROR_LOGON_FAILURE
    assert sftp_server.connections() - before == 1


def test_c8_a_stored_passphrase_of_a_key_is_not_taken_for_a_password_again(
    sftp_share: Share, sftp_server: SftpServer, connections: Connections, places: Places
) -> None:
    (key,) = unknown_keys(places, "ed25519")
    key.write_bytes(sftp_server.key.read_bytes())
    subprocess.run(["ssh-keygen", "-q", "-p", "-N", "a passphrase", "-f", key], capture_output=True, check=True)
    store(places, sftp_server, "a passphrase")
    assert [connects(connections, replace(sftp_share, password=None), sftp_server) for _ in range(2)] == [2, 1]


def test_c8_of_connections_side_by_side_one_finds_out_what_the_server_accepts(
    sftp_share: Share, sftp_server: SftpServer, connections: Connections, places: Places
) -> None:
    """As at a login after which nothing is known yet: each would be refused the same key."""
    unknown_keys(places, "ed25519")
    store(places, sftp_server, sftp_server.password)
    share, before = replace(sftp_share, password=None), sftp_server.connections()
    urls = [sftp_server.url(sftp_server.directory(f"side by side {number}")) for number in range(4)]
    with ThreadPoolExecutor() as threads:
        made = [*threads.map(lambda url: connections.connect(share, url=url.replace(" ", "%20")), urls)]
    assert sftp_server.connections() - before == len(urls) + 1
    for mounted in made:
        connections.disconnect(mounted)


def test_what_a_server_accepts_is_found_out_also_where_it_cannot_be_remembered(
    sftp_share: Share, sftp_server: SftpServer, connections: Connections, places: Places
) -> None:
    places.state.mkdir(mode=0o700, exist_ok=True)
    (places.state / "logons").touch()  # no directory
    unknown_keys(places, "ed25519")
    store(places, sftp_server, sftp_server.password)
    assert [connects(connections, replace(sftp_share, password=None), sftp_server) for _ in range(2)] == [2, 2]


def test_where_ssh_cannot_tell_which_key_a_server_accepts_each_may_be_the_right_one(
    places: Places, sftp_server: SftpServer
) -> None:
    keys = unknown_keys(places, "ed25519", "rsa")
    settings = {"known_hosts_file": str(sftp_server.wrong_hosts)}
    assert of_keys("127.0.0.1", sftp_server.port, sftp_server.user, keys, settings) == keys
    settings["known_hosts_file"] = "${A_VARIABLE}"
    assert of_keys("127.0.0.1", sftp_server.port, sftp_server.user, keys, settings) == keys


def test_a_password_opens_an_encrypted_key(
    sftp_share: Share, sftp_server: SftpServer, connections: Connections, tmp_path: Path
) -> None:
    key = tmp_path / "key"
    key.write_bytes(sftp_server.key.read_bytes())
    key.chmod(0o600)
    subprocess.run(["ssh-keygen", "-q", "-p", "-N", "a passphrase", "-f", key], capture_output=True, check=True)
    share = replace(sftp_share, password=None, options={**sftp_share.options, "key_file": str(key)})
    with pytest.raises(WNetError) as refused:
        connections.connect(share)
    assert refused.value.status is Status.ERROR_LOGON_FAILURE
    assert "passphrase" in str(refused.value)
    connections.disconnect(connections.connect(share, password="a passphrase"))


def test_a_server_that_wants_a_key_and_a_password_gets_both(fresh: Fresh, connections: Connections) -> None:
    server = fresh(sftp.serve)
    server.stop()
    settings = server.root.parent / "sshd_config"
    settings.write_text(settings.read_text() + "\nAuthenticationMethods publickey,password\n")
    server.start()
    options = {"known_hosts": str(server.known_hosts), "key_file": str(server.key)}
    share = Share(Sftp(stall=5), server.url(), server.root, server.user, server.password, options)
    mounted = connections.connect(share)
    (mounted.mountpoint / "file").write_text("by both")
    connections.disconnect(mounted)
    assert (server.root / "file").read_text() == "by both"


def at_work(places: Places, share: Share, server: SftpServer, *settings: str) -> Share:
    """*share* by the name ``work``, for which the user's configuration of ssh has *settings*; and no password."""
    directory = places.home / ".ssh"
    directory.mkdir(mode=0o700)
    said = ["HostName 127.0.0.1", f"Port {server.port}", f"User {server.user}", *settings]
    (directory / "config").write_text("\n  ".join(["Host work", *said]) + "\n")
    return replace(share, password=None, url=f"sftp://work{share.root}".replace(" ", "%20"))


def test_the_users_configuration_of_ssh_is_followed(
    sftp_share: Share, sftp_server: SftpServer, connections: Connections, places: Places
) -> None:
    share = at_work(places, sftp_share, sftp_server, f"IdentityFile {sftp_server.key}", "IdentitiesOnly yes")
    mounted = connections.connect(share)
    (mounted.mountpoint / "file").write_text("by an alias")
    connections.disconnect(mounted)
    assert (sftp_share.root / "file").read_text() == "by an alias"


@pytest.mark.parametrize(
    ("form", "name"),
    [
        ("~/.ssh/key_%h_%p", "key_127.0.0.1_{port}"),
        ("%d/.ssh/key_%n", "key_work"),
        ("${HOME}/.ssh/%r%%", "{user}%"),
        ("~/.ssh/%i_%L", "{uid}_{machine}"),
    ],
)
def test_the_words_in_the_name_of_a_key_are_those_of_ssh(
    *, form: str, name: str, sftp_share: Share, sftp_server: SftpServer, connections: Connections, places: Places
) -> None:
    share = at_work(places, sftp_share, sftp_server, f"IdentityFile {form}")
    machine = socket.gethostname().partition(".")[0]
    words = {"port": sftp_server.port, "user": sftp_server.user, "uid": os.getuid(), "machine": machine}
    key = places.home / ".ssh" / name.format(**words)
    key.write_bytes(sftp_server.key.read_bytes())
    connections.disconnect(connections.connect(share))


@pytest.mark.parametrize("agents", ["$THE_AGENT", "${THE_AGENT}"])
@pytest.mark.parametrize("suffix", ["", ".pub"])
def test_a_key_that_only_the_agent_has_is_chosen_by_its_public_one(
    *,
    agents: str,
    suffix: str,
    sftp_share: Share,
    sftp_server: SftpServer,
    connections: Connections,
    places: Places,
    agent: Agent,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = "IdentitiesOnly yes", f"IdentityFile ~/.ssh/key{suffix}", f"IdentityAgent {agents}"
    share = at_work(places, sftp_share, sftp_server, *settings)
    (places.home / ".ssh" / "key.pub").write_bytes(sftp_server.key.with_suffix(".pub").read_bytes())
    monkeypatch.setenv("THE_AGENT", str(agent(sftp_server.key)))
    monkeypatch.delenv("SSH_AUTH_SOCK")
    connections.disconnect(connections.connect(share))


@pytest.mark.parametrize("config", ["", "Host *\n  IdentityAgent none\n"], ids=["none", "said"])
def test_c8_a_public_key_without_an_agent_is_not_tried_as_a_private_one(
    config: str, sftp_share: Share, sftp_server: SftpServer, connections: Connections, places: Places
) -> None:
    directory = places.home / ".ssh"
    directory.mkdir(mode=0o700)
    (directory / "id_ed25519.pub").write_bytes(sftp_server.key.with_suffix(".pub").read_bytes())
    if config:
        (directory / "config").write_text(config)
    with pytest.raises(WNetError, match="no password is known") as refused:
        connections.connect(replace(sftp_share, password=None))
    assert refused.value.status is Status.ERROR_LOGON_FAILURE


def test_a_host_behind_a_proxy_is_reached_by_ssh_itself(
    sftp_share: Share, sftp_server: SftpServer, connections: Connections, places: Places
) -> None:
    directory = places.home / ".ssh"
    directory.mkdir(mode=0o700)
    relay = f"bash -c 'exec 3<>/dev/tcp/127.0.0.1/{sftp_server.port}; cat <&3 & cat >&3; kill $!'"
    (directory / "config").write_text(
        f"Host inner\n  User {sftp_server.user}\n  IdentityFile {sftp_server.key}\n"
        f"  HostKeyAlias [127.0.0.1]:{sftp_server.port}\n  ProxyCommand {relay}\n"
    )
    share = replace(sftp_share, password=None, url=f"sftp://inner{sftp_share.root}".replace(" ", "%20"))
    mounted = connections.connect(share)
    (mounted.mountpoint / "file").write_text("through a proxy")
    connections.disconnect(mounted)
    assert (sftp_share.root / "file").read_text() == "through a proxy"
    refusal(connections, replace(share, options={"known_hosts": str(sftp_server.wrong_hosts)}))


def test_behind_a_proxy_files_may_have_any_names(
    sftp_share: Share, sftp_server: SftpServer, connections: Connections, places: Places
) -> None:
    directory = places.home / ".ssh"
    directory.mkdir(mode=0o700)
    hosts, key = directory / "100%h of them", directory / 'my "key"'
    hosts.write_bytes(sftp_server.known_hosts.read_bytes())
    key.write_bytes(sftp_server.key.read_bytes())
    key.chmod(0o600)
    relay = f"bash -c 'exec 3<>/dev/tcp/127.0.0.1/{sftp_server.port}; cat <&3 & cat >&3; kill $!'"
    (directory / "config").write_text(
        f"Host inner\n  User {sftp_server.user}\n  HostKeyAlias [127.0.0.1]:{sftp_server.port}\n"
        f"  ProxyCommand {relay}\n"
    )
    url = f"sftp://inner{sftp_share.root}".replace(" ", "%20")
    share = replace(sftp_share, password=None, url=url, options={"known_hosts": str(hosts), "key_file": str(key)})
    connections.disconnect(connections.connect(share))


def test_what_an_ssh_has_said_that_ends_at_once_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program, begun = tmp_path / "ssh", network._begun
    program.write_text("#!/bin/sh\necho Connection refused >&2\n")
    program.chmod(0o755)

    def late(process: subprocess.Popen[bytes]) -> bytes:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        return begun(process)

    monkeypatch.setattr(network, "_begun", late)
    with pytest.raises(WNetError, match="Connection refused") as refused:
        network._check_by_ssh([str(program), "inner"])
    assert refused.value.status is Status.ERROR_CONNECTION_REFUSED


def test_a_broken_configuration_of_ssh_is_told(sftp_share: Share, connections: Connections, places: Places) -> None:
    (places.home / ".ssh").mkdir(mode=0o700)
    (places.home / ".ssh" / "config").write_text("NoSuchKeyword yes\n")
    with pytest.raises(WNetError) as refused:
        connections.connect(sftp_share)
    assert refused.value.status is Status.ERROR_BAD_CONFIGURATION
    assert "nosuchkeyword" in str(refused.value).lower()


def test_a_configuration_of_ssh_that_never_ends_is_told(
    sftp_share: Share, connections: Connections, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    (places.home / ".ssh").mkdir(mode=0o700)
    (places.home / ".ssh" / "config").write_text('Match exec "sleep 4000"\n')
    monkeypatch.setattr(sshconfig, "_PATIENCE", 0.2)
    with pytest.raises(WNetError, match="Match exec") as refused:
        connections.connect(sftp_share)
    assert refused.value.status is Status.ERROR_TIMEOUT
    wait_for(lambda: [b"sleep", b"4000"] not in map(_words, places.processes()), "the end of what ssh waited for")


def _words(pid: int) -> list[bytes]:
    try:
        return words(pid)
    except OSError:  # it has ended
        return []


def test_home_is_where_a_name_without_a_path_leads(
    sftp_share: Share, sftp_server: SftpServer, connections: Connections
) -> None:
    marker = sftp_server.account.home / f"marker {os.getpid()}"
    marker.touch()
    try:
        mounted = connections.connect(sftp_share, url=f"sftp://{sftp_server.user}@127.0.0.1:{sftp_server.port}")
        assert (mounted.mountpoint / marker.name).exists()
        connections.disconnect(mounted)
        mounted = connections.connect(sftp_share, url=f"sftp://{sftp_server.user}@127.0.0.1:{sftp_server.port}/")
        assert (mounted.mountpoint / "etc").is_dir()
        connections.disconnect(mounted)
    finally:
        marker.unlink()
