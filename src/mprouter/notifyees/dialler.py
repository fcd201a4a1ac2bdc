"""The dialler, as Windows' RAS is one: brings a link up before a connection that needs it, and down after the last one.

How each kind of link is brought up stands in ``links.py``. Who needs the link is not counted, but read in the store of
connections, whoever made them: what a killed process leaves behind cannot keep a link up. POSIX.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from time import monotonic

from mprouter import places
from mprouter.names import match_pattern, parse_local, parse_remote
from mprouter.notify.model import AddConnect, CancelConnect, Event, NotifyInfo, Phase
from mprouter.notify.python import notifyee
from mprouter.notifyees.links import (
    PATIENCE,
    CommandPair,
    Link,
    NetworkManagerConnection,
    SshTunnel,
    SystemdUnit,
    WireGuard,
    answers,
)
from mprouter.resource import ConnectFlag
from mprouter.status import Status, WNetError
from mprouter.store import Entry, Store

__all__ = ["Dialler", "SshTunnel"]

NETWORK_FAILED = frozenset(
    {
        *(29, 53, 54, 59, 64, 121),  # write fault, path not found, busy, unexpected, name deleted, semaphore timeout
        *(1225, 1226, 1229, 1231, 1232, 1233, 1234, 1235, 1236, 1460),  # refused, …, unreachable, …, aborted, timeout
        *(10050, 10051, 10052, 10053, 10054, 10060, 10061, 10064, 10065),  # the same from Winsock
        *(11001, 11002, 11003, 11004),  # no name server that knows or answers
    }
)
"""The statuses that a dropped link can be behind."""

_DIRECT = 1.0  # seconds that a host may take to answer while the link is down: it may be reachable without


@notifyee(name="dialler", required=True, thread_safe=True)
class Dialler:
    """Brings one link up before a connection is added, and down when no connection needs it any more.

    The link is exactly one of: up and down, two commands (words, or a text that is split like a shell's, without a
    shell); unit or user_unit, a systemd unit; network_manager, the name of a connection profile; wireguard, an
    interface; ssh_tunnel. wait_for: ``host:port`` that must answer before the connection is attempted; where it answers
    already the link is not needed. wait: seconds that all of this may take. match: globs on the remote names that need
    the link, as in its registration; none = all.

    A link that was up already is left up. With CONNECT_CURRENT_MEDIA nothing is dialled (N16). When a connection failed
    and the link has dropped meanwhile, it is dialled again and the connection attempted again (N11).

    Raises ``WNetError`` (ERROR_BAD_CONFIGURATION). What is wrong with the link is the error of its pre (N10).
    """

    def __init__(
        self,
        *,
        up: str | list[str] | None = None,
        down: str | list[str] | None = None,
        unit: str | None = None,
        user_unit: str | None = None,
        network_manager: str | None = None,
        wireguard: str | None = None,
        ssh_tunnel: SshTunnel | None = None,
        wait_for: str | None = None,
        wait: float = 30.0,
        match: Sequence[str] = (),
    ) -> None:
        if (up is None) != (down is None):
            raise _bad("up and down go together: what is brought up must be taken down")
        links: dict[str, Link | None] = {
            "up and down": CommandPair(_argv("up", up), _argv("down", down)) if up and down else None,
            "unit": SystemdUnit(_plain("unit", unit)) if unit is not None else None,
            "user_unit": SystemdUnit(_plain("user_unit", user_unit), user=True) if user_unit is not None else None,
            "network_manager": (
                NetworkManagerConnection(_plain("network_manager", network_manager))
                if network_manager is not None
                else None
            ),
            "wireguard": WireGuard(_interface(wireguard)) if wireguard is not None else None,
            "ssh_tunnel": ssh_tunnel,
        }
        given = [link for link in links.values() if link is not None]
        if len(given) != 1:
            named = [key for key, link in links.items() if link is not None]
            raise _bad(f"exactly one of {', '.join(links)} is needed, not {' and '.join(named) or 'none'}")
        if not wait > 0:
            raise _bad("wait must be a number of seconds above 0")
        self.link = given[0]
        self._wait_for = _address(wait_for) if wait_for is not None else None
        self._wait = wait
        self._match = tuple(match) or ("*",)
        for pattern in self._match:
            try:
                match_pattern(pattern)
            except WNetError as error:
                raise _bad(f"match: {pattern!r} is not a glob on remote names") from error

    def add_connect_notify(self, info: NotifyInfo, event: AddConnect) -> Status | None:
        """Pre: see that the link is up. Post: dial again, or hang up if the connection failed and no other needs it."""
        if info.phase is Phase.POST:
            return self._after(info, event)
        with self._state() as state:
            if event.flags & ConnectFlag.CURRENT_MEDIA and not self._look(state)[1]:
                return None  # N16, N6: nothing of ours is up, so there is nothing to be told afterwards
            info.context = "told"  # before dialling: if that is interrupted, the post hangs up
            self._dial(state)
        return None

    def cancel_connect_notify(self, info: NotifyInfo, event: CancelConnect) -> Status | None:
        """Post: hang up if it was the last connection that needed the link."""
        if info.phase is Phase.POST:
            return self._after(info, event)
        info.context = "told"
        return None

    def _after(self, info: NotifyInfo, event: Event) -> Status | None:
        if info.status is Status.WN_SUCCESS and isinstance(event, AddConnect):
            return None
        with self._state() as state:
            if (
                info.may_retry
                and info.status in NETWORK_FAILED
                and not event.flags & ConnectFlag.CURRENT_MEDIA
                and not self._look(state)[1]
            ):
                self._dial(state)
                return Status.WN_RETRY
            if state.ours and not _is_needed(state.match, event if isinstance(event, AddConnect) else None):
                self._hang_up(state)
        return None

    # -- the link ----------------------------------------------------------------------------------------------

    def _look(self, state: _State) -> tuple[bool | None, bool]:
        """Whether the link is up (None: unknown), and whether a connection can be attempted as things are."""
        is_up = self.link.is_up(state.place)
        if self._wait_for is None:
            return is_up, state.ours if is_up is None else is_up
        return is_up, answers(*self._wait_for, PATIENCE if is_up else _DIRECT, once=True)

    def _dial(self, state: _State) -> None:
        """Bring the link up, unless all is well. Raises ``WNetError`` if that fails, and then leaves it down."""
        deadline = monotonic() + self._wait
        is_up, is_reachable = self._look(state)
        if is_reachable:
            return
        try:
            if is_up and not state.ours:  # somebody else's, perhaps just coming up
                self._await(deadline)
                return
            if state.ours and is_up is not False:  # up in name only
                self._try_to_hang_up(state)
            state.match |= set(self._match)
            state.ours = True
            state.save()  # first: if this process is killed, the next one knows whose the link is
            try:
                self.link.up(state.place, deadline - monotonic())
                self._await(deadline)
            except BaseException:
                self._try_to_hang_up(state)
                raise
        except WNetError as error:
            what = f"{self.link.name} could not be brought up: {error.strerror}"
            raise WNetError(error.status, what, hint=error.hint) from error

    def _await(self, deadline: float) -> None:
        if self._wait_for is not None and not answers(*self._wait_for, deadline - monotonic()):
            host, port = self._wait_for
            raise WNetError(
                Status.ERROR_TIMEOUT, f"{host} has not answered on port {port} within {self._wait:g} seconds"
            )

    def _hang_up(self, state: _State) -> None:
        try:
            if self.link.is_up(state.place) is not False:
                self.link.down(state.place, self._wait)
        finally:
            state.ours = bool(self.link.is_up(state.place))
            state.match = state.match if state.ours else set()
            state.save()

    def _try_to_hang_up(self, state: _State) -> None:
        with suppress(WNetError):
            self._hang_up(state)

    @contextmanager
    def _state(self) -> Iterator[_State]:
        """What is known of the link; until the end of the block no other thread or process dials it or hangs it up."""
        import fcntl

        kind = type(self.link).__name__.lower()
        names = ("", "dialler", f"{kind}-{sha256(repr(self.link).encode()).hexdigest()[:16]}")
        place = places.runtime_dir()
        for each in names:  # each level: the last is private only if those above it are
            place = places.private(place / each)
        with (place / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield _State.load(place)


@dataclass(slots=True)
class _State:
    """What all diallers of one link know of it.

    place: the link's directory. ours: a dialler brought it up. match: the globs of the names that need it, of every
    registration that dials this link.
    """

    place: Path
    ours: bool
    match: set[str]

    @classmethod
    def load(cls, place: Path) -> _State:
        try:
            said = json.loads((place / _STATE).read_text(encoding="utf-8"))
            return cls(place, said["ours"], set(said["match"]))
        except FileNotFoundError:
            return cls(place, ours=False, match=set())

    def save(self) -> None:
        new = self.place / f"{_STATE}.new"
        new.write_text(json.dumps({"ours": self.ours, "match": sorted(self.match)}), encoding="utf-8")
        new.replace(self.place / _STATE)


_STATE = "state.json"


def _is_needed(patterns: set[str], failed: AddConnect | None) -> bool:
    """Whether a connection that matches is there or in the making, in any process; *failed*, a post's own, aside."""
    tests = [match_pattern(each) for each in patterns]
    store = Store()
    try:
        entries = store.entries()
    finally:
        store.close()
    is_failed_one_seen = False
    for entry in entries:
        if entry.phase == "adding":
            if not entry.owner_alive():
                continue
            if failed is not None and not is_failed_one_seen and _is_claim_of(entry, failed):
                is_failed_one_seen = True
                continue
        forms = parse_remote(entry.remote_name).forms
        if any(test(forms) for test in tests):
            return True
    return False


