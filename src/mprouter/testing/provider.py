"""What every network provider must do and must not do, as a class of tests for pytest to collect.

It connects for real: to what the derived class names. Whether all that the network can do is there as it should be, and
every error told apart, is for tests of the provider's own.
"""

from __future__ import annotations

import io
import json
import os
import socket
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout, suppress
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any
from unittest import mock

from mprouter.credentials import Credentials
from mprouter.names import parse_remote
from mprouter.providers.base import (
    Added,
    AddRequest,
    Ascending,
    Attending,
    Capability,
    Enumerating,
    Identifying,
    Informing,
    Measuring,
    Mounted,
    Naming,
    Provider,
    Starting,
    State,
)
from mprouter.providers.guard import Guarded, problem_of, problem_of_added
from mprouter.resource import NetResource, ResourceScope, ResourceType, ResourceUsage
from mprouter.status import Status, WNetError

__all__ = ["ProviderContract"]

_PROTOCOLS: Mapping[Capability, type] = {
    Capability.GET_PERFORMANCE: Measuring,
    Capability.GET_USER: Identifying,
    Capability.ENUMERATE_GLOBAL: Enumerating,
    Capability.ENUMERATE_CONNECTED: Enumerating,
    Capability.ENUMERATE_CONTEXT: Enumerating,
    Capability.RESOURCE_PARENT: Ascending,
    Capability.RESOURCE_INFORMATION: Informing,
    Capability.UNIVERSAL_NAME: Naming,
    Capability.LOGON_NOTIFY: Attending,
}

_UNKNOWN_THERE = {
    Status.ERROR_ACCESS_DENIED,
    Status.ERROR_INVALID_PASSWORD,
    Status.ERROR_NOT_AUTHENTICATED,
    Status.ERROR_LOGON_FAILURE,
    Status.ERROR_MUTUAL_AUTH_FAILED,
}
"""What a server says to who does not say who they are, or does not know it."""


_SCOPES = {
    Capability.ENUMERATE_GLOBAL: ResourceScope.GLOBALNET,
    Capability.ENUMERATE_CONNECTED: ResourceScope.CONNECTED,
    Capability.ENUMERATE_CONTEXT: ResourceScope.CONTEXT,
}

_CONNECTING = Capability.ADD_CONNECTION | Capability.CANCEL_CONNECTION | Capability.GET_CONNECTIONS
_WRONG = "Wrong, and nobody's p4ssword"
_STRAY = "mprouter contract half.txt"
_SEEN = 100  # of what is enumerated


