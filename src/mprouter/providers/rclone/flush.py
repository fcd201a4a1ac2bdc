"""Waiting until what was written and closed has reached the server (C6)."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from mprouter.frozen import frozen
from mprouter.providers.base import Pending, Progress
from mprouter.providers.rclone.daemon import Daemon
from mprouter.providers.rclone.failures import BROKEN_OFF, without_page
from mprouter.providers.rclone.mend import lacks_parts
from mprouter.providers.rclone.rc import Refused
from mprouter.providers.rclone.unsent import Unsent, queue_of, unsent
from mprouter.status import Status, WNetError

__all__ = ["NotQueued", "await_queued", "deliver", "first_of"]

_FETCH = 5.0
"""Seconds without any progress after which rclone will not fetch any more of a file that was changed in part."""

_CLOSE = 1.0
"""Seconds after which the kernel has told rclone of a close, and rclone has queued a file that it need not fetch."""

_OTHERS = 5.0
"""Seconds in which another upload must succeed after one has failed, for that to be tried again."""

_QUIET = 6.0
"""Seconds after which rclone has given up sessions of FTP and SMB that were not used: see ``provider.IDLE``."""

_DEAD = f"(?i){BROKEN_OFF.pattern}|i/o timeout|short response"
"""Why what is sent by a dead session fails. FTP uses the same one again for as long as it is asked for anything."""

_NOW = -1e9
"""The expiry, in seconds from now, that makes an upload start at once."""


class NotQueued(WNetError):
    """rclone does not try to send what is closed.

    It could not fetch what a file lacks that was changed in part; or it was not told that the file was closed, since
    the mount was taken away in that moment.
    """


def deliver(
    daemon: Daemon,
    fs: str,
    meta: Path,
    *,
    is_open: Callable[[], Collection[str]],
    progress: Progress | None = None,
    stall: float,
) -> None:
    """Wait until everything that is closed now on the file system *fs* has reached the server.

    What is closed later, or written again, is not waited for: a program may go on saving for ever.

    meta: where its cache describes files. is_open: tells the paths of files that are open, which are not waited for.
    progress: is told what is still on its way. stall: seconds without any progress after which it is given up.

    Raises ``WNetError`` ERROR_WRITE_FAULT if an upload fails or nothing has moved for *stall* seconds; what is not sent
    stays in the cache, and rclone goes on trying, except where it is ``NotQueued``.
    """
    uploads, closed = _Uploads(daemon, fs), _Closed(_data_of(meta))
    moved: object = None
    deadline = monotonic() + stall
    folds = _folding(daemon, fs)
    pause = 0.005
    has_heard = False  # rclone, of all that was closed
    while True:
        all_queued = queue_of(daemon, fs)
        queue = closed.queued(all_queued)
        failed = uploads.failed(queue)
        queued = [Unsent(item["name"], item["size"]) for item in queue]
        names = {item["name"] for item in all_queued}
        unheard = [] if queued and has_heard else closed.not_queued(_not_queued(meta, names, is_open, folds))
        has_heard = not unheard
        pending = queued + unheard
        if not pending:
            return
        if progress is not None:
            progress(Pending(len(pending), sum(each.size for each in pending)))
        if failed is not None:
            raise _undelivered(daemon, pending, failed)
        state = _state(daemon, queue, pending, meta)
        if state != moved:
            moved, deadline = state, monotonic() + (stall if queue else min(stall, _patience(meta, pending)))
        elif monotonic() > deadline:
            raise _undelivered(daemon, pending, None) if queue else _unqueued(meta, pending)
        sleep(pause)
        pause = min(pause * 1.5, 0.25)


def await_queued(daemon: Daemon, fs: str, meta: Path, *, is_open: Callable[[], Collection[str]]) -> None:
    """Let rclone hear of what was closed just now, a second at most: whatever it has not heard of looks unfinished."""
    deadline, folds = monotonic() + _CLOSE, _folding(daemon, fs)
    while monotonic() < deadline:
        queued = {item["name"] for item in queue_of(daemon, fs)}
        if not _not_queued(meta, queued, is_open, folds):
            return
        sleep(0.01)


def _folding(daemon: Daemon, fs: str) -> Callable[[], bool]:
    """Tells whether the names of *fs* are the same in capitals; asked once, if at all."""
    return cache(lambda: bool(daemon.call("vfs/stats", fs=fs)["opt"]["CaseInsensitive"]))


def _not_queued(
    meta: Path, queued: Collection[str], is_open: Callable[[], Collection[str]], folds: Callable[[], bool]
) -> list[Unsent]:
    """Closed files on their way into the queue; *queued* are the paths of those that are in it.

    The kernel tells rclone of a close after the closing program has gone on, and a file that was changed in part is
    first fetched whole.
    """
    dirty = [each for each in unsent(meta) if each.path not in queued]
    if not dirty:  # as most often: who has files open is asked of all processes
        return []
    still_open = is_open()
    if not still_open:
        return dirty
    plain = str.casefold if folds() else str  # rclone lets a file be opened under its name in other letters
    still_open = set(map(plain, still_open))
    return [each for each in dirty if plain(each.path) not in still_open]


def _patience(meta: Path, not_queued: list[Unsent]) -> float:
    return _FETCH if any(lacks_parts(meta / each.path) for each in not_queued) else _CLOSE


class _Closed:
    """What was closed when a delivery began, and was not written again since it was queued.

    data: where the cache has the files.
    """

    def __init__(self, data: Path) -> None:
        self._data = data
        self._queued: dict[str, int | None] = {}
        """When each file was last written to, as it came into the queue."""
        self._not_queued: set[str] | None = None

    def queued(self, queue: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Those of the *queue*, where what is written again has the same number as before."""
        written = {item["name"]: self._written(item["name"]) for item in queue}
        if self._not_queued is None:
            self._queued = dict(written)
        else:
            self._queued |= {name: written[name] for name in self._not_queued & written.keys()}
            self._not_queued -= written.keys()
        self._queued = {name: last for name, last in self._queued.items() if written.get(name, last) == last}
        return [item for item in queue if item["name"] in self._queued]

    def not_queued(self, files: list[Unsent]) -> list[Unsent]:
        """Those of the *files*, which are on their way into the queue; to be asked after the first ``queued``."""
        if self._not_queued is None:
            self._not_queued = {each.path for each in files}
        return [each for each in files if each.path in self._not_queued]

    def _written(self, name: str) -> int | None:
        """When the file was last written to; rclone sets that itself, to the nanosecond, just before it queues it."""
        try:
            return (self._data / name).stat().st_mtime_ns
        except OSError:  # it is removed
            return None


