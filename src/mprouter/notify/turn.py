"""Whose turn it is with a notifyee: one thread at a time (N18), and no deadlock by nesting (N17)."""

from __future__ import annotations

import sys
import threading
from contextlib import suppress

from mprouter.forks import inherit, lock
from mprouter.status import Status, WNetError

__all__ = ["Turn", "waiting"]

waiting: dict[int, Turn] = {}
"""Which turn each blocked thread waits for. Written under ``_guard``, but for what ends; empty nearly always."""

_guard = lock(sys.modules[__name__], "_guard")

_ATTENTION = 1.0
"""Seconds after which a blocked thread looks for a Ctrl-C: the wait misses one that comes just before it begins."""


class Turn:
    """A lock that refuses to close a circle.

    Two notifyees that connect inside their notifications, told by two threads, can come to wait for each other. The
    thread that would complete such a circle does not wait.

    free: is there while nobody is at the notifyee. Whoever deletes it has the turn: that is one step, in which no other
    thread and no Ctrl-C can come between, nor can they before the next statement. Where every nanosecond counts, the
    dispatch does itself what ``take`` does where nobody waits. At the end it is set again, and ``wake`` is called if
    anybody is ``waiting``; not by a method, before whose first statement Ctrl-C could come.
    owner: the thread that has the turn, or had it last.
    """

    __slots__ = ("__weakref__", "_gate", "free", "owner")

    def __init__(self) -> None:
        self.free = True
        self.owner: int | None = None
        self._gate = threading.Lock()  # opened for whoever waits, and closed again by who goes through
        self._gate.acquire()
        inherit(self)

    def take(self, *, owed: bool = False) -> bool:
        """Wait until no other thread is at the notifyee, and be there until ``free`` is set.

        If waiting would never end, raises ``WNetError`` (ERROR_POSSIBLE_DEADLOCK), which counts as an error of the
        notifyee that could not be told (N10). Not so with *owed*, for a post, which must be made (N19): returns
        False, and the post is made out of turn. Whoever has the turn runs none of the notifyee's code meanwhile: it
        waits, in an operation that the notifyee began.
        """
        me = threading.get_ident()
        try:
            del self.free
        except AttributeError:
            if not self._waited(me, owed):
                return False
        self.owner = me
        return True

    def wake(self) -> None:
        """Have one of those who wait, if there are any, look again."""
        with suppress(RuntimeError):  # the gate is open already
            self._gate.release()

    def after_fork(self) -> None:
        """In a child of this process: whoever else was at the notifyee does not come back (``forks``)."""
        if self.owner != threading.get_ident():
            self.free = True
        waiting.clear()

    def _waited(self, me: int, owed: bool) -> bool:
        try:
            with _guard:
                if self._leads_to(me):
                    if owed:
                        return False
                    raise WNetError(
                        Status.ERROR_POSSIBLE_DEADLOCK,
                        "not told: its turn depends on an operation that waits for this one",
                    )
                waiting[me] = self
            while True:
                try:
                    del self.free
                    break
                except AttributeError:
                    self._gate.acquire(timeout=_ATTENTION)
        finally:
            # nothing is called from where ``free`` is gone: Ctrl-C would strike there, and nobody would have the turn
            if me in waiting:
                del waiting[me]  # noqa: RUF051
        return True

    def _leads_to(self, thread: int) -> bool:
        turn: Turn | None = self
        while turn is not None and not hasattr(turn, "free"):
            if turn.owner == thread:
                return True
            turn = None if turn.owner is None else waiting.get(turn.owner)
        return False
