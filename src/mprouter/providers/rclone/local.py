"""``file:///dir``: a directory of this machine under another name, or as a drive."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mprouter.names import RemoteName
from mprouter.providers.base import AddRequest, Capability
from mprouter.providers.rclone.logons import Logon
from mprouter.providers.rclone.provider import RcloneProvider, Target
from mprouter.resource import NetResource, ResourceScope
from mprouter.status import Status, WNetError

if TYPE_CHECKING:
    from mprouter.providers.rclone.browsing.look import Seen

__all__ = ["Local"]


class Local(RcloneProvider):
    """``file://``."""

    name = "file"
    title = "the local file system"
    backend = "local"

    def target(self, request: AddRequest, options: Mapping[str, str]) -> Target:
        """The directory, which must not be above or below the place where it is to appear."""
        directory = Path(request.name.path)
        _scanned(directory).close()
        real, mountpoint = directory.resolve(), request.mountpoint.resolve()
        if mountpoint.is_relative_to(real) or real.is_relative_to(mountpoint):
            raise WNetError(
                Status.ERROR_INVALID_PARAMETER,
                f"{directory} and {mountpoint}, where it is to appear, are one within the other",
            )
        return Target(
            request.name,
            None,
            None,
            str(directory),
            str(directory),
            {"copy_links": "true"},
            read_only=bool(options.get("read_only")),
        )

    capabilities = RcloneProvider.capabilities & ~(Capability.ENUMERATE_CONTEXT | Capability.GET_PERFORMANCE)

    def near(self, scope: ResourceScope) -> Iterator[NetResource]:
        """What is in the root directory."""
        from mprouter.providers.rclone.browsing.browse import inside

        return inside(self, "file:///", scope)

    def look(self, name: RemoteName) -> Sequence[Seen]:
        """The directories in a directory."""
        from mprouter.providers.rclone.browsing.look import visible

        with _scanned(Path(name.path)) as found:
            return visible(sorted(each.name for each in found if each.is_dir()))

    def logons(self, request: AddRequest, target: Target) -> Iterator[Logon]:
        """Everybody is who they are."""
        del request, target
        yield Logon()

    def start_up(self) -> float | None:
        """A directory of this machine needs no network (R7)."""
        return 0.0


def _scanned(directory: Path) -> Any:
    """What ``os.scandir`` returns; ``WNetError`` if that is not possible."""
    try:
        return os.scandir(directory)
    except FileNotFoundError:
        raise WNetError(Status.ERROR_PATH_NOT_FOUND, f"there is no directory {directory}") from None
    except NotADirectoryError:
        raise WNetError(Status.ERROR_DIRECTORY, f"{directory} is a file, not a directory") from None
    except OSError as error:
        raise WNetError(Status.ERROR_ACCESS_DENIED, f"{directory} cannot be read: {error.strerror}") from error
