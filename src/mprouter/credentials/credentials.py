"""The credentials of one request, and the order of the places where more are stored. Each place has its own file."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from mprouter.credentials import netrc_file, system_keyring, toml_file
from mprouter.credentials.secret import Found, Secret
from mprouter.credentials.server import server_of
from mprouter.frozen import frozen
from mprouter.log import Log
from mprouter.status import Status, WNetError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mprouter.names import RemoteName

__all__ = ["Credentials", "Replaced", "forget", "save"]

log = Log("mprouter.credentials")


class Credentials:
    """The user name and password that a request gave, and the way to those that are stored.

    user, password: None if the request did not give them. save: keep the password that works (CONNECT_CMD_SAVECRED).
    ask: a stored one is not to be used, the person wants to be asked (CONNECT_PROMPT). handed_out: the passwords that
    whoever has this may know, which are to be taken out of what they say. users: as whom one may have tried to log on,
    which no event tells (N15). passed_by: why the keyring, which may have one, has told nothing.
    """

    __slots__ = ("_worked", "ask", "handed_out", "passed_by", "password", "save", "user", "users")

    def __init__(
        self,
        user: str | None = None,
        password: Secret | str | None = None,
        *,
        save: bool = False,
        ask: bool = False,
    ) -> None:
        self.user = user
        self.password = Secret(password) if isinstance(password, str) else password
        self.save = save
        self.ask = ask
        self.handed_out = [self.password] if self.password is not None else []
        self.users: set[str] = set()
        self.passed_by: str | None = None
        self.tries(user)
        self._worked: tuple[str | None, Secret] | None = None

    def tries(self, user: str | None) -> None:
        """The server is, or may be, told that this is *user*; None = nobody in particular."""
        if user:
            self.users.add(user)

    def stored(self, name: RemoteName, user: str | None) -> Iterator[Found]:
        """What is stored for *name*, the likeliest first: from the keyring, the credentials file, ``~/.netrc``.

        user: only this user's passwords; None = the one in *name*, and without one whichever are there. Each place is
        looked at only when the ones before it have not sufficed; no user and password come twice.

        Raises ``WNetError``: ERROR_ACCESS_DENIED if others may read the file, ERROR_BAD_CONFIGURATION if it is
        malformed. A keyring that does not work is passed by.
        """
        if self.ask:
            return
        user = user or name.user
        told: list[Found] = []
        for find in (self._in_keyring, toml_file.find, netrc_file.find):
            for found in find(name, user):
                if not any((each.user, each.password) == (found.user, found.password) for each in told):
                    told.append(found)
                    self.handed_out.append(found.password)
                    self.tries(found.user)
                    yield found

    def _in_keyring(self, name: RemoteName, user: str | None) -> Iterator[Found]:
        self.passed_by = yield from system_keyring.find(name, user)

    def explain(self, refusal: WNetError) -> None:
        """Have the *refusal* of a logon tell as well why the keyring, which may have the password, told nothing."""
        if self.passed_by and refusal.status in {Status.ERROR_LOGON_FAILURE, Status.ERROR_INVALID_PASSWORD}:
            refusal.strerror = f"{refusal.strerror}, and {self.passed_by}"

    def used(self, user: str | None, password: Secret) -> None:
        """The server has accepted these: they are what ``save_if_asked`` keeps."""
        self._worked = user, password

    def save_if_asked(self, name: RemoteName) -> Replaced | None:
        """Keep what worked, if the request asked for it; which other password of that user it took the place of.

        Raises ``WNetError`` as ``save`` does.
        """
        if not self.save:
            return None
        if self._worked is None:
            say = log.warning if self.handed_out else log.info
            say("no password is saved for %s: none was needed, or its provider does not tell", name.given)
            return None
        user, password = self._worked[0] or system_keyring.default_user(), self._worked[1]
        before = None
        with suppress(WNetError):  # told below, if it keeps the new one from being saved
            before = next((each.password for each in Credentials().stored(name, user) if each.user == user), None)
        save(name, user, password)
        return None if before is None or before == password else Replaced(user, password, before)

    def __repr__(self) -> str:
        return f"Credentials(user={self.user!r}, password={self.password!r}, save={self.save!r})"


@frozen
class Replaced:
    """A password that was stored for *user*, and took the place of another one."""

    user: str
    password: Secret
    before: Secret


def save(name: RemoteName, user: str | None, password: Secret) -> None:
    """Keep *password* for the server of *name*: in the keyring; without one in the credentials file.

    The file is used if it exists, and made on a machine without a screen, where no keyring is to be expected. user:
    None = the one who runs this process (C8).

    Raises ``WNetError``: ERROR_NOT_SUPPORTED if there is neither; ERROR_ACCESS_DENIED, ERROR_BAD_CONFIGURATION or
    ERROR_DISK_FULL if the file cannot be used; ERROR_INVALID_PARAMETER for what is no text.
    """
    user = user or system_keyring.default_user()
    if not _is_text(user) or not _is_text(password.reveal()):
        raise WNetError(
            Status.ERROR_INVALID_PARAMETER, "the user name or password has half a character in it", name=name.given
        )
    reason = system_keyring.save(name, user, password)
    if reason is None:
        log.info("the password for %s is saved in the keyring", server_of(name))
        return
    path = toml_file.path()
    if not path.exists() and not _is_headless():
        raise WNetError(
            Status.ERROR_NOT_SUPPORTED,
            f"the password cannot be saved: {reason}",
            name=name.given,
            hint=f"start or unlock a keyring, or make a file for it: install -D -m 600 /dev/null {path}",
        )
    toml_file.save(name, user, password)
    log.info("the password for %s is saved in %s, since %s", server_of(name), path, reason)


def forget(name: RemoteName, user: str | None) -> bool:
    """Drop what ``save`` kept for the server of *name* and *user*; whether there was anything.

    user: None = the one who runs this process. Raises ``WNetError`` if the credentials file cannot be used.
    """
    user = user or system_keyring.default_user()
    gone = [system_keyring.forget(name, user), toml_file.forget(name, user)]
    return any(gone)


def _is_text(value: str) -> bool:
    return not any("\ud800" <= each <= "\udfff" for each in value)


def _is_headless() -> bool:
    if sys.platform in {"darwin", "win32"}:
        return False
    return not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
