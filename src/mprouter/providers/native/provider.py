"""A native network provider: a shared library with NPAPI's functions, which run in a host process of their own.

Here is the router's side: what the library can do, as the ``Provider`` protocol has it, and what is asked of it. What a
host process is stands in ``plugins/host.py``, what runs inside in ``hosted.py``, whether the library may be loaded in
``plugins/trust.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from time import monotonic

from mprouter.credentials import Secret
from mprouter.frozen import frozen
from mprouter.log import Log
from mprouter.names import RemoteName, match_pattern
from mprouter.plugins.host import MEMORY_LIMIT, Host, Hosting, Patience
from mprouter.providers.base import (
    Added,
    AddRequest,
    Capability,
    LogonInfo,
    Mounted,
    NetworkInformation,
    PasswordChange,
    Performance,
    PerformanceFlag,
    Progress,
    ResourceInformation,
    State,
    UniversalName,
)
from mprouter.providers.native import wire
from mprouter.providers.native.wire import Account, Add, Answer, Ask, Attend, Cancel, Close, Look, Next, Open, Request
from mprouter.resource import ConnectFlag, NetResource, ResourceScope, ResourceType, ResourceUsage
from mprouter.status import Status, WNetError

__all__ = ["TIMEOUT", "Native"]

TIMEOUT = 60.0
"""Seconds that a call may take, unless registered otherwise."""

LOADING = 10.0
"""Seconds that a host may take to start and to load the library; fewer, if a call may take fewer."""

STARTING = 5.0
"""Seconds that are no fewer, since the start of a process is not the library's doing."""

AGAIN = 60.0
"""Seconds after which a library that did not come back from being loaded is loaded again."""

CLEARING = 10.0
"""Seconds for taking back what a connection has left whose process crashed or hung."""

ASKED = 3
"""How often the person at the terminal may type a password."""

REFUSED = frozenset({Status.ERROR_ACCESS_DENIED, Status.ERROR_INVALID_PASSWORD, Status.ERROR_LOGON_FAILURE})
"""What says that another password is wanted, or one at all."""

NET_TYPE, DRIVER_VERSION, USER, CONNECTION, DIALOG, ENUMERATION, START, CONNECTION_FLAGS = 2, 3, 4, 6, 8, 0xB, 0xC, 0xD
"""What ``NPGetCaps`` is asked for."""

ADDCONNECTION3 = 0x8
NEVER, STARTED, UNKNOWN = 0, 1, 0xFFFFFFFF  # of START

_ENUM = ("NPOpenEnum", "NPEnumResource", "NPCloseEnum")
_BITS: Sequence[tuple[int, int, Capability, tuple[str, ...]]] = (
    (CONNECTION, 0x1, Capability.ADD_CONNECTION, ("NPAddConnection",)),
    (CONNECTION, ADDCONNECTION3, Capability.ADD_CONNECTION, ("NPAddConnection3",)),
    (CONNECTION, 0x2, Capability.CANCEL_CONNECTION, ("NPCancelConnection",)),
    (CONNECTION, 0x4, Capability.GET_CONNECTIONS, ("NPGetConnection",)),
    (CONNECTION, 0x40, Capability.GET_PERFORMANCE, ("NPGetConnectionPerformance",)),
    (USER, 0x1, Capability.GET_USER, ("NPGetUser",)),
    (ENUMERATION, 0x1, Capability.ENUMERATE_GLOBAL, _ENUM),
    (ENUMERATION, 0x2, Capability.ENUMERATE_CONNECTED, _ENUM),
    (ENUMERATION, 0x4, Capability.ENUMERATE_CONTEXT, _ENUM),
    (DIALOG, 0x200, Capability.RESOURCE_PARENT, ("NPGetResourceParent",)),
    (DIALOG, 0x800, Capability.RESOURCE_INFORMATION, ("NPGetResourceInformation",)),
)
"""The bits of ``NPGetCaps``: the index and bit, what that means here, and the functions that it takes."""

_BY_EXPORT = {Capability.UNIVERSAL_NAME: "NPGetUniversalName", Capability.LOGON_NOTIFY: "NPLogonNotify"}
"""What NPAPI has no bit for."""

log = Log("mprouter.providers")


