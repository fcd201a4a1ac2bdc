"""The contract: it passes the notifyees that ship and those of the examples' shapes, and catches each bad one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import ClassVar

import pytest

from links import Line, Programs
from mprouter import Status
from mprouter.notify.model import Answer, Event, NotifyInfo, Phase, Registration
from mprouter.notify.registration import read
from mprouter.notifyees.audit import Audit
from mprouter.notifyees.desktop import Desktop
from mprouter.notifyees.dialler import Dialler
from mprouter.notifyees.policy import Policy
from mprouter.testing import NotifyeeContract
from sandbox import Places

# -- the good ----------------------------------------------------------------------------------------------------


class TestPolicy(NotifyeeContract):
    def notifyee(self) -> Policy:
        return Policy(allow=[r"\\*", "sftp://*"], reason="not allowed")


class InPlaces(NotifyeeContract):
    """A notifyee that keeps something in the user's places."""

    places: Places

    @pytest.fixture(autouse=True)
    def _prepare(self, places: Places) -> None:
        self.places = places


class TestAudit(InPlaces):
    def notifyee(self) -> Audit:
        return Audit()


class TestDesktop(InPlaces):
    def notifyee(self) -> Desktop:
        return Desktop(on=["failure", "success"])


class TestDialler(InPlaces):
    def notifyee(self) -> Dialler:
        directory = self.places.base / "line"
        directory.mkdir(exist_ok=True)
        return Line(directory, Programs(directory)).dialler()


class TestGenerator(NotifyeeContract):
    def notifyee(self) -> Callable[[Event], Generator[Answer, Status, None]]:
        def dial(event: Event) -> Generator[Answer, Status, None]:
            del event
            status = yield None
            while status is Status.ERROR_NETWORK_UNREACHABLE:
                status = yield Status.WN_RETRY

        return dial


class TestIsolated(InPlaces):
    """A registration as it is read from a drop-in, whose notifyee is in a process of its own."""

    def notifyee(self) -> Registration:
        path = self.places.base / "policy.toml"
        path.write_text('target = "python:mprouter.notifyees.policy:Policy"\nisolation = "process"\n')
        return read(path, "user")


# -- the bad -----------------------------------------------------------------------------------------------------


class Mutant:
    """A notifyee that is as it should be, to be spoilt."""

    def add_connect_notify(self, info: NotifyInfo, event: Event) -> Answer:
        return self.told(info, event)

    def cancel_connect_notify(self, info: NotifyInfo, event: Event) -> Answer:
        return self.told(info, event)

    def told(self, info: NotifyInfo, event: Event) -> Answer:
        if info.phase is Phase.PRE:
            info.context = event
        return None


class RaisesBefore(Mutant):
    def told(self, info: NotifyInfo, event: Event) -> Answer:
        del info
        raise KeyError(event.operation)


class RaisesAfterAFailure(Mutant):
    def told(self, info: NotifyInfo, event: Event) -> Answer:
        super().told(info, event)
        if info.status not in {Status.WN_SUCCESS, Status.WN_RETRY}:
            raise OSError("cannot tell")
        return None


class RaisesAfterACancel(Mutant):
    def cancel_connect_notify(self, info: NotifyInfo, event: Event) -> Answer:
        if info.phase is Phase.POST:
            raise RuntimeError("I have forgotten")
        return self.told(info, event)


class AnswersAnError(Mutant):
    def told(self, info: NotifyInfo, event: Event) -> Answer:
        del info, event
        return Status.ERROR_ACCESS_DENIED


class AnswersTrue(Mutant):
    def told(self, info: NotifyInfo, event: Event) -> Answer:
        del info, event
        return True


class KnowsOnlyStatusesWithNames(Mutant):
    KNOWN: ClassVar = {int(each): each.name for each in Status}

    def told(self, info: NotifyInfo, event: Event) -> Answer:
        super().told(info, event)
        self.KNOWN[int(info.status)]
        return None


class WantsALocalName(Mutant):
    def add_connect_notify(self, info: NotifyInfo, event: Event) -> Answer:
        event.resource.local_name.lower()  # type: ignore[union-attr]
        return self.told(info, event)


