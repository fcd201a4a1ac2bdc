"""Write the figures of the last runs into docs/performance.md, and draw docs/growth.svg: after ``make bench``.

What is read is build/bench/ROW.json, of each row the newest. The plot is drawn by gnuplot (Debian's gnuplot-nox).
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from harness import UNITS
from rows import ROWS

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


def main() -> None:
    """Both."""
    found = {row: json.loads(file.read_text()) for row in ROWS if (file := ROOT / f"build/bench/{row}.json").exists()}
    before, _, rest = DOCUMENT.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    DOCUMENT.write_text(before + BEGIN + figures(found) + END + after)
    subprocess.run(["gnuplot"], input=plot(found), text=True, check=True)


def figures(found: dict[str, Any]) -> str:
    """The table, with the machine and the days."""
    machine = " · ".join(next(iter(found.values()))["machine"].values())
    days = sorted({row["when"] for row in found.values()})
    lines = [
        f"Measured on {' to '.join(dict.fromkeys((days[0], days[-1])))}: {machine}.",
        "",
        "| what | ours | best of the others | ratio | goal | limit |",
        "| --- | --- | --- | --- | --- | --- |",
        *(line for row in found.values() for case in row["cases"] if case["goals"] for line in case_lines(case)),
    ]
    return "\n".join(lines) + "\n"


def case_lines(case: dict[str, Any]) -> list[str]:
    """One for each goal. Where ours has several ways, all are told, and the best counts."""
    kinds = case["kinds"]
    upward = case["goals"][0]["goal"].startswith("≥")
    ours = sorted((name for name in kinds if kinds[name]["role"] == "ours"), key=lambda name: kinds[name]["median"])
    ways = [f"{figure(kinds[name])} {case['unit']} ±{kinds[name]['spread']:.0%}" for name in ours]
    if len(ours) > 1:
        ways = [f"{way} ({name})" for name, way in zip(ours, ways, strict=True)]
    told = ", ".join(reversed(ways) if upward else ways)
    limits = ", ".join(f"{name} {figure(kind)}" for name, kind in kinds.items() if kind["role"] == "limit")
    return [
        f"| {case['what']} | {told} | {goal['peer']} {figure(kinds[goal['peer']])}"
        f" | **{goal['ratio']:.2f}** | {goal['goal']}{'' if goal['met'] else ', missed'} | {limits} |"
        for goal in case["goals"]
    ]


def figure(kind: dict[str, Any]) -> str:
    """Its median, in three digits."""
    median = float(f"{kind['median']:.3g}")
    return f"{median:,.0f}" if median >= 100 else f"{median:g}"


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
    main()
