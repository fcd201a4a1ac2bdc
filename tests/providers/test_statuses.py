"""Each thing that can be wrong ends in a status of its own, in words for a person, with nothing left behind (C8)."""

from __future__ import annotations

import errno
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from time import monotonic
from typing import Any

import pytest

import warm
from mprouter.names import parse_remote
from mprouter.providers.rclone import ftp, rc, s3
from mprouter.providers.rclone import reach as reaching
from mprouter.providers.rclone.daemon import Daemon
from mprouter.providers.rclone.failures import meaning, server_words
from mprouter.providers.rclone.ftp import Ftp
from mprouter.providers.rclone.logons import Logon
from mprouter.providers.rclone.provider import _MOUNTING, RcloneProvider, Target
from mprouter.providers.rclone.reach import reach
from mprouter.providers.rclone.remote import Remote
from mprouter.providers.rclone.s3 import S3
from mprouter.providers.rclone.sftp import Sftp
from mprouter.providers.rclone.smb import Smb
from mprouter.providers.rclone.webdav import WebDav
from mprouter.status import Status, WNetError
from sandbox import Places
from servers import smb
from servers.busy import busy
from servers.daemon import Fresh, free_port
from servers.ftp import FtpServer
from servers.relay import relay
from servers.s3 import S3Server
from servers.sftp import SftpServer
from servers.smb import SmbServer
from servers.webdav import WebdavServer
from shares import Connections, Refused, Share

# Who: user names and passwords


WRONG = {"s3": Status.ERROR_INVALID_PASSWORD}


@pytest.mark.parametrize("network", ["sftp", "smb", "webdav", "webdav_tls", "ftp", "ftp_tls", "s3"])
def test_c8_a_wrong_password(network: str, request: pytest.FixtureRequest, refused: Refused) -> None:
    share = request.getfixturevalue(f"{network}_share")
    error = refused(share, password="not the password")
    assert error.status is WRONG.get(network, Status.ERROR_LOGON_FAILURE)
    assert isinstance(error, PermissionError)
    assert "; give another password with --password-stdin, " in str(error)


def test_c8_a_wrong_secret_for_a_prefix_of_a_bucket(s3_share: Share, refused: Refused) -> None:
    (s3_share.root / "directory").mkdir()
    (s3_share.root / "directory" / "object").touch()
    url = f"{s3_share.url}/directory"
    assert refused(s3_share, url=url, password="not the secret").status is Status.ERROR_INVALID_PASSWORD
    assert refused(s3_share, url=url, user="nobody.knows").status is Status.ERROR_LOGON_FAILURE


@pytest.mark.parametrize("network", ["sftp", "smb", "webdav", "ftp", "s3"])
def test_c8_an_unknown_user(network: str, request: pytest.FixtureRequest, refused: Refused) -> None:
    share = request.getfixturevalue(f"{network}_share")
    assert refused(share, user="nobody.knows", password="secret").status is Status.ERROR_LOGON_FAILURE


@pytest.mark.parametrize("network", ["sftp", "smb", "webdav", "ftp", "s3"])
def test_c8_no_password_at_all(network: str, request: pytest.FixtureRequest, refused: Refused) -> None:
    share = replace(request.getfixturevalue(f"{network}_share"), password=None)
    error = refused(share)
    assert error.status is Status.ERROR_LOGON_FAILURE
    key = "another key with -o key_file=FILE, " if network == "sftp" else ""
    assert f"; give {key}a password with --password-stdin, " in str(error)


class Person:
    """Somebody at the terminal who types *passwords* one after the other, then nothing."""

    def __init__(self, *passwords: str) -> None:
        self._passwords = list(passwords)
        self.asked: list[str] = []

    def ask_password(self, prompt: str) -> str | None:
        self.asked.append(prompt)
        return self._passwords.pop(0) if self._passwords else None

    def confirm(self, question: str) -> bool:
        raise AssertionError(question)


def test_c8_a_person_is_asked_for_the_password(smb_share: Share, connections: Connections) -> None:
    person = Person("a typing error", str(smb_share.password))
    connections.disconnect(connections.connect(smb_share, conversation=person))
    assert len(person.asked) == 2
    assert smb_share.url in person.asked[0]


def test_c8_a_person_is_asked_no_more_than_three_times(webdav_share: Share, refused: Refused) -> None:
    person = Person("one", "two", "three", "four")
    assert refused(webdav_share, conversation=person).status is Status.ERROR_LOGON_FAILURE
    assert len(person.asked) == 3


