"""A frozen value is what ``dataclass(frozen=True, slots=True)`` makes."""

from __future__ import annotations

import copy
import inspect
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError, asdict, dataclass, field, fields, replace
from threading import Barrier
from typing import Any, ClassVar

import pytest

from mprouter.frozen import frozen, names


@frozen
class Place:
    """Where something is."""

    kind: ClassVar[str] = "place"
    host: str
    port: int = 22
    options: dict[str, str] = field(default_factory=dict, hash=False)
    told: str = field(default="", repr=False, compare=False)
    fixed: str = field(default="always", init=False)
    seen: list[str] = field(default_factory=list, init=False, hash=False)

    @property
    def shown(self) -> str:
        return f"{self.host}:{self.port}"


@frozen
class Harbour(Place):
    """One with ships."""

    ships: int = field(kw_only=True)


@frozen
class Empty:
    """Nothing."""


@dataclass(frozen=True, slots=True)
class Usual:
    """As ``Place``, by the standard library."""

    kind: ClassVar[str] = "place"
    host: str
    port: int = 22
    options: dict[str, str] = field(default_factory=dict, hash=False)
    told: str = field(default="", repr=False, compare=False)
    fixed: str = field(default="always", init=False)
    seen: list[str] = field(default_factory=list, init=False, hash=False)


EITHER = pytest.mark.parametrize("made", [frozen, dataclass(frozen=True, slots=True)], ids=["frozen", "dataclass"])
"""Ours, and the one that it stands for."""

Maker = Callable[[type], Callable[..., Any]]


def test_it_looks_as_the_usual_one() -> None:
    ours, usual = Place("h", 1, told="x"), Usual("h", 1, told="x")
    assert repr(ours) == repr(usual).replace("Usual", "Place")
    assert asdict(ours) == asdict(usual)
    assert Place.__match_args__ == Usual.__match_args__
    assert hash(ours) == hash(usual)
    assert not hasattr(ours, "__dict__")
    assert ours.shown == "h:1"
    assert [each.name for each in fields(Place)] == [each.name for each in fields(Usual)]


def test_defaults_are_each_value_s_own() -> None:
    assert Place("h").options == {}
    assert Place("h").options is not Place("h").options
    assert Place("h").seen == []
    assert Place("h").seen is not Place("h").seen


def test_its_signature_is_known_before_there_is_a_value() -> None:
    @frozen
    class Fresh:
        host: str
        options: dict[str, str] = field(default_factory=dict)
        port: int = field(default=22, kw_only=True)

    found = inspect.signature(Fresh).parameters
    assert list(found) == ["host", "options", "port"]
    assert found["host"].default is inspect.Parameter.empty
    assert (found["port"].default, found["port"].kind) == (22, inspect.Parameter.KEYWORD_ONLY)


def test_threads_may_race_for_the_first_value() -> None:
    for _ in range(50):
        kind: Any = frozen(type("Fresh", (), {"__annotations__": {"host": str}}))
        at_once = Barrier(4)

        def make(kind: Any = kind, at_once: Barrier = at_once) -> Any:
            at_once.wait(30)
            return kind("h").host

        with ThreadPoolExecutor(4) as threads:
            assert {each.result(30) for each in [threads.submit(make) for _ in range(4)]} == {"h"}


def _fresh(made: Maker) -> Any:
    """A class of which there is no value yet: the first few are made otherwise than the rest."""

    @made
    class Fresh:
        self: str
        port: int = 22
        options: dict[str, str] = field(default_factory=dict)
        fixed: str = field(default="always", init=False)
        seen: list[str] = field(default_factory=list, init=False)
        ships: int = field(default=0, kw_only=True)

    return Fresh


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (("h",), {}),
        ((), {"self": "h"}),
        (("h", 1, {"a": "b"}), {"ships": 3}),
        (("h",), {"options": {}, "port": 1}),
        ((), {}),
        ((), {"port": 1}),
        (("h", 1, {}, 3), {}),
        (("h",), {"self": "h"}),
        (("h",), {"nonsense": 1}),
        (("h",), {"fixed": "no"}),
    ],
)
def test_the_first_values_are_as_all_others(given: tuple[object, ...], named: dict[str, Any]) -> None:
    def outcomes(made: Maker) -> list[object]:
        kind, found = _fresh(made), list[object]()
        for _ in range(5):
            try:
                found.append(asdict(kind(*given, **named)))
            except TypeError as error:
                found.append(str(error).rpartition(".")[2])
        return found

    assert outcomes(frozen) == outcomes(dataclass(frozen=True, slots=True))


