"""Stores for tests: claims, connections and events in them, in this process and in others."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mprouter.names import DRIVE_LETTERS
from mprouter.status import WNetError
from mprouter.store import FILE_NAME, Entry, EventRecord, Store

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [  # what a program of ``in_another_process`` has at hand
    "CHILD",
    "OTHER",
    "REMOTE",
    "Any",
    "Path",
    "Store",
    "claim",
    "complete",
    "event",
    "forget",
    "in_another_process",
    "os",
    "path_of",
    "refused",
    "signal",
    "sys",
    "threading",
]

CHILD = {"PYTHONPATH": str(Path(__file__).parent)}
"""Beside the environment, for a process that imports this file."""

REMOTE = r"\\files\projects"
OTHER = r"\\files\music"


def path_of(entry_id: int, local_name: str | None) -> Path:
    if local_name is None:
        return Path("/run/mounts", str(entry_id))
    return Path("/home/ana/Network", local_name[0]) if local_name in DRIVE_LETTERS else Path(local_name)


def claim(
    store: Store,
    local_name: str | None = "Z:",
    remote: str = REMOTE,
    *,
    letters: Sequence[str] = (),
    replacing: Entry | None = None,
) -> Entry:
    return store.claim(
        remote_name=remote,
        canonical=remote.lower(),
        type=1,
        options={"vers": "3"},
        local_name=local_name,
        letters=letters,
        path_of=path_of,
        replacing=replacing,
    )


def complete(store: Store, entry: Entry, *, remember: bool = False) -> Entry:
    return store.complete(
        entry.id, provider="rclone", user="ana", handle={"mount": 7}, made_directory=True, remember=remember
    )


def event(**values: Any) -> EventRecord:
    plain = EventRecord(
        id=None,
        time=time.time(),
        operation_id="a1",
        kind="operation",
        operation="add",
        phase=None,
        notifyee=None,
        attempt=1,
        remote_name=REMOTE,
        local_name="Z:",
        provider="rclone",
        flags=1,
        force=False,
        status=0,
        answer=None,
        message=None,
        duration=0.25,
        pid=os.getpid(),
    )
    return replace(plain, **values)


def forget(store: Store, local_name: str) -> None:
    """Restore it no longer, though it may be connected, which ``Store.forget`` would ask for first."""
    with store.changing_profile([], [local_name]):
        pass


def in_another_process(directory: Path, code: str, *, ends_with: int = 0) -> str:
    """What *code* prints in a process of its own, which is then gone without a farewell."""
    setup = "from stores import *; store = Store(Path(sys.argv[1]))"
    program = f"{setup}\n{code}\nsys.stdout.flush()\nos._exit(0)"
    done = subprocess.run(
        [sys.executable, "-c", program, directory], capture_output=True, text=True, env=os.environ | CHILD, check=False
    )
    assert done.returncode == ends_with, done.stderr
    return done.stdout.strip()


def refused(directory: Path) -> WNetError:
    """The error of both a query and a change, which must be the same."""
    import pytest  # not at the top, since the processes that import this have no use for it

    store = Store(directory)
    with pytest.raises(WNetError) as query:
        store.entries()
    with pytest.raises(WNetError) as change:
        store.record([event()])
    assert str(query.value) == str(change.value)
    assert query.value.name == str(directory / FILE_NAME)
    assert query.value.hint
    return query.value
