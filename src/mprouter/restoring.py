"""Restoring what is remembered: several side by side, each tried again while the network is not there yet (R7).

How one connection is made is the router's. Everything but the attempts themselves happens in the thread that called: it
keeps the time, hears how the attempts went, tells the caller, and asks the person at the terminal, so that there is one
question at a time and Ctrl-C reaches whatever is being waited for.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from heapq import heappop, heappush
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any, TypeVar

from mprouter.connection import Connection
from mprouter.frozen import frozen
from mprouter.log import Log
from mprouter.providers.base import Conversation, Provider
from mprouter.status import Status, WNetError
from mprouter.store import Remembered

__all__ = ["NOT_YET", "Hearing", "Restored", "Stage", "Step", "is_not_yet", "restore", "start_up_time"]

UNKNOWN_START = 60.0
"""Seconds that a provider gets that does not know when its network will be there (R7)."""

FIRST_PAUSE = 0.5
"""Seconds, at most, between the first attempt and the second; each further pause is twice as long."""

LONGEST_PAUSE = 10.0
"""Seconds that no pause exceeds: how much later than the network a connection may come."""

AT_ONCE = 8
"""How many attempts are made side by side."""

LOOK_AGAIN = 0.1
"""Seconds after which one that another process is making is looked at again."""

OTHERS_TIME = 60.0
"""Seconds for which another process may be making a connection before this one reports that."""

SOON = 1.0
"""Seconds after which a person who ends a restore is told what it still waits for."""

NOT_YET = frozenset(
    {
        Status.ERROR_NETWORK_UNREACHABLE,  # no address or no route yet
        Status.ERROR_HOST_UNREACHABLE,  # a route, but the server or the line to it is not up
        Status.ERROR_CONNECTION_REFUSED,  # the server is up, its service not yet
        Status.ERROR_TIMEOUT,  # a firewall before the VPN is up, or a server that is starting
        Status.WSAHOST_NOT_FOUND,  # no name server yet, or not the one that knows an internal name
        Status.ERROR_NETWORK_BUSY,  # a proxy before a service that is starting
        Status.ERROR_BAD_NETPATH,  # no server of any network behind a UNC name: the same reasons
    }
)
"""What a remembered connection, which has worked once, meets while the network is not there yet.

