"""How the process of a command ends: at once, and as an interpreter would all the same."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest
from click.testing import CliRunner

from mprouter.cli.program import program
from sandbox import Command, Places
from servers.daemon import wait_for
from strangers import register
from warm import MPR


def start(
    before: str, *words: str, output: IO[str] | int = subprocess.PIPE, places: Places | None = None
) -> subprocess.Popen[str]:
    """A command in an interpreter of its own, which writes when it likes, after *before* has been done in it."""
    code = f"import atexit, os, sys, threading\n{before}\nfrom mprouter.cli import main\nmain()"
    return subprocess.Popen(
        [sys.executable, "-c", code, *words],
        stdout=output,
        stderr=subprocess.PIPE,
        text=True,
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **(places.environment if places else {})},
    )


def run(
    before: str, *words: str, output: IO[str] | int = subprocess.PIPE, places: Places | None = None
) -> subprocess.CompletedProcess[str]:
    """The same, until it ends."""
    with start(before, *words, output=output, places=places) as running:
        printed, errors = running.communicate()
        return subprocess.CompletedProcess(words, running.returncode, printed, errors)


TELLING = "class Telling:\n    def __del__(self): os.write(1, b'taken down')\nkept = Telling()"
"""What can tell whether the interpreter takes down what it has loaded."""


def test_modules_are_not_taken_down() -> None:
    assert run(TELLING, "--version").stdout.partition("\n")[2] == ""


@pytest.mark.parametrize("name", ["mprouter.plugins.modules", "ctypes", "keyring"])
def test_modules_are_taken_down_if_there_is_code_of_others(name: str) -> None:
    assert run(f"import {name}\n{TELLING}", "--version").stdout.partition("\n")[2] == "taken down"


def test_what_code_of_others_has_written_arrives(places: Places, installed: Command) -> None:
    file = places.base / "record"
    register(places, "odd", f"kept = open({str(file)!r}, 'w')\nkept.write('all of it')")
    assert installed("list").returncode == 0
    assert file.read_text() == "all of it"


def test_exit_functions_are_called_and_threads_waited_for() -> None:
    ran = run(
        "atexit.register(lambda: print('at exit'))\n"
        "def end(): threading.main_thread().join(); print('thread')\n"
        "threading.Thread(target=end).start()",
        "--version",
    )
    assert ran.stdout.splitlines()[1:] == ["thread", "at exit"]
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.parametrize("others", ["", "import ctypes"], ids=["alone", "with code of others"])
def test_ctrl_c_while_threads_are_waited_for_is_told_as_elsewhere(others: str) -> None:
    before = (
        f"{others}\natexit.register(lambda: print('at exit'))\n"
        "def end(): threading.main_thread().join(); os.write(2, b'waiting\\n'); threading.Event().wait()\n"
        "threading.Thread(target=end).start()"
    )
    with start(before, "--version") as running:
        assert running.stderr
        assert running.stderr.readline() == "waiting\n"
        states = list(Path(f"/proc/{running.pid}/task").glob("*/stat"))
        wait_for(lambda: all(b") S " in each.read_bytes() for each in states), "the wait for it")
        running.send_signal(signal.SIGINT)
        output, errors = running.communicate(timeout=60)
    assert output.splitlines()[1:] == ["at exit"]
    assert (running.returncode, errors) == (130, "mpr: interrupted\n")


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("mprouter.names", []),
        ("mprouter.cli.everyday", []),
        ("mprouter.cli.running", []),
        ("mprouter.router", []),
        ("click", ["--verbose"]),
        ("mprouter.cli.program", ["--verbose"]),
        ("mprouter.cli.connect", ["--verbose"]),
    ],
)
def test_ctrl_c_while_modules_are_loaded_is_told_as_elsewhere(module: str, words: list[str], places: Places) -> None:
    ran = run(
        "import signal\n"
        "class Finder:\n"
        "    def find_spec(self, name, *_):\n"
        f"        if name == {module!r}:\n"
        "            sys.meta_path.remove(self)\n"
        "            signal.raise_signal(signal.SIGINT)\n"
        "sys.meta_path.insert(0, Finder())",
        *("connect", f"file://{places.home}", "Z:", *words),
        places=places,
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (130, "", "mpr: interrupted\n")
    assert places.mounts() == []
    assert list(places.drives.iterdir()) == []


def test_ctrl_c_while_a_class_is_made_is_told_as_elsewhere(places: Places) -> None:
    ran = run(
        "import signal\n"
        "class Attribute:\n"
        "    def __set_name__(self, *_): signal.raise_signal(signal.SIGINT)\n"
        "class Finder:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'mprouter.router':\n"
        "            sys.meta_path.remove(self)\n"
        "            type('Some', (), {'attribute': Attribute()})\n"
        "sys.meta_path.insert(0, Finder())",
        *("connect", f"file://{places.home}", "Z:"),
        places=places,
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (130, "", "mpr: interrupted\n")


def test_nothing_is_loaded_before_ctrl_c_can_be_told() -> None:
    code = (
        "import sys; sys.path = sys.argv[1:]\n"
        "before = {*sys.modules}\n"
        "import mprouter.cli\n"
        "print(*{*sys.modules} - before)"
    )
    ran = subprocess.run([sys.executable, "-IS", "-c", code, *sys.path], capture_output=True, text=True, check=True)
    assert {*ran.stdout.split()} <= {"__future__", "mprouter", "mprouter._version", "mprouter.cli"}


def test_a_signal_while_that_is_loaded_which_tells_of_it_is_told_too(places: Places) -> None:
    ran = run(
        "import signal\n"
        "from importlib.machinery import PathFinder\n"
        "class Finder:\n"
        "    def find_spec(self, name, path, *_):\n"
        "        if name == 'mprouter.status':\n"
        "            sys.meta_path.remove(self)\n"
        "            spec = PathFinder.find_spec(name, path)\n"
        "            spec.loader.exec_module = lambda _: signal.raise_signal(signal.SIGTERM)\n"
        "            return spec\n"
        "sys.meta_path.insert(0, Finder())",
        "list",
        places=places,
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (143, "", "mpr: interrupted\n")


def test_ctrl_c_while_words_are_read_is_told_as_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> list[str]:
        raise KeyboardInterrupt

    monkeypatch.setattr(program, "parse_args", interrupted)
    ran = CliRunner().invoke(program, ["list"])
    assert (ran.exit_code, ran.output) == (130, "mpr: interrupted\n")


@pytest.mark.parametrize(("words", "code"), [(["--version"], 0), (["nonsense"], 2)])
def test_the_exit_code_is_the_command_s(words: list[str], code: int) -> None:
    assert run("", *words).returncode == code


def test_what_is_not_written_at_the_end_is_told() -> None:
    with Path("/dev/full").open("w") as full:
        ran = run("atexit.register(lambda: print('rest'))", "nonsense", output=full)
    assert ran.returncode == 120
    assert "No space left on device" in ran.stderr


def test_who_measures_the_process_sees_its_end(tmp_path: Path) -> None:
    measured: list[str | Path] = [sys.executable, "-m", "cProfile", "-o", tmp_path / "profile", MPR, "--version"]
    subprocess.run(measured, stdout=subprocess.DEVNULL, check=True)
    assert (tmp_path / "profile").stat().st_size > 0
