"""SMB: a Samba server with shares of every kind that a connection can meet."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from servers.daemon import Daemon, Server, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from servers.account import Account

__all__ = ["ROOMS", "SmbServer", "serve"]

SHARES = {
    "projects": "read only = no",
    "public": "read only = yes",
    "payroll": "read only = no\nvalid users = root",
    "Übersicht der Pläne": "read only = no",
    "hidden$": "read only = no\nbrowseable = no",
}

ROOMS = {f"Raum {number:03} Gemälde ☃": f"comment = Nummer {number} — prüfen" for number in range(300)}
"""For ``more``: as many shares as a big server has, with names and comments beyond ASCII."""


@dataclass(frozen=True, kw_only=True)
class SmbServer(Server):
    """Samba. ``root`` is that of the share ``projects``; every share's is in ``shares``.

    The account may write to ``projects``, ``Übersicht der Pläne`` and ``hidden$``, read ``public``, and may not
    enter ``payroll``.
    """

    shares: dict[str, Path]

    def url(self, share: str = "projects") -> str:
        """The remote name of a share as a URL."""
        return f"smb://{self.user}@{self.host}:{self.port}/{share}"

    def unc(self, share: str = "projects") -> str:
        r"""The remote name of a share in Windows' form, which has no place for a port: see ``serve``."""
        return rf"\\{self.host}\{share}"


@contextmanager
def serve(
    place: Path,
    account: Account,
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    more: Mapping[str, str] | None = None,
) -> Iterator[SmbServer]:
    r"""Run one in *place*, an empty directory. A UNC name leads to port 445: give it a loopback address of its own.

    more: further shares, each with its rules; they show the files of ``projects``.
    """
    port = port or free_port(host)
    shares = {share: place / "shares" / str(number) for number, share in enumerate(SHARES)}
    for directory in shares.values():
        directory.mkdir(parents=True)
        account.own(directory)
    for private in ("private", "lock", "state", "cache", "pid", "rpc"):
        (place / private).mkdir(mode=0o755)
    settings = place / "smb.conf"
    settings.write_text(
        f"""[global]
server role = standalone server
smb ports = {port}
interfaces = {host}/8
bind interfaces only = yes
disable netbios = yes
server min protocol = SMB2_02
map to guest = never
passdb backend = tdbsam
private dir = {place}/private
lock directory = {place}/lock
state directory = {place}/state
cache directory = {place}/cache
pid directory = {place}/pid
ncalrpc dir = {place}/rpc
log file = {place}/smbd.log
logging = file
max log size = 0
load printers = no
printing = bsd
disable spoolss = yes
dns proxy = no
unix charset = UTF-8
"""
        + "".join(f"[{share}]\npath = {shares[share]}\n{rules}\n" for share, rules in SHARES.items())
        + "".join(f"[{share}]\npath = {shares['projects']}\n{rules}\n" for share, rules in (more or {}).items())
    )
    subprocess.run(
        ["smbpasswd", "-c", settings, "-a", "-s", account.name],
        input=f"{account.password}\n" * 2,
        text=True,
        capture_output=True,
        check=True,
    )
    configured = f"--configfile={settings}"  # as has who answers for the list of shares, a daemon of its own
    daemon = Daemon(
        ["/usr/sbin/smbd", "--foreground", "--no-process-group", configured],
        ports=[port],
        host=host,
        log=place / "smbd.log",
        mark=configured,
    )
    daemon.start()
    try:
        yield SmbServer(host=host, port=port, root=shares["projects"], account=account, daemon=daemon, shares=shares)
    finally:
        daemon.stop()
