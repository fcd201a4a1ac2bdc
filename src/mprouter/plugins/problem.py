"""Why something that is registered cannot be used, and how to do without it."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Self, TypeAlias

from mprouter.frozen import frozen
from mprouter.status import Status, WNetError, shortage

__all__ = ["Problem", "WayOut", "hinting", "no_way_out", "passes"]

WayOut: TypeAlias = Callable[[], str | None]
"""Asked for the hint, when something cannot be used: how to do without it."""


@frozen
class Problem:
    """Why a registration cannot be used: in words, and the line of its file, where one is to blame.

    status: what it answers, if it is required (N10). passes: it may be gone at the next look, with nothing changed.
    """

    message: str
    line: int | None = None
    status: Status = Status.ERROR_BAD_CONFIGURATION
    passes: bool = False

    @classmethod
    def of(cls, error: BaseException, message: str) -> Self:
        """Why *error* keeps something from being used, in the words of *message*."""
        status, _ = shortage(error) or (Status.ERROR_BAD_CONFIGURATION, None)
        return cls(message, None, status, passes(error))


_DISK = frozenset({errno.EIO, errno.ESTALE, errno.ETIMEDOUT})  # or the network that it is behind


def passes(error: BaseException | None) -> bool:
    """Whether *error*, or what has caused it, says of what could not be had that the system, not that, is to blame."""
    while isinstance(error, WNetError):
        error = error.__cause__
    return error is not None and (shortage(error) is not None or (isinstance(error, OSError) and error.errno in _DISK))


def no_way_out() -> None:
    """The ``WayOut`` of what is not registered by a file or a package."""


_PASSING = frozenset(
    {
        Status.ERROR_TIMEOUT,
        Status.ERROR_PROCESS_ABORTED,
        Status.ERROR_NOT_ENOUGH_MEMORY,
        Status.ERROR_TOO_MANY_OPEN_FILES,
    }
)


@contextmanager
def hinting(way_out: WayOut) -> Iterator[None]:
    """Have a ``WNetError`` tell the way out, if it has no hint and is not of something that passes."""
    try:
        yield
    except WNetError as error:
        if error.status not in _PASSING:
            error.hint = error.hint or way_out()
        raise
