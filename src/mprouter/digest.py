"""SHA-256 for a name or two. OpenSSL's, which ``hashlib`` loads first of all, takes two milliseconds to be there."""

from __future__ import annotations

try:  # as the standard library's ``random`` does; the module's name depends on the version
    from _sha2 import sha256  # type: ignore[import-not-found]
except ImportError:
    try:
        from _sha256 import sha256  # type: ignore[import-not-found]
    except ImportError:
        from hashlib import sha256

__all__ = ["sha256"]
