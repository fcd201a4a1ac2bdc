"""A hundred connections to three servers: ours, remembered, and as many processes ``rclone mount --daemon``."""

from __future__ import annotations

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from ground import MPR, Ground
from peers import NETWORKS, Rclone, below, places_with_passwords, share, stop

__all__ = ["NUMBER", "Many"]

NUMBER = 100

AT_ONCE = 16
"""How many of the others' processes are started side by side: more take longer."""


class Many:
    """The connections; none is there at first."""

    def __init__(self, ground: Ground) -> None:
        networks = [share(ground, network) for network in NETWORKS]
        shares = [below(networks[each % len(networks)], f"part-{each}") for each in range(NUMBER)]
        self._environment = places_with_passwords(ground, *networks)
        self._theirs = [Rclone(each, ground) for each in shares]
        drives = ground.directory()
        self._paths = [drives / str(each) for each in range(NUMBER)]
        for each, path in zip(shares, self._paths, strict=True):
            options = [part for name, value in each.options.items() for part in ("-o", f"{name}={value}")]
            self._mpr("connect", each.url, str(path), "--persist", *options)
        self.disconnect()
        ground.at_end(self.disconnect)

    def restore(self) -> None:
        """Ours, from nothing running to all paths listed."""
        self._mpr("restore")
        for each in self._paths:
            os.listdir(each)

    def disconnect(self) -> None:
        """Ours; they stay remembered."""
        self._mpr("disconnect", "--all")
        stop(self._environment)

    def mount(self) -> None:
        """Theirs, likewise."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(Rclone.mount, self._theirs))

    def unmount(self) -> None:
        """Theirs."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(Rclone.unmount, self._theirs))

    def taken(self) -> float:
        """MiB that the rclone of ours takes."""
        return memory(f"--rc-addr=unix://{self._environment['MPROUTER_RUNTIME_DIR']}/rclone.sock", number=1)

    def taken_by_theirs(self) -> float:
        """MiB that their processes take, which are as many as the mounts."""
        return memory(*(str(each.place) for each in self._theirs), number=NUMBER)

    def _mpr(self, *arguments: str) -> None:
        subprocess.run([MPR, *arguments], env=self._environment, stdout=subprocess.DEVNULL, check=True)


def memory(*words: str, number: int) -> float:
    """MiB that the processes take which were started with one of *words*, of which there must be *number*.

    Each has its own memory to itself. Of the program's file, which all map, they have one copy: it is counted once, as
    large as the one has it that has most of it. So it does not matter who else on this machine runs the same program.
    """
    own, of_files = [], []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            if not set(words).isdisjoint((process / "cmdline").read_text(errors="replace").split("\0")):
                status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
                own.append(int(status["RssAnon"].split()[0]))
                of_files.append(int(status["RssFile"].split()[0]) + int(status["RssShmem"].split()[0]))
    if len(own) != number:
        raise RuntimeError(f"{len(own)} processes were found, where {number} must be")
    return (sum(own) + max(of_files)) / 1024
