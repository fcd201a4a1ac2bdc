"""Browsing: what servers have, told by the networks themselves, against real servers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from foreign import Foreign
from mprouter import Router, browsing, settings
from mprouter.credentials import Secret
from mprouter.names import parse_remote
from mprouter.providers.base import (
    Ascending,
    Capability,
    Describing,
    Enumerating,
    Informing,
    Measuring,
    Mounted,
    PerformanceFlag,
)
from mprouter.providers.order import builtin_providers
from mprouter.providers.rclone.browsing import look
from mprouter.providers.rclone.browsing.remarks import remarks
from mprouter.providers.rclone.ftp import Ftp
from mprouter.providers.rclone.local import Local
from mprouter.providers.rclone.provider import RcloneProvider
from mprouter.providers.rclone.remote import Remote
from mprouter.providers.rclone.s3 import S3
from mprouter.providers.rclone.sftp import Sftp
from mprouter.providers.rclone.smb import Smb
from mprouter.providers.rclone.webdav import WebDav
from mprouter.resource import DisplayType, NetResource, ResourceScope, ResourceType, ResourceUsage
from mprouter.status import Status, WNetError
from sandbox import Places
from servers import smb
from servers.daemon import Fresh, wait_for
from servers.ftp import FtpServer
from servers.relay import relay
from servers.s3 import S3Server
from servers.sftp import SftpServer
from servers.smb import SmbServer
from servers.webdav import WebdavServer
from shares import Connect, Share

BOTH = ResourceUsage.CONNECTABLE | ResourceUsage.CONTAINER

Store = Callable[[str, str, str], None]


@pytest.fixture
def store_password(places: Places) -> Store:
    """``store_password(glob, user, password)`` puts one into the credentials file."""

    def keep(remote: str, user: str, password: str) -> None:
        file = places.config / "credentials.toml"
        values = {"remote": remote, "user": user, "password": password}
        with file.open("a") as stream:
            stream.write("[[credential]]\n" + "".join(f"{key} = {json.dumps(each)}\n" for key, each in values.items()))
        file.chmod(0o600)

    return keep


def found(
    provider: RcloneProvider,
    container: str | None,
    *,
    kind: ResourceType = ResourceType.ANY,
    usage: ResourceUsage = ResourceUsage(0),
) -> list[NetResource]:
    inside = None if container is None else NetResource(container, provider=provider.name)
    return list(provider.enumerate(ResourceScope.GLOBALNET, kind, usage, inside))


def names(provider: RcloneProvider, container: str | None) -> set[str | None]:
    return {each.remote_name for each in found(provider, container)}


def refused(provider: RcloneProvider, container: str) -> WNetError:
    with pytest.raises(WNetError) as caught:
        found(provider, container)
    return caught.value


# -- SMB -----------------------------------------------------------------------------------------------------------


def test_300_shares_with_unicode_names_and_comments_but_not_the_hidden_ones(
    big_smb: SmbServer, store_password: Store
) -> None:
    server = f"smb://{big_smb.host}:{big_smb.port}"
    store_password(f"{server}/*", big_smb.user, big_smb.password)
    shares = {str(each.remote_name).removeprefix(f"{server}/"): each for each in found(Smb(), server)}
    assert shares.keys() == {*smb.ROOMS, "projects", "public", "payroll", "Übersicht der Pläne", "laser"}
    assert shares["Raum 017 Gemälde ☃"] == NetResource(
        f"{server}/Raum 017 Gemälde ☃",
        provider="smb",
        comment="Nummer 17 — prüfen",
        scope=ResourceScope.GLOBALNET,
        display_type=DisplayType.SHARE,
        usage=BOTH,
    )
    assert (shares["laser"].type, shares["laser"].usage) == (ResourceType.PRINT, ResourceUsage(0))
    assert [each.comment for each in found(Smb(), server, kind=ResourceType.PRINT)] == ["Der Drucker"]


def test_two_threads_enumerate_at_once_and_both_see_everything(big_smb: SmbServer, store_password: Store) -> None:
    server = f"smb://{big_smb.user}@{big_smb.host}:{big_smb.port}"
    store_password(f"smb://{big_smb.host}:{big_smb.port}/*", big_smb.user, big_smb.password)
    with ThreadPoolExecutor() as threads:
        one, other = threads.map(lambda _: names(Smb(), server), range(2))
    assert one == other
    assert len(one) == 305


def test_a_server_is_looked_at_again_when_the_session_of_the_first_look_has_ended(
    big_smb: SmbServer, store_password: Store
) -> None:
    server = f"smb://{big_smb.host}:{big_smb.port}"
    store_password(f"{server}/*", big_smb.user, big_smb.password)
    first = names(Smb(), server)
    wait_for(lambda: not connections_to(big_smb.port), "the end of the idle session")
    assert names(Smb(), server) == first


def connections_to(port: int) -> list[str]:
    """Those that are established on this machine, as the kernel lists them."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return [each for each in lines if each.split()[2].endswith(f":{port:04X}") and each.split()[3] == "01"]


