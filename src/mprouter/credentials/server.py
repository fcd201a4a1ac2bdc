"""The server of a remote name: what a stored password is for, since it serves for everything there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mprouter.names import RemoteName

__all__ = ["glob_of", "server_of"]


def server_of(name: RemoteName) -> str:
    """``scheme://host[:port]``, for UNC names with ``smb``; ``s3://bucket``; ``rclone:REMOTE``."""
    if name.remote is not None:
        return f"rclone:{name.remote}"
    if name.scheme == "unc":
        host = str(name.host).replace("%", "%25")
        return f"smb://[{host}]" if ":" in host else f"smb://{host}"
    return re.sub(r"(://)(?:[^/@]*@)?([^/]*).*", r"\1\2", name.canonical)


def glob_of(name: RemoteName) -> str:
    """The glob for everything on the server of *name*."""
    return server_of(name) + (":*" if name.remote is not None else "/*")
