"""Asking a server what is in a directory, with the means at hand: a connection that stands, stored passwords, none.

Nobody is asked for anything, and nobody waits long: whoever browses has other servers to look at.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

from mprouter.credentials import Credentials
from mprouter.errand import Errand, Unfinished
from mprouter.frozen import frozen
from mprouter.names import RemoteName, parse_remote
from mprouter.providers.base import AddRequest
from mprouter.providers.rclone import daemon
from mprouter.providers.rclone.daemon import Daemon
from mprouter.providers.rclone.failures import meaning, server_words
from mprouter.providers.rclone.logons import Logon
from mprouter.providers.rclone.options import COMMON_OPTIONS, read_options
from mprouter.providers.rclone.rc import Refused
from mprouter.providers.rclone.unsent import options_of, resource_of
from mprouter.resource import ResourceType
from mprouter.status import Status, WNetError

if TYPE_CHECKING:
    from mprouter.providers.rclone.provider import RcloneProvider, Target

__all__ = ["PATIENCE", "SILENCE", "Patience", "Seen", "look", "look_around", "visible"]

SILENCE = 5.0
"""Seconds after which a server that says nothing counts as one that does not answer."""

PATIENCE = 9.0
"""Seconds for all that a look takes, of a server that does answer, but has much to tell; the router waits for 10."""

_DIRECTORIES = {"dirsOnly": True, "noModTime": True, "noMimeType": True}

_TELLING = frozenset({Status.ERROR_PATH_NOT_FOUND, Status.ERROR_DIRECTORY, Status.ERROR_ACCESS_DENIED})
"""What is no better with another way to log on."""

T = TypeVar("T")


@frozen
class Seen:
    """Something in a server or a directory that can be connected."""

    name: str
    type: ResourceType = ResourceType.DISK
    comment: str | None = None


class Patience:
    """How long one look may take, with all its steps: ``PATIENCE`` from when this was made."""

    def __init__(self) -> None:
        self._end = monotonic() + PATIENCE

    def left(self, most: float = PATIENCE) -> float:
        """The seconds that are left, at most so many."""
        return max(0.0, min(most, self._end - monotonic()))


def look(provider: RcloneProvider, name: RemoteName, patience: Patience) -> tuple[list[str], Logon | None]:
    """The directories in *name*, a server alone included, and how the server was asked; None = by a connection.

    Raises ``WNetError``: ERROR_TIMEOUT, or what connecting would raise.
    """
    rclone = daemon.obtain()
    others = _connected(rclone, provider, name)
    for each in others:
        if each.path is not None and (seen := _seen_by(rclone, provider, each, each.path, patience)) is not None:
            return seen, None
    return _asked(rclone, provider, name, others[0].options if others else {}, patience)


def look_around(provider: RcloneProvider, name: RemoteName) -> list[str]:
    """What those see in *name* whose password is stored, with the options of what is connected; nobody else is asked.

    Raises ``WNetError``.
    """
    patience = Patience()
    rclone = daemon.obtain()
    seen: list[str] = []
    if any(True for _ in Credentials().stored(name, None)):
        others = _connected(rclone, provider, name)
        for options in [each.options for each in others] or [{}]:
            seen += _asked(rclone, provider, name, options, patience)[0]
    return list(dict.fromkeys(seen))


def visible(names: Iterable[str]) -> list[Seen]:
    """Directories as one shows them: without those whose names begin with a dot."""
    return [Seen(each) for each in names if not each.startswith(".")]


@frozen
class _Connected:
    """What is connected on the server in question. fs: in rclone. path: from there to what is asked for; None = up."""

    fs: str
    path: str | None
    options: Mapping[str, str]


def _connected(rclone: Daemon, provider: RcloneProvider, name: RemoteName) -> list[_Connected]:
    """What is connected on the server of *name* by the user that it names; first that which *name* lies in."""
    base, root = provider.place(name)
    found = []
    for fs in rclone.call("vfs/list")["vfses"] or []:
        given, user = resource_of(fs)
        if not fs.startswith(f"mpr-{provider.name} ") or given == fs.partition(":")[0]:
            continue
        other = parse_remote(given)
        there, start = provider.place(other)
        if (other.host, other.service, there) == (name.host, name.service, base) and (
            name.user in {None, other.user, user}
        ):
            is_below = root == start or root.startswith(f"{start.rstrip('/')}/" if start else "")
            is_below = is_below and root.startswith("/") == start.startswith("/")  # where a home is nobody can say
            path = root.removeprefix(start).strip("/") if is_below else None
            found.append(_Connected(fs, path, options_of(fs)))
    return sorted(found, key=lambda each: each.path is None)


def _seen_by(
    rclone: Daemon, provider: RcloneProvider, connected: _Connected, path: str, patience: Patience
) -> list[str] | None:
    """The directories in *path*; None if another way to log on may help. Raises ``WNetError``."""
    error = None
    try:
        if (seen := _directories(rclone, connected.fs, path, patience.left(SILENCE))) or not path:
            return seen
    except Refused as refusal:
        words = {"network": provider.title, "user": "the user", "share": path, "path": path}
        error = meaning(refusal.text, provider.failures, words | server_words(refusal.text))
    with suppress(Refused):  # a file has no directories either
        item = rclone.call("operations/stat", timeout=patience.left(SILENCE), fs=connected.fs, remote=path)["item"]
        if item is not None and not item["IsDir"]:
            raise WNetError(Status.ERROR_DIRECTORY, f"{path} is a file, not a directory")
    if error is None:
        return []
    if error.status in _TELLING:
        raise error
    return None


def _directories(
    rclone: Daemon, fs: str, path: str, seconds: float, config: Mapping[str, Any] | None = None
) -> list[str]:
    """The names of the directories in *path* of *fs*. Raises ``Refused`` and ``WNetError``."""
    settings = {"_config": config} if config else {}
    answer = rclone.call("operations/list", timeout=seconds, fs=fs, remote=path, opt=_DIRECTORIES, **settings)
    return [each["Name"] for each in answer["list"] or []]


def _asked(
    rclone: Daemon, provider: RcloneProvider, name: RemoteName, options: Mapping[str, str], patience: Patience
) -> tuple[list[str], Logon]:
    server = name.host or name.given
    request = AddRequest(name, Path(os.devnull), Credentials())
    read = read_options({**provider.options, **COMMON_OPTIONS}, options, network=provider.name, name=name.given)
    silent, slow = f"{server} does not answer", f"{server} has not told within {PATIENCE:g} seconds what it has"
    target = _within(patience.left(SILENCE), silent, lambda: provider.target(request, read))
    return _within(patience.left(), slow, lambda: _logged_on(rclone, provider, request, target))


def _logged_on(
    rclone: Daemon, provider: RcloneProvider, request: AddRequest, target: Target
) -> tuple[list[str], Logon]:
    seen: list[list[str]] = []

    def probe(rclone: Daemon, target: Target, logon: Logon, fs: str) -> None:
        del target, logon
        seen.append(_directories(rclone, fs, "", PATIENCE, config))

    silence = f"{SILENCE:g}s"
    config = {**target.config, "ConnectTimeout": silence, "Timeout": silence, "LowLevelRetries": 1}
    # Under a name of its own: a connection made later must not get this impatient session.
    settings = {**target.settings, **provider.glance}
    apart = replace(target, settings=settings, config=config, variant=f"{target.variant}-look")
    try:
        _, logon = provider.log_on(rclone, request, apart, provider.logons(request, apart), probe)
    except WNetError as error:
        request.credentials.explain(error)
        if error.status is Status.ERROR_LOGON_FAILURE:
            error.hint = (
                "a stored password would be used: mpr connect ... --save-password keeps one for the whole server"
            )
        raise
    return seen[-1], logon


def _within(seconds: float, otherwise: str, call: Callable[[], T]) -> T:
    """What *call* returns; ERROR_TIMEOUT if it does not within *seconds*, while names are resolved say."""
    try:
        return Errand(call).result(seconds)
    except Unfinished:
        raise WNetError(Status.ERROR_TIMEOUT, otherwise) from None
