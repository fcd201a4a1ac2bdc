"""Recovery: what a process left half done when it died is settled, and the posts that it owed are made (N19).

An operation in the journal that nobody is at work on any more was cut off. Its connection is finished if the store
or the mounts say that it was as good as done, else undone. Then whoever is owed a post gets it, marked as recovered.
Of several processes that recover at once, one does it and the others wait.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mprouter import faults, mountpoints
from mprouter.frozen import frozen
from mprouter.history import History, event_of, is_under_way
from mprouter.inventory import mounted
from mprouter.log import Log
from mprouter.notify.context import thawed
from mprouter.notify.dispatch import nesting, tell_owed
from mprouter.notify.model import CancelConnect, Event
from mprouter.providers.base import Provider, State
from mprouter.status import Status, WNetError, in_words, shortage

if TYPE_CHECKING:
    from mprouter.notify.model import Registration
    from mprouter.store import Entry, Operation, Owed, Store

__all__ = ["Recovered", "Recovery", "cut_off", "is_waiting"]

PATIENCE = 30.0
"""Seconds that a command which the dead process had started may still take, unless its registration says otherwise."""

KEPT = 90 * 86400.0
"""Seconds for which a post is owed to a notifyee that was registered by a program's own code, until that runs again."""

log = Log("mprouter")


@frozen
class Recovered:
    """What became of an operation that was cut off.

    operation: "add" or "cancel". process: the id of the one that died. status: how it ended; None if it could not be
    settled, which is tried again the next time. error: why not. told: the notifyees that had their post. lost: those
    that could not be reached any more.
    """

    operation: str
    remote_name: str | None
    local_name: str | None
    process: int
    status: Status | None = None
    error: WNetError | None = None
    told: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()

    @property
    def outcome(self) -> str:
        """What became of the connection, in words."""
        if self.status is None:
            return "not settled"
        if self.operation == "add":
            return "undone" if self.status else "finished: the connection stands"
        return "undone: the connection stands" if self.status else "finished"


