"""The directories: whether they are this user's alone and can be used, whether there is room, and what is left over."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

from mprouter import mountinfo, places, realm
from mprouter.doctor import records
from mprouter.finding import Check, Finding, Kind, Severity
from mprouter.status import WNetError

__all__ = ["CHECKS", "elsewhere"]

FULL, LOW = 1 << 20, 128 << 20
"""Bytes of free space below which nothing is written any more, and below which a larger file no longer fits."""

NOWHERE = Kind(
    "place-unknown",
    Severity.ERROR,
    "mprouter does not know where its files are, so that nothing can be connected.",
    "set HOME, or the variable {variable}",
)
NO_DIRECTORY = Kind(
    "directory-impossible",
    Severity.ERROR,
    "Something else stands in the place of the directory, or it cannot be made; nothing can be connected.",
    "see what is there, and move it away: `ls -ld {path}`",
)
FOREIGN = Kind(
    "directory-foreign",
    Severity.ERROR,
    "What others own they could change, so mprouter does not use it. Perhaps you act as another user (sudo).",
    "act as that user, or with your own HOME (`sudo -H`); if it should be yours, as root: `chown {user} {path}`",
)
SHARED = Kind(
    "directory-shared",
    Severity.ERROR,
    "Others may enter or change a directory that has to be yours alone, so mprouter does not use it.",
    "`chmod 700 {path}`",
    "takes the others' rights away",
)
CHANGEABLE = Kind(
    "directory-writable",
    Severity.WARNING,
    "Others may change your settings, and register notifyees for you; those in there are refused.",
    "`chmod go-w {path}`",
    "takes that right away, if the directory is yours",
)
UNUSABLE = Kind(
    "directory-unwritable",
    Severity.ERROR,
    "You may not write there, so that nothing can be connected.",
    "`chmod 700 {path}`; if that does not help, its file system may be read-only",
    "gives you the rights, if the directory is yours",
)
READ_ONLY = Kind(
    "directory-read-only",
    Severity.ERROR,
    "Nothing can be written there, so that nothing can be connected or disconnected.",
    "as root: `mount -o remount,rw {place}`; the kernel mounts a disk with errors so, of which `dmesg` tells",
)
DISK_FULL = Kind(
    "disk-full",
    Severity.ERROR,
    "What programs write to connections waits there until it is sent, and connections are noted there. Both fail.",
    "make room: `df -h {path}`, `du -sh {path}`; what waits makes room when it is sent: `mpr list --unsent`",
)
DISK_LOW = Kind(
    "disk-low",
    Severity.WARNING,
    "What programs write to connections waits there until it is sent; a large file may not fit.",
    "make room: `df -h {path}`, and `du -sh {path}`",
)
OCCUPIED = Kind(
    "drive-occupied",
    Severity.WARNING,
    "Programs have written there when the drive was not connected. Until it is empty the drive cannot be connected.",
    "see what is there, and move it away: `ls -la {path}`",
)
DRIVE_LEFT = Kind(
    "drive-left",
    Severity.NOTE,
    "Somebody has made the directory, or it was left behind. What programs write there now is not on any server.",
    "if it is not yours: `rmdir {path}`; the next connection makes it again",
)
PATH_OCCUPIED = Kind(
    "path-occupied",
    Severity.WARNING,
    "Programs have written there when it was not connected. Until it is empty it cannot be connected again.",
    "see what is there, and move it away: `ls -la {path}`",
)
LEFT_EMPTY = Kind(
    "directory-left",
    Severity.WARNING,
    "A connection without a local name is gone, and its directory was left behind.",
    "`rmdir {path}`",
    "removes it",
)
LEFT_FULL = Kind(
    "directory-left-full",
    Severity.WARNING,
    "A connection without a local name is gone, and somebody has put files into the directory that it left.",
    "see what is there, and move it away: `ls -la {path}`",
)

ELSEWHERE = Kind(
    "used-elsewhere",
    Severity.WARNING,
    "How the connections are cannot be seen from here: they are not looked at, and none can be made or ended.",
    "work with them there, or `mpr disconnect --all` there; or set MPROUTER_STATE_DIR and MPROUTER_RUNTIME_DIR here",
)


def permissions() -> Iterator[Finding]:
    """State and runtime directories are the user's alone; configuration and drives can be used."""
    if not hasattr(os, "getuid"):  # there the profile directory's list of rights keeps others out
        return
    for variable, of, look in (
        ("MPROUTER_STATE_DIR", places.state_dir, partial(_private, inner=("cache",))),
        ("MPROUTER_RUNTIME_DIR", places.runtime_dir, partial(_private, inner=("mounts", "hold"))),
        ("MPROUTER_CONFIG_DIR", places.config_dir, _configuration),
        ("MPROUTER_DRIVES_DIR", places.drives_dir, partial(_usable, access=os.W_OK | os.X_OK)),
    ):
        try:
            path = of()
        except WNetError as error:  # there is no home directory
            yield NOWHERE.found(f"{variable} is not set, and {error.strerror}", variable=variable)
        else:
            yield from look(path)


