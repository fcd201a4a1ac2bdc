"""The functions with C's signatures: buffers, sizes and statuses as they are documented."""

from __future__ import annotations

import ctypes
import json
from ctypes import byref, create_string_buffer, create_unicode_buffer
from typing import Any

import pytest

from foreign import Foreign, shares
from mprouter import Status, WNetError, wnet
from mprouter.wnet import mpr
from sandbox import Places
from servers.sftp import SftpServer

MORE_DATA = int(Status.ERROR_MORE_DATA)
BAD_POINTER = int(Status.ERROR_INVALID_ADDRESS)


@pytest.fixture
def connected(foreign: Foreign) -> Foreign:
    """Z: is connected, Y: remembered."""
    wnet.WNetAddConnection2(wnet.NETRESOURCE(1, 1, lpRemoteName="file:///füße", lpLocalName="Z:"))
    wnet.WNetAddConnection("file:///two", None, "Y:")
    wnet.WNetCancelConnection("Y:")
    return foreign


def disk(remote: str, local: str | None = None) -> Any:
    return byref(mpr.NETRESOURCEW(dwType=1, dwUsage=2, lpRemoteName=remote, lpLocalName=local))


@pytest.mark.usefixtures("connected")
@pytest.mark.parametrize(
    ("function", "wanted", "make"),
    [("WNetGetConnectionW", "file:///füße", create_unicode_buffer), ("WNetGetUserW", "ana", create_unicode_buffer)],
)
def test_a_text_and_its_size(function: str, wanted: str, make: Any) -> None:
    call, size = mpr.WN_TABLE[function], mpr.DWORD(0)
    assert call("Z:", None, byref(size)) == MORE_DATA
    assert size.value == len(wanted) + 1
    for room in range(len(wanted) + 1):
        small, size.value = make(len(wanted) + 1), room
        assert call("Z:", small, byref(size)) == MORE_DATA
        assert (size.value, small.value) == (len(wanted) + 1, "")
    for room in (len(wanted) + 1, 100):
        text, size.value = make(room), room
        assert call("Z:", text, byref(size)) == 0
        assert (size.value, text.value) == (room, wanted)
    assert call("Z:", text, None) == BAD_POINTER
    assert call("X:", text, byref(size)) == Status.ERROR_NOT_CONNECTED


@pytest.mark.usefixtures("connected")
def test_a_text_of_what_is_no_character_is_an_invalid_parameter() -> None:
    units = (ctypes.c_uint32 * 3)(0x5A, 0x120000, 0)  # wchar_t is as wide here
    name = ctypes.cast(units, ctypes.c_wchar_p)
    assert mpr.WN_TABLE["WNetGetConnectionW"](name, None, byref(mpr.DWORD(0))) == Status.ERROR_INVALID_PARAMETER
    assert mpr.WN_TABLE["WNetCancelConnection2W"](name, 0, 0) == Status.ERROR_INVALID_PARAMETER


@pytest.mark.usefixtures("connected")
def test_an_exit_in_a_call_is_told_as_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    def leave(name: str) -> str:
        raise SystemExit(name)

    monkeypatch.setattr("mprouter.wnet.WNetGetConnection", leave)
    assert mpr.WN_TABLE["WNetGetConnectionW"]("Z:", None, byref(mpr.DWORD(0))) == Status.ERROR_CANCELLED


