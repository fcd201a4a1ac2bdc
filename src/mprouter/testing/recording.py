"""A router for unit tests: the real notifications around operations that connect nothing.

It checks no request, has no providers and no store, and mounts nothing: how an operation ends is what the test says.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from types import TracebackType
from typing import Self

from mprouter.frozen import frozen
from mprouter.names import looks_local, parse_local, parse_remote
from mprouter.notify.dispatch import MAX_RETRIES, operate
from mprouter.notify.model import AddConnect, CancelConnect, Event, Registration, Told
from mprouter.notify.python import registration_of
from mprouter.resource import ConnectFlag, NetResource, ResourceType
from mprouter.status import Status, WNetError

__all__ = ["RecordingRouter", "Result"]


@frozen
class Result:
    """How an operation ended.

    status, error: what the caller would get. calls: what the notifyees were told and answered. attempts: how often it
    was attempted; 0 after a veto.
    """

    status: Status
    calls: tuple[Told, ...]
    attempts: int
    error: WNetError | None = None


class RecordingRouter:
    """Tells its notifyees of operations, as ``mprouter.Router`` would (N5 to N14, N17, N18).

    notifyees: as for ``register``. max_retries: as in the settings (N11). calls: what was told so far, in all
    operations. As a context manager it is closed at the end.
    """

    def __init__(self, *notifyees: object, max_retries: int = MAX_RETRIES) -> None:
        self.calls: list[Told] = []
        self._max_retries = max_retries
        self._registered: dict[str, Registration] = {}
        self._connected: dict[str, str] = {}  # remote names by the local ones, so that a cancel concerns whom it must
        for each in notifyees:
            self.register(each)

    def register(
        self, notifyee: object, *, name: str | None = None, order: int | None = None, required: bool | None = None
    ) -> str:
        """Have *notifyee* told: in any of the Python shapes, or a ``Registration``, which is taken as it is.

        As ``Router.register``; raises ``WNetError``: ERROR_BAD_CONFIGURATION, or ERROR_ALREADY_ASSIGNED.
        """
        registration = (
            notifyee
            if isinstance(notifyee, Registration)
            else registration_of(notifyee, name=name, order=order, required=required)
        )
        if registration.name in self._registered:
            raise WNetError(
                Status.ERROR_ALREADY_ASSIGNED, "a notifyee of this name is registered already", name=registration.name
            )
        self._registered[registration.name] = registration
        return registration.name

    def add(
        self,
        remote: str,
        local: str | None = None,
        *,
        outcome: Status | BaseException = Status.WN_SUCCESS,
        outcomes: Iterable[Status | BaseException] | None = None,
        type: ResourceType = ResourceType.DISK,  # noqa: A002 - the interface's name
        provider: str | None = None,
        flags: ConnectFlag = ConnectFlag(0),
        owner: int | None = None,
    ) -> Result:
        """One add operation, never raising ``WNetError``.

        outcome: how each attempt ends: a status, or an error to be raised. outcomes: instead, of the first attempt, the
        second, …; the last one holds for all that follow. Raises what an outcome is, if that is no ``WNetError``.
        """
        name = parse_remote(remote)
        event = AddConnect(NetResource(name.told, local, type, provider), flags, owner)
        result = self._operate(event, name.forms, event, outcomes if outcomes is not None else (outcome,))
        if local is not None and result.status is Status.WN_SUCCESS:
            self._connected[parse_local(local)] = remote
        return result

    def cancel(
        self,
        name: str,
        *,
        outcome: Status | BaseException = Status.WN_SUCCESS,
        outcomes: Iterable[Status | BaseException] | None = None,
        provider: str = "recording",
        force: bool = False,
        forget: bool = False,
    ) -> Result:
        """One cancel operation, of a local or a remote name; provider: who cancelled, as a post of success tells it.

        A local name that was not added here before concerns those notifyees that hear of all names. The rest as for
        ``add``.
        """
        flags = ConnectFlag.UPDATE_PROFILE if forget else ConnectFlag(0)
        remote: str | None = name
        if looks_local(name):
            remote = self._connected.get(parse_local(name))
        else:
            name = parse_remote(name).told
        event = CancelConnect(name, None, flags, force)
        forms = parse_remote(remote).forms if remote is not None else ()
        done = replace(event, provider=provider)
        result = self._operate(event, forms, done, outcomes if outcomes is not None else (outcome,))
        if looks_local(name) and result.status is Status.WN_SUCCESS:
            self._connected.pop(parse_local(name), None)
        return result

    def close(self) -> None:
        """Let go of what the notifyees hold."""
        registered, self._registered = self._registered, {}
        for each in registered.values():
            if each.close is not None:
                each.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _operate(
        self, event: Event, names: tuple[str, ...], done: Event, outcomes: Iterable[Status | BaseException]
    ) -> Result:
        concerned = [each for each in self._registered.values() if each.concerns(event.operation, names)]
        told: list[Told] = []
        coming = _endless(outcomes)
        attempts = 0

        def attempt() -> Event:
            nonlocal attempts
            attempts += 1
            outcome = next(coming)
            if isinstance(outcome, BaseException):
                raise outcome
            if outcome:
                raise WNetError(outcome)
            return done

        def record(call: Told) -> None:
            told.append(call)
            self.calls.append(call)

        failure: WNetError | None = None
        try:
            operate(
                event,
                sorted(concerned, key=lambda each: each.rank),
                attempt,
                max_retries=self._max_retries,
                record=record,
            )
        except WNetError as error:
            failure = error
        return Result(failure.status if failure else Status.WN_SUCCESS, tuple(told), attempts, failure)


def _endless(outcomes: Iterable[Status | BaseException]) -> Iterator[Status | BaseException]:
    last: Status | BaseException = Status.WN_SUCCESS
    for last in outcomes:
        yield last
    while True:
        yield last
