"""What a test runs in: places of its own, the installed command, an ordinary user. The fixtures: `conftest.py`."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from servers.daemon import end, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from servers.account import Account

__all__ = ["Command", "OrdinaryUser", "Places", "make_places"]


@dataclass(frozen=True)
class Places:
    """Directories of a test's own in place of a user's real ones, all below ``base``, which has a short name."""

    base: Path

    @property
    def home(self) -> Path:
        return self.base / "home"

    @property
    def system(self) -> Path:
        return self.base / "etc"

    @property
    def config(self) -> Path:
        return self.base / "config"

    @property
    def state(self) -> Path:
        return self.base / "state"

    @property
    def runtime(self) -> Path:
        return self.base / "run"

    @property
    def drives(self) -> Path:
        return self.base / "drives"

    @property
    def environment(self) -> dict[str, str]:
        """What tells a program that these are its places."""
        return {
            "HOME": str(self.home),
            "MPROUTER_SYSTEM_DIR": str(self.system),
            "MPROUTER_CONFIG_DIR": str(self.config),
            "MPROUTER_STATE_DIR": str(self.state),
            "MPROUTER_RUNTIME_DIR": str(self.runtime),
            "MPROUTER_DRIVES_DIR": str(self.drives),
            "XDG_CONFIG_HOME": str(self.home / ".config"),
            "XDG_STATE_HOME": str(self.home / ".local" / "state"),
            "XDG_DATA_HOME": str(self.home / ".local" / "share"),
            "XDG_CACHE_HOME": str(self.home / ".cache"),
            "XDG_RUNTIME_DIR": str(self.base / "xdg"),
            "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
        }

    def mounts(self) -> list[str]:
        """What is mounted below, the innermost last."""
        points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
        points = [point.encode().decode("unicode_escape").encode("latin-1").decode() for point in points]
        return sorted(point for point in points if point.startswith(f"{self.base}/"))

    def processes(self) -> list[int]:
        """The programs that were given one of these places as an argument or variable, this one aside."""
        needle = f"{self.base}/".encode()
        found = []
        for directory in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # it ended meanwhile
                if needle in (directory / "cmdline").read_bytes() + (directory / "environ").read_bytes():
                    found.append(int(directory.name))
        return [pid for pid in found if pid != os.getpid()]

    def clear(self) -> None:
        """Unmount what is mounted there, end what runs there, and check that nothing is left."""
        for point in reversed(self.mounts()):
            subprocess.run(["fusermount3", "-uz", point], check=True)
        end(self.processes())
        assert not self.mounts()
        wait_for(lambda: not self.processes(), lambda: f"the end of {self.processes()}")


@contextmanager
def make_places(owner: Account | None = None) -> Iterator[Places]:
    # Not below tmp_path: that is too long for the name of a Unix socket (107 bytes), and root's alone.
    places = Places(Path(tempfile.mkdtemp(prefix="mpr-", dir="/tmp")))
    made = [places.base, places.home, places.system, places.config, places.state, places.runtime, places.drives]
    made.append(places.base / "xdg")
    for directory in made:
        directory.mkdir(mode=0o700, exist_ok=True)
    if owner:
        owner.own(*made)
    try:
        yield places
    finally:
        places.clear()
        shutil.rmtree(places.base)


class Command(Protocol):
    """``mpr("list", "--json", stdin="")`` runs the installed command; the exit code is not checked."""

    def __call__(self, *arguments: str | Path, stdin: str = "") -> subprocess.CompletedProcess[str]: ...


@dataclass(frozen=True)
class OrdinaryUser:
    """A user who is not root, with places of their own.

    python: an interpreter that has the package and that this user can read.
    """

    account: Account
    places: Places
    python: Path
    _variables: Mapping[str, str]

    def run(self, *argv: str | Path, stdin: str = "", timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Run any program as this user, in their places. timeout: seconds."""
        environment = {**self.places.environment, **self._variables}
        return self.account.run(argv, environment=environment, stdin=stdin, timeout=timeout)

    def mpr(self, *arguments: str | Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run the command as this user."""
        return self.run(self.python, "-m", "mprouter", *arguments, stdin=stdin)