@pytest.mark.usefixtures("connected")
def test_what_goes_wrong_in_python_is_logged_and_a_status(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("mprouter.wnet.WNetGetConnection", lambda _: 1 // 0)
    assert mpr.WN_TABLE["WNetGetConnectionW"]("Z:", None, byref(mpr.DWORD(0))) == Status.ERROR_GEN_FAILURE
    assert "WNetGetConnection failed" in caplog.text


def test_n3_connections_are_made_cancelled_and_restored(foreign: Foreign) -> None:
    call, size = mpr.WN_TABLE, mpr.DWORD(100)
    assert call["WNetAddConnectionW"]("file:///one", None, "Z:") == 0
    assert call["WNetAddConnection3W"](None, disk("file:///two", "Y:"), None, "bob", wnet.CONNECT_UPDATE_PROFILE) == 0
    assert foreign.users == [None, "bob"]
    for restore, *arguments in (
        ("WNetRestoreConnectionW", None, None),
        ("WNetRestoreConnectionW", None, "Z:"),
        ("WNetRestoreSingleConnectionW", None, "Z:", 0),
        ("WNetRestoreSingleConnectionA", None, b"Z:", 0),
    ):
        assert call["WNetCancelConnectionW"]("Z:", 0) == 0
        assert call["WNetGetUserW"]("Z:", create_unicode_buffer(100), byref(size)) == Status.ERROR_CONNECTION_UNAVAIL
        assert call[restore](*arguments) == 0
        assert call["WNetGetUserW"]("Z:", create_unicode_buffer(100), byref(size)) == 0


@pytest.mark.usefixtures("connected")
def test_the_functions_of_bytes_speak_utf_8() -> None:
    size, name = mpr.DWORD(20), create_string_buffer(20)
    assert mpr.WN_TABLE["WNetGetConnectionA"](b"Z:", name, byref(size)) == 0
    assert name.value.decode() == "file:///füße"
    assert mpr.WN_TABLE["WNetGetConnectionA"](b"\xff:", name, byref(size)) == Status.ERROR_INVALID_PARAMETER


@pytest.mark.usefixtures("connected")
def test_what_is_only_remembered_is_told_with_its_status() -> None:
    size, name = mpr.DWORD(100), create_unicode_buffer(100)
    assert mpr.WN_TABLE["WNetGetConnectionW"]("Y:", name, byref(size)) == Status.ERROR_CONNECTION_UNAVAIL
    assert name.value == "file:///two"


class RemoteNameInfo(ctypes.Structure):
    _fields_ = [(each, ctypes.c_wchar_p) for each in ("universal", "connection", "remaining")]


@pytest.mark.usefixtures("connected")
def test_a_universal_name_in_one_buffer() -> None:
    call, size, small = mpr.WN_TABLE["WNetGetUniversalNameW"], mpr.DWORD(0), create_string_buffer(1)
    assert call(r"Z:\dir", 2, small, byref(size)) == MORE_DATA
    buffer = create_string_buffer(size.value)
    assert call(r"Z:\dir", 2, buffer, byref(size)) == 0
    found = ctypes.cast(buffer, ctypes.POINTER(RemoteNameInfo)).contents
    assert (found.universal, found.connection, found.remaining) == (None, "file:///füße", r"\dir")
    larger, needed = create_string_buffer(4096), size.value
    size.value = 4096
    assert call(r"Z:\dir", 2, larger, byref(size)) == 0
    assert size.value == needed, "what is stored in the buffer"
    size.value -= 1
    assert call(r"Z:\dir", 2, buffer, byref(size)) == MORE_DATA
    assert call(r"Z:\dir", 2, None, byref(size)) == BAD_POINTER
    assert call(r"Z:\dir", 2, buffer, None) == BAD_POINTER
    assert call(r"Z:\dir", 1, buffer, byref(size)) == Status.ERROR_NOT_SUPPORTED


@pytest.mark.usefixtures("foreign")
@pytest.mark.parametrize(
    ("function", "login"),
    [("WNetUseConnectionW", (None, None, 0)), ("WNetUseConnection4W", (None, 0, 0, None, 0))],
    ids=["UseConnection", "UseConnection4"],
)
def test_wnetuseconnection_connects_nothing_if_the_name_does_not_fit(
    places: Places, function: str, login: tuple[int | None, ...]
) -> None:
    call, size, result, name = mpr.WN_TABLE[function], mpr.DWORD(1), mpr.DWORD(7), create_unicode_buffer(4)
    wanted = (None, disk("file:///one", "J:"), *login)
    assert call(*wanted, name, byref(size), byref(result)) == MORE_DATA
    assert (size.value, result.value) == (3, 7)
    size.value = 0
    assert call(*wanted, name, byref(size), byref(result)) == Status.ERROR_INVALID_PARAMETER
    assert call(*wanted, name, None, byref(result)) == Status.ERROR_INVALID_PARAMETER
    assert wnet.WNetOpenEnum(wnet.RESOURCE_CONNECTED).take(-1) == []
    size.value = 4
    assert call(*wanted, name, byref(size), byref(result)) == 0
    assert (name.value, size.value, result.value) == ("J:", 4, wnet.CONNECT_LOCALDRIVE)
    assert call(None, disk("file:///one"), *login, None, None, None) == 0
    assert (places.drives / "J").is_dir()
    chosen = [*login]
    chosen[2] = wnet.CONNECT_REDIRECT
    size.value = 3  # which the remote name would not fit
    assert call(None, disk("file:///one"), *chosen, name, byref(size), None) == 0
    assert name.value == "Z:"


def test_the_fourth_takes_json_in_its_buffers(sftp_server: SftpServer) -> None:
    root = sftp_server.directory("json")
    login = json.dumps({"user": sftp_server.user, "password": sftp_server.password}).encode()
    options = json.dumps({"known_hosts": str(sftp_server.known_hosts)}).encode()
    call = mpr.WN_TABLE["WNetAddConnection4W"]
    remote = disk(sftp_server.url(root), "Z:")
    assert call(None, remote, login, len(login), 0, options, len(options)) == 0
    assert wnet.WNetGetUser("Z:") == sftp_server.user
    assert call(None, remote, b"{]", 2, 0, None, 0) == Status.ERROR_INVALID_PARAMETER


def opened(scope: int, container: Any = None) -> Any:
    handle = mpr.HANDLE()
    assert mpr.WN_TABLE["WNetOpenEnumW"](scope, 0, 0, container, byref(handle)) == 0
    return handle


@pytest.mark.parametrize("room", [200, 500, 16384, 100_000])
@pytest.mark.parametrize("page", [1, 5, 0xFFFFFFFF])
def test_an_enumeration_fills_buffers_of_any_size(foreign: Foreign, room: int, page: int) -> None:
    wanted = [f"file:///server/{number}" for number in range(100)]
    foreign.content["file:///server"] = shares(*wanted)
    handle = opened(wnet.RESOURCE_GLOBALNET, disk("file:///server"))
    found: list[str] = []
    while True:
        count, size, buffer = mpr.DWORD(page), mpr.DWORD(room), create_string_buffer(room)
        status = mpr.WN_TABLE["WNetEnumResourceW"](handle, byref(count), buffer, byref(size))
        if status == Status.ERROR_NO_MORE_ITEMS:
            break
        assert status == 0
        entries = ctypes.cast(buffer, ctypes.POINTER(mpr.NETRESOURCEW * count.value)).contents
        found += [each.lpRemoteName for each in entries]
        assert {each.lpProvider for each in entries} == {"foreign"}
    assert found == wanted
    assert mpr.WN_TABLE["WNetCloseEnum"](handle) == 0


def test_a_buffer_too_small_for_one_entry_loses_none(foreign: Foreign) -> None:
    foreign.content["file:///server"] = shares("file:///server/first", "file:///server/second")
    handle = opened(wnet.RESOURCE_GLOBALNET, disk("file:///server"))
    call, count, size, buffer = mpr.WN_TABLE["WNetEnumResourceW"], mpr.DWORD(1), mpr.DWORD(10), create_string_buffer(10)
    assert call(handle, byref(count), buffer, byref(size)) == MORE_DATA
    buffer = create_string_buffer(size.value)
    assert call(handle, byref(count), buffer, byref(size)) == 0
    entry = ctypes.cast(buffer, ctypes.POINTER(mpr.NETRESOURCEW)).contents
    assert entry.lpRemoteName == "file:///server/first"
    assert call(handle, byref(count), None, byref(size)) == BAD_POINTER
    assert mpr.WN_TABLE["WNetCloseEnum"](handle) == 0
    assert mpr.WN_TABLE["WNetCloseEnum"](handle) == Status.ERROR_INVALID_HANDLE
    assert call(handle, byref(count), buffer, byref(size)) == Status.ERROR_INVALID_HANDLE


def test_a_resource_its_parent_its_network_and_its_speed(connected: Foreign) -> None:
    connected.content["file:///server"] = shares("file:///server/share")
    size, buffer, rest = mpr.DWORD(8), create_string_buffer(1000), ctypes.c_void_p()
    call = mpr.WN_TABLE["WNetGetResourceInformationW"]
    assert call(disk("file:///server/share/a"), buffer, byref(size), byref(rest)) == MORE_DATA
    assert call(disk("file:///server/share/a"), buffer, byref(size), byref(rest)) == 0
    entry = ctypes.cast(buffer, ctypes.POINTER(mpr.NETRESOURCEW)).contents
    assert (entry.lpRemoteName, ctypes.wstring_at(rest.value or 0)) == ("file:///server/share", "/a")
    entry.lpRemoteName, entry.lpProvider = "server/share", "foreign"
    size.value, parent = 1000, create_string_buffer(1000)
    assert mpr.WN_TABLE["WNetGetResourceParentW"](byref(entry), parent, byref(size)) == 0
    assert ctypes.cast(parent, ctypes.POINTER(mpr.NETRESOURCEW)).contents.lpRemoteName == "server"

    network = mpr.NETINFOSTRUCT(cbStructure=ctypes.sizeof(mpr.NETINFOSTRUCT))
    assert mpr.WN_TABLE["WNetGetNetworkInformationW"]("foreign", byref(network)) == 0
    assert (network.cbStructure, network.wNetType, network.dwDrives) == (40, 0x43, 0xFFFFFFFF)
    network.cbStructure = 8
    assert mpr.WN_TABLE["WNetGetNetworkInformationW"]("foreign", byref(network)) == Status.ERROR_INVALID_PARAMETER
    speed = mpr.NETCONNECTINFOSTRUCT(cbStructure=20)
    measure = mpr.WN_TABLE["MultinetGetConnectionPerformanceW"]
    assert measure(disk("", "Z:"), byref(speed)) == 0
    assert (speed.dwFlags, speed.dwSpeed, speed.dwDelay, speed.dwOptDataSize) == (8, 10_000, 3, 65536)
    assert measure(disk("", "Z:"), None) == BAD_POINTER


def test_the_last_error_is_shortened_to_fit(connected: Foreign) -> None:
    connected.refusing = WNetError(Status.ERROR_EXTENDED_ERROR, provider_code=9, provider_text="no more paper")
    assert mpr.WN_TABLE["WNetAddConnection2W"](disk("file:///x"), None, None, 0) == Status.ERROR_EXTENDED_ERROR
    code, text, name = mpr.DWORD(), create_unicode_buffer(6), create_unicode_buffer(100)
    assert mpr.WN_TABLE["WNetGetLastErrorW"](byref(code), text, 6, name, 100) == 0
    assert (code.value, text.value, name.value) == (9, "no mo", "foreign")
    assert mpr.WN_TABLE["WNetGetLastErrorW"](byref(code), None, 0, name, 100) == BAD_POINTER


@pytest.mark.usefixtures("foreign")
def test_a_resource_that_is_null() -> None:
    assert mpr.WN_TABLE["WNetAddConnection2W"](None, None, None, 0) == BAD_POINTER


def test_a_name_or_a_buffer_that_is_null(connected: Foreign) -> None:
    connected.content["file:///server"] = shares("file:///server/share")
    size, buffer = mpr.DWORD(100), create_string_buffer(100)
    network = mpr.NETINFOSTRUCT(cbStructure=ctypes.sizeof(mpr.NETINFOSTRUCT))
    calls: list[tuple[str, list[Any]]] = [
        ("WNetCancelConnectionW", [None, 0]),
        ("WNetCancelConnection2A", [None, 0, 0]),
        ("WNetGetConnectionW", [None, buffer, byref(size)]),
        ("WNetGetConnectionW", ["Z:", None, byref(size)]),
        ("WNetGetUserA", [b"Z:", None, byref(size)]),
        ("WNetGetUniversalNameW", [None, 1, buffer, byref(size)]),
        ("WNetGetNetworkInformationW", [None, byref(network)]),
        ("WNetGetProviderNameW", [wnet.WNNC_NET_GOOGLE, None, byref(size)]),
        ("WNetGetResourceInformationW", [disk("file:///server/share"), None, byref(size), None]),
        ("WNetOpenEnumW", [wnet.RESOURCE_CONNECTED, 0, 0, None, None]),
        ("WNetEnumResourceW", [opened(wnet.RESOURCE_CONNECTED), None, buffer, byref(size)]),
        ("WNetGetLastErrorW", [byref(mpr.DWORD(0)), buffer, 10, None, 10]),
    ]
    for name, arguments in calls:
        assert mpr.WN_TABLE[name](*arguments) == BAD_POINTER, name
        assert size.value == 100


class OwnResource(ctypes.Structure):
    """A program's own NETRESOURCEW."""

    _fields_ = mpr.NETRESOURCEW._fields_


def test_a_program_s_own_structures_and_pointers_do_as_well(foreign: Foreign, places: Places) -> None:
    own = OwnResource(dwType=1, lpRemoteName="file:///server/share/dir", lpLocalName="Z:")
    assert mpr.WN_TABLE["WNetAddConnection2W"](byref(own), None, None, 0) == 0
    assert (places.drives / "Z").exists()
    foreign.content["file:///server"] = shares("file:///server/share")
    size, buffer, rest = mpr.DWORD(500), create_string_buffer(500), ctypes.c_wchar_p()
    assert mpr.WN_TABLE["WNetGetResourceInformationW"](byref(own), buffer, byref(size), byref(rest)) == 0
    assert rest.value == "/dir"


def test_a_logon_has_a_user_and_a_password_and_nothing_else(foreign: Foreign) -> None:
    said = json.dumps({"usr": "ana", "password": "secret"}).encode()
    call, use = mpr.WN_TABLE["WNetAddConnection4W"], mpr.WN_TABLE["WNetUseConnection4W"]
    assert call(None, disk("file:///x"), said, len(said), 0, None, 0) == Status.ERROR_INVALID_PARAMETER
    known = said.replace(b"usr", b"user")
    wanted = [None, disk("file:///x"), said, len(said), 0, None, 0, None, None, None]
    assert use(*wanted) == Status.ERROR_INVALID_PARAMETER
    assert foreign.users == []
    wanted[2:4] = known, len(known)
    assert use(*wanted) == 0
    assert foreign.users == ["ana"]


def test_the_last_error_can_be_set() -> None:
    assert mpr.WN_TABLE["WNetSetLastErrorW"](7, "the drum is full", "mine") == 0
    assert wnet.WNetGetLastError() == (7, "the drum is full", "mine")


def test_the_layouts_are_those_of_winnetwk_h() -> None:
    word = ctypes.sizeof(ctypes.c_void_p)
    assert ctypes.sizeof(mpr.NETRESOURCEW) == ctypes.sizeof(mpr.NETRESOURCEA) == 16 + 4 * word
    assert mpr.NETINFOSTRUCT.dwPrinters.offset == 16 + word + 4
    assert ctypes.sizeof(mpr.NETCONNECTINFOSTRUCT) == 20
