"""Whether a server can be reached at all, told with the status of what really is in the way."""

from __future__ import annotations

import errno
import os
import re
import select
import socket
from contextlib import suppress
from time import monotonic
from typing import Any

from mprouter.providers.rclone.failures import BLOCKED, LINK_LOCAL, SCOPELESS
from mprouter.status import Status, WNetError

__all__ = ["TIMEOUT", "reach", "resolve"]

TIMEOUT = 10.0
"""Seconds for all attempts to connect together."""

HEAD_START = 0.3
"""Seconds after which the next address is tried beside those that are silent, as where IPv6 is dead and IPv4 is not."""

_BLOCKED = BLOCKED.status, BLOCKED.message, BLOCKED.hint

_MEANINGS: dict[int, tuple[Status, str, str | None]] = {
    errno.ECONNREFUSED: (
        Status.ERROR_CONNECTION_REFUSED,
        "{host} refuses connections on port {port}",
        "is the server running, and is this its port?",
    ),
    errno.EHOSTUNREACH: (Status.ERROR_HOST_UNREACHABLE, "{host} is unreachable", None),
    errno.EHOSTDOWN: (Status.ERROR_HOST_UNREACHABLE, "{host} is down", None),
    errno.ENETUNREACH: (Status.ERROR_NETWORK_UNREACHABLE, "the network of {host} is unreachable", None),
    errno.ENETDOWN: (Status.ERROR_NETWORK_UNREACHABLE, "the network is down", None),
    errno.EAFNOSUPPORT: (
        Status.ERROR_NETWORK_UNREACHABLE,
        "{host} has addresses of a kind that this machine has not",
        None,
    ),
    errno.EACCES: _BLOCKED,
    errno.EPERM: _BLOCKED,
    errno.EINVAL: _BLOCKED,
    errno.ETIMEDOUT: (Status.ERROR_TIMEOUT, "{host} does not answer on port {port}", None),
}

_TELLING = (
    Status.ERROR_CONNECTION_REFUSED,
    Status.ERROR_TIMEOUT,
    Status.ERROR_HOST_UNREACHABLE,
    Status.ERROR_NETWORK_UNREACHABLE,
)
"""Of a host with several addresses the failure that says most about the host."""


def resolve(host: str, port: int) -> list[tuple[int, Any]]:
    """The addresses of *host*, each with its family. Raises ``WNetError`` (WSAHOST_NOT_FOUND)."""
    try:
        plain = host.encode() if host.isascii() else host  # as text it would have IDNA loaded
        found = socket.getaddrinfo(plain, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        unsure = isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN
        raise WNetError(
            Status.WSAHOST_NOT_FOUND,
            f"no name server answers for the host {host}" if unsure else f"the host name {host} is not known",
            provider_text=str(error),
        ) from error
    return [(family, address) for family, _, _, _, address in found]


def reach(host: str, port: int, timeout: float = TIMEOUT) -> socket.socket:
    """A connection to *port* of *host*, by whichever of its addresses answers first; the caller closes it.

    timeout: seconds for all addresses together. Raises ``WNetError``: WSAHOST_NOT_FOUND, ERROR_CONNECTION_REFUSED,
    ERROR_HOST_UNREACHABLE, ERROR_NETWORK_UNREACHABLE, ERROR_TIMEOUT, else ERROR_UNEXP_NET_ERR.
    """
    untried = resolve(host, port)[::-1]
    deadline = monotonic() + timeout
    begun: dict[int, socket.socket] = {}
    failures: list[OSError] = []
    poller = select.poll()
    try:
        while untried or begun:
            if untried:
                try:
                    connection = _begun(*untried.pop())
                except OSError as error:
                    failures.append(error)
                    continue
                begun[connection.fileno()] = connection
                poller.register(connection, select.POLLOUT)
            seconds = min(HEAD_START, deadline - monotonic()) if untried else deadline - monotonic()
            told = poller.poll(max(seconds, 0) * 1000)
            for descriptor, _ in told:
                connection = begun.pop(descriptor)
                poller.unregister(connection)
                number = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if number == 0:
                    connection.settimeout(timeout)
                    return connection
                connection.close()
                failures.append(OSError(number, os.strerror(number)))
            if not told and not untried:
                failures.append(TimeoutError("timed out"))
                break
    finally:
        for each in begun.values():
            each.close()
    whys = [_failed(each, host, port) for each in failures]
    raise min(whys, key=lambda each: _TELLING.index(each.status) if each.status in _TELLING else len(_TELLING))


def _begun(family: int, address: Any) -> socket.socket:
    """One that connects to *address*, or has done so. Raises ``OSError``."""
    connection = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        with suppress(BlockingIOError):  # it goes on by itself
            connection.connect(address)
    except BaseException:
        connection.close()
        raise
    return connection


def _failed(error: OSError, host: str, port: int) -> WNetError:
    number = errno.ETIMEDOUT if isinstance(error, TimeoutError) else error.errno
    unexpected = Status.ERROR_UNEXP_NET_ERR, "{host} cannot be reached on port {port}", None
    status, message, hint = _MEANINGS.get(number or 0, unexpected)
    if number == errno.EINVAL and re.fullmatch(LINK_LOCAL, host, re.IGNORECASE):
        status, message, hint = SCOPELESS.status, SCOPELESS.message, SCOPELESS.hint
    return WNetError(
        status,
        message.format(host=host, port=port),
        provider_code=number,
        provider_text=error.strerror or str(error),
        hint=hint,
    )
