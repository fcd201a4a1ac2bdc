"""The everyday forms of commands are read without click, and as click would read them; all else is for click."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mprouter.cli import everyday
from mprouter.cli.program import program
from sandbox import Command, Places
from warm import MPR

EVERYDAY = [
    ["list"],
    ["list", "--json"],
    ["list", "--remembered"],
    ["list", "--unsent", "--json", "--json"],
    ["connect", "//server/share"],
    ["connect", r"\\server\share", "*", "--user", "ana"],
    ["connect", "--persist", "//server/share", "--json", "Z:", "--save-password"],
    ["connect", "//server/share", "--temporary", "--current-media", "-o", "port=2222", "--option", " key = a=b "],
    ["connect", "//server/share", "--user", "ana", "--user", "ben"],
]

FOR_CLICK = [
    [],
    ["--help"],
    ["-v", "list"],
    ["lists"],
    ["browse"],
    ["list", "--help"],
    ["list", "-v"],
    ["list", "--rem"],
    ["list", "Z:"],
    ["list", ""],
    ["list", "--remembered", "--unsent"],
    ["connect"],
    ["connect", "//server/share", "Z:", "Y:"],
    ["connect", "//server/share", ""],
    ["connect", "//server/share", "Z:", "--persist", "--temporary"],
    ["connect", "//server/share", "-"],
    ["connect", "--", "//server/share"],
    ["connect", "//server/share", "--password-stdin"],
    ["connect", "//server/share", "--provider", "smb"],
    ["connect", "//server/share", "--user"],
    ["connect", "//server/share", "--user", "ana:secret"],
    ["connect", "//server/share", "--user=ana"],
    ["connect", "//server/share", "-o", "port"],
    ["connect", "//server/share", "-o", "-port=1"],
    ["connect", "//server/share", "-oport=1"],
]


def read_by_click(words: Sequence[str]) -> dict[str, Any]:
    """The parameters that click gives the command, by their names. Raises what it does about wrong usage."""
    command = program.get_command(click.Context(program), words[0])
    assert command is not None
    return command.make_context(words[0], list(words[1:])).params


def check_as_click(words: Sequence[str]) -> None:
    found = everyday.read(words)
    assert found is not None
    assert found == {name: value for name, value in read_by_click(words).items() if value or name in found}


@pytest.mark.parametrize("words", EVERYDAY, ids=" ".join)
def test_an_everyday_form_is_read_as_click_reads_it(words: list[str]) -> None:
    check_as_click(words)


@pytest.mark.parametrize("words", FOR_CLICK, ids=" ".join)
def test_all_else_is_left_to_click(words: list[str]) -> None:
    assert everyday.read(words) is None


@given(
    st.sampled_from(["list", "connect"]),
    st.lists(st.sampled_from(sorted({word for words in [*EVERYDAY, *FOR_CLICK] for word in words})), max_size=6),
)
def test_whatever_is_read_here_is_read_as_click_reads_it(command: str, rest: list[str]) -> None:
    words = [command, *rest]
    if everyday.read(words) is not None:
        check_as_click(words)


def loaded(*words: str) -> set[str]:
    """The modules that the command has loaded at its end."""
    code = (
        "import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr));"
        f"sys.argv = ['mpr', *{words!r}]; from mprouter.cli import main; main()"
    )
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False).stderr.split())


@pytest.mark.parametrize("words", [["list"], ["connect", "/no/resource"]], ids=" ".join)
def test_an_everyday_form_is_run_without_click(words: list[str], places: Places) -> None:
    del places  # they are in the environment
    assert "mprouter.router" in loaded(*words)
    assert "click" not in loaded(*words)
    assert "click" in loaded(*words, "-v")


@pytest.mark.parametrize(
    "words",
    [
        ["list"],
        ["list", "--json"],
        ["list", "--remembered"],
        ["list", "--unsent"],
        ["connect", "/no/resource"],
        ["connect", "/no/resource", "--json"],
        ["connect", "/no/resource", "--persist"],
        ["connect", "file:///", "Z:", "-o", "unknown=1"],
    ],
    ids=" ".join,
)
def test_both_ways_to_run_a_command_say_the_same(words: list[str], mpr: Command) -> None:
    assert everyday.read([*words, "--"]) is None
    ran, by_click = mpr(*words), mpr(*words, "--")
    assert (ran.returncode, ran.stdout, ran.stderr) == (by_click.returncode, by_click.stdout, by_click.stderr)
    assert ran.stdout + ran.stderr


def test_names_are_printed_where_the_environment_says_ascii(places: Places) -> None:
    del places  # they are in the environment
    for words in (["connect", "/nöwhere"], ["connect", "/nöwhere", "--"]):
        ran = subprocess.run(
            [MPR, *words], env={**os.environ, "PYTHONIOENCODING": "ascii"}, capture_output=True, check=False
        )
        assert "/nöwhere" in ran.stderr.decode()
