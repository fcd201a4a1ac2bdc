"""Host processes whose router has died. They end with it, unless what runs in them prevents that.

Which router a host belongs to is told by the pipe between them: while the router lives it holds the writing end.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from mprouter.frozen import frozen
from mprouter.plugins.host import GRACE, MARK
from mprouter.processes import has_something, parent, words

__all__ = ["Orphan", "orphans"]

_TARGET, _LIFELINE, _ARGUMENTS = 6, 9, 11  # in the host's command line


@frozen
class Orphan:
    """A host that nobody speaks with any more. target: what runs there. pipe: which one tied it to its router."""

    pid: int
    target: str
    pipe: str

    def end(self) -> None:
        """Kill it, with all that it started in its own process group. Raises ``OSError``."""
        with suppress(ProcessLookupError):
            handle = os.pidfd_open(self.pid)
            try:  # while the handle is open the id is not given to another
                if self in _abandoned():
                    os.killpg(self.pid, signal.SIGKILL)
            finally:
                os.close(handle)

    def ends_by(self, deadline: float) -> bool:
        """Wait for its end until *deadline*, of the monotonic clock."""
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return True
        try:
            return has_something(handle, deadline - time.monotonic())
        finally:
            os.close(handle)


def orphans() -> list[Orphan]:
    """Those of this user, started with the same places as this process has, that do not end by themselves.

    One whose router has just let go of it, as the doctor does after a look, ends in a moment. Raises ``OSError``.
    """
    found = _abandoned()
    deadline = time.monotonic() + GRACE
    return [each for each in found if not each.ends_by(deadline)]


def _abandoned() -> list[Orphan]:
    hosts = list(_hosts())
    if not hosts:
        return []
    held = set(_written_to())
    return [each for each in hosts if each.pipe not in held]


def _hosts() -> Iterator[Orphan]:
    for process in _own_processes():
        with suppress(OSError):  # it has ended meanwhile
            argv = words(int(process.name))
            is_host = len(argv) == _ARGUMENTS and MARK.encode() in argv[3]
            if is_host and _has_our_places(process) and _is_seen(parent(int(process.name))):
                pipe = os.readlink(process / "fd" / os.fsdecode(argv[_LIFELINE]))  # noqa: PTH115 - the text alone
                if pipe.startswith("pipe:"):
                    yield Orphan(int(process.name), os.fsdecode(argv[_TARGET]), pipe)


def _is_seen(pid: int) -> bool:
    """Whether it would be seen which pipes the process holds; of the system's first one it need not be."""
    return pid == 1 or os.access(f"/proc/{pid}/fd", os.R_OK | os.X_OK)


def _written_to() -> Iterator[str]:
    """The pipes that processes of this user can write to."""
    for process in _own_processes():
        with suppress(OSError):
            for link in (process / "fd").iterdir():
                with suppress(OSError, ValueError):
                    pipe = os.readlink(link)  # noqa: PTH115 - the text alone
                    if pipe.startswith("pipe:") and _flags(process / "fdinfo" / link.name) & os.O_ACCMODE:
                        yield pipe


def _flags(fdinfo: Path) -> int:
    fields = dict(line.split(":", 1) for line in fdinfo.read_text(encoding="utf-8").splitlines() if ":" in line)
    return int(fields.get("flags", "0"), 8)


def _own_processes() -> Iterator[Path]:
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if process.stat().st_uid == os.getuid():
                yield process


def _has_our_places(process: Path) -> bool:
    entries = (process / "environ").read_bytes().split(b"\0")
    theirs = {each for each in entries if each.startswith(b"MPROUTER_") and b"_DIR=" in each}
    ours = {f"{name}={value}" for name, value in os.environ.items() if name.startswith("MPROUTER_")}
    return theirs == {os.fsencode(each) for each in ours if "_DIR=" in each}
