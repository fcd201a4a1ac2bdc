"""Where rclone lives: apart from the terminal or session that started it, if the unit of ``mpr service`` is in use.

Systemd ends the programs of a session when that ends, and with them a rclone that was started there, before the unit
has delivered what was written; or it leaves them, and then that session never ends, nor does the unit. So rclone gets a
scope of its own, which systemd ends after the unit. Without the unit nothing waits for anything at logout, and rclone
stays where it was started.
"""

from __future__ import annotations

import os

from mprouter import places
from mprouter.processes import run

__all__ = ["apart", "set_apart"]

UNIT = "mprouter.service"


def apart() -> list[str]:
    """What to put before a command line to run in a scope of its own; nothing if that is not wanted or fails."""
    session = _session()
    if not session or not _is_installed():
        return []
    if _run([*session, "systemctl", "--user", "is-active", UNIT]).strip() not in {"active", "activating"}:
        return []
    scope = ["systemd-run", "--user", "--scope", "--quiet", "--collect", f"--property=Before={UNIT}", "--"]
    command = [*session, *scope]
    return command if _run([*command, "echo", "apart"]).strip() == "apart" else []


def set_apart(pid: int) -> None:
    """Put the program *pid*, which was started before the unit was in use, into such a scope.

    Where that fails it stays where it is, as it would without the unit.
    """
    manager = ["org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager"]
    properties = ["PIDs", "au", "1", str(pid), "Before", "as", "1", UNIT, "CollectMode", "s", "inactive-or-failed"]
    scope = ["StartTransientUnit", "ssa(sv)a(sa(sv))", f"mprouter-{pid}.scope", "fail", "3", *properties, "0"]
    _run([*_session(), "busctl", "--user", "--quiet", "call", *manager, *scope])


def _session() -> list[str]:
    """What to put before a command that asks this user's systemd; nothing if that cannot be asked."""
    variables = places.session_variables()
    return ["env", *(f"{key}={value}" for key, value in variables.items())] if variables else []


def _is_installed() -> bool:
    """Whether ``mpr service install`` has written the unit for this user or for all; to ask systemd takes longer."""
    from mprouter.service import Kind, Unit

    return any(os.path.exists(Unit(each).path) for each in (Kind.USER, Kind.GLOBAL))  # noqa: PTH110 - it never raises


def _run(command: list[str]) -> str:
    """What *command* prints; "" if it is not there, or takes long."""
    import subprocess

    try:
        return run(command, timeout=10).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""
