"""Provider order and routing: who gets a request, and what is reported if nobody accepts it (R1 to R4)."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, TypeVar

from mprouter.frozen import frozen
from mprouter.log import Log
from mprouter.status import Status, WNetError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from mprouter.names import RemoteName
    from mprouter.providers.base import Provider

__all__ = [
    "BUILTIN",
    "INSIGNIFICANT",
    "Builtin",
    "builtin_provider",
    "builtin_providers",
    "first_significant",
    "route",
    "unclaimed",
]


@frozen
class Builtin:
    """A network of this package. target: its file in ``rclone/`` and the class there. schemes: of its remote names."""

    target: str
    schemes: frozenset[str]


BUILTIN = {
    "smb": Builtin("smb:Smb", frozenset({"unc", "smb"})),
    "webdav": Builtin("webdav:WebDav", frozenset({"dav", "davs", "unc"})),
    "sftp": Builtin("sftp:Sftp", frozenset({"sftp"})),
    "ftp": Builtin("ftp:Ftp", frozenset({"ftp", "ftps"})),
    "s3": Builtin("s3:S3", frozenset({"s3"})),
    "file": Builtin("local:Local", frozenset({"file"})),
    "rclone": Builtin("remote:Remote", frozenset({"rclone"})),
}
"""All of them, in the order in which they are tried unless settings say otherwise; whose a name is shows here (R2).

SMB stands before WebDAV, as on Windows, since both may have a UNC name. A command loads none but those that may have
its name.
"""

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

log = Log("mprouter.providers")


def builtin_providers() -> list[Provider]:
    """All of them, in that order."""
    return [builtin_provider(name) for name in BUILTIN]


def builtin_provider(name: str) -> Provider:
    """The one of this name, loaded."""
    module, _, kind = BUILTIN[name].target.partition(":")
    made: Provider = getattr(import_module(f"mprouter.providers.rclone.{module}"), kind)()
    return made


def first_significant(refusals: Iterable[WNetError]) -> WNetError | None:
    """What is reported of *refusals*; None if they all only say "not mine" (R3)."""
    return next((each for each in refusals if each.status not in INSIGNIFICANT), None)


def unclaimed(name: str) -> WNetError:
    """The error for *name*, which no provider claims (R3)."""
    return WNetError(Status.ERROR_NO_NET_OR_BAD_PATH, name=name, hint="see mpr provider list")


def route(providers: Sequence[Provider], name: RemoteName, attempt: Callable[[Provider], T]) -> tuple[Provider, T]:
    """Try *providers* in order until one accepts; the one that did, and what *attempt* returned (R1).

    attempt: has one provider make the connection. What those before the one that accepts have answered is warned of,
    where a person can do something about it.

    Raises ``WNetError``: the first significant error met (R3), with its provider; ERROR_BAD_NET_NAME if none was
    significant but some provider knew the form of *name*, with the words of all that said something;
    ERROR_NO_NET_OR_BAD_PATH if none knew it; ERROR_NO_NETWORK without any provider.
    """
    from mprouter.providers.claims import claimants
    from mprouter.providers.guard import mishap

    if not providers:
        raise WNetError(Status.ERROR_NO_NETWORK, name=name.given, hint="see mpr provider list")
    refusals: list[WNetError] = []
    answers: list[WNetError] = []
    for provider, refusal in claimants(providers, name):  # R4, R2
        if refusal is None:
            try:
                made = attempt(provider)
            except Exception as error:  # noqa: BLE001 - whatever a provider raises does not end the cycle (R4)
                refusal = mishap(error, provider.name)  # noqa: PLW2901 - that is its answer
                answers.append(refusal)
            else:
                _warn_of(answers, provider)
                return provider, made
        refusals.append(refusal)
    if (significant := first_significant(refusals)) is not None:
        raise significant
    if refusals:
        raise _none_has(name, refusals)
    raise unclaimed(name.given)


def _warn_of(answers: Iterable[WNetError], provider: Provider) -> None:
    """Warn of what those said who were asked before *provider*, if it is more than "not mine" and has a hint."""
    for each in answers:
        if each.hint and each.status not in INSIGNIFICANT - {Status.ERROR_NOT_SUPPORTED}:
            log.warning("connected by %s, since %s has refused: %s", provider.name, each.provider, each)


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
