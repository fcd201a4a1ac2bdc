"""When the dialler dials and hangs up. The links are commands here; ``test_links.py`` has the other kinds."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from links import Line, Programs, adding, connected, gone
from mprouter import ConnectFlag, Status
from mprouter.notify.model import Answer, Event, NotifyInfo, Phase, Registration
from mprouter.notifyees.dialler import Dialler
from mprouter.store import Store
from mprouter.testing import RecordingRouter
from sandbox import Places
from servers.daemon import free_port, wait_for

NAME = "sftp://files.corp.example/projects"
OTHER = "sftp://files.corp.example/archive"
REFUSED = Status.ERROR_CONNECTION_REFUSED


def play(line: Line, **settings: object) -> RecordingRouter:
    return RecordingRouter(line.dialler(**settings))


class Watch:
    """A notifyee that notes whether the line is up when the connection is attempted, being told last before it."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.seen: list[bool] = []

    def add_connect_notify(self, info: NotifyInfo, event: Event) -> None:
        del event
        if info.phase is Phase.PRE:
            self.seen.append(self.line.is_up)


# -- dialling and hanging up ------------------------------------------------------------------------------------


def test_the_link_is_up_before_the_connection_is_attempted_and_stays(line: Line) -> None:
    watch = Watch(line)
    with play(line) as router:
        router.register(watch, order=90)
        assert router.add(NAME, "Z:").status is Status.WN_SUCCESS
    assert watch.seen == [True]
    assert line.record == ["up"]


def test_the_link_goes_down_when_the_connection_fails(line: Line) -> None:
    with play(line) as router:
        assert router.add(NAME, outcome=Status.ERROR_LOGON_FAILURE).status is Status.ERROR_LOGON_FAILURE
    assert line.record == ["up", "down"]


def test_the_link_goes_down_when_another_notifyee_vetoes_the_connection(line: Line) -> None:
    with play(line) as router:
        router.register(Registration("vetoer", lambda *_: Status.WN_CANCEL, order=90))
        assert router.add(NAME).status is Status.WN_CANCEL
    assert line.record == ["up", "down"]


def test_two_connections_share_the_link_and_the_last_hangs_up(line: Line) -> None:
    with play(line) as router:
        router.add(NAME, "Z:")
        first = connected(NAME, "Z:")
        router.add(OTHER, "Y:")
        second = connected(OTHER, "Y:")
        gone(first)
        router.cancel("Z:")
        assert line.record == ["up"]
        gone(second)
        router.cancel("Y:")
    assert line.record == ["up", "down"]


def test_a_cancel_that_fails_leaves_the_link_up(line: Line) -> None:
    with play(line) as router:
        router.add(NAME, "Z:")
        connected(NAME, "Z:")
        router.cancel("Z:", outcome=Status.ERROR_OPEN_FILES)
    assert line.record == ["up"]


def test_a_failed_connection_does_not_take_the_link_from_another_one(line: Line) -> None:
    with play(line) as router:
        router.add(NAME, "Z:")
        connected(NAME, "Z:")
        adding(OTHER, "Y:")  # what fails next, still in the store when its post is made
        router.add(OTHER, "Y:", outcome=Status.ERROR_BAD_NET_NAME)
    assert line.record == ["up"]


def test_a_failed_connection_does_not_take_itself_for_another_one(line: Line) -> None:
    adding("sftp://ana@files.corp.example/projects", "Z:")
    with play(line) as router:
        router.add("sftp://ana@files.corp.example/projects", "z:", outcome=Status.ERROR_BAD_NET_NAME)
    assert line.record == ["up", "down"]


def test_of_two_connections_in_the_making_to_one_name_one_counts(line: Line) -> None:
    with play(line) as router:
        adding(NAME)
        adding(NAME)
        router.add(NAME, outcome=Status.ERROR_BAD_NET_NAME)
    assert line.record == ["up"]


def test_n3_a_restored_connection_of_which_it_was_not_told_keeps_the_link(line: Line) -> None:
    with play(line) as router:
        router.add(NAME, "Z:")
        connected("sftp://root@files.corp.example/other", "R:")
        router.cancel("Z:")
    assert line.record == ["up"]


def test_only_connections_that_match_keep_the_link(line: Line) -> None:
    with play(line, match=["sftp://*.corp.example/*"]) as router:
        router.add(NAME, "Z:")
        connected("sftp://elsewhere.example/x", "X:")
        router.cancel("Z:")
    assert line.record == ["up", "down"]


