"""What ``mpr connect`` does: one call of ``Router.connect``, and a line or JSON."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mprouter.cli.output import is_terminal, say, say_error, say_json

if TYPE_CHECKING:
    from mprouter.credentials import Secret
    from mprouter.resource import ConnectFlag

__all__ = ["connect", "options", "user_name"]


def user_name(word: str) -> str:
    """What stands after ``--user``. Raises ``ValueError``."""
    if not word or ":" in word:
        # not repeated: what stands after the colon may be a password
        raise ValueError("a user name is not empty and has no colon; the password is asked for.")
    return word


def options(words: Sequence[str]) -> dict[str, str]:
    """What stands after each ``--option``. Raises ``ValueError``."""
    pairs = [word.partition("=") for word in words]
    if not all(key and equals for key, equals, _ in pairs):
        raise ValueError("this is not of the form KEY=VALUE.")
    return {key.strip(): value for key, _, value in pairs}


def connect(
    remote: str,
    local: str | None = None,
    *,
    user: str | None = None,
    password: Secret | None = None,
    save_password: bool = False,
    persist: bool = False,
    temporary: bool = False,
    provider: str | None = None,
    options: Mapping[str, str] | None = None,
    current_media: bool = False,
    as_json: bool = False,
) -> None:
    """Connect *remote*, and print what has been made."""
    from mprouter.cli import connection, failure
    from mprouter.router import Router

    if persist and local is None:
        say_error("mpr: warning: without a local name it cannot be remembered")
    flags = _flags(save_password=save_password, temporary=temporary, current_media=current_media)
    with _telling_what_is_saved(asked=save_password), failure.leaving() as done, Router() as router:
        made = router.connect(
            remote,
            local,
            user=user,
            password=password,
            provider=provider,
            persist=persist,
            flags=flags,
            options=options,
        )
        done("the connection stands", made.local_name or made.remote_name)
    if as_json:
        say_json(connection.as_json(made))
    else:
        say(connection.as_line(made))


@contextmanager
def _telling_what_is_saved(*, asked: bool) -> Iterator[None]:
    """Have it said, if that was *asked* for, where the password is saved, or why none is."""
    if not asked:
        yield
        return
    import logging

    log = logging.getLogger("mprouter.credentials")
    before = log.level
    if not log.isEnabledFor(logging.INFO):  # with -v all is said
        log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.setLevel(before)


def _flags(*, save_password: bool, temporary: bool, current_media: bool) -> ConnectFlag:
    from mprouter.resource import ConnectFlag

    flags = ConnectFlag(0)
    if is_terminal(sys.stdin) and is_terminal(sys.stderr):
        flags |= ConnectFlag.INTERACTIVE | ConnectFlag.COMMANDLINE
    if save_password:
        flags |= ConnectFlag.CMD_SAVECRED
    if temporary:
        flags |= ConnectFlag.TEMPORARY
    if current_media:
        flags |= ConnectFlag.CURRENT_MEDIA
    return flags
