"""``mpr connect`` begins rclone before it loads the rest of itself, where rclone is what will be needed."""

from __future__ import annotations

from pathlib import Path

import pytest

from mprouter import names
from mprouter.cli import ahead
from mprouter.providers.rclone import daemon, program, rc
from sandbox import Command, Places
from servers.daemon import wait_for


def test_who_needs_it_then_gets_the_one_that_was_begun(places: Places) -> None:
    del places
    ahead.begin(["sftp://files.example.com/projects", "Z:"])
    wait_for(lambda: rc.answers(program.socket_path()) is not None, "rclone")
    begun = rc.answers(program.socket_path())
    ahead.begin(["sftp://files.example.com/projects", "Z:"])
    assert daemon.obtain().pid == begun
    assert not daemon.strays()


def test_one_that_was_begun_and_is_not_needed_can_be_stopped(places: Places) -> None:
    ahead.begin(["sftp://files.example.com/projects", "Z:"])
    assert places.processes()
    assert daemon.stop()
    assert not places.processes()


def test_one_that_serves_a_mount_is_not_stopped_whether_it_is_written_down_or_not(
    places: Places, mpr: Command, tmp_path: Path
) -> None:
    assert mpr("connect", f"file://{tmp_path}", "Z:").returncode == 0
    (places.runtime / "rclone.json").unlink()
    assert not daemon.stop()
    assert places.mounts()


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["sftp://files.example.com", "--help"],
        ["Z:"],
        [],
        ["//files"],
        ["sftp:files.example.com"],
        ["git+ssh://files.example.com/projects"],
        ["sftp://files.example.com", "--provider", "theirs"],
        ["sftp://ana:secret@files.example.com"],
    ],
    ids=[
        "help",
        "help of a name",
        "no name",
        "nothing",
        "no share",
        "no slashes",
        "a name of strangers",
        "their provider",
        "a name with a password",
    ],
)
def test_nothing_is_begun_for_what_is_not_ours(places: Places, words: list[str]) -> None:
    ahead.begin(words)
    assert not places.runtime.exists() or not list(places.runtime.glob("rclone.*"))


@pytest.mark.parametrize(
    "word",
    [
        *(f"{scheme}://files.example.com/projects" for scheme in names._SCHEMES),
        "rclone:drive:x",
        "//files/x",
        r"\\files\x",
    ],
)
def test_each_name_of_ours_is_seen_to_be_one(word: str) -> None:
    assert ahead.is_likely_ours(word)
    assert ahead.is_likely_ours(word.upper())


def test_nothing_is_begun_where_another_provider_may_have_the_name(places: Places) -> None:
    (places.config / "providers.d").mkdir()
    ahead.begin(["sftp://files.example.com/projects"])
    assert not list(places.runtime.glob("rclone.*"))


def test_what_keeps_rclone_from_being_begun_is_told_by_the_operation_that_needs_it(
    places: Places, mpr: Command, tmp_path_factory: pytest.TempPathFactory
) -> None:
    places.state.chmod(0o755)
    ran = mpr("connect", f"file://{tmp_path_factory.mktemp('shared')}", "Z:")
    assert ran.returncode == 1
    assert ran.stderr.count("mpr: ") == 1
    assert str(places.state) in ran.stderr
