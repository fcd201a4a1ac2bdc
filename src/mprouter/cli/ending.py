"""The end of the process, when the command has done its work.

An interpreter takes down all that it has loaded before it ends, which takes a command longer than an interpreter's
start. What of that can be noticed from outside is done here, and the rest left to the kernel.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading

__all__ = ["leave"]

_OF_OTHERS = ("mprouter.plugins.modules", "ctypes", "keyring")
"""With them comes code of others into the process, which may count on being taken down: to close its files, say."""


def leave(code: object) -> None:
    """End the process with the exit code *code*; returns where that is for the interpreter to do.

    As the interpreter does: threads are waited for, exit functions called, and what was printed is written.
    """
    is_watched = sys.gettrace() is not None or sys.getprofile() is not None
    if not isinstance(code, int) or is_watched or any(name in sys.modules for name in _OF_OTHERS):
        return
    threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001 - it has no other name
    atexit._run_exitfuncs()  # noqa: SLF001
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except (OSError, ValueError):  # the interpreter tries again, and complains
        return
    os._exit(code & 0xFF)
