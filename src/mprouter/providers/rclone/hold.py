"""Keeping a file system of rclone's alive without its mount, and ending those that have none.

rclone shares one file system, with its cache and its queue of uploads, among all mounts of the same resource, and
counts them. When the last one goes, from version 1.76 on, the file system goes at once, with its queue: what was not
sent stays in the cache until the next connection. A second mount in a private directory keeps it alive until all is
sent.

Before 1.76 a mount that was taken away from outside is never counted off. Its file system would stay for ever, would go
on trying a password that is no longer right, and would keep what it has not sent from the next one: ``end_idle`` counts
such mounts off.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from itertools import count
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from mprouter import faults, mountinfo, places
from mprouter.frozen import frozen
from mprouter.log import Log
from mprouter.processes import started_at
from mprouter.providers.rclone import mounts
from mprouter.providers.rclone.daemon import Daemon, is_running, running, stop
from mprouter.providers.rclone.rc import Refused
from mprouter.providers.rclone.unsent import clear, close, queue_of

__all__ = [
    "NOTICED",
    "end_idle",
    "held",
    "is_detached",
    "mount",
    "mounting",
    "places_in",
    "places_of",
    "release_abandoned",
    "stop_idle",
]

log = Log("mprouter.providers")

NOTICED = 0.5
"""Seconds within which rclone, even on a busy machine, has noticed that a mount of its is gone that nobody uses."""

COUNTS_ALL = (1, 76)
"""The first version of rclone that counts off mounts that were taken away from outside."""

_numbers = count(1)

_ours: set[Path] = set()
"""The private directories that this process uses now; another one that has its name is one that it could not remove."""


@contextmanager
def mounting() -> Iterator[None]:
    """Have no other process begin or end a file system of this user's rclone meanwhile."""
    with places.locked(places.runtime_dir() / "mount.lock"):
        yield


def mount(
    daemon: Daemon,
    fs: str,
    mountpoint: Path,
    device: str,
    options: Mapping[str, Any] | None = None,
    *,
    timeout: float = 60.0,
) -> None:
    """Mount *fs*, for the first time or once more. Raises ``Refused`` and ``WNetError``.

    options: None if the file system is there. timeout: seconds.
    """
    if options is None:
        options = daemon.call("vfs/stats", fs=fs)["opt"]  # with others it would be another file system
    there = [each.number for each in _listed(daemon) if each.place == mountpoint]
    text = _text(mountpoint, max(there, default=-1) + 1)
    parameters = {"fs": fs, "mountPoint": text, "vfsOpt": options, "mountOpt": {"DeviceName": device}}
    daemon.call("mount/mount", timeout=timeout, **parameters)


@contextmanager
def held(daemon: Daemon, fs: str) -> Iterator[bool]:
    """Keep the file system *fs* alive; False: it has ended. Raises ``Refused`` and ``WNetError``."""
    release_abandoned(daemon)
    directory = _directory()
    try:
        directory.mkdir(mode=0o700)
        faults.reached("holding")
        with mounting():
            is_there = fs in daemon.call("vfs/list")["vfses"]
            if is_there:
                try:
                    mount(daemon, fs, directory, "mprouter, delivering")
                except Refused as refusal:
                    mounts.check_allowed(
                        refusal.text,
                        "no more mounts are allowed, and while all is sent there has to be one more",
                        "disconnect it with --later, which needs none, or see mount_max in fuse.conf",
                    )
                    raise
        yield is_there
    finally:
        _surely(partial(_release, daemon, directory))


def places_of(daemon: Daemon, fs: str) -> list[Path]:
    """Where connections have *fs* mounted."""
    hold = _place()
    found = {each.place: each.fs for each in _listed(daemon) if each.place.parent != hold}
    return [place for place, each in found.items() if each == fs and mounts.is_mounted(place)]


def places_in(answer: Mapping[str, Any]) -> list[Path]:
    """Where rclone has its mounts, from its *answer* to ``mount/listmounts``; one place may have several."""
    return [each.place for each in _read(answer)]


def is_detached(daemon: Daemon, fs: str, until: float, place: Path | None = None) -> bool:
    """Whether *fs* may have a mount that is no longer in the tree of files: somebody has files open on it.

    What is closed there may never reach the queue of uploads, so that nothing else should share its file system.

    until: by when, on the monotonic clock, rclone has noticed that a mount is gone; see ``NOTICED``. Without that time
    what was closed just now would wait for another connection than the next. place: where a mount was until now, which
    rclone is to have noticed too.
    """
    while True:
        found = _look(daemon)
        detached = found.is_any_detached and any(each.fs == fs for each in found.gone)
        if not detached and not any(each.place == place for each in found.gone):
            return False
        if monotonic() > until:
            return detached
        sleep(0.005)


def end_idle(daemon: Daemon, is_meant: Callable[[str], bool]) -> None:
    """End the file systems, of those whose names *is_meant* accepts, that have no mount; within ``mounting``.

    All that waits there is closed by then. rclone may not have been told: what the kernel has not yet told it when it
    ends a mount it never tells.
    """
    if daemon.version >= COUNTS_ALL:
        return
    idle = {fs for fs in daemon.call("vfs/list")["vfses"] if is_meant(fs)}
    if not idle:
        return
    found = _look(daemon)
    for fs in idle - {each.fs for each in (*found.there, *(found.gone if found.is_any_detached else ()))}:
        _count_off(daemon, fs)
        if fs not in daemon.call("vfs/list")["vfses"]:
            close(daemon.cache, fs)


