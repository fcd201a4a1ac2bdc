"""What is the same in every host process: the messages that come in, and what it owes to the router that started it.

``host.py`` starts it in a fresh interpreter and does the watching; here is only what must be done from inside. What is
done with a message stands where ``main`` is, in ``notify/hosted.py`` and ``providers/native/hosted.py``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import suppress

from mprouter.plugins.frames import LENGTH, LIMIT
from mprouter.processes import has_something
from mprouter.status import Status, WNetError, in_words, shortage, text_of

__all__ = ["buffer_by_line", "failed", "messages", "prepare", "sendable"]

MESSAGE_LENGTH = 2000
"""Characters of a message for a person that are passed on."""


def prepare(requests: int, answers: int, lifeline: int, memory: int) -> None:
    """Before anything else: what it inherited stays its own, its memory is bounded, and it dies with its router.

    requests, answers, lifeline: descriptors of pipes. memory: bytes that this process may have to itself.
    """
    for each in (requests, answers, lifeline):
        os.set_inheritable(each, False)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    _die_with(lifeline)
    _bound(memory)


def messages(requests: int) -> Iterator[memoryview]:
    """One after the other, until the router closes its end: in memory of which whoever gets it may wipe it."""
    room = memoryview(bytearray(LENGTH + LIMIT))
    filled = 0
    while more := os.readv(requests, (room[filled:] if filled else room,)):
        filled += more
        while filled >= LENGTH and filled >= (end := LENGTH + int.from_bytes(room[:LENGTH], "little")):
            yield room[LENGTH:end]
            if left := filled - end:  # the same again, from a router that was interrupted
                room[:left] = room[end:filled]
                room[left:filled] = bytes(end)
            filled = left


def failed(error: BaseException) -> tuple[Status, str]:
    """The answer that *error* is, and what it says."""
    if isinstance(error, WNetError):
        return error.status or Status.ERROR_UNHANDLED_EXCEPTION, str(error.strerror)
    sys.excepthook(type(error), error, error.__traceback__)
    status, _ = shortage(error) or (Status.ERROR_UNHANDLED_EXCEPTION, None)
    return status, in_words(error)


def sendable(message: object) -> str:
    """*message*, not too long, and without the halves of characters that no message can have."""
    return str(text_of(message))[:MESSAGE_LENGTH].encode("utf-8", "replace").decode()


def _die_with(lifeline: int) -> None:
    """Have the kernel end this process when the router's end of *lifeline* closes, whatever the notifyee is doing.

    PR_SET_PDEATHSIG would not do: it strikes when the *thread* ends that started this process.
    """
    import fcntl
    import signal

    fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
    if hasattr(fcntl, "F_SETSIG"):  # elsewhere SIGIO comes, and ends a process that does not expect it
        fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)
    if has_something(lifeline, 0):  # it closed before
        os._exit(1)


def _bound(memory: int) -> None:
    """Limit the memory, and leave no core file. What the notifyee starts may raise the limit for itself again."""
    import resource

    memory = min(memory, sys.maxsize)
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (memory if most == resource.RLIM_INFINITY else min(memory, most), most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def buffer_by_line() -> None:
    """What C code prints is to be there when it has crashed; into a pipe the C library would collect it for long."""
    import ctypes

    with suppress(AttributeError, ValueError):
        c = ctypes.CDLL(None)
        for name in ("stdout", "stderr"):
            c.setvbuf(ctypes.c_void_p.in_dll(c, name), None, 1, 0)
