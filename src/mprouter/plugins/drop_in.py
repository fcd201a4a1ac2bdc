"""Drop-in files: where they are, what may stand in one, what is wrong with it and on which line, how it is written.

What its keys mean for the notifyee or network provider that it registers is the business of whoever registers those.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, time
from itertools import chain
from math import isfinite
from pathlib import Path
from typing import Any

from mprouter import places, replacing
from mprouter.frozen import frozen
from mprouter.log import Log
from mprouter.plugins import trust
from mprouter.plugins.problem import Problem, passes
from mprouter.status import Status, WNetError, shortage, unwritten

__all__ = [
    "KEYS",
    "MAX_SIZE",
    "NAME",
    "DropIn",
    "Key",
    "create",
    "delete",
    "failed",
    "files",
    "literal",
    "parse",
    "read",
    "replace",
    "switch",
    "switched",
    "written",
]

log = Log("mprouter")

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@+-]*")
"""What a file may be called, before ``.toml``."""

MAX_SIZE = 1 << 16
"""The largest file, in bytes."""


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, str) for each in value)


def _is_bool(value: object) -> bool:
    return isinstance(value, bool)


Key = tuple[Callable[[Any], bool], str]
"""Of a key that may stand in a file: a test of its value, and in words what that must be."""

KEYS: dict[str, Key] = {
    "target": (lambda value: isinstance(value, str), "a text"),
    "order": (lambda value: type(value) is int, "a whole number"),
    "required": (_is_bool, "true or false"),
    "enabled": (_is_bool, "true or false"),
    "operations": (
        lambda value: _is_texts(value) and {*value} <= {"add", "cancel"},
        'a list of "add", "cancel" or both',
    ),
    "match": (_is_texts, "a list of patterns"),
    "timeout": (
        lambda value: type(value) in {int, float} and isfinite(value) and value > 0,
        "a number of seconds above 0",
    ),
    "thread_safe": (_is_bool, "true or false"),
    "sha256": (
        lambda value: isinstance(value, str) and re.fullmatch("[0-9a-fA-F]{64}", value) is not None,
        "a text of 64 hexadecimal digits",
    ),
    "isolation": (lambda value: value in ("process", "inline"), '"process" or "inline"'),
    "settings": (lambda value: isinstance(value, dict), "a table"),
}
"""What may stand in a notifyee's file."""


@frozen
class DropIn:
    """What a file says. values: the keys that are as they must be. problems: all that is wrong, worst first."""

    text: str
    values: Mapping[str, Any]
    problems: tuple[Problem, ...]

    @property
    def is_read(self) -> bool:
        """Whether it is the file that is told of, and not that it cannot be read just now."""
        return not (self.problems and self.problems[0].passes)

    def check_read(self, path: Path) -> None:
        """Raise ``WNetError`` if the file, *path*, cannot be read just now."""
        if not self.is_read:
            raise WNetError(self.problems[0].status, self.problems[0].message, name=str(path))

    def line(self, key: str) -> int | None:
        """The line on which *key* is given a value, or a table of that name begins; what is in tables aside."""
        end = _tables(self.text)
        return self._line(key, 0, end) or self._line(key, end)

    def setting_line(self, problem: str) -> int | None:
        """The line of the setting that *problem* names first; if it names none, that of the settings as a whole."""
        begin = _tables(self.text)
        words = re.findall(r"\w[\w-]*", problem)
        named = [each for each in words if each in self.values.get("settings", ())]
        found = self._line(named[0], begin) if named else None
        return found or self.line("settings")

    def _line(self, key: str, begin: int = 0, end: int | None = None) -> int | None:
        rest = self.text[begin:end]
        match = re.search(rf"(?m)^[ \t]*(\[+[ \t]*(settings[ \t]*\.[ \t]*)?)?[\"']*{re.escape(key)}\b", rest)
        return self.text.count("\n", 0, begin + match.start()) + 1 if match else None


def _tables(text: str) -> int:
    """Where the first table of *text* begins: what is behind is no key of the registration."""
    header = re.search(r"""(?m)^[ \t]*\[+[ \t]*[\w"'][^\]\n,]*\]+[ \t]*(#.*)?\r?$""", text)
    return header.start() if header else len(text)


# -- reading ---------------------------------------------------------------------------------------------------


