"""What the router is told when it asks a network of rclone's what there is (``Enumerating``, ``Informing``)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from mprouter.log import Log
from mprouter.names import RemoteName, parse_container, spelled
from mprouter.providers.base import ResourceInformation
from mprouter.providers.neighbourhood.announced import announced
from mprouter.providers.rclone.browsing import kinds
from mprouter.resource import DisplayType, NetResource, ResourceScope, ResourceType
from mprouter.status import Status, WNetError

if TYPE_CHECKING:
    from mprouter.providers.rclone.provider import RcloneProvider

__all__ = ["announced_hosts", "container", "information", "inside", "named"]

log = Log("mprouter.providers")

_NOT_THERE = frozenset({Status.ERROR_PATH_NOT_FOUND, Status.ERROR_BAD_NETPATH})


def _read(provider: RcloneProvider, given: str | None) -> RemoteName:
    """*given* as a name of the network's. Raises ``WNetError`` (ERROR_BAD_NET_NAME, "not mine") if it is none."""
    try:
        name = parse_container(given or "")
    except WNetError as error:
        raise WNetError(Status.ERROR_BAD_NET_NAME, error.strerror, name=error.filename, hint=error.hint) from None
    if not provider.claims(name):
        raise WNetError(Status.ERROR_BAD_NET_NAME, f"this is no name of {provider.title}", name=given)
    return name


def named(
    provider: RcloneProvider,
    given: str,
    scope: ResourceScope,
    comment: str | None = None,
    type: ResourceType = ResourceType.DISK,  # noqa: A002 - NETRESOURCE's word
) -> Iterator[NetResource]:
    """*given* as a resource; nothing if it is no name that can be used, since others choose their names freely."""
    try:
        name = parse_container(given)
    except WNetError as error:
        log.debug("%s is left out of what %s has: %s", given, provider.name, error)
    else:
        yield kinds.resource(provider.name, name, given, scope=scope, type=type, comment=comment)


def announced_hosts(provider: RcloneProvider, scope: ResourceScope) -> Iterator[NetResource]:
    """The hosts that announce on the local network that they are servers of this kind."""
    for each in announced(list(provider.services)) if provider.services else ():
        host = f"[{each.host.replace('%', '%25')}]" if ":" in each.host else each.host
        url = f"{provider.services[each.kind]}://{host}:{each.port}"
        try:
            name = parse_container(url)
        except WNetError as error:
            log.debug("%s is left out of what %s has: %s", url, provider.name, error)
            continue
        if name.scheme == "smb" and name.port == 445:
            name = replace(name, scheme="unc", port=None)
        path = each.path.strip("/")
        for found in named(provider, spelled(name, f"/{path}" if path else ""), scope, each.title):
            yield replace(found, display_type=DisplayType.SERVER)


def inside(provider: RcloneProvider, given: str, scope: ResourceScope) -> Iterator[NetResource]:
    """What is in the server or directory *given*. Raises ``WNetError``, ERROR_NOT_CONTAINER for a file."""
    name = _read(provider, given)
    try:
        seen = provider.look(name)
    except WNetError as error:
        if error.status is not Status.ERROR_DIRECTORY:
            raise
        raise WNetError(Status.ERROR_NOT_CONTAINER, error.strerror, name=given) from error
    for each in seen:
        yield from named(provider, kinds.child(name, each.name), scope, each.comment, each.type)


def information(provider: RcloneProvider, wanted: NetResource) -> ResourceInformation:
    """What the name of *wanted* stands for, which the server is asked. Raises ``WNetError``."""
    name = _read(provider, wanted.remote_name)
    if wanted.type is ResourceType.PRINT:
        raise WNetError(Status.ERROR_BAD_DEV_TYPE, "only directories can be connected", name=wanted.remote_name)
    given, system = kinds.split(name)
    try:
        provider.look(parse_container(given))
    except WNetError as error:
        above = kinds.parent(name)
        if error.status is Status.ERROR_DIRECTORY and system is None and above is not None:
            given, system = above, name.path[name.path.rfind("/") :]
        elif error.status in _NOT_THERE:
            raise WNetError(Status.ERROR_BAD_NET_NAME, error.strerror, name=wanted.remote_name) from error
        else:
            raise
    return ResourceInformation(kinds.resource(provider.name, parse_container(given), given), system)


def container(provider: RcloneProvider, resource: NetResource) -> NetResource | None:
    """What contains *resource*, by its name alone; None = nothing. Raises ``WNetError`` (ERROR_BAD_NET_NAME)."""
    above = kinds.parent(_read(provider, resource.remote_name))
    return None if above is None else kinds.resource(provider.name, parse_container(above), above)
