"""The notifyees: whether those that are registered can be told, and whether processes of theirs were left behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mprouter import places
from mprouter.finding import Check, Finding, Kind, Severity
from mprouter.notify.model import Registration
from mprouter.plugins.problem import Problem

__all__ = ["CHECKS", "unreadable"]

REQUIRED = Kind(
    "notifyee-required-broken",
    Severity.ERROR,
    "It is required, so every connection that it concerns fails.",
    "`mpr notify audit` and `mpr notify list` say more; to do without it: `{command}`",
)
BROKEN = Kind(
    "notifyee-broken",
    Severity.WARNING,
    "It is not told of connections.",
    "`mpr notify audit` and `mpr notify list` say more; to do without it: `{command}`",
)
DISABLED = Kind(
    "notifyee-disabled-broken",
    Severity.NOTE,
    "It is disabled; enabled, it would not be told.",
    "`mpr notify audit` says more; if nobody needs it: `mpr notify remove {name}`",
)
UNREADABLE = Kind(
    "notifyees-unreadable",
    Severity.WARNING,
    "Whoever is registered there is not told of connections.",
    "see whose it is: `ls -ld {path}`",
)
ORPHAN = Kind(
    "host-orphaned",
    Severity.WARNING,
    "It ran a notifyee for a program that has died, and hangs.",
    "`kill -KILL {pid}`",
    "ends it",
)


def registrations() -> Iterator[Finding]:
    """Each can be told."""
    from mprouter.notify import registration

    for above in (places.system_dir(), places.config_dir()):
        directory = above / registration.DIRECTORY
        if reason := unreadable(directory):
            yield UNREADABLE.found(f"{directory} cannot be read: {reason}", path=directory)
    for each in registration.load():
        for problem in _problems(each):
            kind = DISABLED if not each.enabled else REQUIRED if each.required else BROKEN
            line = f"line {problem.line}: " if problem.line else ""
            command = registration.without(each.name, each.source, each.file) or ("mpr", "notify", "list")
            name = (each.name, "--system") if each.source == "system" else each.name
            yield kind.found(f"{each.id}: {line}{problem.message}", name=name, command=command)


def unreadable(directory: Path) -> str | None:
    """Why *directory* cannot be read; None if it can, or is not there."""
    try:
        next(directory.iterdir(), None)
    except FileNotFoundError:
        return None
    except OSError as error:
        return error.strerror
    return None


def _problems(registration: Registration) -> list[Problem]:
    """What the audit says; if it has nothing to say of an enabled one, what loading it says."""
    from mprouter.notify.audit import audit
    from mprouter.notify.registration import check

    (audited,) = audit([registration], {})
    problems = list(audited.problems)
    if not problems and registration.enabled and (problem := check(registration)):
        problems.append(problem)
    return problems


def hosts() -> Iterator[Finding]:
    """No host process has outlived its router."""
    from mprouter.plugins.orphans import orphans

    for each in orphans():
        what = f"process {each.pid} runs {each.target}, and who started it has died"
        yield ORPHAN.found(what, pid=each.pid, fix=each.end)


CHECKS = (
    Check("notifyees", registrations),
    Check("notifyees' processes", hosts, is_of_what_runs=True),
)
