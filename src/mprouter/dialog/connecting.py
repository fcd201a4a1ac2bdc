"""The connection dialog: what, under which letter, as whom, and whether to remember it; until it is connected."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mprouter import settings
from mprouter.dialog.choosing import choose, named
from mprouter.dialog.person import Left, Person
from mprouter.frozen import frozen
from mprouter.names import parse_local, parse_remote
from mprouter.providers.base import Describing
from mprouter.resource import ConnectFlag, NetResource
from mprouter.status import Status, WNetError
from mprouter.terminal import plain

if TYPE_CHECKING:
    from mprouter.connection import Connection
    from mprouter.router import Router

__all__ = ["Wanted", "connect"]

_FREE, _NONE = "*", "-"


@frozen
class Wanted:
    """How the dialog begins.

    remote: what Enter chooses, or a server to look into. is_fixed: nothing else can be typed, and with *remote* nothing
    else chosen. inside: where to look first; None = around. recent: whether to offer what was used before. persist:
    whether Enter remembers it; None = as the last answer was. ask_persist: whether that is a question. owner: a window,
    for the notifyees.
    """

    remote: str | None = None
    is_fixed: bool = False
    inside: NetResource | None = None
    recent: bool = True
    persist: bool | None = None
    ask_persist: bool = True
    owner: int | None = None


def connect(person: Person, router: Router, wanted: Wanted) -> Connection:
    """Ask *person* and connect, again and again until it succeeds or the person leaves; failures are shown.

    Raises ``Left``; ``WNetError`` where no dialog can begin: ERROR_NO_NETWORK without any network, ERROR_BUSY if those
    that are there are still starting; MemoryError.
    """
    _check_network(router)
    remote, inside = _beginning(person, router, wanted)
    while True:
        if remote is None or wanted.remote is None or not wanted.is_fixed:
            typed = not wanted.is_fixed
            remote = choose(person, router, inside=inside, recent=wanted.recent, typed=typed, default=remote)
        person.say(f"To connect: {plain(remote)}")
        local = _local(person)
        user = _user(person, remote)
        persist = local is not None and _persist(person, wanted)
        try:
            made = router.connect(
                remote,
                local,
                user=user,
                persist=persist,
                flags=ConnectFlag.INTERACTIVE,
                owner=wanted.owner,
                conversation=person,
            )
        except WNetError as error:
            if person.has_left:
                raise Left from error
            person.say(plain(error))
        else:
            if local is not None and wanted.ask_persist:
                _keep(person, persist)
            return made


def _check_network(router: Router) -> None:
    said = {
        each.network_information().status if isinstance(each, Describing) else Status.WN_SUCCESS
        for each in router.providers()
    }
    if Status.WN_SUCCESS in said:
        return
    if Status.ERROR_BUSY in said:
        raise WNetError(Status.ERROR_BUSY, "the network is starting", hint="try again in a moment")
    raise WNetError(Status.ERROR_NO_NETWORK)


def _beginning(person: Person, router: Router, wanted: Wanted) -> tuple[str | None, NetResource | None]:
    """What Enter chooses, and where to look first. What is not good is not shown: it may have a password in it."""
    if wanted.remote is None or wanted.is_fixed:
        return wanted.remote, wanted.inside
    try:
        meant = named(router, wanted.remote)
    except WNetError as error:
        person.say(plain(error.strerror))
        return None, wanted.inside
    return (meant, wanted.inside) if isinstance(meant, str) else (None, meant)


def _local(person: Person) -> str | None:
    """The local name; None for a deviceless connection. Raises ``Left``."""
    while True:
        answer = person.ask("Drive letter or directory (Enter for a free letter, - for none): ")
        if answer in {"", _FREE}:
            return _FREE
        if answer == _NONE:
            return None
        try:
            return parse_local(f"{answer}:" if re.fullmatch("[A-Za-z]", answer) else answer)
        except WNetError as error:
            person.say(plain(error))


def _user(person: Person, remote: str) -> str | None:
    """The user on the server; None = whom the name says, or the network's default (C8). Raises ``Left``."""
    try:
        named = parse_remote(remote).user
    except WNetError:
        named = None  # the router says what is wrong with it
    while True:
        answer = person.ask(f"User name (Enter for {plain(named) if named else 'the usual one'}): ")
        if ":" not in answer:
            return answer or None
        person.say("A user name has no colon; the password is asked for.")


def _persist(person: Person, wanted: Wanted) -> bool:
    default = settings.load().net_use_persistent if wanted.persist is None else wanted.persist
    return person.agrees("Connect it again at login", default=default) if wanted.ask_persist else default


def _keep(person: Person, persist: bool) -> None:
    """Have the next dialog, and ``net use``, begin with the answer, as Windows does."""
    if persist is settings.load().net_use_persistent:
        return
    try:
        settings.set_net_use_persistent(persist)
    except WNetError as error:
        person.say(f"The answer is not kept: {plain(error)}")
