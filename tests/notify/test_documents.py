"""The examples of docs/notifyees.md do what the text says of them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from mprouter import AddConnect, CancelConnect, ConnectFlag, NetResource, Status, WNetError
from mprouter.notify.command import _told, _variables
from mprouter.notify.dispatch import MAX_RETRIES, operate
from mprouter.notify.model import Event, NotifyInfo, Phase, Told
from mprouter.notify.registration import read
from mprouter.plugins import drop_in

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = (ROOT / "docs" / "notifyees.md").read_text()

TUNNEL = """
class tunnel:
    up, reset, down = (lambda word=word: print(word) for word in ("up", "reset", "down"))
"""

ADD = AddConnect(NetResource(r"\\corp\projects", "Z:"))
UNREACHABLE = Status.ERROR_NETWORK_UNREACHABLE


def example(name: str) -> str:
    """The block of the document whose first comment names the file *name*."""
    (block,) = [
        each for each in re.findall(r"(?s)```\w+\n(.*?)```", DOCUMENT) if re.search(rf"\A(#!.*\n)?# {name}\b", each)
    ]
    return str(block)


class Stage:
    """A directory with the examples in it, and an ``nmcli`` that writes down what it is told."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.log = place / "nmcli.log"
        self.put("nmcli", f'#!/bin/sh\necho "$*" >>{self.log}\n[ ! -e {place}/no-carrier ]\n')

    def put(self, name: str, text: str) -> Path:
        path = self.place / name
        path.write_text(text)
        path.chmod(0o755)
        return path

    def play(self, target: str, *outcomes: Status, event: Event = ADD) -> tuple[list[Told], WNetError | None]:
        """One operation with the notifyee *target*, whose attempts end with *outcomes*, the last one in success."""
        registration = read(self.put("hook.toml", f'target = "{target}"'), "user")
        coming = iter(outcomes)
        told: list[Told] = []

        def attempt() -> Event:
            if status := next(coming, Status.WN_SUCCESS):
                raise WNetError(status)
            return event

        assert registration.concerns(event.operation, ())
        try:
            operate(event, [registration], attempt, record=told.append)
        except WNetError as error:
            return told, error
        return told, None

    def dialled(self) -> list[str]:
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return [line.removeprefix("connection ").removesuffix(" corp") for line in lines]


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return Stage(tmp_path)


def test_the_generator_example(stage: Stage) -> None:
    target = f"python:{stage.put('dialler.py', example('dialler.py'))}:dial"
    assert stage.play(target)[1] is None
    assert stage.dialled() == ["up"]
    _, error = stage.play(target, UNREACHABLE)
    assert error is not None
    assert error.status is UNREACHABLE
    assert stage.dialled() == ["up", "down"]
    stage.play(target, event=AddConnect(ADD.resource, ConnectFlag.CURRENT_MEDIA))  # N16
    stage.play(target, event=CancelConnect("Z:"))
    assert stage.dialled() == []


def test_the_retry_example(stage: Stage) -> None:
    target = f"python:{stage.put('redial.py', example('redial.py'))}:redial"
    told, error = stage.play(target, UNREACHABLE, UNREACHABLE)
    assert error is None
    assert [each.answer for each in told] == [0, Status.WN_RETRY, Status.WN_RETRY, 0]
    _, error = stage.play(target, UNREACHABLE, UNREACHABLE, UNREACHABLE)
    assert error is not None
    assert error.status is UNREACHABLE


def test_the_plain_function_example(stage: Stage) -> None:
    target = f"python:{stage.put('policy.py', example('policy.py'))}:policy"
    _, error = stage.play(target)
    assert error is not None
    assert (error.status, error.strerror) == (Status.WN_CANCEL, "only files.example.com is an approved server")
    assert stage.play(target, event=AddConnect(NetResource("sftp://files.example.com/x")))[1] is None
    assert stage.play(target, event=CancelConnect("Z:"))[1] is None


