"""The audit log: one JSON line for each operation, in a file or in the systemd journal, without secrets."""

from __future__ import annotations

import json
import os
import stat
import time
from pathlib import Path
from typing import Any

from mprouter import places
from mprouter.notify.model import AddConnect, CancelConnect, Event, NotifyInfo, Phase
from mprouter.notify.python import notifyee
from mprouter.status import Status, WNetError

__all__ = ["Audit"]

FILE_NAME = "audit.jsonl"
"""The log in the user's state directory, where no other is set."""

_ROOM = 1 << 16  # bytes that have to be free on its disk before something is connected
_PATIENCE = 2.0  # seconds that a stopped journal may hold up a connection


@notifyee(name="audit", order=10, thread_safe=True)
class Audit:
    """Writes down who connected what, when, and how it ended.

    It is told first and last (N8), so that it sees what others veto and the status after all retries. file: where the
    lines go; it is opened anew for each, so that it can be rotated. journal: instead the systemd journal, that of the
    system (True) or that of this name (a journal namespace). Neither: ``audit.jsonl`` in the user's state directory.

    That the log cannot be written is the error of its pre: registered as required, it lets nothing happen that cannot
    be written down. Raises ``WNetError`` (ERROR_BAD_CONFIGURATION).
    """

    def __init__(self, *, file: str | None = None, journal: bool | str = False) -> None:
        if file is not None and journal:
            raise WNetError(Status.ERROR_BAD_CONFIGURATION, "file and journal exclude each other")
        if file is not None and not Path(file).expanduser().is_absolute():
            raise WNetError(Status.ERROR_BAD_CONFIGURATION, "file must be an absolute path")
        if isinstance(journal, str) and not journal.replace("-", "").replace("_", "").isalnum():
            raise WNetError(Status.ERROR_BAD_CONFIGURATION, "journal must be true, or the name of a journal namespace")
        self._file = Path(file).expanduser() if file is not None else None
        self._journal = journal

    def add_connect_notify(self, info: NotifyInfo, event: AddConnect) -> None:
        """Pre: see that the log can be written. Post: write the line."""
        self._note(info, event)

    def cancel_connect_notify(self, info: NotifyInfo, event: CancelConnect) -> None:
        """Pre: see that the log can be written. Post: write the line."""
        self._note(info, event)

    def _note(self, info: NotifyInfo, event: Event) -> None:
        if info.phase is Phase.PRE:
            self._write(None)
            info.context = {
                "time": time.time(),
                "monotonic": time.monotonic(),
            }  # JSON, so that it can be recovered (N19)
        elif isinstance(info.context, dict):
            self._write(_record(info, event, info.context))

    def _write(self, record: dict[str, Any] | None) -> None:
        """Write *record*; None: only try whether that could be done."""
        if self._journal:
            directory = "journal" if self._journal is True else f"journal.{self._journal}"
            _send(f"/run/systemd/{directory}/socket", record)
        else:
            _append(self._file or places.private(places.state_dir()) / FILE_NAME, record)


def _record(info: NotifyInfo, event: Event, context: dict[str, Any]) -> dict[str, Any]:
    """What there is to say of an operation; the user is the system's, for no notifyee is told the network's (N15)."""
    if isinstance(event, AddConnect):
        resource = event.resource
        names = {"remote_name": resource.remote_name, "local_name": resource.local_name, "provider": resource.provider}
        force = False
    else:
        names = {"name": event.name, "provider": event.provider}
        force = event.force
    began = float(context["time"])
    return {
        "time": f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(began))}.{int(began % 1 * 1000):03}Z",
        "user": _user(),
        "pid": os.getpid(),
        "operation": event.operation,
        **names,
        "flags": [flag.name for flag in event.flags],
        "force": force,
        "status": int(info.status),
        "status_name": info.status.name,
        "duration": round(max(time.monotonic() - float(context["monotonic"]), 0.0), 4),
        **({"recovered": True} if info.recovered else {}),
    }


def _user() -> str:
    """The name of the system's user whose process this is."""
    try:
        import pwd

        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
    except ImportError:
        import getpass

        return getpass.getuser()


