r"""``mpr net``: Windows' command NET, as far as it is about connections, for those whose fingers know it.

Errors are told as Windows tells them, and with its exit codes: 2 = it failed, 1 = wrong syntax.
"""

from __future__ import annotations

import re

import click

from mprouter.cli import complete
from mprouter.cli.command import Command, Family
from mprouter.cli.output import say, say_error

__all__ = ["command"]

_FAILED = 2
_MISUSED = 1
_HELP = {"/?", "/help"}


class _Net(Family):
    """Its commands may be typed in any case."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """See click."""
        return super().get_command(ctx, cmd_name.lower())


class _Use(Command):
    """Takes all words as they are, but for options of ``mpr`` that stand before them."""

    failed = _FAILED

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """See click."""
        count = next((place for place, word in enumerate(args) if word[:1] != "-"), len(args))
        try:
            return super().parse_args(ctx, [*args[:count], "--", *args[count:]])
        except click.UsageError:
            _misused(ctx, "an option begins with /, and options of mpr stand before all else")
            raise


@click.group(cls=_Net)
def command() -> None:
    """Connect as with Windows' own command.

    The words, output and exit codes of NET USE, on the same connections as 'mpr connect' and 'mpr list'. A link to mpr
    that is called net makes it 'net use'.
    """


@command.command(
    "use",
    cls=_Use,
    arguments={
        "DEVICE": "A drive letter D: to Z:, an absolute path, or '*' for a free letter; with /DELETE '*' is all.",
        "REMOTE": r"What to connect: \\server\share (in quotes) or //server/share, sftp://, davs:// and the like.",
        "PASSWORD": "Better '*', to be asked for it: a shell remembers what is typed.",
        "/USER:NAME": r"The user name on the server: NAME, DOMAIN\NAME or NAME@DOMAIN.",
        "/PERSISTENT:YES|NO": "Whether 'mpr restore' makes it again, now and for what is connected later.",
        "/SAVECRED": "Keep the password that the server accepts.",
        "/DELETE": "Disconnect, and remember it no longer.",
        "/Y, /NO": "The answer to all questions.",
    },
    examples=[
        ("mpr net use", "What is connected, or remembered."),
        (r"mpr net use Z: '\\files\projects' '/user:CORP\ana'", "Asks for the password if the server wants one."),
        ("mpr net use '*' sftp://files.example.com/srv '*' /p:no", "A free letter, only for now; asks at once."),
        ("mpr net use Z:", "About this one."),
        ("mpr net use Z: /d", "Disconnect it."),
    ],
)
@click.argument(
    "words", nargs=-1, metavar="[DEVICE|*] [REMOTE [PASSWORD|*]] [/SWITCH]...", shell_complete=complete.net_use
)
@click.pass_context
def use(ctx: click.Context, words: tuple[str, ...]) -> None:
    """Connect, disconnect and list, as NET USE does.

    Switches may be in any case and shortened, and stand anywhere.
    """
    from mprouter.cli import net_messages
    from mprouter.cli.net_grammar import Misuse, parse
    from mprouter.cli.net_use import NoAnswer, run
    from mprouter.router import Router
    from mprouter.status import WNetError

    try:
        wanted = parse(words)
    except Misuse as error:
        _misused(ctx, str(error))
        return
    if wanted.help:
        say(_syntax(ctx))
        return
    try:
        with Router() as router:
            failed = not run(wanted, router)
    except WNetError as error:
        net_messages.tell(error)
        failed = True
    except NoAnswer:
        say_error("No valid response was provided.\n")
        failed = True
    if failed:
        ctx.exit(_FAILED)


@command.command(
    "view",
    cls=_Use,
    arguments={"NAME": r"A server: \\server (in quotes), //server, sftp://server; or a directory on one."},
    examples=[
        ("mpr net view", "The servers that are near."),
        (r"mpr net view '\\files'", "What a server has to connect."),
    ],
)
@click.argument("words", nargs=-1, metavar="[NAME] [--json]")
@click.pass_context
def view(ctx: click.Context, words: tuple[str, ...]) -> None:
    """Show servers, and what they have, as NET VIEW does."""
    from mprouter.cli import net_messages, net_view
    from mprouter.status import WNetError

    if _HELP & set(map(str.lower, words)):
        say(_syntax(ctx))
        return
    try:
        net_view.view(words)
    except click.UsageError as error:
        _misused(ctx, error.message)
    except WNetError as error:
        net_messages.tell(error)
        ctx.exit(_FAILED)


@command.command(
    "helpmsg",
    cls=_Use,
    arguments={"NUMBER": "The number of a status, as errors have it."},
    examples=[("mpr net helpmsg 2250", "What a failed 'net use' says to type.")],
)
@click.argument("words", nargs=-1, metavar="NUMBER")
@click.pass_context
def helpmsg(ctx: click.Context, words: tuple[str, ...]) -> None:
    """Print the text of Windows for a status."""
    from mprouter.status import Status
    from mprouter.system_messages import message

    if _HELP & set(map(str.lower, words)):
        say(_syntax(ctx))
    elif len(words) != 1 or not re.fullmatch("[0-9]{1,10}", words[0]):
        _misused(ctx, "it takes one number")
    elif (number := int(words[0])) in set(Status):
        say(f"\n{message(Status(number))}\n")
    else:
        unknown = f"\n{number} is not a valid Windows network message number.\n"
        say_error(f"{unknown}\nMore help is available by typing NET HELPMSG 3871.\n")
        ctx.exit(_FAILED)


def _misused(ctx: click.Context, why: str) -> None:
    """Say what is wrong and the syntax, and end."""
    say_error(f"mpr: {why}\n\n{_syntax(ctx)}")
    ctx.exit(_MISUSED)


def _syntax(ctx: click.Context) -> str:
    """The syntax of the command that was called, as Windows shows it."""
    if ctx.command.name == "use":
        from mprouter.cli.net_grammar import SYNTAX

        return SYNTAX
    if ctx.command.name == "view":
        from mprouter.cli.net_view import SYNTAX

        return SYNTAX
    return "The syntax of this command is:\n\nNET HELPMSG\nmessage#\n"
