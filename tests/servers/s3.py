"""S3: rclone's own server, since it keeps objects as files that tests can look at."""

from __future__ import annotations

import secrets
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from servers.daemon import Daemon, Server, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from servers.account import Account

__all__ = ["S3Server", "serve"]


@dataclass(frozen=True, kw_only=True)
class S3Server(Server):
    """An S3 server without TLS. A bucket is a directory below ``root``; ``projects`` is there from the start.

    access_key, secret_key: who may use it, in place of ``user`` and ``password``.
    """

    access_key: str
    secret_key: str = field(repr=False)

    @property
    def endpoint(self) -> str:
        """Where it is, for clients that would go to Amazon otherwise."""
        return f"http://{self.host}:{self.port}"

    def url(self, path: str = "projects") -> str:
        """The remote name of a bucket or of a directory in it."""
        return f"s3://{path}"


@contextmanager
def serve(place: Path, account: Account) -> Iterator[S3Server]:
    """Run one in *place*, an empty directory."""
    host, port = "127.0.0.1", free_port()
    root = place / "buckets"
    (root / "projects").mkdir(parents=True)
    access_key, secret_key = secrets.token_hex(10), secrets.token_hex(20)
    daemon = Daemon(
        [
            *(Path(sys.executable).with_name("rclone"), "serve", "s3", root, "--addr", f"{host}:{port}"),
            # with 0 it looks at every directory again and again, and in the end answers nobody
            *("--dir-cache-time", "5ms", "--config", place / "no.conf", "--cache-dir", place / "cache"),
        ],
        ports=[port],
        log=place / "log",
        environment={"RCLONE_AUTH_KEY": f'"{access_key},{secret_key}"'},
    )
    daemon.start()
    try:
        yield S3Server(
            host=host,
            port=port,
            root=root,
            account=account,
            daemon=daemon,
            access_key=access_key,
            secret_key=secret_key,
        )
    finally:
        daemon.stop()