class ProviderContract:
    """The contract. Derive a class whose name begins with ``Test``, and give it ``provider`` and ``remote_name``.

    remote_name: a resource that can be connected, and written to unless it is ``read_only``. missing_name: one of the
    network's that is not there; None = there is no such thing. foreign_names: that others' are. content: names of files
    or directories that are in the resource. options, user, password: with which it is connected. knows_open_files:
    whether a cancel is refused while files are open (C6). A fixture of the class with ``autouse=True`` can prepare all
    that, and set it.
    """

    remote_name: str
    missing_name: str | None = None
    foreign_names: Sequence[str] = (
        "nobodys://server.example/share",
        "nobodys:///srv/data",
        "nobodys://[2001:db8::7]:2222/заметки/日本語",
    )
    content: Sequence[str] = ()
    options: Mapping[str, str] = {}
    user: str | None = None
    password: str | None = None
    read_only: bool = False
    knows_open_files: bool = True

    def provider(self) -> Provider:
        """A new provider to try: as in another process, it knows nothing of what an earlier one has connected."""
        raise TypeError(f"{type(self).__name__} needs a method provider that returns one")

    # -- the tests that connect nothing ------------------------------------------------------------------------

    def test_it_can_be_registered(self) -> None:
        """It has what a provider must have, and what its capabilities say."""
        provider = self.provider()
        problem = problem_of(provider)
        _expect(problem is None, f"it is no provider: {problem}")
        _expect(isinstance(provider.name, str) and bool(provider.name), "its name is no text")
        missing = _CONNECTING & ~provider.capabilities
        _expect(not missing, f"its capabilities lack {missing!r}")
        for capability, protocol in _PROTOCOLS.items():
            if capability & provider.capabilities:
                _expect(isinstance(provider, protocol), f"{capability.name} needs the method of {protocol.__name__}")

    def test_r2_it_claims_its_names_and_no_others_without_the_network(self) -> None:
        """Told by the name alone, with True or False."""
        provider = self.provider()
        with _offline():
            for own in filter(None, (self.remote_name, self.missing_name)):
                _expect(provider.claims(parse_remote(own)) is True, f"it does not claim {own}, or not with True")
            for foreign in self.foreign_names:
                _expect(provider.claims(parse_remote(foreign)) is False, f"it claims {foreign}, or does not say False")

    def test_n4_it_knows_its_options_without_the_network(self) -> None:
        """Those that it does not have are refused before anything, and so are impossible values."""
        provider, name = self.provider(), parse_remote(self.remote_name)
        with _offline():
            provider.check_options(name, dict(self.options))
            try:
                provider.check_options(name, {"no such option": "x"})
            except WNetError as error:
                _expect(
                    error.status is Status.ERROR_INVALID_PARAMETER,
                    f"for an unknown option it says {error.status.name}, not ERROR_INVALID_PARAMETER",
                )
            else:
                raise AssertionError("it accepts an option that it cannot have")

    def test_r7_it_says_when_it_starts(self) -> None:
        """A number of seconds from 0 up, or None for unknown."""
        provider = self.provider()
        if isinstance(provider, Starting):
            seconds = provider.start_up()
            _expect(seconds is None or 0 <= seconds < float("inf"), f"start_up says {seconds!r}")

    def test_r4_what_it_has_besides_answers_as_it_must(self) -> None:
        """Enumeration, information and parents, as far as its capabilities say."""
        guarded: Any = Guarded(self.provider(), "the provider")
        able = guarded.capabilities
        for capability, scope in _SCOPES.items():
            if capability & able:
                found = guarded.enumerate(scope, ResourceType.ANY, ResourceUsage(0), None)
                list(islice(found, _SEEN))
                found.close()
        own = NetResource(self.remote_name, None, ResourceType.ANY)
        if Capability.RESOURCE_INFORMATION & able:
            try:
                guarded.resource_information(own)
            except WNetError as error:  # it gets neither options nor a password
                if error.status not in _UNKNOWN_THERE:
                    raise
        if Capability.RESOURCE_PARENT & able:
            up, steps = own, 0
            while (up := guarded.resource_parent(up)) is not None:
                steps += 1
                _expect(steps < _SEEN, "going from parent to parent it never comes to the top")

    # -- the tests that connect --------------------------------------------------------------------------------

    def test_it_connects_is_found_again_and_disconnects(self) -> None:
        """Also by another process, which knows no more than what was written down (C5)."""
        with self._playing() as play:
            mounted = play.connect()
            seen = _content(mounted)
            _expect(seen >= set(self.content), f"in the mountpoint is {sorted(seen)}, not all of {self.content}")
            other = self.provider()
            _expect(other.state(mounted) is State.CONNECTED, "state does not say CONNECTED of it")
            _expect(other.settle(mounted) is State.CONNECTED, "settle does not say that it stands")
            other.cancel_connection(mounted, force=False)
            _expect(not _content(mounted), "it has left something in the mountpoint")
            _expect(other.state(mounted) is State.LOST, "after the cancel state does not say LOST")
            _expect(other.settle(mounted) is State.LOST, "after the cancel settle does not say LOST")
            other.cancel_connection(mounted, force=True)  # a lost connection is cleaned up

    def test_c6_what_was_written_arrives(self) -> None:
        """What was closed is there again at the next connection, and force loses nothing."""
        if self.read_only:
            return
        with self._playing() as play:
            for number, force in enumerate((False, True)):
                name = f"mprouter contract {os.getpid()} {number}.txt"
                mounted = play.connect()
                (mounted.mountpoint / name).write_text("что-то\n" * 1000, encoding="utf-8")
                play.cancel(mounted, force=force)
                mounted = play.connect()
                arrived = mounted.mountpoint / name
                _expect(arrived.exists(), f"what was written before a cancel with force={force} is not there")
                _expect(
                    arrived.read_text(encoding="utf-8") == "что-то\n" * 1000, "what was written is not what is read"
                )
                arrived.unlink()
                play.cancel(mounted)

    def test_c6_open_files_are_heeded_but_by_force(self) -> None:
        """A cancel fails with ERROR_OPEN_FILES, and the connection stands as it was."""
        if not self.knows_open_files or (self.read_only and not self.content):
            return
        with self._playing() as play:
            mounted = play.connect()
            with self._held_open(mounted.mountpoint):
                try:
                    play.provider.cancel_connection(mounted, force=False)
                except WNetError as error:
                    _expect(error.status is Status.ERROR_OPEN_FILES, f"with a file open it says {error.status.name}")
                else:
                    raise AssertionError("it disconnects while a file is open")
                _expect(play.provider.state(mounted) is State.CONNECTED, "the refused cancel has ended the connection")
                play.cancel(mounted, force=True)

    def test_c8_half_an_add_is_cleared_and_nothing_of_it_delivered(self) -> None:
        """Whose process died, or was told to stop: a forced cancel with an empty handle, and half a mountpoint."""
        with self._playing() as play:
            mounted = play.connect()
            before = _files(mounted, self.content)
            play.cancel(mounted)
            half = Mounted(mounted.name, play.mountpoint(), {})
            for name, data in before.items():
                (half.mountpoint / name).write_bytes(data[: len(data) // 2])
            (half.mountpoint / _STRAY).write_bytes(b"half")
            try:
                self._clear(half, "what an add has left that was cut off")
            finally:
                _empty(half.mountpoint)
            mounted = play.connect()
            _expect(_files(mounted, self.content) == before, "it has delivered half of what an add had fetched")
            _expect(_STRAY not in _content(mounted), "it has delivered what an add has left that was cut off")
            play.cancel(mounted)

    def test_c8_a_mountpoint_that_is_missing_is_no_connection(self) -> None:
        """Whoever died had not made it yet, or had removed it already."""
        with self._playing() as play:
            mounted = play.connect()
            play.cancel(mounted)
            mounted.mountpoint.rmdir()
            provider = self.provider()
            for question in (provider.state, provider.settle):
                _expect(question(mounted) is State.LOST, f"without a mountpoint {question.__name__} does not say LOST")
            for handle in (mounted.handle, {}):
                self._clear(Mounted(mounted.name, mounted.mountpoint, handle), "a connection without a mountpoint")
                _expect(not mounted.mountpoint.exists(), "it has made the mountpoint that was missing")

    def test_two_connections_to_one_resource_are_kept_apart(self) -> None:
        """The end of one is not the end of the other."""
        with self._playing() as play:
            first, second = play.connect(), play.connect()
            play.cancel(first)
            _expect(play.provider.state(second) is State.CONNECTED, "the cancel of one has ended the other")
            play.cancel(second)

    def test_c8_what_fails_says_so_and_leaves_nothing(self) -> None:
        """A resource that is not there, and a wrong password, which nobody is shown (N15)."""
        for name, password in ((self.missing_name, self.password), (self.remote_name, _WRONG)):
            if name is None or (password is _WRONG and self.password is None):
                continue
            with self._playing() as play:
                try:
                    play.connect(name, password)
                except WNetError as error:
                    _expect(bool(error.status), "it raises WN_SUCCESS")
                    told = f"{error} {error!r} {error.provider_text} {error.__cause__!r} {error.__context__!r}"
                    _expect(
                        not any(each and each in told for each in (password, _WRONG)), "its error shows the password"
                    )
                except Exception as error:  # noqa: BLE001 - it may hold the password
                    raise AssertionError(f"it raises a {type(error).__name__}, which is no WNetError") from None
                else:
                    raise AssertionError(f"it connects {name}{' with a wrong password' if password is _WRONG else ''}")

    def test_r6_it_neither_prints_nor_calls_the_router_nor_changes_the_process(self) -> None:
        """Standard output is the caller's; so are the working directory and the environment."""
        printed = io.StringIO()
        before = dict(os.environ), Path.cwd()
        with redirect_stdout(printed), _without_a_router(), self._playing() as play:
            play.cancel(play.connect())
        _expect(not printed.getvalue(), f"it has printed {printed.getvalue()!r}")
        _expect((dict(os.environ), Path.cwd()) == before, "it has changed the environment or the working directory")

    # -- how they are played -----------------------------------------------------------------------------------

    @contextmanager
    def _playing(self) -> Iterator[_Play]:
        with ExitStack() as cleared:
            yield _Play(self, cleared)

    def _clear(self, mounted: Mounted, what: str) -> None:
        try:
            self.provider().cancel_connection(mounted, force=True)
        except Exception as error:
            raise AssertionError(f"it does not clear {what}, but raises {type(error).__name__}: {error}") from error

    @contextmanager
    def _held_open(self, mountpoint: Path) -> Iterator[None]:
        """With a file of the resource open: one that is there, or a new one."""
        path = next((mountpoint / each for each in self.content if (mountpoint / each).is_file()), None)
        with path.open("rb") if path else (mountpoint / "mprouter contract.txt").open("wb") as file:
            yield
            with suppress(OSError):  # its connection is gone
                file.close()


class _Play:
    """Connections that end with the test."""

    def __init__(self, contract: ProviderContract, cleared: ExitStack) -> None:
        self.provider = contract.provider()
        self._contract = contract
        self._cleared = cleared
        self._standing: list[Mounted] = []

    def connect(self, remote: str | None = None, password: str | None = None) -> Mounted:
        """Connect as the router would; the handle is as it comes out of the store."""
        contract = self._contract
        name = parse_remote(remote or contract.remote_name)
        mountpoint = self.mountpoint()
        credentials = Credentials(contract.user, password or contract.password)
        added: Any = self.provider.add_connection(
            AddRequest(name, mountpoint, credentials, options=dict(contract.options))
        )
        secrets = tuple(filter(None, (contract.password,)))
        handle = added.handle if isinstance(added, Added) else {}
        self._cleared.callback(self._end, Mounted(name, mountpoint, handle))
        problem = problem_of_added(added, secrets)
        _expect(problem is None, f"what add_connection returned cannot be kept: {problem}")
        mounted = Mounted(name, mountpoint, json.loads(json.dumps(dict(handle))))
        self._standing.append(mounted)
        return mounted

    def mountpoint(self) -> Path:
        """A new directory, which is empty and must be so in the end."""
        made = Path(tempfile.mkdtemp(prefix="mprouter-contract-"))
        self._cleared.push(partial(_remove, made))
        return made

    def cancel(self, mounted: Mounted, *, force: bool = False) -> None:
        """Disconnect."""
        self.provider.cancel_connection(mounted, force=force)
        _expect(not _content(mounted), "it has left something in the mountpoint")

    def _end(self, mounted: Mounted) -> None:
        with suppress(Exception):
            self.provider.cancel_connection(mounted, force=True)


def _content(mounted: Mounted) -> set[str]:
    return {each.name for each in mounted.mountpoint.iterdir()}


def _files(mounted: Mounted, names: Sequence[str]) -> Mapping[str, bytes]:
    paths = [mounted.mountpoint / each for each in names]
    return {each.name: each.read_bytes() for each in paths if each.is_file()}


def _empty(directory: Path) -> None:
    """What the test itself has put there; a provider may leave it, or take it away."""
    for each in directory.iterdir():
        each.unlink()


def _remove(mountpoint: Path, failure: object, *_: object) -> None:
    """At the end of a test, which has perhaps failed already."""
    try:
        mountpoint.rmdir()
    except FileNotFoundError:
        return
    except OSError as error:
        if failure is None:
            raise AssertionError(f"it has left something in the mountpoint, or a mount: {error}") from error


@contextmanager
def _offline() -> Iterator[None]:
    """Without a network to ask: whoever tries fails the test."""
    with ExitStack() as patched:
        for owner, name in ((socket.socket, "connect"), (socket, "getaddrinfo"), (socket, "create_connection")):
            patched.enter_context(mock.patch.object(owner, name, _forbidden("the network is asked")))
        yield


@contextmanager
def _without_a_router() -> Iterator[None]:
    from mprouter.router import Router

    with ExitStack() as patched:
        for name in ("connect", "disconnect", "restore", "connections"):
            patched.enter_context(mock.patch.object(Router, name, _forbidden(f"it calls Router.{name} (R6)")))
        yield


def _forbidden(words: str) -> Callable[..., None]:
    def call(*_: object, **__: object) -> None:
        raise AssertionError(words)

    return call


def _expect(condition: bool, otherwise: str) -> None:
    if not condition:
        raise AssertionError(otherwise)
