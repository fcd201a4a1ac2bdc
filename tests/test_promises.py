"""The promises of the documents, kept whatever is done in whatever order: random sequences on real servers.

The model knows what is connected and remembered under each name, and what was last written and closed under each path.
After each step the user is told just that, that is mounted, and what was closed is on the server or told as waiting
(rules C3 to C6, N3, N4 and N19). What rclone itself does wrong (``docs/data-safety.md``) is left out, each with a word.

To look for more: ``PROMISES=500x60 pytest tests/test_promises.py -s``: so many sequences of so many steps, drawn anew.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import count, permutations
from pathlib import Path
from typing import Any, ClassVar, Self

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

import warm
from mprouter.providers.rclone import daemon
from mprouter.providers.rclone.unsent import queue_of
from mprouter.store import Store
from sandbox import make_places
from servers import sftp, smb, webdav
from servers.daemon import Fresh, Server, end, wait_for

SEED = None if "PROMISES" in os.environ else 12  # whose sequences have a bit of everything
SEQUENCES, STEPS = map(int, os.environ.get("PROMISES", "6x20").split("x"))

WITNESS = Path(__file__).with_name("recovery") / "witness.py"
NETWORKS = ("sftp", "webdav", "smb")
DEVICELESS = "-"
ADDING = ("directory made", "rclone started", "logged on", "mounted", "connected")
CANCELLING = (
    "cancelling",
    "held",
    "delivered",
    "unmounted",
    "released",
    "disconnected",
    "directory removed",
    "removed",
)
RECOVERING = (None, "recovering", "settled")
OTHERS = ("ALREADY_ASSIGNED", "DEVICE_ALREADY_REMEMBERED", "NOT_CONNECTED", "BUSY")  # refusals, where others are at it
TELLING = ("begun", "telling", "told", "attempting", "posting", "posted", "ending", "ended")
_numbers = count(1)

networks = st.sampled_from(NETWORKS)
names = st.sampled_from(("Y:", "Z:", DEVICELESS))
letters = st.sampled_from(("Y:", "Z:"))
which = st.integers(0, 2)  # of the connections that a program could use
paths = st.sampled_from(("a.txt", "b.txt", "d/a.txt", "d/b.txt", "e/a.txt"))
directories = st.sampled_from(("d", "e", "f"))


class Staying:
    """The program, see ``staying.py``; asked in the words of the command."""

    def __enter__(self) -> Self:
        words = [sys.executable, str(Path(__file__).with_name("staying.py"))]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.end()

    def end(self) -> None:
        """Let it come to its end."""
        if self.process.returncode is None:
            self.process.communicate()

    def ask(self, method: str, *words: str) -> None:
        arguments: dict[str, Any] = {}
        if method == "connect":
            remote, local, *options = words
            arguments = {"remote": remote, "local": local}
            arguments["options"] = dict(each.split("=", 1) for each in options if each != "-o")
        elif method == "disconnect":
            arguments = {"name": words[0]}
        assert self.process.stdin
        self.process.stdin.write(json.dumps([method, arguments]) + "\n")
        self.process.stdin.flush()

    def answer(self) -> tuple[int, str]:
        """As an exit code, and what is said of it."""
        assert self.process.stdout
        code, said = json.loads(self.process.stdout.readline())
        return code, said


@dataclass
class Share:
    """A resource, and what must be in it.

    root: where the server has it. is_left: a connection to it has gone, and may have left something unsent.

    files: the text under each path. unsure: paths under which a write has failed, of which nothing is promised.
    contested: paths that somebody else has changed on the server while ours waited. edited: those changed otherwise,
    which a connection that stands may show after a minute only. saved: paths of files that have replaced others by
    renaming. waiting: as the user was told last.
    """

    url: str
    options: tuple[str, ...]
    server: Server
    root: Path
    is_up: bool = True
    is_left: bool = False
    files: dict[str, str] = field(default_factory=dict)
    directories: set[str] = field(default_factory=set)
    unsure: set[str] = field(default_factory=set)
    contested: set[str] = field(default_factory=set)
    edited: set[str] = field(default_factory=set)
    saved: set[str] = field(default_factory=set)
    waiting: set[str] = field(default_factory=set)

    def is_known(self, path: str) -> bool:
        return path not in self.unsure | self.contested | self.edited

    def has_room(self, path: str) -> bool:
        """Whether its directory is there."""
        return "/" not in path or path.partition("/")[0] in self.directories

    def forget(self, path: str) -> None:
        for each in (self.unsure, self.contested, self.edited):
            each.discard(path)
        self.files.pop(path, None)

    def beside(self, path: str) -> re.Pattern[str]:
        """The names under which one that is not known may be sent."""
        stem, _, suffix = path.rpartition(".")
        return re.compile(rf"{stem}( \((conflict|unfinished)( [0-9]+)?\))?\.{suffix}")

    def found(self) -> dict[str, str]:
        """What the server has, without what an rclone that died was just sending."""
        files = [each for each in self.root.rglob("*") if each.is_file() and each.suffix != ".partial"]
        return {str(each.relative_to(self.root)): each.read_text() for each in files}

    def has(self, path: str) -> bool:
        """Whether the server has what was closed under *path*."""
        found = self.found()
        if path in self.contested:
            return self.files[path] in [found[each] for each in found if self.beside(path).fullmatch(each)]
        return found.get(path) == self.files[path]


class Promises(RuleBasedStateMachine):
    """A user of three servers, who has commands and a program that stays.

    What a rule may do at all depends on nothing that takes its time, as sending does.
    """

    servers: ClassVar[dict[str, Server]]

    def __init__(self) -> None:
        super().__init__()
        self.ending = ExitStack()
        self.places = self.ending.enter_context(make_places())
        patched = self.ending.enter_context(pytest.MonkeyPatch.context())
        for variable, value in self.places.environment.items():
            patched.setenv(variable, value)
        self.connected: dict[str, str] = {}  # the network of each
        self.lost: set[str] = set()
        self.remembered: dict[str, str] = {}
        self.shares = {network: self.make_share(server) for network, server in self.servers.items()}
        self.lengths = count(1)
        self.log = self.places.home / "told"
        self.log.touch()
        (self.places.config / "notifyees.d").mkdir()
        lines = [f"target = 'python:{WITNESS}:Witness'", "[settings]", f"log = '{self.log}'", "who = 'witness'"]
        (self.places.config / "notifyees.d" / "witness.toml").write_text("\n".join(lines))
        self.program = self.ending.enter_context(Staying())
        self.say("--- another sequence, in", self.places.base)

    def make_share(self, server: Server) -> Share:
        root = server.directory(f"promises-{next(_numbers)}")
        if isinstance(server, sftp.SftpServer):
            options = ("-o", f"known_hosts={server.known_hosts}", "-o", f"key_file={server.key}")
            return Share(server.url(root), options, server, root)
        netrc = self.places.home / ".netrc"
        netrc.write_text(f"machine {server.host} login {server.user} password {server.password}\n")
        netrc.chmod(0o600)
        if isinstance(server, smb.SmbServer):
            return Share(f"{server.url()}/{root.name}", (), server, root)
        assert isinstance(server, webdav.WebdavServer)
        return Share(server.url(f"/{root.name}"), (), server, root)

    # -- what a user does, and asks ----------------------------------------------------------------------------

    def say(self, *words: object) -> None:
        print(*words)  # noqa: T201 - shown when it fails; what depends on time may not fail a second time

    def mpr(self, *words: str, strike: warm.Strike | None = None) -> tuple[int, str]:
        """Run a command; its exit code, and what it has said."""
        with warm.Started(*words, strike=strike) as command:
            said = "".join(command.communicate())
            code = command.wait()
        self.say("$ mpr", *words, f"-> {code}", *([strike.point] if strike else []), f"\n{said}".rstrip())
        assert "Traceback" not in said
        return code, said

    def told(self, *words: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(warm.run("list", *words, "--json").stdout)
        return found

    def notified(self) -> int:
        """How many calls of notifyees there were."""
        return len(self.log.read_text().splitlines())

    def live(self) -> list[str]:
        return [each for each in sorted(self.connected) if each not in self.lost]

    def usable(self) -> list[str]:
        """Where a program gets what it asks for."""
        return [each for each in self.live() if self.share(each).is_up]

    def share(self, name: str) -> Share:
        return self.shares[self.connected[name]]

    def path(self, name: str) -> Path:
        if name != DEVICELESS:
            return self.places.drives / name[0]
        (path,) = (each["path"] for each in self.told() if each["local_name"] is None)
        return Path(path)

    def waiting(self, share: Share) -> set[str]:
        """The files that are not on the server, as the user is told."""
        found = [each for each in self.told("--unsent") if each["remote_name"] == share.url]
        share.waiting = {name.rpartition(f"{share.root.name}/")[2] for each in found for name in each["names"]}
        return share.waiting

    def settle(self, share: Share) -> None:
        wait_for(lambda: not self.waiting(share), lambda: f"{share.waiting} to be sent", 120)

    def text(self, size: int) -> str:
        """One of a length that none has had: of a changed file servers tell the size, and the time in seconds."""
        length = next(self.lengths)
        return f"{length} ".ljust(size + length, "x")

    def now_connected(self, name: str, network: str) -> None:
        share = self.shares[network]
        if not self.live_of(share):
            share.edited.clear()
        share.is_left = False
        self.connected[name] = network
        self.lost.discard(name)

    def now_gone(self, name: str) -> None:
        self.shares[self.connected.pop(name)].is_left = True
        self.lost.discard(name)

    # -- connections -------------------------------------------------------------------------------------------

    @initialize(network=networks)
    def begin(self, network: str) -> None:
        self.connect("Z:", network, persist=False)
        self.make_or_remove_directory(0, "d")

    @rule(name=names, network=networks, persist=st.sampled_from((False, False, True)))
    def connect(self, name: str, network: str, persist: bool) -> None:
        """C3, C4; N4: who asks for what cannot be is refused, and nobody told. A lost one is made again."""
        share, before = self.shares[network], self.notified()
        if name == DEVICELESS and name in self.connected:
            return  # there may be any number, which only their paths tell apart
        persist &= name != DEVICELESS
        words = [
            share.url,
            *([] if name == DEVICELESS else [name]),
            *share.options,
            *(["--persist"] if persist else []),
        ]
        code, said = self.mpr("connect", *words)
        refused = None
        if name in self.live() or self.connected.get(name, network) != network:
            refused = "ERROR_ALREADY_ASSIGNED"
        elif self.remembered.get(name, network) != network:
            refused = "ERROR_DEVICE_ALREADY_REMEMBERED"
        if refused:
            assert (code, refused in said, self.notified()) == (1, True, before)
            return
        assert (code, self.notified()) == (0 if share.is_up else 1, before + 2)
        if code == 0:
            self.now_connected(name, network)
        if code == 0 and persist:
            self.remembered[name] = network

    @precondition(lambda self: self.connected)
    @rule(name=names, how=st.sets(st.sampled_from(("--force", "--forget", "--later"))))
    def disconnect(self, name: str, how: set[str]) -> None:
        """C5, C6: what was closed has arrived when the last connection goes, or ``--later`` keeps it."""
        if name not in self.connected and name not in self.remembered:
            return
        share, before = self.shares[self.connected.get(name) or self.remembered[name]], self.notified()
        if not self.can_deliver(name):
            how = how | {"--later"}
        code, _ = self.mpr("disconnect", share.url if name == DEVICELESS else name, *sorted(how))
        if name in self.connected:
            assert (code, self.notified()) == (0, before + 2)
            if "--later" not in how and name not in self.lost and len(self.live_of(share)) == 1:
                assert self.waiting(share) == set()
            self.now_gone(name)
        else:
            assert code == (0 if "--forget" in how else 1)
        if "--forget" in how:
            self.remembered.pop(name, None)

    def live_of(self, share: Share) -> list[str]:
        return [each for each in self.live() if self.share(each) is share]

    def can_deliver(self, name: str) -> bool:
        """Else it waits half a minute for the server before it fails, which ``test_delivery.py`` checks."""
        return name not in self.live() or self.share(name).is_up or not self.waiting(self.share(name))

    @precondition(lambda self: len(self.connected) > 1)
    @rule(later=st.booleans())
    def disconnect_all(self, later: bool) -> None:
        later |= not all(map(self.can_deliver, self.connected))
        assert self.mpr("disconnect", "--all", *(["--later"] if later else []))[0] == 0
        for name in list(self.connected):
            self.now_gone(name)

    @precondition(lambda self: self.remembered or self.lost)
    @rule()
    def restore(self) -> None:
        """N3: nobody is told. What was lost and is not remembered is taken away."""
        before = self.notified()
        code, _ = self.mpr("restore")
        wanted = {name: network for name, network in self.remembered.items() if name not in self.live()}
        for name in self.lost - {*wanted}:
            self.now_gone(name)
        for name, network in wanted.items():
            if self.shares[network].is_up:
                self.now_connected(name, network)
        assert (code, self.notified()) == (int(not {*wanted} <= {*self.live()}), before)

    @precondition(lambda self: any(each.is_left for each in self.shares.values()))
    @rule(network=networks)
    def discard(self, network: str) -> None:
        """What waits is given up, and only the server's file is left; but not what a connection may send."""
        share = self.shares[network]
        share.is_left = False
        given_up = self.waiting(share)
        code, said = self.mpr("discard", share.url, "--yes")
        if self.live_of(share) or not given_up:
            assert code == 1
            assert "ERROR_BUSY" in said or "ERROR_NOT_FOUND" in said
            return
        assert (code, self.waiting(share)) == (0, set())
        for path in {*given_up, *share.contested}:
            share.forget(path)
        share.files.update({path: text for path, text in share.found().items() if share.is_known(path)})

    # -- what programs do --------------------------------------------------------------------------------------

    def see(self, name: str, path: str) -> None:
        """What there is shows, to a second connection within seconds."""
        share, there = self.share(name), self.path(name) / path
        wanted, seen = share.files.get(path), "nothing yet"

        def is_there() -> bool:
            nonlocal seen
            try:
                seen = there.read_text()
            except OSError as error:
                seen = str(error)
                return wanted is None and isinstance(error, FileNotFoundError)
            return seen == wanted

        wait_for(is_there, lambda: f"{wanted!r} in {there}: {seen!r}")

    def chosen(self, at: int, path: str) -> tuple[str, Share, Path] | None:
        """One of the connections, where a program would do something with *path*; None if nothing can be said of it."""
        name = self.usable()[at % len(self.usable())]
        share = self.share(name)
        if not share.has_room(path) or not share.is_known(path):
            return None
        return name, share, self.path(name) / path

    @precondition(lambda self: self.usable())
    @rule(at=which, path=paths)
    def read(self, at: int, path: str) -> None:
        if chosen := self.chosen(at, path):
            self.say("read", *chosen[::2])
            self.see(chosen[0], path)

    @precondition(lambda self: self.live())
    @rule(at=which, path=paths, size=st.sampled_from((None, 1, 100, 100_000)))
    def write(self, at: int, path: str, size: int | None) -> None:
        """Without the server too, as long as rclone knows what is there: what could be closed is promised."""
        self.put(self.live()[at % len(self.live())], path, size)

    def put(self, name: str, path: str, size: int | None) -> None:
        share, text = self.share(name), "" if size is None else self.text(size)
        if not share.has_room(path) or not share.is_known(path):
            return
        self.say("write", name, self.path(name) / path, len(text))
        try:
            (self.path(name) / path).write_text(text)
        except OSError:
            if share.is_up:
                raise
            share.forget(path)
            share.unsure.add(path)
        else:
            share.files[path] = text

    @precondition(lambda self: self.usable())
    @rule(at=which, path=paths, size=st.sampled_from((1, 100)))
    def append(self, at: int, path: str, size: int) -> None:
        if not (chosen := self.chosen(at, path)):
            return
        name, share, there = chosen
        text = self.text(size)
        self.say("append", name, there, len(text))
        with there.open("a") as file:
            file.write(text)
        share.files[path] = share.files.get(path, "") + text

    @precondition(lambda self: self.usable())
    @rule(at=which, path=paths)
    def save(self, at: int, path: str) -> None:
        """As editors do: a new file takes the place of the old one."""
        if not (chosen := self.chosen(at, path)):
            return
        name, share, there = chosen
        if path in self.waiting(share):
            self.settle(share)  # rclone: the one to be replaced, closed just now, would stay
        text, new = self.text(10), there.with_suffix(".new")
        self.say("save", name, there, len(text))
        new.write_text(text)
        new.rename(there)
        share.files[path] = text
        share.saved.add(path)

    def let_go(self, share: Share, path: str) -> None:
        """It is to be removed or renamed. rclone: within a second of saving it, the old one would be there again."""
        if path in share.saved:
            self.settle(share)
            share.saved.discard(path)

    @precondition(lambda self: self.usable())
    @rule(at=which, old=paths, new=paths)
    def rename(self, at: int, old: str, new: str) -> None:
        chosen, target = self.chosen(at, old), self.chosen(at, new)
        if not chosen or not target or old not in chosen[1].files or new in chosen[1].files:
            return
        name, share, there = chosen
        self.let_go(share, old)
        self.say("rename", name, there, new)
        there.rename(target[2])
        share.files[new] = share.files.pop(old)

    @precondition(lambda self: self.usable())
    @rule(at=which, path=paths)
    def remove(self, at: int, path: str) -> None:
        """rclone: not without the server, which would keep its old one."""
        if not (chosen := self.chosen(at, path)) or path not in chosen[1].files:
            return
        name, share, there = chosen
        self.let_go(share, path)
        self.say("remove", name, there)
        there.unlink()
        share.forget(path)

    @precondition(lambda self: self.usable())
    @rule(at=which, path=directories)
    def make_or_remove_directory(self, at: int, path: str) -> None:
        chosen = self.chosen(at, path)
        assert chosen
        name, share, there = chosen
        if path not in share.directories:
            self.say("make directory", name, there)
            there.mkdir()
            share.directories.add(path)
        elif not self.inside(share, path):
            self.say("remove directory", name, there)
            there.rmdir()
            share.directories.remove(path)

    def inside(self, share: Share, directory: str) -> set[str]:
        paths = {*share.files, *share.unsure, *share.contested}
        return {path for path in paths if path.startswith(f"{directory}/")}

    @precondition(lambda self: self.usable())
    @rule(at=which, old=directories, new=directories)
    def rename_directory(self, at: int, old: str, new: str) -> None:
        chosen = self.chosen(at, old)
        assert chosen
        name, share, there = chosen
        if old not in share.directories or new in share.directories:
            return
        if not all(share.is_known(path) for path in self.inside(share, old)):
            return
        self.settle(share)  # rclone: zeros would take the place of what was not changed of a file that was not sent
        self.say("rename directory", name, there, new)
        there.rename(there.with_name(new))
        share.directories ^= {old, new}
        for path in self.inside(share, old):
            share.files[new + path.removeprefix(old)] = share.files.pop(path)

    @precondition(lambda self: self.usable())
    @rule(at=which, path=paths)
    def disconnect_while_open(self, at: int, path: str) -> None:
        """C6: that fails, and does no harm. rclone: with ``--force`` and a second connection it may wait for long."""
        if not (chosen := self.chosen(at, path)):
            return
        name, share, there = chosen
        text = self.text(10)
        self.say("open", name, there)
        with there.open("w") as file:
            code, said = self.mpr("disconnect", share.url if name == DEVICELESS else name)
            assert (code, "ERROR_OPEN_FILES" in said) == (1, True)
            file.write(text)
        share.files[path] = text

    # -- what befalls ------------------------------------------------------------------------------------------

    @rule(network=networks, path=paths)
    def somebody_else_writes(self, network: str, path: str) -> None:
        share = self.shares[network]
        there = share.root / path
        if not share.has_room(path) or not share.is_known(path):
            return
        text = self.text(50)
        self.say("somebody else writes", there, len(text))
        if path in self.waiting(share):
            share.contested.add(path)  # ours is sent in its place or beside it, as the table says
        else:
            share.files[path] = text
            share.edited.add(path)
        there.write_text(text)
        shutil.chown(there, share.server.account.name)

    @precondition(lambda self: self.live())
    @rule(at=which, path=paths)
    def kill_rclone(self, at: int, path: str) -> None:
        """Before it has sent what was just closed, and after it was told that this is closed."""
        self.write(at, path, 100)
        rclone = daemon.running()
        assert rclone is not None
        wait_for(lambda: self.has_noticed(rclone), "rclone to know what is closed")
        self.say("kill rclone")
        os.kill(rclone.pid, signal.SIGKILL)
        end([rclone.pid])
        self.lost = {*self.connected}

    def has_noticed(self, rclone: daemon.Daemon) -> bool:
        waiting = set().union(*(self.waiting(self.share(name)) for name in self.live()))
        return waiting <= {each["name"] for fs in rclone.call("vfs/list")["vfses"] for each in queue_of(rclone, fs)}

    @rule(network=networks, path=paths)
    def stop_or_start_server(self, network: str, path: str) -> None:
        """When it has gone, programs go on writing."""
        share = self.shares[network]
        if network == "smb" and self.live_of(share):
            return  # rclone: its dead session is used until nobody has asked for five seconds
        self.say("stop" if share.is_up else "start", network)
        if share.is_up:
            for name in self.live_of(share):
                list(self.path(name).rglob("*"))  # rclone then knows for some seconds what there is
            share.server.stop()
        else:
            share.server.start()
        share.is_up = not share.is_up
        for name in [] if share.is_up else self.live_of(share):
            self.put(name, path, 10)

    @rule(
        name=letters, network=networks, point=st.sampled_from(ADDING + TELLING), recovering=st.sampled_from(RECOVERING)
    )
    def kill_connect(self, name: str, network: str, point: str, recovering: str | None) -> None:
        """It is done or was never begun; a lost connection may have become one that stands."""
        share = self.shares[network]
        if share.is_up and name not in self.live():
            code = self.killed(point, recovering, "connect", share.url, name, *share.options)
            if code != 1:
                self.believe({name: network})

    @precondition(lambda self: self.connected)
    @rule(
        name=letters,
        how=st.sampled_from(("--force", "--later", None)),
        point=st.sampled_from(CANCELLING + TELLING),
        recovering=st.sampled_from(RECOVERING),
        path=paths,
    )
    def kill_disconnect(self, name: str, how: str | None, point: str, recovering: str | None, path: str) -> None:
        """It is done or was never begun."""
        if name in self.connected and self.share(name).is_up:
            if name in self.live():
                self.put(name, path, 1000)
            self.killed(point, recovering, "disconnect", name, *([how] if how else []))
            self.believe({name: self.connected[name]})

    @precondition(lambda self: self.remembered or self.lost)
    @rule(point=st.sampled_from(ADDING), recovering=st.sampled_from(RECOVERING))
    def kill_restore(self, point: str, recovering: str | None) -> None:
        """Each is as it was, or restored, or taken away."""
        self.killed(point, recovering, "restore")
        self.believe({**{name: self.connected[name] for name in self.lost}, **self.remembered})

    @precondition(lambda self: self.connected)
    @rule(
        name=letters, how=st.sampled_from(("--force", "--later", None)), point=st.sampled_from(CANCELLING), path=paths
    )
    def disconnect_without_rclone(self, name: str, how: str | None, point: str, path: str) -> None:
        """It dies meanwhile. All is lost, but what is disconnected may be gone."""
        if name in self.live() and self.share(name).is_up:
            self.put(name, path, 1000)
            rclone = daemon.running()
            assert rclone is not None
            wait_for(lambda: self.has_noticed(rclone), "rclone to know what is closed")
            strike = warm.Strike(point, 1, signal.SIGKILL, pid=rclone.pid)
            self.mpr("disconnect", name, *([how] if how else []), strike=strike)
            if not daemon.is_running(rclone.pid, rclone.started):
                self.lost = {*self.connected}
            self.believe({name: self.connected[name]})

    def killed(self, point: str, recovering: str | None, *words: str) -> int:
        """A command is killed when *point* is reached, and the recovery at *recovering*; its code if that never was."""
        code, _ = self.mpr(*words, strike=warm.Strike(point, 1, signal.SIGKILL))
        if recovering:
            self.mpr("recover", strike=warm.Strike(recovering, 1, signal.SIGKILL))
        assert self.mpr("recover")[0] == 0
        return code

    def believe(self, names: dict[str, str]) -> None:
        """What is told of these *names*, each with its network: they may have been connected or disconnected."""
        for name, network in names.items():
            told = self.state(name)
            if told == (self.shares[network].url, "connected"):
                self.now_connected(name, network)
            elif told is None and name in self.connected:
                self.now_gone(name)

    @precondition(lambda self: not self.lost and all(each.is_up for each in self.shares.values()))
    @rule(
        wanted=st.lists(
            st.tuples(st.sampled_from(("connect", "disconnect", "restore")), letters, networks), min_size=2, max_size=4
        )
    )
    def at_once(self, wanted: list[tuple[str, str, str]]) -> None:
        """C4: the program that stays does the first, beside commands. It ends as if it was one after the other."""
        asked = [self.words(*each) for each in wanted]
        self.program.ask(*asked[0])
        with ExitStack() as running:
            commands = [running.enter_context(warm.Started(*words)) for words in asked[1:]]
            results = [self.program.answer()]
            for each in commands:
                said = "".join(each.communicate())
                results.append((each.wait(), said))
        self.say("at once", *zip(asked, results, strict=True))
        for code, said in results:
            assert code == 0 or any(f"ERROR_{each}" in said for each in OTHERS)
        done = [each for each, (code, _) in zip(wanted, results, strict=True) if code == 0]
        found = {each["local_name"] or DEVICELESS: each["remote_name"] for each in self.told()}
        for order in permutations(done):
            became = self.after(order)
            if became is not None and {name: self.shares[each].url for name, each in became.items()} == found:
                break
        else:
            raise AssertionError(f"{found} in no order")
        for name in list(self.connected):
            self.now_gone(name)
        for name, network in became.items():
            self.now_connected(name, network)

    def words(self, method: str, name: str, network: str) -> list[str]:
        share = self.shares[network]
        of_connect = [share.url, name, *share.options]
        return [method, *({"connect": of_connect, "disconnect": [name]}.get(method, []))]

    def after(self, done: Sequence[tuple[str, str, str]]) -> dict[str, str] | None:
        """What is connected after all that was *done*; None if that cannot be done in this order."""
        connected = dict(self.connected)
        for method, name, network in done:
            if method == "restore":
                connected = {**self.remembered, **connected}
            elif (name in connected) is (method == "connect"):
                return None
            elif method == "disconnect":
                del connected[name]
            elif self.remembered.get(name, network) == network:
                connected[name] = network
            else:
                return None
        return connected

    def state(self, name: str) -> tuple[str, str] | None:
        return next(((each["remote_name"], each["state"]) for each in self.told() if each["local_name"] == name), None)

    # -- what must be so ---------------------------------------------------------------------------------------

    @invariant()
    def what_is_connected_is_told_and_mounted_and_nothing_else(self) -> None:
        found = self.told()
        assert {each["local_name"] or DEVICELESS: (each["remote_name"], each["state"]) for each in found} == {
            name: (self.share(name).url, "lost" if name in self.lost else "connected") for name in self.connected
        }
        remembered = {each["local_name"]: each["remote_name"] for each in self.told("--remembered")}
        assert remembered == {name: self.shares[network].url for name, network in self.remembered.items()}
        there = [*self.places.drives.iterdir(), *(self.places.runtime / "mounts").glob("*")]
        assert sorted(each["path"] for each in found) == self.places.mounts() == sorted(map(str, there))

    @invariant()
    def n19_no_operation_is_left_undone(self) -> None:
        store = Store()
        assert store.operations() == []
        store.close()

    @invariant()
    def c6_what_was_closed_is_on_the_server_or_waits_and_is_told(self) -> None:
        for share in self.shares.values():
            waiting = self.waiting(share)  # in this order: it may be sent meanwhile
            for path in share.files:
                names = filter(share.beside(path).fullmatch, waiting) if path in share.contested else waiting & {path}
                assert any(names) or share.has(path), (path, len(share.files[path]), waiting)

    def teardown(self) -> None:
        try:
            self.say("the end")
            self.check_the_end()
        finally:
            for share in self.shares.values():
                if not share.is_up:
                    share.server.start()
            self.ending.close()

    def check_the_end(self) -> None:
        """Servers are back, all that waits is sent by the next connections, and nothing is left."""
        for network, share in self.shares.items():
            if not share.is_up:
                self.stop_or_start_server(network, "")
            code, _ = self.mpr("connect", share.url, *share.options)
            assert code == 0
        assert self.mpr("disconnect", "--all")[0] == 0
        assert (self.told("--unsent"), self.places.mounts()) == ([], [])
        assert self.mpr("doctor")[0] == 0
        self.program.end()

        def is_over() -> bool:  # a test beside this one may have the mounts in a namespace of its own for a while
            assert self.mpr("disconnect", "--all")[0] == 0
            return self.places.processes() == []

        wait_for(is_over, lambda: f"the end of {self.places.processes()}", 60)
        for share in self.shares.values():
            self.check_server(share)
        self.n19_who_was_told_before_was_told_after()

    def check_server(self, share: Share) -> None:
        """C6: it has all that was closed, and nothing that was removed or renamed."""
        assert [path for path in share.files if not share.has(path)] == []
        free = [share.beside(path) for path in {*share.unsure, *share.contested}]
        others = [path for path in share.found() if not any(each.fullmatch(path) for each in free)]
        assert {*others} <= {*share.files}
        assert {
            str(each.relative_to(share.root)) for each in share.root.rglob("*") if each.is_dir()
        } == share.directories

    def n19_who_was_told_before_was_told_after(self) -> None:
        events = [json.loads(line) for line in warm.run("events", "--json").stdout.splitlines()]
        calls = Counter((each["operation_id"], each["phase"]) for each in events if each["kind"] == "notify")
        pres, posts = ({operation for operation, phase in calls if phase == each} for each in ("pre", "post"))
        assert pres <= posts
        assert {*calls.values()} <= {1}
        assert {*Counter(each["operation_id"] for each in events if each["kind"] == "operation").values()} <= {1}
        phases = Counter(json.loads(line)["phase"] for line in self.log.read_text().splitlines())
        assert phases["pre"] <= phases["post"]  # one that was made, and not noted as made, is made again


def test_n19_c4_c6_the_promises_are_kept_in_any_order(fresh: Fresh) -> None:
    class Machine(Promises):
        servers: ClassVar[dict[str, Server]] = {
            "sftp": fresh(sftp.serve),
            "webdav": fresh(webdav.serve),
            "smb": fresh(smb.serve),
        }

    run_state_machine_as_test(
        Machine if SEED is None else seed(SEED)(Machine),
        settings=settings(
            max_examples=SEQUENCES,
            stateful_step_count=STEPS,
            phases=[Phase.generate],  # to look for a shorter sequence would take minutes
            suppress_health_check=list(HealthCheck),
            deadline=None,
        ),
    )
