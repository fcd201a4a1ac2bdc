"""Links: the things that a dialler brings up and takes down, one class for each. POSIX.

When a link is needed, and whose it is, is ``dialler.py``'s business. A link keeps what it must know from one process to
the next in *place*, a private directory of its own.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from mprouter import places
from mprouter.frozen import frozen
from mprouter.notify.dispatch import nesting_environment
from mprouter.processes import has_ended, has_something, wait_until
from mprouter.status import Status, WNetError
from mprouter.store import owner

__all__ = ["CommandPair", "Link", "NetworkManagerConnection", "SshTunnel", "SystemdUnit", "WireGuard", "answers"]

PATIENCE = 10.0
"""Seconds that a program may take to say how things are."""

_PAUSE = 0.02  # seconds between two looks at something that is to happen
_OUTPUT = "output"  # the file in *place* that has what the last program printed


class Link(Protocol):
    """A link. Its ``repr`` is the same in every process for the same link, and different for another one.

    Each method raises ``WNetError``: ERROR_SERVICE_NOT_FOUND if a program is missing, ERROR_TIMEOUT if it took longer
    than *patience* seconds, ERROR_NETWORK_UNREACHABLE if it failed.
    """

    @property
    def name(self) -> str:
        """What it is, for a person, without secrets."""

    def is_up(self, place: Path) -> bool | None:
        """Whether it is up now, whoever brought it up; None if there is no way to tell."""

    def up(self, place: Path, patience: float) -> None:
        """Bring it up, and return when it is."""

    def down(self, place: Path, patience: float) -> None:
        """Take it down, and return when it is, or will be without this process."""


@frozen
class CommandPair:
    """Two programs with their arguments. Whether such a link is up they do not tell."""

    up_argv: tuple[str, ...]
    down_argv: tuple[str, ...]

    @property
    def name(self) -> str:
        """The first program; not its arguments, which are the user's own and may be anything."""
        return f"the link of {self.up_argv[0]}"

    def is_up(self, place: Path) -> bool | None:  # noqa: ARG002 - the protocol's
        """Nobody knows."""
        return None

    def up(self, place: Path, patience: float) -> None:
        """Run the first program."""
        run(self.up_argv, place, patience)

    def down(self, place: Path, patience: float) -> None:
        """Run the second program."""
        run(self.down_argv, place, patience)


@frozen
class SystemdUnit:
    """A unit of the system's service manager, or of the user's own."""

    unit: str
    user: bool = False

    @property
    def name(self) -> str:
        """The unit."""
        return f"the unit {self.unit}"

    def is_up(self, place: Path) -> bool | None:
        """Whether the unit is active."""
        argv = self._systemctl("is-active", "--quiet")
        return run(argv, place, PATIENCE, may_fail=True, variables=places.session_variables()) == 0

    def up(self, place: Path, patience: float) -> None:
        """Start the unit; systemctl waits until it has started."""
        run(self._systemctl("start"), place, patience, variables=places.session_variables())

    def down(self, place: Path, patience: float) -> None:
        """Have the unit stopped, without waiting for it: at logout it may be that systemd stops it after this."""
        run(self._systemctl("stop", "--no-block"), place, patience, variables=places.session_variables())

    def _systemctl(self, *verb: str) -> list[str]:
        return ["systemctl", *(["--user"] if self.user else []), "--no-ask-password", *verb, "--", self.unit]


@frozen
class NetworkManagerConnection:
    """A connection profile of NetworkManager, whose secrets NetworkManager or an agent of the desktop keeps."""

    connection: str

    @property
    def name(self) -> str:
        """The profile."""
        return f"the NetworkManager connection {self.connection}"

    def is_up(self, place: Path) -> bool | None:
        """Whether the profile is active and done with activating."""
        argv = ["nmcli", "--get-values", "GENERAL.STATE", "connection", "show", "id", self.connection]
        known = run(argv, place, PATIENCE, may_fail=True, variables={"LC_ALL": "C"}) == 0
        return known and _output(place).strip() == "activated"

    def up(self, place: Path, patience: float) -> None:
        """Activate the profile."""
        run(self._nmcli("up", patience), place, patience)

    def down(self, place: Path, patience: float) -> None:
        """Deactivate the profile."""
        run(self._nmcli("down", patience), place, patience)

    def _nmcli(self, verb: str, patience: float) -> list[str]:
        wait = max(1, round(patience))  # 0 would not wait at all
        return ["nmcli", "--wait", str(wait), "connection", verb, "id", self.connection]


