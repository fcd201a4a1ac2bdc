"""Written data that has not reached its server: on its way, not taken by it, left by an rclone, or put aside."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

from mprouter import places
from mprouter.again import connect_words
from mprouter.finding import Finding, Kind, Severity
from mprouter.providers.base import Waiting
from mprouter.providers.rclone import program, rc
from mprouter.providers.rclone.health.processes import PATIENCE
from mprouter.providers.rclone.unsent import resource_of, waiting
from mprouter.status import WNetError

__all__ = ["look"]

WAITING = Kind(
    "unsent-waiting",
    Severity.NOTE,
    "Programs have written it a moment ago, or have it open; it is sent soon after they close it.",
    "`mpr disconnect` waits for it",
)
FAILING = Kind(
    "unsent-failing",
    Severity.WARNING,
    "The server did not take it, for there is no room or no right or it does not answer. rclone tries again and again.",
    "see what {log} says of it, and set that right; until then do not remove {cache}",
)
KEPT = Kind(
    "unsent-kept",
    Severity.NOTE,
    "No rclone that answers has it. The next connection to the same resource as the same user sends it.",
    "`mpr connect {remote_and_options}`; until then do not remove {cache}",
)
ASIDE = Kind(
    "unsent-aside",
    Severity.WARNING,
    "It was changed in part, and the rest could not be fetched any more, so it is not sent.",
    "see what you need of it, then remove it: `ls -l {file}`",
)


def look() -> Iterator[Finding]:
    """Nothing is unsent."""
    kept = waiting()
    if not kept:
        return
    live = _live()
    for each in kept:
        if each.pending.files:
            yield _unsent(each, live.get((each.remote_name, each.user), ()))
        for file in each.aside:
            yield ASIDE.found(f"{file}, written to {each.remote_name}, is not whole", file=file)


def _unsent(each: Waiting, running: Sequence[str]) -> Finding:
    """running: the file systems of that resource that run."""
    cache = places.state_dir() / "cache"
    count, size = each.pending.files, each.pending.bytes
    what = f"{count} {'file' if count == 1 else 'files'} with {size} bytes for {each.remote_name}"
    if any(_fails(fs) for fs in running):
        return FAILING.found(f"{what}: the server does not take it", log=program.log_file(), cache=cache)
    if running:
        return WAITING.found(f"{what}: on its way, or still open")
    words = connect_words(each.remote_name, user=each.user, provider=each.provider, options=each.options)
    return KEPT.found(f"{what}: not sent", remote_and_options=words, cache=cache)


def _live() -> dict[tuple[str, str | None], list[str]]:
    """The file systems that run, by the resource and the user that they are for."""
    found: dict[tuple[str, str | None], list[str]] = {}
    with suppress(rc.Refused, WNetError, LookupError):
        for fs in rc.call(program.socket_path(), "vfs/list", {}, PATIENCE)["vfses"]:
            found.setdefault(resource_of(fs), []).append(fs)
    return found


def _fails(fs: str) -> bool:
    """Whether something of *fs* has failed and waits for another attempt, longer than a new file does."""
    try:
        queue = rc.call(program.socket_path(), "vfs/queue", {"fs": fs}, PATIENCE).get("queue") or []
    except (rc.Refused, WNetError):
        return False
    return any(item["tries"] and item["delay"] > 1.5 for item in queue)
