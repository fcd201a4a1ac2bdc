"""``mpr restore`` with real servers: that come late, that refuse; and several at once, and who ends the wait."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from mprouter import Router, Status
from mprouter.restoring import Stage, Step
from mprouter.store import Store
from pseudo_terminal import PseudoTerminal
from recorder import Recorder
from sandbox import Command, Places
from servers import webdav
from servers.daemon import Fresh
from servers.webdav import WebdavServer

MPR = Path(sys.executable).with_name("mpr")


@pytest.fixture
def nas(fresh: Fresh, mpr: Command) -> WebdavServer:
    """A server of the test's own, of which a directory is remembered as Z:, with its password; it does not run."""
    server = fresh(webdav.serve)
    (server.directory("files") / "README").write_text("hello\n")
    connect = ["connect", server.url("/files"), "Z:", "--persist", "--password-stdin", "--save-password"]
    ran = mpr(*connect, stdin=f"{server.password}\n")
    assert ran.returncode == 0, ran.stderr
    assert mpr("disconnect", "Z:").returncode == 0
    server.stop()
    return server


def test_r7_n3_a_server_that_comes_up_late_is_connected_and_nobody_is_told(
    nas: WebdavServer, router: Router, recorder: Recorder
) -> None:
    heard: list[Step] = []

    def hearing(step: Step) -> None:
        heard.append(step)
        if step.stage is Stage.WAITING and len(heard) == 3:
            nas.start()

    (result,) = router.restore(wait=600, hearing=hearing)
    assert result.connection is not None, result.error
    assert (result.connection.path / "README").read_text() == "hello\n"
    assert [step.stage for step in heard] == [Stage.CONNECTING, Stage.WAITING, Stage.WAITING, Stage.RESTORED]
    assert {step.error.status for step in heard if step.error} == {Status.ERROR_CONNECTION_REFUSED}
    assert recorder.told == []


def test_a_wrong_password_is_tried_once(nas: WebdavServer, router: Router, places: Places) -> None:
    nas.start()
    file = places.config / "credentials.toml"
    file.write_text(file.read_text().replace(nas.password, "wrong"))
    heard: list[Step] = []
    (result,) = router.restore(wait=600, hearing=heard.append)
    assert result.error is not None
    assert result.error.status is Status.ERROR_LOGON_FAILURE
    assert [step.stage for step in heard] == [Stage.CONNECTING, Stage.FAILED]


@pytest.mark.usefixtures("nas")
def test_a_person_gets_an_answer_soon(mpr: Command) -> None:
    ran = mpr("restore")
    assert ran.returncode == 1
    assert ran.stdout == ""
    assert "mpr: Z: is not restored: " in ran.stderr
    assert "(ERROR_CONNECTION_REFUSED, 1225)" in ran.stderr
    assert "waits" not in ran.stderr


def test_the_command_says_what_it_waits_for_and_connects_when_it_comes(nas: WebdavServer, places: Places) -> None:
    with started("restore", "--wait", "600") as running:
        assert running.stderr is not None
        assert running.stderr.readline().startswith("mpr: Z: waits for the network: ")
        nas.start()
        out, err = running.communicate(timeout=120)
    assert (running.returncode, err) == (0, "")
    assert out.startswith(f"Z: -> {places.drives / 'Z'}")


