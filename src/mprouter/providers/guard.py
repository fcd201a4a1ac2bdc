"""A stranger's provider as the router sees it: whatever it answers, raises or leaves undone becomes an answer of ours.

The router need not know whose a provider is: the guard holds it to the protocol of ``base.py``. Who is asked for what
stands in ``order.py``. Foreign code that loops or blocks cannot be ended: what ends, here and in ``claims.py``, is the
waiting for what has to be said at once.
"""

from __future__ import annotations

import errno
import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import field, replace
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

from mprouter.credentials import Secret
from mprouter.errand import Errand, Unfinished
from mprouter.frozen import frozen
from mprouter.log import Log
from mprouter.providers.base import (
    Added,
    AddRequest,
    Capability,
    Conversation,
    LogonInfo,
    Mounted,
    NetworkInformation,
    Performance,
    Progress,
    Provider,
    ResourceInformation,
    State,
    UniversalName,
    Waiting,
)
from mprouter.resource import NetResource
from mprouter.status import Status, WNetError, in_words, shortage

if TYPE_CHECKING:
    from mprouter.names import RemoteName

__all__ = ["PATIENCE", "Guarded", "guarded", "mishap", "problem_of", "problem_of_added"]

log = Log("mprouter.providers")

PATIENCE = 5.0
"""Seconds for what a provider has to say at once; then it hangs, and is passed by until that call has come back."""

ANSWER = 10.0
"""Seconds for what a provider may ask its network before it answers; then its answer is ERROR_TIMEOUT."""

T = TypeVar("T")

_METHODS = ("claims", "check_options", "add_connection", "cancel_connection", "state", "settle")
"""What a provider must have."""

_OPTIONAL: Mapping[str, tuple[type, ...]] = {
    "resource_information": (ResourceInformation,),
    "resource_parent": (NetResource, type(None)),
    "universal_name": (UniversalName,),
    "user_of": (str, type(None)),
    "performance_of": (Performance,),
    "network_information": (NetworkInformation,),
    "logon_notify": (str, type(None)),
    "password_change_notify": (type(None),),
}
"""What it may have besides, and what that answers; those with a way of their own are methods of ``Guarded``."""

_STATUSES: Mapping[int, Status] = {
    errno.EACCES: Status.ERROR_ACCESS_DENIED,
    errno.EPERM: Status.ERROR_ACCESS_DENIED,
    errno.ECONNREFUSED: Status.ERROR_CONNECTION_REFUSED,
    errno.ENETUNREACH: Status.ERROR_NETWORK_UNREACHABLE,
    errno.EHOSTUNREACH: Status.ERROR_HOST_UNREACHABLE,
    errno.ETIMEDOUT: Status.ERROR_TIMEOUT,
    errno.ENOMEM: Status.ERROR_NOT_ENOUGH_MEMORY,
    errno.ENOENT: Status.ERROR_FILE_NOT_FOUND,
}

_CLASSES: Mapping[type[BaseException], Status] = {
    NotImplementedError: Status.ERROR_NOT_SUPPORTED,
    MemoryError: Status.ERROR_NOT_ENOUGH_MEMORY,
    PermissionError: Status.ERROR_ACCESS_DENIED,
    ConnectionRefusedError: Status.ERROR_CONNECTION_REFUSED,
    TimeoutError: Status.ERROR_TIMEOUT,
    FileNotFoundError: Status.ERROR_FILE_NOT_FOUND,
}
"""What is raised without a number, as ``raise PermissionError("no")`` is."""


def guarded(provider: Provider) -> Provider:
    """*provider* behind a guard, unless it has one or is of this package."""
    if isinstance(provider, Guarded) or _is_ours(type(provider)):
        return provider
    return Guarded(provider, str(provider.name))


def _is_ours(thing: object) -> bool:
    return str(getattr(thing, "__module__", "")).startswith("mprouter.")


def problem_of(provider: object) -> str | None:
    """Why *provider* cannot be one, as far as one can see without asking it; None = nothing."""
    missing = [each for each in _METHODS if not callable(getattr(provider, each, None))]
    if missing:
        return f"it has no {' and no '.join(missing)}"
    if not isinstance(getattr(provider, "capabilities", None), int):
        return "its capabilities are no Capability"
    return None


