"""Where rclone lives: apart from the terminal or session that started it, if the unit of ``mpr service`` is in use.

Systemd ends the programs of a session when that ends, and with them a rclone that was started there, before the unit
has delivered what was written. So rclone gets a scope of its own, which systemd ends after the unit. Without the unit
nothing waits for anything at logout, and rclone stays where it was started.
"""

from __future__ import annotations

import os
import subprocess

__all__ = ["apart"]

UNIT = "mprouter.service"


def apart() -> list[str]:
    """What to put before a command line, so that it runs in a scope of its own; nothing if that is not wanted or fails.

    The command needs XDG_RUNTIME_DIR in its environment.
    """
    if not os.environ.get("XDG_RUNTIME_DIR"):
        return []
    if _run(["systemctl", "--user", "is-active", UNIT]).strip() not in {"active", "activating"}:
        return []
    command = ["systemd-run", "--user", "--scope", "--quiet", "--collect", f"--property=Before={UNIT}", "--"]
    return command if _run([*command, "echo", "apart"]).strip() == "apart" else []


def _run(command: list[str]) -> str:
    """What *command* prints; "" if it is not there, or takes long."""
    try:
        ran = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return ran.stdout
