"""Importing a registry file, all or nothing: it is read and checked, then written, and undone if a write fails."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mprouter import places, replacing, settings
from mprouter.log import Log
from mprouter.plugins import drop_in
from mprouter.providers.base import Provider
from mprouter.registry import reg_file
from mprouter.registry import state as kept
from mprouter.registry.plan import Plan, plan
from mprouter.registry.state import Notifyee
from mprouter.status import Status, WNetError, unreadable
from mprouter.store import Remembered, Store

__all__ = ["carry_out", "prepare"]

log = Log("mprouter.registry")


def prepare(file: Path | None, store: Store, providers: Sequence[Provider], *, system: bool = False) -> Plan:
    """What importing *file* would change; None = standard input. system: the system's settings and notifyees.

    Raises ``WNetError``: ERROR_INVALID_DATA with the line if something in it is wrong, ERROR_FILE_NOT_FOUND,
    ERROR_ACCESS_DENIED.
    """
    name = "standard input" if file is None else str(file)
    try:
        data = _read(file)
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        otherwise = Status.ERROR_FILE_NOT_FOUND if missing else Status.ERROR_ACCESS_DENIED
        raise unreadable(error, name, otherwise) from error
    before = kept.load(store, system=system)
    try:
        return plan(reg_file.parse(reg_file.read(data)), before, providers)
    except WNetError as error:
        error.filename = error.filename or name
        error.hint = error.hint or "nothing was imported; mend the file"
        raise


def _read(file: Path | None) -> bytes:
    """What is in it, or enough to see that it is too much."""
    if file is not None:
        with file.open("rb") as opened:
            return opened.read(reg_file.MAX_SIZE + 1)
    return sys.stdin.buffer.read(reg_file.MAX_SIZE + 1) if sys.stdin is not None else b""


def carry_out(planned: Plan, store: Store, *, system: bool = False) -> None:
    """Make it so. Raises ``WNetError``, and has changed nothing then: ERROR_ACCESS_DENIED, ERROR_DISK_FULL, …."""
    before, after = planned.before.remembered, planned.after.remembered
    remember = [each for name, each in after.items() if before.get(name) != each]
    forget = [name for name in before if name not in after]
    with ExitStack() as leaving:
        _keep_others_out(leaving, list(_texts(planned, system=system)))
        files = [_File(path, text) for path, text in _texts(planned, system=system)]
        for each in files:
            leaving.callback(each.leave)
            each.prepare()
        writing = store.changing_profile(remember, forget) if remember or forget else nullcontext()
        with _all_or_none(files, lambda: _is_written(store, remember, forget)), writing:
            for each in files:
                each.put()


def _is_written(store: Store, remember: Sequence[Remembered], forget: Sequence[str]) -> bool:
    """Whether the profile has been changed so, which is the last that an import does."""
    known = {each.local_name: each for each in store.remembered()}
    as_wanted = known.keys().isdisjoint(forget) and all(known.get(each.local_name) == each for each in remember)
    return as_wanted and bool(remember or forget)


def _texts(planned: Plan, *, system: bool) -> Iterator[tuple[Path, str | None]]:
    """Each file that changes, and what is to be in it; None = it goes."""
    before, after = planned.before, planned.after
    values: dict[str, Any] = {}
    if before.provider_order != after.provider_order:
        values["provider_order"] = None if after.provider_order is None else list(after.provider_order)
    if before.restore_timeout != after.restore_timeout:
        values["restore_timeout"] = after.restore_timeout
    if values:
        path = settings.path(system=system)
        yield path, settings.changed(path, values)
    place = kept.directory(kept.DIRECTORY, system=system)
    yield from _drop_ins(place, before.notifyees, after.notifyees, planned.reasons)
    place = kept.directory(kept.PROVIDERS_DIRECTORY, system=system)
    yield from _drop_ins(place, before.providers, after.providers, planned.provider_reasons)


def _drop_ins(
    directory: Path, before: Mapping[str, Notifyee], after: Mapping[str, Notifyee], reasons: Mapping[str, str]
) -> Iterator[tuple[Path, str | None]]:
    for name in {**before, **after}:
        now = after.get(name)
        if now is None:
            yield directory / f"{name}.toml", None
        elif now != before.get(name):
            reason = reasons.get(name)
            comment = f"# It was imported disabled: {reason}.\n" if reason else ""
            yield directory / f"{name}.toml", comment + drop_in.written(now.values)


def _keep_others_out(leaving: ExitStack, texts: Sequence[tuple[Path, str | None]]) -> None:
    """Have nobody else write in the directories of *texts* until *leaving*, when those that stay empty go again."""
    directories = {path.parent.resolve(): path for path, _ in texts}
    directories |= {path.resolve().parent: path for path, text in texts if text is not None}  # of a link that stays
    for directory, path in sorted(directories.items()):  # in the order of every other import
        try:
            for made in places.make(directory, for_all=places.is_for_all(path)):
                leaving.callback(_remove_empty, made)
            leaving.enter_context(places.locked(directory, patience=replacing.PATIENCE))
        except OSError as error:
            raise drop_in.failed(path, error) from error


def _remove_empty(directory: Path) -> None:
    with suppress(OSError):  # it is not empty
        directory.rmdir()


@contextmanager
def _all_or_none(files: Sequence[_File], is_done: Callable[[], bool]) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt) and is_done():  # it struck when all was written
            raise
        for each in reversed(files):
            each.undo()
        raise


@dataclass(slots=True)
class _File:
    """A file that is changed in one step, which needs no room on the disk and can be undone so too.

    text: what is to be in it; None = it is to go.
    """

    path: Path
    text: str | None
    _new: Path | None = None
    _old: Path | None = None
    _is_put: bool = False

    def prepare(self) -> None:
        """Write what is new, and keep what is old, both beside the file. Raises ``WNetError``."""
        try:
            if self.text is not None:
                self.path = self.path.resolve()  # of a link, what it leads to
            found = self.path.stat() if self.path.exists() else None
            if found and self.text is not None:
                _check_is_file(self.path, found)
            if found:
                self._old = self.path.with_name(f".{self.path.name}-before-{os.getpid()}")
                self._old.unlink(missing_ok=True)
                try:
                    os.link(self.path, self._old)
                except OSError:  # a file system without links
                    shutil.copy2(self.path, self._old)
            if self.text is not None:
                mode = stat.S_IMODE(found.st_mode) if found else 0o644
                new = self.path.with_name(f".{self.path.name}-after-{os.getpid()}")
                self._new = replacing.written(new, self.text, mode)
                if found and hasattr(os, "chown"):
                    with suppress(PermissionError):  # one may write it without owning it
                        os.chown(self._new, found.st_uid, found.st_gid)
        except WNetError:
            raise
        except OSError as error:
            raise drop_in.failed(self.path, error) from error

    def put(self) -> None:
        """Change it. Raises ``WNetError``."""
        self._is_put = True
        try:
            if self._new is None:
                self.path.unlink()
            else:
                self._new.replace(self.path)
        except OSError as error:
            raise drop_in.failed(self.path, error) from error

    def undo(self) -> None:
        """Have it as it was."""
        if not self._is_put:
            return
        try:
            if self._old is None:
                self.path.unlink(missing_ok=True)
            else:
                self._old.replace(self.path)
        except OSError as error:
            where = f"; what it was is in {self._old}" if self._old is not None else ""
            log.error("%s could not be put back as it was: %s%s", self.path, error.strerror, where)  # noqa: TRY400
            self._old = None  # it stays

    def leave(self) -> None:
        """Have nothing beside the file."""
        for each in (self._new, self._old):
            with suppress(OSError):
                if each is not None:
                    each.unlink(missing_ok=True)


def _check_is_file(path: Path, found: os.stat_result) -> None:
    """Raise ``WNetError`` if *path* is a device, say, that a link leads to: /dev/null is not to be replaced."""
    if not stat.S_ISREG(found.st_mode):
        raise WNetError(Status.ERROR_ACCESS_DENIED, "it is not a file, or leads to none", name=str(path))
