"""rclone's remote control: a call is one HTTP request with a JSON object on a Unix socket.

HTTP 1.0 is all that it takes, in fewer lines than the imports of ``http.client`` take milliseconds. Which calls there
are, and what they mean, is known by those who make them.
"""

from __future__ import annotations

import _socket  # that part of ``socket`` which is in C: the rest takes as long to load as a call
from contextlib import contextmanager

from mprouter.status import Status, WNetError, check_known

TYPE_CHECKING = False  # that of typing, which ``program.py`` does without
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from typing import Any

__all__ = ["SOCKET_PATH_LIMIT", "Refused", "answers", "call", "version"]

SOCKET_PATH_LIMIT = 107
"""The longest path of a Unix socket on Linux, in bytes."""


_NOTHING = "rc/noop"
"""The call that every rclone answers at once."""


_QUIET = 60.0
"""Seconds after which it is looked whether an rclone that has not answered yet runs at all: it may have an hour."""


class Refused(Exception):
    """rclone answered with an error; *text* is what it said."""

    def __init__(self, method: str, text: str) -> None:
        super().__init__(method, text)
        self.text = text


def call(path: Path, method: str, parameters: Mapping[str, Any], timeout: float) -> dict[str, Any]:
    """Have the rclone behind the socket *path* do *method*, and return its answer.

    timeout: seconds for the answer. Raises ``Refused``, and ``WNetError``: ERROR_TIMEOUT, or ERROR_PROCESS_ABORTED if
    no rclone is there or it ended meanwhile.
    """
    return _exchange(path, method, parameters, timeout)[1]


def version(path: Path) -> tuple[int, int]:
    """Major and minor of the rclone behind the socket *path*. Raises as ``call``.

    It is in the head of every answer. Asked for it, rclone has a script of the system find out which system this is.
    """
    import re

    head, _ = _exchange(path, _NOTHING, {}, 10)
    if match := re.search(rb"(?im)^server: rclone/v(\d+)\.(\d+)", head):
        return int(match[1]), int(match[2])
    major, minor, *_ = call(path, "core/version", {}, 10)["decomposed"]
    return major, minor


def _exchange(path: Path, method: str, parameters: Mapping[str, Any], timeout: float) -> tuple[bytes, dict[str, Any]]:
    """The head of the answer, and what it says."""
    import json

    body = json.dumps(parameters).encode()
    request = f"POST /{method} HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    try:
        with _connected(path, min(timeout, _QUIET)) as connection:
            connection.sendall(request.encode() + body)
            reply = b"".join(iter(lambda: _more(connection, path, timeout), b""))
    except TimeoutError:
        raise _silence(path, method, timeout) from None
    except OSError as error:
        check_known(error)
        raise WNetError(Status.ERROR_PROCESS_ABORTED, f"rclone cannot be reached: {error.strerror}") from error
    head, _, said = reply.partition(b"\r\n\r\n")
    try:
        answer: dict[str, Any] = json.loads(said)
        code = int(head.split(maxsplit=2)[1])
    except (ValueError, IndexError):
        raise WNetError(Status.ERROR_PROCESS_ABORTED, "rclone ended in the middle of an answer") from None
    if code != 200:
        raise Refused(method, str(answer.get("error", "")))
    return head, answer


def _more(connection: _socket.socket, path: Path, timeout: float) -> bytes:
    """What comes next of the answer. Raises ``TimeoutError`` after *timeout*, or soon if rclone answers nobody."""
    quiet = 0.0
    while True:
        try:
            return connection.recv(1 << 16)
        except TimeoutError:
            quiet += _QUIET
            if quiet >= timeout:
                raise
        try:
            call(path, _NOTHING, {}, _QUIET / 2)
        except WNetError as error:  # else it runs, or is gone, which is told at once
            if error.status is Status.ERROR_TIMEOUT:
                raise TimeoutError from error


def answers(path: Path) -> int | None:
    """The id of the process that listens on the socket *path*; None if none does, or one of another user."""
    try:
        with _connected(path, 5) as connection:
            import os
            import struct

            pid, uid, _ = struct.unpack("3i", connection.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 12))
            return int(pid) if uid == os.getuid() else None
    except OSError as error:
        check_known(error)
        return None


def _silence(path: Path, method: str, timeout: float) -> WNetError:
    """Why *method* was not answered: rclone waits for a server, or does not run at all."""
    if method == _NOTHING:
        return WNetError(Status.ERROR_TIMEOUT, "rclone does not answer")
    try:
        call(path, _NOTHING, {}, min(timeout, 2.0))
    except WNetError:
        hint = "mpr doctor tells which process it is; a stopped one goes on with kill -CONT"
        return WNetError(Status.ERROR_TIMEOUT, "rclone itself does not answer", hint=hint)
    return WNetError(Status.ERROR_TIMEOUT, f"no answer within {timeout:g} seconds")


@contextmanager
def _connected(path: Path, timeout: float) -> Iterator[_socket.socket]:
    connection = _socket.socket(_socket.AF_UNIX)
    try:
        connection.settimeout(timeout)
        connection.connect(str(path))
        yield connection
    finally:
        connection.close()
