"""Programs that are looked for, and the rclone that is started."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mprouter import Router, Status, WNetError
from mprouter.processes import which, words
from mprouter.providers.rclone import daemon, program, rc
from mprouter.providers.rclone.mounts import links
from sandbox import Places
from servers.daemon import wait_for


@pytest.mark.parametrize("program", ["first", "second", "both", "text", "directory", "missing"])
def test_a_program_is_found_where_shutil_finds_it(
    program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    for place, programs in ((first, ["first", "both"]), (second, ["second", "both"])):
        place.mkdir()
        for each in programs:
            (place / each).touch(0o755)
    (first / "text").touch(0o644)
    (second / "directory").mkdir(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/none:{first}:{second}")
    assert which(program) == shutil.which(program)
    assert which(program, [str(second)]) == shutil.which(program, path=str(second))


def test_a_process_that_becomes_another_program_has_its_words() -> None:
    script = 'if test "$1" = 0; then read -r _; else exec sh -c "$0" "$0" $(($1 - 1)); fi'
    with subprocess.Popen(["sh", "-c", script, script, "300"], stdin=subprocess.PIPE) as shell:  # which ends when told
        found = words(shell.pid)
        while script.encode() in found and found[-1] != b"0":
            found = words(shell.pid)
        assert found == [b"sh", b"-c", *[script.encode()] * 2, b"0"]


def test_a_process_that_has_ended_has_no_words_and_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mprouter.processes.time.sleep", pytest.fail)
    with subprocess.Popen(["true"]) as ended:
        os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
        assert words(ended.pid) == []
    with pytest.raises(OSError, match="No such"):
        words(ended.pid)


def test_an_rclone_collects_its_garbage_as_soon_as_it_is_used(places: Places) -> None:
    del places  # they are in the environment
    started = daemon.obtain()
    told = started.call("debug/set-gc-percent", **{"gc-percent": daemon.GARBAGE})
    assert told["existing-gc-percent"] == daemon.GARBAGE


def test_the_log_of_an_rclone_does_not_grow_for_ever(
    places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "LOG_LIMIT", 1 << 20)
    with Router() as router, router.connect(tmp_path.as_uri()) as connection:
        name = connection.path / ("refused " * 30)
        for _ in range(12_000):  # 3 MiB of log
            with pytest.raises(OSError, match="Input/output error"):
                name.symlink_to("anything")
        logs = places.state.glob
        wait_for(lambda: len([*logs("rclone*.log")]) == 2, "the oldest log to go")
        assert sum(each.stat().st_size for each in logs("rclone*")) <= 2 << 20
        assert {each.stat().st_mode & 0o777 for each in logs("rclone*")} == {0o600}


def test_n15_a_secret_that_was_repeated_is_struck_out_of_an_old_log_too(places: Places) -> None:
    started = daemon.obtain()
    old = places.state / "rclone-2026-01-31T12-00-00.000.log"
    old.write_text("the server said: hunter2\n")
    started.strike_out(["hunter2"])
    assert old.read_text() == "the server said: *******\n"


def test_an_rclone_inherits_nothing_that_is_open_here(places: Places, tmp_path: Path) -> None:
    del places
    with (tmp_path / "lock").open("w") as file:
        os.set_inheritable(file.fileno(), True)
        started = daemon.obtain()
        assert str(tmp_path / "lock") not in set(links(Path(f"/proc/{started.pid}/fd").iterdir()))
    assert os.getsid(started.pid) != os.getsid(0)
    assert Path(f"/proc/{started.pid}/cwd").readlink() == Path("/")


def test_n15_an_rclone_inherits_no_secrets_and_no_options(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("TOKEN", "hunter2"), ("RCLONE_LOG_LEVEL", "DEBUG")):
        monkeypatch.setenv(name, value)
    started = daemon.obtain()
    inherited = {each.partition("=")[0] for each in Path(f"/proc/{started.pid}/environ").read_text().split("\0")}
    assert inherited.isdisjoint({"TOKEN", "RCLONE_LOG_LEVEL"})
    assert (places.runtime / "rclone.json").stat().st_mode & 0o777 == 0o600


def test_an_encrypted_configuration_of_rclone_keeps_nobody_from_connecting(places: Places, resource: str) -> None:
    file = places.home / ".config" / "rclone" / "rclone.conf"
    file.parent.mkdir(parents=True)
    file.write_text("# Encrypted rclone configuration File\n\nRCLONE_ENCRYPT_V0:\n" + "A" * 64 + "\n")
    with Router() as router, router.connect(resource) as connection:
        assert (connection.path / "README").read_text() == "hello\n"


def test_an_rclone_whose_id_cannot_be_written_down_starts_all_the_same(places: Places, tmp_path: Path) -> None:
    (places.runtime / "rclone.pid").mkdir(parents=True)
    with Router() as router, router.connect(tmp_path.as_uri()):
        assert not daemon.strays()


def test_a_program_that_ends_its_children_by_itself_gets_one(places: Places, tmp_path: Path) -> None:
    del places
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        with Router() as router, router.connect(tmp_path.as_uri()) as connection:
            assert connection.path.is_dir()
    finally:
        signal.signal(signal.SIGCHLD, before)


class Person:
    """Who notes that they were asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def ask_password(self, prompt: str) -> str | None:
        self.asked.append(prompt)
        return None

    def confirm(self, question: str) -> bool:
        self.asked.append(question)
        return False


