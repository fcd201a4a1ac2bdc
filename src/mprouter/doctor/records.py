"""The store and what is in it: whether the file is whole, each connection is as it says, and nothing was cut off."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mprouter.again import connect_words
from mprouter.doctor.providers import registered
from mprouter.finding import Check, Finding, Kind, Severity
from mprouter.inventory import mounted
from mprouter.status import Status, WNetError

if TYPE_CHECKING:
    from mprouter.providers.base import Mounted, Provider
    from mprouter.store import Entry, Operation, Remembered

__all__ = ["checks", "entries", "known", "remembered", "unread"]

DAMAGED = Kind(
    "store-damaged",
    Severity.ERROR,
    "What is in it is no longer what was written. Unless it is only events, nothing can be connected or disconnected.",
    "`mpr salvage` puts it aside, and keeps what can still be read",
)
FOREIGN = Kind(
    "store-foreign",
    Severity.ERROR,
    "Another program's database stands where mprouter keeps what is connected. Nothing can be connected.",
    "move it away with what is beside it, `ls -l {path}*`, or set MPROUTER_STATE_DIR to another directory",
)
NEWER = Kind(
    "store-newer",
    Severity.ERROR,
    "A newer mprouter has used this file, which this one does not understand; it leaves it as it is.",
    "update this mprouter: `pip install --upgrade mprouter`",
)
UNUSABLE = Kind(
    "store-unusable",
    Severity.ERROR,
    "The file that says what is connected and remembered cannot be read or written. Nothing can be connected.",
    "see whose it is, who holds it, and whether its disk is well: `ls -la {path}`, `fuser {path}`, `df {path}`",
)
BARRED = Kind(
    "store-barred",
    Severity.ERROR,
    "You may not write a file of the store. Nothing can be connected or disconnected.",
    "`chmod 600 {path}`; if it is not yours, as root: `chown {user} {path}`",
    "gives you the right, if the file is yours",
)
INTERRUPTED = Kind(
    "operation-interrupted",
    Severity.WARNING,
    "How far it came is not settled yet, and notifyees may be owed the end of it. The next command settles it.",
    "`mpr recover`",
    "settles it as `mpr recover` does: written data is delivered, notifyees are told",
)
OWED = Kind(
    "post-owed",
    Severity.NOTE,
    "A notifyee of its own code was told before, and is told after when that program runs again within 90 days.",
    "start that program again; if it is no more, nothing has to be done",
)
UNREAD = Kind(
    "store-unread",
    Severity.NOTE,
    "What is wrong with the store, or with its directory, is another finding.",
    "when that is mended, run `mpr doctor` again",
)
_LOST = (
    "What served it has died, or its mount was taken away: programs get errors. What was closed and not sent is kept."
)
LOST = Kind(
    "connection-lost",
    Severity.WARNING,
    _LOST,
    "`mpr connect {remote_and_options}` connects it again, `mpr disconnect {name}` is rid of it",
)
LOST_REMEMBERED = Kind(
    "connection-lost-remembered",
    Severity.WARNING,
    _LOST,
    "`mpr restore {name}` connects it again, `mpr disconnect {name}` is rid of it",
)
LOST_DEVICELESS = Kind(
    "connection-lost-deviceless",
    Severity.WARNING,
    _LOST,
    "`mpr disconnect {remote}` is rid of it; then connect again what you need",
)
NO_PROVIDER = Kind(
    "connection-without-provider",
    Severity.WARNING,
    "The network provider that made the connection is not there any more, so it cannot be disconnected.",
    "install again the package that brought it; `mpr provider list` shows those that are there",
)
BROKEN_PROVIDER = Kind(
    "connection-of-broken-provider",
    Severity.WARNING,
    "The network provider that made the connection cannot be used: it cannot be disconnected, nor is known how it is.",
    "`mpr provider list` says what is to be mended",
)


def checks(providers: Sequence[Provider]) -> Iterator[Check]:
    """The checks; *providers* say how their connections are."""
    yield Check("store", integrity)
    yield Check("journal", partial(journal, providers), is_of_what_runs=True)
    yield Check("connections", partial(connections, providers), is_of_what_runs=True)


def integrity() -> Iterator[Finding]:
    """The file is whole, this program's, and can be used."""
    from mprouter.store import Store

    with closing(Store(as_is=True)) as store:
        try:
            problems = store.damage()
        except WNetError as error:
            yield _unusable(error, store.path)
            return
    if problems:
        yield DAMAGED.found(f"{store.path}: {'; '.join(problems)}")
    for file in (store.path.with_name(store.path.name + suffix) for suffix in ("", "-wal", "-shm")):
        if _is_barred(file):
            fix = partial(_admit, file) if file.stat().st_uid == os.geteuid() else None
            yield BARRED.found(f"{file}: you may not write it", path=file, user=os.geteuid(), fix=fix)


def _unusable(error: WNetError, path: Path) -> Finding:
    if error.status in {Status.ERROR_ACCESS_DENIED, Status.ERROR_DISK_FULL}:  # these are looked at elsewhere
        return unread()
    damage = DAMAGED if error.__cause__ is not None else FOREIGN  # the store has judged, or SQLite has failed
    kinds = {Status.ERROR_BAD_PROFILE: damage, Status.ERROR_REVISION_MISMATCH: NEWER}
    return kinds.get(error.status, UNUSABLE).found(f"{path}: {error.strerror}", path=path)


