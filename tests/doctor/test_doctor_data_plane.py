"""The doctor on the data plane: FUSE, rclone, its process, mounts and unsent data, each broken for real."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from diagnosis import Examine, Report, as_an_ordinary_user
from mprouter import Router, faults, processes
from mprouter.doctor import records
from mprouter.places import private
from mprouter.providers.rclone import daemon, hold
from mprouter.providers.rclone.health import mounts
from mprouter.providers.rclone.mounts import served_by
from mprouter.providers.rclone.unsent import note
from sandbox import Command, OrdinaryUser, Places
from servers import sftp
from servers.daemon import Fresh, end, wait_for

PACKAGED = Path(sys.executable).with_name("rclone")


@pytest.fixture
def connected(mpr: Command, places: Places, resource: str) -> Path:
    """The directory of Z:."""
    assert mpr("connect", resource, "Z:").returncode == 0
    return places.drives / "Z"


def rclone_pid(places: Places) -> int:
    return int(json.loads((places.runtime / "rclone.json").read_text())["pid"])


def kill_rclone(places: Places) -> None:
    pid = rclone_pid(places)
    os.kill(pid, signal.SIGKILL)
    end([pid])


def forget_connections(places: Places) -> None:
    """As after the store was removed by hand."""
    with closing(sqlite3.connect(places.state / "mprouter.db")) as db, db:
        db.execute("DELETE FROM connections")


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        stats = list(Path(f"/proc/{pid}/task").glob("*/stat"))
        wait_for(lambda: all(each.read_bytes().rpartition(b")")[2].split()[0] == b"T" for each in stats), "the stop")
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


# -- FUSE


def test_no_device(doctor: Examine, places: Places) -> None:
    dev = places.base / "dev"
    dev.mkdir()
    commands = f"mount -t tmpfs none {dev}; for each in null zero urandom; do touch {dev}/$each"
    commands += f"; mount --bind /dev/$each {dev}/$each; done; mount --rbind {dev} /dev"
    assert doctor(commands=commands).codes == {"fuse-device-missing"}


def test_no_proc(ordinary_user: OrdinaryUser) -> None:
    script = f"""
        mpr() {{ {ordinary_user.python} -m mprouter "$@"; }}
        mpr connect file://{ordinary_user.places.home} Z:
        mpr doctor --json
    """
    ran = as_an_ordinary_user(ordinary_user, "mount -t tmpfs none /proc", script=script)
    assert "the file system /proc is not there" in ran.stderr
    assert "proc-missing" in ran.stdout
    assert not ordinary_user.places.processes()  # no rclone that nobody would find again


def test_a_device_that_the_user_may_not_open(ordinary_doctor: Examine, tmp_path: Path) -> None:
    (tmp_path / "fuse").touch(0o600)
    commands = f"mount --bind {shlex.quote(str(tmp_path / 'fuse'))} /dev/fuse"
    assert ordinary_doctor(commands=commands).codes == {"fuse-device-forbidden"}


def test_no_fusermount(doctor: Examine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert doctor().codes == {"fusermount-missing"}


def test_a_fusermount_without_its_rights(
    ordinary_doctor: Examine, ordinary_user: OrdinaryUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = shutil.which("fusermount3")
    assert found is not None
    copy = ordinary_user.places.home / "fusermount3"
    shutil.copyfile(found, copy)
    copy.chmod(0o755)
    monkeypatch.setenv("PATH", f"{copy.parent}:{os.environ['PATH']}")
    assert ordinary_doctor().one("fusermount-powerless")["mend"].startswith(f"as root: `chown root {copy} && chmod u+s")


def test_a_service_that_gets_no_more_rights(ordinary_user: OrdinaryUser) -> None:
    ran = ordinary_user.run("setpriv", "--no-new-privs", ordinary_user.python, "-m", "mprouter", "doctor", "--json")
    assert "fusermount-barred" in ran.stdout
    assert "NoNewPrivileges=no" in ran.stdout
    assert "fusermount-barred" not in ordinary_user.mpr("doctor", "--json").stdout


def test_as_many_mounts_as_are_allowed(ordinary_doctor: Examine, ordinary_user: OrdinaryUser) -> None:
    places = ordinary_user.places
    ordinary_user.run("mkdir", places.home / "data")
    assert ordinary_user.mpr("connect", f"file://{places.home}/data", "Z:").returncode == 0
    (places.base / "fuse.conf").write_text("# two words\nuser_allow_other\nmount_max = 1\n")
    (places.base / "fuse.conf").chmod(0o644)
    commands = f"mount --bind {places.base}/fuse.conf /etc/fuse.conf"
    assert ordinary_doctor(commands=commands).one("fuse-mounts-exhausted")["what"].endswith(" of 1 FUSE mounts")


@pytest.mark.parametrize(("allowed", "status"), [(0, "ERROR_BUSY, 170"), (-1, None)], ids=["none", "any number"])
def test_what_the_doctor_says_of_the_number_of_mounts_a_connect_says_too(
    allowed: int, status: str | None, ordinary_doctor: Examine, ordinary_user: OrdinaryUser
) -> None:
    places = ordinary_user.places
    ordinary_user.run("mkdir", places.home / "data")
    (places.base / "fuse.conf").write_text(f"mount_max = {allowed}\n")
    (places.base / "fuse.conf").chmod(0o644)
    commands = f"mount --bind {places.base}/fuse.conf /etc/fuse.conf"
    ran = as_an_ordinary_user(ordinary_user, commands, "connect", f"file://{places.home}/data", "Z:")
    assert (ran.returncode == 0) == (status is None)
    assert status is None or f": no more mounts are allowed ({status}); see mount_max in fuse.conf\n" in ran.stderr
    assert ("fuse-mounts-exhausted" in ordinary_doctor(commands=commands).codes) == (status is not None)


def test_what_is_connected_can_be_disconnected_though_no_more_mounts_are_allowed(ordinary_user: OrdinaryUser) -> None:
    places = ordinary_user.places
    ordinary_user.run("mkdir", places.home / "data")
    (places.base / "fuse.conf").write_text("mount_max = 1\n")
    (places.base / "fuse.conf").chmod(0o644)
    mpr = f"{ordinary_user.python} -m mprouter"
    script = f"{mpr} connect file://{places.home}/data Z:; {mpr} disconnect Z:; {mpr} disconnect Z: --later; {mpr} list"
    others_go = "umount --all --lazy --types fuse,fuse.rclone,fuse.sshfs"  # they come and go, and would be counted
    commands = f"mount --bind {places.base}/fuse.conf /etc/fuse.conf; {others_go} || true"
    ran = as_an_ordinary_user(ordinary_user, commands, script=script)
    assert ": no more mounts are allowed, and while all is sent there has to be one more" in ran.stderr
    assert "Z: disconnected" in ran.stdout
    assert ran.stdout.endswith("Nothing is connected.\n")


# -- rclone


def fake_rclone(directory: Path, says: str) -> Path:
    program = directory / "rclone"
    program.write_text(f"#!/bin/sh\n{says}\n")
    program.chmod(0o755)
    return program


def test_no_rclone(doctor: Examine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin:/usr/sbin:/sbin")
    if shutil.which("rclone") is None:
        assert doctor(commands=f"mount --bind /dev/null {shlex.quote(str(PACKAGED))}").codes == {"rclone-missing"}


@pytest.mark.parametrize(
    ("says", "code"), [("exit 1", "rclone-unusable"), ("echo rclone v1.69.3", "rclone-too-old")], ids=["broken", "old"]
)
def test_an_rclone_that_cannot_be_used(doctor: Examine, places: Places, says: str, code: str) -> None:
    fake = fake_rclone(places.home, says)
    assert code in doctor(commands=f"mount --bind {fake} {shlex.quote(str(PACKAGED))}").codes


def test_the_newest_of_several_is_named(doctor: Examine, places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = fake_rclone(places.home, "echo rclone v1.60.1")
    monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")
    found = doctor()
    assert found.codes == {"rclone-several"}
    assert found.all[0]["what"].endswith(f"is used, and not {fake} (1.60.1)")


# -- its process


def test_a_socket_whose_path_is_too_long(doctor: Examine, places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPROUTER_RUNTIME_DIR", str(places.runtime / ("x" * 100)))
    assert doctor().codes == {"socket-path-too-long"}


def test_a_directory_that_rclone_cannot_name(doctor: Examine, places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPROUTER_RUNTIME_DIR", f"{places.runtime}/\udcff")
    (found,) = doctor().all
    assert (found["code"], found["mend"]) == ("directory-not-utf-8", "set MPROUTER_RUNTIME_DIR to another directory")


def test_an_rclone_killed_while_it_has_mounts(
    doctor: Examine, mpr: Command, places: Places, resource: str, connected: Path
) -> None:
    assert mpr("connect", resource).returncode == 0
    (connected / "report").write_text("important")
    kill_rclone(places)
    lost = {"connection-lost", "connection-lost-deviceless", "unsent-kept"}
    found = doctor()
    assert found.codes == lost | {"rclone-died"}
    assert found.one("unsent-kept")["what"] == f"1 file with 9 bytes for {resource}: not sent"
    assert found.one("unsent-kept")["mend"].startswith(f"`mpr connect {shlex.quote(resource)}`")
    assert len(places.mounts()) == 2

    after = doctor("--fix")
    assert (after.mended, after.codes) == ({"rclone-died"}, lost)
    assert len(places.mounts()) == 2  # so that no program writes into an empty directory

    assert mpr("disconnect", resource).returncode == 0
    assert mpr("connect", resource, "Z:").returncode == 0
    assert places.mounts() == [str(connected)]
    assert mpr("disconnect", "Z:").returncode == 0
    assert (Path(resource.removeprefix("file://").replace("%20", " ")) / "report").read_text() == "important"
    assert doctor().codes == set()


def test_a_lost_connection_that_is_remembered_is_restored(
    doctor: Examine, mpr: Command, places: Places, resource: str
) -> None:
    assert mpr("connect", resource, "Z:", "--persist").returncode == 0
    kill_rclone(places)
    assert doctor("--fix").one("connection-lost-remembered")["mend"].startswith("`mpr restore Z:` connects it again")
    assert mpr("restore", "Z:").returncode == 0
    assert doctor().codes == set()


def test_where_the_kernel_does_not_tell_who_serves_a_mount_rclone_does(
    doctor: Examine, places: Places, resource: str, connected: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kill_rclone(places)
    forget_connections(places)
    with Router() as router:
        router.connect(resource, "Y:")
    assert doctor().codes == {"mount-dead"}
    pid, told = rclone_pid(places), mounts._devices
    monkeypatch.setattr(  # as before Linux 6.13
        mounts, "_devices", lambda of: (None for _ in range(served_by(pid))) if of.name == str(pid) else told(of)
    )
    (finding,) = (each for each in mounts.look(records.known) if each.code == "mount-dead")
    assert finding.what == f"the mount on {connected} is dead"
    monkeypatch.setattr(mounts, "PATIENCE", 0.1)
    with stopped(pid):  # it may be it that serves the mount
        assert list(mounts.look(list)) == []


def test_dead_mounts_of_no_connection_are_taken_away_for_an_ordinary_user_too(
    ordinary_doctor: Examine, ordinary_user: OrdinaryUser
) -> None:
    places = ordinary_user.places
    ordinary_user.run("mkdir", places.home / "data")
    assert ordinary_user.mpr("connect", f"file://{places.home}/data", "Z:").returncode == 0
    kill_rclone(places)
    forget_connections(places)
    assert ordinary_doctor().codes == {"rclone-died", "mount-dead"}
    assert ordinary_doctor("--fix").codes == {"drive-left"}
    assert places.mounts() == []
    assert list((places.drives / "Z").iterdir()) == []  # no "Transport endpoint is not connected"


def test_mounts_of_others_and_in_other_places_are_nobody_s_business(
    doctor: Examine, places: Places, tmp_path: Path, connected: Path
) -> None:
    own = places.home / "own"
    own.mkdir()
    command: list[str | Path] = [PACKAGED, "mount", "--config=", tmp_path, own]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        wait_for(lambda: str(own) in places.mounts(), "the mount")
        assert doctor().codes == set()
        running.kill()
    assert doctor("--fix").codes == set()
    assert str(own) in places.mounts()
    assert str(connected) in places.mounts()


def test_a_dead_mount_below_a_living_one_is_left_alone(doctor: Examine, places: Places, connected: Path) -> None:
    kill_rclone(places)
    forget_connections(places)
    subprocess.run(["mount", "-t", "tmpfs", "none", connected], check=True)
    try:
        assert "mount-dead" not in doctor("--fix").codes
        assert places.mounts() == [str(connected)] * 2
    finally:
        subprocess.run(["umount", connected], check=True)


def test_an_rclone_that_hangs_holds_nobody(doctor: Examine, places: Places, connected: Path) -> None:
    pid = rclone_pid(places)
    with stopped(pid):
        found = doctor("--fix")
        assert found.codes == {"rclone-silent"}
        assert found.all[0]["mend"].startswith(f"let it go on: `kill -CONT {pid}`")
        assert str(connected) in places.mounts()
    assert doctor().codes == set()


def test_an_rclone_whose_socket_is_gone(doctor: Examine, places: Places, connected: Path) -> None:
    (places.runtime / "rclone.sock").unlink()
    found = doctor("--fix")
    assert found.codes == {"rclone-unreachable"}
    assert (connected / "README").read_text() == "hello\n"


def test_an_rclone_that_was_not_written_down_is_used_by_the_next(
    doctor: Examine, mpr: Command, places: Places, connected: Path, resource: str
) -> None:
    (places.runtime / "rclone.json").unlink()
    assert doctor("--fix").codes == {"rclone-unrecorded"}
    assert mpr("connect", resource).returncode == 0
    assert doctor().codes == set()
    assert (connected / "README").exists()


def test_a_record_that_makes_no_sense_is_removed(doctor: Examine, places: Places) -> None:
    (places.runtime / "rclone.json").write_text("{")
    assert doctor().codes == {"rclone-died"}
    assert doctor("--fix").codes == set()
    assert not (places.runtime / "rclone.json").exists()


def test_a_forgotten_rclone_is_ended_once_it_is_idle(
    doctor: Examine, mpr: Command, places: Places, connected: Path, resource: str
) -> None:
    pid = rclone_pid(places)
    for name in ("rclone.json", "rclone.sock"):
        (places.runtime / name).unlink()
    assert mpr("connect", resource).returncode == 0  # by another one
    assert doctor("--fix").codes == {"rclone-stray"}
    assert (connected / "README").exists()
    subprocess.run(["fusermount3", "-u", connected], check=True)
    wait_for(lambda: "rclone-stray-idle" in doctor().codes, "the end of the mount")
    after = doctor("--fix")
    assert (after.mended, after.codes) == ({"rclone-stray-idle"}, {"connection-lost"})
    assert processes.started_at(pid) is None
    assert processes.started_at(rclone_pid(places)) is not None


def test_an_rclone_older_than_the_installed_one_is_ended_once_it_is_idle(
    doctor: Examine, mpr: Command, places: Places, connected: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = fake_rclone(places.home, "echo rclone v9.9.9")
    monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")
    assert doctor("--fix").codes == {"rclone-outdated", "rclone-several"}
    assert (connected / "README").exists()
    assert mpr("disconnect", "Z:").returncode == 0
    wait_for(lambda: doctor().one("rclone-outdated")["fixable"], "the end of the mount")
    after = doctor("--fix")
    assert (after.mended, after.codes) == ({"rclone-outdated"}, {"rclone-several"})
    assert not (places.runtime / "rclone.json").exists()


def test_an_rclone_that_does_not_know_what_this_system_trusts_by_now_is_ended_once_it_is_idle(
    doctor: Examine, mpr: Command, places: Places, connected: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trusted = places.home / "trusted.pem"
    for variable, value in (("SSL_CERT_DIR", f"/nowhere:{trusted}"), ("SSL_CERT_FILE", str(trusted))):
        trusted.touch()
        os.utime(trusted, (1, 1))
        monkeypatch.setenv(variable, value)
        assert doctor().codes == set()
        trusted.touch()
        assert doctor("--fix").codes == {"rclone-distrustful"}
    assert (connected / "README").exists()
    assert mpr("disconnect", "Z:").returncode == 0
    wait_for(lambda: doctor().one("rclone-distrustful")["fixable"], "the end of the mount")
    assert doctor("--fix").mended == {"rclone-distrustful"}
    assert not (places.runtime / "rclone.json").exists()


def test_an_rclone_with_which_somebody_connects_just_now_is_not_ended(
    doctor: Examine, places: Places, resource: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = fake_rclone(places.home, "echo rclone v9.9.9")
    examined: list[Report] = []

    def reached(point: str) -> None:  # in which a person may be asked for a password
        if point == "logged on":
            examined.append(doctor("--fix"))

    with Router() as router:
        router.connect(resource).close()
        monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")
        monkeypatch.setattr(faults, "hook", reached)
        connection = router.connect(resource, "Z:")
        assert (connection.path / "README").exists()
    (tried,) = examined
    (left,) = tried.shown["not_mended"]
    assert (left["code"], left["reason"]) == ("rclone-outdated", "it has mounts by now, or somebody is connecting")
    assert not tried.shown["mended"]
    assert "rclone-outdated" in tried.codes


# -- mounts


def test_a_mount_that_no_connection_owns_is_reported_and_left(doctor: Examine, places: Places, connected: Path) -> None:
    forget_connections(places)
    assert doctor("--fix").one("mount-unowned")["mend"].endswith(f"`fusermount3 -u {connected}`")
    assert (connected / "README").exists()


def test_a_store_that_cannot_be_read_makes_no_mount_a_stray(doctor: Examine, places: Places, connected: Path) -> None:
    for file in places.state.glob("mprouter.db*"):
        file.unlink()
    (places.state / "mprouter.db").write_text("no database " * 100)
    assert doctor("--fix").codes == {"store-damaged", "store-unread"}
    assert (connected / "README").exists()


def test_holds_of_dead_processes(doctor: Examine, places: Places, connected: Path) -> None:
    empty, mounted = (places.runtime / "hold" / f"999999-1-{number}" for number in (1, 2))
    for each in (empty.parent, empty, mounted):
        each.mkdir(mode=0o700)
    rclone = daemon.running()
    assert rclone is not None
    (fs,) = rclone.call("vfs/list")["vfses"]
    hold.mount(rclone, fs, mounted, "abandoned")
    assert doctor().codes == {"hold-left", "hold-abandoned"}
    after = doctor("--fix")
    assert (after.mended, after.codes) == ({"hold-left", "hold-abandoned"}, set())
    assert (empty.exists(), mounted.exists()) == (False, False)
    assert (connected / "README").exists()

    mounted.mkdir(mode=0o700)
    hold.mount(rclone, fs, mounted, "abandoned")
    kill_rclone(places)
    assert doctor("--fix").codes == {"connection-lost"}  # one round takes the mount away, the next the directory
    assert not mounted.exists()
    assert places.mounts() == [str(connected)]


# -- unsent data


def test_data_on_its_way_is_noted(doctor: Examine, mpr: Command, connected: Path) -> None:
    with (connected / "report").open("w") as file:
        file.write("important")
        file.flush()
        wait_for(lambda: doctor().codes == {"unsent-waiting"}, "the note")
    assert mpr("disconnect", "Z:").returncode == 0
    assert doctor().codes == set()


def test_data_that_the_server_does_not_take_is_reported_until_it_does(
    doctor: Examine, mpr: Command, places: Places, fresh: Fresh
) -> None:
    server = fresh(sftp.serve)
    known = f"known_hosts={server.known_hosts}"
    ran = mpr("connect", server.url(), "Z:", "--password-stdin", "-o", known, stdin=f"{server.password}\n")
    assert ran.returncode == 0, ran.stderr
    with (places.drives / "Z" / "report").open("w") as file:
        file.write("important")
        file.flush()
        server.stop()
    wait_for(lambda: "unsent-failing" in doctor().codes, "the failure", 90)
    assert f"9 bytes for {server.url()}: the server does not take it" in doctor("--fix").one("unsent-failing")["what"]
    server.start()
    wait_for(lambda: doctor().codes == set(), "the delivery", 90)
    assert (server.root / "report").read_text() == "important"


def test_what_is_left_of_a_forgotten_connection_is_described(
    doctor: Examine, mpr: Command, places: Places, connected: Path, resource: str
) -> None:
    (connected / "report").write_text("important")
    kill_rclone(places)
    assert mpr("disconnect", "Z:").returncode == 0
    found = doctor("--fix")
    assert found.codes == {"unsent-kept", "rclone-died"} - found.mended
    assert f"`mpr connect {shlex.quote(resource)}`" in found.one("unsent-kept")["mend"]


def test_files_that_were_put_aside_are_named_and_kept(doctor: Examine, places: Places) -> None:
    cache, fs = private(places.state / "cache"), "mpr-sftp ana@files 0123456789ab{XyZ}"
    note(cache, f"{fs}:home", "sftp://files/home", "ana")
    aside = cache / "damaged" / fs / "home" / "the thesis"
    aside.parent.mkdir(parents=True)
    aside.touch()
    found = doctor("--fix").one("unsent-aside")
    assert found["what"] == f"{aside}, written to sftp://files/home, is not whole"
    assert found["mend"].endswith(f"`ls -l '{aside}'`")
    assert aside.exists()
