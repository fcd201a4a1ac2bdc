"""Which sshfs serves a mountpoint, alive or still connecting, and leaving none behind."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

from mprouter.processes import started_at, wait_until, words
from mprouter.providers.rclone import mounts

__all__ = ["ENDING", "KIND", "clear", "serving", "unmount"]

KIND = "fuse.sshfs"
"""The type of the file systems that sshfs mounts."""

ENDING = 10.0
"""Seconds that a disconnect waits for the end of an sshfs that has nothing to do any more."""


def serving(mountpoint: Path) -> dict[int, int]:
    """The processes of sshfs that mount on *mountpoint*, or are about to, with when they began; the oldest first."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            said = words(int(process.name))
            if (
                said[-1:] == [os.fsencode(mountpoint)]
                and any(each.startswith(b"ssh_command=/bin/sh ") for each in said)  # which no person says
                and (began := started_at(int(process.name)))
            ):
                found[int(process.name)] = began
    return dict(sorted(found.items(), key=lambda each: each[1]))


def clear(mountpoint: Path) -> None:
    """Leave no sshfs behind, also if it is still connecting, and no mount."""
    for pid in serving(mountpoint):
        for end in (os.killpg, os.kill):  # with ssh, where it is in its group; elsewhere it ends by itself
            with suppress(ProcessLookupError, PermissionError):
                end(pid, signal.SIGKILL)
    wait_until(lambda: not serving(mountpoint), ENDING)
    unmount(mountpoint)


def unmount(mountpoint: Path) -> None:
    """Take away what is dead or of no use."""
    if mounts.is_mounted(mountpoint, KIND):
        mounts.unmount(mountpoint, lazily=True, kind=KIND)
