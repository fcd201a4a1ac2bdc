"""The table ``[settings]`` of a drop-in: what a class or function gets of it, and what is said of a slip of the pen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pytest

from mprouter import AddConnect, NetResource, Status, WNetError
from mprouter.names import parse_remote
from mprouter.notify.dispatch import operate
from mprouter.notify.model import NotifyInfo, Phase, Registration, Told
from mprouter.notify.registration import check, read
from mprouter.plugins.configured import configured
from mprouter.plugins.drop_in import switched

ADD = AddConnect(NetResource(r"\\corp\projects", "Z:"))
NAMES = parse_remote(r"\\corp\projects").forms

MODULE = """
from collections.abc import Sequence
from typing import Literal
from mprouter import Cancel, Status, WNetError

class Gate:
    def __init__(
        self, *, host: str, ports: Sequence[int] = (), mode: Literal["open", "shut"] = "shut", wait: float = 1.0
    ):
        if wait <= 0:
            raise WNetError(Status.ERROR_BAD_CONFIGURATION, "wait must be above 0")
        if len(host) > 20:
            raise ValueError("this host has too long a name")
        self.said = f"{host} {list(ports)} {mode} {wait}"

    def add_connect_notify(self, info, event):
        raise Cancel(self.said)

class Matching:
    def __init__(self, *, match: Sequence[str] = ()):
        self.match = list(match)

    def add_connect_notify(self, info, event):
        raise Cancel(f"match {self.match}")

def veto(event, *, reason="no"):
    raise Cancel(reason)

class Plain:
    def add_connect_notify(self, info, event):
        raise Cancel("plain")

