"""Network resources as directories, through a Multiple Provider Router that tells before it connects.

    with mprouter.connect("sftp://ana@files.example.com/projects") as connection:
        print((connection.path / "README").read_text())

This is the public face: it only names things, and loads each where it is first used.
"""

from __future__ import annotations

from mprouter._version import __version__

TYPE_CHECKING = False  # that of typing, which a command loads where Ctrl-C is told in a line
if TYPE_CHECKING:
    from mprouter.connection import Connection
    from mprouter.credentials import Secret
    from mprouter.default import connect, connections, disconnect, register, restore, unregister
    from mprouter.notify.model import AddConnect, CancelConnect, NotifyInfo, Phase
    from mprouter.notify.python import notifyee
    from mprouter.providers.base import State
    from mprouter.resource import ConnectFlag, NetResource, ResourceType
    from mprouter.restoring import Restored
    from mprouter.router import Router
    from mprouter.status import Cancel, Status, WNetError
    from mprouter.win32wnet import install_win32wnet

__all__ = [
    "AddConnect",
    "Cancel",
    "CancelConnect",
    "ConnectFlag",
    "Connection",
    "NetResource",
    "NotifyInfo",
    "Phase",
    "ResourceType",
    "Restored",
    "Router",
    "Secret",
    "State",
    "Status",
    "WNetError",
    "__version__",
    "connect",
    "connections",
    "disconnect",
    "install_win32wnet",
    "notifyee",
    "register",
    "restore",
    "unregister",
]

_ROOMS = {
    "mprouter.connection": ("Connection",),
    "mprouter.credentials": ("Secret",),
    "mprouter.default": ("connect", "connections", "disconnect", "register", "restore", "unregister"),
    "mprouter.notify.model": ("AddConnect", "CancelConnect", "NotifyInfo", "Phase"),
    "mprouter.notify.python": ("notifyee",),
    "mprouter.providers.base": ("State",),
    "mprouter.resource": ("ConnectFlag", "NetResource", "ResourceType"),
    "mprouter.restoring": ("Restored",),
    "mprouter.router": ("Router",),
    "mprouter.status": ("Cancel", "Status", "WNetError"),
    "mprouter.win32wnet": ("install_win32wnet",),
}


if not TYPE_CHECKING:  # to a type checker, any name would be there

    def __getattr__(name: str) -> object:
        for room, names in _ROOMS.items():
            if name in names:
                from importlib import import_module

                value = globals()[name] = getattr(import_module(room), name)
                return value
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
