"""Targets: what a registration names, as ``python:module:attribute``, ``native:/path.so`` or ``command:/path words``.

Here a target is read and loaded; in which file it stands is ``registration.py``'s, how it is called the kinds' own.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from mprouter.frozen import frozen
from mprouter.plugins import trust
from mprouter.status import Status, WNetError

__all__ = ["Command", "Library", "PythonObject", "expand", "load", "look_at", "parse"]


@frozen
class PythonObject:
    """``python:MODULE:ATTRIBUTE``, where MODULE may also be the absolute path of a file."""

    module: str
    attribute: str

    def __str__(self) -> str:
        return f"python:{self.module}:{self.attribute}"


@frozen
class Library:
    """``native:PATH``."""

    path: str

    def __str__(self) -> str:
        return f"native:{self.path}"


@frozen
class Command:
    """``command:PATH ARGUMENTS``."""

    argv: tuple[str, ...]


def parse(text: str) -> PythonObject | Library | Command:
    """Read a target. Variables in it are expanded, in a command word by word: a value with spaces stays one word.

    Raises ``WNetError`` (ERROR_BAD_CONFIGURATION).
    """
    kind, colon, rest = text.partition(":")
    if kind == "native" and colon:
        return _library(expand(rest))
    if kind == "command" and colon:
        return _command(rest)
    if kind == "python" and colon:
        return _python(expand(rest))
    raise _bad(f"the target {text!r} begins with none of python:, native: and command:")


def _library(path: str) -> Library:
    if not Path(path).is_absolute() or "\0" in path:
        raise _bad(f"the path of a library must be absolute, not {path!r}")
    return Library(path)


def _command(text: str) -> Command:
    import shlex

    try:
        argv = tuple(expand(word) for word in shlex.split(text))
    except ValueError as error:
        raise _bad(f"the command cannot be split into words: {error}") from error
    if not argv:
        raise _bad("the target names no command")
    if not Path(argv[0]).is_absolute():
        raise _bad(f"the path of a command must be absolute, not {argv[0]!r}")
    if any("\0" in word for word in argv):
        raise _bad("a word of the command has a null character in it")
    return Command(argv)


def _python(text: str) -> PythonObject:
    module, _, attribute = text.rpartition(":")
    if not module or not all(part.isidentifier() for part in attribute.split(".")):
        raise _bad(f"a Python target is module:attribute or /path/file.py:attribute, not {text!r}")
    if Path(module).is_absolute() or all(part.isidentifier() for part in module.split(".")):
        return PythonObject(module, attribute)
    raise _bad(f"{module!r} is neither a module's name nor an absolute path")


_VARIABLE = r"(?a)\$\$|%%|\$\{(\w+)\}|\$([A-Za-z_]\w*)|%([A-Za-z_][\w()]*)%"


def expand(text: str, variables: Mapping[str, str] = os.environ) -> str:
    """*text* with ``$VAR``, ``${VAR}`` and ``%VAR%`` replaced (REG_EXPAND_SZ); ``$$`` and ``%%`` are a $ and a %.

    Raises ``WNetError`` (ERROR_BAD_CONFIGURATION) for a variable that is not set.
    """

    def value(match: re.Match[str]) -> str:
        name = match[1] or match[2] or match[3]
        if name is None:
            return match[0][0]
        if name not in variables:
            raise _bad(f"the variable {name} is not set")
        return variables[name]

    return re.sub(_VARIABLE, value, text)


def load(target: PythonObject, *, checked: bool = True, sha256: str | None = None) -> object:
    """Import what *target* names. checked: a module too only if it is trusted. sha256: see ``trust.opened``.

    Raises ``WNetError``: ERROR_ACCESS_DENIED or ERROR_INVALID_IMAGE_HASH for what is not trusted, ERROR_MOD_NOT_FOUND
    or ERROR_FILE_NOT_FOUND if it is not there, ERROR_PROC_NOT_FOUND if it has no such attribute,
    ERROR_BAD_CONFIGURATION if importing it fails.
    """
    from mprouter.plugins import modules

    path = Path(target.module)
    found: object
    if path.is_absolute():
        found = modules.load_file(path, sha256)
    else:
        found = modules.load_module(target.module, sha256) if checked else modules.load_unchecked(target.module)
    for name in target.attribute.split("."):
        try:
            found = getattr(found, name)
        except AttributeError as error:
            raise WNetError(Status.ERROR_PROC_NOT_FOUND, f"{target.module} has no {target.attribute}") from error
    return found


def look_at(command: Command, sha256: str | None = None) -> None:
    """Raise ``WNetError``, as ``trust.opened`` does, if one can see that *command* cannot be run."""
    with trust.opened(command.argv[0], sha256) as file:
        if not os.access(file.place, os.X_OK):
            raise WNetError(Status.ERROR_ACCESS_DENIED, f"{command.argv[0]} is not executable for this user")


def _bad(problem: str) -> WNetError:
    return WNetError(Status.ERROR_BAD_CONFIGURATION, problem)
