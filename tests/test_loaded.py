"""A program whose package is updated while it runs: it is told so, and leaves nothing half done."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import mprouter
from sandbox import Command, Places

PROGRAM = """
import sys
import mprouter

connection = mprouter.connect(sys.argv[1], "Z:", persist=True)
print("connected", flush=True)
sys.stdin.readline()  # meanwhile it is updated
for call, arguments in (
    (connection.close, []),
    (mprouter.disconnect, ["Z:"]),
    (mprouter.connect, [sys.argv[1], "Y:"]),
    (mprouter.restore, []),
):
    try:
        call(*arguments)
    except mprouter.WNetError as error:
        print(error.status.name, "start the program again" in str(error))
print([each.local_name for each in mprouter.connections()])
"""


@pytest.mark.parametrize("is_removed", [False, True])
def test_c6_a_program_whose_package_is_updated_is_told_before_anything_begins(
    places: Places, mpr: Command, local_root: Path, tmp_path: Path, *, is_removed: bool
) -> None:
    """What it has not loaded yet would be another version's: here a disconnect that cannot be imported at all."""
    package = tmp_path / "mprouter"
    shutil.copytree(Path(mprouter.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, f"file://{local_root}"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with program:
        assert program.stdout is not None
        assert program.stdout.readline() == "connected\n"
        (places.drives / "Z" / "report").write_text("important")
        if is_removed:
            shutil.rmtree(package)
        else:
            (package / "_version.py").write_text('__version__ = "99.0"\n')
            (package / "providers" / "rclone" / "disconnect.py").write_text("from mprouter import nothing_of_this_name")
        printed, _ = program.communicate("\n", timeout=60)
    assert printed.splitlines() == ["ERROR_REVISION_MISMATCH True"] * 4 + ["['Z:']"]
    ran = mpr("disconnect", "Z:")
    assert ran.returncode == 0, ran.stderr
    assert (local_root / "report").read_text() == "important"
