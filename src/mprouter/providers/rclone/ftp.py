"""FTP, plain and over TLS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import ClassVar

from mprouter.credentials import Secret
from mprouter.names import RemoteName
from mprouter.providers.base import AddRequest
from mprouter.providers.rclone.daemon import Daemon
from mprouter.providers.rclone.failures import Failure, meaning, server_words
from mprouter.providers.rclone.logons import Logon, by_password
from mprouter.providers.rclone.options import Option, choice
from mprouter.providers.rclone.provider import IDLE, RcloneProvider, Target
from mprouter.providers.rclone.rc import Refused
from mprouter.providers.rclone.reach import reach
from mprouter.status import Status, WNetError

__all__ = ["Ftp"]

_GREETING_TIMEOUT = 10.0
"""Seconds for the server's first line, which some send only after they have looked up the client's name."""


class Ftp(RcloneProvider):
    """``ftp://``, and ``ftps://``: TLS from the start, on port 990; on port 21, or with ``tls=explicit``, on request.

    TLS certificates are verified against what the system trusts (``SSL_CERT_FILE`` when the first connection is made).
    """

    name = "ftp"
    title = "FTP"
    backend = "ftp"
    retries = 1  # servers count wrong passwords
    services: ClassVar[Mapping[str, str]] = {"_ftp._tcp": "ftp"}
    options: ClassVar[Mapping[str, Option]] = {
        "tls": Option("explicit: on request; implicit: from the start", choice("explicit", "implicit"))
    }
    failures = (
        Failure(
            "(?:SSL|TLS) (?:is )?required|requires? (?:SSL|TLS|encryption)|must use (?:SSL|TLS|encryption)|use AUTH"
            "|cleartext sessions",
            Status.ERROR_WINHTTP_SECURE_FAILURE,
            "{host} lets nobody log on without TLS",
            "have it encrypt: -o tls=explicit",
        ),
        Failure(r"\b530\b", Status.ERROR_LOGON_FAILURE, "{user} is not accepted with this password"),
        Failure(r"\b421\b", Status.ERROR_NETWORK_BUSY, "{host} takes no more connections now"),
        Failure(
            r"FTP connection.*\b5(?:0[0-4]|3[346]|50)\b",
            Status.ERROR_WINHTTP_SECURE_FAILURE,
            "{host} does not offer TLS",
        ),
        Failure(
            r"\b5(?:01|50)\b.*(?:no such|not found|not exist)",
            Status.ERROR_PATH_NOT_FOUND,
            "there is no directory {path}",
        ),
        Failure(
            r'short response|invalid response code|(?:^|: |\* )[123]\d\d[ "]',
            Status.ERROR_UNEXP_NET_ERR,
            "{host} answers something else than what it was asked",
        ),
        Failure(r"\b550\b", Status.ERROR_ACCESS_DENIED, "{user} may not read {path}"),
    )

    def target(self, request: AddRequest, options: Mapping[str, str]) -> Target:
        """The server and the directory."""
        name = request.name
        tls = options.get("tls")
        if tls is None and name.scheme == "ftps":
            tls = "explicit" if name.port == 21 else "implicit"
        host, port = str(name.host), name.port or (990 if tls == "implicit" else 21)
        _greeted(host, port, speaks_first=tls != "implicit")
        settings = {"host": f"[{host}]" if ":" in host else host, "port": str(port), "idle_timeout": IDLE}
        if tls is not None:
            settings["tls" if tls == "implicit" else "explicit_tls"] = "true"
            # TLS 1.3 servers send on data connections what rclone does not read; the reset that this causes cuts off
            # the end of uploaded files.
            settings["disable_tls13"] = "true"
        return Target(
            name,
            host,
            port,
            name.path,
            name.path or "the home directory",
            settings,
            read_only=bool(options.get("read_only")),
        )

    def logons(self, request: AddRequest, target: Target) -> Iterator[Logon]:
        """Without a name as anonymous, as RFC 1635 has it."""
        del target
        anonymous = Logon(None, {"user": "anonymous"}, obscured={"pass": Secret("anonymous@")}, is_guest=True)
        named = request.credentials.user or request.name.user
        yield from by_password(
            request,
            lambda user, password: Logon(user, {"user": user}, obscured={"pass": password}, password=password),
            default=None,
            guest=None if named else anonymous,
        )

    def servers(self, name: RemoteName) -> list[tuple[str, int]]:
        """``ftps://`` may mean either of two ports."""
        ports = [name.service] if name.service is not None else [990, 21]
        return [(str(name.host), port) for port in ports]

    def probe(self, rclone: Daemon, target: Target, logon: Logon, fs: str) -> None:
        """Tell a file from nothing, which many servers do not."""
        try:
            super().probe(rclone, target, logon, fs)
        except Refused as refusal:
            path = PurePosixPath(target.root)
            if "directory not found" not in refusal.text or not path.name:
                raise
            above = replace(target, root="" if str(path.parent) == "." else str(path.parent))
            string = self.connection_string(rclone, above, logon)
            item = rclone.call("operations/stat", fs=string, remote=path.name, _config=self.config(target))["item"]
            if item is not None and not item["IsDir"]:
                raise WNetError(Status.ERROR_DIRECTORY, f"{target.shown} is a file, not a directory") from None
            raise

    def failed(self, text: str, target: Target, logon: Logon) -> WNetError:
        """Tell the ports for data, which firewalls often let nobody through to, from that of the server."""
        error = super().failed(text, target, logon)
        words = server_words(text)
        if words["port"] in {"", str(target.port)}:
            return error
        why = meaning(text, (), {**self._words(text, target, logon), **words}).strerror
        return WNetError(
            error.status,
            f"{target.host} answers, but no data comes through: {why}",
            provider_text=text,
            hint=f"FTP has further ports for data: see that firewalls let through those that {target.host} names",
        )


def _greeted(host: str, port: int, *, speaks_first: bool) -> None:
    """Raise ``WNetError`` if nobody is there, or somebody who does not greet as FTP servers do."""
    with reach(host, port) as connection:
        if not speaks_first:
            return
        connection.settimeout(_GREETING_TIMEOUT)
        try:
            greeting = connection.recv(512)
        except TimeoutError:
            raise WNetError(Status.ERROR_TIMEOUT, f"port {port} of {host} does not greet as FTP servers do") from None
        except OSError as error:
            raise WNetError(Status.ERROR_UNEXP_NET_ERR, f"{host} breaks off: {error.strerror}") from error
    if not greeting:
        raise WNetError(Status.ERROR_UNEXP_NET_ERR, f"{host} breaks off before it greets")
    if greeting[:3] in {b"421", b"530"}:
        raise WNetError(Status.ERROR_NETWORK_BUSY, f"{host} takes no more connections now")
    if greeting[:3] not in {b"220", b"120"}:
        raise WNetError(Status.ERROR_UNEXP_NET_ERR, f"what answers on port {port} of {host} does not speak FTP")
