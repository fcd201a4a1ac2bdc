"""What every notifyee must bear and must not do, as a class of tests for pytest to collect.

Whether a notifyee does its job is not tested here: that is for tests of its own, with a ``RecordingRouter``.
"""

from __future__ import annotations

import io
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from mprouter.notify.model import AddConnect, Answer, CancelConnect, Event, NotifyInfo, Phase, Registration
from mprouter.notify.python import registration_of
from mprouter.resource import ConnectFlag, NetResource, ResourceType
from mprouter.status import Status, WNetError
from mprouter.testing.recording import RecordingRouter, Result

__all__ = ["NotifyeeContract"]

OK, RETRY, CANCEL = Status.WN_SUCCESS, Status.WN_RETRY, Status.WN_CANCEL

_OUTCOMES = (
    OK,
    CANCEL,
    Status.ERROR_ACCESS_DENIED,
    Status.ERROR_BAD_NETPATH,
    Status.ERROR_LOGON_FAILURE,
    Status.ERROR_CONNECTION_REFUSED,
    Status.ERROR_NETWORK_UNREACHABLE,
    Status.ERROR_UNHANDLED_EXCEPTION,
    Status(4711),  # one that has no name here
)

_GRACE = 5.0  # seconds that what is ending may take to end
_ROUNDS = 10  # of the two threads
_OUTERMOST, _INNERMOST = -1_000_000, 1_000_000  # orders


class NotifyeeContract:
    """The contract. Derive a class whose name begins with ``Test`` and give it the method ``notifyee``.

    remote_names, local_names: what connections to play; say others for a notifyee that refuses these. A class with an
    autouse fixture can prepare what its notifyee needs.
    """

    remote_names: ClassVar[Sequence[str]] = (
        r"\\files\projects",
        r"\\files.example.com\Team Data\Résumés 2024",
        "//server/share/with/forward/slashes",
        "sftp://files.example.com/srv/data",
        "sftp://[2001:db8::7]:2222/~/заметки",
        "davs://bücher.example:8443/日本語/🗂",
        "s3://bucket/prefix",
        "file:///srv/a%20b",
        "rclone:remote:path",
        "sftp://files.example.com/" + "/".join(["ö" * 200] * 100),
    )
    local_names: ClassVar[Sequence[str | None]] = ("Z:", "/home/ana/a directory/данные", None)

    def notifyee(self) -> object:
        """A new notifyee to try: in any of the Python shapes, or a ``Registration``."""
        raise TypeError(f"{type(self).__name__} needs a method notifyee that returns one")

    # -- the tests ---------------------------------------------------------------------------------------------

    def test_it_can_be_registered(self) -> None:
        """It is a notifyee, and hears of something."""
        try:
            registration = self._registration()
        except WNetError as error:
            raise AssertionError(str(error)) from error
        _expect(registration.problem is None, f"it cannot be used: {registration.problem}")
        _expect(bool(registration.operations), "it hears of no operation")

    def test_n1_it_answers_before_and_after_an_add(self) -> None:
        """Whatever the outcome, it answers legally and raises nothing but a veto."""
        with self._playing() as play:
            for outcome in _OUTCOMES:
                play.add(self.remote_names[0], self.local_names[0], outcome=outcome)

    def test_n2_it_answers_before_and_after_a_cancel(self) -> None:
        """The same for a cancel: by local or remote name, with and without force and forgetting."""
        with self._playing() as play:
            for outcome in _OUTCOMES:
                for name in (self.local_names[0], self.remote_names[0]):
                    play.cancel(str(name), outcome=outcome, force=outcome is OK, forget=outcome is OK)

    def test_n9_it_bears_the_veto_of_another(self) -> None:
        """It was told before, and the operation is not even attempted."""
        with self._playing() as play:
            play.router.register(Registration("vetoer", lambda *_: CANCEL, order=_INNERMOST))
            play.add(self.remote_names[0], self.local_names[0])
            play.cancel(str(self.local_names[0]))

    def test_n11_it_is_told_again_before_another_attempt(self) -> None:
        """Another notifyee has a failed operation attempted again: a second pre, with the status WN_RETRY."""
        asked: list[int] = []

        def ask_once(info: NotifyInfo, event: Event) -> Answer:
            del event
            info.context = "asking"
            if info.phase is Phase.POST and not asked and info.may_retry:
                asked.append(1)
                return RETRY
            return OK

        for operation in ("add", "cancel"):
            asked.clear()
            with self._playing() as play:
                play.router.register(Registration("asking", ask_once, order=_OUTERMOST))
                outcomes = [Status.ERROR_TIMEOUT, OK]
                if operation == "add":
                    play.add(self.remote_names[0], self.local_names[0], outcomes=outcomes)
                else:
                    play.cancel(str(self.local_names[0]), outcomes=outcomes)

    def test_n14_it_bears_all_names(self) -> None:
        """UNC names, URLs, foreign letters, long ones; with a drive, a directory, or no local name; with a provider."""
        with self._playing() as play:
            for remote in self.remote_names:
                for local in self.local_names:
                    kind = ResourceType.DISK if local else ResourceType.ANY
                    play.add(remote, local, type=kind, provider=None if local else "webdav")
                    play.cancel(local or remote)

    def test_n16_it_bears_all_flags(self) -> None:
        """Each CONNECT_ flag, CONNECT_CURRENT_MEDIA among them, and an owner window."""
        with self._playing() as play:
            for flag in ConnectFlag:
                for outcome in (OK, Status.ERROR_NETWORK_UNREACHABLE):
                    play.add(self.remote_names[0], self.local_names[0], flags=flag, owner=0x10001, outcome=outcome)
                play.cancel(str(self.local_names[0]))

    def test_n7_it_keeps_apart_operations_that_overlap(self) -> None:
        """What it knows of an operation is in that operation's context, not in itself: posts come in any order."""
        with self._playing() as play:
            adds = [AddConnect(NetResource(self.remote_names[0], local)) for local in ("Y:", "X:", "W:")]
            cancels = [CancelConnect(local) for local in ("Y:", "X:", "W:")]
            for events in (adds, cancels):
                play.overlapping(events, posts=(1, 0, 2))

    def test_n18_it_can_be_told_by_two_threads(self) -> None:
        """One at a time, or both at once if it says that it is thread-safe."""
        with self._playing() as play:
            play.meet = threading.Barrier(2) if play.thread_safe else None

            def tell(local: str) -> None:
                for _ in range(_ROUNDS):
                    play.add(self.remote_names[0], local)
                    play.cancel(local)

            threads = [threading.Thread(target=tell, args=[local]) for local in ("Y:", "X:")]
            for each in threads:
                each.start()
            for each in threads:
                each.join()

    def test_it_leaves_nothing_behind(self) -> None:
        """No thread, no child process; the working directory and the environment are as they were."""
        before = _belongings()
        with self._playing() as play:
            play.add(self.remote_names[0], self.local_names[0])
            play.add(self.remote_names[0], outcome=Status.ERROR_BAD_NETPATH)
            play.cancel(str(self.local_names[0]))
        deadline = time.monotonic() + _GRACE
        while (left := _new(before, _belongings())) and time.monotonic() < deadline:
            time.sleep(0.02)
        _expect(not left, f"it has left behind, or changed: {', '.join(left)}")

    def test_it_prints_nothing(self) -> None:
        """Standard output is the caller's, who may be printing JSON there; a notifyee has info.message and logging."""
        printed = io.StringIO()
        with redirect_stdout(printed), self._playing() as play:
            play.add(self.remote_names[0], self.local_names[0])
            play.cancel(str(self.local_names[0]))
        _expect(not printed.getvalue(), f"it has printed {printed.getvalue()!r}")

    # -- how they are played -----------------------------------------------------------------------------------

    def _registration(self) -> Registration:
        notifyee = self.notifyee()
        registration = notifyee if isinstance(notifyee, Registration) else registration_of(notifyee)
        if registration.settle is not None:
            registration.settle()
        return registration

    @contextmanager
    def _playing(self) -> Iterator[_Play]:
        play = _Play(self._registration())
        with play.router:
            yield play
        _expect(not play.faults, "; ".join(dict.fromkeys(play.faults)))


