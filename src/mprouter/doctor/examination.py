"""Running the checks: each on its own, within a time limit, and whatever it raises is a finding too."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING

from mprouter.doctor import configuration, directories, notifyees, records
from mprouter.doctor import providers as provider_checks
from mprouter.errand import Errand, Unfinished
from mprouter.finding import Check, Finding, Kind, Severity
from mprouter.frozen import frozen
from mprouter.log import Log

if TYPE_CHECKING:
    from mprouter.providers.base import Mounted, Provider

__all__ = ["LIMIT", "Checked", "Examination", "examine"]

log = Log("mprouter.doctor")

LIMIT = 60.0
"""Seconds that all checks together may take; usual is one."""

FIX_LIMIT = 300.0
"""Seconds that the mending of one thing may take; usual is none, but recovery delivers data and tells notifyees."""

ROUNDS = 3
"""How often is looked and mended: what is mended may show what was behind it."""

FAILED = Kind(
    "check-failed",
    Severity.ERROR,
    "What it looks at is so broken that it could not even be looked at.",
    "when the rest is mended, run `mpr doctor` again; with `-v` it shows where it failed",
)
HANGS = Kind(
    "check-hangs",
    Severity.ERROR,
    "Something that it asks does not answer: a disk, a network file system, a program.",
    "see which of your places is on a file system that hangs: `cat /proc/self/mountinfo`",
)


@frozen
class Checked:
    """What a check has found; nothing if all is well."""

    subject: str
    findings: tuple[Finding, ...]


@frozen
class Examination:
    """What all checks have found, after mending if that was wanted.

    mended: what was mended. failed: what could not be, and why.
    """

    checked: tuple[Checked, ...]
    mended: tuple[Finding, ...] = ()
    failed: tuple[tuple[Finding, str], ...] = ()

    @property
    def findings(self) -> list[Finding]:
        """Everything that was found."""
        return [finding for each in self.checked for finding in each.findings]

    @property
    def is_healthy(self) -> bool:
        """Whether nothing is wrong; notes do not count."""
        return not any(each.severity.is_wrong for each in self.findings)


def examine(*, fix: bool = False, providers: Sequence[Provider] | None = None) -> Examination:
    """Look at everything. Never raises, and takes no longer than its limits.

    fix: mend what is safe to mend, and then look again. providers: None = all that are registered.
    """
    mended: list[Finding] = []
    failed: list[tuple[Finding, str]] = []
    tried: set[tuple[str, str]] = set()
    for _ in range(ROUNDS if fix else 0):
        found = _look(providers)
        todo = [each for each in _all(found) if each.fix is not None and (each.code, each.what) not in tried]
        for finding in todo:
            tried.add((finding.code, finding.what))
            reason = _mend(finding)
            if reason is None:
                mended.append(finding)
            else:
                failed.append((finding, reason))
        if not todo:
            return Examination(found, tuple(mended), tuple(failed))
    return Examination(_look(providers), tuple(mended), tuple(failed))


def _all(checked: Sequence[Checked]) -> Iterator[Finding]:
    return (finding for each in checked for finding in each.findings)


def _checks(providers: Sequence[Provider] | None) -> Iterator[Check]:
    """All that can be looked at from here."""
    checks = _all_checks(providers)
    if _is_elsewhere():
        yield Check("who uses it", directories.elsewhere)
        checks = (each for each in checks if not each.is_of_what_runs)
    yield from checks


def _is_elsewhere() -> bool:
    with suppress(OSError):  # no home is known, as a check says
        return any(directories.elsewhere())
    return False


def _all_checks(providers: Sequence[Provider] | None) -> Iterator[Check]:
    yield from directories.CHECKS
    yield from configuration.CHECKS
    from mprouter.providers.base import Diagnosing

    yield from provider_checks.CHECKS
    if providers is None:
        providers = provider_checks.there_are()
    yield from records.checks(providers)
    # those that share a data plane have one function in common, which is asked once
    names: dict[Callable[[Callable[[], Sequence[Mounted]]], Sequence[Check]], str] = {}
    for each in providers:
        if isinstance(each, Diagnosing):
            names.setdefault(each.diagnose, each.name)
    for diagnose, name in names.items():
        yield from _provided(diagnose, name)
    yield from notifyees.CHECKS


def _provided(diagnose: Callable[[Callable[[], Sequence[Mounted]]], Sequence[Check]], provider: str) -> Sequence[Check]:
    """The checks of a *provider*, which may be a stranger's and fail to name them."""
    from mprouter.providers.guard import ANSWER

    try:
        checks = Errand(lambda: tuple(diagnose(records.known))).result(ANSWER)
        for each in checks:
            if not isinstance(each, Check) or not isinstance(each.subject, str):
                raise RuntimeError(f"it answered with a {type(each).__name__}")  # noqa: TRY301, TRY004 - whose words are shown
    except Unfinished:
        silence = f"diagnose of the network provider {provider} has not answered within {ANSWER:g} seconds"
        finding = HANGS.found(f"{silence}; to do without it: mpr provider disable {provider}")
    except Exception as error:  # noqa: BLE001 - as that of a check
        finding = _failure(f"the network provider {provider}", error)
    else:
        return checks
    return (Check("network provider", lambda: [finding]),)


def _look(providers: Sequence[Provider] | None) -> tuple[Checked, ...]:
    """Run all checks side by side."""
    running = [(check, Errand(partial(_looked, check))) for check in _checks(providers)]
    deadline = monotonic() + LIMIT
    return tuple(Checked(check.subject, _outcome(check, errand, deadline)) for check, errand in running)


def _looked(check: Check) -> tuple[Finding, ...]:
    """What *check* finds. Raises RuntimeError for what is no finding."""
    found = tuple(check.look())
    for each in found:
        if not isinstance(each, Finding) or not isinstance(each.severity, Severity):
            raise RuntimeError(f"it answered with a {type(each).__name__}")  # noqa: TRY004 - whose words are shown
    return found


def _outcome(check: Check, errand: Errand[tuple[Finding, ...]], deadline: float) -> tuple[Finding, ...]:
    try:
        return errand.result(deadline - monotonic())
    except Unfinished:
        return (HANGS.found(f"the check of {check.subject} has not ended within {LIMIT:g} seconds"),)
    except Exception as error:  # noqa: BLE001 - a check that fails is a finding, whatever it raised
        return (_failure(check.subject, error),)


def _failure(subject: str, error: Exception) -> Finding:
    log.debug("the check of %s failed", subject, exc_info=error)
    # only the system's words and ours: those of others may hold anything
    words = f"{error}" if isinstance(error, (OSError, RuntimeError)) else type(error).__name__
    return FAILED.found(f"the check of {subject} failed: {words}")


def _mend(finding: Finding) -> str | None:
    """Mend it; None if that worked, else why not."""
    assert finding.fix is not None  # noqa: S101 - the caller has looked
    try:
        Errand(finding.fix).result(FIX_LIMIT)
    except Unfinished:
        return f"not done within {FIX_LIMIT:g} seconds"
    except Exception as error:  # noqa: BLE001 - the rest is mended nevertheless
        return str(getattr(error, "strerror", None) or error)
    return None