thing = Plain()
"""


class DropIn:
    """A drop-in file beside a module that it names."""

    def __init__(self, directory: Path) -> None:
        self.module = directory / "hooks.py"
        self.module.write_text(MODULE)
        self.path = directory / "hook.toml"

    def write(self, attribute: str, *lines: str, kind: str = "python") -> Registration:
        """The registration of *attribute* by a file with these further lines; its target stands on line 1."""
        target = f"python:{self.module}:{attribute}" if kind == "python" else kind
        self.path.write_text("\n".join([f'target = "{target}"', *lines, ""]))
        return read(self.path, "user")

    def answer(self, attribute: str, *lines: str) -> str | None:
        """What the notifyee says when it is told."""
        registration = self.write(attribute, *lines)
        told: list[Told] = []
        assert registration.concerns("add", NAMES)  # settles it, as in the router
        try:
            with pytest.raises(WNetError):
                operate(ADD, [registration], lambda: ADD, record=told.append)
        finally:
            if registration.close is not None:
                registration.close()
        return told[0].message


@pytest.fixture
def drop_in(tmp_path: Path) -> DropIn:
    return DropIn(tmp_path)


@pytest.fixture(params=["inline", "process"])
def isolation(request: pytest.FixtureRequest) -> str:
    """The line that says in which process it runs."""
    return f'isolation = "{request.param}"'


# -- what is handed over -----------------------------------------------------------------------------------------


def test_a_class_is_made_with_its_settings(drop_in: DropIn, isolation: str) -> None:
    said = drop_in.answer(
        "Gate", "required = true", isolation, "[settings]", 'host = "gw"', "ports = [22, 443]", "wait = 3"
    )
    assert said == "gw [22, 443] shut 3.0"


def test_a_function_gets_them_as_keyword_arguments(drop_in: DropIn, isolation: str) -> None:
    assert drop_in.answer("veto", isolation, "[settings]", 'reason = "not today"') == "not today"
    assert drop_in.answer("veto", isolation) == "no"


def test_the_patterns_of_the_registration_are_a_setting_that_need_not_be_repeated(
    drop_in: DropIn, isolation: str
) -> None:
    assert drop_in.answer("Matching", r"match = ['\\corp\*']", isolation) == r"match ['\\\\corp\\*']"
    said = drop_in.answer("Matching", r"match = ['\\corp\*']", isolation, "[settings]", 'match = ["*"]')
    assert said == "match ['*']"


def test_the_whole_may_stand_on_one_line(drop_in: DropIn) -> None:
    assert drop_in.answer("Gate", 'settings = { host = "gw", mode = "open" }') == "gw [] open 1.0"


# -- what is wrong -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "line", "words"),
    [
        (['host = "gw"', 'hots = "x"'], 5, "unknown key hots; known are host, ports, mode, wait"),
        (["", "wait = 2.0"], 3, "host is missing"),
        (["host = 7"], 4, "host must be a text, not a whole number"),
        (['host = "gw"', 'ports = ["ssh"]'], 5, "ports[0] must be a whole number, not a text"),
        (['host = "gw"', "# how it is at night", 'mode = "ajar"'], 6, "mode: invalid enum value 'ajar'"),
        (['host = "gw"', "wait = -1"], 5, "wait must be above 0"),
        (['host = "a.very.long.name.of.a.host"'], 4, "this host has too long a name"),
    ],
)
def test_what_is_wrong_with_a_setting_is_told_with_its_line(
    drop_in: DropIn, isolation: str, settings: list[str], line: int, words: str
) -> None:
    problem = check(drop_in.write("Gate", isolation, "[settings]", *settings))
    assert problem is not None
    assert words in problem.message
    assert problem.line == line
    assert problem.status is Status.ERROR_BAD_CONFIGURATION


def test_n10_a_required_notifyee_with_a_bad_setting_fails_what_it_concerns_naming_file_and_line(
    drop_in: DropIn, isolation: str
) -> None:
    said = drop_in.answer("Gate", "required = true", isolation, "[settings]", 'host = "gw"', 'wait = "long"')
    assert said == f"{drop_in.path}, line 6: settings: wait must be a number, not a text"


def test_a_key_of_the_same_name_above_the_table_is_not_taken_for_the_setting(drop_in: DropIn) -> None:
    problem = check(drop_in.write("Matching", 'match = ["*"]', "[settings]", "match = 3"))
    assert problem is not None
    assert problem.line == 4


@pytest.mark.parametrize(
    ("lines", "line", "words"),
    [
        (["settings = 3"], 2, "settings must be a table"),
        (["", "[settings]", 'colour = "red"'], 3, "neither a class nor a function"),
    ],
)
def test_settings_that_nobody_can_take(drop_in: DropIn, lines: list[str], line: int, words: str) -> None:
    problem = check(drop_in.write("thing", *lines))
    assert problem is not None
    assert words in problem.message
    assert problem.line == line


@pytest.mark.parametrize("target", ["command:/bin/true", "native:/lib/x.so"])
def test_what_is_no_python_target_has_no_settings(drop_in: DropIn, target: str) -> None:
    problem = drop_in.write("", "[settings]", "a = 1", kind=target).problem
    assert problem is not None
    assert "settings are for Python targets" in problem.message
    assert problem.line == 2


def test_a_target_that_cannot_be_loaded_is_not_blamed_on_the_settings(drop_in: DropIn) -> None:
    problem = check(drop_in.write("Missing", "[settings]", 'host = "gw"'))
    assert problem is not None
    assert problem.line is None
    assert problem.status is Status.ERROR_PROC_NOT_FOUND


# -- beside the other keys ---------------------------------------------------------------------------------------


def test_disabling_does_not_change_a_setting_called_enabled() -> None:
    text = 'target = "python:a:b"\n[settings]\nenabled = true\n'
    assert switched(text, enabled=False) == 'enabled = false\ntarget = "python:a:b"\n[settings]\nenabled = true\n'


def test_n10_of_a_broken_file_a_setting_is_no_key_of_the_registration(drop_in: DropIn) -> None:
    registration = drop_in.write("Gate", "required = true", "order = = 1", "[settings]", 'match = ["nothing"]')
    assert registration.problem is not None
    assert registration.required
    assert registration.matches is None  # it fails everything, not only what a setting happens to say


# -- from code ---------------------------------------------------------------------------------------------------


class Typed:
    """Settings that only the class itself understands."""

    def __init__(self, *, where: Path | None = None, how: Literal["a", "b"] = "a", names: Sequence[str] = ()) -> None:
        self.where, self.how, self.names = where, how, list(names)


def test_a_class_that_is_given_nothing_has_its_defaults() -> None:
    made = configured(Typed, {})
    assert isinstance(made, Typed)
    assert (made.where, made.how, made.names) == (None, "a", [])


def test_a_function_without_settings_stays_what_it_is() -> None:
    def told(info: NotifyInfo) -> Phase:
        return info.phase

    assert configured(told, {}) is told


def test_the_event_is_no_setting_of_a_function() -> None:
    def told(event: object) -> None:
        del event

    with pytest.raises(WNetError, match="unknown key event; known are none"):
        configured(told, {"event": 1})