class Recovery:
    """Settles what was cut off.

    provider_of: who makes a connection; raises ``WNetError``. registrations: the notifyees that take part. here: the
    ids of those that this program's code has registered.
    """

    def __init__(
        self,
        store: Store,
        *,
        provider_of: Callable[[Entry], Provider],
        registrations: Callable[[], Sequence[Registration]],
        here: Callable[[], Collection[str]],
    ) -> None:
        self._store = store
        self._provider_of = provider_of
        self._registrations = registrations
        self._here = here

    def run(self) -> list[Recovered]:
        """Settle all of it, the newest first, since operations nest. Raises ``WNetError`` if the store is unusable."""
        if nesting() or not any(self._cut_off()):  # whoever is telling us has settled what there was
            return []
        with self._store.recovering():
            operations, claims = self._cut_off()
            return [self._recover_dead(each) for each in operations] + [self._recover_claim(each) for each in claims]

    def settle(self, history: History, error: BaseException) -> Status:
        """The attempt of an operation of this process was cut off by *error*: finish or undo it, whichever is nearer.

        Returns how it has ended then. Raises what the provider raises; the operation stays in the journal then.
        """
        failure, _ = _cause(error)
        operation = self._journaled(history)
        if operation is None:
            return history.let_go(failure)
        status = self._settle(operation, event_of(operation), failure)
        history.settled(status)
        return status

    def take_up(self, history: History, error: BaseException) -> None:
        """An operation of this process was cut off by *error*: settle it, and make the posts that it owes."""
        history.write()
        cause = _cause(error)
        operation = self._journaled(history)
        if operation is None:
            history.let_go(cause[0])
        else:
            owed = tuple(each for each in operation.owed if history.owes(each.notifyee))
            self._recover(replace(operation, owed=owed), history, cause)

    def give_up(self, entry: Entry) -> bool:
        """Forget *entry*, at which work was cut off, although its provider cannot clear what is left of it.

        Whether it was such a one. What is left stays where it is; whoever is owed a post gets it.
        """
        if entry.phase == "connected":  # its operation was cut off after that, and only posts are owed
            return False
        with self._store.recovering():
            operations, claims = cut_off(self._store)
            cut = [each for each in operations if entry.id in each.entries]
            if not cut and entry.id not in {each.id for each in claims}:
                return False
            for each in cut:
                self._store.settle(each.id, each.status or Status.ERROR_PROCESS_ABORTED, remove=[entry.id])
            if not cut:
                self._store.remove(entry.id)
        if entry.made_directory:
            mountpoints.remove(Path(entry.path))
        log.warning("%s is given up; what is left of it in %s stays there", entry.remote_name, entry.path)
        self.run()
        return True

    def _journaled(self, history: History) -> Operation | None:
        return next((each for each in self._store.operations() if each.id == history.id), None)

    def _cut_off(self) -> tuple[list[Operation], list[Entry]]:
        """What can be settled now."""
        operations, claims = cut_off(self._store)
        here = self._here()
        return [each for each in operations if not is_waiting(each, here)], claims

    def _recover(self, operation: Operation, history: History, cause: tuple[Status, str]) -> Recovered:
        """Settle *operation*, and make the posts that it owes. cause: what cut it off, as a status and in words."""
        event = event_of(operation)
        found = Recovered(event.operation, operation.remote_name, operation.local_name, operation.owner_pid)
        failure, words = cause
        with history:
            faults.reached("recovering")
            try:
                status = self._settle(operation, event, failure)
            except Exception as error:  # noqa: BLE001 - a stranger's provider may raise anything
                return replace(found, error=_unsettled(found, error))
            faults.reached("settled")
            found = replace(found, status=status)
            history.settled(status)
            found, is_owed = self._tell(operation, event, history, found)
            if is_owed:
                history.write()
            else:
                history.ended(status, f"{words}; {found.outcome}")
        return found

    def _recover_dead(self, operation: Operation) -> Recovered:
        cause = Status.ERROR_PROCESS_ABORTED, f"process {operation.owner_pid} {_end_of(operation.owner_pid)}"
        try:
            return self._recover(operation, History.recovered(self._store, operation), cause)
        except WNetError:  # the store is unusable
            raise
        except Exception as error:  # noqa: BLE001 - one that cannot be recovered keeps nobody from all others
            kind = "cancel" if "name" in operation.event else "add"
            found = Recovered(kind, operation.remote_name, operation.local_name, operation.owner_pid)
            return replace(found, error=_unsettled(found, error))

    # -- the connection ----------------------------------------------------------------------------------------

    def _settle(self, operation: Operation, event: Event, failure: Status) -> Status:
        """Finish or undo what it did; how it ended then: *failure*, if nothing else is known."""
        entries = [self._store.by_id(each) for each in operation.entries]
        standing = [each for each in entries if each is not None]
        phase = "cancelling" if isinstance(event, CancelConnect) else "adding"
        gone = [each.id for each in standing if _is_at(each, phase, operation) and self._is_gone(each)]
        forget = None
        if operation.status is not None:  # and what it had to forget is forgotten, maybe remembered anew since
            status = Status(operation.status)
        elif isinstance(event, CancelConnect) and operation.entries and len(gone) == len(standing):
            status, forget = Status.WN_SUCCESS, operation.forget
        else:
            status = failure
        self._store.settle(operation.id, int(status), remove=gone, forget=forget)
        return status

    def _is_gone(self, entry: Entry) -> bool:
        """Whether *entry*, at which work was cut off, is no connection; what was left of it is cleared then."""
        if entry.phase == "adding" and entry.handle:  # what is there is still the lost one that it would have replaced
            self._store.keep(entry.id)
            if entry.made_directory:  # unless its dead mount was just taken away: nobody is to write into what is bare
                mountpoints.remove(Path(entry.path))
            return False
        provider = self._provider_of(entry)
        connection = mounted(entry)
        if entry.phase == "cancelling" and provider.settle(connection) is State.CONNECTED:
            self._store.keep(entry.id)
            return False
        provider.cancel_connection(connection, force=True)
        if entry.made_directory:
            mountpoints.remove(Path(entry.path))
        return True

    def _recover_claim(self, entry: Entry) -> Recovered:
        """A claim that is in no journal: of an earlier version's process, or its operation could not be salvaged."""
        operation = "add" if entry.phase == "adding" else "cancel"
        found = Recovered(operation, entry.remote_name, entry.local_name, entry.owner_pid)
        try:
            gone = self._is_gone(entry)
            if gone:
                self._store.remove(entry.id)
        except Exception as error:  # noqa: BLE001 - as above
            return replace(found, error=_unsettled(found, error))
        is_done = gone and operation == "cancel"
        return replace(found, status=Status.WN_SUCCESS if is_done else Status.ERROR_PROCESS_ABORTED)

    # -- the posts ---------------------------------------------------------------------------------------------

    def _tell(self, operation: Operation, event: Event, history: History, found: Recovered) -> tuple[Recovered, bool]:
        """Make the posts that are owed; who was told, and whether more are owed.

        To programs that do not run now, or to those of whom it cannot be read just now how they are told.
        """
        if not operation.owed:
            return found, False
        status = Status(found.status or 0)
        try:
            registered = {each.id: each for each in self._registrations()}
        except WNetError as error:
            log.warning("%s; who is owed a call gets it from a later command", error)
            return found, True
        reached: list[tuple[Registration, object]] = []
        lost = []
        is_owed = False
        for owed in operation.owed:
            registration = registered.get(owed.notifyee)
            _await(owed, registration)
            if owed.made:
                history.not_told(owed.notifyee, status, None, "made before the process died; its answer is not known")
            elif registration is not None and registration.problem is not None and registration.problem.passes:
                is_owed = True
            elif registration is not None:
                if registration.settle is not None:
                    registration.settle()
                reached.append((registration, thawed(owed.context)))
            elif _is_out_of_reach(operation, owed, self._here()):
                is_owed = True
            else:
                history.not_told(owed.notifyee, status, Status.ERROR_NOT_FOUND, "not told: no longer registered")
                lost.append(owed.notifyee)
        if isinstance(event, CancelConnect) and not status:
            event = replace(event, provider=operation.provider)
        tell_owed(
            event,
            reached,
            status,
            attempt=operation.attempt,
            recovered=history.is_recovered,
            record=history.told,
            journal=history,
        )
        return replace(found, told=tuple(each.id for each, _ in reached), lost=tuple(lost)), is_owed