def stop_idle() -> None:
    """Stop the rclone of this user, unless it has something to do, or does not say at once that it has nothing.

    Raises ``WNetError``.
    """
    rclone = running()
    if rclone is None:
        return
    with suppress(Refused):
        if left := rclone.call("vfs/list", timeout=2)["vfses"]:
            with mounting():
                end_idle(rclone, lambda _: True)  # as what a connect had mounted that was cut off, and undone
                for fs in {*left}.difference(rclone.call("vfs/list", timeout=2)["vfses"]):
                    clear(rclone.cache, fs)  # no disconnect has done that
        if not rclone.call("vfs/list", timeout=2)["vfses"]:
            stop()


def _count_off(daemon: Daemon, fs: str) -> None:
    """Have rclone count off mounts of *fs* until none is left: each refused unmount of a busy one counts."""
    directory = _directory()
    try:
        directory.mkdir(mode=0o700)
        try:
            mount(daemon, fs, directory, "mprouter, ending")
        except BaseException:  # rclone may be at it still, and unmounts when that is done
            with suppress(Refused, OSError):
                daemon.call("mount/unmount", mountPoint=_text(directory))
            raise
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for _ in range(daemon.call("vfs/stats", fs=fs)["inUse"]):
                with suppress(Refused):
                    daemon.call("mount/unmount", mountPoint=_text(directory))
        finally:
            os.close(descriptor)
    finally:
        _surely(partial(_release, None, directory))


_ROOT = "/proc/self/root"
"""A link to "/"; see ``_text``."""


def _text(place: Path, number: int = 0) -> str:
    """How rclone is told to mount at *place*: by a text that no other mount of its has, and the kernel never says.

    When a mount ends rclone looks for its text among the kernel's mounts, and unmounts what it finds: of a mount that
    was taken away while files were open on it, when these are closed, the connection that has its place since.
    """
    return f"{_ROOT}{'/.' * number}{place}"


@frozen
class _Mount:
    """A mount as rclone lists it. number: which of those that it has, or had, at this place; the last has the most."""

    place: Path
    fs: str
    number: int


def _listed(daemon: Daemon) -> list[_Mount]:
    return _read(daemon.call("mount/listmounts"))


def _read(answer: Mapping[str, Any]) -> list[_Mount]:
    """The mounts in an *answer*, of those at one place the last made one last."""
    found = []
    for each in answer["mountPoints"]:
        text = str(each["MountPoint"])
        place = Path(text.removeprefix(_ROOT))
        found.append(_Mount(place, each["Fs"], (len(text) - len(_text(place))) // 2))
    return sorted(found, key=lambda each: each.number)


@frozen
class _Mounts:
    """What rclone has mounted, as it lists it: place by place, with the file system.

    there: of these the kernel has a mount. gone: of these it has none. served: how many the kernel has rclone serve.
    """

    there: list[_Mount]
    gone: list[_Mount]
    served: int

    @property
    def is_any_detached(self) -> bool:
        """Whether any that is gone from the tree of files is still used.

        If not, rclone is about to notice it; or never will, having read from the kernel in the moment of its end.
        """
        return self.served > len(self.there)


def _look(daemon: Daemon) -> _Mounts:
    listed, served, kinds = _listed(daemon), mounts.served_by(daemon.pid), mountinfo.kinds()  # in this order
    last = {each.place: each.number for each in listed if kinds.get(str(each.place)) == mounts.KIND}
    there = [each for each in listed if last.get(each.place) == each.number]
    return _Mounts(there, [each for each in listed if last.get(each.place) != each.number], served)


def _directory() -> Path:
    """One to be made, whose name tells who will release it."""
    pid = os.getpid()
    directory = places.private(_place()) / f"{pid}-{started_at(pid)}-{next(_numbers)}"
    _ours.add(directory)
    return directory


def _place() -> Path:
    return mounts.real_path(places.runtime_dir() / "hold")


def _surely(release: Callable[[], None]) -> None:
    """*release*, which can be done twice, also if Ctrl-C strikes in the middle of it."""
    try:
        release()
    except KeyboardInterrupt:
        release()
        raise


def _release(daemon: Daemon | None, directory: Path) -> None:
    faults.reached("releasing")
    _ours.discard(directory)
    if daemon is not None:
        try:
            daemon.call("mount/unmount", mountPoint=_text(directory))
        except (Refused, OSError) as error:  # somebody looks into it, or rclone has ended
            log.debug("the hold %s was not released by rclone: %s", directory, error)
    try:
        if mounts.is_mounted(directory):
            mounts.unmount(directory, lazily=True)
        directory.rmdir()
    except OSError as error:  # a later disconnect, or another process, does it; what this one is for is done
        log.debug("the hold %s was not removed: %s", directory, error)


def release_abandoned(daemon: Daemon | None) -> None:
    """Release what processes that were killed have held, except while something is being sent from there alone.

    And what this one has held, and could not release.
    """
    holds = list(_place().glob("*-*-*"))
    if not holds:
        return
    mountpoints = {} if daemon is None else {each.place: each.fs for each in _listed(daemon)}
    connected = {fs for place, fs in mountpoints.items() if place not in holds}
    for directory in holds:
        pid, since, _ = directory.name.split("-")
        if directory in _ours or (int(pid) != os.getpid() and is_running(int(pid), int(since))):
            continue
        fs = mountpoints.get(directory)
        if daemon is None or fs is None or fs in connected or not _is_sending(daemon, fs):
            _release(daemon, directory)


def _is_sending(daemon: Daemon, fs: str) -> bool:
    try:
        return bool(queue_of(daemon, fs))
    except Refused:  # it has ended
        return False
