"""What it costs to find the provider that a name belongs to, among a hundred of which the last has it (R1, R2).

    python bench/routing.py [ROUNDS]

The providers answer at once, so that all of the time is the router's own: medians of single calls of ``route``. Ours
are asked where one stands; those of strangers stand behind a guard, and one thread for each request asks them all.
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path
from time import perf_counter_ns
from typing import cast

from mprouter.credentials import Credentials
from mprouter.names import RemoteName, parse_remote
from mprouter.providers.base import Added, AddRequest, Capability, Provider
from mprouter.providers.guard import guarded
from mprouter.providers.order import route

NAME = parse_remote(r"\\files\projects")
REQUEST = AddRequest(NAME, Path("/nowhere"), Credentials())


class Answering:
    """As much of a provider as routing asks: it says at once whether a name is its own, and has connected at once."""

    capabilities = Capability.ADD_CONNECTION | Capability.CANCEL_CONNECTION | Capability.GET_CONNECTIONS

    def __init__(self, name: str, *, mine: bool) -> None:
        self.name = name
        self.mine = mine

    def claims(self, name: RemoteName) -> bool:
        """R2."""
        return self.mine and name.scheme == "unc"

    def add_connection(self, request: AddRequest) -> Added:
        """There is nothing to connect."""
        del request
        return Added(None, {})


def main(rounds: int) -> None:
    """Measure both kinds by turns, and print medians and what nine of ten calls took at most."""
    plain = [cast("Provider", Answering(f"p{number}", mine=number == 99)) for number in range(100)]
    kinds = {"ours": plain, "strangers": [guarded(each) for each in plain]}
    times: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in range(rounds):
        for name, providers in kinds.items():
            began = perf_counter_ns()
            route(providers, NAME, lambda each: each.add_connection(REQUEST))
            times[name].append((perf_counter_ns() - began) / 1e6)
    for name, each in times.items():
        print(f"100 of {name:10} {statistics.median(each):.3f} ms, 90 %: {statistics.quantiles(each, n=10)[-1]:.3f} ms")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
