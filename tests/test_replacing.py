"""A process is killed while it replaces a file: what it had written beside it does not stay."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

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
