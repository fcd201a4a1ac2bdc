"""win32wnet as pywin32 has it: both forms of calls, objects, handles, errors; scripts for Windows run unchanged."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from foreign import Foreign, shares
from mprouter import Status, WNetError, win32netcon
from mprouter import win32wnet as typed
from mprouter.wnet import constants
from recorder import Recorder
from sandbox import Places

win32wnet: Any = typed  # as a script has it, which no type checker has seen


def share(remote: str | None, local: str | None = None) -> Any:
    made = win32wnet.NETRESOURCE()
    made.dwType, made.lpRemoteName, made.lpLocalName = win32netcon.RESOURCETYPE_DISK, remote, local
    return made


def refusal(function: Callable[..., object], *arguments: object) -> tuple[object, ...]:
    with pytest.raises(win32wnet.error) as failed:
        function(*arguments)
    details = failed.value
    assert details.args == (details.winerror, details.funcname, details.strerror)
    args: tuple[object, ...] = details.args
    return args


# -- objects -----------------------------------------------------------------------------------------------------------


def test_a_netresource_has_settable_attributes_of_fixed_types() -> None:
    made = win32wnet.NETRESOURCE()
    assert [made.dwScope, made.dwType, made.dwDisplayType, made.dwUsage] == [0] * 4
    assert [made.lpLocalName, made.lpRemoteName, made.lpComment, made.lpProvider] == [None] * 4
    made.dwType, made.lpRemoteName, made.lpComment = 0xFFFFFFFF, "", "text"
    assert (made.dwType, made.lpRemoteName, made.lpComment) == (-1, "", "text")
    for name, value in (("dwType", "1"), ("dwType", None), ("lpRemoteName", b"bytes"), ("lpRemoteName", 1)):
        with pytest.raises(TypeError):
            setattr(made, name, value)
    with pytest.raises(OverflowError):
        made.dwScope = 1 << 32
    with pytest.raises(AttributeError):
        made.unknown = 1
    with pytest.raises(AttributeError, match="can't delete NETRESOURCE attributes"):
        del made.dwType
    with pytest.raises(TypeError):
        win32wnet.NETRESOURCE(1)
    assert made != win32wnet.NETRESOURCE()
    assert win32wnet.NETRESOURCEType is win32wnet.NETRESOURCE


@pytest.mark.usefixtures("foreign")
def test_a_handle() -> None:
    handle = win32wnet.WNetOpenEnum(win32netcon.RESOURCE_CONNECTED, 0, 0, None)
    assert handle
    assert handle == handle.handle == int(handle)
    assert repr(handle) == f"<PyNetEnumHANDLE:{handle.handle}>"
    handle.Close()
    handle.close()
    assert not handle
    assert win32wnet.WNetEnumResource(handle) == []
    another = win32wnet.WNetOpenEnum(win32netcon.RESOURCE_CONNECTED, 0, 0, None)
    assert another.Detach() > 0
    assert int(another) == 0
    for function in (win32wnet.WNetCloseEnum, win32wnet.WNetEnumResource):
        with pytest.raises(TypeError):
            function(4711)


def test_an_error_has_three_arguments_and_three_attributes() -> None:
    made = win32wnet.error(67, "WNetAddConnection2", "The network name cannot be found.")
    assert (made.winerror, made.funcname, made.strerror) == made.args
    assert win32wnet.error(67).strerror is None
    assert not isinstance(made, OSError)


def test_the_constants_are_those_of_winnetwk_h_and_signed() -> None:
    names = [name for name in vars(constants) if name.isupper() and name.startswith(("RESOURCE", "CONN", "WN", "DISC"))]
    assert len(names) > 100
    for name in names:
        ours, signed = getattr(constants, name), getattr(win32netcon, name)
        assert signed & 0xFFFFFFFF == ours
    assert win32netcon.RESOURCEUSAGE_RESERVED == -2147483648


# -- calls -------------------------------------------------------------------------------------------------------------


def test_the_new_form_has_the_password_before_the_user(foreign: Foreign) -> None:
    win32wnet.WNetAddConnection2(share("file:///one", "Z:"), None, None, 0)
    win32wnet.WNetAddConnection2(NetResource=share("file:///two", "Y:"), Password="secret", UserName="ana", Flags=0)
    win32wnet.WNetAddConnection3(0, share("file:///three", "X:"))
    win32wnet.WNetAddConnection3(HwndOwner=None, NetResource=share("file:///four", "W:"), Flags=0)
    assert [win32wnet.WNetGetConnection(each) for each in ("Z:", "Y:", "X:", "W:")] == [
        f"file:///{each}" for each in ("one", "two", "three", "four")
    ]
    assert foreign.users == [None, "ana", None, None]


def test_the_old_form_has_the_user_before_the_password(foreign: Foreign) -> None:
    win32wnet.WNetAddConnection2(win32netcon.RESOURCETYPE_DISK, "Z:", "file:///one")
    win32wnet.WNetAddConnection2(1, "Y:", "file:///two", None, "ana", "secret", win32netcon.CONNECT_UPDATE_PROFILE)
    win32wnet.WNetAddConnection2(0, None, "file:///three", "foreign")
    assert foreign.users == [None, "ana", None]
    handle = win32wnet.WNetOpenEnum(win32netcon.RESOURCE_REMEMBERED, 0, 0, None)
    assert [each.lpLocalName for each in win32wnet.WNetEnumResource(handle)] == ["Y:"]


def test_what_fails_raises_pywintypes_error(foreign: Foreign) -> None:
    foreign.refusing = WNetError(Status.ERROR_BAD_NET_NAME, provider_code=7, provider_text="nothing there")
    connected = share("file:///one", "Z:")
    what = (67, "WNetAddConnection2", "The network name cannot be found.")
    assert refusal(win32wnet.WNetAddConnection2, connected) == what
    assert refusal(win32wnet.WNetAddConnection3, 0, connected)[:2] == (67, "WNetAddConnection3")
    assert win32wnet.WNetGetLastError() == (7, "nothing there", "foreign")
    assert refusal(win32wnet.WNetCancelConnection2, "Z:", 0, 0)[:2] == (2250, "WNetCancelConnection2")
    assert refusal(win32wnet.WNetGetConnection, "Z:")[:2] == (2250, "WNetGetConnection")
    assert refusal(win32wnet.WNetGetConnection)[0] == 1200
    assert refusal(win32wnet.WNetGetUser, "Z:")[:2] == (2250, "WNetGetUser")
    assert refusal(win32wnet.WNetGetUniversalName, r"Z:\a")[0] == 2250
    assert refusal(win32wnet.WNetOpenEnum, 99, 0, 0, None)[:2] == (87, "WNetOpenEnum")
    assert refusal(win32wnet.WNetGetResourceInformation, connected)[:2] == (67, "WNetGetResourceInformation")
    assert refusal(win32wnet.WNetGetResourceParent, connected)[:2] == (1204, "WNetGetResourceParent")


@pytest.mark.usefixtures("foreign")
def test_a_wrong_type_is_a_type_error() -> None:
    for name, arguments in (
        ("WNetAddConnection2", (None,)),
        ("WNetAddConnection2", (1, "Z:", None)),
        ("WNetAddConnection2", (share("file:///one"), b"password")),
        ("WNetCancelConnection2", (None, 0, 0)),
        ("WNetGetResourceParent", ("file:///one",)),
        ("WNetOpenEnum", (1, 0, 0, "file:///one")),
    ):
        with pytest.raises(TypeError):
            getattr(win32wnet, name)(*arguments)


def test_names_at_both_levels_and_what_a_name_stands_for(foreign: Foreign) -> None:
    foreign.content["file:///server"] = shares("file:///server/share")
    win32wnet.WNetAddConnection2(share("file:///server/share", "Z:"))
    assert win32wnet.WNetGetUniversalName(r"Z:\a", 2) == (None, "file:///server/share", r"\a")
    found, rest = win32wnet.WNetGetResourceInformation(share("file:///server/share/a"))
    assert (found.lpRemoteName, rest) == ("file:///server/share", "/a")
    found.lpRemoteName = "server/share"
    assert win32wnet.WNetGetResourceParent(found).lpRemoteName == "server"


def test_an_enumeration_in_pages(foreign: Foreign) -> None:
    foreign.content["file:///server"] = shares(*(f"file:///server/{number}" for number in range(150)))
    container = share("file:///server")
    container.dwScope, container.dwUsage = win32netcon.RESOURCE_GLOBALNET, win32netcon.RESOURCEUSAGE_CONTAINER
    for wanted, pages in ((0, [64, 64, 22]), (64, [64, 64, 22]), (100, [100, 50]), (-1, [150])):
        handle = win32wnet.WNetOpenEnum(win32netcon.RESOURCE_GLOBALNET, win32netcon.RESOURCETYPE_ANY, 0, container)
        found = []
        while some := win32wnet.WNetEnumResource(handle, wanted):
            found.append(len(some))
        assert found == pages
        win32wnet.WNetCloseEnum(handle)


# -- scripts -----------------------------------------------------------------------------------------------------------

SCRIPT = """
import mprouter
mprouter.install_win32wnet()

