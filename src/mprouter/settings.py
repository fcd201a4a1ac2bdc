"""The settings file: ``settings.toml`` in the system directory and in the user's, which overrides it key by key."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from mprouter import places, replacing
from mprouter.frozen import frozen, names
from mprouter.status import Status, WNetError, unreadable, unwritten

__all__ = [
    "FILE_NAME",
    "Settings",
    "change_disabled_providers",
    "changed",
    "load",
    "path",
    "problems",
    "read",
    "set_net_use_persistent",
    "set_provider_order",
]

FILE_NAME = "settings.toml"

_NAMES = {"provider_order", "disabled_providers"}
_UNITS = {"restore_timeout": "seconds", "events_days": "days"}


@frozen
class Settings:
    """What an administrator or user sets for every router.

    provider_order: names of providers in the order to try them (``ProviderOrder``); those not named come after.
    disabled_providers: names of those that are not asked to connect anything. max_retries: how often a notifyee may
    have one operation attempted again (N11). restore_timeout: seconds for which a restore at login waits for the
    network (RestoreTimeout); None = as long as the providers say (R7). events_kept: how many events stay on record, at
    most (N20). events_days: for how many days. net_use_persistent: whether ``mpr net use`` remembers connections when
    it is not told (the default of ``/PERSISTENT``).
    """

    provider_order: tuple[str, ...] = ()
    disabled_providers: tuple[str, ...] = ()
    max_retries: int = 3
    restore_timeout: float | None = None
    events_kept: int = 100_000
    events_days: float = 90.0
    net_use_persistent: bool = True


def load(*, system: bool = False) -> Settings:
    """Both files in one, or only the *system*'s.

    Raises ``WNetError`` (ERROR_BAD_CONFIGURATION) naming the file and the key that is wrong.
    """
    files = (path(system=True),) if system else (path(system=True), path())
    return _loaded(tuple((each, _signature(each)) for each in files))


@lru_cache(maxsize=8)
def _loaded(files: tuple[tuple[Path, object], ...]) -> Settings:
    """What *files* say, each with what is different after a change."""
    values: dict[str, Any] = {}
    for each, _ in files:
        values |= read(each)
    return Settings(**values)


def _signature(file: Path) -> object:
    try:
        found = os.stat(file)  # noqa: PTH116 - every operation comes here many times
    except OSError as error:
        return error.errno
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino, found.st_dev


def problems() -> list[WNetError]:
    """What keeps each of the files from being read."""
    found = []
    for system in (True, False):
        try:
            read(path(system=system))
        except WNetError as error:
            found.append(error)
    return found


def path(*, system: bool = False) -> Path:
    """The user's file, or the system's."""
    return places.path_to(places.system_dir() if system else places.config_dir(), FILE_NAME)


def set_provider_order(names: Sequence[str], *, system: bool = False) -> Path:
    """Put ``provider_order`` into the user's file, or the system's; nothing else in it changes. Returns its path.

    Raises ``WNetError``: ERROR_BAD_CONFIGURATION if the file is not as it should be, ERROR_ACCESS_DENIED,
    ERROR_WRITE_FAULT.
    """
    return _set(path(system=system), "provider_order", list(names))


def change_disabled_providers(change: Callable[[tuple[str, ...]], Sequence[str]], *, system: bool = False) -> Path:
    """Have *change* say what ``disabled_providers`` are now, of what they are; in the way of ``set_provider_order``."""
    return _set(path(system=system), "disabled_providers", lambda: list(change(load(system=system).disabled_providers)))


def set_net_use_persistent(persistent: bool) -> Path:
    """Put ``net_use_persistent`` into the user's file. Returns and raises as ``set_provider_order`` does."""
    return _set(path(), "net_use_persistent", persistent)