class _Uploads:
    """The uploads of one delivery, which are not to wait for a program to write more, or for rclone's next attempt."""

    def __init__(self, daemon: Daemon, fs: str) -> None:
        self._daemon = daemon
        self._fs = fs
        self._queued: set[int] = set()
        self._begun: dict[int, _Begun] = {}
        self._sent = 0
        self._last = monotonic()
        self._is_first = True
        self._has_rested = False

    def failed(self, queue: list[dict[str, Any]]) -> str | None:
        """Have all begin that are in the *queue*; the name of one that the server does not take, if there is any.

        The first that fails is tried once more: its session may have been dead. If all are broken off even so, they are
        left alone for once until rclone has given up what it has of dead sessions. While others get through, the failed
        ones are tried again, one after the other: rclone sends four at once, and the server may take fewer connections
        of one client.
        """
        self._count(queue)
        for item in queue:
            if item["id"] not in self._begun:
                self._begin(item)
        failed = [item for item in queue if self._has_failed(item)]
        if again := [item for item in failed if self._is_first or self._begun[item["id"]].sent < self._sent]:
            self._is_first = False
            self._begin(again[0])
        elif failed and (len(failed) == len(queue) or monotonic() > self._last + _OTHERS):
            name = str(failed[0]["name"])
            if self._has_rested or not re.search(_DEAD, _logged_reason(self._daemon.log, [name]) or ""):
                return name
            self._has_rested = True
            for item in failed:
                self._begin(item, _QUIET)
        return None

    def _count(self, queue: list[dict[str, Any]]) -> None:
        queued = {item["id"] for item in queue}
        if gone := self._queued - queued:
            self._sent += len(gone)
            self._last = monotonic()
        self._queued = queued

    def _begin(self, item: dict[str, Any], expiry: float = _NOW) -> None:
        self._begun[item["id"]] = _Begun(item["tries"], self._sent)
        if not item["uploading"] and item["expiry"] > 0:
            with suppress(Refused):  # it has begun, or is done
                self._daemon.call("vfs/queue-set-expiry", fs=self._fs, id=item["id"], expiry=expiry)

    def _has_failed(self, item: dict[str, Any]) -> bool:
        """Whether an upload was tried since it was begun, and waits for another attempt.

        One that was broken off because the file was written again waits no longer than a new one: a second.
        """
        return not item["uploading"] and item["tries"] > self._begun[item["id"]].tries and item["delay"] > 1.5


