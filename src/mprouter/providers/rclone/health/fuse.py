"""Whether this user can mount anything through FUSE."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from mprouter.finding import Finding, Kind, Severity
from mprouter.processes import is_barred
from mprouter.providers.rclone.mounts import exhausted, fusermount

__all__ = ["look"]

DEVICE = Path("/dev/fuse")

NO_PROC = Kind(
    "proc-missing",
    Severity.ERROR,
    "The kernel's file system of processes and mounts is not there, so that nothing can be watched, or connected.",
    "as root: `mount -t proc proc /proc`",
)

NO_DEVICE = Kind(
    "fuse-device-missing",
    Severity.ERROR,
    "The kernel offers no FUSE here, through which everything is mounted. Nothing can be connected.",
    "as root: `modprobe fuse`; start a container with `--device /dev/fuse --cap-add SYS_ADMIN`",
)
FORBIDDEN = Kind(
    "fuse-device-forbidden",
    Severity.ERROR,
    "You may not use FUSE, through which everything is mounted. Nothing can be connected.",
    "as root: `chmod 666 /dev/fuse`; start a container with `--device /dev/fuse --cap-add SYS_ADMIN`",
)
NO_PROGRAM = Kind(
    "fusermount-missing",
    Severity.ERROR,
    "The program that mounts and unmounts for users is not there. Nothing can be connected or disconnected.",
    "as root: `apt install fuse3`, or the package of that name of your system; then it must be in your PATH",
)
NOT_SETUID = Kind(
    "fusermount-powerless",
    Severity.ERROR,
    "The program that mounts for users has not the right to, since it does not run as root. Nothing can be connected.",
    "as root: `chown root {path} && chmod u+s {path}`; on a file system mounted `nosuid` that does not help",
)
BARRED = Kind(
    "fusermount-barred",
    Severity.ERROR,
    "No program that is started from here gets more rights, which mounting for users takes. "
    "Nothing can be connected or disconnected from here.",
    "in a unit of systemd: `NoNewPrivileges=no`, without the settings that imply it (systemd.exec(5)); "
    "start a container without `--security-opt no-new-privileges`",
)
TOO_MANY = Kind(
    "fuse-mounts-exhausted",
    Severity.ERROR,
    "There are as many FUSE mounts, of all users, as users may have. No more connections can be made.",
    "disconnect some with --later, or as root set a larger `mount_max` in /etc/fuse.conf",
)


def look() -> Iterator[Finding]:
    """The device and the program are there and may be used, and another mount is allowed."""
    if not Path("/proc/self").exists():
        yield NO_PROC.found("/proc is not there")
    if not DEVICE.exists():
        yield NO_DEVICE.found(f"{DEVICE} is not there")
    else:
        try:
            os.close(os.open(DEVICE, os.O_RDWR | os.O_CLOEXEC))
        except OSError as error:
            yield FORBIDDEN.found(f"{DEVICE} cannot be opened: {error.strerror}")
    program = fusermount()
    if program is None:
        yield NO_PROGRAM.found("the program fusermount3 is not in PATH")
    elif os.geteuid() != 0:
        if not _mounts_as_root(Path(program)):
            yield NOT_SETUID.found(f"{program} does not run as root", path=program)
        elif is_barred():
            yield BARRED.found(f"{program} gets no more rights than this program has (no_new_privs)")
        if found := exhausted():
            yield TOO_MANY.found("there are {} of {} FUSE mounts".format(*found))


def _mounts_as_root(program: Path) -> bool:
    """Whether the program is setuid root, or has the capability instead, where the file system lets that count."""
    found = program.stat()
    if os.statvfs(program).f_flag & os.ST_NOSUID:
        return False
    if found.st_uid == 0 and found.st_mode & stat.S_ISUID:
        return True
    with suppress(OSError, AttributeError):
        return bool(os.getxattr(program, "security.capability"))
    return False
