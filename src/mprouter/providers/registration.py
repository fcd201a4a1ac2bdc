"""The network providers that there are: ours, those of drop-in files ``providers.d/NAME.toml`` and of entry points.

Whatever is wrong with one becomes its problem and keeps no other from working. Whose a name is stands in ``order.py``,
how a stranger is held to the protocol in ``guard.py``; files, targets and trust are those of notifyees.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from mprouter.forks import lock
from mprouter.frozen import frozen
from mprouter.names import match_pattern
from mprouter.plugins import drop_in, packages
from mprouter.plugins.problem import Problem, passes
from mprouter.providers import DIRECTORY
from mprouter.providers.order import BUILTIN, builtin_provider
from mprouter.status import Status, WNetError, in_words

if TYPE_CHECKING:
    from mprouter.errand import Errand
    from mprouter.names import RemoteName
    from mprouter.plugins import target as targets
    from mprouter.providers.base import Provider
    from mprouter.providers.mounted import State, Waiting
    from mprouter.providers.native.provider import Native

    class Standing(Protocol):
        """What can be told of the connections of providers without loading these."""

        def states(self, handles: Sequence[Mapping[str, Any]]) -> list[State]:
            """As ``Provider.state``, of several at once."""

        def waiting(self) -> list[Waiting]:
            """As ``Caching.waiting``."""


__all__ = [
    "DIRECTORY",
    "ENTRY_POINTS",
    "KEYS",
    "LIBRARIES",
    "Known",
    "Registered",
    "arranged",
    "builtin",
    "flaws",
    "load",
    "of_code",
    "set_enabled",
    "unasked",
]

ENTRY_POINTS = "mprouter.providers"
"""The entry-point group by which a Python package registers providers."""

ORDER = 50
"""Where one stands that does not say."""

FIRST_BUILTIN = 100
"""The order of the first of ours."""

LIBRARIES = ("match", "timeout", "memory")
"""What may stand only in the file of a library."""

KEYS = {key: drop_in.KEYS[key] for key in ("target", "order", "enabled", "sha256", "settings", "match", "timeout")}
KEYS["memory"] = (lambda value: type(value) is int and value > 0, "a whole number of MiB above 0")
"""What may stand in a provider's file."""

_SOURCES = ("built-in", "code", "system", "user", "entry-point")
"""Of two providers of one name, the one of the earlier source has it."""


@frozen
class Registered:
    """A network provider that is registered.

    name: that of its file or entry point, which is the provider's here, whatever it calls itself. source: "built-in",
    "code", "system", "user" or "entry-point". get: the provider, loaded at the first call; raises ``WNetError``, each
    time the same. order: smaller is tried earlier. target, file: as registered. enabled: whether it is asked. problem:
    why it cannot be. standing: where what became of its connections can be asked without loading it. schemes: those of
    the names that it claims, if that is known without loading it.
    """

    name: str
    source: str
    get: Callable[[], Provider] = field(repr=False)
    order: int = ORDER
    target: str | None = None
    file: Path | None = None
    enabled: bool = True
    problem: Problem | None = None
    standing: Standing | None = field(default=None, repr=False)
    schemes: frozenset[str] | None = None

    @property
    def id(self) -> str:
        """``source/name``."""
        return f"{self.source}/{self.name}"

    @property
    def takes_part(self) -> bool:
        """Whether it is asked."""
        return self.enabled and self.problem is None

    def may_have(self, name: RemoteName) -> bool:
        """Whether it has to be asked whether *name* is its own (R2)."""
        return self.schemes is None or name.scheme in self.schemes

    def waiting(self) -> Callable[[], list[Waiting]] | None:
        """What tells of data that waits to be sent (``Caching``), one for all who share it; None: it keeps none."""
        if self.standing is not None:
            return self.standing.waiting
        from mprouter.providers.base import Caching

        provider = self.get()
        return provider.waiting if isinstance(provider, Caching) else None

    @property
    def where(self) -> str:
        """Its problem, with the place where it is to be mended."""
        problem = self.problem or Problem("nothing is wrong")
        line = f", line {problem.line}" if problem.line else ""
        return f"{self.file or self.target or self.name}{line}: {problem.message}"


