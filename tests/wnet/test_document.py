"""docs/wnet.md names every function and flag, and its tests are there."""

from __future__ import annotations

import re
from pathlib import Path

from mprouter import wnet

HERE = Path(__file__).parent
DOCUMENT = (HERE.parent.parent / "docs" / "wnet.md").read_text()


def test_every_function_and_flag_is_in_the_document() -> None:
    functions = {name for name in dir(wnet) if re.match("WNet[A-Z]|Multinet", name) and callable(getattr(wnet, name))}
    assert len(functions) > 20
    flags = {name for name in dir(wnet) if re.match("(CONNECT|CONNDLG|DISC)_", name)} - {"CONNECT_RESERVED"}
    assert {name for name in functions | flags if f"`{name}`" not in DOCUMENT} == set()


def test_every_test_that_the_document_names_is_there() -> None:
    named = set(re.findall(r"`(test_\w+)`", DOCUMENT))
    files = "".join(file.read_text() for file in HERE.glob("test_*.py"))
    there = set(re.findall(r"^def (test_\w+)", files, re.MULTILINE))
    assert named <= there, named - there
