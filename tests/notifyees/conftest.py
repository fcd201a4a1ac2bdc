"""Fixtures for the notifyees that ship with the package."""

from __future__ import annotations

import os

import pytest

from links import Line, Programs
from sandbox import Places


@pytest.fixture
def programs(places: Places, monkeypatch: pytest.MonkeyPatch) -> Programs:
    """Makes programs that are found before the system's."""
    directory = places.base / "bin"
    directory.mkdir()
    monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")
    return Programs(directory)


@pytest.fixture
def line(places: Places, programs: Programs) -> Line:
    """A link that is down."""
    directory = places.base / "line"
    directory.mkdir()
    return Line(directory, programs)
