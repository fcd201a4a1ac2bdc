"""Where rclone lives: apart from the terminal or session that started it, if the unit of ``mpr service`` is in use.

Systemd ends the programs of a session when that ends, and with them a rclone that was started there, before the unit
has delivered what was written. So rclone gets a scope of its own, which systemd ends after the unit. Without the unit
nothing waits for anything at logout, and rclone stays where it was started.
"""

from __future__ import annotations

import os
from pathlib import Path

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
    """Whether the unit has a file where systemd.unit(5) says that those of users are; to ask systemd takes longer."""
    known, home = os.environ.get, Path.home()
    places = [
        known("XDG_CONFIG_HOME", "") or home / ".config",
        *known("XDG_CONFIG_DIRS", "/etc/xdg").split(":"),
        known("XDG_DATA_HOME", "") or home / ".local/share",
        *known("XDG_DATA_DIRS", "/usr/local/share:/usr/share").split(":"),
        known("XDG_RUNTIME_DIR", ""),
        *("/etc", "/run", "/usr/local/lib", "/usr/lib", "/lib"),
    ]
    return any(Path(place, "systemd/user", UNIT).exists() for place in places)


def _run(command: list[str]) -> str:
    """What *command* prints; "" if it is not there, or takes long."""
    import subprocess

    try:
        ran = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return ran.stdout