def builtin() -> list[Registered]:
    """Ours, in their order."""
    from mprouter.providers.rclone import standing

    return [
        Registered(
            name,
            "built-in",
            cache(partial(builtin_provider, name)),
            FIRST_BUILTIN + place,
            standing=standing,
            schemes=each.schemes,
        )
        for place, (name, each) in enumerate(BUILTIN.items())
    ]


def of_code(provider: Provider) -> Registered:
    """One that a program gives to its router. Raises ``WNetError`` (ERROR_BAD_CONFIGURATION) if it is none."""
    from mprouter.providers.guard import guarded, problem_of

    name = getattr(provider, "name", None)
    problem = problem_of(provider) if isinstance(name, str) and name else "it has no name"
    if problem:
        raise _bad(f"{type(provider).__name__} is no network provider: {problem}")
    kept = guarded(provider)
    return Registered(str(name), "code", lambda: kept, FIRST_BUILTIN)


def load(directories: Iterable[tuple[str, Path]] | None = None, *, entry_points: bool = True) -> list[Registered]:
    """All that is registered by files and entry points; nothing of it is loaded.

    directories: pairs of source and directory; None = the system's and the user's.
    """
    found = [_read(path, source) for source, path, _ in drop_in.files(DIRECTORY, directories)]
    return found + (_entry_points() if entry_points else [])


class Known:
    """What is registered, for a long-lived router: a file is read again when it changed, and only then.

    What unchanged files name stays loaded. Not for several threads at a time.
    """

    def __init__(self) -> None:
        self._files: dict[tuple[str, Path], tuple[object, Registered]] = {}
        self._entry_points: list[Registered] | None = None

    def close(self) -> None:
        """Let the processes end that libraries run in, as soon as no call is being made."""
        for _, each in self._files.values():
            if isinstance(each.get, _Loading):
                each.get.close()

    def registered(self) -> list[Registered]:
        """As ``load``."""
        before, self._files = self._files, {}
        for source, path, signature in drop_in.files(DIRECTORY):
            known = before.get((source, path))
            if known is None or known[0] != signature or (known[1].problem is not None and known[1].problem.passes):
                known = (signature, _read(path, source))
            self._files[source, path] = known
        if self._entry_points is None:
            self._entry_points = _entry_points()
        return [each for _, each in self._files.values()] + self._entry_points


def arranged(
    found: Iterable[Registered], *, order: Sequence[str] = (), disabled: Sequence[str] = ()
) -> list[Registered]:
    """*found* as they are tried: of those that are not ours the enabled ones loaded, what is wrong as their problem.

    order: of names (``ProviderOrder``); those that it does not name come after, by their own order, then source, then
    name. disabled: names. Of two enabled providers of one name that of the earlier source is it, the other is broken.
    """
    off = {name.lower() for name in disabled}
    places = {name.lower(): place for place, name in reversed(list(enumerate(order)))}
    taken: dict[str, Registered] = {}
    looked_at = []
    for each in sorted(found, key=lambda each: _SOURCES.index(each.source)):
        key = each.name.lower()
        if key in off:
            looked_at.append(replace(each, enabled=False))
        elif not each.enabled:
            looked_at.append(each)
        elif first := taken.get(key):
            looked_at.append(replace(each, problem=Problem(f"another provider has this name: {first.id}")))
        else:
            taken[key] = each
            looked_at.append(_looked_at(each))
    return sorted(looked_at, key=lambda each: (places.get(each.name.lower(), len(order)), each.order))


def _looked_at(registered: Registered) -> Registered:
    if registered.problem is None and registered.source != "built-in":
        try:
            registered.get()
        except WNetError as error:
            return replace(registered, problem=_problem(registered, error))
    return registered


def flaws(registered: Registered) -> list[str]:
    """What is wrong with one that takes part and shows only when its library is loaded, in a process of its own."""
    if not registered.takes_part or not isinstance(registered.get, _Loading):
        return []
    return registered.get.flaws()


def unasked(found: Iterable[Registered], name: RemoteName, *, ours: bool) -> str | None:
    """Who of *found* might have *name* and is not asked, and why; None = nobody.

    One of ours has the names of its schemes; of others, one whose file has a ``match`` might have what that says, any
    other one a name of a scheme that none of ours has. ours: whether to tell of ours.
    """
    silent = [each for each in found if not each.takes_part and _may_have(each, name) and (ours or not each.schemes)]
    why = (f"is broken ({each.where})" if each.enabled else "is disabled" for each in silent)
    told = "; ".join(f"the network provider {each.name} {words}" for each, words in zip(silent, why, strict=True))
    which = "it" if len(silent) == 1 else "they"
    return f"{told}; {which} may have such names: see mpr provider list" if told else None


