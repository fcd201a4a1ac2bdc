"""``mpr salvage``: a damaged store is put aside, and what is good of it goes into a new one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from mprouter.cli.command import Command
from mprouter.cli.options import json_option
from mprouter.cli.output import plain, say, say_json

if TYPE_CHECKING:
    from pathlib import Path

    from mprouter.store.salvage import Salvaged

__all__ = ["command"]


@click.command(cls=Command, examples=[("mpr salvage", "When a command says that the store of connections is damaged.")])
@json_option
def command(as_json: bool) -> None:
    """Begin a damaged store anew, with what is good of it.

    The damaged file is kept beside the new one. Connections, remembered ones, what was under way, and events are taken
    over if they are as they were written; what is lost is said, and so is what is mounted and belongs to no connection
    now. A store that is not damaged stays as it is.
    """
    from mprouter.doctor import records
    from mprouter.providers.rclone.health.mounts import unowned
    from mprouter.store import Store

    store = Store()
    try:
        salvaged = store.salvage()
    finally:
        store.close()
    strays = [] if salvaged is None else unowned(records.known)
    if as_json:
        say_json(None if salvaged is None else _as_json(salvaged, strays))
    elif salvaged is None:
        say("The store of connections is not damaged.")
    else:
        _say(salvaged, strays)


def _say(salvaged: Salvaged, strays: list[Path]) -> None:
    say(f"The damaged store is now {plain(salvaged.aside)}")
    say(f"Connected: {plain(', '.join(map(str, salvaged.connections))) or 'nothing'}")
    say(f"Remembered: {plain(', '.join(salvaged.remembered)) or 'nothing'}")
    say(f"Events: {salvaged.events}")
    for lost in salvaged.lost:
        say(f"Lost: {plain(lost)}")
    for stray in strays:
        say(f"Mounted, but no connection: {plain(stray)}")
    if strays:
        say("What had been connected: close what is open there, wait until all is sent, then fusermount3 -u PATH.")


def _as_json(salvaged: Salvaged, strays: list[Path]) -> dict[str, Any]:
    return {
        "aside": str(salvaged.aside),
        "connections": [str(each) for each in salvaged.connections],
        "remembered": salvaged.remembered,
        "events": salvaged.events,
        "lost": salvaged.lost,
        "strays": [str(each) for each in strays],
    }
