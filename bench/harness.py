"""What all benchmarks share: kinds that take turns, medians with their spread, a verdict, a table and the same as JSON.

What is measured stands in ``rows/``, one file each; on which servers, in ``ground.py``; how the peers are run, in
``peers.py``. Nothing here is a test: a figure that is worse than its goal is told, and fails nothing.
"""

from __future__ import annotations

import gc
import os
import platform
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from time import perf_counter
from typing import Any

__all__ = ["ROUNDS", "Case", "Goal", "Kind", "Line", "Result", "Role", "machine", "measured", "timed"]

ROUNDS = 7
"""How often each kind has its turn, unless a case says more."""

UNITS: Mapping[str, float] = {"s": 1.0, "ms": 1e-3, "us": 1e-6}


class Role(StrEnum):
    """What a kind is in its case. LIMIT: what the machine, the disk or the protocol allow; nobody is faster."""

    OURS = "ours"
    PEER = "peer"
    LIMIT = "limit"


@dataclass(frozen=True, slots=True)
class Kind:
    """One of those that are compared.

    once: has it done, and returns the figure. clean: undoes that, outside of what is measured. engine: which program
    does the work, if a peer may have the same: their ratio is then what is put around it.
    """

    name: str
    role: Role
    once: Callable[[], float]
    clean: Callable[[], object] = lambda: None
    engine: str = ""


@dataclass(frozen=True, slots=True)
class Goal:
    """What the ratio of the best of ours to the best peer is to be. at_least: it is to be no less, else no more.

    of: the name of the peer that counts, if it is not the best. unit: the bound is one of the figure itself, in the
    case's unit, which this is; nobody is compared with.
    """

    bound: float
    at_least: bool = False
    of: str | None = None
    unit: str = ""

    def __str__(self) -> str:
        bound = f"{self.bound:,g} {self.unit}" if self.unit else f"{self.bound:g}"
        return f"{'≥' if self.at_least else '≤'} {bound}"

    def met(self, figure: float) -> bool:
        """Whether the ratio, or the figure, is as good."""
        return figure >= self.bound if self.at_least else figure <= self.bound


@dataclass(frozen=True, slots=True)
class Line:
    """One of ours beside a peer. peer, ratio: None if there is none on this machine. goal: only of the best of ours."""

    ours: str
    peer: str | None
    ratio: float | None
    goal: Goal | None
    met: bool | None


@dataclass(frozen=True, slots=True)
class Case:
    """What is measured with one set of kinds. A figure is in *unit*; more is better if the goal is ``at_least``.

    goals: none, if it is measured for itself. series, counts: for the plot, which curve the case is a point of, and how
    many there are of what grows (N notifyees, say).
    """

    what: str
    unit: str
    kinds: Sequence[Kind]
    goals: Sequence[Goal]
    rounds: int = ROUNDS
    series: str = ""
    counts: int | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """The figures of a case, for each kind by its name."""

    row: str
    case: Case
    figures: Mapping[str, Sequence[float]]

    def median(self, name: str) -> float:
        """Of the kind *name*."""
        return statistics.median(self.figures[name])

    def spread(self, name: str) -> float:
        """Half of the range in which the middle half of the figures lies, as a part of the median."""
        low, _, high = statistics.quantiles(self.figures[name], n=4)
        return (high - low) / 2 / (self.median(name) or 1.0)

    def named(self, role: Role) -> list[str]:
        """The kinds in this role, the best first."""
        names = [each.name for each in self.case.kinds if each.role is role]
        return sorted(names, key=self.median, reverse=any(each.at_least for each in self.case.goals))

    def lines(self) -> list[Line]:
        """One for each of ours and each goal, or one of each if there is no goal."""
        ours = [each.name for each in self.case.kinds if each.role is Role.OURS]
        goals: Sequence[Goal | None] = self.case.goals or [None]
        return [self._line(name, goal) for name in ours for goal in goals]

    def _line(self, ours: str, goal: Goal | None) -> Line:
        counts = goal if ours == self.named(Role.OURS)[0] else None
        if goal and goal.unit:
            return Line(ours, None, None, counts, counts.met(self.median(ours)) if counts else None)
        peers = [name for name in self.named(Role.PEER) if goal is None or goal.of in {None, name}]
        if not peers:
            return Line(ours, None, None, counts, None)
        ratio = self.median(ours) / self.median(peers[0])
        return Line(ours, peers[0], ratio, counts, counts.met(ratio) if counts else None)

    def as_json(self) -> dict[str, Any]:
        """All of it, as docs/performance.md describes it."""
        return {
            "what": self.case.what,
            "unit": self.case.unit,
            "series": self.case.series,
            "counts": self.case.counts,
            "lines": [
                {
                    "ours": each.ours,
                    "peer": each.peer,
                    "ratio": None if each.ratio is None else round(each.ratio, 3),
                    "goal": None if each.goal is None else str(each.goal),
                    "met": each.met,
                }
                for each in self.lines()
            ],
            "kinds": {
                each.name: {
                    "role": str(each.role),
                    "engine": each.engine,
                    "median": float(f"{self.median(each.name):.5g}"),
                    "spread": round(self.spread(each.name), 3),
                    "figures": [float(f"{figure:.5g}") for figure in self.figures[each.name]],
                }
                for each in self.case.kinds
            },
        }


def measured(row: str, case: Case) -> Result:
    """Let the kinds of *case* take turns, each in another place of the round each time, and collect their figures."""
    figures: dict[str, list[float]] = {each.name: [] for each in case.kinds}
    for number in range(case.rounds):
        first = number % len(case.kinds)
        for kind in (*case.kinds[first:], *case.kinds[:first]):
            try:
                figures[kind.name].append(kind.once())
            finally:
                kind.clean()
    return Result(row, case, figures)


def timed(call: Callable[[], object], unit: str, *, times: int = 1) -> Callable[[], float]:
    """What makes *call* and says how long it took, in *unit*; of several times in a row, each one's share."""
    factor = 1 / UNITS[unit] / times

    def once() -> float:
        gc.collect()
        gc.disable()
        try:
            begun = perf_counter()
            for _ in range(times):
                call()
            return (perf_counter() - begun) * factor
        finally:
            gc.enable()

    return once


def machine() -> dict[str, str]:
    """What the figures depend on."""
    model = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    memory = Path("/proc/meminfo").read_text().split()[1]
    kind = model[0].partition(": ")[2] if model else platform.machine()
    return {
        "processors": f"{len(os.sched_getaffinity(0))} of {kind}",
        "memory": f"{int(memory) / (1 << 20):.0f} GiB",
        "kernel": platform.release(),
        "python": platform.python_version(),
    }
