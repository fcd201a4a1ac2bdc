"""Everything works for an ordinary user too, whose mounts go through the setuid program fusermount3."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from sandbox import OrdinaryUser
from servers.sftp import SftpServer

TESTS = Path(__file__).parent
RULES = ("test_connections.py", "test_notifications.py")


def test_the_rules_of_connections_and_notifications_hold(ordinary_user: OrdinaryUser) -> None:
    copy = ordinary_user.places.base / "checkout"  # the user may not be able to read the checkout itself
    shutil.copytree(TESTS, copy / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(TESTS.parent / "pyproject.toml", copy)
    options: list[str | Path] = [
        "-q",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        copy,
        f"--basetemp={ordinary_user.places.home / 'tmp'}",
    ]
    tests = [copy / "tests" / name for name in RULES]
    options += ["--deselect", f"{tests[0]}::test_c4_of_two_processes_exactly_one_gets_the_local_name"]  # 100 processes
    run = ordinary_user.run(ordinary_user.python, "-m", "pytest", *options, *tests, timeout=300)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "passed" in run.stdout


def test_a_network_drive_from_password_to_disconnect(ordinary_user: OrdinaryUser, sftp_server: SftpServer) -> None:
    known = ordinary_user.places.home / "known_hosts"
    shutil.copy(sftp_server.known_hosts, known)
    known.chmod(0o644)
    connected = ordinary_user.mpr(
        *("connect", sftp_server.url(), "Z:", "--password-stdin", "-o", f"known_hosts={known}"),
        stdin=f"{sftp_server.password}\n",
    )
    assert connected.returncode == 0, connected.stderr
    file = ordinary_user.places.drives / "Z" / "written by an ordinary user"
    written = ordinary_user.run("/bin/sh", "-c", f'echo hello >"{file}" && stat -c %U "{file}"')
    assert written.stdout.strip() == ordinary_user.account.name
    assert ordinary_user.mpr("disconnect", "Z:").returncode == 0
    assert (sftp_server.root / file.name).read_text() == "hello\n"


def test_a_required_notifyee_that_others_can_change_lets_nothing_be_connected(ordinary_user: OrdinaryUser) -> None:
    home = ordinary_user.places.home
    ordinary_user.run("/bin/sh", "-c", f"mkdir {home}/data; printf '#!/bin/sh\\n' >{home}/hook; chmod 755 {home}/hook")
    assert ordinary_user.mpr("notify", "add", "hook", f"command:{home}/hook", "--required").returncode == 0
    assert ordinary_user.mpr("notify", "audit").returncode == 0
    ordinary_user.run("chmod", "775", home / "hook")

    refused = ordinary_user.mpr("connect", f"file://{home}/data", "Z:")
    assert refused.returncode == 1
    assert f"mend it: chmod g-w {home}/hook" in refused.stderr
    assert ordinary_user.mpr("notify", "audit").returncode == 1

    ordinary_user.run("chmod", "g-w", home / "hook")
    assert ordinary_user.mpr("connect", f"file://{home}/data", "Z:").returncode == 0
    assert ordinary_user.mpr("disconnect", "Z:").returncode == 0


def test_c6_a_cache_that_cannot_be_looked_into_is_not_an_empty_one(ordinary_user: OrdinaryUser) -> None:
    ordinary_user.run("mkdir", "-p", ordinary_user.places.state / "cache")
    (ordinary_user.places.state / "cache" / "vfsMeta").mkdir(mode=0o700)  # root's, as sudo may leave it
    for words in (["list"], ["list", "--unsent"], ["list", "--unsent", "--json"]):
        ran = ordinary_user.mpr(*words)
        assert ran.returncode == 1
        assert "vfsMeta" in ran.stdout + ran.stderr


def test_where_fusermount_may_not_mount_its_own_words_and_the_next_step_are_told(ordinary_user: OrdinaryUser) -> None:
    """As in a container without the capability, or in a service with NoNewPrivileges."""
    data = ordinary_user.places.home / "data"
    ordinary_user.run("mkdir", data)
    mpr = (ordinary_user.python, "-m", "mprouter")
    ran = ordinary_user.run("setpriv", "--no-new-privs", *mpr, "connect", f"file://{data}", "Z:")
    assert ran.returncode == 1
    assert "mounting is not allowed here: fusermount3: mount failed: Operation not permitted" in ran.stderr
    assert "a unit of systemd must have neither NoNewPrivileges=yes nor" in ran.stderr
    assert "a container needs --cap-add SYS_ADMIN" in ran.stderr


@pytest.mark.parametrize("words", [["connect", "{data}", "Y:"], ["browse", "{data}"]], ids=["connect", "browse"])
def test_a_service_that_may_not_mount_does_not_keep_others_from_it(
    ordinary_user: OrdinaryUser, words: list[str]
) -> None:
    data = ordinary_user.places.home / "data"
    ordinary_user.run("mkdir", data)
    barred = ("setpriv", "--no-new-privs", ordinary_user.python, "-m", "mprouter")
    ordinary_user.run(*barred, *(each.format(data=f"file://{data}") for each in words))
    ran = ordinary_user.mpr("connect", f"file://{data}", "Z:")
    assert ran.returncode == 0, ran.stderr

    refused = ordinary_user.run(*barred, "disconnect", "Z:")
    assert refused.returncode == 1
    assert "a unit of systemd must have neither NoNewPrivileges=yes nor" in refused.stderr
    assert ordinary_user.mpr("disconnect", "Z:").returncode == 0


def test_where_there_is_no_etc_mtab_is_disconnected_as_elsewhere(ordinary_user: OrdinaryUser, tmp_path: Path) -> None:
    """As in a container or chroot, where neither an installer nor systemd has made it, fusermount3 unmounts nothing."""
    account, home, drive = ordinary_user.account, ordinary_user.places.home, ordinary_user.places.drives / "Z"
    without = f"cp -a /etc {tmp_path}; rm -f {tmp_path}/etc/mtab; mount --bind {tmp_path}/etc /etc"
    mpr = f"{ordinary_user.python} -m mprouter"
    script = f"""
        mkdir {home}/data
        for forced in "" --force; do
            {mpr} connect file://{home}/data Z:
            echo written >>{drive}/file
            exec 3<{drive}
            {mpr} disconnect Z: && exit 3
            test "$forced" || exec 3<&-
            {mpr} disconnect Z: $forced
        done
        ! grep {ordinary_user.places.base} /proc/mounts
    """
    become = f"exec setpriv --reuid={account.uid} --regid={account.gid} --clear-groups sh -euc '{script}'"
    ran = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "sh", "-euc", f"{without}; {become}"],
        env={**os.environ, **ordinary_user.places.environment, **ordinary_user._variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert (home / "data" / "file").read_text() == "written\n" * 2


def test_c1_a_directory_that_may_not_be_read_is_no_local_name(ordinary_user: OrdinaryUser) -> None:
    closed = ordinary_user.places.home / "closed"
    ordinary_user.run("mkdir", "--mode=000", closed)
    ran = ordinary_user.mpr("connect", f"file://{ordinary_user.places.base}", closed)
    assert (ran.returncode, ran.stderr) == (1, f"mpr: {closed}: {closed} may not be read (ERROR_ACCESS_DENIED, 5)\n")


def test_as_many_processes_as_are_allowed_is_told_as_that(ordinary_user: OrdinaryUser) -> None:
    data = ordinary_user.places.home / "data"
    ordinary_user.run("mkdir", data)
    crowded = ("prlimit", "--nproc=1", ordinary_user.python, "-m", "mprouter")
    assert "rclone cannot be started: " in ordinary_user.run(*crowded, "connect", f"file://{data}", "Z:").stderr
    assert ordinary_user.mpr("connect", f"file://{data}", "Z:", "--persist").returncode == 0
    for words in (["browse"], ["doctor"], ["disconnect", "Z:"], ["disconnect", "--all"]):
        ran = ordinary_user.run(*crowded, *words)
        assert ran.returncode == 1
        assert "(ERROR_NOT_ENOUGH_MEMORY, 8); end other programs, or allow more" in ran.stderr, words
    assert "connected" in ordinary_user.mpr("list").stdout


def as_root(user: OrdinaryUser, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """As with ``sudo -E``."""
    mpr = [str(user.python), "-m", "mprouter", *words]
    environment = {**os.environ, **user.places.environment, **user._variables, **variables}
    return subprocess.run(mpr, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_root_makes_no_directories_of_its_own_in_those_of_a_user(ordinary_user: OrdinaryUser) -> None:
    """Where the user had none before, nothing of theirs could have written to ``~/.local`` any more."""
    home = ordinary_user.places.base / "new"
    home.mkdir()
    ordinary_user.account.own(home)
    elsewhere = {"HOME": str(home), "MPROUTER_STATE_DIR": "", "XDG_STATE_HOME": ""}
    by_sudo = {**elsewhere, "SUDO_UID": str(home.stat().st_uid)}
    ran = as_root(ordinary_user, "list", **by_sudo)
    assert ran.returncode == 1
    assert f"the directory {home} belongs to user {home.stat().st_uid}" in ran.stderr
    assert "run it as that user" in ran.stderr
    assert "directory-foreign" in as_root(ordinary_user, "doctor", "--json", **by_sudo).stdout
    assert not list(home.iterdir())
    assert as_root(ordinary_user, "list", **elsewhere).returncode == 0  # as in a container whose home is mounted


def test_root_that_calls_sudo_makes_its_own_directories(ordinary_user: OrdinaryUser) -> None:
    """As a script that has sudo before each command does in a container: then SUDO_UID is 0."""
    home = ordinary_user.places.base / "root"
    home.mkdir()
    by_sudo = {"HOME": str(home), "MPROUTER_STATE_DIR": "", "XDG_STATE_HOME": "", "SUDO_UID": "0"}
    ran = as_root(ordinary_user, "list", **by_sudo)
    assert ran.returncode == 0, ran.stderr
    assert list(home.iterdir())


def test_root_is_not_told_to_take_the_directories_of_a_user(ordinary_user: OrdinaryUser) -> None:
    assert ordinary_user.mpr("list").returncode == 0
    ran = as_root(ordinary_user, "list")
    assert ran.returncode == 1
    assert "chown" not in ran.stderr
    assert "run it as that user" in ran.stderr
