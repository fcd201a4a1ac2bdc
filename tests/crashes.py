"""Commands that get a signal at a fault point, and what must be so after that."""

from __future__ import annotations

import fcntl
import json
import signal
import sys
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import warm
from mprouter.store import Store
from sandbox import Places
from servers.daemon import wait_for

__all__ = ["NOTIFYEES", "Call", "Crash", "World"]

NOTIFYEES = ("command", "inline", "isolated", "generator")
"""One of each kind, in the order of their pres. The frame of the generator dies with its process."""

WITNESS = Path(__file__).with_name("recovery") / "witness.py"

COMMAND = """#!{python} -IS
import json, os, sys
told = json.loads(sys.stdin.read() or "{{}}")
line = {{each: os.environ["MPR_" + each.upper()] for each in ("operation", "phase", "status", "local_name", "context")}}
line |= {{"who": "command", "name": line.pop("local_name"), "status": int(line["status"])}}
line |= {{"context": json.loads(line["context"] or "null"), "recovered": told.get("recovered", False)}}
descriptor = os.open({log!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
os.write(descriptor, json.dumps(line).encode() + b"\\n")
if line["phase"] == "pre":
    print('{{"context": {{"by": "command"}}}}')
"""


@dataclass(frozen=True)
class Call:
    """One call of a notifyee, as it wrote it down."""

    who: str
    operation: str
    name: str
    phase: str
    status: int
    recovered: bool
    context: object


@dataclass(frozen=True)
class Crash:
    """Where a command is killed: the *nth* time that *point* is reached."""

    point: str
    nth: int = 1

    def __str__(self) -> str:
        return self.point if self.nth == 1 else f"{self.point} ({self.nth})"

    @property
    def at(self) -> str | None:
        """The notifyee that was being told then."""
        of_commands = {"running": ("command", "command")}
        each = of_commands.get(self.point, NOTIFYEES if self.point in {"telling", "told"} else NOTIFYEES[::-1])
        return each[self.nth - 1] if self.point in {"telling", "running", "told", "posting", "posted"} else None


