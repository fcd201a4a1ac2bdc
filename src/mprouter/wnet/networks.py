"""About networks and resources that need not be connected: what they are, what contains them, how fast they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeVar

from mprouter.default import default_router
from mprouter.names import looks_local
from mprouter.providers.base import (
    Ascending,
    Capability,
    Describing,
    Informing,
    NetworkInformation,
    Provider,
    ResourceInformation,
)
from mprouter.providers.guard import mishap
from mprouter.providers.order import INSIGNIFICANT
from mprouter.resource import NetResource
from mprouter.status import Status, WNetError
from mprouter.wnet.errors import reporting
from mprouter.wnet.structures import (
    NETCONNECTINFOSTRUCT,
    NETINFOSTRUCT,
    NETRESOURCE,
    check_given,
    check_resource,
    provider_called,
)

__all__ = [
    "MultinetGetConnectionPerformance",
    "ResourceInformationResult",
    "WNetGetNetworkInformation",
    "WNetGetProviderName",
    "WNetGetResourceInformation",
    "WNetGetResourceParent",
]

T = TypeVar("T")


class ResourceInformationResult(NamedTuple):
    """What ``WNetGetResourceInformation`` returns: the resource, and the rest of the name, a path in it, or None."""

    lpBuffer: NETRESOURCE
    lplpSystem: str | None


@reporting
def WNetGetNetworkInformation(lpProvider: str) -> NETINFOSTRUCT:
    """Which network a provider is for, and whether it is there. Raises ``WNetError`` (ERROR_BAD_PROVIDER)."""
    check_given(lpProvider, "lpProvider")
    wanted = (provider_called(lpProvider) or "").lower()
    found = next((each for each in default_router().providers() if each.name.lower() == wanted), None)
    if found is None:
        raise WNetError(Status.ERROR_BAD_PROVIDER, name=lpProvider, hint="mpr provider list shows those that are there")
    said = _described(found)
    return NETINFOSTRUCT(
        dwProviderVersion=said.provider_version, dwStatus=int(said.status), wNetType=said.net_type >> 16
    )


@reporting
def WNetGetProviderName(dwNetType: int) -> str:
    """The provider of a kind of network, WNNC_NET_*, of which only the upper half counts; of several the first.

    Raises ``WNetError`` (ERROR_NO_NETWORK).
    """
    for each in default_router().providers():
        if isinstance(each, Describing) and _described(each).net_type >> 16 == dwNetType >> 16:
            return each.name
    raise WNetError(Status.ERROR_NO_NETWORK, f"no network provider is for networks of type {dwNetType:#x}")


def _described(provider: Provider) -> NetworkInformation:
    return provider.network_information() if isinstance(provider, Describing) else NetworkInformation()


@reporting
def WNetGetResourceInformation(lpNetResource: NETRESOURCE | NetResource) -> ResourceInformationResult:
    """What a remote name stands for, and which part of it is a path in that.

    Of the resource count lpRemoteName, and lpProvider and dwType if they are given.

    Raises ``WNetError``: ERROR_BAD_NET_NAME if no network has it, ERROR_BAD_DEV_TYPE if it is of another type,
    ERROR_BAD_PROVIDER, ERROR_NO_NETWORK without any provider, or what the first network that knew the name said.
    """
    wanted = _wanted(lpNetResource)
    found: ResourceInformation = _first_answer(
        _asked(wanted, Capability.RESOURCE_INFORMATION),
        wanted,
        lambda each: each.resource_information(wanted) if isinstance(each, Informing) else None,
    )
    return ResourceInformationResult(NETRESOURCE.of(found.resource), found.system)


@reporting
def WNetGetResourceParent(lpNetResource: NETRESOURCE | NetResource) -> NETRESOURCE:
    """What contains a resource; at the top of its network one without lpRemoteName. Nothing needs to exist.

    Of the resource count lpRemoteName and lpProvider, and dwType if it is given.

    Raises ``WNetError``: ERROR_BAD_PROVIDER without a provider that is there, ERROR_BAD_NET_NAME if it does not know
    the name, ERROR_NOT_SUPPORTED if it cannot tell.
    """
    wanted = _wanted(lpNetResource)
    if wanted.provider is None:
        raise WNetError(Status.ERROR_BAD_PROVIDER, "lpProvider is needed here", name=wanted.remote_name)
    provider = next(iter(_asked(wanted, Capability.RESOURCE_PARENT)), None)
    if not isinstance(provider, Ascending):
        raise WNetError(Status.ERROR_NOT_SUPPORTED, f"{wanted.provider} cannot tell that", name=wanted.remote_name)
    parent = provider.resource_parent(wanted)
    return NETRESOURCE(lpProvider=provider.name) if parent is None else NETRESOURCE.of(parent)


@reporting
def MultinetGetConnectionPerformance(lpNetResource: NETRESOURCE | NetResource) -> NETCONNECTINFOSTRUCT:
    """How fast a connection is, as its provider has measured it; 0 = unknown.

    Of the resource count lpLocalName, or without it lpRemoteName.

    Raises ``WNetError``: ERROR_BAD_NET_NAME without both names, ERROR_BAD_DEVICE, ERROR_NOT_CONNECTED,
    ERROR_NOT_SUPPORTED if its provider does not measure.
    """
    check_resource(lpNetResource)
    given = lpNetResource if isinstance(lpNetResource, NETRESOURCE) else NETRESOURCE.of(lpNetResource)
    name = given.lpLocalName or given.lpRemoteName
    if not name:
        raise WNetError(Status.ERROR_BAD_NET_NAME, "there is neither a local nor a remote name")
    if given.lpLocalName and not looks_local(name):
        raise WNetError(Status.ERROR_BAD_DEVICE, "this is not a local name", name=name)
    found = default_router().performance(name)
    return NETCONNECTINFOSTRUCT(int(found.flags), found.speed, found.delay, found.optimal_data_size)


def _wanted(given: NETRESOURCE | NetResource) -> NetResource:
    check_resource(given)
    if isinstance(given, NETRESOURCE):  # whose other members are ignored
        counting = NETRESOURCE(dwType=given.dwType, lpRemoteName=given.lpRemoteName, lpProvider=given.lpProvider)
        given = counting.resource()
    if not given.remote_name:
        raise WNetError(Status.ERROR_BAD_NET_NAME, "there is no remote name")
    return given


def _asked(wanted: NetResource, capability: Capability) -> list[Provider]:
    """The providers that can tell *capability* of *wanted*.

    Raises ``WNetError``: ERROR_BAD_PROVIDER if that is named and not there, else ERROR_NO_NETWORK if none is there.
    """
    providers = default_router().providers()
    if wanted.provider is None and not providers:
        raise WNetError(Status.ERROR_NO_NETWORK, name=wanted.remote_name, hint="see mpr provider list")
    if wanted.provider is not None:
        providers = [each for each in providers if each.name.lower() == wanted.provider.lower()]
        if not providers:
            raise WNetError(Status.ERROR_BAD_PROVIDER, name=wanted.provider)
    return [each for each in providers if each.capabilities & capability]


def _first_answer(providers: list[Provider], wanted: NetResource, ask: Callable[[Provider], T | None]) -> T:
    """What the first that knows *wanted* answers; the first significant error if none does (R3)."""
    refusals = []
    for each in providers:
        try:
            answer = ask(each)
        except Exception as error:  # noqa: BLE001 - whatever a provider raises does not end the cycle (R4)
            refusals.append(mishap(error, each.name))
        else:
            if answer is not None:
                return answer
    for refusal in refusals:
        if refusal.status not in INSIGNIFICANT:
            raise refusal
    raise WNetError(Status.ERROR_BAD_NET_NAME, name=wanted.remote_name)
