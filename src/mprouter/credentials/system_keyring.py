"""Passwords in the desktop's keyring. Its every failure is only a reason to look elsewhere."""

from __future__ import annotations

import functools
import os
import sys
import threading
from typing import TYPE_CHECKING, TypeVar

from mprouter.credentials.secret import Found, Secret
from mprouter.credentials.server import server_of
from mprouter.log import Log
from mprouter.plugins import packages

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from types import ModuleType

    from mprouter.names import RemoteName

__all__ = ["TIMEOUT", "default_user", "find", "forget", "save", "service", "unusable"]

TIMEOUT = 20.0
"""Seconds for the keyring's answer; enough for a person to unlock it."""

log = Log("mprouter.credentials")

T = TypeVar("T")

_hanging: list[threading.Thread] = []  # who waits for an answer still, if anybody does: in a forked child nobody


class _Unusable(Exception):
    """The keyring did not do it; the text says why, and nothing of what it was asked."""


def service(name: RemoteName) -> str:
    """Under which service the keyring has the passwords for the server of *name*."""
    return f"mprouter:{server_of(name)}"


def default_user() -> str:
    """The user who runs this process (C8)."""
    import getpass

    return getpass.getuser()


def find(name: RemoteName, user: str | None) -> Generator[Found, None, str | None]:
    """The password for the server of *name* and *user*, or without *user* the first that is there.

    Returns why a keyring that is there, or may be, was passed by.
    """

    def look(keyring: ModuleType) -> tuple[str | None, str] | None:
        # not every keyring can look without a user name
        for each in [user] if user else [None, default_user()]:
            credential = keyring.get_credential(service(name), each)
            if credential is not None and credential.password is not None:
                return credential.username or user, credential.password
        return None

    try:
        found = _ask(look)
    except _Unusable as reason:
        log.debug("the keyring was passed by: %s", reason)
        return None if str(reason) == _REASONS["NoKeyringError"] else str(reason)
    if found is not None:
        yield Found(found[0], Secret(found[1]), "keyring")
    return None


def save(name: RemoteName, user: str, password: Secret) -> str | None:
    """Keep it; None if that worked, else why not."""

    def put(keyring: ModuleType) -> bool:
        keyring.set_password(service(name), user, password.reveal())
        # the null backend, for one, takes everything and keeps nothing
        return bool(keyring.get_password(service(name), user) == password.reveal())

    try:
        return None if _ask(put) else "the keyring does not keep passwords"
    except _Unusable as reason:
        return str(reason)


def forget(name: RemoteName, user: str) -> bool:
    """Drop it; whether it was there."""

    def drop(keyring: ModuleType) -> bool:
        if keyring.get_password(service(name), user) is None:
            return False
        keyring.delete_password(service(name), user)
        return True

    try:
        return _ask(drop)
    except _Unusable as reason:
        log.debug("the keyring was passed by: %s", reason)
        return False


def unusable() -> str | None:
    """Why no passwords can be kept, None if they can. A person is asked for nothing, so a locked one may be usable."""

    def judge(keyring: ModuleType) -> str | None:
        backend = type(keyring.get_keyring()).__module__
        if backend.startswith("keyring.backends.null"):
            return "the keyring does not keep passwords"
        return _REASONS["NoKeyringError"] if backend.startswith("keyring.backends.fail") else None

    try:
        return _ask(judge)
    except _Unusable as reason:
        return str(reason)


def _ask(question: Callable[[ModuleType], T]) -> T:
    """The answer to *question*, asked on a thread of its own, since a keyring may wait for a person for ever."""
    if any(each.is_alive() for each in _hanging):
        raise _Unusable("the keyring has not answered before")
    if not _may_be_there():
        raise _Unusable(_REASONS["NoKeyringError"])
    answers: list[T] = []
    reasons: list[str] = []

    def ask() -> None:
        try:
            import keyring

            answers.append(question(keyring))
        except Exception as error:  # noqa: BLE001 - every backend has its own
            # only the kind of error: its text and its chain may hold what was asked
            reasons.append(_REASONS.get(type(error).__name__, f"the keyring failed with {type(error).__name__}"))

    thread = threading.Thread(target=ask, name="mprouter-keyring", daemon=True)
    thread.start()
    thread.join(TIMEOUT)
    if answers:
        return answers[0]
    if not reasons:
        _hanging[:] = [thread]
    raise _Unusable(reasons[0] if reasons else f"the keyring did not answer within {TIMEOUT:.0f} s")


def _may_be_there() -> bool:
    """Whether the library need be asked, which takes longer to load than a connection to be made.

    On Linux its own keyrings are reached by the session's D-Bus; others come with a package, or a setting chooses them.
    """
    if sys.platform != "linux" or "keyring" in sys.modules:
        return True
    settings = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")  # noqa: PTH111 - short of pathlib
    return (
        any(os.environ.get(each) for each in ("DBUS_SESSION_BUS_ADDRESS", "PYTHON_KEYRING_BACKEND"))
        or any(map(os.path.exists, (f"/run/user/{os.getuid()}/bus", f"{settings}/python_keyring/keyringrc.cfg")))
        or _others_are_installed()
    )


@functools.cache
def _others_are_installed() -> bool:
    """Whether a package has a keyring, besides the library itself."""
    return any(not each.startswith("keyring-") for each in packages.mentioning("keyring.backends"))


_REASONS = {
    "NoKeyringError": "no keyring is there",
    "KeyringLocked": "the keyring is locked",
    "InitError": "the keyring cannot be reached",
}