def test_c8_a_person_may_give_up(ftp_share: Share, refused: Refused) -> None:
    assert refused(ftp_share, conversation=Person()).status is Status.ERROR_LOGON_FAILURE


# What: shares, buckets, directories


def test_no_such_directory(share: Share, refused: Refused) -> None:
    error = refused(share, url=f"{share.url}/missing")
    assert error.status is Status.ERROR_PATH_NOT_FOUND
    assert "missing" in str(error)
    assert isinstance(error, FileNotFoundError)


def test_a_file_is_no_directory(share: Share, refused: Refused) -> None:
    share.put("file", "content")
    error = refused(share, url=f"{share.url}/file")
    assert error.status is Status.ERROR_DIRECTORY
    assert isinstance(error, NotADirectoryError)


def test_no_such_share(smb_share: Share, smb_server: SmbServer, refused: Refused) -> None:
    error = refused(smb_share, url=smb_server.url("no-such-share"))
    assert error.status is Status.ERROR_BAD_NET_NAME
    assert "no-such-share" in str(error)


@pytest.mark.parametrize("name", ["no-such-bucket", "no-such-bucket/directory"])
def test_no_such_bucket(name: str, s3_share: Share, s3_server: S3Server, refused: Refused) -> None:
    assert refused(s3_share, url=s3_server.url(name)).status is Status.ERROR_BAD_NET_NAME


def test_c8_a_directory_that_the_user_may_not_read(
    sftp_share: Share, webdav_share: Share, webdav_server: WebdavServer, refused: Refused
) -> None:
    (sftp_share.root / "private").mkdir(mode=0o700)  # root's
    assert refused(sftp_share, url=f"{sftp_share.url}/private").status is Status.ERROR_ACCESS_DENIED
    assert refused(webdav_share, url=webdav_server.url("/forbidden")).status is Status.ERROR_ACCESS_DENIED


def test_c8_a_share_that_the_user_may_not_enter(smb_share: Share, smb_server: SmbServer, refused: Refused) -> None:
    error = refused(smb_share, url=smb_server.url("payroll"))
    assert error.status is Status.ERROR_ACCESS_DENIED
    assert "payroll" in str(error)


def test_a_local_directory_within_itself(file_share: Share, refused: Refused, places: Places) -> None:
    assert refused(file_share, url=places.drives.as_uri()).status is Status.ERROR_INVALID_PARAMETER


# Where: hosts, ports, protocols


HOSTS = ("sftp", "smb", "webdav", "webdav_tls", "ftp", "ftp_tls")


@pytest.mark.parametrize("network", HOSTS)
def test_a_host_name_that_nobody_knows(network: str, request: pytest.FixtureRequest, refused: Refused) -> None:
    share = request.getfixturevalue(f"{network}_share")
    error = refused(share, url=share.url.replace("127.0.0.1", "no-such-host.invalid"))
    assert error.status is Status.WSAHOST_NOT_FOUND
    assert "no-such-host.invalid" in str(error)


