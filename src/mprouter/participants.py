"""Who takes part in the operations of a router: the notifyees that it tells, and the network providers that it asks."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from mprouter import settings
from mprouter.forks import lock
from mprouter.names import parse_remote
from mprouter.status import Status, WNetError

if TYPE_CHECKING:
    from mprouter.notify.model import Event, Registration
    from mprouter.notify.registration import DropIns
    from mprouter.providers.base import Provider
    from mprouter.providers.registration import Known, Registered
    from mprouter.store import Entry

__all__ = ["Participants"]


class Participants:
    """Those of one router. Thread-safe.

    given: the providers that it was made with; None = the built-in ones, and those registered in files and by entry
    points. drop_ins: whether what is registered there takes part.
    """

    def __init__(self, given: Sequence[Provider] | None, *, drop_ins: bool) -> None:
        self._given = given
        self._own: list[Registered] | None = None
        self._added: list[Registered] = []
        self._known: Known | None = None
        self._drop_ins_wanted = drop_ins
        self._drop_ins: DropIns | None = None
        self._registered: dict[str, Registration] = {}
        self._lock = lock(self, "_lock", threading.RLock)

    # -- notifyees ---------------------------------------------------------------------------------------------

    def register(self, notifyee: object, *, name: str | None, order: int | None, required: bool | None) -> str:
        """As ``Router.register``."""
        from mprouter.notify.python import registration_of

        registration = registration_of(notifyee, name=name, order=order, required=required)
        with self._lock:
            if registration.name in self._registered:
                raise WNetError(
                    Status.ERROR_ALREADY_ASSIGNED,
                    "a notifyee of this name is registered already",
                    name=registration.name,
                    hint="give another name",
                )
            self._registered = {**self._registered, registration.name: registration}
        return registration.name

    def unregister(self, name: str) -> None:
        """As ``Router.unregister``."""
        with self._lock:
            rest = dict(self._registered)
            if rest.pop(name, None) is None:
                raise WNetError(Status.ERROR_NOT_FOUND, "no notifyee of this name is registered here", name=name)
            self._registered = rest

    def registered_here(self) -> set[str]:
        """The ids of the notifyees that this process's own code has registered."""
        return {each.id for each in self._registered.values()}

    def registrations(self) -> list[Registration]:
        """All notifyees, in registration order (N8)."""
        with self._lock:
            registered = list(self._registered.values())
            if self._drop_ins_wanted:
                if self._drop_ins is None:
                    from mprouter.notify.registration import DropIns

                    self._drop_ins = DropIns()
                registered += self._drop_ins.registrations()
        return sorted(registered, key=lambda each: each.rank)

    def concerned(self, event: Event, names: tuple[str, ...]) -> list[Registration]:
        """Whom an operation on a connection that is known by *names* concerns."""
        concerned = [each for each in self.registrations() if each.concerns(event.operation, names)]
        return sorted(concerned, key=lambda each: each.rank)  # again: a target may have its order in itself

    # -- providers ---------------------------------------------------------------------------------------------

    def add_provider(self, provider: Provider, *, order: int) -> None:
        """As ``Router.add_provider``."""
        from mprouter.providers.registration import of_code

        added = replace(of_code(provider), order=order)
        with self._lock:
            if added.name.lower() in {each.name.lower() for each in [*self._owned(), *self._added]}:
                raise WNetError(Status.ERROR_ALREADY_ASSIGNED, "another provider has this name", name=added.name)
            self._added = [*self._added, added]

    def providers(self) -> list[Provider]:
        """The network providers in the order in which they are tried (``ProviderOrder``, R1)."""
        return [each.get() for each in self.registered_providers() if each.takes_part]

    def registered_providers(self) -> list[Registered]:
        """What there is of providers, disabled and broken ones too, in the order in which they are tried."""
        from mprouter.providers.registration import Known, arranged

        with self._lock:
            found = [*self._owned(), *self._added]
            if self._drop_ins_wanted and self._given is None:
                self._known = self._known or Known()
                found += self._known.registered()
        chosen = settings.load()
        return arranged(found, order=chosen.provider_order, disabled=chosen.disabled_providers)

    def named(self, name: str) -> Provider:
        """The provider of this name. Raises ``WNetError`` (ERROR_BAD_PROVIDER), with what keeps it from being asked."""
        registered = self.registered_providers()
        for each in sorted(registered, key=lambda each: not each.takes_part):  # a name may be there twice
            if each.name.lower() == name.lower():
                if each.takes_part:
                    return each.get()
                why, hint = (
                    (each.where, None) if each.problem else ("it is disabled", f"mpr provider enable {each.name}")
                )
                raise WNetError(
                    Status.ERROR_BAD_PROVIDER, f"this network provider cannot be used: {why}", name=name, hint=hint
                )
        known = ", ".join(each.name for each in registered)
        raise WNetError(Status.ERROR_BAD_PROVIDER, name=name, hint=f"there are {known}")

    def maker(self, entry: Entry) -> Provider:
        """The provider that made *entry*, also if it is disabled by now, or would have."""
        return self.maker_among(self.registered_providers(), entry).get()

    def maker_among(self, found: Sequence[Registered], entry: Entry) -> Registered:
        """As ``maker``, of those that were *found*. Raises ``WNetError`` (ERROR_BAD_PROVIDER)."""
        if entry.provider is None:
            from mprouter.providers.claims import claimants

            usable = [each for each in found if each.problem is None]
            in_order = sorted(usable, key=lambda each: not each.takes_part)
            providers = [each.get() for each in in_order]
            for each, failure in claimants(providers, parse_remote(entry.remote_name)):
                if failure is None:
                    return in_order[providers.index(each)]
            why = "whichever began it is no longer there"
            raise WNetError(Status.ERROR_BAD_PROVIDER, why, name=entry.local_name or entry.remote_name)
        why = "is not there"
        of_name = [each for each in found if each.name == entry.provider]
        for registered in [each for each in of_name if each.enabled] or of_name:
            if registered.problem is None:
                return registered
            why = f"cannot be used: {registered.where}"
        raise WNetError(
            Status.ERROR_BAD_PROVIDER,
            f"its network provider {entry.provider} {why}",
            name=entry.local_name or entry.remote_name,
            hint="bring back what it is registered by, or mend that: mpr provider list, mpr doctor",
        )

    def _owned(self) -> list[Registered]:
        """Those that the router was made with."""
        if self._own is None:
            from mprouter.providers.registration import builtin, of_code

            self._own = builtin() if self._given is None else [of_code(each) for each in self._given]
        return self._own

    def close(self) -> None:
        """Let go of what the notifyees and providers hold."""
        with self._lock:
            self._registered = {}
            drop_ins, self._drop_ins = self._drop_ins, None
        if drop_ins is not None:
            drop_ins.close()
        if self._known is not None:
            self._known.close()
