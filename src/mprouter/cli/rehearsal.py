"""Calling one notifyee as operations would that succeed and fail, without any: what ``mpr notify test`` plays."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial

from mprouter.names import parse_remote
from mprouter.notify.dispatch import operate
from mprouter.notify.model import AddConnect, CancelConnect, Event, Registration, Told
from mprouter.resource import NetResource
from mprouter.status import Status, WNetError

__all__ = ["is_answer", "is_told_of", "rehearse"]

_LOCAL = "Z:"
_FAILURE = Status.ERROR_NETWORK_UNREACHABLE


def is_told_of(registration: Registration, remote: str) -> bool:
    """Whether its patterns let it hear of *remote*. Raises ``WNetError`` if that is no remote name."""
    forms = parse_remote(remote).forms
    return registration.matches is None or registration.matches(forms)


def rehearse(registration: Registration, remote: str) -> Iterator[tuple[str, list[Told]]]:
    """Each case that concerns it, and the calls that were made in it."""
    add, cancel = AddConnect(NetResource(parse_remote(remote).told, _LOCAL)), CancelConnect(_LOCAL)
    cases: tuple[tuple[str, Event, Status], ...] = (
        ("an add that succeeds", add, Status.WN_SUCCESS),
        (f"an add that fails ({_FAILURE.name})", add, _FAILURE),
        ("a cancel that succeeds", cancel, Status.WN_SUCCESS),
    )
    for title, event, status in cases:
        if event.operation in registration.operations:
            told: list[Told] = []
            with _quietly(), suppress(WNetError):
                operate(event, [registration], partial(_attempt, event, status), record=told.append)
            yield title, told


def is_answer(answer: int) -> bool:
    """Whether a notifyee said so, rather than failed (N10)."""
    return answer in {Status.WN_SUCCESS, Status.WN_RETRY, Status.WN_CANCEL}


def _attempt(event: Event, status: Status) -> Event:
    if status:
        raise WNetError(status)
    return event


@contextmanager
def _quietly() -> Iterator[None]:
    """Without the warnings about failed calls, for each call is shown; unless everything is to be said."""
    logger = logging.getLogger("mprouter.notify")
    level = logger.level
    if logger.getEffectiveLevel() > logging.DEBUG:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
