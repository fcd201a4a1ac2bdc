"""Which hosts are near: by real multicast DNS, and from ~/.ssh/config."""

from __future__ import annotations

import secrets
import socket
import threading
from collections.abc import Iterator

import pytest
from zeroconf import ServiceInfo, Zeroconf

from mprouter.providers.neighbourhood.announced import Service, announced
from mprouter.providers.neighbourhood.ssh_hosts import ssh_hosts
from mprouter.providers.rclone.provider import RcloneProvider
from mprouter.providers.rclone.sftp import Sftp
from mprouter.providers.rclone.smb import Smb
from mprouter.providers.rclone.webdav import WebDav
from mprouter.resource import DisplayType, ResourceScope, ResourceType, ResourceUsage
from sandbox import Places


@pytest.fixture(scope="module")
def announcer() -> Iterator[str]:
    """Announces services on loopback; the part of their names that is this worker's own."""
    with Zeroconf(interfaces=["127.0.0.1"]) as zeroconf:
        title = f"Ana's NAS ☃ {secrets.token_hex(4)}"
        for kind, port, properties in (
            ("_smb._tcp.local.", 445, {}),
            ("_webdavs._tcp.local.", 8443, {"path": "/dav/"}),
            ("_sftp-ssh._tcp.local.", 22, {"path": "not/absolute", "p": "a password"}),
        ):
            zeroconf.register_service(
                ServiceInfo(
                    kind,
                    f"{title}.{kind}",
                    port=port,
                    addresses=[socket.inet_aton("127.0.0.77")],
                    server="ana.mprouter.invalid.",
                    properties=properties,
                ),
                cooperating_responders=True,  # without a look whether others have that name
            )
        yield title


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine may answer late; what is looked for ends the search."""
    monkeypatch.setattr("mprouter.providers.neighbourhood.announced.PATIENCE", 20)


def near(provider: RcloneProvider, title: str, scope: ResourceScope) -> tuple[str | None, DisplayType, ResourceUsage]:
    found = provider.enumerate(scope, ResourceType.DISK, ResourceUsage(0), None)
    resource = next(each for each in found if each.comment == title)
    assert (resource.provider, resource.scope) == (provider.name, scope)
    return resource.remote_name, resource.display_type, resource.usage


def test_a_service_that_announces_itself_is_found(announcer: str) -> None:
    kind = "_webdavs._tcp"
    found = next(each for each in announced(["_smb._tcp", kind]) if (each.kind, each.title) == (kind, announcer))
    assert found == Service(kind, announcer, "127.0.0.77", 8443, "/dav/")
    assert not [each.name for each in threading.enumerate() if "ServiceBrowser" in each.name], "nobody listens any more"


def test_hosts_that_announce_themselves_are_at_the_top_and_in_the_context(announcer: str) -> None:
    both = ResourceUsage.CONNECTABLE | ResourceUsage.CONTAINER
    unc = r"\\127.0.0.77", DisplayType.SERVER, ResourceUsage.CONTAINER
    assert near(Smb(), announcer, ResourceScope.CONTEXT) == unc
    assert near(Smb(), announcer, ResourceScope.GLOBALNET) == unc
    url = "davs://127.0.0.77:8443/dav"
    assert near(WebDav(), announcer, ResourceScope.CONTEXT) == (url, DisplayType.SERVER, both)


def test_the_hosts_of_ssh_s_configuration_are_at_the_top(places: Places, announcer: str) -> None:
    ssh = places.home / ".ssh"
    (ssh / "more").mkdir(parents=True)
    (ssh / "config").write_text(
        "Include more/*\n"
        "host=files.example.com Archive *.example.com !secret.example.com\n"
        "    User ana\n"
        'Host\tarchive-2  "quoted"\n'
        "Match host files.example.com\n"
        f"Include {places.home}/beside nowhere ~/beside\n"
    )
    (ssh / "more" / "one").write_text("# Host not-this\nHost included\n\nInclude ../config\n")
    (places.home / "beside").write_text("Host beside bad/name\n")
    assert ssh_hosts(ssh / "config") == [
        "included",
        "files.example.com",
        "Archive",
        "archive-2",
        "quoted",
        "beside",
        "bad/name",
    ]
    found = Sftp().enumerate(ResourceScope.CONTEXT, ResourceType.ANY, ResourceUsage(0), None)
    names = [next(found).remote_name for _ in range(6)]
    assert names == [f"sftp://{each}" for each in ssh_hosts(ssh / "config")[:6]]
    rest = next(each for each in found if each.comment == announcer)
    assert rest.remote_name == "sftp://127.0.0.77/not/absolute"


def test_without_a_configuration_of_ssh_there_are_none(places: Places) -> None:
    assert ssh_hosts(places.home / ".ssh" / "config") == []