def test_what_is_being_cancelled_keeps_the_link_until_it_is_gone(line: Line) -> None:
    with play(line) as router:
        router.add(NAME, "Z:")
        entry = connected(NAME, "Z:")
        store = Store()
        assert store.begin_cancel(entry.id)
        router.cancel("Y:")
        assert line.record == ["up"]
        store.remove(entry.id)
        store.close()
        router.cancel("Z:")
    assert line.record == ["up", "down"]


def test_two_registrations_of_one_link_share_it_though_they_match_different_names(line: Line) -> None:
    unc = r"\\corp\projects"
    with RecordingRouter() as router:
        for name, pattern in (("unc", r"\\corp\*"), ("sftp", "sftp://*.corp.example/*")):
            router.register(line.dialler(match=[pattern]), name=name)
        router.add(unc, "U:")
        first = connected(unc, "U:")
        router.add(NAME, "Z:")
        second = connected(NAME, "Z:")
        gone(first)
        router.cancel("U:")
        assert line.record == ["up"]
        gone(second)
        router.cancel("Z:")
    assert line.record == ["up", "down"]


# -- other processes -------------------------------------------------------------------------------------------

DIAL = """
import json, sys
from mprouter import Status
from mprouter.notifyees.dialler import Dialler
from mprouter.store import Store
from mprouter.testing import RecordingRouter
sys.path.insert(0, sys.argv[3])
import links
router = RecordingRouter(Dialler(**json.loads(sys.argv[1])))
links.adding(sys.argv[2])
assert router.add(sys.argv[2]).status == 0
print("dialled", flush=True)
sys.stdin.read()
"""


