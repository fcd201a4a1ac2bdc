"""What is wrong with a request by itself, whoever could have it: told before anybody is notified (N4)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mprouter.credentials import Secret
from mprouter.resource import ConnectFlag, ResourceType
from mprouter.status import Status, WNetError

if TYPE_CHECKING:
    from mprouter.names import RemoteName

__all__ = ["check_flags", "check_types"]

_ARGUMENTS: Mapping[str, tuple[type, ...]] = {
    "remote": (str,),
    "local": (str, Path, type(None)),
    "user": (str, type(None)),
    "password": (str, Secret, type(None)),
    "provider": (str, type(None)),
    "type": (int,),
    "persist": (int,),
    "overwrite": (int,),
    "flags": (int,),
    "options": (Mapping, type(None)),
    "owner": (int, type(None)),
    "name": (str, Path),
    "force": (int,),
    "forget": (int,),
    "later": (int,),
}
"""The types of the arguments of ``Router.connect`` and ``disconnect``; Python's truth values are numbers."""

_KNOWN = sum(ConnectFlag)

_REFUSED = {
    ConnectFlag.WRITE_THROUGH_SEMANTICS: "what programs write is cached before it is sent",
    ConnectFlag.GLOBAL_MAPPING: "a connection is the user's who makes it",
    ConnectFlag.DEFERRED: "a connection is made at once",
}
"""Flags that ask for what cannot be had here: to pass them by would be to promise it."""

_PROTECTED = {"sftp", "davs", "ftps", "file"}
"""The networks that always encrypt and authenticate what they transport."""


def check_types(**arguments: object) -> None:
    """Refuse what is not of its type, unknown types of resources and unknown flags (ERROR_INVALID_PARAMETER).

    arguments: some of those of ``Router.connect`` and ``disconnect``.
    """
    for argument, value in arguments.items():
        _check(argument, value, _ARGUMENTS[argument])
        if isinstance(value, Mapping):
            for key, each in value.items():
                _check(f"a name in {argument}", key, (str,))
                _check(f"{argument}[{key!r}]", each, (str,))
        elif argument == "type" and value not in [*ResourceType]:
            raise _wrong(f"{value} is no type of a resource")
        elif argument == "flags" and isinstance(value, int) and value & ~_KNOWN:
            raise _wrong(f"the flags {value & ~_KNOWN:#x} are not known")


def _check(what: str, value: object, types: tuple[type, ...]) -> None:
    if not isinstance(value, types):
        names = " or ".join("None" if each is type(None) else each.__name__ for each in types)
        raise _wrong(f"{what} must be {names}, not {type(value).__name__}")


def _wrong(why: str) -> WNetError:
    return WNetError(Status.ERROR_INVALID_PARAMETER, why)


def check_flags(flags: ConnectFlag, name: RemoteName) -> None:
    """Refuse flags that contradict each other (ERROR_INVALID_PARAMETER), or ask for what would not be had.

    Raises ``WNetError`` ERROR_NOT_SUPPORTED for the latter.
    """
    both = ConnectFlag.UPDATE_PROFILE | ConnectFlag.TEMPORARY
    if flags & both == both:
        why = "CONNECT_UPDATE_PROFILE and CONNECT_TEMPORARY exclude each other"
        raise WNetError(Status.ERROR_INVALID_PARAMETER, why, name=name.given)
    for flag, why in _REFUSED.items():
        if flags & flag:
            raise WNetError(Status.ERROR_NOT_SUPPORTED, why, name=name.given)
    protection = ConnectFlag.REQUIRE_INTEGRITY | ConnectFlag.REQUIRE_PRIVACY
    if flags & protection and name.scheme not in _PROTECTED:
        raise WNetError(
            Status.ERROR_NOT_SUPPORTED,
            "whether this network protects what it transports cannot be required",
            name=name.given,
            hint="sftp:// and davs:// always do",
        )
