"""The doctor on the store, on the connections that it knows, and on notifyees."""

from __future__ import annotations

import os
import shlex
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from diagnosis import Examine
from mprouter import Router
from mprouter.names import RemoteName
from mprouter.providers.base import Added, AddRequest, Capability, Mounted, Progress, State
from recorder import Script
from sandbox import Command, OrdinaryUser, Places
from servers.daemon import wait_for


@pytest.fixture
def store(mpr: Command, places: Places) -> Path:
    """The file of a store that has been used."""
    assert mpr("list").returncode == 0
    return places.state / "mprouter.db"


@contextmanager
def changing(store: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(store)) as db, db:
        yield db


# -- the file


def test_a_damaged_store_is_reported_and_kept_until_it_is_salvaged(doctor: Examine, mpr: Command, store: Path) -> None:
    content = bytearray(store.read_bytes())
    content[4096:8192] = os.urandom(4096)  # the second page
    store.write_bytes(content)
    for option in ((), ("--fix",)):
        found = doctor(*option)
        assert found.codes == {"store-damaged", "store-unread"}
        assert found.one("store-damaged")["mend"].startswith("`mpr salvage`")
    assert store.read_bytes() == content
    assert mpr("salvage").returncode == 0
    assert doctor().codes == set()


def test_events_that_were_changed_harm_nobody_and_are_reported(
    doctor: Examine, mpr: Command, store: Path, resource: str
) -> None:
    assert mpr("connect", resource, "Z:").returncode == 0
    with changing(store) as db:
        db.execute("UPDATE events SET message = 'nothing happened'")
    assert mpr("list").returncode == 0
    found = doctor()
    assert found.codes == {"store-damaged"}
    assert found.all[0]["what"].endswith("events that do not match their checksums: 1")


@pytest.mark.parametrize("content", [b"", b"no database, but a text " * 100], ids=["empty", "text"])
def test_a_file_that_is_no_database(doctor: Examine, places: Places, content: bytes) -> None:
    (places.state / "mprouter.db").write_bytes(content)
    assert "store-damaged" in doctor().codes


def test_a_log_whose_file_is_gone(doctor: Examine, store: Path) -> None:
    log = store.with_name(store.name + "-wal")
    log.write_bytes(b"what was written last")
    store.unlink()
    assert "its log is still there" in doctor("--fix").one("store-damaged")["what"]
    assert (store.exists(), log.exists()) == (False, True)


def test_a_store_of_a_newer_version_and_one_of_another_program(doctor: Examine, store: Path) -> None:
    with changing(store) as db:
        db.execute("PRAGMA user_version = 99")
    assert "made by a newer mprouter (schema 99" in doctor().one("store-newer")["what"]
    store.unlink()
    with changing(store) as db:
        db.execute("CREATE TABLE songs (title)")
    content = store.read_bytes()
    assert (
        doctor("--fix")
        .one("store-foreign")["mend"]
        .startswith(f"move it away with what is beside it, `ls -l {store}*`")
    )
    assert store.read_bytes() == content


def test_a_store_that_cannot_be_written(ordinary_doctor: Examine, ordinary_user: OrdinaryUser) -> None:
    assert ordinary_user.mpr("list").returncode == 0
    file = ordinary_user.places.state / "mprouter.db"
    file.chmod(0o400)
    assert ordinary_user.mpr("list").returncode == 0
    assert file.with_name("mprouter.db-shm").stat().st_mode & 0o777 == 0o400, "SQLite makes it like the file"
    file.chmod(0o600)
    assert ordinary_doctor().codes == {"store-barred"}
    assert ordinary_doctor("--fix").codes == set()
    assert ordinary_user.mpr("disconnect", "Z:").stderr.startswith("mpr: Z: not connected")


def test_a_directory_in_the_place_of_the_store(doctor: Examine, places: Places) -> None:
    (places.state / "mprouter.db").mkdir()
    assert doctor().codes == {"store-unusable", "store-unread"}


# -- what is in it