@frozen
class WireGuard:
    """A WireGuard interface, as wg-quick names it: ``corp`` for ``/etc/wireguard/corp.conf``, or a file's path."""

    interface: str

    @property
    def name(self) -> str:
        """The interface."""
        return f"the WireGuard interface {self._interface}"

    @property
    def _interface(self) -> str:
        return Path(self.interface).name.removesuffix(".conf")

    def is_up(self, place: Path) -> bool | None:
        """Whether the interface exists."""
        run(["wg", "show", "interfaces"], place, PATIENCE)
        return self._interface in _output(place).split()

    def up(self, place: Path, patience: float) -> None:
        """Make the interface."""
        run(["wg-quick", "up", self.interface], place, patience)

    def down(self, place: Path, patience: float) -> None:
        """Remove the interface."""
        run(["wg-quick", "down", self.interface], place, patience)


class SshTunnel(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Forwarded ports over an SSH connection that asks nobody anything.

    host: as for ``ssh``: a name of its configuration, ``user@host``, or ``ssh://user@host:port``. forwards: as for
    ``ssh -L``: ``[ADDRESS:]PORT:HOST:HOSTPORT`` or ``[ADDRESS:]PORT:/SOCKET``. config: a configuration file in place of
    the user's own and the system's.
    """

    host: str
    forwards: list[str]
    config: str | None = None

    def __post_init__(self) -> None:
        """Refuse what ssh would misunderstand. Raises ``WNetError`` (ERROR_BAD_CONFIGURATION)."""
        if not self.host or self.host.startswith("-"):
            raise _bad("ssh_tunnel.host must be a name, user@name or ssh://user@name:port")
        if not self.forwards:
            raise _bad("ssh_tunnel.forwards is empty: the tunnel would lead nowhere")
        for each in self.forwards:
            if not _FORWARD.fullmatch(each):
                raise _bad(f"ssh_tunnel.forwards: {each} is neither port:host:hostport nor port:/path/of/a/socket")

    @property
    def name(self) -> str:
        """The host at its far end."""
        return f"the SSH tunnel to {self.host}"

    def is_up(self, place: Path) -> bool | None:
        """Whether the ssh that this dialler started still runs; it ends when the connection does."""
        running = _tunnel(place)
        return running is not None and owner.alive(*running)

    def up(self, place: Path, patience: float) -> None:
        """Start ssh, in a session of its own and nobody's child, and wait until its ports are open."""
        (place / _OUTPUT).write_bytes(b"")
        (place / _TUNNEL).unlink(missing_ok=True)
        with _launched(self._argv(patience), place) as (launcher, said):
            try:
                is_up = _listens(said, place, time.monotonic() + patience)
            except BaseException:
                with suppress(ProcessLookupError):
                    os.killpg(launcher.pid, signal.SIGTERM)
                self.down(place, PATIENCE)
                raise
        if not is_up:
            (place / _TUNNEL).unlink(missing_ok=True)
            raise _failed(f"ssh has ended{_last_words(place)}")

    def down(self, place: Path, patience: float) -> None:
        """End ssh, and all connections through it."""
        running = _tunnel(place)
        for sign in (signal.SIGTERM, signal.SIGKILL):
            deadline = time.monotonic() + patience / 2
            while running is not None and owner.alive(*running) and time.monotonic() < deadline:
                with suppress(ProcessLookupError):
                    os.kill(running[0], sign)
                time.sleep(_PAUSE)
        (place / _TUNNEL).unlink(missing_ok=True)

    def _argv(self, patience: float) -> list[str]:
        settings = {
            "BatchMode": "yes",
            "ConnectTimeout": str(max(1, round(patience))),
            "ExitOnForwardFailure": "yes",
            "ServerAliveInterval": "15",
            "ServerAliveCountMax": "3",
            "ControlMaster": "no",
            "ControlPath": "none",
            # Run when the ports are open: a port that answers could be somebody else's.
            "PermitLocalCommand": "yes",
            "LocalCommand": f"echo {_READY}",
        }
        argv = ["ssh", "-N", "-T", "-a", "-x"]
        argv += [] if self.config is None else ["-F", str(Path(self.config).expanduser())]
        for key, value in settings.items():
            argv += ["-o", f"{key}={value}"]
        for forward in self.forwards:
            argv += ["-L", forward]
        return [*argv, "--", self.host]


_FORWARD = re.compile(
    r"(?:(?:[^\s:/\[\]]*|\[[^\s\]]+\]):)?[0-9]{1,5}:(?:(?:[^\s:/\[\]]+|\[[^\s\]]+\]):[0-9]{1,5}|/\S+)"
)
_TUNNEL = "tunnel"  # the file in *place* that has the process id of ssh, and when it started
_READY = "the ports are open"
# A child of this process would become its zombie, for as long as it lives; a child of the shell's becomes init's.
_LAUNCH = ("/bin/sh", "-c", '"$@" & echo "$!"', "sh")


@contextmanager
def _launched(argv: Sequence[str], place: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Start ssh through a shell; the shell's process, and the descriptor from which its and ssh's output is read."""
    program = _found(argv[0])
    with (place / _OUTPUT).open("ab") as errors:
        launcher = subprocess.Popen(
            [*_LAUNCH, program, *argv[1:]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            cwd="/",
            env={**os.environ, "SHELL": "/bin/sh"},  # for LocalCommand; a service's user may have none that works
            start_new_session=True,
        )
    assert launcher.stdout is not None  # noqa: S101 - it is a pipe
    with launcher, launcher.stdout as said:
        yield launcher, said.fileno()


def _listens(said: int, place: Path, deadline: float) -> bool:
    """Read until ssh says that its ports are open; False when it has ended. Keeps the process id as soon as told."""
    text = ""
    while f"{_READY}\n" not in text or not re.search(r"(?m)^[0-9]+$", text):
        left = deadline - time.monotonic()
        if left <= 0 or not has_something(said, left):
            raise WNetError(Status.ERROR_TIMEOUT, f"ssh has not opened its ports in time{_last_words(place)}")
        more = os.read(said, 4096).decode(errors="replace")
        if not more:
            return False
        text += more
        number = re.search(r"(?m)^([0-9]+)\n", text)
        if number and not (place / _TUNNEL).exists():
            (place / _TUNNEL).write_text(f"{number[1]} {owner.started(int(number[1]))}", encoding="utf-8")
    return True


def _tunnel(place: Path) -> tuple[int, str] | None:
    """The process id of the ssh that was started last, and when it started."""
    try:
        number, _, start = (place / _TUNNEL).read_text(encoding="utf-8").partition(" ")
        return int(number), start
    except (FileNotFoundError, ValueError):
        return None


# -- programs and hosts ----------------------------------------------------------------------------------------


def run(
    argv: Sequence[str],
    place: Path,
    patience: float,
    *,
    may_fail: bool = False,
    variables: Mapping[str, str] | None = None,
) -> int:
    """Run a program to its end, its output in a file of *place*; its exit code.

    What it leaves behind in the background goes on. A program that connects something is nested in this notification
    (N17).
    """
    program = _found(argv[0])
    with (place / _OUTPUT).open("wb") as output:
        try:
            process = subprocess.Popen(
                [program, *argv[1:]],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                env={**os.environ, **nesting_environment(), **(variables or {})},
                start_new_session=True,
            )
        except OSError as error:
            raise _failed(f"{argv[0]} cannot be run: {error.strerror}") from error
    with process:
        try:
            wait_until(lambda: has_ended(process), max(patience, _PAUSE))
        except ChildProcessError as error:  # SIGCHLD is ignored here, or somebody else waits for all children
            raise _failed(f"nobody knows how {argv[0]} ended{_last_words(place)}") from error
        finally:
            code = process.returncode
            if code is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
        if code is None:
            what = f"{argv[0]} has not ended within {patience:g} seconds{_last_words(place)}"
            raise WNetError(Status.ERROR_TIMEOUT, what)
    if code and not may_fail:
        how = f"ended with exit code {code}" if code > 0 else f"was ended by {signal.Signals(-code).name}"
        raise _failed(f"{argv[0]} {how}{_last_words(place)}")
    return code


def answers(host: str, port: int, patience: float, *, once: bool = False) -> bool:
    """Whether *host* accepts a connection on *port* within *patience* seconds. once: a refusal is final."""
    deadline = time.monotonic() + patience
    while (left := deadline - time.monotonic()) > 0:
        try:
            socket.create_connection((host, port), timeout=min(left, PATIENCE)).close()
        except OSError:
            if once:
                return False
            time.sleep(min(left, _PAUSE))
        else:
            return True
    return False


def _found(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        raise WNetError(Status.ERROR_SERVICE_NOT_FOUND, f"the program {program} is not there, or not executable")
    return found


def _output(place: Path) -> str:
    return (place / _OUTPUT).read_text(encoding="utf-8", errors="replace")


def _last_words(place: Path) -> str:
    """The last line that the program printed, to be put behind a sentence; safe to print on a terminal."""
    lines = ("".join(filter(str.isprintable, line)).strip() for line in reversed(_output(place).splitlines()))
    last = next(filter(None, lines), "")
    return f": {last[:500]}" if last else ""


def _failed(what: str) -> WNetError:
    return WNetError(Status.ERROR_NETWORK_UNREACHABLE, what)


def _bad(what: str) -> WNetError:
    return WNetError(Status.ERROR_BAD_CONFIGURATION, what)
