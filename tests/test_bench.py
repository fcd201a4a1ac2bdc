"""The benchmark's own promises: it tidies up however it ends, and tells nothing that was not measured to its end."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sandbox import Places
from servers.daemon import wait_for

BENCH = Path(__file__).resolve().parent.parent / "bench"
sys.path.append(str(BENCH))

import document  # noqa: E402
from harness import Case, Goal, Kind, Result, Role  # noqa: E402
from many import memory  # noqa: E402
from rows import ROWS  # noqa: E402
from table import lines  # noqa: E402


def result(*goals: Goal, **figures: tuple[Role, float]) -> Result:
    """Of kinds that had the same figure three times."""
    kinds = [Kind(name, role, lambda: 0.0, engine=name.partition("_")[2]) for name, (role, _) in figures.items()]
    found = {name: [figure] * 3 for name, (_, figure) in figures.items()}
    return Result("row", Case("reading", "MiB/s", kinds, goals), found)


def told(result: Result) -> list[tuple[str, ...]]:
    return [line[1:5] for line in lines(result.as_json())]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_benchmark_that_is_stopped_leaves_no_mount_no_process_and_no_directory(
    places: Places, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    monkeypatch.setenv("TMPDIR", str(places.base))
    places.base.chmod(0o711)  # the servers' user passes through
    before = set(places.base.iterdir())
    argv = [sys.executable, str(BENCH / "run.py"), "connect"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as bench:
        wait_for(lambda: any(point.endswith("/drive") for point in places.mounts()), "a connection", 60)
        bench.send_signal(number)
        said = bench.communicate(timeout=60)[0]
    assert bench.returncode == 128 + number
    assert said.splitlines()[-1].startswith(f"connect: {number.name} ended it")
    assert "Traceback" not in said
    assert places.mounts() == []
    assert places.processes() == []
    assert set(places.base.iterdir()) == before


def test_each_way_of_ours_has_its_line_and_the_goal_stands_with_the_best_one() -> None:
    ours = {"mpr_rclone": (Role.OURS, 50.0), "mpr_sshfs": (Role.OURS, 90.0)}
    peers = {"mount_rclone": (Role.PEER, 60.0), "bare_sshfs": (Role.PEER, 100.0)}
    assert told(result(Goal(0.8, at_least=True), **ours, **peers)) == [
        ("mpr_rclone: 50 MiB/s ±0%", "bare_sshfs 100 ±0%", "0.50", ""),
        ("mpr_sshfs: 90 MiB/s ±0%", "bare_sshfs 100 ±0%, same engine", "0.90", "≥ 0.8, met"),
    ]


def test_a_goal_of_the_figure_itself_has_nobody_beside_it() -> None:
    assert told(result(Goal(1000, unit="us"), mpr=(Role.OURS, 1500.0))) == [
        ("1,500 MiB/s ±0%", "", "", "≤ 1,000 us, missed")
    ]


def test_the_document_is_left_alone_unless_every_row_was_measured_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(document, "ROOT", tmp_path)
    monkeypatch.setattr(document, "DOCUMENT", tmp_path / "performance.md")
    document.DOCUMENT.write_text(f"{document.BEGIN}the last figures\n{document.END}")
    (tmp_path / "build" / "bench").mkdir(parents=True)
    for row in ROWS[1:]:
        figures = {"seconds": 60, "machine": {}, "when": "2026-11-21", "cases": []}
        (tmp_path / "build" / "bench" / f"{row}.json").write_text(json.dumps(figures))
    assert document.main() == 1
    assert f"whole, in build/bench: {ROWS[0]};" in capsys.readouterr().out
    assert "the last figures" in document.DOCUMENT.read_text()


def test_memory_is_that_of_the_processes_meant_all_of_which_must_be_there() -> None:
    program = [sys.executable, "-c", "print(); input()", mark := f"mark{time.monotonic_ns()}"]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert 1 < memory(mark, number=1) < 100
        with pytest.raises(RuntimeError, match="1 processes were found, where 2 must be"):
            memory(mark, number=2)
        process.communicate("\n")
