"""Passwords in ``~/.netrc``, for the networks whose other programs read it too."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mprouter.credentials import private_file
from mprouter.credentials.secret import Found, Secret
from mprouter.log import Log

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mprouter.names import RemoteName

__all__ = ["find"]

SCHEMES = frozenset({"ftp", "ftps", "dav", "davs", "sftp", "smb", "unc"})

log = Log("mprouter.credentials")


def find(name: RemoteName, user: str | None) -> Iterator[Found]:
    """The password of the machine that is the host of *name*. The ``default`` entry is for no host in particular.

    Raises ``WNetError`` ERROR_ACCESS_DENIED if it has one and others may read the file. A malformed file is passed by
    with a warning: it is not this program's.
    """
    if name.host is None or name.scheme not in SCHEMES:
        return
    path = Path.home() / ".netrc"
    if not path.exists():
        return
    import netrc

    try:
        entries = _entries(path)
    except netrc.NetrcParseError as error:  # its text may hold a password
        log.warning("%s, line %s: malformed, so the file was not used", path, error.lineno)
        return
    except (OSError, UnicodeDecodeError) as error:
        log.warning("%s cannot be read (%s), so it was not used", path, type(error).__name__)
        return
    for machine, (login, _, password) in entries:
        if machine == "default" or machine.lower() != name.host.lower() or not password:
            continue
        if user and login and login != user:
            continue
        private_file.refuse_if_shared(path.stat(), path)
        yield Found(login or user, Secret(password), "netrc")


def _entries(path: Path) -> list[tuple[str, tuple[str, str, str]]]:
    """Each machine with its login, account and password, in the file's order. Raises as ``netrc.netrc``."""
    import netrc

    entries: list[tuple[str, tuple[str, str, str]]] = []

    class Hosts(dict[str, tuple[str, str, str]]):
        def __setitem__(self, machine: str, entry: tuple[str, str, str]) -> None:
            super().__setitem__(machine, entry)
            if entry:  # before it is read it is an empty one
                entries.append((machine, entry))

    class Reader(netrc.netrc):
        # ``netrc`` itself keeps only the last entry of a machine, whichever user's that is
        def __setattr__(self, name: str, value: object) -> None:
            super().__setattr__(name, Hosts() if name == "hosts" else value)

    Reader(str(path))
    return entries
