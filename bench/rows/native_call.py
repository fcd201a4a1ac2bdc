"""One call of a native notifyee in this process, beside the same C function called through plain ctypes.

The peer does the least that the interface allows: it makes NOTIFYINFO and NOTIFYADD with their strings, and calls.
"""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Callable, Iterator
from ctypes import c_int32, c_uint32, c_void_p
from pathlib import Path

from ground import Ground
from harness import Case, Goal, Kind, Role, timed
from mprouter import AddConnect, NetResource, NotifyInfo, Phase, Status
from mprouter.notify.native import Add, Info, from_library
from mprouter.plugins.library import NetResource as Structure
from mprouter.plugins.library import cflags

SOURCE = """
#include <windows.h>
#include <npapi.h>
DWORD WINAPI AddConnectNotify(LPNOTIFYINFO info, LPNOTIFYADD add) { return info == NULL || add == NULL; }
DWORD WINAPI CancelConnectNotify(LPNOTIFYINFO info, LPNOTIFYCANCEL cancel) { return info == NULL || cancel == NULL; }
"""

EVENT = AddConnect(NetResource(r"\\files.example.com\projects", "Z:"))


def cases(ground: Ground) -> Iterator[Case]:
    """An add's pre."""
    file = library(ground)
    call = from_library(file)
    kinds = [
        Kind(
            "mprouter",
            Role.OURS,
            timed(lambda: call(NotifyInfo(Phase.PRE, Status.WN_SUCCESS), EVENT), "us", times=1000),
        ),
        Kind("plain ctypes", Role.PEER, timed(plain(file), "us", times=1000)),
    ]
    yield Case("native call, inline", "us", kinds, [Goal(1.5)], rounds=41)


def library(ground: Ground) -> Path:
    """A notifyee that does nothing, compiled."""
    source, built = ground.place / "silent.c", ground.place / "silent.so"
    if not built.exists():
        source.write_text(SOURCE)
        subprocess.run(["gcc", "-O2", "-shared", "-fPIC", *cflags(), source, "-o", built], check=True)
    return built


def plain(file: Path) -> Callable[[], int]:
    """The same call by hand."""
    function = ctypes.CDLL(str(file)).AddConnectNotify
    function.argtypes = [c_void_p, c_void_p]
    function.restype = c_uint32
    resource = EVENT.resource

    def call() -> int:
        info = Info(1, 0, None)
        local = (str(resource.local_name) + "\0").encode("utf-16-le")
        remote = (str(resource.remote_name) + "\0").encode("utf-16-le")
        add = Add(None, Structure(0, int(resource.type), 0, 0, local, remote, None, None), 0)
        return int(c_int32(function(ctypes.byref(info), ctypes.byref(add))).value)

    return call
