"""A fixture for the drop-in files of notifyees."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox import Places


@pytest.fixture
def directory(places: Places) -> Path:
    """The user's directory of drop-in files."""
    made = places.config / "notifyees.d"
    made.mkdir(parents=True)
    return made
