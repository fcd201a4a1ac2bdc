"""The command line that ``ps`` and ``/proc/PID/cmdline`` show: passwords of ``net use`` in it are wiped.

It is memory of the process itself, between two addresses that the kernel tells. The history of a shell is not.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from mprouter.cli.net_grammar import secrets
from mprouter.processes import fields

__all__ = ["wipe"]


def wipe(words: Sequence[str]) -> None:
    """Overwrite what may be a password in the ``net use`` that *words*, the last arguments of this process, call.

    If that fails it is said on standard error.
    """
    after = [word.lower() for word in words].index("use") + 1
    places = [after + place - len(words) for place in secrets(words[after:])]
    if not places:
        return
    try:
        _overwrite(places)
    except (OSError, LookupError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "this system does not tell where it is"
        sys.stderr.write(f"mpr: warning: others can read the password in the list of processes: {reason}\n")
    for place in places:
        sys.argv[place] = sys.orig_argv[place] = "***"


def _overwrite(places: Sequence[int]) -> None:
    """Put asterisks over the arguments at *places*, counted from the end. Raises ``OSError`` and what parsing does."""
    start, end = map(int, fields()[45:47])  # arg_start and arg_end: 48 and 49 in proc(5)
    with open("/proc/self/mem", "r+b", buffering=0) as memory:  # noqa: PTH123 - pathlib need not be loaded first
        memory.seek(start)
        arguments = memory.read(end - start).split(b"\0")[:-1]
        for place in places:
            number = len(arguments) + place
            memory.seek(start + sum(len(each) + 1 for each in arguments[:number]))
            memory.write(b"*" * len(arguments[number]))
