"""The contract of providers: it passes a stranger's good one, and catches each bad one."""

from __future__ import annotations

import re
import socket
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import pytest

import mprouter
from mprouter import ConnectFlag, NetResource, Status, WNetError
from mprouter.names import RemoteName
from mprouter.providers.base import Added, AddRequest, Capability, Mounted, Progress, Provider, State
from mprouter.testing import ProviderContract


@pytest.fixture(autouse=True)
def _own_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For what a bad provider leaves behind, which the contract leaves to be seen."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


class Shelf:
    """``shelf://NAME``: directories beside each other, a connection being a link to one at its mountpoint's place."""

    name = "shelf"
    capabilities = Capability.ADD_CONNECTION | Capability.CANCEL_CONNECTION | Capability.GET_CONNECTIONS
    root: Path

    def claims(self, name: RemoteName) -> bool:
        return name.scheme == "shelf"

    def check_options(self, name: RemoteName, options: Mapping[str, str]) -> None:
        if options:
            raise WNetError(Status.ERROR_INVALID_PARAMETER, "a shelf has no options", name=name.given)

    def add_connection(self, request: AddRequest) -> Added:
        book = self.root / str(request.name.host)
        if not book.is_dir():
            raise WNetError(Status.ERROR_BAD_NET_NAME)
        password = request.credentials.password
        if password is not None and password.reveal() != "geheim":
            raise WNetError(Status.ERROR_LOGON_FAILURE)
        for each in book.iterdir():
            (request.mountpoint / each.name).write_bytes(each.read_bytes())
        return Added(request.credentials.user, {"book": str(book)})

    def cancel_connection(self, mounted: Mounted, *, force: bool, progress: Progress | None = None) -> None:
        del progress
        if not force and self.open_in(mounted.mountpoint):
            raise WNetError(Status.ERROR_OPEN_FILES)
        if self.state(mounted) is State.LOST:
            return
        if not mounted.handle:  # an add that was cut off
            self.clear(mounted.mountpoint)
            return
        book = self.book(mounted)
        for each in book.iterdir():
            each.unlink()
        for each in mounted.mountpoint.iterdir():
            (book / each.name).write_bytes(each.read_bytes())
            each.unlink()

    def state(self, mounted: Mounted) -> State:
        place = mounted.mountpoint
        return State.CONNECTED if place.exists() and any(place.iterdir()) else State.LOST

    def settle(self, mounted: Mounted) -> State:
        return self.state(mounted)

    def book(self, mounted: Mounted) -> Path:
        return Path(mounted.handle["book"])

    def clear(self, directory: Path) -> None:
        for each in directory.iterdir():
            each.unlink()

    def open_in(self, directory: Path) -> list[str]:
        found = []
        for each in Path("/proc/self/fd").iterdir():
            with suppress(OSError):
                found.append(str(each.readlink()))
        return [each for each in found if each.startswith(f"{directory}/")]


class OfAShelf(ProviderContract):
    remote_name, missing_name, content = "shelf://book/", "shelf://stolen/", ("page",)
    user, password = "ana", "geheim"

    def prepare(self, root: Path) -> None:
        self.kind: type[Shelf] = Shelf
        self.root = root
        (root / "book").mkdir()
        (root / "book" / "page").write_text("text")

    def provider(self) -> Provider:
        made = self.kind()
        made.root = self.root
        return made


class TestShelf(OfAShelf):
    @pytest.fixture(autouse=True)
    def _prepare(self, tmp_path: Path) -> None:
        self.prepare(tmp_path)


class HasNoSettle(Shelf):
    settle = None  # type: ignore[assignment]


class CannotCancel(Shelf):
    capabilities = Capability.ADD_CONNECTION | Capability.GET_CONNECTIONS


class SaysThatItEnumerates(Shelf):
    capabilities = Shelf.capabilities | Capability.ENUMERATE_GLOBAL


class EnumeratesRubbish(SaysThatItEnumerates):
    def enumerate(self, *_: object) -> Iterator[str]:
        yield "shelf://book/"


class GoesInCircles(Shelf):
    capabilities = Shelf.capabilities | Capability.RESOURCE_PARENT

    def resource_parent(self, resource: NetResource) -> NetResource:
        return resource


class StartsYesterday(Shelf):
    def start_up(self) -> float:
        return -86400.0


class ClaimsEverything(Shelf):
    def claims(self, name: RemoteName) -> bool:
        return bool(name)


class AsksTheNetwork(Shelf):
    def claims(self, name: RemoteName) -> bool:
        socket.getaddrinfo(name.host, 80)
        return super().claims(name)


class TakesAnyOption(Shelf):
    def check_options(self, name: RemoteName, options: Mapping[str, str]) -> None: ...


class RemembersInItself(Shelf):
    def add_connection(self, request: AddRequest) -> Added:
        self.mine = super().add_connection(request).handle
        return Added(None, {"kept": "elsewhere"})


class KeepsThePassword(Shelf):
    def add_connection(self, request: AddRequest) -> Added:
        handle = super().add_connection(request).handle
        assert request.credentials.password is not None
        return Added(None, {**handle, "login": f"ana:{request.credentials.password.reveal()}"})


class LeavesSomething(Shelf):
    def cancel_connection(self, mounted: Mounted, *, force: bool, progress: Progress | None = None) -> None:
        super().cancel_connection(mounted, force=force, progress=progress)
        (mounted.mountpoint / ".forgotten").touch()


class IsAlwaysThere(Shelf):
    def state(self, mounted: Mounted) -> State:
        del mounted
        return State.CONNECTED


