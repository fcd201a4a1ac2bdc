"""The Provider protocol: what the router asks of a network provider (NPAPI under Python names).

A provider is told everything that it needs in the request and never calls back into the router (R6).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, IntFlag
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from mprouter.credentials import Credentials
from mprouter.finding import Check
from mprouter.names import RemoteName
from mprouter.resource import ConnectFlag, ResourceType

__all__ = [
    "AddRequest",
    "Added",
    "Caching",
    "Capability",
    "Conversation",
    "Diagnosing",
    "Discarding",
    "Mounted",
    "Pending",
    "Progress",
    "Provider",
    "Starting",
    "State",
    "Waiting",
]


class Capability(IntFlag):
    """What a provider does (``NPGetCaps``); it is asked for nothing else (R4)."""

    ADD_CONNECTION = 0x1
    CANCEL_CONNECTION = 0x2
    GET_CONNECTIONS = 0x4
    REPLACE = 0x10000  # ours: it calls ``AddRequest.clear`` by itself


class State(Enum):
    """What became of a connection that was made: the mount works, or its server process or mount is gone."""

    CONNECTED = "connected"
    LOST = "lost"


class Conversation(Protocol):
    """The person at the terminal, where there is one (CONNECT_INTERACTIVE)."""

    def ask_password(self, prompt: str) -> str | None:
        """The typed password, or None when the person gives up."""

    def confirm(self, question: str) -> bool:
        """Whether the person agrees; *question* may have several lines."""


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class Added:
    """What a provider reports of a connection that it made.

    user: the user name on the server, None if anonymous. handle: whatever the provider needs to find the
    connection again from another process: JSON values, no secrets.
    """

    user: str | None
    handle: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Mounted:
    """A connection as the store knows it: what ``cancel_connection`` and ``state`` get.

    later: for a cancel that need not deliver: what is written and not sent may stay where it waits, and is told by
    ``Caching.waiting``. A provider without a cache has nothing to do for it.
    """

    name: RemoteName
    mountpoint: Path
    handle: Mapping[str, Any]
    later: bool = False


@dataclass(frozen=True, slots=True)
class Pending:
    """Written data that is still on its way to the server: how many files and bytes."""

    files: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """What was written to a resource that its server does not have, whether it is connected now or not.

    remote_name: as it was connected last. user: the user name on the server. pending: what the connection sends, or
    the next one to that resource as that user. aside: files that cannot be sent, since a part of them is missing.
    names: of the pending files, for a person. provider, options: as it was connected last, so that it can be connected
    again; None and none where not known.
    """

    remote_name: str
    user: str | None
    pending: Pending
    aside: tuple[Path, ...] = ()
    provider: str | None = None
    options: Mapping[str, str] = field(default_factory=dict, hash=False)
    names: tuple[str, ...] = ()


Progress = Callable[[Pending], None]
"""Called now and then while a cancel waits for written data (C6)."""


@runtime_checkable
class Provider(Protocol):
    """A network provider.

    name: as ``--provider`` and ``ProviderOrder`` give it. capabilities: see ``Capability``.
    """

    name: str
    capabilities: Capability

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
