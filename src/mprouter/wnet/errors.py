"""What went wrong: how the WNet functions report it, and what ``WNetGetLastError`` remembers, for each thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import wraps
from typing import NamedTuple, ParamSpec, TypeVar

from mprouter.status import Status, WNetError

__all__ = ["LastError", "WNetGetLastError", "WNetSetLastError"]

P = ParamSpec("P")
T = TypeVar("T")

_last = threading.local()


class LastError(NamedTuple):
    """A network provider's own report. Error: its code, 0 if there is none. ErrorBuf: its words. NameBuf: its name."""

    lpError: int
    lpErrorBuf: str
    lpNameBuf: str


def WNetGetLastError() -> LastError:
    """What a network provider last reported in this thread; nothing was reported: (0, "", "")."""
    last: LastError = getattr(_last, "error", LastError(0, "", ""))
    return last


def WNetSetLastError(err: int, lpError: str | None, lpProviders: str | None) -> None:
    """Report for this thread, as a network provider does before it answers ERROR_EXTENDED_ERROR."""
    _last.error = LastError(err, lpError or "", lpProviders or "")


def _as_on_windows(error: WNetError) -> WNetError:
    """*error* with the status that Windows has for a host whose name nobody knows."""
    if error.status is not Status.WSAHOST_NOT_FOUND:
        return error
    return WNetError(
        Status.ERROR_BAD_NETPATH,
        error.strerror,
        name=error.name,
        provider=error.provider,
        provider_code=error.provider_code,
        provider_text=error.provider_text,
        hint=error.hint,
    )


def reporting(function: Callable[P, T]) -> Callable[P, T]:
    """A WNet function: an error that it raises bears its name, and is remembered if a provider reported it."""

    @wraps(function)
    def call(*arguments: P.args, **named: P.kwargs) -> T:
        try:
            return function(*arguments, **named)
        except WNetError as failure:
            error = _as_on_windows(failure)
            error.function = function.__name__
            if error.status is Status.ERROR_EXTENDED_ERROR or error.provider_text:
                WNetSetLastError(error.provider_code or 0, error.provider_text or error.strerror, error.provider)
            if error is failure:
                raise
            raise error from failure

    return call
