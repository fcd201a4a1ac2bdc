"""``mpr discard``: what was written to a resource and cannot be sent is given up for good, after it was named."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from mprouter.cli import complete
from mprouter.cli.command import Command
from mprouter.cli.options import json_option, option
from mprouter.cli.output import counted, is_terminal, plain, say, say_json, size
from mprouter.status import Status, WNetError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mprouter.providers.base import Waiting
    from mprouter.router import Router

__all__ = ["command"]


@click.command(
    cls=Command,
    arguments={"RESOURCE": "A remote name, as 'mpr list --unsent' shows it."},
    examples=[
        ("mpr discard sftp://files.example.com/srv", "Shows the files, and asks."),
        ("mpr discard sftp://files.example.com/srv --user ana --yes", "Only what ana wrote, without a question."),
    ],
)
@click.argument("resource", shell_complete=complete.remote_names)
@option("--user", metavar="USER", help="Only what is to be sent as this user.")
@option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_context
def command(ctx: click.Context, *, resource: str, user: str | None, yes: bool, as_json: bool) -> None:
    """Give up for good what is not on a server.

    For a server that never comes back: what programs wrote, and what was put aside since a part is missing, is removed
    from this machine. The files are named before. Nothing brings them back. What a connection uses is left alone;
    'mpr disconnect NAME --later' takes that away.
    """
    from mprouter.cli.listing import waiting_as_json
    from mprouter.router import Router

    with Router() as router:
        found = _found(router, resource, user)
        if not yes and (as_json or not is_terminal(sys.stdin)):
            ctx.fail("There is nobody to ask; --yes does it without a question.")
        if not as_json:
            for each in found:
                _show(each)
        if not yes:
            click.confirm("Remove these files for good?", abort=True, err=True)
            found = _of_these(found, _found(router, resource, user))  # a connection may have sent some meanwhile
        for each in found:
            router.discard(each)
    if as_json:
        say_json([waiting_as_json(each) for each in found])
    else:
        say(f"{counted(sum(len(each.names) + len(each.aside) for each in found), 'file')} removed")


def _found(router: Router, resource: str, user: str | None) -> list[Waiting]:
    """What waits for *resource*. Raises ``WNetError`` (ERROR_NOT_FOUND)."""
    found = [
        each
        for each in router.waiting()
        if _is_same(each.remote_name, resource) and user in {None, each.user} and (each.names or each.aside)
    ]
    if not found:
        hint = "mpr list --unsent shows what waits"
        raise WNetError(Status.ERROR_NOT_FOUND, "nothing of it waits to be sent", name=resource, hint=hint)
    return found


def _of_these(shown: Sequence[Waiting], found: Sequence[Waiting]) -> list[Waiting]:
    """What of *found* was *shown*."""
    left = []
    for each in found:
        same = [was for was in shown if _source(was) == _source(each)]
        names = tuple(name for name in each.names if any(name in was.names for was in same))
        aside = tuple(file for file in each.aside if any(file in was.aside for was in same))
        left.append(replace(each, names=names, aside=aside))
    return left


def _source(waiting: Waiting) -> tuple[object, ...]:
    return waiting.remote_name, waiting.user, waiting.provider, waiting.options


def _is_same(one: str, other: str) -> bool:
    """C7; what stands where no remote name was written down is compared as it is."""
    from mprouter.names import parse_remote

    try:
        return one == other or parse_remote(one).canonical == parse_remote(other).canonical
    except WNetError:
        return False


def _show(waiting: Waiting) -> None:
    user = f", to be sent as {plain(waiting.user)}" if waiting.user is not None else ""
    say(f"{plain(waiting.remote_name)}{user}: {size(waiting.pending.bytes)}")
    for each in (*waiting.names, *waiting.aside):
        say(f"  {plain(each)}")
