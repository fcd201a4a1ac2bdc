"""Registrations: what the drop-in files ``notifyees.d/NAME.toml`` and the entry points register.

Whatever is wrong with one never stops a connection of others' making: it becomes the registration's problem. How a
file is read and written stands in ``drop_in.py``, what a target is and how it is loaded in ``target.py``.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NoReturn

from mprouter import places
from mprouter.forks import lock
from mprouter.frozen import frozen
from mprouter.log import Log
from mprouter.notify.command import TIMEOUT, from_command
from mprouter.notify.dispatch import nesting
from mprouter.notify.model import Answer, Event, NotifyInfo, Registration
from mprouter.plugins import drop_in, packages, trust
from mprouter.plugins import target as targets
from mprouter.plugins.problem import Problem, WayOut, no_way_out, passes
from mprouter.status import Status, WNetError, in_words

if TYPE_CHECKING:
    from mprouter.notify.host import Isolated
    from mprouter.notify.wire import Marks

__all__ = ["DIRECTORY", "ENTRY_POINTS", "DropIns", "add", "check", "load", "read", "remove", "set_enabled", "without"]

DIRECTORY = "notifyees.d"
"""The directory of drop-in files, in the system directory and in the user's."""

ENTRY_POINTS = "mprouter.notifyees"
"""The entry-point group by which a Python package registers notifyees."""

log = Log("mprouter.notify")

_settling = lock(sys.modules[__name__], "_settling", threading.RLock)

_EXPORTED = 'nm -D shows what a library exports; a C++ function needs extern "C"'


def load(directories: Iterable[tuple[str, Path]] | None = None, *, entry_points: bool = True) -> list[Registration]:
    """All that is registered by files and entry points, disabled and broken ones too, in registration order (N8).

    directories: pairs of source and directory; None = the system's and the user's.
    """
    found = [read(path, source) for source, path, _ in drop_in.files(DIRECTORY, directories)]
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
        files = list(drop_in.files(DIRECTORY, self._directories, all_or_none=True))
        before, self._known = self._known, {}
        for source, path, signature in files:
            known = before.get((source, path))
            if known is None or known.signature != signature or _passes(known.registration):
                known = _take(read(path, source), signature)
            else:
                del before[source, path]
            self._known[source, path] = known
        for gone in before.values():  # one that an operation under way still owes a post ends after that
            gone.close()
        if self._entry_points is None or any(map(_passes, self._entry_points)):
            self._entry_points = _entry_points()
        found = [known.registration for known in self._known.values() if known.told] + self._entry_points
        return sorted(found, key=lambda each: each.rank)

    def close(self) -> None:
        """End what the notifyees hold."""
        for known in self._known.values():
            known.close()
        self._known = {}


@frozen
class _Known:
    """A file as it was when it was read, and whether its registration takes part."""

    signature: object
    registration: Registration
    told: bool

    def close(self) -> None:
        if self.registration.close is not None:
            self.registration.close()


def _passes(registration: Registration) -> bool:
    """Whether *registration* is to be made again, though nothing has changed."""
    return registration.problem is not None and registration.problem.passes


def _take(registration: Registration, signature: object) -> _Known:
    if not registration.enabled:
        return _Known(signature, registration, told=False)
    if _passes(registration):
        log.warning("notifyee %s may be required, so what it concerns fails: %s", registration.id, _where(registration))
    elif registration.problem is not None:
        consequence = "fails what it concerns, for it is required" if registration.required else "is skipped"
        log.warning("notifyee %s %s: %s", registration.id, consequence, _with_way_out(registration))
    return _Known(signature, registration, told=registration.problem is None or registration.required)


def check(registration: Registration) -> Problem | None:
    """Look now whether *registration* can be used: it is loaded for that, nothing is called.

    A library is loaded in a process of its own, and so is a Python target that is registered to run in one.
    """
    if registration.problem is None and registration.look is not None:
        try:
            registration.look()
        except WNetError as error:
            return _problem(registration, error)
    return registration.problem


# -- reading ---------------------------------------------------------------------------------------------------


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
        sha256=values.get("sha256"),
        file=path,
        enabled=values.get("enabled", True),
    )
    if problems:
        _break(registration, problems[0], problems[0].status)
    else:
        _attach(registration, said)
    return registration


