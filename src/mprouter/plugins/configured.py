"""Targets with settings: a class or function that gets the table ``[settings]`` of its drop-in as keyword arguments.

Here the table is compared with the signature, so that a slip of the pen is told by its key. What the values mean is
the target's business.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mprouter.status import Status, WNetError, in_words

if TYPE_CHECKING:
    from inspect import Parameter

__all__ = ["PREFIX", "configured"]

PREFIX = "settings: "
"""How every error here begins: by it one knows that the table is to blame, also when the error came over a pipe."""


def configured(target: Any, settings: Mapping[str, Any], *, match: Sequence[str] = ()) -> object:
    """The notifyee that *target* makes of *settings*: an instance of a class, or a function with these arguments.

    match: the patterns of the registration itself, handed to a target that has an argument of this name.

    Raises ``WNetError`` (ERROR_BAD_CONFIGURATION), naming the key: one that the target does not know or that is
    missing, a value of another type than annotated, or what the class itself says of its settings.
    """
    if not settings and not isinstance(target, type):
        return target
    known = _arguments(target)
    if not settings and not known:  # a class that wants nothing; what it raises is not its settings' fault
        return target
    if match and "match" in known:
        settings = {"match": list(match), **settings}
    values = {key: _checked(key, value, known) for key, value in settings.items()}
    if not isinstance(target, type):
        return functools.partial(target, **values)
    for key, argument in known.items():
        if argument.default is argument.empty and key not in values:
            raise _bad(f"{key} is missing")
    try:
        return target(**values)
    except WNetError as error:
        raise _bad(str(error.strerror)) from error
    except Exception as error:
        raise _bad(f"{target.__name__} refuses them: {in_words(error)}") from error


def _arguments(target: Any) -> dict[str, Parameter]:
    """What may be set: the keyword arguments of *target*, of a function without its first one, the event."""
    import inspect

    if not isinstance(target, type) and not inspect.isroutine(target):
        raise _bad(f"{type(target).__name__} is neither a class nor a function, so it has no settings")
    try:
        parameters = list(inspect.signature(target, eval_str=True).parameters.values())
    except NameError:  # a type that is imported for the type checker only
        parameters = list(inspect.signature(target).parameters.values())
    except (ValueError, TypeError) as error:  # written in C
        raise _bad(f"what {target.__name__} can be set to is not known") from error
    if not isinstance(target, type):
        del parameters[:1]
    by_key = {inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD}
    return {each.name: each for each in parameters if each.kind in by_key}


def _checked(key: str, value: object, known: Mapping[str, Parameter]) -> object:
    if key not in known:
        raise _bad(f"unknown key {key}; known are {', '.join(known) or 'none'}")
    import msgspec

    wanted = known[key].annotation
    if wanted is known[key].empty or isinstance(wanted, str):
        return value
    try:
        return msgspec.convert(value, wanted)
    except msgspec.ValidationError as error:
        raise _bad(_in_words(key, str(error))) from error
    except WNetError as error:  # of a type that looks at its own values
        raise _bad(str(error.strerror)) from error
    except TypeError:  # a type of the target's own, which only itself understands
        return value


_WORDS = {"str": "a text", "int": "a whole number", "float": "a number", "bool": "true or false"}
_WORDS |= {"array": "a list", "object": "a table", "null": "nothing", "datetime": "a date"}


def _in_words(key: str, problem: str) -> str:
    """What msgspec says, ``Expected `str`, got `int` - at `$.host```, as TOML has it: "KEY.host must be a text, …"."""
    problem, _, place = problem.partition(" - at `$")
    key += place.rstrip("`")
    if unknown := re.fullmatch(r"Object contains unknown field `(.*)`", problem):
        return f"{key} has an unknown key {unknown[1]}"
    if missing := re.fullmatch(r"Object missing required field `(.*)`", problem):
        return f"{key}.{missing[1]} is missing"
    if types := re.fullmatch(r"Expected `(.*)`, got `(.*)`", problem):
        wanted = " or ".join(_WORDS.get(each, each) for each in types[1].split(" | ") if each != "null")
        return f"{key} must be {wanted}, not {_WORDS.get(types[2], types[2])}"
    return f"{key}: {problem[:1].lower()}{problem[1:]}"


def _bad(problem: str) -> WNetError:
    return WNetError(Status.ERROR_BAD_CONFIGURATION, PREFIX + problem)
