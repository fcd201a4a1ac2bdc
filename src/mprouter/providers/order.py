"""Provider order and routing: who gets a request, and what is reported if nobody accepts it (R1 to R4)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from mprouter.names import RemoteName
from mprouter.providers.base import Provider
from mprouter.providers.claims import claimants
from mprouter.providers.guard import mishap
from mprouter.status import Status, WNetError

__all__ = ["INSIGNIFICANT", "builtin_providers", "first_significant", "route"]

INSIGNIFICANT = frozenset(
    {
        Status.ERROR_BAD_NETPATH,
        Status.ERROR_BAD_NET_NAME,
        Status.ERROR_INVALID_PARAMETER,
        Status.ERROR_INVALID_LEVEL,
        Status.ERROR_NOT_SUPPORTED,
    }
)
"""What only says "not mine" (R3)."""

T = TypeVar("T")


def builtin_providers() -> list[Provider]:
    """The networks that this package brings, in the order in which they are tried unless settings say otherwise.

    SMB stands before WebDAV, as on Windows, since both may have a UNC name.
    """
    from mprouter.providers.rclone.ftp import Ftp
    from mprouter.providers.rclone.local import Local
    from mprouter.providers.rclone.remote import Remote
    from mprouter.providers.rclone.s3 import S3
    from mprouter.providers.rclone.sftp import Sftp
    from mprouter.providers.rclone.smb import Smb
    from mprouter.providers.rclone.webdav import WebDav

    return [Smb(), WebDav(), Sftp(), Ftp(), S3(), Local(), Remote()]


def first_significant(refusals: Iterable[WNetError]) -> WNetError | None:
    """What is reported of *refusals*; None if they all only say "not mine" (R3)."""
    return next((each for each in refusals if each.status not in INSIGNIFICANT), None)


def route(providers: Sequence[Provider], name: RemoteName, attempt: Callable[[Provider], T]) -> tuple[Provider, T]:
    """Try *providers* in order until one accepts; the one that did, and what *attempt* returned (R1).

    attempt: has one provider make the connection.

    Raises ``WNetError``: the first significant error met (R3), with its provider; ERROR_BAD_NET_NAME if none was
    significant but some provider knew the form of *name*, with the words of all that said something;
    ERROR_NO_NET_OR_BAD_PATH if none knew it; ERROR_NO_NETWORK without any provider.
    """
    if not providers:
        raise WNetError(Status.ERROR_NO_NETWORK, name=name.given)
    refusals: list[WNetError] = []
    for provider, refusal in claimants(providers, name):  # R4, R2
        if refusal is None:
            try:
                return provider, attempt(provider)
            except Exception as error:  # noqa: BLE001 - whatever a provider raises does not end the cycle (R4)
                refusal = mishap(error, provider.name)  # noqa: PLW2901 - that is its answer
        refusals.append(refusal)
    if (significant := first_significant(refusals)) is not None:
        raise significant
    if refusals:
        raise _none_has(name, refusals)
    raise WNetError(Status.ERROR_NO_NET_OR_BAD_PATH, name=name.given, hint="see mpr provider list")


def _none_has(name: RemoteName, refusals: Sequence[WNetError]) -> WNetError:
    """ERROR_BAD_NET_NAME in the words of those who knew the form of the name."""
    first = refusals[0]
    alone = len(refusals) == 1
    return WNetError(
        Status.ERROR_BAD_NET_NAME,
        first.strerror if alone else "; ".join(f"{each.provider}: {each.strerror}" for each in refusals),
        name=name.given,
        provider=first.provider,
        provider_code=int(first.status) if first.provider_code is None else first.provider_code,
        provider_text=first.provider_text,
        hint=first.hint,
    )
