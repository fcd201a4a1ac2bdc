"""Whether this program runs the version of the package that is installed.

Most of the package is loaded when it is first needed. After an update that would be the new version's, which does not
fit the rest: an operation would fail in its middle, and stay cut off for as long as the program runs.
"""

from __future__ import annotations

import os

from mprouter import _version
from mprouter.status import Status, WNetError

__all__ = ["check", "is_replaced"]


def _installed() -> tuple[int, int] | None:
    """What tells one installed version from the next; None where there are no files, as in an archive."""
    try:
        found = os.stat(_version.__file__)  # noqa: PTH116 - in each operation
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


_loaded = _installed()


def is_replaced() -> bool:
    """Whether another version was installed since this one was loaded, or this one was removed."""
    return _installed() != _loaded


def check() -> None:
    """Raise ``WNetError`` ERROR_REVISION_MISMATCH if it was replaced, before anything begins."""
    if is_replaced():
        raise WNetError(
            Status.ERROR_REVISION_MISMATCH,
            "mprouter was updated or removed since this program was started",
            hint="start the program again; its connections stand",
        )
