"""Shipped notifyees as a user enables them: a drop-in file of a few lines, and the installed command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from links import Line
from sandbox import Command, OrdinaryUser, Places


@pytest.fixture
def directory(places: Places) -> Path:
    made = places.config / "notifyees.d"
    made.mkdir(parents=True)
    return made


def test_the_dialler_dials_for_a_command_and_hangs_up_when_another_disconnects(
    directory: Path, mpr: Command, line: Line, resource: str
) -> None:
    settings = line.settings()
    (directory / "line.toml").write_text(
        'target = "python:mprouter.notifyees.dialler:Dialler"\n'
        'match = ["file://*"]\n'
        "[settings]\n"
        f'up = "{settings["up"]}"\ndown = {json.dumps(settings["down"])}\n'
    )
    assert mpr("connect", resource, "Z:").returncode == 0
    assert mpr("connect", resource, "Y:").returncode == 0
    assert line.record == ["up"]
    assert mpr("disconnect", "Z:").returncode == 0
    assert line.is_up
    assert mpr("disconnect", "Y:").returncode == 0
    assert line.record == ["up", "down"]


def test_n10_a_link_that_cannot_be_brought_up_is_why_the_command_fails(
    directory: Path, mpr: Command, resource: str
) -> None:
    (directory / "line.toml").write_text(
        'target = "python:mprouter.notifyees.dialler:Dialler"\n[settings]\nunit = "no-such-unit-here.service"\n'
    )
    ran = mpr("connect", resource, "Z:")
    assert ran.returncode == 1
    assert "the required notifyee line failed: the unit no-such-unit-here.service could not be brought up" in ran.stderr
    assert mpr("list").stdout == "Nothing is connected.\n"


def test_the_policy_refuses_with_its_reason(directory: Path, mpr: Command, resource: str) -> None:
    (directory / "policy.toml").write_text(
        'target = "python:mprouter.notifyees.policy:Policy"\n'
        "required = true\n"
        "[settings]\n"
        'allow = ["sftp://*.corp.example/*"]\n'
        'reason = "only servers of the house; ask extension 4711"\n'
    )
    ran = mpr("connect", resource, "Z:")
    assert ran.returncode == 1
    assert "only servers of the house; ask extension 4711 (WN_CANCEL" in ran.stderr
    shown = json.loads(mpr("connect", resource, "Z:", "--json").stdout)
    assert (shown["status"], shown["message"]) == ("WN_CANCEL", "only servers of the house; ask extension 4711")


def test_the_policy_of_the_system_holds_for_an_ordinary_user(ordinary_user: OrdinaryUser) -> None:
    base = ordinary_user.places
    base.system.joinpath("notifyees.d").mkdir()
    base.system.joinpath("notifyees.d", "policy.toml").write_text(
        'target = "python:mprouter.notifyees.policy:Policy"\nrequired = true\n[settings]\ndeny = ["file://*"]\n'
    )
    ran = ordinary_user.mpr("connect", base.home.as_uri(), "Z:")
    assert ran.returncode == 1
    assert "the policy does not allow connections to file://" in ran.stderr


def test_the_audit_log_has_a_line_for_each_command(
    directory: Path, mpr: Command, places: Places, resource: str
) -> None:
    (directory / "audit.toml").write_text('target = "python:mprouter.notifyees.audit:Audit"\n')
    mpr("connect", resource, "Z:")
    mpr("connect", f"{resource}/missing", "Y:")
    mpr("disconnect", "Z:")
    lines = [json.loads(line) for line in (places.state / "audit.jsonl").read_text().splitlines()]
    assert [(each["operation"], each["status"] == 0) for each in lines] == [
        ("add", True),
        ("add", False),
        ("cancel", True),
    ]


@pytest.mark.parametrize(
    ("attribute", "settings", "told"),
    [
        ("dialler:Dialler", ["up = '/bin/true'"], (4, "up and down go together")),
        ("dialler:Dialler", ["unit = 'a'", "wireguard = 'b'"], (4, "exactly one of")),
        ("dialler:Dialler", ["unit = 'a'", "wait = 0"], (5, "wait must be a number of seconds above 0")),
        ("dialler:Dialler", ["unit = 'a'", "wait_for = 'files'"], (5, "wait_for must be host:port, not files")),
        ("dialler:Dialler", ["ssh_tunnel = { host = 'gw' }"], (4, "ssh_tunnel.forwards is missing")),
        (
            "dialler:Dialler",
            ["[settings.ssh_tunnel]", "host = 'gw'", "forwards = ['22']"],
            (4, "22 is neither port:host:hostport"),
        ),
        ("policy:Policy", ["alow = ['*']"], (4, "unknown key alow; known are allow, deny, default, reason")),
        ("policy:Policy", ["# globs", "deny = ['[z-a]']"], (5, "'[z-a]' is not a glob")),
        ("policy:Policy", ["default = 'maybe'"], (4, "default: invalid enum value 'maybe'")),
        ("audit:Audit", ["file = 'log'"], (4, "file must be an absolute path")),
        ("desktop:Desktop", ["on = 'failure'"], (4, "on must be a list, not a text")),
    ],
)
@pytest.mark.parametrize("isolation", ["inline", "process"])
def test_a_bad_setting_is_told_by_file_and_line(
    directory: Path, mpr: Command, *, isolation: str, attribute: str, settings: list[str], told: tuple[int, str]
) -> None:
    path = directory / "hook.toml"
    line, words = told
    head = [f'target = "python:mprouter.notifyees.{attribute}"', f'isolation = "{isolation}"']
    path.write_text("\n".join([*head, "[settings]", *settings, ""]))
    problem = json.loads(mpr("notify", "list", "--json").stdout)[0]["problem"]
    assert words in problem["message"]
    assert problem["line"] == line

    path.write_text("\n".join([*head, "required = true", "[settings]", *settings, ""]))
    failed = mpr("connect", path.parent.as_uri(), "Z:")
    assert failed.returncode == 1
    assert f"{path}, line {line + 1}: settings: " in failed.stderr
