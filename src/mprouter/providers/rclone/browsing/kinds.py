"""What a remote name stands for, told by the name alone: a server, a share, a directory, and what contains it."""

from __future__ import annotations

from mprouter.names import RemoteName, spelled
from mprouter.resource import DisplayType, NetResource, ResourceScope, ResourceType, ResourceUsage

__all__ = ["child", "parent", "resource", "split"]

_SHARED = frozenset({"unc", "smb", "s3"})
"""The forms of names whose first part is a share or a bucket: there a server alone cannot be connected."""


def resource(
    provider: str,
    name: RemoteName,
    given: str,
    *,
    scope: ResourceScope | None = None,
    type: ResourceType = ResourceType.DISK,  # noqa: A002 - NETRESOURCE's word
    comment: str | None = None,
) -> NetResource:
    """*name*, written *given*, as something to be connected or looked into."""
    depth = len(_segments(name))
    display, usage = DisplayType.DIRECTORY, ResourceUsage.CONNECTABLE | ResourceUsage.CONTAINER
    if depth == 0 and name.scheme != "file":
        display = DisplayType.SERVER
        usage = ResourceUsage.CONTAINER if name.scheme in _SHARED else usage
    elif depth == 1 and name.scheme in _SHARED:
        display = DisplayType.SHARE
    if type is ResourceType.PRINT:
        usage = ResourceUsage(0)  # it is told that it is there; only directories can be connected
    return NetResource(
        given, provider=provider, type=type, comment=comment, scope=scope, display_type=display, usage=usage
    )


def child(name: RemoteName, segment: str) -> str:
    """The name of *segment* in *name*."""
    return spelled(name, f"{name.path.rstrip('/')}/{segment}" if name.path else segment)


def parent(name: RemoteName) -> str | None:
    """The name of what contains *name*; None = nothing that has a name."""
    segments = _segments(name)
    if not segments or (name.scheme == "s3" and len(segments) == 1):
        return None
    return spelled(name, _joined(name, segments[:-1]))


def split(name: RemoteName) -> tuple[str, str | None]:
    r"""The resource, and the path in it: ``\\server\share`` and ``\dir``, ``s3://bucket`` and ``/dir``.

    Where every directory is a resource, the whole is one.
    """
    segments = _segments(name)
    if (name.scheme not in _SHARED and name.remote is None) or len(segments) <= (name.remote is None):
        return spelled(name, name.path), None
    count = 0 if name.remote is not None else 1
    slash = "\\" if name.scheme == "unc" else "/"
    return spelled(name, _joined(name, segments[:count])), slash + slash.join(segments[count:])


def _segments(name: RemoteName) -> list[str]:
    return [each for each in name.path.split("/") if each]


def _joined(name: RemoteName, segments: list[str]) -> str:
    return ("/" if name.path.startswith("/") else "") + "/".join(segments)
