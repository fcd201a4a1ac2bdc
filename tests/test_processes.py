"""Programs that are looked for, and the rclone that is started."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mprouter.processes import which
from mprouter.providers.rclone import daemon, rc
from sandbox import Places


@pytest.mark.parametrize("program", ["first", "second", "both", "text", "directory", "missing"])
def test_a_program_is_found_where_shutil_finds_it(
    program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    for place, programs in ((first, ["first", "both"]), (second, ["second", "both"])):
        place.mkdir()
        for each in programs:
            (place / each).touch(0o755)
    (first / "text").touch(0o644)
    (second / "directory").mkdir(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/none:{first}:{second}")
    assert which(program) == shutil.which(program)
    assert which(program, [str(second)]) == shutil.which(program, path=str(second))


def test_an_rclone_collects_its_garbage_as_soon_as_it_is_used(places: Places) -> None:
    del places  # they are in the environment
    started = daemon.obtain()
    told = started.call("debug/set-gc-percent", **{"gc-percent": daemon.GARBAGE})
    assert told["existing-gc-percent"] == daemon.GARBAGE


def test_the_version_of_an_rclone_is_the_one_that_it_tells(places: Places) -> None:
    del places
    started = daemon.obtain()
    assert list(started.version) == started.call("core/version")["decomposed"][:2]
    assert rc.version(started.socket) == started.version
