"""What the store keeps of a connection, so that another process finds it again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from mprouter.frozen import frozen
from mprouter.mountinfo import kinds
from mprouter.processes import started_at
from mprouter.providers.rclone.mounts import KIND, is_mounted, real_path
from mprouter.status import Status, WNetError

if TYPE_CHECKING:
    from mprouter.providers.mounted import Mounted
    from mprouter.providers.rclone.daemon import Daemon

__all__ = ["Handle"]


@frozen
class Handle:
    """How a later process finds the mount again.

    pid, started: the rclone that holds it. fs: the name of its file system there. meta: where its cache describes what
    is unsent; None if it is read-only.
    """

    pid: int
    started: int
    fs: str
    mountpoint: Path
    meta: Path | None

    def written(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "pid": self.pid,
            "started": self.started,
            "fs": self.fs,
            "mountpoint": str(self.mountpoint),
            "meta": None if self.meta is None else str(self.meta),
        }

    def is_of(self, rclone: Daemon) -> bool:
        """Whether it is *rclone* that holds, or held, the mount."""
        return (self.pid, self.started) == (rclone.pid, rclone.started)

    @property
    def is_connected(self) -> bool:
        """Whether that rclone runs and the mount is there, asked of the kernel alone."""
        return started_at(self.pid) == self.started and (is_mounted(self.mountpoint) or self._is_mounted_for_rclone)

    def check_visible(self) -> None:
        """Raise ``WNetError`` (ERROR_BUSY) if it stands, but not for this process: it could not be unmounted."""
        if not is_mounted(self.mountpoint) and self.is_connected:
            raise WNetError(
                Status.ERROR_BUSY,
                "it stands in another mount namespace, and is not seen from here",
                hint=f"do this where it was connected, or as root: nsenter --mount --target {self.pid}",
            )

    @property
    def _is_mounted_for_rclone(self) -> bool:
        return kinds(Path(f"/proc/{self.pid}")).get(str(self.mountpoint)) == KIND

    @classmethod
    def read(cls, mounted: Mounted) -> Self:
        """From JSON values; whatever is missing makes it a lost one."""
        values = mounted.handle or {}
        return cls(
            values.get("pid", 0),
            values.get("started", -1),
            values.get("fs", ""),
            Path(values["mountpoint"]) if "mountpoint" in values else real_path(mounted.mountpoint),
            Path(values["meta"]) if values.get("meta") else None,
        )
