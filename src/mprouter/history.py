"""What an operation leaves in the store: its entry in the journal while it is under way (N19), and its events (N20).

Changes of the journal are collected, and written in one commit before the next thing that has an effect.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from mprouter import faults
from mprouter.log import Log
from mprouter.notify.context import frozen
from mprouter.notify.model import AddConnect, CancelConnect, Event, Told
from mprouter.resource import ConnectFlag, DisplayType, NetResource, ResourceScope, ResourceType, ResourceUsage
from mprouter.status import Status, WNetError
from mprouter.store import EventRecord, Operation, Owed, Store, owner

__all__ = ["History", "event_of", "is_under_way"]

log = Log("mprouter")

_under_way: set[str] = set()
"""The operations of this process; one that is in the journal and not here was cut off, though its process lives on."""


def is_under_way(operation: Operation) -> bool:
    """Whether somebody is still at work on *operation*."""
    return operation.id in _under_way if operation.owner_pid == os.getpid() else operation.owner_alive()


class History:
    """The record of one operation. As a context manager it tells that the operation is under way in this process.

    private: the user names of the request, which no message of an event repeats (N15). words: the message of its event
    if it succeeds. is_open: the operation may be in the journal. cut_off: what has left its attempt half done, in the
    journal; recovery finds out how it ended.
    """

    def __init__(
        self,
        store: Store,
        event: Event,
        remote_name: str | None,
        local_name: str | None,
        *,
        private: Iterable[str | None] = (),
        words: str | None = None,
    ) -> None:
        self._private: set[str] = set()
        self.hide(private)
        self._words = words
        self._store = store
        self._events: list[EventRecord] = []
        self._started = time.perf_counter()
        self._event = event
        self._record = EventRecord(
            id=None,
            time=time.time(),
            operation_id=os.urandom(6).hex(),
            kind="operation",
            operation=event.operation,
            phase=None,
            notifyee=None,
            attempt=1,
            remote_name=remote_name,
            local_name=local_name,
            provider=event.resource.provider if isinstance(event, AddConnect) else event.provider,
            flags=int(event.flags),
            force=not isinstance(event, AddConnect) and event.force,
            status=0,
            answer=None,
            message=None,
            duration=0.0,
            pid=os.getpid(),
        )
        self._places: dict[str, int] = {}
        self._owed: dict[str, Owed] = {}
        self._changes: dict[str, Owed | None] = {}
        self._missed: dict[str, Owed | None] = {}  # changes that could not be written, and go with the next
        self._status: int | None = None
        self._written: tuple[int, int | None] = 1, None
        self._is_settled = False
        self._is_on_disk = False
        self._is_told_after = False
        self._is_ending = False
        self._is_over = False
        self.is_open = False
        self.cut_off: BaseException | None = None

    @classmethod
    def recovered(cls, store: Store, operation: Operation) -> Self:
        """That of an operation that another process left behind, taken up."""
        history = cls(store, event_of(operation), operation.remote_name, operation.local_name)
        history._record = replace(
            history._record,
            operation_id=operation.id,
            provider=operation.provider,
            attempt=operation.attempt,
            recovered=True,
        )
        history._owed = {each.notifyee: each for each in operation.owed}
        history._places = {each.notifyee: each.place for each in operation.owed}
        history._status = operation.status
        history._written = operation.attempt, operation.status
        return history

    def __enter__(self) -> Self:
        _under_way.add(self.id)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _under_way.discard(self.id)

    @property
    def is_recovered(self) -> bool:
        """Whether it is that of a process that has died."""
        return self._record.recovered

    @property
    def id(self) -> str:
        """What tells the operation from every other, in the journal and in its events."""
        return self._record.operation_id

    @property
    def left_by_interrupt(self) -> str:
        """What became of the connection, and its name: the note that the interrupt gets, once all is settled."""
        is_add = isinstance(self._event, AddConnect)
        if self.is_open and not self._is_settled:
            outcome = "not settled yet, which the next command tries again"
        elif self._status == Status.WN_SUCCESS:
            outcome = "the connection stands" if is_add else "it is disconnected"
        else:
            outcome = "undone" if is_add else "the connection stands"
        return f"{outcome}: {self._record.local_name or self._record.remote_name}"

    def operation(
        self, *, entries: Iterable[int] = (), provider: str | None = None, forget: str | None = None
    ) -> Operation:
        """What the journal says of it before its first effect."""
        self.is_open = True
        self._is_settled = self._is_ending = False
        record, (pid, start) = self._record, owner.me()
        return Operation(
            id=record.operation_id,
            event=_written(self._event),
            remote_name=record.remote_name,
            local_name=record.local_name,
            provider=provider or record.provider,
            entries=tuple(entries),
            forget=forget,
            attempt=1,
            status=None,
            owner_pid=pid,
            owner_start=start,
            started=record.time,
        )

    def routed(self, provider: str | None, local_name: str | None) -> None:
        """A provider has it, under this local name."""
        if not self._is_over and (provider, local_name) != (self._record.provider, self._record.local_name):
            self._record = replace(self._record, provider=provider, local_name=local_name)

    # -- the journal: what the dispatch tells, see ``dispatch.Journal`` --------------------------------------------

    def telling(self, notifyee: str, attempt: int) -> None:
        """The pre of a notifyee is about to be made, of which another process could make the post."""
        self._attempted(attempt)
        self._owe(Owed(notifyee, self._places.setdefault(notifyee, len(self._places))))

    def running(self, notifyee: str, pid: int) -> None:
        """The call has become a program of its own, which goes on when this process dies."""
        faults.reached("running")
        known = self._owed[notifyee]
        self._owe(replace(known, made=self._status is not None, pid=pid, start=owner.started(pid)))
        self.write()

    def left(self, notifyee: str, context: object) -> None:
        """The pre has left *context*; None = none, so that no post is owed (N6)."""
        if context is None:
            self._settle(notifyee)
        else:  # one that cannot be kept is not known to another process, which makes the post all the same
            self._owe(Owed(notifyee, self._places[notifyee], frozen(context)))

    def posted(self, notifyee: str) -> None:
        """The post is made."""
        self._settle(notifyee)

    def outcome(self, status: Status | None) -> None:
        """How the attempt ended; None: there will be another one (N11)."""
        self._status = None if status is None else int(status)

    def attempting(self, *, told_after: bool) -> None:
        """The attempt comes next. told_after: whether it has posts; if not, its success can end the operation."""
        self._is_told_after = told_after
        self.write(durable=True)

    def write(self, *, durable: bool = False) -> None:
        """Have the journal know what was told here; before anything that has an effect.

        durable: if a post is owed, that is on the disk when this returns, even if the power fails then.
        """
        now = self._record.attempt, None if self.cut_off is not None else self._status
        durable = durable and bool(self._owed)
        is_due = durable and not self._is_on_disk
        if not self._changes and not is_due and (now == self._written or not self._owed):
            return
        changes = {**self._missed, **self._changes}
        if durable and not any(changes.values()):
            changes |= [next(iter(self._owed.items()))]  # what is written next takes all before it along to the disk
        try:
            self._store.note(self.id, attempt=now[0], status=now[1], owed=changes, events=self._events, durable=durable)
        except WNetError as error:  # what matters more than being recoverable has its own writes, and says so
            log.warning("the journal is not up to date: %s", error)
            self._missed = changes
            self._is_on_disk = False
        else:
            self._events = []
            self._missed = {}
            self._is_on_disk = durable
        self._changes = {}
        self._written = now

    def owes(self, notifyee: str) -> bool:
        """Whether this process has not made the post of *notifyee*."""
        return notifyee in self._owed

    def last(self, provider: str | None, local_name: str | None) -> Sequence[EventRecord] | None:
        """Its events, to be written in one with the success of the attempt, with which it is over; None: it goes on.

        provider, local_name: who has it, and under which local name. ``settled`` is called when they are written.
        """
        if self._is_told_after:
            return None
        self._is_ending = True
        return self._closed(Status.WN_SUCCESS, self._words, provider=provider, local_name=local_name)

    def let_go(self, failure: Status) -> Status:
        """How it ended, for the journal does not have it: with its attempt, or it was not begun, which is *failure*.

        What struck it may have struck when that was written, and before it was known here.
        """
        if not self._is_settled:
            self.settled(Status.WN_SUCCESS if self._is_ending else failure, is_over=self._is_ending)
        return Status(self._status or 0)

    def settled(self, status: Status, *, is_over: bool = False) -> None:
        """The store has noted how the attempt ended, together with what it did. is_over: and its ``last`` events."""
        self._status = int(status)
        self._is_settled = True
        self.cut_off = None
        self._is_over = is_over
        self._written = self._record.attempt, self._status

    def _attempted(self, attempt: int) -> None:
        if attempt != self._record.attempt:
            self._record = replace(self._record, attempt=attempt)

    def _owe(self, owed: Owed) -> None:
        self._owed[owed.notifyee] = self._changes[owed.notifyee] = owed

    def _settle(self, notifyee: str) -> None:
        if notifyee in self._owed:  # nothing is called here, so that Ctrl-C comes before both or after both
            self._changes[notifyee] = None
            del self._owed[notifyee]

    # -- events ------------------------------------------------------------------------------------------------

    def hide(self, users: Iterable[str | None]) -> None:
        """No message from now on repeats the names of *users* either: which they are may show late."""
        self._private.update(each for each in users if each)

    def not_told(self, notifyee: str, status: Status, answer: Status | None, why: str) -> None:
        """The post of *status* that a dead process owed was not made here. answer: what stands in for its answer."""
        self._events.append(
            replace(
                self._record,
                time=time.time(),
                kind="notify",
                phase="post",
                notifyee=notifyee,
                status=int(status),
                answer=None if answer is None else int(answer),
                message=why,
            )
        )
        self._settle(notifyee)

    def told(self, told: Told) -> None:
        """A notifyee was called."""
        self._attempted(told.attempt)
        self._events.append(
            replace(
                self._record,
                time=time.time() - told.duration,
                kind="notify",
                phase=told.phase.name.lower(),
                notifyee=told.notifyee,
                status=int(told.status),
                answer=int(told.answer),
                message=self._discreet(told.message),
                duration=told.duration,
            )
        )

    def failed(self, error: WNetError, *, claim: int | None = None) -> None:
        """The operation is over: it has failed. claim: of its own, which goes with it.

        Not so if it was cut off: it stays in the journal, for recovery.
        """
        if self.cut_off is not None:
            return
        self._is_ending = False  # its success could not be written
        self.ended(error.status, error.strerror, claim=claim)

    def dropped(self, *, claim: int) -> None:
        """The request was refused after all, before anybody was told (N4): its claim goes, and nothing is recorded."""
        self._store.end(self.id, (), claim=claim)
        self.is_open = False

    def ended(self, status: Status, message: str | None = None, *, claim: int | None = None) -> None:
        """The operation is over: its events go into the record, its own last, and it leaves the journal."""
        if not self._is_over:
            events = self._closed(status, message or (None if status else self._words))
            faults.reached("ending")
            try:
                self._store.end(self.id, events, claim=claim)
            except WNetError as error:  # how it ended does not change by that; recovery clears what stays behind
                log.warning("how it ended is not recorded: %s", error)
        self.is_open = False
        faults.reached("ended")

    def _closed(self, status: Status, message: str | None, **known: Any) -> Sequence[EventRecord]:
        """Its events, its own last. known: what is known only now."""
        duration = time.perf_counter() - self._started
        own = replace(self._record, status=int(status), message=self._discreet(message), duration=duration, **known)
        return [*self._events, own]

    def _discreet(self, message: str | None) -> str | None:
        if message is None or not self._private:
            return message
        names = "|".join(re.escape(each) for each in sorted(self._private, key=len, reverse=True))
        return re.sub(rf"(?<!\w)(?:{names})(?!\w)", "***", message)


def event_of(operation: Operation) -> Event:
    """What the notifyees were told of *operation*."""
    said = operation.event
    flags = ConnectFlag(said["flags"])
    if "resource" not in said:
        return CancelConnect(said["name"], said["provider"], flags, said["force"])
    resource = dict(said["resource"])
    resource["type"] = ResourceType(resource["type"])
    resource["scope"] = None if resource["scope"] is None else ResourceScope(resource["scope"])
    resource["display_type"] = DisplayType(resource["display_type"])
    resource["usage"] = ResourceUsage(resource["usage"])
    return AddConnect(NetResource(**resource), flags, said["owner"])


def _written(event: Event) -> Mapping[str, Any]:
    """*event* as JSON values, from which ``event_of`` makes it again."""
    if isinstance(event, AddConnect):
        resource = {name: getattr(event.resource, name) for name in NetResource.__match_args__}
        return {"resource": resource, "flags": int(event.flags), "owner": event.owner}
    return {"name": event.name, "provider": event.provider, "flags": int(event.flags), "force": event.force}
