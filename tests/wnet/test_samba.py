"""Enumeration against Samba: 300 shares with names and comments beyond ASCII, one hidden, in pages, by threads."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from ctypes import byref, create_string_buffer
from itertools import cycle

import pytest

from mprouter import Status, wnet
from mprouter.wnet import mpr
from servers.smb import ROOMS, SmbServer

ALL = 0xFFFFFFFF
OTHERS = {"projects", "public", "payroll", "Übersicht der Pläne", "laser"}


@pytest.fixture
def server(big_smb: SmbServer) -> str:
    """Its name; it tells nobody in particular what it has."""
    return f"smb://{big_smb.host}:{big_smb.port}"


def opened(server: str) -> wnet.Enumeration:
    container = wnet.NETRESOURCE(dwUsage=wnet.RESOURCEUSAGE_CONTAINER, lpRemoteName=server)
    return wnet.WNetOpenEnum(wnet.RESOURCE_GLOBALNET, wnet.RESOURCETYPE_ANY, 0, container)


def opened_by_c(server: str) -> ctypes.c_void_p:
    handle, container = mpr.HANDLE(), mpr.NETRESOURCEW(dwUsage=2, lpRemoteName=server)
    assert mpr.WN_TABLE["WNetOpenEnumW"](wnet.RESOURCE_GLOBALNET, 0, 0, byref(container), byref(handle)) == 0
    return handle


def told_to_c(handle: ctypes.c_void_p, counts: Iterator[int], rooms: Iterator[int]) -> Iterator[tuple[str, str | None]]:
    """Names and comments from buffers of those sizes; one that is too small is replaced by one that just suffices."""
    call, needed = mpr.WN_TABLE["WNetEnumResourceW"], 0
    while True:
        wanted, room = next(counts), needed or next(rooms)
        count, size, buffer = mpr.DWORD(wanted), mpr.DWORD(room), create_string_buffer(room)
        status = call(handle, byref(count), buffer, byref(size))
        if status == Status.ERROR_NO_MORE_ITEMS:
            return
        if status == Status.ERROR_MORE_DATA:
            assert needed == 0, "what it said that it needs did not suffice"
            assert size.value > room
            needed = size.value
            continue
        assert status == 0
        assert 1 <= count.value <= wanted
        assert size.value == room
        needed = 0
        for each in ctypes.cast(buffer, ctypes.POINTER(mpr.NETRESOURCEW * count.value)).contents:
            yield each.lpRemoteName, each.lpComment


def test_pages_of_any_size_show_300_shares_once_each_and_not_the_hidden_one(server: str) -> None:
    with opened(server) as found:
        whole = wnet.WNetEnumResource(found, -1)
        assert wnet.WNetEnumResource(found, -1) == []
    shares = {str(each.lpRemoteName).removeprefix(f"{server}/"): each for each in whole}
    assert len(whole) == len(shares) == 305
    assert shares.keys() == ROOMS.keys() | OTHERS
    room = shares["Raum 299 Gemälde ☃"]
    assert (room.lpComment, room.lpProvider) == ("Nummer 299 — prüfen", "smb")
    assert (room.dwDisplayType, room.dwUsage, room.dwScope) == (wnet.RESOURCEDISPLAYTYPE_SHARE, 3, 2)
    assert shares["laser"].dwType == wnet.RESOURCETYPE_PRINT
    for page in (1, 7, 300):
        with opened(server) as found:
            pages = list(iter(lambda found=found, page=page: wnet.WNetEnumResource(found, page), []))  # type: ignore[misc]
        assert {len(each) for each in pages[:-1]} == {page}
        assert [each for some in pages for each in some] == whole


def test_the_same_in_c_s_buffers_of_any_size(server: str) -> None:
    with opened(server) as found:
        whole = [(each.lpRemoteName, each.lpComment) for each in found]
    assert len(whole) == 305
    for counts, rooms in (
        ([1], [16384]),
        ([7], [300]),
        ([300], [1]),
        ([ALL], [400_000]),
        ([5, ALL, 1], [0x800, 8, 900]),
    ):
        handle = opened_by_c(server)
        assert list(told_to_c(handle, cycle(counts), cycle(rooms))) == whole
        assert mpr.WN_TABLE["WNetCloseEnum"](handle) == 0


def test_two_threads_with_a_handle_each_see_everything_and_with_one_between_them_each_share_once(server: str) -> None:
    with opened(server) as found:
        whole = [(each.lpRemoteName, each.lpComment) for each in found]
    with ThreadPoolExecutor(2) as threads:
        handles = [opened_by_c(server) for _ in range(2)]
        parts = list(threads.map(lambda handle: list(told_to_c(handle, cycle([7]), cycle([4096]))), handles))
        assert parts == [whole, whole]
        handle = opened_by_c(server)
        parts = list(threads.map(lambda room: list(told_to_c(handle, cycle([3]), cycle([room]))), (400, 900)))
        assert sorted(map(str, parts[0] + parts[1])) == sorted(map(str, whole))
        for each in (*handles, handle):
            assert mpr.WN_TABLE["WNetCloseEnum"](each) == 0
