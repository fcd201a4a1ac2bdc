"""The audit of registrations: what would be run, who could have changed it, what is wrong. Nothing is loaded or run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from mprouter.frozen import frozen
from mprouter.notify.model import Registration
from mprouter.plugins import modules, trust
from mprouter.plugins import target as targets
from mprouter.plugins.problem import Problem
from mprouter.status import WNetError

if TYPE_CHECKING:
    from mprouter.store import EventRecord

__all__ = ["Audited", "audit"]


@frozen
class Audited:
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


def audit(registrations: Iterable[Registration], last_calls: Mapping[str, EventRecord]) -> list[Audited]:
    """Look at *registrations*. last_calls: the last call of each that has been told, by its id."""
    return [_audited(each, last_calls.get(each.id)) for each in registrations]


def _audited(registration: Registration, last: EventRecord | None) -> Audited:
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
    return Audited(registration, path, owner, mode, sha256, last, tuple(problems))


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
