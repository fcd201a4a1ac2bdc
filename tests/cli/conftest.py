"""Fixtures of the command's tests: a notifyee that is a script, and a terminal."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pseudo_terminal import PseudoTerminal
from recorder import Script
from sandbox import Places


@pytest.fixture
def script(places: Places) -> Script:
    return Script(places.base / "notifyee", places.base / "notifyee.log").does("")


@pytest.fixture
def terminal(places: Places) -> Iterator[PseudoTerminal]:
    del places  # they are in the environment
    with PseudoTerminal() as made:
        yield made
