"""Statuses: the Windows network error codes under their Windows names, and the exception that carries one.

Nothing here knows about providers, notifyees or files.
"""

from __future__ import annotations

import errno
from enum import IntEnum

__all__ = [
    "Cancel",
    "Status",
    "WNetError",
    "check_known",
    "in_short",
    "in_words",
    "shortage",
    "subject_of",
    "text_of",
    "unreadable",
    "unwritten",
]


class Status(IntEnum):
    """What an operation, a provider or a notifyee answers: a Win32 network status (``winerror.h``).

    0 is success. A number that has no name here is still a ``Status``, named ``STATUS_<number>``: a native
    notifyee or provider may answer with any.
    """

    WN_SUCCESS = 0
    ERROR_FILE_NOT_FOUND = 2
    ERROR_PATH_NOT_FOUND = 3
    ERROR_TOO_MANY_OPEN_FILES = 4
    ERROR_ACCESS_DENIED = 5
    ERROR_INVALID_HANDLE = 6
    ERROR_NOT_ENOUGH_MEMORY = 8
    ERROR_INVALID_DATA = 13
    ERROR_WRITE_FAULT = 29
    ERROR_GEN_FAILURE = 31
    ERROR_NOT_SUPPORTED = 50
    ERROR_BAD_NETPATH = 53
    ERROR_NETWORK_BUSY = 54
    ERROR_UNEXP_NET_ERR = 59
    ERROR_BAD_DEV_TYPE = 66
    ERROR_BAD_NET_NAME = 67
    ERROR_ALREADY_ASSIGNED = 85
    ERROR_INVALID_PASSWORD = 86
    ERROR_INVALID_PARAMETER = 87
    ERROR_DISK_FULL = 112
    ERROR_INVALID_LEVEL = 124
    ERROR_MOD_NOT_FOUND = 126
    ERROR_PROC_NOT_FOUND = 127
    ERROR_DIR_NOT_EMPTY = 145
    ERROR_BUSY = 170
    ERROR_NESTING_NOT_ALLOWED = 215
    ERROR_MORE_DATA = 234
    ERROR_NO_MORE_ITEMS = 259
    ERROR_DIRECTORY = 267
    ERROR_INVALID_ADDRESS = 487
    ERROR_UNHANDLED_EXCEPTION = 574
    ERROR_INVALID_IMAGE_HASH = 577
    ERROR_PROCESS_ABORTED = 1067
    ERROR_POSSIBLE_DEADLOCK = 1131
    ERROR_NOT_FOUND = 1168
    ERROR_BAD_DEVICE = 1200
    ERROR_CONNECTION_UNAVAIL = 1201
    ERROR_DEVICE_ALREADY_REMEMBERED = 1202
    ERROR_NO_NET_OR_BAD_PATH = 1203
    ERROR_BAD_PROVIDER = 1204
    ERROR_CANNOT_OPEN_PROFILE = 1205
    ERROR_BAD_PROFILE = 1206
    ERROR_NOT_CONTAINER = 1207
    ERROR_EXTENDED_ERROR = 1208
    ERROR_SESSION_CREDENTIAL_CONFLICT = 1219
    ERROR_NO_NETWORK = 1222
    WN_CANCEL = 1223
    ERROR_CONNECTION_REFUSED = 1225
    ERROR_NETWORK_UNREACHABLE = 1231
    ERROR_HOST_UNREACHABLE = 1232
    WN_RETRY = 1237
    ERROR_SERVICE_NOT_FOUND = 1243
    ERROR_NOT_AUTHENTICATED = 1244
    ERROR_NOT_LOGGED_ON = 1245
    ERROR_ALREADY_INITIALIZED = 1247
    ERROR_NO_MORE_DEVICES = 1248
    ERROR_REVISION_MISMATCH = 1306
    ERROR_NO_LOGON_SERVERS = 1311
    ERROR_LOGON_FAILURE = 1326
    ERROR_MUTUAL_AUTH_FAILED = 1397
    ERROR_REQUIRES_INTERACTIVE_WINDOWSTATION = 1459
    ERROR_TIMEOUT = 1460
    ERROR_BAD_CONFIGURATION = 1610
    ERROR_CONNECTED_OTHER_PASSWORD = 2108
    ERROR_CONNECTED_OTHER_PASSWORD_DEFAULT = 2109
    ERROR_BAD_USERNAME = 2202
    ERROR_NOT_CONNECTED = 2250
    ERROR_OPEN_FILES = 2401
    ERROR_ACTIVE_CONNECTIONS = 2402
    ERROR_DEVICE_IN_USE = 2404
    ERROR_DATABASE_FAILURE = 4313
    WSAHOST_NOT_FOUND = 11001
    ERROR_WINHTTP_SECURE_FAILURE = 12175

    # The names that winnetwk.h gives to some of them.
    NO_ERROR = 0
    ERROR_SUCCESS = 0
    WN_NO_ERROR = 0
    WN_ACCESS_DENIED = 5
    WN_BAD_HANDLE = 6
    WN_OUT_OF_MEMORY = 8
    WN_DEVICE_ERROR = 31
    WN_NOT_SUPPORTED = 50
    WN_NET_ERROR = 59
    WN_WINDOWS_ERROR = 59
    WN_BAD_DEV_TYPE = 66
    WN_BAD_NETNAME = 67
    WN_ALREADY_CONNECTED = 85
    WN_BAD_PASSWORD = 86
    WN_BAD_VALUE = 87
    WN_BAD_LEVEL = 124
    WN_FUNCTION_BUSY = 170
    WN_MORE_DATA = 234
    WN_NO_MORE_ENTRIES = 259
    WN_BAD_POINTER = 487
    WN_BAD_LOCALNAME = 1200
    WN_CONNECTION_CLOSED = 1201
    WN_DEVICE_ALREADY_REMEMBERED = 1202
    WN_NO_NET_OR_BAD_PATH = 1203
    WN_BAD_PROVIDER = 1204
    WN_CANNOT_OPEN_PROFILE = 1205
    WN_BAD_PROFILE = 1206
    WN_NOT_CONTAINER = 1207
    WN_EXTENDED_ERROR = 1208
    WN_NO_NETWORK = 1222
    ERROR_CANCELLED = 1223
    ERROR_RETRY = 1237
    WN_NOT_AUTHENTICATED = 1244
    WN_NOT_LOGGED_ON = 1245
    WN_NOT_INITIALIZING = 1247
    WN_NO_MORE_DEVICES = 1248
    WN_NOT_VALIDATED = 1311
    WN_CONNECTED_OTHER_PASSWORD = 2108
    WN_CONNECTED_OTHER_PASSWORD_DEFAULT = 2109
    WN_BAD_USER = 2202
    WN_NOT_CONNECTED = 2250
    WN_OPEN_FILES = 2401
    WN_DEVICE_IN_USE = 2404

    @classmethod
    def _missing_(cls, value: object) -> Status | None:
        if not isinstance(value, int) or not 0 <= value <= 0xFFFFFFFF:
            return None
        unnamed = int.__new__(cls, value)
        unnamed._name_ = f"STATUS_{value}"
        unnamed._value_ = value
        return unnamed

    @property
    def text(self) -> str:
        """The status in words, lower case and without a full stop: the middle of an error line."""
        return _TEXT.get(self, "unknown error")


