"""What the journal and the events cost an operation, beside the least that SQLite itself needs for them.

One add and one cancel on a provider that does nothing, with no notifyee and with some that leave a context each. The
peer makes one durable commit of one row for each of the two: with less, no connection is remembered over a loss of
power. Both write to the same disk, that of the checkout, since temporary files may be in memory.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from ground import Ground
from harness import Case, Goal, Kind, Role, timed
from mprouter import AddConnect, CancelConnect, NotifyInfo, Phase, Router
from mprouter.names import RemoteName
from mprouter.providers.base import Added, AddRequest, Capability, Mounted, Progress, State

NUMBERS = (0, 1, 5)
GOALS = [Goal(1.5)]


def cases(ground: Ground) -> Iterator[Case]:
    """One for each number of notifyees."""
    for number in NUMBERS:
        place = ground.directory(on=Path.cwd())
        with commits(place) as least, operations(place, number) as both:
            kinds = [
                Kind("mprouter", Role.OURS, timed(both, "ms", times=5)),
                Kind("two durable commits", Role.PEER, timed(least, "ms", times=5)),
            ]
            yield Case(f"add and cancel, {number} told", "ms", kinds, GOALS, rounds=41, series="told", counts=number)


class Idle:
    """A provider that does nothing, and counts as one of ours: what a stranger's guard costs is not the journal's."""

    __module__ = "mprouter.idle"
    name = "idle"
    capabilities = Capability.ADD_CONNECTION | Capability.CANCEL_CONNECTION

    def claims(self, name: RemoteName) -> bool:
        return bool(name.canonical)

    def check_options(self, name: RemoteName, options: Mapping[str, str]) -> None:
        pass

    def add_connection(self, request: AddRequest) -> Added:
        return Added(None, {})

    def cancel_connection(self, mounted: Mounted, *, force: bool, progress: Progress | None = None) -> None:
        pass

    def state(self, mounted: Mounted) -> State:
        return State.CONNECTED

    def settle(self, mounted: Mounted) -> State:
        return State.CONNECTED


class Witness:
    """A notifyee that leaves a context which is written down."""

    def add_connect_notify(self, info: NotifyInfo, event: AddConnect) -> None:
        if info.phase is Phase.PRE:
            info.context = {"name": event.resource.local_name}

    def cancel_connect_notify(self, info: NotifyInfo, event: CancelConnect) -> None:
        if info.phase is Phase.PRE:
            info.context = {"name": event.name}


@contextmanager
def commits(place: Path) -> Iterator[Callable[[], object]]:
    """The least: a row that comes and goes, each time to the disk."""
    with closing(sqlite3.connect(place / "least.db", isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("CREATE TABLE connections (id INTEGER PRIMARY KEY, remote_name TEXT, local_name TEXT)")

        def both() -> None:
            db.execute("INSERT INTO connections VALUES (1, 'sftp://files/projects', 'Z:')")
            db.execute("DELETE FROM connections")

        yield both


@contextmanager
def operations(place: Path, number: int) -> Iterator[Callable[[], object]]:
    """An add and a cancel that *number* notifyees are told of."""
    with idle_router(place) as router:
        for each in range(number):
            router.register(Witness(), name=f"witness{each}")
        router.connect("sftp://files/projects").close()  # its store is open from here on

        def both() -> None:
            router.connect("sftp://files/projects").close()

        yield both


@contextmanager
def idle_router(place: Path) -> Iterator[Router]:
    """One with its places below *place*, the runtime directory in memory as users have it, and only ``Idle``."""
    for variable in ("CONFIG", "STATE", "DRIVES", "SYSTEM"):
        directory = place / variable.lower()
        directory.mkdir(mode=0o700, parents=True)
        os.environ[f"MPROUTER_{variable}_DIR"] = str(directory)
    memory = Path("/dev/shm")  # noqa: S108 - in it a directory that is this user's alone
    with TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else place) as runtime:
        os.environ["MPROUTER_RUNTIME_DIR"] = runtime
        with Router(providers=[Idle()]) as router:
            yield router
