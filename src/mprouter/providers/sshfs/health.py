"""Whether the programs are there that are started."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from mprouter.finding import Check, Finding, Kind, Severity
from mprouter.processes import which
from mprouter.providers.base import Mounted

__all__ = ["diagnose", "missing"]

PROGRAMS = {"sshfs": "sshfs", "ssh": "openssh-client"}
"""With the package that has each of them."""

MISSING = Kind(
    "sshfs-missing",
    Severity.WARNING,
    "The network provider sshfs is enabled and cannot connect anything. `sftp` is asked instead, if that is enabled.",
    "as root: `apt install {package}`, or the package of that name of your system; then it must be in your PATH",
)


def missing() -> Iterator[tuple[str, str]]:
    """The programs that are not there, each with its package."""
    return ((program, package) for program, package in PROGRAMS.items() if which(program) is None)


def diagnose(known: Callable[[], Sequence[Mounted]]) -> Sequence[Check]:
    """The only check; see ``providers.base.Diagnosing``."""
    del known
    return (Check("sshfs", _look),)


def _look() -> Iterator[Finding]:
    for program, package in missing():
        yield MISSING.found(f"the program {program} is not in PATH", package=package)
