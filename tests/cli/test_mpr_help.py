"""The help texts: complete, of one style, and there at once."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import click
import pytest

from mprouter import __version__
from mprouter.cli.command import Command
from mprouter.cli.program import COMMANDS, program
from sandbox import Command as Run

HEAVY = {
    "sqlite3",
    "rich",
    "keyring",
    "msgspec",
    "http.client",
    "asyncio",
    "importlib.metadata",
    "mprouter.router",
    "mprouter.store",
    "mprouter.providers.base",
    "mprouter.providers.order",
    "mprouter.notify.registration",
    "mprouter.credentials",
}


def commands(group: click.Group = program, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The words that lead to each command, families and all."""
    context = click.Context(group)
    for name in group.list_commands(context):
        yield (*path, name)
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


def found(path: tuple[str, ...]) -> click.Command:
    command: click.Command = program
    for name in path:
        assert isinstance(command, click.Group)
        inner = command.get_command(click.Context(command), name)
        assert inner is not None
        command = inner
    return command


EVERY = list(commands())


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], *([*path, "--help"] for path in EVERY)], ids=" ".join)
def test_help_loads_no_provider_no_store_and_no_rich(arguments: list[str]) -> None:
    code = (
        "import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr));"
        f"sys.argv = ['mpr', *{arguments!r}]; from mprouter.cli import main; main()"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(ran.stderr.split())
    assert ran.stdout
    assert not loaded & HEAVY
    assert {name for name in loaded if name.startswith("mprouter.cli.")} <= {
        "mprouter.cli.program",
        "mprouter.cli.command",
        "mprouter.cli.ending",
        "mprouter.cli.later",
        "mprouter.cli.options",
        "mprouter.cli.output",
        *(["mprouter.cli.command_line"] if arguments[:2] == ["net", "use"] else []),
        *(["mprouter.cli.everyday"] if arguments[0] in {"connect", "list"} else []),
        *(["mprouter.cli.ahead", "mprouter.cli.connecting"] if arguments[0] == "connect" else []),
        *(f"mprouter.cli.{name}" for name in (arguments[0], "complete") if len(arguments) > 1),
    }


def test_the_list_of_commands_says_what_each_says_of_itself() -> None:
    for name, text in COMMANDS.items():
        assert str(found((name,)).help).partition("\n")[0] == text


@pytest.mark.parametrize("path", EVERY, ids=" ".join)
def test_every_argument_option_and_command_is_explained(path: tuple[str, ...]) -> None:
    command = found(path)
    assert str(command.help).partition("\n")[0][-1] == "."
    for parameter in command.get_params(click.Context(command)):
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.name
            assert parameter.help.rstrip("]")[-1] == "." or "[default" in parameter.help
        else:
            assert isinstance(command, Command)
            assert parameter.metavar or str(parameter.name).upper() in command.arguments
    if isinstance(command, Command):
        assert command.examples
        assert all("mpr " in line and purpose[-1] == "." for line, purpose in command.examples)


def test_both_ways_to_run_it_are_the_same(mpr: Run) -> None:
    module = subprocess.run([sys.executable, "-m", "mprouter", "--help"], capture_output=True, text=True, check=True)
    assert mpr("--help").stdout == module.stdout == mpr("-h").stdout
    assert mpr("--version").stdout == f"mpr {__version__}\n"
