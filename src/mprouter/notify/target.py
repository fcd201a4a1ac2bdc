"""Targets: what a registration names, as ``python:package.module:attribute`` or ``command:/path arguments``.

Here a target is read and loaded; in which file it stands is ``registration.py``'s, how it is called the kinds' own.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mprouter.status import Status, WNetError

__all__ = ["Command", "PythonObject", "expand", "load", "look_at", "parse"]


@dataclass(frozen=True, slots=True)
class PythonObject:
    """``python:MODULE:ATTRIBUTE``, where MODULE may also be the absolute path of a file."""

    module: str
    attribute: str


@dataclass(frozen=True, slots=True)
class Command:
    """``command:PATH ARGUMENTS``."""

    argv: tuple[str, ...]


def parse(text: str) -> PythonObject | Command:
    """Read a target. Variables in it are expanded, in a command word by word: a value with spaces stays one word.

    Raises ``WNetError``: ERROR_BAD_CONFIGURATION, or ERROR_NOT_SUPPORTED for a kind that is still to come.
    """
    kind, colon, rest = text.partition(":")
    if kind == "native" and colon:
        raise WNetError(Status.ERROR_NOT_SUPPORTED, "native notifyees come with a later version")
    if kind == "command" and colon:
        return _command(rest)
    if kind == "python" and colon:
        return _python(expand(rest))
    raise _bad(f"the target {text!r} begins neither with python: nor with command:")


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


_VARIABLE = re.compile(r"\$\$|%%|\$\{(\w+)\}|\$([A-Za-z_]\w*)|%([A-Za-z_][\w()]*)%", re.ASCII)


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

    return _VARIABLE.sub(value, text)


def load(target: PythonObject) -> object:
    """Import what *target* names.

    Raises ``WNetError``: ERROR_MOD_NOT_FOUND or ERROR_FILE_NOT_FOUND if it is not there, ERROR_PROC_NOT_FOUND if it
    has no such attribute, ERROR_BAD_CONFIGURATION if importing it fails.
    """
    from importlib import import_module

    path = Path(target.module)
    if path.is_absolute() and not path.is_file():
        raise WNetError(Status.ERROR_FILE_NOT_FOUND, f"there is no file {path}")
    try:
        found = _file(path.resolve()) if path.is_absolute() else import_module(target.module)
    except (Exception, SystemExit) as error:
        if isinstance(error, ModuleNotFoundError) and error.name and f"{target.module}.".startswith(f"{error.name}."):
            raise WNetError(Status.ERROR_MOD_NOT_FOUND, f"there is no Python module {error.name}") from error
        raise _bad(f"{target.module} cannot be imported: {type(error).__name__}: {error}") from error
    for name in target.attribute.split("."):
        try:
            found = getattr(found, name)
        except AttributeError as error:
            raise WNetError(Status.ERROR_PROC_NOT_FOUND, f"{target.module} has no {target.attribute}") from error
    return found


def _file(path: Path) -> object:
    """The module in the file *path*, under a name of its own; registrations that name one file share it."""
    from importlib import util
    from importlib.machinery import SourceFileLoader

    private = "mprouter_notifyee_" + re.sub(r"\W", lambda match: f"_{ord(match[0]):x}_", str(path))
    if private in sys.modules:
        return sys.modules[private]
    spec = util.spec_from_loader(private, SourceFileLoader(private, str(path)))
    assert spec is not None  # noqa: S101 - SourceFileLoader always has one
    assert spec.loader is not None  # noqa: S101
    module = util.module_from_spec(spec)
    sys.modules[private] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[private]
        raise
    return module


def look_at(command: Command) -> None:
    """Raise ``WNetError`` (ERROR_FILE_NOT_FOUND, ERROR_ACCESS_DENIED) if one can see that *command* cannot be run."""
    path = Path(command.argv[0])
    if not path.is_file():
        raise WNetError(Status.ERROR_FILE_NOT_FOUND, f"there is no file {path}")
    if not os.access(path, os.X_OK):
        raise WNetError(Status.ERROR_ACCESS_DENIED, f"{path} is not executable for this user")


def _bad(problem: str) -> WNetError:
    return WNetError(Status.ERROR_BAD_CONFIGURATION, problem)
