"""Run the rows and print the table: ``make bench``, ``make bench ROW=name``.

    python bench/run.py [--list] [ROW …]

The figures are also written to build/bench/ROW.json.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
sys.path += [str(HERE), str(HERE.parent / "tests")]

from ground import Ground  # noqa: E402
from harness import Result, Role, machine, measured  # noqa: E402
from rows import ROWS  # noqa: E402

console = Console(width=max(Console().width, 140), highlight=False)


def main(rows: list[str]) -> None:
    """Measure, with a word on each case as it is done, and print what came out."""
    results: list[Result] = []
    failed = []
    for each in rows:
        try:
            results += row(each)
        except Exception:  # noqa: BLE001 - the others have their turn
            console.print_exception()
            failed.append(each)
    console.print(table(results))
    for told in dict.fromkeys(
        f"{each.row}: without {name}: {why}" for each in results for name, why in each.left_out.items()
    ):
        console.print(told)
    if failed:
        sys.exit(f"not measured to the end: {', '.join(failed)}")


def row(name: str) -> Iterator[Result]:
    """All cases of one row, which are written down as they come."""
    module = importlib.import_module(f"rows.{name}")
    written = HERE.parent / "build" / "bench" / f"{name}.json"
    written.parent.mkdir(parents=True, exist_ok=True)
    found: dict[str, Any] = {"when": f"{datetime.now(UTC):%Y-%m-%d}", "machine": machine(), "cases": []}
    with ExitStack() as running:
        ground = Ground(running)
        for case in module.cases(ground):
            console.print(f"{name}: {case.what} …", style="dim")
            result = measured(name, case, ground.left_out)
            found["cases"].append(result.as_json())
            written.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
            yield result


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
        ours_says = f"{result.median(ours):.4g} {result.unit} ±{result.spread(ours):.0%}"
        limits = ", ".join(f"{name} {result.median(name):.4g}" for name in result.named(Role.LIMIT))
        if not result.goals:
            made.add_row(result.what, ours_says, "", "", "", "", "", limits)
        for goal in result.goals:
            compared = result.compared(goal)
            peer = (
                [f"{result.median(compared[0]):.4g}", compared[0], f"{compared[1]:.2f}"] if compared else ["", "", ""]
            )
            verdict = {True: "met", False: "missed", None: ""}[result.met(goal)]
            made.add_row(result.what, ours_says, *peer, str(goal), verdict, limits)
    return made


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Measure ours beside what people use today.")
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"one of {', '.join(ROWS)}; all without any")
    arguments = parser.parse_args()
    if unknown := [each for each in arguments.rows if each not in ROWS]:
        parser.error(f"there is no row {', '.join(unknown)}; there are {', '.join(ROWS)}")
    main(arguments.rows or list(ROWS))
