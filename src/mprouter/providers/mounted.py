"""A connection that a provider has made: how it is found again, what became of it, and what of it is not sent yet.

That part of the protocol of ``base.py`` which a list of connections needs.
"""

from __future__ import annotations

from dataclasses import field
from enum import Enum
from typing import TYPE_CHECKING, Any

from mprouter.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mprouter.names import RemoteName

__all__ = ["Mounted", "Pending", "State", "Waiting"]


class State(Enum):
    """What became of a connection that was made: the mount works, or its server process or mount is gone.

    ELSEWHERE is the router's word, and no provider's: neither can be seen from here, since another realm (``realm``) is
    at work.
    """

    CONNECTED = "connected"
    LOST = "lost"
    ELSEWHERE = "elsewhere"


@frozen
class Mounted:
    """A connection as the store knows it: what ``cancel_connection`` and ``state`` get.

    later: for a cancel that need not deliver: what is written and not sent may stay where it waits, and is told by
    ``Caching.waiting``. A provider without a cache has nothing to do for it.
    """

    name: RemoteName
    mountpoint: Path
    handle: Mapping[str, Any]
    later: bool = False


@frozen
class Pending:
    """Written data that is still on its way to the server: how many files and bytes."""

    files: int
    bytes: int


@frozen
class Waiting:
    """What was written to a resource that its server does not have, whether it is connected now or not.

    remote_name: as it was connected last. user: the user name on the server. pending: what the connection sends, or
    the next one to that resource as that user. aside: files that cannot be sent, since a part of them is missing.
    names: of the pending files, for a person. provider, options: as it was connected last, so that it can be connected
    again; None and none where not known. is_left: whether it is known that no connection sends it but the next one,
    although there may be others to that resource as that user.
    """

    remote_name: str
    user: str | None
    pending: Pending
    aside: tuple[Path, ...] = ()
    provider: str | None = None
    options: Mapping[str, str] = field(default_factory=dict, hash=False)
    names: tuple[str, ...] = ()
    is_left: bool = False
