"""How a file gets another text: whole or not at all, and what a writer that was killed left goes with the next one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from mprouter import places

__all__ = ["BESIDE", "PATIENCE", "alone", "put", "written"]

BESIDE = ".mprouter-new"
"""What is written beside a file to take its place; it is that of whoever is ``alone`` in the directory."""

PATIENCE = 10.0
"""Seconds that others may take to write a file."""


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Keep all others from writing in the directory of *path*; of a link, of what it leads to. Raises ``OSError``.

    Who may read a directory may lock it: somebody who is no friend could otherwise hold up root for ever.
    """
    with places.locked(Path(os.path.realpath(path)).parent.resolve(strict=True), patience=PATIENCE):
        yield


def put(path: Path, text: str, mode: int = 0o600, owner: tuple[int, int] | None = None) -> None:
    """Replace *path*, no link, by *text* in one step. To be called ``alone``. Raises ``OSError``.

    owner: whose it is to be, user and group, as far as this one may give it away.
    """
    new = written(path.with_name(BESIDE), text, mode)
    try:
        if owner is not None and hasattr(os, "chown"):
            with suppress(PermissionError):  # one may write it without owning it
                os.chown(new, *owner)
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise


def written(path: Path, text: str, mode: int = 0o600) -> Path:
    """The new file *path* with *text* in it, on the disk. Raises ``OSError``, and leaves nothing then."""
    path.unlink(missing_ok=True)
    with open(path, "x", encoding="utf-8", newline="", opener=partial(os.open, mode=0o600)) as file:
        try:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
            path.chmod(mode)
        except BaseException:
            path.unlink()
            raise
    return path
