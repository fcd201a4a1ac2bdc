"""A notifyee that writes down each call in one line of a file. Not imported: drop-ins name it by its path."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

from mprouter import AddConnect, CancelConnect, NotifyInfo, Phase, Status

Event = AddConnect | CancelConnect


def note(log: str, who: str, event: Event, phase: str, status: int, *, recovered: bool, context: object) -> None:
    name = event.resource.local_name if isinstance(event, AddConnect) else event.name
    line: dict[str, object] = {"who": who, "operation": event.operation, "name": name, "phase": phase}
    line |= {"status": status, "recovered": recovered, "context": context}
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(descriptor, json.dumps(line).encode() + b"\n")
    os.close(descriptor)


class Witness:
    """It has the C API's shape, and leaves a context that can be written down."""

    def __init__(self, log: str, who: str) -> None:
        self.log = log
        self.who = who

    def add_connect_notify(self, info: NotifyInfo, event: AddConnect) -> None:
        self.tell(info, event)

    def cancel_connect_notify(self, info: NotifyInfo, event: CancelConnect) -> None:
        self.tell(info, event)

    def tell(self, info: NotifyInfo, event: Event) -> None:
        phase = info.phase.name.lower()
        note(self.log, self.who, event, phase, info.status, recovered=info.recovered, context=info.context)
        if info.phase is Phase.PRE:
            info.context = {"by": self.who}


class Stubborn(Witness):
    """It wants every failed operation to be attempted again."""

    def add_connect_notify(self, info: NotifyInfo, event: AddConnect) -> Status:  # type: ignore[override]
        self.tell(info, event)
        return Status.WN_RETRY


def generator(event: Event, log: str, who: str) -> Iterator[None]:
    """Its context is its frame, which dies with the process."""
    note(log, who, event, "pre", 0, recovered=False, context=None)
    status = yield
    note(log, who, event, "post", status, recovered=False, context={"by": who})  # type: ignore[arg-type]
