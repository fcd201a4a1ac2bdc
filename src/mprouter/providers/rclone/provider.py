"""The way of one connection: what all networks on rclone have in common.

A network is a subclass in a file of its own. It says as data which names are its own, which options it has and what its
errors mean, and as methods how a name becomes settings of rclone's backend and which ways to log on there are.

To connect: the server is asked through rclone whether it lets this user in and has the directory, which tells what is
wrong if anything is; then it is mounted; then the kernel is asked whether it is mounted. To disconnect: what was closed
is delivered, then the mount is taken away.
"""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import field, replace
from itertools import chain, count, islice
from pathlib import Path
from time import monotonic, sleep, time
from typing import TYPE_CHECKING, Any, ClassVar

from mprouter import faults
from mprouter.frozen import frozen
from mprouter.names import RemoteName
from mprouter.processes import wait_until
from mprouter.providers.base import (
    Added,
    AddRequest,
    Capability,
    Conversation,
    Mounted,
    NetworkInformation,
    Performance,
    Progress,
    ResourceInformation,
    State,
)
from mprouter.providers.order import BUILTIN
from mprouter.providers.rclone import daemon, mounts, program
from mprouter.providers.rclone.daemon import Daemon
from mprouter.providers.rclone.discard import discard
from mprouter.providers.rclone.failures import Failure, attributed, meaning, server_words
from mprouter.providers.rclone.handle import Handle
from mprouter.providers.rclone.health import diagnose
from mprouter.providers.rclone.hold import NOTICED, end_idle, is_detached, mount, mounting
from mprouter.providers.rclone.logons import Logon, other_ways
from mprouter.providers.rclone.options import COMMON_OPTIONS, Option, read_options
from mprouter.providers.rclone.rc import Refused
from mprouter.providers.rclone.unsent import (
    adopt,
    is_elsewhere,
    is_left_behind,
    is_member,
    note,
    refuse_without_cache,
    take_up,
    waiting,
)
from mprouter.resource import NetResource, ResourceScope, ResourceType, ResourceUsage
from mprouter.status import Status, WNetError

if TYPE_CHECKING:
    from mprouter.providers.rclone.browsing.look import Seen

__all__ = ["BROWSABLE", "IDLE", "Probe", "RcloneProvider", "Target", "quoted"]

BROWSABLE = Capability.ENUMERATE_GLOBAL | Capability.RESOURCE_INFORMATION | Capability.RESOURCE_PARENT
"""What every network on rclone can tell of itself."""

FRESH = "5s"
"""How long a directory's listing is used before the server is asked again: changes by others show within that time."""

KEPT = "1m"
"""How long a copy of what was written here is kept after its last use, once it is sent; and how often one looks.

As soon as the file is renamed here rclone takes the copy for what others have made of it meanwhile. If it goes while
somebody has the file open without having read or written yet, rclone no longer knows that it is open.
"""

WRITE_BACK = "1s"
"""How long after its last close a file is sent; a program that saves often causes one upload."""

KEPT_FREE = "100M"
"""How much rclone leaves free on the cache's disk by dropping copies of what is sent, where there are any."""

STALL = 30.0
"""Seconds without any progress after which a disconnect no longer waits for what is not sent."""

IDLE = "5s"
"""How long rclone keeps an unused session of SMB or FTP, where it does not notice that one has died with its server.

It goes on with the dead one for as long as it is asked for anything sooner than that; its own minute is for ever.
"""

LOOKED_UP = 6.0
"""Seconds after which rclone has read the system's hosts and name servers again: it does so every five."""

WAKING = 5.0
"""Seconds of silence after which a session that rclone has from before may be dead, so that another is begun."""

DYING = 2.0
"""Seconds within which a process has ended whose sockets the kernel has closed for that."""

_DEAD = frozenset({Status.ERROR_TIMEOUT, Status.ERROR_UNEXP_NET_ERR})
"""What a session that is dead without rclone's knowing it looks like: silence, or nothing that can be understood."""

