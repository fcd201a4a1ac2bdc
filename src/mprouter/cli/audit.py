"""What ``mpr notify audit`` shows of each registration; what there is to show is found out in ``notify/audit.py``."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from mprouter.cli.output import BOLD, RED, plain, styled
from mprouter.notify.audit import Audited
from mprouter.status import Status

if TYPE_CHECKING:
    from mprouter.notify.model import Registration
    from mprouter.store import EventRecord

__all__ = ["as_json", "lines"]


def lines(findings: Iterable[Audited]) -> Iterator[str]:
    """For a person: a paragraph for each."""
    for each in findings:
        registration = each.registration
        yield f"{styled(plain(registration.id), BOLD)}  {_standing(registration)}"
        if registration.file is not None:
            yield f"  file    {plain(registration.file)}"
        yield f"  target  {plain(registration.target or 'none')}"
        if each.path is not None:
            yield f"  runs    {plain(each.path)} (owner {each.owner}, mode {each.mode:04o})"
        if each.sha256 is not None:
            yield f"  sha256  {each.sha256} ({'pinned' if registration.sha256 else 'not pinned'})"
        yield f"  last    {_last(each.last)}"
        for problem in each.problems:
            line = f"line {problem.line}: " if problem.line else ""
            yield styled(f"  WRONG   {line}{plain(problem.message)}", RED)


def _standing(registration: Registration) -> str:
    """Whether and how it takes part, as far as that is told without loading it."""
    told = ["enabled" if registration.enabled else "disabled"]
    told += [] if "order" in registration.left else [f"order {registration.order}"]
    told += ["required"] if registration.required else []
    left = [each for each in ("order", "required") if each in registration.left]
    return ", ".join(told) + (f"; its code says: {', '.join(left)}" if left else "")


def _last(event: EventRecord | None) -> str:
    if event is None:
        return "never called"
    moment = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(event.time))
    return f"{moment}  {event.operation} {event.phase}: {Status(event.answer or 0).name}"


def as_json(finding: Audited) -> dict[str, Any]:
    """For a program."""
    registration, last = finding.registration, finding.last
    return {
        "name": registration.name,
        "source": registration.source,
        "file": str(registration.file) if registration.file else None,
        "enabled": registration.enabled,
        "required": None if "required" in registration.left else registration.required,
        "target": registration.target,
        "path": finding.path,
        "owner": finding.owner,
        "mode": None if finding.mode is None else f"{finding.mode:04o}",
        "sha256": finding.sha256,
        "pinned": registration.sha256 is not None,
        "last_call": None
        if last is None
        else {
            "time": last.time,
            "operation": last.operation,
            "phase": last.phase,
            "answer": Status(last.answer or 0).name,
            "answer_code": last.answer or 0,
        },
        "problems": [
            {"message": each.message, "line": each.line, "status": each.status.name} for each in finding.problems
        ],
    }