All else is an answer, and would be the same the next time: a wrong password, a missing share, a strange host key. To
try a password again may even lock the account.
"""

log = Log("mprouter.router")


class Stage(Enum):
    """How far the restoring of one connection is."""

    CONNECTING = "connecting"
    WAITING = "waiting"
    RESTORED = "restored"
    FAILED = "failed"


@frozen
class Step:
    """What a caller hears of one connection.

    error: why it waits or failed. pause: seconds to the next attempt, if it waits. connection: if it is restored.
    """

    local_name: str
    remote_name: str
    stage: Stage
    error: WNetError | None = None
    pause: float | None = None
    connection: Connection | None = None


Hearing = Callable[[Step], None]
"""Called in the thread that restores, at each step of each connection."""


@frozen
class Restored:
    """How the restoring of one remembered connection went: *connection* or *error*, the other is None."""

    local_name: str
    remote_name: str
    connection: Connection | None
    error: WNetError | None


def start_up_time(providers: Iterable[Provider], restore_timeout: float | None) -> float:
    """Seconds for which the networks of *providers* are waited for (R7).

    restore_timeout: what the administrator set (RestoreTimeout); None = nothing.
    """
    longest = restore_timeout or 0.0
    for provider in providers:
        known = _said_by(provider)
        if known is None:
            known = UNKNOWN_START if restore_timeout is None else restore_timeout
        longest = max(longest, known)
    return longest


def _said_by(provider: Provider) -> float | None:
    """When *provider* says that its network will be there, in seconds; None if it does not know."""
    ask = getattr(provider, "start_up", None)
    try:
        said = None if ask is None else ask()
    except Exception:  # a stranger's provider may raise anything (R4)
        log.warning("the network provider %s failed", provider.name, exc_info=True)
        return None
    return said if isinstance(said, int | float) and said >= 0 else None


def is_not_yet(error: WNetError) -> bool:
    """Whether *error* may be gone as soon as the network is there."""
    if error.status is Status.ERROR_BAD_NET_NAME:  # the router's word for a UNC name that nobody has, and why
        return error.provider_code == Status.ERROR_BAD_NETPATH
    return error.status in NOT_YET


def restore(
    wanted: Sequence[Remembered],
    attempt: Callable[[Remembered, Conversation | None], Connection | None],
    *,
    failed: Callable[[Remembered, WNetError], None],
    seconds: float,
    conversation: Conversation | None = None,
    hearing: Hearing | None = None,
) -> list[Restored]:
    """Connect all of *wanted*; how each went, in the same order.

    attempt: connects one, or raises ``WNetError``; called in threads, with whom it may ask. None = another process is
    connecting it. failed: told of each that is given up. seconds: for how long those are tried again that the network
    is not there for; 0 = one attempt each. hearing: see ``Step``.

    What *failed*, *hearing* or the conversation raise, and KeyboardInterrupt, ends the waiting at once; attempts that
    have begun are awaited, so that nothing is left half made, and what is connected stays.
    """
    return _Restoring(
        wanted, attempt=attempt, failed=failed, seconds=seconds, conversation=conversation, hearing=hearing
    ).run()


class _Restoring:
    """One restore. Its methods run in the caller's thread, ``_attempt_one`` and ``_Asking`` apart."""

    def __init__(
        self,
        wanted: Sequence[Remembered],
        *,
        attempt: Callable[[Remembered, Conversation | None], Connection | None],
        failed: Callable[[Remembered, WNetError], None],
        seconds: float,
        conversation: Conversation | None,
        hearing: Hearing | None,
    ) -> None:
        self._wanted = wanted
        self._attempt = attempt
        self._failed = failed
        self._hearing = hearing
        self._began = monotonic()
        self._deadline = self._began + seconds
        self._due = [(self._began, place) for place in range(len(wanted))]
        self._attempts = [0] * len(wanted)
        self._begun: set[int] = set()
        self._running: dict[int, threading.Thread] = {}
        self._over: dict[int, Connection | BaseException | None] = {}  # how those ended that are not seen to yet
        self._results: dict[int, Restored] = {}
        self._stopped = False
        self._to_do: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._asking = _Asking(conversation, self._to_do, lambda: self._stopped) if conversation else None

    def run(self) -> list[Restored]:
        try:
            while self._due or self._running:
                self._start_due()
                self._do(self._patience())
        except BaseException as error:
            self._stop(error)
            raise
        return [self._results[place] for place in range(len(self._wanted))]

    def _start_due(self) -> None:
        while self._due and self._due[0][0] <= monotonic() and len(self._running) < AT_ONCE:
            _, place = heappop(self._due)
            if place not in self._begun:
                self._begun.add(place)
                self._tell(place, Stage.CONNECTING)
            # a daemon: a second Ctrl-C does not wait for it, and what it leaves is settled at the next start (N19)
            thread = threading.Thread(target=self._attempt_one, args=[place], name="mprouter-restore", daemon=True)
            self._running[place] = thread
            thread.start()

    def _patience(self) -> float | None:
        """Seconds until something is due that could be started; None = only an attempt's end brings any on."""
        return max(0.0, self._due[0][0] - monotonic()) if self._due and len(self._running) < AT_ONCE else None

    def _do(self, timeout: float | None) -> None:
        """What a thread has for this one to do."""
        try:
            task = self._to_do.get(timeout=timeout)
        except Empty:
            return
        task()

    def _attempt_one(self, place: int) -> None:
        outcome: Connection | BaseException | None
        if self._stopped:  # Ctrl-C struck when this thread was being started, and nobody awaits it
            return
        try:
            outcome = self._attempt(self._wanted[place], self._asking)
        except BaseException as error:  # noqa: BLE001 - raised in the thread that called
            outcome = error
        self._over[place] = outcome  # not in what is put there: Ctrl-C can come when that is taken, and take it away
        self._to_do.put(self._see_to_what_is_over)

    def _see_to_what_is_over(self) -> None:
        for place, outcome in list(self._over.items()):
            self._running.pop(place, None)
            del self._over[place]
            self._ended(place, outcome)

    def _ended(self, place: int, outcome: Connection | BaseException | None) -> None:
        """An attempt is over: done, given up, or tried again later."""
        if isinstance(outcome, Connection):
            self._finish(place, outcome, None)
        elif outcome is None:
            self._look_again(place)
        elif not isinstance(outcome, WNetError):
            raise outcome
        elif is_not_yet(outcome) and monotonic() < self._deadline and not self._stopped:
            self._attempts[place] += 1
            pause = min(_pause(self._attempts[place]), max(0.0, self._deadline - monotonic()))  # once at the very end
            heappush(self._due, (monotonic() + pause, place))
            self._tell(place, Stage.WAITING, error=outcome, pause=pause)
        else:
            self._finish(place, None, outcome)

    def _look_again(self, place: int) -> None:
        if monotonic() < self._began + OTHERS_TIME and not self._stopped:
            heappush(self._due, (monotonic() + LOOK_AGAIN, place))
            return
        each = self._wanted[place]
        self._finish(
            place, None, WNetError(Status.ERROR_BUSY, "another process is connecting it", name=each.remote_name)
        )

    def _finish(self, place: int, connection: Connection | None, error: WNetError | None) -> None:
        each = self._wanted[place]
        self._results[place] = Restored(each.local_name, each.remote_name, connection, error)
        if error is not None:
            self._failed(each, error)
        self._tell(place, Stage.FAILED if error else Stage.RESTORED, error=error, connection=connection)

    def _tell(self, place: int, stage: Stage, **news: Any) -> None:
        each = self._wanted[place]
        if self._hearing is not None and not self._stopped:
            self._hearing(Step(each.local_name, each.remote_name, stage, **news))

    def _stop(self, reason: BaseException) -> None:
        """Nothing new begins; what has begun is awaited."""
        self._stopped = True
        soon: float | None = monotonic() + SOON
        while self._over or any(thread.is_alive() for thread in self._running.values()):
            try:
                self._do(LOOK_AGAIN)  # no longer: what was cut off by Ctrl-C tells of no end
                self._see_to_what_is_over()
            except Exception:  # the first one is the one that is raised
                log.debug("while a restore ended", exc_info=True)
            if soon and self._running and monotonic() >= soon:
                soon = None
                names = ", ".join(self._wanted[place].local_name for place in sorted(self._running))
                log.warning("waiting for what has begun (%s), so that it is undone; interrupt again to leave it", names)
        interrupted = isinstance(reason, KeyboardInterrupt)
        for place in range(len(self._wanted)):
            if place not in self._results and interrupted:
                self._failed(self._wanted[place], WNetError(Status.WN_CANCEL, "interrupted"))


