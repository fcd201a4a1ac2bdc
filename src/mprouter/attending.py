"""Telling the providers that attend to it of a logon and of a new password (``NPLogonNotify`` and its like).

Who logs on and when is not known here: see ``Router.logged_on`` and ``Router.password_changed``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mprouter.frozen import frozen
from mprouter.log import Log
from mprouter.providers.base import Attending, Capability, LogonInfo, PasswordChange, Provider
from mprouter.providers.guard import mishap
from mprouter.status import Status, WNetError

__all__ = ["PERSON", "SERVICE", "Attended", "logged_on", "password_changed"]

PERSON, SERVICE = "WinSta_0", "SvcCtl"
"""The station of a person who logs on, and of a service that runs as a user."""

log = Log("mprouter.providers")


@frozen
class Attended:
    """What became of telling one provider. script: the command line to be run as the user who logged on."""

    provider: str
    script: str | None = None
    error: WNetError | None = None


def logged_on(
    providers: Sequence[Provider], logon: LogonInfo, previous: LogonInfo | None, station: str
) -> list[Attended]:
    """Tell all that attend to logons, in order; what one raises keeps no other from being told (R4)."""

    def tell(each: Attending) -> str | None:
        script = each.logon_notify(logon, previous, station)
        password = logon.password.reveal()
        if script and password and password in script:
            raise WNetError(Status.ERROR_INVALID_DATA, "its logon script would show the password, so it is not run")
        return script

    return _told(providers, tell)


def password_changed(
    providers: Sequence[Provider], logon: LogonInfo, previous: LogonInfo | None, station: str, change: PasswordChange
) -> list[Attended]:
    """Tell all that attend to logons of a new password, as ``logged_on`` does."""
    return _told(providers, lambda each: each.password_change_notify(logon, previous, station, change))


def _told(providers: Sequence[Provider], tell: Callable[[Attending], str | None]) -> list[Attended]:
    told = []
    for each in providers:
        if not each.capabilities & Capability.LOGON_NOTIFY or not isinstance(each, Attending):
            continue
        try:
            told.append(Attended(each.name, tell(each)))
        except Exception as error:  # noqa: BLE001 - whatever a provider raises, the others are told
            told.append(Attended(each.name, error=mishap(error, each.name)))
            log.info("the network provider %s could not be told: %s", each.name, told[-1].error)
    return told
