"""What a forked child finds: no thread is left there that would let go of what others had (N18)."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

import pytest
from keyring.backend import KeyringBackend

from mprouter import AddConnect, NetResource
from mprouter.credentials import system_keyring
from mprouter.forks import lock
from mprouter.names import parse_remote
from mprouter.notify.dispatch import operate
from mprouter.notify.model import Registration
from mprouter.notify.python import registration_of
from sandbox import Places

pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")

ADD = AddConnect(NetResource("//files/projects", "Z:"))


def in_a_fork(does: Callable[[], object]) -> int:
    """The exit code of a child that does it; SIGALRM, as a negative number, if it hangs."""
    child = os.fork()
    if not child:
        signal.alarm(10)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        try:
            does()
        except BaseException:  # noqa: BLE001 - the child is not to become another test runner
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@contextmanager
def elsewhere(does: Callable[[Event, Event], object]) -> Iterator[None]:
    """Another thread does it meanwhile. does: is given what to set when it is at it, and what to wait for then."""
    inside, done = Event(), Event()
    thread = Thread(target=does, args=(inside, done))
    thread.start()
    try:
        assert inside.wait(30)
        yield
    finally:
        done.set()
        thread.join(30)


@pytest.mark.parametrize("kind", [threading.Lock, threading.RLock])
def test_a_lock_that_another_thread_has_is_free_in_a_child(kind: Callable[[], threading.Lock]) -> None:
    class Holder:
        def __init__(self) -> None:
            self.lock = lock(self, "lock", kind)

    holder = Holder()

    def hold(inside: Event, done: Event) -> None:
        with holder.lock:
            inside.set()
            done.wait(30)

    def take() -> None:
        with holder.lock:
            pass

    with elsewhere(hold):
        assert in_a_fork(take) == 0
    with holder.lock:
        assert in_a_fork(take) == 0


class Hanging(KeyringBackend):
    """A keyring that does not answer the process that has made it, until *done*."""

    priority = 0

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.maker, self.done = os.getpid(), Event()

    def get_password(self, *_: str) -> str:
        if os.getpid() == self.maker:
            self.done.wait(30)
        return "secret"

    def set_password(self, *_: str) -> None: ...

    def delete_password(self, *_: str) -> None: ...


def test_c8_a_keyring_that_hangs_is_asked_by_a_child(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    del places  # they are in the environment
    keyring, name = Hanging(), parse_remote("sftp://files.example.com/")

    def ask() -> None:
        (found,) = system_keyring.find(name, "ana")
        assert found.password.reveal() == "secret"

    monkeypatch.setattr("keyring.core._keyring_backend", keyring)
    monkeypatch.setattr(system_keyring, "TIMEOUT", 0.05)
    assert list(system_keyring.find(name, "ana")) == []
    monkeypatch.setattr(system_keyring, "TIMEOUT", 30.0)
    try:
        assert in_a_fork(ask) == 0
    finally:
        keyring.done.set()
        for each in threading.enumerate():
            if each.name == "mprouter-keyring":
                each.join()
    ask()


@pytest.mark.parametrize("shape", ["generator", "function"])
def test_n18_a_notifyee_that_another_thread_is_at_can_be_told_in_a_child(shape: str) -> None:
    parent, steps = os.getpid(), list[Event]()

    def wait() -> None:
        if os.getpid() == parent:
            inside, done = steps
            inside.set()
            done.wait(30)

    def generator(event: object) -> Iterator[None]:
        del event
        wait()
        yield

    def function(info: object, event: object) -> None:
        del info, event
        wait()

    told = registration_of(generator) if shape == "generator" else Registration("function", function)

    def tell(*events: Event) -> None:
        steps[:] = events
        operate(ADD, [told], lambda: ADD)

    with elsewhere(tell):
        assert in_a_fork(tell) == 0
