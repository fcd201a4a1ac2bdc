"""Drop-in files and entry points: what they register, what is said of broken ones, and how they are written."""

from __future__ import annotations

import errno
import logging
import os
import re
import stat
import sys
import threading
import tomllib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mprouter import AddConnect, CancelConnect, NetResource, Status, WNetError, places
from mprouter.names import parse_remote
from mprouter.notify.dispatch import operate
from mprouter.notify.model import Event, Registration, Told
from mprouter.notify.registration import DropIns, add, check, load, read, remove, set_enabled
from mprouter.plugins import drop_in, trust
from mprouter.plugins import target as targets
from servers.daemon import wait_for

ADD = AddConnect(NetResource(r"\\corp\projects", "Z:"))
NAMES = parse_remote(r"\\corp\projects").forms
OTHER_NAMES = parse_remote("sftp://files.example.com/x").forms

WELL = "command:/bin/true"


class DropInDirectory:
    """The directories of both sources, in a place of the test's own."""

    def __init__(self, base: Path) -> None:
        self.system = base / "etc" / "notifyees.d"
        self.user = base / "config" / "notifyees.d"

    def write(self, name: str, text: str, directory: Path | None = None) -> Path:
        path = (directory or self.user) / f"{name}.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def read(self, text: str) -> Registration:
        return read(self.write("hook", text), "user")


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DropInDirectory:
    monkeypatch.setenv("MPROUTER_SYSTEM_DIR", str(tmp_path / "etc"))
    monkeypatch.setenv("MPROUTER_CONFIG_DIR", str(tmp_path / "config"))
    return DropInDirectory(tmp_path)


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory from which Python imports; what was imported from it is forgotten afterwards."""
    place = tmp_path / "packages"
    place.mkdir()
    monkeypatch.syspath_prepend(place)
    before = {*sys.modules}
    yield place
    for name in {*sys.modules} - before:
        if str(place) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def tell(*registrations: Registration, event: Event = ADD, names: tuple[str, ...] = NAMES) -> list[Told]:
    """One operation as the router makes it; what those whom it concerns were told."""
    told: list[Told] = []
    concerned = [each for each in registrations if each.concerns(event.operation, names)]
    operate(event, sorted(concerned, key=lambda each: each.rank), lambda: event, record=told.append)
    return told


def fails(*registrations: Registration, **options: Any) -> WNetError:
    with pytest.raises(WNetError) as caught:
        tell(*registrations, **options)
    return caught.value


# -- reading ---------------------------------------------------------------------------------------------------


def test_every_key_of_the_interface_is_read(directory: DropInDirectory) -> None:
    registration = directory.read(
        r"""
        target = "command:/usr/local/lib/corp-vpn-hook --fast 'two words'"
        order = 10
        required = true
        enabled = true
        operations = ["add"]
        match = ['\\corp\*', "sftp://*.corp.example/*"]
        timeout = 5
        thread_safe = true
        """
    )
    assert registration.problem is None
    assert (registration.name, registration.source, registration.id) == ("hook", "user", "user/hook")
    assert (registration.order, registration.required, registration.enabled) == (10, True, True)
    assert (set(registration.operations), registration.timeout, registration.thread_safe) == ({"add"}, 5, True)
    assert registration.patterns == (r"\\corp\*", "sftp://*.corp.example/*")
    assert registration.file == directory.user / "hook.toml"
    assert registration.concerns("add", NAMES)
    assert registration.concerns("add", parse_remote("sftp://ana@files.corp.example/x").forms)
    assert not registration.concerns("add", OTHER_NAMES)
    assert not registration.concerns("cancel", NAMES)


def test_what_is_not_said_has_the_documented_defaults(directory: DropInDirectory) -> None:
    registration = directory.read(f'target = "{WELL}"')
    assert (registration.order, registration.required, registration.enabled) == (50, False, True)
    assert (set(registration.operations), registration.timeout, registration.thread_safe) == (
        {"add", "cancel"},
        30.0,
        False,
    )
    assert registration.concerns("cancel", OTHER_NAMES)


def test_a_disabled_one_concerns_nothing(directory: DropInDirectory) -> None:
    assert not directory.read(f'target = "{WELL}"\nenabled = false').concerns("add", NAMES)


def test_n8_both_directories_in_order_the_system_s_first(directory: DropInDirectory) -> None:
    for name, order in (("a", 60), ("b", 50), ("c", 50)):
        directory.write(name, f'target = "{WELL}"\norder = {order}', directory.system)
        directory.write(name, f'target = "{WELL}"\norder = {order}', directory.user)
    expected = ["system/b", "system/c", "user/b", "user/c", "system/a", "user/a"]
    assert [each.id for each in load(entry_points=False)] == expected
    assert [each.id for each in DropIns(entry_points=False).registrations()] == expected


def test_only_visible_toml_files_are_drop_ins(directory: DropInDirectory) -> None:
    directory.write("hook", f'target = "{WELL}"')
    for name in ("hook.toml~", ".hook.toml", ".#hook.toml", "README", "hook.toml.bak"):
        (directory.user / name).write_text("no drop-in")
    assert [each.name for each in load(entry_points=False)] == ["hook"]


def test_without_directories_nobody_is_registered(directory: DropInDirectory) -> None:
    assert not directory.user.exists()
    assert load(entry_points=False) == DropIns(entry_points=False).registrations() == []


# -- broken files ----------------------------------------------------------------------------------------------

BROKEN = {
    "bad TOML": ('target = "command:/bin/true"\n\norder = = 5', 3, "not TOML"),
    "unterminated": ('target = "command:/bin/true"\nmatch = ["x"', 2, "not TOML"),
    "twice": (f'target = "{WELL}"\ntarget = "{WELL}"', 2, "not TOML"),
    "too deep": (f'target = "{WELL}"\nmatch = {"[" * 5000}', None, "not TOML"),
    "unknown key": (f'target = "{WELL}"\n# a comment\ntimout = 5', 3, "unknown key timout"),
    "unknown table": (f'target = "{WELL}"\n\n[options]\na = 1', 3, "unknown key options"),
    "missing target": ("order = 5", None, "no target"),
    "empty file": ("", None, "no target"),
    "empty target": ('target = ""', 1, "python:"),
    "unknown kind": ('order = 5\ntarget = "perl:/x"', 2, "python:"),
    "no kind": ('target = "/usr/bin/hook"', 1, "python:"),
    "relative library": ('target = "native:hook.so"', 1, "absolute"),
    "isolated command": (f'target = "{WELL}"\nisolation = "process"', 2, "isolation is for libraries"),
    "isolation unknown": ('target = "native:/x.so"\nisolation = "thread"', 2, "isolation must be"),
    "relative path": ('target = "command:hook"', 1, "absolute"),
    "relative Python file": ('target = "python:./hook.py:dial"', 1, "absolute"),
    "no command": ('target = "command: "', 1, "no command"),
    "open quote": ('target = "command:/bin/sh -c \'exit"', 1, "words"),
    "null character": ('target = "command:/bin/true \\u0000"', 1, "null"),
    "no attribute": ('target = "python:package.module"', 1, "module:attribute"),
    "bad attribute": ('target = "python:package:a b"', 1, "module:attribute"),
    "bad module": ('target = "python:pack-age:dial"', 1, "module"),
    "unset variable": ('target = "command:$MPR_TEST_UNSET/hook"', 1, "MPR_TEST_UNSET"),
    "target not a text": ("target = 5", 1, "target must be a text"),
    "order not a number": (f'target = "{WELL}"\norder = "10"', 2, "order must be"),
    "order a bool": (f'target = "{WELL}"\norder = true', 2, "order must be"),
    "order a fraction": (f'target = "{WELL}"\norder = 1.5', 2, "order must be"),
    "enabled not a bool": (f'target = "{WELL}"\nenabled = "yes"', 2, "enabled must be"),
    "timeout zero": (f'target = "{WELL}"\ntimeout = 0', 2, "timeout must be"),
    "timeout negative": (f'target = "{WELL}"\ntimeout = -1.5', 2, "timeout must be"),
    "timeout infinite": (f'target = "{WELL}"\ntimeout = inf', 2, "timeout must be"),
    "timeout no number": (f'target = "{WELL}"\ntimeout = nan', 2, "timeout must be"),
    "timeout a bool": (f'target = "{WELL}"\ntimeout = true', 2, "timeout must be"),
    "operations empty": (f'target = "{WELL}"\noperations = []', 2, "operations must be"),
    "operations unknown": (f'target = "{WELL}"\noperations = ["add", "connect"]', 2, "operations must be"),
    "operations a text": (f'target = "{WELL}"\noperations = "add"', 2, "operations must be"),
    "match empty": (f'target = "{WELL}"\nmatch = []', 2, "match must be"),
    "match a text": (f'target = "{WELL}"\nmatch = "x"', 2, "match must be"),
    "match mixed": (f'target = "{WELL}"\nmatch = ["x", 5]', 2, "match must be"),
    "match an empty pattern": (f'target = "{WELL}"\nmatch = [""]', 2, "match"),
    "match an impossible range": (f'target = "{WELL}"\nmatch = ["sftp://[z-a]"]', 2, "match"),
    "thread_safe not a bool": (f'target = "{WELL}"\nthread_safe = 1', 2, "thread_safe must be"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_n10_a_broken_file_has_a_problem_with_its_line_and_stops_nobody_else(
    directory: DropInDirectory, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    text, line, words = BROKEN[what]
    path = directory.write("broken", text, directory.system)
    directory.write("well", f'target = "{WELL}"')
    broken, well = load(entry_points=False)
    assert broken.problem is not None
    assert words in broken.problem.message
    assert broken.problem.line == line
    assert broken.file == path
    assert well.problem is None
    with caplog.at_level(logging.WARNING, "mprouter.notify"):
        assert [each.notifyee for each in tell(*DropIns(entry_points=False).registrations())] == ["user/well"] * 2
    assert [record.getMessage() for record in caplog.records if str(path) in record.getMessage()]


@pytest.mark.parametrize("what", BROKEN)
def test_n10_a_broken_file_that_is_required_fails_what_it_concerns(directory: DropInDirectory, what: str) -> None:
    text, line, words = BROKEN[what]
    path = directory.write("broken", f"required = true\n{text}")
    drop_ins = DropIns(entry_points=False)
    error = fails(*drop_ins.registrations())
    assert error.status is (Status.ERROR_NOT_SUPPORTED if what == "later kind" else Status.ERROR_BAD_CONFIGURATION)
    assert words in str(error)
    assert str(path) in str(error)
    assert line is None or f"line {line + 1}" in str(error)


def test_n10_a_broken_required_file_concerns_only_what_it_says_that_it_does(directory: DropInDirectory) -> None:
    for fault in ("timeout = -1", "unknown = 1", "order = = 5", "timeout = [1,\n2", "<<<<<<< HEAD"):
        for text in (
            f'{fault}\nrequired = true\noperations = ["add"]\nmatch = ["\\\\\\\\corp\\\\*"]',
            f"required = true\noperations = [\n    \"add\",\n]\nmatch = [ # ours\n    '\\\\corp\\*',\n]\n{fault}",
        ):
            broken = directory.read(f'target = "{WELL}"\n{text}\n')
            assert broken.problem is not None
            assert fails(broken).status is Status.ERROR_BAD_CONFIGURATION
            assert tell(broken, names=OTHER_NAMES) == []
            assert tell(broken, event=CancelConnect("Z:")) == []


@pytest.mark.parametrize("match", ['match = "x"', 'match = [""]', 'match = ["x"', "match = []", "match = x"])
def test_n10_a_broken_required_file_whose_match_makes_no_sense_concerns_everything(
    directory: DropInDirectory, match: str
) -> None:
    broken = directory.read(f'target = "{WELL}"\nrequired = true\n{match}\n')
    assert fails(broken, names=OTHER_NAMES).status is Status.ERROR_BAD_CONFIGURATION


@pytest.mark.parametrize("required", ['"true"', "1", '"no"', "[]", "true\nrequired = false", "false\nrequired = true"])
def test_n10_a_required_that_is_no_bool_or_said_twice_counts_as_true(directory: DropInDirectory, required: str) -> None:
    assert fails(directory.read(f'target = "{WELL}"\nrequired = {required}')).status is Status.ERROR_BAD_CONFIGURATION


def test_a_broken_file_can_be_disabled(directory: DropInDirectory) -> None:
    for fault in ("order = = 5", "unknown = 1", "[["):
        assert tell(directory.read(f'required = true\nenabled = false # for now\ntarget = "{WELL}"\n{fault}')) == []


@pytest.mark.parametrize("name", ["two words", "-dash", "_x", "über", "a,b", "a\nb"])
def test_a_file_of_a_strange_name_is_broken(directory: DropInDirectory, name: str) -> None:
    directory.write(name, f'target = "{WELL}"')
    (registration,) = load(entry_points=False)
    assert registration.problem is not None
    assert "name" in registration.problem.message


def test_what_is_no_file_or_no_text_is_broken_and_holds_nobody_up(directory: DropInDirectory) -> None:
    directory.user.mkdir(parents=True)
    (directory.user / "directory.toml").mkdir()
    (directory.user / "nowhere.toml").symlink_to("missing")
    (directory.user / "null.toml").symlink_to("/dev/null")
    os.mkfifo(directory.user / "pipe.toml")
    (directory.user / "binary.toml").write_bytes(b"\xff\xfe\x00")
    (directory.user / "huge.toml").write_text(f'target = "{WELL}"\n#{"x" * 70_000}')
    found = {each.name: each.problem.message for each in load(entry_points=False) if each.problem}
    assert {name: words for name, words in found.items() if words} == found
    assert set(found) == {"directory", "nowhere", "null", "pipe", "binary", "huge"}
    assert "regular file" in found["pipe"]
    assert "regular file" in found["null"]
    assert "No such file" in found["nowhere"]
    assert "UTF-8" in found["binary"]
    assert "larger" in found["huge"]
    assert DropIns(entry_points=False).registrations() == []


def test_a_byte_order_mark_and_windows_line_ends_are_no_mistake(directory: DropInDirectory) -> None:
    path = directory.write("hook", "")
    path.write_bytes(f'\ufefftarget = "{WELL}"\r\norder = 7\r\n'.encode())
    registration = read(path, "user")
    assert (registration.problem, registration.order) == (None, 7)


@given(
    st.text()
    | st.lists(st.sampled_from([*drop_in.KEYS, " = ", "true", "[", "]", '"', "'", "\n", "5", "#", "=", "x"])).map(
        "".join
    )
)
def test_no_text_is_too_broken(text: str) -> None:
    said = drop_in.parse(text)
    assert said.problems or "target" in said.values
    for problem in said.problems:
        assert problem.line is None or 1 <= problem.line <= len(text.splitlines()) + 1
    assert {*said.values} <= {*drop_in.KEYS}


# -- targets ---------------------------------------------------------------------------------------------------


def test_variables_in_a_target_are_expanded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPR_TEST", "/opt/my hooks")
    monkeypatch.setenv("MPR_EMPTY", "")
    for text, argv in [
        ("$MPR_TEST/hook a", ("/opt/my hooks/hook", "a")),
        ("${MPR_TEST}x %MPR_TEST%", ("/opt/my hooksx", "/opt/my hooks")),
        ("/bin/date +%%Y%%m 5$ $$HOME 100% $5 '$MPR_EMPTY'", ("/bin/date", "+%Y%m", "5$", "$HOME", "100%", "$5", "")),
    ]:
        assert targets.parse(f"command:{text}") == targets.Command(argv)
    assert targets.parse("python:$MPR_TEST/x.py:Dialler.dial") == targets.PythonObject(
        "/opt/my hooks/x.py", "Dialler.dial"
    )


def test_a_command_is_run(directory: DropInDirectory, tmp_path: Path) -> None:
    (tmp_path / "hook").write_text('#!/bin/sh\necho "$1 $MPR_PHASE" >>"$MPR_COMMAND.log"\n')
    (tmp_path / "hook").chmod(0o755)
    tell(directory.read(f"target = \"command:{tmp_path}/hook 'two words'\""))
    assert (tmp_path / "hook.log").read_text() == "two words pre\ntwo words post\n"


def test_n10_the_timeout_of_the_file_holds_for_a_command(directory: DropInDirectory) -> None:
    slow = directory.read('target = "command:/bin/sleep 600"\ntimeout = 0.2\nrequired = true')
    assert fails(slow).status is Status.ERROR_TIMEOUT


NOTIFYEES = """
import mprouter
log = []
def dial(event):
    log.append("pre")
    status = yield
    log.append(int(status))
