"""Wrong usage, bad names and failures: a documented exit code, one line or one object, never a traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mprouter import Status, WNetError
from mprouter.cli.command import Command
from mprouter.cli.program import program
from sandbox import Command as Run
from sandbox import Places

MPR = Path(sys.executable).with_name("mpr")

PIECES = ["\\\\", "//", "\\", "/", "server", "share", "@", ":", "@SSL", "sftp://", "smb://", "s3://", "file:///",
          "rclone:", "%41", "%ff", "[::1]", "Z:", "..", "*", "?", "#", "é", "\N{CJK UNIFIED IDEOGRAPH-6587}", " ",
          "\n", "\x1b[31m", "\udcff", "\N{RIGHT-TO-LEFT OVERRIDE}"]  # fmt: skip
NAMES = st.lists(st.sampled_from(PIECES) | st.text(max_size=8), max_size=8).map("".join).filter(lambda x: "\0" not in x)
MODEST = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


def run(arguments: Sequence[str]) -> Result:
    """Run the command in this process. ``--`` keeps a name that begins with a hyphen from being an option."""
    return CliRunner().invoke(program, [*arguments], prog_name="mpr")


def check_failure(result: Result) -> None:
    """It failed as the interface says: one line, with a documented status."""
    assert result.exit_code == 1, result.output
    line = result.stderr
    assert line.startswith("mpr: ")
    assert line.count("\n") == 1
    assert line[:-1].isprintable()
    assert result.stdout == ""
    name, _, number = line.partition(" (ERROR_")[2].partition(")")[0].partition(", ")
    assert Status[f"ERROR_{name}"] == int(number)


def check_failure_object(result: Result) -> None:
    assert result.exit_code == 1, result.output
    shown = json.loads(result.stdout)
    assert set(shown) == {"status", "code", "name", "message", "hint"}
    assert Status[shown["status"]] == shown["code"] != 0
    assert shown["message"]
    assert result.stderr == ""


@MODEST
@given(name=NAMES)
def test_a_bad_remote_name_ends_in_one_line(places: Places, name: str) -> None:
    del places
    # no such provider: so that no name, good or bad, leads to a network
    check_failure(run(["connect", "--provider", "none", "--", name]))
    check_failure_object(run(["connect", "--provider", "none", "--json", "--", name]))


@MODEST
@given(name=NAMES)
def test_a_bad_local_name_ends_in_one_line(places: Places, name: str) -> None:
    del places
    check_failure(run(["connect", "--provider", "none", "--", "file:///", name]))


@MODEST
@given(name=NAMES)
def test_a_name_that_is_not_connected_ends_in_one_line(places: Places, name: str) -> None:
    del places
    check_failure(run(["disconnect", "--", name]))
    check_failure(run(["restore", "--", name]))
    check_failure_object(run(["disconnect", "--json", "--forget", "--", name]))


@MODEST
@given(
    arguments=st.lists(st.sampled_from(["--json", "-o", "--user", "-n", "--", "a", "a=b", "Z:", "-1", ""]), max_size=5)
)
def test_any_arguments_end_in_a_documented_exit_code(places: Places, arguments: list[str]) -> None:
    del places
    for command in (["list"], ["events"], ["disconnect"], ["notify", "remove"], ["provider", "order"], ["completion"]):
        result = run([*command, *arguments])
        assert result.exit_code in {0, 1, 2}, result.output
        assert isinstance(result.exception, SystemExit | None)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["conect"],
        ["connect"],
        ["connect", "a", "b", "c"],
        ["connect", "a", "--password", "hunter2"],
        ["connect", "a", "--password=hunter2"],
        ["connect", "a", "b", "hunter2"],
        ["connect", "a", "--user", "ana:hunter2"],
        ["connect", "a", "-o", "hunter2"],
        ["connect", "file:///", "--password-stdin"],
        ["disconnect"],
        ["list", "Z:"],
        ["events", "-n", "many"],
        ["notify", "add", "x"],
        ["notify", "add", "x", "command:/x", "--operation", "remove"],
        ["completion", "csh"],
    ],
    ids=" ".join,
)
def test_wrong_usage_ends_with_2_and_repeats_no_secret(mpr: Run, arguments: list[str]) -> None:
    ran = mpr(*arguments)
    assert ran.returncode == 2
    assert "Usage: mpr" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert "hunter2" not in ran.stdout + ran.stderr


def test_a_likely_command_is_suggested(mpr: Run) -> None:
    assert "Did you mean 'connect'?" in mpr("conect").stderr


def test_an_option_before_its_command_is_told_where_it_belongs(mpr: Run) -> None:
    ran = mpr("--json", "list")
    assert ran.returncode == 2
    assert ran.stderr.endswith("Error: No such option '--json' here. A command's own come after it: mpr list --json\n")
    assert "No such option '--nothing'" in mpr("--nothing").stderr


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        (r"\server\share", "quote it for the shell, or write //server/share"),
        ("Z:", "the remote name comes first"),
        ("https://files.example.com/dav", "davs://"),
        ("sftp://ana:hunter2@files.example.com/", "--password-stdin"),
    ],
)
def test_a_common_mistake_gets_a_hint(mpr: Run, given: str, hint: str) -> None:
    ran = mpr("connect", given)
    assert ran.returncode == 1
    assert ran.stdout == ""
    assert hint in ran.stderr
    assert ran.stderr.count("\n") == 1
    assert "hunter2" not in ran.stderr


def test_a_name_that_no_terminal_can_show_is_shown_all_the_same(places: Places) -> None:
    del places
    ran = subprocess.run([MPR, "connect", b"sftp://h\xff\x1b[31m/"], capture_output=True, check=False)
    assert ran.returncode == 1
    assert ran.stderr.startswith(b"mpr: sftp://h")
    assert ran.stderr[:-1].decode().isprintable()


@pytest.mark.parametrize("stdin", ["", "\n", "\r\n", "\nsecond line\n"])
def test_an_empty_password_is_refused(mpr: Run, stdin: str) -> None:
    ran = mpr("connect", "file:///", "--password-stdin", stdin=stdin)
    assert ran.returncode == 2
    assert "there is no password on standard input" in ran.stderr


def test_no_standard_input_at_all_is_no_password(places: Places) -> None:
    del places
    line = f"{MPR} connect file:/// --password-stdin <&-"
    ran = subprocess.run(["/bin/sh", "-c", line], capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert "there is no password on standard input" in ran.stderr


def test_a_password_that_is_no_text_is_refused_without_showing_it(places: Places) -> None:
    del places
    ran = subprocess.run(
        [MPR, "connect", "file:///", "--password-stdin"], input=b"hunter2\xff\n", capture_output=True, check=False
    )
    assert ran.returncode == 2
    assert b"hunter2" not in ran.stderr


def test_an_unexpected_error_is_one_line_without_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command(cls=Command)
    @click.option("--json", "as_json", is_flag=True)
    def broken(as_json: bool) -> None:  # noqa: ARG001 - Command looks at it
        raise ValueError("hunter2")

    monkeypatch.delenv("MPROUTER_DEBUG", raising=False)
    result = CliRunner().invoke(broken)
    check_failure(result)
    assert "unexpected ValueError at test_mpr_usage.py:" in result.stderr
    assert "MPROUTER_DEBUG=1" in result.stderr
    assert "hunter2" not in result.stderr
    check_failure_object(CliRunner().invoke(broken, ["--json"]))
    monkeypatch.setenv("MPROUTER_DEBUG", "1")
    assert "Traceback (most recent call last)" in CliRunner().invoke(broken).stderr


def test_an_error_of_the_operating_system_keeps_its_words() -> None:
    @click.command(cls=Command)
    def broken() -> None:
        Path("/nowhere/at all").read_text(encoding="utf-8")

    assert "'/nowhere/at all'" in CliRunner().invoke(broken).stderr


def test_warnings_and_with_verbose_all_else_go_to_standard_error() -> None:
    import logging

    @click.command(cls=Command)
    def talkative() -> None:
        log = logging.getLogger("mprouter.somewhere")
        log.warning("beware of %s", "the\ndog")
        log.info("a detail")
        raise WNetError(Status.ERROR_BUSY)

    result = CliRunner().invoke(talkative)
    assert result.stderr.splitlines() == [r"mpr: warning: beware of the\ndog", "mpr: busy (ERROR_BUSY, 170)"]
    assert "mpr: info: a detail" in CliRunner().invoke(talkative, ["--verbose"]).stderr


PRINTING = pytest.mark.parametrize(
    "words",
    [["list"], ["list", "--json"], ["--help"], ["--version"], ["list", "--help"], ["notify", "--help"]],
    ids=" ".join,
)


@PRINTING
def test_output_that_nobody_reads_ends_it_quietly(places: Places, words: list[str]) -> None:
    del places
    reading, writing = os.pipe()
    os.close(reading)
    ran = subprocess.run([MPR, *words], stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (ran.returncode, ran.stderr) == (141, b"")


@PRINTING
def test_output_that_cannot_be_written_is_a_failure(places: Places, words: list[str]) -> None:
    del places
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run([MPR, *words], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert ran.returncode == 1
    assert ran.stderr.startswith("mpr: standard output cannot be written: No space left on device (ERROR_WRITE_FAULT")
    assert ran.stderr.count("\n") == 1


@pytest.mark.parametrize("is_full", [True, False], ids=["full", "unread"])
def test_c6_what_is_done_goes_on_though_nothing_can_be_said_on_standard_error(
    places: Places, tmp_path: Path, is_full: bool
) -> None:
    """As with a log on a full disk, or a pipe whose reader has gone: the line that it waits for data is one."""
    assert subprocess.run([MPR, "connect", f"file://{tmp_path}", "Z:"], check=False).returncode == 0
    (places.drives / "Z" / "written").write_text("all of it")
    reading, writing = os.pipe()
    os.close(reading)
    with open("/dev/full" if is_full else writing, "w") as lost:  # noqa: PTH123
        ran = subprocess.run([MPR, "disconnect", "Z:"], stdout=subprocess.PIPE, stderr=lost, text=True, check=False)
        wrong = subprocess.run([MPR, "disconnect", "Z:"], stdout=subprocess.PIPE, stderr=lost, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (0, "Z: disconnected\n")
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert (tmp_path / "written").read_text() == "all of it"


def test_what_was_done_stands_though_nobody_can_be_told_of_it(places: Places, tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        words = ["connect", f"file://{tmp_path}", "Z:"]
        ran = subprocess.run([MPR, *words], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert ran.returncode == 1
    assert ran.stderr.endswith("; if something was to be changed, it is: mpr list shows it\n")
    assert places.mounts() == [str(places.drives / "Z")]