_WRONG = frozenset({Status.ERROR_LOGON_FAILURE, Status.ERROR_INVALID_PASSWORD})
"""What ends one way to log on, so that the next one is tried."""

_MOUNTING = (
    Failure(
        "no space left|quota exceeded|remaining disk space",
        Status.ERROR_DISK_FULL,
        "the disk of rclone's cache is full",
    ),
    Failure("executable file not found", Status.ERROR_SERVICE_NOT_FOUND, "the program fusermount3 is not in PATH"),
    Failure("is not empty|already mounted", Status.ERROR_DIR_NOT_EMPTY, "the directory to mount on is not empty"),
    Failure("too many FUSE filesystems", Status.ERROR_BUSY, "no more mounts are allowed", "see mount_max in fuse.conf"),
    Failure(
        "fusermount.*(?:denied|not permitted)|/dev/fuse",
        Status.ERROR_ACCESS_DENIED,
        "mounting is not allowed here: {said}",
        f"fusermount3 must be setuid root; {mounts.BARRED}; a container needs --cap-add SYS_ADMIN --device /dev/fuse",
    ),
)


@frozen
class Target:
    """What to connect to.

    host, port: the server; None where there is none. root: the path for rclone. shown: the path as a person knows it.
    settings: of rclone's backend, without the logon. config: settings of rclone itself while the backend is made.
    variant: tells apart what must not share a session although resource and user are the same.
    """

    name: RemoteName
    host: str | None
    port: int | None
    root: str
    shown: str
    settings: Mapping[str, str] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    variant: str = ""
    read_only: bool = False


Probe = Callable[[Daemon, Target, Logon, str], None]
"""As ``RcloneProvider.probe``."""


