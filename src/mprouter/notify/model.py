"""What a notifyee is told and what it may answer: the structures of the Connection Notification API.

``NotifyInfo`` is NOTIFYINFO, ``AddConnect`` is NOTIFYADD, ``CancelConnect`` is NOTIFYCANCEL. None of them has a
place for a user name or a password (N15).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

from mprouter.frozen import frozen
from mprouter.notify.turn import Turn
from mprouter.plugins.problem import Problem
from mprouter.resource import ConnectFlag, NetResource
from mprouter.status import Status

__all__ = [
    "AddConnect",
    "Answer",
    "Call",
    "CancelConnect",
    "Event",
    "NotifyInfo",
    "Phase",
    "Registration",
    "Told",
]


class Phase(IntEnum):
    """``NOTIFY_PRE`` and ``NOTIFY_POST``: before and after the attempt."""

    PRE = 1
    POST = 2


class NotifyInfo:
    """One call of one notifyee (``NOTIFYINFO``).

    phase: before or after. status: the operation's status; in a pre WN_SUCCESS (N5), or WN_RETRY when the
    operation is about to be attempted again (N11). context: what the notifyee left in the pre, handed back as
    it was in the post (N7); None is the empty context (N6). message: words for the caller or the log, which the
    notifyee may set. may_retry: whether WN_RETRY from this post will have the operation attempted again (N11).
    recovered: the post is made for a process that died (N19); without a context, if that died during the pre. running:
    for a call that starts a process which goes on if this one dies, to be called with its id; None = nobody wants it.
    """

    __slots__ = ("context", "may_retry", "message", "phase", "recovered", "running", "status")

    def __init__(self, phase: Phase, status: Status, context: object = None) -> None:
        self.phase = phase
        self.status = status
        self.context = context
        self.message: str | None = None
        self.may_retry = False
        self.recovered = False
        self.running: Callable[[int], None] | None = None

    def __delattr__(self, name: str) -> None:
        """What a notifyee takes away is empty."""
        setattr(self, name, None)


@frozen
class AddConnect:
    """A connection is to be added, or has been (``NOTIFYADD``, N14): what the request gave.

    owner: a window handle (``hwndOwner``), opaque here.
    """

    resource: NetResource
    flags: ConnectFlag = ConnectFlag(0)
    owner: int | None = None
    operation: Literal["add"] = field(default="add", init=False)


@frozen
class CancelConnect:
    """A connection is to be cancelled, or has been (``NOTIFYCANCEL``, N14).

    name: the local or remote name that the request gave. provider: None in a pre and after a failure, else the
    provider that cancelled. flags: CONNECT_UPDATE_PROFILE or nothing. force: cancel in spite of open files.
    """

    name: str
    provider: str | None = None
    flags: ConnectFlag = ConnectFlag(0)
    force: bool = False
    operation: Literal["cancel"] = field(default="cancel", init=False)


Event: TypeAlias = AddConnect | CancelConnect

Answer: TypeAlias = Status | int | None
"""What a notifyee returns: a status, or None for WN_SUCCESS."""


class Call(Protocol):
    """How every kind of notifyee looks to the dispatch: the C API's two functions in one.

    It may raise instead of answering; a ``WNetError`` answers its status, anything else is an error (N10).
    """

    def __call__(self, info: NotifyInfo, event: Event, /) -> Answer:
        """``AddConnectNotify`` or ``CancelConnectNotify``, by the kind of *event*; the phase is in *info*."""


@dataclass(slots=True, eq=False)
class Registration:
    """A registered notifyee (a value under the key ``Notifyees``).

    name: unique within *source*. call: how it is told. order: smaller is told earlier (N8). required: an error of
    its pre ends the operation (N10). operations: "add", "cancel". matches: whether it wants to hear of a connection,
    by all the forms that its remote name has; None = all. thread_safe: may be called by several threads at a time
    (N18). durable: what it leaves as context may outlive this process, so that another one makes the post (N19).
    source: "system", "user", "entry-point" or "code". close: ends what the notifyee holds (a host process, say).

    The rest describes what is not registered by code. target, patterns, timeout (seconds), file: as registered.
    sha256: the only content that the target's file may have. isolation: "process" or "inline", None for a command.
    enabled: whether it is told at all. left: what of order, required, operations and thread_safe the file does not say,
    and its Python target may when it is loaded. problem: why it cannot be used. settle: loads the target at first need;
    the call and what the file leaves to the target itself are then in place. look: finds out now whether it can be
    used, calling nothing; raises ``WNetError`` if not.
    """

    name: str
    call: Call
    order: int = 50
    required: bool = False
    operations: frozenset[str] = frozenset({"add", "cancel"})
    matches: Callable[[tuple[str, ...]], bool] | None = None
    thread_safe: bool = False
    durable: bool = False
    source: str = "code"
    close: Callable[[], None] | None = None
    target: str | None = None
    patterns: tuple[str, ...] = ()
    timeout: float | None = None
    sha256: str | None = None
    isolation: str | None = None
    file: Path | None = None
    enabled: bool = True
    left: frozenset[str] = frozenset()
    problem: Problem | None = None
    settle: Callable[[], None] | None = field(default=None, repr=False)
    look: Callable[[], object] | None = field(default=None, repr=False)
    turn: Turn = field(default_factory=Turn, repr=False)
    id: str = field(init=False, repr=False)
    """``source/name``: what tells it from a registration of the same name elsewhere."""

    def __post_init__(self) -> None:
        self.id = f"{self.source}/{self.name}"

    @property
    def rank(self) -> tuple[int, int, str]:
        """Where it stands in the registration order (N8): order, then system before user before the rest, name."""
        return self.order, _SOURCES.index(self.source), self.name

    def concerns(self, operation: str, names: tuple[str, ...]) -> bool:
        """Whether to tell it of *operation* on a connection that is known by *names*; it is settled if so."""
        if not self.enabled or operation not in self.operations:
            return False
        if self.matches is not None and not self.matches(names):
            return False
        if self.settle is not None:
            self.settle()
        return True


_SOURCES = ("system", "user", "entry-point", "code")


@frozen
class Told:
    """One call of a notifyee, as it is recorded (N20).

    attempt: 1, 2, … of the operation. status: what the notifyee was told. answer: what it answered. message: its
    words, or what went wrong. duration: seconds.
    """

    notifyee: str
    event: Event
    phase: Phase
    attempt: int
    status: Status
    answer: Status
    message: str | None
    duration: float
