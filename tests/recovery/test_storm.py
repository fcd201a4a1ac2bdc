"""Many processes at once on a few letters and servers, one of them killed every second; then all is as it should be."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import IO, Any

from crashes import World
from mprouter import Router
from servers.sftp import SftpServer
from servers.smb import SmbServer
from servers.webdav import WebdavServer

PROCESSES = 8
OPERATIONS = 200
LETTERS = ["U:", "V:", "W:", "X:", "Y:", "Z:"]


class Storm:
    """The processes; each that is killed is followed by another one until the share of its place is done."""

    def __init__(self, shares: list[dict[str, Any]], log: Path) -> None:
        self.shares = shares
        self.failures: list[str] = []
        self.written: list[tuple[int, str]] = []
        self.killed = 0
        self._log = log
        self._left = [OPERATIONS] * PROCESSES
        self._running: dict[int, subprocess.Popen[str]] = {}
        self._seeds = iter(range(10_000))

    def run(self) -> None:
        threads = [threading.Thread(target=self._keep_at_it, args=[place]) for place in range(PROCESSES)]
        for thread in threads:
            thread.start()
        dice = random.Random(1)  # noqa: S311 - which one is killed
        over = threading.Event()
        while any(thread.is_alive() for thread in threads):
            if not over.wait(1.0):  # the beat of the kills, not a wait for anything
                running = [each for each in self._running.values() if each.poll() is None]
                if running:
                    dice.choice(running).kill()
                    self.killed += 1

    def _keep_at_it(self, place: int) -> None:
        while self._left[place]:
            given: dict[str, Any] = {"seed": next(self._seeds), "operations": self._left[place], "letters": LETTERS}
            given["shares"] = self.shares
            command = [sys.executable, str(Path(__file__).with_name("storm.py"))]
            with self._log.open("a") as log:
                process = subprocess.Popen(
                    command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, bufsize=1
                )
            self._running[place] = process
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(json.dumps(given))
            process.stdin.close()
            with process.stdout:
                self._listen(place, process.stdout)
            process.wait()

    def _listen(self, place: int, lines: IO[str]) -> None:
        for line in lines:
            if not line.endswith("\n"):
                return
            kind, _, rest = line.strip().partition(" ")
            if kind == "done":
                self._left[place] -= 1
            elif kind == "wrote":
                share, name = rest.split()
                self.written.append((int(share), name))
            else:
                self.failures.append(line)


def test_n19_c4_c6_a_storm_of_processes_some_of_which_are_killed(
    world: World, sftp_server: SftpServer, smb_server: SmbServer, webdav_server: WebdavServer, tmp_path: Path
) -> None:
    roots = [sftp_server.directory("storm"), smb_server.directory("storm"), webdav_server.directory("storm")]
    known = {"user": None, "password": sftp_server.password}
    shares: list[dict[str, Any]] = [
        {"url": sftp_server.url(roots[0]), "options": {"known_hosts": str(sftp_server.known_hosts)}, **known},
        {"url": f"{smb_server.url()}/storm", "options": {}, **known},
        {"url": webdav_server.url("/storm"), "options": {}, **known},
    ]
    storm = Storm(shares, tmp_path / "said")
    storm.run()
    assert storm.failures == []
    assert storm.killed
    assert "Traceback" not in (tmp_path / "said").read_text()

    world.mpr("recover")
    world.check()
    for connection in json.loads(world.mpr("list", "--json")):
        world.mpr("disconnect", connection["local_name"], "--forget")
    world.check()
    assert world.places.mounts() == []
    with Router() as router:  # what was written on a mount whose connection was cut off while it was made waits for it
        for each in shares:
            user, password, options = (each[key] for key in ("user", "password", "options"))
            router.connect(each["url"], user=user, password=password, options=options).close()
    missing = [(share, name) for share, name in storm.written if not (roots[share] / name).exists()]
    assert missing == [], world.mpr("list", "--unsent")
    assert all((roots[share] / name).read_text() == name for share, name in storm.written)
    assert storm.written

    events = world.events()
    assert set(Counter(each["operation_id"] for each in events if each["kind"] == "operation").values()) == {1}
    calls = Counter(
        (each["operation_id"], each["notifyee"], each["phase"]) for each in events if each["kind"] == "notify"
    )
    assert set(calls.values()) == {1}
    for operation, notifyee, phase in calls:
        assert phase == "post" or notifyee == "user/generator" or calls[operation, notifyee, "post"] == 1
