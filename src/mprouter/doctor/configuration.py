"""What the user and the administrator have written: settings and passwords, and whether there is a keyring."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

from mprouter.finding import Check, Finding, Kind, Severity
from mprouter.status import WNetError

__all__ = ["CHECKS"]

SETTINGS = Kind(
    "settings-broken",
    Severity.ERROR,
    "The settings cannot be understood. Nothing can be connected or disconnected.",
    "correct what is said, or move the file away: `mv --backup=numbered {path} {path}.broken`",
)
PROVIDER = Kind(
    "provider-unknown",
    Severity.NOTE,
    "The settings name a network provider that is not there; it is passed by.",
    "`mpr provider list` shows those that are there, `mpr provider order`, `enable` and `disable` write the keys anew",
)
SHARED = Kind(
    "credentials-shared",
    Severity.ERROR,
    "Others have access to the passwords, so the file is not used. Regard the passwords as known.",
    "`chmod 600 {path}`; if it is not yours, as root: `chown {user} {path}`",
    "takes the others' rights away, if the file is yours",
)
CREDENTIALS = Kind(
    "credentials-broken",
    Severity.ERROR,
    "The passwords cannot be read. Connections that need a password fail, unless the keyring has it.",
    "correct what is said; docs/credentials.md tells how the file is written",
)
NETRC = Kind(
    "netrc-shared",
    Severity.WARNING,
    "Others have access to the passwords in it, so connections to the servers that it names fail.",
    "`chmod 600 {path}`",
)
NO_KEYRING = Kind(
    "keyring-unusable",
    Severity.NOTE,
    "Passwords cannot be kept in it; those in credentials.toml are used.",
    "on a desktop, start or install its keyring; else make a file for them: `touch {path} && chmod 600 {path}`",
)


def settings() -> Iterator[Finding]:
    """The settings files can be understood."""
    from mprouter import settings
    from mprouter.providers import registration

    problems = settings.problems()
    for problem in problems:
        yield SETTINGS.found(f"{problem.name}: {problem.strerror}", path=problem.name)
    if not problems:
        known = {each.name.lower() for each in registration.builtin() + registration.load()}
        chosen = settings.load()
        for key, names in (
            ("provider_order", chosen.provider_order),
            ("disabled_providers", chosen.disabled_providers),
        ):
            for name in names:
                if name.lower() not in known:
                    yield PROVIDER.found(f"{key} names {name}")


def credentials() -> Iterator[Finding]:
    """The files with passwords are the user's alone and can be understood."""
    from mprouter.credentials import private_file, toml_file

    path = toml_file.path()
    try:
        toml_file.check()
    except WNetError as error:
        what = f"{path}: {error.strerror}"
        mine = _is_shared(path)
        if mine is None:
            yield CREDENTIALS.found(what, path=path)
        else:
            yield SHARED.found(what, path=path, user=os.getuid(), fix=partial(_restrict, path) if mine else None)
    netrc = Path.home() / ".netrc"
    try:
        private_file.refuse_if_shared(netrc.stat(), netrc)
    except WNetError as error:
        yield NETRC.found(f"{netrc}: {error.strerror}", path=netrc)
    except OSError:  # there is none, or none that could be read
        return


def _is_shared(path: Path) -> bool | None:
    """None if nobody else has access to the file; whether it is this user's, if somebody has."""
    with suppress(OSError):
        found = path.stat()
        if found.st_uid != os.getuid() or found.st_mode & 0o077:
            return found.st_uid == os.getuid()
    return None


def _restrict(path: Path) -> None:
    with path.open("rb") as file:
        found = os.fstat(file.fileno())
        if found.st_uid != os.getuid():
            raise PermissionError(0, "it belongs to somebody else by now")
        os.fchmod(file.fileno(), stat.S_IMODE(found.st_mode) & 0o700)


def keyring() -> Iterator[Finding]:
    """There is a keyring that keeps passwords."""
    from mprouter.credentials import system_keyring, toml_file

    if reason := system_keyring.unusable():
        yield NO_KEYRING.found(reason, path=toml_file.path())


CHECKS = (
    Check("settings", settings),
    Check("passwords", credentials),
    Check("keyring", keyring),
)