class Elsewhere:
    """A network provider of somebody else's: its connections are directories that it never mounts."""

    name = "elsewhere"
    capabilities = Capability.ADD_CONNECTION | Capability.CANCEL_CONNECTION

    def claims(self, name: RemoteName) -> bool:
        return name.scheme == "file"

    def check_options(self, name: RemoteName, options: Mapping[str, str]) -> None: ...

    def add_connection(self, request: AddRequest) -> Added:
        return Added(request.name.user, {})

    def cancel_connection(self, mounted: Mounted, *, force: bool, progress: Progress | None = None) -> None: ...

    def state(self, mounted: Mounted) -> State:
        return State.LOST if mounted.mountpoint.exists() else State.CONNECTED

    def settle(self, mounted: Mounted) -> State:
        return self.state(mounted)


def test_a_connection_whose_provider_is_gone(doctor: Examine, router: Router, resource: str) -> None:
    router.add_provider(Elsewhere(), order=1)
    router.connect(resource, "Z:")
    assert "elsewhere" in doctor().one("connection-without-provider")["what"]
    router.disconnect("Z:")
    assert doctor().codes == set()


# -- notifyees


def test_broken_registrations_weigh_what_they_prevent(doctor: Examine, places: Places, script: Script) -> None:
    directory = places.config / "notifyees.d"
    directory.mkdir()
    texts = {
        "well": f'target = "{script.target}"\n',
        "syntax": "target = \n",
        "missing": f'target = "command:{places.base}/missing"\nrequired = true\n',
        "unloadable": 'target = "python:mprouter.names:no_such_attribute"\n',
        "disabled": f'target = "command:{places.base}/missing"\nenabled = false\n',
    }
    for name, text in texts.items():
        (directory / f"{name}.toml").write_text(text)
    found = {each["what"].partition(":")[0]: each for each in doctor("--fix").all}
    assert {name: each["code"] for name, each in found.items()} == {
        "user/syntax": "notifyee-broken",
        "user/missing": "notifyee-required-broken",
        "user/unloadable": "notifyee-broken",
        "user/disabled": "notifyee-disabled-broken",
    }
    assert script.told() == []


@pytest.mark.parametrize("text", ["target = \n", 'target = "command:/missing"\n', 'enabled = "\n'])
def test_the_command_that_does_without_a_broken_one_ends_the_finding(
    doctor: Examine, mpr: Command, places: Places, text: str
) -> None:
    for above in (places.config, places.system):
        (above / "notifyees.d").mkdir()
        (above / "notifyees.d" / "broken.toml").write_text(text)
    for each in doctor().all:
        program, *words = shlex.split(each["mend"].rpartition("to do without it: ")[2].strip("`"))
        assert (mpr(*words) if program == "mpr" else subprocess.run([program, *words], check=True)).returncode == 0
    assert doctor().codes <= {"notifyee-disabled-broken"}


def test_registrations_that_cannot_be_read(ordinary_doctor: Examine, ordinary_user: OrdinaryUser) -> None:
    directory = ordinary_user.places.system / "notifyees.d"
    ordinary_user.places.system.chmod(0o755)
    directory.mkdir(mode=0o700)
    assert ordinary_doctor().codes == {"notifyees-unreadable"}


CLINGING = """
import fcntl, os, pathlib, time
def hook(event):
    for each in os.listdir("/proc/self/fd"):  # as C code may that plays with all of its descriptors
        try:
            fcntl.fcntl(int(each), fcntl.F_SETFL, 0)
        except OSError:
            pass
    pathlib.Path({sign!r}).touch()
    time.sleep(3600)
"""


def test_a_host_that_outlives_its_router_is_ended_and_others_are_not(
    doctor: Examine, places: Places, resource: str
) -> None:
    sign = places.base / "told"
    (places.base / "clinging.py").write_text(CLINGING.format(sign=str(sign)))
    registration = places.config / "notifyees.d" / "clinging.toml"
    registration.parent.mkdir()
    registration.write_text(f'target = "python:{places.base}/clinging.py:hook"\nisolation = "process"\ntimeout = 600\n')

    def connecting(name: str) -> subprocess.Popen[bytes]:
        sign.unlink(missing_ok=True)
        command = [sys.executable, "-m", "mprouter", "connect", resource, name]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(sign.exists, "the call of the notifyee", 60)
        return process

    with connecting("Z:") as dying, connecting("Y:") as living:
        try:
            dying.kill()
            dying.wait()
            found = doctor()
            assert "runs python:" in found.one("host-orphaned")["what"]
            after = doctor("--fix")
            assert "host-orphaned" in after.mended
            assert "host-orphaned" not in after.codes
            assert living.poll() is None
        finally:
            living.kill()
