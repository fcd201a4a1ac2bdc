"""Registrations: what the drop-in files ``notifyees.d/NAME.toml`` and the entry points register.

Whatever is wrong with one never stops a connection of others' making: it becomes the registration's problem. How a
file is read and written stands in ``drop_in.py``, what a target is and how it is loaded in ``target.py``.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from mprouter import places
from mprouter.notify import drop_in
from mprouter.notify import target as targets
from mprouter.notify.command import TIMEOUT, from_command
from mprouter.notify.model import Answer, Event, NotifyInfo, Problem, Registration
from mprouter.status import Status, WNetError

__all__ = ["DIRECTORY", "ENTRY_POINTS", "DropIns", "add", "check", "load", "read", "remove", "set_enabled"]

DIRECTORY = "notifyees.d"
"""The directory of drop-in files, in the system directory and in the user's."""

ENTRY_POINTS = "mprouter.notifyees"
"""The entry-point group by which a Python package registers notifyees."""

log = logging.getLogger("mprouter.notify")

_settling = threading.RLock()


def load(directories: Iterable[tuple[str, Path]] | None = None, *, entry_points: bool = True) -> list[Registration]:
    """All that is registered by files and entry points, disabled and broken ones too, in registration order (N8).

    directories: pairs of source and directory; None = the system's and the user's.
    """
    found = [read(path, source) for source, path, _ in _files(directories)]
    return sorted(found + (_entry_points() if entry_points else []), key=lambda each: each.rank)


class DropIns:
    """The registrations of a long-lived router: a file is read again when it changed, and only then.

    What unchanged files name stays loaded. Not for several threads at a time.
    """

    def __init__(self, directories: Sequence[tuple[str, Path]] | None = None, *, entry_points: bool = True) -> None:
        self._directories = directories
        self._entry_points: list[Registration] | None = None if entry_points else []
        self._known: dict[tuple[str, Path], _Known] = {}

    def registrations(self) -> list[Registration]:
        """Those to be told, in registration order: enabled, and not broken, unless they are required (N10)."""
        before, self._known = self._known, {}
        for source, path, signature in _files(self._directories):
            known = before.get((source, path))
            if known is None or known.signature != signature:
                known = _take(read(path, source), signature)
            else:
                del before[source, path]
            self._known[source, path] = known
        for gone in before.values():
            gone.close()
        if self._entry_points is None:
            self._entry_points = _entry_points()
        found = [known.registration for known in self._known.values() if known.told] + self._entry_points
        return sorted(found, key=lambda each: each.rank)

    def close(self) -> None:
        """End what the notifyees hold."""
        for known in self._known.values():
            known.close()
        self._known = {}


@dataclass(frozen=True, slots=True)
class _Known:
    """A file as it was when it was read, and whether its registration takes part."""

    signature: object
    registration: Registration
    told: bool

    def close(self) -> None:
        if self.registration.close is not None:
            self.registration.close()


def _take(registration: Registration, signature: object) -> _Known:
    if not registration.enabled:
        return _Known(signature, registration, told=False)
    if registration.problem is not None:
        consequence = "fails what it concerns, for it is required" if registration.required else "is skipped"
        log.warning("notifyee %s %s: %s", registration.id, consequence, _where(registration))
    return _Known(signature, registration, told=registration.problem is None or registration.required)


def check(registration: Registration) -> Problem | None:
    """Look now whether *registration* can be used; a Python target is imported for that, nothing is called."""
    if registration.settle is not None:
        registration.settle()
    if registration.problem is None and registration.target is not None:
        try:
            target = targets.parse(registration.target)
            if isinstance(target, targets.Command):
                targets.look_at(target)
        except WNetError as error:
            return Problem(str(error.strerror))
    return registration.problem


# -- reading ---------------------------------------------------------------------------------------------------