@pytest.mark.parametrize("network", ["smb", "rclone"])
def test_a_host_for_which_rclone_still_asks_a_name_server_that_was_there_before(
    network: str, request: pytest.FixtureRequest, connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = ["dial tcp: lookup localhost on 10.0.0.53:53: dial udp 10.0.0.53:53: connect: network is unreachable"]
    call = Daemon.call

    def early(self: Daemon, method: str, **parameters: Any) -> dict[str, Any]:
        if method == "operations/stat" and answers:
            raise rc.Refused(method, answers.pop())
        return call(self, method, **parameters)

    monkeypatch.setattr(Daemon, "call", early)
    connections.disconnect(connections.connect(request.getfixturevalue(f"{network}_share")))
    assert not answers


@pytest.mark.parametrize("network", HOSTS)
def test_a_port_where_nobody_listens(network: str, request: pytest.FixtureRequest, refused: Refused) -> None:
    share = request.getfixturevalue(f"{network}_share")
    error = refused(share, url=re.sub(r":\d+/", f":{free_port()}/", share.url))
    assert error.status is Status.ERROR_CONNECTION_REFUSED
    assert isinstance(error, ConnectionRefusedError)


def test_an_s3_endpoint_where_nobody_listens(s3_share: Share, refused: Refused) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    assert refused(s3_share, options={"endpoint": nowhere}).status is Status.ERROR_CONNECTION_REFUSED


@pytest.mark.parametrize("path", ["", "/directory"])
def test_an_s3_server_in_trouble(
    path: str, s3_share: Share, s3_server: S3Server, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    """rclone asks it again for minutes before it tells anything."""
    monkeypatch.setattr(s3, "PATIENCE", 0.5)
    with busy(s3_server.host, s3_server.port, sys.maxsize) as front:
        options = {"endpoint": f"http://{s3_server.host}:{front.port}"}
        error = refused(s3_share, url=f"{s3_share.url}{path}", options=options)
    assert error.status is Status.ERROR_NETWORK_BUSY
    assert f"{s3_server.host} takes no more requests now, or has trouble" in str(error)


def test_a_server_that_speaks_something_else(
    smb_share: Share,
    webdav_share: Share,
    ftp_share: Share,
    sftp_server: SftpServer,
    refused: Refused,
) -> None:
    place = f"127.0.0.1:{sftp_server.port}"
    for share, url in (
        (smb_share, f"smb://ana@{place}/share"),
        (webdav_share, f"dav://ana@{place}/"),
        (webdav_share, f"davs://ana@{place}/"),
        (ftp_share, f"ftp://ana@{place}/"),
    ):
        assert refused(share, url=url).status is Status.ERROR_UNEXP_NET_ERR, url


@pytest.fixture
def remote(places: Places) -> Callable[[str], Share]:
    """Makes a remote of rclone's own configuration, which alone knows the server, of these settings."""

    def configured(settings: str) -> Share:
        file = places.home / ".config" / "rclone" / "rclone.conf"
        file.parent.mkdir(parents=True)
        file.write_text(f"[work]\n{settings}\n")
        return Share(Remote(stall=5), "rclone:work:", places.home)

    return configured


@pytest.mark.parametrize("settings", ["type = webdav\nurl = http://{}/", "type = smb\nhost = {}"])
def test_the_host_of_a_remote_that_nobody_knows(
    settings: str, remote: Callable[[str], Share], refused: Refused
) -> None:
    error = refused(remote(settings.format("no-such-host.invalid")))
    assert (error.status, error.strerror) == (
        Status.WSAHOST_NOT_FOUND,
        "the host name no-such-host.invalid is not known",
    )
    assert "rclone config" in str(error.hint)


def test_the_port_of_a_remote_where_nobody_listens(remote: Callable[[str], Share], refused: Refused) -> None:
    port = free_port()
    error = refused(remote(f"type = webdav\nurl = http://127.0.0.1:{port}/"))
    assert (error.status, error.strerror) == (
        Status.ERROR_CONNECTION_REFUSED,
        f"127.0.0.1 refuses connections on port {port}",
    )


def test_the_server_of_a_remote_that_speaks_something_else(
    remote: Callable[[str], Share], sftp_server: SftpServer, refused: Refused
) -> None:
    error = refused(remote(f"type = webdav\nurl = https://127.0.0.1:{sftp_server.port}/"))
    assert error.strerror == f"what answers on port {sftp_server.port} of 127.0.0.1 does not speak TLS"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no such host", "the server's host name is not known"),
        ("dial tcp: lookup files on [::1]:53: no such host", "the host name files is not known"),
        (
            "dial tcp: lookup files on 10.0.0.53:53: dial udp 10.0.0.53:53: connect: network is unreachable",
            "no name server answers for the host name files",
        ),
        (
            "dial tcp: lookup files on 10.0.0.53:53: read udp 10.0.0.2:4711->10.0.0.53:53: i/o timeout",
            "no name server answers for the host name files",
        ),
        ("dial tcp: lookup files: i/o timeout", "no name server answers for the host name files"),
        (
            "couldn't lookup shared drive: dial tcp 10.0.0.1:443: connection refused",
            "10.0.0.1 refuses connections on port 443",
        ),
        ("connection refused", "the server refuses connections"),
        ("dial tcp [::1]:22: connect: connection refused", "::1 refuses connections on port 22"),
        ("dial tcp 10.0.0.1:22: connect: no route to host", "10.0.0.1 is unreachable"),
        ("network is unreachable", "the network of the server is unreachable"),
        (
            "couldn't connect SMB: dial tcp 10.0.0.1:445: connect: permission denied",
            "this machine lets nothing through to 10.0.0.1",
        ),
        ("dial tcp 10.0.0.1:445: connect: invalid argument", "this machine lets nothing through to 10.0.0.1"),
        ("dial tcp [fe80::1]:445: connect: invalid argument", "any network of this machine may have fe80::1"),
        ("dial tcp [fe80::1%lo]:445: connect: invalid argument", "this machine lets nothing through to fe80::1%lo"),
        (
            "dial tcp: lookup files on 10.0.0.53:53: dial udp 10.0.0.53:53: connect: permission denied",
            "no name server answers for the host name files",
        ),
        ('Get "https://ana:geheim@files/x": context deadline exceeded', "files does not answer"),
        ("unexpected EOF", "the server breaks off the connection"),
        ('Get "http://files:80/x": EOF', "what answers on port 80 of files breaks off the connection"),
        ('Get "http://files:80/x": malformed HTTP response', "what answers on port 80 of files does not speak SFTP"),
        ("first record does not look like a TLS handshake", "the server does not speak TLS"),
    ],
)
def test_a_server_is_called_what_rclone_calls_it_or_nothing(text: str, message: str) -> None:
    assert meaning(text, (), {"network": "SFTP", **server_words(text)}).strerror == message


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EINVAL])
def test_what_this_machine_lets_nobody_through_to(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """As routes of the types prohibit and blackhole have it, and some firewalls."""

    class Blocked(socket.socket):
        def connect(self, address: object) -> None:
            raise OSError(number, os.strerror(number), address)

    monkeypatch.setattr(socket, "socket", Blocked)
    with pytest.raises(WNetError) as failed:
        reach("127.0.0.1", 21)
    assert failed.value.status is Status.ERROR_NETWORK_UNREACHABLE
    assert failed.value.strerror == "this machine lets nothing through to 127.0.0.1"
    assert "ip route" in str(failed.value.hint)


def test_an_address_that_each_network_may_have_needs_its_interface(monkeypatch: pytest.MonkeyPatch) -> None:
    def begun(*_: object) -> socket.socket:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))  # as Linux says

    monkeypatch.setattr(reaching, "_begun", begun)
    monkeypatch.setattr(reaching, "resolve", lambda *address: [(socket.AF_INET6, address)])
    with pytest.raises(WNetError) as failed:
        reach("fe80::1", 22)
    assert failed.value.status is Status.ERROR_NETWORK_UNREACHABLE
    assert "%25" in str(failed.value.hint)