_TEXT = {
    Status.WN_SUCCESS: "done",
    Status.ERROR_FILE_NOT_FOUND: "file not found",
    Status.ERROR_PATH_NOT_FOUND: "no such directory",
    Status.ERROR_TOO_MANY_OPEN_FILES: "too many open files",
    Status.ERROR_ACCESS_DENIED: "access denied",
    Status.ERROR_INVALID_HANDLE: "invalid handle",
    Status.ERROR_NOT_ENOUGH_MEMORY: "not enough memory",
    Status.ERROR_INVALID_DATA: "invalid data",
    Status.ERROR_WRITE_FAULT: "written data has not reached the server",
    Status.ERROR_GEN_FAILURE: "the device does not work",
    Status.ERROR_NOT_SUPPORTED: "not supported",
    Status.ERROR_BAD_NETPATH: "network path not found",
    Status.ERROR_NETWORK_BUSY: "the network is busy",
    Status.ERROR_UNEXP_NET_ERR: "unexpected network error",
    Status.ERROR_BAD_DEV_TYPE: "wrong resource type",
    Status.ERROR_BAD_NET_NAME: "no such network name",
    Status.ERROR_ALREADY_ASSIGNED: "the local name is already in use",
    Status.ERROR_INVALID_PASSWORD: "wrong password",
    Status.ERROR_INVALID_PARAMETER: "invalid parameter",
    Status.ERROR_DISK_FULL: "disk full",
    Status.ERROR_INVALID_LEVEL: "invalid level",
    Status.ERROR_MOD_NOT_FOUND: "module not found",
    Status.ERROR_PROC_NOT_FOUND: "function not found",
    Status.ERROR_DIR_NOT_EMPTY: "the directory is not empty",
    Status.ERROR_BUSY: "busy",
    Status.ERROR_NESTING_NOT_ALLOWED: "nested too deeply",
    Status.ERROR_MORE_DATA: "more data is available",
    Status.ERROR_NO_MORE_ITEMS: "no more items",
    Status.ERROR_DIRECTORY: "not a directory",
    Status.ERROR_INVALID_ADDRESS: "invalid address",
    Status.ERROR_UNHANDLED_EXCEPTION: "unhandled exception",
    Status.ERROR_INVALID_IMAGE_HASH: "the file is not the one that was registered",
    Status.ERROR_PROCESS_ABORTED: "the process ended unexpectedly",
    Status.ERROR_POSSIBLE_DEADLOCK: "waiting would never end",
    Status.ERROR_NOT_FOUND: "not found",
    Status.ERROR_BAD_DEVICE: "not a usable local name",
    Status.ERROR_CONNECTION_UNAVAIL: "remembered, but not connected now",
    Status.ERROR_DEVICE_ALREADY_REMEMBERED: "the local name is remembered for another resource",
    Status.ERROR_NO_NET_OR_BAD_PATH: "no network provider accepts this name",
    Status.ERROR_BAD_PROVIDER: "no such network provider",
    Status.ERROR_CANNOT_OPEN_PROFILE: "the store of connections cannot be opened",
    Status.ERROR_BAD_PROFILE: "the store of connections is damaged",
    Status.ERROR_NOT_CONTAINER: "not a container",
    Status.ERROR_EXTENDED_ERROR: "the network reported an error",
    Status.ERROR_SESSION_CREDENTIAL_CONFLICT: "the server is connected already as another user",
    Status.ERROR_NO_NETWORK: "no network provider is there",
    Status.WN_CANCEL: "cancelled",
    Status.ERROR_CONNECTION_REFUSED: "connection refused",
    Status.ERROR_NETWORK_UNREACHABLE: "network unreachable",
    Status.ERROR_HOST_UNREACHABLE: "host unreachable",
    Status.WN_RETRY: "retry",
    Status.ERROR_SERVICE_NOT_FOUND: "a needed program is not there",
    Status.ERROR_NOT_AUTHENTICATED: "not authenticated",
    Status.ERROR_NOT_LOGGED_ON: "not logged on to the network",
    Status.ERROR_ALREADY_INITIALIZED: "started already",
    Status.ERROR_NO_MORE_DEVICES: "no free drive letter",
    Status.ERROR_REVISION_MISMATCH: "made by a newer version",
    Status.ERROR_NO_LOGON_SERVERS: "no server is there to log on",
    Status.ERROR_LOGON_FAILURE: "user name or password not accepted",
    Status.ERROR_MUTUAL_AUTH_FAILED: "the server's identity is not confirmed",
    Status.ERROR_REQUIRES_INTERACTIVE_WINDOWSTATION: "nobody is there to answer: this needs a terminal",
    Status.ERROR_TIMEOUT: "timed out",
    Status.ERROR_BAD_CONFIGURATION: "bad configuration",
    Status.ERROR_CONNECTED_OTHER_PASSWORD: "connected with another password than the one given",
    Status.ERROR_CONNECTED_OTHER_PASSWORD_DEFAULT: "connected with another password than the default one",
    Status.ERROR_BAD_USERNAME: "bad user name",
    Status.ERROR_NOT_CONNECTED: "not connected",
    Status.ERROR_OPEN_FILES: "files are open on the connection",
    Status.ERROR_ACTIVE_CONNECTIONS: "connections are active",
    Status.ERROR_DEVICE_IN_USE: "the device is in use",
    Status.ERROR_DATABASE_FAILURE: "the store of connections cannot be written",
    Status.WSAHOST_NOT_FOUND: "host name not known",
    Status.ERROR_WINHTTP_SECURE_FAILURE: "the server's TLS certificate is not accepted",
}

