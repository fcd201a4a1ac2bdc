"""Python notifyees: a generator, a plain function, an object or a class becomes a call of the dispatch.

How the calls are ordered and what becomes of their answers is the dispatch's; where notifyees are registered is in
``registration.py`` and the router.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection
from types import CoroutineType, GeneratorType
from typing import Any, TypeVar, overload

from mprouter.frozen import frozen
from mprouter.log import Log
from mprouter.notify.model import Answer, Call, Event, NotifyInfo, Phase, Registration
from mprouter.status import Status, WNetError, in_words

__all__ = ["Function", "Marks", "from_python", "marks_of", "notifyee", "registration_of"]

log = Log("mprouter.notify")

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
    name = name or marks.name or _name(target)
    if not isinstance(name, str):
        raise _bad(target, f"its name must be a text, not {name!r}")
    methods = frozenset(each for each, method in _METHODS.items() if hasattr(target, method))
    return Registration(
        name,
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
    if isinstance(target, type):
        try:
            target = target()
        except Exception as error:
            raise _bad(target, f"it cannot be instantiated: {in_words(error)}") from error
    methods = {operation: getattr(target, method, None) for operation, method in _METHODS.items()}
    if any(methods.values()):
        for method in filter(None, methods.values()):
            _check(method, "info and event")
        return _from_methods(methods)
    if not callable(target):
        raise _bad(target, f"it is neither a function nor has it {' or '.join(_METHODS.values())}")
    _check(target, "event")
    return Function(target)


class Function:
    """The call of a function of the event. What it returns is its answer, unless that is a generator: the context (N7).

    The dispatch makes the calls of these itself, and leaves to ``first`` and ``second`` what is not as usual.
    """

    __slots__ = ("function",)

    def __init__(self, function: Callable[[Event], object]) -> None:
        self.function = function

    def __call__(self, info: NotifyInfo, event: Event) -> Answer:
        """Call it in the pre; have the generator go on in the post."""
        found = said = None
        context: Any = info.context
        try:
            if info.phase is POST:
                said = context.send(info.status)
            else:
                found = self.function(event)
                if type(found) is GeneratorType:
                    said = next(found)
        except BaseException as error:  # noqa: BLE001 - raised again, unless it is the end of the generator
            end: BaseException | None = error
        else:
            end = None
        if info.phase is POST:
            return self.second(info, event, said, end)
        try:
            return self.first(info, event, found, said, end)
        except KeyboardInterrupt:
            if type(found) is GeneratorType and found.gi_suspended:
                info.context = found  # it is at its yield, and has its post (N19)
            raise

    def first(
        self,
        info: NotifyInfo,
        _event: Event,
        found: object = None,
        said: object = None,
        error: BaseException | None = None,
    ) -> Answer:
        """The rest of a pre. found: what the function returned. said: what that has yielded. error: what was raised."""
        if type(found) is not GeneratorType:
            if error is not None:
                raise error
            return _checked(found)
        if error is not None:  # if it is only the end, it has answered and wants no post
            return _returned(error)
        answer = _yielded(found, said, _KEEPING)
        if answer in _KEEPING:
            info.context = found
        return answer

    def second(
        self, info: NotifyInfo, _event: Event, said: object = None, error: BaseException | None = None
    ) -> Answer:
        """The rest of a post."""
        if error is not None:
            return _returned(error)
        return _yielded(info.context, said, _RETRYING if info.may_retry else ())


_KEEPING = (None, Status.WN_SUCCESS, RETRY)  # the answers of a pre after which a generator has its post
_RETRYING = (RETRY,)  # and that of a post after which it has another (N11)


def _returned(error: BaseException) -> Answer:
    """The answer with which a generator has ended. Raises *error* if that is no such end."""
    if not isinstance(error, StopIteration):
        raise error
    return _checked(error.value)


def _yielded(generator: Any, said: object, going_on: Collection[Answer]) -> Answer:
    """The answer that a generator has yielded; it is closed unless that is one of *going_on*."""
    try:
        answer = _checked(said)
    except TypeError:
        generator.close()
        raise
    if answer not in going_on:
        try:
            generator.close()
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            if answer in _KEEPING:
                raise
            # what it does at its end takes no veto back (N9)
            log.warning("%s has answered %s, and failed at its end: %s", generator.__name__, answer, in_words(error))
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
    if isinstance(answer, CoroutineType):
        answer.close()
    raise TypeError(f"a notifyee answers with a Status, its number or None, not with a {type(answer).__name__}")


def _check(function: Callable[..., object], arguments: str) -> None:
    """Refuse a *function* that could not be called with *arguments* or whose body nobody would run."""
    import inspect

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
