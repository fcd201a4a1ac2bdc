"""Frozen dataclasses with slots, made quickly: a command that connects something makes some sixty of them first.

``dataclasses.dataclass`` compiles up to eight functions for each class, which is nearly all that making it costs. Here
only ``__init__`` is compiled, and all else is the same function for each of them, which takes a quarter of the time.
They are dataclasses all the same: for ``fields``, ``replace``, ``match``, ``pickle`` and the type checker.
"""

from __future__ import annotations

from dataclasses import MISSING, FrozenInstanceError, dataclass, field, fields
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, dataclass_transform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["frozen"]

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(kind: type[T]) -> type[T]:
    """As ``dataclass(frozen=True, slots=True)``, without ``__post_init__``."""
    made: Any = dataclass(init=False, repr=False, eq=False, slots=True)(kind)
    compared = _getter(each.name for each in fields(made) if each.compare)
    hashed = _getter(each.name for each in fields(made) if (each.compare if each.hash is None else each.hash))
    methods = {
        "__init__": _init(made),
        "__repr__": _repr,
        "__eq__": lambda self, other: (
            compared(self) == compared(other) if type(self) is type(other) else NotImplemented
        ),
        "__hash__": lambda self: hash(hashed(self)),
        "__setattr__": _refuse_to_set,
        "__delattr__": _refuse_to_delete,
        "__getstate__": _state,
        "__setstate__": _set_state,
    }
    for name, method in methods.items():
        if name not in vars(kind):
            setattr(made, name, method)
    done: type[T] = made
    return done


def _getter(names: Iterable[str]) -> Callable[[object], object]:
    """What gets these attributes of a value."""
    found = tuple(names)
    return attrgetter(*found) if found else lambda _: ()


def _init(made: Any) -> Callable[..., None]:
    """Its ``__init__``: the one function whose text depends on the fields, by which it is called."""
    parameters, lines = {False: ["self"], True: ["*"]}, ["pass"]
    known: dict[str, Any] = {"__name__": made.__module__, "_set": object.__setattr__, "_MISSING": MISSING}
    for each in fields(made):
        said, default = each.name, ""
        if each.default_factory is not MISSING:
            known[f"_make_{each.name}"] = each.default_factory
            said, default = f"_make_{each.name}() if {each.name} is _MISSING else {each.name}", "=_MISSING"
        elif each.default is not MISSING:
            known[f"_default_{each.name}"] = each.default
            default = f"=_default_{each.name}"
        if each.init:
            parameters[bool(each.kw_only)].append(each.name + default)
        else:
            said = default.removeprefix("=")
        lines.append(f"_set(self, {each.name!r}, {said})")
    words = parameters[False] + (parameters[True] if len(parameters[True]) > 1 else [])
    exec(f"def __init__({', '.join(words)}):\n " + "\n ".join(lines), known)  # noqa: S102 - as dataclasses does
    init: Callable[..., None] = known["__init__"]
    return init


def _repr(self: Any) -> str:
    shown = (f"{each.name}={getattr(self, each.name)!r}" for each in fields(self) if each.repr)
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _refuse_to_set(_: object, name: str, __: object) -> NoReturn:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_to_delete(_: object, name: str) -> NoReturn:
    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _state(self: Any) -> list[object]:
    """For ``pickle`` and ``copy``."""
    return [getattr(self, each.name) for each in fields(self)]


def _set_state(self: Any, state: list[object]) -> None:
    for each, one in zip(fields(self), state, strict=True):
        object.__setattr__(self, each.name, one)