class LosesWhatForceCancels(Shelf):
    def cancel_connection(self, mounted: Mounted, *, force: bool, progress: Progress | None = None) -> None:
        if not force:
            super().cancel_connection(mounted, force=force, progress=progress)
        for each in mounted.mountpoint.iterdir():
            each.unlink()


class DeliversHalfAnAdd(Shelf):
    def clear(self, directory: Path) -> None:
        for each in directory.iterdir():
            each.rename(self.root / "book" / each.name)


class ReadsAnyHandle(Shelf):
    def cancel_connection(self, mounted: Mounted, *, force: bool, progress: Progress | None = None) -> None:
        self.book(mounted)
        super().cancel_connection(mounted, force=force, progress=progress)


class NeedsTheMountpoint(Shelf):
    def state(self, mounted: Mounted) -> State:
        return State.CONNECTED if any(mounted.mountpoint.iterdir()) else State.LOST


class MakesTheMountpoint(Shelf):
    def cancel_connection(self, mounted: Mounted, *, force: bool, progress: Progress | None = None) -> None:
        mounted.mountpoint.mkdir(exist_ok=True)
        super().cancel_connection(mounted, force=force, progress=progress)


class SeesNoOpenFiles(Shelf):
    def open_in(self, directory: Path) -> list[str]:
        del directory
        return []


class EndsAllAtOnce(Shelf):
    def cancel_connection(self, mounted: Mounted, *, force: bool, progress: Progress | None = None) -> None:
        super().cancel_connection(mounted, force=force, progress=progress)
        for each in mounted.mountpoint.parent.glob("mprouter-contract-*/page"):
            each.unlink()


class ConnectsAnything(Shelf):
    def add_connection(self, request: AddRequest) -> Added:
        (self.root / str(request.name.host)).mkdir(exist_ok=True)
        return super().add_connection(request)


class TellsThePassword(Shelf):
    def add_connection(self, request: AddRequest) -> Added:
        try:
            return super().add_connection(request)
        except WNetError as error:
            assert request.credentials.password is not None
            raise ValueError(f"not with {request.credentials.password.reveal()}") from error


class Prints(Shelf):
    def add_connection(self, request: AddRequest) -> Added:
        print("connecting", request.name.given)  # noqa: T201 - that is what is wrong with it
        return super().add_connection(request)


class CallsTheRouter(Shelf):
    def add_connection(self, request: AddRequest) -> Added:
        mprouter.Router().connect(request.name.given, flags=ConnectFlag.TEMPORARY)
        return super().add_connection(request)


CONNECTS = "test_it_connects_is_found_again_and_disconnects"
HALF = "test_c8_half_an_add_is_cleared_and_nothing_of_it_delivered"
MISSING = "test_c8_a_mountpoint_that_is_missing_is_no_connection"
FAILS = "test_c8_what_fails_says_so_and_leaves_nothing"


@pytest.mark.parametrize(
    ("test", "bad", "words"),
    [
        ("test_it_can_be_registered", HasNoSettle, "it has no settle"),
        ("test_it_can_be_registered", CannotCancel, "its capabilities lack .*CANCEL_CONNECTION"),
        ("test_it_can_be_registered", SaysThatItEnumerates, "needs the method of Enumerating"),
        ("test_r4_what_it_has_besides_answers_as_it_must", EnumeratesRubbish, "among what it enumerates is a str"),
        ("test_r4_what_it_has_besides_answers_as_it_must", GoesInCircles, "never comes to the top"),
        ("test_r7_it_says_when_it_starts", StartsYesterday, "start_up says -86400"),
        ("test_r2_it_claims_its_names_and_no_others_without_the_network", ClaimsEverything, "it claims nobodys:"),
        ("test_r2_it_claims_its_names_and_no_others_without_the_network", AsksTheNetwork, "the network is asked"),
        ("test_n4_it_knows_its_options_without_the_network", TakesAnyOption, "accepts an option"),
        (CONNECTS, RemembersInItself, "KeyError"),
        (CONNECTS, KeepsThePassword, "written the password down"),
        (CONNECTS, LeavesSomething, "left something in the mountpoint"),
        (CONNECTS, IsAlwaysThere, "after the cancel state does not say LOST"),
        ("test_c6_what_was_written_arrives", LosesWhatForceCancels, "with force=True is not there"),
        ("test_c6_open_files_are_heeded_but_by_force", SeesNoOpenFiles, "disconnects while a file is open"),
        (HALF, DeliversHalfAnAdd, "delivered half of what an add had fetched"),
        (HALF, ReadsAnyHandle, "raises KeyError: 'book'"),
        (MISSING, NeedsTheMountpoint, "FileNotFoundError"),
        (MISSING, MakesTheMountpoint, "has made the mountpoint"),
        ("test_two_connections_to_one_resource_are_kept_apart", EndsAllAtOnce, "has ended the other"),
        (FAILS, ConnectsAnything, "it connects shelf://stolen/"),
        (FAILS, TellsThePassword, "raises a ValueError"),
        ("test_r6_it_neither_prints_nor_calls_the_router_nor_changes_the_process", Prints, "it has printed"),
        ("test_r6_it_neither_prints_nor_calls_the_router_nor_changes_the_process", CallsTheRouter, "calls Router.conn"),
    ],
)
def test_a_bad_provider_is_caught(test: str, bad: type[Shelf], words: str, tmp_path: Path) -> None:
    contract = OfAShelf()
    contract.prepare(tmp_path)
    contract.kind = bad
    check: Callable[[], None] = getattr(contract, test)
    with pytest.raises((AssertionError, KeyError, OSError)) as caught:
        check()
    assert re.search(words, f"{caught.type.__name__}: {caught.value}")
