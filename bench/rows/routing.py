"""What it costs to find the provider that a name belongs to, among up to a hundred of which the last has it (R1, R2).

The providers answer at once, so that all of the time is the router's own. Ours are asked where one stands; those of
strangers stand behind a guard, and one thread for each request asks them all. Nobody else has such a thing to compare
with: the goal is what it may cost, a millisecond.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

from ground import Ground
from harness import Case, Goal, Kind, Role, timed
from mprouter.credentials import Credentials
from mprouter.names import RemoteName, parse_remote
from mprouter.providers.base import Added, AddRequest, Capability, Provider
from mprouter.providers.guard import guarded
from mprouter.providers.order import route

NUMBERS = (1, 10, 100)
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


def cases(ground: Ground) -> Iterator[Case]:
    """Ours, and strangers."""
    for number in NUMBERS:
        plain = [cast("Provider", Answering(f"p{each}", mine=each == number - 1)) for each in range(number)]
        for what, providers in (("of ours", plain), ("of strangers", [guarded(each) for each in plain])):

            def once(providers: list[Provider] = providers) -> None:
                route(providers, NAME, lambda provider: provider.add_connection(REQUEST))

            kinds = [Kind("mprouter", Role.OURS, timed(once, "us", times=100))]
            case = f"route among {number} provider{'s' * (number > 1)} {what}"
            yield Case(case, "us", kinds, [Goal(1000, unit="us")], rounds=21, series=what, counts=number)
