"""docs/architecture.md has every room of the package, and names no file, class or function that is not there."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "mprouter"
TEXT = (ROOT / "docs" / "architecture.md").read_text()
FILES = [each.relative_to(SOURCE) for each in SOURCE.rglob("*.py")]

NO_ROOMS = {"__main__.py", "_version.py", "py.typed", "__pycache__/"}
NOT_OURS = {("mpr", "dll")}


def owner_called(name: str) -> object:
    """The class, or the module, that the document calls *name*."""
    if not name[0].isupper():
        return import_module(f"mprouter.{name.replace('/', '.')}")
    defined = re.compile(rf"^class {name}\b", re.MULTILINE)
    [file] = [each for each in FILES if defined.search((SOURCE / each).read_text())]
    return getattr(import_module(".".join(["mprouter", *file.with_suffix("").parts])), name)


def test_every_room_is_in_the_plan() -> None:
    plan = TEXT.split("```")[1]
    rooms = {each.name + "/" * each.is_dir() for each in SOURCE.iterdir()} - NO_ROOMS
    assert len(rooms) > 40
    assert {each for each in rooms if not re.search(rf"^  (?:\S+ )*{re.escape(each)}\s", plan, re.MULTILINE)} == set()


def test_every_file_is_there() -> None:
    named = set(re.findall(r"[\w/]+\.py\b", TEXT))
    assert len(named) > 40
    assert {each for each in named if not any(f"/{file}".endswith(f"/{each}") for file in FILES)} == set()


def test_every_function_is_there() -> None:
    named = set(re.findall(r"`([\w/]+)\.(?!py`)(\w+)`", TEXT)) - NOT_OURS
    assert ("Router", "connect") in named
    assert {(owner, name) for owner, name in named if not hasattr(owner_called(owner), name)} == set()
