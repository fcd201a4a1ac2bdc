"""Many small files through the path: listing a directory, asking for each file's attributes, reading some.

Each round has a directory of its own, so that nobody has it in memory.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter

from ground import Ground
from harness import Case, Goal, Kind, Role
from peers import Command, Share, mounters, share

NETWORKS = ("sftp", "smb")
LISTED, READ = 10_000, 1_000
CONTENT = bytes(4096)
GOALS = [Goal(1.0, at_least=True)]


def cases(ground: Ground) -> Iterator[Case]:
    """Listing, listing with attributes, and reading, on each network."""
    for network in NETWORKS:
        shared = share(ground, network)
        ours = Command(shared, ground, warm=True)
        mounted = {each: each.mount() for each in (ours, *mounters(ground, shared))}
        try:
            for what, number, work in (
                (f"list {LISTED:,} files", LISTED, os.listdir),
                (f"list and stat {LISTED:,} files", LISTED, stat_all),
                (f"read {READ:,} files of 4 KiB", READ, read_all),
            ):
                kinds = [
                    Kind(
                        each.name,
                        Role.OURS if each is ours else Role.PEER,
                        once(shared, path, number, work),
                        cleaning(shared),
                    )
                    for each, path in mounted.items()
                ]
                yield Case(f"{network}: {what}", "files/s", kinds, GOALS)
        finally:
            for each in mounted:
                each.unmount()


_numbers = iter(range(1 << 30))


def once(shared: Share, path: Path, number: int, work: Callable[[Path], object]) -> Callable[[], float]:
    """Files a second."""

    def done() -> float:
        directory = shared.root / f"many-{next(_numbers)}"
        directory.mkdir()
        for each in range(number):
            (directory / f"file{each:05}").write_bytes(CONTENT)
        begun = perf_counter()
        work(path / directory.name)
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


def cleaning(shared: Share) -> Callable[[], None]:
    """What removes the directories from the server."""

    def clean() -> None:
        for directory in shared.root.glob("many-*"):
            shutil.rmtree(directory)

    return clean