def mishap(error: BaseException, provider: str, secrets: tuple[str, ...] = ()) -> WNetError:
    """What a provider raised, as an answer: with its status if it has one, else ERROR_EXTENDED_ERROR (1208).

    secrets: what must not be told of it. It has no cause: a stranger's exception may hold anything.
    """
    text = _without(in_words(error), secrets)
    hint = None
    if isinstance(error, WNetError):
        if error.status and _is_fit(error, secrets):
            error.provider = error.provider or provider
            return error
        status = error.status or Status.ERROR_EXTENDED_ERROR
    else:
        from traceback import format_exception

        status, hint = shortage(error) or (_status(error), None)
        log.warning("the network provider %s failed: %s", provider, text.partition("\n")[0])
        for line in _without("".join(format_exception(error)), secrets).splitlines():
            log.debug("%s", line)
    message = f"the network provider {provider} failed: {text}"
    return WNetError(status, message, provider=provider, provider_text=text, hint=hint)


def _status(error: BaseException) -> Status:
    by_class = (status for kind, status in _CLASSES.items() if isinstance(error, kind))
    number = getattr(error, "errno", None)
    told = _STATUSES.get(number) if isinstance(number, int) else None
    return told or next(by_class, Status.ERROR_EXTENDED_ERROR)


def _is_fit(error: WNetError, secrets: tuple[str, ...]) -> bool:
    """Whether *error* can be told as it is: it has words, and nowhere, shown or not, one of the *secrets*."""
    holds = (error, error.filename, *error.args, *vars(error).values())
    try:
        said = "\n".join(map(str, (*holds, *getattr(error, "__notes__", ()))))
    except Exception:  # noqa: BLE001 - a stranger's code may raise anything
        return False
    return _without(said, secrets) == said


def _without(text: str, secrets: tuple[str, ...]) -> str:
    for form in sorted({form for each in secrets for form in _forms(each)}, key=len, reverse=True):
        text = text.replace(form, "***")
    return text


def _forms(secret: str) -> tuple[str, ...]:
    """*secret* as a message may repeat it: as it is, as Python and JSON quote it, and in a URL."""
    from urllib.parse import quote

    either = repr(f"{secret}\"'")[1:-4]  # where the text around it has both kinds of quotation mark
    quoted = [json.dumps(secret, ensure_ascii=each)[1:-1] for each in (True, False)]
    urls = [quote(secret, safe, errors="surrogatepass") for safe in ("", "/")]
    return secret, repr(secret)[1:-1], either, *quoted, *urls


