"""Modules of the standard library that others import for what a command hardly ever does: loaded when it does.

Together they are a tenth of what a short command takes.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType

__all__ = ["NAMES", "expect"]

NAMES = ("inspect", "ipaddress", "traceback")
"""What click and dataclasses, ``urllib.parse``, and logging import."""


class _Later(ModuleType):
    """Stands for a module until something of it is wanted. For any number of threads, as ``import`` is."""

    def __getattr__(self, name: str) -> object:
        if sys.modules.get(self.__name__) is self:
            sys.modules.pop(self.__name__, None)
        return getattr(import_module(self.__name__), name)


def expect() -> None:
    """From here on these modules are loaded when something of them is wanted."""
    for name in NAMES:
        if name not in sys.modules:
            sys.modules[name] = _Later(name)