_ERRNO = {
    Status.ERROR_FILE_NOT_FOUND: errno.ENOENT,
    Status.ERROR_PATH_NOT_FOUND: errno.ENOENT,
    Status.ERROR_BAD_NETPATH: errno.ENOENT,
    Status.ERROR_BAD_NET_NAME: errno.ENOENT,
    Status.ERROR_NO_NET_OR_BAD_PATH: errno.ENOENT,
    Status.ERROR_NOT_FOUND: errno.ENOENT,
    Status.WSAHOST_NOT_FOUND: errno.ENOENT,
    Status.ERROR_ACCESS_DENIED: errno.EACCES,
    Status.ERROR_INVALID_IMAGE_HASH: errno.EACCES,
    Status.ERROR_INVALID_PASSWORD: errno.EACCES,
    Status.ERROR_LOGON_FAILURE: errno.EACCES,
    Status.ERROR_MUTUAL_AUTH_FAILED: errno.EACCES,
    Status.ERROR_WINHTTP_SECURE_FAILURE: errno.EACCES,
    Status.ERROR_TOO_MANY_OPEN_FILES: errno.EMFILE,
    Status.ERROR_NOT_ENOUGH_MEMORY: errno.ENOMEM,
    Status.ERROR_NOT_SUPPORTED: errno.EOPNOTSUPP,
    Status.ERROR_ALREADY_ASSIGNED: errno.EEXIST,
    Status.ERROR_DEVICE_ALREADY_REMEMBERED: errno.EEXIST,
    Status.ERROR_INVALID_PARAMETER: errno.EINVAL,
    Status.ERROR_INVALID_LEVEL: errno.EINVAL,
    Status.ERROR_BAD_DEVICE: errno.EINVAL,
    Status.ERROR_BAD_PROVIDER: errno.EINVAL,
    Status.ERROR_BAD_CONFIGURATION: errno.EINVAL,
    Status.ERROR_DISK_FULL: errno.ENOSPC,
    Status.ERROR_DIR_NOT_EMPTY: errno.ENOTEMPTY,
    Status.ERROR_DIRECTORY: errno.ENOTDIR,
    Status.ERROR_BUSY: errno.EBUSY,
    Status.ERROR_OPEN_FILES: errno.EBUSY,
    Status.ERROR_DEVICE_IN_USE: errno.EBUSY,
    Status.WN_CANCEL: errno.ECANCELED,
    Status.ERROR_CONNECTION_REFUSED: errno.ECONNREFUSED,
    Status.ERROR_NETWORK_UNREACHABLE: errno.ENETUNREACH,
    Status.ERROR_HOST_UNREACHABLE: errno.EHOSTUNREACH,
    Status.ERROR_TIMEOUT: errno.ETIMEDOUT,
    Status.ERROR_NOT_CONNECTED: errno.ENOTCONN,
    Status.ERROR_CONNECTION_UNAVAIL: errno.ENOTCONN,
}


