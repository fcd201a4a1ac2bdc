"""A loaded network provider: NPAPI's functions as calls with Python values, and what it writes into buffers, read back.

Nothing that the library writes is believed: a count or pointer that leads out of the buffer is an error. A library that
writes past the end of one has spoilt this process, which is why it is one of its own. This is of the host process.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from ctypes import POINTER, byref, c_char, c_int32, c_uint16, c_uint32, c_void_p, sizeof
from pathlib import Path
from typing import Any, ClassVar

from mprouter.plugins.frames import LIMIT
from mprouter.plugins.library import NetResource as Netresource
from mprouter.plugins.library import in_c, loaded, utf16
from mprouter.providers.native.wire import (
    Account,
    Add,
    Answer,
    Ask,
    Attend,
    Cancel,
    Close,
    Look,
    Next,
    Open,
    Request,
    Said,
)
from mprouter.resource import DisplayType, NetResource, ResourceScope, ResourceType, ResourceUsage
from mprouter.status import Status, WNetError

__all__ = ["Functions"]

INDICES = range(1, 0xE)
"""What ``NPGetCaps`` is asked for."""

ROOM = 1 << 14
"""Bytes of a buffer at first: an answer that fits into it fits into a message."""

MOST = 1 << 18
"""Bytes of the largest buffer, in which four names of 32767 characters have room."""

SUCCESS, MORE_DATA, NO_MORE_ITEMS = Status.WN_SUCCESS, Status.ERROR_MORE_DATA, Status.ERROR_NO_MORE_ITEMS

EVERYTHING = 0xFFFFFFFF

_SIGNATURES: dict[str, tuple[Any, ...]] = {
    "NPGetCaps": (c_uint32,),
    "NPAddConnection": (c_void_p, c_void_p, c_void_p),
    "NPAddConnection3": (c_void_p, c_void_p, c_void_p, c_void_p, c_uint32),
    "NPCancelConnection": (c_void_p, c_int32),
    "NPGetConnection": (c_void_p, c_void_p, c_void_p),
    "NPGetConnectionPerformance": (c_void_p, c_void_p),
    "NPGetUser": (c_void_p, c_void_p, c_void_p),
    "NPGetUniversalName": (c_void_p, c_uint32, c_void_p, c_void_p),
    "NPOpenEnum": (c_uint32, c_uint32, c_uint32, c_void_p, c_void_p),
    "NPEnumResource": (c_void_p, c_void_p, c_void_p, c_void_p),
    "NPCloseEnum": (c_void_p,),
    "NPGetResourceInformation": (c_void_p, c_void_p, c_void_p, c_void_p),
    "NPGetResourceParent": (c_void_p, c_void_p, c_void_p),
    "NPLogonNotify": (c_void_p,) * 8,
    "NPPasswordChangeNotify": (c_void_p,) * 6 + (c_uint32,),
}
"""The functions that are called, each with the types of its arguments; all return a DWORD."""

_SetLastError = ctypes.CFUNCTYPE(None, c_uint32, c_void_p, c_void_p)


class _PerformanceStruct(ctypes.Structure):
    """NETCONNECTINFOSTRUCT."""

    _fields_: ClassVar = [
        ("cbStructure", c_uint32),
        ("dwFlags", c_uint32),
        ("dwSpeed", c_uint32),
        ("dwDelay", c_uint32),
        ("dwOptDataSize", c_uint32),
    ]


class _UnicodeString(ctypes.Structure):
    """UNICODE_STRING."""

    _fields_: ClassVar = [("Length", c_uint16), ("MaximumLength", c_uint16), ("Buffer", c_void_p)]


class _InteractiveLogon(ctypes.Structure):
    """MSV1_0_INTERACTIVE_LOGON, and KERB_INTERACTIVE_LOGON, which is the same."""

    _fields_: ClassVar = [
        ("MessageType", c_uint32),
        ("LogonDomainName", _UnicodeString),
        ("UserName", _UnicodeString),
        ("Password", _UnicodeString),
    ]


class Functions:
    """The functions of the library at *path*; every call has an ``Answer``, of number 0.

    sha256: see ``trust.opened``. Raises ``WNetError`` as ``library.loaded`` does; ``NPGetCaps`` must be exported.
    """

    def __init__(self, path: str, sha256: str | None) -> None:
        self._library = loaded(Path(path).absolute(), sha256, ("NPGetCaps",))
        self._said: Said | None = None
        self._handles: dict[int, c_void_p] = {}
        self._opened = 0
        self._keep = _SetLastError(self._set_last_error)
        try:
            variable = c_void_p.in_dll(self._library, "mprouter_WNetSetLastErrorW")
            variable.value = ctypes.cast(self._keep, c_void_p).value
        except ValueError:  # it was compiled without our header
            pass
        self._exports = {each: self._library[each] for each in _SIGNATURES if hasattr(self._library, each)}
        for name, function in self._exports.items():
            function.argtypes = _SIGNATURES[name]
            function.restype = c_uint32

    def answer(self, request: Request) -> Answer:
        """What the library answers to *request*. Raises ``WNetError`` for what is no answer."""
        calls: dict[type, Callable[[Any], Answer]] = {
            Look: self._look,
            Add: self._add,
            Cancel: self._cancel,
            Ask: self._ask,
            Open: self._open,
            Next: self._next,
            Close: self._close,
            Attend: self._attend,
        }
        return calls[type(request)](request)

    def _look(self, _: Look) -> Answer:
        """What is exported (texts), and what ``NPGetCaps`` says for each of ``INDICES`` (numbers)."""
        caps = [self._exports["NPGetCaps"](each) for each in INDICES]
        return Answer(0, texts=list(self._exports), numbers=caps)

    def _add(self, request: Add) -> Answer:
        """``NPAddConnection3``, or without flags ``NPAddConnection``."""
        with _Password(request.password) as password:
            told = in_c(request.resource)
            arguments = byref(told), password, utf16(request.user)
            if request.flags is None:
                return self._answer(self._call("NPAddConnection", *arguments))
            return self._answer(self._call("NPAddConnection3", None, *arguments, request.flags))

    def _cancel(self, request: Cancel) -> Answer:
        return self._answer(self._call("NPCancelConnection", utf16(request.name), request.force))

    def _ask(self, request: Ask) -> Answer:
        """One of the functions that are told no more than a name."""
        match request.function:
            case "NPGetConnection" | "NPGetUser":
                return self._text(request.function, request.name)
            case "NPGetConnectionPerformance":
                return self._performance(request.name)
            case "NPGetUniversalName":
                return self._universal_name(request.name, request.number)
            case "NPGetResourceInformation":
                return self._information(NetResource(request.name, type=ResourceType(request.number)))
            case "NPGetResourceParent":
                return self._parent(NetResource(request.name, type=ResourceType.ANY))
            case unknown:
                raise WNetError(Status.ERROR_PROC_NOT_FOUND, f"{unknown} is not called so")

    def _text(self, function: str, name: str | None) -> Answer:
        """The remote name of a device, or the user name of a connection."""
        given = utf16(name)
        status, found = self._filled(
            lambda buffer, size: self._call(function, given, buffer, size), unit=sizeof(c_uint16)
        )
        return self._answer(status, lambda: Answer(0, texts=[found.text(0)]))

    def _universal_name(self, path: str | None, level: int) -> Answer:
        """Of level 1 one text, of level 2 three."""
        given = utf16(path)
        status, found = self._filled(lambda buffer, size: self._call("NPGetUniversalName", given, level, buffer, size))
        return self._answer(status, lambda: Answer(0, texts=[found.pointed(each) for each in range(2 * level - 1)]))

    def _performance(self, name: str | None) -> Answer:
        """Flags, speed, delay and best size of data, as in NETCONNECTINFOSTRUCT."""
        found = _PerformanceStruct(sizeof(_PerformanceStruct))
        status = self._call("NPGetConnectionPerformance", utf16(name), byref(found))
        numbers = [found.dwFlags, found.dwSpeed, found.dwDelay, found.dwOptDataSize]
        return self._answer(status, lambda: Answer(0, numbers=numbers))

    def _information(self, resource: NetResource) -> Answer:
        """A resource, and what is behind it in the name."""
        told, system = in_c(resource), c_void_p()

        def informed(buffer: Any, size: Any) -> int:
            system.value = None
            return self._call("NPGetResourceInformation", byref(told), buffer, size, byref(system))

        status, found = self._filled(informed)
        return self._answer(
            status, lambda: Answer(0, resources=[found.resource(0)], texts=[found.at(system.value or 0)])
        )

    def _parent(self, resource: NetResource) -> Answer:
        """A resource, whose remote name is None at the top."""
        told = in_c(resource)
        status, found = self._filled(lambda buffer, size: self._call("NPGetResourceParent", byref(told), buffer, size))
        return self._answer(status, lambda: Answer(0, resources=[found.resource(0)]))

    def _open(self, request: Open) -> Answer:
        """``NPOpenEnum``: a number for the handle."""
        handle = c_void_p()
        told = None if request.container is None else in_c(request.container)
        status = self._call(
            "NPOpenEnum", request.scope, request.kind, request.usage, told and byref(told), byref(handle)
        )
        if status == SUCCESS:
            self._opened += 1
            self._handles[self._opened] = handle
        return self._answer(status, lambda: Answer(0, numbers=[self._opened]))

    def _next(self, request: Next) -> Answer:
        """``NPEnumResource``: as many resources as fit; none at the end."""
        count = c_uint32()

        def enumerated(buffer: Any, size: Any) -> int:
            count.value = EVERYTHING if len(buffer) == ROOM else 1  # one that is so large goes alone
            return self._call("NPEnumResource", self._handle(request.handle), byref(count), buffer, size)

        status, found = self._filled(enumerated)
        if status == NO_MORE_ITEMS:
            return Answer(0)
        return self._answer(status, lambda: Answer(0, resources=found.resources(count.value)))

    def _close(self, request: Close) -> Answer:
        handle = self._handle(request.handle)
        del self._handles[request.handle]
        return self._answer(self._call("NPCloseEnum", handle))

    def _handle(self, number: int) -> c_void_p:
        try:
            return self._handles[number]
        except KeyError:
            raise WNetError(Status.ERROR_INVALID_HANDLE, "that enumeration is not open") from None

    def _attend(self, request: Attend) -> Answer:
        """``NPLogonNotify``: a command line or None; with a change ``NPPasswordChangeNotify``."""
        with _Logon(request.logon) as logon, _Logon(request.previous) as previous:
            who = (*logon.told, *previous.told, utf16(request.station), None)
            if request.change is not None:
                return self._answer(self._call("NPPasswordChangeNotify", *who, request.change))
            session, script = (c_uint32 * 2)(), c_void_p()
            status = self._call("NPLogonNotify", byref(session), *who, byref(script))
        command = _text_at(script.value) if script.value else None
        if script.value:  # it comes from LocalAlloc
            free = ctypes.CDLL(None).free
            free.argtypes = [c_void_p]
            free(script)
        return self._answer(status, lambda: Answer(0, texts=[command]))

    # -- how functions are called --------------------------------------------------------------------------------

    def _call(self, name: str, *arguments: Any) -> int:
        if name not in self._exports:
            raise WNetError(Status.ERROR_NOT_SUPPORTED, f"the library does not export {name}")
        self._said = None
        return int(self._exports[name](*arguments))

    def _filled(self, function: Callable[[Any, Any], int], unit: int = 1) -> tuple[int, _Buffer]:
        """The status of a function that fills a buffer, and the buffer, which grows for as long as that is not enough.

        unit: bytes of what the function counts the buffer in.
        """
        room = ROOM
        while True:
            buffer = _Buffer(room)
            size = c_uint32(room // unit)
            status = function(buffer.memory, byref(size))
            if status != MORE_DATA or room >= MOST:
                return status, buffer
            room = min(max(2 * room, size.value * unit), MOST)

    def _answer(self, status: int, found: Callable[[], Answer] = lambda: Answer(0)) -> Answer:
        if status == SUCCESS:
            return found()
        return Answer(0, Status(status), said=self._said)

    def _set_last_error(self, code: int, text: int | None, _: int | None) -> None:
        """``WNetSetLastErrorW``."""
        self._said = Said(code, _text_at(text) if text else "")


class _Password:
    """A password as the library gets it, WCHARs with a final zero: a context manager, at whose end it is wiped."""

    def __init__(self, password: memoryview | None) -> None:
        self._given = password
        self._memory = None if password is None else (c_char * (len(password) + 2))()

    def __enter__(self) -> Any:
        if self._memory is not None and self._given is not None:
            memoryview(self._memory).cast("B")[:-2] = self._given
        return self._memory

    def __exit__(self, *_: object) -> None:
        if self._memory is not None:
            ctypes.memset(self._memory, 0, sizeof(self._memory))


class _Logon:
    """Who logs on, as ``NPLogonNotify`` gets it: a context manager. told: the type and the structure, or two NULL."""

    def __init__(self, account: Account | None) -> None:
        self._account = account
        self._password = _Password(None if account is None else account.password)
        self.told: tuple[Any, Any] = (None, None)

    def __enter__(self) -> _Logon:
        password = self._password.__enter__()
        if self._account is not None:
            names = (utf16(each) or b"" for each in (self._account.domain, self._account.user))
            self._texts = *(ctypes.create_string_buffer(each, len(each)) for each in names), password
            strings = (_UnicodeString(sizeof(each) - 2, sizeof(each), ctypes.addressof(each)) for each in self._texts)
            self._structure = _InteractiveLogon(2, *strings)
            self.told = utf16(self._account.kind), byref(self._structure)
        return self

    def __exit__(self, *_: object) -> None:
        self._password.__exit__()


# -- structures --------------------------------------------------------------------------------------------------


class _Buffer:
    """What a function has filled: *size* bytes of memory."""

    def __init__(self, size: int) -> None:
        self.memory = (c_char * size)()
        self._base = ctypes.addressof(self.memory)

    def text(self, offset: int) -> str:
        """The text at *offset*, up to its final zero. Raises ``WNetError`` (ERROR_INVALID_DATA) if it has none."""
        raw = self.memory.raw
        end = offset
        while raw[end : end + 2] != b"\0\0":
            end += 2
            if end + 2 > len(raw):
                raise _nonsense("a text in its answer has no end")
        return raw[offset:end].decode("utf-16-le", "replace")

    def at(self, address: int) -> str | None:
        """The text at an address in the buffer; of NULL None. Raises ``WNetError`` (ERROR_INVALID_DATA)."""
        if not address:
            return None
        if not 0 <= address - self._base <= len(self.memory) - 2:
            raise _nonsense("a pointer in its answer leads out of the buffer")
        return self.text(address - self._base)

    def pointed(self, number: int) -> str | None:
        """The text that the pointer of this *number* in the buffer leads to."""
        return self.at(c_void_p.from_buffer(self.memory, number * sizeof(c_void_p)).value or 0)

    def resources(self, count: int) -> list[NetResource]:
        """The first *count* NETRESOURCEs. Raises ``WNetError`` (ERROR_INVALID_DATA)."""
        if not 0 < count <= len(self.memory) // sizeof(Netresource):
            raise _nonsense(f"it has written {count} resources into {len(self.memory)} bytes")
        return [self.resource(each) for each in range(count)]

    def resource(self, number: int) -> NetResource:
        """The NETRESOURCE of this *number*; a type or kind that nobody knows counts as none in particular."""
        found = Netresource.from_buffer(self.memory, number * sizeof(Netresource))
        local, remote, comment, provider = (
            self.at(c_void_p.from_buffer(found, getattr(Netresource, each).offset).value or 0)
            for each in ("lpLocalName", "lpRemoteName", "lpComment", "lpProvider")
        )
        return NetResource(
            remote,
            local,
            _one_of(ResourceType, found.dwType, ResourceType.ANY),
            provider,
            comment,
            _one_of(ResourceScope, found.dwScope, None),
            _one_of(DisplayType, found.dwDisplayType, DisplayType.GENERIC),
            ResourceUsage(found.dwUsage & sum(ResourceUsage)),
        )


def _one_of(kind: Any, value: int, otherwise: Any) -> Any:
    return kind(value) if value in set(kind) else otherwise


def _text_at(address: int) -> str:
    """The text at *address*, as much of it as is passed on."""
    return "".join(_units(address)).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _units(address: int) -> Iterator[str]:
    units = ctypes.cast(address, POINTER(c_uint16))
    for at in range(LIMIT // 8):
        if not units[at]:
            return
        yield chr(units[at])


def _nonsense(problem: str) -> WNetError:
    return WNetError(Status.ERROR_INVALID_DATA, f"the library does not keep to npapi.h: {problem}")