class RcloneProvider(ABC):
    """A network provider on rclone. Subclasses set the class attributes and override what their network needs.

    name: as ``--provider`` gives it; its remote names stand in ``order.BUILTIN``. title: the protocol, for a person.
    backend: rclone's name for it. options: what ``-o`` may set, beside the common ones. failures: what this network's
    errors mean, before the common ones. retries: how often rclone itself tries to open a session, and any request of
    HTTP. case_insensitive: file names are. copies_age: servers tell only the size of a file, so that another's of the
    same size would be taken for what was written here. silence: how long a server may be silent in the middle of
    something, None for ``daemon.SILENCE``. services: the kinds of DNS-SD by which its servers announce
    themselves, each with the scheme of a URL. net_type: its WNNC_NET_*, 0 = none of them. glance: settings of rclone's
    backend for a session that only looks.
    """

    name: str
    title: ClassVar[str]
    backend: ClassVar[str]
    options: ClassVar[Mapping[str, Option]] = {}
    failures: ClassVar[Sequence[Failure]] = ()
    retries: ClassVar[int] = 10
    case_insensitive: ClassVar[bool] = False
    copies_age: ClassVar[bool] = False
    silence: ClassVar[str | None] = None
    services: ClassVar[Mapping[str, str]] = {}
    net_type: ClassVar[int] = 0
    glance: ClassVar[Mapping[str, str]] = {}

    capabilities = (
        Capability.ADD_CONNECTION
        | Capability.CANCEL_CONNECTION
        | Capability.GET_CONNECTIONS
        | Capability.GET_PERFORMANCE
        | Capability.ENUMERATE_CONTEXT
        | Capability.REPLACE
        | BROWSABLE
    )
    waiting = staticmethod(waiting)  # one for all networks: they share the cache
    discard = staticmethod(discard)
    diagnose = staticmethod(diagnose)  # one for all networks: they share the data plane

    def __init__(self, *, stall: float = STALL) -> None:
        """*stall*: seconds without progress after which a disconnect no longer waits for uploads."""
        self.stall = stall

    # -- what a network overrides --------------------------------------------------------------------------------

    @abstractmethod
    def target(self, request: AddRequest, options: Mapping[str, str]) -> Target:
        """What *request* asks for; ``WNetError`` if the server cannot be reached or trusted."""

    @abstractmethod
    def logons(self, request: AddRequest, target: Target) -> Iterator[Logon]:
        """The ways to log on, the likeliest first; the next is asked for when one was refused."""

    def accepted(self, target: Target, logon: Logon) -> None:
        """Keep which *logon* has worked, where it helps the next time."""
        del target, logon

    def probe(self, rclone: Daemon, target: Target, logon: Logon, fs: str) -> None:
        """Raise ``Refused`` or ``WNetError`` if the directory, the root of *fs*, cannot be used."""
        del target, logon
        rclone.call("operations/stat", timeout=60, fs=fs, remote="")

    def failed(self, text: str, target: Target, logon: Logon) -> WNetError:
        """The error that *text*, an answer of rclone's, stands for."""
        return meaning(text, self.failures, self._words(text, target, logon))

    def _words(self, text: str, target: Target, logon: Logon) -> dict[str, str]:
        """Those of messages about what *text* tells; see ``Failure``."""
        return {
            **server_words(text, target.host, target.port),
            "network": self.title,
            "user": f"user {logon.user}" if logon.user else "an anonymous user",
            "path": target.shown,
            "share": target.root.partition("/")[0],
        }

    def near(self, scope: ResourceScope) -> Iterator[NetResource]:
        """The servers at the top of this network, as far as anybody can say which there are."""
        from mprouter.providers.rclone.browsing.browse import announced_hosts

        return announced_hosts(self, scope)

    def look(self, name: RemoteName) -> Sequence[Seen]:
        """What can be connected in *name*, of a server alone too; ``WNetError`` soon if the server does not answer."""
        from mprouter.providers.rclone.browsing.look import Patience, look, visible

        seen, _ = look(self, name, Patience())
        return visible(seen)

    def servers(self, name: RemoteName) -> list[tuple[str, int]]:
        """The host and port that *name* is connected to; where a name does not say which, those that may be meant."""
        return [(name.host, name.service)] if name.host is not None and name.service is not None else []

    def place(self, name: RemoteName) -> tuple[str, str]:
        """What is part of the server's address for rclone, and the path there."""
        return "", name.path

    def config(self, target: Target) -> dict[str, Any]:
        """Settings of rclone itself while it opens a session."""
        silence = {"Timeout": self.silence} if self.silence is not None else {}
        return {"ConnectTimeout": "10s", "LowLevelRetries": self.retries, **silence, **target.config}

    def connection_string(self, rclone: Daemon, target: Target, logon: Logon) -> str:
        """What names the file system to rclone: all settings and the path."""
        settings = {**target.settings, **logon.settings}
        settings.update({key: rclone.obscured(secret) for key, secret in logon.obscured.items()})
        settings.update({key: secret.reveal() for key, secret in logon.plain.items()})
        listed = "".join(f",{key}={quoted(value)}" for key, value in settings.items())
        return f"{self.family(target, logon)}{target.variant},type={self.backend}{listed}:{target.root}"

    def family(self, target: Target, logon: Logon) -> str:
        """What the names of all file systems for this resource and user begin with, in letters that rclone allows.

        Each resource has a name of its own, since rclone's caches of a directory and of one below it would overlap.
        """
        from mprouter.digest import sha256

        who = (self.name, target.host, target.port, logon.user, target.settings.get("endpoint"), target.root)
        apart = filter(None, (self.place(target.name)[0], target.settings.get("domain")))  # what else tells two apart
        token = sha256(repr((who, target.read_only, *apart)).encode()).hexdigest()[:12]
        shown = re.sub(r"[^A-Za-z0-9.@_+]", "_", f"{logon.user or ''}@{target.host or target.shown}".lstrip("@"))
        return f"mpr-{self.name} {shown[:80]} {token}"

    # -- the Provider protocol -----------------------------------------------------------------------------------

    def claims(self, name: RemoteName) -> bool:
        """Whether *name* is this network's (R2)."""
        return name.scheme in BUILTIN[self.name].schemes

    def check_options(self, name: RemoteName, options: Mapping[str, str]) -> None:
        """Raise ``WNetError`` ERROR_INVALID_PARAMETER for an option or a value that this network does not have."""
        read_options({**self.options, **COMMON_OPTIONS}, options, network=self.name, name=name.given)

    def add_connection(self, request: AddRequest) -> Added:
        """Connect (``NPAddConnection3``); see ``Provider.add_connection``."""
        with self._reporting(request.name.given):
            mounts.check_fuse()  # the order is R5's
            options = read_options(
                {**self.options, **COMMON_OPTIONS}, request.options, network=self.name, name=request.name.given
            )
            daemon.stop_barred()
            with daemon.kept():
                return self._connected(request, options)

    def cancel_connection(self, mounted: Mounted, *, force: bool, progress: Progress | None = None) -> None:
        """Disconnect (``NPCancelConnection``, C6); see ``Provider.cancel_connection``."""
        from mprouter.providers.rclone.disconnect import check_forgotten, clean_up, disconnect, finish, leave

        handle = Handle.read(mounted)
        with self._reporting(mounted.name.given):
            mounts.check_uncovered(handle.mountpoint)
            handle.check_visible()
            rclone = daemon.running()
            if rclone is not None and not handle.pid:  # it was being made when its process died
                _take_back(rclone, handle.mountpoint)
            if rclone is None or not handle.is_of(rclone):
                check_forgotten(handle, force=force)
                clean_up(handle, mounted.name)
                return
            try:
                if mounted.later:
                    leave(rclone, handle, mounted.name, force=force)
                elif handle.is_connected:
                    disconnect(rclone, handle, mounted.name, force=force, progress=progress, stall=self.stall)
                else:
                    finish(rclone, handle, mounted.name, progress=progress, stall=self.stall)
            except WNetError as error:
                if error.status is not Status.ERROR_PROCESS_ABORTED or mounts.is_mounted(handle.mountpoint):
                    raise
                if not wait_until(lambda: not daemon.is_running(rclone.pid, rclone.started), DYING):
                    raise  # it cannot be reached, and goes on sending
                clean_up(handle, mounted.name)  # it has died since: nobody is to write into the bare directory

    def state(self, mounted: Mounted) -> State:
        """What became of the connection (``NPGetConnection``), asked of the kernel alone."""
        return State.CONNECTED if Handle.read(mounted).is_connected else State.LOST

    def settle(self, mounted: Mounted) -> State:
        """Clear what a disconnect has left whose process died; see ``Provider.settle``."""
        from mprouter.providers.rclone.disconnect import settle

        handle = Handle.read(mounted)
        with self._reporting(mounted.name.given):
            rclone = daemon.running()
            if rclone is None or not handle.is_of(rclone):
                return State.LOST
            return settle(rclone, handle, mounted.name, stall=self.stall)

    def start_up(self) -> float | None:
        """Unknown: rclone starts when it is needed, but when the machine gets its network nobody can say (R7)."""
        return None

    # -- browsing ------------------------------------------------------------------------------------------------

    def enumerate(
        self,
        scope: ResourceScope,
        type: ResourceType,  # noqa: A002 - NETRESOURCE's word
        usage: ResourceUsage,
        container: NetResource | None,
    ) -> Iterator[NetResource]:
        """What there is (``NPOpenEnum``); see ``Enumerating.enumerate``."""
        from mprouter.providers.rclone.browsing.browse import inside

        if scope not in {ResourceScope.GLOBALNET, ResourceScope.CONTEXT}:
            raise WNetError(Status.ERROR_NOT_SUPPORTED, "the router itself knows what is connected")
        given = None if container is None else container.remote_name
        with self._reporting(given):
            for each in self.near(scope) if given is None else inside(self, given, scope):
                if (not usage or each.usage & usage) and type in {ResourceType.ANY, each.type}:
                    yield each

    def resource_information(self, resource: NetResource) -> ResourceInformation:
        """What a name stands for (``NPGetResourceInformation``); see ``Informing``."""
        from mprouter.providers.rclone.browsing.browse import information

        with self._reporting(resource.remote_name):
            return information(self, resource)

    def resource_parent(self, resource: NetResource) -> NetResource | None:
        """What contains a resource (``NPGetResourceParent``); see ``Ascending``."""
        from mprouter.providers.rclone.browsing.browse import container

        with self._reporting(resource.remote_name):
            return container(self, resource)

    def network_information(self) -> NetworkInformation:
        """Of which type the network is, and the version of this package, 1.2 as 0x00010002; see ``Describing``."""
        from mprouter._version import __version__

        major, minor = (int(each) for each in re.findall(r"\d+", __version__)[:2])
        return NetworkInformation(major << 16 | minor, self.net_type)

    def performance_of(self, mounted: Mounted) -> Performance:
        """How fast a connection is (``NPGetConnectionPerformance``), measured; see ``Measuring``."""
        from mprouter.providers.rclone.browsing.speed import performance

        handle = Handle.read(mounted)
        if not handle.is_connected:
            raise WNetError(Status.ERROR_NOT_CONNECTED, name=mounted.name.given, provider=self.name)
        with self._reporting(mounted.name.given):
            return performance(handle.pid, self.servers(mounted.name))

    # -- the steps of connecting ---------------------------------------------------------------------------------

    def _connected(self, request: AddRequest, options: Mapping[str, str]) -> Added:
        """Have rclone connect it, which is started meanwhile if need be."""
        obtain = daemon.begin()
        request = replace(request, conversation=_after(obtain, request.conversation))
        try:  # meanwhile
            target = self.target(request, options)
            ways = self.logons(request, target)
            likeliest = [*islice(ways, 1)]
        except WNetError:
            obtain()  # what is wrong with that comes first
            raise
        rclone = obtain()
        if not mounts.is_mounted(mounts.real_path(request.mountpoint)):
            request.clear()  # the file system may still be there, and is to be ended before another is looked for
        fs, logon = self.log_on(rclone, request, target, chain(likeliest, ways))
        faults.reached("logged on")
        request.clear()
        handle = self._mount(rclone, request, target, logon, fs)
        faults.reached("mounted")
        return Added(logon.user, handle.written())

    def log_on(
        self, rclone: Daemon, request: AddRequest, target: Target, ways: Iterable[Logon], probe: Probe | None = None
    ) -> tuple[str, Logon]:
        """The name of the file system in rclone, and that of the *ways* to log on which worked.

        probe: what must succeed, in place of the method ``probe``. Raises ``WNetError``.
        """
        refused = WNetError(
            Status.ERROR_LOGON_FAILURE,
            f"no password is known for {request.credentials.user or request.name.user or 'this user'}",
        )
        logon: Logon | None = None
        for logon in ways:
            request.credentials.tries(logon.user)
            try:
                fs = self._open(rclone, target, logon, probe)
                until = monotonic() + NOTICED
                for number in count(1):  # not one that has to be left alone, or begins too late to send what waits
                    is_taken = is_elsewhere(rclone.cache, fs, rclone) or is_detached(rclone, fs, until)
                    if not is_taken and not self._is_late(rclone, target, logon, fs):
                        break
                    fs = self._open(rclone, replace(target, variant=f"{target.variant}-{number:x}"), logon, probe)
            except WNetError as error:
                if logon.is_guest and error.status in {*_WRONG, Status.ERROR_ACCESS_DENIED}:
                    wanted = f"{target.host or target.shown} wants a user name and a password"
                    refused = WNetError(Status.ERROR_LOGON_FAILURE, wanted, provider_text=error.provider_text)
                elif error.status in _WRONG:
                    refused = error
                else:
                    raise
                continue
            if logon.password is not None:
                request.credentials.used(logon.user, logon.password)
            self.accepted(target, logon)
            return fs, logon
        refused.hint = refused.hint or other_ways(logon, has_keys="key_file" in self.options)
        raise refused

    def _is_late(self, rclone: Daemon, target: Target, logon: Logon, fs: str) -> bool:
        """Whether the file system *fs* has begun too early to send what an earlier connection has left."""
        return not target.read_only and is_left_behind(rclone, self.family(target, logon), fs)

    def _open(self, rclone: Daemon, target: Target, logon: Logon, probe: Probe | None) -> str:
        """Have rclone open a session and look at the directory; the name of the file system.

        A host that rclone does not know but the system does was made known just now, as by a VPN that came up.
        """
        until = monotonic() + LOOKED_UP
        while True:
            is_last = monotonic() > until  # one that begins then looks the host up anew, however long the others took
            try:
                return self._open_once(rclone, target, logon, probe)
            except WNetError as error:
                if error.status is not Status.WSAHOST_NOT_FOUND or is_last or not _is_known(target, error):
                    raise
            sleep(0.2)

    def _open_once(self, rclone: Daemon, target: Target, logon: Logon, probe: Probe | None) -> str:
        try:
            if probe is None:
                return self._probed(rclone, target, logon)
            fs = self._session(rclone, target, logon)
            probe(rclone, target, logon, fs)
        except Refused as refusal:
            text = _without_secrets(refusal.text, rclone, logon)
        else:
            return fs
        raise self.failed(text, target, logon)  # not above, where the refusal would go with it, secrets and all

    def _probed(self, rclone: Daemon, target: Target, logon: Logon) -> str:
        """The name of a file system whose server answers. Raises ``Refused`` and ``WNetError``.

        A session that rclone has from before may be dead without its knowing, as after the server was started again, or
        a VPN came back with another address of this machine. Then another is begun, which tells what is really wrong.
        If the server is only slow the old one stays, since those who share it share its cache.
        """
        before = rclone.call("fscache/entries")["entries"]
        fs = self._session(rclone, target, logon)
        if rclone.call("fscache/entries")["entries"] > before:  # it is new
            self.probe(rclone, target, logon, fs)
            return fs
        try:
            self.probe(replace(rclone, patience=WAKING), target, logon, fs)
        except (Refused, WNetError) as error:
            failed = error if isinstance(error, WNetError) else self.failed(error.text, target, logon)
            if failed.status not in _DEAD:
                raise
        else:
            return fs
        began, fresh = monotonic(), replace(target, variant=f"{target.variant}-{int(time()):x}")  # as none is called
        another = self._session(rclone, fresh, logon)
        self.probe(rclone, fresh, logon, another)
        with suppress(Refused, WNetError):
            self.probe(replace(rclone, patience=monotonic() - began + 1), target, logon, fs)
            return fs
        return another

    def _session(self, rclone: Daemon, target: Target, logon: Logon) -> str:
        """Have rclone open a session, unless it has one; the name of the file system."""
        string = self.connection_string(rclone, target, logon)
        info = rclone.call("operations/fsinfo", fs=string, _config=self.config(target))
        return f"{info['Name']}:{info['Root']}"

    def _mount(self, rclone: Daemon, request: AddRequest, target: Target, logon: Logon, fs: str) -> Handle:
        """Mount, with what an earlier connection has left unsent; on any error leave nothing behind."""
        mountpoint = mounts.real_path(request.mountpoint)
        options = {
            "CacheMode": "off" if target.read_only else "writes",
            "ReadOnly": target.read_only,
            "WriteBack": WRITE_BACK,
            "DirCacheTime": FRESH,
            "CacheMaxAge": KEPT,
            "CachePollInterval": KEPT,
            "CacheMinFreeSpace": KEPT_FREE,
            "CaseInsensitive": self.case_insensitive,
        }
        if self.copies_age:  # what was written here is read from the server again as soon as it is sent
            options |= {"CacheMaxAge": "0s", "CachePollInterval": "1s", "HandleCaching": "0s"}
        left: list[str] = []
        logged = rclone.log.stat().st_size if rclone.log.exists() else 0
        try:
            with mounting():
                if not target.read_only:
                    family = self.family(target, logon)
                    end_idle(rclone, lambda each: is_member(each, family))
                    note(
                        rclone.cache,
                        fs,
                        request.name.given,
                        logon.user,
                        provider=self.name,
                        options=request.options,
                        family=family,
                        rclone=rclone,
                    )
                    left = adopt(rclone, family, fs)
                mount(
                    rclone,
                    fs,
                    mountpoint,
                    request.name.given,
                    None if fs in rclone.call("vfs/list")["vfses"] else options,
                    timeout=120 + len(left),  # of each the server is asked first
                )
                take_up(rclone, fs, mountpoint, left)
                cache = rclone.call("vfs/stats", fs=fs).get("diskCache")
                if not cache and not target.read_only:
                    refuse_without_cache(rclone.cache, fs)
            is_there = mounts.is_mounted(mountpoint)
        except BaseException as error:
            _take_back(rclone, mountpoint)
            if isinstance(error, Refused):
                mounts.check_allowed(error.text)
                text = mounts.helper_words(rclone.log, logged) or error.text
                raise meaning(text, _MOUNTING, self._words(text, target, logon)) from None
            raise
        if not is_there:
            raise WNetError(Status.ERROR_EXTENDED_ERROR, "the mount went away at once")
        meta = Path(cache["pathMeta"]) if cache else None
        return Handle(rclone.pid, rclone.started, fs, mountpoint, meta)

    @contextmanager
    def _reporting(self, name: str | None) -> Iterator[None]:
        """Let errors tell the provider and the name that they are about, rclone's refusals among them."""
        with attributed(self.name, name):
            try:
                yield
            except WNetError as error:
                if error.status is Status.ERROR_PROCESS_ABORTED and wait_until(_has_ended, DYING):
                    error.hint = f"rclone has ended, and another begins: try again; its log is {program.log_file()}"
                raise
            except Refused as refusal:
                text = f"rclone reported: {refusal.text}"
                raise WNetError(Status.ERROR_EXTENDED_ERROR, text, provider_text=refusal.text) from None