class Guarded:
    """A provider that is not of this package, under the *name* by which it is registered.

    It raises nothing but ``WNetError``, answers what the protocol says, and is asked only for what its capabilities say
    (R4). inner: the provider itself. inside: since when each of the calls of ``claims`` runs that have not come back.
    """

    def __init__(self, inner: Any, name: str) -> None:
        self.name = name
        self.inner = inner
        self.inside: dict[object, float] = {}
        self._looking: Errand[State] | None = None
        for each, answers in _OPTIONAL.items():
            if callable(method := getattr(inner, each, None)):
                setattr(self, each, _Checked(method, answers, name))
        if callable(method := getattr(inner, "waiting", None)):
            # one function of ours, inherited, must stay that one, so that it is called once
            self.waiting = method if _is_ours(method) else _Waiting(method, name)
        if callable(method := getattr(inner, "diagnose", None)):
            self.diagnose = method  # the doctor has a guard of its own
        for each, own in (("start_up", self._start_up), ("enumerate", self._enumerate)):
            if callable(getattr(inner, each, None)):
                setattr(self, each, own)

    def __repr__(self) -> str:
        return f"<Guarded {self.name}: {type(self.inner).__module__}.{type(self.inner).__qualname__}>"

    @property
    def capabilities(self) -> Capability:
        """What it says that it can do; if it cannot say, nothing."""
        try:
            return Capability(int(self.inner.capabilities) & 0xFFFFFFFF)
        except Exception as error:  # noqa: BLE001 - a stranger's code may raise anything
            log.warning("the network provider %s cannot say what it can do: %s", self.name, type(error).__name__)
            return Capability(0)

    @property
    def is_stuck(self) -> bool:
        """Whether a call of ``claims`` has not come back for longer than anybody waits."""
        return any(monotonic() - since > PATIENCE for since in list(self.inside.values()))

    def claims(self, name: RemoteName) -> bool:
        """See ``Provider.claims``; ``claims.py`` does not wait for it for ever."""
        claimed: Any = self._answer(lambda: self.inner.claims(name))
        if not isinstance(claimed, bool):
            raise self._rubbish(f"claims answered with a {type(claimed).__name__}, not with True or False")
        return claimed

    def check_options(self, name: RemoteName, options: Mapping[str, str]) -> None:
        """See ``Provider.check_options``."""
        self._answer(lambda: self.inner.check_options(name, dict(options)))

    def add_connection(self, request: AddRequest) -> Added:
        """See ``Provider.add_connection``. A connection whose handle cannot be kept is cancelled."""
        if request.conversation is not None:
            heard = _Overheard(request.conversation, request.credentials.handed_out)
            request = replace(request, conversation=heard)
        added: Any = self._answer(lambda: self.inner.add_connection(request), request)
        problem = problem_of_added(added, _secrets(request))
        if problem is None:
            return Added(added.user, added.handle)
        handle = added.handle if isinstance(added, Added) and isinstance(added.handle, Mapping) else {}
        with suppress(WNetError):  # nobody knows whether there is anything
            self.cancel_connection(Mounted(request.name, request.mountpoint, handle), force=True)
        raise self._rubbish(problem)

    def cancel_connection(self, mounted: Mounted, *, force: bool, progress: Progress | None = None) -> None:
        """See ``Provider.cancel_connection``."""
        if not self.capabilities & Capability.CANCEL_CONNECTION:
            text = f"the network provider {self.name} cannot disconnect"
            raise WNetError(Status.ERROR_NOT_SUPPORTED, text, provider=self.name)
        self._answer(lambda: self.inner.cancel_connection(mounted, force=force, progress=progress))

    def state(self, mounted: Mounted) -> State:
        """See ``Provider.state``. What it cannot say at once counts as standing, so that nothing is taken away."""
        if not self.capabilities & Capability.GET_CONNECTIONS:
            return State.CONNECTED
        if self._looking is not None and not self._looking.is_done:
            return State.CONNECTED
        looking = Errand(lambda: self._answer(lambda: self.inner.state(mounted)))
        try:
            found = looking.result(PATIENCE)
            if isinstance(found, State):
                return found
            problem = f"it answered with a {type(found).__name__}"
        except Unfinished:
            self._looking = looking
            problem = f"it has not answered within {PATIENCE:g} seconds"
        except (WNetError, RuntimeError) as error:
            problem = str(error)
        log.warning("the network provider %s cannot say what became of %s: %s", self.name, mounted.name.told, problem)
        return State.CONNECTED

    def settle(self, mounted: Mounted) -> State:
        """See ``Provider.settle``."""
        found = self._answer(lambda: self.inner.settle(mounted))
        if not isinstance(found, State):
            raise self._rubbish(f"it answered with a {type(found).__name__}, not with a State")
        return found

    def _start_up(self) -> float | None:
        """See ``Starting``; what it cannot say is unknown."""
        try:
            seconds = self._answer(self.inner.start_up)
            return None if seconds is None or not math.isfinite(seconds) else max(0.0, float(seconds))
        except (WNetError, TypeError, ValueError):
            return None

    def _enumerate(self, *arguments: object) -> Iterator[NetResource]:
        """See ``Enumerating``."""
        found, is_told = self._answer(lambda: iter(self.inner.enumerate(*arguments))), False
        try:
            while True:
                each = self._answer(lambda: next(found, None))
                if each is None:
                    return
                if not isinstance(each, NetResource):
                    raise self._rubbish(f"among what it enumerates is a {type(each).__name__}")
                if each.remote_name:
                    yield replace(each, provider=self.name)
                elif not is_told:
                    is_told = True
                    log.warning("the network provider %s enumerates what has no name; it is left out", self.name)
        finally:
            if callable(close := getattr(found, "close", None)):
                self._answer(close)

    def _answer(self, call: Callable[[], T], request: AddRequest | None = None) -> T:
        """What *call* returns; what it raises as ``WNetError``."""
        return _answered(call, self.name, lambda: _secrets(request))

    def _rubbish(self, problem: str) -> WNetError:
        return _rubbish(problem, self.name)


