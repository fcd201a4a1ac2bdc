"""NPLogonNotify and NPPasswordChangeNotify: who is told of a logon and of a new password, and what becomes of that."""

from __future__ import annotations

import getpass
import json
import shlex
import socket
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from mprouter import Router, Status
from mprouter.cli.program import program
from mprouter.credentials import Secret
from mprouter.providers.base import Capability, LogonInfo, PasswordChange
from mprouter.resource import ConnectFlag
from sandbox import Places
from servers.daemon import wait_for
from servers.sftp import SftpServer
from strangers import Stranger, register

ATTENDING = """
capabilities = Capability.ADD_CONNECTION | Capability.LOGON_NOTIFY
def __init__(self, script: str = "", log: str = ""):
    super().__init__()
    self.script, self.log = script, log
def write(self, *said):
    with open(self.log, "a") as file:
        file.write(" ".join(map(str, said)) + "\\n")
def logon_notify(self, logon, previous, station):
    self.write("logon", logon.user, logon.domain, logon.password.reveal() or "-", previous, station)
    return self.script or None
def password_change_notify(self, logon, previous, station, change):
    before = previous.password.reveal() if previous else "-"
    self.write("password", logon.user, logon.password.reveal(), before, station, int(change))
"""


@pytest.fixture
def log(places: Places, tmp_path: Path) -> Path:
    """What the provider ``keys``, which is there, is told."""
    register(places, "keys", ATTENDING, more=f"[settings]\nlog = '{tmp_path}/log'\n")
    return tmp_path / "log"


def run(*arguments: str, stdin: bytes = b"") -> Result:
    return CliRunner().invoke(program, ["provider", *arguments], input=stdin, prog_name="mpr")


ME = f"{getpass.getuser()} {socket.gethostname()}"


def test_who_attends_is_told_of_a_logon_with_the_password_if_it_is_known(log: Path, places: Places) -> None:
    register(places, "other")  # which attends to none
    assert run("logon").stdout == "keys has been told\n"
    assert run("logon", "--service", "--password-stdin", stdin=b"geheim\0").exit_code == 0
    assert log.read_text().splitlines() == [f"logon {ME} - None WinSta_0", f"logon {ME} geheim None SvcCtl"]
    nothing = run("logon", "--password-stdin")
    assert (nothing.exit_code, "there is no password on standard input" in nothing.stderr) == (2, True)


def test_without_anybody_who_attends_nothing_is_done(places: Places) -> None:
    register(places, "other")
    assert run("logon").stdout == "No network provider attends to logons.\n"
    assert json.loads(run("logon", "--json").stdout) == []


def test_the_logon_script_is_run_and_not_waited_for(places: Places, tmp_path: Path) -> None:
    there, log = tmp_path / "the script was here", tmp_path / "log"
    script = shlex.join(["touch", str(there)])
    register(places, "keys", ATTENDING, more=f'[settings]\nlog = "{log}"\nscript = """{script}"""\n')
    assert run("logon").exit_code == 0
    wait_for(there.exists, "the logon script")
    register(places, "keys", ATTENDING, more=f'[settings]\nlog = "{log}"\nscript = "/no/such/program"\n')
    ran = run("logon")
    assert (ran.exit_code, "the logon script of keys cannot be run" in ran.stderr) == (0, True)


def test_a_script_that_would_show_the_password_is_not_run(places: Places, tmp_path: Path) -> None:
    register(places, "keys", ATTENDING, more=f'[settings]\nlog = "{tmp_path}/log"\nscript = "login -p geheim"\n')
    ran = run("logon", "--password-stdin", "--json", stdin=b"geheim\n")
    assert ran.exit_code == 1
    (told,) = json.loads(ran.stdout)
    assert (told["provider"], told["status"]) == ("keys", "ERROR_INVALID_DATA")
    assert "geheim" not in ran.output


def test_r4_n15_one_that_fails_keeps_no_other_from_being_told_and_shows_no_password(log: Path, places: Places) -> None:
    raising = "def logon_notify(self, logon, *_): raise RuntimeError(logon.password.reveal() + ' is wrong')"
    register(places, "early", f"{ATTENDING}\n{raising}", more="order = 1\n")
    ran = run("logon", "--password-stdin", stdin=b"geheim\r\n")
    assert (ran.exit_code, ran.stdout) == (1, "keys has been told\n")
    assert "RuntimeError: *** is wrong (ERROR_EXTENDED_ERROR, 1208)" in ran.stderr
    assert "geheim" not in ran.output
    assert "geheim" in log.read_text()


def test_a_new_password_is_told_with_the_one_before(log: Path) -> None:
    assert run("password", stdin=b"new\nold\n").stdout == "keys has been told\n"
    assert run("password", "--service", stdin=b"newer").exit_code == 0
    user = getpass.getuser()
    assert log.read_text().splitlines() == [f"password {user} new old WinSta_0 3", f"password {user} newer - SvcCtl 3"]


def test_a_stored_password_of_a_server_that_is_replaced_is_told(
    log: Path, places: Places, router: Router, sftp_server: SftpServer
) -> None:
    file = places.config / "credentials.toml"
    file.write_text("")
    file.chmod(0o600)

    def connect() -> None:
        options = {"known_hosts": str(sftp_server.known_hosts)}
        url, password = sftp_server.url(), sftp_server.password
        router.connect(url, password=password, flags=ConnectFlag.CMD_SAVECRED, options=options).close()

    connect()  # the first one is no change
    assert not log.exists()
    file.write_text(file.read_text().replace(json.dumps(sftp_server.password), '"the one before"'))
    connect()
    connect()  # nor is the same again
    told = f"password {sftp_server.user} {sftp_server.password} the one before WinSta_0 0\n"
    assert log.read_text() == told


def test_r4_without_the_capability_nobody_is_told(router: Router) -> None:
    class Quiet(Stranger):
        def logon_notify(self, *_: object) -> None:
            raise AssertionError

        password_change_notify: Any = logon_notify

    router.add_provider(Quiet())
    logon = LogonInfo("ana", Secret("geheim"))
    assert router.logged_on(logon) == router.password_changed(logon, change=PasswordChange(0)) == []

    class Loud(Quiet):
        name = "loud"
        capabilities = Stranger.capabilities | Capability.LOGON_NOTIFY

    router.add_provider(Loud())
    (told,) = router.logged_on(logon)
    assert told.error is not None
    assert told.error.status is Status.ERROR_EXTENDED_ERROR
