"""Modules that click, dataclasses and ``urllib.parse`` import for what a command hardly ever does.

They are loaded when it does: together they are a tenth of what a short command takes. Others stand for them where those
three have imported them; whoever imports them after ``end`` gets them as ever.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType

__all__ = ["NAMES", "begin", "end"]

NAMES = ("inspect", "ipaddress", "uuid")

_NAMED = ("uuid", "UUID")
"""What click only names, in a type, while it is imported."""

_ASKED = ("inspect", "get_annotations")
"""What dataclasses ask of each class, since Python 3.12."""


class _Later(ModuleType):
    """Stands for the module of its name."""

    def __getattr__(self, name: str) -> object:
        if (self.__name__, name) == _ASKED:
            return _annotations
        if sys.modules.get(self.__name__) is self:  # before ``end``, while nobody else is there
            if (self.__name__, name) == _NAMED:
                return object
            del sys.modules[self.__name__]
        return getattr(import_module(self.__name__), name)


def _annotations(kind: type) -> dict[str, object]:
    return dict(vars(kind).get("__annotations__", {}))


def begin() -> None:
    """From here on whoever imports them gets a stand-in. No code of others may run until ``end``."""
    for name in NAMES:
        if name not in sys.modules:
            sys.modules[name] = _Later(name)


def end() -> None:
    """Let those have theirs for whom this is done, and nobody else."""
    import dataclasses  # noqa: F401
    import pathlib  # noqa: F401

    for name in NAMES:
        if type(sys.modules.get(name)) is _Later:
            del sys.modules[name]
