"""Exporting: what is kept here as the text of a registry file, which Windows and this machine can import."""

from __future__ import annotations

import os
from pathlib import Path

from mprouter.registry import reg_file
from mprouter.registry import state as kept
from mprouter.status import Status, WNetError, unwritten
from mprouter.store import Store

__all__ = ["exported", "write"]


def exported(store: Store, *, system: bool = False, version: int = 5) -> bytes:
    """The file. system: the system's settings and notifyees, not the user's own. version: see ``reg_file.written``.

    Raises ``WNetError`` if something that is kept is not as it should be, or cannot be said in such a file: nothing is
    left out.
    """
    state = kept.load(store, system=system)
    for notifyee in state.notifyees.values():
        if notifyee.problem is not None:
            raise notifyee.problem
    return reg_file.written(kept.keys_of(state), version=version)


def write(file: Path, data: bytes, *, force: bool = False) -> None:
    """Write *data* to *file*, all of it or nothing. force: replace one that is there.

    Raises ``WNetError``: ERROR_ALREADY_ASSIGNED if there is such a file, ERROR_PATH_NOT_FOUND if its directory is not
    there, ERROR_ACCESS_DENIED, ERROR_DISK_FULL, ….
    """
    try:
        _write(file, data, force=force)
    except WNetError:
        raise
    except FileNotFoundError as error:
        text = "there is no such directory to write it in"
        raise WNetError(Status.ERROR_PATH_NOT_FOUND, text, name=str(file), hint="make it first") from error
    except OSError as error:
        status, hint = unwritten(error, Status.ERROR_WRITE_FAULT)
        raise WNetError(status, f"it cannot be written: {error.strerror}", name=str(file), hint=hint) from error


def _write(file: Path, data: bytes, *, force: bool) -> None:
    is_other = file.exists() and not file.is_file()  # a pipe, say, or /dev/stdout
    if not force and not is_other and os.path.lexists(file):
        raise WNetError(
            Status.ERROR_ALREADY_ASSIGNED, "it is there already", name=str(file), hint="--force replaces it"
        )
    if is_other:
        file.write_bytes(data)
    else:
        _replace(file.resolve(), data)  # of a link, what it leads to


def _replace(file: Path, data: bytes) -> None:
    temporary = file.with_name(f".{file.name}-{os.getpid()}")
    try:
        with temporary.open("xb") as opened:
            opened.write(data)
            opened.flush()
            os.fsync(opened.fileno())
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)
