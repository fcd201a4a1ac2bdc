"""The settings file: what a program changes in it, and what stays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mprouter import settings
from mprouter.status import Status, WNetError


@pytest.mark.parametrize(
    ("before", "values", "after"),
    [
        ("", {"restore_timeout": 30}, "restore_timeout = 30\n"),
        ("max_retries = 1", {"restore_timeout": 1.5}, "max_retries = 1\nrestore_timeout = 1.5\n"),
        ("restore_timeout = 30 # why\n", {"restore_timeout": 5}, "restore_timeout = 5 # why\n"),
        ("restore_timeout = 30 # why\nmax_retries = 1\n", {"restore_timeout": None}, "max_retries = 1\n"),
        ("# mine\n", {"restore_timeout": None, "provider_order": None}, "# mine\n"),
        (
            'provider_order = [ # first\n  "a]b", # "x"\n  "c#d",\n]  # last\nmax_retries = 1\n',
            {"provider_order": ["smb"]},
            'provider_order = ["smb"]  # last\nmax_retries = 1\n',
        ),
        ('provider_order = [ "a]b",\n"c" ] # gone\nmax_retries = 1\n', {"provider_order": None}, "max_retries = 1\n"),
        ("'provider_order' = []\n", {"provider_order": ["a", "b"]}, 'provider_order = ["a", "b"]\n'),
    ],
)
def test_only_what_is_changed_changes(tmp_path: Path, before: str, values: dict[str, Any], after: str) -> None:
    file = tmp_path / "settings.toml"
    file.write_bytes(before.encode())
    assert settings.changed(file, values) == after


def test_a_broken_file_is_not_changed(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("max_retires = 1\n")
    with pytest.raises(WNetError, match="unknown key max_retires") as caught:
        settings.changed(file, {"restore_timeout": 1})
    assert caught.value.status is Status.ERROR_BAD_CONFIGURATION
