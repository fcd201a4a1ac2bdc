"""What is connected: the NETRESOURCE structure and the flags of winnetwk.h, as immutable Python values."""

from __future__ import annotations

from enum import IntEnum, IntFlag

from mprouter.frozen import frozen

__all__ = ["ConnectFlag", "DisplayType", "NetResource", "ResourceScope", "ResourceType", "ResourceUsage"]


class ResourceType(IntEnum):
    """``RESOURCETYPE_*``: what kind of thing a resource is."""

    ANY = 0
    DISK = 1
    PRINT = 2


class ResourceScope(IntEnum):
    """``RESOURCE_*``: where an enumerated resource was found."""

    CONNECTED = 1
    GLOBALNET = 2
    REMEMBERED = 3
    RECENT = 4
    CONTEXT = 5


class DisplayType(IntEnum):
    """``RESOURCEDISPLAYTYPE_*``: how a browser should draw a resource."""

    GENERIC = 0
    DOMAIN = 1
    SERVER = 2
    SHARE = 3
    FILE = 4
    GROUP = 5
    NETWORK = 6
    ROOT = 7
    SHAREADMIN = 8
    DIRECTORY = 9
    TREE = 10
    NDSCONTAINER = 11


class ResourceUsage(IntFlag):
    """``RESOURCEUSAGE_*``: what can be done with a resource."""

    CONNECTABLE = 0x1
    CONTAINER = 0x2
    NOLOCALDEVICE = 0x4
    SIBLING = 0x8
    ATTACHED = 0x10


class ConnectFlag(IntFlag):
    """``CONNECT_*``: how to connect or disconnect."""

    UPDATE_PROFILE = 0x1
    UPDATE_RECENT = 0x2
    TEMPORARY = 0x4
    INTERACTIVE = 0x8
    PROMPT = 0x10
    NEED_DRIVE = 0x20
    REFCOUNT = 0x40
    REDIRECT = 0x80
    LOCALDRIVE = 0x100
    CURRENT_MEDIA = 0x200
    DEFERRED = 0x400
    COMMANDLINE = 0x800
    CMD_SAVECRED = 0x1000
    CRED_RESET = 0x2000
    REQUIRE_INTEGRITY = 0x4000
    REQUIRE_PRIVACY = 0x8000
    WRITE_THROUGH_SEMANTICS = 0x10000
    GLOBAL_MAPPING = 0x40000


@frozen
class NetResource:
    """A network resource (``NETRESOURCE``): names are given as the request wrote them."""

    remote_name: str | None
    local_name: str | None = None
    type: ResourceType = ResourceType.DISK
    provider: str | None = None
    comment: str | None = None
    scope: ResourceScope | None = None
    display_type: DisplayType = DisplayType.GENERIC
    usage: ResourceUsage = ResourceUsage(0)