def elsewhere(line: Line, remote: str) -> subprocess.Popen[str]:
    """A process that dials for a connection, and is in the middle of making it until its input ends."""
    tests = Path(__file__).resolve().parent.parent
    return subprocess.Popen(
        [sys.executable, "-c", DIAL, json.dumps(line.settings()), remote, tests],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_processes_that_connect_at_once_dial_once_between_them(line: Line) -> None:
    line.settings()  # makes the programs
    processes = [elsewhere(line, f"{NAME}/{number}") for number in range(6)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "dialled\n"
    assert line.record == ["up"]
    with play(line) as router:
        router.cancel("Z:")
        assert line.record == ["up"]  # six connections are in the making
        for process in processes:
            process.communicate()
        router.cancel("Z:")
    assert line.record == ["up", "down"]


def test_a_killed_process_does_not_keep_the_link_up(line: Line) -> None:
    with elsewhere(line, NAME) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "dialled\n"
        process.kill()
    with play(line) as router:
        router.cancel("Z:")
    assert line.record == ["up", "down"]


def test_ctrl_c_while_dialling_hangs_up(line: Line, programs: Programs) -> None:
    settings = line.settings()
    settings["up"] = str(programs.make("slow-up", f'cd "{line.directory}"; echo up >>log; touch up; sleep 600'))
    line_with_slow_up = json.dumps(settings)
    tests = Path(__file__).resolve().parent.parent
    with subprocess.Popen(
        [sys.executable, "-c", DIAL, line_with_slow_up, NAME, tests],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        wait_for(lambda: line.is_up, "the dialling")
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert "KeyboardInterrupt" in errors
    assert line.record == ["up", "down"]


# -- CONNECT_CURRENT_MEDIA ---------------------------------------------------------------------------------------


def test_n16_current_media_does_not_dial(line: Line) -> None:
    with play(line) as router:
        result = router.add(NAME, flags=ConnectFlag.CURRENT_MEDIA, outcome=Status.ERROR_NETWORK_UNREACHABLE)
    assert result.status is Status.ERROR_NETWORK_UNREACHABLE  # the connection's own failure
    assert [each.phase for each in result.calls] == [Phase.PRE]  # N6
    assert line.record == []


def test_n16_current_media_uses_a_link_that_is_up(line: Line) -> None:
    with play(line) as router:
        router.add(NAME, "Z:")
        connected(NAME, "Z:")
        assert router.add(OTHER, flags=ConnectFlag.CURRENT_MEDIA).status is Status.WN_SUCCESS
    assert line.record == ["up"]


def test_n16_current_media_does_not_dial_again_either(line: Line) -> None:
    settings = line.server(free_port())
    with RecordingRouter(line.dialler(**settings)) as router:
        router.add(NAME, "Z:")
        connected(NAME, "Z:")
        router.register(dropping(line), name="dropping", order=90)
        result = router.add(OTHER, flags=ConnectFlag.CURRENT_MEDIA, outcome=REFUSED)
    assert result.attempts == 1
    assert line.record == ["up"]


# -- waiting for a host ------------------------------------------------------------------------------------------


def test_it_waits_until_the_host_behind_the_link_answers(line: Line) -> None:
    with RecordingRouter(line.dialler(**line.server(free_port()))) as router:
        assert router.add(NAME).status is Status.WN_SUCCESS
        assert line.record == ["up"]
        router.cancel(NAME)
    assert line.record == ["up", "down"]


def test_a_host_that_never_answers_is_an_error_that_names_it_and_the_link_goes_down(line: Line) -> None:
    port = free_port()
    for wait in (0.3, 3, 30):  # a busy machine may need longer for the command
        with play(line, wait_for=f"127.0.0.1:{port}", wait=wait) as router:
            result = router.add(NAME)
        assert result.status is Status.ERROR_TIMEOUT
        assert result.attempts == 0
        if "127.0.0.1" in str(result.error):
            break
    assert f"127.0.0.1 has not answered on port {port} within {wait:g} seconds" in str(result.error)
    assert line.record[-2:] == ["up", "down"]


def test_a_host_that_answers_already_needs_no_link(line: Line) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        settings = line.settings(wait_for=f"127.0.0.1:{listener.getsockname()[1]}")
        router = RecordingRouter(Dialler(**settings))
        assert router.add(NAME, "Z:").status is Status.WN_SUCCESS
        router.cancel("Z:")
    assert line.record == []


# -- dialling again ----------------------------------------------------------------------------------------------


def dropping(line: Line) -> Registration:
    """A notifyee during whose pre the link drops, after the dialler has looked; only the first time."""
    dropped: list[int] = []

    def call(info: NotifyInfo, event: Event) -> Answer:
        del event
        if info.phase is Phase.PRE and not dropped:
            dropped.append(1)
            line.drop()
        return None

    return Registration("dropping", call, order=90)


def test_n11_a_link_that_dropped_is_dialled_again_and_the_connection_tried_again(line: Line) -> None:
    with RecordingRouter(line.dialler(**line.server(free_port()))) as router:
        router.register(dropping(line))
        result = router.add(NAME, outcomes=[REFUSED, Status.WN_SUCCESS])
        assert result.status is Status.WN_SUCCESS
        assert result.attempts == 2
        assert line.record == ["up", "down", "up"]
        router.cancel(NAME)


def test_a_connection_that_failed_though_the_link_stands_is_not_tried_again(line: Line) -> None:
    with RecordingRouter(line.dialler(**line.server(free_port()))) as router:
        assert router.add(NAME, outcome=REFUSED).attempts == 1
    assert line.record == ["up", "down"]


def test_a_failure_that_has_nothing_to_do_with_the_network_is_not_tried_again(line: Line) -> None:
    with RecordingRouter(line.dialler(**line.server(free_port()))) as router:
        router.register(dropping(line))
        assert router.add(NAME, outcome=Status.ERROR_LOGON_FAILURE).attempts == 1
    assert line.record == ["up", "down"]


def test_c6_a_cancel_that_cannot_deliver_since_the_link_dropped_is_tried_again(line: Line) -> None:
    with RecordingRouter(line.dialler(**line.server(free_port()))) as router:
        router.add(NAME, "Z:")
        entry = connected(NAME, "Z:")
        line.drop()
        result = router.cancel("Z:", outcomes=[Status.ERROR_WRITE_FAULT, Status.WN_SUCCESS])
        assert result.attempts == 2
        assert line.record == ["up", "down", "up"]
        gone(entry)
        router.cancel("Z:")


def test_n11_a_link_that_cannot_be_dialled_again_leaves_the_failure_as_it_was(line: Line) -> None:
    settings = line.server(free_port())
    with RecordingRouter(line.dialler(**settings)) as router:
        router.register(dropping(line))
        up = Path(settings["up"])
        up.write_text(up.read_text().replace("echo up >>log", "[ -e up ] || [ ! -e log ] || exit 3; echo up >>log"))
        result = router.add(NAME, outcome=REFUSED)
    assert (result.status, result.attempts) == (REFUSED, 1)
    assert "ended with exit code 3" in str(result.calls[-1].message)


# -- failures ----------------------------------------------------------------------------------------------------


def test_n10_a_command_whose_end_nobody_hears_of_has_not_brought_the_link_up(places: Places) -> None:
    del places  # they are in the environment
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        with RecordingRouter(Dialler(up=["/bin/false"], down=["/bin/true"])) as router:
            result = router.add("//files/projects")
    finally:
        signal.signal(signal.SIGCHLD, before)
    assert result.attempts == 0
    assert "nobody knows how /bin/false ended" in str(result.error)


def test_n10_a_command_that_fails_is_told_with_its_last_line(line: Line, programs: Programs) -> None:
    up = programs.make("bad-up", "echo Connecting...; echo 'no carrier' >&2; echo; exit 4")
    with play(line, up=f"{up} --key hush") as router:
        result = router.add(NAME)
    assert result.status is Status.ERROR_NETWORK_UNREACHABLE
    assert str(up) in str(result.error)
    assert "ended with exit code 4: no carrier" in str(result.error)
    assert "hush" not in str(result.error)
    assert result.attempts == 0
    assert line.record == ["down"]  # whatever it brought up until then


def test_n10_where_it_is_not_required_the_connection_is_attempted_all_the_same(line: Line) -> None:
    with RecordingRouter() as router:
        router.register(line.dialler(up="/nonexistent/up"), required=False)
        result = router.add(NAME)
    assert result.status is Status.WN_SUCCESS
    assert result.calls[0].answer is Status.ERROR_SERVICE_NOT_FOUND
    assert "/nonexistent/up is not there" in str(result.calls[0].message)


def test_a_command_that_hangs_is_ended_with_its_children(line: Line, programs: Programs, places: Places) -> None:
    up = programs.make("hanging-up", f'cd "{line.directory}"; sleep 600 & echo "$!" >child; wait')
    started = time.monotonic()
    with play(line, up=str(up), wait=0.5) as router:
        result = router.add(NAME)
    assert result.status is Status.ERROR_TIMEOUT
    assert time.monotonic() - started < 10
    wait_for(lambda: not places.processes(), lambda: f"the end of {places.processes()}")


def test_a_command_may_leave_something_in_the_background(line: Line, programs: Programs) -> None:
    up = programs.make("daemon-up", f'cd "{line.directory}"; touch up; echo up >>log; sleep 600 & echo "$!" >child')
    started = time.monotonic()
    with play(line, up=str(up)) as router:
        assert router.add(NAME).status is Status.WN_SUCCESS
    assert time.monotonic() - started < 10
    child = int((line.directory / "child").read_text())
    os.kill(child, signal.SIGKILL)


def test_n17_what_a_command_connects_is_nested(line: Line, programs: Programs) -> None:
    up = programs.make("nested-up", f'printf %s "$MPROUTER_NESTING" >"{line.directory}/nesting"')
    with play(line, up=str(up)) as router:
        router.add(NAME)
    assert json.loads((line.directory / "nesting").read_text()) == ["code/dialler"]


def test_n18_threads_that_connect_at_once_dial_once(line: Line) -> None:
    with play(line) as router:
        threads = [threading.Thread(target=router.add, args=[f"{NAME}/{number}"]) for number in range(8)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
    assert line.record == ["up"]


def test_n18_who_comes_while_it_is_dialled_waits_until_the_link_is_up(line: Line, programs: Programs) -> None:
    up = programs.make("slow-up", f'cd "{line.directory}"; echo up >>log; sleep 0.3; touch up')
    watch = Watch(line)
    with play(line, up=str(up)) as router:
        router.register(watch, order=90)
        threads = [threading.Thread(target=router.add, args=[f"{NAME}/{number}"]) for number in range(4)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
    assert watch.seen == [True] * 4
    assert line.record == ["up"]


def test_what_it_keeps_is_private(line: Line, places: Places) -> None:
    with play(line) as router:
        router.add(NAME)
    kept = [places.runtime / "dialler", *(places.runtime / "dialler").iterdir()]
    assert len(kept) == 2
    assert {path.stat().st_mode & 0o777 for path in kept} == {0o700}