def _is_at(entry: Entry, phase: str, operation: Operation) -> bool:
    """Whether it is the process of *operation* that was at work on *entry*, and not another one on the same name."""
    owner = operation.owner_pid, operation.owner_start
    return (entry.phase, entry.owner_pid, entry.owner_start) == (phase, *owner)


def cut_off(store: Store) -> tuple[list[Operation], list[Entry]]:
    """The operations that nobody is at work on, the newest first, and the claims of dead processes that are in none.

    One that was read and then came to its end is no longer in the journal, and was not cut off.
    """
    operations, claims = _idle(store)
    if operations or claims:
        ids = {each.id for each in operations}
        still, claimed = _idle(store)
        operations, claims = [each for each in still if each.id in ids], [each for each in claimed if each in claims]
    return operations, claims


def _idle(store: Store) -> tuple[list[Operation], list[Entry]]:
    """As ``cut_off``, with those that have ended since they were read."""
    claims, operations = store.under_way()
    known = {entry for each in operations for entry in each.entries}
    return (
        [each for each in reversed(operations) if not is_under_way(each)],
        [each for each in claims if each.id not in known and not each.owner_alive()],
    )


def is_waiting(operation: Operation, here: Collection[str] = ()) -> bool:
    """Whether all that *operation*, which was cut off, still owes is owed to notifyees of another program's code."""
    settled = operation.status is not None and not operation.entries and operation.owed
    return bool(settled) and all(_is_out_of_reach(operation, each, here) for each in operation.owed)


def _is_out_of_reach(operation: Operation, owed: Owed, here: Collection[str]) -> bool:
    """Whether another program may come that registers this notifyee."""
    is_code = owed.notifyee.startswith("code/") and owed.notifyee not in here
    return is_code and time.time() - operation.started < KEPT


def _await(owed: Owed, registration: Registration | None) -> None:
    """Let a command that the dead process had started come to its end; end it when its time is up."""
    patience = PATIENCE if registration is None or registration.timeout is None else registration.timeout
    begun = time.monotonic()
    is_told = False
    while owed.is_running() and time.monotonic() < begun + patience:
        if not is_told and time.monotonic() > begun + 1:
            is_told = True
            log.warning("%s is still at it (process %d): waiting, up to %g seconds", owed.notifyee, owed.pid, patience)
        time.sleep(0.02)
    if owed.is_running():
        log.warning("%s: ended, it took longer than %g seconds", owed.notifyee, patience)
        with suppress(ProcessLookupError):
            os.killpg(owed.pid, signal.SIGKILL)  # it leads a group of its own


def _cause(error: BaseException) -> tuple[Status, str]:
    """What *error* is for those who are told of it."""
    if isinstance(error, KeyboardInterrupt):
        return Status.WN_CANCEL, "interrupted"
    if isinstance(error, WNetError):
        return error.status, error.strerror or error.status.text
    short = shortage(error)
    return short[0] if short else Status.ERROR_UNHANDLED_EXCEPTION, in_words(error)


def _unsettled(found: Recovered, error: Exception) -> WNetError:
    if not isinstance(error, WNetError):
        error = WNetError(Status.ERROR_EXTENDED_ERROR, in_words(error))
    error.filename = error.filename or found.local_name or found.remote_name
    end = _end_of(found.process)
    log.warning("process %d %s and left a connection that cannot be settled yet: %s", found.process, end, error)
    return error


def _end_of(process: int) -> str:
    """What has become of *process*, in whose operation that was."""
    return "was cut off" if process == os.getpid() else "died"
