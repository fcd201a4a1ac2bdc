"""`mpr notify`: registrations as files, written, shown, switched, removed and rehearsed."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from recorder import Script
from sandbox import Command as Run
from sandbox import OrdinaryUser, Places


def test_add_writes_what_interface_md_says(mpr: Run, places: Places, script: Script) -> None:
    ran = mpr(
        *("notify", "add", "vpn", script.target, "--order", "10", "--required", "--timeout", "2.5"),
        *("--match", r"\\corp\*", "--match", "sftp://*.corp.example/*", "--operation", "add"),
    )
    path = places.config / "notifyees.d" / "vpn.toml"
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, f"vpn is told from now on ({path})\n", "")
    assert tomllib.loads(path.read_text()) == {
        "target": script.target,
        "order": 10,
        "required": True,
        "timeout": 2.5,
        "match": [r"\\corp\*", "sftp://*.corp.example/*"],
        "operations": ["add"],
    }


def test_a_notifyee_is_told_until_it_is_disabled_or_removed(mpr: Run, resource: str, script: Script) -> None:
    def told() -> int:
        before = len(script.told())
        assert mpr("connect", resource, "Z:").returncode == 0
        assert mpr("disconnect", "Z:").returncode == 0
        return len(script.told()) - before

    mpr("notify", "add", "script", script.target)
    assert told() == 4
    assert mpr("notify", "disable", "script").returncode == 0
    assert told() == 0
    assert mpr("notify", "enable", "script").returncode == 0
    assert told() == 4
    assert mpr("notify", "remove", "script").returncode == 0
    assert told() == 0


TALKATIVE = """
import os, sys

def talkative(event):
    print("before")
    os.system("echo of a program")
    if event.operation == "add" and event.resource.remote_name.endswith("forbidden"):
        return 1223
    status = yield
    sys.stdout.write("after")
