"""What the journal and the events cost an operation, beside the least that SQLite itself needs for them.

    python bench/journal.py [ROUNDS]

One add and one cancel on a provider that does nothing, with no notifyee and with some that leave a context each. The
peer makes one durable commit of one row for each of the two: with less, no connection is remembered over a loss of
power. Both write to the same disk, and take turns; each figure is a median. Of our commits those are called synced that
wait for the disk; the others outlive the death of the process, and go with the power.
"""

from __future__ import annotations

import os
import sqlite3
import statistics
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from pathlib import Path
from time import perf_counter_ns

from mprouter import AddConnect, CancelConnect, NotifyInfo, Phase, Router
from mprouter.names import RemoteName
from mprouter.providers.base import Added, AddRequest, Capability, Mounted, Progress, State
from mprouter.store.database import Database

NOTIFYEES = (0, 1, 5)


class Idle:
    """A provider that does nothing."""

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


def main(rounds: int) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as place, ExitStack() as running:
        kinds = {"two durable commits": running.enter_context(commits(Path(place)))}
        for number in NOTIFYEES:
            kinds[f"add and cancel, {number} told"] = running.enter_context(
                operations(Path(place) / str(number), number)
            )
        counts = {name: counted(kind) for name, kind in kinds.items()}
        times: dict[str, list[float]] = {name: [] for name in kinds}
        for _ in range(rounds):
            for name, kind in kinds.items():
                begun = perf_counter_ns()
                kind()
                times[name].append((perf_counter_ns() - begun) / 1e6)
    medians = {name: statistics.median(each) for name, each in times.items()}
    least = next(iter(medians.values()))
    print(f"{'':24} {'median':>9} {'ratio':>6}  commits  synced")
    for name, median in medians.items():
        count = counts[name]
        print(f"{name:24} {median:6.2f} ms {median / least:6.2f}  {count['all']:7}  {count['synced']:6}")


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
    for variable in ("CONFIG", "STATE", "RUNTIME", "DRIVES", "SYSTEM"):
        directory = place / variable.lower()
        directory.mkdir(mode=0o700, parents=True)
        os.environ[f"MPROUTER_{variable}_DIR"] = str(directory)
    with Router(providers=[Idle()]) as router:
        for each in range(number):
            router.register(Witness(), name=f"witness{each}")
        router.connect("sftp://files/projects").close()  # its store is open from here on

        def both() -> None:
            router.connect("sftp://files/projects").close()

        yield both


def counted(kind: Callable[[], object]) -> Counter[str]:
    """The transactions that *kind* makes."""
    count: Counter[str] = Counter()
    real = Database.writing

    def writing(self: Database, *, durable: bool = False) -> AbstractContextManager[sqlite3.Connection]:
        count["all"] += 1
        count["synced"] += durable
        return real(self, durable=durable)

    Database.writing = writing
    try:
        kind()
    finally:
        Database.writing = real
    return count


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
