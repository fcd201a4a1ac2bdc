"""Fixtures for notifyees that are compiled."""

from __future__ import annotations

import pytest
from libraries import Build, builder


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Compiles a source, given by its name in ``native/`` or its path, to a shared library."""
    return builder(tmp_path_factory.mktemp("libraries"))
