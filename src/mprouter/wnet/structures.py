"""The structures of winnetwk.h as Python values, with their own field names. Their C layout is in ``wnet/mpr.py``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Self

from mprouter.resource import DisplayType, NetResource, ResourceScope, ResourceType, ResourceUsage
from mprouter.status import Status, WNetError

__all__ = [
    "CONNECTDLGSTRUCT",
    "DISCDLGSTRUCT",
    "NETCONNECTINFOSTRUCT",
    "NETINFOSTRUCT",
    "NETRESOURCE",
    "REMOTE_NAME_INFO",
    "UNIVERSAL_NAME_INFO",
]


def check_text(value: object, name: str) -> None:
    """Raise TypeError unless *value*, of the argument or member *name*, is a text or None."""
    if not isinstance(value, str | None):
        raise TypeError(f"{name} must be a str or None, not {type(value).__name__}")


def check_given(value: object, name: str) -> None:
    """The same, and raise ``WNetError`` (ERROR_INVALID_PARAMETER) for None: a pointer that is NULL."""
    check_text(value, name)
    if value is None:
        raise WNetError(Status.ERROR_INVALID_PARAMETER, f"{name} is not given")


def check_resource(resource: object) -> None:
    """Raise TypeError unless *resource* is one, of texts; ``WNetError`` (ERROR_INVALID_PARAMETER) for None."""
    if resource is None:
        raise WNetError(Status.ERROR_INVALID_PARAMETER, "lpNetResource is not given")
    if isinstance(resource, NETRESOURCE):
        resource.check_texts()
    elif not isinstance(resource, NetResource):
        raise TypeError(f"lpNetResource must be a NETRESOURCE, not {type(resource).__name__}")


def provider_called(name: str | None) -> str | None:
    """Our name of the provider *name*, which may be one of Windows' ("Microsoft Windows Network")."""
    if name is None or " " not in name:
        return name
    from mprouter.registry.state import service_of

    return service_of(shown=name) or name


@dataclass(slots=True)
class NETRESOURCE:
    """A network resource: what is to be connected, or what was found. Where a name is None it is NULL."""

    dwScope: int = 0
    dwType: int = 0
    dwDisplayType: int = 0
    dwUsage: int = 0
    lpLocalName: str | None = None
    lpRemoteName: str | None = None
    lpComment: str | None = None
    lpProvider: str | None = None

    @classmethod
    def of(cls, resource: NetResource) -> Self:
        """The same from the router's own value."""
        return cls(
            int(resource.scope or 0),
            int(resource.type),
            int(resource.display_type),
            int(resource.usage),
            resource.local_name,
            resource.remote_name,
            resource.comment,
            resource.provider,
        )

    def check_texts(self) -> None:
        """Raise TypeError for names that are no texts."""
        for name in ("lpRemoteName", "lpLocalName", "lpProvider", "lpComment"):
            check_text(getattr(self, name), name)

    def resource(self) -> NetResource:
        """The same as the router's own value; "" is as good as NULL, Windows' names of providers are as good as ours.

        Raises ``WNetError`` for numbers that are none, TypeError for names that are no texts.
        """
        self.check_texts()
        try:
            return NetResource(
                self.lpRemoteName or None,
                self.lpLocalName or None,
                ResourceType(self.dwType),
                provider_called(self.lpProvider or None),
                self.lpComment or None,
                ResourceScope(self.dwScope) if self.dwScope else None,
                DisplayType(self.dwDisplayType),
                ResourceUsage(self.dwUsage),
            )
        except ValueError as error:
            raise WNetError(Status.ERROR_INVALID_PARAMETER, str(error), name=self.lpRemoteName) from error


@dataclass(slots=True)
class NETINFOSTRUCT:
    """A network. dwStatus: 0 = running, ERROR_NO_NETWORK, ERROR_BUSY = starting. dwPrinters, dwDrives: bits, -1 = any.

    wNetType: the upper half of a WNNC_NET_* number.
    """

    dwProviderVersion: int = 0
    dwStatus: int = 0
    dwCharacteristics: int = 0
    dwHandle: int = 0
    wNetType: int = 0
    dwPrinters: int = 0xFFFFFFFF
    dwDrives: int = 0xFFFFFFFF


@dataclass(slots=True)
class NETCONNECTINFOSTRUCT:
    """How fast a connection is: dwFlags WNCON_*, dwSpeed in 100 bit/s, dwDelay in ms, dwOptDataSize in bytes.

    0 = unknown; a speed or delay of 1 is better than the unit can show.
    """

    dwFlags: int = 0
    dwSpeed: int = 0
    dwDelay: int = 0
    dwOptDataSize: int = 0


class UNIVERSAL_NAME_INFO(NamedTuple):
    """A path as others can use it."""

    lpUniversalName: str


class REMOTE_NAME_INFO(NamedTuple):
    """A path as others can use it, and its two parts: the resource that is connected, and the rest.

    lpUniversalName: None if its network has no such names.
    """

    lpUniversalName: str | None
    lpConnectionName: str
    lpRemainingPath: str


@dataclass(slots=True)
class CONNECTDLGSTRUCT:
    """What the connection dialog is to do. lpConnRes: its type must be DISK. dwFlags: CONNDLG_*.

    dwDevNum: set to the device that was connected, 1 = A:, 26 = Z:, 0xFFFFFFFF for a deviceless connection.
    """

    lpConnRes: NETRESOURCE
    hwndOwner: int | None = None
    dwFlags: int = 0
    dwDevNum: int = 0


@dataclass(slots=True)
class DISCDLGSTRUCT:
    """What is to be disconnected: lpLocalName, or without it lpRemoteName. dwFlags: DISC_*."""

    lpLocalName: str | None = None
    lpRemoteName: str | None = None
    hwndOwner: int | None = None
    dwFlags: int = 0
