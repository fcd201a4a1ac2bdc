"""What happened, line by line: the calls of notifyees and the operations they belong to."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import TYPE_CHECKING

from mprouter.cli.output import BOLD, GREEN, RED, YELLOW, plain, styled
from mprouter.status import Status

if TYPE_CHECKING:
    from mprouter.notify.model import Told
    from mprouter.store import EventRecord

__all__ = ["call_line", "duration", "lines"]


def lines(events: Iterable[EventRecord]) -> Iterator[str]:
    """Each operation under its names: the calls in the order in which they were made, and how it ended."""
    for _, group in groupby(events, key=lambda event: event.operation_id):
        of_one = list(group)
        yield _heading(of_one[0])
        width = max(len(plain(event.notifyee or "")) for event in of_one)
        for event in of_one:
            yield f"  {_recorded(event, width)}"


def call_line(told: Told) -> str:
    """One call of a notifyee that was not recorded: phase, duration, what it was told and answered, its words."""
    return _line(
        told.phase.name.lower(), "", told.duration, _statuses(told.phase.name, told.status, told.answer), told.message
    )


def duration(seconds: float) -> str:
    """For a person."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.2f} s" if seconds < 60 else f"{seconds / 60:.1f} min"


def _heading(event: EventRecord) -> str:
    moment = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(event.time))
    names = [event.local_name] if event.local_name else []
    names += [event.remote_name] if event.remote_name else []
    force = "  (force)" if event.force else ""
    return styled(f"{moment}  {event.operation}  {'  '.join(map(plain, names))}{force}", BOLD)


def _recorded(event: EventRecord, width: int) -> str:
    told, answer = Status(event.status), None if event.answer is None else Status(event.answer)
    message = event.message
    if event.kind == "operation":
        phase, statuses = "end", _styled(told)
        message = _joined(f"by {event.provider}" if event.provider else None, message)
    else:
        phase, statuses = event.phase or "", _statuses(event.phase or "", told, answer or Status.WN_SUCCESS)
    if event.recovered:
        message = _joined("recovered", message)
    who = f"{plain(event.notifyee or ''):<{width}}  " if width else ""
    return f"{_clock(event)}  {_line(phase, who, event.duration, statuses, message)}"


def _line(phase: str, who: str, seconds: float, statuses: str, message: str | None) -> str:
    return f"{phase:<4}  {who}{duration(seconds):>8}  {statuses}" + (f"  {plain(message)}" if message else "")


def _statuses(phase: str, told: Status, answer: Status) -> str:
    """What a notifyee was told and, after an arrow, what it answered; what goes without saying is left out."""
    if phase.lower() == "pre" and told is Status.WN_SUCCESS:
        return _styled(answer)
    if phase.lower() == "post" and answer is Status.WN_SUCCESS:
        return _styled(told)
    return f"{_styled(told)} -> {_styled(answer)}"


def _joined(*texts: str | None) -> str:
    return ": ".join(filter(None, texts))


def _clock(event: EventRecord) -> str:
    """When it began; of an operation as a whole, which stands last, when it ended."""
    moment = event.time + event.duration if event.kind == "operation" else event.time
    return f"{time.strftime('%H:%M:%S', time.localtime(moment))}.{int(moment % 1 * 1000):03d}"


def _styled(status: Status) -> str:
    if status in {Status.WN_SUCCESS, Status.WN_RETRY}:
        return styled(status.name, YELLOW if status else GREEN)
    return styled(status.name, RED)
