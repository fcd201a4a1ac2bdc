"""Notifyees that write down all that they are told: an object in this process, and a script."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from mprouter import AddConnect, CancelConnect, NotifyInfo, Phase, Status

__all__ = ["Recorder", "Script"]


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


@dataclass(frozen=True)
class Script:
    """A notifyee: a shell script that writes down what it is told, and then does what it is made to."""

    path: Path
    log: Path

    @property
    def target(self) -> str:
        return f"command:{self.path}"

    def does(self, commands: str) -> Script:
        """Have it do more after it wrote its line."""
        note = f'echo "$MPR_OPERATION $MPR_PHASE $MPR_STATUS" >>{self.log}'
        self.path.write_text(f"#!/bin/sh\ncat >/dev/null\n{note}\n{commands}\n")
        self.path.chmod(0o755)
        return self

    def told(self) -> list[str]:
        """The lines: operation, phase, status."""
        return self.log.read_text().splitlines() if self.log.exists() else []