def _private(path: Path, inner: tuple[str, ...] = ()) -> Iterator[Finding]:
    """A directory that ``places.private`` has to accept, and those *inner* ones, if they are there."""
    found = list(_usable(path, os.R_OK | os.W_OK | os.X_OK))
    if not os.path.lexists(path) and (above := places.users_above(path)) is not None:
        what = f"{path} is not there, and {above} belongs to user {above.stat().st_uid}, not to user {os.getuid()}"
        found = [FOREIGN.found(what, user=os.getuid(), path=above)]
    with suppress(OSError):
        there = path.lstat()
        mode = stat.S_IMODE(there.st_mode)
        if not stat.S_ISDIR(there.st_mode):
            found = [NO_DIRECTORY.found(f"{path} is not a directory of its own (a link or a file)", path=path)]
        elif there.st_uid != os.getuid():
            what = f"{path} belongs to user {there.st_uid}, not to user {os.getuid()}"
            found = [FOREIGN.found(what, user=os.getuid(), path=path)]
        elif mode & 0o077:
            fix = partial(_restrict, path, 0o077)
            found.append(SHARED.found(f"others may enter {path} (mode {mode:04o})", path=path, fix=fix))
    yield from found
    if not found:
        for each in inner:
            if os.path.lexists(path / each):
                yield from _private(path / each)


def _configuration(path: Path) -> Iterator[Finding]:
    """A directory that may be root's, and that others must not change."""
    yield from _usable(path, os.R_OK | os.X_OK)
    with suppress(OSError):
        there = path.stat()
        if there.st_mode & 0o022 and stat.S_ISDIR(there.st_mode):
            fix = partial(_restrict, path.resolve(), 0o022) if there.st_uid == os.getuid() else None
            mode = stat.S_IMODE(there.st_mode)
            yield CHANGEABLE.found(f"others may write in {path} (mode {mode:04o})", path=path, fix=fix)


def _usable(path: Path, access: int) -> Iterator[Finding]:
    """A directory that is there with these rights, or can be made when it is needed."""
    try:
        found = path.stat()
    except FileNotFoundError:
        above = next((each for each in path.parents if each.exists()), Path("/"))
        if os.path.lexists(path) or not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
            yield NO_DIRECTORY.found(f"{path} is not there, and you may not make it in {above}", path=above)
        return
    except OSError as error:
        yield NO_DIRECTORY.found(f"{path} cannot be looked at: {error.strerror}", path=path)
        return
    if not stat.S_ISDIR(found.st_mode):
        yield NO_DIRECTORY.found(f"{path} is not a directory", path=path)
    elif access & os.W_OK and os.statvfs(path).f_flag & os.ST_RDONLY:
        there = path.resolve()
        place = next((each for each in (there, *there.parents) if mountinfo.at(each) is not None), Path("/"))
        yield READ_ONLY.found(f"the file system of {path} is mounted read-only", place=place)
    elif not os.access(path, access):
        mine = found.st_uid == os.getuid() and found.st_mode & 0o700 != 0o700
        fix = partial(_restrict, path.resolve(), 0) if mine else None
        mode = stat.S_IMODE(found.st_mode)
        yield UNUSABLE.found(f"you may not use {path} as is needed (mode {mode:04o})", path=path, fix=fix)