class Auditor:
    made = 0
    def __init__(self): Auditor.made += 1
    def cancel_connect_notify(self, info, cancel): log.append(cancel.name)
@mprouter.notifyee(order=7, required=True, thread_safe=True)
def policy(event):
    log.append("policy")
"""


def test_a_python_target_is_imported_when_it_is_needed_first(directory: DropInDirectory, packages: Path) -> None:
    (packages / "corp_hooks.py").write_text(NOTIFYEES)
    directory.write("dial", "target = 'python:corp_hooks:dial'\nmatch = ['\\\\corp\\*']")
    drop_ins = DropIns(entry_points=False)
    assert [each.problem for each in load(entry_points=False)] == [None]
    tell(*drop_ins.registrations(), names=OTHER_NAMES)
    assert "corp_hooks" not in sys.modules
    for _ in range(2):
        tell(*drop_ins.registrations())
    assert sys.modules["corp_hooks"].log == ["pre", 0, "pre", 0]


def test_a_python_file_is_loaded_by_its_path_under_a_name_of_its_own(
    directory: DropInDirectory, packages: Path
) -> None:
    (packages / "json.py").write_text(NOTIFYEES)  # not in the way of the module json
    directory.write("a", f'target = "python:{packages}/json.py:dial"')
    directory.write("b", f'target = "python:{packages}/json.py:Auditor"')
    drop_ins = DropIns(entry_points=False)
    for _ in range(2):
        tell(*drop_ins.registrations(), event=CancelConnect("Z:"))
    modules = [
        module for name, module in sys.modules.items() if name.startswith("mprouter_notifyee_") and "json" in name
    ]
    assert [(module.log, module.Auditor.made) for module in modules] == [(["pre", "Z:", 0] * 2, 1)]
    assert sys.modules["json"].__file__ != str(packages / "json.py")


def test_the_marks_of_a_python_target_hold_where_the_file_is_silent(directory: DropInDirectory, packages: Path) -> None:
    (packages / "corp_hooks.py").write_text(NOTIFYEES)
    silent = read(directory.write("silent", 'target = "python:corp_hooks:policy"'), "user")
    loud = read(directory.write("loud", 'target = "python:corp_hooks:policy"\norder = 50\nrequired = false'), "user")
    audit = read(directory.write("audit", 'target = "python:corp_hooks:Auditor"'), "user")
    assert [check(each) for each in (silent, loud, audit)] == [None] * 3
    assert (silent.name, silent.order, silent.required, silent.thread_safe) == ("silent", 7, True, True)
    assert (loud.order, loud.required, loud.thread_safe) == (50, False, True)
    assert audit.operations == {"cancel"}


UNLOADABLE = {
    "python:no_such_module:dial": (Status.ERROR_MOD_NOT_FOUND, "no Python module no_such_module"),
    "python:corp_hooks.deeper:dial": (Status.ERROR_MOD_NOT_FOUND, "no Python module corp_hooks.deeper"),
    "python:corp_hooks:no_such": (Status.ERROR_PROC_NOT_FOUND, "corp_hooks has no no_such"),
    "python:corp_hooks:Auditor.no_such": (Status.ERROR_PROC_NOT_FOUND, "corp_hooks has no Auditor.no_such"),
    "python:corp_hooks:log": (Status.ERROR_BAD_CONFIGURATION, "no notifyee"),
    "python:raising:dial": (Status.ERROR_BAD_CONFIGURATION, "ZeroDivisionError"),
    "python:exiting:dial": (Status.ERROR_BAD_CONFIGURATION, "SystemExit"),
    "python:vetoing:dial": (Status.ERROR_BAD_CONFIGURATION, "cannot be imported"),
    "python:importing:dial": (Status.ERROR_BAD_CONFIGURATION, "no_such_dependency"),
    "python:misspelt:dial": (Status.ERROR_BAD_CONFIGURATION, "SyntaxError"),
    "python:cancelled:dial": (Status.ERROR_BAD_CONFIGURATION, "CancelledError"),
    "python:lazy:dial": (Status.ERROR_BAD_CONFIGURATION, "no_such_dependency"),
    "python:lazy:Exiting": (Status.ERROR_BAD_CONFIGURATION, "SystemExit: no log"),
    "python:lazy:strange": (Status.ERROR_BAD_CONFIGURATION, "no attribute today"),
    "python:/no/such/file.py:dial": (Status.ERROR_FILE_NOT_FOUND, "/no/such/file.py"),
    "command:/no/such/hook": (Status.ERROR_FILE_NOT_FOUND, "/no/such/hook"),
    "command:$PACKAGES/raising.py": (Status.ERROR_ACCESS_DENIED, "raising.py"),
}


LAZY = """
import sys