@pytest.mark.usefixtures("nas")
@pytest.mark.parametrize("end", [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_the_wait_and_what_is_connected_stays(
    mpr: Command, places: Places, store: Store, resource: str, end: tuple[int, int]
) -> None:
    assert mpr("connect", resource, "Y:", "--persist").returncode == 0
    assert mpr("disconnect", "Y:").returncode == 0
    number, code = end
    with started("restore", "--wait", "600") as running:
        assert running.stderr is not None
        assert running.stderr.readline().startswith("mpr: Z: waits for the network: ")
        assert running.stdout is not None
        assert running.stdout.readline().startswith("Y: -> ")
        running.send_signal(number)
        out, err = running.communicate(timeout=60)
    assert (running.returncode, out, err) == (code, "", "mpr: interrupted\n")
    assert [each["local_name"] for each in json.loads(mpr("list", "--json").stdout)] == ["Y:"]
    assert [(each.local_name, each.status) for each in store.events()[-2:]] == [("Y:", 0), ("Z:", Status.WN_CANCEL)]
    assert places.mounts() == [str(places.drives / "Y")]
    assert not (places.drives / "Z").exists()


def test_a_second_ctrl_c_does_not_wait_for_a_server_that_hangs(nas: WebdavServer, mpr: Command, places: Places) -> None:
    with socket.create_server((nas.host, nas.port)) as silent, started("restore") as running:
        silent.accept()[0].close()  # it looks whether somebody is there
        hanging, _ = silent.accept()  # and now it asks for something
        running.send_signal(signal.SIGINT)
        assert running.stderr is not None
        assert running.stderr.readline().startswith("mpr: warning: waiting for what has begun (Z:)")
        running.send_signal(signal.SIGINT)
        assert running.wait(60) == 130
        hanging.close()
    nas.start()
    assert mpr("restore").stdout.startswith("Z: -> ")
    assert places.mounts() == [str(places.drives / "Z")]


def test_on_a_terminal_the_wait_is_shown_and_a_password_asked_for(
    nas: WebdavServer, places: Places, terminal: PseudoTerminal
) -> None:
    (places.config / "credentials.toml").unlink()
    terminal.start("restore", "--wait", "600")
    terminal.expect("waiting: ")
    nas.start()
    terminal.expect("assword")
    terminal.enter(f"{nas.password}\n")
    code, shown = terminal.end()
    assert code == 0
    assert f"Z: -> {places.drives / 'Z'}" in shown
    assert nas.password not in shown


def test_on_a_terminal_that_is_no_screen_the_wait_is_told_in_lines(nas: WebdavServer, terminal: PseudoTerminal) -> None:
    terminal.kind = "dumb"
    terminal.start("restore", "--wait", "600")
    terminal.expect("mpr: Z: waits for the network: ")
    nas.start()
    code, shown = terminal.end()
    assert (code, "Z: -> " in shown, "\x1b" in shown) == (0, True, False)
    terminal.start("list")
    assert "\x1b" not in terminal.end()[1]


def test_several_that_restore_at_once_connect_each_once(
    mpr: Command, places: Places, store: Store, tmp_path: Path
) -> None:
    letters = ["V:", "W:", "X:", "Y:", "Z:"]
    for letter in letters:
        (tmp_path / letter[0]).mkdir()
        assert mpr("connect", (tmp_path / letter[0]).as_uri(), letter, "--persist").returncode == 0
        assert mpr("disconnect", letter).returncode == 0
    before = len(store.events())
    with ExitStack() as running:
        each = [running.enter_context(started("restore", "--json")) for _ in range(4)]
        answers = [one.communicate(timeout=120) for one in each]
    assert [one.returncode for one in each] == [0] * 4, answers
    assert places.mounts() == [str(places.drives / letter[0]) for letter in letters]
    restored = [event.local_name for event in store.events()[before:] if event.message == "restored"]
    assert sorted(map(str, restored)) == letters
    for out, _ in answers:  # those who came late find it connected, and have nothing to do
        assert {shown["code"] for shown in json.loads(out)} <= {0}


@pytest.mark.parametrize("value", ["soon", "-1", "inf", "nan", ""])
def test_a_wait_that_is_no_time_is_wrong_usage(mpr: Command, value: str) -> None:
    ran = mpr("restore", "--wait", value)
    assert ran.returncode == 2
    assert "is not a number of seconds, or auto." in ran.stderr


@contextmanager
def started(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run the command beside the test, not on a terminal."""
    running = subprocess.Popen([MPR, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield running
    finally:
        running.kill()
        running.communicate()
