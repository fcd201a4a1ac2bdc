"""A hundred connections to three servers: ours, remembered, and as many processes ``rclone mount --daemon``."""

from __future__ import annotations

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
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

    def _mpr(self, *arguments: str) -> None:
        subprocess.run([MPR, *arguments], env=self._environment, stdout=subprocess.DEVNULL, check=True)


def memory(name: str) -> float:
    """MiB that the processes called *name* take, what they share divided among them."""
    total = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "comm").read_text().strip() == name:
                lines = (process / "smaps_rollup").read_text().splitlines()
                total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        except OSError:  # it has ended
            continue
    return total / 1024
