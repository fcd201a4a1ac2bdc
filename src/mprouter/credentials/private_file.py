"""Files with passwords: nobody but their owner may have access to them."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

from mprouter import replacing
from mprouter.status import Status, WNetError, unreadable

__all__ = ["read", "refuse_if_shared", "write"]


def read(path: Path) -> str | None:
    """The text of *path*, None if there is no such file.

    Raises ``WNetError``: ERROR_ACCESS_DENIED, ERROR_BAD_CONFIGURATION if it is no UTF-8 text.
    """
    try:
        with path.open("rb") as file:
            refuse_if_shared(os.fstat(file.fileno()), path)
            data = file.read()
    except FileNotFoundError:
        return None
    except WNetError:
        raise
    except OSError as error:
        raise unreadable(error, str(path), Status.ERROR_ACCESS_DENIED, "cannot be read") from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass  # the error holds the file's content, so it must not become the context of another
    raise WNetError(Status.ERROR_BAD_CONFIGURATION, "is not UTF-8 text", name=str(path), hint="mend or remove the file")


def refuse_if_shared(found: os.stat_result, path: Path) -> None:
    """Raise ``WNetError`` ERROR_ACCESS_DENIED if *path* is somebody else's or others may read or write it."""
    if sys.platform == "win32":  # there the profile directory's list of rights keeps others out
        return
    if found.st_uid != os.getuid():
        raise WNetError(
            Status.ERROR_ACCESS_DENIED,
            f"holds passwords but belongs to user {found.st_uid}, not to user {os.getuid()}, so it is not used",
            name=str(path),
            hint=_command(f"chown {os.getuid()}", path),
        )
    mode = stat.S_IMODE(found.st_mode)
    if mode & 0o077:
        raise WNetError(
            Status.ERROR_ACCESS_DENIED,
            f"holds passwords but others have access to it (mode {mode:04o}), so it is not used",
            name=str(path),
            hint=_command("chmod 600", path),
        )


def _command(words: str, path: Path) -> str:
    """For a shell."""
    import shlex

    return f"{words} {shlex.quote(str(path))}"


def write(path: Path, text: str) -> None:
    """Replace *path* by *text* in one step, for the user alone. To be called ``alone``. Raises ``OSError``."""
    replacing.put(Path(os.path.realpath(path)), text)  # a link stays a link
