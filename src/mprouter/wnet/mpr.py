"""The WNet functions as C programs see them: mpr.dll's table, with buffers, sizes and returned statuses.

    from ctypes import byref, create_unicode_buffer
    from mprouter.wnet import mpr

    size = mpr.DWORD(0)
    mpr.WNetGetConnectionW("Z:", None, byref(size))  # 234, ERROR_MORE_DATA; size.value is what is needed
    name = create_unicode_buffer(size.value)
    mpr.WNetGetConnectionW("Z:", name, byref(size))  # 0

Each is a pointer to a C function, which may also be handed to a library. Characters are the platform's ``wchar_t``, as
ctypes has them; the functions that end in A take and fill in UTF-8. What they mean stands at their namesakes.

A size counts characters with the last NUL where a text is filled in, and bytes where structures are. If it is too
small, the status is ERROR_MORE_DATA, the size is set to what is needed, and nothing is filled in; else it stays as it
is. In a buffer the structures stand at the beginning, and their texts at the end. NULL in place of a name, a size or a
buffer that has one is ERROR_INVALID_ADDRESS.
"""

from __future__ import annotations

import ctypes
import json
from collections.abc import Callable, Sequence
from ctypes import POINTER, c_int, c_uint16, c_uint32, c_void_p, memmove, sizeof, string_at
from functools import partial
from itertools import count
from typing import Any

from mprouter import wnet
from mprouter.default import default_router
from mprouter.log import Log
from mprouter.status import Status, WNetError

__all__ = [
    "CONNECTDLGSTRUCTA",
    "CONNECTDLGSTRUCTW",
    "DISCDLGSTRUCTA",
    "DISCDLGSTRUCTW",
    "DWORD",
    "NETCONNECTINFOSTRUCT",
    "NETINFOSTRUCT",
    "NETRESOURCEA",
    "NETRESOURCEW",
    "WN_TABLE",
]

log = Log("mprouter.wnet")

BOOL, DWORD, WORD, HANDLE, HWND = c_int, c_uint32, c_uint16, c_void_p, c_void_p


class NETINFOSTRUCT(ctypes.Structure):
    """See ``wnet.NETINFOSTRUCT``. cbStructure: its size, to be set by the caller."""

    _fields_ = (
        ("cbStructure", DWORD),
        ("dwProviderVersion", DWORD),
        ("dwStatus", DWORD),
        ("dwCharacteristics", DWORD),
        ("dwHandle", c_void_p),
        ("wNetType", WORD),
        ("dwPrinters", DWORD),
        ("dwDrives", DWORD),
    )


class NETCONNECTINFOSTRUCT(ctypes.Structure):
    """See ``wnet.NETCONNECTINFOSTRUCT``. cbStructure: its size, to be set by the caller."""

    _fields_ = (
        ("cbStructure", DWORD),
        ("dwFlags", DWORD),
        ("dwSpeed", DWORD),
        ("dwDelay", DWORD),
        ("dwOptDataSize", DWORD),
    )


_NUMBERS = ("dwScope", "dwType", "dwDisplayType", "dwUsage")
_TEXTS = ("lpLocalName", "lpRemoteName", "lpComment", "lpProvider")


class NETRESOURCEW(ctypes.Structure):
    """See ``wnet.NETRESOURCE``."""

    _fields_ = (*((name, DWORD) for name in _NUMBERS), *((name, ctypes.c_wchar_p) for name in _TEXTS))


class NETRESOURCEA(ctypes.Structure):
    """See ``wnet.NETRESOURCE``; texts are bytes in UTF-8."""

    _fields_ = (*((name, DWORD) for name in _NUMBERS), *((name, ctypes.c_char_p) for name in _TEXTS))


def _connection_dialog(resource: type[ctypes.Structure]) -> tuple[tuple[str, Any], ...]:
    pointer = ("lpConnRes", POINTER(resource))
    return ("cbStructure", DWORD), ("hwndOwner", HWND), pointer, ("dwFlags", DWORD), ("dwDevNum", DWORD)