def text_of(said: object) -> str | None:
    """What code of others has *said* as text, whatever it is; None stays None. If its ``__str__`` fails, its type."""
    if said is None or type(said) is str:
        return said
    try:
        return str.__str__(said) if isinstance(said, str) else str(said)
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001 - a stranger's
        return f"<{type(said).__name__}>"


def in_words(error: BaseException) -> str:
    """What kind of error *error* is, and what it says, if anything."""
    said = text_of(error)
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def shortage(error: BaseException) -> tuple[Status, str] | None:
    """If *error* says that the system has run out of something: the status for that, and what to do next."""
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and str(error) == "can't start new thread"):
        return _CROWDED
    return _SHORTAGES.get(error.errno or 0) if isinstance(error, OSError) else None


def in_short(error: BaseException) -> BaseException:
    """*error*, which if it says that the system has run out of something is a ``WNetError`` from here on."""
    short = None if isinstance(error, WNetError) else shortage(error)
    if short is None:
        return error
    told = WNetError(short[0], name=getattr(error, "filename", None), hint=short[1])
    told.__cause__ = error
    return told


def check_known(error: OSError) -> None:
    """Raise ``WNetError`` if *error* is a shortage: what was looked for may be there, and is not taken for gone."""
    if shortage(error):
        raise in_short(error)


def unreadable(error: OSError, name: str | None, otherwise: Status, words: str = "it cannot be read") -> WNetError:
    """The error for what cannot be read: that the system has run out of something, with what to do, or *otherwise*."""
    status, hint = shortage(error) or (otherwise, None)
    return WNetError(status, f"{words}: {error.strerror}", name=name, hint=hint)


def unwritten(error: OSError, otherwise: Status) -> tuple[Status, str | None]:
    """The status for what could not be made or written, and what to do next: a shortage, a refusal, or *otherwise*."""
    denied = isinstance(error, PermissionError) or error.errno == errno.EROFS
    return shortage(error) or (Status.ERROR_ACCESS_DENIED if denied else otherwise, None)


