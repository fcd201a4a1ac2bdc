"""Disconnecting: deliver what was closed, take the mount away, and leave all as it was if that fails (C6)."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from time import monotonic

from mprouter import faults, places
from mprouter.log import Log
from mprouter.names import RemoteName
from mprouter.processes import wait_until
from mprouter.providers.base import Progress, State
from mprouter.providers.rclone import daemon, mounts
from mprouter.providers.rclone.daemon import Daemon
from mprouter.providers.rclone.flush import NotQueued, await_queued, deliver, first_of
from mprouter.providers.rclone.handle import Handle
from mprouter.providers.rclone.hold import (
    NOTICED,
    end_idle,
    held,
    is_detached,
    mount,
    mounting,
    places_of,
    release_abandoned,
)
from mprouter.providers.rclone.rc import Refused
from mprouter.providers.rclone.server import Server
from mprouter.providers.rclone.unsent import (
    adopt,
    check_room,
    clear,
    family_of,
    has_uploads,
    held_back,
    leave_to_next,
    put_off,
    take_up,
    unsent,
)
from mprouter.status import Status, WNetError

__all__ = ["check_forgotten", "clean_up", "disconnect", "finish", "in_use", "leave", "settle"]

log = Log("mprouter.providers")


def disconnect(
    rclone: Daemon, handle: Handle, name: RemoteName, *, force: bool, progress: Progress | None, stall: float
) -> None:
    """Take the mount away after everything closed has been delivered.

    The file system is held meanwhile, since its queue of uploads would go with its last mount. force: in spite of open
    files, which the next connection sends. progress, stall: see ``flush.deliver``.

    Raises ``WNetError``: ERROR_OPEN_FILES, ERROR_WRITE_FAULT. The connection then stands as it was.
    """
    mountpoint = handle.mountpoint
    opened = mounts.openers(mountpoint)
    if opened and not force:
        raise in_use(opened)
    for is_last in (False, False, True):  # rclone may be at work on it still when it is to be taken up again
        try:
            _deliver_and_unmount(rclone, handle, name, force=force, progress=progress, stall=stall)
            break
        except NotQueued as error:
            if _leave_to_others(rclone, handle, force):
                _tell_left(name, error)
                return
            before = held_back(rclone.cache, handle.fs)
            if is_last or not _begin_anew(rclone, handle, name, lazily=force and not opened):
                raise
            if kept := held_back(rclone.cache, handle.fs) - before:
                raise _not_sent(kept) from None
    if not opened:
        _end(rclone, handle)
    else:
        _leave_to_next(rclone, handle)


def leave(rclone: Daemon, handle: Handle, name: RemoteName, *, force: bool) -> None:
    """Take the mount away at once; what is not sent stays in the cache, and is sent by the next connection.

    force: as in ``disconnect``. Raises ``WNetError`` (ERROR_OPEN_FILES); the connection then stands as it was.
    """
    opened = mounts.openers(handle.mountpoint)
    if opened and not force:
        raise in_use(opened)
    if handle.meta is not None:
        with suppress(Refused):  # the file system has ended
            await_queued(rclone, handle.fs, handle.meta, is_open=lambda: _open_on(rclone, handle.fs))
    if mounts.is_mounted(handle.mountpoint):
        _unmount(handle.mountpoint, force)
    faults.reached("unmounted")
    if not opened:
        _end(rclone, handle)
    if handle.meta is not None:
        _end_uploads(rclone, handle)
        _leave_to_next(rclone, handle)
    _tell_kept(handle, name)


def _deliver_and_unmount(
    rclone: Daemon, handle: Handle, name: RemoteName, *, force: bool, progress: Progress | None, stall: float
) -> None:
    mountpoint = handle.mountpoint
    if handle.meta is None:
        _unmount(mountpoint, force)
    else:
        delivered = partial(deliver, rclone, handle.fs, handle.meta, progress=progress, stall=stall)
        with held(rclone, handle.fs) as is_there:
            if not is_there:  # with all that it has not sent, which the next connection sends
                _unmount(mountpoint, force)
                _tell_kept(handle, name)
                return
            faults.reached("held")
            delivered(is_open=lambda: _open_on(rclone, handle.fs))
            faults.reached("delivered")
            still_open = _paths(mountpoint) if force else set()
            _unmount(mountpoint, force)
            faults.reached("unmounted")
            try:  # what was closed since
                delivered(is_open=lambda: still_open | _open_on(rclone, handle.fs))
            except BaseException:
                _mount_again(rclone, handle, name)
                raise
        faults.reached("released")
        if still_open and (kept := unsent(handle.meta)):
            files = "1 open file was" if len(kept) == 1 else f"{len(kept)} open files were"
            log.warning("%s: %s not sent; the next connection sends what was written", name.given, files)


def _leave_to_others(rclone: Daemon, handle: Handle, force: bool) -> bool:
    """Take the mount away without delivering; False if no other connection has the file system."""
    with mounting():
        others = _others(rclone, handle)
        if others:
            _unmount(handle.mountpoint, force)
        return bool(others)


def _others(rclone: Daemon, handle: Handle) -> list[Path]:
    """Where other connections have the file system."""
    return [place for place in places_of(rclone, handle.fs) if place != handle.mountpoint]


def _tell_left(name: RemoteName, error: NotQueued) -> None:
    log.warning("%s: %s; the last connection to it sends that", name.given, error.strerror)


def _not_sent(kept: set[Path]) -> WNetError:
    return WNetError(
        Status.ERROR_WRITE_FAULT,
        f"not on the server: {first_of(sorted(each.name for each in kept))}, whose rest could not be fetched",
        hint="what there is of it is kept, and `mpr list` names it; the next disconnect does not wait for it",
    )


def _begin_anew(rclone: Daemon, handle: Handle, name: RemoteName, *, lazily: bool) -> bool:
    """Have rclone take up again what it no longer tries to send, by ending the file system and mounting it again.

    lazily: also while a program that keeps nothing open there saves a file. False if that cannot be done now: something
    uses it, or the server does not answer.
    """
    with suppress(Refused, OSError):  # WNetError is one
        Server(rclone, handle.fs).has("")
        check_room(rclone.cache)
        options = rclone.call("vfs/stats", fs=handle.fs)["opt"]
        if not mounts.unmount(handle.mountpoint, lazily=lazily):
            return False
        _end(rclone, handle)
        with mounting():
            try:
                left = adopt(rclone, family_of(handle.fs), handle.fs)
            except (Refused, OSError):  # as when the server has gone since: nobody is to write into the bare directory
                left = put_off(rclone.cache, handle.fs)
            mount(rclone, handle.fs, handle.mountpoint, name.given, options)
            take_up(rclone, handle.fs, handle.mountpoint, left)
        return True
    return False


def finish(rclone: Daemon, handle: Handle, name: RemoteName, *, progress: Progress | None = None, stall: float) -> None:
    """The same when the mount is gone already: the rest is delivered, or left to other connections as there.

    Raises ``WNetError`` (ERROR_WRITE_FAULT).
    """
    meta = handle.meta
    if meta is not None:
        with held(rclone, handle.fs) as is_there:
            if is_there:
                # whoever has files open there will not be waited for
                detached = is_detached(rclone, handle.fs, monotonic() + NOTICED)
                is_open = lambda: {each.path for each in unsent(meta)} if detached else set()  # noqa: E731
                try:
                    deliver(rclone, handle.fs, meta, is_open=is_open, progress=progress, stall=stall)
                except NotQueued as error:
                    if not _others(rclone, handle):
                        raise
                    _tell_left(name, error)
            else:
                _tell_kept(handle, name)
    release_abandoned(rclone)
    _end(rclone, handle)


def settle(rclone: Daemon, handle: Handle, name: RemoteName, *, stall: float) -> State:
    """Bring to an end a disconnect that was cut off: the connection stands, or all is delivered and it is gone."""
    release_abandoned(rclone)
    if not handle.is_connected:
        try:
            finish(rclone, handle, name, stall=stall)
        except (WNetError, Refused):
            _mount_again(rclone, handle, name)  # what is pending stays visible, and is delivered later
    return State.CONNECTED if handle.is_connected else State.LOST


def check_forgotten(handle: Handle, *, force: bool) -> None:
    """Raise ``WNetError`` (ERROR_WRITE_FAULT) if its rclone still has to send, and cannot be asked any more.

    force: else also while files are open on it (ERROR_OPEN_FILES).
    """
    if handle.meta is not None and handle.is_connected and (kept := unsent(handle.meta)):
        raise WNetError(
            Status.ERROR_WRITE_FAULT,
            f"not yet on the server: {first_of(sorted(each.path for each in kept))}; the rclone that sends it, process"
            f" {handle.pid}, cannot be asked any more",
            hint=f"wait until it is sent, or end that rclone: kill {handle.pid}; the next connection sends the rest",
        )
    if not force and handle.is_connected and (opened := mounts.openers(handle.mountpoint)):
        raise in_use(opened)


def clean_up(handle: Handle, name: RemoteName) -> None:
    """Take away what a lost connection has left; what is unsent stays in the cache for the next connection."""
    if mounts.is_mounted(handle.mountpoint):
        mounts.unmount(handle.mountpoint, lazily=True)
    release_abandoned(daemon.running())
    _tell_kept(handle, name)


def _leave_to_next(rclone: Daemon, handle: Handle) -> None:
    """Have it known that what waits is for the next connection, unless another one has the file system."""
    with suppress(Refused, OSError), mounting():
        if not places_of(rclone, handle.fs):
            leave_to_next(rclone.cache, handle.fs)


def _tell_kept(handle: Handle, name: RemoteName) -> None:
    kept = [each.path for each in unsent(_present(handle.meta))] if handle.meta is not None else []
    if kept:
        log.warning("%s: kept, and sent by the next connection to it: %s", name.given, first_of(sorted(kept)))


def _present(meta: Path) -> Path:
    """*meta*, or where that is now, if the state directory was moved since it was written down."""
    within = str(meta).partition("/vfsMeta/")[2]
    return meta if meta.exists() else places.state_dir() / "cache" / "vfsMeta" / within


def _paths(mountpoint: Path) -> set[str]:
    return {each.path for each in mounts.openers(mountpoint)}


def _open_on(rclone: Daemon, fs: str) -> set[str]:
    """The paths that are open on any mount of *fs*, also one that is detached: its queue is one for all."""
    detached = mounts.opened() if is_detached(rclone, fs, 0) else set()  # of these the kernel tells "/PATH"
    return {path.removeprefix("/") for path in detached}.union(*map(_paths, places_of(rclone, fs)))


def _unmount(mountpoint: Path, force: bool) -> None:
    if not mounts.unmount(mountpoint, lazily=force):
        raise in_use(mounts.openers(mountpoint, mapped=True))


def _mount_again(rclone: Daemon, handle: Handle, name: RemoteName) -> None:
    """The disconnect has failed after the mount was taken away: the connection stands as it was."""
    with suppress(Refused, OSError), mounting():
        mount(rclone, handle.fs, handle.mountpoint, name.given)


def _end(rclone: Daemon, handle: Handle) -> None:
    """Have rclone end the file system too, unless another connection uses it, and drop its copies."""
    with suppress(Refused, OSError), mounting():
        is_detached(rclone, handle.fs, monotonic() + 4 * NOTICED, handle.mountpoint)  # worth some patience
        end_idle(rclone, lambda fs: fs == handle.fs)
        if handle.fs not in rclone.call("vfs/list")["vfses"]:
            clear(rclone.cache, handle.fs)


def _end_uploads(rclone: Daemon, handle: Handle) -> None:
    """Have rclone send nothing any more for the file system, if that has ended; if need be by its own end.

    What it has sent it would rename as soon as the server answers, and replace what others have made there meanwhile.
    """
    with suppress(Refused, OSError):
        has_ended = handle.fs not in rclone.call("vfs/list")["vfses"]
        if has_ended and not wait_until(lambda: not has_uploads(rclone, handle.fs), NOTICED):
            daemon.stop(signal.SIGKILL)


def in_use(opened: Sequence[mounts.Opener]) -> WNetError:
    """What is said to whoever disconnects while these have files open (C6)."""
    opened = [each for each in opened if each.pid != os.getpid()] or opened  # it has the shell's current directory
    files = sorted({each.path or "the directory itself" for each in opened})
    programs = sorted({f"{each.command} ({each.pid})" for each in opened})
    return WNetError(
        Status.ERROR_OPEN_FILES,
        f"{first_of(files, 3)}: open in {first_of(programs, 3)}" if opened else "a program has files open there",
        hint="close them, and leave the directory, or disconnect with --force",
    )
