"""Where rclone lives: apart from the terminal or session that started it, if the unit of ``mpr service`` is in use.

Systemd ends the programs of a session when that ends, and with them a rclone that was started there, before the unit
has delivered what was written. So rclone gets a scope of its own, which systemd ends after the unit. Without the unit
nothing waits for anything at logout, and rclone stays where it was started.
"""

from __future__ import annotations

import os

from mprouter.processes import run

__all__ = ["apart"]

UNIT = "mprouter.service"


def apart() -> list[str]:
    """What to put before a command line, so that it runs in a scope of its own; nothing if that is not wanted or fails.

    The command needs XDG_RUNTIME_DIR in its environment.
    """
    if not os.environ.get("XDG_RUNTIME_DIR") or not _is_installed():
        return []
    if _run(["systemctl", "--user", "is-active", UNIT]).strip() not in {"active", "activating"}:
        return []
    command = ["systemd-run", "--user", "--scope", "--quiet", "--collect", f"--property=Before={UNIT}", "--"]
    return command if _run([*command, "echo", "apart"]).strip() == "apart" else []


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
