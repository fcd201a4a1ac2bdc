"""Making, ending and asking about connections: the functions of winnetwk.h that are about one connection."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from mprouter.connection import Connection
from mprouter.credentials import Secret
from mprouter.default import default_router
from mprouter.names import looks_local, parse_local
from mprouter.providers.base import State
from mprouter.resource import ConnectFlag, NetResource, ResourceType
from mprouter.status import Status, WNetError
from mprouter.terminal import terminal
from mprouter.wnet import constants
from mprouter.wnet.errors import reporting
from mprouter.wnet.structures import (
    NETRESOURCE,
    REMOTE_NAME_INFO,
    UNIVERSAL_NAME_INFO,
    check_given,
    check_resource,
    check_text,
    provider_called,
)

__all__ = [
    "UseConnection",
    "WNetAddConnection",
    "WNetAddConnection2",
    "WNetAddConnection3",
    "WNetAddConnection4",
    "WNetCancelConnection",
    "WNetCancelConnection2",
    "WNetGetConnection",
    "WNetGetUniversalName",
    "WNetGetUser",
    "WNetRestoreConnection",
    "WNetRestoreSingleConnection",
    "WNetUseConnection",
    "WNetUseConnection4",
]

Password = str | Secret | None
Authentication = tuple[str | None, Password] | None
"""A user name and a password, either of which may be None."""


class UseConnection(NamedTuple):
    """What ``WNetUseConnection`` returns. lpAccessName: the device, or the remote name of a deviceless connection.

    lpResult: CONNECT_LOCALDRIVE if it has a device, else 0.
    """

    lpAccessName: str
    lpResult: int


# -- making them -----------------------------------------------------------------------------------------------


@reporting
def WNetAddConnection(lpRemoteName: str, lpPassword: Password = None, lpLocalName: str | None = None) -> None:
    """Connect, and remember it if it has a local name. Raises as ``WNetAddConnection2``."""
    resource = NETRESOURCE(dwType=constants.RESOURCETYPE_DISK, lpLocalName=lpLocalName, lpRemoteName=lpRemoteName)
    _add(resource, lpPassword, None, constants.CONNECT_UPDATE_PROFILE)


@reporting
def WNetAddConnection2(
    lpNetResource: NETRESOURCE | NetResource,
    lpPassword: Password = None,
    lpUserName: str | None = None,
    dwFlags: int = 0,
) -> None:
    """Connect. Of the resource count dwType, lpLocalName, lpRemoteName and lpProvider.

    lpPassword: None = one that is stored, "" = none. dwFlags: CONNECT_*.

    Raises ``WNetError``: those of ``Router.connect``; ERROR_INVALID_ADDRESS for CONNECT_REDIRECT without a local name,
    since it could not tell which one was chosen; ERROR_INVALID_PARAMETER for a type that is none and flags that are
    unknown; ERROR_NOT_SUPPORTED for flags that ask for what cannot be had here.
    """
    _add(lpNetResource, lpPassword, lpUserName, dwFlags)


@reporting
def WNetAddConnection3(
    hwndOwner: int | None,
    lpNetResource: NETRESOURCE | NetResource,
    lpPassword: Password = None,
    lpUserName: str | None = None,
    dwFlags: int = 0,
) -> None:
    """As ``WNetAddConnection2``. hwndOwner: the handle of a window, which the notifyees are told."""
    _add(lpNetResource, lpPassword, lpUserName, dwFlags, owner=hwndOwner)


@reporting
def WNetAddConnection4(
    hwndOwner: int | None,
    lpNetResource: NETRESOURCE | NetResource,
    pAuthBuffer: Authentication = None,
    dwFlags: int = 0,
    lpUseOptions: Mapping[str, str] | None = None,
) -> None:
    """As ``WNetAddConnection3``. pAuthBuffer: user name and password. lpUseOptions: the network's, as ``mpr -o``."""
    user, password = pAuthBuffer or (None, None)
    _add(lpNetResource, password, user, dwFlags, owner=hwndOwner, options=lpUseOptions)


@reporting
def WNetUseConnection(
    hwndOwner: int | None,
    lpNetResource: NETRESOURCE | NetResource,
    lpPassword: Password = None,
    lpUserId: str | None = None,
    dwFlags: int = 0,
) -> UseConnection:
    """As ``WNetAddConnection3``; with CONNECT_REDIRECT and no local name a free letter is chosen, Z: first (C2).

    Raises ``WNetError``: ERROR_NO_MORE_ITEMS if none is free; ERROR_INVALID_PARAMETER if a device is to be chosen and
    the type is neither disk nor printer.
    """
    return _use(lpNetResource, lpPassword, lpUserId, dwFlags, hwndOwner, None)


