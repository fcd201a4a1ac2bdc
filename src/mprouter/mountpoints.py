"""Local names as directories: where a connection appears, and what may be there before (C1)."""

from __future__ import annotations

import os
from pathlib import Path

from mprouter import places
from mprouter.names import is_drive
from mprouter.status import Status, WNetError, unwritten

__all__ = ["check", "make", "path_of", "remove"]


def path_of(entry_id: int, local_name: str | None) -> Path:
    """Where a connection appears: its drive's directory, its own path, or a private one if it is deviceless."""
    if local_name is None:
        return places.runtime_dir() / "mounts" / str(entry_id)
    if is_drive(local_name):
        return places.drives_dir() / local_name[0]
    return Path(local_name)


def check(path: Path, local_name: str) -> None:
    """Raise ``WNetError`` unless *path* is an empty directory or could become one."""
    try:
        with os.scandir(path) as content:
            occupied = next(content, None) is not None
    except FileNotFoundError:
        parent = path.parent
        if not is_drive(local_name) and not parent.is_dir():
            raise WNetError(
                Status.ERROR_PATH_NOT_FOUND,
                f"the directory {parent} does not exist",
                name=local_name,
                hint="make it first",
            ) from None
        return
    except NotADirectoryError:
        raise WNetError(
            Status.ERROR_DIRECTORY,
            f"{path} is not a directory" if path.exists() else "a part of the path is not a directory",
            name=local_name,
            hint="give an empty or a missing directory",
        ) from None
    except PermissionError as error:
        raise WNetError(Status.ERROR_ACCESS_DENIED, f"{path} may not be read", name=local_name) from error
    except OSError as error:
        raise WNetError(
            Status.ERROR_BAD_DEVICE,
            f"{path} cannot be used: {error.strerror}",
            name=local_name,
            hint=f"if a dead mount is there: fusermount3 -uz {path}",
        ) from error
    if occupied:
        raise WNetError(
            Status.ERROR_DIR_NOT_EMPTY,
            f"the directory {path} is not empty, or something is mounted there",
            name=local_name,
            hint="give an empty or a missing directory",
        )


def make(path: Path, local_name: str | None) -> bool:
    """Make the directory if it is missing; whether it was. Raises ``WNetError``."""
    try:
        if local_name is None:
            places.private(path.parent)
        elif is_drive(local_name):
            path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=0o700)
    except FileExistsError:
        return False
    except OSError as error:
        status, hint = unwritten(error, Status.ERROR_BAD_DEVICE)
        raise WNetError(
            status, f"the directory {path} cannot be made: {error.strerror}", name=local_name, hint=hint
        ) from error
    return True


def remove(path: Path) -> None:
    """Remove a directory that ``make`` made, if nothing is in it."""
    try:
        path.rmdir()
    except OSError:
        return