def _disconnect_dialog(text: Any) -> tuple[tuple[str, Any], ...]:
    names = ("lpLocalName", text), ("lpRemoteName", text)
    return ("cbStructure", DWORD), ("hwndOwner", HWND), *names, ("dwFlags", DWORD)


class CONNECTDLGSTRUCTW(ctypes.Structure):
    """See ``wnet.CONNECTDLGSTRUCT``. cbStructure: its size, to be set by the caller."""

    _fields_ = _connection_dialog(NETRESOURCEW)


class CONNECTDLGSTRUCTA(ctypes.Structure):
    """See ``wnet.CONNECTDLGSTRUCT``; texts are bytes in UTF-8."""

    _fields_ = _connection_dialog(NETRESOURCEA)


class DISCDLGSTRUCTW(ctypes.Structure):
    """See ``wnet.DISCDLGSTRUCT``. cbStructure: its size, to be set by the caller."""

    _fields_ = _disconnect_dialog(ctypes.c_wchar_p)


class DISCDLGSTRUCTA(ctypes.Structure):
    """See ``wnet.DISCDLGSTRUCT``; texts are bytes in UTF-8."""

    _fields_ = _disconnect_dialog(ctypes.c_char_p)


class _Characters:
    """The characters of one half of the table."""

    def __init__(self, suffix: str) -> None:
        self.suffix = suffix
        self.is_wide = suffix == "W"
        self.pointer = ctypes.c_wchar_p if self.is_wide else ctypes.c_char_p
        self.resource = NETRESOURCEW if self.is_wide else NETRESOURCEA
        self.connection_dialog = CONNECTDLGSTRUCTW if self.is_wide else CONNECTDLGSTRUCTA
        self.disconnect_dialog = DISCDLGSTRUCTW if self.is_wide else DISCDLGSTRUCTA
        self.width = sizeof(ctypes.c_wchar) if self.is_wide else 1

    def read(self, text: int | str | bytes | None) -> str | None:
        """*text*, or what is at that address. Raises ``WNetError`` (ERROR_INVALID_PARAMETER) if that is no text."""
        if isinstance(text, int):
            try:
                text = ctypes.wstring_at(text) if self.is_wide else string_at(text)
            except ValueError:
                raise WNetError(Status.ERROR_INVALID_PARAMETER, "a text holds what is no character") from None
        return text.decode() if isinstance(text, bytes) else text

    def read_given(self, text: int | str | bytes | None) -> str:
        """The same of a text that must be given. Raises ``WNetError`` (ERROR_INVALID_ADDRESS) for NULL."""
        if text is None:
            raise WNetError(Status.ERROR_INVALID_ADDRESS, "there is no name")
        return self.read(text) or ""

    def written(self, text: str) -> ctypes.Array[Any]:
        """*text* with its NUL."""
        if self.is_wide:
            return ctypes.create_unicode_buffer(text)
        return ctypes.create_string_buffer(text.encode())

    def size_of(self, resource: wnet.NETRESOURCE) -> int:
        """Bytes that it takes in a buffer."""
        texts = (getattr(resource, name) for name in _TEXTS)
        return sizeof(self.resource) + sum(sizeof(self.written(each)) for each in texts if each is not None)

    def read_resource(self, pointer: Any) -> wnet.NETRESOURCE:
        """What *pointer* points to. Raises ``WNetError`` (ERROR_INVALID_ADDRESS) for NULL."""
        if not pointer:
            raise WNetError(Status.ERROR_INVALID_ADDRESS, "there is no NETRESOURCE")
        there = pointer.contents
        numbers = (getattr(there, name) for name in _NUMBERS)
        return wnet.NETRESOURCE(*numbers, *(self.read(getattr(there, name)) for name in _TEXTS))


def _structure(pointer: Any) -> Any:
    """The structure that *pointer* points to. Raises ``WNetError``: ERROR_INVALID_ADDRESS, ERROR_INVALID_PARAMETER."""
    if not pointer:
        raise WNetError(Status.ERROR_INVALID_ADDRESS, "there is no structure")
    if pointer.contents.cbStructure < sizeof(pointer.contents):
        raise WNetError(Status.ERROR_INVALID_PARAMETER, "cbStructure is too small")
    return pointer.contents


