"""How long the command takes to start and to list, beside an interpreter that does nothing and the peers' commands.

``gio mount -l`` always waits for half a second, by a timer of its own that nothing ends sooner (``iterate_gmain`` in
GLib's gio-tool-mount.c), on every desktop: docs/performance.md says so beside the figures.
"""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from ground import MPR, Ground
from harness import Case, Goal, Kind, Role, timed
from mprouter import Router
from mprouter.providers.rclone import daemon, mounts
from peers import gvfs_session, newest_rclone

NUMBERS = (0, 10, 100, 1000)


def cases(ground: Ground) -> Iterator[Case]:
    """The help, and the list of no and of many connections."""
    peers = [
        Kind("python -c pass", Role.PEER, run([sys.executable, "-c", "pass"])),
        Kind("rclone version", Role.PEER, run([newest_rclone(), "version"])),
    ]
    goals = [Goal(5.0, of="python -c pass"), Goal(1.0, of="rclone version")]
    if session := gvfs_session(ground):
        listing = run(["gio", "mount", "-l"], session)
        listing()  # the session's bus starts gvfsd, and the volume monitors
        peers.append(Kind("gio mount -l", Role.PEER, listing))
        goals.append(Goal(1.0, of="gio mount -l"))
    yield Case("mpr --help", "ms", [Kind("mpr", Role.OURS, run([MPR, "--help"])), *peers], goals, rounds=15)
    numbers = [number for number in NUMBERS if number <= mounts_allowed()]
    for number in NUMBERS[len(numbers) :]:
        ground.cut[f"mpr list, {number:,} connections"] = (
            f"you may make {mounts_allowed()} FUSE mounts more: root may make any number,"
            f" and set mount_max in {mounts.CONFIGURATION}"
        )
    for number in numbers:
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


def run(argv: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> Callable[[], float]:
    """What runs a command to its end."""
    silent = subprocess.DEVNULL
    return timed(lambda: subprocess.run(argv, env=environment, stdout=silent, stderr=silent, check=True), "ms")


def mounts_allowed() -> float:
    """How many more FUSE mounts this user may make."""
    found = mounts.counted()
    return math.inf if found is None else found[1] - found[0]


@contextmanager
def connections(ground: Ground, number: int) -> Iterator[None]:
    """So many real ones, each to a directory of this machine; where that fails the ground clears away what there is."""
    shared = ground.directory()
    ground.places()
    with Router() as router:
        for each in range(number):
            (shared / str(each)).mkdir()
            router.connect(f"file://{shared}/{each}")
        yield
        for connection in router.connections():
            connection.close()
    daemon.stop()