@dataclass
class World:
    """A user's places with a notifyee of each kind, and a resource to connect."""

    places: Places
    resource: str
    options: tuple[str, ...]
    root: Path
    log: Path = field(init=False)
    printed: str = field(init=False, default="")  # by the command that was struck last
    said: str = field(init=False, default="")  # the same, on standard error

    def __post_init__(self) -> None:
        self.log = self.places.home / "told"
        script = self.places.home / "command"
        script.write_text(COMMAND.format(python=sys.executable, log=str(self.log)))
        script.chmod(0o700)
        witness = self.places.home / "witness.py"
        witness.write_bytes(WITNESS.read_bytes())
        self.register("command", f"command:{script}")
        self.register("inline", f"python:{witness}:Witness", settings=True)
        self.register("isolated", f"python:{witness}:Witness", settings=True, isolation="process")
        self.register("generator", f"python:{witness}:generator", settings=True)

    def register(self, name: str, target: str, *, settings: bool = False, isolation: str | None = None) -> None:
        """Have a notifyee told, after those that were registered before."""
        directory = self.places.config / "notifyees.d"
        directory.mkdir(exist_ok=True)
        lines = [f"target = {json.dumps(target)}", f"order = {len(list(directory.iterdir()))}"]
        lines += [f'isolation = "{isolation}"'] if isolation else []
        lines += ["[settings]", f"log = {json.dumps(str(self.log))}", f'who = "{name}"'] if settings else []
        (directory / f"{name}.toml").write_text("\n".join(lines))

    # -- commands ----------------------------------------------------------------------------------------------

    def mpr(self, *arguments: str) -> str:
        """Run a command, which must succeed; what it printed."""
        ran = warm.run(*arguments)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    def connect(self, name: str = "Z:") -> tuple[str, ...]:
        """The words of the command that connects the resource."""
        return ("connect", self.resource, name, *self.options)

    def killed(self, crash: Crash, *arguments: str) -> None:
        """Run a command, which must be killed at *crash*."""
        code = self.struck(crash, signal.SIGKILL, *arguments)
        assert code == -signal.SIGKILL, f"{crash} was not reached"

    def struck(self, crash: Crash, number: signal.Signals, *arguments: str) -> int:
        """Run a command that gets a signal at *crash*; its exit code."""
        with self.started(crash, number, *arguments) as command:
            self.printed, self.said = command.communicate()
            return command.wait()

    def started(self, crash: Crash, number: signal.Signals, *arguments: str) -> warm.Started:
        """A command that will get a signal at *crash*."""
        return warm.Started(*arguments, strike=warm.Strike(crash.point, crash.nth, number))

    def words(self, crash: Crash, number: signal.Signals, *arguments: str) -> list[str]:
        """The words of that command, for an interpreter of its own."""
        return [sys.executable, warm.__file__, crash.point, str(crash.nth), str(int(number)), *arguments]

    def told(self, operation: str, who: str | None = None, phase: str | None = None) -> list[Call]:
        """The calls of an operation, in their order."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        calls = [Call(**json.loads(line)) for line in lines]
        wanted = [each for each in calls if each.operation == operation and who in {None, each.who}]
        return [each for each in wanted if phase in {None, each.phase}]

    def events(self) -> list[dict[str, Any]]:
        """The record of events, the oldest first."""
        return [json.loads(line) for line in self.mpr("events", "--json").splitlines()]

    # -- what must be so ---------------------------------------------------------------------------------------

    def check(self) -> None:
        """The store agrees with the mounts, and nothing is left of what is not connected."""
        store = Store()
        entries = store.entries()
        assert store.operations() == []
        assert [each.phase for each in entries] == ["connected"] * len(entries)
        assert sorted(each.path for each in entries) == self.places.mounts()
        directories = [str(each) for each in self.places.drives.iterdir()]
        directories += [str(each) for each in (self.places.runtime / "mounts").glob("*")]
        assert sorted(directories) == self.places.mounts()
        assert list((self.places.runtime / "hold").glob("*")) == []
        wait_for(  # a notifyee's process ends when it sees that its router was killed
            lambda: self.programs() in ({"rclone": 1}, {}), lambda: f"the end of all but rclone: {self.programs()}"
        )
        for lock in (*self.places.state.glob("*.lock"), *self.places.runtime.glob("*.lock")):
            with lock.open() as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        store.close()

    def check_notifications(self, crash: Crash, operation: str, status: int) -> None:
        """N19: at most one pre for each, and one final post for each that left a context, with that context."""
        for who in NOTIFYEES:
            pres, posts = (self.told(operation, who, phase) for phase in ("pre", "post"))
            assert len(pres) <= 1, who
            if who == "generator":  # it cannot be reached any more
                assert len(posts) <= len(pres)
                continue
            begun = bool(pres) or (crash.point, crash.at) == ("telling", who)
            again = self.is_told_again(crash, who)
            assert len(posts) == begun + again, who
            assert {each.status for each in posts} <= {status}, who
            by_the_dead = sorted(each.recovered for each in posts)[:again]  # a command that runs on may write last
            assert by_the_dead == [False] * again, who
            known = (crash.point, crash.at) not in {("telling", who), ("told", who)}
            known &= (str(crash), who) != ("running", "command")
            assert [each.context for each in posts] == [{"by": who} if known else None] * len(posts), who

    def is_told_again(self, crash: Crash, who: str) -> bool:
        """Whether the post was made, and the process died before the journal had it."""
        if who == "command":  # it runs on when the process dies, which is in the journal as soon as it runs
            return str(crash) == "running (2)"
        return (crash.point, crash.at) == ("posted", who)

    def programs(self) -> Counter[str]:
        """What runs in the user's places, and how often."""
        found = Counter[str]()
        for pid in self.places.processes():
            with suppress(OSError):  # it ended meanwhile
                found[Path(f"/proc/{pid}/comm").read_text().strip()] += 1
        return found
