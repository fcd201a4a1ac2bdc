"""Directories of the user that rclone cannot use: what is told, and that nothing is left behind."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
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
