"""Desktop notifications: tells the person at the screen how a connection ended. Where there is no desktop, nothing."""

from __future__ import annotations

import html
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from mprouter.log import Log
from mprouter.notify.model import AddConnect, CancelConnect, Event, NotifyInfo, Phase
from mprouter.notify.python import notifyee
from mprouter.status import Status

__all__ = ["Desktop"]

log = Log("mprouter.notify")

_PATIENCE = 2.0  # seconds that the desktop may hold up a connection


@notifyee(name="desktop", order=15, thread_safe=True)
class Desktop:
    """Shows how operations ended, through ``org.freedesktop.Notifications`` on the session bus.

    on: "failure", "success", or both. It is told before a policy is, so that it sees vetoes. That nobody can be shown
    anything is never an error.
    """

    def __init__(self, *, on: Sequence[Literal["failure", "success"]] = ("failure",)) -> None:
        self._on = frozenset(on)

    def add_connect_notify(self, info: NotifyInfo, event: AddConnect) -> None:
        """Post: show that it is connected, or why not."""
        self._tell(info, event)

    def cancel_connect_notify(self, info: NotifyInfo, event: CancelConnect) -> None:
        """Post: show that it is disconnected, or why not."""
        self._tell(info, event)

    def _tell(self, info: NotifyInfo, event: Event) -> None:
        if info.phase is Phase.PRE:
            info.context = "told"
            return
        succeeded = info.status is Status.WN_SUCCESS
        if ("success" if succeeded else "failure") not in self._on:
            return
        try:
            _show(*_words(info.status, event), urgent=not succeeded)
        except Exception:  # no desktop, no bus, a bus that nobody answers on: nothing that a connection depends on
            log.debug("no desktop notification was shown", exc_info=True)


def _words(status: Status, event: Event) -> tuple[str, str]:
    """Title and text."""
    if isinstance(event, AddConnect):
        name, local = event.resource.remote_name or "", event.resource.local_name
        subject = f"{local} {name}" if local else name
        title = "Not connected" if status else "Connected"
    else:
        subject = event.name
        title = "Not disconnected" if status else "Disconnected"
    return title, f"{subject}\n{status.text} ({status.name}, {int(status)})" if status else subject


def _show(title: str, text: str, *, urgent: bool) -> None:
    # jeepney comes with keyring on Linux, which needs it for the keyrings of desktops
    from jeepney import DBusAddress, new_method_call
    from jeepney.io.blocking import open_dbus_connection

    notifications = DBusAddress(
        "/org/freedesktop/Notifications", "org.freedesktop.Notifications", "org.freedesktop.Notifications"
    )
    hints = {
        "urgency": ("y", 1),  # normal
        "category": ("s", "network.error" if urgent else "network"),
        "desktop-entry": ("s", "mprouter"),
    }
    icon = "dialog-error" if urgent else "network-server"
    # The text may be marked up, so what looks like markup in a name is not to be taken for it.
    body: tuple[object, ...] = ("mprouter", 0, icon, title, html.escape(text, quote=False), [], hints, -1)
    with open_dbus_connection(_session_bus(), auth_timeout=_PATIENCE) as bus:
        bus.send_and_get_reply(new_method_call(notifications, "Notify", "susssasa{sv}i", body), timeout=_PATIENCE)


def _session_bus() -> str:
    """The address of the session bus. Raises LookupError where there is none."""
    address = os.environ.get("DBUS_SESSION_BUS_ADDRESS")
    if address:
        return address
    socket = Path(os.environ.get("XDG_RUNTIME_DIR", "/nonexistent"), "bus")
    if not socket.is_socket():
        raise LookupError("there is no session bus")
    return f"unix:path={socket}"
