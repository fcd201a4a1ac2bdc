"""The user's connections, whichever process made them: what the store knows of each, and its provider says."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mprouter import mountpoints, realm
from mprouter.connection import Closing, Connection
from mprouter.log import Log
from mprouter.names import looks_local, parse_local, parse_remote
from mprouter.providers.mounted import Mounted, State
from mprouter.status import Status, WNetError
from mprouter.store import Entry, Remembered, Store

if TYPE_CHECKING:
    from mprouter.participants import Participants
    from mprouter.providers.base import Performance, UniversalName
    from mprouter.providers.registration import Standing

__all__ = ["Inventory", "mounted"]

log = Log("mprouter")


def mounted(entry: Entry, *, later: bool = False) -> Mounted:
    """*entry* as its provider knows it. later: what is not sent yet stays (``Router.disconnect``)."""
    return Mounted(parse_remote(entry.remote_name), Path(entry.path), entry.handle, later=later)


class Inventory:
    """What is connected and remembered.

    close: what ``Connection.close`` of the one with this id does.
    """

    def __init__(
        self, store: Store, participants: Participants, close: Callable[[int, bool, bool, bool], None]
    ) -> None:
        self._store = store
        self._participants = participants
        self._close = close

    # -- as callers hold them ----------------------------------------------------------------------------------

    def all(self, *, remembered: bool) -> list[Connection]:
        """As ``Router.connections``."""
        entries = [entry for entry in self._store.entries() if entry.phase != "adding"]
        present = self._held(entries, self._states(entries))
        if not remembered:
            return present
        known = {(entry.local_name, entry.canonical): each for entry, each in zip(entries, present, strict=True)}
        return [
            known.get((each.local_name, each.canonical)) or _only_remembered(each) for each in self._store.remembered()
        ]

    def connection(self, name: str) -> Connection:
        """As ``Router.connection``."""
        found = self._known(name)
        return self.held(found) if isinstance(found, Entry) else _only_remembered(found)

    def held(self, entry: Entry, state: State | None = None) -> Connection:
        """*entry* as a caller holds it. state: None = as its provider says."""
        return self._held([entry], [state or self._state(entry)])[0]

    def located(self, path: str) -> tuple[Connection, str]:
        """As ``Router.located``."""
        if path[1:2] == ":":
            return self.connection(path[:2]), path[2:].replace("\\", "/").strip("/")
        if not path.startswith("/"):
            raise WNetError(Status.ERROR_BAD_DEVICE, "this is not a local path", name=path)
        wanted = Path(os.path.normpath(path))
        found = [
            (len(place.parts), each)
            for each in self.all(remembered=False) + [_only_remembered(each) for each in self._store.remembered()]
            for place in {each.path, each.path.parent.resolve() / each.path.name}
            if wanted.is_relative_to(place)
        ]
        if not found:
            raise WNetError(Status.ERROR_NOT_CONNECTED, "no connection is there", name=path)
        depth, connection = max(found, key=lambda each: each[0])  # of two equals, that which is connected
        return connection, "/".join(wanted.parts[depth:])

    # -- what their providers tell of them ---------------------------------------------------------------------

    def universal_name(self, connection: Connection, path: str) -> UniversalName:
        """As ``Router.universal_name``."""
        from mprouter.providers.base import Capability, Naming, UniversalName

        entry = self._entry_of(connection)
        provider = self._participants.maker(entry)
        if provider.capabilities & Capability.UNIVERSAL_NAME and isinstance(provider, Naming):
            return provider.universal_name(mounted(entry), path)
        unc = parse_remote(entry.remote_name).universal
        remaining = "\\" + path.replace("/", "\\") if path else ""
        return UniversalName(None if unc is None else unc + remaining, entry.remote_name.rstrip("\\"), remaining)

    def user(self, connection: Connection) -> str | None:
        """As ``Router.user``."""
        from mprouter.providers.base import Capability, Identifying

        entry = self._entry_of(connection)
        provider = self._participants.maker(entry)
        if provider.capabilities & Capability.GET_USER and isinstance(provider, Identifying):
            return provider.user_of(mounted(entry))
        return entry.user

    def performance(self, name: str) -> Performance:
        """As ``Router.performance``."""
        from mprouter.providers.base import Capability, Measuring

        entry = (None if looks_local(name) else self._connected_to(name)) or self._known(name)
        if not isinstance(entry, Entry):
            raise WNetError(Status.ERROR_NOT_CONNECTED, name=name, hint=f"mpr restore {name}")
        provider = self._participants.maker(entry)
        if not provider.capabilities & Capability.GET_PERFORMANCE or not isinstance(provider, Measuring):
            raise WNetError(Status.ERROR_NOT_SUPPORTED, f"{provider.name} does not measure", name=name)
        return provider.performance_of(mounted(entry))

    # -- what the store knows of them --------------------------------------------------------------------------

    def at(self, local: str) -> Entry | None:
        """What has the local name *local*, or appears at that path."""
        found = self._store.entry(local)
        if found is None and local.startswith("/"):
            found = next((each for each in self._store.entries() if each.path == local), None)
        return found

    def remembered(self, local: str) -> Remembered | None:
        """What is remembered for the local name *local*."""
        return next((each for each in self._store.remembered() if each.local_name == local), None)

    def is_gone(self, entry: Entry) -> bool:
        """Whether *entry* no longer stands for a working connection, and nobody is at work on it."""
        return entry.phase == "connected" and self._state(entry) is State.LOST

    def _known(self, name: str) -> Entry | Remembered:
        """What is connected under a local name, or deviceless to a resource; else what is remembered for that name."""
        if looks_local(name):
            local = parse_local(name)
            entry = self.at(local)
            remembered = self.remembered(local)
        else:
            entry = next(iter(self._store.by_remote(parse_remote(name).canonical)), None)
            remembered = None
        if entry is not None and entry.phase != "adding":
            return entry
        if remembered is not None:
            return remembered
        raise WNetError(Status.ERROR_NOT_CONNECTED, name=name, hint="mpr list shows what is connected")

    def _connected_to(self, remote: str) -> Entry | None:
        """What is connected to a resource, under a local name too."""
        canonical = parse_remote(remote).canonical
        there = (each for each in self._store.entries() if each.canonical == canonical and each.phase != "adding")
        return next(there, None)

    def _entry_of(self, connection: Connection) -> Entry:
        """What the store knows of it. Raises ``WNetError`` (ERROR_NOT_CONNECTED) if that is over."""
        for each in self._store.entries():
            if Path(each.path) == connection.path and each.phase != "adding":
                return each
        raise WNetError(Status.ERROR_NOT_CONNECTED, name=connection.local_name or connection.remote_name)

    def _state(self, entry: Entry) -> State:
        return self._states([entry])[0]

    def _states(self, entries: Sequence[Entry]) -> list[State]:
        """How each is; what its provider cannot be asked or cannot say counts as standing, so that nothing is lost."""
        found = self._participants.registered_providers() if entries else []
        told: dict[int, State] = {}
        at_once: dict[Standing, dict[int, Mapping[str, Any]]] = {}
        for entry in entries:
            try:
                maker = self._participants.maker_among(found, entry)
                if maker.standing is None:
                    told[entry.id] = maker.get().state(mounted(entry))
                else:
                    at_once.setdefault(maker.standing, {})[entry.id] = entry.handle
            except WNetError as error:
                log.warning("what became of %s cannot be told: %s", entry.local_name or entry.path, error.strerror)
        for standing, those in at_once.items():
            try:
                told |= zip(those, standing.states([*those.values()]), strict=True)
            except WNetError as error:
                log.warning("what became of connections cannot be told: %s", error)
        if State.LOST in told.values():
            told |= dict.fromkeys(self._being_ended(told), State.CONNECTED)
        if State.LOST in told.values() and realm.is_elsewhere(self._store.path.parent):
            told = {each: State.ELSEWHERE if state is State.LOST else state for each, state in told.items()}
        return [told.get(entry.id, State.CONNECTED) for entry in entries]

    def _being_ended(self, ids: Iterable[int]) -> set[int]:
        """Those of *ids* that somebody disconnects now, or just has: their mounts go first."""
        standing = {each.id for each in self._store.entries() if each.phase == "connected" or not each.owner_alive()}
        return {*ids} - standing

    def _held(self, entries: Sequence[Entry], states: Sequence[State]) -> list[Connection]:
        is_named = any(each.local_name is not None for each in entries)
        remembered = {(each.local_name, each.canonical) for each in self._store.remembered()} if is_named else ()
        directory = self._store.path.parent
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
                _cancel=Closing(self._close, entry.id, directory),
            )
            for entry, state in zip(entries, states, strict=True)
        ]


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
