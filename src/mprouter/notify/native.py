"""Native notifyees: shared libraries with the C interface of npapi.h, called in this process.

What keeps a crash of theirs away from the caller stands in ``host.py``, how a library is loaded, and whether it may be,
in ``plugins/library.py``.
"""

from __future__ import annotations

import ctypes
from ctypes import c_char_p, c_int32, c_uint32, c_void_p
from pathlib import Path
from typing import ClassVar

from mprouter.notify.model import Call, CancelConnect, Event, NotifyInfo, Phase
from mprouter.plugins.library import NetResource, in_c, loaded, utf16
from mprouter.status import Status

__all__ = ["from_library"]

EXPORTS = ("AddConnectNotify", "CancelConnectNotify")
"""What a library must export: both, as on Windows."""


class Info(ctypes.Structure):
    """NOTIFYINFO."""

    _fields_: ClassVar = [("dwNotifyStatus", c_uint32), ("dwOperationStatus", c_uint32), ("lpContext", c_void_p)]


class Add(ctypes.Structure):
    """NOTIFYADD."""

    _fields_: ClassVar = [("hwndOwner", c_void_p), ("NetResource", NetResource), ("dwAddFlags", c_uint32)]


class Cancel(ctypes.Structure):
    """NOTIFYCANCEL."""

    _fields_: ClassVar = [("lpName", c_char_p), ("lpProvider", c_char_p), ("dwFlags", c_uint32), ("fForce", c_int32)]


def from_library(path: Path | str, sha256: str | None = None) -> Call:
    """Load the shared library at *path* into this process, if it is trusted; the answer calls its two functions.

    Every call gets structures and strings of its own, so that a library may scribble on them. The context is the
    pointer's value as a ``c_void_p``: bit for bit, and of use in this process only. sha256: see ``trust.opened``.

    Raises ``WNetError`` as ``loaded`` does.
    """
    library = loaded(Path(path).absolute(), sha256, EXPORTS)
    add, cancel = (library[each] for each in EXPORTS)
    for function in (add, cancel):
        function.argtypes = [c_void_p, c_void_p]
        function.restype = c_uint32

    def call(info: NotifyInfo, event: Event) -> Status:
        notice = Info(info.phase, info.status, info.context)
        if isinstance(event, CancelConnect):
            told: Cancel | Add = Cancel(utf16(event.name), utf16(event.provider), event.flags, event.force)
            answer = cancel(ctypes.byref(notice), ctypes.byref(told))
        else:
            told = Add(event.owner, in_c(event.resource), event.flags)
            answer = add(ctypes.byref(notice), ctypes.byref(told))
        if info.phase is Phase.PRE:
            kept = notice.lpContext
            info.context = None if kept is None else c_void_p(kept)
        return Status(answer) if answer else Status.WN_SUCCESS

    return call
