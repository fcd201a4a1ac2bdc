"""Why something that is registered cannot be used."""

from __future__ import annotations

from mprouter.frozen import frozen
from mprouter.status import Status

__all__ = ["Problem"]


@frozen
class Problem:
    """Why a registration cannot be used: in words, and the line of its file, where one is to blame.

    status: what it answers, if it is required (N10).
    """

    message: str
    line: int | None = None
    status: Status = Status.ERROR_BAD_CONFIGURATION