def _may_have(registered: Registered, name: RemoteName) -> bool:
    if registered.schemes is not None:
        return registered.may_have(name)
    match = registered.get.match if isinstance(registered.get, _Loading) else ()
    try:
        return any(match_pattern(each)(name.forms) for each in match) if match else name.is_foreign
    except WNetError:  # of the pattern
        return name.is_foreign


def set_enabled(name: str, enabled: bool, *, system: bool = False) -> Path:
    """Have the provider *name* asked or not, by ``disabled_providers`` of the settings. Returns the file that changed.

    One that its drop-in file disables is enabled there. system: for all users. Raises ``WNetError``: ERROR_BAD_PROVIDER
    if there is none, ERROR_ACCESS_DENIED, ….
    """
    from mprouter import settings

    found = [each for each in builtin() + load() if each.name.lower() == name.lower()]
    if not found:
        known = ", ".join(dict.fromkeys(each.name for each in builtin() + load()))
        raise WNetError(Status.ERROR_BAD_PROVIDER, name=name, hint=f"there are {known}")

    def change(disabled: tuple[str, ...]) -> list[str]:
        return [each for each in disabled if each.lower() != name.lower()] + ([] if enabled else [found[0].name])

    before = settings.load(system=system).disabled_providers
    path = None
    if len(change(before)) != len(before) or not enabled:
        path = settings.change_disabled_providers(change, system=system)
    if enabled and not any(each.enabled for each in found):
        files = {each.source: Path(str(each.file)) for each in found}
        path = files.get("system" if system else "user") or next(iter(files.values()))
        drop_in.switch(path, True, KEYS)
    return path or settings.path(system=system)


# -- reading -----------------------------------------------------------------------------------------------------------


def _read(path: Path, source: str) -> Registered:
    """The registration in the file *path*. Never raises: what is wrong with it is its ``problem``."""
    said = drop_in.read(path, KEYS)
    problems = list(said.problems)
    if not drop_in.NAME.fullmatch(path.stem):
        problems.append(Problem("its name may have only letters, digits and _.@+- and begins with a letter or digit"))
    return Registered(
        path.stem,
        source,
        _Loading(path.stem, str(said.values.get("target")), said.values, checked=True),
        said.values.get("order", ORDER),
        said.values.get("target"),
        path,
        said.values.get("enabled", True),
        problems[0] if problems else None,
    )


def _entry_points() -> list[Registered]:
    return [
        Registered(
            each.name,
            "entry-point",
            _Loading(each.name, each.target, {}, checked=False),
            target=each.target,
        )
        for each in packages.entry_points(ENTRY_POINTS)
    ]


def _problem(registered: Registered, error: WNetError) -> Problem:
    """Why it could not be loaded; where its settings or target are to blame, with their line."""
    from mprouter.plugins.configured import PREFIX

    message, line = str(error.strerror), None
    if registered.file is not None:
        said = drop_in.read(registered.file, KEYS)
        is_setting = message.startswith(PREFIX)
        line = said.setting_line(message.removeprefix(PREFIX)) if is_setting else said.line("target")
    return Problem(message, line, error.status)


# -- loading -----------------------------------------------------------------------------------------------------------

_here = threading.local()
"""Whether this thread is loading a provider."""


