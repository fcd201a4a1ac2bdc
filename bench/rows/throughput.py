"""Reading and writing one large file through the path, beside the same mounts of others and the protocols' own tools.

A write is over when the whole file is on the server, whatever the mount says before that. What is read is in nobody's
memory but the server's: each round has a file of its own.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from ground import Ground
from harness import Case, Goal, Kind, Role
from peers import Command, Mounter, Share, mounters, share
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
        ours = Command(shared, ground, warm=True)
        mounted = {each: each.mount() for each in (ours, *mounters(ground, shared))}
        try:
            for what, work, by_hand in (("read", reading, get), ("write", writing, put)):
                kinds = [
                    Kind(each.name, Role.OURS if each is ours else Role.PEER, work(shared, path, block), clean(shared))
                    for each, path in mounted.items()
                ]
                limit = by_hand(ground, shared, block)
                if limit is not None:
                    kinds.append(Kind(limit[0], Role.LIMIT, limit[1], clean(shared)))
                yield Case(f"{network}: {what} {MIB:.0f} MiB", "MiB/s", kinds, GOALS)
        finally:
            for each in mounted:
                unmount(each)


def unmount(mounter: Mounter) -> None:
    """When it is done with what was written."""
    mounter.unmount()


_numbers = iter(range(1 << 30))


def put_there(shared: Share, block: bytes) -> str:
    """A new file on the server; returns its name."""
    name = f"large-{next(_numbers)}"
    with (shared.root / name).open("wb") as file:
        for _ in range(SIZE // BLOCK):
            file.write(block)
    (shared.root / name).chmod(0o644)
    return name


def reading(shared: Share, path: Path, block: bytes) -> Callable[[], float]:
    """MiB a second."""

    def once() -> float:
        from time import perf_counter

        name = put_there(shared, block)
        begun = perf_counter()
        with (path / name).open("rb", buffering=0) as file:
            size = sum(iter(lambda: len(file.read(BLOCK)), 0))
        seconds = perf_counter() - begun
        assert size == SIZE
        return MIB / seconds

    return once


def writing(shared: Share, path: Path, block: bytes) -> Callable[[], float]:
    """MiB a second."""

    def once() -> float:
        from time import perf_counter

        name = f"large-{next(_numbers)}"
        begun = perf_counter()
        with (path / name).open("wb", buffering=0) as file:
            for _ in range(SIZE // BLOCK):
                file.write(block)
        wait_for(lambda: has_arrived(shared.root / name), f"{name} on the server", 120)
        return MIB / (perf_counter() - begun)

    return once


def has_arrived(file: Path) -> bool:
    """Whether it is there with all its bytes."""
    return file.exists() and file.stat().st_size == SIZE


def clean(shared: Share) -> Callable[[], None]:
    """Remove the large files from the server."""

    def remove() -> None:
        for file in shared.root.glob("large-*"):
            file.unlink()

    return remove


def get(ground: Ground, shared: Share, block: bytes) -> tuple[str, Callable[[], float]] | None:
    """The protocol's own tool, reading."""
    return by_tool(ground, shared, lambda name: (name, put_there(shared, block))[1], "get {name} {local}")


def put(ground: Ground, shared: Share, block: bytes) -> tuple[str, Callable[[], float]] | None:
    """The protocol's own tool, writing."""
    local = ground.directory(on=shared.root.parent) / "large"
    with local.open("wb") as file:
        for _ in range(SIZE // BLOCK):
            file.write(block)
    return by_tool(ground, shared, lambda name: name, f"put {local} {{name}}")


def by_tool(
    ground: Ground, shared: Share, prepare: Callable[[str], str], command: str
) -> tuple[str, Callable[[], float]] | None:
    """Its name, and what does *command* with it; None if it is not on this machine."""
    from time import perf_counter

    tool = {"sftp": "sftp", "smb": "smbclient"}[shared.network]
    if not ground.has(tool, {"sftp": "openssh-client", "smb": "smbclient"}[shared.network]):
        return None
    local = ground.directory() / "fetched"

    def once() -> float:
        name = prepare(f"large-{next(_numbers)}")
        words = command.format(name=name, local=local)
        if tool == "sftp":
            options = [
                f"IdentityFile={shared.options['key_file']}",
                f"UserKnownHostsFile={shared.options['known_hosts']}",
            ]
            argv = [
                tool,
                "-q",
                "-F",
                "/dev/null",
                "-P",
                str(shared.port),
                *(f"-o{each}" for each in options),
                "-b",
                "-",
            ]
            argv.append(f"{shared.user}@{shared.host}:{shared.root}")
            given, environment = words, dict(os.environ)
        else:
            argv = [tool, f"//{shared.host}/projects", "-p", str(shared.port), "-U", shared.user, "-c", words]
            given, environment = "", {**os.environ, "PASSWD": shared.password}
        begun = perf_counter()
        subprocess.run(argv, input=given, env=environment, text=True, check=True, capture_output=True)
        return MIB / (perf_counter() - begun)

    return tool, once
