"""WNetConnectionDialog, WNetDisconnectDialog and their like, with a person who types at a real terminal."""

from __future__ import annotations

import ctypes
import os
import pty
import select
from collections.abc import Callable, Iterator
from contextlib import suppress
from ctypes import byref, sizeof
from threading import Event, Thread
from types import SimpleNamespace
from typing import Any

import pytest

from foreign import Foreign, shares
from mprouter import NetResource, Router, Status, WNetError, default, settings, terminal, wnet
from mprouter.dialog import person
from mprouter.notify.model import AddConnect
from mprouter.providers.base import Mounted, NetworkInformation, Pending, Progress
from mprouter.providers.neighbourhood import announced
from mprouter.resource import DisplayType, ResourceScope, ResourceType, ResourceUsage
from mprouter.store import Store
from mprouter.wnet import mpr
from pseudo_terminal import PseudoTerminal
from sandbox import Places
from servers.ftp import FtpServer

END = "\x04"
"""Ctrl-D: the end of what is typed."""

LEFT = -1

DEVICELESS = 0xFFFFFFFF


class Typist:
    """Types ahead, as people do who know a dialog; what it shows is read afterwards."""

    def __init__(self, terminal: int) -> None:
        self._terminal = terminal

    def types(self, *lines: str) -> None:
        text = "".join(each if each == END else f"{each}\n" for each in lines)
        self.types_bytes(text.encode())

    def types_bytes(self, keys: bytes) -> None:
        os.write(self._terminal, keys)

    def read(self) -> str:
        shown = ""
        while select.select([self._terminal], [], [], 0)[0]:
            shown += os.read(self._terminal, 4096).decode()
        return shown


