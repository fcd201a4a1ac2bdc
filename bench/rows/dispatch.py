"""Telling N generator notifyees before and after: our dispatch beside pluggy's hook wrappers, which also yield once.

No provider, no store. What a notifyee does is the same on both sides: nothing, a yield, nothing.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator

import pluggy

from ground import Ground
from harness import Case, Goal, Kind, Role, timed
from mprouter import AddConnect, NetResource
from mprouter.notify.dispatch import operate
from mprouter.notify.model import Event, Registration
from mprouter.notify.python import registration_of

NUMBERS = (1, 10, 100, 1000)
GOALS = [Goal(1.0)]

EVENT = AddConnect(NetResource(r"\\files.example.com\projects", "Z:"))

spec, impl = pluggy.HookspecMarker("bench"), pluggy.HookimplMarker("bench")


def cases(ground: Ground) -> Iterator[Case]:
    """One for each N."""
    for number in NUMBERS:
        notifyees, hooks = registrations(number), plugins(number)
        times = max(20, 2000 // number)

        def ours(notifyees: list[Registration] = notifyees) -> None:
            operate(EVENT, notifyees, attempt)

        def theirs(hooks: pluggy.HookRelay = hooks) -> None:
            hooks.connect(event=EVENT)

        kinds = [
            Kind("mprouter", Role.OURS, timed(ours, "us", times=times)),
            Kind("pluggy", Role.PEER, timed(theirs, "us", times=times)),
        ]
        case = f"pre and post of {number:,} notifyee{'s' * (number > 1)}"
        yield Case(case, "us", kinds, GOALS, rounds=21, series="notifyees", counts=number)


def attempt() -> Event:
    """Nothing to connect."""
    return EVENT


def registrations(number: int) -> list[Registration]:
    """As ``Router.register`` makes them."""

    def told(event: Event) -> Generator[None, object, None]:
        yield

    return [registration_of(told, name=f"told{each}") for each in range(number)]


def plugins(number: int) -> pluggy.HookRelay:
    """As many plug-ins, and one that makes the attempt."""

    class Spec:
        @spec
        def connect(self, event: Event) -> None: ...

    class Wrapper:
        @impl(wrapper=True)
        def connect(self, event: Event) -> Generator[None, object, object]:
            return (yield)

    class Attempt:
        @impl
        def connect(self, event: Event) -> Event:
            return attempt()

    manager = pluggy.PluginManager("bench")
    manager.add_hookspecs(Spec)
    manager.register(Attempt())
    for _ in range(number):
        manager.register(Wrapper())
    return manager.hook
