"""A frozen value is what ``dataclass(frozen=True, slots=True)`` makes."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from dataclasses import FrozenInstanceError, asdict, dataclass, field, fields, replace
from typing import Any, ClassVar

import pytest

from mprouter.frozen import frozen


@frozen
class Place:
    """Where something is."""

    kind: ClassVar[str] = "place"
    host: str
    port: int = 22
    options: dict[str, str] = field(default_factory=dict, hash=False)
    told: str = field(default="", repr=False, compare=False)
    fixed: str = field(default="always", init=False)

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


def test_what_the_class_says_itself_stays() -> None:
    @frozen
    class Hidden:
        secret: str

        def __repr__(self) -> str:
            return "***"

    assert repr(Hidden("x")) == "***"
