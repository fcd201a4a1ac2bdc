"""The one router behind the module's functions: what ``mprouter.connect`` and its like stand for."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from mprouter.connection import Connection
from mprouter.forks import lock
from mprouter.resource import ConnectFlag, ResourceType
from mprouter.router import Router
from mprouter.store import Store

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mprouter.credentials import Secret
    from mprouter.providers.base import Conversation
    from mprouter.restoring import Restored

__all__ = ["connect", "connections", "default_router", "disconnect", "register", "restore", "unregister"]

_default: Router | None = None
_default_lock = lock(sys.modules[__name__], "_default_lock", threading.RLock)


def default_router() -> Router:
    """The router behind the module's functions, made at first use."""
    global _default  # noqa: PLW0603 - one per process, as mpr.dll is
    with _default_lock:
        if _default is None:
            _default = Router()
        return _default


def connect(
    remote: str,
    local: str | Path | None = None,
    *,
    user: str | None = None,
    password: str | Secret | None = None,
    provider: str | None = None,
    type: ResourceType = ResourceType.DISK,  # noqa: A002 - the interface's name
    persist: bool = False,
    overwrite: bool = False,
    flags: ConnectFlag = ConnectFlag(0),
    options: Mapping[str, str] | None = None,
    owner: int | None = None,
    conversation: Conversation | None = None,
) -> Connection:
    """``Router.connect`` of the default router."""
    return default_router().connect(
        remote,
        local,
        user=user,
        password=password,
        provider=provider,
        type=type,
        persist=persist,
        overwrite=overwrite,
        flags=flags,
        options=options,
        owner=owner,
        conversation=conversation,
    )


def disconnect(name: str | Path, force: bool = False, forget: bool = False, *, later: bool = False) -> None:
    """``Router.disconnect`` of the default router."""
    default_router().disconnect(name, force, forget, later=later)


def close(directory: Path, id: int, force: bool, forget: bool, later: bool) -> None:  # noqa: A002
    """``Connection.close`` of one that was pickled: *id* in the store in *directory*."""
    router = default_router()
    if router._store.path.parent == directory:  # noqa: SLF001
        router._close(id, force, forget, later)  # noqa: SLF001
        return
    with Router(store=Store(directory)) as router:
        router._close(id, force, forget, later)  # noqa: SLF001


def connections(*, remembered: bool = False) -> list[Connection]:
    """``Router.connections`` of the default router."""
    return default_router().connections(remembered=remembered)


def restore(name: str | Path | None = None, *, wait: bool | float = False) -> list[Restored]:
    """``Router.restore`` of the default router."""
    return default_router().restore(name, wait=wait)


def register(
    notifyee: object, *, name: str | None = None, order: int | None = None, required: bool | None = None
) -> str:
    """``Router.register`` of the default router."""
    return default_router().register(notifyee, name=name, order=order, required=required)


def unregister(name: str) -> None:
    """``Router.unregister`` of the default router."""
    default_router().unregister(name)