def _has_ended() -> bool:
    """Whether the rclone that was written down has."""
    found = daemon.recorded()
    return found is None or not daemon.is_running(found.pid, found.started)


@frozen
class _After:
    """A conversation with a person in which nothing is asked before *known* returns. See ``Conversation``."""

    known: Callable[[], object]
    conversation: Conversation

    def ask_password(self, prompt: str) -> str | None:
        self.known()
        return self.conversation.ask_password(prompt)

    def confirm(self, question: str) -> bool:
        self.known()
        return self.conversation.confirm(question)


def _after(known: Callable[[], object], conversation: Conversation | None) -> Conversation | None:
    return None if conversation is None else _After(known, conversation)


def _is_known(target: Target, error: WNetError) -> bool:
    """Whether the system has an address for the host that *error* is about."""
    from mprouter.providers.rclone.reach import resolve

    host = server_words(error.provider_text or "")["host"]  # a remote's is in rclone's configuration alone
    try:
        return bool(resolve(host, target.port or 0))
    except WNetError:
        return False


def _without_secrets(text: str, rclone: Daemon, logon: Logon) -> str:
    """*text* without the passwords that rclone repeats; its log loses them as well.

    A function of its own, whose frame no error has: there are those who log the variables of each.
    """
    repeated = []
    for secret in (*logon.obscured.values(), *logon.plain.values()):
        plain = secret.reveal()
        # the last as rclone repeats what a server has said: in quotation marks
        for form in filter(None, (rclone.obscured(secret), plain, json.dumps(plain, ensure_ascii=False)[1:-1])):
            if form in text:
                text = text.replace(form, "***")
                repeated.append(form)
    rclone.strike_out(repeated)
    return text


def quoted(value: str) -> str:
    """*value* as it stands in a connection string of rclone's."""
    return '"' + value.replace('"', '""') + '"'


def _take_back(rclone: Daemon, mountpoint: Path) -> None:
    """Leave no mount behind, also if it is still being made."""
    with suppress(Refused, OSError):
        rclone.call("mount/listmounts")  # answered when no mount is being made any more
    if mounts.is_mounted(mountpoint):
        mounts.unmount(mountpoint, lazily=True)
