"""Whether the rclone that runs for this user is the one that is written down, answers, and is the only one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

from mprouter import places
from mprouter.finding import Finding, Kind, Severity
from mprouter.providers.rclone import daemon, mounts, program, rc
from mprouter.status import WNetError

__all__ = ["PATIENCE", "look"]

PATIENCE = 5.0
"""Seconds that a healthy rclone needs by far not for an answer."""

TOO_LONG = Kind(
    "socket-path-too-long",
    Severity.ERROR,
    "The path of the socket on which rclone listens is longer than the system allows. Nothing can be connected.",
    "set MPROUTER_RUNTIME_DIR to a directory with a shorter path",
)
UNSAYABLE = Kind(
    "directory-not-utf-8",
    Severity.ERROR,
    "rclone is told of directories in UTF-8, which this path is not. Nothing can be connected by it.",
    "set {variable} to another directory",
)
DIED = Kind(
    "rclone-died",
    Severity.NOTE,
    "It was killed or crashed; mounts that it had are lost. The next connection starts a new one.",
    "`mpr doctor --fix`; its last words are in {log}",
    "removes what is written down of it",
)
UNREACHABLE = Kind(
    "rclone-unreachable",
    Severity.ERROR,
    "It runs, but its socket is gone or another's, so that its mounts work and cannot be disconnected properly.",
    "close what is open there, then `kill -KILL {pid}`, `mpr doctor --fix` and `mpr restore`; what is unsent is kept",
)
SILENT = Kind(
    "rclone-silent",
    Severity.ERROR,
    "It is stopped or hangs; programs that use its mounts wait for it.",
    "let it go on: `kill -CONT {pid}`; or end it: `kill -KILL {pid}`, then `mpr doctor --fix` and `mpr restore`",
)
UNRECORDED = Kind(
    "rclone-unrecorded",
    Severity.NOTE,
    "The command that started it was killed, or refused, before it was needed. The next connection uses it.",
    "",
)
OUTDATED = Kind(
    "rclone-outdated",
    Severity.NOTE,
    "It was started before a newer one was installed, and runs on with its mounts.",
    "disconnect everything (`mpr list`), then `mpr doctor --fix`; the next connection starts the newer one",
    "ends it, if it has no mounts and nobody is connecting",
)
DISTRUSTFUL = Kind(
    "rclone-distrustful",
    Severity.NOTE,
    "It has read which TLS certificates to trust when it was started, and does not know what was changed since.",
    "disconnect everything (`mpr list`), then `mpr doctor --fix`; the next connection starts another",
    "ends it, if it has no mounts and nobody is connecting",
)
STRAY = Kind(
    "rclone-stray",
    Severity.WARNING,
    "It was started for mprouter, which no longer knows of it, and it serves mounts or sends data.",
    "see `ls -l /proc/{pid}/fd`; close what is open there, then `kill -KILL {pid}` and `mpr doctor --fix`",
)
STRAY_IDLE = Kind(
    "rclone-stray-idle",
    Severity.WARNING,
    "It was started for mprouter, which no longer knows of it; it has no mounts and sends nothing.",
    "`kill -KILL {pid}`",
    "ends it",
)


def look() -> Iterator[Finding]:
    """One at most, which is written down and answers."""
    socket = program.socket_path()
    length = len(os.fsencode(socket))
    if length > rc.SOCKET_PATH_LIMIT:
        yield TOO_LONG.found(f"{socket} has {length} bytes, {rc.SOCKET_PATH_LIMIT} are possible")
        return
    if unsayable := program.unsayable_place():
        directory, variable = unsayable
        yield UNSAYABLE.found(f"the path of the directory {directory} is no UTF-8", variable=variable)
        return
    record = socket.with_name("rclone.json")
    found = daemon.recorded()
    alive = found is not None and daemon.is_running(found.pid, found.started)
    answering = rc.answers(socket)
    if found is not None and alive:
        if answering == found.pid:
            yield from _judged(found)
        else:
            who = "nobody" if answering is None else f"process {answering}"
            yield UNREACHABLE.found(f"rclone runs as process {found.pid}, but {who} answers at {socket}", pid=found.pid)
    elif record.exists():
        what = f"the rclone that {record} tells of ({found.pid}) has ended" if found else f"{record} makes no sense"
        yield DIED.found(what, log=program.log_file(), fix=daemon.forget_dead)
    if answering is not None and not alive:
        yield UNRECORDED.found(f"rclone runs as process {answering} and is not written down")
    for pid in daemon.strays():
        with suppress(FileNotFoundError):  # it has ended meanwhile
            if mounts.served_by(pid) or _sends(pid):
                yield STRAY.found(f"a forgotten rclone runs as process {pid}", pid=pid)
            else:
                yield STRAY_IDLE.found(f"a forgotten rclone runs as process {pid}", pid=pid, fix=partial(_end, pid))


def _judged(found: daemon.Daemon) -> Iterator[Finding]:
    """Whether it answers, and is the one that would be started now."""
    try:
        found.call("rc/noop", timeout=PATIENCE)
    except WNetError as error:
        yield SILENT.found(f"rclone (process {found.pid}) does not answer: {error.strerror}", pid=found.pid)
        return
    fix = None if mounts.served_by(found.pid) else _replace
    newest = max((program.version_of(path) for path in program.binaries()), default=())
    if newest[:2] > found.version:
        shown, now = (".".join(map(str, each)) for each in (found.version, newest))
        yield OUTDATED.found(f"rclone {shown} runs as process {found.pid}, and {now} is installed", fix=fix)
    if changed := daemon.certificates_changed(found.pid):
        yield DISTRUSTFUL.found(f"{changed} was changed after rclone (process {found.pid}) was started", fix=fix)


def _replace() -> None:
    if not daemon.stop():
        raise OSError("it has mounts by now, or somebody is connecting")


def _end(pid: int) -> None:
    with suppress(FileNotFoundError):
        if not mounts.served_by(pid) and not _sends(pid):
            daemon.end_stray(pid)


def _sends(pid: int) -> bool:
    """Whether it has files of a cache open."""
    kept = str(places.state_dir() / "cache")
    return any(path.startswith(kept) for path in mounts.links(Path(f"/proc/{pid}/fd").iterdir()))
