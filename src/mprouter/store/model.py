"""The rows of the store as immutable values: a connection, a remembered one, an operation under way, an event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mprouter.frozen import frozen
from mprouter.store import owner

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Entry", "EventRecord", "Operation", "Owed", "Remembered"]


@frozen
class Entry:
    """A connection, made or in the making.

    id: never used twice. remote_name: as the request gave it. canonical: the form of it that is compared (C7).
    local_name: ``Z:`` or an absolute path; None = deviceless. path: where it appears. type: a ``ResourceType``.
    provider, user, handle: as the provider reported them; empty while adding. options: ``-o KEY=VALUE``. phase:
    "adding", "connected" or "cancelling". owner_pid, owner_start: which process is adding or cancelling it.
    created: Unix time. made_directory: the router made *path* and removes it.
    """

    id: int
    remote_name: str
    canonical: str
    local_name: str | None
    path: str
    type: int
    provider: str | None
    user: str | None
    options: Mapping[str, str]
    handle: Mapping[str, Any]
    phase: str
    owner_pid: int
    owner_start: str
    created: float
    made_directory: bool

    def owner_alive(self) -> bool:
        """Whether the process that made the claim, or began the cancel, still runs."""
        return owner.alive(self.owner_pid, self.owner_start)


@frozen
class Remembered:
    """A connection of the user's profile, which is restored at login (C3). saved: Unix time."""

    local_name: str
    remote_name: str
    canonical: str
    provider: str | None
    user: str | None
    type: int
    options: Mapping[str, str]
    saved: float


@frozen
class Owed:
    """A post that an operation owes a notifyee (N19).

    notifyee: the id of its registration. place: in the order of the pres. context: what it left, as JSON; None = not
    known, its pre was under way. made: the post is under way. pid, start: the program that a command notifyee runs,
    which goes on when the process that started it dies; 0 = none is known.
    """

    notifyee: str
    place: int
    context: str | None = None
    made: bool = False
    pid: int = 0
    start: str = ""

    def is_running(self) -> bool:
        """Whether the command is still at it."""
        return self.pid > 0 and owner.alive(self.pid, self.start)


@frozen
class Operation:
    """An operation in the journal.

    id: the same as in its events. event: what the notifyees are told, as JSON values. remote_name, local_name,
    provider: as in its events. entries: the ids of the connections that it makes or breaks. forget: the local name that
    it forgets. attempt: 1, 2, … status: how the attempt ended; None = not known. owner_pid, owner_start: the process.
    started: Unix time. owed: the posts that it owes, in the order of the pres.
    """

    id: str
    event: Mapping[str, Any]
    remote_name: str | None
    local_name: str | None
    provider: str | None
    entries: tuple[int, ...]
    forget: str | None
    attempt: int
    status: int | None
    owner_pid: int
    owner_start: str
    started: float
    owed: tuple[Owed, ...] = ()

    def owner_alive(self) -> bool:
        """Whether the process still runs."""
        return owner.alive(self.owner_pid, self.owner_start)


@frozen
class EventRecord:
    """What happened (N20): one call of a notifyee (kind "notify") or one operation (kind "operation").

    id: ascending in the order of writing; None until written. time: Unix time of the start. operation_id: the same
    for all events of one operation. operation: "add" or "cancel". phase: "pre" or "post". notifyee: the id of its
    registration. attempt: 1, 2, … status: what the notifyee was told, or how the operation ended. answer: what the
    notifyee answered. duration: seconds. pid: the process. recovered: made for a process that died (N19).
    """

    id: int | None
    time: float
    operation_id: str
    kind: str
    operation: str
    phase: str | None
    notifyee: str | None
    attempt: int
    remote_name: str | None
    local_name: str | None
    provider: str | None
    flags: int
    force: bool
    status: int
    answer: int | None
    message: str | None
    duration: float
    pid: int
    recovered: bool = False
