"""``mpr restore``: what is remembered and not connected is connected again, and nobody is told (N3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from mprouter.cli import complete
from mprouter.cli.command import Command
from mprouter.cli.output import json_option, plain, say, say_json

if TYPE_CHECKING:
    from mprouter.router import Restored

__all__ = ["command"]


@click.command(
    cls=Command,
    arguments={"NAME": "The local name of the one to restore; all of them without it."},
    examples=[
        ("mpr restore", "All that is remembered, several at a time."),
        ("mpr restore Z:", "Only that one."),
    ],
)
@click.argument("name", required=False, shell_complete=complete.remembered)
@json_option
@click.pass_context
def command(ctx: click.Context, name: str | None, as_json: bool) -> None:
    """Connect again what is remembered.

    Notifyees are not told. Passwords come from where they are stored; on a terminal you are asked for those that are
    not. The exit code is 1 if one of them could not be connected.
    """
    from mprouter.router import Router
    from mprouter.terminal import terminal

    with Router() as router:
        results = router.restore(name, conversation=terminal())
    if as_json:
        say_json([_as_json(each) for each in results])
    else:
        for each in results:
            _say(each)
        if not results:
            say(f"{plain(name)} is connected." if name else "There is nothing to restore.")
    if any(each.error for each in results):
        ctx.exit(1)


def _say(restored: Restored) -> None:
    from mprouter.cli import connection

    if restored.connection is not None:
        say(connection.as_line(restored.connection))
    else:
        click.echo(f"mpr: {plain(restored.local_name)} is not restored: {plain(restored.error)}", err=True)


def _as_json(restored: Restored) -> dict[str, Any]:
    """The connection, or the names and the error, with the status of either."""
    from mprouter.cli import connection, failure

    if restored.connection is not None:
        return {"status": "WN_SUCCESS", "code": 0, **connection.as_json(restored.connection)}
    names = {"remote_name": restored.remote_name, "local_name": restored.local_name}
    return names | (failure.as_json(restored.error) if restored.error else {})
