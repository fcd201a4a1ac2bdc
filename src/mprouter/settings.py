"""The settings file: ``settings.toml`` in the system directory and in the user's, which overrides it key by key."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from mprouter import places
from mprouter.status import Status, WNetError

__all__ = ["FILE_NAME", "Settings", "load", "problems", "set_net_use_persistent", "set_provider_order"]

FILE_NAME = "settings.toml"

_UNITS = {"restore_timeout": "seconds", "events_days": "days"}


@dataclass(frozen=True, slots=True)
class Settings:
    """What an administrator or user sets for every router.

    provider_order: names of providers in the order to try them (``ProviderOrder``); those not named come after.
    max_retries: how often a notifyee may have one operation attempted again (N11). restore_timeout: seconds for which
    a restore at login waits for the network (RestoreTimeout); None = as long as the providers say (R7). events_kept:
    how many events stay on record, at most (N20). events_days: for how many days. net_use_persistent: whether
    ``mpr net use`` remembers connections when it is not told (the default of ``/PERSISTENT``).
    """

    provider_order: tuple[str, ...] = ()
    max_retries: int = 3
    restore_timeout: float | None = None
    events_kept: int = 100_000
    events_days: float = 90.0
    net_use_persistent: bool = True


def load() -> Settings:
    """Both files in one. Raises ``WNetError`` (ERROR_BAD_CONFIGURATION) naming the file and the key that is wrong."""
    values: dict[str, Any] = {}
    for directory in (places.system_dir(), places.config_dir()):
        values |= _read(directory / FILE_NAME)
    return Settings(**values)


def problems() -> list[WNetError]:
    """What keeps each of the files from being read."""
    found = []
    for directory in (places.system_dir(), places.config_dir()):
        try:
            _read(directory / FILE_NAME)
        except WNetError as error:
            found.append(error)
    return found


def set_provider_order(names: Sequence[str], *, system: bool = False) -> Path:
    """Put ``provider_order`` into the user's file, or the system's; nothing else in it changes. Returns its path.

    Raises ``WNetError``: ERROR_BAD_CONFIGURATION if the file is not as it should be, ERROR_ACCESS_DENIED,
    ERROR_WRITE_FAULT.
    """
    import json

    directory = places.system_dir() if system else places.config_dir()
    return _set(directory / FILE_NAME, "provider_order", json.dumps(list(names), ensure_ascii=False))


def set_net_use_persistent(persistent: bool) -> Path:
    """Put ``net_use_persistent`` into the user's file. Returns and raises as ``set_provider_order`` does."""
    return _set(places.config_dir() / FILE_NAME, "net_use_persistent", "true" if persistent else "false")


def _set(path: Path, key: str, value: str) -> Path:
    """Put *key* with *value*, as TOML, into the file *path*, which is made if it is missing; *path*."""
    from mprouter.notify import drop_in

    _read(path)  # what is broken stays as it is
    text = _with(_text(path) or "", key, f"{key} = {value}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(0o644)
    except OSError as error:
        status = Status.ERROR_ACCESS_DENIED if isinstance(error, PermissionError) else Status.ERROR_WRITE_FAULT
        raise WNetError(status, f"it cannot be written: {error.strerror}", name=str(path)) from error
    drop_in.replace(path, text)
    return path


def _with(text: str, key: str, line: str) -> str:
    """*text*, which is good, with *line* in place of *key* and its value, or at the end; comments stay."""
    import tomllib

    start = re.search(rf"""(?m)^[ \t]*(["']?){key}\1[ \t]*=""", text)
    if start is None:
        return f"{text}\n{line}\n" if text and not text.endswith("\n") else f"{text}{line}\n"
    for last in re.finditer(r"\]|true|false", text[start.end() :]):  # not the first one, if a name has it in it
        end = start.end() + last.end()
        try:
            tomllib.loads(text[start.start() : end])
        except tomllib.TOMLDecodeError:
            continue
        break
    return text[: start.start()] + line + text[end:]


def _text(path: Path) -> str | None:
    """The text of *path*; None if there is no such file."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise _wrong(path, f"cannot be read: {error}") from error


def _read(path: Path) -> dict[str, Any]:
    text = _text(path)
    if text is None:
        return {}
    import tomllib

    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _wrong(path, str(error)) from error
    known = {field.name for field in fields(Settings)}
    for key, value in values.items():
        if key not in known:
            raise _wrong(path, f"unknown key {key}; known are {', '.join(sorted(known))}")
        if key == "provider_order" and not (isinstance(value, list) and all(isinstance(each, str) for each in value)):
            raise _wrong(path, "provider_order must be a list of provider names")
        if key in {"max_retries", "events_kept"} and not (isinstance(value, int) and _is_amount(value)):
            raise _wrong(path, f"{key} must be a number from 0 up")
        if key in _UNITS and not _is_amount(value):
            raise _wrong(path, f"{key} must be a number of {_UNITS[key]} from 0 up")
        if key == "net_use_persistent" and not isinstance(value, bool):
            raise _wrong(path, "net_use_persistent must be true or false")
    if "provider_order" in values:
        values["provider_order"] = tuple(values["provider_order"])
    return values


def _is_amount(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf")


def _wrong(path: Path, problem: str) -> WNetError:
    return WNetError(Status.ERROR_BAD_CONFIGURATION, problem, name=str(path), hint="mend or remove the file")