_Answer = TypeVar("_Answer")


class _Asking:
    """The person at the terminal, for the threads: what they ask is asked by the thread that waits for them."""

    def __init__(
        self, person: Conversation, to_do: SimpleQueue[Callable[[], None]], stopped: Callable[[], bool]
    ) -> None:
        self._person = person
        self._to_do = to_do
        self._stopped = stopped

    def ask_password(self, prompt: str) -> str | None:
        """See ``Conversation``."""
        return self._ask(lambda: self._person.ask_password(prompt), None)

    def confirm(self, question: str) -> bool:
        """See ``Conversation``."""
        return self._ask(lambda: self._person.confirm(question), False)

    def _ask(self, question: Callable[[], _Answer], refusal: _Answer) -> _Answer:
        """The answer; *refusal* if the person ends the restore instead."""
        answers: SimpleQueue[_Answer] = SimpleQueue()

        def ask() -> None:
            answer = refusal
            try:
                if not self._stopped():
                    answer = question()
            finally:
                answers.put(answer)

        self._to_do.put(ask)
        return answers.get()


def _pause(attempts: int) -> float:
    """Seconds before the next attempt after *attempts*: twice as long each time, and not the same for all who wait."""
    from random import uniform

    return min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(attempts - 1, 16)) * uniform(0.5, 1.0)  # noqa: S311 - no secret
