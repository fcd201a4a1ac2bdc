"""Passwords in the form that rclone's backends expect.

What rclone calls obscuring is not encryption: it is AES-CTR under a key that stands in rclone's source, so that a
password cannot be read over somebody's shoulder. Here too it protects nothing. The text crosses a Unix socket in a
private directory, and nothing keeps it.

rclone takes a random initialisation vector each time, and an obscured password is part of the identity of a file system
of rclone's: with another text for the same password each connection would get a session and a cache of its own. CTR is
a stream cipher, so one known text that rclone has obscured yields the key stream for its vector, and with that every
password is obscured here, the same password always to the same text as long as that rclone runs.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Self

from mprouter.frozen import frozen
from mprouter.status import Status, WNetError

if TYPE_CHECKING:
    from mprouter.credentials import Secret

__all__ = ["KNOWN", "Obscurer"]

_VECTOR_SIZE = 16

KNOWN = "0" * 1024
"""The text to have rclone obscure; as long, in bytes, as a password may be."""


@frozen
class Obscurer:
    """Obscures passwords with one initialisation vector and its key stream."""

    vector: bytes
    stream: bytes
    __repr__ = object.__repr__  # which shows neither

    @classmethod
    def of(cls, obscured: str) -> Self:
        """From what rclone made of ``KNOWN``."""
        data = base64.urlsafe_b64decode(obscured + "=" * (-len(obscured) % 4))
        return cls(data[:_VECTOR_SIZE], _xor(data[_VECTOR_SIZE:], KNOWN.encode()))

    def obscured(self, password: Secret) -> str:
        """The text for rclone. Raises ``WNetError`` (ERROR_INVALID_PASSWORD) if the password is too long."""
        clear = password.reveal().encode(errors="surrogateescape")
        if len(clear) > len(self.stream):
            raise WNetError(Status.ERROR_INVALID_PASSWORD, f"the password is longer than {len(self.stream)} bytes")
        return base64.urlsafe_b64encode(self.vector + _xor(clear, self.stream)).decode().rstrip("=")


def _xor(data: bytes, stream: bytes) -> bytes:
    return bytes(one ^ other for one, other in zip(data, stream, strict=False))
