"""WNetGetConnection, WNetGetUser, WNetGetUniversalName, performance, networks: what they tell, and each status."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ctypes import byref, create_string_buffer
from typing import Any

import pytest

from foreign import Foreign, shares
from mprouter import Router, Status, WNetError, connections, default, wnet
from mprouter.names import parse_remote
from mprouter.providers.base import Capability, Mounted, UniversalName
from mprouter.wnet import mpr
from mprouter.wnet.connections import default_user
from sandbox import Places


def disk(remote: str, local: str | None = None) -> wnet.NETRESOURCE:
    return wnet.NETRESOURCE(dwType=wnet.RESOURCETYPE_DISK, lpRemoteName=remote, lpLocalName=local)


def status_of(function: Callable[..., object], *arguments: object) -> Status:
    with pytest.raises(WNetError) as failed:
        function(*arguments)
    assert failed.value.function == function.__name__
    return failed.value.status


@pytest.fixture
def connected(foreign: Foreign) -> Foreign:
    """Z: is connected, Y: remembered, and a deviceless connection is there."""
    wnet.WNetAddConnection2(disk("file:///one", "Z:"))
    wnet.WNetAddConnection("file:///two", None, "Y:")
    wnet.WNetCancelConnection("Y:")
    wnet.WNetAddConnection2(disk("file:///three"))
    return foreign


# -- WNetGetConnection and WNetGetUser ---------------------------------------------------------------------------------


@pytest.mark.usefixtures("connected")
def test_the_remote_name_of_a_device(places: Places) -> None:
    assert wnet.WNetGetConnection("z:") == "file:///one"
    directory = str(places.home / "place")
    wnet.WNetAddConnection2(disk("file:///four", directory))
    assert wnet.WNetGetConnection(directory) == "file:///four"


@pytest.mark.usefixtures("connected")
def test_the_directory_where_a_connection_appears_leads_back(places: Places) -> None:
    deviceless = next(str(each.path) for each in connections() if each.local_name is None)
    for directory, remote in ((str(places.drives / "Z"), "file:///one"), (deviceless, "file:///three")):
        assert wnet.WNetGetConnection(directory) == remote
        assert wnet.WNetGetUser(directory) == "ana"
        wnet.WNetCancelConnection2(directory)
        assert status_of(wnet.WNetGetConnection, directory) is Status.ERROR_NOT_CONNECTED


@pytest.mark.usefixtures("connected")
def test_what_is_null_has_a_status_and_what_is_no_text_is_a_type_error() -> None:
    functions: list[Callable[[Any], object]] = [
        wnet.WNetAddConnection2,
        wnet.WNetCancelConnection2,
        wnet.WNetGetConnection,
        wnet.WNetGetUniversalName,
        wnet.WNetGetNetworkInformation,
        wnet.WNetGetResourceInformation,
        wnet.WNetGetResourceParent,
        wnet.MultinetGetConnectionPerformance,
    ]
    for function in functions:
        assert status_of(function, None) is Status.ERROR_INVALID_PARAMETER
        with pytest.raises(TypeError, match="must be a"):
            function(5)
    assert status_of(wnet.WNetEnumResource, None) is Status.ERROR_INVALID_HANDLE
    assert status_of(wnet.WNetCloseEnum, "Z:") is Status.ERROR_INVALID_HANDLE
    with pytest.raises(TypeError, match="lpPassword"):
        wnet.WNetAddConnection2(disk("file:///x"), b"secret")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="lpNetResource"):
        wnet.WNetOpenEnum(wnet.RESOURCE_GLOBALNET, 0, 0, "//server")  # type: ignore[arg-type]
    with pytest.raises(WNetError) as refused:
        wnet.WNetAddConnection2(disk("file:///x"), "secret\ud800")
    assert refused.value.status is Status.ERROR_INVALID_PASSWORD
    assert refused.value.__context__ is None, "it would hold the password"
    with pytest.raises(TypeError, match="lpRemoteName"):
        wnet.WNetAddConnection2(wnet.NETRESOURCE(dwType=1, lpRemoteName=5))  # type: ignore[arg-type]


@pytest.mark.usefixtures("connected")
@pytest.mark.parametrize("function", [wnet.WNetGetConnection, wnet.WNetGetUniversalName])
@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("Y:", Status.ERROR_CONNECTION_UNAVAIL),
        ("X:", Status.ERROR_NOT_CONNECTED),
        ("A:", Status.ERROR_BAD_DEVICE),
        ("", Status.ERROR_BAD_DEVICE),
        (r"\\server\share", Status.ERROR_BAD_DEVICE),
        ("Z", Status.ERROR_BAD_DEVICE),
    ],
)
def test_a_name_that_is_no_connected_device(function: Callable[[str], object], name: str, status: Status) -> None:
    assert status_of(function, name) is status


@pytest.mark.usefixtures("connected")
def test_a_path_is_no_device_for_wnetgetconnection() -> None:
    assert status_of(wnet.WNetGetConnection, r"Z:\dir") is Status.ERROR_BAD_DEVICE


@pytest.mark.usefixtures("connected")
def test_the_user_of_a_device_of_a_resource_and_of_this_process() -> None:
    assert wnet.WNetGetUser("Z:") == "ana"
    assert wnet.WNetGetUser("file:///three") == "ana"
    assert wnet.WNetGetUser() == wnet.WNetGetUser("") == default_user()
    assert status_of(wnet.WNetGetUser, "Y:") is Status.ERROR_CONNECTION_UNAVAIL
    for name in ("X:", "A:", "file:///one", "no name"):
        assert status_of(wnet.WNetGetUser, name) is Status.ERROR_NOT_CONNECTED


# -- WNetGetUniversalName ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("remote", "universal"),
    [
        (r"\\Files\Projects\2026", r"\\Files\Projects\2026"),
        ("//files/projects/", r"\\files\projects"),
        ("smb://ana@files/projects", r"\\files\projects"),
        ("smb://files:4450/projects", None),
        ("dav://files/team", r"\\files\DavWWWRoot\team"),
        ("davs://files:8443/team", r"\\files@SSL@8443\DavWWWRoot\team"),
        (r"\\files@SSL\team", r"\\files@SSL\DavWWWRoot\team"),
        ("sftp://ana@files:2222/srv", r"\\sshfs.r\ana@files!2222\srv"),
        ("sftp://files", r"\\sshfs\files"),
        ("smb://[fe80::1]/projects", r"\\fe80--1.ipv6-literal.net\projects"),
        ("s3://bucket/prefix", None),
        ("ftp://files/pub", None),
        ("file:///srv", None),
        ("rclone:box:dir", None),
    ],
)
def test_a_name_that_means_the_same_everywhere(remote: str, universal: str | None) -> None:
    assert parse_remote(remote).universal == universal
    if universal is not None:  # it leads to the same resource again
        again = parse_remote(universal)
        assert again.universal == universal
        assert set(again.forms) & set(parse_remote(remote).forms)


@pytest.mark.usefixtures("connected")
@pytest.mark.parametrize(
    ("path", "remaining"),
    [
        ("Z:", ""),
        ("Z:\\", ""),
        (r"z:\dir\file", r"\dir\file"),
        ("Z:/dir/file", r"\dir\file"),
        ("{drives}/Z/dir/../file", r"\file"),
        ("{drives}/Z", ""),
    ],
)
def test_a_path_below_a_device(places: Places, path: str, remaining: str) -> None:
    found = wnet.WNetGetUniversalName(path.format(drives=places.drives), wnet.REMOTE_NAME_INFO_LEVEL)
    assert found == (None, "file:///one", remaining)


@pytest.mark.usefixtures("connected")
def test_a_path_where_a_deviceless_connection_appears(places: Places) -> None:
    (path,) = (places.runtime / "mounts").iterdir()
    assert wnet.WNetGetUniversalName(f"{path}/a", wnet.REMOTE_NAME_INFO_LEVEL) == (None, "file:///three", r"\a")
    assert status_of(wnet.WNetGetUniversalName, str(places.home)) is Status.ERROR_NOT_CONNECTED


@pytest.mark.usefixtures("connected")
def test_a_network_without_unc_names_has_only_remote_names() -> None:
    assert status_of(wnet.WNetGetUniversalName, r"Z:\dir") is Status.ERROR_NOT_SUPPORTED
    assert status_of(wnet.WNetGetUniversalName, r"Z:\dir", 3) is Status.ERROR_INVALID_LEVEL


# -- providers that know better --------------------------------------------------------------------------------------


class Knowing(Foreign):
    """Its universal names and users are not what the remote name and the store say. failing: raised instead."""

    failing: WNetError | None = None
    user: str | None = "CORP\\ana"

    def universal_name(self, mounted: Mounted, path: str) -> UniversalName:
        if self.failing is not None:
            raise self.failing
        universal = None if path == "secret" else f"corp://{mounted.name.path.strip('/')}/{path}"
        return UniversalName(universal, mounted.name.given, f"/{path}" if path else "")

    def user_of(self, mounted: Mounted | None) -> str | None:
        assert mounted is not None
        if self.failing is not None:
            raise self.failing
        return self.user


@pytest.fixture
def knowing(places: Places, monkeypatch: pytest.MonkeyPatch) -> Iterator[Knowing]:
    """Z: is connected to ``file:///one``, and a deviceless connection to ``file:///two`` is there."""
    del places  # they are in the environment
    provider = Knowing()
    provider.capabilities |= Capability.UNIVERSAL_NAME | Capability.GET_USER
    with Router(providers=[provider], drop_ins=False) as made:
        monkeypatch.setattr(default, "_default", made)
        wnet.WNetAddConnection2(disk("file:///one", "Z:"))
        wnet.WNetAddConnection2(disk("file:///two"))
        yield provider


