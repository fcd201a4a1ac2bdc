"""Desktop notifications, on a session bus of the test's own with a desktop that keeps what it is to show."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from jeepney import HeaderFields, MessageType, new_error, new_method_return
from jeepney.bus_messages import message_bus
from jeepney.io.blocking import DBusConnection, open_dbus_connection

from mprouter import Status
from mprouter.notifyees import desktop
from mprouter.notifyees.desktop import Desktop
from mprouter.testing import RecordingRouter
from sandbox import Command, Places
from servers.daemon import Daemon, listens, wait_for

NAME = r"\\files\projects"

BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/>
  </policy>
</busconfig>
"""


@dataclass
class Screen:
    """What a desktop was asked to show: the arguments of each ``Notify``. answers: "shown", "refused" or "nothing"."""

    shown: list[tuple[Any, ...]] = field(default_factory=list)
    answers: str = "shown"

    @property
    def words(self) -> list[tuple[str, str]]:
        """Title and text of each."""
        return [(body[3], body[4]) for body in self.shown]

    def serve(self, connection: DBusConnection, ending: threading.Event) -> None:
        while not ending.is_set():
            with suppress(TimeoutError):
                message = connection.receive(timeout=0.1)
                if message.header.message_type is not MessageType.method_call:
                    continue
                assert message.header.fields[HeaderFields.member] == "Notify"
                self.shown.append(message.body)
                if self.answers == "shown":
                    connection.send(new_method_return(message, "u", (len(self.shown),)))
                elif self.answers == "refused":
                    connection.send(new_error(message, "org.example.NoScreen", "s", ("the screen is off",)))


@pytest.fixture
def bus(places: Places, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a session bus on which nobody is yet."""
    path = places.base / "bus"
    config = places.base / "bus.conf"
    config.write_text(BUS.format(socket=path))
    daemon = Daemon(["dbus-daemon", f"--config-file={config}", "--nofork"], ports=[], log=places.base / "bus.log")
    daemon.start()
    try:
        wait_for(lambda: listens(path), lambda: f"the bus\n{daemon.log()}")
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", f"unix:path={path}")
        yield f"unix:path={path}"
    finally:
        daemon.stop()


@pytest.fixture
def screen(bus: str) -> Iterator[Screen]:
    """A desktop on that bus."""
    made, ending = Screen(), threading.Event()
    with open_dbus_connection(bus) as connection:
        connection.send_and_get_reply(message_bus.RequestName("org.freedesktop.Notifications"), timeout=10)
        thread = threading.Thread(target=made.serve, args=[connection, ending])
        thread.start()
        try:
            yield made
        finally:
            ending.set()
            thread.join()


def play(notifyee: Desktop) -> None:
    """Two operations that succeed, and two that fail."""
    with RecordingRouter(notifyee) as router:
        router.add(NAME, "Z:")
        router.add(NAME, outcome=Status.ERROR_ACCESS_DENIED)
        router.cancel("Z:", outcome=Status.ERROR_OPEN_FILES)
        router.cancel("Z:")


def test_failures_are_shown_with_their_reason(screen: Screen) -> None:
    play(Desktop())
    (title, text), (second, _) = screen.words
    assert title == "Not connected"
    assert text.splitlines()[0] == NAME
    assert text.endswith("(ERROR_ACCESS_DENIED, 5)")
    assert second == "Not disconnected"


def test_successes_are_shown_if_wished(screen: Screen) -> None:
    play(Desktop(on=["success"]))
    assert screen.words == [("Connected", f"Z: {NAME}"), ("Disconnected", "Z:")]


def test_what_a_desktop_is_given_is_as_its_specification_says(screen: Screen) -> None:
    play(Desktop())
    application, replaces, icon, _, _, actions, hints, expires = screen.shown[0]
    assert (application, replaces, icon, actions, expires) == ("mprouter", 0, "dialog-error", [], -1)
    assert hints["urgency"] == ("y", 1)
    assert hints["category"] == ("s", "network.error")


def test_a_name_that_looks_like_markup_is_shown_as_it_is(screen: Screen) -> None:
    with RecordingRouter(Desktop()) as router:
        router.add("sftp://files.example.com/<b>&", outcome=Status.ERROR_ACCESS_DENIED)
    assert "<b>" not in screen.words[0][1]
    assert screen.words[0][1].startswith("sftp://files.example.com/")


def test_a_veto_is_shown(screen: Screen) -> None:
    with RecordingRouter(Desktop()) as router:
        router.register(lambda _: Status.WN_CANCEL, name="policy", order=20)
        router.add(NAME)
    assert [title for title, _ in screen.words] == ["Not connected"]


def answers_of(notifyee: Desktop) -> set[Status]:
    with RecordingRouter(notifyee) as router:
        result = router.add(NAME, outcome=Status.ERROR_ACCESS_DENIED)
    assert result.status is Status.ERROR_ACCESS_DENIED
    return {call.answer for call in result.calls}


def test_without_a_session_bus_nothing_happens(places: Places) -> None:
    del places  # its environment has no bus
    assert answers_of(Desktop()) == {Status.WN_SUCCESS}


def test_without_a_desktop_on_the_bus_nothing_happens(bus: str) -> None:
    assert bus
    assert answers_of(Desktop()) == {Status.WN_SUCCESS}


def test_a_desktop_that_refuses_is_no_error(screen: Screen) -> None:
    screen.answers = "refused"
    assert answers_of(Desktop()) == {Status.WN_SUCCESS}
    assert len(screen.shown) == 1


def test_a_desktop_that_does_not_answer_holds_nobody_up(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desktop, "_PATIENCE", 0.2)
    screen.answers = "nothing"
    # where the machine is busy, the time may be over before it hears anything
    wait_for(lambda: answers_of(Desktop()) == {Status.WN_SUCCESS} and screen.shown, "a desktop that has heard of it")


def test_the_bus_of_the_runtime_directory_is_found(
    screen: Screen, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    (places.base / "xdg" / "bus").symlink_to(places.base / "bus")
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS")
    play(Desktop())
    assert len(screen.shown) == 2


def test_a_drop_in_of_three_lines_enables_it(screen: Screen, places: Places, mpr: Command, tmp_path: Path) -> None:
    directory = places.config / "notifyees.d"
    directory.mkdir(parents=True)
    (directory / "desktop.toml").write_text(
        'target = "python:mprouter.notifyees.desktop:Desktop"\n[settings]\non = ["success", "failure"]\n'
    )
    resource = tmp_path / "resource"
    resource.mkdir()
    assert mpr("connect", resource.as_uri(), "Z:").returncode == 0
    assert mpr("disconnect", "Z:").returncode == 0
    assert mpr("connect", f"{resource.as_uri()}/missing", "Z:").returncode == 1
    assert [title for title, _ in screen.words] == ["Connected", "Disconnected", "Not connected"]
