"""``mpr events``: the record of what happened, as it stands or as it grows (N20)."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from mprouter.cli import complete
from mprouter.cli.command import Command
from mprouter.cli.options import option
from mprouter.cli.output import OutputLost, is_terminal, say, say_error, stdout

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mprouter.store import EventRecord, Store

__all__ = ["command"]

_LOOK_AGAIN = 0.25
"""Seconds after which the record is looked at, whether or not the kernel has told of a change."""


@click.command(
    cls=Command,
    arguments={"NAME": "Only what concerns this local name, or this remote name as it was given to connect."},
    examples=[
        ("mpr events", "The latest."),
        ("mpr events -n 20 Z:", "The last 20 about Z:."),
        ("mpr events --follow", "What is to come too, until Ctrl-C."),
        ("mpr events --json -n 100000 | jq 'select(.code != 0)'", "All that went wrong, for a script."),
    ],
)
@click.argument("name", required=False, shell_complete=complete.events)
@option("-f", "--follow", is_flag=True, help="Go on with what happens from now on, until Ctrl-C.")
@option(
    "-n",
    "--last",
    type=click.IntRange(min=0, max=100_000),
    default=100,
    metavar="N",
    show_default=True,
    help="Show only the last N events.",
)
@option("--json", "as_json", is_flag=True, help="Print a JSON object per event and line, for programs.")
def command(name: str | None, follow: bool, last: int, as_json: bool) -> None:
    """Show what happened, call by call.

    Under each operation stand the notifyees that were told before (pre) and after (post), how long each took, what it
    was told and, after an arrow, what it answered; last how the operation ended. Names and statuses are recorded,
    never user names or passwords.
    """
    from mprouter.names import looks_local, parse_local, parse_remote
    from mprouter.store import Store

    if name is not None:  # in the record names have one spelling, without users
        name = parse_local(name) if looks_local(name) else parse_remote(name).told
    store = Store()
    try:
        newest = _last_id(store.events(last=1))
        events = store.events(last=last, name=name)
        _show(events, as_json=as_json)
        if follow:
            _follow(store, max(newest, _last_id(events)), name, as_json=as_json)
        elif not events and last != 0 and not as_json:
            say("Nothing has happened yet." if name is None else "Nothing is recorded about it.")
    finally:
        store.close()


def _follow(store: Store, after: int, name: str | None, *, as_json: bool) -> None:
    """Show what is recorded after the event *after*, until somebody ends it: that is no failure."""
    try:
        _watch(store.path.parent)
        while True:
            events = store.events(after=after, name=name)
            _show(events, as_json=as_json)
            after = max(after, _last_id(events))
            if not events:
                _wait()
    except KeyboardInterrupt:
        if is_terminal(sys.stderr):
            say_error()  # the line that shows ^C ends here


def _watch(directory: Path) -> None:
    """Have SIGIO pending whenever something in *directory* is written to, where the kernel tells that (Linux)."""
    import fcntl
    import os
    import signal

    if sys.platform == "linux":
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGIO})
        watched = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)  # as long as this process runs
        with suppress(OSError):  # what is not told is seen a little later
            fcntl.fcntl(watched, fcntl.F_NOTIFY, fcntl.DN_MODIFY | fcntl.DN_MULTISHOT)


def _wait() -> None:
    """Until it is time to look again. Raises ``OutputLost`` if nobody reads any longer."""
    import select
    import signal
    import time

    if sys.platform != "linux" or stdout() is None:
        time.sleep(_LOOK_AGAIN)
        return
    reader = select.poll()
    reader.register(stdout().fileno(), 0)
    if any(event & select.POLLERR for _, event in reader.poll(0)):
        raise OutputLost("nobody reads it", reader_gone=True)
    signal.sigtimedwait({signal.SIGIO}, _LOOK_AGAIN)


def _last_id(events: Sequence[EventRecord]) -> int:
    return events[-1].id or 0 if events else 0


def _show(events: Sequence[EventRecord], *, as_json: bool) -> None:
    if not events:
        return
    if as_json:
        import json

        say("\n".join(json.dumps(_as_json(event)) for event in events))
    else:
        from mprouter.cli import timeline

        say("\n".join(timeline.lines(events)))


def _as_json(event: EventRecord) -> dict[str, Any]:
    """The record, with the names of its statuses beside their numbers."""
    from dataclasses import asdict

    from mprouter.status import Status

    answer = None if event.answer is None else Status(event.answer)
    return asdict(event) | {
        "status": Status(event.status).name,
        "code": event.status,
        "answer": None if answer is None else answer.name,
        "answer_code": event.answer,
    }
