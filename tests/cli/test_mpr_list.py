"""What ``mpr list`` loads: nothing that only an operation needs, so that it is there at once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox import Command, Places
from strangers import register

NOT_FOR_A_LIST = {
    "mprouter.credentials",
    "mprouter.history",
    "mprouter.notify.dispatch",
    "mprouter.notify.model",
    "mprouter.notify.registration",
    "mprouter.plugins.target",
    "mprouter.providers.base",
    "mprouter.providers.claims",
    "mprouter.providers.guard",
    "mprouter.providers.rclone.daemon",
    "mprouter.providers.rclone.local",
    "mprouter.providers.rclone.provider",
    "mprouter.recovery",
    "mprouter.restoring",
    "ast",  # which inspect needs
    "ctypes",
    "http.client",
    "importlib.metadata",
    "keyring",
    "msgspec",
    "rich",
    "socket",
    "subprocess",
    "tempfile",
    "tokenize",  # which inspect and traceback need
}


def listed(*options: str) -> tuple[str, set[str]]:
    """What a list prints, and the modules that it has loaded."""
    code = (
        "import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr));"
        f"sys.argv = ['mpr', 'list', *{options!r}]; from mprouter.cli import main; main()"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return ran.stdout, set(ran.stderr.split())


@pytest.mark.parametrize("options", [(), ("--json",), ("--remembered",), ("--unsent",)], ids=" ".join)
def test_a_list_loads_nothing_that_only_an_operation_needs(places: Places, options: tuple[str, ...]) -> None:
    del places  # they are in the environment
    printed, loaded = listed(*options)
    assert printed
    assert not loaded & NOT_FOR_A_LIST


def test_a_list_of_ours_loads_none_of_their_providers(mpr: Command, tmp_path: Path) -> None:
    assert mpr("connect", f"file://{tmp_path}", "Z:", "--persist").returncode == 0
    try:
        printed, loaded = listed()
        assert [line.split()[::4] for line in printed.splitlines()] == [["LOCAL", "REMEMBERED"], ["Z:", "yes"]]
        assert not loaded & NOT_FOR_A_LIST
    finally:
        mpr("disconnect", "Z:", "--force")


def test_a_list_of_another_s_asks_its_provider(mpr: Command, places: Places) -> None:
    register(places, "odd", "def state(self, mounted): return State.LOST")
    assert mpr("connect", "strange://here/", "Z:").returncode == 0
    printed, loaded = listed()
    assert "LOST" in printed
    assert "mprouter.providers.guard" in loaded
    assert "mprouter.providers.rclone.provider" not in loaded


def test_events_load_no_router(places: Places) -> None:
    del places
    code = "import sys; sys.argv = ['mpr', 'events']; from mprouter.cli import main\n"
    code += "import atexit; atexit.register(lambda: print(*sys.modules)); main()"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "mprouter.store" in loaded
    assert not {"mprouter.router", *NOT_FOR_A_LIST} & set(loaded)


def test_a_path_is_found_among_the_mounts_whatever_the_locale(
    installed: Command, places: Places, resource: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert installed("connect", resource, places.drives / "Straße").returncode == 0
    for name, value in {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}.items():
        monkeypatch.setenv(name, value)
    (shown,) = json.loads(installed("list", "--json").stdout)
    assert (shown["local_name"], shown["state"]) == (str(places.drives / "Straße"), "connected")