def _room(size: Any) -> int:
    """What the caller's *size* says. Raises ``WNetError`` (ERROR_INVALID_ADDRESS) if there is none."""
    if not size:
        raise WNetError(Status.ERROR_INVALID_ADDRESS, "there is no size")
    return int(size[0])


def _check_buffer(buffer: int | None, room: int) -> None:
    """Raise ``WNetError`` (ERROR_INVALID_ADDRESS) if no buffer has *room*; none of 0 asks for the size."""
    if buffer is None and room:
        raise WNetError(Status.ERROR_INVALID_ADDRESS, "there is no buffer")


class _Small(Exception):
    """The buffer is too small; the argument is the size that is needed."""


def _fill_text(characters: _Characters, text: str, buffer: int | None, room: int) -> None:
    """Put *text* into a buffer for *room* characters. Raises ``_Small``, and as ``_check_buffer``."""
    written = characters.written(text)
    _check_buffer(buffer, room)
    if buffer is None or room < len(written):
        raise _Small(len(written))
    memmove(buffer, written, sizeof(written))


class _Packing:
    """Structures and their texts on the way into a buffer of *room* bytes, the texts at its end."""

    def __init__(self, characters: _Characters, buffer: int | None, room: int, structures: int) -> None:
        """structures: bytes that they take."""
        self._characters = characters
        self._buffer = buffer
        self._room = room // characters.width * characters.width
        self._needed = structures
        self._texts: list[tuple[int, ctypes.Array[Any]]] = []  # where, and what
        self._end = (buffer or 0) + self._room

    @property
    def needed(self) -> int:
        """Bytes of all of it."""
        return self._needed

    def text(self, text: str | None) -> int | None:
        """The address that *text* will have."""
        if text is None:
            return None
        written = self._characters.written(text)
        self._needed += sizeof(written)
        self._end -= sizeof(written)
        self._texts.append((self._end, written))
        return self._end

    def put(self, structures: Sequence[ctypes.Structure]) -> None:
        """Fill the buffer. Raises ``_Small``, and as ``_check_buffer``."""
        _check_buffer(self._buffer, self._room)
        if self._buffer is None or self._room < self._needed:
            raise _Small(self._needed)
        for number, each in enumerate(structures):
            memmove(self._buffer + number * sizeof(each), ctypes.byref(each), sizeof(each))
        for at, written in self._texts:
            memmove(at, written, sizeof(written))


class _RawResource(ctypes.Structure):
    """NETRESOURCE with its texts as addresses, to be put into a buffer."""

    _fields_ = (*((name, DWORD) for name in _NUMBERS), *((name, c_void_p) for name in _TEXTS))


def _raw(packing: _Packing, resource: wnet.NETRESOURCE) -> _RawResource:
    numbers = {name: getattr(resource, name) for name in _NUMBERS}
    return _RawResource(**numbers, **{name: packing.text(getattr(resource, name)) for name in _TEXTS})


class _RawNames(ctypes.Structure):
    """REMOTE_NAME_INFO, whose first field is UNIVERSAL_NAME_INFO."""

    _fields_ = (("lpUniversalName", c_void_p), ("lpConnectionName", c_void_p), ("lpRemainingPath", c_void_p))


class _RawUniversal(ctypes.Structure):
    _fields_ = (("lpUniversalName", c_void_p),)


_handles: dict[int, wnet.Enumeration] = {}
_numbers = count(1)


def _enumeration(handle: int | None) -> wnet.Enumeration:
    try:
        return _handles[handle or 0]
    except KeyError:
        raise WNetError(Status.ERROR_INVALID_HANDLE, "there is no such enumeration") from None


