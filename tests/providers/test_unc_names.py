r"""``\\server\share``: SMB has it if it can, else WebDAV, and the final answer is the one that helps (R1 to R3)."""

from __future__ import annotations

import random
import socket
from collections.abc import Mapping
from pathlib import Path

import pytest

from mprouter.credentials import Credentials
from mprouter.names import parse_remote
from mprouter.providers.base import Added, AddRequest, Mounted, Provider
from mprouter.providers.order import builtin_providers, route
from mprouter.providers.rclone.webdav import WebDav
from mprouter.status import Status, WNetError
from sandbox import Places
from servers import smb, webdav
from servers.daemon import Fresh


@pytest.fixture
def host() -> str:
    """A loopback address of the test's own, for servers on their standard ports."""
    number = random.SystemRandom().randrange
    return f"127.{number(1, 255)}.{number(1, 255)}.{number(1, 255)}"


class Routed:
    """``routed(name, ...)`` sends a request through all built-in providers."""

    def __init__(self, places: Places) -> None:
        self.mountpoint = places.drives / "Z"
        self.mountpoint.mkdir()

    def __call__(
        self, name: str, user: str | None, password: str | None, options: Mapping[str, str] | None = None
    ) -> tuple[Provider, Added]:
        request = AddRequest(parse_remote(name), self.mountpoint, Credentials(user, password), options=options or {})
        return route(builtin_providers(), request.name, lambda provider: provider.add_connection(request))


@pytest.fixture
def routed(places: Places) -> Routed:
    return Routed(places)


def test_r1_an_smb_server_has_it(host: str, fresh: Fresh, routed: Routed) -> None:
    server = fresh(smb.serve, host=host, port=445)
    (server.root / "file").write_text("by SMB")
    provider, added = routed(server.unc(), server.user, server.password)
    assert provider.name == "smb"
    assert (routed.mountpoint / "file").read_text() == "by SMB"
    assert (routed.mountpoint / "FILE").read_text() == "by SMB"  # C7
    name = parse_remote(server.unc())
    provider.cancel_connection(Mounted(name, routed.mountpoint, added.handle), force=False)


def test_r1_a_webdav_server_has_it_where_no_smb_server_is(host: str, fresh: Fresh, routed: Routed) -> None:
    server = fresh(webdav.serve, host=host, port=80, tls_port=443)
    server.directory("share").joinpath("file").write_text("by WebDAV")
    options = {"ca_cert": str(server.ca_file)}
    provider, added = routed(rf"\\{host}\share", server.user, server.password, options)
    assert provider.name == "webdav"
    assert (routed.mountpoint / "file").read_text() == "by WebDAV"
    name = parse_remote(rf"\\{host}\share")
    provider.cancel_connection(Mounted(name, routed.mountpoint, added.handle), force=False)


@pytest.mark.parametrize("name", [r"\\{}\public", "dav://{}/public"])
def test_r2_a_webdav_server_has_an_empty_directory_that_anybody_may_read(
    name: str, host: str, fresh: Fresh, routed: Routed
) -> None:
    fresh(webdav.serve, host=host, port=80, tls_port=443)
    provider, added = routed(name.format(host), None, None)
    assert provider.name == "webdav"
    assert list(routed.mountpoint.iterdir()) == []
    mounted = Mounted(parse_remote(name.format(host)), routed.mountpoint, added.handle)
    provider.cancel_connection(mounted, force=False)


def test_no_password_goes_unencrypted_to_a_webdav_server_behind_a_unc_name(
    host: str, fresh: Fresh, routed: Routed
) -> None:
    server = fresh(webdav.serve, host=host, port=80, tls_port=443)
    with pytest.raises(WNetError) as refused:  # the certificate is not trusted, so only port 80 remains
        routed(rf"\\{host}\share", server.user, server.password)
    assert refused.value.status is Status.ERROR_ACCESS_DENIED
    assert f"dav://{host}/share" in str(refused.value)


def test_r3_no_such_share_stands_against_no_webdav_server(host: str, fresh: Fresh, routed: Routed) -> None:
    server = fresh(smb.serve, host=host, port=445)
    with pytest.raises(WNetError) as refused:
        routed(server.unc("no-such-share"), server.user, server.password)
    assert refused.value.status is Status.ERROR_BAD_NET_NAME
    assert "no-such-share" in str(refused.value)


def test_r3_a_wrong_smb_password_stands_against_no_webdav_server(host: str, fresh: Fresh, routed: Routed) -> None:
    server = fresh(smb.serve, host=host, port=445)
    with pytest.raises(WNetError) as refused:
        routed(server.unc(), server.user, "wrong")
    assert refused.value.status is Status.ERROR_LOGON_FAILURE
    assert refused.value.provider == "smb"


def test_r3_a_host_where_neither_answers(host: str, routed: Routed) -> None:
    with pytest.raises(WNetError) as refused:
        routed(rf"\\{host}\share", "ana", "secret")
    assert refused.value.status is Status.ERROR_BAD_NET_NAME
    assert "no SMB server is there" in str(refused.value)
    assert "no WebDAV server is there" in str(refused.value)


def test_r3_a_host_that_nobody_knows(routed: Routed) -> None:
    with pytest.raises(WNetError) as refused:
        routed(r"\\no-such-host.invalid\share", "ana", "secret")
    assert refused.value.status is Status.WSAHOST_NOT_FOUND


def test_the_zone_of_an_ipv6_address_is_encoded_in_a_url_of_rclone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mprouter.providers.rclone.webdav.reach", lambda *_: socket.socket())
    request = AddRequest(parse_remote("dav://[fe80::1%25eth0]/x"), Path("/nowhere"), Credentials())
    assert WebDav().target(request, {}).settings["url"] == "http://[fe80::1%25eth0]:80"
