"""The audit log: what its lines say, in a file and in a journal."""

from __future__ import annotations

import getpass
import json
import os
import re
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mprouter import AddConnect, ConnectFlag, NetResource, Status, WNetError
from mprouter.notify.model import Answer, Event, NotifyInfo, Phase, Registration
from mprouter.notifyees import audit
from mprouter.notifyees.audit import Audit
from mprouter.testing import RecordingRouter
from sandbox import OrdinaryUser, Places

NAME = r"\\files\projects"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


def lines(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


def test_one_line_for_each_operation_says_who_what_and_how_it_ended(log: Path) -> None:
    with RecordingRouter(Audit(file=str(log))) as router:
        router.add(NAME, "Z:", flags=ConnectFlag.UPDATE_PROFILE)
        router.add(NAME, "Y:", outcome=Status.ERROR_LOGON_FAILURE)
        router.cancel("Z:", force=True, provider="smb")
    added, failed, cancelled = lines(log)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", added.pop("time"))
    assert 0 <= added.pop("duration") < 10
    assert added == {
        "user": getpass.getuser(),
        "pid": os.getpid(),
        "operation": "add",
        "remote_name": NAME,
        "local_name": "Z:",
        "provider": None,
        "flags": ["UPDATE_PROFILE"],
        "force": False,
        "status": 0,
        "status_name": "WN_SUCCESS",
    }
    assert (failed["status"], failed["status_name"], failed["local_name"]) == (1326, "ERROR_LOGON_FAILURE", "Y:")
    assert {key: cancelled[key] for key in ("operation", "name", "provider", "force")} == {
        "operation": "cancel",
        "name": "Z:",
        "provider": "smb",
        "force": True,
    }


def test_n9_a_veto_is_logged_since_it_is_told_before_who_vetoes(log: Path) -> None:
    with RecordingRouter(Audit(file=str(log))) as router:
        router.register(Registration("vetoer", lambda *_: Status.WN_CANCEL, order=20))
        router.add(NAME)
    assert [each["status_name"] for each in lines(log)] == ["WN_CANCEL"]


def test_n11_an_operation_that_is_tried_again_has_one_line(log: Path) -> None:
    def again(info: NotifyInfo, event: Event) -> Answer:
        del event
        info.context = "asking"
        return Status.WN_RETRY if info.phase is Phase.POST and info.may_retry else None

    with RecordingRouter(Audit(file=str(log)), Registration("again", again)) as router:
        result = router.add(NAME, outcomes=[Status.ERROR_TIMEOUT, Status.WN_SUCCESS])
    assert result.attempts == 2
    assert [each["status_name"] for each in lines(log)] == ["WN_SUCCESS"]


def test_n15_the_network_s_user_is_in_no_line(log: Path) -> None:
    with RecordingRouter(Audit(file=str(log))) as router:
        router.add("sftp://ana@files.example.com/x")
    assert "ana" not in log.read_text()
    assert lines(log)[0]["remote_name"] == "sftp://files.example.com/x"


def test_n19_a_recovered_post_is_marked(log: Path) -> None:
    info, event = NotifyInfo(Phase.PRE, Status.WN_SUCCESS), AddConnect(NetResource(NAME))
    Audit(file=str(log)).add_connect_notify(info, event)
    context = json.loads(json.dumps(info.context))  # as a journal of contexts would keep it
    recovered = NotifyInfo(Phase.POST, Status.ERROR_PROCESS_ABORTED, context)
    recovered.recovered = True
    Audit(file=str(log)).add_connect_notify(recovered, event)
    assert lines(log)[0]["recovered"] is True


# -- a file ------------------------------------------------------------------------------------------------------


def test_the_file_is_the_user_s_alone_whatever_the_umask(log: Path) -> None:
    before = os.umask(0)
    try:
        with RecordingRouter(Audit(file=str(log))) as router:
            router.add(NAME)
    finally:
        os.umask(before)
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_without_a_file_it_is_in_the_user_s_state_directory(places: Places) -> None:
    with RecordingRouter(Audit()) as router:
        router.add(NAME)
    assert len(lines(places.state / "audit.jsonl")) == 1


def test_a_rotated_file_is_left_alone(log: Path) -> None:
    with RecordingRouter(Audit(file=str(log))) as router:
        router.add(NAME, "Z:")
        log.rename(log.with_suffix(".1"))
        router.cancel("Z:")
    assert [each["operation"] for each in lines(log.with_suffix(".1"))] == ["add"]
    assert [each["operation"] for each in lines(log)] == ["cancel"]


def test_lines_of_several_processes_do_not_mix(log: Path) -> None:
    script = (
        "import sys; from mprouter.notifyees.audit import Audit; from mprouter.testing import RecordingRouter\n"
        "router = RecordingRouter(Audit(file=sys.argv[1]))\n"
        "for number in range(200): router.add('sftp://files.example.com/' + 'x' * 6000)\n"
    )
    processes = [subprocess.Popen([sys.executable, "-c", script, log]) for _ in range(4)]
    assert [process.wait(60) for process in processes] == [0] * 4
    written = lines(log)
    assert len(written) == 800
    assert {each["pid"] for each in written} == {process.pid for process in processes}


def test_n10_what_cannot_be_written_down_does_not_happen_where_the_log_is_required(tmp_path: Path) -> None:
    with RecordingRouter() as router:
        router.register(Audit(file=str(tmp_path / "missing" / "log")), required=True)
        result = router.add(NAME)
    assert (result.status, result.attempts) == (Status.ERROR_WRITE_FAULT, 0)
    assert "the audit log" in str(result.error)


def test_n10_nothing_is_connected_where_the_disk_of_a_required_log_is_full(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "_ROOM", 1 << 62)
    with RecordingRouter() as router:
        router.register(Audit(file=str(log)), required=True)
        result = router.add(NAME)
    assert (result.status, result.attempts) == (Status.ERROR_DISK_FULL, 0)


def test_a_line_that_did_not_fit_on_the_disk_is_told(log: Path) -> None:
    script = (
        "import resource, sys; from mprouter.testing import RecordingRouter\n"
        "from mprouter.notifyees.audit import Audit\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "print([call.answer.name for call in RecordingRouter(Audit(file=sys.argv[1])).add('//files/x').calls])"
    )
    ran = subprocess.run([sys.executable, "-c", script, log], capture_output=True, text=True, check=True)
    assert ran.stdout == "['WN_SUCCESS', 'ERROR_DISK_FULL']\n"
    assert log.read_bytes() == b""  # half a line would have the next one appended to it


def test_a_link_in_the_place_of_the_file_is_not_followed(tmp_path: Path, log: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious\n")
    log.symlink_to(victim)
    with RecordingRouter(Audit(file=str(log))) as router:
        result = router.add(NAME)
    assert result.calls[0].answer is Status.ERROR_WRITE_FAULT
    assert victim.read_text() == "precious\n"


def test_a_pipe_in_the_place_of_the_file_holds_nobody_up(log: Path) -> None:
    os.mkfifo(log)
    with RecordingRouter(Audit(file=str(log))) as router:
        result = router.add(NAME)
    assert result.status is Status.WN_SUCCESS
    assert result.calls[0].answer is Status.ERROR_WRITE_FAULT


def test_an_ordinary_user_may_not_write_to_root_s_log(ordinary_user: OrdinaryUser) -> None:
    log = ordinary_user.places.base / "root.jsonl"
    log.write_text("")
    log.chmod(0o600)
    script = (
        "import sys; from mprouter.notifyees.audit import Audit; from mprouter.testing import RecordingRouter\n"
        "print(RecordingRouter(Audit(file=sys.argv[1])).add('//files/x').calls[0].answer.name)"
    )
    ran = ordinary_user.run(ordinary_user.python, "-c", script, log)
    assert ran.stdout == "ERROR_ACCESS_DENIED\n", ran.stderr
    assert log.read_text() == ""


# -- the journal -------------------------------------------------------------------------------------------------


@pytest.fixture
def journal() -> Iterator[tuple[str, socket.socket]]:
    """The name of a journal namespace, and the socket on which its journald would listen."""
    name = f"mprouter-test-{os.getpid()}"
    directory = Path(f"/run/systemd/journal.{name}")
    directory.mkdir(parents=True)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
            listening.bind(str(directory / "socket"))
            listening.settimeout(10)
            yield name, listening
    finally:
        shutil.rmtree(directory)


def fields(entry: bytes) -> dict[str, str]:
    """An entry of the native protocol in its plain form."""
    return dict(line.split("=", 1) for line in entry.decode().splitlines())


def test_the_journal_gets_the_line_and_each_value_as_a_field(journal: tuple[str, socket.socket]) -> None:
    name, listening = journal
    with RecordingRouter(Audit(journal=name)) as router:
        router.add(NAME, "Z:", outcome=Status.ERROR_ACCESS_DENIED)
        entry = fields(listening.recv(1 << 16))
        router.cancel("Z:", force=True)
        second = fields(listening.recv(1 << 16))
    assert json.loads(entry.pop("MESSAGE"))["status_name"] == "ERROR_ACCESS_DENIED"
    assert float(entry.pop("MPR_DURATION")) >= 0
    assert entry == {
        "PRIORITY": "4",
        "SYSLOG_IDENTIFIER": "mprouter",
        "MPR_OPERATION": "add",
        "MPR_REMOTE_NAME": NAME,
        "MPR_LOCAL_NAME": "Z:",
        "MPR_FLAGS": "",
        "MPR_FORCE": "0",
        "MPR_STATUS": "5",
        "MPR_STATUS_NAME": "ERROR_ACCESS_DENIED",
    }
    assert (second["PRIORITY"], second["MPR_FORCE"], second["MPR_NAME"]) == ("6", "1", "Z:")


def test_a_value_of_several_lines_forges_no_field(journal: tuple[str, socket.socket]) -> None:
    name, listening = journal
    audit._send(f"/run/systemd/journal.{name}/socket", {"status": 0, "name": "Z:\nPRIORITY=0"})
    value = b"Z:\nPRIORITY=0"
    assert b"MPR_NAME\n" + len(value).to_bytes(8, "little") + value + b"\n" in listening.recv(1 << 16)


def test_an_entry_that_is_too_long_for_a_datagram_comes_as_a_sealed_file(journal: tuple[str, socket.socket]) -> None:
    name, listening = journal
    audit._send(f"/run/systemd/journal.{name}/socket", {"status": 0, "name": "x" * (1 << 20)})
    data, files, _, _ = socket.recv_fds(listening, 1 << 16, 1)
    assert data == b""
    with os.fdopen(files[0], "rb") as file:
        file.seek(0)
        assert fields(file.read())["MPR_NAME"] == "x" * (1 << 20)


def test_n10_a_journal_that_is_not_there_is_an_error_of_the_pre(places: Places) -> None:
    del places
    with RecordingRouter(Audit(journal="mprouter-no-such-namespace")) as router:
        result = router.add(NAME)
    assert result.calls[0].answer is Status.ERROR_WRITE_FAULT
    assert "/run/systemd/journal.mprouter-no-such-namespace/socket" in str(result.calls[0].message)


def test_a_journal_that_has_stopped_reading_holds_nobody_up_for_long(
    journal: tuple[str, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    name, listening = journal
    monkeypatch.setattr(audit, "_PATIENCE", 0.2)
    with RecordingRouter(Audit(journal=name)) as router:
        results = [router.add(NAME) for _ in range(int(Path("/proc/sys/net/unix/max_dgram_qlen").read_text()) + 3)]
    assert {result.status for result in results} == {Status.WN_SUCCESS}
    assert results[-1].calls[-1].answer is Status.ERROR_WRITE_FAULT
    assert listening.recv(1 << 16)


# -- settings ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"file": "/var/log/x", "journal": True}, "exclude each other"),
        ({"file": "log"}, "file must be an absolute path"),
        ({"journal": "../../../tmp"}, "journal must be"),
        ({"journal": ""}, "journal must be"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(WNetError, match=words) as failure:
        Audit(**settings)
    assert failure.value.status is Status.ERROR_BAD_CONFIGURATION
