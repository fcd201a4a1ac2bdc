"""The dialogs, which are those of ``mprouter.dialog`` at a terminal: what their structures and flags mean there.

Windows' own value for "the user has left the dialog" is -1, which is no status; it is returned here too, and not
raised. A dialog runs in the thread that calls, also where Windows starts another: there is one terminal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mprouter.connection import Connection
from mprouter.default import default_router
from mprouter.dialog import connecting, disconnecting
from mprouter.dialog.person import Left, Person, person
from mprouter.names import is_drive, parse_remote
from mprouter.providers.claims import claimants
from mprouter.status import Status, WNetError
from mprouter.terminal import plain, terminal
from mprouter.wnet import constants
from mprouter.wnet.errors import reporting
from mprouter.wnet.structures import CONNECTDLGSTRUCT, DISCDLGSTRUCT

__all__ = ["WNetConnectionDialog", "WNetConnectionDialog1", "WNetDisconnectDialog", "WNetDisconnectDialog1"]

_DONE, _LEFT = 0, -1

_DEVICELESS = 0xFFFFFFFF

_CONNDLG = (
    constants.CONNDLG_RO_PATH
    | constants.CONNDLG_CONN_POINT
    | constants.CONNDLG_USE_MRU
    | constants.CONNDLG_HIDE_BOX
    | constants.CONNDLG_PERSIST
    | constants.CONNDLG_NOT_PERSIST
)

_EXCLUSIVE = (
    (constants.CONNDLG_RO_PATH | constants.CONNDLG_USE_MRU, "CONNDLG_RO_PATH and CONNDLG_USE_MRU"),
    (constants.CONNDLG_PERSIST | constants.CONNDLG_NOT_PERSIST, "CONNDLG_PERSIST and CONNDLG_NOT_PERSIST"),
)


@reporting
def WNetConnectionDialog(hwnd: int | None = None, dwType: int = constants.RESOURCETYPE_DISK) -> int:
    """Have the person at the terminal choose from the network and connect it. 0 = connected, -1 = the person left.

    hwnd: the handle of a window, which the notifyees are told. dwType: RESOURCETYPE_DISK. What fails in the dialog is
    shown there, and the person may try again.

    Raises ``WNetError``: ERROR_BAD_DEV_TYPE for another type; ERROR_NO_NETWORK without a provider, ERROR_BUSY while the
    networks are starting; ERROR_NOT_ENOUGH_MEMORY; ERROR_REQUIRES_INTERACTIVE_WINDOWSTATION without a terminal.
    """
    _check_type(dwType, None)
    return _DONE if _connected(connecting.Wanted(owner=hwnd)) else _LEFT


@reporting
def WNetConnectionDialog1(lpConnDlgStruct: CONNECTDLGSTRUCT) -> int:
    """As ``WNetConnectionDialog``, as *lpConnDlgStruct* says; its dwDevNum is set if something was connected.

    Of lpConnRes count dwType and lpRemoteName, which is what Enter chooses. dwFlags: CONNDLG_*.

    Raises ``WNetError`` besides: ERROR_INVALID_PARAMETER for CONNDLG_RO_PATH with CONNDLG_USE_MRU or without the name
    of a network's resource, for CONNDLG_PERSIST with CONNDLG_NOT_PERSIST, and for flags that are unknown.
    """
    flags, remote = lpConnDlgStruct.dwFlags, lpConnDlgStruct.lpConnRes.lpRemoteName or None
    _check_flags(flags, remote)
    _check_type(lpConnDlgStruct.lpConnRes.dwType, remote)
    persist = bool(flags & constants.CONNDLG_PERSIST)
    made = _connected(
        connecting.Wanted(
            remote,
            is_fixed=bool(flags & constants.CONNDLG_RO_PATH)
            or (remote is None and not flags & constants.CONNDLG_USE_MRU),
            recent=bool(flags & constants.CONNDLG_USE_MRU),
            persist=persist if persist or flags & constants.CONNDLG_NOT_PERSIST else None,
            ask_persist=not flags & constants.CONNDLG_HIDE_BOX,
            owner=lpConnDlgStruct.hwndOwner,
        )
    )
    if made is None:
        return _LEFT
    has_letter = made.local_name is not None and is_drive(made.local_name)
    lpConnDlgStruct.dwDevNum = ord(str(made.local_name)[0]) - ord("A") + 1 if has_letter else _DEVICELESS
    return _DONE


@reporting
def WNetDisconnectDialog(hwnd: int | None = None, dwType: int = constants.RESOURCETYPE_DISK) -> int:  # noqa: ARG001
    """Have the person at the terminal choose a connection and end it. 0 = it is ended, or there is none; -1 = left.

    dwType: RESOURCETYPE_DISK. Raises ``WNetError`` as ``WNetConnectionDialog``.
    """
    _check_type(dwType, None)
    _check_provider()
    with _memory():
        try:
            disconnecting.disconnect(person("WNetCancelConnection2 needs none"), default_router())
        except Left:
            return _LEFT
    return _DONE


@reporting
def WNetDisconnectDialog1(lpConnDlgStruct: DISCDLGSTRUCT) -> int:
    """Disconnect lpLocalName, or without it lpRemoteName, showing failures at the terminal. 0 = done, -1 = left.

    dwFlags: DISC_UPDATE_PROFILE, no longer to remember it; DISC_NO_FORCE, to ask if files are open. Without the
    latter it is forced at once.

    Raises ``WNetError``: ERROR_INVALID_PARAMETER without a name, for unknown flags, and for DISC_UPDATE_PROFILE without
    lpLocalName; ERROR_CANCELLED if the answer is no; ERROR_OPEN_FILES if there is no terminal to ask; and as
    ``WNetCancelConnection2``.
    """
    local, remote, flags = lpConnDlgStruct.lpLocalName, lpConnDlgStruct.lpRemoteName, lpConnDlgStruct.dwFlags
    name, forget = local or remote or "", bool(flags & constants.DISC_UPDATE_PROFILE)
    if not name or flags & ~(constants.DISC_UPDATE_PROFILE | constants.DISC_NO_FORCE) or (forget and not local):
        why = "there is no name" if not name else f"the flags {flags:#x} cannot be for it"
        raise WNetError(Status.ERROR_INVALID_PARAMETER, why, name=name or None)
    _check_provider()
    with _memory():
        try:
            if flags & constants.DISC_NO_FORCE:
                disconnecting.cancel(default_router(), name, forget=forget, person=_asked_about(name))
            else:
                default_router().disconnect(name, True, forget)
        except Left:
            return _LEFT
        except WNetError as error:
            if terminal() is not None and error.status is not Status.ERROR_CANCELLED:
                Person().say(plain(error))
            raise
    return _DONE


def _connected(wanted: connecting.Wanted) -> Connection | None:
    """What the dialog connected; None if the person left."""
    with _memory():
        asked = person("WNetAddConnection2 needs none")
        try:
            made = connecting.connect(asked, default_router(), wanted)
        except Left:
            return None
    asked.say(f"{plain(made.remote_name)} is connected: {plain(made.path)}")
    return made


def _asked_about(name: str) -> Callable[[], Person]:
    """Who is asked whether to disconnect *name* although files are open."""

    def asked() -> Person:
        try:
            return person("")
        except WNetError:
            why = "files are open, and nobody is there to be asked: this needs a terminal"
            raise WNetError(
                Status.ERROR_OPEN_FILES, why, name=name, hint="close them, or leave out DISC_NO_FORCE"
            ) from None

    return asked


@contextmanager
def _memory() -> Iterator[None]:
    """A dialog for which there is no memory, or no room for its thread, is ERROR_NOT_ENOUGH_MEMORY."""
    try:
        yield
    except MemoryError as error:
        raise WNetError(Status.ERROR_NOT_ENOUGH_MEMORY, "there is no memory for a dialog") from error


def _check_type(type_: int, name: str | None) -> None:
    if type_ != constants.RESOURCETYPE_DISK:
        raise WNetError(Status.ERROR_BAD_DEV_TYPE, "only disk resources can be connected", name=name)


def _check_provider() -> None:
    if not default_router().providers():
        raise WNetError(Status.ERROR_NO_NETWORK)


def _check_flags(flags: int, remote: str | None) -> None:
    """Refuse what contradicts itself (ERROR_INVALID_PARAMETER)."""
    why = f"the flags {flags & ~_CONNDLG & 0xFFFFFFFF:#x} are not known" if flags & ~_CONNDLG else None
    for both, names in _EXCLUSIVE:
        if flags & both == both:
            why = f"{names} exclude each other"
    if why is None and flags & constants.CONNDLG_RO_PATH and not _is_of_a_network(remote):
        why = "CONNDLG_RO_PATH needs the name of a network's resource"
    if why is not None:
        raise WNetError(Status.ERROR_INVALID_PARAMETER, why, name=remote)


def _is_of_a_network(remote: str | None) -> bool:
    try:
        name = parse_remote(remote or "")
    except WNetError:
        return False
    return any(failure is None for _, failure in claimants(default_router().providers(), name))