class _Play:
    """A router with one notifyee, every call of which is looked at. faults: what was wrong, in words."""

    def __init__(self, registration: Registration) -> None:
        self.faults: list[str] = []
        self.meet: threading.Barrier | None = None
        self.thread_safe = registration.thread_safe
        self._registration = registration
        self.router = RecordingRouter(replace(registration, call=self.call))
        self.add: Callable[..., Result] = self.router.add
        self.cancel: Callable[..., Result] = self.router.cancel

    def overlapping(self, events: Sequence[Event], *, posts: Sequence[int]) -> None:
        """Make the pre of each of *events*, then the posts in the order of these places."""
        if events[0].operation not in self._registration.operations:
            return
        infos = [NotifyInfo(Phase.PRE, OK) for _ in events]
        for info, event in zip(infos, events, strict=True):
            with suppress(Exception):  # it is among the faults
                self.call(info, event)
        for place in posts:
            if infos[place].context is not None:
                with suppress(Exception):
                    self.call(NotifyInfo(Phase.POST, OK, infos[place].context), events[place])

    def call(self, info: NotifyInfo, event: Event) -> Answer:
        """Make the call as the dispatch would, and look at what came of it."""
        when = f"{'before' if info.phase is Phase.PRE else 'after'} the {event.operation}"
        before = repr(event)
        if self.meet is not None:
            with suppress(threading.BrokenBarrierError):  # the other thread has less to tell, or is done
                self.meet.wait(timeout=0.2)
        answer: Answer = None
        try:
            answer = self._registration.call(info, event)
            status = OK if answer is None else Status(answer)
        except WNetError as error:
            status = error.status
            if status is not CANCEL:
                self.faults.append(f"{when} it raised {error}")
            raise
        except Exception as error:
            self.faults.append(f"{when} it raised {type(error).__name__}: {error}")
            raise
        finally:
            if repr(event) != before:
                self.faults.append(f"{when} it changed the event, which is not its own")
        if status not in {OK, RETRY, CANCEL}:
            self.faults.append(f"{when} it answered {status.name}, which counts as an error (N10)")
        if info.message is not None and not isinstance(info.message, str):
            self.faults.append(f"{when} its message was not a text")
        return answer


def _expect(condition: bool, otherwise: str) -> None:
    if not condition:
        raise AssertionError(otherwise)


def _belongings() -> dict[str, object]:
    """What a process has that a notifyee could add to or change, each under words for it."""
    found: dict[str, object] = {f"the thread {each.name} ({each.ident})": True for each in threading.enumerate()}
    found |= {f"the child process {pid} ({name})": True for pid, name in _children()}
    found |= {f"the variable {name}": value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
    return found | {"the working directory": str(Path.cwd())}


def _new(before: dict[str, object], after: dict[str, object]) -> list[str]:
    changed = [words for words, value in after.items() if before.get(words) != value]
    return changed + [words for words in before if words.startswith("the variable") and words not in after]


def _children() -> Iterator[tuple[int, str]]:
    """The children of this process, where the system tells of them in ``/proc``: id and name."""
    me = str(os.getpid())
    for directory in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended meanwhile
            head, _, tail = (directory / "stat").read_text(errors="replace").rpartition(")")
            if tail.split()[1] == me:
                yield int(directory.name), head.partition("(")[2]
