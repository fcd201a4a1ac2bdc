"""Resources of the real servers, and connections to them made by a provider itself, without a router."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import pytest

from mprouter.credentials import Credentials
from mprouter.names import parse_remote
from mprouter.providers.base import AddRequest, Conversation, Mounted, Progress
from mprouter.providers.rclone import daemon
from mprouter.providers.rclone.daemon import Daemon
from mprouter.providers.rclone.provider import RcloneProvider
from mprouter.status import WNetError
from sandbox import Places
from servers.daemon import end

__all__ = ["Connect", "Connections", "Disconnect", "Refused", "Share"]

_numbers = count(1)


@dataclass(frozen=True)
class Share:
    """A resource of the test's own. root: where the server has its files."""

    provider: RcloneProvider
    url: str
    root: Path
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    options: Mapping[str, str] = field(default_factory=dict)

    def put(self, name: str, text: str) -> Path:
        """Make a file on the server's side, which whoever logs on may change."""
        path = self.root / name
        path.write_text(text)
        shutil.chown(path, self.root.owner(), self.root.group())
        return path


class Connect(Protocol):
    """``connect(share)`` or ``connect(share, url=..., password=...)``: what differs from the share is given."""

    def __call__(
        self,
        share: Share,
        *,
        url: str | None = None,
        user: str | None = None,
        password: str | None = None,
        options: Mapping[str, str] | None = None,
        conversation: Conversation | None = None,
    ) -> Mounted: ...


class Disconnect(Protocol):
    """``disconnect(mounted)`` cancels the connection, as the router would, with the provider that made it."""

    def __call__(self, mounted: Mounted, *, force: bool = False, progress: Progress | None = None) -> None: ...


class Connections:
    """The connections of one test, and the rclone that has them."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._made: list[tuple[RcloneProvider, Mounted]] = []

    def connect(
        self,
        share: Share,
        *,
        url: str | None = None,
        user: str | None = None,
        password: str | None = None,
        options: Mapping[str, str] | None = None,
        conversation: Conversation | None = None,
    ) -> Mounted:
        mountpoint = self._places.drives / str(next(_numbers))
        mountpoint.mkdir()
        name = parse_remote(url or share.url)
        known = password or conversation
        request = AddRequest(
            name,
            mountpoint,
            Credentials(user or share.user, password if known else share.password),
            options={**share.options, **(options or {})},
            conversation=conversation,
        )
        try:
            added = share.provider.add_connection(request)
        except BaseException:
            mountpoint.rmdir()  # fails if anything was left
            raise
        mounted = Mounted(name, mountpoint, added.handle)
        self._made.append((share.provider, mounted))
        return mounted

    def rclone(self) -> Daemon:
        found = daemon.running()
        assert found is not None
        return found

    def queued(self, mounted: Mounted) -> set[str]:
        """The files that rclone is about to send: it has been told that they were closed."""
        assert mounted.handle is not None
        return {each["name"] for each in self.rclone().call("vfs/queue", fs=mounted.handle["fs"])["queue"] or []}

    def send(self, mounted: Mounted) -> None:
        """Have rclone send now what it is about to send."""
        assert mounted.handle is not None
        rclone, fs = self.rclone(), mounted.handle["fs"]
        for each in rclone.call("vfs/queue", fs=fs)["queue"]:
            rclone.call("vfs/queue-set-expiry", fs=fs, id=each["id"], expiry=-1e9)

    def kill_rclone(self, number: signal.Signals = signal.SIGKILL) -> None:
        found = self.rclone()
        os.kill(found.pid, number)
        end([found.pid])

    def disconnect(
        self, mounted: Mounted, *, force: bool = False, later: bool = False, progress: Progress | None = None
    ) -> None:
        provider = next(provider for provider, each in self._made if each is mounted)
        provider.cancel_connection(replace(mounted, later=later), force=force, progress=progress)
        mounted.mountpoint.rmdir()


class Refused:
    """``refused(share, ...)`` is the error of a connection that fails; that nothing is left behind is checked."""

    def __init__(self, connections: Connections, places: Places) -> None:
        self._connections = connections
        self._places = places

    def __call__(self, share: Share, **different: Any) -> WNetError:
        with pytest.raises(WNetError) as raised:
            self._connections.connect(share, **different)
        assert self._places.mounts() == []
        assert list(self._places.drives.iterdir()) == []
        error = raised.value
        assert error.provider == share.provider.name
        assert error.name == different.get("url", share.url)
        assert "Traceback" not in str(error)
        return error
