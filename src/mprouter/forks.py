"""What becomes of a process that this one forks: of all threads only the one that forks goes on there.

So the locks that others had are new there. And a child that a notifyee forks ends where it leaves the notifyee.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from functools import partial
from weakref import WeakKeyDictionary

from mprouter.status import in_words

TYPE_CHECKING = False  # that of typing, which a command loads where it is about to wait anyway
if TYPE_CHECKING:
    from typing import Any, NoReturn, Protocol

    class Inherited(Protocol):
        """Something that a child of this process has to set right for itself."""

        def after_fork(self) -> None:
            """Called in the child, before anything else is done there."""


__all__ = ["end", "inherit", "lock"]


_all: WeakKeyDictionary[Any, list[Callable[[Any], None]]] = WeakKeyDictionary()


def inherit(what: Inherited) -> None:
    """Have *what* set right in each child, for as long as it is there."""
    _all.setdefault(what, []).append(type(what).after_fork)


def lock(
    holder: object, name: str, kind: Callable[[], AbstractContextManager[Any]] = threading.Lock
) -> AbstractContextManager[Any]:
    """A lock that is to be the attribute *name* of *holder*, an object or a module; in each child a new one is.

    For whoever had the old one is not there to release it. kind: of ``threading``'s locks.
    """
    _all.setdefault(holder, []).append(partial(_renew, name=name, kind=kind))
    return kind()


def end(error: BaseException) -> NoReturn:
    """End this child as *error* has it, ``SystemExit`` as a rule, and do nothing of what its parent does at its end."""
    said: object = in_words(error)
    if isinstance(error, SystemExit):
        said = error.code or 0
    with suppress(BaseException):
        if not isinstance(said, int):
            sys.stderr.write(f"{said}\n")
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(said & 0xFF if isinstance(said, int) else 1)


def _renew(holder: object, name: str, kind: Callable[[], object]) -> None:
    setattr(holder, name, kind())


def _after_fork() -> None:
    for what, steps in list(_all.items()):
        for set_right in steps:
            set_right(what)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