def files(
    name: str, directories: Iterable[tuple[str, Path]] | None = None, *, all_or_none: bool = False
) -> Iterator[tuple[str, Path, object]]:
    """Source, path, and what is different after a change, of each drop-in file; hidden files are none.

    name: of the directory that has them, in the system's directory and in the user's. directories: these instead, with
    their sources. all_or_none: raise ``WNetError`` where a directory cannot be read just now, instead of a warning.
    """
    if directories is None:
        both = (("system", places.system_dir()), ("user", places.config_dir()))
        directories = [(source, places.path_to(directory, name)) for source, directory in both]
    for source, directory in directories:
        try:
            above = [(each.st_uid, each.st_mode) for each in map(os.stat, chain((directory,), directory.parents))]
            paths = sorted(path for path in directory.iterdir() if path.suffix == ".toml" and path.name[0] != ".")
        except FileNotFoundError:
            continue
        except OSError as error:
            if all_or_none and passes(error):
                problem = Problem.of(error, f"what is registered there cannot be read: {error.strerror}")
                raise WNetError(problem.status, problem.message, name=str(directory)) from error
            log.warning("what is registered in %s does not take part: %s", directory, error.strerror)
            continue
        for path in paths:
            try:
                found = path.stat()
                changes = (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino, found.st_dev)
                yield source, path, (changes, above)
            except OSError as error:
                yield source, path, error.errno


def read(path: Path, keys: Mapping[str, Key] = KEYS) -> DropIn:
    """What the file *path* says, of these *keys*. Never raises: what is wrong is among the ``problems``.

    One that others could have written has that as its worst problem. What it says counts nevertheless as far as it
    makes it fail: who could write ``required = false`` there could as well have removed the file. One that cannot be
    read just now may well be required.
    """
    try:
        text, refusal = _text(path)
        said = parse(text, keys)
        return said if refusal is None else DropIn(said.text, said.values, (refusal, *said.problems))
    except OSError as error:
        problem = Problem.of(error, f"it cannot be read: {error.strerror or error}")
        return DropIn("", {"required": True} if problem.passes else {}, (problem,))
    except ValueError as error:
        return DropIn("", {}, (Problem(str(error)),))


def _text(path: Path) -> tuple[str, Problem | None]:
    """The text of the file *path*, and why it is not to be trusted. Raises OSError, or ValueError if it is no drop-in.

    Whoever may write the file decides what is run: it is judged by the descriptor that it is then read from.
    """
    with trust.look(path) as file:
        data = file.read(MAX_SIZE + 1)
        refusal = file.refusal
    if len(data) > MAX_SIZE:
        raise ValueError(f"it is larger than {MAX_SIZE >> 10} KiB")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not UTF-8: {error}") from error
    return text, None if refusal is None else Problem(str(refusal.strerror), status=refusal.status)


def parse(text: str, keys: Mapping[str, Key] = KEYS) -> DropIn:
    """What *text* says, of these *keys*. Of one that is not TOML as a whole, the keys that can be read alone count."""
    import tomllib

    problems: list[Problem] = []
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        what, at, place = str(error).rpartition(" (at ")
        line = re.match(r"line (\d+)", place)
        what = what if at else place
        problems.append(
            Problem(f"not TOML: {what[:1].lower()}{what[1:]}", int(line[1]) if line else len(text.splitlines()) or 1)
        )
        values = _salvage(text)
    except RecursionError:
        problems.append(Problem("not TOML that anybody wrote: nested too deeply"))
        values = _salvage(text)
    if re.search("[\ud800-\udfff]", text):
        problems.append(Problem("half a character is in it"))
    good = {}
    lines = DropIn(text, {}, ())
    for key, value in values.items():
        if key not in keys:
            problems.append(Problem(f"unknown key {key}; known are {', '.join(keys)}", lines.line(key)))
            continue
        is_good, words = keys[key]
        if is_good(value):
            good[key] = value
        else:
            problems.append(Problem(f"{key} must be {words}", lines.line(key)))
            if key == "required":  # whoever wrote it there did not mean false
                good[key] = True
    if "target" not in values:
        problems.append(Problem("it names no target"))
    return DropIn(text, good, tuple(problems))


def _salvage(text: str) -> dict[str, Any]:
    """What can be read of a broken text. If it says twice whether it is required, true counts."""
    return dict(sorted(_salvaged(text), key=lambda said: said == ("required", True)))


def _salvaged(text: str) -> Iterator[tuple[str, Any]]:
    """The keys of a broken text that can be read alone, each with its value: on its line, or on as many as it needs."""
    import tomllib

    text = text[: _tables(text)]
    starts = list(re.finditer(r"(?m)^[ \t]*([a-z_]+)[ \t]*=", text))
    ends = [*(start.start() for start in starts[1:]), len(text)]
    for start, end in zip(starts, ends, strict=False):
        alone = ""
        for line in text[start.start() : end].splitlines(keepends=True)[:100]:
            alone += line
            try:
                yield start[1], tomllib.loads(alone)[start[1]]
                break
            except (tomllib.TOMLDecodeError, RecursionError):
                continue


# -- writing ---------------------------------------------------------------------------------------------------


def written(values: Mapping[str, Any]) -> str:
    """The text of a file that says *values*; None is not said."""
    return "".join(f"{key} = {literal(value)}\n" for key, value in values.items() if value is not None)


