"""``mpr list``: the connections of the user, whichever process made them, with their state as it really is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mprouter.cli.command import Command
from mprouter.cli.output import json_option, plain, say, say_json, say_table

if TYPE_CHECKING:
    from mprouter.connection import Connection

__all__ = ["command"]


@click.command(
    cls=Command,
    examples=[
        ("mpr list", "What is connected."),
        ("mpr list --remembered", "What 'mpr restore' makes again, connected now or not."),
        ("mpr list --json | jq -r '.[] | select(.state == \"lost\").local_name'", "For scripts: what was lost."),
    ],
)
@click.option("--remembered", is_flag=True, help="Show the remembered connections instead, also those not connected.")
@json_option
def command(remembered: bool, as_json: bool) -> None:
    """Show the connections and how they are.

    A connection is lost when what served it has died. Connect it again under the same name, or disconnect it.
    """
    from mprouter.cli import connection
    from mprouter.router import Router

    with Router() as router:
        found = router.connections(remembered=remembered)
    if as_json:
        say_json([connection.as_json(each) for each in found])
        return
    if not found:
        say("Nothing is remembered." if remembered else "Nothing is connected.")
        return
    say_table(
        ["LOCAL", "REMOTE", "PROVIDER", "USER", "STATE", "REMEMBERED", "PATH"],
        [_row(each, mark=not remembered) for each in found],
    )
    for each in found:
        if advice := _advice(each):
            say(advice)


def _row(connection: Connection, *, mark: bool) -> list[str]:
    return [
        plain(connection.local_name or "-"),
        plain(connection.remote_name),
        plain(connection.provider or ""),
        plain(connection.user or ""),
        _state(connection),
        "yes" if connection.remembered and mark else "",
        plain(connection.path),
    ]


def _state(connection: Connection) -> str:
    if connection.state is None:
        return click.style("not connected", dim=True)
    if connection.state.value == "lost":
        return click.style("LOST", fg="red", bold=True)
    return click.style(connection.state.value, fg="green")


def _advice(connection: Connection) -> str | None:
    """How to mend what is not as it should be."""
    from shlex import quote

    name, remote = (
        quote(plain(each)) for each in (connection.local_name or connection.remote_name, connection.remote_name)
    )
    if connection.state is None:
        return f"{name} is not connected; to connect it: mpr restore {name}"
    if connection.state.value == "lost":
        again = f"mpr connect {remote}" + (f" {name}" if connection.local_name else "")
        return f"{name} is lost; to connect it again: {again}; to be rid of it: mpr disconnect {name}"
    return None
