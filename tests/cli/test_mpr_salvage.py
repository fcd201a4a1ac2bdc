"""mpr salvage: a damaged store is begun anew, and what is lost or left behind is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from mprouter.store import FILE_NAME

if TYPE_CHECKING:
    from sandbox import Command, Places


def connect(mpr: Command, root: Path, *locals_: str) -> None:
    for local in locals_:
        (root / local[0]).mkdir()
        done = mpr("connect", (root / local[0]).as_uri(), local, "--persist")
        assert done.returncode == 0, done.stderr


def damage(places: Places, root: Path, letter: str) -> bytes:
    """Change the resource of one connection, in the file."""
    path = places.state / FILE_NAME
    name = (root / letter).as_uri().encode()
    content = path.read_bytes()
    assert name in content
    path.write_bytes(content.replace(name, name[:-1] + b"Q"))
    return path.read_bytes()


def test_a_store_that_is_not_damaged_stays(mpr: Command, places: Places, local_root: Path) -> None:
    connect(mpr, local_root, "Z:")
    done = mpr("salvage")
    assert (done.returncode, done.stdout) == (0, "The store of connections is not damaged.\n"), done.stderr
    assert json.loads(mpr("salvage", "--json").stdout) is None
    assert mpr("disconnect", "Z:").returncode == 0
    assert places.mounts() == []


def test_what_is_lost_and_still_mounted_is_said(mpr: Command, places: Places, local_root: Path) -> None:
    connect(mpr, local_root, "Z:", "Y:")
    (places.drives / "Z" / "written").write_text("before")
    before = damage(places, local_root, "Z")
    refused = mpr("list")
    assert refused.returncode == 1
    assert "the store of connections is damaged" in refused.stderr
    assert "mpr salvage puts it aside" in refused.stderr

    done = mpr("salvage")

    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    (aside,) = places.state.glob(f"{FILE_NAME}.damaged-*")
    assert aside.read_bytes() == before
    assert lines[:3] == [f"The damaged store is now {aside}", f"Connected: {places.drives / 'Y'}", "Remembered: Y:"]
    lost = [line for line in lines if line.startswith("Lost:")]
    assert [each.partition(",")[0] for each in lost[:2]] == [
        "Lost: a damaged row of the table connections",
        "Lost: a damaged row of the table profile",
    ]
    assert all("Z:" in each for each in lost[:2])
    assert lost[2:] == ["Lost: damaged events: 1"]
    assert [line for line in lines if line.startswith("Mounted")] == [
        f"Mounted, but no connection: {places.drives / 'Z'}"
    ]
    assert [each["local_name"] for each in json.loads(mpr("list", "--json").stdout)] == ["Y:"]
    assert mpr("disconnect", "Y:").returncode == 0
    assert (places.drives / "Z" / "written").read_text() == "before"  # the other is still at work


def test_as_json(mpr: Command, places: Places, local_root: Path) -> None:
    connect(mpr, local_root, "Z:", "Y:")
    damage(places, local_root, "Y")
    found = json.loads(mpr("salvage", "--json").stdout)
    (aside,) = places.state.glob(f"{FILE_NAME}.damaged-*")
    assert found.pop("events") > 0
    assert len(found.pop("lost")) == 3
    assert found == {
        "aside": str(aside),
        "connections": [str(places.drives / "Z")],
        "remembered": ["Z:"],
        "strays": [str(places.drives / "Y")],
    }
