"""``mpr events`` on a million recorded events, beside ``journalctl`` on a journal with as many entries.

Follow: from a new event to the line that tells it, while all the old ones are there.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter, time
from typing import IO

from ground import MPR, Ground
from harness import Case, Goal, Kind, Role, timed
from mprouter import settings
from mprouter.store import EventRecord, Store
from mprouter.store import events as recording
from servers.daemon import wait_for

NUMBER = 1_000_000
NAMES = 50
GOALS = [Goal(1.0)]

MAKER = Path("/lib/systemd/systemd-journal-remote")
"""What writes a journal's file out of text."""


def cases(ground: Ground) -> Iterator[Case]:
    """The last ones, those about one name, and those to come."""
    store = recorded()
    ground.at_end(store.close)
    ours: list[str | Path] = [MPR, "events"]
    theirs: list[str | Path] | None = None
    journal = Journal(ground) if MAKER.exists() and ground.has("journalctl", "systemd") else None
    if journal is None:
        ground.left_out["journalctl"] = "systemd-journal-remote is not installed (Debian's package of that name)"
    else:
        theirs = ["journalctl", f"--file={journal.file}", "-o", "short-precise"]
    for what, mine, others in (
        ("the last 50", (), ()),
        ("the last 50 of one name", (remote(7),), (f"MPROUTER_REMOTE={remote(7)}",)),
    ):
        kinds = [Kind("mpr events", Role.OURS, run([*ours, "-n", "50", *mine]))]
        if theirs is not None:
            kinds.append(Kind("journalctl", Role.PEER, run([*theirs, "-n", "50", *others])))
        yield Case(f"{NUMBER:,} events: {what}", "ms", kinds, GOALS, rounds=15)
    kinds = [
        Kind("mpr events -f", Role.OURS, following(ground, [*ours, "-n", "1", "-f"], lambda: store.record([event(0)])))
    ]
    if journal is not None and theirs is not None:
        kinds.append(Kind("journalctl -f", Role.PEER, following(ground, [*theirs, "-n", "1", "-f"], journal.add)))
    yield Case(f"{NUMBER:,} events: follow", "ms", kinds, GOALS, rounds=25)


def run(argv: list[str | Path]) -> Callable[[], float]:
    """What runs a command to its end."""
    return timed(lambda: subprocess.run(argv, stdout=subprocess.DEVNULL, check=True), "ms")


def following(ground: Ground, argv: list[str | Path], add: Callable[[], object]) -> Callable[[], float]:
    """How long after *add* the program has written a line, in milliseconds."""
    program = ground.enter(subprocess.Popen(argv, stdout=subprocess.PIPE, bufsize=0))
    ground.at_end(program.terminate)
    assert program.stdout is not None
    output: IO[bytes] = program.stdout
    output.read(65536)  # the one that there was

    def once() -> float:
        begun = perf_counter()
        add()
        output.read(65536)
        return (perf_counter() - begun) * 1000

    return once


def remote(number: int) -> str:
    """One of ``NAMES`` remote names."""
    return f"sftp://files.example.com/projects/{number % NAMES}"


def event(number: int) -> EventRecord:
    """One of many: operations that went well."""
    return EventRecord(
        None, time(), f"{number:012x}", "operation", "add", None, None, 1, remote(number), "Z:", "sftp", 0, False, 0,
        None, None, 0.01, 1,
    )  # fmt: skip


def recorded() -> Store:
    """A store with so many."""
    store = Store()
    fill(store, NUMBER)
    return store


def fill(store: Store, number: int) -> None:
    """Record so many, at once, in a store that is told to keep twice as many."""
    settings.path().write_text(f"events_kept = {2 * NUMBER}\n")
    store.record([event(0)])
    with store._database.writing() as db:  # noqa: SLF001
        for first in range(1, number, 10_000):
            recording.write(db, [event(each) for each in range(first, min(first + 10_000, number))])


class Journal:
    """A journal with so many, in a file of its own, and who writes it."""

    def __init__(self, ground: Ground) -> None:
        self.file = ground.directory() / "bench.journal"
        self._writer = ground.enter(subprocess.Popen([MAKER, "-o", self.file, "-"], stdin=subprocess.PIPE))
        self._number = 0
        assert self._writer.stdin is not None
        self._input: IO[bytes] = self._writer.stdin
        ground.at_end(self._input.close)
        for _ in range(NUMBER):
            self._write()
        self._input.flush()
        wait_for(self._is_written, "the journal", 600)

    def add(self) -> None:
        """One more."""
        self._write()
        self._input.flush()

    def _write(self) -> None:
        self._number += 1
        moment = int(time() * 1_000_000)
        entry = (
            f"__REALTIME_TIMESTAMP={moment}\n__MONOTONIC_TIMESTAMP={self._number}\n_BOOT_ID={1:032x}\n"
            f"MESSAGE=add Z: {remote(self._number)} done\nMPROUTER_REMOTE={remote(self._number)}\n"
            "SYSLOG_IDENTIFIER=mpr\n\n"
        )
        self._input.write(entry.encode())

    def _is_written(self) -> bool:
        argv = ["journalctl", f"--file={self.file}", "-n", "1", "-o", "export"]
        newest = subprocess.run(argv, capture_output=True, text=True, check=False).stdout
        return f"__MONOTONIC_TIMESTAMP={self._number}\n" in newest