def _files(directories: Iterable[tuple[str, Path]] | None) -> Iterator[tuple[str, Path, object]]:
    """Source, path, and what is different after a change, of each drop-in file; hidden files are none."""
    if directories is None:
        directories = (("system", places.system_dir() / DIRECTORY), ("user", places.config_dir() / DIRECTORY))
    for source, directory in directories:
        try:
            paths = sorted(path for path in directory.iterdir() if path.suffix == ".toml" and path.name[0] != ".")
        except FileNotFoundError:
            continue
        except OSError as error:
            log.warning("the notifyees in %s are not told: %s", directory, error.strerror)
            continue
        for path in paths:
            try:
                found = path.stat()
                changes = (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino, found.st_dev)
                yield source, path, changes
            except OSError as error:
                yield source, path, error.errno


def read(path: Path, source: str) -> Registration:
    """The registration in the file *path*. Never raises: what is wrong with it is its ``problem``.

    What could be read of it counts nevertheless: if it is required, its call fails (N10), for the operations and names
    that it gives; where it does not give them or they make no sense, for all.
    """
    return _registration(path, source, drop_in.read(path))


def _registration(path: Path, source: str, said: drop_in.DropIn) -> Registration:
    values, problems = said.values, list(said.problems)
    if not drop_in.NAME.fullmatch(path.stem):
        problems.append(Problem("its name may have only letters, digits and _.@+- and begins with a letter or digit"))
    matches = None
    try:
        matches = _matches(values.get("match"))
    except WNetError as error:
        problems.append(Problem(f"match: {error.name!r}: {error.strerror}", said.line("match")))
    registration = Registration(
        path.stem,
        _unusable(Status.ERROR_BAD_CONFIGURATION, f"{path} is broken"),
        values.get("order", 50),
        values.get("required", False),
        operations=frozenset(values.get("operations", ("add", "cancel"))),
        matches=matches,
        thread_safe=values.get("thread_safe", False),
        source=source,
        target=values.get("target"),
        patterns=tuple(values.get("match", ())),
        timeout=values.get("timeout", TIMEOUT),
        file=path,
        enabled=values.get("enabled", True),
    )
    if problems:
        _break(registration, problems[0])
    else:
        _attach(registration, values, said.line("target"))
    return registration


def _matches(patterns: Sequence[str] | None) -> Callable[[tuple[str, ...]], bool] | None:
    if patterns is None:
        return None
    from mprouter.names import match_pattern

    tests = [match_pattern(each) for each in patterns]
    return lambda names: any(test(names) for test in tests)


def _entry_points() -> list[Registration]:
    from importlib import metadata

    found: dict[str, Registration] = {}
    for entry in metadata.entry_points(group=ENTRY_POINTS):
        package = entry.dist.name if entry.dist else "?"
        name = entry.name if entry.name not in found else f"{package}/{entry.name}"
        call = _unusable(Status.ERROR_BAD_CONFIGURATION, f"{entry.value} is not loaded")
        target = f"python:{entry.value.partition('[')[0].strip()}"
        found[name] = Registration(name, call, source="entry-point", target=target)
        _attach(found[name], ())
        if found[name].problem:
            log.warning("notifyee %s of the package %s: %s", name, package, _where(found[name]))
    return list(found.values())


# -- from a registration to a call -----------------------------------------------------------------------------


def _attach(registration: Registration, said: Collection[str], line: int | None = None) -> None:
    """Give *registration* the call that its target means. said: the keys that it does not leave to a Python target."""
    try:
        target = targets.parse(str(registration.target))
    except WNetError as error:
        _break(registration, Problem(str(error.strerror), line), error.status)
        return
    if isinstance(target, targets.Command):
        registration.call = from_command(target.argv, registration.timeout or TIMEOUT)
        return

    def settle() -> None:
        with _settling:
            if registration.call is first_call:  # else another thread did it, or this one is at it
                _settle(registration, target, said)

    def first_call(info: NotifyInfo, event: Event) -> Answer:
        settle()
        return registration.call(info, event)

    registration.settle = settle
    registration.call = first_call