def _json(buffer: int | None, size: int) -> dict[str, Any]:
    """The object in a buffer of *size* bytes, JSON in UTF-8; none if there is no buffer. Raises ``WNetError``."""
    if buffer is None or not size:
        return {}
    try:
        found = json.loads(string_at(buffer, size).rstrip(b"\0"))
        if isinstance(found, dict) and all(isinstance(each, str) for each in found.values()):
            return found
    except ValueError:
        pass  # its words might quote the password
    raise WNetError(Status.ERROR_INVALID_PARAMETER, "a buffer has no JSON object with texts in it")


def _login(buffer: int | None, size: int) -> tuple[str | None, str | None]:
    """The user name and the password in a buffer, see ``_json``."""
    found = _json(buffer, size)
    if unknown := sorted(found.keys() - {"user", "password"}):
        raise WNetError(Status.ERROR_INVALID_PARAMETER, f"there is no {unknown[0]} in a logon, only user and password")
    return found.get("user"), found.get("password")


class _Functions:
    """The functions, for one kind of characters; ``_SIGNATURES`` says how each is called."""

    def __init__(self, characters: _Characters) -> None:
        self.characters = characters
        self._read, self._read_given = characters.read, characters.read_given

    # -- connections -------------------------------------------------------------------------------------------

    def WNetAddConnection(self, remote: Any, password: Any, local: Any) -> None:
        wnet.WNetAddConnection(self._read(remote) or "", self._read(password), self._read(local))

    def WNetAddConnection2(self, resource: Any, password: Any, user: Any, flags: int) -> None:
        wnet.WNetAddConnection2(self.characters.read_resource(resource), self._read(password), self._read(user), flags)

    def WNetAddConnection3(self, owner: int | None, resource: Any, password: Any, user: Any, flags: int) -> None:
        given = self.characters.read_resource(resource)
        wnet.WNetAddConnection3(owner, given, self._read(password), self._read(user), flags)

    def WNetAddConnection4(
        self,
        owner: int | None,
        resource: Any,
        authentication: int | None,
        length: int,
        flags: int,
        options: int | None,
        options_length: int,
    ) -> None:
        wnet.WNetAddConnection4(
            owner,
            self.characters.read_resource(resource),
            _login(authentication, length),
            flags,
            _json(options, options_length),
        )

    def WNetUseConnection(
        self,
        owner: int | None,
        resource: Any,
        password: Any,
        user: Any,
        flags: int,
        name: int | None,
        size: Any,
        result: Any,
    ) -> None:
        given = self.characters.read_resource(resource)
        self._check_room(given, flags, name, size)
        used = wnet.WNetUseConnection(owner, given, self._read(password), self._read(user), flags)
        self._used(used, name, size, result)

    def WNetUseConnection4(
        self,
        owner: int | None,
        resource: Any,
        authentication: int | None,
        length: int,
        flags: int,
        options: int | None,
        options_length: int,
        name: int | None,
        size: Any,
        result: Any,
    ) -> None:
        given = self.characters.read_resource(resource)
        self._check_room(given, flags, name, size)
        login = _login(authentication, length)
        used = wnet.WNetUseConnection4(owner, given, login, flags, _json(options, options_length))
        self._used(used, name, size, result)

    def _check_room(self, given: wnet.NETRESOURCE, flags: int, name: int | None, size: Any) -> None:
        """Before anything is connected: whether there will be room for the name under which it can be used."""
        if name is None:
            return
        if not size or not size[0]:
            raise WNetError(Status.ERROR_INVALID_PARAMETER, "there is no size", name=given.lpRemoteName)
        chosen = "Z:" if flags & wnet.CONNECT_REDIRECT else given.lpRemoteName
        needed = len(self.characters.written(given.lpLocalName or chosen or ""))
        if size[0] < needed:
            raise _Small(needed)

    def _used(self, used: wnet.UseConnection, name: int | None, size: Any, result: Any) -> None:
        if name is not None:
            _fill_text(self.characters, used.lpAccessName, name, size[0])
        if result:
            result[0] = used.lpResult

    def WNetCancelConnection(self, name: Any, force: int) -> None:
        wnet.WNetCancelConnection(self._read_given(name), bool(force))

    def WNetCancelConnection2(self, name: Any, flags: int, force: int) -> None:
        wnet.WNetCancelConnection2(self._read_given(name), flags, bool(force))

    def WNetRestoreConnection(self, window: int | None, device: Any) -> None:
        wnet.WNetRestoreConnection(window, self._read(device))

    def WNetRestoreSingleConnection(self, window: int | None, device: Any, ask: int) -> None:
        wnet.WNetRestoreConnection(window, self._read(device), bool(ask))

    # -- dialogs -----------------------------------------------------------------------------------------------

    def WNetConnectionDialog(self, window: int | None, type: int) -> int:  # noqa: A002 - the documented name
        return wnet.WNetConnectionDialog(window, type) & 0xFFFFFFFF

    def WNetConnectionDialog1(self, dialog: Any) -> int:
        there = _structure(dialog)
        given = wnet.CONNECTDLGSTRUCT(self.characters.read_resource(there.lpConnRes), there.hwndOwner, there.dwFlags)
        left = wnet.WNetConnectionDialog1(given) & 0xFFFFFFFF
        if not left:
            there.dwDevNum = given.dwDevNum
        return left

    def WNetDisconnectDialog(self, window: int | None, type: int) -> int:  # noqa: A002 - the documented name
        return wnet.WNetDisconnectDialog(window, type) & 0xFFFFFFFF

    def WNetDisconnectDialog1(self, dialog: Any) -> int:
        there = _structure(dialog)
        local, remote = self._read(there.lpLocalName), self._read(there.lpRemoteName)
        given = wnet.DISCDLGSTRUCT(local, remote, there.hwndOwner, there.dwFlags)
        return wnet.WNetDisconnectDialog1(given) & 0xFFFFFFFF

    # -- asking about them -------------------------------------------------------------------------------------

    def WNetGetConnection(self, local: Any, name: int | None, size: Any) -> Status:
        device, room = self._read_given(local), _room(size)
        status, remote = Status.WN_SUCCESS, ""
        try:
            remote = wnet.WNetGetConnection(device)
        except WNetError as error:
            if error.status is not Status.ERROR_CONNECTION_UNAVAIL:
                raise
            status, remote = error.status, default_router().connection(device).remote_name
        _fill_text(self.characters, remote, name, room)
        return status

    def WNetGetUser(self, name: Any, user: int | None, size: Any) -> None:
        room = _room(size)
        _fill_text(self.characters, wnet.WNetGetUser(self._read(name)), user, room)

    def WNetGetUniversalName(self, path: Any, level: int, buffer: int | None, size: Any) -> None:
        room = _room(size)
        if buffer is None:
            raise WNetError(Status.ERROR_INVALID_ADDRESS, "there is no buffer")
        found = wnet.WNetGetUniversalName(self._read_given(path), level)
        kind = _RawNames if isinstance(found, wnet.REMOTE_NAME_INFO) else _RawUniversal
        packing = _Packing(self.characters, buffer, room, sizeof(kind))
        packing.put([kind(*map(packing.text, found))])
        size[0] = packing.needed

    def MultinetGetConnectionPerformance(self, resource: Any, information: Any) -> None:
        there = _structure(information)
        found = wnet.MultinetGetConnectionPerformance(self.characters.read_resource(resource))
        for name in ("dwFlags", "dwSpeed", "dwDelay", "dwOptDataSize"):
            setattr(there, name, getattr(found, name))

    # -- looking around ----------------------------------------------------------------------------------------

    def WNetOpenEnum(self, scope: int, type: int, usage: int, resource: Any, handle: Any) -> None:  # noqa: A002
        if not handle:
            raise WNetError(Status.ERROR_INVALID_ADDRESS, "there is no room for the handle")
        container = self.characters.read_resource(resource) if resource else None
        number = next(_numbers)
        _handles[number] = wnet.WNetOpenEnum(scope, type, usage, container)
        handle[0] = number

    def WNetEnumResource(self, handle: int | None, wanted: Any, buffer: int | None, size: Any) -> Status:
        enumeration, room = _enumeration(handle), _room(size)
        if not wanted or buffer is None:
            raise WNetError(Status.ERROR_INVALID_ADDRESS, "there is no buffer, or no count")
        entries: list[wnet.NETRESOURCE] = []
        needed = 0
        while len(entries) < wanted[0] and (found := wnet.WNetEnumResource(enumeration, 1)):
            size_of = self.characters.size_of(found[0])
            if needed + size_of > room:
                enumeration.give_back(found)
                if not entries:
                    raise _Small(size_of)
                break
            entries += found
            needed += size_of
        if wanted[0] and not entries:
            return Status.ERROR_NO_MORE_ITEMS
        packing = _Packing(self.characters, buffer, room, len(entries) * sizeof(_RawResource))
        packing.put([_raw(packing, each) for each in entries])
        wanted[0] = len(entries)
        return Status.WN_SUCCESS

    def WNetCloseEnum(self, handle: int | None) -> None:
        wnet.WNetCloseEnum(_enumeration(handle))
        _handles.pop(handle or 0, None)

    def WNetGetResourceInformation(self, resource: Any, buffer: int | None, size: Any, system: Any) -> None:
        room = _room(size)
        found = wnet.WNetGetResourceInformation(self.characters.read_resource(resource))
        packing = _Packing(self.characters, buffer, room, sizeof(_RawResource))
        raw, rest = _raw(packing, found.lpBuffer), packing.text(found.lplpSystem)
        packing.put([raw])
        if system:
            system[0] = rest

    def WNetGetResourceParent(self, resource: Any, buffer: int | None, size: Any) -> None:
        room = _room(size)
        found = wnet.WNetGetResourceParent(self.characters.read_resource(resource))
        packing = _Packing(self.characters, buffer, room, sizeof(_RawResource))
        packing.put([_raw(packing, found)])

    # -- networks, and what went wrong -------------------------------------------------------------------------

    def WNetGetNetworkInformation(self, provider: Any, information: Any) -> None:
        _structure(information)
        found = wnet.WNetGetNetworkInformation(self._read_given(provider))
        filled = NETINFOSTRUCT(sizeof(NETINFOSTRUCT), *(getattr(found, name) for name, _ in NETINFOSTRUCT._fields_[1:]))
        memmove(information, ctypes.byref(filled), sizeof(filled))

    def WNetGetProviderName(self, network: int, name: int | None, size: Any) -> None:
        room = _room(size)
        _fill_text(self.characters, wnet.WNetGetProviderName(network), name, room)

    def WNetGetLastError(self, code: Any, text: int | None, size: int, name: int | None, name_size: int) -> None:
        if not code or text is None or name is None:
            raise WNetError(Status.ERROR_INVALID_ADDRESS, "there is no room for the error")
        last = wnet.WNetGetLastError()
        code[0] = last.lpError
        for words, buffer, room in ((last.lpErrorBuf, text, size), (last.lpNameBuf, name, name_size)):
            if room:
                self._fill_shortened(words, buffer, room)

    def WNetSetLastError(self, error: int, text: Any, provider: Any) -> None:
        wnet.WNetSetLastError(error, self._read(text), self._read(provider))

    def _fill_shortened(self, text: str, buffer: int, room: int) -> None:
        """As much of *text* as fits, and a NUL."""
        while len(self.characters.written(text)) > room:
            text = text[:-1]
        _fill_text(self.characters, text, buffer, room)


