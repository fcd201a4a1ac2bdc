"""Fixtures for notifyees that are compiled."""

from __future__ import annotations

from pathlib import Path

import pytest

from libraries import Build, builder
from sandbox import Places


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Compiles a source, given by its name in ``native/`` or its path, to a shared library."""
    return builder(tmp_path_factory.mktemp("libraries"))


@pytest.fixture
def directory(places: Places) -> Path:
    """The user's directory of drop-in files."""
    made = places.config / "notifyees.d"
    made.mkdir(parents=True)
    return made