def _matches(patterns: Sequence[str] | None) -> Callable[[tuple[str, ...]], bool] | None:
    if patterns is None:
        return None
    from mprouter.names import match_pattern

    tests = [match_pattern(each) for each in patterns]
    return lambda names: any(test(names) for test in tests)


def _entry_points() -> list[Registration]:
    found = []
    for each in packages.entry_points(ENTRY_POINTS):
        call = _unusable(Status.ERROR_BAD_CONFIGURATION, f"{each.value} is not loaded")
        registration = Registration(each.name, call, source="entry-point", target=each.target)
        _attach(registration, drop_in.DropIn("", {}, ()))
        if registration.problem:
            log.warning("notifyee %s of the package %s: %s", each.name, each.package, _with_way_out(registration))
        found.append(registration)
    return found


# -- from a registration to a call -----------------------------------------------------------------------------


_LEFT_TO_THE_TARGET = frozenset({"order", "required", "operations", "thread_safe"})
"""What a Python target may say of itself, for a registration that does not."""


def _attach(registration: Registration, said: drop_in.DropIn) -> None:
    """Give *registration* the call that its target means."""
    try:
        target = targets.parse(str(registration.target))
    except WNetError as error:
        _break(registration, Problem(str(error.strerror), said.line("target")), error.status)
        return
    isolation = said.values.get("isolation")
    if "settings" in said.values and not isinstance(target, targets.PythonObject):
        problem = "settings are for Python targets; a command has arguments, a library a file of its own"
        _break(registration, Problem(problem, said.line("settings")))
        return
    if isinstance(target, targets.Command):
        if isolation is not None:
            problem = "isolation is for libraries and Python targets; a command runs in processes of its own anyway"
            _break(registration, Problem(problem, said.line("isolation")))
            return
        _attach_command(registration, target)
        return
    registration.isolation = isolation or ("process" if isinstance(target, targets.Library) else "inline")
    if isinstance(target, targets.PythonObject):
        registration.left = _LEFT_TO_THE_TARGET.difference(said.values)
    if registration.isolation == "process":
        _attach_isolated(registration, target, said.values)
    elif isinstance(target, targets.Library):
        _attach_inline(registration, partial(_load_library, registration, target))
        registration.look = partial(
            _load_elsewhere, partial(_isolated, registration.id, target, TIMEOUT, registration.sha256)
        )
    else:
        _attach_inline(registration, partial(_load_python, registration, target, said.values))


def _attach_command(registration: Registration, target: targets.Command) -> None:
    opened = partial(trust.opened, target.argv[0], registration.sha256)
    way_out = _way_out_of(registration)
    registration.call = from_command(target.argv, registration.timeout or TIMEOUT, opened=opened, way_out=way_out)
    registration.durable = True
    registration.look = partial(targets.look_at, target, registration.sha256)


# -- isolated: in a process of its own -------------------------------------------------------------------------


def _attach_isolated(
    registration: Registration, target: targets.PythonObject | targets.Library, values: Mapping[str, Any]
) -> None:
    """Have it called in a host process, which is started and loads it at first need."""
    make = partial(
        _isolated,
        registration.id,
        target,
        registration.timeout or TIMEOUT,
        registration.sha256,
        settings=values.get("settings", {}),
        match=registration.patterns,
        way_out=_way_out_of(registration),
    )
    isolated = make()
    registration.call, registration.close = isolated, isolated.close
    registration.look = partial(_load_elsewhere, make)
    registration.thread_safe = False  # a host serves one call at a time: those who wait are not to lose of their time
    if isinstance(target, targets.PythonObject):
        keys = registration.left - {"thread_safe"}
        registration.settle = partial(_settle_isolated, registration, isolated, keys)
        registration.look = lambda: _heed(registration, _load_elsewhere(make), keys)


def _isolated(
    name: str,
    target: targets.PythonObject | targets.Library,
    timeout: float,
    sha256: str | None,
    *,
    settings: Mapping[str, Any] = MappingProxyType({}),
    match: Sequence[str] = (),
    way_out: WayOut = no_way_out,
) -> Isolated:
    from mprouter.notify.host import Isolated

    return Isolated(
        str(target), name=name, timeout=timeout, sha256=sha256, settings=settings, match=match, way_out=way_out
    )


