"""How the cost of an add and a cancel grows with the connections that are there, and with the events on record.

Nobody is compared with: what is to be seen is that it hardly grows. How telling grows with the notifyees, routing with
the providers and a list with the connections is in the rows of these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ground import Ground
from harness import Case, Kind, Role, timed
from mprouter import Router
from mprouter.store import Store
from rows.events import fill
from rows.journal import idle_router

CONNECTIONS = (0, 10, 100, 1000)
EVENTS = (0, 1_000, 10_000, 100_000, 1_000_000)


def cases(ground: Ground) -> Iterator[Case]:
    """One for each number of either."""
    for series, numbers, there in (("connections", CONNECTIONS, connections), ("events", EVENTS, events)):
        for number in numbers:
            with idle_router(ground.directory(on=Path.cwd())) as router, there(router, number) as both:
                kinds = [Kind("mprouter", Role.OURS, timed(both, "ms", times=5))]
                yield Case(
                    f"add and cancel, {number:,} {series}", "ms", kinds, [], rounds=21, series=series, counts=number
                )


@contextmanager
def connections(router: Router, number: int) -> Iterator[Callable[[], object]]:
    """With so many others."""
    others = [router.connect(f"sftp://files.example.com/{each}") for each in range(number)]
    yield lambda: router.connect("sftp://files.example.com/projects").close()
    for each in others:
        each.close()


@contextmanager
def events(router: Router, number: int) -> Iterator[Callable[[], object]]:
    """With so many on record."""
    store = Store()
    fill(store, number)
    store.close()
    yield lambda: router.connect("sftp://files.example.com/projects").close()
