"""A notifyee that writes down all that it is told."""

from __future__ import annotations

from dataclasses import dataclass, field

from mprouter import AddConnect, CancelConnect, NotifyInfo, Phase, Status

__all__ = ["Recorder"]


@dataclass
class Recorder:
    """A notifyee of the C API's shape: keeps what it is told, leaves a context, answers what it is set to."""

    told: list[tuple[str, str, Status]] = field(default_factory=list)
    events: list[AddConnect | CancelConnect] = field(default_factory=list)
    answers: dict[tuple[str, str], Status] = field(default_factory=dict)

    def add_connect_notify(self, info: NotifyInfo, event: AddConnect) -> Status:
        return self._answer(info, event)

    def cancel_connect_notify(self, info: NotifyInfo, event: CancelConnect) -> Status:
        return self._answer(info, event)

    def _answer(self, info: NotifyInfo, event: AddConnect | CancelConnect) -> Status:
        phase = info.phase.name.lower()
        self.told.append((event.operation, phase, info.status))
        self.events.append(event)
        if info.phase is Phase.PRE:
            info.context = "something"
        return self.answers.get((event.operation, phase), Status.WN_SUCCESS)