@frozen
class _Checked:
    """A method of a provider, of which only certain types are an answer."""

    method: Callable[..., Any]
    answers: tuple[type, ...]
    provider: str

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        asked = getattr(self.method, "__name__", "it")

        def answer() -> Any:
            return _in_time(lambda: self.method(*arguments, **named), asked, self.provider)

        logons = [each for each in (*arguments, *named.values()) if isinstance(each, LogonInfo)]
        secrets = tuple(filter(None, (each.password.reveal() for each in logons)))
        found = _answered(answer, self.provider, lambda: secrets)
        if not isinstance(found, self.answers):
            raise _rubbish(f"{asked} answered with a {type(found).__name__}", self.provider)
        return found


@frozen
class _Waiting:
    """``Caching.waiting``: the same for all that share the provider's function."""

    method: Callable[[], Any]
    provider: str = field(compare=False)

    def __call__(self) -> list[Waiting]:
        try:
            found = _answered(lambda: _in_time(lambda: list(self.method()), "waiting", self.provider), self.provider)
            return [each for each in found if isinstance(each, Waiting)]
        except WNetError as error:
            log.warning("the network provider %s cannot say what waits to be sent: %s", self.provider, error)
            return []


def _in_time(call: Callable[[], T], asked: str, provider: str) -> T:
    """What *call*, of the function *asked*, returns or raises; ``WNetError`` (ERROR_TIMEOUT) after ``ANSWER``."""
    try:
        return Errand(call).result(ANSWER)
    except Unfinished:
        raise WNetError(
            Status.ERROR_TIMEOUT,
            f"{asked} of the network provider {provider} has not answered within {ANSWER:g} seconds",
            provider=provider,
            hint=f"to do without it: mpr provider disable {provider}",
        ) from None


def _answered(call: Callable[[], T], provider: str, secrets: Callable[[], tuple[str, ...]] = tuple) -> T:
    failure: WNetError
    try:
        return call()
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a stranger's code may raise anything
        failure = mishap(error, provider, secrets())
    failure.__cause__ = failure.__context__ = None  # of one that the provider made, which is told as it is
    raise failure  # here and not above, where what was raised would go with it, secrets and all


def _secrets(request: AddRequest | None) -> tuple[str, ...]:
    """The passwords that a provider may know of the request."""
    return () if request is None else tuple(filter(None, (each.reveal() for each in request.credentials.handed_out)))


class _Overheard:
    """A conversation of which one knows which passwords the person gave."""

    def __init__(self, conversation: Conversation, handed_out: list[Secret]) -> None:
        self._conversation = conversation
        self._handed_out = handed_out
        self.confirm = conversation.confirm

    def ask_password(self, prompt: str) -> str | None:
        """See ``Conversation``."""
        password = self._conversation.ask_password(prompt)
        if password is not None:
            self._handed_out.append(Secret(password))
        return password


def problem_of_added(added: object, secrets: tuple[str, ...]) -> str | None:
    """What is wrong with what ``add_connection`` returned. secrets: what must not be in it."""
    if not isinstance(added, Added):
        return f"add_connection returned a {type(added).__name__}, not an Added"
    if not isinstance(added.user, str | None):
        return f"the user that it connected is a {type(added.user).__name__}"
    try:
        written = json.dumps(added.handle, allow_nan=False, ensure_ascii=False)
        if not isinstance(added.handle, Mapping) or json.loads(written) != added.handle:
            return "its handle is no mapping of names to JSON values"
    except (TypeError, ValueError, RecursionError) as error:
        return f"its handle cannot be written as JSON: {_without(str(error), secrets)}"
    kept = f"{added.user or ''} {written}"
    if _without(kept, secrets) != kept:
        return "its handle or user would have written the password down"
    return None


def _rubbish(problem: str, provider: str) -> WNetError:
    text = f"the network provider {provider} does not keep to the protocol: {problem}"
    return WNetError(Status.ERROR_INVALID_DATA, text, provider=provider)
