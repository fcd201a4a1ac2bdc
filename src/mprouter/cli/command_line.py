"""The command line that ``ps`` and ``/proc/PID/cmdline`` show: what stands after ``net use`` in it is wiped.

Which of the words is a password is not guessed: whoever errs in the syntax has it anywhere. It is memory of the process
itself, between two addresses that the kernel tells. The history of a shell is not.
"""

from __future__ import annotations

import sys

from mprouter.processes import fields

__all__ = ["wipe"]


def wipe(count: int) -> None:
    """Overwrite the last *count* arguments of this process. If that fails it is said on standard error."""
    if not count:
        return
    try:
        _overwrite(count)
    except (OSError, LookupError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "this system does not tell where it is"
        sys.stderr.write(
            f"mpr: warning: others can read a password among the words in the list of processes: {reason}\n"
        )
    sys.argv[-count:] = sys.orig_argv[-count:] = ["***"] * count


def _overwrite(count: int) -> None:
    """Put asterisks over the last *count* arguments. Raises ``OSError`` and what parsing does."""
    start, end = map(int, fields()[45:47])  # arg_start and arg_end: 48 and 49 in proc(5)
    with open("/proc/self/mem", "r+b", buffering=0) as memory:  # noqa: PTH123 - pathlib need not be loaded first
        memory.seek(start)
        last = memory.read(end - start).split(b"\0")[:-1][-count:]
        memory.seek(end - sum(len(each) + 1 for each in last))
        memory.write(b"".join(b"*" * len(each) + b"\0" for each in last))
