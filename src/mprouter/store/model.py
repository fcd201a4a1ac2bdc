"""The rows of the store as immutable values: a connection, a remembered one, an event."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mprouter.store import owner

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Entry", "EventRecord", "Remembered"]


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
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
