"""The Multiple Provider Router: takes a request, tells the notifyees, has the provider that owns the name do it.

It reads like the rules: ``connect`` and ``disconnect`` are the two operations, everything below them is one step of
theirs. How notifyees are told stands in ``notify/dispatch.py``, how providers are tried in ``providers/order.py``.

What only an operation needs is imported by its steps, so that a list is there at once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from mprouter import faults, mountpoints, settings
from mprouter.connection import Connection
from mprouter.forks import lock
from mprouter.frozen import frozen
from mprouter.log import Log
from mprouter.names import DRIVE_LETTERS, RemoteName, looks_local, nobodys, parse_local, parse_remote
from mprouter.providers.mounted import Mounted, State
from mprouter.resource import ConnectFlag, NetResource, ResourceScope, ResourceType, ResourceUsage
from mprouter.status import Status, WNetError
from mprouter.store import Entry, Operation, Remembered, Store

if TYPE_CHECKING:
    from mprouter import attending, restoring
    from mprouter.credentials import Credentials, Secret
    from mprouter.history import History
    from mprouter.notify.model import Event, Registration
    from mprouter.notify.registration import DropIns
    from mprouter.providers.base import (
        Added,
        Conversation,
        LogonInfo,
        PasswordChange,
        Performance,
        Progress,
        Provider,
        UniversalName,
    )
    from mprouter.providers.mounted import Waiting
    from mprouter.providers.registration import Known, Registered, Standing
    from mprouter.recovery import Recovered, Recovery
    from mprouter.restoring import Restored

__all__ = ["Router"]

log = Log("mprouter")


@frozen
class _Request:
    """An add-connection request that the router has found good (N4)."""

    name: RemoteName
    local: str | None
    letters: tuple[str, ...]
    resource: NetResource
    credentials: Credentials
    flags: ConnectFlag
    options: Mapping[str, str]
    conversation: Conversation | None
    providers: Sequence[Provider]
    overwrite: bool = False

    @property
    def remember(self) -> bool:
        """C3: with CONNECT_UPDATE_PROFILE, if it has a local name."""
        return bool(self.flags & ConnectFlag.UPDATE_PROFILE) and bool(self.local or self.letters)


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
        self._given_providers = providers
        self._own_providers: list[Registered] | None = None
        self._added_providers: list[Registered] = []
        self._known_providers: Known | None = None
        self._drop_ins_wanted = drop_ins
        self._drop_ins: DropIns | None = None
        self._registered: dict[str, Registration] = {}
        self._lock = lock(self, "_lock")

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
        from mprouter.credentials import Credentials
        from mprouter.history import History
        from mprouter.notify.model import AddConnect
        from mprouter.request import check_types

        check_types(remote=remote, local=local, user=user, password=password, provider=provider, type=type)
        check_types(persist=persist, overwrite=overwrite, flags=flags, options=options, owner=owner)
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
        request = self._checked(resource, credentials, flags, options or {}, conversation, overwrite=overwrite)
        event = AddConnect(replace(resource, remote_name=request.name.told), flags, owner)
        private = (user, request.name.user)
        history = History(self._store, event, request.name.told, request.local, private=private)
        with self._under_way(history):
            entry = self._claim(request, history)

            def attempt() -> Event:
                nonlocal entry
                entry = self._add(request, entry, history)
                return event

            try:
                self._operate(event, self._concerned(event, request.name.forms), attempt, history)
            except WNetError as error:
                history.failed(error, claim=entry.id)
                _concerning(error, request.name.given, "connect")
                raise
            history.ended(Status.WN_SUCCESS)
        return self._connection(entry, State.CONNECTED)

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
        from mprouter.request import check_types

        check_types(name=name, force=force, forget=forget, later=later)
        self.recover()
        name = str(name)
        if force and self._is_given_up(name):
            return
        if looks_local(name):
            local = parse_local(name)
            entry = self._at(local)
            remembered = self._remembered(local)
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
            found = [each for each in [self._at(parse_local(name))] if each is not None]
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
        entries = [entry for entry in self._store.entries() if entry.phase != "adding"]
        present = self._connections(entries)
        if not remembered:
            return present
        known = {(entry.local_name, entry.canonical): each for entry, each in zip(entries, present, strict=True)}
        return [
            known.get((each.local_name, each.canonical)) or _only_remembered(each) for each in self._store.remembered()
        ]

    def connection(self, name: str | Path) -> Connection:
        """What is connected or remembered under a local name, or deviceless to a resource (``NPGetConnection``).

        Raises ``WNetError``: ERROR_NOT_CONNECTED, and those of names that are none.
        """
        found = self._known(str(name))
        return self._connection(found) if isinstance(found, Entry) else _only_remembered(found)

    def located(self, path: str | Path) -> tuple[Connection, str]:
        r"""The connection that *path* lies on, and the rest of the path (``NPGetUniversalName``).

        path: below a local name, as ``Z:\dir`` too, or where a connection appears; the file need not exist, and the
        resource is not touched. Raises ``WNetError``: ERROR_BAD_DEVICE for what is no local path, ERROR_NOT_CONNECTED.
        """
        text = str(path)
        if text[1:2] == ":":
            return self.connection(text[:2]), text[2:].replace("\\", "/").strip("/")
        if not text.startswith("/"):
            raise WNetError(Status.ERROR_BAD_DEVICE, "this is not a local path", name=text)
        wanted = Path(os.path.normpath(text))
        found = [
            (len(place.parts), each)
            for each in self.connections() + [_only_remembered(each) for each in self._store.remembered()]
            for place in {each.path, each.path.parent.resolve() / each.path.name}
            if wanted.is_relative_to(place)
        ]
        if not found:
            raise WNetError(Status.ERROR_NOT_CONNECTED, "no connection is there", name=text)
        depth, connection = max(found, key=lambda each: each[0])  # of two equals, that which is connected
        return connection, "/".join(wanted.parts[depth:])

    def universal_name(self, connection: Connection, path: str = "") -> UniversalName:
        """What *path* in *connection*, forward slashes, is called elsewhere (``NPGetUniversalName``).

        Its provider is asked if it makes such names, else they are made of the remote name. Raises ``WNetError``:
        ERROR_NOT_CONNECTED, ERROR_BAD_PROVIDER, or what the provider reported.
        """
        from mprouter.providers.base import Capability, Naming, UniversalName

        entry = self._entry_of(connection)
        provider = self._provider(entry)
        if provider.capabilities & Capability.UNIVERSAL_NAME and isinstance(provider, Naming):
            return provider.universal_name(_mounted(entry), path)
        unc = parse_remote(entry.remote_name).universal
        remaining = "\\" + path.replace("/", "\\") if path else ""
        return UniversalName(None if unc is None else unc + remaining, entry.remote_name.rstrip("\\"), remaining)

    def user(self, connection: Connection) -> str | None:
        """As whom *connection* is made (``NPGetUser``); None = anonymous.

        Its provider is asked if it knows that better than the store. Raises ``WNetError``: as ``universal_name``.
        """
        from mprouter.providers.base import Capability, Identifying

        entry = self._entry_of(connection)
        provider = self._provider(entry)
        if provider.capabilities & Capability.GET_USER and isinstance(provider, Identifying):
            return provider.user_of(_mounted(entry))
        return entry.user

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

        name: a local name, or a resource for a deviceless one. Raises ``WNetError``: ERROR_NOT_CONNECTED, also if it is
        only remembered; ERROR_NOT_SUPPORTED if its provider does not measure.
        """
        from mprouter.providers.base import Capability, Measuring

        entry = self._known(str(name))
        if not isinstance(entry, Entry):
            raise WNetError(Status.ERROR_NOT_CONNECTED, name=str(name), hint=f"mpr restore {name}")
        provider = self._provider(entry)
        if not provider.capabilities & Capability.GET_PERFORMANCE or not isinstance(provider, Measuring):
            raise WNetError(Status.ERROR_NOT_SUPPORTED, f"{provider.name} does not measure", name=str(name))
        return provider.performance_of(_mounted(entry))

    def waiting(self) -> list[Waiting]:
        """What was written to resources and is not on their servers yet, whether they are connected now or not."""
        asked = [each.waiting() for each in self.registered_providers() if each.takes_part]
        sources = dict.fromkeys(each for each in asked if each is not None)
        return [found for source in sources for found in source()]

    def discard(self, waiting: Waiting) -> None:
        """Give up for good the files that *waiting*, one of ``waiting()``, names. Nothing brings them back.

        Raises ``WNetError`` ERROR_BUSY, and removes nothing, while a connection uses them.
        """
        from mprouter.providers.base import Discarding

        for discard in dict.fromkeys(each.discard for each in self.providers() if isinstance(each, Discarding)):
            discard(waiting)

    def restore(
        self,
        name: str | None = None,
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
        from mprouter import restoring

        wanted = self._store.remembered()
        if name is not None:
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

        Every operation does this first. Returns what became of each. Raises ``WNetError`` if the store is unusable.
        """
        return self._recovery.run() if any(self._store.under_way()) else []

    @cached_property
    def _recovery(self) -> Recovery:
        from mprouter.recovery import Recovery

        return Recovery(
            self._store,
            provider_of=self._provider,
            registrations=self.registrations,
            here=lambda: {each.id for each in self._registered.values()},
        )

    # -- who takes part ----------------------------------------------------------------------------------------

    def register(
        self, notifyee: object, *, name: str | None = None, order: int | None = None, required: bool | None = None
    ) -> str:
        """Have *notifyee*, in any of the four Python shapes, told by this router. Returns its name.

        order: smaller is told earlier (N8; 50). required: an error of its pre ends the operation (N10; False).
        Raises ``WNetError``: ERROR_BAD_CONFIGURATION if it is no notifyee, ERROR_ALREADY_ASSIGNED if the name is taken.
        """
        from mprouter.notify.python import registration_of

        registration = registration_of(notifyee, name=name, order=order, required=required)
        with self._lock:
            if registration.name in self._registered:
                raise WNetError(
                    Status.ERROR_ALREADY_ASSIGNED,
                    "a notifyee of this name is registered already",
                    name=registration.name,
                    hint="give another name",
                )
            self._registered = {**self._registered, registration.name: registration}
        return registration.name

    def unregister(self, name: str) -> None:
        """No longer tell the notifyee that was registered as *name*. Raises ``WNetError`` (ERROR_NOT_FOUND)."""
        with self._lock:
            rest = dict(self._registered)
            if rest.pop(name, None) is None:
                raise WNetError(Status.ERROR_NOT_FOUND, "no notifyee of this name is registered here", name=name)
            self._registered = rest

    def registrations(self) -> list[Registration]:
        """All notifyees that this router tells, in registration order (N8)."""
        with self._lock:
            registered = list(self._registered.values())
            if self._drop_ins_wanted:
                if self._drop_ins is None:
                    from mprouter.notify.registration import DropIns

                    self._drop_ins = DropIns()
                registered += self._drop_ins.registrations()
        return sorted(registered, key=lambda each: each.rank)

    def add_provider(self, provider: Provider, *, order: int = 50) -> None:
        """Let *provider* take part in routing (R1). order: smaller is tried earlier; the built-in ones have 100 up.

        Raises ``WNetError``: ERROR_BAD_CONFIGURATION if it is none, ERROR_ALREADY_ASSIGNED if its name is taken.
        """
        from mprouter.providers.registration import of_code

        added = replace(of_code(provider), order=order)
        with self._lock:
            if added.name.lower() in {each.name.lower() for each in [*self._owned(), *self._added_providers]}:
                raise WNetError(Status.ERROR_ALREADY_ASSIGNED, "another provider has this name", name=added.name)
            self._added_providers = [*self._added_providers, added]

    def providers(self) -> list[Provider]:
        """The network providers in the order in which they are tried (``ProviderOrder``, R1)."""
        return [each.get() for each in self.registered_providers() if each.takes_part]

    def registered_providers(self) -> list[Registered]:
        """What there is of providers, disabled and broken ones too, in the order in which they are tried."""
        from mprouter.providers.registration import Known, arranged

        with self._lock:
            found = [*self._owned(), *self._added_providers]
            if self._drop_ins_wanted and self._given_providers is None:
                self._known_providers = self._known_providers or Known()
                found += self._known_providers.registered()
        chosen = settings.load()
        return arranged(found, order=chosen.provider_order, disabled=chosen.disabled_providers)

    def _owned(self) -> list[Registered]:
        """Those that this router was made with."""
        if self._own_providers is None:
            from mprouter.providers.registration import builtin, of_code

            given = self._given_providers
            self._own_providers = builtin() if given is None else [of_code(each) for each in given]
        return self._own_providers

    def close(self) -> None:
        """Let go of the store and of what the notifyees hold; connections stay."""
        with self._lock:
            registered, self._registered = self._registered, {}
            drop_ins, self._drop_ins = self._drop_ins, None
        for registration in registered.values():
            if registration.close is not None:
                registration.close()
        if drop_ins is not None:
            drop_ins.close()
        if self._known_providers is not None:
            self._known_providers.close()
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- the steps of connect ----------------------------------------------------------------------------------

    def _checked(
        self,
        resource: NetResource,
        credentials: Credentials,
        flags: ConnectFlag,
        options: Mapping[str, str],
        conversation: Conversation | None,
        *,
        overwrite: bool = False,
    ) -> _Request:
        """N4: refuse what is wrong with the request itself, before anybody is told."""
        from mprouter.providers.claims import claimants
        from mprouter.providers.guard import Guarded
        from mprouter.providers.order import first_significant
        from mprouter.request import check_flags

        name = parse_remote(resource.remote_name or "")
        local = parse_local(resource.local_name) if resource.local_name is not None else None
        if resource.type is ResourceType.PRINT or (resource.type is ResourceType.ANY and local):
            raise WNetError(
                Status.ERROR_BAD_DEV_TYPE, "only disk resources can be connected to a local name", name=name.given
            )
        if local is not None and local.startswith("/"):
            self._check_outside(local)
        check_flags(flags, name)
        if resource.provider is not None:
            providers = [self._named(resource.provider)]
        else:
            asked = [each for each in self.registered_providers() if each.takes_part]
            # where none may have it all are asked, which is told otherwise than that there is no provider
            providers = [each.get() for each in asked if each.may_have(name)] or self.providers()
        if options or name.is_foreign:
            said = list(claimants(providers, name))
            owners = [each for each, failure in said if failure is None]
            if name.is_foreign and not owners:
                refusal = first_significant(failure for _, failure in said if failure is not None)
                others = [each.name for each in providers if isinstance(each, Guarded)]
                raise self._with_unasked(refusal or nobodys(name, others), resource, name)
            for each in owners:
                each.check_options(name, options)
        letters: tuple[str, ...] = ()
        if local is None and flags & ConnectFlag.REDIRECT:
            taken = {each.local_name for each in self._store.entries()}  # not looked at: its server may not answer
            letters = tuple(letter for letter in DRIVE_LETTERS if letter not in taken and _usable(letter))
            if not letters:
                raise WNetError(Status.ERROR_NO_MORE_DEVICES, name=name.given)
        return _Request(name, local, letters, resource, credentials, flags, options, conversation, providers, overwrite)

    def _check_outside(self, local: str) -> None:
        """Refuse a directory in one of our connections: it would be made on the server, and keep that in use."""
        path = Path(local)
        real = os.path.join(os.path.realpath(path.parent), path.name)  # noqa: PTH118 - a circle of links is no error here
        around = self._store.around(local) or self._store.around(real)
        if around is not None:
            raise WNetError(
                Status.ERROR_BAD_DEVICE,
                f"it lies in what is connected to {around.remote_name} at {around.local_name or around.path}",
                name=local,
                hint="give a directory of this machine",
            )

    def _claim(self, request: _Request, history: History) -> Entry:
        """C2, C4: the local name is this operation's from here on, in every process; and the journal knows of it."""
        there = self._store.entry(request.local) if request.local is not None else None
        if there is not None and not (self._is_gone(there) and there.canonical == request.name.canonical):
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

    def _add(self, request: _Request, entry: Entry, history: History) -> Entry:
        """The attempt: have a provider connect, and put it down. Leaves nothing behind if that fails.

        A lost connection, whose place it takes, stays until nothing but the mount itself can fail.
        """
        from mprouter.providers.base import LogonInfo, PasswordChange

        path = Path(entry.path)
        there = self._store.by_id(entry.id) if entry.handle else None
        lost = [there] if there is not None and there.handle else []  # an earlier attempt may have cleared it

        def clear() -> None:
            for each in lost:
                self._provider(each).cancel_connection(_mounted(each), force=True)
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
                connected = self._store.complete(
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
            except Exception:  # an interrupt may have struck when that was written: who settles it looks
                provider.cancel_connection(Mounted(request.name, path, added.handle), force=True)
                raise
        except Exception:  # what an interrupt has left is cleared by who settles it, and then the directory
            if made and not lost:
                mountpoints.remove(path)
            raise
        history.settled(Status.WN_SUCCESS, is_over=last is not None)
        history.routed(provider.name, entry.local_name)
        faults.reached("connected")
        if replaced is not None:
            domain = request.name.host or ""
            new, before = (LogonInfo(replaced.user, each, domain) for each in (replaced.password, replaced.before))
            self.password_changed(new, before, change=PasswordChange(0))
        return connected

    def _route(self, request: _Request, path: Path, clear: Callable[[], None], asked: _Asked) -> tuple[Provider, Added]:
        from mprouter.providers.base import AddRequest, Capability
        from mprouter.providers.order import route

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
            self._with_unasked(error, request.resource, request.name)
            raise

    def _with_unasked(self, error: WNetError, resource: NetResource, name: RemoteName) -> WNetError:
        """*error*, whose hint says who might have the name and was not asked, unless one provider was asked for."""
        from mprouter.providers.registration import unasked

        if resource.provider is None and (told := unasked(self.registered_providers(), name)):
            error.hint = f"{told}; {error.hint}" if error.hint else told
        return error

    # -- the steps of disconnect -------------------------------------------------------------------------------

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
        known = entries[0] if entries else self._remembered(str(forget))
        if known is None:
            raise WNetError(Status.ERROR_NOT_CONNECTED, name=name)  # another process has just forgotten it
        remote = parse_remote(known.remote_name)
        private = (known.user, remote.user)
        history = History(self._store, event, remote.told, known.local_name, private=private)
        with self._under_way(history):
            concerned = self._concerned(event, remote.forms)
            ids = [each.id for each in entries]
            operation = history.operation(entries=ids, provider=known.provider, forget=forget)
            if concerned or not entries:
                self._store.begin(operation)
                faults.reached("begun")

            def attempt() -> Event:
                for entry in reversed(entries):  # the last is that whose provider is told
                    self._cancel_one(
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

    def _cancel_one(
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
            self._provider(entry).cancel_connection(_mounted(entry, later=later), force=force, progress=progress)
        except WNetError as error:
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

    def _close(self, entry_id: int, _: Connection, force: bool, forget: bool) -> None:
        """``Connection.close``: this very connection and no other of the same name."""
        entry = self._store.by_id(entry_id)
        if entry is not None:
            name = entry.local_name or parse_remote(entry.remote_name).told
            self._cancel(name, [entry], force, entry.local_name if forget else None, None)

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

    # -- smaller steps -----------------------------------------------------------------------------------------

    def _restore(
        self, remembered: Remembered, conversation: Conversation | None, history: History
    ) -> Connection | None:
        """One attempt, the same steps as in ``connect``, telling nobody (N3). None: another process is making it."""
        from mprouter.credentials import Credentials

        there = self._store.entry(remembered.local_name)
        if there is not None and there.canonical == remembered.canonical:
            if there.phase == "adding" and there.owner_alive():
                return None
            if there.phase == "connected" and not self._is_gone(there):
                return self._connection(there)  # another process has made it
        try:
            request = self._checked(
                _resource(remembered), Credentials(remembered.user), ConnectFlag(0), remembered.options, conversation
            )
            with self._under_way(history):
                try:
                    entry = self._claim(request, history)
                except WNetError as error:
                    if error.status is Status.ERROR_ALREADY_ASSIGNED and self._was_quicker(remembered, there):
                        return None
                    raise
                try:
                    entry = self._add(request, entry, history)
                except WNetError:
                    history.dropped(claim=entry.id)
                    raise
                history.ended(Status.WN_SUCCESS)
        except WNetError as error:
            if error.status is Status.ERROR_LOGON_FAILURE:
                error.hint = "connect it once with --persist --save-password, and the password will be found"
            _concerning(error, remembered.remote_name, "restore")
            raise
        return self._connection(entry)

    def _take_lost_away(self, remembered: Collection[str]) -> None:
        """Leave nothing of lost connections but those whose local names are *remembered*, which are made again."""
        self.recover()
        for entry in self._store.entries():
            if entry.phase == "connected" and entry.local_name not in remembered and self._is_gone(entry):
                shown = entry.local_name or entry.remote_name
                try:
                    self._cancel_one(entry, True, None, None)
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
                    raise error from None
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

    def _concerned(self, event: Event, names: tuple[str, ...]) -> list[Registration]:
        """Whom an operation on a connection that is known by *names* concerns."""
        concerned = [each for each in self.registrations() if each.concerns(event.operation, names)]
        return sorted(concerned, key=lambda each: each.rank)  # again: a target may have its order in itself

    def _known(self, name: str) -> Entry | Remembered:
        """What is connected under a local name, or deviceless to a resource; else what is remembered for that name."""
        self.recover()
        if looks_local(name):
            local = parse_local(name)
            entry = self._at(local)
            remembered = self._remembered(local)
        else:
            entry = next(iter(self._store.by_remote(parse_remote(name).canonical)), None)
            remembered = None
        if entry is not None and entry.phase != "adding":
            return entry
        if remembered is not None:
            return remembered
        raise WNetError(Status.ERROR_NOT_CONNECTED, name=name, hint="mpr list shows what is connected")

    def _at(self, local: str) -> Entry | None:
        """What has the local name *local*, or appears at that path."""
        found = self._store.entry(local)
        if found is None and local.startswith("/"):
            found = next((each for each in self._store.entries() if each.path == local), None)
        return found

    def _entry_of(self, connection: Connection) -> Entry:
        """What the store knows of it. Raises ``WNetError`` (ERROR_NOT_CONNECTED) if that is over."""
        for each in self._store.entries():
            if Path(each.path) == connection.path and each.phase != "adding":
                return each
        raise WNetError(Status.ERROR_NOT_CONNECTED, name=connection.local_name or connection.remote_name)

    def _remembered(self, local: str) -> Remembered | None:
        return next((each for each in self._store.remembered() if each.local_name == local), None)

    def _named(self, name: str) -> Provider:
        """The provider of this name. Raises ``WNetError`` (ERROR_BAD_PROVIDER), with what keeps it from being asked."""
        registered = self.registered_providers()
        for each in registered:
            if each.name.lower() == name.lower():
                if each.takes_part:
                    return each.get()
                why, hint = (
                    (each.where, None) if each.problem else ("it is disabled", f"mpr provider enable {each.name}")
                )
                raise WNetError(
                    Status.ERROR_BAD_PROVIDER, f"this network provider cannot be used: {why}", name=name, hint=hint
                )
        known = ", ".join(each.name for each in registered)
        raise WNetError(Status.ERROR_BAD_PROVIDER, name=name, hint=f"there are {known}")

    def _provider(self, entry: Entry) -> Provider:
        """The provider that made *entry*, also if it is disabled by now, or would have."""
        return self._maker(entry, self.registered_providers()).get()

    def _maker(self, entry: Entry, found: Sequence[Registered]) -> Registered:
        """As ``_provider``, of those that were *found*."""
        if entry.provider is None:
            from mprouter.providers.claims import claimants

            usable = [each for each in found if each.problem is None]
            in_order = sorted(usable, key=lambda each: not each.takes_part)
            providers = [each.get() for each in in_order]
            for each, failure in claimants(providers, parse_remote(entry.remote_name)):
                if failure is None:
                    return in_order[providers.index(each)]
            why = "whichever began it is no longer there"
            raise WNetError(Status.ERROR_BAD_PROVIDER, why, name=entry.local_name or entry.remote_name)
        why = "is not there"
        for registered in found:
            if registered.name == entry.provider:
                if registered.problem is None:
                    return registered
                why = f"cannot be used: {registered.where}"
        raise WNetError(
            Status.ERROR_BAD_PROVIDER, f"its network provider {entry.provider} {why}", name=entry.local_name
        )

    def _is_gone(self, entry: Entry) -> bool:
        """Whether *entry* no longer stands for a working connection, and nobody is at work on it."""
        return entry.phase == "connected" and self._state(entry) is State.LOST

    def _state(self, entry: Entry) -> State:
        return self._states([entry])[0]

    def _states(self, entries: Sequence[Entry]) -> list[State]:
        """How each is; what its provider cannot be asked or cannot say counts as standing, so that nothing is lost."""
        found = self.registered_providers() if entries else []
        told: dict[int, State] = {}
        at_once: dict[Standing, dict[int, Mapping[str, Any]]] = {}
        for entry in entries:
            try:
                maker = self._maker(entry, found)
                if maker.standing is None:
                    told[entry.id] = maker.get().state(_mounted(entry))
                else:
                    at_once.setdefault(maker.standing, {})[entry.id] = entry.handle
            except WNetError as error:
                log.warning("what became of %s cannot be told: %s", entry.local_name or entry.path, error.strerror)
        for standing, those in at_once.items():
            told |= zip(those, standing.states([*those.values()]), strict=True)
        return [told.get(entry.id, State.CONNECTED) for entry in entries]

    def _connection(self, entry: Entry, state: State | None = None) -> Connection:
        """As a caller holds it. state: None = as its provider says."""
        return self._connections([entry], None if state is None else [state])[0]

    def _connections(self, entries: Sequence[Entry], states: Sequence[State] | None = None) -> list[Connection]:
        """As callers hold them. states: None = as their providers say."""
        is_named = any(each.local_name is not None for each in entries)
        remembered = {(each.local_name, each.canonical) for each in self._store.remembered()} if is_named else ()
        return [
            Connection(
                entry.remote_name,
                entry.local_name,
                entry.provider,
                entry.user,
                Path(entry.path),
                remembered=(entry.local_name, entry.canonical) in remembered,
                state=state,
                options=entry.options,
                _cancel=partial(self._close, entry.id),
            )
            for entry, state in zip(entries, self._states(entries) if states is None else states, strict=True)
        ]


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


def _only_remembered(remembered: Remembered) -> Connection:
    return Connection(
        remembered.remote_name,
        remembered.local_name,
        remembered.provider,
        remembered.user,
        mountpoints.path_of(0, remembered.local_name),
        remembered=True,
        state=None,
        options=remembered.options,
    )


def _usable(letter: str) -> bool:
    try:
        mountpoints.check(mountpoints.path_of(0, letter), letter)
    except WNetError:
        return False
    return True


def _mounted(entry: Entry, *, later: bool = False) -> Mounted:
    return Mounted(parse_remote(entry.remote_name), Path(entry.path), entry.handle, later=later)


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


def _concerning(error: BaseException, name: str, function: str) -> None:
    """Complete an error with the name that the caller gave and the operation that failed."""
    if isinstance(error, WNetError):
        error.filename = error.filename or name
        error.function = error.function or function
