"""docs/statuses.md has every status that an operation can end in, with its number and Python's own exception."""

from __future__ import annotations

import re
from pathlib import Path

from mprouter import Status, WNetError

ROOT = Path(__file__).parent.parent

NEVER_SEEN = {Status.ERROR_BAD_NETPATH}
"""What the router makes another status of (R3)."""


def rows() -> dict[str, list[str]]:
    """The cells of the table, by status."""
    lines = (ROOT / "docs" / "statuses.md").read_text().splitlines()
    cells = [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in lines if line.startswith("| `")]
    return {row[0]: row for row in cells}


def test_every_status_that_is_raised_is_documented() -> None:
    raised = r"(?:WNetError|Failure|_mishap)\((?:\s|\"[^\"]*\",|r\"[^\"]*\",)*Status\.(\w+)"
    source = "".join(each.read_text() for each in (ROOT / "src" / "mprouter").rglob("*.py"))
    found = {Status[name] for name in re.findall(raised, source)}
    assert len(found) > 30
    assert sorted(each.name for each in found - NEVER_SEEN if each.name not in rows()) == []


def test_numbers_and_exceptions_are_as_documented() -> None:
    for name, (_, number, *_, exception) in rows().items():
        assert int(number) == Status[name]
        if Status[name] is not Status.WN_SUCCESS:
            assert exception in [each.__name__ for each in type(WNetError(Status[name])).__mro__], name
            assert exception != "OSError" or type(WNetError(Status[name])) is WNetError, name
