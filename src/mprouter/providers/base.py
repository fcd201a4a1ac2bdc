"""The Provider protocol: what the router asks of a network provider (NPAPI under Python names).

A provider is told everything that it needs in the request and never calls back into the router (R6).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field
from enum import IntFlag
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from mprouter.credentials import Credentials, Secret
from mprouter.frozen import frozen
from mprouter.names import RemoteName
from mprouter.providers.mounted import Mounted, Pending, State, Waiting
from mprouter.resource import ConnectFlag, NetResource, ResourceScope, ResourceType, ResourceUsage
from mprouter.status import Status

if TYPE_CHECKING:
    from mprouter.finding import Check

__all__ = [
    "AddRequest",
    "Added",
    "Ascending",
    "Attending",
    "Caching",
    "Capability",
    "Conversation",
    "Describing",
    "Diagnosing",
    "Discarding",
    "Enumerating",
    "Identifying",
    "Informing",
    "LogonInfo",
    "Measuring",
    "Mounted",
    "Naming",
    "NetworkInformation",
    "PasswordChange",
    "Pending",
    "Performance",
    "PerformanceFlag",
    "Progress",
    "Provider",
    "ResourceInformation",
    "Starting",
    "State",
    "UniversalName",
    "Waiting",
]


class Capability(IntFlag):
    """What a provider does (``NPGetCaps``); it is asked for nothing else (R4).

    A bit that goes with one of the protocols below counts only in a provider that has its method. The lowest byte is
    that of WNNC_CONNECTION; the others are bits of other indices of ``NPGetCaps``, or stand for what NPAPI tells by
    the export itself (UNIVERSAL_NAME) or by the registration (LOGON_NOTIFY: WN_CREDENTIAL_CLASS).
    """

    ADD_CONNECTION = 0x1
    CANCEL_CONNECTION = 0x2
    GET_CONNECTIONS = 0x4
    GET_PERFORMANCE = 0x40  # WNNC_CON_GETPERFORMANCE: Measuring
    GET_USER = 0x100  # WNNC_USR_GETUSER: Identifying
    ENUMERATE_GLOBAL = 0x200  # WNNC_ENUM_GLOBAL: Enumerating, RESOURCE_GLOBALNET
    ENUMERATE_CONNECTED = 0x400  # WNNC_ENUM_LOCAL: Enumerating, RESOURCE_CONNECTED
    ENUMERATE_CONTEXT = 0x800  # WNNC_ENUM_CONTEXT: Enumerating, RESOURCE_CONTEXT
    RESOURCE_PARENT = 0x1000  # WNNC_DLG_GETRESOURCEPARENT: Ascending
    RESOURCE_INFORMATION = 0x2000  # WNNC_DLG_GETRESOURCEINFORMATION: Informing
    UNIVERSAL_NAME = 0x4000  # Naming
    LOGON_NOTIFY = 0x8000  # Attending
    REPLACE = 0x10000  # ours: it calls ``AddRequest.clear`` by itself


class Conversation(Protocol):
    """The person at the terminal, where there is one (CONNECT_INTERACTIVE)."""

    def ask_password(self, prompt: str) -> str | None:
        """The typed password, or None when the person gives up."""

    def confirm(self, question: str) -> bool:
        """Whether the person agrees; *question* may have several lines."""


@frozen
class AddRequest:
    """What ``add_connection`` gets (``NPAddConnection3``).

    name: the parsed remote name. mountpoint: an existing, empty directory of the user's, which the router made or
    checked and will remove. clear: takes away what a lost connection has left there; a provider with the capability
    REPLACE gets the mountpoint before that, and calls it when nothing but the mount itself can still fail, so that no
    program writes into the bare directory meanwhile. credentials: where a user name and password come from. options:
    ``-o KEY=VALUE``. conversation: None where nobody can be asked.
    """

    name: RemoteName
    mountpoint: Path
    credentials: Credentials
    type: ResourceType = ResourceType.DISK
    flags: ConnectFlag = ConnectFlag(0)
    options: Mapping[str, str] = field(default_factory=dict)
    conversation: Conversation | None = None
    clear: Callable[[], None] = lambda: None


@frozen
class Added:
    """What a provider reports of a connection that it made.

    user: the user name on the server, None if anonymous. handle: whatever the provider needs to find the
    connection again from another process: JSON values, no secrets.
    """

    user: str | None
    handle: Mapping[str, Any]


Progress = Callable[[Pending], None]
"""Called now and then while a cancel waits for written data (C6)."""


@runtime_checkable
class Provider(Protocol):
    """A network provider.

    name: as ``--provider`` and ``ProviderOrder`` give it.
    """

    name: str

    @property
    def capabilities(self) -> Capability:
        """What it does (``NPGetCaps``), told at once; a plain attribute will do."""

    def claims(self, name: RemoteName) -> bool:
        """Whether *name* is one of this provider's, told fast and without the network (R2)."""

    def check_options(self, name: RemoteName, options: Mapping[str, str]) -> None:
        """Raise ``WNetError`` ERROR_INVALID_PARAMETER if *options* are not this provider's (before anything, N4)."""

    def add_connection(self, request: AddRequest) -> Added:
        """Connect, so that ``request.mountpoint`` shows the resource; on any error leave nothing behind.

        Raises ``WNetError`` with the status of what really happened (C8).
        """

    def cancel_connection(self, mounted: Mounted, *, force: bool, progress: Progress | None = None) -> None:
        """Deliver what was written and closed, then disconnect (``NPCancelConnection``, C6); see ``Mounted.later``.

        A lost connection is cleaned up. Raises ``WNetError`` ERROR_OPEN_FILES while files are open and *force* is
        not set, ERROR_WRITE_FAULT if written data cannot be delivered; the connection then stands as it was.
        """

    def state(self, mounted: Mounted) -> State:
        """What became of the connection, told at once (``NPGetConnection``)."""

    def settle(self, mounted: Mounted) -> State:
        """The process that was cancelling the connection has died: clear what it left half done.

        Returns whether the connection stands; LOST if it went, after what was written has been delivered.
        """


