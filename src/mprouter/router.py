"""The Multiple Provider Router: takes a request, tells the notifyees, has the provider that owns the name do it.

It reads like the rules: ``connect`` and ``disconnect`` are the two operations, and ``restore`` makes connections anew.
What is wrong with a request stands in ``request.py``, what is done between the notifications in ``attempts.py``, how
notifyees are told in ``notify/dispatch.py``, how providers are tried in ``providers/order.py``.

What only an operation needs is imported where it begins, so that a list is there at once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from mprouter import faults, loaded, mountpoints, realm, settings
from mprouter.connection import Connection
from mprouter.inventory import Inventory
from mprouter.log import Log
from mprouter.names import looks_local, parse_local, parse_remote
from mprouter.participants import Participants
from mprouter.providers.mounted import State
from mprouter.resource import ConnectFlag, NetResource, ResourceScope, ResourceType, ResourceUsage
from mprouter.status import Status, WNetError, in_short
from mprouter.store import Entry, Remembered, Store
from mprouter.store.database import let_go

if TYPE_CHECKING:
    from mprouter import attending, restoring
    from mprouter.attempts import Attempts
    from mprouter.credentials import Secret
    from mprouter.history import History
    from mprouter.notify.model import Event, Registration
    from mprouter.providers.base import (
        Conversation,
        LogonInfo,
        PasswordChange,
        Performance,
        Progress,
        Provider,
        UniversalName,
    )
    from mprouter.providers.mounted import Waiting
    from mprouter.providers.registration import Registered
    from mprouter.recovery import Recovered, Recovery
    from mprouter.restoring import Restored

__all__ = ["Router"]

log = Log("mprouter")


class Router:
    """A Multiple Provider Router.

    Several may exist in one process; they share the store and the drop-in files with every other router of the user.
    A router is thread-safe. As a context manager it is closed at the end; connections outlive it.

    providers: None = the built-in ones, and those registered in files and by entry points. drop_ins: whether what is
    registered there takes part: the notifyees beside those registered with ``register``, and the providers. store: None
    = the user's.
    """

    def __init__(
        self, *, providers: Sequence[Provider] | None = None, drop_ins: bool = True, store: Store | None = None
    ) -> None:
        self._store = store or Store()
        self._participants = Participants(providers, drop_ins=drop_ins)

    # -- the two operations ------------------------------------------------------------------------------------

    def connect(
        self,
        remote: str,
        local: str | Path | None = None,
        *,
        user: str | None = None,
        password: str | Secret | None = None,
        provider: str | None = None,
        type: ResourceType = ResourceType.DISK,  # noqa: A002 - the interface's name
        persist: bool = False,
        overwrite: bool = False,
        flags: ConnectFlag = ConnectFlag(0),
        options: Mapping[str, str] | None = None,
        owner: int | None = None,
        conversation: Conversation | None = None,
    ) -> Connection:
        """Add a connection (``WNetAddConnection2``, ``WNetUseConnection``; N1).

        remote: any form of remote name. local: a drive letter, an absolute path of an empty or missing directory,
        "*" for a free letter (CONNECT_REDIRECT), or None for a deviceless connection. persist: remember it
        (CONNECT_UPDATE_PROFILE). overwrite: what *local* is remembered for is no obstacle (C4), and is forgotten when
        this is connected. provider: ask only this one (R1). options: settings of that network, as ``-o``.
        owner: a window handle for the notifyees. conversation: who may be asked for a password or a host key;
        with CONNECT_INTERACTIVE the terminal, if there is one.

        Raises ``WNetError``. What the notifyees answered may be the reason: see ``notify.dispatch.operate``.
        """
        loaded.check()
        from mprouter.credentials import Credentials
        from mprouter.history import History
        from mprouter.notify.model import AddConnect
        from mprouter.request import check_conversation, check_types, checked

        check_types(remote=remote, local=local, user=user, password=password, provider=provider, type=type)
        check_types(persist=persist, overwrite=overwrite, flags=flags, options=options, owner=owner)
        check_conversation(conversation)
        if persist:
            flags |= ConnectFlag.UPDATE_PROFILE
        resource = NetResource(remote, None if local in {None, "*"} else str(local), ResourceType(type), provider)
        if local == "*":
            flags |= ConnectFlag.REDIRECT
        if conversation is None and flags & ConnectFlag.INTERACTIVE:
            from mprouter.terminal import terminal

            conversation = terminal()
        resets = ConnectFlag.COMMANDLINE | ConnectFlag.CRED_RESET
        credentials = Credentials(
            user,
            password,
            save=bool(flags & ConnectFlag.CMD_SAVECRED) or flags & resets == resets,
            ask=conversation is not None and bool(flags & ConnectFlag.PROMPT),
        )
        self.recover()
        request = checked(
            resource,
            credentials,
            flags,
            options or {},
            conversation,
            overwrite=overwrite,
            store=self._store,
            participants=self._participants,
        )
        event = AddConnect(replace(resource, remote_name=request.name.told), flags, owner)
        private = (user, request.name.user)
        history = History(self._store, event, request.name.told, request.local, private=private)
        with self._under_way(history):
            entry = self._attempts.claim(request, history)

            def attempt() -> Event:
                nonlocal entry
                entry = self._attempts.add(request, entry, history)
                return event

            try:
                self._operate(event, self._participants.concerned(event, request.name.forms), attempt, history)
            except WNetError as error:
                history.hide(credentials.users)
                credentials.explain(error)
                history.failed(error, claim=entry.id)
                _concerning(error, request.name.given, "connect")
                raise
            history.ended(Status.WN_SUCCESS)
        return self._inventory.held(entry, State.CONNECTED)

    def disconnect(
        self,
        name: str | Path,
        force: bool = False,
        forget: bool = False,
        *,
        later: bool = False,
        progress: Progress | None = None,
    ) -> None:
        """Cancel a connection (``WNetCancelConnection2``; N2, C5, C6).

        name: a local name, or a remote name for all deviceless connections to it. force: in spite of open files; what
        was cut off and cannot be settled is given up. forget: no longer remember it (CONNECT_UPDATE_PROFILE). later: at
        once, without delivering what is not sent yet: that is kept, ``waiting`` tells of it, and the next connection to
        the resource sends it. progress: hears how much written data is still on its way.

        Raises ``WNetError``: ERROR_NOT_CONNECTED, ERROR_OPEN_FILES, ERROR_WRITE_FAULT, or a notifyee's veto.
        """
        loaded.check()
        from mprouter.request import check_types

        check_types(name=name, force=force, forget=forget, later=later)
        self.recover()
        name = str(name)
        if force and self._is_given_up(name):
            if forget and looks_local(name):
                self._store.forget(parse_local(name))
            return
        if looks_local(name):
            local = parse_local(name)
            entry = self._inventory.at(local)
            remembered = self._inventory.remembered(local)
            if entry is None and not (forget and remembered):
                raise WNetError(
                    Status.ERROR_NOT_CONNECTED,
                    name=name,
                    function="disconnect",
                    hint="it is remembered: --forget ends that" if remembered else "mpr list shows what is connected",
                )
            self._cancel(name, [entry] if entry else [], force, local if forget else None, progress, later=later)
        else:
            remote = parse_remote(name)
            entries = self._store.by_remote(remote.canonical)
            if not entries:
                raise self._no_deviceless(name)
            self._cancel(remote.told, entries, force, None, progress, later=later)

    def _is_given_up(self, name: str) -> bool:
        """Give up what was cut off and could not be settled just now; whether nothing else goes by *name*."""
        if looks_local(name):
            found = [each for each in [self._inventory.at(parse_local(name))] if each is not None]
        else:
            found = self._store.by_remote(parse_remote(name).canonical)
        given_up = [self._recovery.give_up(each) for each in found]
        return bool(found) and all(given_up)

    # -- what exists -------------------------------------------------------------------------------------------

    def connections(self, *, remembered: bool = False) -> list[Connection]:
        """The user's connections, whichever process made them, each with its state as it really is.

        remembered: instead those that are remembered, with the state None where they are not connected.
        """
        self.recover()
        return self._inventory.all(remembered=remembered)

    def connection(self, name: str | Path) -> Connection:
        """What is connected or remembered under a local name, or deviceless to a resource (``NPGetConnection``).

        Raises ``WNetError``: ERROR_NOT_CONNECTED, and those of names that are none.
        """
        self.recover()
        return self._inventory.connection(str(name))

    def located(self, path: str | Path) -> tuple[Connection, str]:
        r"""The connection that *path* lies on, and the rest of the path (``NPGetUniversalName``).

        path: below a local name, as ``Z:\dir`` too, or where a connection appears; the file need not exist, and the
        resource is not touched. Raises ``WNetError``: ERROR_BAD_DEVICE for what is no local path, ERROR_NOT_CONNECTED.
        """
        self.recover()
        return self._inventory.located(str(path))

    def universal_name(self, connection: Connection, path: str = "") -> UniversalName:
        """What *path* in *connection*, forward slashes, is called elsewhere (``NPGetUniversalName``).

        Its provider is asked if it makes such names, else they are made of the remote name. Raises ``WNetError``:
        ERROR_NOT_CONNECTED, ERROR_BAD_PROVIDER, or what the provider reported.
        """
        return self._inventory.universal_name(connection, path)

    def user(self, connection: Connection) -> str | None:
        """As whom *connection* is made (``NPGetUser``); None = anonymous.

        Its provider is asked if it knows that better than the store. Raises ``WNetError``: as ``universal_name``.
        """
        return self._inventory.user(connection)

    def enumerate(
        self,
        scope: ResourceScope,
        type: ResourceType = ResourceType.ANY,  # noqa: A002 - the interface's name
        usage: ResourceUsage = ResourceUsage(0),
        container: NetResource | None = None,
    ) -> Iterator[NetResource]:
        """What is connected, remembered, was connected lately, or could be (``WNetOpenEnum``), one after the other.

        type: ANY = all. usage: for GLOBALNET, CONNECTABLE or CONTAINER; 0 = all. container: for GLOBALNET, whose
        content is wanted; None = the networks. A provider that does not answer is left out after ``browsing.PATIENCE``.

        Raises ``WNetError``, also from the iterator: ERROR_NOT_CONTAINER, ERROR_BAD_PROVIDER, or what the provider
        reported of *container*.
        """
        from mprouter import browsing

        match scope:
            case ResourceScope.CONNECTED | ResourceScope.REMEMBERED:
                found = iter(browsing.connected(self.connections(remembered=scope is ResourceScope.REMEMBERED), scope))
            case ResourceScope.RECENT:
                self.recover()
                found = iter(browsing.recent(self._store.events()))
            case ResourceScope.CONTEXT:
                found = browsing.context(self.providers(), type)
            case ResourceScope.GLOBALNET if container is None:
                found = iter(browsing.networks(self.providers()))
            case ResourceScope.GLOBALNET:
                found = browsing.inside(self.providers(), container, type, usage)
        for each in found:
            is_meant = scope is not ResourceScope.GLOBALNET or not usage or each.usage & usage
            if is_meant and (not type or not each.type or each.type is type):
                yield each

    def performance(self, name: str | Path) -> Performance:
        """How fast a connection is (``MultinetGetConnectionPerformance``), as its provider has measured it.

        name: a local name, or a resource to which something is connected. Raises ``WNetError``: ERROR_NOT_CONNECTED,
        also if it is only remembered; ERROR_NOT_SUPPORTED if its provider does not measure.
        """
        self.recover()
        return self._inventory.performance(str(name))

    def waiting(self) -> list[Waiting]:
        """What was written to resources and is not on their servers yet, whether they are connected now or not."""
        asked = [each.waiting() for each in self.registered_providers() if each.takes_part]
        sources = dict.fromkeys(each for each in asked if each is not None)
        return [found for source in sources for found in source()]

    def discard(self, waiting: Waiting) -> None:
        """Give up for good the files that *waiting*, one of ``waiting()``, names. Nothing brings them back.

        Raises ``WNetError`` ERROR_BUSY, and removes nothing, while a connection uses them.
        """
        loaded.check()
        from mprouter.providers.base import Discarding

        self._store.enter()
        for discard in dict.fromkeys(each.discard for each in self.providers() if isinstance(each, Discarding)):
            discard(waiting)

    def restore(
        self,
        name: str | Path | None = None,
        *,
        wait: bool | float = False,
        conversation: Conversation | None = None,
        hearing: restoring.Hearing | None = None,
    ) -> list[Restored]:
        """Connect what is remembered, or only *name*, notifying nobody (``WNetRestoreConnection``, N3).

        wait: for how long to try again those for which the network is not there yet: False = one attempt each, as
        a person wants it; True = until the networks should have started (R7), as at login; a number = so many seconds.
        conversation: who may be asked, one question at a time. hearing: hears how each is getting on.

        Without *name*, lost connections that are not remembered are taken away.

        Returns how each went, and raises only for the request itself: ERROR_NOT_CONNECTED if *name* is not remembered.
        """
        loaded.check()
        from mprouter import restoring

        wanted = self._store.remembered()
        if name is not None:
            name = str(name)
            local = parse_local(name)
            wanted = [each for each in wanted if each.local_name == local]
            if not wanted:
                raise WNetError(
                    Status.ERROR_NOT_CONNECTED,
                    "not remembered",
                    name=name,
                    function="restore",
                    hint="mpr list --remembered shows what is",
                )
        else:
            self._take_lost_away({each.local_name for each in wanted})
        connected = {each.local_name for each in self.connections() if each.state is State.CONNECTED}
        wanted = [each for each in wanted if each.local_name not in connected]
        if not wanted:
            return []
        self._store.enter()
        seconds = float(wait)
        if wait is True:
            seconds = restoring.start_up_time(self.providers(), settings.load().restore_timeout)
        histories = {each.local_name: _history(self._store, each) for each in wanted}
        return restoring.restore(
            wanted,
            lambda each, asked: self._restore(each, asked, histories[each.local_name]),
            failed=lambda each, error: histories[each.local_name].failed(error),
            seconds=seconds,
            conversation=conversation,
            hearing=hearing,
        )

    def logged_on(
        self, logon: LogonInfo, previous: LogonInfo | None = None, *, station: str | None = None
    ) -> list[attending.Attended]:
        """Tell the providers that attend to it that the user who runs this has logged on (``NPLogonNotify``).

        station: None = a person's. Returns what each answered; to run their logon scripts is up to the caller. Raises
        nothing of what they raise.
        """
        from mprouter import attending

        return attending.logged_on(self.providers(), logon, previous, station or attending.PERSON)

    def password_changed(
        self,
        logon: LogonInfo,
        previous: LogonInfo | None = None,
        *,
        change: PasswordChange,
        station: str | None = None,
    ) -> list[attending.Attended]:
        """Tell them that *logon* has a new password, *previous* the one before (``NPPasswordChangeNotify``)."""
        from mprouter import attending

        return attending.password_changed(self.providers(), logon, previous, station or attending.PERSON, change)

    def recover(self) -> list[Recovered]:
        """Settle the operations of processes that have died, and make the posts that they owed (N19).

        Every operation does this first. Those of another realm, which may live, are left to it, and all of them to
        another program if this one's version was replaced. Returns what became of each. Raises ``WNetError`` if the
        store is unusable.
        """
        is_ours = any(self._store.under_way()) and not realm.is_elsewhere(self._store.path.parent)
        return self._recovery.run() if is_ours and not loaded.is_replaced() else []

    def end_idle(self) -> None:
        """End the rclone of this user if there is neither a connection nor anything that waits to be sent.

        Then another realm may be at work on the directories. One that does not say that it is idle is left.
        """
        from mprouter.providers.rclone.hold import stop_idle

        with suppress(OSError, WNetError):
            if not self._store.entries() and not self.waiting():
                with self._store.unused() as is_unused:
                    if is_unused:
                        stop_idle()

    @property
    def _inventory(self) -> Inventory:
        """Made anew each time: if it was kept, it and the router would keep each other alive."""
        return Inventory(self._store, self._participants, self._close)

    @property
    def _attempts(self) -> Attempts:
        from mprouter.attempts import Attempts

        return Attempts(self._store, self._participants, self._inventory)

    @cached_property
    def _recovery(self) -> Recovery:
        from mprouter.recovery import Recovery

        return Recovery(
            self._store,
            provider_of=self._participants.maker,
            registrations=self._participants.registrations,
            here=self._participants.registered_here,
        )

    # -- who takes part ----------------------------------------------------------------------------------------

    def register(
        self, notifyee: object, *, name: str | None = None, order: int | None = None, required: bool | None = None
    ) -> str:
        """Have *notifyee*, in any of the four Python shapes, told by this router. Returns its name.

        order: smaller is told earlier (N8; 50). required: an error of its pre ends the operation (N10; False).
        Raises ``WNetError``: ERROR_BAD_CONFIGURATION if it is no notifyee, ERROR_ALREADY_ASSIGNED if the name is taken.
        """
        return self._participants.register(notifyee, name=name, order=order, required=required)

    def unregister(self, name: str) -> None:
        """No longer tell the notifyee that was registered as *name*. Raises ``WNetError`` (ERROR_NOT_FOUND)."""
        self._participants.unregister(name)

    def registrations(self) -> list[Registration]:
        """All notifyees that this router tells, in registration order (N8)."""
        return self._participants.registrations()

    def add_provider(self, provider: Provider, *, order: int = 50) -> None:
        """Let *provider* take part in routing (R1). order: smaller is tried earlier; the built-in ones have 100 up.

        Raises ``WNetError``: ERROR_BAD_CONFIGURATION if it is none, ERROR_ALREADY_ASSIGNED if its name is taken.
        """
        self._participants.add_provider(provider, order=order)

    def providers(self) -> list[Provider]:
        """The network providers in the order in which they are tried (``ProviderOrder``, R1)."""
        return self._participants.providers()

    def registered_providers(self) -> list[Registered]:
        """What there is of providers, disabled and broken ones too, in the order in which they are tried."""
        return self._participants.registered_providers()

    def close(self) -> None:
        """Let go of the store and of what the notifyees hold; connections stay."""
        self._participants.close()
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- steps -------------------------------------------------------------------------------------------------

    def _cancel(
        self,
        name: str,
        entries: Sequence[Entry],
        force: bool,
        forget: str | None,
        progress: Progress | None,
        *,
        later: bool = False,
    ) -> None:
        """One cancel operation, of one connection or of all deviceless ones to a resource."""
        from mprouter.history import History
        from mprouter.notify.model import CancelConnect

        event = CancelConnect(name, None, ConnectFlag.UPDATE_PROFILE if forget else ConnectFlag(0), force)
        known = entries[0] if entries else self._inventory.remembered(str(forget))
        if known is None:
            raise WNetError(Status.ERROR_NOT_CONNECTED, name=name)  # another process has just forgotten it
        remote = parse_remote(known.remote_name)
        private = (known.user, remote.user)
        self._store.enter()
        history = History(self._store, event, remote.told, known.local_name, private=private)
        attempts = self._attempts
        with self._under_way(history):
            concerned = self._participants.concerned(event, remote.forms)
            ids = [each.id for each in entries]
            operation = history.operation(entries=ids, provider=known.provider, forget=forget)
            if concerned or not entries:
                self._store.begin(operation)
                faults.reached("begun")

            def attempt() -> Event:
                for entry in reversed(entries):  # the last is that whose provider is told
                    attempts.cancel(
                        entry,
                        force,
                        forget,
                        progress,
                        history=history,
                        begins=operation if entry is entries[-1] and not concerned else None,
                        is_last=entry is entries[0],
                        later=later,
                    )
                if not entries:
                    self._store.forget(str(forget), operation=history.id)
                return done()

            def done() -> Event:
                if entries:
                    history.routed(entries[0].provider, entries[0].local_name)
                return replace(event, provider=entries[0].provider if entries else None)

            try:
                self._operate(event, concerned, attempt, history, done=done)
            except WNetError as error:
                history.failed(error)
                _concerning(error, name, "disconnect")
                raise
            history.ended(Status.WN_SUCCESS)

    def _close(self, entry_id: int, force: bool, forget: bool, later: bool) -> None:
        """``Connection.close``: this very connection and no other of the same name."""
        loaded.check()
        entry = self._store.by_id(entry_id)
        if entry is not None:
            name = entry.local_name or parse_remote(entry.remote_name).told
            self._cancel(name, [entry], force, entry.local_name if forget else None, None, later=later)

    def _no_deviceless(self, name: str) -> WNetError:
        canonical = parse_remote(name).canonical
        devices = [each.local_name for each in self._store.entries() if each.canonical == canonical]
        hint = f"that is the name to give: {', '.join(filter(None, devices))}" if devices else None
        return WNetError(
            Status.ERROR_NOT_CONNECTED,
            name=name,
            function="disconnect",
            hint=hint or "mpr list shows what is connected",
        )

    def _restore(
        self, remembered: Remembered, conversation: Conversation | None, history: History
    ) -> Connection | None:
        """One attempt, the same steps as in ``connect``, telling nobody (N3). None: another process is making it."""
        from mprouter.credentials import Credentials
        from mprouter.request import checked

        loaded.check()
        there = self._store.entry(remembered.local_name)
        if there is not None and there.canonical == remembered.canonical:
            if there.phase == "adding" and there.owner_alive():
                return None
            if there.phase == "connected" and not self._inventory.is_gone(there):
                return self._inventory.held(there)  # another process has made it
        credentials = Credentials(remembered.user)
        try:
            request = checked(
                _resource(remembered),
                credentials,
                ConnectFlag(0),
                remembered.options,
                conversation,
                store=self._store,
                participants=self._participants,
            )
            with self._under_way(history):
                try:
                    entry = self._attempts.claim(request, history, restoring=True)
                except WNetError as error:
                    if error.status is Status.ERROR_ALREADY_ASSIGNED and self._was_quicker(remembered, there):
                        return None
                    raise
                try:
                    entry = self._attempts.add(request, entry, history)
                except WNetError as error:
                    history.hide(credentials.users)
                    credentials.explain(error)
                    if history.cut_off is None:
                        history.dropped(claim=entry.id)
                    raise
                history.ended(Status.WN_SUCCESS)
        except WNetError as error:
            if error.status is Status.ERROR_LOGON_FAILURE:
                error.hint = "connect it once with --persist --save-password, and the password will be found"
            _concerning(error, remembered.remote_name, "restore")
            raise
        return self._inventory.held(entry)

    def _take_lost_away(self, remembered: Collection[str]) -> None:
        """Leave nothing of lost connections but those whose local names are *remembered*, which are made again."""
        self.recover()
        for entry in self._store.entries():
            if entry.phase == "connected" and entry.local_name not in remembered and self._inventory.is_gone(entry):
                shown = entry.local_name or entry.remote_name
                try:
                    self._attempts.cancel(entry, True, None, None)
                except WNetError as error:  # another process is at it, or it cannot be unmounted
                    log.debug("%s was lost and is still there: %s", shown, error)
                else:
                    log.warning("%s was lost and is not remembered: it is no longer there", shown)

    def _was_quicker(self, remembered: Remembered, seen: Entry | None) -> bool:
        """Whether another process has claimed *remembered* since *seen* was what stood there, and maybe given up."""
        path = str(mountpoints.path_of(0, remembered.local_name))
        there = [
            each for each in self._store.entries() if path == each.path or each.local_name == remembered.local_name
        ]
        return all(each != seen and each.canonical == remembered.canonical for each in there)

    @contextmanager
    def _under_way(self, history: History) -> Iterator[None]:
        """One operation. What an interrupt has left of it is settled at once; a second one leaves it to the next."""
        with history:
            try:
                yield
            except BaseException as error:
                let_go(error)  # before it is settled
                if history.is_open:
                    self._take_up(history, error)
                if not isinstance(error, Exception):
                    error.add_note(history.left_by_interrupt)
                raise

    def _take_up(self, history: History, error: BaseException) -> None:
        """Settle what *error* has cut off, if that can be done now. Only an interrupt is raised."""
        try:
            self._recovery.take_up(history, error)
        except Exception as failure:  # noqa: BLE001 - what cut it off matters more
            log.warning("what was cut off is not settled: %s", failure)
        except BaseException as interrupt:
            interrupt.add_note(history.left_by_interrupt)
            raise

    def _operate(
        self,
        event: Event,
        concerned: Sequence[Registration],
        attempt: Callable[[], Event],
        history: History,
        *,
        done: Callable[[], Event] | None = None,
    ) -> None:
        """One operation, with the notifications of those whom it concerns.

        done: what a post of success tells; None = *event*. Raises what ``dispatch.operate`` does, and the interrupt of
        an attempt that was as good as done, after the posts.
        """
        from mprouter.notify.dispatch import operate

        interrupts: list[BaseException] = []

        def settled_attempt() -> Event:
            if history.cut_off is not None:
                raise history.cut_off
            try:
                return attempt()
            except WNetError:
                raise
            except BaseException as error:  # it may have struck anywhere
                try:
                    undone = self._recovery.settle(history, error)
                except Exception as failure:  # noqa: BLE001 - it is not settled yet, and the interrupt matters more
                    history.cut_off = error
                    log.warning("what was interrupted is not settled: %s", failure)
                    raise in_short(error) from None
                if undone and (short := in_short(error)) is not error:
                    raise short from error
                if undone:
                    raise
                interrupts.append(error)
                return done() if done else event

        operate(
            event,
            concerned,
            settled_attempt,
            max_retries=settings.load().max_retries,
            record=history.told,
            journal=history,
        )
        if interrupts:
            raise interrupts[0]


def _resource(remembered: Remembered) -> NetResource:
    return NetResource(
        remembered.remote_name, remembered.local_name, ResourceType(remembered.type), remembered.provider
    )


def _history(store: Store, remembered: Remembered) -> History:
    """Of the restoring of *remembered*."""
    from mprouter.history import History
    from mprouter.notify.model import AddConnect

    name = parse_remote(remembered.remote_name)
    event = AddConnect(_resource(remembered))
    private = (remembered.user, name.user)
    return History(store, event, name.told, remembered.local_name, private=private, words="restored")


def _concerning(error: BaseException, name: str, function: str) -> None:
    """Complete an error with the name that the caller gave and the operation that failed."""
    if isinstance(error, WNetError):
        error.filename = error.filename or name
        error.function = error.function or function
