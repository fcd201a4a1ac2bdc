"""What an operation leaves in the record of events: one per call of a notifyee, one for the operation (N20)."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable
from dataclasses import replace
from secrets import token_hex

from mprouter.notify.model import AddConnect, Event, Told
from mprouter.status import Status
from mprouter.store import EventRecord

__all__ = ["History"]


class History:
    """Collects the events of one operation until they are written, all in one commit.

    private: the user names of the request, which no message of an event repeats (N15).
    """

    def __init__(
        self, event: Event, remote_name: str | None, local_name: str | None, *, private: Iterable[str | None] = ()
    ) -> None:
        names = "|".join(re.escape(each) for each in private if each)
        self._private = re.compile(rf"(?<!\w)(?:{names})(?!\w)") if names else None
        self.events: list[EventRecord] = []
        self._started = time.perf_counter()
        self._operation = EventRecord(
            id=None,
            time=time.time(),
            operation_id=token_hex(6),
            kind="operation",
            operation=event.operation,
            phase=None,
            notifyee=None,
            attempt=1,
            remote_name=remote_name,
            local_name=local_name,
            provider=event.resource.provider if isinstance(event, AddConnect) else event.provider,
            flags=int(event.flags),
            force=not isinstance(event, AddConnect) and event.force,
            status=0,
            answer=None,
            message=None,
            duration=0.0,
            pid=os.getpid(),
        )

    def told(self, told: Told) -> None:
        """A notifyee was called."""
        self._operation = replace(self._operation, attempt=told.attempt)
        self.events.append(
            replace(
                self._operation,
                time=time.time() - told.duration,
                kind="notify",
                phase=told.phase.name.lower(),
                notifyee=told.notifyee,
                status=int(told.status),
                answer=int(told.answer),
                message=self._discreet(told.message),
                duration=told.duration,
            )
        )

    def routed(self, provider: str, local_name: str | None) -> None:
        """A provider took it, under this local name."""
        self._operation = replace(self._operation, provider=provider, local_name=local_name)

    def ended(self, status: Status, message: str | None = None) -> list[EventRecord]:
        """The operation is over: all its events, its own last."""
        duration = time.perf_counter() - self._started
        message = self._discreet(message)
        return [*self.events, replace(self._operation, status=int(status), message=message, duration=duration)]

    def _discreet(self, message: str | None) -> str | None:
        return message if message is None or self._private is None else self._private.sub("***", message)