@pytest.fixture
def typist(monkeypatch: pytest.MonkeyPatch) -> Iterator[Typist]:
    """The person at this process's terminal."""
    theirs, ours = pty.openpty()
    with os.fdopen(ours, encoding="utf-8") as stdin, os.fdopen(os.dup(ours), "w") as stderr:
        streams = SimpleNamespace(stdin=stdin, stderr=stderr)  # not those of sys: pytest puts its own there
        monkeypatch.setattr(terminal, "sys", streams)
        monkeypatch.setattr(person, "sys", streams)
        yield Typist(theirs)
    os.close(theirs)


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is waited for who announces services on the network."""
    monkeypatch.setattr(announced, "PATIENCE", 0.1)


@pytest.fixture
def network(foreign: Foreign) -> Foreign:
    """One network with a server that has two shares, and nothing near."""
    server = NetResource(
        "file:///server",
        provider="foreign",
        type=ResourceType.ANY,
        scope=ResourceScope.GLOBALNET,
        display_type=DisplayType.SERVER,
        usage=ResourceUsage.CONTAINER,
    )
    foreign.content = {None: [server], "file:///server": shares("file:///server/one", "file:///server/two")}
    return foreign


def connected() -> dict[str | None, str]:
    return {each.local_name: each.remote_name for each in default.connections()}


def remembered() -> list[str | None]:
    return [each.local_name for each in default.connections(remembered=True)]


def dialog(remote: str | None = None, flags: int = 0, **rest: Any) -> wnet.CONNECTDLGSTRUCT:
    return wnet.CONNECTDLGSTRUCT(wnet.NETRESOURCE(dwType=1, lpRemoteName=remote, **rest), dwFlags=flags)


Call = Callable[[], int]


def status_of(error: pytest.ExceptionInfo[WNetError]) -> Status:
    return error.value.status


# -- the connection dialog -----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("network")
def test_one_browses_chooses_and_names_letter_and_user(typist: Typist, network: Foreign) -> None:
    typist.types("1", "1", "2", "y", "bea", "no")
    assert wnet.WNetConnectionDialog(None, wnet.RESOURCETYPE_DISK) == 0
    assert connected() == {"Y:": "file:///server/two"}
    assert network.users == ["bea"]
    assert remembered() == []
    shown = typist.read()
    assert "  1  foreign  (network)" in shown
    assert "  2  file:///server/two  (share)" in shown
    assert "file:///server/two is connected: " in shown


@pytest.mark.usefixtures("network")
def test_only_enter_takes_what_is_proposed(typist: Typist) -> None:
    typist.types("", "", "", "")
    given = dialog("file:///server/one", wnet.CONNDLG_USE_MRU)
    assert wnet.WNetConnectionDialog1(given) == 0
    assert (connected(), remembered()) == ({"Z:": "file:///server/one"}, ["Z:"])
    assert given.dwDevNum == 26


@pytest.mark.usefixtures("network")
def test_a_connection_without_a_letter_has_no_device_number(typist: Typist, places: Places) -> None:
    typist.types("file:///server/one", "-", "")
    given = dialog(flags=wnet.CONNDLG_USE_MRU)
    assert wnet.WNetConnectionDialog1(given) == 0
    assert (connected(), given.dwDevNum) == ({None: "file:///server/one"}, DEVICELESS)
    typist.types("file:///server/one", str(places.home / "mnt"), "", "no")
    given = dialog(flags=wnet.CONNDLG_USE_MRU)
    assert wnet.WNetConnectionDialog1(given) == 0
    assert given.dwDevNum == DEVICELESS


@pytest.mark.usefixtures("network")
def test_the_path_is_fixed(typist: Typist) -> None:
    typist.types("d:", "", "no")
    given = dialog("file:///server/one", wnet.CONNDLG_RO_PATH)
    assert wnet.WNetConnectionDialog1(given) == 0
    assert (connected(), given.dwDevNum) == ({"D:": "file:///server/one"}, 4)
    assert "What to connect" not in typist.read()


@pytest.mark.usefixtures("network")
def test_without_a_path_and_its_flags_nothing_can_be_typed_that_was_not_found(typist: Typist) -> None:
    typist.types("file:///elsewhere", "7", "1/", "..", "1", "1", "1", "", "", "no")
    assert wnet.WNetConnectionDialog1(dialog()) == 0
    assert connected() == {"Z:": "file:///server/one"}
    shown = typist.read()
    assert "Type the number of what is shown." in shown
    assert "there is no 7" in shown
    assert shown.count("The network. Type") == 2


@pytest.mark.usefixtures("network")
def test_what_was_used_is_offered_if_it_is_asked_for(typist: Typist) -> None:
    wnet.WNetAddConnection2(wnet.NETRESOURCE(dwType=1, lpRemoteName="file:///server/used", lpLocalName="Y:"))
    typist.types("1", "", "", "no")
    assert wnet.WNetConnectionDialog1(dialog(flags=wnet.CONNDLG_USE_MRU)) == 0
    assert "  1  file:///server/used  (share, recent)" in typist.read()
    assert connected() == {"Y:": "file:///server/used", "Z:": "file:///server/used"}
    typist.types("q")
    assert wnet.WNetConnectionDialog1(dialog("file:///server/one")) == LEFT
    assert "recent" not in typist.read()


@pytest.mark.usefixtures("network")
@pytest.mark.parametrize(
    ("flags", "typed", "is_remembered"),
    [
        (wnet.CONNDLG_PERSIST, [""], True),
        (wnet.CONNDLG_NOT_PERSIST, [""], False),
        (wnet.CONNDLG_NOT_PERSIST, ["maybe", "yes"], True),
        (wnet.CONNDLG_PERSIST | wnet.CONNDLG_HIDE_BOX, [], True),
        (wnet.CONNDLG_NOT_PERSIST | wnet.CONNDLG_HIDE_BOX | wnet.CONNDLG_CONN_POINT, [], False),
    ],
    ids=["yes", "no", "other than proposed", "yes unasked", "no unasked"],
)
def test_whether_it_is_remembered(typist: Typist, flags: int, typed: list[str], is_remembered: bool) -> None:
    typist.types("", "", *typed)
    assert wnet.WNetConnectionDialog1(dialog("file:///server/one", flags | wnet.CONNDLG_RO_PATH)) == 0
    assert (remembered() == ["Z:"]) is is_remembered


@pytest.mark.usefixtures("network")
def test_the_last_answer_is_the_next_proposal(typist: Typist) -> None:
    for typed in ("no", ""):
        typist.types("", "", typed)
        assert wnet.WNetConnectionDialog1(dialog("file:///server/one", wnet.CONNDLG_RO_PATH)) == 0
        assert remembered() == []
    assert not settings.load().net_use_persistent


@pytest.mark.usefixtures("network")
def test_n9_a_veto_is_shown_and_the_window_is_told(typist: Typist) -> None:
    windows = []

    def policy(event: AddConnect) -> Status:
        windows.append(event.owner)
        return Status.WN_CANCEL if len(windows) == 1 else Status.WN_SUCCESS

    default.register(policy)
    typist.types("", "", "no", "", "", "no")
    given = dialog("file:///server/one", wnet.CONNDLG_RO_PATH)
    given.hwndOwner = 4711
    assert wnet.WNetConnectionDialog1(given) == 0
    assert windows == [4711, 4711]
    assert "(WN_CANCEL, 1223)" in typist.read()


@pytest.mark.usefixtures("network")
@pytest.mark.parametrize("lines", [["q"], [END], ["1", "q"], ["file:///server/one", END], ["file:///x", "", END]])
def test_leaving_connects_nothing(typist: Typist, lines: list[str]) -> None:
    typist.types(*lines)
    given = dialog(flags=wnet.CONNDLG_USE_MRU)
    assert wnet.WNetConnectionDialog1(given) == LEFT
    assert (connected(), given.dwDevNum) == ({}, 0)


def test_ctrl_c_at_the_password_leaves_the_dialog(ftp_server: FtpServer) -> None:
    program = "from mprouter import connections, wnet; print(wnet.WNetConnectionDialog(), connections())"
    with PseudoTerminal() as real:
        real.start("-c", program, program="python")
        for question, answer in (
            ("The network. ", ftp_server.url("/")),
            ("for none): ", ""),
            ("User name (", ftp_server.user),
            ("(yes/no) [yes]: ", ""),
        ):
            real.expect(question)
            real.enter(f"{answer}\n")
        real.expect(f"Password of {ftp_server.user} for ")
        for _ in range(3):  # getpass can miss one that comes just before it reads
            real.enter("\x03")
            with suppress(TimeoutError):
                assert "The network. " not in real.expect("\r\n-1 []\r\n", 10)
                break
        assert real.end()[0] == 0


def test_a_name_with_a_password_in_it_is_not_shown(typist: Typist, network: Foreign) -> None:
    typist.types("sftp://ana:secret@nas/", "q")
    given = dialog("sftp://ana:hidden@nas/", wnet.CONNDLG_USE_MRU)
    assert wnet.WNetConnectionDialog1(given) == LEFT
    shown = typist.read()
    assert network.users == []
    assert "hidden" not in shown
    assert shown.count("secret") == 1  # as it was typed


def test_a_server_is_looked_into(typist: Typist, network: Foreign) -> None:
    network.content[r"\\nas"] = shares("file:///server/three")
    typist.types("1", "", "", "no")
    assert wnet.WNetConnectionDialog1(dialog(r"\\nas", wnet.CONNDLG_USE_MRU)) == 0
    assert connected() == {"Z:": "file:///server/three"}


def test_what_is_no_text_is_asked_for_again(typist: Typist, network: Foreign) -> None:
    typist.types_bytes(b"\xff\n")
    typist.types("file:///server/one", "", "bea", "no")
    assert wnet.WNetConnectionDialog() == 0
    assert network.users == ["bea"]


def test_what_fails_is_shown_and_can_be_done_otherwise(typist: Typist, network: Foreign) -> None:
    network.refusing = WNetError(Status.ERROR_INVALID_PASSWORD)
    typist.types("nonsense", "file:///server/one", "LPT1:", "", "a:b", "", "", END)
    assert wnet.WNetConnectionDialog() == LEFT
    shown = typist.read()
    assert "no network here has names of this form" in shown
    assert "ERROR_BAD_DEVICE" in shown
    assert "A user name has no colon" in shown
    assert "ERROR_INVALID_PASSWORD" in shown
    assert shown.count("file:///server/one: wrong password") == 1
    assert "a name, Enter for file:///server/one, q to leave" in shown


def test_who_does_not_answer_keeps_nobody_waiting(
    typist: Typist, network: Foreign, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, never = Event(), Event()

    def silent(*_: object) -> Iterator[NetResource]:
        asked.set()
        never.wait()
        return iter(())

    monkeypatch.setattr(network, "enumerate", silent)
    typist.types("1", "file:///server/one", "", "", "no")
    try:
        assert wnet.WNetConnectionDialog() == 0
        assert asked.is_set()
    finally:
        never.set()
    assert connected() == {"Z:": "file:///server/one"}


@pytest.mark.parametrize(
    ("given", "status"),
    [
        (dialog("file:///x", wnet.CONNDLG_RO_PATH | wnet.CONNDLG_USE_MRU), Status.ERROR_INVALID_PARAMETER),
        (dialog("file:///x", wnet.CONNDLG_PERSIST | wnet.CONNDLG_NOT_PERSIST), Status.ERROR_INVALID_PARAMETER),
        (dialog(None, wnet.CONNDLG_RO_PATH), Status.ERROR_INVALID_PARAMETER),
        (dialog("nonsense", wnet.CONNDLG_RO_PATH), Status.ERROR_INVALID_PARAMETER),
        (dialog(r"\\nas\share", wnet.CONNDLG_RO_PATH), Status.ERROR_INVALID_PARAMETER),
        (dialog("file:///x", 0x40), Status.ERROR_INVALID_PARAMETER),
        (wnet.CONNECTDLGSTRUCT(wnet.NETRESOURCE(dwType=2)), Status.ERROR_BAD_DEV_TYPE),
    ],
    ids=["path", "persist", "no name", "no network's name", "no such network", "unknown", "type"],
)
@pytest.mark.usefixtures("typist", "network")
def test_a_connection_dialog_that_contradicts_itself(given: wnet.CONNECTDLGSTRUCT, status: Status) -> None:
    with pytest.raises(WNetError) as failed:
        wnet.WNetConnectionDialog1(given)
    assert (status_of(failed), failed.value.function) == (status, "WNetConnectionDialog1")


@pytest.mark.usefixtures("typist", "network")
def test_dialogs_are_for_disks() -> None:
    for function in (wnet.WNetConnectionDialog, wnet.WNetDisconnectDialog):
        with pytest.raises(WNetError) as failed:
            function(None, wnet.RESOURCETYPE_PRINT)
        assert status_of(failed) is Status.ERROR_BAD_DEV_TYPE


@pytest.mark.usefixtures("typist")
def test_there_is_no_dialog_without_a_network(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with Router(providers=[], drop_ins=False, store=store) as empty:
        monkeypatch.setattr(default, "_default", empty)
        calls: list[Call] = [
            wnet.WNetConnectionDialog,
            lambda: wnet.WNetConnectionDialog1(dialog("file:///x")),
            wnet.WNetDisconnectDialog,
            lambda: wnet.WNetDisconnectDialog1(wnet.DISCDLGSTRUCT("Z:")),
        ]
        for call in calls:
            with pytest.raises(WNetError) as failed:
                call()
            assert status_of(failed) is Status.ERROR_NO_NETWORK


@pytest.mark.usefixtures("typist")
@pytest.mark.parametrize("status", [Status.ERROR_BUSY, Status.ERROR_NO_NETWORK])
def test_there_is_no_dialog_while_the_network_is_starting(
    network: Foreign, monkeypatch: pytest.MonkeyPatch, status: Status
) -> None:
    monkeypatch.setattr(network, "network_information", lambda: NetworkInformation(status=status))
    with pytest.raises(WNetError) as failed:
        wnet.WNetConnectionDialog()
    assert status_of(failed) is status


@pytest.mark.usefixtures("typist", "network")
def test_there_is_no_memory_for_a_dialog(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(Thread, "start", start)
    with pytest.raises(WNetError) as failed:
        wnet.WNetConnectionDialog()
    assert status_of(failed) is Status.ERROR_NOT_ENOUGH_MEMORY


@pytest.mark.usefixtures("network")
def test_without_a_terminal_there_is_a_status_and_no_waiting() -> None:
    calls: list[Call] = [
        wnet.WNetConnectionDialog,
        lambda: wnet.WNetConnectionDialog1(dialog()),
        wnet.WNetDisconnectDialog,
    ]
    for call in calls:
        with pytest.raises(WNetError) as failed:
            call()
        assert status_of(failed) is Status.ERROR_REQUIRES_INTERACTIVE_WINDOWSTATION
        assert failed.value.hint is not None


# -- the disconnection dialog --------------------------------------------------------------------------------------


@pytest.fixture
def two(network: Foreign) -> Foreign:
    """Y: and Z: are connected, Y: is remembered."""
    for letter, flags in (("Y:", wnet.CONNECT_UPDATE_PROFILE), ("Z:", 0)):
        wnet.WNetAddConnection2(wnet.NETRESOURCE(0, 1, 0, 0, letter, f"file:///{letter[0]}"), None, None, flags)
    return network


@pytest.mark.usefixtures("two")
def test_one_connection_is_chosen_and_ended(typist: Typist) -> None:
    typist.types("3", "2")
    assert wnet.WNetDisconnectDialog(None, wnet.RESOURCETYPE_DISK) == 0
    assert connected() == {"Y:": "file:///Y"}
    assert "  2  Z:  file:///Z" in typist.read()


@pytest.mark.usefixtures("two")
@pytest.mark.parametrize(("answer", "left"), [("", []), ("no", ["Y:"])])
def test_what_is_remembered_can_be_forgotten(typist: Typist, answer: str, left: list[str]) -> None:
    typist.types("1", answer)
    assert wnet.WNetDisconnectDialog() == 0
    assert (connected(), remembered()) == ({"Z:": "file:///Z"}, left)


@pytest.mark.usefixtures("two")
def test_what_is_only_remembered_is_a_choice_and_nothing_at_all_is_said(typist: Typist) -> None:
    wnet.WNetCancelConnection("Y:")
    wnet.WNetCancelConnection("Z:")
    typist.types("1")
    assert wnet.WNetDisconnectDialog() == 0
    assert "Y:  file:///Y  (remembered, not connected)" in typist.read()
    assert remembered() == []
    assert wnet.WNetDisconnectDialog() == 0
    assert "Nothing is connected." in typist.read()


@pytest.mark.parametrize("line", ["q", END])
def test_leaving_ends_nothing(typist: Typist, two: Foreign, line: str) -> None:
    two.cancelling = WNetError(Status.ERROR_DEVICE_IN_USE)
    typist.types("2", line)
    assert wnet.WNetDisconnectDialog() == LEFT
    assert connected().keys() == {"Y:", "Z:"}
    assert "ERROR_DEVICE_IN_USE" in typist.read()


def test_c6_the_person_is_told_that_data_is_waited_for(
    typist: Typist, two: Foreign, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cancel(mounted: Mounted, *, force: bool, progress: Progress) -> None:
        del mounted, force
        for files in (0, 2, 1):
            progress(Pending(files, 4096))

    monkeypatch.setattr(two, "cancel_connection", cancel)
    typist.types("2")
    assert wnet.WNetDisconnectDialog() == 0
    assert typist.read().count("What was written to it is still on its way to the server.") == 1


def ending(flags: int, local: str | None = "Z:", remote: str | None = None) -> wnet.DISCDLGSTRUCT:
    return wnet.DISCDLGSTRUCT(local, remote, None, flags)


def test_c6_it_is_forced_at_once_or_after_a_question(typist: Typist, router: Router, resource: str) -> None:
    for flags, typed in ((0, []), (wnet.DISC_NO_FORCE, ["yes"])):
        with router.connect(resource, "Z:") as made, (made.path / "README").open():
            typist.types(*typed)
            assert wnet.WNetDisconnectDialog1(ending(flags)) == 0
            assert connected() == {}
            assert ("Disconnect Z: all the same" in typist.read()) is bool(typed)


def test_c6_the_person_decides_otherwise_or_leaves(typist: Typist, router: Router, resource: str) -> None:
    with router.connect(resource, "Z:") as made, (made.path / "README").open():
        typist.types("no")
        with pytest.raises(WNetError) as failed:
            wnet.WNetDisconnectDialog1(ending(wnet.DISC_NO_FORCE))
        assert status_of(failed) is Status.ERROR_CANCELLED
        typist.types(END)
        assert wnet.WNetDisconnectDialog1(ending(wnet.DISC_NO_FORCE)) == LEFT
        assert connected().keys() == {"Z:"}
        router.disconnect("Z:", force=True)


def test_c6_without_a_terminal_nobody_is_asked(two: Foreign) -> None:
    two.cancelling = WNetError(Status.ERROR_OPEN_FILES)
    with pytest.raises(WNetError, match="leave out DISC_NO_FORCE") as failed:
        wnet.WNetDisconnectDialog1(ending(wnet.DISC_NO_FORCE))
    assert status_of(failed) is Status.ERROR_OPEN_FILES


@pytest.mark.usefixtures("two")
def test_the_profile_is_updated_by_the_local_name_which_comes_first(typist: Typist) -> None:
    assert wnet.WNetDisconnectDialog1(ending(wnet.DISC_UPDATE_PROFILE, "Y:", "file:///Z")) == 0
    assert (connected(), remembered()) == ({"Z:": "file:///Z"}, [])
    wnet.WNetAddConnection2(wnet.NETRESOURCE(dwType=1, lpRemoteName="file:///none"))
    assert wnet.WNetDisconnectDialog1(ending(0, None, "file:///none")) == 0
    assert connected() == {"Z:": "file:///Z"}
    assert typist.read() == ""


@pytest.mark.usefixtures("typist", "two")
@pytest.mark.parametrize(
    "given", [ending(0, None), ending(wnet.DISC_UPDATE_PROFILE, None, "file:///Z"), ending(0x2)], ids=str
)
def test_a_disconnection_dialog_that_contradicts_itself(given: wnet.DISCDLGSTRUCT) -> None:
    with pytest.raises(WNetError) as failed:
        wnet.WNetDisconnectDialog1(given)
    assert status_of(failed) is Status.ERROR_INVALID_PARAMETER


@pytest.mark.parametrize("status", [Status.ERROR_OPEN_FILES, Status.ERROR_BUSY, Status.ERROR_EXTENDED_ERROR])
def test_what_a_provider_says_is_shown_and_returned(typist: Typist, two: Foreign, status: Status) -> None:
    two.cancelling = WNetError(status, provider_text="the server said so")
    with pytest.raises(WNetError) as failed:
        wnet.WNetDisconnectDialog1(ending(0))
    assert status_of(failed) is status
    assert wnet.WNetGetLastError().lpErrorBuf == "the server said so"
    assert status.name in typist.read()


# -- with C's signatures -------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("network")
def test_the_structures_of_c(typist: Typist) -> None:
    assert (sizeof(mpr.CONNECTDLGSTRUCTW), sizeof(mpr.DISCDLGSTRUCTW)) == (32, 40)
    resource = mpr.NETRESOURCEW(dwType=1, lpRemoteName="file:///server/one")
    given = mpr.CONNECTDLGSTRUCTW(0, None, ctypes.pointer(resource), wnet.CONNDLG_RO_PATH)
    call, end = mpr.WN_TABLE["WNetConnectionDialog1W"], mpr.WN_TABLE["WNetDisconnectDialog1A"]
    assert call(byref(given)) == Status.ERROR_INVALID_PARAMETER
    given.cbStructure = sizeof(given)
    typist.types(END)
    assert (call(byref(given)), given.dwDevNum) == (0xFFFFFFFF, 0)
    typist.types("x", "", "no")
    assert (call(byref(given)), given.dwDevNum) == (0, 24)
    assert call(None) == Status.ERROR_INVALID_ADDRESS
    ended = mpr.DISCDLGSTRUCTA(sizeof(mpr.DISCDLGSTRUCTA), None, b"X:", None, 0)
    assert (end(byref(ended)), end(byref(ended))) == (0, Status.ERROR_NOT_CONNECTED)
    typist.types(END)
    assert mpr.WN_TABLE["WNetConnectionDialog"](None, 1) == 0xFFFFFFFF
    assert mpr.WN_TABLE["WNetDisconnectDialog"](None, 1) == 0


def test_ctrl_c_elsewhere_is_a_status_for_c(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(wnet, "WNetConnectionDialog", interrupted)
    assert mpr.WN_TABLE["WNetConnectionDialog"](None, 1) == Status.ERROR_CANCELLED