def test_a_server_that_tells_nobody_in_particular_is_browsed_without_a_password(
    big_smb: SmbServer, places: Places
) -> None:
    del places  # nothing is stored there
    assert f"smb://{big_smb.host}:{big_smb.port}/projects" in names(Smb(), f"smb://{big_smb.host}:{big_smb.port}")


def test_without_the_program_smbclient_shares_have_no_comments(
    big_smb: SmbServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = big_smb.host, big_smb.port, big_smb.user, Secret(big_smb.password), 60.0
    assert remarks(*asked)["laser"] == (ResourceType.PRINT, "Der Drucker")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert remarks(*asked) == {}


def test_a_unc_name_is_told_as_unc_names(fresh: Fresh, store_password: Store) -> None:
    server = fresh(smb.serve, host="127.0.0.43", port=445)
    store_password(r"\\127.0.0.43\*", server.user, server.password)
    assert r"\\127.0.0.43\Übersicht der Pläne" in names(Smb(), r"\\127.0.0.43")
    assert names(Smb(), "//127.0.0.43/") == names(Smb(), r"\\127.0.0.43")
    directory = server.directory("Ordner")
    assert names(Smb(), r"\\127.0.0.43\projects") == {rf"\\127.0.0.43\projects\{directory.name}"}


@pytest.mark.parametrize(
    ("share", "status"), [("nowhere", Status.ERROR_BAD_NET_NAME), ("payroll", Status.ERROR_ACCESS_DENIED)]
)
def test_a_share_that_cannot_be_looked_into_is_told_as_when_connecting(
    smb_server: SmbServer, store_password: Store, share: str, status: Status
) -> None:
    store_password(f"smb://{smb_server.host}:{smb_server.port}/*", smb_server.user, smb_server.password)
    assert refused(Smb(), smb_server.url(share)).status is status


def test_r3_a_unc_server_that_is_none_is_not_mine(places: Places) -> None:
    del places
    for provider in (Smb(), WebDav()):
        assert refused(provider, r"\\127.0.0.44").status is Status.ERROR_BAD_NETPATH


# -- directories ---------------------------------------------------------------------------------------------------


def test_what_is_connected_can_be_browsed_with_its_password(share: Share, connect: Connect) -> None:
    if not isinstance(share.provider, S3):  # which has no directories without objects in them
        (share.root / "deep # ☃").mkdir()
        (share.root / ".hidden").mkdir()
    share.put("a file", "text")
    connect(share)
    directories = found(share.provider, share.url)
    if not isinstance(share.provider, S3):
        (directory,) = directories
        name = parse_remote(str(directory.remote_name))
        assert name.path == f"{parse_remote(share.url).path}/deep # ☃"
        assert (directory.display_type, directory.usage) == (DisplayType.DIRECTORY, BOTH)
        assert found(share.provider, directory.remote_name) == []
    assert refused(share.provider, f"{share.url}/a file").status is Status.ERROR_NOT_CONTAINER


def test_stored_passwords_open_servers(
    webdav_server: WebdavServer, ftp_server: FtpServer, store_password: Store
) -> None:
    for provider, scheme, server in ((WebDav(), "dav", webdav_server), (Ftp(), "ftp", ftp_server)):
        url = f"{scheme}://{server.host}:{server.port}"
        store_password(f"{url}/*", server.user, server.password)
        directory = server.directory(f"for {scheme}")
        assert f"{url}/{directory.name}" in names(provider, url)


def test_the_options_of_a_connection_hold_for_the_rest_of_its_server(
    sftp_share: Share, sftp_server: SftpServer, connect: Connect, store_password: Store
) -> None:
    elsewhere = sftp_server.directory("besides")
    store_password(f"sftp://{sftp_server.host}:{sftp_server.port}/*", sftp_server.user, sftp_server.password)
    assert refused(Sftp(), sftp_server.url()).status is Status.ERROR_MUTUAL_AUTH_FAILED
    connect(sftp_share)  # with another file of known hosts
    assert sftp_server.url(elsewhere) in names(Sftp(), sftp_server.url())


def test_s3_has_the_buckets_of_those_whose_key_is_stored(
    s3_share: Share, s3_server: S3Server, connect: Connect, store_password: Store
) -> None:
    assert found(S3(), None) == []
    store_password("s3://*", s3_server.access_key, s3_server.secret_key)
    connect(s3_share)  # which tells the server
    assert {"s3://projects", s3_share.url} <= names(S3(), None)
    (s3_server.root / "projects" / "letters").mkdir(exist_ok=True)
    (s3_server.root / "projects" / "letters" / "one").touch()
    assert "s3://projects/letters" in names(S3(), "s3://projects")


def test_the_remotes_of_the_user_s_own_rclone_are_containers(places: Places, s3_server: S3Server) -> None:
    assert found(Remote(), None) == []
    file = places.home / ".config" / "rclone" / "rclone.conf"
    file.parent.mkdir(parents=True)
    key = f"access_key_id = {s3_server.access_key}\nsecret_access_key = {s3_server.secret_key}\n"
    file.write_text(f"[my store]\ntype = s3\nprovider = Other\nendpoint = {s3_server.endpoint}\n{key}")
    (remote,) = found(Remote(), None)
    assert (remote.remote_name, remote.usage) == ("rclone:my store:", BOTH)
    assert "rclone:my store:projects" in names(Remote(), remote.remote_name)


def test_a_directory_of_this_machine_is_a_container(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "file").touch()
    assert names(Local(), tmp_path.as_uri()) == {f"{tmp_path.as_uri()}/inner"}
    assert "file:///etc" in names(Local(), None)


# -- servers that do not answer ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("provider", "scheme"),
    [(Smb(), "smb"), (WebDav(), "dav"), (Ftp(), "ftp"), (Sftp(), "sftp")],
    ids=["smb", "webdav", "ftp", "sftp"],
)
def test_a_server_that_does_not_answer_is_given_up_soon(
    provider: RcloneProvider,
    scheme: str,
    smb_server: SmbServer,
    places: Places,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    del places  # nothing is stored there
    monkeypatch.setattr(look, "SILENCE", 0.5)
    with relay(smb_server.host, smb_server.port) as cut:
        cut.hang()
        assert refused(provider, f"{scheme}://{smb_server.host}:{cut.port}").status is Status.ERROR_TIMEOUT


def test_a_server_that_answers_too_slowly_is_given_up_before_the_router_is_out_of_patience(
    smb_server: SmbServer, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    del places  # nothing is stored there
    assert look.SILENCE < look.PATIENCE < browsing.PATIENCE
    monkeypatch.setattr(look.Patience, "left", lambda _, most=0.5: most)  # when the connection stands the time is over
    with relay(smb_server.host, smb_server.port) as cut:
        cut.hang()
        slow = refused(Smb(), f"smb://{smb_server.host}:{cut.port}")
    assert (slow.status, "has not told within 9 seconds" in str(slow)) == (Status.ERROR_TIMEOUT, True)


def test_comments_are_not_waited_for_when_the_time_is_over(big_smb: SmbServer) -> None:
    address = big_smb.host, big_smb.port
    assert remarks(*address, None, None, seconds=60)
    assert remarks(*address, None, None, seconds=0) == {}


# -- names ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("provider", "name", "parent"),
    [
        (Smb(), r"\\nas\photos\2020\may", r"\\nas\photos\2020"),
        (Smb(), r"\\nas\photos", r"\\nas"),
        (Smb(), r"\\nas", None),
        (Smb(), "smb://CORP;ana@nas:4455/photos", "smb://CORP;ana@nas:4455"),
        (WebDav(), "davs://cloud.example/dav/ana", "davs://cloud.example/dav"),
        (WebDav(), "davs://cloud.example/dav", "davs://cloud.example"),
        (Sftp(), "sftp://ana@host/srv", "sftp://ana@host/"),
        (Sftp(), "sftp://host/~/a%23b/c", "sftp://host/~/a%23b"),
        (Sftp(), "sftp://host/~/letters", "sftp://host"),
        (Sftp(), "sftp://host", None),
        (Ftp(), "ftp://host/pub/linux", "ftp://host/pub"),
        (S3(), "s3://bucket/prefix", "s3://bucket"),
        (S3(), "s3://bucket", None),
        (Remote(), "rclone:drive:a/b", "rclone:drive:a"),
        (Remote(), "rclone:drive:", None),
        (Local(), "file:///srv/data", "file:///srv"),
    ],
)
def test_what_contains_a_resource_is_told_by_its_name(provider: RcloneProvider, name: str, parent: str | None) -> None:
    above = provider.resource_parent(NetResource(name))
    assert (None if above is None else above.remote_name) == parent
    assert above is None or (above.provider, bool(above.usage & ResourceUsage.CONTAINER)) == (provider.name, True)


@pytest.mark.parametrize("provider", builtin_providers(), ids=lambda each: each.name)
def test_r2_names_of_others_are_not_mine(provider: RcloneProvider) -> None:
    for name in ("gopher://host/", "nonsense", "file:///srv" if provider.name == "smb" else "smb://host/share"):
        for ask in (
            lambda given: found(provider, given.remote_name),
            provider.resource_information,
            provider.resource_parent,
        ):
            with pytest.raises(WNetError) as caught:
                ask(NetResource(name))
            assert caught.value.status is Status.ERROR_BAD_NET_NAME


@pytest.mark.parametrize("provider", builtin_providers(), ids=lambda each: each.name)
def test_r4_capabilities_say_what_is_there(provider: RcloneProvider) -> None:
    assert isinstance(provider, Enumerating)
    assert isinstance(provider, Informing)
    assert isinstance(provider, Ascending)
    assert isinstance(provider, Describing)
    assert isinstance(provider, Measuring)
    asked = Capability.ENUMERATE_GLOBAL | Capability.RESOURCE_INFORMATION | Capability.RESOURCE_PARENT
    assert provider.capabilities & asked == asked
    with pytest.raises(WNetError) as caught:
        next(provider.enumerate(ResourceScope.CONNECTED, ResourceType.ANY, ResourceUsage(0), None))
    assert caught.value.status is Status.ERROR_NOT_SUPPORTED


def test_what_a_name_stands_for(smb_server: SmbServer, store_password: Store) -> None:
    server = f"smb://{smb_server.host}:{smb_server.port}"
    store_password(f"{server}/*", smb_server.user, smb_server.password)
    told = Smb().resource_information(NetResource(f"{server}/projects/2020/May.txt"))
    assert (told.resource.remote_name, told.system) == (f"{server}/projects", "/2020/May.txt")
    assert (told.resource.display_type, told.resource.type) == (DisplayType.SHARE, ResourceType.DISK)
    told = Smb().resource_information(NetResource(server))
    assert (told.resource.display_type, told.resource.usage) == (DisplayType.SERVER, ResourceUsage.CONTAINER)
    for name, type_, status in (
        (f"{server}/nowhere", ResourceType.ANY, Status.ERROR_BAD_NET_NAME),
        (f"{server}/projects", ResourceType.PRINT, Status.ERROR_BAD_DEV_TYPE),
    ):
        with pytest.raises(WNetError) as caught:
            Smb().resource_information(NetResource(name, type=type_))
        assert caught.value.status is status


def test_a_file_s_name_stands_for_a_path_in_its_directory(local_root: Path) -> None:
    (local_root / "README").touch()
    told = Local().resource_information(NetResource(f"{local_root.as_uri()}/README"))
    assert told.system == "/README"
    assert parse_remote(str(told.resource.remote_name)).path == str(local_root)
    with pytest.raises(WNetError) as caught:
        Local().resource_information(NetResource(f"{local_root.as_uri()}/nowhere"))
    assert caught.value.status is Status.ERROR_BAD_NET_NAME


def test_networks_say_of_which_type_they_are() -> None:
    types = {
        each.name: each.network_information().net_type for each in builtin_providers() if isinstance(each, Describing)
    }
    assert types == {"smb": 0x20000, "webdav": 0x2E0000, "sftp": 0, "ftp": 0, "s3": 0, "file": 0, "rclone": 0}


# -- performance ---------------------------------------------------------------------------------------------------


def test_the_performance_of_a_connection_is_what_the_kernel_measured(smb_share: Share, connect: Connect) -> None:
    mounted = connect(smb_share)
    told = smb_share.provider.performance_of(mounted)
    assert told.flags is PerformanceFlag.DYNAMIC
    assert 1 <= told.delay < 1000  # of loopback, in milliseconds


def test_the_performance_of_what_is_not_connected_is_not_told(tmp_path: Path) -> None:
    with pytest.raises(WNetError) as caught:
        Smb().performance_of(Mounted(parse_remote(r"\\nas\photos"), tmp_path, {}))
    assert caught.value.status is Status.ERROR_NOT_CONNECTED


@pytest.mark.parametrize(
    ("able", "status"),
    [
        (Capability.ENUMERATE_GLOBAL, Status.ERROR_BAD_NETPATH),
        (Capability.ADD_CONNECTION, Status.ERROR_BAD_NET_NAME),
    ],
    ids=["that can only be browsed", "that can only be connected"],
)
def test_r3_the_answer_of_a_provider_that_has_such_names_is_told(
    able: Capability, status: Status, places: Places
) -> None:
    class Catalog(Foreign):
        def enumerate(self, *_: Any) -> Iterator[NetResource]:
            raise WNetError(Status.ERROR_BAD_NETPATH)

    del places  # they are in the environment
    settings.change_disabled_providers(lambda _: ["file"])
    with Router() as router:
        router.add_provider(Catalog(capabilities=able))
        with pytest.raises(WNetError) as refused:
            list(router.enumerate(ResourceScope.GLOBALNET, container=NetResource("file:///catalog")))
    assert refused.value.status is status