def _set(file: Path, key: str, value: object) -> Path:
    """Put *key* into *file*, which is made if it is missing; *file*. value: or what is asked for it, under the lock."""
    from mprouter.plugins import drop_in

    read(file)  # what is broken stays as it is, and no directory is made for it
    try:
        for_all = places.is_for_all(file)
        places.make(file.parent, for_all=for_all)
        with replacing.alone(file), _there(file, for_all):
            drop_in.replace(file, changed(file, {key: value() if callable(value) else value}))
    except WNetError:
        raise
    except OSError as error:
        status, hint = unwritten(error, Status.ERROR_WRITE_FAULT)
        raise WNetError(status, f"it cannot be written: {error.strerror}", name=str(file), hint=hint) from error
    return file


@contextmanager
def _there(file: Path, for_all: bool) -> Iterator[None]:
    """Have an empty *file*, if it is missing, to be replaced; it goes if that fails. for_all: all users may read it."""
    if file.exists():
        yield
        return
    file.touch(0o644)  # of a link, what it leads to
    try:
        if for_all:
            file.chmod(0o644)
        yield
    except BaseException:
        file.resolve().unlink()
        raise


def changed(file: Path, values: Mapping[str, Any]) -> str:
    """The text of *file* with each key of *values* set, or taken out where the value is None; all else stays.

    Raises ``WNetError`` (ERROR_BAD_CONFIGURATION) if the file is not as it should be.
    """
    from mprouter.plugins import drop_in

    read(file)  # what is broken stays as it is
    text = _text(file) or ""
    for key, value in values.items():
        text = _with(text, key, None if value is None else f"{key} = {drop_in.literal(value)}")
    return text


def _with(text: str, key: str, line: str | None) -> str:
    """*text*, which is good, with *line* in place of *key* and its value, or at the end; comments stay."""
    import tomllib

    found = re.search(rf"""(?m)^[ \t]*(["']?){key}\1[ \t]*=""", text)
    if found is None:
        return text if line is None else f"{text}\n{line}\n" if text and text[-1] != "\n" else f"{text}{line}\n"
    start = end = found.start()
    for stop in re.finditer(r"(?m)\]|(?=[ \t]*(?:#|$))", text[found.end() :]):  # an end of the value, or not yet
        end = found.end() + stop.end()
        try:
            tomllib.loads(text[start:end])
        except tomllib.TOMLDecodeError:
            continue
        break
    if line is None:
        return text[:start] + re.sub(r"\A[^\n]*\n?", "", text[end:])
    return text[:start] + line + text[end:]


def _text(path: Path) -> str | None:
    """The text of *path*; None if there is no such file."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise unreadable(error, str(path), Status.ERROR_BAD_CONFIGURATION) from error
    except UnicodeDecodeError as error:
        raise _wrong(path, "it is not UTF-8") from error


def read(path: Path) -> dict[str, Any]:
    """What one file says, nothing if it is not there. Raises ``WNetError`` (ERROR_BAD_CONFIGURATION)."""
    text = _text(path)
    if text is None:
        return {}
    import tomllib

    try:
        values = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # the first also of a number with thousands of digits
        raise _wrong(path, str(error)) from error
    known = names(Settings)
    for key, value in values.items():
        if key not in known:
            raise _wrong(path, f"unknown key {key}; known are {', '.join(sorted(known))}")
        if key in _NAMES and not (isinstance(value, list) and all(isinstance(each, str) for each in value)):
            raise _wrong(path, f"{key} must be a list of provider names")
        if key in {"max_retries", "events_kept"} and not (isinstance(value, int) and _is_amount(value)):
            raise _wrong(path, f"{key} must be a number from 0 up")
        if key in _UNITS and not _is_amount(value):
            raise _wrong(path, f"{key} must be a number of {_UNITS[key]} from 0 up")
        if key == "net_use_persistent" and not isinstance(value, bool):
            raise _wrong(path, "net_use_persistent must be true or false")
    return {key: tuple(value) if key in _NAMES else value for key, value in values.items()}


def _is_amount(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf")


def _wrong(path: Path, problem: str) -> WNetError:
    return WNetError(Status.ERROR_BAD_CONFIGURATION, problem, name=str(path), hint="mend or remove the file")
