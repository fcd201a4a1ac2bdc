"""Python code that a registration names, by a file or a module's name: found, checked and run.

What is run is the source that was read when its file was checked, never a compiled copy from ``__pycache__``. Which
attribute of it is meant is ``target.py``'s business; what makes a file trusted, ``trust.py``'s.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from hashlib import sha256 as digest_of
from importlib import import_module, util
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, TypeVar

from mprouter import log
from mprouter.plugins import trust
from mprouter.status import Status, WNetError, in_words, unreadable

__all__ = ["find", "load_file", "load_module", "load_unchecked"]

T = TypeVar("T")


def load_file(path: Path, sha256: str | None = None) -> ModuleType:
    """The module in the file *path*, if that is trusted, under a name of its own.

    Registrations that name one file share it, as long as its content is the same. Raises ``WNetError``: what
    ``trust.opened`` raises; ERROR_BAD_CONFIGURATION if running it fails.
    """
    with trust.opened(path, sha256) as file:
        where, source = file.path, _read(file)
    private = "mprouter_notifyee_" + re.sub(r"\W", lambda match: f"_{ord(match[0]):x}_", where)
    private += f"_{digest_of(source).hexdigest()[:16]}"
    if private in sys.modules:
        return sys.modules[private]
    spec = util.spec_from_loader(private, _Source(private, where, source))
    assert spec is not None  # noqa: S101 - this loader always has one
    assert spec.loader is not None  # noqa: S101
    module = util.module_from_spec(spec)
    sys.modules[private] = module
    try:
        _run(str(path), lambda: spec.loader.exec_module(module))  # type: ignore[union-attr]
    except BaseException:
        del sys.modules[private]
        raise
    return module


def load_module(name: str, sha256: str | None = None) -> ModuleType:
    """Import the module *name*, if its file and those of the packages that it is in are trusted.

    sha256: of the module's own file. What is imported already is checked too, and not run again. Raises ``WNetError``:
    what ``trust.opened`` raises; ERROR_MOD_NOT_FOUND; ERROR_BAD_CONFIGURATION if importing it fails.
    """
    places: Sequence[str] | None = None
    for part in _parts(name):
        loaded = sys.modules.get(part)
        spec = _spec(part, places) if loaded is None else getattr(loaded, "__spec__", None)
        source = _checked(spec, sha256 if part == name else None)
        if loaded is None:
            loaded = _import(name, part, spec, source)
        places = getattr(loaded, "__path__", None)
    return sys.modules[name]


def load_unchecked(name: str) -> ModuleType:
    """Import the module *name* as any program would. Raises ``WNetError`` as ``load_module``, but for trust."""
    return _run(name, lambda: import_module(name))


def find(name: str) -> list[Path]:
    """The files that importing the module *name* runs, its own last, without running anything.

    What is built in has none. Raises ``WNetError`` (ERROR_MOD_NOT_FOUND).
    """
    places: Sequence[str] | None = None
    files: list[Path | None] = []
    for part in _parts(name):
        spec = getattr(sys.modules.get(part), "__spec__", None) or _spec(part, places)
        places = spec.submodule_search_locations
        files.append(_file(spec))
    return [each for each in files if each is not None]


def _parts(name: str) -> list[str]:
    """``a.b.c``: a, a.b, a.b.c."""
    words = name.split(".")
    return [".".join(words[: length + 1]) for length in range(len(words))]


def _spec(name: str, places: Sequence[str] | None) -> ModuleSpec:
    """Where the module *name* is, in the package with these *places*; unlike ``find_spec`` it imports no package."""
    if places is not None or "." not in name:
        for finder in sys.meta_path:
            spec = finder.find_spec(name, places)
            if spec is not None:
                return spec
    raise WNetError(Status.ERROR_MOD_NOT_FOUND, f"there is no Python module {name}")


def _file(spec: ModuleSpec | None) -> Path | None:
    """The file that a module is in: its own, or an archive."""
    if spec is None or not spec.has_location or not spec.origin:
        return None
    return Path(getattr(spec.loader, "archive", spec.origin)).absolute()


def _checked(spec: ModuleSpec | None, sha256: str | None) -> bytes | None:
    """What is to be run, of a trusted source file; None if it is no source file."""
    path = _file(spec)
    if path is None:
        return None
    with trust.opened(path, sha256) as file:
        return _read(file) if spec is not None and type(spec.loader) is SourceFileLoader else None


def _read(file: trust.Opened) -> bytes:
    try:
        return file.read()
    except OSError as error:
        raise unreadable(error, None, Status.ERROR_ACCESS_DENIED, f"{file.path} cannot be read") from error


def _import(name: str, part: str, spec: ModuleSpec | None, source: bytes | None) -> ModuleType:
    """Import *part*, on the way to the module *name*, from this *source*, with the import system's own locks."""
    if spec is None or source is None:
        return _run(name, lambda: import_module(part))
    spec.loader = _Source(part, str(spec.origin), source)
    finder = _Finder(spec)
    sys.meta_path.insert(0, finder)
    try:
        return _run(name, lambda: import_module(part))
    finally:
        sys.meta_path.remove(finder)


class _Source(SourceFileLoader):
    """Runs a source that was read before."""

    def __init__(self, name: str, path: str, source: bytes) -> None:
        super().__init__(name, path)
        self._source = source

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002 - a loader has it
        """What is run."""
        return compile(self._source, str(self.path), "exec", dont_inherit=True)


class _Finder:
    """Finds one module where it was found before."""

    def __init__(self, spec: ModuleSpec) -> None:
        self._spec = spec

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:  # noqa: ARG002
        """The module, if it is that one."""
        return self._spec if name == self._spec.name else None


def _run(name: str, run: Callable[[], T]) -> T:
    """Run the code of the module or file *name*; whatever it raises, but Ctrl-C, is told in words."""
    try:
        log.prepare()
        return run()
    except (Exception, SystemExit) as error:
        if isinstance(error, ModuleNotFoundError) and error.name and f"{name}.".startswith(f"{error.name}."):
            raise WNetError(Status.ERROR_MOD_NOT_FOUND, f"there is no Python module {error.name}") from error
        raise WNetError(Status.ERROR_BAD_CONFIGURATION, f"{name} cannot be imported: {in_words(error)}") from error
