"""A process is killed while it replaces a file: what it had written beside it does not stay."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mprouter import replacing, settings
from mprouter.credentials import Secret, toml_file
from mprouter.names import parse_remote
from mprouter.notify import registration
from mprouter.status import Status, WNetError
from sandbox import Places

PREAMBLE = """if True:
    import os, signal, sys
    from mprouter import settings
    from mprouter.credentials import Secret, toml_file
    from mprouter.names import parse_remote
    from mprouter.notify import registration
    if sys.argv[1:] == ["killed"]:
        os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(
    "writing",
    [
        "settings.set_net_use_persistent(False)",
        "toml_file.save(parse_remote('sftp://nas'), 'ana', Secret('sesame'))",
        "registration.add(str(os.getpid()), 'command:/bin/true')",
        "registration.set_enabled('there', enabled=False)",
    ],
)
def test_what_a_writer_that_was_killed_left_goes_with_the_next(places: Places, writing: str) -> None:
    file = places.config / "notifyees.d" / "there.toml"
    file.parent.mkdir()
    file.write_text("target = 'command:/bin/true'\n")
    code = PREAMBLE + f"    {writing}\n"
    killed = subprocess.run([sys.executable, "-c", code, "killed"], check=False)
    assert killed.returncode == -signal.SIGKILL
    (left,) = (each for each in places.config.rglob(".*") if each.is_file())
    assert left.stat().st_mode & 0o777 == 0o600
    subprocess.run([sys.executable, "-c", code], check=True)
    assert not list(places.config.rglob(".*"))


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    there = tmp_path / "there"
    there.mkdir()
    with pytest.raises(IsADirectoryError):
        replacing.put(there, "sesame")
    assert list(tmp_path.iterdir()) == [there]
    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match="No space left"):
        replacing.put(tmp_path / "file", "sesame")
    assert list(tmp_path.iterdir()) == [there]


@pytest.mark.parametrize(
    "writing",
    [
        lambda: settings.set_provider_order(["sftp"]),
        lambda: toml_file.save(parse_remote("sftp://nas"), "ana", Secret("sesame")),
        lambda: registration.add("new", "command:/bin/true"),
        lambda: registration.set_enabled("there", enabled=False),
        lambda: registration.remove("there"),
    ],
    ids=["settings", "credentials", "add", "disable", "remove"],
)
def test_whoever_may_read_a_directory_and_locks_it_holds_nobody_up_for_ever(
    places: Places, writing: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As any user can do with ``/etc/mprouter``."""
    monkeypatch.setattr(replacing, "PATIENCE", 0.1)
    file = places.config / "notifyees.d" / "there.toml"
    file.parent.mkdir()
    file.write_text("target = 'command:/bin/true'\n")
    locked = [os.open(each, os.O_RDONLY) for each in (places.config, file.parent)]
    for each in locked:
        fcntl.flock(each, fcntl.LOCK_EX)
    with pytest.raises(WNetError) as refused:
        writing()
    assert refused.value.status is Status.ERROR_BUSY
    assert "fuser -v" in str(refused.value.hint)
    for each in locked:
        os.close(each)
    writing()
