"""A connection, as a caller holds it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from pathlib import Path
from types import TracebackType
from typing import Self

from mprouter.frozen import frozen
from mprouter.providers.mounted import State

__all__ = ["Closing", "Connection"]


@frozen
class Connection:
    """A network resource that is connected, remembered, or both.

    remote_name, local_name: as the request gave them; a deviceless connection has no local name. provider: who made
    it. user: the user name on the server. path: a directory that programs can use. remembered: whether it is
    restored at login. state: CONNECTED, LOST, or None for one that is only remembered. options: as the request gave
    them, ``-o``; none of them is a secret.

    It can be copied, and pickled for another process of the user, whose default router then closes it.
    """

    remote_name: str
    local_name: str | None
    provider: str | None
    user: str | None
    path: Path
    remembered: bool = False
    state: State | None = State.CONNECTED
    options: Mapping[str, str] = field(default_factory=dict, hash=False)
    _cancel: Closing | None = field(default=None, repr=False, compare=False)

    def close(self, force: bool = False, forget: bool = False, *, later: bool = False) -> None:
        """Disconnect (``WNetCancelConnection2``). Closing what is no longer connected does nothing.

        force: in spite of open files. forget: also remove it from the remembered ones. later: without delivering what
        is not sent yet, see ``Router.disconnect``. Raises ``WNetError``.
        """
        if self._cancel is not None:
            self._cancel(force, forget, later)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Closing:
    """What ``Connection.close`` does: *close*, given the connection's *id* in the store in *directory*.

    close: a router's; None = that of the default router, as of a connection that was pickled.
    """

    __slots__ = ("_close", "_directory", "_id")

    def __init__(
        self,
        close: Callable[[int, bool, bool, bool], None] | None,
        id: int,  # noqa: A002
        directory: Path,
    ) -> None:
        self._close = close
        self._id = id
        self._directory = directory

    def __call__(self, force: bool, forget: bool, later: bool) -> None:
        """Close it."""
        if self._close is not None:
            self._close(self._id, force, forget, later)
        else:
            from mprouter.default import close

            close(self._directory, self._id, force, forget, later)

    def __deepcopy__(self, _: object) -> Self:
        return self

    def __reduce__(self) -> tuple[object, ...]:
        return Closing, (None, self._id, self._directory)