class WantsAscii(Mutant):
    def add_connect_notify(self, info: NotifyInfo, event: Event) -> Answer:
        event.resource.remote_name.encode("ascii")  # type: ignore[union-attr]
        return self.told(info, event)


class KnowsNoOwner(Mutant):
    def add_connect_notify(self, info: NotifyInfo, event: Event) -> Answer:
        if event.owner:  # type: ignore[union-attr]
            raise ValueError("no windows here")
        return self.told(info, event)


class StumblesOverItsSecondPre(Mutant):
    def told(self, info: NotifyInfo, event: Event) -> Answer:
        if info.phase is Phase.PRE and info.status is Status.WN_RETRY:
            raise AssertionError("I was told already")
        return super().told(info, event)


class StumblesOverAVeto(Mutant):
    """It was not in the contract's list of outcomes, for it asks whether there was an attempt at all."""

    def __init__(self) -> None:
        self.now = 0

    def told(self, info: NotifyInfo, event: Event) -> Answer:
        super().told(info, event)
        if info.phase is Phase.POST and info.status is Status.WN_CANCEL:
            raise RuntimeError("cancelled?")
        return None


class KeepsItsContextInItself(Mutant):
    """One that works as long as operations do not overlap."""

    def __init__(self) -> None:
        self.current: list[Event] = []

    def told(self, info: NotifyInfo, event: Event) -> Answer:
        if info.phase is Phase.PRE:
            info.context = True
            self.current.append(event)
        elif self.current.pop() != event and event.operation == "add":
            raise RuntimeError("this is another operation's end")
        return None


class ChangesTheEvent(Mutant):
    def add_connect_notify(self, info: NotifyInfo, event: Event) -> Answer:
        object.__setattr__(event, "flags", 4)
        return self.told(info, event)


class TellsInNumbers(Mutant):
    def told(self, info: NotifyInfo, event: Event) -> Answer:
        info.message = 42  # type: ignore[assignment]
        return super().told(info, event)


class SaysThatItIsThreadSafe(Mutant):
    def __init__(self) -> None:
        self.inside = 0

    def told(self, info: NotifyInfo, event: Event) -> Answer:
        self.inside += 1
        deadline = time.monotonic() + 0.05
        while time.monotonic() < deadline:
            if self.inside > 1:
                raise RuntimeError("two at a time")
            threading.Event().wait(0.001)
        self.inside -= 1
        return super().told(info, event)


class LeavesAThread(Mutant):
    ending: ClassVar = threading.Event()

    def told(self, info: NotifyInfo, event: Event) -> Answer:
        threading.Thread(target=self.ending.wait, name="forgotten", daemon=True).start()
        return super().told(info, event)


class LeavesAChild(Mutant):
    children: ClassVar[list[subprocess.Popen[bytes]]] = []

    def told(self, info: NotifyInfo, event: Event) -> Answer:
        self.children.append(subprocess.Popen(["sleep", "60"]))
        return super().told(info, event)


class ChangesTheDirectory(Mutant):
    def told(self, info: NotifyInfo, event: Event) -> Answer:
        os.chdir("/")
        return super().told(info, event)


class ChangesTheEnvironment(Mutant):
    def told(self, info: NotifyInfo, event: Event) -> Answer:
        os.environ["MUTANT"] = event.operation
        return super().told(info, event)


class Prints(Mutant):
    def told(self, info: NotifyInfo, event: Event) -> Answer:
        print("told of", event.operation)  # noqa: T201 - that is what is wrong with it
        return super().told(info, event)


class HearsNothing:
    """It has none of the methods."""


def marked(cls: type[Mutant]) -> Registration:
    """Of a class that is not thread-safe, a registration that says so."""
    return Registration("mutant", cls().told, thread_safe=True)