def _restrict(path: Path, forbidden: int) -> None:
    """Give the owner all rights and take the *forbidden* ones away, whatever may stand there by now."""
    descriptor = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        found = os.fstat(descriptor)
        if found.st_uid != os.getuid():
            raise PermissionError(0, "it belongs to somebody else by now")
        Path(f"/proc/self/fd/{descriptor}").chmod((stat.S_IMODE(found.st_mode) & ~forbidden) | 0o700)
    finally:
        os.close(descriptor)


def space() -> Iterator[Finding]:
    """There is room where data and records are put."""
    seen: set[int] = set()
    for of in (places.state_dir, places.runtime_dir):
        path = of()
        there = next(each for each in (path / "cache", path, *path.parents) if each.exists())
        device = there.stat().st_dev
        if device in seen:
            continue
        seen.add(device)
        found = os.statvfs(there)
        free = found.f_bavail * found.f_frsize
        if free < FULL or (found.f_files and not found.f_favail):
            yield DISK_FULL.found(f"the disk of {path} is full: {_mib(free)} free, {found.f_favail} files", path=there)
        elif free < LOW and of is places.state_dir:
            yield DISK_LOW.found(f"the disk of {path} is nearly full: {_mib(free)} free", path=there)


def _mib(size: int) -> str:
    return f"{size / (1 << 20):.1f} MiB"


def elsewhere() -> Iterator[Finding]:
    """No other realm is at work there."""
    for path in (places.state_dir(), places.runtime_dir()):
        if realm.is_elsewhere(path):
            yield ELSEWHERE.found(f"{path} is in use in another container or on another machine")


def leftovers() -> Iterator[Finding]:
    """No directory is left of a connection that is gone, and nothing blocks a drive or what is remembered."""
    unmounted = {path: _content(path) for path in _listed(places.drives_dir()) if _is_drive(path.name)}
    drives = {path: found for path, found in unmounted.items() if found is not None and not path.is_symlink()}
    for path in (path for path, found in drives.items() if found):
        yield OCCUPIED.found(f"nothing is mounted on {path}, and files are in it", path=path)
    left = [path for path in _listed(places.runtime_dir() / "mounts") if path.name.isdecimal()]
    try:
        known = {Path(entry.path) for entry in records.entries()}
        remembered = [Path(each.local_name) for each in records.remembered() if each.local_name.startswith("/")]
    except WNetError:
        if left or drives:
            yield records.unread()
        return
    for path in filter(_content, remembered):
        yield PATH_OCCUPIED.found(f"nothing is mounted on {path}, which is remembered: files are in it", path=path)
    for path in (path for path, found in drives.items() if not found and path not in known):
        yield DRIVE_LEFT.found(f"{path} is empty, and nothing is mounted on it", path=path)
    yield from _left_of_deviceless(path for path in left if path not in known)


def _is_drive(name: str) -> bool:
    return len(name) == 1 and "D" <= name <= "Z"


def _left_of_deviceless(left: Iterable[Path]) -> Iterator[Finding]:
    for path in left:
        content = _content(path)
        if content:
            yield LEFT_FULL.found(f"{path} is left of a connection that is gone, with files in it", path=path)
        elif content is not None:
            yield LEFT_EMPTY.found(f"{path} is left of a connection that is gone", path=path, fix=path.rmdir)


def _content(path: Path) -> list[Path] | None:
    """What is in a directory; None if it is gone or something is mounted there, which is not touched."""
    place = path.parent.resolve() / path.name  # as the kernel knows it
    if mountinfo.at(place) is not None:
        return None
    try:
        content = list(path.iterdir())
    except OSError:
        return None
    return content if mountinfo.at(place) is None else None  # still


def _listed(path: Path) -> list[Path]:
    """What is in a directory; nothing if there is none, or none that this user may read."""
    try:
        return sorted(path.iterdir())
    except OSError:
        return []


CHECKS = (
    Check("directories", permissions),
    Check("disk space", space),
    Check("left directories", leftovers, is_of_what_runs=True),
)
