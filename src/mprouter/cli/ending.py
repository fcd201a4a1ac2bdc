"""The end of the process, when the command has done its work.

An interpreter takes down all that it has loaded before it ends, which takes a command longer than an interpreter's
start. What of that can be noticed from outside is done here, and the rest left to the kernel.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
from contextlib import suppress
from typing import NoReturn

__all__ = ["leave"]

_OF_OTHERS = ("mprouter.plugins.modules", "ctypes", "keyring")
"""With them comes code of others into the process, which may count on being taken down: to close its files, say."""


def leave(code: str | int | None) -> NoReturn:
    """End the process with the exit code *code*; raises ``SystemExit`` with it where that is for the interpreter to do.

    As the interpreter does: threads are waited for, exit functions called, and what was printed is written. But Ctrl-C,
    for which the interpreter shows where it was, is told here as it is elsewhere.
    """
    interrupt = _threads_ended()
    if interrupt is not None:
        from mprouter.cli import failure

        code = 130
        with suppress(OSError):
            code = failure.tell(interrupt, json=False)
    if not isinstance(code, int) or _is_watched() or any(name in sys.modules for name in _OF_OTHERS):
        sys.exit(code)
    atexit._run_exitfuncs()  # noqa: SLF001
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except (OSError, ValueError):  # the interpreter tries again, and complains
        sys.exit(code)
    os._exit(code & 0xFF)


def _is_watched() -> bool:
    """Whether a debugger, a profiler or the like looks at this process, and would miss its end."""
    monitoring = getattr(sys, "monitoring", None)  # from Python 3.12 on; it has six places for tools
    tools = [] if monitoring is None else [monitoring.get_tool(place) for place in range(6)]
    return any(each is not None for each in (sys.gettrace(), sys.getprofile(), *tools))


def _threads_ended() -> KeyboardInterrupt | None:
    """Wait for the threads that are not daemons; what cut that off, if anything did."""
    interrupts = []
    usual = sys.unraisablehook

    def keep(unraisable: sys.UnraisableHookArgs) -> None:
        if isinstance(unraisable.exc_value, KeyboardInterrupt):
            interrupts.append(unraisable.exc_value)
        else:
            usual(unraisable)

    sys.unraisablehook = keep  # from Python 3.13 on it is not raised, but told here
    try:
        threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001 - it has no other name
    except KeyboardInterrupt as interrupt:
        return interrupt
    finally:
        sys.unraisablehook = usual
    return interrupts[0] if interrupts else None