@reporting
def WNetUseConnection4(
    hwndOwner: int | None,
    lpNetResource: NETRESOURCE | NetResource,
    pAuthBuffer: Authentication = None,
    dwFlags: int = 0,
    lpUseOptions: Mapping[str, str] | None = None,
) -> UseConnection:
    """As ``WNetUseConnection``, with the arguments of ``WNetAddConnection4``."""
    user, password = pAuthBuffer or (None, None)
    return _use(lpNetResource, password, user, dwFlags, hwndOwner, lpUseOptions)


@reporting
def WNetRestoreConnection(hWnd: int | None, lpDevice: str | None = None, fUseUI: bool = True) -> None:  # noqa: ARG001
    """Connect again what is remembered, or only *lpDevice*, notifying nobody (N3).

    fUseUI: ask at the terminal, if there is one. Raises ``WNetError``: the first that failed, when all were tried.
    """
    conversation = terminal() if fUseUI else None
    for restored in default_router().restore(lpDevice or None, conversation=conversation):
        if restored.error is not None:
            raise restored.error


WNetRestoreSingleConnection = WNetRestoreConnection


def _use(
    resource: NETRESOURCE | NetResource,
    password: Password,
    user: str | None,
    flags: int,
    owner: int | None,
    options: Mapping[str, str] | None,
) -> UseConnection:
    try:
        made = _add(resource, password, user, flags, owner=owner, options=options, choosing=True)
    except WNetError as error:
        if error.status is Status.ERROR_NO_MORE_DEVICES:
            raise WNetError(Status.ERROR_NO_MORE_ITEMS, error.strerror, name=error.name) from error
        raise
    if made.local_name is None:
        return UseConnection(made.remote_name, 0)
    return UseConnection(made.local_name, constants.CONNECT_LOCALDRIVE)


def _add(
    given: NETRESOURCE | NetResource,
    password: Password,
    user: str | None,
    flags: int,
    *,
    owner: int | None = None,
    options: Mapping[str, str] | None = None,
    choosing: bool = False,
) -> Connection:
    """The one way into the router. choosing: whether a device may be chosen."""
    _check_types(given, password, user)
    resource = NETRESOURCE.of(given) if isinstance(given, NetResource) else given
    local = resource.lpLocalName or None
    to_choose = bool(flags & constants.CONNECT_REDIRECT) and local is None
    if resource.dwType not in {constants.RESOURCETYPE_ANY, constants.RESOURCETYPE_DISK, constants.RESOURCETYPE_PRINT}:
        raise _invalid(resource, f"{resource.dwType} is no type of a resource", "RESOURCETYPE_DISK is one")
    if to_choose and not choosing:
        raise WNetError(
            Status.ERROR_INVALID_ADDRESS,
            "CONNECT_REDIRECT needs a local name here",
            name=resource.lpRemoteName,
            hint="give one, or have WNetUseConnection choose it",
        )
    if to_choose and resource.dwType == constants.RESOURCETYPE_ANY:
        raise _invalid(resource, "a device cannot be chosen for a resource of any type", "give RESOURCETYPE_DISK")
    return default_router().connect(
        resource.lpRemoteName or "",
        local,
        user=user or None,
        password=password,
        provider=provider_called(resource.lpProvider or None),
        type=ResourceType(resource.dwType),
        flags=ConnectFlag(flags & 0xFFFFFFFF),
        options=options,
        owner=owner,
    )


def _check_types(resource: object, password: object, user: object) -> None:
    """What a program in Python may get wrong. Raises TypeError; ``WNetError`` for what is NULL, or is no text."""
    check_resource(resource)
    check_text(user, "lpUserName")
    if isinstance(password, str):
        if any("\ud800" <= each <= "\udfff" for each in password):  # not by an error, which would hold the password
            raise WNetError(Status.ERROR_INVALID_PASSWORD, "the password holds what is no Unicode text")
    elif not isinstance(password, Secret | None):
        raise TypeError(f"lpPassword must be a str, a Secret or None, not {type(password).__name__}")


def _invalid(resource: NETRESOURCE, why: str, hint: str) -> WNetError:
    return WNetError(Status.ERROR_INVALID_PARAMETER, why, name=resource.lpRemoteName, hint=hint)


# -- ending them -----------------------------------------------------------------------------------------------


@reporting
def WNetCancelConnection(lpName: str, fForce: bool = False) -> None:
    """Disconnect; what is remembered stays remembered. Raises as ``WNetCancelConnection2``."""
    check_given(lpName, "lpName")
    default_router().disconnect(lpName, bool(fForce))


