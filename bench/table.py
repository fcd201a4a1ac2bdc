"""The table, as text: one line for each way of ours and each goal, of a case as it stands in build/bench/ROW.json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["COLUMNS", "duration", "lines", "median"]

COLUMNS = ("what", "ours", "beside", "ratio", "goal", "limit")


def lines(case: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """A text for each of ``COLUMNS``. The goal stands in the line of the best of ours."""
    kinds = case["kinds"]
    ways = sum(each["role"] == "ours" for each in kinds.values())
    limits = ", ".join(f"{name} {median(each)}" for name, each in kinds.items() if each["role"] == "limit")
    found: list[tuple[str, ...]] = []
    for line in case["lines"]:
        ours, peer = kinds[line["ours"]], kinds.get(line["peer"])
        figure = f"{median(ours)} {case['unit']} ±{ours['spread']:.0%}"
        beside = f"{line['peer']} {median(peer)} ±{peer['spread']:.0%}" if peer else ""
        if peer and peer["engine"] and peer["engine"] == ours["engine"]:
            beside += ", same engine"
        found.append(
            (
                case["what"],
                f"{line['ours']}: {figure}" if ways > 1 else figure,
                beside,
                "" if line["ratio"] is None else f"{line['ratio']:.2f}",
                ", ".join(filter(None, [line["goal"], {True: "met", False: "missed", None: ""}[line["met"]]])),
                limits,
            )
        )
    return found


def median(kind: Mapping[str, Any]) -> str:
    """Of its figures, in three digits."""
    figure = float(f"{kind['median']:.3g}")
    return f"{figure:,.0f}" if figure >= 100 else f"{figure:g}"


def duration(seconds: float) -> str:
    """In whole minutes, or seconds if there are few."""
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
