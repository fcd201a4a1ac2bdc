"""``mpr recover``: what processes left half done when they died is settled, and said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from mprouter.cli.command import Command
from mprouter.cli.options import json_option
from mprouter.cli.output import plain, say, say_error, say_json
from mprouter.status import subject_of

if TYPE_CHECKING:
    from mprouter.recovery import Recovered

__all__ = ["command"]


@click.command(
    cls=Command,
    examples=[
        ("mpr recover", "After a crash, to see what became of it."),
        ("mpr recover --json | jq '.[] | select(.error)'", "For scripts: what could not be settled."),
    ],
)
@json_option
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """Settle what was cut off when a process died.

    Every command does this before anything else, so that nobody has to; this one only says what it did. A connect that
    was cut off is undone or, if the connection was made, finished; so is a disconnect. Notifyees that were told before
    are told after, marked as recovered. The exit code is 1 if something could not be settled: it is tried again by
    the next command.
    """
    from mprouter.router import Router

    with Router() as router:
        recovered = router.recover()
    if as_json:
        say_json([_as_json(each) for each in recovered])
    else:
        for each in recovered:
            _say(each)
        if not recovered:
            say("There is nothing to recover.")
    if any(each.error for each in recovered):
        ctx.exit(1)


def _say(recovered: Recovered) -> None:
    each = recovered
    what = "connecting" if each.operation == "add" else "disconnecting"
    happened = f"process {each.process} died while {what} it"
    if each.error is not None:
        from shlex import quote

        name = plain(each.local_name or each.remote_name)
        say_error(f"mpr: {subject_of(name)}{happened}; it cannot be settled yet: {plain(each.error)}")
        say_error(f"mpr: if it never can: mpr disconnect {quote(name)} --force")
        return
    say("  ".join(plain(name) for name in (each.local_name, each.remote_name) if name))
    line = f"    {happened}; {each.outcome}"
    for ids, text in ((each.told, "Told after"), (each.lost, "No longer registered, not told")):
        if ids:
            line += f". {text}: {plain(', '.join(ids))}"
    say(line)


def _as_json(recovered: Recovered) -> dict[str, Any]:
    from mprouter.cli import failure

    return {
        "operation": recovered.operation,
        "remote_name": recovered.remote_name,
        "local_name": recovered.local_name,
        "process": recovered.process,
        "status": None if recovered.status is None else recovered.status.name,
        "outcome": recovered.outcome,
        "told": recovered.told,
        "lost": recovered.lost,
        "error": recovered.error and failure.as_json(recovered.error),
    }