@reporting
def WNetCancelConnection2(lpName: str, dwFlags: int = 0, fForce: bool = False) -> None:
    """Disconnect the device *lpName*, or all deviceless connections to the resource *lpName* (C5, C6).

    dwFlags: CONNECT_UPDATE_PROFILE, no longer to remember it, or 0. fForce: in spite of open files.

    Raises ``WNetError``: ERROR_NOT_CONNECTED, ERROR_OPEN_FILES, and the others of ``Router.disconnect``;
    ERROR_INVALID_PARAMETER for another flag.
    """
    check_given(lpName, "lpName")
    if dwFlags & ~constants.CONNECT_UPDATE_PROFILE:
        raise WNetError(
            Status.ERROR_INVALID_PARAMETER, f"of the flags {dwFlags:#x} only CONNECT_UPDATE_PROFILE can be", name=lpName
        )
    default_router().disconnect(lpName, bool(fForce), forget=bool(dwFlags))


# -- asking about them -----------------------------------------------------------------------------------------


@reporting
def WNetGetConnection(lpLocalName: str) -> str:
    """The remote name that a device is connected to.

    Raises ``WNetError``: ERROR_BAD_DEVICE, ERROR_NOT_CONNECTED; ERROR_CONNECTION_UNAVAIL if it is remembered or lost;
    ERROR_NO_NET_OR_BAD_PATH if its network's provider is not there; ERROR_NO_NETWORK if there is none at all.
    """
    device = _device(lpLocalName)
    return _there(lambda: (default_router().connection(device), ""))[0].remote_name


@reporting
def WNetGetUser(lpName: str | None = None) -> str:
    """The user as whom *lpName*, a device or a resource, is connected; None or "": who runs this process (C8).

    Raises ``WNetError``: as ``WNetGetConnection``, with ERROR_NOT_CONNECTED for what is no name; or what the network's
    provider reported.
    """
    check_text(lpName, "lpName")
    if not lpName:
        return default_user()

    def look() -> tuple[Connection, str]:
        try:
            return default_router().connection(lpName), ""
        except WNetError as error:
            raise WNetError(Status.ERROR_NOT_CONNECTED, error.strerror, name=lpName, hint=error.hint) from error

    found, _ = _there(look)
    return default_router().user(found) or default_user()


@reporting
def WNetGetUniversalName(
    lpLocalPath: str, dwInfoLevel: int = constants.UNIVERSAL_NAME_INFO_LEVEL
) -> UNIVERSAL_NAME_INFO | REMOTE_NAME_INFO:
    r"""The name of a file or directory that others can use too; it need not exist.

    lpLocalPath: below a device, as ``Z:\dir\file``, or the path where a connection appears here.

    Raises ``WNetError``: as ``WNetGetConnection``; ERROR_NOT_SUPPORTED if its network has no universal names, at the
    level UNIVERSAL_NAME_INFO_LEVEL; ERROR_INVALID_LEVEL; or what the network's provider reported.
    """
    if dwInfoLevel not in {constants.UNIVERSAL_NAME_INFO_LEVEL, constants.REMOTE_NAME_INFO_LEVEL}:
        raise WNetError(Status.ERROR_INVALID_LEVEL, f"there is no level {dwInfoLevel}", name=lpLocalPath)
    check_given(lpLocalPath, "lpLocalPath")
    found, rest = _there(lambda: default_router().located(lpLocalPath))
    name = default_router().universal_name(found, rest)
    if dwInfoLevel == constants.REMOTE_NAME_INFO_LEVEL:
        return REMOTE_NAME_INFO(name.universal, name.connection, name.remaining)
    if name.universal is None:
        raise WNetError(Status.ERROR_NOT_SUPPORTED, f"{found.remote_name} has no universal name", name=lpLocalPath)
    return UNIVERSAL_NAME_INFO(name.universal)


def default_user() -> str:
    """The user who runs this process."""
    import getpass

    return getpass.getuser()


def _device(name: str) -> str:
    check_given(name, "lpLocalName")
    if not looks_local(name):
        raise WNetError(Status.ERROR_BAD_DEVICE, "this is not a local name", name=name)
    return parse_local(name)


def _there(look: Callable[[], tuple[Connection, str]]) -> tuple[Connection, str]:
    """What *look* finds, if it is connected. Raises ``WNetError``: see ``WNetGetConnection``."""
    router = default_router()
    try:
        found, rest = look()
    except WNetError as error:
        if error.status is Status.ERROR_NOT_CONNECTED and not router.providers():
            raise WNetError(Status.ERROR_NO_NETWORK, name=error.filename, hint="see mpr provider list") from error
        raise
    if found.state is not None and found.provider not in {
        each.name for each in router.registered_providers() if each.problem is None
    }:
        raise WNetError(
            Status.ERROR_NO_NET_OR_BAD_PATH,
            f"its network provider {found.provider} is not there, or cannot be used",
            name=found.local_name,
            provider=found.provider,
            hint="see mpr provider list",
        )
    if found.state is State.CONNECTED:
        return found, rest
    raise WNetError(
        Status.ERROR_CONNECTION_UNAVAIL,
        "it is remembered, but not connected now" if found.state is None else "it was connected, and is lost",
        name=found.local_name,
        provider=found.provider,
        hint=f"mpr restore {found.local_name}" if found.remembered else None,
    )
