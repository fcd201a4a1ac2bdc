"""What the kernel knows of mounts: whether one is there, who has files open on it, and taking it away.

Nothing here touches the mounted directory itself: a file system whose server hangs would hold the caller for ever.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep

from mprouter import mountinfo
from mprouter.frozen import frozen
from mprouter.processes import is_barred, run, which
from mprouter.status import Status, WNetError, check_known

TYPE_CHECKING = False  # as in processes
if TYPE_CHECKING:
    from subprocess import CompletedProcess

__all__ = [
    "KIND",
    "Opener",
    "check_allowed",
    "check_fuse",
    "check_uncovered",
    "counted",
    "exhausted",
    "fusermount",
    "helper_words",
    "is_mounted",
    "links",
    "opened",
    "openers",
    "real_path",
    "served_by",
    "unmount",
]

KIND = "fuse.rclone"
"""The type of the file systems that rclone mounts, as the kernel calls it."""


CONFIGURATION = Path("/etc/fuse.conf")
"""Where an administrator says how many FUSE mounts there may be: fusermount3(1)."""

MOST = 1000
"""How many there may be if that does not say it."""

GLANCE = 1.0
"""Seconds for which a mount may be in use by nobody who has anything open there: who looks at it, as ``df``."""


BARRED = "a unit of systemd must have neither NoNewPrivileges=yes nor a setting that implies it"
"""What to mend where what fusermount3 is run by gets no more rights; see ``processes.is_barred``."""


@frozen
class Opener:
    """A process that has something open on a mount. path: what, relative to the mount; "" is its root."""

    pid: int
    command: str
    path: str


def check_fuse() -> None:
    """Raise ``WNetError`` (ERROR_SERVICE_NOT_FOUND) with what to install if nothing can be mounted here."""
    _fusermount()
    if not Path("/proc/self").exists():
        raise WNetError(
            Status.ERROR_SERVICE_NOT_FOUND,
            "the file system /proc is not there, so that no process can be watched",
            hint="mount it, as root: mount -t proc proc /proc",
        )
    if not Path("/dev/fuse").exists():
        raise WNetError(
            Status.ERROR_SERVICE_NOT_FOUND,
            "the device /dev/fuse is not there",
            hint="load the kernel's module: modprobe fuse; in a container, start it with --device /dev/fuse",
        )


def exhausted() -> tuple[int, int] | None:
    """How many FUSE mounts there are and how many there may be, if this user may make no other one."""
    found = counted()
    return found if found and found[0] >= found[1] else None


def check_allowed(said: str, why: str = "no more mounts are allowed", hint: str = "see mount_max in fuse.conf") -> None:
    """Raise ``WNetError`` (ERROR_BUSY) if there are too many for the mount of whose failure rclone has *said* so much.

    fusermount3 tells it, and rclone passes that on to its log alone. why, hint: of the error.
    """
    if exhausted():
        raise WNetError(Status.ERROR_BUSY, why, provider_text=said, hint=hint)


def helper_words(log: Path, since: int) -> str | None:
    """What fusermount3 has said last, which rclone passes on to its *log* alone; *since*: so many bytes into that."""
    with suppress(OSError), log.open("rb") as file:
        file.seek(since)
        if said := re.findall(r"mount helper error: (.+)", file.read().decode(errors="replace")):
            return str(said[-1]).strip()
    return None


def counted() -> tuple[int, int] | None:
    """How many FUSE mounts there are, of all users, as fusermount3 counts them, and how many there may be.

    None: any number, as root may always have.
    """
    most = MOST
    with suppress(OSError):
        said = CONFIGURATION.read_text(encoding="utf-8", errors="replace")
        if match := re.search(r"(?m)^\s*mount_max\s*=\s*(-?\d+)", said):
            most = int(match[1])
    count = sum(each.kind == "fuse" or each.kind.startswith("fuse.") for each in mountinfo.mounted())
    return None if most == -1 or os.geteuid() == 0 else (count, most)


def fusermount() -> str | None:
    """The program that mounts and unmounts for users."""
    return which("fusermount3") or which("fusermount")


def real_path(mountpoint: Path) -> Path:
    """The path under which the kernel lists a mount on the directory *mountpoint*; the mount itself is not asked."""
    path = mountpoint.absolute()
    with suppress(OSError):  # the last of them is no link
        for _ in range(40):  # as many as the kernel follows
            path = path.parent / os.readlink(path)  # noqa: PTH115 - the text of the link
    return path.parent.resolve() / path.name


def is_mounted(mountpoint: Path, kind: str = KIND) -> bool:
    """Whether the topmost mount on *mountpoint*, a real path, is of the type *kind*, alive or dead."""
    there = mountinfo.at(mountpoint)
    return there is not None and there.kind == kind


def check_uncovered(mountpoint: Path) -> None:
    """Raise ``WNetError`` (ERROR_DEVICE_IN_USE) if something else is mounted over a mount of rclone's on *mountpoint*.

    What is beneath goes on, and cannot be unmounted.
    """
    *beneath, top = [each.kind for each in mountinfo.on(mountpoint)] or [KIND]
    if top != KIND and KIND in beneath:
        from shlex import quote

        raise WNetError(
            Status.ERROR_DEVICE_IN_USE,
            f"something else ({top}) is mounted over the connection, at {mountpoint}",
            hint=f"unmount that first: umount {quote(str(mountpoint))}",
        )


def served_by(pid: int) -> int:
    """How many mounts the process *pid* serves, also those that are no longer in the tree of files."""
    return sum(path == "/dev/fuse" for path in links(Path(f"/proc/{pid}/fd").iterdir()))


def _fusermount() -> str:
    """That program. Raises ``WNetError`` (ERROR_SERVICE_NOT_FOUND)."""
    found = fusermount()
    if found is None:
        raise WNetError(
            Status.ERROR_SERVICE_NOT_FOUND,
            "the program fusermount3 is not in PATH",
            hint="install it: apt install fuse3; or add its directory to PATH",
        )
    return found


def _take_away(mountpoint: Path, lazily: bool) -> CompletedProcess[str]:
    """Have that program unmount, or where it cannot tell whose mount it is, umount, which asks the kernel.

    It knows that from /etc/mtab alone, which is missing where neither an installer nor systemd has made it.
    """
    environment = {**os.environ, "LC_ALL": "C"}
    ran = run([_fusermount(), "-uz" if lazily else "-u", "--", mountpoint], env=environment)
    if "mtab" in ran.stderr and (umount := which("umount")):
        return run([umount, *(["--lazy"] if lazily else []), "--", mountpoint], env=environment)
    return ran


def unmount(mountpoint: Path, *, lazily: bool = False, kind: str = KIND) -> bool:
    """Take the mount, one of the type *kind*, away; False if it is in use.

    lazily: also if it is in use: it vanishes from the tree of files at once, for those who use it when they are done.
    Raises ``WNetError``: ERROR_SERVICE_NOT_FOUND, ERROR_EXTENDED_ERROR if it cannot be taken away for another reason.
    """
    until = monotonic() + GLANCE
    while True:
        ran = _take_away(mountpoint, lazily)
        if not is_mounted(mountpoint, kind):
            return True
        if "busy" not in ran.stderr.lower():
            said = ran.stderr.strip()
            raise WNetError(
                Status.ERROR_EXTENDED_ERROR,
                f"{mountpoint} cannot be unmounted: {said}" if said else f"{mountpoint} cannot be unmounted",
                hint=BARRED if is_barred() and os.geteuid() != 0 else None,
                provider_code=ran.returncode,
                provider_text=said,
            )
        if monotonic() > until or openers(mountpoint, mapped=True):
            return False
        sleep(0.02)


def openers(mountpoint: Path, *, mapped: bool = False) -> list[Opener]:
    """Who has files or directories open on what is mounted on *mountpoint*, as far as this user may know.

    Also in a container or a bind mount, where it is in another place. mapped: look also for files that are closed but
    still mapped into memory, which takes longer.
    """
    there = mountinfo.at(mountpoint)
    places_for = _seen(there.kind, there.device) if there else lambda _: {}
    found: list[Opener] = []
    for process in Path("/proc").iterdir():
        if process.name.isdecimal():
            try:
                paths = (_mapped_by(process) if mapped else set()) | _opened_by(process)
                places = {**places_for(process), os.fsdecode(mountpoint): "/"}
                found += _within(places, process, paths)
            except OSError as error:  # it has ended, or is not the user's
                check_known(error)
    return found


def opened() -> set[str]:
    """All that is open anywhere, as far as this user may know. A path on a detached mount begins there.

    So does one on a mount of rclone's that another container has, or that is bound to another place, among others.
    """
    places_for = _seen(KIND)
    found: set[str] = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            paths = _opened_by(process)
            found |= paths | {f"/{each}" for each in _inner(places_for(process), paths)}
        except OSError as error:  # it has ended, or is not the user's
            check_known(error)
    return found


def _opened_by(process: Path) -> set[str]:
    return set(links((process / "cwd", process / "root", process / "exe", *(process / "fd").iterdir())))


def _seen(kind: str, device: int | None = None) -> Callable[[Path], dict[str, str]]:
    """Tells where a process sees mounts of that *kind* and *device*, and which directory of the file system is there.

    It may have a mount namespace of its own, as in a container, each of which is looked at once.
    """
    found: dict[tuple[str, str], dict[str, str]] = {}

    def places_for(process: Path) -> dict[str, str]:
        namespace = os.readlink(process / "ns" / "mnt"), os.readlink(process / "root")  # noqa: PTH115 - as in links
        if namespace not in found:
            there = mountinfo.of_kind(kind, device, process=process)
            found[namespace] = {os.fsdecode(each.path): os.fsdecode(each.root) for each in there}
        return found[namespace]

    return places_for


def links(paths: Iterable[Path]) -> Iterator[str]:
    """The texts of symbolic links; those that cannot be read are left out."""
    for link in paths:
        with suppress(OSError):
            yield os.readlink(link)  # noqa: PTH115 - the text of the link, whatever it leads to


def _mapped_by(process: Path) -> set[str]:
    lines = (process / "maps").read_text(errors="surrogateescape").splitlines()
    return {line[line.index("/") :] for line in lines if "/" in line}


def _within(places: Mapping[str, str], process: Path, paths: set[str]) -> Iterator[Opener]:
    within = sorted(_inner(places, paths))
    if within:
        command = (process / "comm").read_text(encoding="utf-8", errors="replace").strip()
        for path in within:
            yield Opener(int(process.name), command, path.removesuffix(" (deleted)"))


def _inner(places: Mapping[str, str], paths: set[str]) -> set[str]:
    """Those of *paths* that are in one of *places*, relative to the file system, a directory of which is there."""
    return {
        f"{root}{path[len(place) :]}".strip("/")
        for place, root in ((place.rstrip("/"), root.rstrip("/")) for place, root in places.items())
        for path in paths
        if path == place or path.startswith(f"{place}/")
    }
