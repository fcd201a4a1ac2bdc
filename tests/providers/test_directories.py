"""Directories of the user that rclone cannot use: what is told, and that nothing is left behind."""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from servers.daemon import end

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sandbox import Command, Places


@pytest.mark.parametrize("place", ["state", "runtime"])
def test_c6_c8_nothing_is_connected_by_way_of_directories_that_rclone_cannot_name(
    mpr: Command, places: Places, resource: str, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """It answers with another name: a disconnect would not work, and what waits not be found."""
    odd = os.fsencode(places.base) + b"/\xff"
    variable = f"MPROUTER_{place.upper()}_DIR"
    monkeypatch.setenv(variable, os.fsdecode(odd))
    refused = mpr("connect", resource, "Z:")
    assert refused.returncode == 1
    assert f"the path of the directory {places.base}/\\xff is no UTF-8" in refused.stderr
    assert f"(ERROR_BAD_CONFIGURATION, 1610); set {variable} to another directory" in refused.stderr
    assert (places.mounts(), places.processes()) == ([], [])
    assert mpr("list").stdout == "Nothing is connected.\n"


@pytest.fixture
def disk(places: Places) -> Iterator[Path]:
    """A disk of 1 MiB for the runtime directory."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "none", places.runtime], check=True)
    yield places.runtime
    end(places.processes())
    subprocess.run(["umount", places.runtime], check=True)


def fill(disk: Path) -> str:
    with suppress(OSError), (disk / "something else").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(1024))
    return "(ERROR_DISK_FULL, 112); make room on that disk and try again"


def leave_no_files(disk: Path) -> str:
    found = os.statvfs(disk)
    subprocess.run(["mount", "-o", f"remount,nr_inodes={found.f_files - found.f_ffree}", disk], check=True)
    return "(ERROR_DISK_FULL, 112); make room on that disk and try again"


def make_read_only(disk: Path) -> str:
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    return "(ERROR_ACCESS_DENIED, 5)"


@pytest.mark.parametrize("spoil", [fill, leave_no_files, make_read_only])
def test_c8_a_runtime_directory_that_cannot_be_written_to(
    mpr: Command, places: Places, disk: Path, resource: str, spoil: Callable[[Path], str]
) -> None:
    """What the first attempt has started does not come in the way of the second."""
    reason = spoil(disk)
    for local in (["Z:"], ["Z:"], []):
        refused = mpr("connect", resource, *local)
        assert refused.returncode == 1
        assert reason in refused.stderr
        assert "failed" not in refused.stderr  # no provider is to blame
        assert places.processes() == []
    assert mpr("list").stdout == "Nothing is connected.\n"


@pytest.mark.parametrize("spoil", [leave_no_files, make_read_only])
def test_c8_drives_and_settings_where_no_more_files_can_be_made(
    mpr: Command, disk: Path, resource: str, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Path], str]
) -> None:
    for place in ("CONFIG", "DRIVES"):
        monkeypatch.setenv(f"MPROUTER_{place}_DIR", str(disk))
    reason = spoil(disk)
    assert reason in mpr("connect", resource, "Z:").stderr
    assert reason in mpr("provider", "disable", "ftp").stderr