@pytest.mark.parametrize("remote", ["s3://bucket/x", "dav://127.0.0.1:1/", "sftp://127.0.0.1:1/"])
def test_r5_an_rclone_that_does_not_start_is_told_before_all_else(
    remote: str, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = places.home / "rclone"
    broken.write_text("#!/bin/sh\necho it is broken >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(program, "_binary", lambda: str(broken))
    person = Person()
    with Router() as router, pytest.raises(WNetError, match="rclone did not start: it is broken") as failed:
        router.connect(remote, user="ana", conversation=person)
    assert failed.value.status is Status.ERROR_SERVICE_NOT_FOUND
    assert person.asked == []


@pytest.mark.parametrize("closed", ["<&-", ">&-", "<&- >&- 2>&-"])
def test_an_rclone_starts_where_standard_input_or_output_is_closed(closed: str, places: Places, tmp_path: Path) -> None:
    command = f"{sys.executable} -m mprouter connect file://{tmp_path} Z: {closed}"
    subprocess.run(["sh", "-c", command], check=True)
    (tmp_path / "there").touch()
    assert (places.drives / "Z" / "there").exists()


@pytest.mark.parametrize("option", ["--user", "--target"])
def test_an_rclone_is_found_where_pip_has_put_it(option: str, tmp_path: Path) -> None:
    base: str = sys._base_executable  # type: ignore[attr-defined]  # without our virtual environment
    environment = {"PYTHONUSERBASE": str(tmp_path), "PATH": ""}

    def said(code: str) -> list[str]:
        command = [base, "-c", f"import sysconfig; {code}"]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.split()

    packages, scripts = tmp_path, tmp_path / "bin"
    if option == "--user":
        user = "sysconfig.get_preferred_scheme('user')"
        code = f"print(*(sysconfig.get_path(each, {user}) for each in ('purelib', 'scripts')))"
        packages, scripts = map(Path, said(code))
    else:
        environment["PYTHONPATH"] = str(packages)
    for place in (packages, scripts):
        place.mkdir(parents=True, exist_ok=True)
    (packages / "mprouter").symlink_to(Path(daemon.__file__).parents[2])
    (scripts / "rclone").touch(0o755)
    assert str(scripts / "rclone") in said("from mprouter.providers.rclone import program; print(*program.binaries())")


def test_the_version_of_an_rclone_is_the_one_that_it_tells(places: Places) -> None:
    del places
    started = daemon.obtain()
    assert list(started.version) == started.call("core/version")["decomposed"][:2]
    assert rc.version(started.socket) == started.version
