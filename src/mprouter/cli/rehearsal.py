"""Calling one notifyee as operations would that succeed and fail, without any: what ``mpr notify test`` plays."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from tempfile import TemporaryFile

from mprouter.cli.output import diverted
from mprouter.frozen import frozen
from mprouter.names import parse_remote
from mprouter.notify.dispatch import operate
from mprouter.notify.model import AddConnect, Answer, Call, CancelConnect, Event, NotifyInfo, Registration, Told
from mprouter.resource import NetResource
from mprouter.status import Status, WNetError

__all__ = ["Heard", "is_answer", "is_told_of", "rehearse"]

_LOCAL = "Z:"
_UNREACHABLE, _OPEN_FILES = Status.ERROR_NETWORK_UNREACHABLE, Status.ERROR_OPEN_FILES
_MAX_PRINTED = 1 << 20  # bytes of a call that are shown


def is_told_of(registration: Registration, remote: str) -> bool:
    """Whether its patterns let it hear of *remote*. Raises ``WNetError`` if that is no remote name."""
    forms = parse_remote(remote).forms
    return registration.matches is None or registration.matches(forms)


@frozen
class Heard:
    """One call, and what the notifyee printed in it, on standard output and standard error."""

    told: Told
    printed: str


def rehearse(registration: Registration, remote: str) -> Iterator[tuple[str, list[Heard]]]:
    """Each case that concerns it, and the calls that were made in it."""
    add, cancel = AddConnect(NetResource(parse_remote(remote).told, _LOCAL)), CancelConnect(_LOCAL)
    cases: tuple[tuple[str, Event, Status], ...] = (
        ("an add that succeeds", add, Status.WN_SUCCESS),
        (f"an add that fails ({_UNREACHABLE.name})", add, _UNREACHABLE),
        ("a cancel that succeeds", cancel, Status.WN_SUCCESS),
        (f"a cancel that fails ({_OPEN_FILES.name})", cancel, _OPEN_FILES),
    )
    for title, event, status in cases:
        if event.operation in registration.operations:
            heard: list[Heard] = []
            listening = _Listening(registration.call)
            with _quietly(), suppress(WNetError):
                operate(
                    event,
                    [replace(registration, call=listening)],
                    partial(_attempt, event, status),
                    record=lambda told: heard.append(Heard(told, listening.printed)),  # noqa: B023 - called within
                )
            yield title, heard


class _Listening:
    """A call that keeps what is printed in it: what the notifyee's process wrote, or whatever this one did."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self.printed = ""

    def __call__(self, info: NotifyInfo, event: Event) -> Answer:
        self.printed = ""
        with TemporaryFile() as file:
            try:
                with diverted(file.fileno(), 1, 2):
                    return self._call(info, event)
            finally:
                file.seek(0)
                here = file.read(_MAX_PRINTED).decode("utf-8", "replace")
                self.printed = here + str(getattr(self._call, "printed", ""))


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
