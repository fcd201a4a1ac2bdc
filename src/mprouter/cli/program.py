"""``mpr`` itself: which commands there are. A command's file is loaded when it is run or its own help is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from mprouter._version import __version__
from mprouter.cli.command import Explained, showing, verbose
from mprouter.cli.options import option

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

__all__ = ["COMMANDS", "program"]

COMMANDS = {
    "connect": "Connect a network resource.",
    "disconnect": "Disconnect, after what was written has arrived.",
    "list": "Show the connections and how they are.",
    "browse": "Show what there is to connect.",
    "restore": "Connect again what is remembered.",
    "net": "Connect as with Windows' own command.",
    "service": "Have connections restored at login.",
    "recover": "Settle what was cut off when a process died.",
    "salvage": "Begin a damaged store anew, with what is good of it.",
    "discard": "Give up for good what is not on a server.",
    "events": "Show what happened, call by call.",
    "notify": "Say who is told of connections.",
    "provider": "Show and order the network providers.",
    "reg": "Import and export Windows registry files.",
    "doctor": "Say what is wrong and how to mend it.",
    "hostkey": "Show and accept the keys of SSH servers.",
    "config": "Print what compilers need for native notifyees and network providers.",
    "completion": "Print the completion script for a shell.",
}
"""The commands and families, with the first line of each one's help."""


class Program(Explained, click.Group):
    """A group that knows its commands by name, and loads the one that is meant."""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """Read the words up to the command's own."""
        with _interruptible():
            return super().make_context(*args, **kwargs)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read them, and say of a command's option that stands before the command where it belongs."""
        words = [*args]
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            named = next((word for word in words if word in COMMANDS), None)
            if named is None:
                raise
            name = error.option_name
            ctx.fail(f"No such option '{name}' here. A command's own come after it: mpr {named} {name}")

    def invoke(self, ctx: click.Context) -> Any:
        """Load and run the command."""
        with _interruptible():
            return super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which a newcomer meets them."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load the command's file."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"mprouter.cli.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Which command is meant; for an unknown one, which may have been."""
        if args[0] not in COMMANDS and args[0][0:1] != "-" and not ctx.resilient_parsing:
            from difflib import get_close_matches

            close = get_close_matches(args[0], COMMANDS, 1)
            ctx.fail(f"No such command '{args[0]}'." + (f" Did you mean '{close[0]}'?" if close else ""))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands, loading none."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Offer the commands, loading none, and the options."""
        from click.shell_completion import CompletionItem

        offered = [CompletionItem(name, help=text) for name, text in COMMANDS.items() if name.startswith(incomplete)]
        return offered + click.Command.shell_complete(self, ctx, incomplete)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C, for which click has words and an exit code of its own, is told as elsewhere."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        from mprouter.cli import failure

        raise click.exceptions.Exit(failure.tell(interrupt, json=False)) from None


@click.command(
    cls=Program,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="""
    "mpr COMMAND --help" explains a command and gives examples.

    \b
    Exit codes: 0 done, 1 the operation failed, 2 wrong usage,
                130 interrupted (128 and the signal's number).
    """,
)
@option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=showing(lambda _: f"mpr {__version__}"),
    help="Show the version and exit.",
)
@verbose
def program() -> None:
    """Network resources as directories, with everybody told who needs to know.

    Connects SMB, SFTP, WebDAV, FTP and S3 servers, local directories and the remotes of an rclone configuration, and
    notifies the registered notifyees before and after, who may bring up a line, veto, or ask for another attempt.
    """
