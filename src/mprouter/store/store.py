"""The store's face: each method is one transaction, or one query. The tables have a file each beside this one."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from mprouter import places, settings
from mprouter.log import Log
from mprouter.status import Status, WNetError
from mprouter.store import connections, journal, owner, profile, sealed
from mprouter.store import events as record
from mprouter.store.database import Database
from mprouter.store.events import Bounds
from mprouter.store.model import Entry, EventRecord, Operation, Owed, Remembered

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from mprouter.store.salvage import Salvaged

__all__ = ["FILE_NAME", "Store"]

FILE_NAME = "mprouter.db"

T = TypeVar("T")

log = Log("mprouter.store")


class Store:
    """A user's connections, profile, journal and events, shared by all of the user's processes.

    Any number of stores, threads and processes may use one file at once. It is opened at the first use, made if it is
    missing, and opened again after ``close``.

    Every method raises ``WNetError`` if the file is unusable: ERROR_CANNOT_OPEN_PROFILE (not there, not writable),
    ERROR_BAD_PROFILE (damaged), ERROR_REVISION_MISMATCH (made by a newer version), ERROR_DISK_FULL, ERROR_BUSY
    (locked for long by another process), ERROR_DATABASE_FAILURE (anything else).

    directory: where the file is; None = the user's state directory. as_is: for queries only, which neither make it
    nor bring it up to date.
    """

    def __init__(self, directory: Path | None = None, *, as_is: bool = False) -> None:
        self._database = Database(directory, FILE_NAME, as_is=as_is)
        self._is_damage_told = False

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()
        self._database.leave()

    @property
    def path(self) -> Path:
        """The file."""
        return self._database.path

    def enter(self) -> None:
        """Be at work on it; see ``realm``. Raises ``WNetError`` ERROR_BUSY if that is another realm."""
        with self._database.told():
            places.private(self.path.parent)
            self._database.enter()

    # -- connections -------------------------------------------------------------------------------------------

    def claim(
        self,
        *,
        remote_name: str,
        canonical: str,
        type: int,  # noqa: A002
        options: Mapping[str, str],
        local_name: str | None = None,
        letters: Sequence[str] = (),
        path_of: Callable[[int, str | None], Path],
        replacing: Entry | None = None,
        overwriting: bool = False,
        restoring: bool = False,
        operation: Operation | None = None,
    ) -> Entry:
        """Begin an add: from here on the local name is this operation's (C4). Of many claims at once one wins.

        local_name: the one wanted. letters: instead, the first of them that is neither connected nor remembered is
        taken (C2). Neither: deviceless. path_of: gives the mount point for the id and local name. replacing: a lost
        connection whose place this one takes, if it is still as it was seen and nobody is at work on it; the claim has
        its handle until ``begin_anew``. overwriting: whether the local name may be remembered for another resource;
        that stays so until ``complete``. restoring: whether it must be remembered. operation: the one that this claim
        begins; it is in the journal from here on.

        Raises ``WNetError``: ERROR_ALREADY_ASSIGNED, ERROR_DEVICE_ALREADY_REMEMBERED (for another resource),
        ERROR_NO_MORE_DEVICES (none of *letters* is free), ERROR_NOT_CONNECTED (not remembered any more).
        """
        lost = None
        with self._database.writing() as db:
            there = None if replacing is None else connections.by_id(db, replacing.id)
            if there is not None and there == replacing and there.phase == "connected":
                connections.remove(db, there.id)
                lost = there
            entry_id = connections.next_id(db)
            if letters:
                local_name = _free_letter(db, letters, entry_id, path_of)
            path = str(path_of(entry_id, local_name))
            _check_free(db, local_name, path, canonical, overwriting=overwriting, restoring=restoring)
            pid, start = owner.me()
            entry = Entry(
                id=entry_id,
                remote_name=remote_name,
                canonical=canonical,
                local_name=local_name,
                path=path,
                type=int(type),
                provider=lost.provider if lost else None,
                user=lost.user if lost else None,
                options=dict(options),
                handle=lost.handle if lost else {},
                phase="adding",
                owner_pid=pid,
                owner_start=start,
                created=time.time(),
                made_directory=lost.made_directory if lost else not os.path.lexists(path),
            )
            connections.insert(db, entry)
            if operation is not None:
                journal.insert(db, replace(operation, local_name=entry.local_name, entries=(entry.id,)))
        return entry

    def begin_anew(self, id: int) -> None:  # noqa: A002
        """Nothing is left of the lost connection whose place a claim took."""
        with self._database.writing() as db:
            connections.begin_anew(db, id)

    def asking(self, id: int, provider: str) -> None:  # noqa: A002
        """The claim is about to be tried with *provider*, which is not the first that would be."""
        with self._database.writing() as db:
            connections.asking(db, id, provider)

    def complete(
        self,
        id: int,  # noqa: A002
        *,
        provider: str,
        user: str | None,
        handle: Mapping[str, Any],
        made_directory: bool,
        remember: bool,
        overwriting: bool = False,
        operation: str | None = None,
        last: Sequence[EventRecord] | None = None,
    ) -> Entry:
        """The add succeeded: the claim becomes a connection and, with *remember*, a row of the profile (C3).

        A deviceless connection is never remembered. overwriting: what else is remembered under its local name is
        forgotten. operation: the one that has succeeded. last: its events, if it is over with that.

        Raises ``WNetError`` ERROR_NOT_CONNECTED if the claim is gone.
        """
        is_over = last is not None

        def change(db: sqlite3.Connection) -> Entry:
            entry = connections.complete(
                db, id, provider=provider, user=user, handle=handle, made_directory=made_directory
            )
            if entry is None:
                raise WNetError(
                    Status.ERROR_NOT_CONNECTED, "another process has cleared this connection while it was being made"
                )
            if overwriting and entry.local_name is not None:
                profile.drop(db, entry.local_name)
            if remember and entry.local_name is not None:
                profile.put(
                    db,
                    Remembered(
                        local_name=entry.local_name,
                        remote_name=entry.remote_name,
                        canonical=entry.canonical,
                        provider=provider,
                        user=user,
                        type=entry.type,
                        options=entry.options,
                        saved=time.time(),
                    ),
                )
            if operation is not None:
                journal.succeeded(db, operation, is_over=is_over)
            return entry

        return self._changed(change, last or (), durable=remember or overwriting, trim=is_over)

    def begin_cancel(self, id: int, *, operation: Operation | None = None) -> bool:  # noqa: A002
        """Begin a cancel: from here on the connection is this process's, and other cancels of it get False.

        False also if it is gone, or a process died at work on it: that is for recovery alone. operation: the one that
        this begins, whatever is returned; it is in the journal from here on.
        """
        with self._database.writing() as db:
            if operation is not None:
                journal.insert(db, operation)
            return connections.begin_cancel(db, id)

    def keep(self, id: int) -> None:  # noqa: A002
        """The cancel failed: the connection stands as before. Or the add: what it would have replaced is as it was."""
        with self._database.writing() as db:
            connections.keep(db, id)

    def remove(
        self,
        id: int,  # noqa: A002
        *,
        forget: str | None = None,
        operation: str | None = None,
        last: Sequence[EventRecord] | None = None,
    ) -> None:
        """The connection, or the claim, is gone.

        forget: a local name that is no longer remembered either. operation: the one that has succeeded with this.
        last: its events, if it is over with that.
        """
        is_over = last is not None

        def change(db: sqlite3.Connection) -> None:
            connections.remove(db, id)
            if forget is not None:
                profile.drop(db, forget)
            if operation is not None:
                journal.succeeded(db, operation, is_over=is_over)

        self._changed(change, last or (), durable=forget is not None, trim=is_over)

    def entries(self) -> list[Entry]:
        """All connections and claims, the oldest first."""
        with self._database.reading() as db:
            return connections.read(db)

    @contextmanager
    def unused(self) -> Iterator[bool]:
        """Whether there is neither a connection nor a claim. Nobody makes one until the block ends."""
        with self._database.writing() as db:
            yield not connections.read(db)

    def entry(self, local_name: str) -> Entry | None:
        """The connection or claim of this local name."""
        with self._database.reading() as db:
            return connections.by_local_name(db, local_name)

    def around(self, path: str) -> Entry | None:
        """The connection or claim in whose directory *path* lies."""
        with self._database.reading() as db:
            return connections.around(db, path)

    def by_id(self, id: int) -> Entry | None:  # noqa: A002
        """The connection or claim with this id."""
        with self._database.reading() as db:
            return connections.by_id(db, id)

    def by_remote(self, canonical: str) -> list[Entry]:
        """The deviceless connections and claims to this resource, the oldest first (C5)."""
        with self._database.reading() as db:
            return connections.by_remote(db, canonical)

    # -- the profile -------------------------------------------------------------------------------------------

    def remember(self, remembered: Remembered) -> None:
        """Restore it at login from now on, in place of what its local name was remembered for."""
        with self._database.writing(durable=True) as db:
            profile.put(db, remembered)

    def forget(self, local_name: str, *, operation: str | None = None) -> bool:
        """Restore it no longer; whether it was remembered. operation: the one that has succeeded with this.

        Raises ``WNetError`` ERROR_BUSY if somebody connects it, or has just done so: it is to be disconnected then.
        """
        with self._database.writing(durable=True) as db:
            there = connections.by_local_name(db, local_name)
            if there is not None:
                raise WNetError(Status.ERROR_BUSY, _described(there), name=local_name, hint="try again")
            if operation is not None:
                journal.succeeded(db, operation, is_over=False)
            return profile.drop(db, local_name)

    @contextmanager
    def changing_profile(self, remember: Sequence[Remembered], forget: Sequence[str]) -> Iterator[None]:
        """Remember and forget as above, all in one, when the block ends; nothing of it if the block raises."""
        with self._database.writing(durable=True) as db:
            for local_name in forget:
                profile.drop(db, local_name)
            for each in remember:
                profile.put(db, each)
            yield

    def remembered(self) -> list[Remembered]:
        """What is restored at login, by local name."""
        with self._database.reading() as db:
            return profile.read(db)

    # -- the journal -------------------------------------------------------------------------------------------

    def begin(self, operation: Operation) -> None:
        """*operation* is under way."""
        with self._database.writing() as db:
            journal.insert(db, operation)

    def note(
        self,
        id: str,  # noqa: A002
        *,
        attempt: int,
        status: int | None,
        owed: Mapping[str, Owed | None],
        events: Sequence[EventRecord] = (),
        durable: bool = False,
    ) -> None:
        """How far an operation is, and what has changed of what it owes whom; None: nothing any more."""

        def change(db: sqlite3.Connection) -> None:
            journal.note(db, id, attempt=attempt, status=status, owed=owed)

        self._changed(change, events, durable=durable)

    def settle(self, id: str, status: int, *, remove: Sequence[int] = (), forget: str | None = None) -> None:  # noqa: A002
        """A cut off operation has ended so. remove: ids of connections that are gone. forget: as in ``remove``."""
        with self._database.writing(durable=forget is not None) as db:
            for each in remove:
                connections.remove(db, each)
            if forget is not None:
                profile.drop(db, forget)
            journal.settle(db, id, status)

    def end(self, id: str, events: Sequence[EventRecord], *, claim: int | None = None) -> None:  # noqa: A002
        """An operation is over. claim: the id of its own that has come to nothing; see ``claim``."""

        def change(db: sqlite3.Connection) -> None:
            journal.delete(db, id)
            if claim is not None and not connections.keep(db, claim):
                connections.remove(db, claim)

        self._changed(change, events, trim=True)

    @contextmanager
    def recovering(self) -> Iterator[None]:
        """Keep every other process from recovering meanwhile."""
        with ExitStack() as lock:
            with self._database.told():
                directory = places.private(self._database.path.parent)
                self._database.enter()
                lock.enter_context(places.locked(directory / "recovery.lock"))
            yield

    def operations(self) -> list[Operation]:
        """What is under way, or was cut off, the oldest first."""
        with self._database.reading() as db:
            return journal.read(db)

    def under_way(self) -> tuple[list[Entry], list[Operation]]:
        """The claims and cancels, and the operations, that somebody is at work on or was; both as of one moment."""
        with self._database.reading() as db:
            return connections.claimed(db), journal.read(db)

    # -- events ------------------------------------------------------------------------------------------------

    def record(self, events: Sequence[EventRecord]) -> None:
        """Add *events* to the record (N20). Old ones go when there are too many."""
        if events:
            bounds = self._bounds()
            with self._database.writing() as db:
                record.write(db, events)
                record.trim(db, bounds)

    def events(
        self, *, after: int | None = None, last: int | None = None, name: str | None = None
    ) -> list[EventRecord]:
        """What happened, the oldest first. after: only later than this id. last: only so many, the newest.

        name: only what concerns this remote or local name; the case of its letters does not count.
        """
        with self._database.reading() as db:
            return record.read(db, after=after, last=last, name=name)

    def last_calls(self) -> dict[str, EventRecord]:
        """The newest call of each notifyee that is on record, by its id."""
        with self._database.reading() as db:
            return record.last_calls(db)

    # -- when it is damaged ------------------------------------------------------------------------------------

    def damage(self) -> list[str]:
        """What is wrong with what is in the file, in words, where no query notices it; what they notice is raised."""
        from mprouter.store import salvage

        with self._database.reading() as db:
            return salvage.damage(db)

    def salvage(self) -> Salvaged | None:
        """Put a damaged file aside and begin a new one with what is good of it; None if nothing is wrong with it.

        Raises ``WNetError`` if it is another program's, was made by a newer version, or cannot be replaced.
        """
        from mprouter.store import salvage

        with self._database.told(), self.recovering():  # of two at once, the second finds nothing wrong any more
            try:
                with self._database.reading() as db:
                    problems = salvage.damage(db)
                    if not problems:
                        return None
                    raise sealed.Damaged(problems[0])
            except WNetError as error:
                if error.status is not Status.ERROR_BAD_PROFILE or error.__cause__ is None:  # the second: not ours
                    raise
            return salvage.salvage(self._database.path)

    def _changed(
        self,
        change: Callable[[sqlite3.Connection], T],
        events: Sequence[EventRecord],
        *,
        durable: bool = False,
        trim: bool = False,
    ) -> T:
        """One transaction: *change*, and its *events*. trim: old ones go; for when nobody waits to be notified.

        If it is the record of events that is damaged, the change is made without them.
        """
        bounds = self._bounds() if trim else None
        try:
            with self._database.writing(durable=durable) as db:
                done = change(db)
                record.write(db, events)
                if bounds is not None:
                    record.trim(db, bounds)
        except WNetError as damage:
            if damage.status is not Status.ERROR_BAD_PROFILE or not (events or trim):
                raise
            with self._database.writing(durable=durable) as db:
                done = change(db)
            say = log.debug if self._is_damage_told else log.warning
            say("what happens is not recorded: %s", damage)
            self._is_damage_told = True
        return done

    def _bounds(self) -> Bounds:
        try:
            found = settings.load()
        except WNetError:  # the router tells of it
            log.debug("events are kept within the bounds that are usual", exc_info=True)
            found = settings.Settings()
        return Bounds(found.events_kept, found.events_days * 86400)


def _free_letter(
    db: sqlite3.Connection, letters: Sequence[str], entry_id: int, path_of: Callable[[int, str | None], Path]
) -> str:
    for letter in letters:
        if not connections.occupant(db, letter, str(path_of(entry_id, letter))) and not profile.find(db, letter):
            return letter
    raise WNetError(
        Status.ERROR_NO_MORE_DEVICES,
        hint="disconnect one, or connect to a directory or without a local name",
    )


def _check_free(
    db: sqlite3.Connection, local_name: str | None, path: str, canonical: str, *, overwriting: bool, restoring: bool
) -> None:
    """C4: raise ``WNetError`` if the local name is connected, or remembered for another resource.

    restoring: also if it is not remembered.
    """
    there = connections.occupant(db, local_name, path)
    if there is not None:
        raise WNetError(Status.ERROR_ALREADY_ASSIGNED, _described(there), name=local_name, hint=_way_out(there))
    remembered = profile.find(db, local_name) if local_name is not None else None
    if remembered is not None and remembered.canonical != canonical and not overwriting:
        raise WNetError(
            Status.ERROR_DEVICE_ALREADY_REMEMBERED,
            f"remembered for {remembered.remote_name}",
            name=local_name,
            hint=f"give another local name, or forget that one: mpr disconnect {local_name} --forget",
        )
    if remembered is None and restoring:
        raise WNetError(Status.ERROR_NOT_CONNECTED, "it was forgotten meanwhile")


def _described(entry: Entry) -> str:
    if entry.phase == "connected":
        return f"already connected to {entry.remote_name}"
    what = "connecting it to" if entry.phase == "adding" else "disconnecting it from"
    if entry.owner_alive():
        return f"process {entry.owner_pid} is {what} {entry.remote_name}"
    return f"process {entry.owner_pid} died while {what} {entry.remote_name}, and what it left is not settled yet"


def _way_out(entry: Entry) -> str:
    if entry.phase != "connected":
        if entry.owner_alive():
            return "try again when that is done, or give another local name"
        return "try again; mpr recover tells if it cannot be settled"
    return f"give another local name, or disconnect this one first: mpr disconnect {entry.local_name or entry.path}"