def test_a_provider_makes_its_own_universal_names(knowing: Knowing) -> None:
    assert wnet.WNetGetUniversalName(r"Z:\dir\file") == ("corp://one/dir/file",)
    level = wnet.REMOTE_NAME_INFO_LEVEL
    assert wnet.WNetGetUniversalName("Z:/dir", level) == ("corp://one/dir", "file:///one", "/dir")
    assert wnet.WNetGetUniversalName(r"Z:\secret", level) == (None, "file:///one", "/secret")
    assert status_of(wnet.WNetGetUniversalName, r"Z:\secret") is Status.ERROR_NOT_SUPPORTED
    size, buffer = mpr.DWORD(8), create_string_buffer(200)
    assert mpr.WN_TABLE["WNetGetUniversalNameW"](r"Z:\dir", 1, buffer, byref(size)) == Status.ERROR_MORE_DATA
    assert mpr.WN_TABLE["WNetGetUniversalNameW"](r"Z:\dir", 1, buffer, byref(size)) == 0
    knowing.capabilities &= ~Capability.UNIVERSAL_NAME
    assert wnet.WNetGetUniversalName("Z:/dir", level) == (None, "file:///one", r"\dir")


def test_a_provider_knows_its_user(knowing: Knowing) -> None:
    assert wnet.WNetGetUser("Z:") == wnet.WNetGetUser("file:///two") == r"CORP\ana"
    knowing.user = None
    assert wnet.WNetGetUser("Z:") == default_user()
    knowing.capabilities &= ~Capability.GET_USER
    assert wnet.WNetGetUser("Z:") == "ana"