def test_an_address_that_is_silent_does_not_hold_up_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where IPv6 is dead and IPv4 is not; and who refuses does not keep one from whoever answers."""
    with (
        socket.create_server(("127.0.0.1", 0), backlog=0) as silent,
        socket.create_connection(silent.getsockname()),  # it takes no more
        socket.create_server(("127.0.0.1", 0)) as there,
    ):
        addresses = [silent.getsockname(), ("127.0.0.1", free_port()), there.getsockname()]
        with monkeypatch.context() as patched:
            patched.setattr(reaching, "resolve", lambda *_: [(socket.AF_INET, each) for each in addresses])
            began = monotonic()
            with reach("both", 21, timeout=60) as connection:
                assert connection.getpeername() == there.getsockname()
            assert monotonic() - began < 15
            addresses.pop()
            with pytest.raises(ConnectionRefusedError):
                reach("both", 21, timeout=0.5)
            addresses.pop()
            with pytest.raises(TimeoutError):
                reach("both", 21, timeout=0.5)


def test_an_address_of_a_kind_that_this_machine_has_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """As those of IPv6 where the system was started without that."""
    unknown = (socket.AF_UNSPEC + 254, ("::1", 21))
    with socket.create_server(("127.0.0.1", 0)) as there, monkeypatch.context() as patched:
        patched.setattr(reaching, "resolve", lambda *_: [unknown, (socket.AF_INET, there.getsockname())])
        reach("both", 21).close()
        patched.setattr(reaching, "resolve", lambda *_: [unknown])
        with pytest.raises(WNetError) as failed:
            reach("six", 21)
    assert failed.value.status is Status.ERROR_NETWORK_UNREACHABLE


@pytest.mark.parametrize(
    ("network", "text", "message"),
    [
        (Sftp, "couldn't connect SSH: ssh: handshake failed: EOF", "breaks off the connection"),
        (Sftp, "couldn't initialise SFTP: EOF", "breaks off the connection"),
        (
            Sftp,
            "couldn't initialise SFTP: ssh: unexpected packet in response to channel open: <nil>",
            "breaks off the connection",
        ),
        (
            Sftp,
            "error receiving version packet from server: server unexpectedly closed connection: unexpected EOF",
            "breaks off as it is asked for SFTP",
        ),
        (Sftp, "couldn't initialise SFTP: ssh: subsystem request failed", "offers no SFTP"),
        (Sftp, "ssh: handshake failed: ssh: invalid packet length, packet too large", "does not speak SSH"),
        (Sftp, "ssh: handshake failed: ssh: overflow reading version string", "does not speak SSH"),
        (Smb, "couldn't connect SMB: connection error: EOF", "breaks off the connection, or does not speak SMB"),
        (Smb, "couldn't initialize SMB: connection error: unexpected EOF", "breaks off the connection$"),
        (Smb, "readdir : connection error: read tcp 10.0.0.2:4711->10.0.0.1:445: connection reset", "breaks off"),
        (Ftp, 'short response: "<html>"', "answers something else"),
        (Ftp, '229 "Entering extended passive mode (|||44159|)."', "answers something else"),
        (WebDav, "remote error: tls: protocol version not supported", "agree on no TLS session: protocol version"),
        (WebDav, "tls: received record with version ff67 when expecting version 303", "cannot be understood: received"),
        (
            WebDav,
            "tls: failed to verify certificate: x509: certificate has expired",
            "is not accepted: certificate has",
        ),
    ],
)
def test_c8_what_is_broken_off_is_no_other_protocol(network: type[RcloneProvider], text: str, message: str) -> None:
    """And what breaks off on the way is no certificate."""
    words = {"network": network.title, "user": "user ana", "path": "/", "share": "", **server_words(text, "files", 1)}
    assert re.search(message, str(meaning(text, network.failures, words).strerror))


@pytest.mark.parametrize("why", ["connect: connection refused", "read: connection reset by peer", "EOF"])
def test_ftp_whose_connections_for_data_fail_in_any_way(why: str) -> None:
    target = Target(parse_remote("ftp://ana@10.0.0.1/"), "10.0.0.1", 21, "", "/")
    error = Ftp().failed(f"dial tcp 10.0.0.1:40000: {why}", target, Logon("ana"))
    assert str(error.strerror).startswith("10.0.0.1 answers, but no data comes through: ")


@pytest.mark.parametrize("end", ["EOF", "read tcp 10.0.0.2:4711->10.0.0.1:445: read: connection reset by peer"])
@pytest.mark.parametrize(
    ("when", "status"),
    [
        ("couldn't connect SMB", Status.ERROR_BAD_NETPATH),
        ("couldn't initialize SMB", Status.ERROR_UNEXP_NET_ERR),
        ("readdir ", Status.ERROR_UNEXP_NET_ERR),
    ],
)
def test_r3_an_smb_server_that_breaks_off_after_the_logon_is_one(when: str, status: Status, end: str) -> None:
    """Else what is told is that there is no such share."""
    target = Target(parse_remote(r"\\files\projects"), "files", 445, "projects", "projects")
    assert Smb().failed(f"{when}: connection error: {end}", target, Logon("ana")).status is status


def test_an_ssh_server_that_falls_silent_is_one_that_does_not_answer() -> None:
    error = meaning('error listing "": connection lost', Sftp.failures, server_words("", "files"))
    assert (error.status, error.strerror) == (Status.ERROR_TIMEOUT, "files does not answer any more")


def test_an_rclone_that_may_open_no_more_files_is_told() -> None:
    text = "failed to mount FUSE fs: setting up fusermount stderr: pipe2: too many open files"
    error = meaning(text, _MOUNTING, {})
    assert (error.status, error.hint) == (
        Status.ERROR_TOO_MANY_OPEN_FILES,
        "disconnect everything, and connect again where ulimit -n allows more",
    )


def test_a_web_server_without_webdav(webdav_share: Share, s3_server: S3Server, refused: Refused) -> None:
    error = refused(webdav_share, url=f"dav://ana@127.0.0.1:{s3_server.port}/")
    assert error.status is Status.ERROR_UNEXP_NET_ERR
    assert "offers no WebDAV" in str(error)


def test_a_certificate_that_nobody_trusts(
    webdav_share: Share, webdav_server: WebdavServer, ftp_share: Share, ftp_server: FtpServer, refused: Refused
) -> None:
    for share, url in ((webdav_share, webdav_server.tls_url()), (ftp_share, ftp_server.tls_url())):
        error = refused(share, url=url)
        assert error.status is Status.ERROR_WINHTTP_SECURE_FAILURE
        assert "TLS certificate" in str(error)
        assert ("ca_cert" in str(error.hint)) == ("ca_cert" in share.provider.options)


class Web(BaseHTTPRequestHandler):
    """A web server of a test's own."""

    def answer(self, code: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(code)
        for key, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


@contextmanager
def serving(web: type[Web]) -> Iterator[int]:
    """The port on which *web* answers."""
    with ThreadingHTTPServer(("127.0.0.1", 0), web) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.server_port
        finally:
            server.shutdown()


@pytest.mark.parametrize("page", [b"<html><p>Please log in</html>", b"<html><script>a < b && c</script></html>"])
def test_a_web_server_that_redirects_to_a_web_page(page: bytes, webdav_share: Share, refused: Refused) -> None:
    class Page(Web):
        def do_PROPFIND(self) -> None:
            self.answer(302, Location="/login")

        do_OPTIONS = do_PROPFIND  # noqa: N815

        def do_GET(self) -> None:
            self.answer(200, page)

    with serving(Page) as port:
        error = refused(webdav_share, url=f"dav://ana@127.0.0.1:{port}/")
    assert error.status is Status.ERROR_UNEXP_NET_ERR
    assert "offers no WebDAV" in str(error)


def test_a_web_server_that_has_moved_says_where_to(
    webdav_share: Share, webdav_server: WebdavServer, refused: Refused
) -> None:
    """As most do that answer over http only to refer to https; rclone then asks for the directory as a web page."""

    class Moved(Web):
        def do_PROPFIND(self) -> None:
            self.answer(301, Location=f"http://127.0.0.1:{webdav_server.port}{self.path}")

        do_OPTIONS = do_PROPFIND  # noqa: N815

    with serving(Moved) as port:
        error = refused(webdav_share, url=webdav_server.url().replace(str(webdav_server.port), str(port)))
    assert error.status is Status.ERROR_UNEXP_NET_ERR
    assert f"refers to http://127.0.0.1:{webdav_server.port}" in str(error)
    assert error.hint == f"connect {webdav_server.url()}"


@pytest.mark.parametrize(("way", "hint"), [("Digest", "Basic"), ("Negotiate", "vendor=sharepoint-ntlm")])
def test_c8_a_web_server_that_may_take_no_password_as_rclone_gives_it(way: str, hint: str, refused: Refused) -> None:
    class Other(Web):
        def do_PROPFIND(self) -> None:
            self.answer(401, WWW_Authenticate=f'{way} realm="files"')

        do_OPTIONS = do_PROPFIND  # noqa: N815

    with serving(Other) as port:
        error = refused(Share(WebDav(), f"dav://ana@127.0.0.1:{port}/", Path("/"), None, "a password"))
    assert error.status is Status.ERROR_LOGON_FAILURE
    assert "or the server takes it by" in str(error)
    assert hint in str(error.hint)


def test_a_web_server_that_wants_the_type_of_questions(
    webdav_share: Share, webdav_server: WebdavServer, connections: Connections, refused: Refused
) -> None:
    """As lighttpd does."""

    class Strict(Web):
        def do_PROPFIND(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            if self.headers["Content-Type"] != "application/xml":
                self.answer(415)
                return
            passed_on = HTTPConnection("127.0.0.1", webdav_server.port)
            passed_on.request("PROPFIND", self.path, body, dict(self.headers))
            answer = passed_on.getresponse()
            self.answer(answer.status, answer.read())
            passed_on.close()

    with serving(Strict) as port:
        url = webdav_share.url.replace(str(webdav_server.port), str(port))
        error = refused(webdav_share, url=url)
        assert error.status is Status.ERROR_UNEXP_NET_ERR
        assert "-o vendor=lighttpd" in str(error.hint)
        (webdav_share.root / "file").touch()
        mounted = connections.connect(webdav_share, url=url, options={"vendor": "lighttpd"})
        assert [each.name for each in mounted.mountpoint.iterdir()] == ["file"]
        connections.disconnect(mounted)


@pytest.mark.parametrize("path", ["", "/directory"])
def test_a_web_page_in_the_place_of_an_s3_server(path: str, s3_share: Share, refused: Refused) -> None:
    """As of a network that wants one to log in: an empty bucket in which there is whatever one asks for."""

    class Page(Web):
        def do_GET(self) -> None:
            self.answer(200, b"<html><p>Please log in</p></html>")

        do_HEAD = do_GET  # noqa: N815

    with serving(Page) as port:
        options = {"endpoint": f"http://127.0.0.1:{port}"}
        error = refused(s3_share, url=f"{s3_share.url}{path}", options=options)
    assert error.status is Status.ERROR_UNEXP_NET_ERR
    assert f"port {port} of 127.0.0.1 does not speak S3" in str(error)


def test_a_certificate_that_was_trusted_once_is_not_for_ever(
    webdav_tls_share: Share, connections: Connections, refused: Refused
) -> None:
    connections.disconnect(connections.connect(webdav_tls_share))
    error = refused(replace(webdav_tls_share, options={}))
    assert error.status is Status.ERROR_WINHTTP_SECURE_FAILURE


def test_a_server_that_accepts_and_says_nothing(
    ftp_share: Share, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ftp, "_GREETING_TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        error = refused(ftp_share, url=f"ftp://ana@127.0.0.1:{silent.getsockname()[1]}/")
    assert error.status is Status.ERROR_TIMEOUT


def test_ftp_whose_ports_for_data_are_closed(ftp_share: Share, ftp_server: FtpServer, refused: Refused) -> None:
    """As behind a firewall that lets only its own port through."""
    with relay("127.0.0.2", ftp_server.port, server=ftp_server.host) as front:
        error = refused(ftp_share, url=f"ftp://{ftp_server.user}@127.0.0.2:{front.port}/")
    assert error.status is Status.ERROR_CONNECTION_REFUSED
    said = r"127\.0\.0\.2 answers, but no data comes through: 127\.0\.0\.2 refuses connections on port (\d+)"
    told = re.fullmatch(said, str(error.strerror))
    assert told is not None
    assert int(told[1]) != front.port
    assert "firewalls" in str(error.hint)


@pytest.mark.parametrize(
    "said",
    [
        "SSL/TLS required on the control channel",
        "Non-anonymous sessions must use encryption.",
        "Sorry, cleartext sessions and weak ciphers are not accepted on this server.",
        "Use AUTH first.",
        '534 "Policy requires SSL."',
    ],
)
def test_an_ftp_server_that_lets_nobody_log_on_without_tls(said: str) -> None:
    """In the words of ProFTPD, vsftpd, Pure-FTPd, FileZilla and IIS, mostly without their code."""
    target = Target(parse_remote("ftp://ana@files/"), "files", 21, "", "/")
    error = Ftp().failed(f'NewFs: failed to make FTP connection to "files:21": {said}', target, Logon("ana"))
    assert error.status is Status.ERROR_WINHTTP_SECURE_FAILURE
    assert "-o tls=explicit" in str(error.hint)


def test_ftp_with_tls_on_request(ftp_tls_share: Share, ftp_server: FtpServer, connections: Connections) -> None:
    url = ftp_server.url(f"/{ftp_tls_share.root.name}".replace(" ", "%20"))
    mounted = connections.connect(ftp_tls_share, url=url, options={"tls": "explicit"})
    (mounted.mountpoint / "file").write_text("encrypted on the way")
    connections.disconnect(mounted)
    assert (ftp_tls_share.root / "file").read_text() == "encrypted on the way"


# This machine


@pytest.mark.parametrize("network", ["sftp", "smb", "file"])
def test_r5_the_network_is_looked_at_before_options_and_servers(
    network: str, request: pytest.FixtureRequest, refused: Refused, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    share = request.getfixturevalue(f"{network}_share")
    monkeypatch.setenv("PATH", str(tmp_path))  # where there is no fusermount3
    nowhere = {} if network == "file" else {"url": f"{network}://host.invalid/share"}
    error = refused(share, options={"no_such_option": "x"}, **nowhere)
    assert error.status is Status.ERROR_SERVICE_NOT_FOUND
    assert "apt install fuse3" in str(error)


# Options


@pytest.mark.parametrize(
    "options",
    [{"no_such_option": "x"}, {"read_only": "perhaps"}, {"known_hosts": "relative"}, {"known_hosts": "/no/such/file"}],
    ids=str,
)
def test_n4_an_option_that_is_not_the_networks(options: Mapping[str, str], sftp_share: Share) -> None:
    from mprouter.names import parse_remote

    with pytest.raises(WNetError) as refused:
        sftp_share.provider.check_options(parse_remote(sftp_share.url), options)
    assert refused.value.status is Status.ERROR_INVALID_PARAMETER
    assert next(iter(options)) in str(refused.value)


# Names that become known


@pytest.mark.parametrize("network", ["smb", "webdav"])
def test_a_host_is_known_as_soon_as_the_system_knows_it(
    network: str, request: pytest.FixtureRequest, places: Places, tmp_path: Path
) -> None:
    share: Share = request.getfixturevalue(f"{network}_share")
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 localhost\n")
    url = share.url.replace("127.0.0.1", "files.vpn.example")
    script = f"""
        mount --bind {hosts} /etc/hosts
        connect() {{ printf %s "$PASSWORD" | {warm.MPR} connect "$1" --password-stdin; }}
        connect smb://ana@files.vpn.example:1/any && exit 3  # so that rclone has looked it up
        echo 127.0.0.1 files.vpn.example >> {hosts}
        connect {url!r}
        {warm.MPR} disconnect --all
    """
    ran = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "sh", "-ec", script],
        env={**os.environ, **places.environment, "PASSWORD": str(share.password)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize(
    ("settings", "status", "told"),
    [
        ("ntlm auth = disabled", Status.ERROR_EXTENDED_ERROR, "by Kerberos only .* use_kerberos"),
        ("server max protocol = NT1", Status.ERROR_UNEXP_NET_ERR, "does not speak SMB 2 or 3"),
        ("server min protocol = NT1\nserver max protocol = NT1", Status.ERROR_UNEXP_NET_ERR, "not speak SMB 2 or 3"),
    ],
)
def test_an_smb_server_that_is_too_new_or_too_old(
    settings: str, status: Status, told: str, fresh: Fresh, connections: Connections
) -> None:
    server = fresh(smb.serve)
    server.stop()
    (file,) = server.root.parent.parent.glob("smb.conf")
    file.write_text(file.read_text().replace("server min protocol = SMB2_02", settings))
    server.start()
    with pytest.raises(WNetError, match=told) as refused:
        connections.connect(Share(Smb(stall=5), server.url(), server.root, None, server.password))
    assert refused.value.status is status


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ("401 Not Authorized", Status.ERROR_LOGON_FAILURE),  # as WsgiDAV says it
        ("401", Status.ERROR_LOGON_FAILURE),
        ("403 ", Status.ERROR_ACCESS_DENIED),
        ("<?xml version='1.0'?>\r\n<html>\n<h1>401 Denied</h1>\n</html>\n: 401 Denied", Status.ERROR_LOGON_FAILURE),
        ("405 Not so", Status.ERROR_UNEXP_NET_ERR),
        ("407 Proxy Authentication Required", Status.ERROR_UNEXP_NET_ERR),
        ("423 Locked", Status.ERROR_BUSY),
        ("429 Too Many Requests", Status.ERROR_NETWORK_BUSY),
        ("503", Status.ERROR_NETWORK_BUSY),
        ("511 Network Authentication Required", Status.ERROR_UNEXP_NET_ERR),
    ],
)
def test_what_a_web_server_or_who_is_in_between_refuses(answer: str, status: Status) -> None:
    """Whatever words it has for it, or none."""
    text = f"read metadata failed: {answer}"
    words = {"network": "WebDAV", "user": "user ana", "path": "/dav", "share": "dav", **server_words(text, "host", 80)}
    assert meaning(text, WebDav.failures, words).status is status


def test_what_a_web_server_adds_for_people_is_not_told() -> None:
    page = '<?xml version="1.0"?>\n<!DOCTYPE html>\n<html>\n<h1>418 I am a teapot</h1>\n</html>\n'
    error = meaning(f"couldn't list files: {page}: 418 I am a teapot", WebDav.failures, {})
    assert error.strerror == "the network reported: couldn't list files: 418 I am a teapot"


@pytest.mark.parametrize(
    ("code", "said", "told"),
    [
        (
            "400, api error AuthorizationHeaderMalformed",
            "The authorization header is malformed; the region 'us-east-1' is wrong; expecting 'eu-central-1'",
            "is in another region: eu-central-1",
        ),
        (
            "301, api error PermanentRedirect",
            "The bucket you are attempting to access must be addressed using the specified endpoint.",
            "in another region, or at another endpoint",
        ),
        (
            "403, api error RequestTimeTooSkewed",
            "The difference between the request time and the current time is too large.",
            "the clock of this machine and that of the server differ",
        ),
    ],
)
def test_a_wrong_region_and_a_wrong_clock_are_told_from_other_refusals(code: str, said: str, told: str) -> None:
    text = f"operation error S3: ListObjectsV2, https response error StatusCode: {code}: {said}"
    words = {"network": "S3", "user": "user AKIA", "path": "projects", "share": "projects", **server_words(text)}
    error = meaning(text, S3.failures, words)
    assert error.status is Status.ERROR_EXTENDED_ERROR
    assert told in str(error.strerror)