@runtime_checkable
class Starting(Protocol):
    """What a ``Provider`` may have besides: when its network will be there (WNNC_START of ``NPGetCaps``, R7)."""

    def start_up(self) -> float | None:
        """In how many seconds from now: 0 = it is there; None = unknown, as for a provider that has no such method."""


@runtime_checkable
class Caching(Protocol):
    """What a ``Provider`` may have besides: it sends later than programs write, so that something may wait (C6)."""

    def waiting(self) -> list[Waiting]:
        """All that waits. Providers that share a cache have one function in common, which is called once."""


@runtime_checkable
class Discarding(Protocol):
    """What a ``Caching`` provider may have besides: what waits can be given up for good."""

    def discard(self, waiting: Waiting) -> None:
        """Remove the files that *waiting*, one of its own, names, and no others; do nothing if they are gone.

        Raises ``WNetError`` ERROR_BUSY if a connection uses them. Providers that share a cache have one in common.
        """


@runtime_checkable
class Diagnosing(Protocol):
    """What a provider may have beside the rest: it can say what is wrong with what it needs (``mpr doctor``)."""

    def diagnose(self, known: Callable[[], Sequence[Mounted]]) -> Sequence[Check]:
        """The checks to be made, each within a minute and side by side; they do not touch what is mounted.

        known: the connections as the store has them now, those of other providers too; raises ``WNetError`` if it
        cannot be read. Providers that share what they need have one function in common, a static method say, which is
        called once.
        """


# -- what a provider may have besides, each with its capability (R4) ---------------------------------------------------
#
# All are called with the network perhaps slow or gone: whoever calls bounds the time. All raise ``WNetError``:
# ERROR_NO_NETWORK if the network is not started, then what is said with each, in the order of R5.


@runtime_checkable
class Enumerating(Protocol):
    """It can be browsed (``NPOpenEnum``, ``NPEnumResource``, ``NPCloseEnum``; Capability.ENUMERATE_*)."""

    def enumerate(
        self,
        scope: ResourceScope,
        type: ResourceType,  # noqa: A002 - NETRESOURCE's word
        usage: ResourceUsage,
        container: NetResource | None,
    ) -> Iterator[NetResource]:
        """What there is, one after the other; closing the iterator ends it.

        scope: GLOBALNET, CONNECTED or CONTEXT, as the capabilities say; the rest is the router's own. type: ANY for
        all; a provider that cannot tell gives all. usage: CONNECTABLE, CONTAINER, both, or none for all. container:
        whose content is wanted, for GLOBALNET; None = the top of this network.

        Raises, also later from the iterator: ERROR_NOT_SUPPORTED, ERROR_BAD_NET_NAME if the container is not this
        network's, ERROR_NOT_CONTAINER, ERROR_INVALID_PARAMETER, or what the network reported.
        """


@frozen
class ResourceInformation:
    """What ``NPGetResourceInformation`` returns.

    resource: the part of the name that is a network resource, spelt as ``enumerate`` does, with its type, display
    type, usage and provider. system: the rest, a path in that resource (lplpSystem); None if there is none.
    """

    resource: NetResource
    system: str | None = None


@runtime_checkable
class Informing(Protocol):
    """It tells what a name stands for (``NPGetResourceInformation``; Capability.RESOURCE_INFORMATION)."""

    def resource_information(self, resource: NetResource) -> ResourceInformation:
        """Of *resource* only the remote name, and type if it is not ANY, are given. The network may be asked.

        Raises: ERROR_BAD_NET_NAME if it is not this network's or not there, ERROR_BAD_DEV_TYPE if it is of another
        type, 1244 (ERROR_NOT_AUTHENTICATED), ERROR_ACCESS_DENIED.
        """


