"""WNetAddConnection*, WNetUseConnection*, WNetCancelConnection*: what they do, and each documented status."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from foreign import Foreign
from mprouter import Router, Status, WNetError, default, wnet
from mprouter.names import DRIVE_LETTERS
from pseudo_terminal import PseudoTerminal
from recorder import Recorder
from sandbox import Places
from servers.daemon import free_port
from servers.ftp import FtpServer
from servers.sftp import SftpServer
from servers.smb import SmbServer
from servers.webdav import WebdavServer


def disk(remote: str | None, local: str | None = None, **rest: str) -> wnet.NETRESOURCE:
    return wnet.NETRESOURCE(dwType=wnet.RESOURCETYPE_DISK, lpRemoteName=remote, lpLocalName=local, **rest)  # type: ignore[arg-type]


def status_of(function: Callable[..., object], *arguments: object) -> Status:
    with pytest.raises(WNetError) as failed:
        function(*arguments)
    assert failed.value.function == function.__name__
    return failed.value.status


def adding(resource: wnet.NETRESOURCE, *arguments: object) -> Status:
    """What each of the functions that connect says; all say the same."""
    said = {
        status_of(wnet.WNetAddConnection2, resource, *arguments),
        status_of(wnet.WNetAddConnection3, None, resource, *arguments),
        status_of(wnet.WNetUseConnection, None, resource, *arguments),
    }
    assert len(said) == 1
    return said.pop()


def test_a_host_that_nobody_knows_has_the_status_of_windows() -> None:
    assert adding(disk("sftp://no-such-host.invalid/x", "Z:")) is Status.ERROR_BAD_NETPATH


def test_a_provider_goes_by_its_name_on_windows_too(smb_server: SmbServer) -> None:
    named = disk(smb_server.url("no such share"), "Z:", lpProvider="Microsoft Windows Network")
    with pytest.raises(WNetError) as refused:
        wnet.WNetAddConnection2(named, smb_server.password)
    assert (refused.value.provider, refused.value.status) == ("smb", Status.ERROR_BAD_NET_NAME)
    assert wnet.WNetGetNetworkInformation("Microsoft Windows Network").wNetType == 2


# -- what they do --------------------------------------------------------------------------------------------------


def test_a_device_is_connected_and_cancelled(places: Places, resource: str) -> None:
    wnet.WNetAddConnection2(disk(resource, "z:"))
    assert (places.drives / "Z" / "README").read_text() == "hello\n"
    wnet.WNetCancelConnection2("Z:", 0, False)
    assert places.mounts() == []


def test_the_old_functions_remember_and_do_not_forget(router: Router, resource: str) -> None:
    wnet.WNetAddConnection(resource, None, "Z:")
    wnet.WNetCancelConnection("Z:", False)
    assert [each.local_name for each in router.connections(remembered=True)] == ["Z:"]
    wnet.WNetCancelConnection2("Z:", wnet.CONNECT_UPDATE_PROFILE, False)
    assert router.connections(remembered=True) == []


def test_n14_the_window_is_told(recorder: Recorder, resource: str) -> None:
    wnet.WNetAddConnection3(4711, disk(resource, "Z:"))
    assert {getattr(each, "owner", None) for each in recorder.events} == {4711}


@pytest.mark.usefixtures("foreign")
def test_n14_flags_that_ask_for_nothing_here_are_accepted_and_told(recorder: Recorder) -> None:
    router = default.default_router()
    router.register(recorder)
    for flag in (
        wnet.CONNECT_CURRENT_MEDIA,
        wnet.CONNECT_UPDATE_RECENT,
        wnet.CONNECT_NEED_DRIVE,
        wnet.CONNECT_REFCOUNT,
        wnet.CONNECT_LOCALDRIVE,
        wnet.CONNECT_COMMANDLINE,
    ):
        recorder.events.clear()
        wnet.WNetAddConnection2(disk("file:///x", "Z:"), None, None, flag)
        assert [int(each.flags) for each in recorder.events] == [flag, flag]
        wnet.WNetCancelConnection2("Z:")


@pytest.mark.parametrize(
    "flags",
    [wnet.CONNECT_CMD_SAVECRED, wnet.CONNECT_COMMANDLINE | wnet.CONNECT_CRED_RESET],
    ids=["CMD_SAVECRED", "CRED_RESET"],
)
def test_c8_the_password_that_worked_is_kept(ftp_server: FtpServer, places: Places, flags: int) -> None:
    (places.config / "credentials.toml").touch(0o600)
    url = ftp_server.url("/")
    wnet.WNetAddConnection2(disk(url, "Z:"), ftp_server.password, None, wnet.CONNECT_CRED_RESET)
    wnet.WNetCancelConnection2("Z:")
    assert status_of(wnet.WNetAddConnection2, disk(url, "Z:")) is Status.ERROR_LOGON_FAILURE  # it needs COMMANDLINE
    wnet.WNetAddConnection2(disk(url, "Z:"), ftp_server.password, None, flags)
    wnet.WNetCancelConnection2("Z:")
    wnet.WNetAddConnection2(disk(url, "Z:"))


@pytest.mark.parametrize(
    ("prompt", "is_asked"), [("0", False), ("wnet.CONNECT_PROMPT", True)], ids=["stored", "PROMPT"]
)
def test_c8_a_person_is_asked_if_need_be_or_if_the_flag_says_so(
    ftp_server: FtpServer, places: Places, prompt: str, is_asked: bool
) -> None:
    url = ftp_server.url("/")
    stored = places.config / "credentials.toml"
    stored.touch(0o600)
    stored.write_text(f'[[credential]]\nremote = "*"\nuser = "{ftp_server.user}"\npassword = "{ftp_server.password}"\n')
    program = (
        "from mprouter import wnet\n"
        f"wanted = wnet.NETRESOURCE(dwType=1, lpLocalName='Z:', lpRemoteName={url!r})\n"
        f"wnet.WNetAddConnection2(wanted, None, None, wnet.CONNECT_INTERACTIVE | {prompt})\n"
        "print('connected')\n"
    )
    with PseudoTerminal() as real:
        real.start("-c", program, program="python")
        if is_asked:
            real.expect(f"Password of {ftp_server.user} for ")
            real.enter(f"{ftp_server.password}\n")
        assert ("Password" in real.expect("connected")) is False
        assert real.end()[0] == 0


def test_c8_who_wants_to_be_asked_is_no_guest(webdav_server: WebdavServer) -> None:
    host = f"{webdav_server.host}:{webdav_server.port}"
    program = (
        "from mprouter import wnet\n"
        f"wanted = wnet.NETRESOURCE(dwType=1, lpLocalName='Z:', lpRemoteName='dav://{host}/public')\n"
        "wnet.WNetAddConnection2(wanted, None, None, wnet.CONNECT_INTERACTIVE | wnet.CONNECT_PROMPT)\n"
        "print('connected as', wnet.WNetGetUser('Z:'))\n"
    )
    with PseudoTerminal() as real:
        real.start("-c", program, program="python")
        real.expect(f"Password of {getpass.getuser()} for ")
        real.enter("typed\n")
        real.expect("connected as")
        assert real.end()[0] == 0


def test_a_user_a_password_and_options_in_the_buffers_of_the_fourth(sftp_server: SftpServer) -> None:
    root = sftp_server.directory("fourth")
    options = {"known_hosts": str(sftp_server.known_hosts)}
    wnet.WNetAddConnection4(None, disk(sftp_server.url(root), "Z:"), (None, sftp_server.password), 0, options)
    assert wnet.WNetGetUser("Z:") == sftp_server.user
    used = wnet.WNetUseConnection4(None, disk(sftp_server.url(root)), (None, sftp_server.password), 0, options)
    assert used == (sftp_server.url(root), 0)


def test_c2_a_device_is_chosen_from_the_end(resource: str) -> None:
    first = wnet.WNetUseConnection(None, disk(resource), None, None, wnet.CONNECT_REDIRECT)
    second = wnet.WNetUseConnection(None, disk(resource), None, None, wnet.CONNECT_REDIRECT)
    assert (first, second) == (("Z:", wnet.CONNECT_LOCALDRIVE), ("Y:", wnet.CONNECT_LOCALDRIVE))


def test_a_given_device_is_used_and_a_deviceless_connection_has_its_remote_name(resource: str) -> None:
    assert wnet.WNetUseConnection(None, disk(resource, "q:")) == ("Q:", wnet.CONNECT_LOCALDRIVE)
    assert wnet.WNetUseConnection(None, disk(resource)) == (resource, 0)


def test_n3_restoring_tells_nobody(places: Places, recorder: Recorder, resource: str) -> None:
    wnet.WNetAddConnection(resource, None, "Z:")
    wnet.WNetCancelConnection2("Z:", 0, False)
    told = len(recorder.told)
    wnet.WNetRestoreConnection(None, None)
    assert len(recorder.told) == told
    assert places.mounts() == [str(places.drives / "Z")]
    assert status_of(wnet.WNetRestoreConnection, None, "Y:") is Status.ERROR_NOT_CONNECTED


# -- what is wrong with the request (N4) -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "flags", "status"),
    [
        ({"lpLocalName": "A:"}, 0, Status.ERROR_BAD_DEVICE),
        ({"lpLocalName": "nonsense"}, 0, Status.ERROR_BAD_DEVICE),
        ({"lpLocalName": "Z:", "dwType": wnet.RESOURCETYPE_PRINT}, 0, Status.ERROR_BAD_DEV_TYPE),
        ({"dwType": 7}, 0, Status.ERROR_INVALID_PARAMETER),
        ({"dwType": wnet.RESOURCETYPE_UNKNOWN}, 0, Status.ERROR_INVALID_PARAMETER),
        ({}, 0x01000000, Status.ERROR_INVALID_PARAMETER),
        ({}, wnet.CONNECT_UPDATE_PROFILE | wnet.CONNECT_TEMPORARY, Status.ERROR_INVALID_PARAMETER),
        ({}, wnet.CONNECT_DEFERRED, Status.ERROR_NOT_SUPPORTED),
        ({}, wnet.CONNECT_GLOBAL_MAPPING, Status.ERROR_NOT_SUPPORTED),
        ({}, wnet.CONNECT_WRITE_THROUGH_SEMANTICS, Status.ERROR_NOT_SUPPORTED),
        ({"lpRemoteName": r"\\files\projects"}, wnet.CONNECT_REQUIRE_PRIVACY, Status.ERROR_NOT_SUPPORTED),
        ({"lpRemoteName": r"\\files\projects"}, wnet.CONNECT_REQUIRE_INTEGRITY, Status.ERROR_NOT_SUPPORTED),
        ({"lpRemoteName": ""}, 0, Status.ERROR_BAD_NET_NAME),
        ({"lpRemoteName": None}, 0, Status.ERROR_BAD_NET_NAME),
        ({"lpRemoteName": r"\\files"}, 0, Status.ERROR_BAD_NET_NAME),
        ({"lpRemoteName": "gopher://files"}, 0, Status.ERROR_NO_NET_OR_BAD_PATH),
        ({"lpProvider": "no such"}, 0, Status.ERROR_BAD_PROVIDER),
    ],
    ids=str,
)
def test_n4_a_wrong_request_is_refused_and_tells_nobody(
    recorder: Recorder, resource: str, wrong: dict[str, object], flags: int, status: Status
) -> None:
    request = disk(resource)
    for name, value in wrong.items():
        setattr(request, name, value)
    assert adding(request, None, None, flags) is status
    assert recorder.told == []


def test_to_choose_a_device_is_for_wnetuseconnection(resource: str) -> None:
    redirected = disk(resource), None, None, wnet.CONNECT_REDIRECT
    assert status_of(wnet.WNetAddConnection2, *redirected) is Status.ERROR_INVALID_ADDRESS
    assert status_of(wnet.WNetAddConnection3, None, *redirected) is Status.ERROR_INVALID_ADDRESS
    any_type = wnet.NETRESOURCE(lpRemoteName=resource), None, None, wnet.CONNECT_REDIRECT
    assert status_of(wnet.WNetUseConnection, None, *any_type) is Status.ERROR_INVALID_PARAMETER


def test_no_device_is_free(places: Places, resource: str) -> None:
    for letter in DRIVE_LETTERS:
        (places.drives / letter[0] / "in use").mkdir(parents=True)
    redirected = disk(resource), None, None, wnet.CONNECT_REDIRECT
    assert status_of(wnet.WNetUseConnection, None, *redirected) is Status.ERROR_NO_MORE_ITEMS


def test_c4_a_device_that_is_connected_or_remembered_for_another_resource(places: Places, resource: str) -> None:
    wnet.WNetAddConnection2(disk(resource, "Z:"), None, None, wnet.CONNECT_UPDATE_PROFILE)
    assert adding(disk(resource, "Z:")) is Status.ERROR_ALREADY_ASSIGNED
    wnet.WNetCancelConnection2("Z:", 0, False)
    other = places.home.as_uri()
    assert adding(disk(other, "Z:"), None, None, wnet.CONNECT_UPDATE_PROFILE) is Status.ERROR_DEVICE_ALREADY_REMEMBERED


# -- what the network says (C8) ----------------------------------------------------------------------------------------


def test_c8_the_network_says_why_not(smb_server: SmbServer) -> None:
    assert adding(disk(smb_server.url("missing")), smb_server.password) is Status.ERROR_BAD_NET_NAME
    assert adding(disk(smb_server.url("payroll")), smb_server.password) is Status.ERROR_ACCESS_DENIED
    assert adding(disk(smb_server.url()), "wrong") is Status.ERROR_LOGON_FAILURE
    assert adding(disk(f"sftp://127.0.0.1:{free_port()}/")) is Status.ERROR_CONNECTION_REFUSED


@pytest.mark.parametrize(
    "status",
    [
        Status.ERROR_ACCESS_DENIED,
        Status.ERROR_BAD_NET_NAME,
        Status.ERROR_BAD_USERNAME,
        Status.ERROR_BUSY,
        Status.ERROR_CANCELLED,
        Status.ERROR_EXTENDED_ERROR,
        Status.ERROR_INVALID_PASSWORD,
        Status.ERROR_LOGON_FAILURE,
        Status.ERROR_NO_NETWORK,
        Status.ERROR_SESSION_CREDENTIAL_CONFLICT,
    ],
)
def test_what_a_provider_says_is_said(foreign: Foreign, status: Status) -> None:
    foreign.refusing = WNetError(status, "the provider's reason")
    assert adding(disk("file:///anywhere", "Z:")) is status


def test_what_went_wrong_is_told_for_each_thread(foreign: Foreign) -> None:
    foreign.refusing = WNetError(Status.ERROR_EXTENDED_ERROR, provider_code=4711, provider_text="no coal")
    assert adding(disk("file:///anywhere")) is Status.ERROR_EXTENDED_ERROR
    assert wnet.WNetGetLastError() == (4711, "no coal", "foreign")
    with ThreadPoolExecutor() as another:
        assert another.submit(wnet.WNetGetLastError).result() == (0, "", "")
    wnet.WNetSetLastError(1, "something else", None)
    assert wnet.WNetGetLastError() == (1, "something else", "")


def test_r3_without_any_provider_there_is_no_network(monkeypatch: pytest.MonkeyPatch, resource: str) -> None:
    with Router(providers=[], drop_ins=False) as router:
        monkeypatch.setattr(default, "_default", router)
        assert adding(disk(resource)) is Status.ERROR_NO_NETWORK


def test_n9_a_notifyee_cancels(recorder: Recorder, resource: str) -> None:
    recorder.answers["add", "pre"] = Status.WN_CANCEL
    assert adding(disk(resource)) is Status.ERROR_CANCELLED


def test_the_profile_cannot_be_opened_or_is_damaged(places: Places, resource: str) -> None:
    (places.state / "mprouter.db").unlink(missing_ok=True)
    (places.state / "mprouter.db").write_text("no database" * 1000)
    assert adding(disk(resource, "Z:")) is Status.ERROR_BAD_PROFILE
    (places.state / "mprouter.db").unlink()
    (places.state / "mprouter.db").mkdir()
    assert adding(disk(resource, "Z:")) is Status.ERROR_CANNOT_OPEN_PROFILE
    assert status_of(wnet.WNetCancelConnection2, "Z:") is Status.ERROR_CANNOT_OPEN_PROFILE


# -- ending them -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "flags", "status"),
    [
        ("Z:", 0, Status.ERROR_NOT_CONNECTED),
        ("Z:", wnet.CONNECT_UPDATE_PROFILE, Status.ERROR_NOT_CONNECTED),
        ("file:///anywhere", 0, Status.ERROR_NOT_CONNECTED),
        ("Z:", wnet.CONNECT_TEMPORARY, Status.ERROR_INVALID_PARAMETER),
        ("A:", 0, Status.ERROR_BAD_DEVICE),
    ],
)
def test_n4_what_cannot_be_cancelled(recorder: Recorder, name: str, flags: int, status: Status) -> None:
    assert status_of(wnet.WNetCancelConnection2, name, flags, False) is status
    assert recorder.told == []


def test_c5_by_the_remote_name_all_deviceless_ones_go_and_the_others_stay(places: Places, resource: str) -> None:
    wnet.WNetAddConnection2(disk(resource, "Z:"), None, None, wnet.CONNECT_UPDATE_PROFILE)
    wnet.WNetAddConnection2(disk(resource))
    wnet.WNetAddConnection2(disk(resource))
    wnet.WNetCancelConnection2(resource, wnet.CONNECT_UPDATE_PROFILE, False)
    assert places.mounts() == [str(places.drives / "Z")]
    assert status_of(wnet.WNetCancelConnection2, resource, 0, False) is Status.ERROR_NOT_CONNECTED
    assert wnet.WNetOpenEnum(wnet.RESOURCE_REMEMBERED).take(-1) != []


def test_c5_what_is_only_remembered_is_forgotten_with_update_profile_alone(resource: str) -> None:
    wnet.WNetAddConnection(resource, None, "Z:")
    wnet.WNetCancelConnection("Z:")
    assert status_of(wnet.WNetCancelConnection2, "Z:", 0, False) is Status.ERROR_NOT_CONNECTED
    wnet.WNetCancelConnection2("Z:", wnet.CONNECT_UPDATE_PROFILE, False)
    assert wnet.WNetOpenEnum(wnet.RESOURCE_REMEMBERED).take(-1) == []


def test_c6_open_files_keep_it_unless_it_is_forced(places: Places, resource: str) -> None:
    wnet.WNetAddConnection2(disk(resource, "Z:"))
    with (places.drives / "Z" / "README").open():
        assert status_of(wnet.WNetCancelConnection, "Z:", False) is Status.ERROR_OPEN_FILES
        assert status_of(wnet.WNetCancelConnection2, "Z:", 0, False) is Status.ERROR_OPEN_FILES
        wnet.WNetCancelConnection2("Z:", 0, True)
    assert places.mounts() == []


@pytest.mark.parametrize(
    "status",
    [Status.ERROR_DEVICE_IN_USE, Status.ERROR_EXTENDED_ERROR, Status.ERROR_BUSY, Status.ERROR_WRITE_FAULT],
)
def test_what_a_provider_says_of_a_cancel_is_said(foreign: Foreign, status: Status) -> None:
    wnet.WNetAddConnection2(disk("file:///anywhere", "Z:"))
    foreign.cancelling = WNetError(status)
    assert status_of(wnet.WNetCancelConnection2, "Z:", 0, False) is status
    assert wnet.WNetGetConnection("Z:") == "file:///anywhere"
    foreign.cancelling = None
    wnet.WNetCancelConnection2("Z:", 0, False)
