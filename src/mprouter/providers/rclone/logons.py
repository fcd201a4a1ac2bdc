"""Ways to log on, and in which order they are tried when there are several (C8)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import field

from mprouter.credentials import Secret
from mprouter.frozen import frozen
from mprouter.providers.base import AddRequest

__all__ = ["Logon", "by_password", "by_stored", "by_typed", "local_user", "other_ways"]

ASKED = 3
"""How often the person at the terminal may type a password."""


@frozen
class Logon:
    """One way to log on.

    user: the name on the server, None if anonymous. settings: of rclone's backend. obscured, plain: settings that are
    secret, in the form that rclone wants. password: what to remember if it works. is_guest: nobody in particular, so
    that a refusal means that a name and password are wanted. way: what to remember of it if it works, "" = nothing.
    """

    user: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    obscured: Mapping[str, Secret] = field(default_factory=dict)
    plain: Mapping[str, Secret] = field(default_factory=dict)
    password: Secret | None = None
    is_guest: bool = False
    way: str = ""


def by_password(
    request: AddRequest,
    logon: Callable[[str, Secret], Logon],
    *,
    default: str | None,
    guest: Logon | None,
    before_asking: Callable[[], None] = lambda: None,
) -> Iterator[Logon]:
    """Log on with the password of the call and no other; else with those stored; else as *guest*; else as typed.

    Who wants to be asked (CONNECT_PROMPT) is no guest. logon: makes one of a user and a password. default: the user
    where neither request nor store names one; None = there has to be a name. guest: None = there is none.
    before_asking: raises ``WNetError`` if nobody is to type a password.
    """
    wanted = request.credentials.user or request.name.user
    user = wanted or default
    request.credentials.tries(user)
    if request.credentials.password is not None:
        if user:
            yield logon(user, request.credentials.password)
        return
    stored = False
    for each in by_stored(request, logon, default):
        stored = True
        yield each
    if guest is not None and not stored and not (request.credentials.ask and user):
        yield guest
    if user:
        yield from by_typed(request, logon, user, before_asking)


def by_stored(request: AddRequest, logon: Callable[[str, Secret], Logon], default: str | None) -> Iterator[Logon]:
    """Log on with the passwords that are stored; see ``by_password``."""
    wanted = request.credentials.user or request.name.user
    for found in request.credentials.stored(request.name, wanted):
        if user := found.user or wanted or default:
            yield logon(user, found.password)


def by_typed(
    request: AddRequest, logon: Callable[[str, Secret], Logon], user: str, before_asking: Callable[[], None]
) -> Iterator[Logon]:
    """Log on with what a person types, if there is one; see ``by_password``."""
    if request.conversation is None:
        return
    before_asking()
    question = f"Password of {user} for {request.name.given}"
    for number in range(ASKED):
        typed = request.conversation.ask_password(f"It is not accepted. {question}" if number else question)
        if typed is None:
            return
        yield logon(user, Secret(typed))


def local_user() -> str:
    """The user who runs this process: the default on most networks (C8)."""
    import getpass

    return getpass.getuser()


def other_ways(refused: Logon | None, *, has_keys: bool) -> str:
    """What to do next. refused: the last way that was tried, if any; has_keys: one may log on with a key file."""
    if refused is not None and refused.password is not None:
        ways = "another password with --password-stdin"
    elif has_keys:
        ways = "another key with -o key_file=FILE, a password with --password-stdin"
    else:
        ways = "a password with --password-stdin"
    return f"give {ways}, another user with --user"
