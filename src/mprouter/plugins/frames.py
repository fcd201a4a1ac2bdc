"""How messages stand on the pipes between a router and a host process: each behind its length."""

from __future__ import annotations

__all__ = ["LENGTH", "LIMIT"]

LENGTH = 4
"""Bytes before each message that say how long it is, least significant first."""

LIMIT = 60 * 1024
"""Bytes that a message may have, with its length: what an empty pipe takes, as a rule, without anybody reading."""