def _is_barred(file: Path) -> bool:
    """Whether it may not be written, for what is its own and not the file system's, which is looked at elsewhere.

    The files beside the store come and go with the processes that use it.
    """
    try:  # it is not opened: to close it would take SQLite's locks away
        if os.statvfs(file).f_flag & os.ST_RDONLY:
            return False
        before = file.stat()
        return not os.access(file, os.R_OK | os.W_OK) and file.stat().st_ino == before.st_ino
    except FileNotFoundError:
        return False


def _admit(file: Path) -> None:
    with suppress(FileNotFoundError):  # it has gone with the process that used it
        file.chmod(0o600)


def journal(providers: Sequence[Provider]) -> Iterator[Finding]:
    """No operation was cut off by the death of its process."""
    from mprouter.history import event_of
    from mprouter.recovery import cut_off, is_waiting
    from mprouter.store import Store

    with closing(Store(as_is=True)) as store:
        try:
            operations, claims = cut_off(store)
        except WNetError:
            yield unread()
            return
    for each in operations:
        died = _died(each, adding=event_of(each).operation == "add")
        if is_waiting(each):
            yield OWED.found(f"{died}, and owes that to {', '.join(owed.notifyee for owed in each.owed)}")
        else:
            yield INTERRUPTED.found(died, fix=partial(_recover, each, providers))
    for claim in claims:  # an earlier version's
        died = _died(claim, adding=claim.phase == "adding")
        yield INTERRUPTED.found(died, fix=partial(_recover, claim, providers))


def _died(cut_off: Operation | Entry, *, adding: bool) -> str:
    local, remote = cut_off.local_name, cut_off.remote_name
    name = f"{local} ({remote})" if local and remote else local or remote
    return f"process {cut_off.owner_pid} died while {'connecting' if adding else 'disconnecting'} {name}"


def _recover(cut_off: Operation | Entry, providers: Sequence[Provider]) -> None:
    """Settle all that was cut off. Raises ``WNetError`` if this one cannot be settled."""
    from mprouter.router import Router

    with Router(providers=providers) as router:
        for each in router.recover():
            names = (cut_off.owner_pid, cut_off.remote_name, cut_off.local_name)
            if each.error is not None and (each.process, each.remote_name, each.local_name) == names:
                raise each.error


def connections(providers: Sequence[Provider]) -> Iterator[Finding]:
    """Each connection is there."""
    from mprouter.store import Store

    by_name = {each.name: each for each in providers}
    with closing(Store(as_is=True)) as store:
        try:
            there = store.entries()
            remembered = {each.local_name for each in store.remembered()}
        except WNetError:
            yield unread()
            return
        for entry in there:
            name = entry.local_name or entry.path
            if entry.phase != "connected":
                continue  # somebody is at work on it, or ``journal`` tells of it
            provider = by_name.get(str(entry.provider)) or _unasked(str(entry.provider))
            if isinstance(provider, Kind):
                yield provider.found(f"{name} was connected by the provider {entry.provider}")
            elif _is_lost(provider, entry) and store.by_id(entry.id) == entry:  # it is not cancelled now
                yield _lost(entry, is_remembered=entry.local_name in remembered)


def _unasked(name: str) -> Provider | Kind:
    """The provider *name*, which does not take part; or, if it cannot be had, what is wrong."""
    for each in registered():
        if each.name == name:
            try:
                return each.get() if each.problem is None else BROKEN_PROVIDER
            except WNetError:  # one that is disabled has not been loaded yet
                return BROKEN_PROVIDER
    return NO_PROVIDER


def _lost(entry: Entry, *, is_remembered: bool) -> Finding:
    remote, local = entry.remote_name, entry.local_name
    what = f"{local or entry.path} is lost ({remote})"
    if local is None:
        return LOST_DEVICELESS.found(what, remote=remote)
    if is_remembered:
        return LOST_REMEMBERED.found(what, name=local)
    words = connect_words(remote, local, user=entry.user, provider=entry.provider, options=entry.options)
    return LOST.found(what, remote_and_options=words, name=local)


def entries() -> list[Entry]:
    """What the store says is connected. Raises ``WNetError``."""
    from mprouter.store import Store

    with closing(Store(as_is=True)) as store:
        return store.entries()


def remembered() -> list[Remembered]:
    """What the store says is restored at login. Raises ``WNetError``."""
    from mprouter.store import Store

    with closing(Store(as_is=True)) as store:
        return store.remembered()


def unread() -> Finding:
    """What a check says that cannot do without the store."""
    return UNREAD.found("not looked at, since the store of connections cannot be read")


def known() -> list[Mounted]:
    """The connections, for a provider. Raises ``WNetError``."""
    return [mounted(entry) for entry in entries()]


def _is_lost(provider: Provider, entry: Entry) -> bool:
    from mprouter.providers.base import State

    try:
        return provider.state(mounted(entry)) is State.LOST
    except Exception:  # noqa: BLE001 - a stranger's may raise anything; the connection cannot be used then
        return True
