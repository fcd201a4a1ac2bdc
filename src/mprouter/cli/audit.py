"""What ``mpr notify audit`` shows of each registration: what would be run, who could have changed it, what is wrong.

Nothing is loaded or run for that.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mprouter.cli.output import plain
from mprouter.notify import modules, trust
from mprouter.notify import target as targets
from mprouter.notify.model import Problem, Registration
from mprouter.status import Status, WNetError

if TYPE_CHECKING:
    from mprouter.store import EventRecord

__all__ = ["Finding", "as_json", "audit", "lines"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one registration.

    path: the file that its target names, all links followed. owner: a user. mode: permission bits. sha256: of what is
    in the file. All four are None where that is not known. last: its last call. problems: what is wrong, worst first.
    """

    registration: Registration
    path: str | None
    owner: str | None
    mode: int | None
    sha256: str | None
    last: EventRecord | None
    problems: tuple[Problem, ...]


def audit(registrations: Iterable[Registration], last_calls: Mapping[str, EventRecord]) -> list[Finding]:
    """Look at *registrations*. last_calls: the last call of each that has been told, by its id."""
    return [_finding(each, last_calls.get(each.id)) for each in registrations]


def _finding(registration: Registration, last: EventRecord | None) -> Finding:
    problems = [registration.problem] if registration.problem else []
    path = owner = mode = sha256 = None
    try:
        files = list(_files(registration))
        if files:
            with suppress(OSError), trust.look(files[-1]) as file:
                path, owner, mode = file.path, trust.name_of(file.owner), file.mode
                sha256 = file.digest()
        _check(registration, files)
    except WNetError as error:
        if not any(str(error.strerror) in each.message for each in problems):
            problems.append(Problem(str(error.strerror), status=error.status))
    return Finding(registration, path, owner, mode, sha256, last, tuple(problems))


def _files(registration: Registration) -> Iterator[Path]:
    """The files that would be run or loaded, the target's own last. Raises ``WNetError`` if there are none."""
    if registration.target is None:
        return
    target = targets.parse(registration.target)
    if isinstance(target, targets.Command):
        yield Path(target.argv[0])
    elif isinstance(target, targets.Library):
        yield Path(target.path)
    elif Path(target.module).is_absolute():
        yield Path(target.module)
    else:
        yield from modules.find(target.module)


def _check(registration: Registration, files: list[Path]) -> None:
    """Raise ``WNetError`` if it would be refused, for what its files are."""
    if registration.source == "entry-point":  # installed code, which is trusted as such
        return
    for path in files:
        trust.opened(path, registration.sha256 if path == files[-1] else None).close()
    target = targets.parse(str(registration.target)) if files else None
    if isinstance(target, targets.Command):
        targets.look_at(target, registration.sha256)


def lines(findings: Iterable[Finding]) -> Iterator[str]:
    """For a person: a paragraph for each."""
    for each in findings:
        registration = each.registration
        state = "enabled" if registration.enabled else "disabled"
        yield (
            click.style(plain(registration.id), bold=True)
            + f"  {state}, order {registration.order}"
            + (", required" if registration.required else "")
        )
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
            yield click.style(f"  WRONG   {line}{plain(problem.message)}", fg="red")


def _last(event: EventRecord | None) -> str:
    if event is None:
        return "never called"
    moment = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(event.time))
    return f"{moment}  {event.operation} {event.phase}: {Status(event.answer or 0).name}"


def as_json(finding: Finding) -> dict[str, Any]:
    """For a program."""
    registration, last = finding.registration, finding.last
    return {
        "name": registration.name,
        "source": registration.source,
        "file": str(registration.file) if registration.file else None,
        "enabled": registration.enabled,
        "required": registration.required,
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
