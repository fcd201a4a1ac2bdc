"""The settings file: what a program changes in it, and what stays."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from mprouter import settings
from mprouter.providers import registration
from mprouter.status import Status, WNetError
from sandbox import Places


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


@pytest.mark.parametrize("text", [f"max_retries = {'1' * 5000}\n", "x = " + "[" * 5000], ids=["digits", "nested"])
def test_what_tomllib_gives_up_is_broken(tmp_path: Path, text: str) -> None:
    (tmp_path / "settings.toml").write_text(text)
    with pytest.raises(WNetError) as caught:
        settings.read(tmp_path / "settings.toml")
    assert caught.value.status is Status.ERROR_BAD_CONFIGURATION


def test_why_the_file_cannot_be_read_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"max_retries = 1 # \xff\n")
    (tmp_path / "directory").mkdir()
    for name, words in {"binary": "it is not UTF-8", "directory": "it cannot be read: Is a directory"}.items():
        with pytest.raises(WNetError) as caught:
            settings.read(tmp_path / name)
        assert (caught.value.strerror, caught.value.name) == (words, str(tmp_path / name))


def test_a_file_that_cannot_be_read_just_now_is_not_told_to_be_removed(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, **_: object) -> str:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), path)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "read_text", refuse)
        with pytest.raises(WNetError) as caught:
            settings.read(places.config / "settings.toml")
    assert caught.value.status is Status.ERROR_TOO_MANY_OPEN_FILES
    assert "remove" not in str(caught.value)


def test_two_that_change_the_settings_at_once_both_do(places: Places) -> None:
    together = Barrier(2)

    def change(setting: Callable[[int], object]) -> None:
        for number in range(20):
            together.wait(20)
            setting(number)

    with ThreadPoolExecutor(2) as pool:
        order = pool.submit(change, lambda number: settings.set_provider_order([f"p{number}"]))
        persistent = pool.submit(change, lambda number: settings.set_net_use_persistent(bool(number % 2)))
        order.result(20)
        persistent.result(20)
    assert settings.load().provider_order == ("p19",)
    assert settings.load().net_use_persistent is True
    assert sorted(each.name for each in places.config.iterdir()) == ["settings.toml"]


@pytest.mark.usefixtures("places")
def test_two_providers_that_are_disabled_at_once_are_both_disabled() -> None:
    names = ["smb", "webdav", "ftp", "s3"]
    together = Barrier(len(names))

    def switch(name: str, enabled: bool) -> None:
        together.wait(20)
        registration.set_enabled(name, enabled)

    with ThreadPoolExecutor(len(names)) as pool:
        for enabled in (False, True) * 5:
            list(pool.map(switch, names, [enabled] * len(names)))
            assert set(settings.load().disabled_providers) == (set() if enabled else set(names))


def test_of_a_link_what_it_leads_to_is_made(places: Places, tmp_path: Path) -> None:
    """As who keeps the files of all machines in one directory has it."""
    (places.config / settings.FILE_NAME).symlink_to(tmp_path / "mine.toml")
    settings.set_provider_order(["smb"])
    assert (tmp_path / "mine.toml").read_text() == 'provider_order = ["smb"]\n'


def test_a_broken_file_is_not_changed(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("max_retires = 1\n")
    with pytest.raises(WNetError, match="unknown key max_retires") as caught:
        settings.changed(file, {"restore_timeout": 1})
    assert caught.value.status is Status.ERROR_BAD_CONFIGURATION


@pytest.mark.parametrize("is_link", [False, True])
def test_a_file_whose_first_text_cannot_be_written_is_not_left_empty(
    places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_link: bool
) -> None:
    target = tmp_path / "target.toml"
    if is_link:
        settings.path().symlink_to(target)

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as context:
        context.setattr(os, "fsync", refuse)
        with pytest.raises(WNetError) as caught:
            settings.set_net_use_persistent(True)
    assert caught.value.status is Status.ERROR_DISK_FULL
    assert (list(places.config.iterdir()), target.exists()) == ([settings.path()] * is_link, False)
    settings.set_net_use_persistent(True)
    assert settings.path().read_text() == "net_use_persistent = true\n"
