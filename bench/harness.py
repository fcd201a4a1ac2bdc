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
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from time import perf_counter
from typing import Any

__all__ = ["ROUNDS", "Case", "Goal", "Kind", "Result", "Role", "machine", "measured", "timed"]

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

    once: has it done, and returns the figure. clean: undoes that, outside of what is measured.
    """

    name: str
    role: Role
    once: Callable[[], float]
    clean: Callable[[], object] = lambda: None


@dataclass(frozen=True, slots=True)
class Goal:
    """What the ratio of ours to the best peer is to be. at_least: it is to be no less, else no more.

    of: the name of the peer that counts, if it is not the best.
    """

    ratio: float
    at_least: bool = False
    of: str | None = None

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.ratio:g}"


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
    """The figures of a case. left_out: peers that are not on this machine, each with the reason."""

    row: str
    what: str
    unit: str
    goals: Sequence[Goal]
    figures: Mapping[str, Sequence[float]]
    roles: Mapping[str, Role]
    series: str = ""
    counts: int | None = None
    left_out: Mapping[str, str] = field(default_factory=dict)

    def median(self, name: str) -> float:
        """Of the kind *name*."""
        return statistics.median(self.figures[name])

    def spread(self, name: str) -> float:
        """Half of the range in which the middle half of the figures lies, as a part of the median."""
        low, _, high = statistics.quantiles(self.figures[name], n=4)
        return (high - low) / 2 / (self.median(name) or 1.0)

    def named(self, role: Role) -> list[str]:
        """The kinds in this role, the best first."""
        names = [name for name, each in self.roles.items() if each is role]
        return sorted(names, key=self.median, reverse=any(each.at_least for each in self.goals))

    def compared(self, goal: Goal) -> tuple[str, float] | None:
        """The peer that the goal is about, and the ratio of ours to it; None if there is none on this machine."""
        peers = [name for name in self.named(Role.PEER) if goal.of in {None, name}]
        if not peers:
            return None
        return peers[0], self.median(self.named(Role.OURS)[0]) / self.median(peers[0])

    def met(self, goal: Goal) -> bool | None:
        """Whether ours is as good as the goal; None if there is nothing to compare it with."""
        compared = self.compared(goal)
        if compared is None:
            return None
        return compared[1] >= goal.ratio if goal.at_least else compared[1] <= goal.ratio

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        return {
            "row": self.row,
            "what": self.what,
            "unit": self.unit,
            "series": self.series,
            "counts": self.counts,
            "goals": [
                {"goal": str(each), "peer": said[0], "ratio": round(said[1], 3), "met": self.met(each)}
                for each in self.goals
                if (said := self.compared(each))
            ],
            "kinds": {
                name: {
                    "role": str(role),
                    "median": float(f"{self.median(name):.5g}"),
                    "spread": round(self.spread(name), 3),
                    "figures": [float(f"{each:.5g}") for each in self.figures[name]],
                }
                for name, role in self.roles.items()
            },
            "left_out": dict(self.left_out),
        }


def measured(row: str, case: Case, left_out: Mapping[str, str]) -> Result:
    """Let the kinds of *case* take turns, each in another place of the round each time, and collect their figures."""
    figures: dict[str, list[float]] = {each.name: [] for each in case.kinds}
    for number in range(case.rounds):
        first = number % len(case.kinds)
        for kind in (*case.kinds[first:], *case.kinds[:first]):
            try:
                figures[kind.name].append(kind.once())
            finally:
                kind.clean()
    roles = {each.name: each.role for each in case.kinds}
    return Result(row, case.what, case.unit, case.goals, figures, roles, case.series, case.counts, dict(left_out))


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
