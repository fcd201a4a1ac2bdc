"""What the kernel says of a process in ``/proc/PID`` (proc(5)), waiting for what one does, and programs: found and run.

Which process may be ended is not told here.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress

TYPE_CHECKING = False  # that of typing, which takes longer to load than all that a command needs of this
if TYPE_CHECKING:
    from pathlib import Path
    from subprocess import CompletedProcess, Popen

__all__ = [
    "fields",
    "has_ended",
    "has_something",
    "is_barred",
    "parent",
    "run",
    "started_at",
    "wait_until",
    "which",
    "words",
]


def fields(pid: int | str = "self") -> list[bytes]:
    """What stands after the program's name, which may hold anything: the first is field 3. Raises ``OSError``."""
    with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123 - pathlib need not be loaded for this
        return file.read().rpartition(b")")[2].split()


def is_barred(pid: int | str = "self") -> bool:
    """Whether what it runs gets no more rights than it has (``no_new_privs``). Setuid fusermount3 needs more."""
    try:
        with open(f"/proc/{pid}/status", "rb") as file:  # noqa: PTH123 - as above
            return b"\nNoNewPrivs:\t1\n" in file.read()
    except OSError:
        return False


def parent(pid: int) -> int:
    """The id of its parent. Raises ``OSError`` if it is gone."""
    return int(fields(pid)[1])


def started_at(pid: int) -> int | None:
    """When it began, in ticks since the machine's start; None if there is none, or it has ended.

    Raises ``WNetError`` if the system has run out of what it takes to look.
    """
    try:
        found = fields(pid)
    except OSError as error:
        from mprouter.status import check_known

        check_known(error)
        return None
    return None if found[0] in {b"Z", b"X"} else int(found[19])  # of a zombie only its parent has not heard yet


def words(pid: int) -> list[bytes]:
    """What the process *pid* was started with; nothing if it has ended, or is the kernel's. Raises ``OSError``.

    While it becomes another program it has no words for a moment, which is waited out.
    """
    found = b""

    def is_told() -> bool:
        nonlocal found
        with open(f"/proc/{pid}/cmdline", "rb") as file:  # noqa: PTH123 - pathlib need not be loaded for this
            found = file.read()
        return bool(found) or not _is_program(pid)

    wait_until(is_told, 1.0)
    return found.split(b"\0")[:-1]


def _is_program(pid: int) -> bool:
    """Whether it runs one, as far as this user may know."""
    try:
        return bool(os.readlink(f"/proc/{pid}/exe"))  # noqa: PTH115 - the text of the link
    except OSError:
        return False


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait for *condition*, no longer than *seconds*; whether it came."""
    deadline = time.monotonic() + seconds
    while not (came := condition()) and time.monotonic() < deadline:
        time.sleep(0.002)
    return came


def has_ended(process: Popen[bytes]) -> bool:
    """Whether it has. ``Popen.poll`` takes one of which it was not told how for one that ended with 0: a veto for none.

    Raises ChildProcessError for that.
    """
    if process.returncode is None:
        try:
            pid, status = os.waitpid(process.pid, os.WNOHANG)
        except ChildProcessError:
            process.returncode = 0  # it is gone, and its id may be another's by now
            raise
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode is not None


def has_something(descriptor: int, seconds: float) -> bool:
    """Whether within *seconds* there is something to read, or its end. ``select.select`` takes none above 1023."""
    import select

    poller = select.poll()
    poller.register(descriptor, select.POLLIN)
    return bool(poller.poll(max(seconds, 0) * 1000))


def which(program: str, directories: Iterable[str] | None = None) -> str | None:
    """Where *program* is that this user may run: ``shutil.which``, without the 2 ms that its module takes to load.

    directories: where to look, None = in the PATH.
    """
    for directory in os.get_exec_path() if directories is None else directories:
        path = os.path.join(directory, program)  # noqa: PTH118 - short of pathlib
        if os.access(path, os.X_OK) and os.path.isfile(path):  # noqa: PTH113
            return path
    return None


def run(
    command: Sequence[str | Path],
    *,
    timeout: float | None = None,
    env: Mapping[str, str] | None = None,
    apart: bool = False,
) -> CompletedProcess[str]:
    """What became of *command*, which gets no input, and what it has said; what is no UTF-8 in that is replaced.

    timeout: seconds. env: its environment, None = ours. apart: in a session of its own, without the terminal, all of
    which ends with it where it is ended. Raises ``OSError`` and ``subprocess.TimeoutExpired``.
    """
    import signal
    import subprocess

    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        env=env,
        start_new_session=apart,
    ) as process:
        try:
            out, error = process.communicate(timeout=timeout)
        except BaseException:
            if apart:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
            process.kill()
            raise
        return subprocess.CompletedProcess(command, process.returncode, out, error)
