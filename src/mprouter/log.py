"""What the project says to the standard library's ``logging``, which is loaded when there is something to say.

Loading it is a sixteenth of a short command, and most commands have nothing to say.
"""

from __future__ import annotations

import sys
import threading
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Log", "prepare", "unprepared"]

unprepared: list[Callable[[], None]] = []
"""What is to be called once before anything is said: whoever shows it gets ready then."""


_preparing = threading.RLock()


class Log:
    """The logger *name*, each of whose methods is its own.

    As long as nobody has loaded ``logging`` nobody can have asked for less than warnings, and nothing less is said.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, method: str) -> Any:
        if method.startswith("_"):  # copy and pickle ask for those of a value that is not made yet
            raise AttributeError(method)
        if "logging" not in sys.modules and method in {"debug", "info"}:
            return _drop
        try:
            prepare()
        except OSError:  # no descriptor is free: what is said of something is no reason for that to fail
            return _drop
        import logging

        said = getattr(logging.getLogger(self._name), method)
        return partial(_say, said) if method in _SAYING else said


def prepare() -> None:
    """Load ``logging``, and have whoever shows what is said get ready: code of others says it without a ``Log``."""
    import logging  # noqa: F401

    with _preparing:
        while unprepared:
            unprepared[0]()
            del unprepared[:1]  # whoever shows it may have stopped meanwhile


_SAYING = {"debug", "info", "warning", "error", "exception"}


def _say(said: Callable[..., None], *words: object, **more: Any) -> None:
    """Say it. A handler of the program's own that fails, or writes to what is closed, is no reason to fail either."""
    with suppress(Exception):
        said(*words, stacklevel=2, **more)


def _drop(*_: object, **__: object) -> None:
    """Say nothing."""
