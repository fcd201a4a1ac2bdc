"""``mpr config``: where the package keeps what programs are built with."""

from __future__ import annotations

import click

from mprouter.cli.command import Command
from mprouter.cli.options import json_option, option
from mprouter.cli.output import say, say_json

__all__ = ["command"]


@click.command(
    "config",
    cls=Command,
    examples=[
        ("gcc -shared -fPIC $(mpr config --cflags) hook.c -o hook.so", "Build a native notifyee."),
        ("mpr config --cflags --json", "The same for a program that calls the compiler."),
    ],
)
@option("--cflags", is_flag=True, help="Print what the compiler needs to find and read the headers.")
@json_option
@click.pass_context
def command(ctx: click.Context, cflags: bool, as_json: bool) -> None:
    """Print what compilers need for native notifyees and network providers."""
    import shlex

    from mprouter.plugins.library import cflags as flags

    if as_json:
        say_json({"cflags": flags()})
    elif cflags:
        say(shlex.join(flags()))
    else:
        ctx.fail("Say what to print: --cflags.")