"""


def test_json_stands_alone_on_standard_output_whatever_notifyees_print(mpr: Run, places: Places, resource: str) -> None:
    (places.config / "notifyees.d").mkdir()
    for name, text in (("talkative.py", TALKATIVE), ("talkative.toml", 'target = "python:./talkative.py:talkative"')):
        (places.config / "notifyees.d" / name).write_text(text.replace("./", f"{places.config}/notifyees.d/"))
    printed = {"before", "of a program", "after"}
    for words in (
        ("connect", resource, "Z:", "--json"),
        ("disconnect", "Z:", "--json"),
        ("connect", resource, "Z:", "--provider", "file", "--json"),  # which click reads
        ("disconnect", "--all", "--json"),
    ):
        ran = mpr(*words)
        assert ran.returncode == 0, ran.stderr
        json.loads(ran.stdout)
        assert all(ran.stderr.count(each) == 1 for each in printed)
    ran = mpr("connect", f"{resource}/forbidden", "Z:", "--json")
    assert json.loads(ran.stdout)["status"] == "WN_CANCEL"
    assert "before" in ran.stderr
    assert "of a program" in mpr("connect", resource, "Z:").stdout


def test_what_a_notifyee_logs_by_itself_is_shown_as_all_else_is(places: Places, resource: str) -> None:
    def mpr(*words: str) -> str:  # a process that has loaded nothing before
        ran = subprocess.run([sys.executable, "-m", "mprouter", *words], capture_output=True, text=True, check=True)
        return ran.stderr

    (places.config / "notifyees.d").mkdir()
    file = places.config / "notifyees.d" / "talking.py"
    file.write_text(
        "import logging\n"
        "def talk(event):\n"
        "    log = logging.getLogger('mprouter.notify')\n"
        "    log.warning('beware of the\\ndog')\n"
        "    log.info('a detail')\n"
    )
    mpr("notify", "add", "talking", f"python:{file}:talk", "--operation", "add")
    assert mpr("connect", resource, "Z:") == "mpr: warning: beware of the\\ndog\n"
    assert "mpr: info: a detail\n" in mpr("connect", resource, "Y:", "-v")


def test_list_shows_them_in_order_with_what_is_wrong_where(mpr: Run, places: Places, script: Script) -> None:
    assert mpr("notify", "list").stdout == "No notifyee is registered.\n"
    mpr("notify", "add", "mine", script.target, "--order", "20")
    mpr("notify", "add", "theirs", script.target, "--order", "10", "--system", "--required")
    mpr("notify", "disable", "mine")
    broken = places.config / "notifyees.d" / "broken.toml"
    broken.write_text('target = "command:/bin/true"\nordre = 3\n')
    ran = mpr("notify", "list")
    assert (ran.returncode, ran.stderr) == (0, "")
    heading, *rows, problem = ran.stdout.splitlines()
    assert heading.split() == ["ORDER", "NAME", "FROM", "STATE", "REQUIRED", "TOLD", "OF", "TARGET"]
    assert [row.split()[:4] for row in rows] == [
        ["10", "theirs", "system", "enabled"],
        ["20", "mine", "user", "disabled"],
        ["50", "broken", "user", "BROKEN"],
    ]
    assert problem.startswith(f"{broken}:2: unknown key ordre")

    shown = json.loads(mpr("notify", "list", "--json").stdout)
    assert [(each["name"], each["source"], each["enabled"], each["required"]) for each in shown] == [
        ("theirs", "system", True, True),
        ("mine", "user", False, False),
        ("broken", "user", True, False),
    ]
    assert shown[0]["problem"] is None
    assert shown[2]["problem"]["line"] == 2
    assert shown[2]["file"] == str(broken)


def test_n8_list_counts_the_order_that_a_python_target_gives_itself(mpr: Run, tmp_path: Path, script: Script) -> None:
    (tmp_path / "late.py").write_text("import mprouter\n\n\n@mprouter.notifyee(order=90)\ndef late(event): ...\n")
    mpr("notify", "add", "a-late-one", f"python:{tmp_path / 'late.py'}:late")
    mpr("notify", "add", "script", script.target)
    shown = json.loads(mpr("notify", "list", "--json").stdout)
    assert [(each["name"], each["order"]) for each in shown] == [("script", 50), ("a-late-one", 90)]


def test_a_target_that_is_not_there_yet_is_warned_of(mpr: Run, places: Places) -> None:
    missing = places.base / "not there"
    ran = mpr("notify", "add", "later", f"command:'{missing}'")
    assert ran.returncode == 0
    assert ran.stderr == f"mpr: warning: later cannot be used yet: there is no file {missing}\n"
    shown = json.loads(mpr("notify", "list", "--json").stdout)
    assert shown[0]["problem"]["message"] == f"there is no file {missing}"


BROKEN = {
    "a key": 'target = "command:/bin/true"\nordre = 3\n',
    "no TOML": 'target = = "command:/bin/true"\n',
    "enabled twice": 'target = "command:/bin/true"\nenabled = true\nenabled = true\n',
    "empty": "",
    "no text": "\udcff",
    "no module": 'target = "python:no_such_module:dial"\n',
    "no module there": 'target = "python:no_such_module:dial"\nisolation = "process"\n',
    "no library": 'target = "native:/no/such/library.so"\n',
    "no library here": 'target = "native:/no/such/library.so"\nisolation = "inline"\n',
    "no program": 'target = "command:/no/such/program"\n',
    "not executable": 'target = "command:/etc/passwd"\n',
    "required": 'target = "command:/bin/true"\nrequired = true\nordre = 3\n',
}


def way_out(warning: str) -> list[str]:
    """The words of the command that *warning* names."""
    return shlex.split(warning.partition("; to do without it: ")[2])


@pytest.mark.parametrize("what", BROKEN)
def test_the_warning_of_a_broken_one_names_the_command_that_ends_it(
    mpr: Run, places: Places, resource: str, what: str
) -> None:
    directory = places.config / "notifyees.d"
    directory.mkdir()
    (directory / "broken.toml").write_bytes(BROKEN[what].encode(errors="surrogateescape"))
    warning = mpr("connect", resource, "Z:").stderr.splitlines()[0]
    assert warning.startswith("mpr: warning: notifyee user/broken ")
    program, *words = way_out(warning)
    assert (mpr(*words) if program == "mpr" else subprocess.run([program, *words], check=True)).returncode == 0
    assert mpr("connect", resource, "Y:").stderr == ""


def test_the_way_out_of_a_file_that_is_none_or_has_a_strange_name(mpr: Run, places: Places, resource: str) -> None:
    directory = places.config / "notifyees.d"
    (directory / "a directory.toml").mkdir(parents=True)
    (directory / "nowhere.toml").symlink_to("missing")
    for warning in mpr("connect", resource, "Z:").stderr.splitlines():
        subprocess.run(way_out(warning), check=True)
    assert mpr("connect", resource, "Y:").stderr == ""
    assert sorted(each.name for each in directory.iterdir()) == ["a directory.toml.broken", "nowhere.toml.broken"]


def test_the_way_out_keeps_what_it_has_moved_away_before(mpr: Run, places: Places, resource: str) -> None:
    directory = places.config / "notifyees.d"
    directory.mkdir()
    texts = ["", "enabled = true\nenabled = true\n"]
    for text in texts:
        (directory / "broken.toml").write_text(text)
        subprocess.run(way_out(mpr("connect", resource, "Z:").stderr), check=True)
        mpr("disconnect", "Z:")
    assert sorted(each.read_text() for each in directory.iterdir()) == texts


def test_the_way_out_of_the_system_s_is_the_system_s(mpr: Run, places: Places, resource: str) -> None:
    for above in (places.config, places.system):
        (above / "notifyees.d").mkdir()
        (above / "notifyees.d" / "both.toml").write_text("target = 3\n")
    system, user = mpr("connect", resource, "Z:").stderr.splitlines()
    assert way_out(system) == ["mpr", "notify", "disable", "both", "--system"]
    assert way_out(user) == ["mpr", "notify", "disable", "both"]


def test_who_may_not_write_the_file_is_told_that_root_may(ordinary_user: OrdinaryUser) -> None:
    places = ordinary_user.places
    (places.system / "notifyees.d").mkdir(mode=0o755)
    (places.system / "notifyees.d" / "broken.toml").write_text("target = 3\n")
    (places.home / "files").mkdir(mode=0o755)
    warned = ordinary_user.mpr("connect", (places.home / "files").as_uri(), "Z:").stderr
    assert warned.endswith("; to do without it, as root: mpr notify disable broken --system\n")


def test_a_notifyee_that_runs_but_fails_is_warned_of_without_a_way_out(mpr: Run, resource: str, script: Script) -> None:
    script.does("exit 9")
    mpr("notify", "add", "script", script.target)
    warned = mpr("connect", resource, "Z:").stderr
    assert "notifyee user/script failed before the add" in warned
    assert "to do without it" not in warned


def test_with_system_the_file_is_that_of_all_users(mpr: Run, places: Places, script: Script) -> None:
    mpr("notify", "add", "both", script.target)
    mpr("notify", "add", "both", script.target, "--system")
    mine, theirs = (each / "notifyees.d" / "both.toml" for each in (places.config, places.system))
    assert json.loads(mpr("notify", "disable", "both", "--system", "--json").stdout)["file"] == str(theirs)
    assert "enabled" not in mine.read_text()
    assert str(mine) in mpr("notify", "remove", "both").stdout
    assert str(theirs) in mpr("notify", "remove", "both").stdout
    gone = mpr("notify", "remove", "both")
    assert gone.returncode == 1
    assert "ERROR_NOT_FOUND, 1168" in gone.stderr


def test_what_cannot_be_registered_is_refused(mpr: Run, places: Places, script: Script) -> None:
    for name, target in (
        ("../x", script.target),
        ("x", "relative"),
        ("x", "command:relative"),
        ("x", "python:nothing"),
    ):
        ran = mpr("notify", "add", name, target)
        assert ran.returncode == 1, (name, target)
        assert ran.stderr.count("\n") == 1
    assert not (places.config / "notifyees.d").exists()
    mpr("notify", "add", "x", script.target)
    assert "ERROR_ALREADY_ASSIGNED, 85" in mpr("notify", "add", "x", script.target).stderr


def test_a_rehearsal_plays_an_add_and_a_cancel_that_succeed_and_fail(mpr: Run, script: Script) -> None:
    mpr("notify", "add", "script", script.target)
    script.does("""echo '{"message": "heard"}'""")
    ran = mpr("notify", "test", "script")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert script.told() == [
        *("add pre 0", "add post 0"),
        *("add pre 0", "add post 1231"),
        *("cancel pre 0", "cancel post 0"),
        *("cancel pre 0", "cancel post 2401"),
    ]
    assert [line for line in ran.stdout.splitlines() if not line.startswith(" ")] == [
        "an add that succeeds",
        "an add that fails (ERROR_NETWORK_UNREACHABLE)",
        "a cancel that succeeds",
        "a cancel that fails (ERROR_OPEN_FILES)",
    ]
    assert ran.stdout.count("WN_SUCCESS  heard\n") == 6  # in a post without an answer of note, what it was told stands
    assert ran.stdout.count("  heard\n") == 8
    assert ran.stdout.count('        | {"message": "heard"}\n') == 8
    assert mpr("events").stdout == "Nothing has happened yet.\n"


def test_a_rehearsal_of_a_notifyee_that_fails_fails(mpr: Run, script: Script) -> None:
    script.does("echo broken >&2; exit 9")
    mpr("notify", "add", "script", script.target, "--operation", "add")
    ran = mpr("notify", "test", "script", "--json")
    assert ran.returncode == 1
    calls = json.loads(ran.stdout)
    assert [(each["phase"], each["answer"]) for each in calls] == [("pre", "ERROR_EXTENDED_ERROR")] * 2
    assert all("broken" in each["message"] for each in calls)


def test_a_rehearsal_shows_what_was_printed_and_how_long_it_took(mpr: Run, places: Places) -> None:
    program = places.base / "talks"
    program.write_text("#!/bin/sh\necho out; echo err >&2; sleep 0.02\n")
    program.chmod(0o755)
    module = places.base / "talks.py"
    module.write_text(
        "import os, sys\n\n\ndef talk(event):\n    print('out', flush=False)\n    os.system('echo err >&2')\n"
    )
    mpr("notify", "add", "program", f"command:{program}", "--operation", "add")
    for name, isolation in (("here", "inline"), ("there", "process")):
        (places.config / "notifyees.d" / f"{name}.toml").write_text(
            f'target = "python:{module}:talk"\nisolation = "{isolation}"\noperations = ["add"]\n'
        )
    for name, count in (("program", 4), ("here", 2), ("there", 2)):
        calls = json.loads(mpr("notify", "test", name, "--json").stdout)
        assert [sorted(call["printed"].split()) for call in calls] == [["err", "out"]] * count, name
        assert all(call["duration"] >= (0.02 if name == "program" else 0) for call in calls)


def test_a_veto_is_no_failure_of_a_rehearsal(mpr: Run, script: Script) -> None:
    script.does("exit 77")
    mpr("notify", "add", "script", script.target)
    ran = mpr("notify", "test", "script")
    assert ran.returncode == 0
    assert ran.stdout.count("WN_CANCEL") == 4


def test_a_rehearsal_says_when_the_name_is_not_the_notifyees(mpr: Run, script: Script) -> None:
    mpr("notify", "add", "script", script.target, "--match", r"\\corp\*")
    warned = mpr("notify", "test", "script")
    assert warned.returncode == 0
    assert warned.stderr == (
        "mpr: warning: it would not be told of \\\\server\\share, for it matches only \\\\corp\\*\n"
    )
    assert mpr("notify", "test", "script", r"\\corp\x").stderr == ""


def test_what_is_broken_cannot_be_rehearsed(mpr: Run, places: Places) -> None:
    directory = places.config / "notifyees.d"
    directory.mkdir()
    (directory / "broken.toml").write_text("target = 3\n")
    ran = mpr("notify", "test", "broken")
    assert ran.returncode == 1
    assert f"{directory / 'broken.toml'}:1: " in ran.stderr
    assert "ERROR_NOT_FOUND" in mpr("notify", "test", "nobody").stderr


def test_a_python_notifyee_is_rehearsed_with_its_own_words(mpr: Run, tmp_path: Path) -> None:
    (tmp_path / "policy.py").write_text(
        "import mprouter\n\n\ndef policy(event):\n    raise mprouter.Cancel(f'no {event.operation}')\n"
    )
    mpr("notify", "add", "policy", f"python:{tmp_path / 'policy.py'}:policy")
    ran = mpr("notify", "test", "policy")
    assert ran.returncode == 0
    assert ran.stdout.count("WN_CANCEL  no add") == 2
    assert ran.stdout.count("WN_CANCEL  no cancel") == 2
