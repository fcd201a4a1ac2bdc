"""How a connection looks: on one line, and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mprouter.cli.output import plain

if TYPE_CHECKING:
    from mprouter.connection import Connection

__all__ = ["as_json", "as_line"]


def as_line(connection: Connection) -> str:
    """``Z: -> /home/ana/Network/Z  sftp://…``; where local name and path are one, or there is none, the path alone."""
    path, local = plain(connection.path), plain(connection.local_name or "")
    place = f"{local} -> {path}" if local not in {"", path} else path
    return f"{place}  {plain(connection.remote_name)}"


def as_json(connection: Connection) -> dict[str, Any]:
    """What ``--json`` shows of it; the state is null if it is remembered, but not connected."""
    return {
        "remote_name": connection.remote_name,
        "local_name": connection.local_name,
        "provider": connection.provider,
        "user": connection.user,
        "path": str(connection.path),
        "remembered": connection.remembered,
        "state": connection.state.value if connection.state else None,
        "options": dict(connection.options),
    }
