"""Giving up for good what waits in the cache: only what a person was told of, and nothing that an rclone has."""

from __future__ import annotations

from contextlib import suppress

from mprouter import places
from mprouter.providers.base import Waiting
from mprouter.providers.rclone import daemon
from mprouter.providers.rclone.hold import end_idle, mounting
from mprouter.providers.rclone.unsent import clear, is_elsewhere, is_of
from mprouter.status import Status, WNetError

__all__ = ["discard"]


def discard(waiting: Waiting) -> None:
    """Remove the files that *waiting* names. Raises ``WNetError`` (ERROR_BUSY) and ``OSError``; see ``Discarding``."""
    cache = places.state_dir() / "cache"
    if not cache.is_dir():
        return
    places.private(places.runtime_dir())
    with mounting():
        kinds = [cache / "vfs", cache / "vfsMeta", cache / "damaged"]
        there = {each.name for kind in kinds if kind.is_dir() for each in kind.iterdir()}
        meant = {name for name in there if is_of(name, waiting)}
        _check_idle(waiting, meant)
        for file in waiting.aside:
            file.unlink(missing_ok=True)
            for directory in file.parents:
                if directory == cache / "damaged":
                    break
                with suppress(OSError):  # there is more in it
                    directory.rmdir()
        for name in meant:
            for kind in kinds[:2]:
                for each in waiting.names:
                    (kind / name / each).unlink(missing_ok=True)
            clear(cache, name)


def _check_idle(waiting: Waiting, meant: set[str]) -> None:
    """Raise ``WNetError`` if an rclone has one of the file systems *meant*, or may have."""
    rclone, known = daemon.running(), daemon.recorded()
    if rclone is not None:
        end_idle(rclone, lambda fs: fs.partition(":")[0] in meant)
        if not meant.isdisjoint(fs.partition(":")[0] for fs in rclone.call("vfs/list")["vfses"]):
            raise WNetError(
                Status.ERROR_BUSY,
                "it is connected, and may be sent any moment",
                name=waiting.remote_name,
                hint="disconnect it first: mpr disconnect NAME --later",
            )
    if (
        any(is_elsewhere(places.state_dir() / "cache", each, rclone) for each in meant)
        or daemon.strays()
        or (rclone is None and known is not None and daemon.is_running(known.pid, known.started))
    ):
        raise WNetError(
            Status.ERROR_BUSY,
            "an rclone may have it that does not answer",
            name=waiting.remote_name,
            hint="see what mpr doctor says of it",
        )
