"""pywin32's module ``win32wnet``: scripts that were written for Windows run with one import line changed.

    from mprouter import win32netcon, win32wnet

After ``mprouter.install_win32wnet()`` they run with none. Names, argument orders, the old forms of calls, what is
returned and what is raised are as there; what the functions mean stands in ``mprouter.wnet``. NetBIOS is not here.
"""

from __future__ import annotations

import itertools
from typing import Any, NoReturn

from mprouter import wnet
from mprouter.status import Status, WNetError
from mprouter.system_messages import message

__all__ = [
    "NETRESOURCE",
    "NETRESOURCEType",
    "WNetAddConnection2",
    "WNetAddConnection3",
    "WNetCancelConnection2",
    "WNetCloseEnum",
    "WNetEnumResource",
    "WNetGetConnection",
    "WNetGetLastError",
    "WNetGetResourceInformation",
    "WNetGetResourceParent",
    "WNetGetUniversalName",
    "WNetGetUser",
    "WNetOpenEnum",
    "error",
    "install_win32wnet",
]


class error(Exception):
    """A call failed: ``winerror``, ``funcname``, ``strerror``, which are its arguments too."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.winerror, self.funcname, self.strerror = (*arguments[:3], None, None, None)[:3]


class PyNETRESOURCE:
    """A network resource. All attributes may be set: numbers, and texts or None."""

    __slots__ = tuple(wnet.NETRESOURCE.__dataclass_fields__)

    dwScope: int
    dwType: int
    dwDisplayType: int
    dwUsage: int
    lpLocalName: str | None
    lpRemoteName: str | None
    lpComment: str | None
    lpProvider: str | None

    def __init__(self) -> None:
        for name in self.__slots__:
            setattr(self, name, 0 if name.startswith("dw") else None)

    def __setattr__(self, name: str, value: object) -> None:
        """Check the type, as C does."""
        if name not in self.__slots__:
            raise AttributeError(f"'PyNETRESOURCE' object has no attribute '{name}'")
        if not name.startswith("dw"):
            if value is not None and not isinstance(value, str):
                raise TypeError(f"Objects of type '{type(value).__name__}' can not be converted to Unicode.")
        elif isinstance(value, int):
            value = _signed(value)
        else:
            raise TypeError("an integer is required")
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> NoReturn:
        """None of them can go."""
        raise AttributeError("can't delete NETRESOURCE attributes")


NETRESOURCE = NETRESOURCEType = PyNETRESOURCE


class PyHANDLE:
    """The handle of an enumeration: closed by ``Close``, or when nobody has it any more."""

    __slots__ = ("_enumeration", "handle")

    _numbers = itertools.count(1)

    def __init__(self, enumeration: wnet.Enumeration) -> None:
        self._enumeration = enumeration
        self.handle = next(self._numbers)

    def Close(self) -> None:
        """Close it; a second time this does nothing."""
        self._enumeration.close()
        self.handle = 0

    close = Close

    def Detach(self) -> int:
        """Its number; nothing is closed."""
        number, self.handle = self.handle, 0
        return number

    def __int__(self) -> int:
        return self.handle

    def __bool__(self) -> bool:
        return self.handle != 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, (int, PyHANDLE)) and int(self) == int(other)

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return f"<PyNetEnumHANDLE:{self.handle}>"


def WNetAddConnection2(*arguments: Any, **named: Any) -> None:
    """``(NetResource, Password=None, UserName=None, Flags=0)``.

    The old form: ``(dwType, lpLocalName, lpRemoteName, lpProviderName=None, UserName=None, Password=None, flags=0)``.
    """
    if len(arguments) >= 3 and isinstance(arguments[0], int):
        _add_as_of_old(*arguments)
    else:
        _add(*arguments, **named)


def _add_as_of_old(
    dwType: int,
    lpLocalName: str | None,
    lpRemoteName: str,
    lpProviderName: str | None = None,
    UserName: str | None = None,
    Password: str | None = None,
    flags: int = 0,
) -> None:
    resource = PyNETRESOURCE()
    resource.dwType, resource.lpLocalName = dwType, lpLocalName
    resource.lpRemoteName, resource.lpProvider = _text(lpRemoteName), lpProviderName
    _add(resource, Password, UserName, flags)


def _add(NetResource: PyNETRESOURCE, Password: str | None = None, UserName: str | None = None, Flags: int = 0) -> None:
    resource = _given(NetResource)
    _call(wnet.WNetAddConnection2, resource, _optional(Password), _optional(UserName), Flags & 0xFFFFFFFF)


def WNetAddConnection3(
    HwndOwner: Any,
    NetResource: PyNETRESOURCE,
    Password: str | None = None,
    UserName: str | None = None,
    Flags: int = 0,
) -> None:
    """As ``WNetAddConnection2`` in its new form, with the handle of a window, or None."""
    owner = None if HwndOwner is None else int(HwndOwner)
    resource = _given(NetResource)
    _call(wnet.WNetAddConnection3, owner, resource, _optional(Password), _optional(UserName), Flags & 0xFFFFFFFF)


def WNetCancelConnection2(name: str, flags: int, force: int, /) -> None:
    """Disconnect a device, or all deviceless connections to a resource."""
    _call(wnet.WNetCancelConnection2, _text(name), flags & 0xFFFFFFFF, bool(force))


def WNetOpenEnum(scope: int, type: int, usage: int, resource: PyNETRESOURCE | None, /) -> PyHANDLE:  # noqa: A002
    """Begin to look around."""
    container = None if resource is None else _given(resource)
    return PyHANDLE(_call(wnet.WNetOpenEnum, scope, type & 0xFFFFFFFF, usage & 0xFFFFFFFF, container))


def WNetEnumResource(handle: PyHANDLE, maxEntries: int = 64, /) -> list[PyNETRESOURCE]:
    """The next entries, at most *maxEntries*; 0 means 64, -1 all. At the end, and if it fails, there are none."""
    found: list[PyNETRESOURCE] = []
    enumeration, wanted = _enumeration(handle), maxEntries or 64
    try:
        while wanted < 0 or len(found) < wanted:
            some = wnet.WNetEnumResource(enumeration, 1)
            if not some:
                break
            found += map(_made, some)
    except WNetError:
        pass
    return found


def WNetCloseEnum(handle: PyHANDLE, /) -> None:
    """Close the handle."""
    _enumeration(handle)
    handle.Close()


def WNetGetConnection(connection: str | None = None, /) -> str:
    """The remote name of a device."""
    name: str = _call(wnet.WNetGetConnection, connection or "")
    return name


def WNetGetUser(connection: str | None = None, /) -> str:
    """The user of a connection; None: who runs this process."""
    user: str = _call(wnet.WNetGetUser, _optional(connection))
    return user


def WNetGetUniversalName(localPath: str, infoLevel: int = wnet.UNIVERSAL_NAME_INFO_LEVEL, /) -> Any:
    """A UNC name; at REMOTE_NAME_INFO_LEVEL the tuple of it, the name of the connection, and the rest of the path."""
    found = _call(wnet.WNetGetUniversalName, _text(localPath), infoLevel)
    return tuple(found) if isinstance(found, wnet.REMOTE_NAME_INFO) else found.lpUniversalName


def WNetGetResourceInformation(NetResource: PyNETRESOURCE, /) -> tuple[PyNETRESOURCE, str | None]:
    """The resource that a name stands for, and the rest of the name."""
    found = _call(wnet.WNetGetResourceInformation, _given(NetResource))
    return _made(found.lpBuffer), found.lplpSystem


def WNetGetResourceParent(NetResource: PyNETRESOURCE, /) -> PyNETRESOURCE:
    """What contains a resource."""
    return _made(_call(wnet.WNetGetResourceParent, _given(NetResource)))


def WNetGetLastError() -> tuple[int, str, str]:
    """What a network provider last reported in this thread: its code, its words, its name."""
    code, words, name = wnet.WNetGetLastError()
    return code, words, name


def install_win32wnet() -> None:
    """Have ``import win32wnet``, ``win32netcon``, ``pywintypes`` and ``winerror`` find this, without pywin32.

    Of ``winerror`` there are the statuses that come from here.
    """
    import sys
    from importlib.util import find_spec
    from types import ModuleType

    from mprouter import win32netcon

    types = ModuleType("pywintypes", "pywin32's exception.")
    types.__dict__["error"] = error
    statuses = ModuleType("winerror", "Windows' statuses.")
    statuses.__dict__.update({name: int(status) for name, status in Status.__members__.items()})
    modules = {"win32wnet": sys.modules[__name__], "win32netcon": win32netcon}
    modules |= {"pywintypes": types, "winerror": statuses}
    for name, module in modules.items():
        if name not in sys.modules and find_spec(name) is None:
            sys.modules[name] = module


def _call(function: Any, *arguments: Any) -> Any:
    try:
        return function(*arguments)
    except WNetError as failure:
        raise error(failure.winerror, failure.function, message(failure.status)) from failure


def _given(resource: PyNETRESOURCE) -> wnet.NETRESOURCE:
    if not isinstance(resource, PyNETRESOURCE):
        raise TypeError("The object is not a PyNETRESOURCE object")
    values = (getattr(resource, name) for name in resource.__slots__)
    return wnet.NETRESOURCE(*(each & 0xFFFFFFFF if isinstance(each, int) else each for each in values))  # type: ignore[arg-type]


def _made(found: wnet.NETRESOURCE) -> PyNETRESOURCE:
    resource = PyNETRESOURCE()
    for name in resource.__slots__:
        setattr(resource, name, getattr(found, name))
    return resource


def _enumeration(handle: PyHANDLE) -> wnet.Enumeration:
    if not isinstance(handle, PyHANDLE):
        raise TypeError("Not a handle object")
    return handle._enumeration  # noqa: SLF001 - its own


def _text(text: str | None) -> str:
    if text is None:
        raise TypeError("None is not a valid string in this context")
    return _optional(text) or ""


def _optional(text: str | None) -> str | None:
    if text is not None and not isinstance(text, str):
        raise TypeError(f"Objects of type '{type(text).__name__}' can not be converted to Unicode.")
    return None if text is None else text.partition("\0")[0]


def _signed(number: int) -> int:
    """As a LONG shows it."""
    if not -0x80000000 <= number <= 0xFFFFFFFF:
        raise OverflowError("Python int too large to convert to C long")
    return number - 0x100000000 if number > 0x7FFFFFFF else number