def test_threads_may_ask_at_once_which_fields_it_has() -> None:
    for _ in range(20):
        kind: Any = _fresh(frozen)
        at_once = Barrier(4)

        def ask(kind: Any = kind, at_once: Barrier = at_once) -> list[str]:
            at_once.wait(30)
            return [each.name for each in fields(kind)]

        with ThreadPoolExecutor(4) as threads:
            found = [each.result(30) for each in [threads.submit(ask) for _ in range(4)]]
        assert found == [["self", "port", "options", "fixed", "seen", "ships"]] * 4


@EITHER
def test_an_error_names_the_class_of_which_a_value_was_wanted(made: Maker) -> None:
    kind = _fresh(made)
    for _ in range(4):
        with pytest.raises(TypeError, match=r"Fresh\.__init__\(\) missing 1 required positional argument: 'self'"):
            kind()


def test_its_names_are_those_of_its_fields() -> None:
    assert names(Place) == tuple(each.name for each in fields(Place))


@EITHER
def test_a_field_that_nobody_gives_a_value_has_none(made: Maker) -> None:
    @made
    class Late:
        host: str
        address: str = field(init=False, repr=False, compare=False)

    late: Any = Late
    assert not hasattr(late("h"), "address")
    assert repr(late("h")).endswith("Late(host='h')")


@EITHER
def test_a_field_may_be_named_as_its_maker_s_own_things_are(made: Maker) -> None:
    @made
    class Odd:
        self: int
        _set: int = 0
        _MISSING: int = 1
        _make_parts: int = 2
        parts: list[int] = field(default_factory=list)

    odd: Any = Odd
    assert asdict(odd(5)) == {"self": 5, "_set": 0, "_MISSING": 1, "_make_parts": 2, "parts": []}


def test_it_compares_by_its_fields() -> None:
    assert Place("h", told="x") == Place("h", told="y")
    assert Place("h") != Place("h", 23)
    assert Place("h") != Usual("h")  # type: ignore[comparison-overlap]
    assert Empty() == Empty()
    assert {Place("h", options={"a": "b"}), Place("h")} == {Place("h"), Place("h", options={"a": "b"})}


def test_a_subclass_has_the_fields_of_both() -> None:
    harbour = Harbour("h", 1, ships=3)
    assert (harbour.shown, harbour.ships, harbour.fixed) == ("h:1", 3, "always")
    assert replace(harbour, ships=4) == Harbour("h", 1, ships=4)
    assert harbour != Place("h", 1)


@EITHER
def test_a_subclass_may_be_made_by_the_standard_library(made: Maker) -> None:
    @made
    class Point:
        host: str
        port: int = 22

    @dataclass(frozen=True)
    class Pier(Point):
        length: float = 1.0

    @dataclass(frozen=True, slots=True)
    class Quay(Point):
        length: float = 1.0

    kinds: Any = (Pier, Quay)
    for kind in kinds:
        derived = kind("h", length=2.0)
        assert asdict(derived) == {"host": "h", "port": 22, "length": 2.0}
        assert replace(derived, host="g") != derived
        assert hash(copy.copy(derived)) == hash(derived)
        for name in ("host", "length"):
            with pytest.raises(FrozenInstanceError):
                setattr(derived, name, "other")


@EITHER
def test_who_derives_from_it_is_frozen_as_well(made: Maker) -> None:
    @made
    class Point:
        host: str

    def derive(maker: Maker, base: Any) -> Any:
        return maker(type("Derived", (base,), {"__annotations__": {"depth": int}}))

    with pytest.raises(TypeError, match="cannot inherit non-frozen dataclass from a frozen one"):
        derive(dataclass, Point)
    with pytest.raises(TypeError, match="cannot inherit frozen dataclass from a non-frozen one"):
        derive(made, dataclass(type("Loose", (), {"__annotations__": {"host": str}})))
    derived = derive(made, dataclass(frozen=True)(type("Firm", (), {"__annotations__": {"host": str}})))("h", 1)
    with pytest.raises(FrozenInstanceError):
        derived.host = "other"


