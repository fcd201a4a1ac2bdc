"""Commands of the tests' warm server do what the installed ``mpr`` does: else tests would show what no user sees."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

import warm
from sandbox import Command, Places
from servers.daemon import wait_for


@pytest.mark.parametrize(
    "words",
    [[], ["--help"], ["list"], ["frobnicate"], ["disconnect", "Z:"], ["connect", "file:../relative", "Z:"]],
    ids=str,
)
def test_a_command_says_and_returns_what_the_installed_one_does(
    mpr: Command, installed: Command, words: list[str]
) -> None:
    ran, expected = mpr(*words), installed(*words)
    assert (ran.returncode, ran.stdout, ran.stderr) == (expected.returncode, expected.stdout, expected.stderr)


def test_a_command_has_the_directory_and_variables_of_the_test_and_can_be_killed(
    places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPROUTER_STATE_DIR", str(places.base / "another"))
    with warm.Started("events", "--follow") as following:
        wait_for((places.base / "another" / "mprouter.db").exists, "the store")
        assert Path(f"/proc/{following.pid}/cwd").readlink() == tmp_path
        following.send_signal(signal.SIGKILL)
        assert following.wait() == -signal.SIGKILL
