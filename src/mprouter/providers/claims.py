"""Whose a name is: which providers claim it, without waiting for ever for one that hangs (R2, R4).

Our own providers are asked where one stands. All others are asked by one thread for each request, in order and ahead of
whoever is waiting for the answers: so a request costs one hand-over, and not one for each provider.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from time import monotonic
from typing import TYPE_CHECKING

from mprouter.log import Log
from mprouter.providers import guard
from mprouter.providers.base import Capability, Provider
from mprouter.providers.guard import Guarded, mishap
from mprouter.status import Status, WNetError

if TYPE_CHECKING:
    from queue import SimpleQueue

    from mprouter.names import RemoteName

__all__ = ["claimants"]

log = Log("mprouter.providers")


def claimants(
    providers: Sequence[Provider], name: RemoteName, *, able: Capability = Capability.ADD_CONNECTION
) -> Iterator[tuple[Provider, WNetError | None]]:
    """Those of *providers* that claim *name* and are *able*, in order; and those that failed to say so, with why.

    A provider is asked no earlier than it has to be, but for strangers, who may have been asked in vain.
    """
    asking = _Asking([each for each in providers if isinstance(each, Guarded)], name)
    try:
        for each in providers:
            try:
                claimed = asking.answer(each) if isinstance(each, Guarded) else each.claims(name)
                if claimed and each.capabilities & able == able:  # last: for that a library is loaded
                    yield each, None
            except Exception as error:  # noqa: BLE001 - it does not end the cycle (R4)
                yield each, mishap(error, each.name)
    finally:
        asking.end()


class _Asking:
    """Asks strangers in order, each for no longer than ``guard.PATIENCE``."""

    def __init__(self, providers: list[Guarded], name: RemoteName) -> None:
        self._left = providers
        self._name = name
        self._answers: SimpleQueue[bool | Exception] | None = None

    def answer(self, provider: Guarded) -> bool:
        """What *provider*, the next one, says. Raises what it raised, or ``WNetError`` (ERROR_TIMEOUT)."""
        from queue import Empty

        left = list(self._left)
        del self._left[0]
        answers = self._answers or self._start(left)
        try:
            answer = answers.get(timeout=guard.PATIENCE)
        except Empty:
            self._answers = None  # another thread asks the rest
            hanging = _hanging(provider)
            log.warning("%s", hanging.strerror)  # whoever connects it then, this is why it took so long
            raise hanging from None
        if isinstance(answer, Exception):
            raise answer
        return answer

    def end(self) -> None:
        """Ask no further."""
        self._answers = None

    def _start(self, left: list[Guarded]) -> SimpleQueue[bool | Exception]:
        from queue import SimpleQueue
        from threading import Thread

        answers: SimpleQueue[bool | Exception] = SimpleQueue()
        self._answers = answers
        try:
            Thread(target=self._ask, args=[left, answers], name="mprouter-claims", daemon=True).start()
        except BaseException:
            self._answers = None  # nobody answers there
            raise
        return answers

    def _ask(self, providers: list[Guarded], answers: SimpleQueue[bool | Exception]) -> None:
        for each in providers:
            if self._answers is not answers:
                return
            if each.is_stuck:
                answers.put(_hanging(each))
                continue
            each.inside[answers] = monotonic()
            try:
                answer: bool | Exception = each.claims(self._name)
            except Exception as error:  # noqa: BLE001 - raised again where the answer is waited for
                answer = error
            except BaseException as error:  # noqa: BLE001 - it wanted to end the thread, so that nobody would answer
                answer = RuntimeError(f"it raised {type(error).__name__}")
            finally:
                del each.inside[answers]
            answers.put(answer)


def _hanging(provider: Guarded) -> WNetError:
    return WNetError(
        Status.ERROR_TIMEOUT,
        f"the network provider {provider.name} did not say within {guard.PATIENCE:g} seconds whether it has such names",
        provider=provider.name,
        hint=f"to do without it: mpr provider disable {provider.name}",
    )
