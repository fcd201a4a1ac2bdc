"""Write the figures of the last runs into docs/performance.md, and draw docs/growth.svg: after ``make bench``.

What is read is build/bench/ROW.json, which ``make bench`` writes when a row was measured to its end. Nothing is written
unless that is there for each row, from one machine. The plot is drawn by gnuplot (Debian's gnuplot-nox).
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness import UNITS
from rows import ROWS
from table import COLUMNS, duration, lines

ROOT = Path(__file__).parent.parent
DOCUMENT = ROOT / "docs" / "performance.md"
PLOT = ROOT / "docs" / "growth.svg"
BEGIN, END = "<!-- bench/document.py writes this -->\n", "<!-- to here -->\n"

PANELS = {
    "notifyees that are told": {
        "told before and after": ("dispatch", "notifyees", "mprouter"),
        "the same by pluggy": ("dispatch", "notifyees", "pluggy"),
    },
    "providers that are asked": {
        "ours": ("routing", "of ours", "mprouter"),
        "strangers', behind the guard": ("routing", "of strangers", "mprouter"),
    },
    "connections that are there": {
        "add and cancel one more": ("growth", "connections", "mprouter"),
        "mpr list": ("start", "list", "mpr"),
    },
    "events on record": {
        "add and cancel": ("growth", "events", "mprouter"),
    },
}
"""What grows, and which curves are drawn over it: each a row, a series and a kind."""

STYLE = f"""
set terminal svg size 1000,640 font "sans-serif,13" background "white"
set output "{PLOT}"
set multiplot layout 2,2
set format y "%g"
set format x "%.0s%c"
set yrange [0.001:1000]
set logscale xy
set grid
set key top left
set ylabel "milliseconds"
"""


def main() -> int:
    """Both; 1 if there is not all that it takes, and nothing was changed."""
    found, lacking = {}, []
    for row in ROWS:
        file = ROOT / "build" / "bench" / f"{row}.json"
        found[row] = json.loads(file.read_text()) if file.exists() else {}
        if "seconds" not in found[row]:  # of a run of today's program, and to its end
            lacking.append(row)
    if lacking:
        print(
            f"no figures that are whole, in build/bench: {', '.join(lacking)}; run make bench ROW='{' '.join(lacking)}'"
        )
        return 1
    if len({tuple(row["machine"].items()) for row in found.values()}) > 1:
        print("the figures in build/bench are of several machines, kernels or Pythons; run make bench")
        return 1
    if shutil.which("gnuplot") is None:
        print("gnuplot is not installed (Debian's package gnuplot-nox)")
        return 1
    before, begin, rest = DOCUMENT.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    subprocess.run(["gnuplot"], input=plot(found), text=True, check=True)
    DOCUMENT.write_text(before + begin + figures(found) + end + after)
    return 0


def figures(found: dict[str, Any]) -> str:
    """The table, with the machine, the days and what each row took."""
    machine = " · ".join(found[ROWS[0]]["machine"].values())
    days = sorted({row["when"] for row in found.values()})
    took = ", ".join(f"{name} {duration(row['seconds'])}" for name, row in found.items())
    total = duration(sum(row["seconds"] for row in found.values()))
    cases = [case for row in found.values() for case in row["cases"] if any(each["goal"] for each in case["lines"])]
    verdicts = [each["met"] for case in cases for each in case["lines"]]
    written = [
        f"Measured on {' to '.join(dict.fromkeys((days[0], days[-1])))}: {machine}.",
        "",
        line(COLUMNS),
        line(["---"] * len(COLUMNS)),
        *(line(each) for case in cases for each in lines(case)),
        "",
        f"{verdicts.count(True)} goals are met, {verdicts.count(False)} are missed. It took {total}: {took}.",
    ]
    return "\n".join(written) + "\n"


def line(cells: Sequence[str]) -> str:
    """Of a table in Markdown."""
    return f"| {' | '.join(cells)} |"


def plot(found: dict[str, Any]) -> str:
    """What gnuplot is to do."""
    script = [STYLE]
    for number, (grows, curves) in enumerate(PANELS.items()):
        drawn: list[str] = []
        for label, (row, series, kind) in curves.items():
            name = f"$curve{number}_{len(drawn)}"
            points = [
                f"{max(case['counts'], 1)} {case['kinds'][kind]['median'] * UNITS[case['unit']] * 1000}"
                for case in found.get(row, {"cases": []})["cases"]
                if case["series"] == series
            ]
            if not points:
                continue
            script += [f"{name} << EOD", *points, "EOD"]
            drawn.append(f'{name} with linespoints linewidth 2 pointtype 7 pointsize 0.5 title "{label}"')
        if drawn:
            script += [f'set xlabel "{grows}"', f"plot {', '.join(drawn)}"]
    return "\n".join(script) + "\n"


if __name__ == "__main__":
    sys.exit(main())
