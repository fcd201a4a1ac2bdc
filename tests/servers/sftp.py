"""SFTP: an OpenSSH server with passwords and keys."""

from __future__ import annotations

import getpass
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Thread
from typing import TYPE_CHECKING

from servers.daemon import Daemon, Server, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from servers.account import Account

__all__ = ["SftpServer", "barring", "serve"]

SSHD = "/usr/sbin/sshd"  # it insists on an absolute path
KEY_TYPES = ("ed25519", "ecdsa", "rsa")


@dataclass(frozen=True, kw_only=True)
class SftpServer(Server):
    """OpenSSH. Both the account and the user who runs the tests may log in with ``key``, the account with its password.

    known_hosts: has this server's keys; unknown_hosts: an empty file; wrong_hosts: has other keys under its name.
    fingerprints: of its host keys, as ``SHA256:...``.
    """

    key: Path
    known_hosts: Path
    unknown_hosts: Path
    wrong_hosts: Path
    fingerprints: frozenset[str]

    def url(self, path: Path | None = None) -> str:
        """The remote name of a directory on it, ``root`` if none is given."""
        return f"sftp://{self.user}@{self.host}:{self.port}{path or self.root}"

    def connections(self) -> int:
        """How many there have been: from OpenSSH 9.8 on, each that ends without a logon counts against an address."""
        return self.daemon.log().count("Connection from ")


@contextmanager
def serve(place: Path, account: Account) -> Iterator[SftpServer]:
    """Run one in *place*, an empty directory."""
    host, port = "127.0.0.1", free_port()
    root = place / "files"
    root.mkdir()
    account.own(root)
    keys = _make_keys(place, ["user_key", "other_key", *(f"host_{kind}" for kind in KEY_TYPES)])
    public = [keys[f"host_{kind}"] for kind in KEY_TYPES]
    _write_known_hosts(place / "known_hosts", port, public)
    _write_known_hosts(place / "wrong_hosts", port, [keys["other_key"]])
    (place / "unknown_hosts").touch()
    (place / "authorized_keys").write_text(keys["user_key"] + "\n")
    settings = place / "sshd_config"
    settings.write_text(
        "\n".join(
            [
                f"ListenAddress {host}:{port}",
                *(f"HostKey {place}/host_{kind}" for kind in KEY_TYPES),
                "PidFile none",
                f"AuthorizedKeysFile {place}/authorized_keys",
                "StrictModes no",  # the directory above is everybody's
                "UsePAM no",
                "PasswordAuthentication yes",
                "KbdInteractiveAuthentication no",
                "PermitRootLogin prohibit-password",
                f"AllowUsers {account.name} {getpass.getuser()}",
                "MaxStartups 100",
                "UseDNS no",
                "PrintMotd no",
                "LogLevel VERBOSE",
                "Subsystem sftp internal-sftp",
            ]
        )
    )
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    argv = [SSHD, "-D", "-e", "-f", str(settings)]
    # From OpenSSH 9.8 on, a few wrong passwords lock an address out: all tests come from the same one.
    patient = "PerSourcePenalties=no"
    if subprocess.run([SSHD, "-t", "-f", settings, "-o", patient], capture_output=True, check=False).returncode == 0:
        argv += ["-o", patient]
    daemon = Daemon(argv, ports=[port], log=place / "log")
    daemon.start()
    try:
        yield SftpServer(
            host=host,
            port=port,
            root=root,
            account=account,
            daemon=daemon,
            key=place / "user_key",
            known_hosts=place / "known_hosts",
            unknown_hosts=place / "unknown_hosts",
            wrong_hosts=place / "wrong_hosts",
            fingerprints=frozenset(_fingerprint(place / f"host_{kind}.pub") for kind in KEY_TYPES),
        )
    finally:
        daemon.stop()


class _Barred(BaseRequestHandler):
    def handle(self) -> None:
        self.request.sendall(b"Not allowed at this time\r\n")


@contextmanager
def barring() -> Iterator[int]:
    """The port of one that lets nobody in, as OpenSSH from 9.8 on does after failed logons from an address."""
    with ThreadingTCPServer(("127.0.0.1", 0), _Barred) as server:
        serving = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        serving.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            serving.join()


def _make_keys(place: Path, names: list[str]) -> dict[str, str]:
    """Key pairs without passphrase, of the type that the name ends in (else ed25519); the public ones by name."""
    running = []
    for name in names:
        kind = name.partition("host_")[2] or "ed25519"
        size = ["-b", "2048"] if kind == "rsa" else []
        running.append(
            subprocess.Popen(["ssh-keygen", "-q", "-t", kind, *size, "-N", "", "-C", name, "-f", place / name])
        )
    for process in running:
        assert process.wait() == 0
    return {name: (place / f"{name}.pub").read_text().strip() for name in names}


def _write_known_hosts(file: Path, port: int, public: list[str]) -> None:
    file.write_text("".join(f"[127.0.0.1]:{port},[localhost]:{port} {key}\n" for key in public))


def _fingerprint(public: Path) -> str:
    listing = subprocess.run(["ssh-keygen", "-l", "-f", public], capture_output=True, text=True, check=True)
    return listing.stdout.split()[1]
