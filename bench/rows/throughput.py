"""Reading and writing one large file through the path, beside the same mounts of others and the protocols' own tools.

A write is measured twice: until the program that writes has closed the file and goes on, and until the whole file is
on the server, whatever the mount said before that. What is read is in nobody's memory but the server's: each round has
a name of its own, all for one file, which were there before anybody mounted.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from time import perf_counter

from ground import Ground
from harness import ROUNDS, Case, Goal, Kind, Role
from peers import Mounter, Share, commands, mounters, share
from servers.daemon import wait_for

NETWORKS = ("sftp", "smb")
SIZE = 512 << 20
BLOCK = 1 << 20
MIB = SIZE / (1 << 20)
GOALS = [Goal(1.0, at_least=True)]


def cases(ground: Ground) -> Iterator[Case]:
    """Reading and writing, on each network."""
    block = os.urandom(BLOCK)
    for network in NETWORKS:
        shared = share(ground, network)
        mounters_here: list[Mounter] = [*commands(ground, shared), *mounters(ground, shared)]
        names = linked(shared, block, ROUNDS * (len(mounters_here) + 1))
        mounted = {each: each.mount() for each in mounters_here}
        try:
            reads = [(each, reading(path, names)) for each, path in mounted.items()]
            closes = [(each, writing(shared, path, block, arrived=False)) for each, path in mounted.items()]
            arrives = [(each, writing(shared, path, block, arrived=True)) for each, path in mounted.items()]
            get, put = tools(ground, shared, names, block)
            for what, kinds, tool in (
                ("read", reads, get),
                ("write and close", closes, put),
                ("write until the server has", arrives, put),
            ):
                compared = [Kind(each.name, each.role, once, engine=each.engine) for each, once in kinds]
                if tool is not None:
                    compared.append(tool)
                yield Case(f"{network}: {what} {MIB:.0f} MiB", "MiB/s", compared, GOALS, rounds=ROUNDS)
        finally:
            for each in mounted:
                each.unmount()
            for file in shared.root.glob("large-*"):
                file.unlink()


def linked(shared: Share, block: bytes, number: int) -> Iterator[str]:
    """So many names on the server for one file."""
    first = shared.root / "large-file"
    with first.open("wb") as file:
        for _ in range(SIZE // BLOCK):
            file.write(block)
    first.chmod(0o644)
    names = [f"large-{each}" for each in range(number)]
    for name in names:
        (shared.root / name).hardlink_to(first)
    return iter(names)


def reading(path: Path, names: Iterator[str]) -> Callable[[], float]:
    """MiB a second."""

    def once() -> float:
        begun = perf_counter()
        with (path / next(names)).open("rb", buffering=0) as file:
            size = sum(iter(lambda: len(file.read(BLOCK)), 0))
        seconds = perf_counter() - begun
        assert size == SIZE
        return MIB / seconds

    return once


def writing(shared: Share, path: Path, block: bytes, *, arrived: bool) -> Callable[[], float]:
    """MiB a second. arrived: until it is on the server, else until it is closed."""

    def once() -> float:
        name = f"large-new-{next(_numbers)}"
        begun = perf_counter()
        with (path / name).open("wb", buffering=0) as file:
            for _ in range(SIZE // BLOCK):
                file.write(block)
        closed = perf_counter()
        wait_for(lambda: has_arrived(shared.root / name), f"{name} on the server", 300)
        seconds = (perf_counter() if arrived else closed) - begun
        (path / name).unlink()
        return MIB / seconds

    return once


_numbers = count()


def has_arrived(file: Path) -> bool:
    """Whether it is there with all its bytes."""
    return file.exists() and file.stat().st_size == SIZE


def tools(ground: Ground, shared: Share, names: Iterator[str], block: bytes) -> tuple[Kind | None, Kind | None]:
    """The protocol's own program, reading and writing."""
    tool, package = {"sftp": ("sftp", "openssh-client"), "smb": ("smbclient", "smbclient")}[shared.network]
    if not ground.has(tool, package):
        return None, None
    local = ground.directory() / "large"
    with local.open("wb") as file:
        for _ in range(SIZE // BLOCK):
            file.write(block)
    if shared.network == "sftp":
        options = [f"IdentityFile={shared.options['key_file']}", f"UserKnownHostsFile={shared.options['known_hosts']}"]
        argv = [tool, "-q", "-F", "/dev/null", "-P", str(shared.port), *(f"-o{each}" for each in options), "-b", "-"]
        argv.append(f"{shared.user}@{shared.host}:{shared.root}")
    else:
        argv = [tool, f"//{shared.host}/projects", "-p", str(shared.port), "-U", shared.user]

    def run(command: str) -> float:
        words = argv if shared.network == "sftp" else [*argv, "-c", command]
        environment = {**os.environ, "PASSWD": shared.password}
        begun = perf_counter()
        subprocess.run(words, input=command, env=environment, text=True, check=True, capture_output=True)
        return MIB / (perf_counter() - begun)

    return (
        Kind(tool, Role.LIMIT, lambda: run(f"get {next(names)} {local}-back")),
        Kind(tool, Role.LIMIT, lambda: run(f"put {local} large-new-{next(_numbers)}")),
    )
