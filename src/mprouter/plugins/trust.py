"""Trust: whether a file that a drop-in names may be loaded or run, judged by who could have changed it.

A path is followed with descriptors, link by link, and what was looked at is what is handed out: between the check and
the use nothing can be exchanged. The rules and the attacks that they are made for stand in ``docs/trust.md``; what a
refusal leads to is the registration's matter. This is no sandbox: what is trusted may do all that the user may. Linux.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from mprouter.status import Status, WNetError, shortage

__all__ = ["Opened", "look", "name_of", "opened"]

MAX_LINKS = 40
"""How many symbolic links are followed on one path, as by the kernel."""

_LOOK = getattr(os, "O_PATH", 0) | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_MFD_EXEC = 0x10  # as of Linux 6.3; Python has no name for it yet
_WRITABLE = {stat.S_IWGRP: "its group", stat.S_IWOTH: "everybody", stat.S_IWGRP | stat.S_IWOTH: "its group and others"}


class Opened:
    """A file that a path led to, held open: a context manager.

    path: where it is, all links followed. owner: a user id. mode: permission bits. refusal: why it is not to be
    trusted, the first reason on the way to it, or None.
    """

    __slots__ = ("_descriptor", "mode", "owner", "path", "refusal")

    def __init__(self, descriptor: int, path: str, found: os.stat_result, refusal: WNetError | None) -> None:
        self._descriptor = descriptor
        self.path = path
        self.owner = found.st_uid
        self.mode = stat.S_IMODE(found.st_mode)
        self.refusal = refusal

    def __enter__(self) -> Opened:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def fileno(self) -> int:
        """The descriptor. It is good for ``place`` and for being inherited, and may not be good for reading."""
        return self._descriptor

    @property
    def place(self) -> str:
        """A path under which this very file can be read, run and loaded, by whoever has the descriptor."""
        return f"/proc/self/fd/{self._descriptor}"

    def read(self, most: int = -1) -> bytes:
        """What is in it, of a large one the first *most* bytes. Raises OSError."""
        with open(self.place, "rb", buffering=0) as file:  # noqa: PTH123 - nothing else is to be done there
            return file.readall() if most < 0 else file.read(most)

    def digest(self) -> str:
        """The SHA-256 of what is in it, in hexadecimal digits. Raises OSError."""
        from hashlib import sha256

        return sha256(self.read()).hexdigest()

    def detach(self) -> int:
        """The descriptor, which the caller is to close from now on."""
        descriptor, self._descriptor = self._descriptor, -1
        return descriptor

    def close(self) -> None:
        """Let it go; again does nothing."""
        descriptor = self.detach()
        if descriptor >= 0:
            os.close(descriptor)

    def keep_only(self, sha256: str) -> None:
        """Put a copy in memory in its place, which nobody can write to, if its content has this digest.

        Raises ``WNetError`` (ERROR_INVALID_IMAGE_HASH) if it has another, OSError; it is closed then.
        """
        from hashlib import sha256 as digest

        try:
            content = self.read()
        finally:
            self.close()
        found = digest(content).hexdigest()
        if found != sha256.lower():
            raise WNetError(
                Status.ERROR_INVALID_IMAGE_HASH,
                f"{_described(self.path, self.owner, self.mode)} has the SHA-256 {found}, not that of its "
                f'registration; if the change was meant, register it: sha256 = "{found}"',
            )
        copy = _memory(Path(self.path).name[:200])
        try:
            left = memoryview(content)
            while left:
                left = left[os.write(copy, left) :]
            _seal(copy)
            os.fchmod(copy, self.mode & 0o777)
        except BaseException:
            os.close(copy)
            raise
        self._descriptor = copy


def opened(path: str | os.PathLike[str], sha256: str | None = None) -> Opened:
    """The regular file that *path*, which must be absolute, leads to, if it may be loaded or run.

    It and its directory must belong to root or to the user himself (to root, if that is who asks) and be writable by
    nobody else; so must all directories and links on the way, but that others may write to a directory with the
    sticky bit in which another directory is entered. sha256: the only content that it may have; then the file is a
    copy in memory.

    Raises ``WNetError``: ERROR_ACCESS_DENIED, naming the path, its owner and mode, and the command that mends it;
    ERROR_INVALID_IMAGE_HASH; ERROR_FILE_NOT_FOUND; ERROR_BAD_CONFIGURATION if it is no regular file.
    """
    try:
        found = look(path)
        if found.refusal is None and sha256 is not None:
            found.keep_only(sha256)
    except WNetError:
        raise
    except (FileNotFoundError, NotADirectoryError) as error:
        raise WNetError(Status.ERROR_FILE_NOT_FOUND, f"there is no file {os.fspath(path)}") from error
    except PermissionError as error:
        raise WNetError(Status.ERROR_ACCESS_DENIED, f"{os.fspath(path)} cannot be read by this user") from error
    except OSError as error:
        status, hint = shortage(error) or (Status.ERROR_BAD_CONFIGURATION, None)
        raise WNetError(status, f"{os.fspath(path)}: {error.strerror}", hint=hint) from error
    if found.refusal is not None:
        found.close()
        raise found.refusal
    return found


def look(path: str | os.PathLike[str]) -> Opened:
    """Open what *path* leads to, trusted or not. Raises OSError; it has EINVAL if it is no regular file."""
    return _Way(os.fspath(path)).to_its_end()


class _Way:
    """The way that a path leads, one name at a time, as the kernel would go it.

    here: a descriptor of the directory that it has come to; names: how that is called. refusal: the first fault.
    """

    def __init__(self, path: str) -> None:
        self.left = path.split("/")[::-1]
        self.trusted = {0, os.geteuid()}
        self.links = 0
        self.refusal: WNetError | None = None
        self.here = -1
        if not path.startswith("/"):
            raise OSError(errno.EINVAL, "it is no absolute path", path)

    def to_its_end(self) -> Opened:
        try:
            self.start()
            while True:
                name = self.left.pop() if self.left else "."
                if name in {"", "."}:
                    if not self.left:
                        raise IsADirectoryError(errno.EISDIR, "it is not a regular file but a directory")
                    continue
                entry = os.open(name, _LOOK, dir_fd=self.here)
                try:
                    found = os.fstat(entry)
                    kind = stat.S_IFMT(found.st_mode)
                    if kind == stat.S_IFDIR:
                        self.enter(entry, found, name)
                    elif kind == stat.S_IFLNK:
                        self.follow(entry, found, name)
                    elif any(self.left):
                        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), self.named(name))
                    elif kind != stat.S_IFREG:
                        raise OSError(errno.EINVAL, "it is not a regular file", self.named(name))
                    else:
                        self.judge_entry(found, name)
                        result = Opened(entry, self.named(name), found, self.refusal)
                        entry = -1
                        return result
                finally:
                    if entry not in {-1, self.here}:  # Ctrl-C may have struck when it was entered
                        os.close(entry)
        finally:
            if self.here >= 0:
                os.close(self.here)

    def start(self) -> None:
        """Be at the root directory."""
        self.names: list[str] = []
        self.found = os.lstat("/")
        entry = os.open("/", _LOOK)
        self.enter(entry, os.fstat(entry), "")

    def enter(self, entry: int, found: os.stat_result, name: str) -> None:
        """Go into a directory."""
        left, self.here, self.found = self.here, entry, found
        if left >= 0:  # and not closed again, if Ctrl-C strikes now
            os.close(left)
        if name == "..":
            del self.names[-1:]
        elif name:
            self.names.append(name)
        others = found.st_mode & 0o022
        if found.st_uid not in self.trusted or (others and not found.st_mode & stat.S_ISVTX):
            self.refuse(found, "/" + "/".join(self.names))

    def follow(self, entry: int, found: os.stat_result, name: str) -> None:
        """Go where a symbolic link leads."""
        self.links += 1
        if self.links > MAX_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), self.named(name))
        self.judge_entry(found, name)
        leads_to = os.readlink("", dir_fd=entry)
        if leads_to.startswith("/"):
            self.start()
        self.left += leads_to.split("/")[::-1]

    def judge_entry(self, found: os.stat_result, name: str) -> None:
        """A file or link: with the sticky bit others cannot take it away, but they may have put it there.

        A hard link to a trusted file of another purpose belongs to a trusted owner too; of a directory there is none.
        """
        path = self.named(name)
        if self.found.st_mode & stat.S_ISVTX and self.found.st_mode & 0o022 and self.refusal is None:
            where = "/" + "/".join(self.names)
            own = _quoted(f"{where.rstrip('/')}/notifyees")
            self.refusal = WNetError(
                Status.ERROR_ACCESS_DENIED,
                f"{_described(where, self.found.st_uid, self.found.st_mode)} can be written by "
                f"{_WRITABLE[self.found.st_mode & 0o022]}; mend it: "
                f"mkdir -m 755 {own} && mv {_quoted(path)} {own}, and name it there",
            )
        if found.st_uid not in self.trusted or (found.st_mode & 0o022 and not stat.S_ISLNK(found.st_mode)):
            self.refuse(found, path)

    def refuse(self, found: os.stat_result, path: str) -> None:
        if self.refusal is None:
            self.refusal = _refusal(path, found, os.geteuid())

    def named(self, name: str) -> str:
        return "/" + "/".join([*self.names, name])


def _refusal(path: str, found: os.stat_result, user: int) -> WNetError:
    """In words: what it is, who could have changed it, and what to do about that."""
    faults, commands = [], []
    is_link = stat.S_ISLNK(found.st_mode)
    if found.st_uid not in {0, user}:
        faults.append("does not belong to root" + (f" or {name_of(user)}" if user else ""))
        commands.append(f"chown {'-h ' if is_link else ''}{name_of(user)} {_quoted(path)}")
    others = 0 if is_link else found.st_mode & 0o022
    if others:
        faults.append(f"can be written by {_WRITABLE[others]}")
        who = ("g" if others & stat.S_IWGRP else "") + ("o" if others & stat.S_IWOTH else "")
        commands.append(f"chmod {who}-w {_quoted(path)}")
    as_root = "" if user in {0, found.st_uid} else ", as root"
    return WNetError(
        Status.ERROR_ACCESS_DENIED,
        f"{_described(path, found.st_uid, found.st_mode)} {' and '.join(faults)}; "
        f"mend it{as_root}: {' && '.join(commands)}",
    )


def _described(path: str, owner: int, mode: int) -> str:
    return f"{path} (owner {name_of(owner)}, mode {stat.S_IMODE(mode):04o})"


def name_of(user: int) -> str:
    """The name of a user of this system; the number, if it has none."""
    import pwd

    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)


def _quoted(path: str) -> str:
    import shlex

    return shlex.quote(path)


def _memory(name: str) -> int:
    """A file in memory that may be run, also where the system (``vm.memfd_noexec``) has that said explicitly."""
    flags = os.MFD_ALLOW_SEALING | os.MFD_CLOEXEC
    try:
        return os.memfd_create(name, flags | _MFD_EXEC)
    except OSError:  # a kernel before 6.3
        return os.memfd_create(name, flags)


def _seal(descriptor: int) -> None:
    import fcntl

    seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