@pytest.mark.parametrize("function", [wnet.WNetGetUser, wnet.WNetGetUniversalName])
@pytest.mark.parametrize("status", [Status.ERROR_NO_NETWORK, Status.ERROR_EXTENDED_ERROR, Status.ERROR_NOT_CONNECTED])
def test_what_a_provider_says_of_a_name_or_user_is_said(
    knowing: Knowing, function: Callable[[str], object], status: Status
) -> None:
    knowing.failing = WNetError(status, provider_code=9, provider_text="it says so")
    assert status_of(function, "Z:") is status
    assert wnet.WNetGetLastError() == (9, "it says so", "foreign")


@pytest.mark.usefixtures("connected")
@pytest.mark.parametrize("function", [wnet.WNetGetConnection, wnet.WNetGetUser, wnet.WNetGetUniversalName])
def test_the_network_of_a_connection_or_every_network_is_not_there(
    monkeypatch: pytest.MonkeyPatch, function: Callable[[str], object]
) -> None:
    with Router(providers=[], drop_ins=False) as without:
        monkeypatch.setattr(default, "_default", without)
        assert status_of(function, "Z:") is Status.ERROR_NO_NET_OR_BAD_PATH
        assert status_of(function, "Y:") is Status.ERROR_CONNECTION_UNAVAIL
        assert status_of(function, "X:") is Status.ERROR_NO_NETWORK


# -- performance and networks ------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("connected")
def test_what_was_measured() -> None:
    for resource in (disk("", "Z:"), disk("file:///one"), disk("file:///three"), disk("file:///three", "Z:")):
        found = wnet.MultinetGetConnectionPerformance(resource)
        assert found == wnet.NETCONNECTINFOSTRUCT(wnet.WNCON_DYNAMIC, 10_000, 3, 65536)