def _signatures(characters: _Characters) -> dict[str, tuple[Any, ...]]:
    """How each function is called."""
    text, resource = characters.pointer, POINTER(characters.resource)
    buffer, size = c_void_p, POINTER(DWORD)
    login = (buffer, DWORD, DWORD, buffer, DWORD)
    return {
        "WNetAddConnection": (text, text, text),
        "WNetAddConnection2": (resource, text, text, DWORD),
        "WNetAddConnection3": (HWND, resource, text, text, DWORD),
        "WNetAddConnection4": (HWND, resource, *login),
        "WNetUseConnection": (HWND, resource, text, text, DWORD, buffer, size, size),
        "WNetUseConnection4": (HWND, resource, *login, buffer, size, size),
        "WNetCancelConnection": (text, BOOL),
        "WNetCancelConnection2": (text, DWORD, BOOL),
        "WNetRestoreConnection": (HWND, text),
        "WNetRestoreSingleConnection": (HWND, text, BOOL),
        "WNetConnectionDialog": (HWND, DWORD),
        "WNetConnectionDialog1": (POINTER(characters.connection_dialog),),
        "WNetDisconnectDialog": (HWND, DWORD),
        "WNetDisconnectDialog1": (POINTER(characters.disconnect_dialog),),
        "WNetGetConnection": (text, buffer, size),
        "WNetGetUser": (text, buffer, size),
        "WNetGetUniversalName": (text, DWORD, buffer, size),
        "MultinetGetConnectionPerformance": (resource, POINTER(NETCONNECTINFOSTRUCT)),
        "WNetOpenEnum": (DWORD, DWORD, DWORD, resource, POINTER(HANDLE)),
        "WNetEnumResource": (HANDLE, size, buffer, size),
        "WNetCloseEnum": (HANDLE,),
        "WNetGetResourceInformation": (resource, buffer, size, POINTER(c_void_p)),
        "WNetGetResourceParent": (resource, buffer, size),
        "WNetGetNetworkInformation": (text, POINTER(NETINFOSTRUCT)),
        "WNetGetProviderName": (DWORD, buffer, size),
        "WNetGetLastError": (size, buffer, DWORD, buffer, DWORD),
        "WNetSetLastError": (DWORD, text, text),
    }