def _load_elsewhere(make: Callable[[], Isolated]) -> Marks | None:
    """Load a target in a process that ends again; what a Python target says of itself."""
    from contextlib import closing

    with closing(make()) as isolated:
        return isolated.load()


def _settle_isolated(registration: Registration, isolated: Isolated, keys: frozenset[str]) -> None:
    """Have a Python target loaded in its host, to see what it says of *keys* itself.

    What goes wrong with that is the answer to this operation, and the next one tries again.
    """
    if registration.id in nesting():
        return  # it is not told anyway; and what it connects while it is loaded must not load it once more
    try:
        marks = isolated.load()
    except WNetError as error:
        problem = _problem(registration, error)
        words = problem.message if problem.line is None else _where(registration, problem)
        registration.call = _unusable(error.status, words, error.hint)
        return
    registration.call = isolated
    registration.durable = marks is not None and marks.durable
    _heed(registration, marks, keys)
    registration.settle = None


# -- inline: in this process -----------------------------------------------------------------------------------


def _attach_inline(registration: Registration, load: Callable[[], None]) -> None:
    """Have it loaded at first need. load: gives the registration its call, or raises ``WNetError``."""

    def settle() -> None:
        with _settling:
            if registration.call is first_call:  # else another thread did it, or this one is at it
                _settle(registration, load)

    def first_call(info: NotifyInfo, event: Event) -> Answer:
        settle()
        return registration.call(info, event)

    registration.settle = registration.look = settle
    registration.call = first_call


def _settle(registration: Registration, load: Callable[[], None]) -> None:
    """Load a target. If that fails, the registration has a problem, and its call answers so (N10)."""
    first_call = registration.call
    # Should loading it make a connection, then it is not told of that.
    registration.call = _unusable(Status.ERROR_BAD_CONFIGURATION, f"{registration.target} is still being loaded")
    try:
        load()
    except WNetError as error:
        problem = _problem(registration, error)
        _break(registration, problem, error.status, error.hint if problem.passes else _way_out_of(registration)())
    except KeyboardInterrupt:
        registration.call = first_call
        raise
    except BaseException as error:  # noqa: BLE001 - what code of others raises while it is looked at stops nobody
        problem = Problem.of(error, f"{registration.target} cannot be loaded: {in_words(error)}")
        _break(registration, problem, problem.status, None if problem.passes else _way_out_of(registration)())
    registration.settle = None


def _load_library(registration: Registration, target: targets.Library) -> None:
    from mprouter.notify.native import from_library

    registration.call = from_library(target.path, registration.sha256)


def _load_python(registration: Registration, target: targets.PythonObject, values: Mapping[str, Any]) -> None:
    from mprouter.notify.python import registration_of
    from mprouter.plugins.configured import configured

    found = configured(_imported(registration, target), values.get("settings", {}), match=registration.patterns)
    loaded = registration_of(found, name=registration.name)
    registration.call = loaded.call
    registration.durable = loaded.durable
    _heed(registration, loaded, registration.left)


def _imported(registration: Registration, target: targets.PythonObject) -> object:
    """What *target* names. The code of a package that registers itself is trusted as whatever is installed is."""
    return targets.load(target, checked=registration.source != "entry-point", sha256=registration.sha256)


def _heed(registration: Registration, said: Registration | Marks | None, keys: frozenset[str]) -> None:
    """Let hold for *registration* what a target says of itself."""
    for key in keys:
        setattr(registration, key, getattr(said, key))


# -- broken ----------------------------------------------------------------------------------------------------


def _break(
    registration: Registration,
    problem: Problem,
    status: Status = Status.ERROR_BAD_CONFIGURATION,
    hint: str | None = None,
) -> None:
    """Have its call fail. hint: for whoever is warned of that; of a broken file its reader warns."""
    registration.problem = problem
    registration.call = _unusable(status, _where(registration), hint)


def _problem(registration: Registration, error: WNetError) -> Problem:
    """Why a target could not be loaded; where its settings are to blame, with their line."""
    from mprouter.plugins.configured import PREFIX

    message, line = str(error.strerror), None
    if message.startswith(PREFIX) and registration.file is not None:
        line = drop_in.read(registration.file).setting_line(message.removeprefix(PREFIX))
    return Problem(message, line, error.status, passes(error))


