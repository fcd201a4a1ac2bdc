"""Contexts as text: what comes back is what was left, or nothing is kept (N19)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mprouter.notify.context import LIMIT, Elsewhere, frozen, thawed

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
values = st.recursive(scalars, lambda each: st.lists(each) | st.dictionaries(st.text(), each), max_leaves=20)
anything = st.recursive(
    scalars | st.floats() | st.binary() | st.builds(object),
    lambda each: st.lists(each) | st.tuples(each, each) | st.dictionaries(scalars, each) | st.frozensets(scalars),
    max_leaves=20,
)


@given(values.filter(lambda each: each is not None))
def test_n19_a_context_of_json_values_comes_back_as_it_was(context: object) -> None:
    text = frozen(context)
    assert text is not None
    assert repr(thawed(text)) == repr(context)


@given(anything)
def test_n19_any_other_context_comes_back_as_it_was_or_is_not_kept(context: object) -> None:
    text = frozen(context)
    assert text is None or thawed(text) == context


class Lease(NamedTuple):
    number: int


def generator() -> Iterator[None]:
    yield


@pytest.mark.parametrize(
    "context",
    [
        generator(),
        object(),
        (1, 2),
        Lease(1),
        {1: "a key that is no string"},
        {"inside": {"of": (1,)}},
        b"bytes",
        float("nan"),
        float("inf"),
        "x" * LIMIT,
        Elsewhere(None),
    ],
    ids=lambda context: type(context).__name__,
)
def test_n19_what_would_not_come_back_is_not_kept(context: object) -> None:
    assert frozen(context) is None


def test_n19_a_context_that_contains_itself_is_not_kept() -> None:
    circle: list[object] = []
    circle.append(circle)
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    assert frozen(circle) is None
    assert frozen(deep) is None


def test_n19_a_context_in_a_host_process_is_kept_as_it_was_frozen_there() -> None:
    assert frozen(Elsewhere('{"lease": 7}')) == '{"lease": 7}'


def test_none_is_the_context_of_who_died_during_the_call_before() -> None:
    assert thawed(None) is None
