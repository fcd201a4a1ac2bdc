"""An errand: a call that nobody waits for longer than they want, for foreign code and what may hang."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["Errand", "Unfinished"]

T = TypeVar("T")


class Errand(Generic[T]):
    """A call on a thread of its own. It cannot be ended: what hangs stays, as a daemon thread.

    Raises MemoryError if the system has no room for another thread.
    """

    def __init__(self, call: Callable[[], T]) -> None:
        self._call = call
        self._results: list[T] = []
        self._errors: list[BaseException] = []
        self._thread = threading.Thread(target=self._run, name="mprouter-errand", daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:
            raise MemoryError(str(error)) from error

    def _run(self) -> None:
        try:
            self._results.append(self._call())
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            self._errors.append(error)

    @property
    def is_done(self) -> bool:
        """Whether the call has returned or raised."""
        return bool(self._results or self._errors)

    def result(self, patience: float) -> T:
        """What the call returned or raised. Raises ``Unfinished`` if it is not done within *patience* seconds."""
        self._thread.join(max(0.0, patience))
        for error in self._errors:
            if isinstance(error, Exception):
                raise error
            raise RuntimeError(f"it wanted to end this program: {type(error).__name__}") from error  # foreign code
        if not self._results:
            raise Unfinished
        return self._results[0]


class Unfinished(Exception):
    """The time is over."""
