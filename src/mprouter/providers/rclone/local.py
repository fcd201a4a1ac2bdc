"""``file:///dir``: a directory of this machine under another name, or as a drive."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from mprouter.providers.base import AddRequest
from mprouter.providers.rclone.logons import Logon
from mprouter.providers.rclone.provider import RcloneProvider, Target
from mprouter.status import Status, WNetError

__all__ = ["Local"]


class Local(RcloneProvider):
    """``file://``."""

    name = "file"
    title = "the local file system"
    backend = "local"
    schemes = frozenset({"file"})

    def target(self, request: AddRequest, options: Mapping[str, str]) -> Target:
        """The directory, which must not be above or below the place where it is to appear."""
        directory = Path(request.name.path)
        try:
            os.scandir(directory).close()
        except FileNotFoundError:
            raise WNetError(Status.ERROR_PATH_NOT_FOUND, f"there is no directory {directory}") from None
        except NotADirectoryError:
            raise WNetError(Status.ERROR_DIRECTORY, f"{directory} is a file, not a directory") from None
        except OSError as error:
            raise WNetError(Status.ERROR_ACCESS_DENIED, f"{directory} cannot be read: {error.strerror}") from error
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

    def logons(self, request: AddRequest, target: Target) -> Iterator[Logon]:
        """Everybody is who they are."""
        del request, target
        yield Logon()

    def start_up(self) -> float | None:
        """A directory of this machine needs no network (R7)."""
        return 0.0
