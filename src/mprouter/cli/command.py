"""What all commands have in common for click: arguments explained, examples, and how a command ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import click

from mprouter.cli.options import Option, option
from mprouter.cli.output import OutputLost, say

__all__ = ["Command", "Explained", "Family", "showing", "verbose"]

_Decorated = TypeVar("_Decorated", bound=Callable[..., Any])

_VERBOSE = "mprouter.verbose"


def _remember(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    del parameter
    ctx.meta[_VERBOSE] = ctx.meta.get(_VERBOSE, False) or value


def verbose(decorated: _Decorated) -> _Decorated:
    """The option ``--verbose``."""
    decorate = option(
        "-v",
        "--verbose",
        is_flag=True,
        expose_value=False,
        callback=_remember,
        help="Say on standard error what is done.",
    )
    return decorate(decorated)


def showing(text: Callable[[click.Context], str]) -> Callable[[click.Context, click.Parameter, bool], None]:
    """What a flag calls that asks for *text* and nothing else: prints it, and ends the command."""

    def show(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
        del parameter
        if not value or ctx.resilient_parsing:
            return
        try:
            say(text(ctx))
        except OutputLost as error:
            from mprouter.cli import failure

            ctx.exit(failure.tell(error, json=False))
        ctx.exit()

    return show


class Explained(click.Command):
    """What has ``--help``; that fails as all else does where it cannot be written."""

    _help: Option | None = None

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """Have it printed here; always the same one, by which click knows it."""
        if self._help is None and (names := self.get_help_option_names(ctx)):
            self._help = Option(
                names,
                is_flag=True,
                expose_value=False,
                is_eager=True,
                help="Show this message and exit.",
                callback=showing(click.Context.get_help),
            )
        return self._help


class Command(Explained):
    """A command of ``mpr``.

    arguments: each argument's name and explanation. examples: each command line and what it is for. failed: the exit
    code of a failure.
    """

    allow_extra_args = True  # they are refused below
    failed = 1

    def __init__(
        self,
        *args: Any,
        arguments: Mapping[str, str] | None = None,
        examples: Sequence[tuple[str, str]] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.arguments = arguments or {}
        self.examples = examples
        verbose(self)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Refuse what is too much without repeating it: it may be a password."""
        rest = super().parse_args(ctx, args)
        if rest and not ctx.resilient_parsing:
            ctx.fail(f"There {'is an argument' if len(rest) == 1 else 'are arguments'} too many.")
        return rest

    def invoke(self, ctx: click.Context) -> Any:
        """Run it. Whatever it raises becomes one line, or a JSON object, and an exit code."""
        from mprouter.cli.running import running

        as_json = bool(ctx.params.get("as_json"))
        with running(debug=ctx.meta.get(_VERBOSE, False), json=as_json):
            try:
                return super().invoke(ctx)
            except (click.ClickException, click.exceptions.Exit, click.Abort):
                raise
            except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - told here, once, whatever it is
                from mprouter.cli import failure

                ctx.exit(failure.tell(error, json=as_json, failed=self.failed))

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the arguments, then the options."""
        if self.arguments:
            with formatter.section("Arguments"):
                formatter.write_dl(list(self.arguments.items()))
        super().format_options(ctx, formatter)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        if self.examples:
            with formatter.section("Examples"):
                for line, purpose in self.examples:
                    formatter.write(f"{'':>{formatter.current_indent}}{line}\n")
                    with formatter.indentation():
                        formatter.write_text(purpose)
        super().format_epilog(ctx, formatter)


class Family(Explained, click.Group):
    """A group of commands that are about one thing."""

    command_class = Command

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which they stand in the file."""
        del ctx
        return list(self.commands)
