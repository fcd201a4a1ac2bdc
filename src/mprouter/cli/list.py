"""``mpr list`` as click knows it; what it shows stands in ``listing.py``."""

from __future__ import annotations

import click

from mprouter.cli.command import Command
from mprouter.cli.options import json_option, option

__all__ = ["command"]


@click.command(
    cls=Command,
    examples=[
        ("mpr list", "What is connected."),
        ("mpr list --remembered", "What 'mpr restore' makes again, connected now or not."),
        ("mpr list --unsent", "What was written and is not on a server yet."),
        ("mpr list --json | jq -r '.[] | select(.state == \"lost\").local_name'", "For scripts: what was lost."),
    ],
)
@option("--remembered", is_flag=True, help="Show the remembered connections instead, also those not connected.")
@option("--unsent", is_flag=True, help="Show only what was written and is not on a server yet.")
@json_option
def command(remembered: bool, unsent: bool, as_json: bool) -> None:
    """Show the connections and how they are.

    A connection is lost when what served it has died. Connect it again under the same name, or disconnect it. What had
    been written and was not sent yet is kept: it is shown below, and sent by the next connection to that resource.
    """
    if remembered and unsent:
        raise click.UsageError("--remembered and --unsent exclude each other.")
    from mprouter.cli import listing

    listing.show(remembered=remembered, unsent=unsent, as_json=as_json)
