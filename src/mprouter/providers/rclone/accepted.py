"""What SSH servers accept of a user: the way to log on that worked last, and which of several keys.

A server may count each refused way, and let nobody in for a while after a few of them; see ``hostkeys.barred``.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from mprouter import places
from mprouter.digest import sha256
from mprouter.providers.rclone import hostkeys
from mprouter.providers.rclone.sshconfig import quoted
from mprouter.status import WNetError

__all__ = ["PASSWORD", "finding_out", "last_way", "of_keys", "remember"]

PASSWORD = "a stored password"  # noqa: S105 - none itself
"""The way that is no key's."""

PATIENCE = 10.0
"""Seconds that others may take to find out what a server accepts."""


def last_way(host: str, port: int, user: str) -> str:
    """The way on which *user* was let in last, as ``remember`` was told; "" if that is not known."""
    with suppress(OSError):
        return os.fsdecode(_file(host, port, user).read_bytes())
    return ""


@contextmanager
def finding_out(host: str, port: int, user: str) -> Iterator[bool]:
    """While no way is known, be alone in looking for one; whether others have found one meanwhile.

    Else those that log on side by side, as at login, would all be refused in the same way.
    """
    with ExitStack() as lock:
        if is_unknown := not last_way(host, port, user):
            with suppress(OSError, WNetError):
                file = places.private(places.runtime_dir()) / f"logon-{_token(host, port, user)}.lock"
                lock.enter_context(places.locked(file, patience=PATIENCE))
        yield is_unknown and bool(last_way(host, port, user))


def remember(host: str, port: int, user: str, way: str) -> None:
    """Keep *way*, without any secret, as that on which *user* was let in; nothing if it cannot be kept."""
    if way == last_way(host, port, user):
        return
    file = _file(host, port, user)
    with suppress(OSError, WNetError):
        places.private(file.parent)
        new = file.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
        new.write_bytes(os.fsencode(way))
        new.replace(file)


def of_keys(host: str, port: int, user: str, keys: Sequence[Path], settings: Mapping[str, str]) -> list[Path]:
    """Those of the unencrypted private *keys* that the server may accept, found out with one connection for all.

    settings: of rclone's backend, with the server's keys. All of them if ssh cannot tell.
    """
    file = Path(settings["known_hosts_file"])
    if any("${" in str(each) for each in (file, *keys)):
        return list(keys)
    options = [("PreferredAuthentications", "publickey"), ("IdentitiesOnly", "yes"), ("IdentityAgent", "none")]
    options += [("IdentityFile", quoted(key)) for key in keys]
    said = hostkeys.said_by_ssh(host, port, user, file, [*options, ("LogLevel", "DEBUG1")])
    if said is None or "Authentications that can continue" not in said:
        return list(keys)
    accepted = [key for key in keys if f"Server accepts key: {key} " in said]
    untried = [key for key in keys if f"Offering public key: {key} " not in said]  # as others may read it, say
    return [*accepted, *untried]


def _file(host: str, port: int, user: str) -> Path:
    return places.state_dir() / "logons" / _token(host, port, user)


def _token(host: str, port: int, user: str) -> str:
    token: str = sha256(repr((host, port, user)).encode()).hexdigest()[:16]
    return token
