"""Whether each mount has a living rclone and a connection that it belongs to, and whether holds were left behind."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from mprouter import mountinfo, places
from mprouter.finding import Finding, Kind, Severity
from mprouter.frozen import frozen
from mprouter.mountinfo import Mount
from mprouter.providers.base import Mounted
from mprouter.providers.rclone import daemon, program, rc
from mprouter.providers.rclone.handle import Handle
from mprouter.providers.rclone.health.processes import PATIENCE
from mprouter.providers.rclone.hold import places_in, release_abandoned
from mprouter.providers.rclone.mounts import real_path, unmount
from mprouter.status import WNetError

__all__ = ["look", "unowned"]

DEAD = Kind(
    "mount-dead",
    Severity.ERROR,
    "No connection belongs to it, and its rclone has ended: programs get 'Transport endpoint is not connected' there.",
    "`fusermount3 -uz {path}`",
    "takes it away; what was written and not sent is kept in the cache",
)
UNOWNED = Kind(
    "mount-unowned",
    Severity.WARNING,
    "mprouter has mounted it and knows of no connection there, so that `mpr disconnect` cannot take it away.",
    "close what is open there, wait until all is sent, then `fusermount3 -u {path}`",
)
HELD = Kind(
    "hold-abandoned",
    Severity.NOTE,
    "A disconnect that was killed had begun to deliver written data there; rclone goes on with that.",
    "nothing has to be done: the next disconnect takes it away, as does `mpr doctor --fix`",
    "takes it away, if all is delivered",
)
HOLD_LEFT = Kind(
    "hold-left",
    Severity.WARNING,
    "A disconnect that was killed has left its private directory behind.",
    "`rmdir {path}`",
    "removes it",
)


@frozen
class _Served:
    """What living rclones serve.

    listed: where the rclone that answers has mounted things. devices: FUSE connections that processes of this user
    serve. hidden: there may be more that cannot be seen, as the kernel or an rclone does not tell.
    """

    listed: frozenset[Path]
    devices: frozenset[int]
    hidden: bool

    def is_dead(self, mount: Mount) -> bool:
        """Whether it is certain that nobody serves *mount*."""
        return not self.hidden and mount.path not in self.listed and mount.device not in self.devices


def look(known: Callable[[], Sequence[Mounted]]) -> Iterator[Finding]:
    """None is without a connection, and no hold is left. known: the connections of the store.

    Dead mounts of connections stay, so that no program writes into an empty directory: those connections are lost.
    """
    there = _mounts()
    holds = places.runtime_dir().resolve() / "hold"
    if not there and not holds.exists():
        return
    served = _served()
    try:
        owned = _owned(known)  # after the kernel was asked: a connection is in the store longer than it is mounted
    except WNetError:  # the store cannot be read, which is another finding
        return
    own_places = {holds.parent, places.drives_dir().resolve()}
    ours = [path for path in there.keys() - owned if own_places & {*path.parents}]
    dead = {path for path in ours if served.is_dead(there[path])}
    for path in sorted(dead):
        yield DEAD.found(f"the mount on {path} is dead", path=path, fix=partial(_take_away, path))
    yield from _left_holds(holds, there.keys() - dead)
    for path in _strays(there, served.listed, owned):
        yield UNOWNED.found(f"the mount on {path} belongs to no connection", path=path)


def unowned(known: Callable[[], Sequence[Mounted]]) -> list[Path]:
    """The mounts of the living rclone that belong to no connection. Raises ``WNetError`` if *known* does."""
    there, listed = _mounts(), _listed() or []
    return _strays(there, listed, _owned(known))


def _strays(there: Collection[Path], listed: Collection[Path], owned: Collection[Path]) -> list[Path]:
    holds = places.runtime_dir().resolve() / "hold"
    found = {*there} & {*listed} - {*owned}
    return sorted(path for path in found if path.parent != holds and path in _mounts())  # still


def _mounts() -> dict[Path, Mount]:
    """The mounts of rclone's, of this user, that are not covered by another."""
    topmost = {each.path: each for each in mountinfo.mounted()}
    return {path: each for path, each in topmost.items() if each.kind == "fuse.rclone" and each.user == os.getuid()}


def _owned(known: Callable[[], Sequence[Mounted]]) -> set[Path]:
    return {path for each in known() for path in (Handle.read(each).mountpoint, real_path(each.mountpoint))}


def _left_holds(place: Path, mounted: Iterable[Path]) -> Iterator[Finding]:
    alive = set(mounted)
    for directory in sorted(place.glob("*-*-*")):
        with suppress(ValueError):  # not one of ours
            pid, since, _ = map(int, directory.name.split("-"))
            if daemon.is_running(pid, since):
                continue
            if directory in alive:
                what = f"process {pid}, which was disconnecting, has ended; its mount is {directory}"
                yield HELD.found(what, fix=partial(_release, directory))
            elif directory not in _mounts():
                what = f"{directory} is left of process {pid}, which has ended"
                yield HOLD_LEFT.found(what, path=directory, fix=directory.rmdir)


def _take_away(path: Path) -> None:
    mount = _mounts().get(path)
    if mount is not None and _served().is_dead(mount) and not unmount(path, lazily=True):
        raise OSError("it is in use")


def _release(directory: Path) -> None:
    release_abandoned(daemon.running())
    if directory.exists():
        raise OSError("what was written is still being sent")


def _listed() -> list[Path] | None:
    """Where the rclone that runs has mounted something; None if it does not tell."""
    if rc.answers(program.socket_path()) is None:
        return []
    try:
        return places_in(rc.call(program.socket_path(), "mount/listmounts", {}, PATIENCE))
    except (rc.Refused, WNetError, LookupError, TypeError):
        return None


def _served() -> _Served:
    pid = rc.answers(program.socket_path())
    told = _listed()
    devices: set[int] = set()
    hidden = told is None and not Path(f"/proc/{pid}").exists()  # in a container of its own, say
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile, or is not the user's
            untold = 0
            for device in _devices(process):
                if device is None:
                    untold += 1
                else:
                    devices.add(device)
            if untold and (process / "comm").read_bytes() == b"rclone\n":  # the kernel is older than 6.13
                hidden |= int(process.name) != pid or told is None or untold > len(told)
    return _Served(frozenset(told or ()), frozenset(devices), hidden)


def _devices(process: Path) -> Iterator[int | None]:
    """The FUSE connections that a process serves; None for each of which the kernel does not tell the number."""
    for descriptor in (process / "fd").iterdir():
        with suppress(OSError):
            if os.readlink(descriptor) == "/dev/fuse":  # noqa: PTH115 - the text alone
                said = (process / "fdinfo" / descriptor.name).read_text(encoding="utf-8")
                number = re.search(r"(?m)^fuse_connection:\s*(\d+)$", said)
                yield int(number[1]) if number else None