def _is_claim_of(entry: Entry, event: AddConnect) -> bool:
    local = event.resource.local_name
    return parse_remote(entry.remote_name).told == event.resource.remote_name and (
        local is None or parse_local(local) == entry.local_name
    )


# -- settings --------------------------------------------------------------------------------------------------


def _argv(key: str, command: str | list[str] | None) -> tuple[str, ...]:
    try:
        argv = tuple(shlex.split(command) if isinstance(command, str) else command or ())
    except ValueError as error:
        raise _bad(f"{key} cannot be split into words: {error}") from error
    if not argv or not Path(argv[0]).is_absolute():
        raise _bad(f"{key} must begin with the absolute path of a program")
    return argv


def _plain(key: str, name: str) -> str:
    if not name or name.startswith("-"):
        raise _bad(f"{key} must be a name")
    return name


def _interface(name: str) -> str:
    if "/" in name and not (name.startswith("/") and name.endswith(".conf")):
        raise _bad("wireguard must be the name of an interface, or the absolute path of its .conf file")
    return _plain("wireguard", name)


def _address(text: str) -> tuple[str, int]:
    match = re.fullmatch(r"(?:\[([^\]]+)\]|([^\s:]+)):([0-9]{1,5})", text)
    if match is None or not 0 < int(match[3]) < 65536:
        raise _bad(f"wait_for must be host:port, not {text}")
    return match[1] or match[2], int(match[3])


def _bad(problem: str) -> WNetError:
    return WNetError(Status.ERROR_BAD_CONFIGURATION, problem)