@frozen
class _Begun:
    """An upload as it was when it was begun. tries: how often it had been tried. sent: how many others were done."""

    tries: int
    sent: int


def _state(daemon: Daemon, queue: list[dict[str, Any]], pending: list[Unsent], meta: Path) -> object:
    """Something that changes when anything moves: bytes on the wire, a file done, a part fetched into the cache."""
    names = {each.path for each in pending}
    transfers = daemon.call("core/stats").get("transferring") or []
    sent = sorted((each.get("name", ""), each.get("bytes", 0)) for each in transfers if each.get("name") in names)
    queued = [(item["id"], item["tries"], item["uploading"]) for item in queue]
    data = _data_of(meta)
    fetched = [(data / each.path).stat().st_blocks for each in pending if (data / each.path).exists()]
    return sent, queued, sorted(names), fetched


def _data_of(meta: Path) -> Path:
    return Path(str(meta).replace("/vfsMeta/", "/vfs/", 1))


def first_of(names: Sequence[str], most: int = 5) -> str:
    """*most* of *names*, for a person, and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _undelivered(daemon: Daemon, pending: list[Unsent], failed: str | None) -> WNetError:
    names = sorted(each.path for each in pending)
    reason = _logged_reason(daemon.log, [failed] if failed else names)
    why = f": {reason}" if reason else "" if failed else ": the server takes nothing"
    return WNetError(
        Status.ERROR_WRITE_FAULT,
        f"not yet on the server: {first_of(names)}{why}",
        provider_text=reason,
        hint="nothing is lost: it is kept, and sent when the server takes it; disconnect then, or now with --later",
    )


def _unqueued(meta: Path, pending: list[Unsent]) -> NotQueued:
    names = first_of(sorted(each.path for each in pending))
    lacks = any(lacks_parts(meta / each.path) for each in pending)
    return NotQueued(
        Status.ERROR_WRITE_FAULT,
        f"not yet on the server: {names}: rclone "
        + ("cannot fetch what was not changed of it" if lacks else "was not told that it is closed"),
        hint="nothing is lost: it is kept, and sent by the next connection; disconnect when the server answers and"
        " nothing is open there, or now with --later",
    )


def _logged_reason(log: Path, names: Collection[str]) -> str | None:
    """Why an upload of one of *names* last failed, as rclone's log tells it: the queue does not."""
    try:
        with log.open(encoding="utf-8", errors="replace") as file:
            last = "".join(deque(file, 500))
    except OSError:  # somebody has removed it
        return None
    line = re.compile(
        r"ERROR : (.*): vfs cache: failed to upload try #\d+, will retry in \S+:"
        r" (?:vfs cache: failed to transfer file from cache to remote: )?(.*(?:\n(?!\d{4}/\d\d/\d\d ).*)*)"
    )
    reasons = [reason for name, reason in line.findall(last) if name in names]
    # of several, each stands in a line of its own, as where an FTP server breaks off what it receives
    if not reasons:
        return None
    return without_page(re.sub(r"\n\t\* ", "; ", re.sub(r"\d+ errors? occurred:\n\t\* ", "", reasons[-1])))