def _where(registration: Registration, problem: Problem | None = None) -> str:
    """The problem, with the place where it is to be mended."""
    problem = problem or registration.problem or Problem("nothing is wrong")
    if registration.file is None:
        return f"{registration.target}: {problem.message}"
    return f"{registration.file}{f', line {problem.line}' if problem.line else ''}: {problem.message}"


def _unusable(status: Status, message: str, hint: str | None = None) -> Callable[[NotifyInfo, Event], NoReturn]:
    def call(info: NotifyInfo, event: Event) -> NoReturn:  # noqa: ARG001 - a Call has them
        raise WNetError(status, message, hint=hint)

    return call


def _with_way_out(registration: Registration) -> str:
    """The problem, with the place where it is to be mended, and how to do without the registration."""
    return "; ".join(filter(None, (_where(registration), _way_out_of(registration)())))


def _way_out_of(registration: Registration) -> WayOut:
    """Says the command that ends the warnings of one that cannot be used, for whoever can do without it."""
    return partial(_way_out, registration.name, registration.source, registration.file)


def _way_out(name: str, source: str, file: Path | None) -> str | None:
    words = without(name, source, file)
    if not words:
        return None
    import shlex

    root = "" if file is None or os.access(file.parent, os.W_OK) else ", as root"
    return f"to do without it{root}: {shlex.join(words)}"


def without(name: str, source: str, file: Path | None) -> tuple[str, ...]:
    """The words of the command that ends the warnings of a registration which cannot be used; none if it is unknown.

    name, source, file: the registration's.
    """
    if file is None:
        found = (each.package for each in packages.entry_points(ENTRY_POINTS) if each.name == name)
        package = next(found, packages.UNKNOWN)
        return () if package == packages.UNKNOWN else ("pip", "uninstall", package)
    said = drop_in.read(file)
    if not said.is_read:
        return ()
    text = said.text
    disabled = drop_in.parse(drop_in.switched(text, enabled=False))
    if not text or disabled.values.get("enabled", True) or not drop_in.NAME.fullmatch(name):
        return ("mv", "--backup=numbered", str(file), f"{file}.broken")
    return ("mpr", "notify", "disable", name, *(["--system"] if source == "system" else []))


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
    isolation: str | None = None,
    system: bool = False,
) -> Path:
    """Register *target* in a new drop-in file of the user's, or of the *system*'s. Returns its path.

    What is None, False or empty is not written, so that the defaults or a Python target's own marks hold.

    Raises ``WNetError``: ERROR_INVALID_PARAMETER for what would be broken, ERROR_PROC_NOT_FOUND for a library that does
    not export both functions, ERROR_ALREADY_ASSIGNED if there is one of this name, ERROR_ACCESS_DENIED.
    """
    text = drop_in.written(
        {
            "target": target,
            "order": order,
            "required": required or None,
            "operations": list(dict.fromkeys(operations)) or None,
            "match": list(match) or None,
            "timeout": timeout,
            "isolation": isolation,
        }
    )
    path = _directory(system=system) / f"{name if drop_in.NAME.fullmatch(name) else ' '}.toml"
    registration = _registration(path, "system" if system else "user", drop_in.parse(text))
    if registration.problem is not None:
        raise WNetError(Status.ERROR_INVALID_PARAMETER, registration.problem.message, name=name)
    if target.startswith("native:") and registration.look is not None:
        try:
            registration.look()
        except WNetError as error:  # what else is wrong with it may be right by the time that it is needed
            if error.status is Status.ERROR_PROC_NOT_FOUND:
                raise WNetError(error.status, str(error.strerror), name=name, hint=_EXPORTED) from error
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
    drop_in.switch(path, enabled)
    return path


def _directory(*, system: bool) -> Path:
    return (places.system_dir() if system else places.config_dir()) / DIRECTORY


def _find(name: str, system: bool | None) -> Path:
    for source in ("user", "system"):
        if system is None or system is (source == "system"):
            directory = _directory(system=source == "system")
            for _, path, _ in drop_in.files(DIRECTORY, [(source, directory)], all_or_none=True):
                if path.stem == name:
                    return path
    raise WNetError(
        Status.ERROR_NOT_FOUND, "no notifyee of this name is registered", name=name, hint="mpr notify list shows them"
    )