@pytest.mark.parametrize(
    ("test", "mutant", "words"),
    [
        ("test_it_can_be_registered", HearsNothing, "is no notifyee"),
        ("test_n1_it_answers_before_and_after_an_add", RaisesBefore, "before the add it raised KeyError"),
        ("test_n2_it_answers_before_and_after_a_cancel", RaisesBefore, "before the cancel it raised KeyError"),
        ("test_n1_it_answers_before_and_after_an_add", RaisesAfterAFailure, "after the add it raised .*cannot tell"),
        ("test_n1_it_answers_before_and_after_an_add", KnowsOnlyStatusesWithNames, "after the add it raised KeyError"),
        ("test_n2_it_answers_before_and_after_a_cancel", RaisesAfterACancel, "after the cancel it raised RuntimeError"),
        ("test_n1_it_answers_before_and_after_an_add", AnswersAnError, "ERROR_ACCESS_DENIED, which counts as an error"),
        ("test_n1_it_answers_before_and_after_an_add", AnswersTrue, "not with a bool"),
        ("test_n1_it_answers_before_and_after_an_add", TellsInNumbers, "its message was not a text"),
        ("test_n1_it_answers_before_and_after_an_add", ChangesTheEvent, "it changed the event"),
        ("test_n9_it_bears_the_veto_of_another", StumblesOverAVeto, "after the add it raised RuntimeError: cancelled"),
        ("test_n11_it_is_told_again_before_another_attempt", StumblesOverItsSecondPre, "I was told already"),
        ("test_n14_it_bears_all_names", WantsALocalName, "AttributeError"),
        ("test_n14_it_bears_all_names", WantsAscii, "UnicodeEncodeError"),
        ("test_n16_it_bears_all_flags", KnowsNoOwner, "no windows here"),
        ("test_n7_it_keeps_apart_operations_that_overlap", KeepsItsContextInItself, "another operation's end"),
        ("test_n18_it_can_be_told_by_two_threads", SaysThatItIsThreadSafe, "two at a time"),
        ("test_it_leaves_nothing_behind", LeavesAThread, "the thread forgotten"),
        ("test_it_leaves_nothing_behind", LeavesAChild, "the child process .*sleep"),
        ("test_it_leaves_nothing_behind", ChangesTheDirectory, "the working directory"),
        ("test_it_leaves_nothing_behind", ChangesTheEnvironment, "the variable MUTANT"),
        ("test_it_prints_nothing", Prints, "it has printed 'told of add"),
    ],
)
def test_a_bad_notifyee_is_caught(
    test: str, mutant: type[Mutant], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    LeavesAThread.ending.clear()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MUTANT", "")  # so that it is as it was afterwards
    monkeypatch.setattr("mprouter.testing.contract._GRACE", 0.2)

    class Contract(NotifyeeContract):
        def notifyee(self) -> object:
            return marked(mutant) if mutant is SaysThatItIsThreadSafe else mutant()

    try:
        with pytest.raises(AssertionError, match=words):
            getattr(Contract(), test)()
    finally:
        LeavesAThread.ending.set()
        for child in LeavesAChild.children:
            child.kill()
            child.wait()
        LeavesAChild.children.clear()


def test_without_a_notifyee_the_contract_says_what_is_missing() -> None:
    with pytest.raises(TypeError, match="NotifyeeContract needs a method notifyee"):
        NotifyeeContract().test_it_can_be_registered()


# -- as a stranger runs it ---------------------------------------------------------------------------------------

STRANGER = """
from mprouter import Status
from mprouter.testing import NotifyeeContract

def good(event):
    yield

def bad(event):
    status = yield
    if status == Status.ERROR_LOGON_FAILURE:
        raise RuntimeError("who are you?")

class TestGood(NotifyeeContract):
    def notifyee(self):
        return good

class TestBad(NotifyeeContract):
    def notifyee(self):
        return bad
"""


def test_a_stranger_runs_it_with_pytest_alone(tmp_path: Path) -> None:
    (tmp_path / "test_hooks.py").write_text(STRANGER)
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", "test_hooks.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    failed = [line.split(" - ")[0] for line in ran.stdout.splitlines() if line.startswith("FAILED")]
    assert failed == [
        "FAILED test_hooks.py::TestBad::test_n1_it_answers_before_and_after_an_add",
        "FAILED test_hooks.py::TestBad::test_n2_it_answers_before_and_after_a_cancel",
    ], json.dumps(ran.stdout)
    assert "who are you?" in ran.stdout
