"""``mpr browse``: what there is to connect: servers that are near or were used, what is on them, directories."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from mprouter.cli.command import Command
from mprouter.cli.options import json_option, option
from mprouter.cli.output import plain, say, say_error, say_json, say_table

if TYPE_CHECKING:
    from mprouter.resource import NetResource
    from mprouter.router import Router

__all__ = ["command", "contents", "gathered", "record"]

MOST = 10_000
"""How many resources of one container are shown: who tells more may never end."""

LONG = 60.0
"""Seconds after which what has been told so far is shown."""


@click.command(
    cls=Command,
    arguments={
        "NAME": "A server, a share, a directory, or a network as 'mpr provider list' names it. None: what is near."
    },
    examples=[
        ("mpr browse", "Servers that announce themselves, hosts of ~/.ssh/config, what was connected."),
        (r"mpr browse '\\nas'", "The shares of an SMB server; //nas is the same."),
        ("mpr browse sftp://files.example.com/srv", "The directories there."),
        ("mpr browse rclone", "The remotes of your rclone configuration."),
        ("mpr browse --connect", "Choose from all that, and connect it: you are asked for what is needed."),
    ],
)
@click.argument("name", required=False)
@option("--connect", is_flag=True, help="Choose from it at the terminal, and connect what you choose.")
@json_option
def command(name: str | None, connect: bool, as_json: bool) -> None:
    """Show what there is to connect.

    Servers are asked with what is connected, with stored passwords, else as nobody in particular; a server that does
    not answer is left out or given up after seconds. Looking connects nothing and tells no notifyee.

    With --connect what is found is numbered as it is found, and a number or a name may be typed at any time; then you
    are asked under which drive letter and as whom to connect it, and whether to remember it. All that is on standard
    error; standard output has what 'mpr connect' prints.
    """
    from mprouter.router import Router

    with Router() as router:
        if connect:
            _connect(router, name, as_json=as_json)
            return
        found = contents(router, name) if name is not None else _around(router)
    if as_json:
        say_json([record(each) for each in found])
    elif not found:
        say("There is nothing in it." if name is not None else "Nothing is near, and nothing was connected.")
    else:
        say_table(["NAME", "KIND", "PROVIDER", "FOUND", "COMMENT"], [_row(each) for each in found])


def contents(router: Router, name: str) -> list[NetResource]:
    """What is in the server, directory or network *name*. Raises ``WNetError``."""
    from mprouter.dialog.choosing import container
    from mprouter.resource import ResourceScope

    return gathered(router.enumerate(ResourceScope.GLOBALNET, container=container(router, name)))


def gathered(told: Iterator[NetResource]) -> list[NetResource]:
    """All that is *told*, but no more than ``MOST`` and for no longer than ``LONG``, which standard error then says."""
    from time import monotonic

    found: list[NetResource] = []
    deadline = monotonic() + LONG
    for each in told:
        if len(found) == MOST or monotonic() > deadline:
            why = (
                f"more than {MOST} are told"
                if len(found) == MOST
                else f"the telling takes longer than {LONG:g} seconds"
            )
            say_error(f"mpr: warning: {why}: the first {len(found)} are shown")
            break
        found.append(each)
    return found


def record(resource: NetResource) -> dict[str, Any]:
    """*resource* for a program, its numbers in words."""
    return {
        "remote_name": resource.remote_name,
        "local_name": resource.local_name,
        "provider": resource.provider,
        "type": resource.type.name.lower(),
        "display_type": resource.display_type.name.lower(),
        "scope": None if resource.scope is None else resource.scope.name.lower(),
        "usage": [flag.name.lower() for flag in type(resource.usage) if flag in resource.usage and flag.name],
        "comment": resource.comment,
    }


def _connect(router: Router, name: str | None, *, as_json: bool) -> None:
    from mprouter.cli import connection
    from mprouter.dialog.choosing import container, named
    from mprouter.dialog.connecting import Wanted, connect
    from mprouter.dialog.person import Left, person
    from mprouter.status import Status, WNetError

    asked = person("mpr connect needs none")
    wanted = Wanted()
    if name is not None:
        meant = named(router, name)
        wanted = Wanted(meant if isinstance(meant, str) else None, inside=container(router, name))
    try:
        made = connect(asked, router, wanted)
    except Left:
        raise WNetError(Status.WN_CANCEL, "nothing is connected") from None
    if as_json:
        say_json(connection.as_json(made))
    else:
        say(connection.as_line(made))


def _around(router: Router) -> list[NetResource]:
    """What is near, remembered or was connected lately, each once, first as it is told first."""
    from mprouter.resource import ResourceScope

    found: dict[str, NetResource] = {}
    for scope in (ResourceScope.REMEMBERED, ResourceScope.RECENT, ResourceScope.CONTEXT):
        for each in gathered(router.enumerate(scope)):
            found.setdefault(str(each.remote_name), each)
    return list(found.values())


_FOUND = {2: "", 3: "remembered", 4: "recent", 5: "near"}


def _row(resource: NetResource) -> list[str]:
    is_printer = resource.type.name == "PRINT"
    return [
        plain(resource.remote_name or ""),
        "printer" if is_printer else resource.display_type.name.lower(),
        plain(resource.provider or ""),
        _FOUND.get(resource.scope or 2, ""),
        plain(resource.comment or ""),
    ]