class Exiting:
    def __init__(self): sys.exit("no log")
    def add_connect_notify(self, info, add): pass

class Strange:
    @property
    def add_connect_notify(self): raise ValueError("no attribute today")

strange = Strange()

def __getattr__(name):
    if name == "dial":
        import no_such_dependency
    raise AttributeError(name)
"""


@pytest.fixture
def faulty(packages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PACKAGES", str(packages))
    (packages / "corp_hooks.py").write_text(NOTIFYEES)
    (packages / "raising.py").write_text("1 / 0")
    (packages / "exiting.py").write_text("raise SystemExit(1)")
    (packages / "vetoing.py").write_text("import mprouter\nraise mprouter.Cancel('no')")
    (packages / "importing.py").write_text("import no_such_dependency")
    (packages / "misspelt.py").write_text("def dial(event:")
    (packages / "cancelled.py").write_text("import asyncio\nraise asyncio.CancelledError")
    (packages / "lazy.py").write_text(LAZY)


@pytest.mark.usefixtures("faulty")
@pytest.mark.parametrize("target", UNLOADABLE)
def test_n10_a_target_that_cannot_be_loaded_is_an_error_of_its_pre(
    directory: DropInDirectory, target: str, caplog: pytest.LogCaptureFixture
) -> None:
    status, words = UNLOADABLE[target]
    directory.write("advisory", f'target = "{target}"')
    drop_ins = DropIns(entry_points=False)
    with caplog.at_level(logging.WARNING, "mprouter.notify"):
        for _ in range(2):
            told = tell(*drop_ins.registrations())
            assert [(each.answer, words in str(each.message)) for each in told] == [(status, True)]
    assert [record for record in caplog.records if "user/advisory" in record.getMessage()]
    directory.write("required", f'target = "{target}"\nrequired = true')
    error = fails(*drop_ins.registrations())
    assert error.status is status
    assert words in str(error)


@pytest.mark.usefixtures("faulty")
@pytest.mark.parametrize("target", UNLOADABLE)
def test_a_check_finds_out_without_calling_anything(directory: DropInDirectory, target: str) -> None:
    registration = directory.read(f'target = "{target}"')
    assert registration.problem is None
    problem = check(registration)
    assert problem is not None
    assert UNLOADABLE[target][1] in problem.message


def test_a_check_of_a_good_one_calls_nothing(directory: DropInDirectory, packages: Path) -> None:
    (packages / "corp_hooks.py").write_text(NOTIFYEES)
    assert check(directory.read('target = "python:corp_hooks:dial"')) is None
    assert sys.modules["corp_hooks"].log == []
    assert check(directory.read(f'target = "{WELL}"')) is None


def test_n17_a_module_that_connects_while_it_is_loaded_is_not_told_of_that(
    directory: DropInDirectory, packages: Path
) -> None:
    registration = directory.read('target = "python:connecting:dial"')
    outer: list[list[Told]] = []
    sys.modules[__name__].__dict__["nested"] = lambda: outer.append(tell(registration))
    (packages / "connecting.py").write_text(
        f"import sys\nsys.modules[{__name__!r}].nested()\nlog = []\ndef dial(event): log.append(event)\n"
    )
    assert [each.answer for each in tell(registration)] == [Status.WN_SUCCESS]
    assert [each.answer for each in outer[0]] == [Status.ERROR_BAD_CONFIGURATION]
    assert sys.modules["connecting"].log == [ADD]
    assert registration.problem is None


def test_n18_a_target_is_loaded_once_by_several_threads(directory: DropInDirectory, packages: Path) -> None:
    slow = NOTIFYEES.replace("Auditor.made += 1", "Auditor.made += 1; sum(range(1_000_000))")
    (packages / "corp_hooks.py").write_text(slow)
    registration = directory.read('target = "python:corp_hooks:Auditor"')
    together = threading.Barrier(4)

    def run() -> None:
        together.wait(30)
        tell(registration, event=CancelConnect("Z:"))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(30)
    module = sys.modules["corp_hooks"]
    assert (module.Auditor.made, module.log) == (1, ["Z:"] * 4)
    assert registration.settle is None


def test_a_python_file_that_was_mended_is_loaded_by_the_next_registration(
    directory: DropInDirectory, packages: Path
) -> None:
    (packages / "hook.py").write_text("import no_such_dependency")
    text = f'target = "python:{packages}/hook.py:dial"'
    assert check(directory.read(text)) is not None
    (packages / "hook.py").write_text("def dial(event): pass")
    assert check(directory.read(text)) is None


def test_ctrl_c_while_a_target_is_loaded_is_no_problem_of_the_target(
    directory: DropInDirectory, packages: Path
) -> None:
    (packages / "slow.py").write_text("raise KeyboardInterrupt")
    registration = directory.read('target = "python:slow:dial"')
    with pytest.raises(KeyboardInterrupt):
        tell(registration)
    (packages / "slow.py").write_text("def dial(event): pass\n#")
    assert [each.answer for each in tell(registration)] == [Status.WN_SUCCESS]


# -- a long-lived router ---------------------------------------------------------------------------------------


def test_drop_ins_are_read_again_only_when_they_changed(directory: DropInDirectory) -> None:
    directory.write("a", f'target = "{WELL}"')
    path = directory.write("b", f'target = "{WELL}"')
    drop_ins = DropIns(entry_points=False)
    a, b = drop_ins.registrations()
    assert drop_ins.registrations() == [a, b]

    path.write_text(f'target = "{WELL}"\norder = 60')  # in place
    same, changed = drop_ins.registrations()
    assert same is a
    assert changed.order == 60

    (directory.user / "new").write_text(f'target = "{WELL}"\norder = 61')  # replaced, same size
    (directory.user / "new").replace(path)
    assert [each.order for each in drop_ins.registrations()] == [50, 61]

    path.unlink()
    directory.write("c", f'target = "{WELL}"', directory.system)
    c, same = drop_ins.registrations()
    assert (c.id, same) == ("system/c", a)


def test_a_file_that_could_not_be_read_is_read_when_it_can_be(directory: DropInDirectory) -> None:
    path = directory.write("hook", f'target = "{WELL}"')
    path.rename(directory.user / "elsewhere")
    path.symlink_to("missing")
    drop_ins = DropIns(entry_points=False)
    assert drop_ins.registrations() == []
    path.unlink()
    path.symlink_to("elsewhere")
    assert [each.name for each in drop_ins.registrations()] == ["hook"]


class Shortage:
    """While ``number`` is set, what is opened below a directory fails with it."""

    def __init__(self, below: Path, patched: pytest.MonkeyPatch) -> None:
        self.number: int | None = None
        opened, listed = trust.look, Path.iterdir

        def look(path: str | os.PathLike[str]) -> trust.Opened:
            self.check(Path(path).is_relative_to(below))
            return opened(path)

        def iterdir(path: Path) -> Iterator[Path]:
            self.check(path == below)
            return listed(path)

        patched.setattr(trust, "look", look)
        patched.setattr(Path, "iterdir", iterdir)

    def check(self, is_below: bool) -> None:
        if self.number is not None and is_below:
            raise OSError(self.number, os.strerror(self.number))


SHORTAGES = {
    errno.EMFILE: Status.ERROR_TOO_MANY_OPEN_FILES,
    errno.ENOMEM: Status.ERROR_NOT_ENOUGH_MEMORY,
    errno.EIO: Status.ERROR_BAD_CONFIGURATION,
}


@pytest.mark.parametrize("number", SHORTAGES)
def test_n10_a_file_that_cannot_be_read_just_now_may_be_a_required_one_and_is_read_again(
    directory: DropInDirectory, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    path = directory.write("policy", 'target = "command:/bin/false"\nrequired = true')
    drop_ins = DropIns(entry_points=False)
    (known,) = drop_ins.registrations()
    path.write_text('target = "command:/bin/false"\nrequired = true\norder = 7')
    with monkeypatch.context() as patched:
        Shortage(path, patched).number = number
        (unread,) = drop_ins.registrations()
        error = fails(unread)
        assert (error.status, "cannot be read" in str(error)) == (SHORTAGES[number], True)
    (again,) = drop_ins.registrations()
    assert (again.order, again.problem) == (7, None)
    assert drop_ins.registrations() == [again]
    assert known.file == again.file


@pytest.mark.parametrize("number", SHORTAGES)
def test_n10_while_the_directory_cannot_be_read_just_now_nothing_is_connected_past_who_is_in_it(
    directory: DropInDirectory, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    directory.write("policy", 'target = "command:/bin/false"\nrequired = true')
    drop_ins = DropIns(entry_points=False)
    before = drop_ins.registrations()
    with monkeypatch.context() as patched:
        Shortage(directory.user, patched).number = number
        with pytest.raises(WNetError) as caught:
            drop_ins.registrations()
        assert (caught.value.status, caught.value.name) == (SHORTAGES[number], str(directory.user))
        for change in (remove, lambda name: set_enabled(name, False)):
            with pytest.raises(WNetError) as caught:
                change("policy")
            assert caught.value.status is SHORTAGES[number]
    assert drop_ins.registrations() == before


def test_n10_a_target_that_could_not_be_loaded_just_now_is_loaded_by_a_later_operation(
    directory: DropInDirectory, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    target = tmp_path / "policy.py"
    target.write_text("import mprouter\ndef veto(event):\n    raise mprouter.Cancel('no')\n")
    directory.write("policy", f'target = "python:{target}:veto"')
    drop_ins = DropIns(entry_points=False)
    with monkeypatch.context() as patched:
        Shortage(target, patched).number = errno.EMFILE
        (told,) = tell(*drop_ins.registrations())
        assert told.answer is Status.ERROR_TOO_MANY_OPEN_FILES
    assert fails(*drop_ins.registrations()).status is Status.WN_CANCEL


def test_a_file_that_cannot_be_read_just_now_is_not_told_to_be_edited_or_moved_away(
    directory: DropInDirectory, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = directory.write("hook", f'target = "{WELL}"')
    Shortage(path, monkeypatch).number = errno.EMFILE
    with pytest.raises(WNetError) as caught:
        set_enabled("hook", False)
    assert (caught.value.status, caught.value.hint) == (Status.ERROR_TOO_MANY_OPEN_FILES, None)
    with caplog.at_level(logging.WARNING, "mprouter.notify"):
        DropIns(entry_points=False).registrations()
    assert [".broken" in record.getMessage() for record in caplog.records] == [False]


def test_what_a_gone_or_changed_drop_in_holds_is_let_go(directory: DropInDirectory) -> None:
    closed: list[str] = []
    paths = [directory.write(name, f'target = "{WELL}"') for name in "abc"]
    drop_ins = DropIns(entry_points=False)
    for each in drop_ins.registrations():
        each.close = lambda name=each.name: closed.append(name)
    paths[0].unlink()
    paths[1].write_text(f'target = "{WELL}"\norder = 1')
    drop_ins.registrations()
    assert sorted(closed) == ["a", "b"]
    drop_ins.close()
    assert sorted(closed) == ["a", "b", "c"]


def test_a_problem_is_logged_once_not_at_every_operation(
    directory: DropInDirectory, caplog: pytest.LogCaptureFixture
) -> None:
    directory.write("hook", "order = 5")
    drop_ins = DropIns(entry_points=False)
    with caplog.at_level(logging.WARNING, "mprouter.notify"):
        for _ in range(3):
            drop_ins.registrations()
    assert len(caplog.records) == 1


# -- entry points ----------------------------------------------------------------------------------------------


def install(packages: Path, name: str, entries: str) -> None:
    """A package as pip leaves it, with entry points."""
    info = packages / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[mprouter.notifyees]\n{entries}\n")


def test_the_way_out_of_a_package_s_notifyee_is_to_uninstall_it(
    directory: DropInDirectory, packages: Path, caplog: pytest.LogCaptureFixture
) -> None:
    del directory
    install(packages, "corp", "missing = corp_hooks:dial")
    with caplog.at_level(logging.WARNING, "mprouter.notify"):
        tell(*(each for each in load() if each.name == "missing"))
    (warning,) = caplog.messages
    assert warning.endswith(
        "there is no Python module corp_hooks (ERROR_MOD_NOT_FOUND, 126); to do without it: pip uninstall corp"
    )


def test_a_package_registers_by_an_entry_point(directory: DropInDirectory, packages: Path) -> None:
    (packages / "corp_hooks.py").write_text(NOTIFYEES)
    install(packages, "corp", "dial = corp_hooks:dial\npolicy = corp_hooks:policy [extra]\nbroken = corp_hooks")
    directory.write("dial", 'target = "command:/bin/true"\norder = 60')
    found = {each.id: each for each in load()}
    assert {"entry-point/dial", "entry-point/policy", "entry-point/broken", "user/dial"} <= {*found}
    assert found["entry-point/policy"].target == "python:corp_hooks:policy"
    assert "corp_hooks" not in sys.modules
    tell(*found.values())
    assert sys.modules["corp_hooks"].log == ["policy", "pre", 0]
    assert found["entry-point/broken"].problem is not None


def test_the_code_of_a_package_that_registers_itself_is_trusted_as_installed_code_is(
    directory: DropInDirectory, packages: Path
) -> None:
    (packages / "corp_hooks.py").write_text(NOTIFYEES)
    (packages / "corp_hooks.py").chmod(0o666)
    install(packages, "corp", "dial = corp_hooks:dial")
    directory.write("dial", 'target = "python:corp_hooks:dial"')
    found = {each.id: each for each in load()}
    assert [each.answer for each in tell(found["user/dial"])] == [Status.ERROR_ACCESS_DENIED]
    assert [each.answer for each in tell(found["entry-point/dial"])] == [Status.WN_SUCCESS] * 2


def test_n10_a_package_that_cannot_be_read_just_now_is_not_passed_over(
    directory: DropInDirectory, packages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del directory
    install(packages, "policy", "policy = policies:veto")
    (packages / "policies.py").write_text("def veto(event): ...")

    def refuse(_: str) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    drop_ins = DropIns()
    with monkeypatch.context() as patched:
        patched.setattr(os, "scandir", refuse)
        usual = [each for each in sys.meta_path if each is PathFinder or not hasattr(each, "find_distributions")]
        patched.setattr(sys, "meta_path", usual)  # another test may have loaded a package that adds to it
        with pytest.raises(WNetError) as caught:
            drop_ins.registrations()
        assert caught.value.status is Status.ERROR_TOO_MANY_OPEN_FILES
    assert "policy" in [each.name for each in drop_ins.registrations()]


def test_entry_points_of_one_name_are_told_apart(directory: DropInDirectory, packages: Path) -> None:
    del directory
    install(packages, "one", "dial = corp_hooks:dial")
    install(packages, "two", "dial = corp_hooks:dial")
    assert [each.name for each in load() if each.target == "python:corp_hooks:dial"].count("dial") == 1
    assert {each.name for each in load()} >= {"dial", "one/dial"} or {each.name for each in load()} >= {
        "dial",
        "two/dial",
    }


# -- writing ---------------------------------------------------------------------------------------------------


def test_add_writes_a_drop_in_that_reads_well(directory: DropInDirectory) -> None:
    path = add("vpn", "command:/bin/true", order=5, required=True, timeout=2.5, match=[r"\\corp\*"], operations=["add"])
    assert path == directory.user / "vpn.toml"
    assert path.read_text() == (
        'target = "command:/bin/true"\norder = 5\nrequired = true\noperations = ["add"]\n'
        "match = ['\\\\corp\\*']\ntimeout = 2.5\n"
    )
    (registration,) = load(entry_points=False)
    assert (registration.name, registration.order, registration.required) == ("vpn", 5, True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert os.listdir(directory.user) == ["vpn.toml"]  # noqa: PTH208 - the names are what counts


def test_add_leaves_out_what_is_not_said(directory: DropInDirectory) -> None:
    path = add("vpn", "command:/bin/true", system=True)
    assert path == directory.system / "vpn.toml"
    assert path.read_text() == 'target = "command:/bin/true"\n'


def test_what_is_no_file_is_not_replaced_by_one(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "settings.toml").symlink_to("pipe")
    with pytest.raises(WNetError) as refused:
        drop_in.replace(tmp_path / "settings.toml", "text")
    assert refused.value.status is Status.ERROR_ACCESS_DENIED
    assert (tmp_path / "pipe").is_fifo()


def test_add_does_not_replace(directory: DropInDirectory) -> None:
    path = directory.write("vpn", "# by hand")
    with pytest.raises(WNetError, match="already") as caught:
        add("vpn", WELL)
    assert caught.value.status is Status.ERROR_ALREADY_ASSIGNED
    assert path.read_text() == "# by hand"
    add("vpn", WELL, system=True)  # the other directory is another matter


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("../vpn", {}),
        ("a/b", {}),
        (".vpn", {}),
        ("", {}),
        ("two words", {}),
        ("vpn\n", {}),
        ("vpn", {"target": "hook"}),
        ("vpn", {"target": "command:hook"}),
        ("vpn", {"target": "native:x.so"}),
        ("vpn", {"isolation": "process"}),
        ("vpn", {"target": "command:/bin/true \ud800"}),
        ("vpn", {"timeout": 0}),
        ("vpn", {"timeout": float("inf")}),
        ("vpn", {"operations": ["connect"]}),
        ("vpn", {"match": [""]}),
    ],
)
def test_add_refuses_what_would_be_broken(directory: DropInDirectory, name: str, options: dict[str, Any]) -> None:
    with pytest.raises(WNetError) as caught:
        add(name, **({"target": WELL} | options))
    assert caught.value.status is Status.ERROR_INVALID_PARAMETER
    assert not directory.user.exists()


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@given(texts, st.lists(texts, min_size=1, max_size=3), st.integers(-(2**63), 2**63 - 1), st.floats(1e-9, 1e300))
def test_whatever_is_written_is_read_back(target: str, match: list[str], order: int, timeout: float) -> None:
    values = {"target": target, "match": match, "order": order, "timeout": timeout, "required": True, "enabled": None}
    assert tomllib.loads(drop_in.written(values)) == {key: value for key, value in values.items() if value is not None}


def test_remove_takes_the_user_s_first(directory: DropInDirectory) -> None:
    user, system = directory.write("vpn", ""), directory.write("vpn", "", directory.system)
    assert remove("vpn") == user
    assert remove("vpn") == system
    assert not user.exists()
    assert not system.exists()
    with pytest.raises(WNetError) as caught:
        remove("vpn")
    assert caught.value.status is Status.ERROR_NOT_FOUND
    directory.write("vpn", "", directory.system)
    with pytest.raises(WNetError):
        remove("vpn", system=False)
    with pytest.raises(WNetError):
        remove("../notifyees.d/vpn", system=True)


ENABLED = [
    ("target = 'command:/bin/true'\n", "enabled = false\ntarget = 'command:/bin/true'\n"),
    ("# Corp\n\n# VPN\ntarget = 'x'  # ours\n", "# Corp\n\n# VPN\nenabled = false\ntarget = 'x'  # ours\n"),
    ("target = 'x'\nenabled = true\norder = 5", "target = 'x'\nenabled = false\norder = 5"),
    ("target = 'x'\n  enabled=true# now\r\n", "target = 'x'\nenabled = false# now\r\n"),
    ("enabled = false\ntarget = 'x'", "enabled = false\ntarget = 'x'"),
    ("enabled = 'no # ?' # ?\ntarget = 'x'", "enabled = false # ?\ntarget = 'x'"),
    ("target = = 5\nrequired = true", "enabled = false\ntarget = = 5\nrequired = true"),
    ("# nothing but a comment", "# nothing but a comment\nenabled = false\n"),
]


@pytest.mark.parametrize(("before", "after"), ENABLED)
def test_set_enabled_changes_that_key_and_nothing_else(directory: DropInDirectory, before: str, after: str) -> None:
    path = directory.write("vpn", "")
    path.write_bytes(before.encode())
    path.chmod(0o640)
    assert set_enabled("vpn", enabled=False) == path
    assert path.read_bytes().decode() == after
    assert not read(path, "user").enabled
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    set_enabled("vpn", enabled=True)
    assert path.read_bytes().decode() == after.replace("enabled = false", "enabled = true")


def test_set_enabled_finds_no_key_within_a_text(directory: DropInDirectory) -> None:
    text = f'target = "{WELL}"\nmatch = ["""\nenabled = true\n"""]\n'
    path = directory.write("vpn", text)
    with pytest.raises(WNetError, match="by hand"):
        set_enabled("vpn", enabled=False)
    assert path.read_text() == text


def test_set_enabled_writes_through_a_link(directory: DropInDirectory, tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.write_text(f'target = "{WELL}"\n')
    directory.user.mkdir(parents=True)
    (directory.user / "vpn.toml").symlink_to(real)
    set_enabled("vpn", enabled=False)
    assert (directory.user / "vpn.toml").is_symlink()
    assert "enabled = false" in real.read_text()


def test_what_is_removed_while_it_is_to_be_disabled_is_not_made_again(directory: DropInDirectory) -> None:
    path = directory.write("vpn", f'target = "{WELL}"')
    with ThreadPoolExecutor(1) as pool:
        with places.locked(directory.user):
            disabling = pool.submit(set_enabled, "vpn", enabled=False)
            wait_for(lambda: len(places._locks) == 2, "its turn to be waited for")
            path.unlink()
        with pytest.raises(WNetError) as caught:
            disabling.result(20)
    assert caught.value.status is Status.ERROR_NOT_FOUND
    assert not path.exists()


def test_nothing_is_removed_while_it_is_being_written(directory: DropInDirectory) -> None:
    path = directory.write("vpn", f'target = "{WELL}"')
    with ThreadPoolExecutor(1) as pool:
        with places.locked(directory.user):
            removing = pool.submit(remove, "vpn")
            wait_for(lambda: len(places._locks) == 2, "its turn to be waited for")
            assert path.exists()
        removing.result(20)
    assert not path.exists()


def test_what_may_not_be_written_is_told_with_the_next_step(
    directory: DropInDirectory, as_ordinary_user: Callable[[Callable[[], object]], str]
) -> None:
    path = directory.write("vpn", f'target = "{WELL}"', directory.system)
    for action in (
        lambda: add("other", WELL, system=True),
        lambda: remove("vpn", system=True),
        lambda: set_enabled("vpn", enabled=False, system=True),
    ):
        assert re.fullmatch(r"ERROR_ACCESS_DENIED .*written by root", as_ordinary_user(action))
    assert path.read_text() == f'target = "{WELL}"'


@pytest.fixture
def as_ordinary_user(tmp_path: Path) -> Callable[[Callable[[], object]], str]:
    """Runs something in a child process without root's rights; returns the status and text of its WNetError."""

    def run(action: Callable[[], object]) -> str:
        for each in (tmp_path, *tmp_path.parents[:3]):
            if each.is_relative_to("/tmp/pytest-of-root"):
                each.chmod(0o755)
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setresgid(65534, 65534, 65534)
                os.setresuid(65534, 65534, 65534)
            try:
                action()
            except WNetError as error:
                os.write(writing, f"{error.status.name} {error}".encode())
            except BaseException as error:  # noqa: BLE001 - the parent looks at it
                os.write(writing, repr(error).encode())
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as answer:
            text = answer.read()
        os.waitpid(child, 0)
        return text

    return run
