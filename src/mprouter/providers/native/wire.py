"""The messages between a router and the host process of a native network provider: msgpack, each behind its length.

The two sides are ``provider.py`` (the router's) and ``hosted.py`` (the host's). Neither believes the other: what does
not decode as exactly these types is nonsense. A password is UTF-16 in bytes that both sides wipe.
"""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct
from msgspec.msgpack import Decoder, Encoder

from mprouter.plugins.frames import LENGTH
from mprouter.resource import NetResource
from mprouter.status import Status

__all__ = [
    "Account",
    "Add",
    "Answer",
    "Ask",
    "Attend",
    "Cancel",
    "Close",
    "Look",
    "Next",
    "Open",
    "Request",
    "Said",
    "decode_answer",
    "decode_request",
    "frame",
]


class _Numbered(Struct, array_like=True, gc=False):
    serial: int


class Look(_Numbered, array_like=True, gc=False, tag=0):
    """Load the library, if it is not yet, and say what it exports and what ``NPGetCaps`` says.

    path, sha256: as registered.
    """

    path: str
    sha256: str | None


class Add(_Numbered, array_like=True, gc=False, tag=1):
    """``NPAddConnection3``, or without flags ``NPAddConnection``. Answered with nothing."""

    resource: NetResource
    user: str | None
    password: memoryview | None
    flags: int | None


class Cancel(_Numbered, array_like=True, gc=False, tag=2):
    """``NPCancelConnection``. Answered with nothing."""

    name: str
    force: bool


class Ask(_Numbered, array_like=True, gc=False, tag=3):
    """A function that is told no more than a name: ``NPGetConnection``, ``NPGetUser``, ….

    number: the level of ``NPGetUniversalName``, the type that ``NPGetResourceInformation`` gets; 0 elsewhere.
    """

    function: str
    name: str | None
    number: int = 0


class Open(_Numbered, array_like=True, gc=False, tag=4):
    """``NPOpenEnum``. kind: RESOURCETYPE_*. Answered with a number of the handle."""

    scope: int
    kind: int
    usage: int
    container: NetResource | None


class Next(_Numbered, array_like=True, gc=False, tag=5):
    """``NPEnumResource``. Answered with resources, none at the end."""

    handle: int


class Close(_Numbered, array_like=True, gc=False, tag=6):
    """``NPCloseEnum``. Answered with nothing."""

    handle: int


class Account(Struct, array_like=True, gc=False):
    """Who logs on (``LogonInfo``)."""

    kind: str
    domain: str
    user: str
    password: memoryview


class Attend(_Numbered, array_like=True, gc=False, tag=7):
    """``NPLogonNotify``, answered with a command line or none; or, with a *change*, ``NPPasswordChangeNotify``."""

    logon: Account
    previous: Account | None
    station: str
    change: int | None


Request: TypeAlias = Look | Add | Cancel | Ask | Open | Next | Close | Attend


class Said(Struct, array_like=True, gc=False, frozen=True, forbid_unknown_fields=True):
    """What the library said with ``WNetSetLastError``: a code of its own, and words."""

    code: int
    text: str


class Answer(Struct, array_like=True, gc=False, forbid_unknown_fields=True):
    """What came of it.

    serial: of the request. status: what the function returned. message: what went wrong around it, with an error of
    ours. said: what the library said of its error. texts, numbers, resources: what was asked for.
    """

    serial: int
    status: Status = Status.WN_SUCCESS
    message: str | None = None
    said: Said | None = None
    texts: list[str | None] = []
    numbers: list[int] = []
    resources: list[NetResource] = []


_encoder = Encoder()
decode_request = Decoder(Request).decode
decode_answer = Decoder(Answer).decode


def frame(message: Request | Answer) -> bytearray:
    """*message* as it goes over the pipe; to be wiped when it has gone."""
    framed = bytearray()
    _encoder.encode_into(message, framed, LENGTH)
    framed[:LENGTH] = (len(framed) - LENGTH).to_bytes(LENGTH, "little")
    return framed
