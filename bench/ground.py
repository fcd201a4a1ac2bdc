"""What the rows stand on: places of their own, real servers on loopback, and which peers are on this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import TypeVar

from sandbox import Places
from servers import account as accounts
from servers import sftp, smb, webdav
from servers.account import Account
from servers.daemon import end
from servers.sftp import SftpServer
from servers.smb import SmbServer
from servers.webdav import WebdavServer

__all__ = ["MPR", "Ground"]

MPR = Path(sys.executable).with_name("mpr")

T = TypeVar("T")

ATTEMPTS = 3
"""A process that is ended may leave a mount, one that was about to mount may do it still."""

_DIRECTORIES = ("CONFIG", "STATE", "RUNTIME", "DRIVES", "SYSTEM")


class Ground:
    """For one row; ends what it started when it is left, and whatever else is mounted or runs below its place by then.

    place: a directory in which all others are. left_out: peers that are not here, each with the reason. cut: cases that
    cannot be measured here, likewise; the row's figures are not whole without them.
    """

    def __init__(self, running: ExitStack) -> None:
        self._running = running
        self.left_out: dict[str, str] = {}
        self.cut: dict[str, str] = {}
        self.place = Path(tempfile.mkdtemp(prefix="mprouter-bench-"))
        running.callback(self._clear)
        self._numbers = count()
        self.place.chmod(0o711)  # the servers' user passes through
        self._environment = dict(os.environ)
        running.callback(self._restore)
        self.places()

    def directory(self, *, on: Path | None = None) -> Path:
        """A new one, in the place or, for its disk, in *on*."""
        if on:
            made = Path(tempfile.mkdtemp(prefix="mprouter-bench-", dir=on))
            self._running.callback(shutil.rmtree, made, ignore_errors=True)
        else:
            made = self.place / str(next(self._numbers))  # short: the names of sockets below have a limit
            made.mkdir()
        made.chmod(0o711)
        return made

    def places(self) -> Path:
        """New, empty places for mprouter, in the environment from here on; returns their directory."""
        base = self.directory()
        for each in _DIRECTORIES:
            (base / each.lower()).mkdir(mode=0o700)
            os.environ[f"MPROUTER_{each}_DIR"] = str(base / each.lower())
        (base / "home").mkdir()
        os.environ["HOME"] = str(base / "home")
        return base

    def has(self, program: str, package: str) -> str | None:
        """The path of a peer's program, or None, which is told."""
        found = shutil.which(program)
        if found is None:
            self.left_out[program] = f"not installed (Debian's package {package})"
        return found

    @cached_property
    def account(self) -> Account:
        """Who logs in."""
        return accounts.ensure()

    @cached_property
    def sftp(self) -> SftpServer:
        """OpenSSH."""
        return self._running.enter_context(sftp.serve(self.directory(), self.account))

    @cached_property
    def smb(self) -> SmbServer:
        """Samba."""
        return self._running.enter_context(smb.serve(self.directory(), self.account))

    @cached_property
    def webdav(self) -> WebdavServer:
        """Apache."""
        return self._running.enter_context(webdav.serve(self.directory(), self.account))

    def at_end(self, call: Callable[[], object]) -> None:
        """Have *call* made when the ground is left."""
        self._running.callback(call)

    def enter(self, context: AbstractContextManager[T]) -> T:
        """Have *context* left when the ground is."""
        return self._running.enter_context(context)

    def start(self, argv: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> None:
        """A program that runs until the ground is left, and is ended then; Ctrl-C does not reach it before."""
        silent = subprocess.DEVNULL
        started = subprocess.Popen(argv, env=environment, stdout=silent, stderr=silent, start_new_session=True)
        self._running.callback(started.wait, 20)
        self._running.callback(started.terminate)

    def _clear(self) -> None:
        """What a row that failed or was interrupted could not undo goes, too: mounts first, since files are behind."""
        left = Places(self.place)
        for _ in range(ATTEMPTS):
            for point in reversed(left.mounts()):
                subprocess.run(["fusermount3", "-uz", point], check=False, stderr=subprocess.DEVNULL)
            end(left.processes())
        if mounts := left.mounts():
            raise RuntimeError(f"{len(mounts)} directories below {self.place} stay mounted, {mounts[-1]} is one")
        shutil.rmtree(self.place, ignore_errors=True)

    def _restore(self) -> None:
        os.environ.clear()
        os.environ.update(self._environment)
