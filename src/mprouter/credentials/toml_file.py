"""Passwords in ``credentials.toml``, for machines without a keyring. Its format is told in docs/credentials.md."""

from __future__ import annotations

import errno
import json
import re
import sys
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from mprouter import places, replacing
from mprouter.credentials import private_file
from mprouter.credentials.secret import Found, Secret
from mprouter.credentials.server import glob_of
from mprouter.forks import lock
from mprouter.frozen import frozen
from mprouter.names import match_pattern
from mprouter.status import Status, WNetError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mprouter.names import RemoteName

__all__ = ["FILE_NAME", "check", "find", "forget", "path", "save"]

FILE_NAME = "credentials.toml"


@frozen
class _Entry:
    """One ``[[credential]]``. remote: a glob as in a registration's ``match``."""

    remote: str
    user: str | None
    password: Secret


def path() -> Path:
    """The file of this user."""
    return places.config_dir() / FILE_NAME


def find(name: RemoteName, user: str | None) -> Iterator[Found]:
    """The passwords for *name* and *user*, in the file's order.

    Raises ``WNetError``: ERROR_ACCESS_DENIED if others may read the file, ERROR_BAD_CONFIGURATION with the line if it
    is malformed.
    """
    for entry in _entries(private_file.read(path()) or ""):
        if (not user or entry.user in {None, user}) and match_pattern(entry.remote)(name.forms):
            yield Found(entry.user or user, entry.password, "file")


def check() -> None:
    """Raise ``WNetError`` as ``find`` does, if the file cannot be used."""
    _entries(private_file.read(path()) or "")


def save(name: RemoteName, user: str, password: Secret) -> None:
    """Keep it, in place of what was kept for this server and user; the rest of the file stays.

    Raises ``WNetError``.
    """
    new = _Entry(glob_of(name), user, password)
    with _to_be_changed() as text:
        if new not in _entries(text):
            rest = _without(text, new.remote, user).rstrip()
            _write(f"{rest}\n\n{_text(new)}" if rest else _text(new))


def forget(name: RemoteName, user: str) -> bool:
    """Drop what was kept for this server and user; whether there was anything. Raises ``WNetError``."""
    if not path().exists():
        return False
    with _to_be_changed() as text:
        rest = _without(text, glob_of(name), user)
        if rest != text:
            _write(rest)
        return rest != text


# -- reading: an error of this file never shows what is in it, neither in its text nor in its chain ----------------


def _entries(text: str) -> list[_Entry]:
    if not text:  # as where nobody has kept a password
        return []
    import tomllib

    try:
        content = tomllib.loads(text)
        problem = _problem(content)
        line = _line_of(problem, text) if problem else 0
    except (ValueError, RecursionError) as error:  # TOMLDecodeError, a number that is too long, nested too deeply
        problem = "this is not TOML"
        at = re.search(r"\(at line (\d+), column \d+\)\Z", str(error))
        line = int(at[1]) if at else len(_lines(text))
    if problem:
        raise WNetError(
            Status.ERROR_BAD_CONFIGURATION, f"line {line}: {problem}", name=str(path()), hint="mend or remove the file"
        )
    return [
        _Entry(each["remote"], each.get("user"), Secret(each["password"])) for each in content.get("credential", [])
    ]


def _problem(content: dict[str, Any]) -> str | None:
    """What is wrong with *content*, without quoting it."""
    entries = content.get("credential", [])
    if content.keys() - {"credential"}:
        return "unknown key or table; there are only [[credential]] tables"
    if not isinstance(entries, list) or not all(isinstance(each, dict) for each in entries):
        return "a credential is a table: [[credential]]"
    return next((found for number, each in enumerate(entries, 1) for found in _problems(each, number)), None)


def _problems(entry: dict[str, Any], number: int) -> Iterator[str]:
    if entry.keys() - {"remote", "user", "password"}:
        yield f"unknown key in credential {number}; the keys are remote, user and password"
    for key in ("remote", "user", "password"):
        if not isinstance(entry.get(key, ""), str):
            yield f"{key} of credential {number} must be a string"
    for key in ("remote", "password"):
        if key not in entry:
            yield f"credential {number} has no {key}"
    try:
        match_pattern(entry["remote"])
    except WNetError:
        yield f"remote of credential {number} is not a glob on remote names"


def _line_of(problem: str, text: str) -> int:
    """The line by which *problem* is there: tomllib does not tell, but it can read the file up to each line."""
    import tomllib

    lines = _lines(text)
    for number in range(1, len(lines)):
        try:
            found = _problem(tomllib.loads("".join(lines[:number])))
        except tomllib.TOMLDecodeError:  # in the middle of something
            continue
        if found == problem:
            return number
    return len(lines)


def _lines(text: str) -> list[str]:
    """With their ends; unlike ``splitlines``, only where TOML has lines."""
    return re.findall(r".*\n|.+", text)


# -- writing -------------------------------------------------------------------------------------------------------

_HEADER = re.compile(r"\s*\[\[\s*credential\s*\]\]")
_BETWEEN = re.compile(r"\s*(#|$)")


def _without(text: str, remote: str, user: str) -> str:
    """*text* less the credential that has exactly this remote and user; comments after it stay."""
    import tomllib

    before = _entries(text)
    lines = _lines(text)
    starts = [number for number, line in enumerate(lines) if _HEADER.match(line)]
    gone: set[int] = set()
    for start, end in pairwise([*starts, len(lines)]):
        stop = end
        while _BETWEEN.match(lines[stop - 1]):
            stop -= 1
        try:
            (found,) = tomllib.loads("".join(lines[start:stop]))["credential"]
        except tomllib.TOMLDecodeError:
            continue
        if found.get("remote") == remote and found.get("user") == user:
            gone.update(range(start, stop))
    rest = "".join(line for number, line in enumerate(lines) if number not in gone)
    if _entries(rest) != [each for each in before if (each.remote, each.user) != (remote, user)]:
        raise WNetError(
            Status.ERROR_BAD_CONFIGURATION,
            "is written in a way that cannot be changed safely",
            name=str(path()),
            hint=f"change the credential of {remote} by hand",
        )
    return rest


def _text(entry: _Entry) -> str:
    values = {"remote": entry.remote, "user": entry.user, "password": entry.password.reveal()}
    # a JSON string is a TOML string, but for the one control character that JSON does not escape
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in values.items()]
    return "[[credential]]\n" + "".join(lines).replace("\x7f", "\\u007f")


def _write(text: str) -> None:
    try:
        private_file.write(path(), text)
    except OSError as error:
        status = Status.ERROR_DISK_FULL if error.errno == errno.ENOSPC else Status.ERROR_ACCESS_DENIED
        raise WNetError(status, f"cannot be written: {error.strerror}", name=str(path())) from error


_changing = lock(sys.modules[__name__], "_changing")


@contextmanager
def _to_be_changed() -> Iterator[str]:
    """The file's text, while no other thread or process changes the file."""
    directory = path().parent
    with _changing, ExitStack() as held:
        try:
            places.make(directory.parent)
            directory.mkdir(mode=0o700, exist_ok=True)
            held.enter_context(replacing.alone(path()))
        except WNetError:
            raise
        except OSError as error:
            raise WNetError(
                Status.ERROR_ACCESS_DENIED, f"cannot be made: {error.strerror}", name=str(directory)
            ) from error
        yield private_file.read(path()) or ""
