"""Choosing from the network: what is there is shown as it is found, and a choice can be typed before all is found."""

from __future__ import annotations

import re
from collections.abc import Iterator
from threading import Condition, Thread
from typing import TYPE_CHECKING

from mprouter.dialog.person import Left, Person
from mprouter.names import parse_container, parse_remote
from mprouter.resource import NetResource, ResourceScope, ResourceType, ResourceUsage
from mprouter.status import Status, WNetError
from mprouter.terminal import plain

if TYPE_CHECKING:
    from mprouter.router import Router

__all__ = ["choose", "container", "named"]

_FOUND = {ResourceScope.REMEMBERED: "remembered", ResourceScope.RECENT: "recent", ResourceScope.CONTEXT: "near"}

_QUESTION = "What to connect: "
"""Asked when all is shown."""


def choose(
    person: Person,
    router: Router,
    *,
    inside: NetResource | None = None,
    recent: bool = True,
    typed: bool = True,
    default: str | None = None,
) -> str:
    """The remote name that *person* chooses.

    inside: where to look first; None = around. recent: whether around are the resources that were used too. typed:
    whether a name may be typed that was not found. default: what only Enter chooses. Raises ``Left``; MemoryError if it
    cannot look around.
    """
    way: list[NetResource | None] = [None] if inside is None else [None, inside]
    while True:
        here = way[-1]
        person.say(_heading(here, typed=typed, default=default))
        search = _Search(person, _look(router, here, recent))
        try:
            chosen = _chosen(person, router, search, typed=typed, default=default)
        finally:
            search.leave()
        if isinstance(chosen, str):
            return chosen
        if chosen is not None:
            way.append(chosen)
        elif len(way) > 1:
            way.pop()


def container(router: Router, name: str) -> NetResource:
    """What *name* stands for as something to look into: a network by its provider's name, or a server or directory."""
    network = next((each.name for each in router.providers() if each.name.lower() == name.lower()), None)
    return NetResource(network or name, provider=network)


class _Search:
    """Looks around on a thread of its own: who does not answer keeps nobody from choosing."""

    def __init__(self, person: Person, there: Iterator[NetResource]) -> None:
        """there: what is there, as it is found."""
        self._person = person
        self._there = there
        self._found: dict[str, NetResource] = {}
        self._is_over = False
        self._is_awaited = False
        self._is_left = False
        self._changed = Condition()
        try:
            Thread(target=self._run, name="mprouter-dialog", daemon=True).start()
        except RuntimeError as error:  # the system has no room for another thread
            raise MemoryError from error

    def answer(self) -> str:
        """What the person types, now or when all is shown. Raises ``Left``."""
        with self._changed:
            self._is_awaited = True
            if self._is_over:
                self._person.show(_QUESTION)
        answer = self._person.ask("")
        with self._changed:
            self._is_awaited = False
        return answer

    def numbered(self, number: int) -> NetResource | None:
        """What is shown under *number*, waiting for it while there may be one. Raises ``Left``."""
        with self._person.leaving(), self._changed:
            self._changed.wait_for(lambda: len(self._found) >= number or self._is_over)
            return list(self._found.values())[number - 1] if 1 <= number <= len(self._found) else None

    def leave(self) -> None:
        """Show nothing more of it."""
        with self._changed:
            self._is_left = True

    def _run(self) -> None:
        problem = ""
        try:
            for each in self._there:
                if self._is_left:
                    return
                self._show(each)
        except WNetError as error:
            problem = plain(error)
        except Exception as error:  # noqa: BLE001 - nobody else is there to hear it, and the person waits
            problem = f"looking around failed: {type(error).__name__}"
        with self._changed:
            self._is_over = True
            self._changed.notify_all()
            if self._is_left:
                return
            if problem or not self._found:
                self._person.say(problem or "  nothing")
            if self._is_awaited:
                self._person.show(_QUESTION)

    def _show(self, resource: NetResource) -> None:
        with self._changed:
            name = resource.remote_name or ""
            if self._is_left or not name or name in self._found:
                return
            self._found[name] = resource
            self._person.say(f"{len(self._found):3}  {_line(resource)}")
            self._changed.notify_all()


def _look(router: Router, here: NetResource | None, recent: bool) -> Iterator[NetResource]:
    if here is not None:
        yield from router.enumerate(ResourceScope.GLOBALNET, ResourceType.DISK, container=here)
        return
    used = [ResourceScope.REMEMBERED, ResourceScope.RECENT] if recent else []
    for scope in (*used, ResourceScope.GLOBALNET, ResourceScope.CONTEXT):
        yield from router.enumerate(scope, ResourceType.DISK)


def _chosen(
    person: Person, router: Router, search: _Search, *, typed: bool, default: str | None
) -> NetResource | str | None:
    """What to connect, where to look next, or None to go back. Raises ``Left``."""
    while True:
        answer = search.answer()
        if answer == "q":
            raise Left
        if answer == "..":
            return None
        number = re.fullmatch(r"([0-9]{1,9})(/?)", answer)
        try:
            if number is not None:
                return _numbered(search, int(number[1]), inside=bool(number[2]))
            if answer and typed:
                return named(router, answer)
        except WNetError as error:
            person.say(plain(error.strerror))
            continue
        if not answer and default is not None:
            return default
        if answer:
            person.say("Type the number of what is shown.")


def _numbered(search: _Search, number: int, *, inside: bool) -> NetResource | str:
    """What is shown under *number*, to be connected or looked into. Raises ``Left``; ``WNetError`` if there is none."""
    found = search.numbered(number)
    if found is None:
        raise WNetError(Status.ERROR_NOT_FOUND, f"there is no {number}")
    return found if inside or not found.usage & ResourceUsage.CONNECTABLE else found.remote_name or ""


def named(router: Router, name: str) -> NetResource | str:
    """*name* as it stands, to be connected; as a container if it is that of a network or of a server that has shares.

    Raises ``WNetError`` if it is neither.
    """
    meant = container(router, name)
    if meant.provider is None:
        try:
            parse_remote(name)
        except WNetError:
            parse_container(name)
        else:
            return name
    return meant


def _heading(here: NetResource | None, *, typed: bool, default: str | None) -> str:
    ways = ["a number", "a number and / to look into it"]
    ways += ["a name"] if typed else []
    ways += [f"Enter for {plain(default)}"] if default is not None else []
    ways += [".. to go back"] if here is not None else []
    where = "The network" if here is None else f"In {_name(here)}"
    return f"{where}. Type, at any time: {', '.join([*ways, 'q to leave'])}."


def _line(resource: NetResource) -> str:
    kind = resource.display_type.name.lower()
    if resource.scope in _FOUND:
        kind += f", {_FOUND[resource.scope]}"
    return f"{_name(resource)}  ({kind})" + (f"  {plain(resource.comment)}" if resource.comment else "")


def _name(resource: NetResource) -> str:
    return plain(resource.remote_name or "")
