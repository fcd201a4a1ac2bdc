"""Many small files through the path: listing a directory, asking for each file's attributes, reading some.

Each round has a directory of its own, so that nobody has it in memory; all were there before anybody mounted.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter

from ground import Ground
from harness import ROUNDS, Case, Goal, Kind
from peers import NETWORKS, Mounter, Share, commands, mounters, share

LISTED, READ = 10_000, 1_000
CONTENT = bytes(4096)
GOALS = [Goal(1.0, at_least=True)]


def cases(ground: Ground) -> Iterator[Case]:
    """Listing, listing with attributes, and reading, on each network."""
    for network in NETWORKS:
        shared = share(ground, network)
        for what, number, work in (
            (f"list {LISTED:,} files", LISTED, os.listdir),
            (f"list and stat {LISTED:,} files", LISTED, stat_all),
            (f"read {READ:,} files of 4 KiB", READ, read_all),
        ):
            mounters_here: list[Mounter] = [*commands(ground, shared), *mounters(ground, shared)]
            names = directories(shared, number, ROUNDS * len(mounters_here))
            mounted = {each: each.mount() for each in mounters_here}
            try:
                kinds = [
                    Kind(each.name, each.role, once(path, names, number, work), engine=each.engine)
                    for each, path in mounted.items()
                ]
                yield Case(f"{network}: {what}", "files/s", kinds, GOALS, rounds=ROUNDS)
            finally:
                for each in mounted:
                    each.unmount()
                for directory in shared.root.glob("many-*"):
                    shutil.rmtree(directory)


def directories(shared: Share, files: int, number: int) -> Iterator[str]:
    """So many directories on the server, each with *files*: names of one, of which a file may have no more."""
    names = [f"many-{each}" for each in range(number)]
    for name in names:
        directory = shared.root / name
        directory.mkdir()
        first = directory / "file"
        first.write_bytes(CONTENT)
        first.chmod(0o644)
        for each in range(1, files):
            os.link(first, f"{directory}/file{each:05}")
    return iter(names)


def once(path: Path, names: Iterator[str], number: int, work: Callable[[Path], object]) -> Callable[[], float]:
    """Files a second."""

    def done() -> float:
        directory = path / next(names)
        begun = perf_counter()
        work(directory)
        return number / (perf_counter() - begun)

    return done


def stat_all(path: Path) -> None:
    """As ``ls -l`` does."""
    for name in os.listdir(path):
        (path / name).stat()


def read_all(path: Path) -> None:
    """One after the other."""
    for name in os.listdir(path):
        assert len((path / name).read_bytes()) == len(CONTENT)
