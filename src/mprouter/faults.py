"""Fault points: the places between two effects, named, at which the crash matrix of the tests kills the process.

Nothing happens there unless a test has set ``hook``. What each point stands between is told in ``POINTS``; what becomes
of an operation that is cut off there, in ``docs/recovery.md``.
"""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["POINTS", "hook", "reached"]

POINTS = {
    # an operation and its notifications, add or cancel
    "begun": "the operation is in the journal, and nobody is told",
    "telling": "a notifyee is about to be told before",
    "running": "a command runs, and the journal does not know of it",
    "told": "a notifyee was told before, and its context is not in the journal",
    "attempting": "all were told before, and the attempt has not begun",
    "failed": "the attempt has failed and is undone, and the journal does not know of it",
    "posting": "a notifyee is about to be told after",
    "posted": "a notifyee was told after, and the journal does not know of it",
    "ending": "all were told after, and the operation is still in the journal",
    "ended": "all is done, and the caller does not know of it",
    # the attempt of an add
    "directory made": "there is a directory to mount on, and nothing is connected",
    "rclone started": "rclone was started, and nobody has noted which process it is",
    "logged on": "the server has let the user in, and nothing is mounted",
    "mounted": "the resource is mounted, and the store does not know of it",
    "connected": "the store has the connection, and nobody is told",
    # the attempt of a cancel
    "cancelling": "the store knows that the connection is to go, and it is as it was",
    "holding": "there is a directory to hold the file system with, and no second mount",
    "held": "the file system is held by a second mount, and data may be on its way",
    "delivered": "the data is on the server, and the mount is there",
    "unmounted": "the mount is gone, and what was closed at the last moment may be on its way",
    "releasing": "all is on the server, and the second mount is about to go",
    "released": "the second mount is gone, and the store does not know of it",
    "disconnected": "the provider has disconnected, and the store does not know of it",
    "directory removed": "the directory is removed, and the store does not know of it",
    "removed": "the store no longer has the connection, and nobody is told",
    # recovery
    "recovering": "an operation of a dead process was found, and nothing is settled",
    "settled": "the connection is finished or undone, and nobody is told of it",
}
"""Each point, and what is so when it is reached."""

hook: Callable[[str], object] | None = None
"""Called with the name of each point that is reached."""


def reached(point: str) -> None:
    """Let ``hook`` know that *point*, one of ``POINTS``, is reached."""
    if hook is not None:
        hook(point)