def literal(value: Any) -> str:
    """*value*, which TOML can say, on one line."""
    if isinstance(value, str):
        if value.isprintable() and "'" not in value and ("\\" in value or '"' in value):
            return f"'{value}'"  # a pattern with backslashes reads best as it is
        return _quoted(value)
    if isinstance(value, list):
        return f"[{', '.join(map(literal, value))}]"
    if isinstance(value, Mapping):
        pairs = (f"{key if _BARE.fullmatch(key) else _quoted(key)} = {literal(each)}" for key, each in value.items())
        return f"{{ {', '.join(pairs)} }}" if value else "{}"
    if isinstance(value, date | time):
        return value.isoformat()
    return str(value).lower() if isinstance(value, bool) else repr(value)


_BARE = re.compile("[A-Za-z0-9_-]+")


def _quoted(text: str) -> str:
    import json

    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def switched(text: str, enabled: bool) -> str:
    """*text* with only the key ``enabled`` changed, or put in before the first other key."""
    line = f"enabled = {str(enabled).lower()}"
    end = _tables(text)
    keys, tables = text[:end], text[end:]
    keys, found = re.subn(r"""(?m)^[ \t]*enabled[ \t]*=[ \t]*("[^"\n]*"|'[^'\n]*'|[^\s#]*)""", line, keys, count=1)
    if found:
        return keys + tables
    first = re.search(r"(?m)^[ \t]*[^\s#]", text)
    if first is None:
        return f"{text.rstrip()}\n{line}\n"
    return f"{text[: first.start()]}{line}\n{text[first.start() :]}"


def switch(path: Path, enabled: bool, keys: Mapping[str, Key] = KEYS) -> None:
    """Have what the file *path* registers take part or not; nothing else in it changes, not even if that is broken.

    Raises ``WNetError``: ERROR_INVALID_DATA if that is not possible, ERROR_NOT_FOUND, ERROR_ACCESS_DENIED, ….
    """
    with _alone(path):
        path.stat()  # it may have been deleted while this one waited
        before = read(path, keys)
        after = parse(switched(before.text, enabled), keys)
        if not before.text or (not before.problems and after.values != {**before.values, "enabled": enabled}):
            unclear = "the line enabled = … in it is not what it seems"
            before.check_read(path)
            problem = before.problems[0].message if before.problems else unclear
            raise WNetError(Status.ERROR_INVALID_DATA, problem, name=str(path), hint="edit the file by hand")
        replace(path, after.text)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """As ``replacing.alone``. Raises ``WNetError``."""
    try:
        with replacing.alone(path):
            yield
    except WNetError:
        raise
    except OSError as error:
        raise failed(path, error) from error


def create(path: Path, text: str) -> None:
    """Write a new file, whole or not at all. Raises ``WNetError``: ERROR_ALREADY_ASSIGNED, ERROR_ACCESS_DENIED, …."""
    try:
        places.make(path.parent, for_all=places.is_for_all(path))
        with replacing.alone(path):
            temporary = replacing.written(path.with_name(replacing.BESIDE), text, 0o644)
            try:
                os.link(temporary, path)  # unlike a rename it does not replace what is there
            finally:
                temporary.unlink()
    except WNetError:
        raise
    except FileExistsError as error:
        raise WNetError(
            Status.ERROR_ALREADY_ASSIGNED,
            f"there is a notifyee {path.stem} already",
            name=str(path),
            hint="give another name, or remove that one first",
        ) from error
    except OSError as error:
        raise failed(path, error) from error


def replace(path: Path, text: str) -> None:
    """Write an existing file anew, whole or not at all, with its mode and owner. Raises ``WNetError``.

    To be called ``alone``.
    """
    try:
        path = path.resolve()  # of a link, what it leads to
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):  # a link to /dev/null, say, which root would replace for everybody
            raise WNetError(Status.ERROR_ACCESS_DENIED, "it is not a file, so it is not written", name=str(path))
        replacing.put(path, text, stat.S_IMODE(found.st_mode), (found.st_uid, found.st_gid))
    except OSError as error:
        raise failed(path, error) from error


def delete(path: Path) -> None:
    """Delete a file. Raises ``WNetError``."""
    try:
        with places.locked(path.parent, patience=replacing.PATIENCE):  # of a link, not what it leads to
            path.unlink()
    except WNetError:
        raise
    except OSError as error:
        raise failed(path, error) from error


def failed(path: Path, error: OSError) -> WNetError:
    """The error for *path*, which cannot be written."""
    import errno

    if error.errno == errno.ENOENT:
        return WNetError(Status.ERROR_NOT_FOUND, "it is not there any more", name=str(path))
    if short := shortage(error):
        return WNetError(short[0], name=str(path), hint=short[1])
    status, _ = unwritten(error, Status.ERROR_WRITE_FAULT)
    hint = "what is registered for all users is written by root" if status is Status.ERROR_ACCESS_DENIED else None
    return WNetError(status, f"it cannot be written: {error.strerror}", name=str(path), hint=hint)
