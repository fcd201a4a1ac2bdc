"""The disconnection dialog: which connection to end; and the question whether to end one that is in use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mprouter.dialog.person import Left, Person
from mprouter.names import parse_remote
from mprouter.providers.base import State
from mprouter.status import Status, WNetError
from mprouter.terminal import plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from mprouter.connection import Connection
    from mprouter.providers.base import Pending, Progress
    from mprouter.router import Router

__all__ = ["cancel", "choose", "disconnect"]

_STATES = {
    State.CONNECTED: "",
    State.LOST: "  (lost)",
    State.ELSEWHERE: "  (elsewhere)",
    None: "  (remembered, not connected)",
}


def disconnect(person: Person, router: Router) -> None:
    """Ask *person* which connection to end, and end it, again and again until that succeeds; failures are shown.

    Where nothing is connected it says so. Raises ``Left``; ``WNetError`` if the connections cannot be told.
    """
    while (chosen := choose(person, router, remembered=True)) is not None:
        name = _name(chosen)
        forget = chosen.remembered and (
            chosen.state is None or person.agrees("It is remembered. Forget that too", default=True)
        )
        try:
            cancel(router, name, forget=forget, person=lambda: person, progress=_Waiting(person))
        except WNetError as error:
            person.say(plain(error))
        else:
            person.say(f"{plain(name)} disconnected{' and forgotten' if forget else ''}")
            return


def choose(person: Person, router: Router, *, remembered: bool) -> Connection | None:
    """The connection that *person* chooses; None, which is said, if there is none. Raises ``Left``.

    remembered: whether what is remembered and not connected is a choice too.
    """
    present = router.connections()
    if remembered:
        present += [each for each in router.connections(remembered=True) if each.state is None]
    found: dict[str, Connection] = {}
    for each in present:  # several to one resource that have no local name are one (C5)
        found.setdefault(each.local_name or parse_remote(each.remote_name).canonical, each)
    choices = sorted(found.values(), key=lambda each: (each.local_name is None, each.local_name or each.remote_name))
    if not choices:
        person.say("Nothing is connected.")
        return None
    for number, each in enumerate(choices, 1):
        local = f"{plain(each.local_name)}  " if each.local_name else ""
        person.say(f"{number:3}  {local}{plain(each.remote_name)}{_STATES[each.state]}")
    while True:
        answer = person.ask("What to disconnect (a number, q to leave): ")
        if answer == "q":
            raise Left
        if answer.isascii() and answer.isdigit() and 1 <= int(answer[:9]) <= len(choices):
            return choices[int(answer[:9]) - 1]
        person.say("Type the number of what is shown.")


def cancel(
    router: Router, name: str, *, forget: bool, person: Callable[[], Person], progress: Progress | None = None
) -> None:
    """Disconnect *name*; where files are open, ask whether to do so all the same.

    person: who is asked, looked for only then. progress: as for ``Router.disconnect``.

    Raises ``Left``; ``WNetError`` as ``Router.disconnect`` and *person* do, and ERROR_CANCELLED if the answer is no.
    """
    try:
        router.disconnect(name, forget=forget, progress=progress)
    except WNetError as error:
        if error.status is not Status.ERROR_OPEN_FILES:
            raise
        asked = person()
        asked.say(plain(error.strerror))
        if not asked.agrees(f"Disconnect {plain(name)} all the same", default=False):
            raise WNetError(Status.ERROR_CANCELLED, "it was not to be disconnected", name=name) from error
        router.disconnect(name, True, forget, progress=progress)


class _Waiting:
    """Says once that written data is waited for (C6)."""

    def __init__(self, person: Person) -> None:
        self._person = person
        self._is_said = False

    def __call__(self, pending: Pending) -> None:
        if pending.files and not self._is_said:
            self._is_said = True
            self._person.say("What was written to it is still on its way to the server.")


def _name(connection: Connection) -> str:
    return connection.local_name or connection.remote_name
