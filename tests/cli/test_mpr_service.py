"""``mpr service``: units that systemd accepts and whose commands do what they should, and what is said of them."""

from __future__ import annotations

import errno
import json
import os
import re
import shlex
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import mprouter
from mprouter import Status, WNetError
from mprouter.providers.rclone import daemon
from mprouter.service import MARK, Kind, Unit, install
from sandbox import Command, OrdinaryUser, Places
from servers.account import Account

MPR = Path(sys.executable).with_name("mpr")


@pytest.fixture
def unit(places: Places) -> Path:
    """Where the user's unit is, or is to be."""
    return places.home / ".config" / "systemd" / "user" / "mprouter.service"


@pytest.fixture
def systemctl(places: Places, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A systemctl whose systemd runs, which writes down what it is told; returns where. None runs where tests do."""
    log = places.base / "systemctl.log"
    stand_in(
        places,
        monkeypatch,
        "systemctl",
        f'echo "$@" >>{log}\n'
        'case "$*" in *is-system-running) echo degraded; exit 1;; *is-enabled*) echo enabled;;'
        " *is-active*) echo active;; esac",
    )
    return log


def stand_in(places: Places, monkeypatch: pytest.MonkeyPatch, name: str, commands: str) -> None:
    """Put a program before all others of that name."""
    directory = places.base / "bin"
    directory.mkdir(exist_ok=True)
    (directory / name).write_text(f"#!/bin/sh\n{commands}\n")
    (directory / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")


def settings(text: str) -> dict[str, list[str]]:
    """The settings of a unit, each as often as it stands there."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if not line.startswith(("#", "[")) and line:
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


def run_as_systemd(unit: Path, key: str) -> subprocess.CompletedProcess[str]:
    """Run the last command line *key* of the unit with what it has for environment."""
    found = settings(unit.read_text())
    words = [word.replace("%%", "%").replace("$$", "$") for word in shlex.split(found[key][-1].removeprefix("-"))]
    variables = [shlex.split(value)[0].replace("%%", "%") for value in found["Environment"]]
    environment = {name: os.environ[name] for name in ("HOME", "PATH", "XDG_RUNTIME_DIR")}
    environment |= dict(variable.split("=", 1) for variable in variables)
    return subprocess.run(words, env=environment, cwd="/", capture_output=True, text=True, timeout=120, check=False)


def test_from_login_to_logout(mpr: Command, places: Places, unit: Path, tmp_path: Path) -> None:
    for letter in "YZ":
        (tmp_path / letter).mkdir()
        mpr("connect", (tmp_path / letter).as_uri(), f"{letter}:", "--persist")
    mpr("disconnect", "--all")
    (tmp_path / "Y").rmdir()  # that one cannot be restored
    assert mpr("service", "install").returncode == 0

    restored = run_as_systemd(unit, "ExecStart")
    assert (restored.returncode, restored.stdout.split(" ")[0]) == (1, "Z:")
    assert restored.stderr.startswith("mpr: Y: is not restored: ")
    (places.drives / "Z" / "closed").write_text("all of it")
    with (places.drives / "Z" / "open").open("w"):
        ended = run_as_systemd(unit, "ExecStopPost")
        assert (ended.returncode, ended.stdout) == (0, "Z: disconnected\n")
    assert (tmp_path / "Z" / "closed").read_text() == "all of it"
    assert places.mounts() == []
    assert "Z:" in mpr("list", "--remembered").stdout


def test_a_failure_does_not_fail_the_unit_and_nothing_is_killed_before_all_is_delivered(
    mpr: Command, unit: Path
) -> None:
    mpr("service", "install")
    found = settings(unit.read_text())
    assert found["ExecStart"] == [f"-{MPR} service keep", f"-{MPR} provider logon", f"-{MPR} restore --wait auto"]
    assert found["ExecStopPost"] == [f"-{MPR} service wait", f"-{MPR} disconnect --all --force"]
    assert (found["Type"], found["RemainAfterExit"], found["KillMode"]) == (["oneshot"], ["yes"], ["process"])
    assert found["WantedBy"] == ["default.target"]


def test_systemd_accepts_it_with_any_path(
    mpr: Command, places: Places, unit: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = places.base / 'a "b" %h $HOME\\n é'
    monkeypatch.setenv("MPROUTER_STATE_DIR", str(odd))
    assert mpr("service", "install").returncode == 0
    ran = subprocess.run(["systemd-analyze", "--user", "verify", unit], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    (line,) = [value for value in settings(unit.read_text())["Environment"] if "STATE_DIR" in value]
    assert line == '"MPROUTER_STATE_DIR=' + str(odd).replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%") + '"'


@pytest.mark.parametrize("odd", ["a'b", 'a"b', "a\\b", "a'b=c $HOME 5%", "a b", "5%h", "a$HOME"])
def test_systemd_accepts_an_installation_in_any_path(
    places: Places, unit: Path, monkeypatch: pytest.MonkeyPatch, odd: str
) -> None:
    script = places.base / odd / "mpr"
    script.parent.mkdir()
    script.write_text('#!/bin/sh\nprintf "%s\\n" "$0" "$@"\n')
    script.chmod(0o755)
    monkeypatch.setattr("mprouter.service.program", lambda: [str(script)])
    assert not install(Unit(Kind.USER))
    ran = subprocess.run(["systemd-analyze", "--user", "verify", unit], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert run_as_systemd(unit, "ExecStart").stdout.splitlines() == [str(script), "restore", "--wait", "auto"]


@pytest.mark.parametrize("step", ["write_text", "chmod", "replace"])
def test_a_unit_that_cannot_be_written_leaves_nothing_beside_it(
    unit: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    real = getattr(Path, step)

    def refuse(path: Path, *_: object, **__: object) -> None:
        if step == "write_text":
            real(path, "half of it")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)

    with monkeypatch.context() as patched:
        patched.setattr(Path, step, refuse)
        with pytest.raises(WNetError) as caught:
            install(Unit(Kind.USER))
    assert caught.value.status is Status.ERROR_DISK_FULL
    assert list(unit.parent.iterdir()) == []


def test_where_no_systemd_runs_it_is_written_and_said_how_to_enable_it(mpr: Command, unit: Path) -> None:
    absent = mpr("service", "status")
    assert absent.returncode == 1
    assert f"{unit} is not installed; to install it: mpr service install\n" in absent.stdout
    ran = mpr("service", "install")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.splitlines() == [
        f"{unit} is written",
        "No systemd runs here that could be told. Where one does: systemctl --user enable --now mprouter.service",
    ]
    status = mpr("service", "status")
    assert status.returncode == 0
    assert status.stdout == f"{unit} is installed and up to date\nNo systemd runs here that could be asked.\n"
    assert mpr("service", "install").returncode == 0  # again
    assert mpr("service", "remove").stdout == f"{unit} is removed\n"
    assert not unit.exists()


def test_where_systemd_runs_it_is_told_and_asked(mpr: Command, unit: Path, systemctl: Path) -> None:
    assert mpr("service", "install").stdout == f"{unit} is written, and in use\n"
    assert systemctl.read_text().splitlines() == [
        "--user is-system-running",
        "--user daemon-reload",
        "--user enable mprouter.service",
        "--user start --no-block mprouter.service",
    ]
    assert mpr("service", "status").stdout.splitlines()[-1] == "mprouter.service: enabled, active"
    shown = json.loads(mpr("service", "status", "--json").stdout)
    assert shown == {
        "path": str(unit),
        "installed": True,
        "ours": True,
        "current": True,
        "systemd": True,
        "enabled": {"mprouter.service": "enabled"},
        "active": {"mprouter.service": "active"},
    }
    link = unit.parent / "default.target.wants" / unit.name
    link.parent.mkdir()
    link.symlink_to(unit)
    mpr("service", "remove")
    assert not link.is_symlink()
    assert systemctl.read_text().splitlines()[-1] == "--user daemon-reload"


def test_what_systemd_refuses_is_an_error(mpr: Command, places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    refusing = 'case "$2" in is-system-running) echo running;; enable) echo Not today. >&2; exit 1;; esac'
    stand_in(places, monkeypatch, "systemctl", refusing)
    ran = mpr("service", "install")
    assert ran.returncode == 1
    assert "systemctl enable mprouter.service failed: Not today. (ERROR_EXTENDED_ERROR, 1208)" in ran.stderr


def test_systemd_may_speak_in_the_letters_of_another_locale(
    mpr: Command, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusing = r"""printf 'Ger\344t\n' >&2; case "$2" in is-system-running) echo running;; enable) exit 1;; esac"""
    stand_in(places, monkeypatch, "systemctl", refusing)
    ran = mpr("service", "install")
    assert "systemctl enable mprouter.service failed: Ger" in ran.stderr
    assert "ERROR_EXTENDED_ERROR" in ran.stderr
    stand_in(places, monkeypatch, "systemctl", r"printf 'Ger\344t\n' >&2; echo active")
    assert daemon.obtain() == daemon.running()


def test_one_that_is_out_of_date_is_told(mpr: Command, unit: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mpr("service", "install")
    monkeypatch.setenv("RCLONE_CONFIG", "/elsewhere")
    status = mpr("service", "status")
    assert status.returncode == 1
    assert f"{unit} is not as this mpr would write it; to write it again: mpr service install\n" in status.stdout
    mpr("service", "install")
    assert mpr("service", "status").returncode == 0


@pytest.mark.parametrize("masked", [False, True])
def test_a_unit_of_somebody_else_stays_unless_forced(mpr: Command, unit: Path, masked: bool) -> None:
    unit.parent.mkdir(parents=True)
    if masked:
        unit.symlink_to("/dev/null")
    else:
        unit.write_text("[Service]\nExecStart=/bin/true\n")
    for command in ("install", "remove"):
        ran = mpr("service", command)
        assert ran.returncode == 1
        assert "somebody else has written this unit (ERROR_ALREADY_ASSIGNED, 85)" in ran.stderr
    assert unit.is_symlink() == masked
    assert "is not from mpr" in mpr("service", "status").stdout
    assert mpr("service", "install", "--force").returncode == 0
    assert unit.read_text().startswith(MARK)
    assert Path("/dev/null").is_char_device()


def test_what_is_not_there_cannot_be_removed(mpr: Command) -> None:
    ran = mpr("service", "remove")
    assert ran.returncode == 1
    assert "ERROR_NOT_FOUND, 1168" in ran.stderr


def test_what_cannot_be_written_is_said(mpr: Command, unit: Path, ordinary_user: OrdinaryUser) -> None:
    unit.parent.parent.parent.mkdir(exist_ok=True)
    unit.parent.parent.touch()
    assert "(ERROR_WRITE_FAULT, 29)" in mpr("service", "install").stderr
    refused = ordinary_user.mpr("service", "install", "--global")
    assert refused.returncode == 1
    assert "(ERROR_ACCESS_DENIED, 5); that takes root: use sudo" in refused.stderr


def in_etc_of_its_own(*lines: str) -> subprocess.CompletedProcess[str]:
    """Run a script with the directories of the system's units empty, and changes to them gone at the end."""
    mounts = [f"mount -t tmpfs none /etc/systemd/{each}" for each in ("system", "user")]
    script = "\n".join(["set -e", *mounts, *lines])
    return subprocess.run(
        ["unshare", "--mount", "sh", "-c", script], capture_output=True, text=True, timeout=120, check=False
    )


def test_the_one_for_boot_runs_as_the_user_in_the_same_directories(systemctl: Path, account: Account) -> None:
    uid = account.uid
    path = "/etc/systemd/system/mprouter@.service"
    ran = in_etc_of_its_own(
        f"{MPR} service install --system {account.name} >&2",
        f"systemd-analyze verify mprouter@{uid}.service >&2",
        f"mkdir {path[:-18]}/multi-user.target.wants",
        f"ln -s {path} {path[:-18]}/multi-user.target.wants/mprouter@{uid}.service",
        f"{MPR} service status --system >&2",
        f"cat {path}",
        f"{MPR} service remove --system >&2",
        "test -z \"$(find /etc/systemd/system -name 'mprouter*')\"",
    )
    assert ran.returncode == 0, ran.stderr
    assert f"mprouter@{uid}.service: enabled, active" in ran.stderr
    assert f"enable mprouter@{uid}.service" in systemctl.read_text().splitlines()
    found = settings(ran.stdout)
    assert found["User"] == ["%i"]
    assert found["ExecStopPost"][0] == f"-{MPR} service wait --system"
    assert found["ExecStart"][0] == f"-{MPR} provider logon --service"  # of scopes that user's systemd has the say
    assert "XDG_RUNTIME_DIR=/run/user/%i" in found["Environment"]
    assert not re.search("STATE|DRIVES|CONFIG_DIR", ran.stdout)  # those are root's
    assert found["After"] == [
        "network.target network-online.target nss-user-lookup.target",
        "user-runtime-dir@%i.service",
    ]


def test_the_one_for_all_users_is_as_the_users_own(systemctl: Path) -> None:
    ran = in_etc_of_its_own(
        f"{MPR} service install --global >&2",
        "systemd-analyze --user verify /etc/systemd/user/mprouter.service >&2",
        f"{MPR} service status --global >&2",
        "cat /etc/systemd/user/mprouter.service",
    )
    assert ran.returncode == 0, ran.stderr
    assert "--global enable mprouter.service" in systemctl.read_text().splitlines()
    assert settings(ran.stdout)["WantedBy"] == ["default.target"]


def test_a_program_that_others_could_change_is_warned_of(systemctl: Path, tmp_path: Path) -> None:
    del systemctl  # it is told of the unit
    virtual = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", virtual], check=True)
    (virtual / "bin" / "mpr").write_text("#!/bin/sh\n")
    (virtual / "bin" / "mpr").chmod(0o777)
    package = Path(next(iter(mprouter.__path__))).parent
    libraries = sysconfig.get_path("purelib")
    run = f"PYTHONPATH={package}:{libraries} {virtual}/bin/python -m mprouter service install --global"
    ran = in_etc_of_its_own(run)
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr.startswith("mpr: warning: other users are going to run a program that is not root's alone: ")


@pytest.mark.parametrize(
    "arguments", [["install", "ana"], ["install", "--system"], ["status", "--system", "--global"], ["install", "--all"]]
)
def test_wrong_usage(mpr: Command, arguments: list[str]) -> None:
    assert mpr("service", *arguments).returncode == 2


def test_an_unknown_user_is_told(mpr: Command) -> None:
    assert (
        "nobody-of-this-name: there is no such user here"
        in mpr("service", "install", "--system", "nobody-of-this-name").stderr
    )


@pytest.mark.parametrize("works", [True, False])
def test_rclone_outlives_the_session_where_the_unit_is_in_use(
    places: Places, monkeypatch: pytest.MonkeyPatch, systemctl: Path, works: bool
) -> None:
    unit = places.home / ".config/systemd/user/mprouter.service"
    unit.parent.mkdir(parents=True)
    unit.touch()
    log = places.base / "systemd-run.log"
    run = 'while test "$1" != --; do shift; done; shift; exec "$@"' if works else "exit 1"
    stand_in(places, monkeypatch, "systemd-run", f'echo "$@" >>{log}\n{run}')
    rclone = daemon.obtain()
    assert daemon.running() == rclone
    assert systemctl.read_text() == "--user is-active mprouter.service\n"
    lines = log.read_text().splitlines()
    assert all(line.startswith("--user --scope ") and "Before=mprouter.service" in line for line in lines)
    assert any("rclone rcd" in line for line in lines) == works


def test_systemd_is_not_asked_for_a_unit_that_has_no_file(places: Places, systemctl: Path) -> None:
    del places  # they are in the environment
    daemon.obtain()
    assert not systemctl.exists()


@pytest.mark.parametrize("when", ["install", "keep"])
@pytest.mark.usefixtures("systemctl")
def test_what_is_connected_when_the_unit_comes_into_use_does_not_keep_its_session_open(
    mpr: Command, places: Places, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    rclone = daemon.obtain()
    log = places.base / "busctl.log"
    stand_in(places, monkeypatch, "busctl", f'echo "$@" >>{log}')
    assert mpr("service", when).returncode == 0
    said = log.read_text()
    assert " StartTransientUnit " in said
    assert f" PIDs au 1 {rclone.pid} Before as 1 mprouter.service " in said


FROM_SU = {
    "the unit": ("systemctl", "from mprouter.service import Kind, Unit, install; install(Unit(Kind.USER))"),
    "rclone": ("systemd-run", "from mprouter.providers.rclone.scope import apart; assert apart()"),
    "the dialler": (
        "systemctl",
        """
from pathlib import Path
from tempfile import mkdtemp
from mprouter.notifyees.links import SystemdUnit
SystemdUnit("link.service", user=True).up(Path(mkdtemp()), 10)
""",
    ),
}


@pytest.mark.parametrize("who", FROM_SU)
def test_the_users_systemd_is_found_from_su_and_cron(
    places: Places, monkeypatch: pytest.MonkeyPatch, unit: Path, who: str
) -> None:
    program, code = FROM_SU[who]
    unit.parent.mkdir(parents=True)
    unit.write_text(f"{MARK}\n")
    for name, says in (
        ("systemctl", "case $* in *is-active*) echo active;; *) echo running;; esac"),
        ("systemd-run", "echo apart"),
    ):
        stand_in(places, monkeypatch, name, f'echo "$XDG_RUNTIME_DIR" >>{places.base}/{name}.log\n{says}')
    mounts = "mount -t tmpfs none /run; mkdir /run/user; mkdir -m 700 /run/user/$(id -u); unset XDG_RUNTIME_DIR"
    subprocess.run(
        ["unshare", "--mount", "sh", "-c", f'set -e; {mounts}; exec "$@"', "sh", sys.executable, "-c", code],
        check=True,
        timeout=120,
    )
    assert set((places.base / f"{program}.log").read_text().split()) == {f"/run/user/{os.getuid()}"}


def test_the_keyring_and_the_bus_are_there_until_all_is_disconnected(mpr: Command, unit: Path) -> None:
    assert mpr("service", "install").returncode == 0
    assert settings(unit.read_text())["After"] == ["dbus.service gnome-keyring-daemon.service"]


@pytest.mark.parametrize("options", ["", "--system"])
def test_at_logout_programs_that_are_saving_are_waited_for_and_nothing_that_ends_after_the_unit(
    mpr: Command, places: Places, monkeypatch: pytest.MonkeyPatch, options: str
) -> None:
    own = ["mprouter@1000.service", "mprouter@1001.service"] if options else ["mprouter.service"]
    asked = places.base / "asked"
    lines = [f"{number} {name} stop running" for number, name in enumerate([*own, "app.slice"])]
    lines += ["80 mprouter-7.scope stop waiting", "81 systemd-exit.service start running"]
    saving = "1) echo 90 app-editor.scope stop running;; 2) echo 91 term.service stop running;;"
    says = [f'echo "$@" >>{asked}', f"case $(wc -l <{asked}) in {saving} esac", *(f"echo {line}" for line in lines)]
    stand_in(places, monkeypatch, "systemctl", "\n".join(says))
    ran = mpr("service", "wait", *options.split())
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert asked.read_text().splitlines() == [f"{'' if options else '--user '}list-jobs --no-legend --full"] * 3
