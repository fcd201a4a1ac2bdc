"""Run the rows and print the table: ``make bench``, ``make bench ROW=name``.

    python bench/run.py [--list] [ROW …]

The figures are also written to build/bench/ROW.json.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
sys.path += [str(HERE), str(HERE.parent / "tests")]

from ground import Ground  # noqa: E402
from harness import Result, Role, machine, measured  # noqa: E402

ROWS = (
    "dispatch",
    "isolated_call",
    "native_call",
    "routing",
    "journal",
    "start",
    "connect",
    "throughput",
    "files",
    "restore",
    "memory",
    "events",
)
"""In the order of the table."""

console = Console(width=max(Console().width, 140), highlight=False)


def main(rows: list[str]) -> None:
    """Measure, with a word on each case as it is done, and print what came out."""
    results: list[Result] = []
    for each in rows:
        results += row(each)
    console.print(table(results))
    for result in results:
        for name, why in result.left_out.items():
            console.print(f"{result.row}: without {name}: {why}")


def row(name: str) -> list[Result]:
    """All cases of one row."""
    module = importlib.import_module(f"rows.{name}")
    results = []
    with ExitStack() as running:
        ground = Ground(running)
        for case in module.cases(ground):
            console.print(f"{name}: {case.what} …", style="dim")
            results.append(measured(name, case, ground.left_out))
    written = HERE.parent / "build" / "bench" / f"{name}.json"
    written.parent.mkdir(parents=True, exist_ok=True)
    found = {
        "when": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": machine(),
        "cases": [each.as_json() for each in results],
    }
    written.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    return results


def table(results: list[Result]) -> Table:
    """Ours beside the best peer of each case."""
    made = Table(title=" · ".join(machine().values()), title_justify="left")
    for title in ("what", "ours", "peer", "", "ratio", "goal", "", "limit"):
        made.add_column(title, justify="right" if title in {"ours", "peer", "ratio", "goal", "limit"} else "left")
    before = None
    for result in results:
        if before not in {None, result.row}:
            made.add_section()
        before = result.row
        ours = result.named(Role.OURS)[0]
        limits = [f"{name} {result.median(name):.4g}" for name in result.named(Role.LIMIT)]
        for goal in result.goals:
            compared = result.compared(goal)
            peer = (
                [f"{result.median(compared[0]):.4g}", compared[0], f"{compared[1]:.2f}"] if compared else ["", "", ""]
            )
            verdict = {True: "met", False: "missed", None: ""}[result.met(goal)]
            ours_says = f"{result.median(ours):.4g} {result.unit} ±{result.spread(ours):.0%}"
            made.add_row(result.what, ours_says, *peer, str(goal), verdict, ", ".join(limits))
    return made


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Measure ours beside what people use today.")
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"one of {', '.join(ROWS)}; all without any")
    arguments = parser.parse_args()
    if unknown := [each for each in arguments.rows if each not in ROWS]:
        parser.error(f"there is no row {', '.join(unknown)}; there are {', '.join(ROWS)}")
    main(arguments.rows or list(ROWS))