def test_a_plain_subclass_is_as_its_base() -> None:
    class Named(Place):
        def __init__(self, host: str) -> None:
            super().__init__(host, 1)

    named = Named("h")
    assert (named.shown, named == Named("h"), named == Place("h", 1)) == ("h:1", True, False)
    assert repr(named).endswith("Named(host='h', port=1, options={}, fixed='always', seen=[])")
    for name in ("host", "name"):
        with pytest.raises(FrozenInstanceError):
            setattr(named, name, "other")


@pytest.mark.parametrize("wrong", [{}, {"host": "h", "nonsense": 1}, {"host": "h", "fixed": "no"}])
@pytest.mark.parametrize("kind", [Place, Usual])
def test_it_takes_its_fields_and_nothing_else(kind: Callable[..., object], wrong: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        kind(**wrong)


def test_it_cannot_be_changed() -> None:
    place = Place("h")
    with pytest.raises(FrozenInstanceError, match="cannot assign to field 'host'"):
        place.host = "other"  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError, match="cannot delete field 'host'"):
        del place.host


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda each: pickle.loads(pickle.dumps(each))])  # noqa: S301
def test_it_can_be_copied(again: Callable[[Place], Place]) -> None:
    place = Harbour("h", 1, {"a": "b"}, "told", ships=3)
    assert again(place) == place
    assert again(place).told == "told"


def test_it_can_be_copied_with_other_values() -> None:
    """By ``copy.replace``, which Python has since 3.13."""
    harbour: Any = Harbour("h", ships=3)
    assert harbour.__replace__(ships=4) == Harbour("h", ships=4)


def test_what_the_class_says_itself_stays() -> None:
    @frozen
    class Hidden:
        secret: str

        def __repr__(self) -> str:
            return "***"

    assert repr(Hidden("x")) == "***"


def _same(self: object, other: object) -> bool:
    del self, other
    return True


def _seven(self: object) -> int:
    del self
    return 7


@EITHER
@pytest.mark.parametrize(
    ("own", "is_hashable"),
    [
        ({}, True),
        ({"__eq__": _same}, True),
        ({"__hash__": _seven}, True),
        ({"__eq__": _same, "__hash__": _seven}, True),
        ({"__hash__": None}, False),
    ],
    ids=["nothing", "eq", "hash", "both", "no hash"],
)
def test_what_compares_or_hashes_by_itself_is_hashed_as_usual(
    made: Maker, own: dict[str, Any], is_hashable: bool
) -> None:
    kind = made(type("Kind", (), {"__annotations__": {"host": str}, **own}))
    assert (kind("h") == kind("g")) is ("__eq__" in own)
    if is_hashable:
        assert (hash(kind("h")) == 7) is ("__hash__" in own)
        assert (hash(kind("h")) == hash(kind("g"))) is ("__hash__" in own)
    else:
        with pytest.raises(TypeError, match="unhashable"):
            hash(kind("h"))


@pytest.mark.parametrize("name", ["__post_init__", "__setattr__", "__delattr__"])
def test_what_would_not_be_called_is_refused(name: str) -> None:
    with pytest.raises(TypeError, match="Kind: a frozen class has no __post_init__"):
        frozen(type("Kind", (), {"__annotations__": {"host": str}, name: _same}))


@pytest.mark.parametrize(
    "wrong",
    [{"__annotations__": {"seen": "list[str]"}, "seen": []}, {"seen": field(default="")}],
    ids=["shared", "bare"],
)
@EITHER
def test_what_is_no_field_of_a_dataclass_is_refused(made: Maker, wrong: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError), match=r"mutable default|no type annotation"):
        made(type("Kind", (), wrong))


@pytest.mark.parametrize("decorate", [frozen, dataclass(frozen=True)])
def test_a_field_that_must_be_given_cannot_follow_one_that_need_not(decorate: Callable[[type], type]) -> None:
    with pytest.raises(TypeError, match="non-default argument"):
        decorate(type("Kind", (), {"__annotations__": {"host": str, "port": int}, "host": "h"}))
