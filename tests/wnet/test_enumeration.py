"""WNetOpenEnum, WNetEnumResource, WNetCloseEnum: each scope, pages of any size, threads, providers that misbehave."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from foreign import Foreign, shares
from mprouter import Router, Status, WNetError, browsing, default, wnet
from mprouter.resource import NetResource, ResourceScope


def status_of(function: Callable[..., object], *arguments: object) -> Status:
    with pytest.raises(WNetError) as failed:
        function(*arguments)
    return failed.value.status


def names(*arguments: int | wnet.NETRESOURCE | None) -> list[str | None]:
    with wnet.WNetOpenEnum(*arguments) as found:  # type: ignore[arg-type]
        return [each.lpLocalName or each.lpRemoteName for each in found]


SERVER = wnet.NETRESOURCE(dwUsage=wnet.RESOURCEUSAGE_CONTAINER, lpRemoteName="file:///server")


def test_what_is_connected_remembered_and_was_connected_lately(foreign: Foreign) -> None:
    for local in ("Z:", "Y:"):
        wnet.WNetAddConnection(f"file:///{local[0]}", None, local)
    wnet.WNetCancelConnection("Y:")
    wnet.WNetAddConnection2(wnet.NETRESOURCE(lpRemoteName="file:///deviceless"))
    foreign.refusing = WNetError(5)
    assert status_of(wnet.WNetAddConnection, "file:///refused") is Status.ERROR_ACCESS_DENIED
    assert names(wnet.RESOURCE_CONNECTED) == ["Z:", "file:///deviceless"]
    assert sorted(map(str, names(wnet.RESOURCE_REMEMBERED))) == ["Y:", "Z:"]
    assert names(wnet.RESOURCE_RECENT) == ["file:///deviceless", "file:///Y", "file:///Z"]
    (first, _) = wnet.WNetOpenEnum(wnet.RESOURCE_CONNECTED)
    assert (first.dwScope, first.dwType, first.lpProvider) == (1, wnet.RESOURCETYPE_DISK, "foreign")


def test_the_networks_and_what_is_in_them(foreign: Foreign) -> None:
    foreign.content = {None: shares("file:///server"), "file:///server": shares("file:///server/a", "file:///server/b")}
    (network,) = wnet.WNetOpenEnum(wnet.RESOURCE_GLOBALNET)
    assert (network.lpRemoteName, network.dwDisplayType) == ("foreign", wnet.RESOURCEDISPLAYTYPE_NETWORK)
    (server,) = wnet.WNetOpenEnum(wnet.RESOURCE_GLOBALNET, 0, 0, network)
    assert server.lpRemoteName == "file:///server"
    assert names(wnet.RESOURCE_GLOBALNET, 0, 0, SERVER) == ["file:///server/a", "file:///server/b"]
    assert names(wnet.RESOURCE_CONTEXT) == ["file:///server"]


@pytest.mark.usefixtures("foreign")
@pytest.mark.parametrize("scope", [wnet.RESOURCE_CONNECTED, wnet.RESOURCE_REMEMBERED, wnet.RESOURCE_CONTEXT])
def test_the_usage_is_ignored_but_for_the_whole_network(scope: int) -> None:
    assert names(scope, 0, 0x80000004) == []
    assert status_of(wnet.WNetOpenEnum, wnet.RESOURCE_GLOBALNET, 0, 0x80000004) is Status.ERROR_INVALID_PARAMETER


def test_only_those_of_a_type_and_a_usage(foreign: Foreign) -> None:
    foreign.content["file:///server"] = shares("file:///server/a")
    assert names(wnet.RESOURCE_GLOBALNET, wnet.RESOURCETYPE_PRINT, 0, SERVER) == []
    assert names(wnet.RESOURCE_GLOBALNET, 0, wnet.RESOURCEUSAGE_CONTAINER, SERVER) == []
    both = wnet.RESOURCETYPE_DISK | wnet.RESOURCETYPE_PRINT
    assert len(names(wnet.RESOURCE_GLOBALNET, both, wnet.RESOURCEUSAGE_ALL, SERVER)) == 1


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ((0, 0, 0, None), Status.ERROR_INVALID_PARAMETER),
        ((6, 0, 0, None), Status.ERROR_INVALID_PARAMETER),
        ((2, 8, 0, None), Status.ERROR_INVALID_PARAMETER),
        ((2, 0, 0x80, None), Status.ERROR_INVALID_PARAMETER),
        ((1, 0, 0, SERVER), Status.ERROR_INVALID_PARAMETER),
        ((2, 0, 0, wnet.NETRESOURCE(lpRemoteName="file:///server/a")), Status.ERROR_NOT_CONTAINER),
    ],
)
@pytest.mark.usefixtures("foreign")
def test_what_cannot_be_enumerated(arguments: tuple[object, ...], status: Status) -> None:
    assert status_of(wnet.WNetOpenEnum, *arguments) is status


class Refusing(Foreign):
    """It raises *refusing* also where it is asked what it has."""

    def enumerate(self, scope: ResourceScope, *rest: object) -> Iterator[NetResource]:
        del scope, rest
        assert self.refusing is not None
        raise self.refusing


def test_a_container_that_no_network_has(foreign: Foreign) -> None:
    foreign.content["file:///empty"] = []
    container = wnet.NETRESOURCE(dwUsage=wnet.RESOURCEUSAGE_CONTAINER, lpRemoteName="file:///missing")
    assert status_of(names, wnet.RESOURCE_GLOBALNET, 0, 0, container) is Status.ERROR_BAD_NET_NAME
    container.lpRemoteName = "file:///empty"
    assert names(wnet.RESOURCE_GLOBALNET, 0, 0, container) == []
    container.lpProvider = "no such"
    assert status_of(names, wnet.RESOURCE_GLOBALNET, 0, 0, container) is Status.ERROR_BAD_PROVIDER


def test_r3_what_the_network_that_is_asked_for_says_is_told_also_where_it_is_not_significant(
    foreign: Foreign, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusal = WNetError(Status.ERROR_BAD_NETPATH, "no server tells what there is")
    refusing = Refusing(name="refusing", refusing=refusal)
    with Router(providers=[foreign, refusing], drop_ins=False) as router:
        monkeypatch.setattr(default, "_default", router)
        network = wnet.NETRESOURCE(dwUsage=wnet.RESOURCEUSAGE_CONTAINER, lpProvider="refusing")
        with pytest.raises(WNetError, match="no server tells what there is"):
            names(wnet.RESOURCE_GLOBALNET, 0, 0, network)


@pytest.mark.parametrize("page", [1, 2, 7, 300, 1000, -1])
def test_pages_of_any_size(foreign: Foreign, page: int) -> None:
    wanted = [f"file:///server/{number}" for number in range(300)]
    foreign.content["file:///server"] = shares(*wanted)
    found: list[str | None] = []
    handle = wnet.WNetOpenEnum(wnet.RESOURCE_GLOBALNET, 0, 0, SERVER)
    while some := wnet.WNetEnumResource(handle, page):
        assert page < 0 or len(some) <= page
        found += [each.lpRemoteName for each in some]
    assert found == wanted
    wnet.WNetCloseEnum(handle)
    assert status_of(wnet.WNetEnumResource, handle, 1) is Status.ERROR_INVALID_HANDLE


def test_two_threads_that_share_an_enumeration_and_two_that_do_not(foreign: Foreign) -> None:
    wanted = [f"file:///server/{number}" for number in range(300)]
    foreign.content["file:///server"] = shares(*wanted)
    with wnet.WNetOpenEnum(wnet.RESOURCE_GLOBALNET, 0, 0, SERVER) as shared, ThreadPoolExecutor(2) as threads:
        parts = [threads.submit(lambda: [each.lpRemoteName for each in shared]) for _ in range(2)]
        assert sorted(str(each) for part in parts for each in part.result()) == sorted(wanted)
        whole = [threads.submit(names, wnet.RESOURCE_GLOBALNET, 0, 0, SERVER) for _ in range(2)]
        assert [each.result() for each in whole] == [wanted, wanted]


class Hanging(Foreign):
    """It never answers until *over* is set."""

    over = threading.Event()

    def enumerate(self, scope: ResourceScope, *rest: object) -> Iterator[NetResource]:
        del scope, rest
        self.over.wait()
        return iter(())


class Raising(Foreign):
    def enumerate(self, scope: ResourceScope, *rest: object) -> Iterator[NetResource]:
        yield from shares("file:///last words", scope=scope)
        raise ZeroDivisionError(rest)


class Stopping(Foreign):
    """It tells something, and then nothing any more until *over* is set."""

    over = threading.Event()

    def enumerate(self, scope: ResourceScope, *rest: object) -> Iterator[NetResource]:
        del rest
        yield from shares("file:///server/first", scope=scope)
        self.over.wait()


def test_r4_who_hangs_or_raises_does_not_keep_the_others_from_telling_and_is_named(
    foreign: Foreign, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(browsing, "PATIENCE", 0.3)
    foreign.content[None] = shares("file:///server", scope=ResourceScope.CONTEXT)
    hanging, silent = Hanging(name="hanging"), Hanging(name="silent")
    with Router(providers=[hanging, Raising(name="raising"), silent, foreign], drop_ins=False) as router:
        monkeypatch.setattr(default, "_default", router)
        assert sorted(map(str, names(wnet.RESOURCE_CONTEXT))) == ["file:///last words", "file:///server"]
        for each in ("hanging", "raising", "silent"):
            assert f"what the network provider {each} has is not all shown" in caplog.text
        asked = wnet.NETRESOURCE(
            dwUsage=wnet.RESOURCEUSAGE_CONTAINER, lpRemoteName="file:///server", lpProvider="hanging"
        )
        assert status_of(names, wnet.RESOURCE_GLOBALNET, 0, 0, asked) is Status.ERROR_TIMEOUT
        hanging.over.set()


def test_a_container_that_is_told_only_in_part_is_shown_and_said_to_be_incomplete(
    foreign: Foreign, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    del foreign  # it is not asked
    monkeypatch.setattr(browsing, "PATIENCE", 0.3)
    stopping = Stopping()
    with Router(providers=[stopping], drop_ins=False) as router:
        monkeypatch.setattr(default, "_default", router)
        assert names(wnet.RESOURCE_GLOBALNET, 0, 0, SERVER) == ["file:///server/first"]
        assert "foreign has is not all shown: file:///server: no answer within" in caplog.text
        stopping.over.set()


@pytest.mark.usefixtures("foreign")
def test_r3_without_any_provider_there_is_no_network_to_look_around_in(monkeypatch: pytest.MonkeyPatch) -> None:
    wnet.WNetAddConnection("file:///one", None, "Z:")
    with Router(providers=[], drop_ins=False) as without:
        monkeypatch.setattr(default, "_default", without)
        for arguments in [
            (wnet.RESOURCE_GLOBALNET,),
            (wnet.RESOURCE_CONTEXT,),
            (wnet.RESOURCE_GLOBALNET, 0, 0, SERVER),
        ]:
            assert status_of(wnet.WNetOpenEnum, *arguments) is Status.ERROR_NO_NETWORK
        assert names(wnet.RESOURCE_CONNECTED) == ["Z:"]
        assert status_of(wnet.WNetGetResourceInformation, SERVER) is Status.ERROR_NO_NETWORK
        named = wnet.NETRESOURCE(lpRemoteName="file:///server", lpProvider="foreign")
        assert status_of(wnet.WNetGetResourceInformation, named) is Status.ERROR_BAD_PROVIDER
