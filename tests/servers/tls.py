"""A certificate for servers on loopback: self-signed, so that it is at once the authority that clients must be told."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Certificate", "make"]


@dataclass(frozen=True)
class Certificate:
    """Two PEM files. A client that trusts ``file`` trusts the server."""

    file: Path
    key: Path


def make(place: Path, host: str = "127.0.0.1") -> Certificate:
    """A certificate for *host* and ``localhost`` in the directory *place*."""
    certificate = Certificate(place / "certificate.pem", place / "certificate.key")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-days", "2", "-subj", "/CN=mprouter test server", "-nodes"),
            *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-addext", f"subjectAltName=IP:{host},DNS:localhost"),
            *("-keyout", certificate.key, "-out", certificate.file),
        ],
        capture_output=True,
        check=True,
    )
    return certificate
