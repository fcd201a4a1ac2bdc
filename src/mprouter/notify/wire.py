"""The messages between a router and the host process of an isolated notifyee: msgpack, each behind its length.

The two sides are ``host.py`` (the router's) and ``hosted.py`` (the host's). Neither believes the other: what does not
decode as exactly these types is nonsense.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from msgspec import Struct
from msgspec.msgpack import Decoder, Encoder

from mprouter.notify.model import AddConnect, CancelConnect, Phase
from mprouter.plugins.frames import LENGTH
from mprouter.status import Status

__all__ = [
    "Add",
    "Answer",
    "Cancel",
    "Load",
    "Marks",
    "Request",
    "decode_answer",
    "decode_request",
    "frame",
]


class Load(Struct, array_like=True, gc=False, tag=0, kw_only=True):
    """The first message to a host: what to load.

    serial: 1. target, sha256, settings, match: as in the registration. stack: ``nesting()`` as JSON.
    """

    serial: int
    stack: str
    target: str
    sha256: str | None
    settings: dict[str, Any]
    match: list[str]


class _Told(Struct, array_like=True, gc=False):
    """One call.

    serial: 2, 3, … context: the serial of the call that left it, 0 = none. frozen: a context that an earlier host has
    left, as JSON. stack: ``nesting()`` as JSON. The rest as in ``NotifyInfo``.
    """

    serial: int
    phase: Phase
    status: Status
    context: int
    frozen: str | None
    may_retry: bool
    recovered: bool
    stack: str


class Add(_Told, array_like=True, gc=False, tag=1):
    """A call of AddConnectNotify."""

    event: AddConnect


class Cancel(_Told, array_like=True, gc=False, tag=2):
    """A call of CancelConnectNotify."""

    event: CancelConnect


Request: TypeAlias = Load | Add | Cancel


class Marks(Struct, array_like=True, gc=False, frozen=True, forbid_unknown_fields=True):
    """What a Python notifyee says of itself (``@notifyee``), as in ``Registration``."""

    order: int
    required: bool
    thread_safe: bool
    durable: bool
    operations: frozenset[str]


class Answer(Struct, array_like=True, gc=False, forbid_unknown_fields=True):
    """What came of it.

    serial: of the request. kept: it left a context. frozen: that as JSON, if another host could use it. message: its
    words, or what went wrong. marks: after ``Load``, of a Python notifyee.
    """

    serial: int
    status: Status
    kept: bool = False
    frozen: str | None = None
    message: str | None = None
    marks: Marks | None = None


_encode = Encoder().encode
decode_request = Decoder(Request).decode
decode_answer = Decoder(Answer).decode


def frame(message: Request | Answer) -> bytes:
    """*message* as it goes over the pipe."""
    body = _encode(message)
    return len(body).to_bytes(LENGTH, "little") + body
