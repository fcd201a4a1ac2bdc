"""Frozen dataclasses with slots, made quickly: a command that connects something makes some sixty of them first.

``dataclasses.dataclass`` reads what each annotation says, and compiles up to eight functions for each class, which is
nearly all that making it costs. Here what it would find out is left until somebody asks for it, ``__init__`` is
compiled when the third value is made, of which most classes have none in a command, and all else is the same function
for each of them.
They are dataclasses all the same: for ``fields``, ``replace``, ``match``, ``pickle`` and the type checker.
"""

from __future__ import annotations

from dataclasses import MISSING, Field, FrozenInstanceError, dataclass, field, fields, is_dataclass, replace
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, dataclass_transform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    Fields = Mapping[str, Field[Any]]

__all__ = ["frozen", "names"]

T = TypeVar("T")

_FEW = 2
"""Values of a class that are made without a function for it."""

_OTHERS = ("ClassVar", "InitVar", "KW_ONLY")
"""What in an annotation says that this is no field, or another kind of one."""

_ASKED = ("__dataclass_fields__", "__dataclass_params__", "__match_args__")
"""What dataclasses, and ``match``, know a class by."""


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
    known = _plain_fields(kind)
    if known is None:
        inherits = is_dataclass(kind)  # then its bases must be frozen, which dataclass looks at
        made: Any = dataclass(init=False, repr=False, eq=False, frozen=inherits, slots=True)(kind)
        made.__dataclass_params__.frozen = True  # and so it does for what is derived from this one
        known = {each.name: each for each in fields(made)}
    else:
        made = _copy(kind, without=known, __slots__=tuple(known), **{name: _Asked(kind) for name in _ASKED})
    compared = _getter(name for name, each in known.items() if each.compare)
    hashed = _getter(name for name, each in known.items() if (each.compare if each.hash is None else each.hash))
    methods = {
        "__init__": _Init(made, known),
        "__repr__": _repr,
        "__eq__": lambda self, other: (
            compared(self) == compared(other) if type(self) is type(other) else NotImplemented
        ),
        "__hash__": lambda self: hash(hashed(self)),
        "__setattr__": _refuse_to_set,
        "__delattr__": _refuse_to_delete,
        "__replace__": replace,  # which copy.replace asks for, since Python 3.13
        "__getstate__": _state,
        "__setstate__": _set_state,
    }
    for name, method in methods.items():
        if name not in own:
            setattr(made, name, method)
    done: type[T] = made
    return done


def names(kind: type) -> tuple[str, ...]:
    """Those of the fields of a frozen class that is derived from none: ``fields`` has dataclasses find out more.

    Since Python 3.12 that takes ``inspect``, which takes longer to load than a short command to do its work.
    """
    found: tuple[str, ...] = vars(kind)["__slots__"]
    return found


def _plain_fields(kind: type) -> Fields | None:
    """The fields of *kind*, in their order; None if it takes dataclasses to say which these are."""
    space = vars(kind)
    written: Mapping[str, object] = space.get("__annotations__", {})
    is_plain = kind.__bases__ == (object,) and all(
        isinstance(each, str) and not any(other in each for other in _OTHERS) for each in written.values()
    )
    given = {name: space.get(name, MISSING) for name in written}
    known = {name: each if isinstance(each, Field) else field(default=each) for name, each in given.items()}
    is_refused = any(type(each.default).__hash__ is None for each in known.values()) or any(
        isinstance(each, Field) and name not in known for name, each in space.items()
    )
    return known if is_plain and not is_refused else None


def _copy(kind: type, without: Iterable[str] = (), **attributes: object) -> Any:
    """*kind* once more, but for some of its attributes."""
    left = {"__dict__", "__weakref__", *without}
    made: Any = type(kind)(
        kind.__name__,
        kind.__bases__,
        {name: each for name, each in vars(kind).items() if name not in left} | attributes,
    )
    made.__qualname__ = kind.__qualname__
    return made


