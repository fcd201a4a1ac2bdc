"""Shared libraries with the C interface of npapi.h: loading one into this process, if it is trusted, and its text.

Which functions it must have and how they are called is the business of whoever calls them: ``notify/native.py`` and
``providers/native/``. What keeps a crash of theirs away from the caller stands in ``host.py``, whether a library may be
loaded at all in ``trust.py``. The header that they are written against is ``mprouter/include/npapi.h``.
"""

from __future__ import annotations

import atexit
import ctypes
from collections.abc import Sequence
from ctypes import c_char_p, c_uint32, c_void_p
from pathlib import Path
from typing import ClassVar

from mprouter.plugins import trust
from mprouter.resource import NetResource as Resource
from mprouter.status import Status, WNetError

__all__ = ["INCLUDE", "NetResource", "cflags", "in_c", "loaded", "utf16"]

INCLUDE = Path(__file__).parent.parent / "include"
"""The directory of the headers."""

DLL_PROCESS_DETACH, DLL_PROCESS_ATTACH = 0, 1


def cflags() -> list[str]:
    """The compiler's arguments for C and C++ sources written for Windows (``mpr config --cflags``)."""
    return [f"-I{INCLUDE}", "-fshort-wchar", "-DUNICODE", "-D_UNICODE"]


class NetResource(ctypes.Structure):
    """NETRESOURCEW. A ``c_char_p`` here points at UTF-16 that lives as long as the structure."""

    _fields_: ClassVar = [
        ("dwScope", c_uint32),
        ("dwType", c_uint32),
        ("dwDisplayType", c_uint32),
        ("dwUsage", c_uint32),
        ("lpLocalName", c_char_p),
        ("lpRemoteName", c_char_p),
        ("lpComment", c_char_p),
        ("lpProvider", c_char_p),
    ]


def in_c(resource: Resource) -> NetResource:
    """*resource* as the structure, with texts of its own, on which a library may scribble."""
    return NetResource(
        resource.scope or 0,
        resource.type,
        resource.display_type,
        resource.usage,
        utf16(resource.local_name),
        utf16(resource.remote_name),
        utf16(resource.comment),
        utf16(resource.provider),
    )


def utf16(text: str | None) -> bytes | None:
    """*text* as WCHARs with their final zero; never an object that others share, even if empty."""
    return None if text is None else (text + "\0").encode("utf-16-le", "surrogatepass")


def loaded(path: Path, sha256: str | None, exports: Sequence[str]) -> ctypes.CDLL:
    """Load the shared library at *path*, which is absolute, into this process, if it is trusted.

    Its constructors run now, and ``DllMain`` if it exports one. sha256: see ``trust.opened``. exports: what it must
    have.

    Raises ``WNetError``: ERROR_ACCESS_DENIED or ERROR_INVALID_IMAGE_HASH if it is not trusted, ERROR_MOD_NOT_FOUND if
    it cannot be loaded, ERROR_PROC_NOT_FOUND if it does not export all of *exports*.
    """
    library = _opened(path, sha256)
    missing = [each for each in exports if not hasattr(library, each)]
    if missing:
        raise WNetError(
            Status.ERROR_PROC_NOT_FOUND,
            f"{path} does not export {' and '.join(missing)}",
            name=str(path),
            hint=f'check with nm -D {path}; a C++ function needs extern "C"',
        )
    _attach(library, path)
    return library


def _opened(path: Path, sha256: str | None) -> ctypes.CDLL:
    try:
        file = trust.opened(path, sha256)
    except WNetError as error:
        if error.status in {Status.ERROR_ACCESS_DENIED, Status.ERROR_INVALID_IMAGE_HASH}:
            raise
        problem = f"{path} cannot be loaded: {str(error.strerror).removeprefix(f'{path}: ')}"
        raise WNetError(Status.ERROR_MOD_NOT_FOUND, problem, name=str(path)) from error
    place = file.place
    try:
        library = ctypes.CDLL(place)
    except OSError as error:
        file.close()
        raise WNetError(
            Status.ERROR_MOD_NOT_FOUND,
            f"{path} cannot be loaded: {str(error).removeprefix(f'{place}: ')}",
            name=str(path),
            hint="it must be a shared library for this machine, with all libraries that it needs",
        ) from error
    file.detach()  # it stays open: the loader knows the library by that name, which must not become another one's
    return library


_attached: set[int] = set()
"""Handles: a path may lead to another library by and by, and none is let go."""


def _attach(library: ctypes.CDLL, path: Path) -> None:
    """Call ``DllMain`` as the loader of Windows does: once when the process loads the library, and at its end."""
    if library._handle in _attached or not hasattr(library, "DllMain"):  # noqa: SLF001 - ctypes has no other name for it
        return
    main = library.DllMain
    main.argtypes = [c_void_p, c_uint32, c_void_p]
    instance = ctypes.cast(main, c_void_p)  # any address that is the library's own
    if not main(instance, DLL_PROCESS_ATTACH, None):
        raise WNetError(Status.ERROR_MOD_NOT_FOUND, f"{path} refuses to be loaded: its DllMain says no", name=str(path))
    _attached.add(library._handle)  # noqa: SLF001
    atexit.register(main, instance, DLL_PROCESS_DETACH, c_void_p(1))
