"""Fixtures of the doctor's tests: the command, as root and as an ordinary user."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from diagnosis import Examine, Report, as_an_ordinary_user, in_a_namespace, report
from recorder import Script
from sandbox import Command, OrdinaryUser, Places


@pytest.fixture
def script(places: Places) -> Script:
    return Script(places.base / "notifyee", places.base / "notifyee.log").does("")


@pytest.fixture
def doctor(mpr: Command) -> Examine:
    def run(*options: str, commands: str | None = None) -> Report:
        if commands is None:
            return report(mpr("doctor", "--json", *options))
        return report(in_a_namespace(commands, [Path(sys.executable).with_name("mpr"), "doctor", "--json", *options]))

    return run


@pytest.fixture
def ordinary_doctor(ordinary_user: OrdinaryUser) -> Examine:
    def run(*options: str, commands: str | None = None) -> Report:
        if commands is None:
            return report(ordinary_user.mpr("doctor", "--json", *options))
        return report(as_an_ordinary_user(ordinary_user, commands, "doctor", "--json", *options))

    return run