def _line(record: dict[str, Any]) -> bytes:
    return json.dumps(record).encode("ascii")


# -- a file ----------------------------------------------------------------------------------------------------


def _append(path: Path, record: dict[str, Any] | None) -> None:
    """Append one line in one write, so that lines of several processes do not mix; a new file is the user's alone.

    None: only look whether that can be done.
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    for each in ("O_CLOEXEC", "O_NOFOLLOW", "O_NONBLOCK"):  # not to be led elsewhere by a link, nor stopped by a pipe
        flags |= getattr(os, each, 0)
    try:
        number = os.open(path, flags, 0o600)
        try:
            if not stat.S_ISREG(os.fstat(number).st_mode):
                raise WNetError(Status.ERROR_BAD_CONFIGURATION, f"the audit log {path} is not a regular file")
            if record is None and hasattr(os, "fstatvfs"):
                disk = os.fstatvfs(number)
                if disk.f_bavail * disk.f_frsize < _ROOM:
                    raise WNetError(Status.ERROR_DISK_FULL, f"the disk with the audit log {path} is full")
            line = b"" if record is None else _line(record) + b"\n"
            if line and (written := os.write(number, line)) != len(line):
                end = os.lseek(number, 0, os.SEEK_CUR)
                if os.fstat(number).st_size == end:  # else the next line would be appended to half of this one
                    os.ftruncate(number, end - written)
                raise WNetError(Status.ERROR_DISK_FULL, f"the disk with the audit log {path} is full")
        finally:
            os.close(number)
    except WNetError:
        raise
    except OSError as error:
        denied = isinstance(error, PermissionError)
        raise WNetError(
            Status.ERROR_ACCESS_DENIED if denied else Status.ERROR_WRITE_FAULT,
            f"the audit log {path} cannot be written: {error.strerror}",
        ) from error


# -- the journal -----------------------------------------------------------------------------------------------


def _send(address: str, record: dict[str, Any] | None) -> None:
    """Send one entry to a journal in its native protocol: the line as MESSAGE, and each value as a field."""
    import errno
    import socket

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.settimeout(_PATIENCE)
        try:
            journal.connect(address)
            if record is None:
                return
            entry = _entry(record)
            try:
                journal.send(entry)
            except OSError as error:
                if error.errno not in {errno.EMSGSIZE, errno.ENOBUFS}:
                    raise
                _send_as_file(journal, entry)
        except OSError as error:
            raise WNetError(
                Status.ERROR_WRITE_FAULT, f"the journal behind {address} cannot be written: {error.strerror or error}"
            ) from error


def _send_as_file(journal: Any, entry: bytes) -> None:
    """An entry that is too long for a datagram goes as a sealed file in memory."""
    import fcntl
    import socket

    file = os.memfd_create("mprouter-audit", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        with os.fdopen(os.dup(file), "wb") as content:
            content.write(entry)
        seals = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
        fcntl.fcntl(file, fcntl.F_ADD_SEALS, seals)
        socket.send_fds(journal, [], [file])
    finally:
        os.close(file)


def _entry(record: dict[str, Any]) -> bytes:
    fields = {
        "MESSAGE": _line(record).decode(),
        "PRIORITY": "6" if record["status"] == 0 else "4",  # informational, warning
        "SYSLOG_IDENTIFIER": "mprouter",
    }
    for key, value in record.items():
        if value is not None and key not in {"time", "user", "pid"}:  # these the journal knows by itself
            text = " ".join(value) if isinstance(value, list) else str(int(value) if isinstance(value, bool) else value)
            fields[f"MPR_{key.upper()}"] = text
    return b"".join(_field(key, text.encode("utf-8", "backslashreplace")) for key, text in fields.items())


def _field(key: str, value: bytes) -> bytes:
    """``KEY=value``, or with the length where the value has several lines."""
    if b"\n" in value:
        return key.encode() + b"\n" + len(value).to_bytes(8, "little") + value + b"\n"
    return key.encode() + b"=" + value + b"\n"
