"""Links for tests of the dialler: programs that write down that they ran, and connections in the store."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mprouter.mountpoints import path_of
from mprouter.names import parse_remote
from mprouter.notifyees.dialler import Dialler
from mprouter.store import Entry, Store
from servers.daemon import end

__all__ = ["Line", "Programs", "adding", "connected", "gone"]


@dataclass(frozen=True)
class Programs:
    """Makes executables in a directory that is the first of PATH."""

    directory: Path

    def make(self, name: str, script: str) -> Path:
        """A shell script, or a script of the interpreter in its first line."""
        path = self.directory / name
        path.write_text(script if script.startswith("#!") else f"#!/bin/sh\n{script}")
        path.chmod(0o755)
        return path


@dataclass(frozen=True)
class Line:
    """A link of two commands that keep a record. It is up while the file ``up`` is there."""

    directory: Path
    programs: Programs

    @property
    def is_up(self) -> bool:
        return (self.directory / "up").exists()

    @property
    def record(self) -> list[str]:
        """What was done to it: "up", "down", in order."""
        log = self.directory / "log"
        return log.read_text().split() if log.exists() else []

    def settings(self, **more: Any) -> dict[str, Any]:
        """Its settings for a dialler."""
        up = self.programs.make("line-up", f'cd "{self.directory}"; echo up >>log; touch up')
        down = self.programs.make("line-down", f'cd "{self.directory}"; echo down >>log; rm up')
        return {"up": str(up), "down": [str(down)], **more}

    def dialler(self, **more: Any) -> Dialler:
        return Dialler(**self.settings(**more))

    def server(self, port: int) -> dict[str, Any]:
        """Settings of a link with a server on *port* behind it, which listens some time after the command has ended."""
        script = (
            "import os, socket, sys, time\n"
            "time.sleep(0.2)\n"
            "listener = socket.create_server(('127.0.0.1', int(sys.argv[1])))\n"
            "while True: listener.accept()[0].close()\n"
        )
        program = self.directory / "server.py"
        program.write_text(script)
        up = self.programs.make(
            "server-up",
            f'cd "{self.directory}"; echo up >>log; "{sys.executable}" "{program}" {port} & echo $! >pid; touch up',
        )
        down = self.programs.make("server-down", f'cd "{self.directory}"; echo down >>log; kill $(cat pid); rm up')
        return {"up": str(up), "down": str(down), "wait_for": f"127.0.0.1:{port}"}

    def drop(self) -> None:
        """Have the server behind it die."""
        end([int((self.directory / "pid").read_text())])


def adding(remote: str, local: str | None = None) -> Entry:
    """A connection that this process is making, as the router puts it down before it tells anybody."""
    return _with_store(
        lambda store: store.claim(
            remote_name=remote,
            canonical=parse_remote(remote).canonical,
            type=1,
            options={},
            local_name=local,
            path_of=path_of,
        )
    )


def connected(remote: str, local: str | None = None) -> Entry:
    """A connection that was made."""
    entry = adding(remote, local)
    return _with_store(
        lambda store: store.complete(
            entry.id, provider="sftp", user=None, handle={}, made_directory=False, remember=False
        )
    )


def gone(entry: Entry) -> None:
    """The connection was cancelled, or could not be made."""
    store = Store()
    store.remove(entry.id)
    store.close()


def _with_store(do: Callable[[Store], Entry]) -> Entry:
    store = Store()
    try:
        return do(store)
    finally:
        store.close()
