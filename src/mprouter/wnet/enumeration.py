"""Looking around: what is connected, remembered, was connected lately, or could be (``WNetOpenEnum`` and its like)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import islice
from types import TracebackType
from typing import Self

from mprouter.default import default_router
from mprouter.resource import NetResource, ResourceScope, ResourceType, ResourceUsage
from mprouter.status import Status, WNetError
from mprouter.wnet import constants
from mprouter.wnet.errors import reporting
from mprouter.wnet.structures import NETRESOURCE, check_resource

__all__ = ["Enumeration", "WNetCloseEnum", "WNetEnumResource", "WNetOpenEnum"]

_SCOPES = {each.value for each in ResourceScope}
_OF_NETWORKS = {constants.RESOURCE_GLOBALNET, constants.RESOURCE_CONTEXT}
_TYPES = constants.RESOURCETYPE_DISK | constants.RESOURCETYPE_PRINT
_USAGES = constants.RESOURCEUSAGE_ALL


class Enumeration:
    """The handle of an enumeration, also to iterate over. Of several threads each gets other entries."""

    def __init__(self, found: Iterator[NetResource]) -> None:
        self._found = found
        self._left: list[NETRESOURCE] = []
        self._lock = threading.Lock()
        self._is_open = True

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> NETRESOURCE:
        if found := self.take(1):
            return found[0]
        raise StopIteration

    def take(self, count: int) -> list[NETRESOURCE]:
        """The next *count* entries, all if it is negative; fewer at the end. Raises ``WNetError``."""
        with self._lock:
            if not self._is_open:
                raise WNetError(Status.ERROR_INVALID_HANDLE, "this enumeration is closed")
            found, self._left = self._left, []
            if 0 <= count < len(found):
                found, self._left = found[:count], found[count:]
            wanted = None if count < 0 else count - len(found)
            return found + [NETRESOURCE.of(each) for each in islice(self._found, wanted)]

    def give_back(self, left: list[NETRESOURCE]) -> None:
        """Have the next ``take`` begin with *left*, which found no room."""
        with self._lock:
            self._left = left + self._left

    def close(self) -> None:
        """End it (``WNetCloseEnum``); a second time this does nothing."""
        with self._lock:
            self._is_open = False
            self._found = iter(())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@reporting
def WNetOpenEnum(
    dwScope: int, dwType: int = 0, dwUsage: int = 0, lpNetResource: NETRESOURCE | NetResource | None = None
) -> Enumeration:
    """Begin to look around. dwScope: RESOURCE_*. dwType: RESOURCETYPE_DISK, _PRINT, both, or 0 for all.

    dwUsage: for RESOURCE_GLOBALNET: RESOURCEUSAGE_CONNECTABLE, _CONTAINER, or 0 for all. lpNetResource: for
    RESOURCE_GLOBALNET: the container whose content is wanted, whose dwUsage must say that it is one; None = the
    networks.

    Raises ``WNetError``: ERROR_INVALID_PARAMETER; ERROR_NOT_CONTAINER; ERROR_NO_NETWORK if networks are to be asked and
    none is there; what the container's network reports comes from ``WNetEnumResource``.
    """
    wanted = dwUsage if dwScope == constants.RESOURCE_GLOBALNET else 0  # elsewhere it is ignored
    if dwScope not in _SCOPES or dwType & ~_TYPES or wanted & ~_USAGES:
        what = f"there is no enumeration of scope {dwScope}, type {dwType:#x} and usage {dwUsage:#x}"
        raise WNetError(Status.ERROR_INVALID_PARAMETER, what)
    container = _container(lpNetResource)
    if container is not None:
        if dwScope != constants.RESOURCE_GLOBALNET:
            raise WNetError(
                Status.ERROR_INVALID_PARAMETER, "only RESOURCE_GLOBALNET has containers", name=container.remote_name
            )
        if isinstance(lpNetResource, NETRESOURCE) and not lpNetResource.dwUsage & constants.RESOURCEUSAGE_CONTAINER:
            raise WNetError(
                Status.ERROR_NOT_CONTAINER,
                name=container.remote_name,
                hint="its dwUsage must have RESOURCEUSAGE_CONTAINER",
            )
    router = default_router()
    if dwScope in _OF_NETWORKS and not any(each.takes_part for each in router.registered_providers()):
        raise WNetError(Status.ERROR_NO_NETWORK, hint="see mpr provider list")
    type_ = ResourceType.ANY if dwType in {0, _TYPES} else ResourceType(dwType)
    usage = ResourceUsage(wanted & ~constants.RESOURCEUSAGE_ATTACHED)
    return Enumeration(router.enumerate(ResourceScope(dwScope), type_, usage, container))


@reporting
def WNetEnumResource(hEnum: Enumeration, lpcCount: int = -1) -> list[NETRESOURCE]:
    """The next *lpcCount* entries, or all if it is negative; an empty list at the end. Raises ``WNetError``."""
    _check(hEnum)
    return hEnum.take(lpcCount)


@reporting
def WNetCloseEnum(hEnum: Enumeration) -> None:
    """End an enumeration. Raises ``WNetError`` (ERROR_INVALID_HANDLE) if it is none."""
    _check(hEnum)
    hEnum.close()


def _check(handle: object) -> None:
    if not isinstance(handle, Enumeration):
        raise WNetError(Status.ERROR_INVALID_HANDLE, "this is not what WNetOpenEnum has returned")


def _container(given: NETRESOURCE | NetResource | None) -> NetResource | None:
    if given is None:
        return None
    check_resource(given)
    return given if isinstance(given, NetResource) else given.resource()
