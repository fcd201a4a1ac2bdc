"""``mpr discard``: what cannot be sent is given up, exactly what was named, and never what a connection uses."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mprouter import Router
from pseudo_terminal import PseudoTerminal
from sandbox import Command, Places

REMOTE = "sftp://ana@files.example.com/srv"


def waits(places: Places, fs: str, remote: str, user: str, *names: str, **options: str) -> list[Path]:
    """Leave what an rclone leaves that could not send the files *names*; where it all is."""
    cache, made = places.state / "cache", []
    for name in names:
        for kind, content in (("vfs", "important"), ("vfsMeta", "")):
            made.append(cache / kind / fs / "srv" / name)
            made[-1].parent.mkdir(parents=True, exist_ok=True)
            made[-1].write_text(content)
    (cache / "resources").mkdir(exist_ok=True)
    made.append(cache / "resources" / fs)
    made[-1].write_text(json.dumps({"remote_name": remote, "user": user, "options": options}))
    return made


def sent(files: list[Path], name: str) -> None:
    """A connection has sent the file *name*."""
    for each in files:
        if each.name == name:
            each.unlink()


@pytest.fixture
def anas(places: Places) -> list[Path]:
    return waits(places, "mpr-sftp ana@files 0123456789ab{x}", REMOTE, "ana", "report", "table")


def test_what_is_named_goes_and_nothing_else(mpr: Command, places: Places, anas: list[Path]) -> None:
    aside = places.state / "cache" / "damaged" / anas[-1].name / "srv" / "half"
    aside.parent.mkdir(parents=True)
    aside.write_text("half")
    others = waits(places, "mpr-sftp bob@files ba9876543210{x}", REMOTE, "bob", "report")
    ran = mpr("discard", "SFTP://ana@FILES.example.com/srv", "--user", "ana", "--yes")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.splitlines() == [
        f"{REMOTE}, to be sent as ana: 18 bytes",
        "  srv/report",
        "  srv/table",
        f"  {aside}",
        "3 files removed",
    ]
    assert not any(each.exists() for each in (*anas, aside, aside.parent.parent))
    assert all(each.exists() for each in others)
    (left,) = json.loads(mpr("list", "--unsent", "--json").stdout)
    assert (left["user"], left["names"]) == ("bob", ["srv/report"])


def test_what_a_discard_that_was_killed_has_removed_is_not_told_any_more(mpr: Command, anas: list[Path]) -> None:
    code = """
import os, signal
from mprouter import Router
unlink = os.unlink

def kill(*words, **more):
    unlink(*words, **more)
    os.kill(os.getpid(), signal.SIGKILL)

with Router() as router:
    (found,) = router.waiting()
    os.unlink = kill
    router.discard(found)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    assert [each.exists() for each in anas] == [False, True, True, True, True]
    (left,) = json.loads(mpr("list", "--unsent", "--json").stdout)
    assert left["names"] == ["srv/table"]
    assert mpr("discard", REMOTE, "--yes").returncode == 0
    assert mpr("list", "--unsent").stdout == "Nothing waits to be sent.\n"


def test_of_two_servers_buckets_of_one_name_only_the_named_one_loses_its_files(router: Router, places: Places) -> None:
    ours = waits(places, "mpr-s3 key@a 0123456789ab{x}", "s3://backup", "key", "report", endpoint="https://a.example")
    theirs = waits(places, "mpr-s3 key@b ba9876543210{x}", "s3://backup", "key", "report", endpoint="https://b.example")
    (found,) = (each for each in router.waiting() if each.options["endpoint"] == "https://a.example")
    router.discard(found)
    assert not any(each.exists() for each in ours)
    assert all(each.exists() for each in theirs)


def test_of_two_networks_that_have_one_name_only_the_named_one_loses_its_files(router: Router, places: Places) -> None:
    """As a UNC name may be SMB's and WebDAV's."""
    for name in ("smb", "webdav"):
        *_, noted = waits(places, f"mpr-{name} ana@files 0123456789ab{{x}}", r"\\files\share", "ana", "report")
        noted.write_text(json.dumps({**json.loads(noted.read_text()), "provider": name}))
    (found,) = (each for each in router.waiting() if each.provider == "smb")
    router.discard(found)
    assert [each.provider for each in router.waiting()] == ["webdav"]


@pytest.mark.parametrize("gone", [["report"], ["report", "table"]])
def test_only_what_still_waits_when_the_answer_comes_is_told_as_removed(
    places: Places, terminal: PseudoTerminal, anas: list[Path], gone: list[str]
) -> None:
    terminal.start("discard", REMOTE)
    terminal.expect("Remove these files for good?")
    for name in gone:
        sent(anas, name)
    (later, *_) = waits(places, "mpr-sftp ana@files 0123456789ab{x}", REMOTE, "ana", "later")
    terminal.enter("y\n")
    code, said = terminal.end()
    assert (code, f"{2 - len(gone)} file" in said) == (0, True)
    assert later.exists()


def test_nothing_goes_without_a_yes(mpr: Command, terminal: PseudoTerminal, anas: list[Path]) -> None:
    assert mpr("discard", REMOTE).returncode == 2
    terminal.start("discard", REMOTE)
    terminal.expect("Remove these files for good?")
    terminal.enter("n\n")
    assert terminal.end()[0] == 1
    assert all(each.exists() for each in anas)


@pytest.mark.parametrize("options", [["--yes"], ["--json"], []])
def test_what_is_not_there_is_said_and_not_asked_about(mpr: Command, anas: list[Path], options: list[str]) -> None:
    ran = mpr("discard", "sftp://ana@files.example.com/other", *options)
    assert ran.returncode == 1
    assert "ERROR_NOT_FOUND" in ran.stdout + ran.stderr
    assert "nothing of it waits to be sent" in ran.stdout + ran.stderr
    assert all(each.exists() for each in anas)


def test_c6_what_a_connection_uses_is_left_alone(mpr: Command, places: Places, resource: str) -> None:
    assert mpr("connect", resource, "Z:").returncode == 0
    with (places.drives / "Z" / "report").open("w") as report:
        report.write("important")
        report.flush()
        ran = mpr("discard", resource, "--yes")
        assert ran.returncode == 1
        assert "(ERROR_BUSY, 170); disconnect it first" in ran.stderr
    assert mpr("disconnect", "Z:").returncode == 0
    assert (Path(resource.removeprefix("file://").replace("%20", " ")) / "report").read_text() == "important"
