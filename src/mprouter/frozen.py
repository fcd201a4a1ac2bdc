"""Frozen dataclasses with slots, made quickly: a command that connects something makes some sixty of them first.

``dataclasses.dataclass`` compiles up to eight functions for each class, which is nearly all that making it costs. Here
only ``__init__`` is compiled, when the first value is made, of which most classes have none in a command, and all else
is the same function for each of them.
They are dataclasses all the same: for ``fields``, ``replace``, ``match``, ``pickle`` and the type checker.
"""

from __future__ import annotations

from dataclasses import MISSING, FrozenInstanceError, dataclass, field, fields, is_dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, dataclass_transform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["frozen"]

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(kind: type[T]) -> type[T]:
    """As ``dataclass(frozen=True, slots=True)``, without ``__post_init__``. Raises ``TypeError`` where that does.

    Subclasses are frozen too, however they are made: what is no field of theirs cannot be assigned either.
    """
    own = set(vars(kind))
    if "__eq__" in own and vars(kind)["__hash__"] is None:  # which Python put there
        own.remove("__hash__")
    if hasattr(kind, "__post_init__") or not own.isdisjoint(("__setattr__", "__delattr__")):
        raise TypeError(
            f"{kind.__qualname__}: a frozen class has no __post_init__, __setattr__ or __delattr__ of its own"
        )
    inherits = is_dataclass(kind)  # then its bases must be frozen, which dataclass looks at
    made: Any = dataclass(init=False, repr=False, eq=False, frozen=inherits, slots=True)(kind)
    made.__dataclass_params__.frozen = True  # and so it does for what is derived from this one
    compared = _getter(each.name for each in fields(made) if each.compare)
    hashed = _getter(each.name for each in fields(made) if (each.compare if each.hash is None else each.hash))
    methods = {
        "__init__": _Init(made),
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
        if name not in own:
            setattr(made, name, method)
    done: type[T] = made
    return done


def _getter(names: Iterable[str]) -> Callable[[object], object]:
    """What gets these attributes of a value."""
    found = tuple(names)
    return attrgetter(*found) if found else lambda _: ()


class _Init:
    """Stands for ``__init__`` until somebody asks for it."""

    def __init__(self, made: Any) -> None:
        self._made = made
        follows = False
        for each in fields(made):
            if each.init and not each.kw_only:
                must_be_given = each.default is MISSING and each.default_factory is MISSING
                if must_be_given and follows:
                    raise TypeError(f"{made.__qualname__}: non-default argument {each.name!r} follows default argument")
                follows = not must_be_given

    def __get__(self, value: object, kind: type | None = None) -> Callable[..., None]:
        init = _init(self._made)
        self._made.__init__ = init
        bound: Callable[..., None] = init.__get__(value, kind)
        return bound


def _init(made: Any) -> Callable[..., None]:
    """The one function whose text depends on the fields, by which it is called."""
    parameters, lines = {False: ["__self"], True: ["*"]}, ["pass"]
    # no field's name begins as these do: within a class Python changes such names
    known: dict[str, Any] = {"__name__": made.__module__, "__set": object.__setattr__, "__MISSING": MISSING}
    for each in fields(made):
        said, default = "", ""
        if each.default_factory is not MISSING:
            known[f"__make_{each.name}"] = each.default_factory
            said, default = f"__make_{each.name}()", "=__MISSING"
        elif each.default is not MISSING:
            known[f"__default_{each.name}"] = each.default
            said, default = f"__default_{each.name}", f"=__default_{each.name}"
        if each.init:
            parameters[bool(each.kw_only)].append(each.name + default)
            said = f"{said} if {each.name} is __MISSING else {each.name}" if default == "=__MISSING" else each.name
        if said:
            lines.append(f"__set(__self, {each.name!r}, {said})")
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