@pytest.mark.usefixtures("connected")
@pytest.mark.parametrize(
    ("resource", "status"),
    [
        (disk(""), Status.ERROR_BAD_NET_NAME),
        (disk("", "nonsense"), Status.ERROR_BAD_DEVICE),
        (disk("", "X:"), Status.ERROR_NOT_CONNECTED),
        (disk("", "Y:"), Status.ERROR_NOT_CONNECTED),
        (disk("file:///two"), Status.ERROR_NOT_CONNECTED),
        (disk("nonsense"), Status.ERROR_NO_NET_OR_BAD_PATH),
    ],
)
def test_what_cannot_be_measured(resource: wnet.NETRESOURCE, status: Status) -> None:
    assert status_of(wnet.MultinetGetConnectionPerformance, resource) is status


def test_a_provider_that_does_not_measure(connected: Foreign) -> None:
    connected.capabilities &= ~connected.capabilities.GET_PERFORMANCE
    assert status_of(wnet.MultinetGetConnectionPerformance, disk("", "Z:")) is Status.ERROR_NOT_SUPPORTED


@pytest.mark.usefixtures("foreign")
def test_a_network() -> None:
    found = wnet.WNetGetNetworkInformation("FOREIGN")
    assert (found.dwProviderVersion, found.wNetType, found.dwStatus) == (0x10002, 0x43, 0)
    assert status_of(wnet.WNetGetNetworkInformation, "no such") is Status.ERROR_BAD_PROVIDER
    assert wnet.WNetGetProviderName(wnet.WNNC_NET_GOOGLE | 0x1234) == "foreign"
    assert status_of(wnet.WNetGetProviderName, wnet.WNNC_NET_NETWARE) is Status.ERROR_NO_NETWORK


# -- resources ---------------------------------------------------------------------------------------------------------


def test_which_part_of_a_name_is_a_resource(foreign: Foreign) -> None:
    foreign.content["file:///server"] = shares("file:///server/share")
    found = wnet.WNetGetResourceInformation(disk("file:///server/share/dir/file"))
    assert (found.lpBuffer.lpRemoteName, found.lplpSystem) == ("file:///server/share", "/dir/file")
    assert found.lpBuffer.dwDisplayType == wnet.RESOURCEDISPLAYTYPE_SHARE
    assert wnet.WNetGetResourceInformation(disk("file:///server/share")).lplpSystem is None
    odd = wnet.NETRESOURCE(dwScope=4660, dwDisplayType=52428, dwUsage=52428, lpRemoteName="file:///server/share")
    assert wnet.WNetGetResourceInformation(odd).lplpSystem is None, "these members are ignored"


def test_a_name_that_is_no_resource(foreign: Foreign) -> None:
    foreign.content["file:///server"] = shares("file:///server/share")
    assert status_of(wnet.WNetGetResourceInformation, disk("file:///other")) is Status.ERROR_BAD_NET_NAME
    assert status_of(wnet.WNetGetResourceInformation, disk("")) is Status.ERROR_BAD_NET_NAME
    printer = wnet.NETRESOURCE(dwType=wnet.RESOURCETYPE_PRINT, lpRemoteName="file:///server/share")
    assert status_of(wnet.WNetGetResourceInformation, printer) is Status.ERROR_BAD_DEV_TYPE
    stranger = wnet.NETRESOURCE(lpRemoteName="file:///server/share", lpProvider="no such")
    assert status_of(wnet.WNetGetResourceInformation, stranger) is Status.ERROR_BAD_PROVIDER


def test_what_contains_a_resource(foreign: Foreign) -> None:
    resource = wnet.NETRESOURCE(lpRemoteName="server/share", lpProvider="foreign")
    server = wnet.WNetGetResourceParent(resource)
    assert server.lpRemoteName == "server"
    assert wnet.WNetGetResourceParent(server).lpRemoteName is None
    resource.lpProvider = None
    assert status_of(wnet.WNetGetResourceParent, resource) is Status.ERROR_BAD_PROVIDER
    foreign.capabilities &= ~foreign.capabilities.RESOURCE_PARENT
    assert status_of(wnet.WNetGetResourceParent, server) is Status.ERROR_NOT_SUPPORTED