import sys
import pywintypes
import win32wnet
import winerror
from win32netcon import *

share = win32wnet.NETRESOURCE()
share.dwType = RESOURCETYPE_DISK
share.lpLocalName = "x:"
share.lpRemoteName = sys.argv[1]
win32wnet.WNetAddConnection2(share)
print(open(sys.argv[2]).read())
handle = win32wnet.WNetOpenEnum(RESOURCE_CONNECTED, RESOURCETYPE_ANY, 0, None)
try:
    while 1:
        items = win32wnet.WNetEnumResource(handle, 0)
        if len(items) == 0:
            break
        for item in items:
            print(item.lpLocalName, item.lpRemoteName)
finally:
    handle.Close()
win32wnet.WNetCancelConnection2("x:", 0, 0)
try:
    win32wnet.WNetCancelConnection2("x:", 0, 0)
except win32wnet.error as details:
    print(details.args[0], details.strerror)
    assert details.winerror == winerror.ERROR_NOT_CONNECTED
assert win32wnet.error is pywintypes.error
"""


def test_a_script_for_windows_runs_unchanged(places: Places, resource: str) -> None:
    words = [sys.executable, "-c", SCRIPT, resource, str(places.drives / "X" / "README")]
    ran = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (ran.stderr, ran.returncode) == ("", 0)
    last = "2250 The network connection could not be found."
    assert ran.stdout.splitlines() == ["hello", "", f"X: {resource}", last]


def test_n1_the_notifyees_are_told_of_it(recorder: Recorder, resource: str) -> None:
    win32wnet.WNetAddConnection2(1, "Z:", resource)
    assert [each[:2] for each in recorder.told] == [("add", "pre"), ("add", "post")]
