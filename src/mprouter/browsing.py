"""Browsing: what there is to connect, what is connected, remembered and was connected lately (``WNetOpenEnum``).

Providers are asked side by side, and nobody waits long for one that does not answer. What a network has is told by its
provider; the rest is here.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from queue import Empty, Queue
from threading import Event, Thread
from typing import TYPE_CHECKING

from mprouter.frozen import frozen
from mprouter.log import Log
from mprouter.names import parse_container, parse_remote
from mprouter.providers.base import Capability, Enumerating, Provider
from mprouter.providers.claims import claimants
from mprouter.providers.order import INSIGNIFICANT, first_significant, unclaimed
from mprouter.resource import DisplayType, NetResource, ResourceScope, ResourceType, ResourceUsage
from mprouter.status import Status, WNetError, in_words

if TYPE_CHECKING:
    from mprouter.connection import Connection
    from mprouter.store import EventRecord

__all__ = ["PATIENCE", "connected", "context", "inside", "networks", "recent"]

PATIENCE = 10.0
"""Seconds without a word from any provider after which those that are still silent are left out."""

AHEAD = 1000
"""How many words of providers may wait to be heard; who tells more waits until some are."""

RECENT = 26
"""How many resources that were connected lately are told, as many as Windows has letters."""

log = Log("mprouter.providers")


def networks(providers: Sequence[Provider]) -> list[NetResource]:
    """The top of RESOURCE_GLOBALNET: each network that can be browsed, as a container."""
    return [
        NetResource(
            name,
            provider=name,
            type=ResourceType.ANY,
            scope=ResourceScope.GLOBALNET,
            display_type=DisplayType.NETWORK,
            usage=ResourceUsage.CONTAINER,
        )
        for name, _ in _browsable(providers, Capability.ENUMERATE_GLOBAL)
    ]


def inside(
    providers: Sequence[Provider],
    container: NetResource,
    type: ResourceType,  # noqa: A002 - NETRESOURCE's word
    usage: ResourceUsage,
) -> Iterator[NetResource]:
    """What *container* contains, from the first provider that knows it (R1 to R4).

    Raises ``WNetError`` when the first is asked for: ERROR_BAD_PROVIDER, ERROR_NOT_CONTAINER, what the first provider
    that said something significant said, else the first that knows names of this form; ERROR_NO_NET_OR_BAD_PATH if none
    does.
    """
    asked = dict(_browsable(providers, Capability.ENUMERATE_GLOBAL))
    wanted: NetResource | None = container
    if container.provider is not None:
        asked = {name: each for name, each in asked.items() if name.lower() == container.provider.lower()}
        if not asked:
            raise WNetError(Status.ERROR_BAD_PROVIDER, name=container.provider)
        if (container.remote_name or container.provider).lower() == container.provider.lower():
            wanted = None  # the network as a whole
    refusals: list[WNetError] = []
    for name, provider in asked.items():
        known = len(refusals)
        question = _Question(name, provider.enumerate, ResourceScope.GLOBALNET, type, usage, wanted)
        told = yield from _answers([question], refusals)
        if told and len(refusals) > known:
            _say_incomplete(refusals[-1])
        if told or len(refusals) == known:
            return
    if container.provider is not None:
        raise refusals[0]
    raise first_significant(refusals) or _nobody_has(providers, str(container.remote_name), refusals)


def context(providers: Sequence[Provider], type: ResourceType) -> Iterator[NetResource]:  # noqa: A002 - as above
    """RESOURCE_CONTEXT: what is near, as each network understands it, in the order in which it is told."""
    asked = _browsable(providers, Capability.ENUMERATE_CONTEXT)
    refusals: list[WNetError] = []
    yield from _answers(
        [_Question(name, each.enumerate, ResourceScope.CONTEXT, type) for name, each in asked], refusals
    )
    for each in refusals:
        if each.status not in INSIGNIFICANT:
            _say_incomplete(each)


def connected(connections: Sequence[Connection], scope: ResourceScope) -> list[NetResource]:
    """RESOURCE_CONNECTED or RESOURCE_REMEMBERED, from what the router knows."""
    return [
        NetResource(
            each.remote_name,
            each.local_name,
            provider=each.provider,
            scope=scope,
            display_type=DisplayType.SHARE,
            usage=ResourceUsage.CONNECTABLE,
        )
        for each in connections
    ]


def recent(events: Sequence[EventRecord]) -> list[NetResource]:
    """RESOURCE_RECENT: what was connected lately, the newest first, each once."""
    found: dict[str, NetResource] = {}
    for each in reversed(events):
        if (each.kind, each.operation, each.status) != ("operation", "add", 0) or each.remote_name is None:
            continue
        resource = NetResource(
            each.remote_name,
            provider=each.provider,
            scope=ResourceScope.RECENT,
            display_type=DisplayType.SHARE,
            usage=ResourceUsage.CONNECTABLE,
        )
        found.setdefault(parse_remote(each.remote_name).canonical, resource)
        if len(found) == RECENT:
            break
    return list(found.values())


@frozen
class _Question:
    """What a provider is asked; *told* hears each resource, an error that ended it, or None at the end."""

    provider: str
    enumerate: Callable[..., Iterator[NetResource]]
    scope: ResourceScope
    type: ResourceType
    usage: ResourceUsage = ResourceUsage(0)
    container: NetResource | None = None

    def ask(self, told: Callable[[_Question, NetResource | Exception | None], bool]) -> None:
        """told: returns whether more is wanted."""
        try:
            for each in self.enumerate(self.scope, self.type, self.usage, self.container):
                if not told(self, each):
                    return
            told(self, None)
        except Exception as error:  # noqa: BLE001 - a stranger's may raise anything (R4)
            told(self, error)

    def refused(self, error: Exception) -> WNetError:
        """*error* as an answer."""
        if not isinstance(error, WNetError):
            text = in_words(error)
            error = WNetError(Status.ERROR_EXTENDED_ERROR, f"the provider failed: {text}", provider_text=text)
        error.provider = error.provider or self.provider
        error.filename = error.filename or (self.container.remote_name if self.container else None)
        log.info("the network provider %s cannot be browsed: %s", self.provider, error)
        return error


def _nobody_has(providers: Sequence[Provider], name: str, refusals: Sequence[WNetError]) -> WNetError:
    """What is told if all *refusals* say "not mine" (R3): that of the first who knows the form of *name*, if any."""
    try:
        said = claimants(providers, parse_container(name), able=Capability(0))
        owners = [each.name for each, failure in said if failure is None]
    except WNetError as error:  # it is no name at all
        return error
    if not owners:
        return unclaimed(name)
    mute = WNetError(Status.ERROR_BAD_NET_NAME, f"it is a name of {owners[0]}, which cannot be browsed", name=name)
    return next((each for each in refusals if each.provider in owners), mute)


def _say_incomplete(error: WNetError) -> None:
    """What is shown is not all that there is: nobody gets *error*, since something was told."""
    log.warning("what the network provider %s has is not all shown: %s", error.provider, error)


def _browsable(providers: Sequence[Provider], capability: Capability) -> Iterator[tuple[str, Enumerating]]:
    for each in providers:
        if each.capabilities & capability and isinstance(each, Enumerating):
            yield each.name, each


def _answers(questions: Sequence[_Question], refusals: list[WNetError]) -> Generator[NetResource, None, int]:
    """What the providers tell, as it comes; returns how much. What they raise is logged and added to *refusals*."""
    words: Queue[tuple[_Question, NetResource | Exception | None]] = Queue(AHEAD)
    over = Event()

    def told(question: _Question, word: NetResource | Exception | None) -> bool:
        words.put((question, word))
        return not over.is_set()

    for each in questions:
        Thread(target=each.ask, args=[told], name="mprouter-browsing", daemon=True).start()
    asked, count = list(questions), 0
    try:
        while asked:
            question, word = words.get(timeout=PATIENCE)
            if isinstance(word, NetResource):
                count += 1
                yield word
            else:
                asked.remove(question)
                refusals += [question.refused(word)] if word is not None else []
    except Empty:
        silence = f"no answer within {PATIENCE:g} seconds"
        refusals += [each.refused(WNetError(Status.ERROR_TIMEOUT, silence)) for each in asked]
    finally:
        over.set()
        with suppress(Empty):  # room for the last word of each who waits for it
            while True:
                words.get_nowait()
    return count