@frozen
class _Able:
    """What a library exports, and what its ``NPGetCaps`` says, by index."""

    exports: frozenset[str]
    caps: Mapping[int, int]

    @property
    def capabilities(self) -> Capability:
        """What counts: said and exported (R4)."""
        able = Capability(0)
        for index, bit, capability, functions in _BITS:
            if self.caps[index] & bit and self.exports.issuperset(functions):
                able |= capability
        for capability, function in _BY_EXPORT.items():
            if function in self.exports:
                able |= capability
        return able

    @property
    def lies(self) -> list[str]:
        """What it says that it can and has no function for."""
        missing: dict[str, None] = {}
        for index, bit, _, functions in _BITS:
            if self.caps[index] & bit:
                missing |= dict.fromkeys(each for each in functions if each not in self.exports)
        return [f"its NPGetCaps says that it has {each}, which it does not export" for each in missing]

    @property
    def has_flags(self) -> bool:
        """Whether ``NPAddConnection3`` is the one to be called."""
        return bool(self.caps[CONNECTION] & ADDCONNECTION3) and "NPAddConnection3" in self.exports


class Native(Hosting[Host[Answer]]):
    """The network provider in the shared library at *path*, called *name* here.

    match: patterns of the names that are its own; without any all UNC names are, for nothing else is a name on Windows:
    which of them really are, ``NPAddConnection`` says (WN_BAD_NETNAME). sha256: see ``trust.opened``. timeout: seconds
    that a call may take, the start of the process not counted. memory: bytes that its process may have to itself.

    A crash, hang, flood or nonsense is raised as ``Host.ask`` says; the next call gets a new process. Thread-safe.
    """

    def __init__(
        self,
        name: str,
        path: str,
        *,
        match: Sequence[str] = (),
        sha256: str | None = None,
        timeout: float = TIMEOUT,
        memory: int = MEMORY_LIMIT,
    ) -> None:
        super().__init__(f"native:{path}")
        self.name = name
        self.path = path
        self.sha256 = sha256
        self.timeout = timeout
        self.memory = memory
        self._matches = [match_pattern(each) for each in match]
        self._able: _Able | None = None
        self._hung = ("", 0.0)  # when it was loaded: in words, and until when that counts

    # -- what it is ----------------------------------------------------------------------------------------------

    @property
    def capabilities(self) -> Capability:
        """What ``NPGetCaps`` says and is exported; of one that cannot be loaded, that it connects, which says why."""
        try:
            return self._loaded().capabilities
        except WNetError:
            return Capability.ADD_CONNECTION

    def flaws(self) -> list[str]:
        """What is wrong with the library, as far as loading it tells."""
        try:
            return self._loaded().lies
        except WNetError as error:
            return [str(error.strerror).removeprefix(self._mine)]

    def claims(self, name: RemoteName) -> bool:
        """Whether *name* matches; the library is not asked (R2)."""
        if self._matches:
            return any(each(name.forms) for each in self._matches)
        return _is_unc(name.given)

    def check_options(self, name: RemoteName, options: Mapping[str, str]) -> None:
        """NPAPI has none. Raises ``WNetError`` (ERROR_INVALID_PARAMETER)."""
        if options:
            text = f"{self.name} has no option {next(iter(options))}: NPAPI has no options"
            raise WNetError(Status.ERROR_INVALID_PARAMETER, text, name=name.given)

    def start_up(self) -> float | None:
        """WNNC_START, as it is now (R7). A network that does not start is not waited for."""
        said = self._looked().caps[START]
        return None if said == UNKNOWN else 0.0 if said in {NEVER, STARTED} else said / 1000

    def network_information(self) -> NetworkInformation:
        """WNNC_NET_TYPE and WNNC_DRIVER_VERSION; see ``Describing``."""
        try:
            caps = self._looked().caps
        except WNetError as error:
            return NetworkInformation(status=error.status)
        status = {NEVER: Status.ERROR_NO_NETWORK, STARTED: Status.WN_SUCCESS}.get(caps[START], Status.ERROR_BUSY)
        return NetworkInformation(caps[DRIVER_VERSION], caps[NET_TYPE], status)

    # -- connecting ----------------------------------------------------------------------------------------------

    def add_connection(self, request: AddRequest) -> Added:
        """``NPAddConnection3``, or ``NPAddConnection``; see ``Provider.add_connection``.

        The password of the call is told at once; a stored or typed one only when the library has refused to connect
        without any. What has to be asked of the person, the router asks.
        """
        self._need(Capability.ADD_CONNECTION)
        refusal = WNetError(Status.ERROR_LOGON_FAILURE, "no password is given", provider=self.name)
        for user, password in self._logons(request):
            try:
                self._add(request, user, password)
            except WNetError as error:
                if error.status not in REFUSED:
                    raise
                refusal = error
                continue
            if password is not None:
                request.credentials.used(user, password)
            try:
                user_now = self._user_now(request.mountpoint, user)
            except BaseException:  # Ctrl-C
                self._take_back(request)
                raise
            return Added(user_now, {"remote": _told(request.name.given)})
        raise refusal

    def _logons(self, request: AddRequest) -> Iterator[tuple[str | None, Secret | None]]:
        """User names and passwords, the next for when one was refused; None = the default."""
        credentials = request.credentials
        user = credentials.user or request.name.user
        if credentials.password is not None:
            yield user, credentials.password
            return
        if not credentials.ask:
            yield user, None
        for found in credentials.stored(request.name, user):
            yield found.user or user, found.password
        if request.conversation is None:
            return
        import getpass

        user = user or getpass.getuser()
        credentials.tries(user)
        for _ in range(ASKED):
            typed = request.conversation.ask_password(f"Password of {user} for {request.name.given}")
            if typed is None:
                return
            yield user, Secret(typed)

    def _add(self, request: AddRequest, user: str | None, password: Secret | None) -> None:
        able, flags = self._loaded(), None
        if able.has_flags:
            wanted = able.caps[CONNECTION_FLAGS] or ConnectFlag.TEMPORARY
            flags = request.flags & wanted & ~(ConnectFlag.INTERACTIVE | ConnectFlag.PROMPT)
        resource = NetResource(_told(request.name.given), str(request.mountpoint), request.type)
        told = None if password is None else bytearray(password.reveal(), "utf-16-le", "surrogatepass")
        try:
            answer = self._ask(
                lambda serial: Add(serial, resource, user, None if told is None else memoryview(told), flags),
                secret=password,
            )
        except BaseException:  # nobody knows how far it has come
            self._take_back(request)
            raise
        finally:
            if told is not None:
                told[:] = bytes(len(told))
        self._check(answer, request.name.given, password)

    def _take_back(self, request: AddRequest) -> None:
        if Capability.CANCEL_CONNECTION in self.capabilities:
            with suppress(WNetError):
                self._ask(lambda serial: Cancel(serial, str(request.mountpoint), True), timeout=CLEARING)

    def _user_now(self, mountpoint: Path, user: str | None) -> str | None:
        if Capability.GET_USER in self.capabilities:
            with suppress(WNetError):
                return self._text("NPGetUser", str(mountpoint)) or user
        return user

    def cancel_connection(self, mounted: Mounted, *, force: bool, progress: Progress | None = None) -> None:
        """``NPCancelConnection`` (C6); see ``Provider.cancel_connection``. A first Ctrl-C waits for its answer."""
        del progress
        self._need(Capability.CANCEL_CONNECTION)
        answer = self._ask(lambda serial: Cancel(serial, str(mounted.mountpoint), force), owed=True)
        if answer.status is not Status.ERROR_NOT_CONNECTED:  # then it is gone already
            self._check(answer, mounted.name.given)

    def state(self, mounted: Mounted) -> State:
        """``NPGetConnection``."""
        self._need(Capability.GET_CONNECTIONS)
        answer = self._ask(lambda serial: Ask(serial, "NPGetConnection", str(mounted.mountpoint)))
        if answer.status is Status.ERROR_NOT_CONNECTED:
            return State.LOST
        self._check(answer, mounted.name.given)
        return State.CONNECTED

    def settle(self, mounted: Mounted) -> State:
        """As ``state``, for what half a cancel has left is the library's own; if it cannot say, it stands."""
        return self.state(mounted) if Capability.GET_CONNECTIONS in self.capabilities else State.CONNECTED

    # -- what it may have besides --------------------------------------------------------------------------------

    def enumerate(
        self,
        scope: ResourceScope,
        type: ResourceType,  # noqa: A002 - NETRESOURCE's word
        usage: ResourceUsage,
        container: NetResource | None,
    ) -> Iterator[NetResource]:
        """``NPOpenEnum``, ``NPEnumResource``, ``NPCloseEnum``; see ``Enumerating``."""
        about = None if container is None else container.remote_name
        inside = None if container is None else replace(container, remote_name=_told(about) if about else None)
        opened = self._ask(lambda serial: Open(serial, scope, type, usage, inside))
        (handle,) = self._check(opened, about).numbers
        host = self._host
        try:
            while True:
                if self._host is not host:
                    ended = f"{self._mine}the process that enumerated has ended"
                    raise WNetError(Status.ERROR_PROCESS_ABORTED, ended, name=about)
                found = self._check(self._ask(lambda serial: Next(serial, handle)), about).resources
                if not found:
                    return
                for each in found:
                    yield replace(each, provider=self.name)
        finally:
            if self._host is host:
                with suppress(WNetError):
                    self._ask(lambda serial: Close(serial, handle))

    def resource_information(self, resource: NetResource) -> ResourceInformation:
        """``NPGetResourceInformation``; see ``Informing``."""
        answer = self._asked("NPGetResourceInformation", _told(resource.remote_name or ""), resource.type)
        (found,), (system,) = answer.resources, answer.texts
        return ResourceInformation(replace(found, provider=self.name), system or None)

    def resource_parent(self, resource: NetResource) -> NetResource | None:
        """``NPGetResourceParent``; see ``Ascending``."""
        (found,) = self._asked("NPGetResourceParent", _told(resource.remote_name or "")).resources
        return replace(found, provider=self.name) if found.remote_name else None

    def universal_name(self, mounted: Mounted, path: str) -> UniversalName:
        """``NPGetUniversalName``, of REMOTE_NAME_INFO_LEVEL and, as far as that has none, UNIVERSAL_NAME_INFO_LEVEL."""
        local = str(mounted.mountpoint / path) if path else str(mounted.mountpoint)
        remaining = f"/{path}" if path else ""
        try:
            universal, connection, rest = self._asked("NPGetUniversalName", local, 2).texts
        except WNetError as error:
            if error.status not in {Status.ERROR_INVALID_LEVEL, Status.ERROR_NOT_SUPPORTED}:
                raise
            (universal,) = self._asked("NPGetUniversalName", local, 1).texts
            connection, rest = _told(mounted.name.given), remaining
        rest = remaining if rest is None else rest
        return UniversalName(universal or None, connection or _told(mounted.name.given), rest)

    def user_of(self, mounted: Mounted | None) -> str | None:
        """``NPGetUser``; see ``Identifying``."""
        return self._text("NPGetUser", None if mounted is None else str(mounted.mountpoint)) or None

    def performance_of(self, mounted: Mounted) -> Performance:
        """``NPGetConnectionPerformance``; see ``Measuring``."""
        flags, speed, delay, size = self._asked("NPGetConnectionPerformance", str(mounted.mountpoint)).numbers
        return Performance(PerformanceFlag(flags & sum(PerformanceFlag)), speed, delay, size)

    def logon_notify(self, logon: LogonInfo, previous: LogonInfo | None, station: str) -> str | None:
        """``NPLogonNotify``; see ``Attending``."""
        return self._attend(logon, previous, station, None).texts[0]

    def password_change_notify(
        self, logon: LogonInfo, previous: LogonInfo | None, station: str, change: PasswordChange
    ) -> None:
        """``NPPasswordChangeNotify``; see ``Attending``."""
        if "NPPasswordChangeNotify" not in self._loaded().exports:
            raise WNetError(Status.ERROR_NOT_SUPPORTED, "it is not told of new passwords", name=self.name)
        self._attend(logon, previous, station, change)

    def _attend(self, logon: LogonInfo, previous: LogonInfo | None, station: str, change: int | None) -> Answer:
        self._need(Capability.LOGON_NOTIFY)
        told = [bytearray(each.password.reveal(), "utf-16-le", "surrogatepass") for each in (logon, previous) if each]
        accounts = [
            Account(each.kind, each.domain, each.user, memoryview(password))
            for each, password in zip((logon, *([previous] if previous else ())), told, strict=True)
        ]
        try:
            answer = self._ask(
                lambda serial: Attend(serial, accounts[0], accounts[1] if previous else None, station, change),
                secret=logon.password,
            )
        finally:
            for each in told:
                each[:] = bytes(len(each))
        return self._check(answer, logon.user, logon.password)

    # -- how it is asked -----------------------------------------------------------------------------------------

    def _need(self, capability: Capability) -> None:
        """Raise ``WNetError`` (ERROR_NOT_SUPPORTED) if the library does not have it (R4, R5)."""
        if capability not in self._loaded().capabilities:
            text = f"the library of {self.name} cannot {str(capability.name).lower().replace('_', ' ')}"
            raise WNetError(Status.ERROR_NOT_SUPPORTED, text, provider=self.name)

    def _loaded(self) -> _Able:
        """What the library can do, which is asked once. Raises ``WNetError`` if it cannot be loaded."""
        if self._able is None:
            failure: WNetError | None = None
            with self._lock:
                try:
                    self._running()
                except WNetError as error:
                    failure = self._named(error)
            if failure is not None:
                raise failure
        assert self._able is not None  # noqa: S101 - that was it
        return self._able

    def _running(self) -> Host[Answer]:
        """The process, with the library loaded. One that hung meanwhile is not waited for at each question anew."""
        if monotonic() >= self._hung[1]:
            try:
                return self._ready(Patience(min(LOADING, max(self.timeout, STARTING))))
            except WNetError as error:
                if error.status is not Status.ERROR_TIMEOUT:
                    raise
                self._hung = f"{error.strerror} while it was loaded", monotonic() + AGAIN
        hint = f"to do without it: mpr provider disable {self.name}"
        raise WNetError(Status.ERROR_TIMEOUT, self._hung[0], hint=hint)

    @property
    def _mine(self) -> str:
        """What an error begins with whose words are ours."""
        return f"the network provider {self.name}: "

    def _named(self, error: WNetError, secret: Secret | None = None) -> WNetError:
        """*error*, with whose it is."""
        words = self._mine + _without(str(error.strerror), secret)
        return WNetError(error.status, words, provider=self.name, hint=error.hint)

    def _looked(self) -> _Able:
        """The same, asked anew."""
        return self._able_by(self._check(self._ask(self._look), None))

    def _look(self, serial: int) -> Look:
        return Look(serial, self.path, self.sha256)

    def _able_by(self, answer: Answer) -> _Able:
        able = _Able(frozenset(filter(None, answer.texts)), dict(enumerate(answer.numbers, 1)))
        if len(able.caps) < CONNECTION_FLAGS:
            raise WNetError(Status.ERROR_INVALID_DATA, "its process answers nonsense: capabilities are missing")
        self._able = able
        return able

    def _started(self) -> Host[Answer]:
        inside = "mprouter.providers.native.hosted"
        return Host(inside, self.target, self.memory, frame=wire.frame, decode=wire.decode_answer)

    def _load(self, host: Host[Answer], patience: Patience) -> WNetError | None:
        answer = host.ask(self._look(1), patience)
        if answer.status:
            return WNetError(answer.status, answer.message, provider=self.name)
        self._able_by(answer)
        return None

    def _asked(self, function: str, name: str | None, number: int = 0) -> Answer:
        """What *function* answers that is told no more than a name. Raises ``WNetError`` with its status."""
        return self._check(self._ask(lambda serial: Ask(serial, function, name, number)), name)

    def _text(self, function: str, name: str | None) -> str | None:
        return self._asked(function, name).texts[0]

    def _ask(
        self,
        request: Callable[[int], Request],
        *,
        timeout: float | None = None,
        owed: bool = False,
        secret: Secret | None = None,
    ) -> Answer:
        """One call. owed: as in ``Host.ask``. secret: not to be in what is told of it. Raises as ``Host.ask`` does."""
        limit = timeout or self.timeout
        failure: WNetError
        try:
            with self._lock:
                host = self._running()
                try:
                    answer = host.ask(request(host.serial + 1), Patience(limit), owed=owed)
                except WNetError as error:
                    if not host.ended_before:
                        raise
                    log.warning("%s is started again: between two calls %s", self.target, error.strerror)
                    host = self._running()
                    answer = host.ask(request(host.serial + 1), Patience(limit), owed=owed)
                if host.printed:
                    log.info("%s wrote: %s", self.target, _without(" / ".join(host.lines()), secret))
                return answer
        except WNetError as error:
            failure = self._named(error, secret)
        finally:
            if self._closing:
                self.close()
        raise failure  # here and not above, where what was raised would go with it

    def _check(self, answer: Answer, name: str | None, secret: Secret | None = None) -> Answer:
        """*answer*, if it is one. Raises ``WNetError`` with the status of the library, and its own words (1208)."""
        if not answer.status:
            return answer
        said = answer.said
        words = self._mine + answer.message if answer.message else (said.text if said else "") or None
        raise WNetError(
            answer.status,
            words and _without(words, secret),
            name=name,
            provider=self.name,
            provider_code=said.code if said else None,
            provider_text=_without(said.text, secret) if said else None,
        )


def _is_unc(name: str) -> bool:
    return set(name.strip()[:2]) <= {"\\", "/"}


def _told(name: str) -> str:
    """*name* as a library is told it: a UNC name with backslashes, as on Windows."""
    return name.strip().replace("/", "\\").rstrip("\\") if _is_unc(name) else name.strip()


def _without(text: str, secret: Secret | None) -> str:
    return text.replace(secret.reveal(), "***") if secret is not None and secret.reveal() else text
