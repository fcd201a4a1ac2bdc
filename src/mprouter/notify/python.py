"""Python notifyees: a generator, a plain function, an object or a class becomes a call of the dispatch.

How the calls are ordered and what becomes of their answers is the dispatch's; where notifyees are registered is in
``registration.py`` and the router.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from types import GeneratorType
from typing import Any, TypeVar, overload

from mprouter.frozen import frozen
from mprouter.notify.model import Answer, Call, Event, NotifyInfo, Phase, Registration
from mprouter.status import Status, WNetError

__all__ = ["Marks", "from_python", "marks_of", "notifyee", "registration_of"]

T = TypeVar("T")

POST, RETRY = Phase.POST, Status.WN_RETRY

_METHODS = {"add": "add_connect_notify", "cancel": "cancel_connect_notify"}
_MARK = "_mprouter_notifyee"


@frozen
class Marks:
    """What ``@notifyee`` says of its target; None where it says nothing. See ``Registration``."""

    name: str | None = None
    order: int | None = None
    required: bool | None = None
    thread_safe: bool | None = None


@overload
def notifyee(target: T, /) -> T: ...
@overload
def notifyee(
    *, name: str | None = None, order: int | None = None, required: bool | None = None, thread_safe: bool | None = None
) -> Callable[[T], T]: ...
def notifyee(
    target: T | None = None,
    /,
    *,
    name: str | None = None,
    order: int | None = None,
    required: bool | None = None,
    thread_safe: bool | None = None,
) -> T | Callable[[T], T]:
    """Mark a function or class as a notifyee, bare or with defaults for whoever registers it.

    It registers nothing: ``Router.register`` does, or a drop-in file or entry point that names it. What these say
    themselves counts more. name: default the target's own. order: smaller is told earlier (N8; 50). required: an
    error of its pre ends the operation (N10). thread_safe: may be called by several threads at a time (N18).
    """
    marks = Marks(name, order, required, thread_safe)

    def mark(target: T) -> T:
        setattr(target, _MARK, marks)
        return target

    return mark if target is None else mark(target)


def marks_of(target: object) -> Marks:
    """What ``@notifyee`` said of *target*."""
    marks = getattr(_unwrapped(target), _MARK, None)
    return marks if isinstance(marks, Marks) else Marks()


def registration_of(
    target: object,
    *,
    name: str | None = None,
    order: int | None = None,
    required: bool | None = None,
    source: str = "code",
) -> Registration:
    """The registration of *target*, a notifyee in any of the Python shapes, as ``@notifyee`` and the arguments say.

    Raises ``WNetError`` (ERROR_BAD_CONFIGURATION) if it is none.
    """
    marks = marks_of(target)
    order = _first(order, marks.order, 50)
    if not isinstance(order, int):
        raise _bad(target, f"its order must be a whole number, not {order!r}")
    methods = frozenset(each for each, method in _METHODS.items() if hasattr(target, method))
    return Registration(
        name or marks.name or _name(target),
        from_python(target),
        order,
        bool(_first(required, marks.required, False)),
        operations=methods or frozenset(_METHODS),
        thread_safe=bool(marks.thread_safe),
        durable=bool(methods),  # a function's context is its frame
        source=source,
    )


def from_python(target: object) -> Call:
    """The call for *target*: a function of the event, generator or plain; an object with the C API's methods; a class.

    Raises ``WNetError`` (ERROR_BAD_CONFIGURATION) if it is none of them, is asynchronous, or needs other arguments.
    """
    if inspect.isclass(target):
        try:
            target = target()
        except Exception as error:
            raise _bad(target, f"it cannot be instantiated: {type(error).__name__}: {error}") from error
    methods = {operation: getattr(target, method, None) for operation, method in _METHODS.items()}
    if any(methods.values()):
        for method in filter(None, methods.values()):
            _check(method, "info and event")
        return _from_methods(methods)
    if not callable(target):
        raise _bad(target, f"it is neither a function nor has it {' or '.join(_METHODS.values())}")
    _check(target, "event")
    return _from_function(target)


def _from_function(function: Callable[[Event], object]) -> Call:
    """A function is called in the pre. What it returns is its answer, unless it is a generator: the context (N7)."""

    def call(info: NotifyInfo, event: Event) -> Answer:
        if info.phase is POST:
            return _resumed(info)
        generator = function(event)
        if type(generator) is not GeneratorType:
            return _checked(generator)
        try:
            said = next(generator)
            if said is None:
                info.context = generator
                return None
            answer = _checked(said)
        except StopIteration as end:  # it has answered and wants no post
            return _checked(end.value)
        except TypeError:
            generator.close()
            raise
        if answer in {0, RETRY}:
            info.context = generator
        else:
            generator.close()
        return answer

    return call


def _resumed(info: NotifyInfo) -> Answer:
    """The answer of a generator's post."""
    generator: Any = info.context
    try:
        answer = _checked(generator.send(info.status))
    except StopIteration as end:
        return None if end.value is None else _checked(end.value)
    except TypeError:
        generator.close()
        raise
    if not (answer == RETRY and info.may_retry):  # no post follows
        generator.close()
    return answer


def _from_methods(methods: dict[str, Callable[[NotifyInfo, Event], object] | None]) -> Call:
    def call(info: NotifyInfo, event: Event) -> Answer:
        method = methods[event.operation]
        return None if method is None else _checked(method(info, event))

    return call


def _checked(answer: object) -> Answer:
    """Return *answer* if it is one. A bool is none: whether True means success is anybody's guess."""
    if answer is None or (isinstance(answer, int) and not isinstance(answer, bool)):
        return answer
    if inspect.iscoroutine(answer):
        answer.close()
    raise TypeError(f"a notifyee answers with a Status, its number or None, not with a {type(answer).__name__}")


def _check(function: Callable[..., object], arguments: str) -> None:
    """Refuse a *function* that could not be called with *arguments* or whose body nobody would run."""
    called = getattr(function, "__call__", function)  # noqa: B004 - of an object; a function's own is itself
    if any(inspect.iscoroutinefunction(each) or inspect.isasyncgenfunction(each) for each in (function, called)):
        raise _bad(function, "it is asynchronous, and a notifyee is called by a thread that waits for its answer")
    wanted = arguments.split(" and ")
    if len(wanted) > 1 and inspect.isgeneratorfunction(function):
        raise _bad(function, "a method with info keeps its context there, it cannot be a generator")
    try:
        signature = inspect.signature(function)
    except (ValueError, TypeError):  # written in C
        return
    try:
        signature.bind(*wanted)
    except TypeError as error:
        raise _bad(function, f"it is called with {arguments}: {error}") from error


def _bad(target: object, problem: str) -> WNetError:
    return WNetError(Status.ERROR_BAD_CONFIGURATION, f"{_name(target)} is no notifyee: {problem}")


def _name(target: object) -> str:
    """The name of a function or class, or of an object's class, without the function that it was defined in."""
    target = _unwrapped(target)
    name = getattr(target, "__qualname__", None) or type(target).__qualname__
    return str(name).rpartition("<locals>.")[2]


def _unwrapped(target: object) -> object:
    while isinstance(target, functools.partial):
        target = target.func
    return target


def _first(*values: T | None) -> T | None:
    return next((value for value in values if value is not None), None)