class _Loading:
    """Loads a provider once, and gives it or what was wrong each time."""

    def __init__(self, name: str, target: str, said: Mapping[str, Any], *, checked: bool) -> None:
        self._name = name
        self._target = target
        self._said = said
        self._checked = checked
        self._provider: Provider | None = None
        self._failure: WNetError | None = None
        self._native: Native | None = None
        self._lock = lock(self, "_lock")
        self._loader: int | None = None  # the thread that is at it
        self._errand: Errand[Provider] | None = None

    def __call__(self) -> Provider:
        if self._loader == threading.get_ident():
            # loading it has come back to the router, which is against R6: it is not there yet
            raise _bad(f"{self._target} is still being loaded")
        with self._lock:
            if self._failure is not None and passes(self._failure):
                self._failure = self._errand = None
            is_late = self._errand is not None and self._errand.is_done  # nobody waited for it any longer
            if self._provider is None and (self._failure is None or is_late):
                self._failure = None
                try:
                    self._provider = self._load()
                except WNetError as error:
                    self._failure = error
        if self._provider is None:
            assert self._failure is not None  # noqa: S101 - one of both there is
            raise WNetError(self._failure.status, self._failure.strerror, name=self._name) from self._failure
        return self._provider

    @property
    def match(self) -> Sequence[str]:
        """Patterns of the names that are its own, as its file says."""
        patterns: Sequence[str] = self._said.get("match", ())
        return patterns

    def flaws(self) -> list[str]:
        """As the function of this name, for what was loaded."""
        return [] if self._native is None else self._native.flaws()

    def close(self) -> None:
        """Let the process end that the provider runs in, if it has one."""
        if self._native is not None:
            self._native.close()

    def _load(self) -> Provider:
        from mprouter.plugins import target as targets

        target = targets.parse(self._target)
        if isinstance(target, targets.Library):
            return self._library(target)
        if not isinstance(target, targets.PythonObject):
            raise _bad(
                "the target of a provider is python:package.module:attribute, python:/path/file.py:attribute or "
                "native:/path/library.so"
            )
        if unfit := [key for key in LIBRARIES if key in self._said]:
            raise _bad(f"{unfit[0]} is for libraries; a Python provider runs in the router's own process")
        return self._in_time(partial(self._python, target))

    def _in_time(self, load: Callable[[], Provider]) -> Provider:
        """What *load* returns or raises, on a thread of its own; ``WNetError`` (ERROR_TIMEOUT) if it hangs."""
        from mprouter.errand import Errand, Unfinished
        from mprouter.providers import guard

        def loaded() -> Provider:
            self._loader, before = threading.get_ident(), getattr(_here, "is_loading", False)
            _here.is_loading = True
            try:
                return load()
            finally:
                self._loader, _here.is_loading = None, before

        if getattr(_here, "is_loading", False):  # another's loading has come back to the router, against R6
            return loaded()
        try:
            self._errand = self._errand or Errand(loaded)
            return self._errand.result(guard.ANSWER)
        except Unfinished:
            text = f"{self._target} has not been loaded within {guard.ANSWER:g} seconds"
            raise WNetError(Status.ERROR_TIMEOUT, text) from None
        except MemoryError as error:
            raise WNetError(Status.ERROR_NOT_ENOUGH_MEMORY, f"{self._target} cannot be loaded: {error}") from error
        except RuntimeError as error:
            raise _bad(f"{self._target} cannot be loaded: {error}") from error
        except WNetError:
            raise
        except Exception as error:
            raise _bad(f"{self._target} cannot be loaded: {in_words(error)}") from error

    def _python(self, target: targets.PythonObject) -> Provider:
        import inspect

        from mprouter.plugins import target as targets
        from mprouter.plugins.configured import configured
        from mprouter.providers.guard import Guarded, problem_of

        found = targets.load(target, checked=self._checked, sha256=self._said.get("sha256"))
        made: Any = configured(found, self._said.get("settings", {}))
        if inspect.isclass(made):  # one that takes no settings
            try:
                made = made()
            except (Exception, SystemExit) as error:
                raise _bad(f"{target.attribute} cannot be instantiated: {in_words(error)}") from error
        if problem := problem_of(made):
            raise _bad(f"{target.attribute} is no network provider: {problem}")
        return Guarded(made, self._name)

    def _library(self, target: targets.Library) -> Provider:
        """One in a shared library, which is looked at now, and loaded, in a process of its own, when it is needed."""
        from mprouter.plugins import trust
        from mprouter.providers.guard import Guarded
        from mprouter.providers.native.provider import TIMEOUT, Native

        if "settings" in self._said:
            raise _bad("settings are for Python targets; a library has a file of its own")
        sha256 = self._said.get("sha256")
        trust.opened(target.path, sha256).close()
        memory = {"memory": self._said["memory"] << 20} if "memory" in self._said else {}
        timeout, match = self._said.get("timeout", TIMEOUT), self._said.get("match", ())
        self._native = Native(self._name, target.path, match=match, sha256=sha256, timeout=timeout, **memory)
        return Guarded(self._native, self._name)


def _bad(problem: str) -> WNetError:
    return WNetError(Status.ERROR_BAD_CONFIGURATION, problem)