def _settle(registration: Registration, target: targets.PythonObject, said: Collection[str]) -> None:
    """Load a Python target. If that fails, the registration has a problem, and its call answers so (N10)."""
    from mprouter.notify.python import registration_of

    first_call = registration.call
    # Should loading it make a connection, then it is not told of that.
    registration.call = _unusable(Status.ERROR_BAD_CONFIGURATION, f"{registration.target} is still being loaded")
    try:
        loaded = registration_of(targets.load(target), name=registration.name)
    except WNetError as error:
        _break(registration, Problem(str(error.strerror)), error.status)
    except BaseException:  # Ctrl-C
        registration.call = first_call
        raise
    else:
        registration.call = loaded.call
        for key in {"order", "required", "operations", "thread_safe"}.difference(said):
            setattr(registration, key, getattr(loaded, key))
    registration.settle = None


def _break(registration: Registration, problem: Problem, status: Status = Status.ERROR_BAD_CONFIGURATION) -> None:
    registration.problem = problem
    registration.call = _unusable(status, _where(registration))


def _where(registration: Registration) -> str:
    """The problem, with the place where it is to be mended."""
    problem = registration.problem or Problem("nothing is wrong")
    if registration.file is None:
        return f"{registration.target}: {problem.message}"
    return f"{registration.file}{f', line {problem.line}' if problem.line else ''}: {problem.message}"


def _unusable(status: Status, message: str) -> Callable[[NotifyInfo, Event], NoReturn]:
    def call(info: NotifyInfo, event: Event) -> NoReturn:  # noqa: ARG001 - a Call has them
        raise WNetError(status, message)

    return call


# -- writing ---------------------------------------------------------------------------------------------------


def add(
    name: str,
    target: str,
    *,
    order: int | None = None,
    required: bool = False,
    timeout: float | None = None,
    match: Sequence[str] = (),
    operations: Sequence[str] = (),
    system: bool = False,
) -> Path:
    """Register *target* in a new drop-in file of the user's, or of the *system*'s. Returns its path.

    What is None, False or empty is not written, so that the defaults or a Python target's own marks hold.

    Raises ``WNetError``: ERROR_INVALID_PARAMETER for what would be broken, ERROR_ALREADY_ASSIGNED if there is one of
    this name, ERROR_ACCESS_DENIED.
    """
    text = drop_in.written(
        {
            "target": target,
            "order": order,
            "required": required or None,
            "operations": list(dict.fromkeys(operations)) or None,
            "match": list(match) or None,
            "timeout": timeout,
        }
    )
    path = _directory(system=system) / f"{name if drop_in.NAME.fullmatch(name) else ' '}.toml"
    registration = _registration(path, "system" if system else "user", drop_in.parse(text))
    if registration.problem is not None:
        raise WNetError(Status.ERROR_INVALID_PARAMETER, registration.problem.message, name=name)
    drop_in.create(path, text)
    return path


def remove(name: str, *, system: bool | None = None) -> Path:
    """Delete the drop-in file of *name*. system: the system's or the user's; None = the user's if there is one.

    Raises ``WNetError``: ERROR_NOT_FOUND, ERROR_ACCESS_DENIED.
    """
    path = _find(name, system)
    drop_in.delete(path)
    return path


def set_enabled(name: str, enabled: bool, *, system: bool | None = None) -> Path:
    """Have the notifyee *name* told or not; nothing else in its file changes, not even if that is broken.

    system, errors: as for ``remove``.
    """
    path = _find(name, system)
    before = drop_in.read(path)
    after = drop_in.parse(drop_in.switched(before.text, enabled))
    if not before.text or (not before.problems and after.values != {**before.values, "enabled": enabled}):
        problem = before.problems[0].message if before.problems else "the line enabled = … in it is not what it seems"
        raise WNetError(Status.ERROR_INVALID_DATA, problem, name=str(path), hint="edit the file by hand")
    drop_in.replace(path, after.text)
    return path


def _directory(*, system: bool) -> Path:
    return (places.system_dir() if system else places.config_dir()) / DIRECTORY


def _find(name: str, system: bool | None) -> Path:
    for source in ("user", "system"):
        if system is None or system is (source == "system"):
            for _, path, _ in _files([(source, _directory(system=source == "system"))]):
                if path.stem == name:
                    return path
    raise WNetError(
        Status.ERROR_NOT_FOUND, "no notifyee of this name is registered", name=name, hint="mpr notify list shows them"
    )
