"""The network providers: whether those that are registered can be asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from mprouter import places
from mprouter.doctor.notifyees import unreadable
from mprouter.errand import Errand
from mprouter.finding import Check, Finding, Kind, Severity

if TYPE_CHECKING:
    from mprouter.providers.base import Provider
    from mprouter.providers.registration import Registered

__all__ = ["CHECKS", "registered", "there_are"]

LOADING = 15.0
"""Seconds that loading others' providers may take, so that one may hang; usual is none."""

BROKEN = Kind(
    "provider-broken",
    Severity.WARNING,
    "It is not asked for any name, and what it has connected cannot be disconnected.",
    "`mpr provider list` says more; to do without it: `mpr provider disable {name}`",
)
FLAWED = Kind(
    "provider-flawed",
    Severity.WARNING,
    "Its library cannot be loaded, or has not all that it says: what is missing it cannot do.",
    "`mpr provider list` says the same; mend the library, or do without it: `mpr provider disable {name}`",
)
UNREADABLE = Kind(
    "providers-unreadable",
    Severity.WARNING,
    "The network providers that are registered there are not asked.",
    "see whose it is: `ls -ld {path}`",
)


def registrations() -> Iterator[Finding]:
    """Each that is enabled can be loaded."""
    from mprouter.providers import registration

    for above in (places.system_dir(), places.config_dir()):
        directory = above / registration.DIRECTORY
        if reason := unreadable(directory):
            yield UNREADABLE.found(f"{directory} cannot be read: {reason}", path=directory)
    for each in registered():
        if each.enabled and each.problem is not None:
            yield BROKEN.found(f"{each.id}: {each.where}", name=each.name)
        for flaw in registration.flaws(each):
            yield FLAWED.found(f"{each.id}: {each.file}: {flaw}", name=each.name)


def there_are() -> Sequence[Provider]:
    """Those that can be asked, and ours. Never raises: if loading others' fails as a whole or hangs, only ours."""
    from mprouter.providers.order import builtin_providers

    ours = builtin_providers()
    try:
        found = Errand(registered).result(LOADING)
    except Exception:  # noqa: BLE001 - the check above says what is wrong
        return ours
    return [*ours, *(each.get() for each in found if each.takes_part and each.source != "built-in")]


def registered() -> list[Registered]:
    """All that there are, disabled and broken ones too."""
    from mprouter import settings
    from mprouter.providers import registration

    disabled = () if settings.problems() else settings.load().disabled_providers
    return registration.arranged(registration.builtin() + registration.load(), disabled=disabled)


CHECKS = (Check("network providers", registrations),)
