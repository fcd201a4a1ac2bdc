"""FTP: pyftpdlib, plain, with TLS on request, and with TLS from the start.

As other servers on OpenSSL do (vsftpd is one), it sends TLS 1.3 session tickets on data connections. An uploading
client that closes without having read them resets the connection, and the end of the file is lost: rclone does so
unless it is told ``disable_tls13``.
"""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from servers import tls
from servers.daemon import Daemon, Server, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from servers.account import Account

__all__ = ["FtpServer", "serve"]


@dataclass(frozen=True, kw_only=True)
class FtpServer(Server):
    """An FTP server. The account may write below ``/`` and read ``/readonly``.

    tls_port: where it speaks TLS from the start; ``port`` speaks it on request (AUTH TLS). ca_file: what to trust.
    """

    tls_port: int
    ca_file: Path

    def url(self, path: str = "/") -> str:
        """The remote name without TLS."""
        return f"ftp://{self.user}@{self.host}:{self.port}{path}"

    def tls_url(self, path: str = "/") -> str:
        """The remote name with TLS from the start."""
        return f"ftps://{self.user}@{self.host}:{self.tls_port}{path}"


@contextmanager
def serve(place: Path, account: Account, most: int = 0) -> Iterator[FtpServer]:
    """Run one in *place*, an empty directory. most: how many connections a client may have; 0 = as many as it likes."""
    host, port, tls_port = "127.0.0.1", free_port(), free_port()
    root = place / "files"
    for directory in (root, root / "readonly"):
        directory.mkdir()
        account.own(directory)
    certificate = tls.make(place)
    settings = place / "settings.json"
    settings.touch(mode=0o600)
    settings.write_text(
        json.dumps(
            {
                "host": host,
                "port": port,
                "tls_port": tls_port,
                "root": str(root),
                "user": account.name,
                "password": account.password,
                "certificate": str(certificate.file),
                "key": str(certificate.key),
                "most": most,
            }
        )
    )
    daemon = Daemon(
        [sys.executable, Path(__file__).with_name("ftp_daemon.py"), settings], ports=[port, tls_port], log=place / "log"
    )
    daemon.start()
    try:
        yield FtpServer(
            host=host,
            port=port,
            tls_port=tls_port,
            root=root,
            account=account,
            daemon=daemon,
            ca_file=certificate.file,
        )
    finally:
        daemon.stop()
