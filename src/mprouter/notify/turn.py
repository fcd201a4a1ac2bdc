"""Whose turn it is with a notifyee: one thread at a time (N18), and no deadlock by nesting (N17)."""

from __future__ import annotations

import threading

from mprouter.status import Status, WNetError

__all__ = ["Turn"]

_waiting: dict[int, Turn] = {}
"""Which turn each blocked thread waits for; read and written under ``_guard``."""

_guard = threading.Lock()

_ATTENTION = 1.0
"""Seconds after which a blocked thread looks for a Ctrl-C: the wait misses one that comes just before it begins."""


class Turn:
    """A lock that refuses to close a circle.

    Two notifyees that connect inside their notifications, told by two threads, can come to wait for each other. The
    thread that would complete such a circle does not wait.
    """

    __slots__ = ("_lock", "_owner")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._owner: int | None = None

    def take(self, *, owed: bool = False) -> bool:
        """Wait until no other thread is at the notifyee, and be there until ``leave``.

        If waiting would never end, raises ``WNetError`` (ERROR_POSSIBLE_DEADLOCK), which counts as an error of the
        notifyee that could not be told (N10). Not so with *owed*, for a post, which must be made (N19): returns
        False, and the post is made out of turn. Whoever has the turn runs none of the notifyee's code meanwhile: it
        waits, in an operation that the notifyee began.
        """
        me = threading.get_ident()
        if not self._lock.acquire(False):
            with _guard:
                if self._leads_to(me):
                    if owed:
                        return False
                    raise WNetError(
                        Status.ERROR_POSSIBLE_DEADLOCK,
                        "not told: its turn depends on an operation that waits for this one",
                    )
                _waiting[me] = self
            try:
                while not self._lock.acquire(timeout=_ATTENTION):
                    pass
            finally:
                with _guard:
                    del _waiting[me]
        self._owner = me
        return True

    def leave(self) -> None:
        """Let the next thread in."""
        self._owner = None
        self._lock.release()

    def _leads_to(self, thread: int) -> bool:
        turn: Turn | None = self
        while turn is not None:
            owner = turn._owner  # noqa: SLF001 - another of this class
            if owner == thread:
                return True
            turn = None if owner is None else _waiting.get(owner)
        return False
