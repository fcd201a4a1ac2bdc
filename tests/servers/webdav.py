"""WebDAV: Apache with mod_dav, plain and over TLS."""

from __future__ import annotations

import base64
import hashlib
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from servers import tls
from servers.daemon import Daemon, Server, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from servers.account import Account

__all__ = ["WebdavServer", "serve"]

MODULES = Path("/usr/lib/apache2/modules")
LOADED = ("mpm_event", "authn_core", "authn_file", "authz_core", "authz_user", "auth_basic", "dav", "dav_fs", "ssl")


@dataclass(frozen=True, kw_only=True)
class WebdavServer(Server):
    """Apache. The account may write below ``/``, read ``/readonly``, and may not enter ``/forbidden``.

    Everybody may read ``/public``.

    tls_port: where it speaks https, with a certificate that only those trust who are given ``ca_file``.
    """

    tls_port: int
    ca_file: Path

    def change_password(self, password: str) -> None:
        """Accept only *password* from now on."""
        digest = base64.b64encode(hashlib.sha1(password.encode()).digest()).decode()  # noqa: S324 - htpasswd's form
        (self.root.parent / "htpasswd").write_text(f"{self.user}:{{SHA}}{digest}\n")

    def url(self, path: str = "/") -> str:
        """The remote name over http."""
        return f"dav://{self.user}@{self.host}:{self.port}{path}"

    def tls_url(self, path: str = "/") -> str:
        """The remote name over https."""
        return f"davs://{self.user}@{self.host}:{self.tls_port}{path}"


@contextmanager
def serve(
    place: Path, account: Account, *, host: str = "127.0.0.1", port: int | None = None, tls_port: int | None = None
) -> Iterator[WebdavServer]:
    """Run one in *place*, an empty directory."""
    port, tls_port = port or free_port(host), tls_port or free_port(host)
    root, locks = place / "files", place / "locks"
    for directory in (root, root / "readonly", root / "forbidden", root / "public", locks):
        directory.mkdir()
        account.own(directory)
    certificate = tls.make(place, host)
    digest = base64.b64encode(hashlib.sha1(account.password.encode()).digest()).decode()  # noqa: S324 - htpasswd's form
    (place / "htpasswd").write_text(f"{account.name}:{{SHA}}{digest}\n")
    settings = place / "apache2.conf"
    settings.write_text(
        "\n".join(f"LoadModule {name}_module {MODULES}/mod_{name}.so" for name in LOADED)
        + f"""
LoadModule dir_module {MODULES}/mod_dir.so
ServerRoot {place}
ServerName {host}
DefaultRuntimeDir {place}
PidFile {place}/pid
ErrorLog {place}/log
User {account.name}
Group {account.name}
Listen {host}:{port} http
Listen {host}:{tls_port} https
StartServers 1
ThreadsPerChild 32
MaxRequestWorkers 64
DocumentRoot {root}
DavLockDB {locks}/db
<Location />
  Dav On
  AuthType Basic
  AuthName "mprouter test server"
  AuthUserFile {place}/htpasswd
  AuthzSendForbiddenOnFailure On
  Require valid-user
</Location>
<Location /readonly>
  <LimitExcept GET HEAD OPTIONS PROPFIND>
    Require user nobody
  </LimitExcept>
</Location>
<Location /public>
  <Limit GET HEAD OPTIONS PROPFIND>
    Require all granted
  </Limit>
</Location>
<Location /forbidden>
  Require user nobody
</Location>
<VirtualHost {host}:{tls_port}>
  SSLEngine on
  SSLCertificateFile {certificate.file}
  SSLCertificateKeyFile {certificate.key}
</VirtualHost>
"""
    )
    daemon = Daemon(
        ["/usr/sbin/apache2", "-D", "FOREGROUND", "-f", str(settings)],
        ports=[port, tls_port],
        host=host,
        log=place / "log",
    )
    daemon.start()
    try:
        yield WebdavServer(
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
