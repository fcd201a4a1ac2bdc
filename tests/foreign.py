"""A network provider as a stranger might write it: for names that begin with ``file://``; it says what it is told."""

# ruff: noqa: ARG002 - it needs little of what a provider gets

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from mprouter.names import RemoteName
from mprouter.providers.base import (
    Added,
    AddRequest,
    Capability,
    Mounted,
    NetworkInformation,
    Performance,
    PerformanceFlag,
    Progress,
    ResourceInformation,
    State,
)
from mprouter.resource import DisplayType, NetResource, ResourceScope, ResourceType, ResourceUsage
from mprouter.status import WNetError

__all__ = ["Foreign", "shares"]


def shares(*names: str, scope: ResourceScope = ResourceScope.GLOBALNET) -> list[NetResource]:
    """What a server has."""
    usage = ResourceUsage.CONNECTABLE
    return [
        NetResource(name, provider="foreign", scope=scope, display_type=DisplayType.SHARE, usage=usage)
        for name in names
    ]


@dataclass
class Foreign:
    """refusing: raised instead of connecting; cancelling: the same for disconnecting. content: of its containers.

    users: those that it was asked to connect.
    """

    refusing: WNetError | None = None
    cancelling: WNetError | None = None
    content: dict[str | None, list[NetResource]] = field(default_factory=dict)
    users: list[str | None] = field(default_factory=list)
    name: str = "foreign"
    capabilities: Capability = (
        Capability.ADD_CONNECTION
        | Capability.CANCEL_CONNECTION
        | Capability.GET_CONNECTIONS
        | Capability.GET_PERFORMANCE
        | Capability.ENUMERATE_GLOBAL
        | Capability.ENUMERATE_CONTEXT
        | Capability.RESOURCE_INFORMATION
        | Capability.RESOURCE_PARENT
    )

    def claims(self, name: RemoteName) -> bool:
        return name.scheme == "file"

    def check_options(self, name: RemoteName, options: Mapping[str, str]) -> None: ...

    def add_connection(self, request: AddRequest) -> Added:
        if self.refusing is not None:
            raise self.refusing
        self.users.append(request.credentials.user)
        return Added("ana", {})

    def cancel_connection(self, mounted: Mounted, *, force: bool, progress: Progress | None = None) -> None:
        if self.cancelling is not None:
            raise self.cancelling

    def state(self, mounted: Mounted) -> State:
        return State.CONNECTED

    def settle(self, mounted: Mounted) -> State:
        return State.LOST

    def enumerate(
        self,
        scope: ResourceScope,
        type: ResourceType,  # noqa: A002 - the protocol's name
        usage: ResourceUsage,
        container: NetResource | None,
    ) -> Iterator[NetResource]:
        found = self.content.get(container.remote_name if container is not None else None)
        if found is None:
            raise WNetError(67)
        return iter(found)

    def resource_information(self, resource: NetResource) -> ResourceInformation:
        name = resource.remote_name or ""
        for each in (each for content in self.content.values() for each in content):
            if each.remote_name is not None and name.startswith(each.remote_name):
                if resource.type and resource.type is not each.type:
                    raise WNetError(66)
                return ResourceInformation(each, name.removeprefix(each.remote_name) or None)
        raise WNetError(67)

    def resource_parent(self, resource: NetResource) -> NetResource | None:
        parent = (resource.remote_name or "").rpartition("/")[0]
        return NetResource(parent, provider=self.name) if parent else None

    def performance_of(self, mounted: Mounted) -> Performance:
        return Performance(PerformanceFlag.DYNAMIC, speed=10_000, delay=3, optimal_data_size=65536)

    def network_information(self) -> NetworkInformation:
        return NetworkInformation(0x10002, 0x00430000)
