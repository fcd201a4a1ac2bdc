"""How long the command takes to start and to list, beside an interpreter that does nothing and the peers' commands."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ground import MPR, Ground
from harness import Case, Goal, Kind, Role, timed
from mprouter import Router
from mprouter.providers.rclone import daemon
from peers import newest_rclone

NUMBERS = (0, 10, 100, 1000)


def cases(ground: Ground) -> Iterator[Case]:
    """The help, and the list of no and of many connections."""
    peers = [
        Kind("python -c pass", Role.PEER, run([sys.executable, "-c", "pass"])),
        Kind("rclone version", Role.PEER, run([newest_rclone(), "version"])),
    ]
    goals = [Goal(5.0, of="python -c pass"), Goal(1.0, of="rclone version")]
    if gio := ground.has("gio", "libglib2.0-bin"):
        peers.append(Kind("gio mount -l", Role.PEER, run([gio, "mount", "-l"])))
        goals.append(Goal(1.0, of="gio mount -l"))
    yield Case("mpr --help", "ms", [Kind("mpr", Role.OURS, run([MPR, "--help"])), *peers], goals, rounds=15)
    for number in NUMBERS:
        with connections(ground, number):
            ours = Kind("mpr", Role.OURS, run([MPR, "list"]))
            yield Case(
                f"mpr list, {number:,} connections",
                "ms",
                [ours, *peers],
                goals,
                rounds=15,
                series="list",
                counts=number,
            )


def run(argv: Sequence[str | Path]) -> Callable[[], float]:
    """What runs a command to its end."""
    return timed(lambda: subprocess.run(argv, stdout=subprocess.DEVNULL, check=True), "ms")


@contextmanager
def connections(ground: Ground, number: int) -> Iterator[None]:
    """So many real ones, each to a directory of this machine."""
    shared = ground.directory()
    ground.places()
    with Router() as router:
        try:
            for each in range(number):
                (shared / str(each)).mkdir()
                router.connect(f"file://{shared}/{each}")
            yield
        finally:
            for connection in router.connections():
                connection.close()
    daemon.stop()
