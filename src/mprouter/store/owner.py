"""Which process it is: a process id alone may have been given to another one since."""

from __future__ import annotations

import os
import sys
from functools import cache
from pathlib import Path

from mprouter.processes import started_at
from mprouter.status import check_known

__all__ = ["alive", "me", "started"]


def me() -> tuple[int, str]:
    """This process: its id, and what tells it from an earlier or later process of the same id."""
    pid = os.getpid()
    return pid, _my_start(pid)


def alive(pid: int, start: str) -> bool:
    """Whether the process that ``me`` described there still runs.

    Where the system does not tell when a process started (no ``/proc``), the id alone has to do.
    """
    if start:
        return started(pid) == start
    if sys.platform == "win32":  # os.kill would end the process there
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@cache
def _my_start(pid: int) -> str:
    """``started`` of this process; by *pid*, since a forked child is another one."""
    return started(pid)


def started(pid: int) -> str:
    """Boot and clock tick at which the process started; "" if it is gone or the system does not tell."""
    ticks = started_at(pid)
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8")
    except OSError as error:
        check_known(error)
        return ""
    return "" if ticks is None else f"{boot.strip()}/{ticks}"