@runtime_checkable
class Ascending(Protocol):
    """It tells what contains a resource (``NPGetResourceParent``; Capability.RESOURCE_PARENT)."""

    def resource_parent(self, resource: NetResource) -> NetResource | None:
        """The container of *resource*, told by its name alone; None = *resource* is at the top.

        Raises: ERROR_BAD_NET_NAME if it is not this network's.
        """


@frozen
class UniversalName:
    """What ``NPGetUniversalName`` returns.

    universal: a name that means the same on every machine (UNIVERSAL_NAME_INFO); None where the network has none.
    connection, remaining: REMOTE_NAME_INFO: the resource without a slash at its end, and the path in it, which begins
    with one unless it is empty.
    """

    universal: str | None
    connection: str
    remaining: str


@runtime_checkable
class Naming(Protocol):
    """Its universal names are not the remote name with the path behind it (``NPGetUniversalName``; UNIVERSAL_NAME).

    The router makes the names of all other networks.
    """

    def universal_name(self, mounted: Mounted, path: str) -> UniversalName:
        """Of *path* below the mountpoint, which need not exist: forward slashes, none at its ends; it may be empty."""


@runtime_checkable
class Identifying(Protocol):
    """It knows the user better than ``Added.user``, which is told otherwise (``NPGetUser``; Capability.GET_USER)."""

    def user_of(self, mounted: Mounted | None) -> str | None:
        """The user name of a connection, in a form with which it could be made again; None = anonymous.

        mounted: None = whoever is logged on to the network as a whole.
        """


class PerformanceFlag(IntFlag):
    """``WNCON_*``: how the figures of a ``Performance`` are to be read."""

    FOR_NET_CARD = 1
    NOT_ROUTED = 2
    SLOW_LINK = 4
    DYNAMIC = 8


@frozen
class Performance:
    """How fast a connection should be (``NETCONNECTINFOSTRUCT``): measured or known, never invented; 0 = unknown.

    speed: in units of 100 bit/s. delay: one way, in milliseconds, beyond what the speed accounts for. Both: 1 = better
    than the unit can say. optimal_data_size: recommended bytes for one read or write.
    """

    flags: PerformanceFlag = PerformanceFlag(0)
    speed: int = 0
    delay: int = 0
    optimal_data_size: int = 0


@runtime_checkable
class Measuring(Protocol):
    """It knows how fast its connections are (``NPGetConnectionPerformance``; Capability.GET_PERFORMANCE)."""

    def performance_of(self, mounted: Mounted) -> Performance:
        """Of a connection that stands. Raises: ERROR_NOT_CONNECTED."""


@frozen
class NetworkInformation:
    """What a provider says of its network (``NETINFOSTRUCT``; WNNC_DRIVER_VERSION and WNNC_NET_TYPE of ``NPGetCaps``).

    net_type: a WNNC_NET_* in its 32 bits, WNNC_NET_LANMAN = 0x00020000 for SMB say; 0 = none of those. status:
    WN_SUCCESS = running, ERROR_NO_NETWORK = unavailable, ERROR_BUSY = starting.
    """

    provider_version: int = 0
    net_type: int = 0
    status: Status = Status.WN_SUCCESS


@runtime_checkable
class Describing(Protocol):
    """It says of which type and version its network is, which needs no capability, as ``NPGetCaps`` needs none."""

    def network_information(self) -> NetworkInformation:
        """Told at once, without the network. Raises nothing."""


@frozen
class LogonInfo:
    """Who logs on (``MSV1_0_INTERACTIVE_LOGON``, ``KERB_INTERACTIVE_LOGON``).

    kind: "MSV1_0:Interactive" or "Kerberos:Interactive". domain: the machine, or the server of a stored password.
    password: shown by nothing but its ``reveal``; empty where it is not known, after a logon with a key say.
    """

    user: str
    password: Secret
    domain: str = ""
    kind: str = "MSV1_0:Interactive"


class PasswordChange(IntFlag):
    """``dwChangeInfo`` of ``NPPasswordChangeNotify``: 0 = of connections to domains that are not trusted only."""

    VALID_LOGON_ACCOUNT = 1
    NT_PASSWORD_CHANGED = 2


@runtime_checkable
class Attending(Protocol):
    """It is told of logons and new passwords, to log on by itself (a credential manager; Capability.LOGON_NOTIFY).

    station: "WinSta_0" for a person at a terminal, "SvcCtl" for a service. previous: the same before the person had to
    change the password; None if that was not so, or it is not known.
    """

    def logon_notify(self, logon: LogonInfo, previous: LogonInfo | None, station: str) -> str | None:
        """``NPLogonNotify``. Returns a command line to be run as that user once they are logged on, or None.

        Raises: ERROR_NOT_SUPPORTED, ERROR_BUSY while it starts.
        """

    def password_change_notify(
        self, logon: LogonInfo, previous: LogonInfo | None, station: str, change: PasswordChange
    ) -> None:
        """``NPPasswordChangeNotify``: *logon* has the new password. Raises: as ``logon_notify``."""