_CROWDED = (
    Status.ERROR_NOT_ENOUGH_MEMORY,
    "end other programs, or allow more of them or more memory (ulimit -u, ulimit -v)",
)
_FULL = Status.ERROR_DISK_FULL, "make room on that disk and try again"
_SHORTAGES = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EAGAIN: _CROWDED,  # no other process is allowed
    errno.ENOMEM: _CROWDED,
    errno.EMFILE: (Status.ERROR_TOO_MANY_OPEN_FILES, "raise the limit (ulimit -n), or close some"),
    errno.ENFILE: (Status.ERROR_TOO_MANY_OPEN_FILES, "end other programs, or, as root, allow more: sysctl fs.file-max"),
}


class WNetError(OSError):
    """An operation failed with *status* (``WNetGetLastError`` and ``GetLastError`` in one).

    ``errno`` is the nearest POSIX code, and the constructor makes the built-in subclass's family catchable: the
    error for ``ERROR_ACCESS_DENIED`` is also a ``PermissionError``, for ``ERROR_BAD_NET_NAME`` a
    ``FileNotFoundError``, and so on.

    status: the Win32 status. message: what happened, for a person, without the name; the status's own text if
    not given. name: the local or remote name concerned (``filename``). function: the operation or WNet function
    that failed. provider: the network provider that reported it. provider_code, provider_text: that provider's
    own code and words. hint: what to do next, a sentence.
    """

    status: Status
    function: str | None = None  # these also for one of a stranger's class, which may not call our __init__
    provider: str | None = None
    provider_code: int | None = None
    provider_text: str | None = None
    hint: str | None = None

    def __new__(cls, status: int, message: str | None = None, **_: object) -> WNetError:
        """Make it also Python's own exception for that kind of failure."""
        status = Status(status)
        number = _ERRNO.get(status, errno.EIO)
        error = OSError.__new__(_kin(number) if cls is WNetError else cls, number, text_of(message) or status.text)
        error.status = status
        return error

    def __init__(
        self,
        status: int,
        message: str | None = None,  # noqa: ARG002 - OSError takes it in __new__
        *,
        name: str | None = None,
        function: str | None = None,
        provider: str | None = None,
        provider_code: int | None = None,
        provider_text: str | None = None,
        hint: str | None = None,
    ) -> None:
        self.status = Status(status)
        self.filename = name
        self.function = function
        self.provider = provider
        self.provider_code = provider_code
        self.provider_text = text_of(provider_text)
        self.hint = hint

    @property
    def winerror(self) -> int:
        """The status as a number, as ``OSError.winerror`` has it on Windows."""
        return int(self.status)

    @property
    def name(self) -> str | None:
        """The local or remote name that the operation was about."""
        return None if self.filename is None else str(self.filename)

    def __str__(self) -> str:
        subject = subject_of(self.name) if self.name else ""
        hint = f"; {self.hint}" if self.hint else ""
        return f"{subject}{self.strerror} ({self.status.name}, {self.winerror}){hint}"

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (int(self.status), self.strerror, {key: getattr(self, key) for key in _FIELDS})


def subject_of(name: str) -> str:
    """*name* as a message begins with it, which is about it: a drive letter has its colon already."""
    return f"{name} " if name.endswith(":") else f"{name}: "


_FIELDS = ("name", "function", "provider", "provider_code", "provider_text", "hint")


def _rebuild(status: int, message: str, fields: dict[str, object]) -> WNetError:
    return WNetError(status, message, **fields)  # type: ignore[arg-type]


_kins: dict[type[OSError], type[WNetError]] = {}


def _kin(number: int) -> type[WNetError]:
    """The subclass of WNetError that is also Python's own exception for errno *number*."""
    builtin = type(OSError(number, ""))
    if builtin is OSError:
        return WNetError
    if builtin not in _kins:
        _kins[builtin] = type("WNetError", (WNetError, builtin), {"__module__": __name__})
    return _kins[builtin]


class Cancel(WNetError):
    """Raised by a notifyee to answer WN_CANCEL with a *reason* that the caller is shown (N9, N13)."""

    def __new__(cls, reason: str | None = None) -> Cancel:
        """Fix the status."""
        return super().__new__(cls, Status.WN_CANCEL, reason)  # type: ignore[return-value]

    def __init__(self, reason: str | None = None) -> None:
        super().__init__(Status.WN_CANCEL, reason)

    def __reduce__(self) -> tuple[object, ...]:
        return Cancel, (self.strerror,)
