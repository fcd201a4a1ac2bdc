"""R1 to R4 through WNet: providers that lie, raise, hang and are slow, and the one error that the caller is told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from foreign import Foreign, shares
from mprouter import Router, Status, WNetError, browsing, default, wnet
from mprouter.providers import guard
from mprouter.providers.base import Capability

DISK = wnet.NETRESOURCE(dwType=wnet.RESOURCETYPE_DISK, lpRemoteName="file:///server/share")
SERVER = wnet.NETRESOURCE(dwUsage=wnet.RESOURCEUSAGE_CONTAINER, lpRemoteName="file:///server")


def provider(name: str, **does: Any) -> Foreign:
    """One that does what is given: methods or attributes."""
    made = Foreign(name=name, content={"file:///server": shares("file:///server/share")})
    for key, value in does.items():
        setattr(made, key, value)
    return made


def raising(error: BaseException) -> Callable[..., Any]:
    def raises(*_: object, **__: object) -> None:
        raise error

    return raises


def refusing(status: Status) -> Callable[..., Any]:
    return raising(WNetError(status, f"it says {status.name}"))


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """A method that comes back only when the test is over; nobody waits long for it."""
    over = threading.Event()
    for module, limit in ((guard, "PATIENCE"), (guard, "ANSWER"), (browsing, "PATIENCE")):
        monkeypatch.setattr(module, limit, 0.5)
    yield lambda *_: over.wait()
    over.set()


@pytest.fixture
def among(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Has the functions ask these providers, in this order."""
    made: list[Router] = []

    def ask(*providers: Foreign) -> None:
        made.append(Router(providers=providers, drop_ins=False))
        monkeypatch.setattr(default, "_default", made[-1])

    yield ask
    for each in made:
        each.close()


def told(function: Callable[..., object], *arguments: object) -> tuple[Status, str | None]:
    with pytest.raises(WNetError) as failed:
        function(*arguments)
    return failed.value.status, failed.value.provider


SHRUGS = Status.ERROR_BAD_NETPATH


def test_r3_of_those_that_lie_raise_hang_and_refuse_the_first_significant_error_is_told(
    among: Callable[..., None], hanging: Callable[..., Any]
) -> None:
    bad = {
        "shrugs": provider("shrugs", add_connection=refusing(SHRUGS)),
        "cannot": provider("cannot", capabilities=Capability.GET_CONNECTIONS, add_connection=raising(AssertionError())),
        "lies": provider("lies", add_connection=lambda _: "connected"),
        "hangs": provider("hangs", claims=hanging),
        "raises": provider("raises", add_connection=raising(ZeroDivisionError("by accident"))),
        "refuses": provider("refuses", add_connection=refusing(Status.ERROR_ACCESS_DENIED)),
    }
    statuses = {
        "lies": Status.ERROR_INVALID_DATA,
        "hangs": Status.ERROR_TIMEOUT,
        "raises": Status.ERROR_EXTENDED_ERROR,
        "refuses": Status.ERROR_ACCESS_DENIED,
    }
    while statuses:
        among(*bad.values())
        first = next(iter(statuses))
        assert told(wnet.WNetAddConnection2, DISK) == (statuses.pop(first), first)
        del bad[first]
    among(*bad.values())
    assert told(wnet.WNetAddConnection2, DISK) == (Status.ERROR_BAD_NET_NAME, "shrugs")


def test_r4_none_of_them_keeps_the_next_from_connecting(
    among: Callable[..., None], hanging: Callable[..., Any]
) -> None:
    slow = provider("slow")
    there, asked = threading.Event(), threading.Event()
    connect = slow.add_connection

    def connect_slowly(request: Any) -> Any:
        asked.set()
        there.wait()
        return connect(request)

    slow.add_connection = connect_slowly  # type: ignore[method-assign]
    among(
        provider("lies", claims=lambda _: "yes", add_connection=lambda _: None),
        provider("hangs", claims=hanging),
        provider("exits", add_connection=raising(SystemExit(3))),
        provider("refuses", add_connection=refusing(Status.ERROR_LOGON_FAILURE)),
        slow,
    )
    caller = threading.Thread(target=wnet.WNetAddConnection2, args=[DISK])
    caller.start()
    asked.wait()
    assert caller.is_alive()  # it is slow, and nobody else will do: it is waited for
    there.set()
    caller.join()
    (made,) = wnet.WNetOpenEnum(wnet.RESOURCE_CONNECTED)
    assert made.lpProvider == "slow"


def test_what_a_provider_raised_is_the_last_error_of_this_thread(among: Callable[..., None]) -> None:
    among(provider("raises", add_connection=raising(ZeroDivisionError("by accident"))))
    assert told(wnet.WNetAddConnection2, DISK) == (Status.ERROR_EXTENDED_ERROR, "raises")
    assert wnet.WNetGetLastError() == (0, "ZeroDivisionError: by accident", "raises")


QUESTIONS = [
    ("resource_information", lambda: wnet.WNetGetResourceInformation(DISK)),
    ("enumerate", lambda: list(wnet.WNetOpenEnum(wnet.RESOURCE_GLOBALNET, 0, 0, SERVER))),
]


@pytest.mark.parametrize(("method", "ask"), QUESTIONS, ids=[method for method, _ in QUESTIONS])
def test_r3_r4_the_same_holds_for_questions(
    among: Callable[..., None], hanging: Callable[..., Any], method: str, ask: Callable[[], object]
) -> None:
    shrugs = provider("shrugs", **{method: refusing(SHRUGS)})
    raises = provider("raises", **{method: raising(KeyError("no"))})
    refuses = provider("refuses", **{method: refusing(Status.ERROR_ACCESS_DENIED)})
    hangs = provider("hangs", **{method: hanging})
    among(shrugs, refuses, raises)
    assert told(ask) == (Status.ERROR_ACCESS_DENIED, "refuses")
    among(shrugs, raises, refuses)
    assert told(ask) == (Status.ERROR_EXTENDED_ERROR, "raises")
    among(hangs, refuses)
    assert told(ask) == (Status.ERROR_TIMEOUT, "hangs")
    among(shrugs, raises, hangs, refuses, provider("sound"))
    assert ask()


def test_r1_r2_among_a_hundred_each_is_asked_once_and_all_strangers_by_one_thread(among: Callable[..., None]) -> None:
    asked: list[tuple[str, int]] = []

    def one(name: str, *, mine: bool) -> Foreign:
        def claims(_: object) -> bool:
            asked.append((name, threading.get_ident()))
            return mine

        return provider(name, claims=claims)

    among(*(one(f"p{number}", mine=number == 99) for number in range(100)))
    wnet.WNetAddConnection2(DISK)
    assert [name for name, _ in asked] == [f"p{number}" for number in range(100)]
    assert len({thread for _, thread in asked}) == 1