_SIZE = {  # which argument is the size that is set if the buffer is too small
    "WNetUseConnection": 6,
    "WNetUseConnection4": 8,
    "WNetGetConnection": 2,
    "WNetGetUser": 2,
    "WNetGetUniversalName": 3,
    "WNetEnumResource": 3,
    "WNetGetResourceInformation": 2,
    "WNetGetResourceParent": 2,
    "WNetGetProviderName": 2,
}


def _call(name: str, function: Callable[..., int | None], *arguments: Any) -> int:
    """Whatever happens in Python is a status for C."""
    try:
        return int(function(*arguments) or 0)
    except _Small as small:
        arguments[_SIZE[name]][0] = small.args[0]
        return int(Status.ERROR_MORE_DATA)
    except WNetError as error:
        return int(error.status)
    except UnicodeDecodeError:
        return int(Status.ERROR_INVALID_PARAMETER)
    except (KeyboardInterrupt, SystemExit):  # C cannot be interrupted, only told
        return int(Status.ERROR_CANCELLED)
    except Exception:
        log.exception("%s failed", name)
        return int(Status.ERROR_GEN_FAILURE)


_WITHOUT_TEXTS = {"WNetCloseEnum", "WNetRestoreConnection", "WNetConnectionDialog", "WNetDisconnectDialog"}
"""The functions that have one name, without A or W."""


def _table() -> dict[str, Any]:
    table: dict[str, Any] = {}
    for characters in (_Characters("W"), _Characters("A")):
        functions = _Functions(characters)
        for name, arguments in _signatures(characters).items():
            # texts as addresses: what is no character ctypes would not let through to ``_call``
            raw = [c_void_p if each is characters.pointer else each for each in arguments]
            prototype = ctypes.CFUNCTYPE(DWORD, *raw)
            whole = name if name in _WITHOUT_TEXTS else name + characters.suffix
            function = prototype(partial(_call, name, getattr(functions, name)))
            # a program may have structures of its own for the same memory, as with a library that says no types
            function.argtypes = [c_void_p if hasattr(each, "contents") else each for each in arguments]
            table.setdefault(whole, function)
    table["WNetRestoreConnectionW"] = table.pop("WNetRestoreConnection")
    return table


WN_TABLE: dict[str, Any] = _table()
"""The functions by their names, which are this module's too."""

globals().update(WN_TABLE)


def __getattr__(name: str) -> Any:  # for those who check types
    raise AttributeError(f"mpr.dll has no {name}")
