"""An add-connection request, and what is wrong with one by itself: told before anybody is notified (N4)."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mprouter import mountpoints
from mprouter.credentials import Credentials, Secret
from mprouter.frozen import frozen
from mprouter.names import DRIVE_LETTERS, RemoteName, nobodys, parse_local, parse_remote
from mprouter.resource import ConnectFlag, NetResource, ResourceType
from mprouter.status import Status, WNetError

if TYPE_CHECKING:
    from mprouter.participants import Participants
    from mprouter.providers.base import Conversation, Provider
    from mprouter.store import Store

__all__ = ["Request", "check_conversation", "check_types", "checked", "with_unasked"]

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


@frozen
class Request:
    """An add-connection request that the router has found good (N4)."""

    name: RemoteName
    local: str | None
    letters: tuple[str, ...]
    resource: NetResource
    credentials: Credentials
    flags: ConnectFlag
    options: Mapping[str, str]
    conversation: Conversation | None
    providers: Sequence[Provider]
    overwrite: bool = False

    @property
    def remember(self) -> bool:
        """C3: with CONNECT_UPDATE_PROFILE, if it has a local name."""
        return bool(self.flags & ConnectFlag.UPDATE_PROFILE) and bool(self.local or self.letters)


def checked(
    resource: NetResource,
    credentials: Credentials,
    flags: ConnectFlag,
    options: Mapping[str, str],
    conversation: Conversation | None,
    *,
    overwrite: bool = False,
    store: Store,
    participants: Participants,
) -> Request:
    """N4: refuse what is wrong with the request itself, before anybody is told."""
    from mprouter.providers.claims import claimants
    from mprouter.providers.guard import Guarded
    from mprouter.providers.order import first_significant

    name = parse_remote(resource.remote_name or "")
    local = parse_local(resource.local_name) if resource.local_name is not None else None
    if resource.type is ResourceType.PRINT or (resource.type is ResourceType.ANY and local):
        raise WNetError(
            Status.ERROR_BAD_DEV_TYPE, "only disk resources can be connected to a local name", name=name.given
        )
    if local is not None and local.startswith("/"):
        _check_outside(local, store)
    _check_flags(flags, name)
    if resource.provider is not None:
        providers = [participants.named(resource.provider)]
    else:
        asked = [each for each in participants.registered_providers() if each.takes_part]
        # where none may have it all are asked, which is told otherwise than that there is no provider
        providers = [each.get() for each in asked if each.may_have(name)] or participants.providers()
    if options or name.is_foreign:
        said = list(claimants(providers, name))
        owners = [each for each, failure in said if failure is None]
        if name.is_foreign and not owners:
            refusal = first_significant(failure for _, failure in said if failure is not None)
            others = [each.name for each in providers if isinstance(each, Guarded)]
            raise with_unasked(refusal or nobodys(name, others), resource, name, participants)
        for each in owners:
            each.check_options(name, options)
    letters: tuple[str, ...] = ()
    if local is None and flags & ConnectFlag.REDIRECT:
        taken = {each.local_name for each in store.entries()}  # not looked at: its server may not answer
        letters = tuple(letter for letter in DRIVE_LETTERS if letter not in taken and _usable(letter))
        if not letters:
            raise WNetError(Status.ERROR_NO_MORE_DEVICES, name=name.given)
    return Request(name, local, letters, resource, credentials, flags, options, conversation, providers, overwrite)


def with_unasked(error: WNetError, resource: NetResource, name: RemoteName, participants: Participants) -> WNetError:
    """*error*, whose hint says who might have the name and was not asked; if only one was to be asked, that.

    Where somebody who was asked has the name, nobody misses those of ours.
    """
    from mprouter.providers.order import INSIGNIFICANT
    from mprouter.providers.registration import unasked

    if resource.provider is None:
        is_nobodys = error.status in INSIGNIFICANT | {Status.ERROR_NO_NET_OR_BAD_PATH, Status.ERROR_NO_NETWORK}
        if told := unasked(participants.registered_providers(), name, ours=is_nobodys):
            error.hint = f"{told}; {error.hint}" if error.hint and error.hint not in told else told
    elif error.status is Status.ERROR_NO_NET_OR_BAD_PATH:
        error.strerror = f"the network provider {resource.provider} has no names of this form"
        error.hint = "leave the provider out, and all are asked"
    return error


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


def check_conversation(conversation: object) -> None:
    """Refuse what cannot ask anybody (ERROR_INVALID_PARAMETER)."""
    if conversation is not None:
        for method in ("ask_password", "confirm"):
            if not callable(getattr(conversation, method, None)):
                raise _wrong(f"conversation must have the method {method}, which {type(conversation).__name__} has not")


def _check(what: str, value: object, types: tuple[type, ...]) -> None:
    if not isinstance(value, types):
        names = " or ".join("None" if each is type(None) else each.__name__ for each in types)
        raise _wrong(f"{what} must be {names}, not {type(value).__name__}")


def _wrong(why: str) -> WNetError:
    return WNetError(Status.ERROR_INVALID_PARAMETER, why)


def _check_flags(flags: ConnectFlag, name: RemoteName) -> None:
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


def _check_outside(local: str, store: Store) -> None:
    """Refuse a directory in one of our connections: it would be made on the server, and keep that in use."""
    path = Path(local)
    real = os.path.join(os.path.realpath(path.parent), path.name)  # noqa: PTH118 - a circle of links is no error here
    around = store.around(local) or store.around(real)
    if around is not None:
        raise WNetError(
            Status.ERROR_BAD_DEVICE,
            f"it lies in what is connected to {around.remote_name} at {around.local_name or around.path}",
            name=local,
            hint="give a directory of this machine",
        )


def _usable(letter: str) -> bool:
    try:
        mountpoints.check(mountpoints.path_of(0, letter), letter)
    except WNetError:
        return False
    return True