class _Asked:
    """Stands for what dataclasses says of a class, until somebody asks for it."""

    def __init__(self, kind: type) -> None:
        self._kind = kind

    def __set_name__(self, made: type, name: str) -> None:
        self._made, self._name = made, name

    def __get__(self, value: object, kind: type | None = None) -> object:
        usual: Any = dataclass(init=False, repr=False, eq=False)(_copy(self._kind))  # since threads may ask at once
        usual.__dataclass_params__.frozen = True
        for name in _ASKED:
            setattr(self._made, name, vars(usual)[name])
        return vars(usual)[self._name]


def _getter(names: Iterable[str]) -> Callable[[object], object]:
    """What gets these attributes of a value."""
    found = tuple(names)
    return attrgetter(*found) if found else lambda _: ()


class _Init:
    """Stands for ``__init__``, and makes the first few values, until there is one."""

    def __init__(self, made: Any, known: Fields) -> None:
        self._made, self._known = made, known
        self._left = _FEW
        follows = False
        for name, each in known.items():
            if each.init and each.kw_only is not True:
                must_be_given = each.default is MISSING and each.default_factory is MISSING
                if must_be_given and follows:
                    raise TypeError(f"{made.__qualname__}: non-default argument {name!r} follows default argument")
                follows = not must_be_given

    def __get__(self, value: object, kind: type | None = None) -> Callable[..., None]:
        if self._left > 0 and isinstance(value, self._made):  # and not whoever asks for its signature
            self._left -= 1
            return partial(self._fill, value)
        return self._function(value, kind)

    def _function(self, value: object, kind: type | None = None) -> Callable[..., None]:
        init = _init(self._made.__module__, self._known)
        init.__qualname__ = f"{self._made.__qualname__}.__init__"  # by which errors name it
        self._made.__init__ = init
        bound: Callable[..., None] = init.__get__(value, kind)
        return bound

    def _fill(self, value: object, /, *args: object, **named: object) -> None:
        names = [name for name, each in self._known.items() if each.init and each.kw_only is not True]
        given = {**named, **dict(zip(names, args, strict=False))}
        is_wrong = len(given) < len(args) + len(named)
        for name, each in self._known.items():
            if each.init and name in given:
                object.__setattr__(value, name, given.pop(name))
            elif each.default is not MISSING:
                object.__setattr__(value, name, each.default)
            elif each.default_factory is not MISSING:
                object.__setattr__(value, name, each.default_factory())
            elif each.init:
                is_wrong = True
        if is_wrong or given:
            self._function(value)(*args, **named)  # which says what


def _init(module: str, known: Fields) -> Callable[..., None]:
    """The one function whose text depends on the fields, by which it is called."""
    parameters, lines = {False: ["__self"], True: ["*"]}, ["pass"]
    # no field's name begins as these do: within a class Python changes such names
    about: dict[str, Any] = {"__name__": module, "__set": object.__setattr__, "__MISSING": MISSING}
    for name, each in known.items():
        said, default = "", ""
        if each.default_factory is not MISSING:
            about[f"__make_{name}"] = each.default_factory
            said, default = f"__make_{name}()", "=__MISSING"
        elif each.default is not MISSING:
            about[f"__default_{name}"] = each.default
            said, default = f"__default_{name}", f"=__default_{name}"
        if each.init:
            parameters[each.kw_only is True].append(name + default)
            said = f"{said} if {name} is __MISSING else {name}" if default == "=__MISSING" else name
        if said:
            lines.append(f"__set(__self, {name!r}, {said})")
    words = parameters[False] + (parameters[True] if len(parameters[True]) > 1 else [])
    exec(f"def __init__({', '.join(words)}):\n " + "\n ".join(lines), about)  # noqa: S102 - as dataclasses does
    init: Callable[..., None] = about["__init__"]
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
