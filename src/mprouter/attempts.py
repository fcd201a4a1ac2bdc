"""The attempts of the two operations: what is done between telling the notifyees before and telling them after.

An attempt has one connection made or ended by its provider, and puts that down. If it fails, all is as it was.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mprouter import faults, mountpoints
from mprouter.inventory import mounted
from mprouter.providers.mounted import Mounted, State
from mprouter.status import Status, WNetError

if TYPE_CHECKING:
    from mprouter.credentials.credentials import Replaced
    from mprouter.history import History
    from mprouter.inventory import Inventory
    from mprouter.participants import Participants
    from mprouter.providers.base import Added, Progress, Provider
    from mprouter.request import Request
    from mprouter.store import Entry, Operation, Store

__all__ = ["Attempts"]


class Attempts:
    """Those of one router."""

    def __init__(self, store: Store, participants: Participants, inventory: Inventory) -> None:
        self._store = store
        self._participants = participants
        self._inventory = inventory

    def claim(self, request: Request, history: History, *, restoring: bool = False) -> Entry:
        """C2, C4: the local name is this operation's from here on, in every process; and the journal knows of it.

        restoring: whether it must be remembered.
        """
        there = self._store.entry(request.local) if request.local is not None else None
        if there is not None and not (self._inventory.is_gone(there) and there.canonical == request.name.canonical):
            there = None  # the store tells what is wrong with it
        entry = self._store.claim(
            remote_name=request.name.given,
            canonical=request.name.canonical,
            type=int(request.resource.type),
            options=request.options,
            local_name=request.local,
            letters=request.letters,
            path_of=mountpoints.path_of,
            replacing=there,
            overwriting=request.overwrite,
            restoring=restoring,
            operation=history.operation(),
        )
        history.routed(None, entry.local_name)
        faults.reached("begun")
        try:
            if entry.local_name is not None and not entry.handle:
                mountpoints.check(Path(entry.path), entry.local_name)
        except BaseException:
            history.dropped(claim=entry.id)
            raise
        return entry

    def add(self, request: Request, entry: Entry, history: History) -> Entry:
        """The attempt: have a provider connect, and put it down. Leaves nothing behind if that fails.

        A lost connection, whose place it takes, stays until nothing but the mount itself can fail.
        """
        path = Path(entry.path)
        there = self._store.by_id(entry.id) if entry.handle else None
        lost = [there] if there is not None and there.handle else []  # an earlier attempt may have cleared it

        def clear() -> None:
            for each in lost:
                self._participants.maker(each).cancel_connection(mounted(each), force=True)
                self._store.begin_anew(each.id)
                if each.local_name is not None:
                    mountpoints.check(path, each.local_name)
            lost.clear()
            asked.note()

        asked = _Asked(self._store, entry.id, is_named=request.resource.provider is not None, is_free=lambda: not lost)

        made = mountpoints.make(path, entry.local_name) or entry.made_directory
        faults.reached("directory made")
        try:
            provider, added = self._route(request, path, clear, asked)
            try:
                replaced = request.credentials.save_if_asked(request.name)
                last = history.last(provider.name, entry.local_name)
                complete = partial(
                    self._store.complete,
                    entry.id,
                    provider=provider.name,
                    user=added.user,
                    handle=added.handle,
                    made_directory=made,
                    remember=request.remember,
                    overwriting=request.overwrite,
                    operation=history.id,
                    last=last,
                )
                connected = self._written(entry.id, complete)
            except Exception as error:  # an interrupt may have struck when that was written: who settles it looks
                try:
                    provider.cancel_connection(Mounted(request.name, path, added.handle), force=True)
                except WNetError:
                    history.cut_off = error  # the claim stays, so that recovery clears it
                raise
        except Exception:  # what an interrupt has left is cleared by who settles it, and then the directory
            if made and not lost:
                mountpoints.remove(path)
            raise
        history.settled(Status.WN_SUCCESS, is_over=last is not None)
        history.routed(provider.name, entry.local_name)
        faults.reached("connected")
        if replaced is not None:
            self._tell_of_new(replaced, request.name.host or "")
        return connected

    def _written(self, entry_id: int, complete: Callable[[], Entry]) -> Entry:
        """The connection; also if the disk reports an error in *complete*, and the store has it all the same."""
        try:
            return complete()
        except WNetError:
            with suppress(WNetError):
                there = self._store.by_id(entry_id)
                if there is not None and there.phase == "connected":
                    return there
            raise

    def _route(self, request: Request, path: Path, clear: Callable[[], None], asked: _Asked) -> tuple[Provider, Added]:
        from mprouter.providers.base import AddRequest, Capability
        from mprouter.providers.order import route
        from mprouter.request import with_unasked

        wanted = AddRequest(
            request.name,
            path,
            request.credentials,
            request.resource.type,
            request.flags,
            request.options,
            request.conversation,
            clear,
        )

        def attempt(provider: Provider) -> Added:
            asked.ask(provider.name)
            if not provider.capabilities & Capability.REPLACE:
                clear()
            asked.note()
            return provider.add_connection(wanted)

        try:
            return route(request.providers, request.name, attempt)
        except WNetError as error:
            with_unasked(error, request.resource, request.name, self._participants)
            raise

    def _tell_of_new(self, password: Replaced, domain: str) -> None:
        """Tell the providers that attend to it of another saved *password* (``NPPasswordChangeNotify``)."""
        from mprouter import attending
        from mprouter.providers.base import LogonInfo, PasswordChange

        new, before = (LogonInfo(password.user, each, domain) for each in (password.password, password.before))
        attending.password_changed(self._participants.providers(), new, before, attending.PERSON, PasswordChange(0))

    def cancel(
        self,
        entry: Entry,
        force: bool,
        forget: str | None,
        progress: Progress | None,
        *,
        history: History | None = None,
        begins: Operation | None = None,
        is_last: bool = False,
        later: bool = False,
    ) -> None:
        """Have the provider disconnect. If that fails the connection stands as it was.

        history: of the operation. begins: that, if it begins with this. is_last: whether its attempt is done with this.
        """
        ends = history if is_last else None
        begun = self._store.begin_cancel(entry.id, operation=begins)
        if begins is not None:
            faults.reached("begun")
        if not begun:
            current = self._store.by_id(entry.id)
            if current is None:  # another process, or an earlier attempt of this operation, has done it
                if forget is not None:
                    self._store.forget(forget, operation=None if ends is None else ends.id)
                return
            raise _busy(current)
        faults.reached("cancelling")
        try:
            self._participants.maker(entry).cancel_connection(
                mounted(entry, later=later), force=force, progress=progress
            )
        except WNetError as error:
            self._leave_nothing_bare(entry)
            _write_end(partial(self._store.keep, entry.id), history, error)
            raise
        faults.reached("disconnected")
        if entry.made_directory:
            mountpoints.remove(Path(entry.path))
        faults.reached("directory removed")
        if ends is None:
            _write_end(partial(self._store.remove, entry.id, forget=forget), history)
        else:
            last = ends.last(entry.provider, entry.local_name)
            _write_end(partial(self._store.remove, entry.id, forget=forget, operation=ends.id, last=last), history)
            ends.settled(Status.WN_SUCCESS, is_over=last is not None)
        faults.reached("removed")

    def _leave_nothing_bare(self, entry: Entry) -> None:
        """Remove the directory of *entry* if its mount went before the cancel failed: nobody is to write into that."""
        with suppress(WNetError):
            if entry.made_directory and self._participants.maker(entry).state(mounted(entry)) is State.LOST:
                mountpoints.remove(Path(entry.path))


class _Asked:
    """Which provider a claim is tried with: in the store, unless recovery would come to it by itself.

    That asks the first that has the name; so what is written down is who comes after that, or was named by the request.
    is_free: whether the claim is of nothing lost any more.
    """

    def __init__(self, store: Store, entry_id: int, *, is_named: bool, is_free: Callable[[], bool]) -> None:
        self._store = store
        self._entry_id = entry_id
        self._is_free = is_free
        self._provider: str | None = None
        self._known: str | None = None
        self._is_first = not is_named

    def ask(self, provider: str) -> None:
        """*provider* comes next."""
        self._provider = provider
        if self._is_first:
            self._known = provider
            self._is_first = False

    def note(self) -> None:
        """Write down who is being asked, if need be."""
        if self._provider is not None and self._provider != self._known and self._is_free():
            self._store.asking(self._entry_id, self._provider)
            self._known = self._provider


def _write_end(write: Callable[[], None], history: History | None, error: WNetError | None = None) -> None:
    """Have the store know how the cancel of a connection has ended; with a second try, for which it has some reserve.

    If that fails too, the operation of *history* was cut off. error: that of the cancel, if it has failed. Raises
    ``WNetError`` if it has succeeded.
    """
    try:
        write()
    except WNetError:
        try:
            write()
        except WNetError as failure:
            if history is not None:
                history.cut_off = error or failure
            if error is None:
                raise


def _busy(entry: Entry) -> WNetError:
    """Why *entry*, which is not connected, cannot be disconnected by this process."""
    if entry.owner_alive():
        return WNetError(Status.ERROR_BUSY, f"process {entry.owner_pid} is at work on it", name=entry.local_name)
    return WNetError(
        Status.ERROR_BUSY,
        f"process {entry.owner_pid} died at work on it, and what it left is not settled yet",
        name=entry.local_name,
        hint="try again; mpr recover tells if it cannot be settled",
    )
