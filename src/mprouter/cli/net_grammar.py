r"""The grammar of ``net use``: words in, what is wanted out. It asks nobody and loads next to nothing.

Click cannot read ``/SWITCH:VALUE``. A switch may stand anywhere, in any case, shortened as long as only one begins so.
``-`` begins none. A word with a second slash before any colon is no switch: ``//server/share``, ``/mnt/dav``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field

from mprouter.frozen import frozen
from mprouter.names import looks_local

__all__ = ["PROMPT", "SYNTAX", "Misuse", "Words", "parse"]

PROMPT = "*"
"""In place of a password: ask for it. In place of a device: any free letter, or all."""

SYNTAX = r"""The syntax of this command is:

NET USE
[devicename | *] [\\computername\sharename[\volume] [password | *]]
        [/USER:[domainname\]username]
        [/USER:[dotted domain name\]username]
        [/USER:[username@dotted domain name]
        [/SAVECRED]
        [[/DELETE] | [/PERSISTENT:{YES | NO}]]
        [/Y | /NO]

NET USE [/PERSISTENT:{YES | NO}]
"""

_SWITCHES = ("?", "DELETE", "HELP", "NO", "PERSISTENT", "SAVECRED", "USER", "YES")

_ELSEWHERE = (
    "GLOBAL",
    "HOME",
    "REQUESTCOMPRESSION",
    "REQUIREINTEGRITY",
    "REQUIREPRIVACY",
    "SKIPCERTCHECK",
    "SMARTCARD",
    "TRANSPORT",
    "WRITETHROUGH",
)
"""The switches of Windows that mean nothing here."""


class Misuse(Exception):
    """Wrong syntax. The text repeats nothing of what was typed: it may be a password."""


@frozen
class Words:
    """What a command line of ``net use`` wants.

    device: as typed; "*" = any free letter, and with *delete* all connections. password: "*" = ask for it. persistent,
    answer: None = not said. elsewhere: a switch that only Windows has. help: show the syntax, nothing else.
    """

    device: str | None = None
    remote: str | None = None
    password: str | None = field(default=None, repr=False)
    user: str | None = None
    persistent: bool | None = None
    savecred: bool = False
    delete: bool = False
    answer: bool | None = None
    elsewhere: str | None = None
    help: bool = False


def parse(words: Sequence[str]) -> Words:
    """Read what stands after ``net use``. Raises ``Misuse``."""
    given: dict[str, str | None] = {}
    for word in filter(_is_switch, words):
        name, value = _switch(word)
        if name in given:
            raise Misuse(f"/{name} is given twice")
        given[name] = value
    if {"?", "HELP"} & given.keys():
        return Words(help=True)
    device, remote, password = _names([word for word in words if not _is_switch(word)])
    found = Words(
        device,
        remote,
        password,
        _user(given["USER"]) if "USER" in given else None,
        _yes_or_no(given["PERSISTENT"]) if "PERSISTENT" in given else None,
        savecred="SAVECRED" in given,
        delete="DELETE" in given,
        answer="YES" in given if {"YES", "NO"} & given.keys() else None,
        elsewhere=next((name for name in given if name in _ELSEWHERE), None),
    )
    if {"YES", "NO"} <= given.keys():
        raise Misuse("/Y and /NO exclude each other")
    if found.elsewhere is None:
        _check(found)
    return found


def _is_switch(word: str) -> bool:
    name = word.partition(":")[0]
    return name[:1] == "/" and "/" not in name[1:] and "\\" not in name[1:]


def _switch(word: str) -> tuple[str, str | None]:
    """The whole name of a switch, and its value."""
    typed, colon, value = word[1:].partition(":")
    typed = typed.upper()
    known = [name for name in (*_SWITCHES, *_ELSEWHERE) if typed and name.startswith(typed)]
    if typed in known:
        known = [typed]
    if not known:
        from difflib import get_close_matches

        close = get_close_matches(typed, _SWITCHES, 1)
        raise Misuse("there is an option that is not known" + (f"; did you mean /{close[0]}?" if close else ""))
    if len(known) > 1:
        raise Misuse(f"an option is shortened too much: it may be {' or '.join(f'/{name}' for name in known)}")
    (name,) = known
    if name in {"PERSISTENT", "USER"} and not value:
        raise Misuse(f"/{name} needs a value: /{name}:{'YES' if name == 'PERSISTENT' else 'name'}")
    if colon and name in _SWITCHES and name not in {"PERSISTENT", "USER"}:
        raise Misuse(f"/{name} takes no value")
    return name, value if colon else None


def _names(names: Sequence[str]) -> tuple[str | None, str | None, str | None]:
    """Device, remote name and password, of which any may be missing, but stand in this order."""
    rest = list(names)
    device = rest.pop(0) if rest and not _is_remote(rest[0]) else None
    remote = rest.pop(0) if rest else None
    password = rest.pop(0) if rest else None
    if rest:
        raise Misuse("there are too many names")
    if password is not None and not _is_text(password):
        raise Misuse("the password is not UTF-8")
    return device, remote, password


def _is_remote(word: str) -> bool:
    """Whether *word*, good or not, is meant as a remote name: by its first two slashes, its backslash or its scheme."""
    return not looks_local(word) and (word[:1] == "\\" or word[:2] in {"//", "/\\"} or ":" in word[2:])


def _is_text(value: str) -> bool:
    return not any("\ud800" <= each <= "\udfff" for each in value)


def _user(value: str | None) -> str:
    if not value or ":" in value or not _is_text(value):
        raise Misuse("a user name is not empty and has no colon; the password is an argument of its own, or asked for")
    return value


def _yes_or_no(value: str | None) -> bool:
    for answer in ("YES", "NO"):
        if value and answer.startswith(value.upper()):
            return answer == "YES"
    raise Misuse("/PERSISTENT is YES or NO")


def _check(found: Words) -> None:
    """Which words go together."""
    if found.delete:
        if found.device is None and found.remote is None:
            raise Misuse("/DELETE needs a device, a remote name or *")
        if found.password is not None or found.user or found.savecred or found.persistent is not None:
            raise Misuse("/DELETE goes with no password, /USER, /SAVECRED and /PERSISTENT")
        if found.device == PROMPT and found.remote is not None:
            raise Misuse("* /DELETE is about all connections and goes with no remote name")
        return
    if found.remote is None and (found.user or found.savecred):
        raise Misuse("/USER and /SAVECRED need a remote name to connect")
    if found.remote is None and found.device is not None and found.persistent is not None:
        raise Misuse("/PERSISTENT needs a remote name to connect, or stands alone")
    if found.remote is None and found.device == PROMPT:
        raise Misuse("* needs a remote name to connect, or /DELETE")