def test_the_class_example(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    target = f"python:{stage.put('auditor.py', example('auditor.py'))}:Auditor"
    stage.play(target, UNREACHABLE)
    stage.play(target, event=CancelConnect("Z:"))
    assert [record.getMessage() for record in caplog.records if record.name == "audit"] == [
        r"\\corp\projects: ERROR_NETWORK_UNREACHABLE",
        "cancelling Z:",
    ]


def test_the_shell_script_example(stage: Stage) -> None:
    target = f"command:{stage.put('vpn-hook', example('vpn-hook'))}"
    assert stage.play(target)[1] is None
    assert stage.dialled() == ["up"]
    assert stage.play(target, UNREACHABLE)[1] is None  # it has it tried again
    assert stage.dialled() == ["up", "up"]
    assert stage.play(target, *[UNREACHABLE] * 4)[1] is not None  # N11: the last time it is not heeded
    assert stage.dialled() == ["up", "up", "up", "up", "down"]
    assert stage.play(target, Status.ERROR_ACCESS_DENIED)[1] is not None
    assert stage.dialled() == ["up", "down"]
    stage.play(target, event=AddConnect(ADD.resource, ConnectFlag.CURRENT_MEDIA))
    assert stage.dialled() == []
    stage.put("no-carrier", "")
    _, error = stage.play(target)
    assert error is not None
    assert (error.status, error.strerror) == (Status.WN_CANCEL, "the VPN cannot be reached")


def test_the_example_of_a_program_that_registers_for_itself(
    stage: Stage, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MPROUTER_STATE_DIR", str(stage.place / "state"))
    monkeypatch.setenv("MPROUTER_SYSTEM_DIR", str(stage.place / "etc"))
    monkeypatch.setenv("MPROUTER_CONFIG_DIR", str(stage.place / "config"))
    namespace: dict[str, object] = {}
    exec(compile(example("registered.py"), "registered.py", "exec"), namespace)  # noqa: S102 - our own document
    router = namespace["router"]
    (registration,) = [each for each in router.registrations() if each.source == "code"]  # type: ignore[attr-defined]
    assert registration.order == 10
    operate(ADD, [registration], lambda: ADD)
    assert capsys.readouterr().out == "before add\nafter WN_SUCCESS\n"
    router.close()  # type: ignore[attr-defined]


def test_the_file_example_and_the_table_of_its_keys(stage: Stage) -> None:
    path = stage.put("vpn.toml", example("vpn.toml"))
    registration = read(path, "user")
    assert (registration.problem, registration.order, registration.timeout) == (None, 20, 60)
    assert {*tomllib.loads(path.read_text())} <= {*drop_in.KEYS}
    assert {*drop_in.KEYS} == {*re.findall(r"(?m)^\| `(\w+)` \|", section("By a file"))}


def test_the_tables_name_every_variable_and_every_key() -> None:
    told = _told(NotifyInfo(Phase.PRE, Status.WN_SUCCESS), ADD)
    rows = re.findall(r"(?m)^\| (?:`(MPR_\w+)`)? ?\| `(\w+)` \|", section("As a program"))
    assert {variable for variable, _ in rows if variable} == {
        each for each in _variables(told) if each.startswith("MPR_")
    }
    assert {key for _, key in rows} == {*told}


@pytest.mark.parametrize(
    ("failures", "done"),
    [(0, ["up"]), (2, ["up", "reset", "reset"]), (4, ["up", "reset", "reset", "reset", "reset", "down"])],
)
def test_n11_the_example_of_the_readme_takes_down_its_tunnel_where_the_server_stays_away(
    stage: Stage, capsys: pytest.CaptureFixture[str], failures: int, done: list[str]
) -> None:
    readme = (ROOT / "README.md").read_text()
    (example,) = re.findall(r"(?ms)^@mprouter\.notifyee\n.*?(?=^mprouter\.register)", readme)
    target = stage.put("dial.py", f"import mprouter\nfrom mprouter import Status\n{TUNNEL}\n{example}")
    _, error = stage.play(f"python:{target}:dial", *[UNREACHABLE] * failures)
    assert (error is not None) == (failures > MAX_RETRIES)
    assert capsys.readouterr().out.split() == done


def section(title: str) -> str:
    (text,) = re.findall(rf"(?sm)^##+ {title}$(.*?)(?=^##+ |\Z)", DOCUMENT)
    return str(text)
