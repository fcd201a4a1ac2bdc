"""How fast a connection is: what the kernel has measured on the TCP connections that rclone has to the server.

Where there are none just now, a new one is made and the time taken. What nobody has measured is 0, unknown.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from time import monotonic

from mprouter.errand import Errand, Unfinished
from mprouter.frozen import frozen
from mprouter.providers.base import Performance, PerformanceFlag
from mprouter.providers.rclone.reach import reach, resolve
from mprouter.status import WNetError

__all__ = ["Measured", "measured", "performance"]

PATIENCE = 2.0
"""Seconds for the resolution of a name, and for a connection."""


@frozen
class Measured:
    """What the kernel knows of one TCP connection.

    address, port: of the server. rtt: the round trip in seconds. rate: bytes per second at which the server took data;
    None while nobody has had enough to send to find that out.
    """

    address: str
    port: int
    rtt: float
    rate: int | None


def performance(pid: int, servers: Sequence[tuple[str, int]]) -> Performance:
    """Of what the process *pid* has to *servers*, each a host and a port. Raises ``WNetError`` as ``reach`` does."""
    places = {(address, port) for host, port in servers for address in _addresses(host, port)}
    found = [each for each in measured(pid) if (each.address, each.port) in places]
    if found:
        rate = max(each.rate or 0 for each in found)
        return _told(min(each.rtt for each in found), rate)
    for place in sorted(places):
        began = monotonic()
        with suppress(WNetError):
            reach(*place, PATIENCE).close()
            return _told(monotonic() - began, 0)
    return Performance(PerformanceFlag.DYNAMIC)


def _told(rtt: float, rate: int) -> Performance:
    speed = max(1, rate * 8 // 100) if rate else 0
    return Performance(PerformanceFlag.DYNAMIC, speed=speed, delay=max(1, round(rtt / 2 * 1000)))


def _addresses(host: str, port: int) -> list[str]:
    try:
        return [_plain(address[0]) for _, address in Errand(lambda: resolve(host, port)).result(PATIENCE)]
    except (WNetError, Unfinished):
        return []


def _plain(address: str) -> str:
    """*address* in one spelling: an IPv4 one is not an IPv6 one, and the zone is not part of it."""
    found = ip_address(address.partition("%")[0])
    return str(found.ipv4_mapped or found) if isinstance(found, IPv6Address) else str(found)


# -- the kernel: sock_diag(7), linux/inet_diag.h, linux/tcp.h ----------------------------------------------------------

_SOCK_DIAG_BY_FAMILY = 20
_NLM_F_REQUEST_DUMP = 0x301
_INET_DIAG_INFO = 2
_ESTABLISHED = 1 << 1

_HEADER = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
_REQUEST = struct.Struct("=BBBBI48x")  # inet_diag_req_v2: family, protocol, extensions, -, states, any socket
_ANSWER = struct.Struct("=4xHH16s16s12x16xI")  # inet_diag_msg: ports and addresses, the latter of 16 bytes; inode
_ATTRIBUTE = struct.Struct("=HH")  # rtattr: length, type


def measured(pid: int) -> Iterator[Measured]:
    """The TCP connections of the process *pid*, one of this user's; none if the kernel does not tell."""
    inodes = set()
    with suppress(OSError):
        for each in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):  # closed meanwhile
                inodes.add(str(each.readlink()))
    for family in (socket.AF_INET, socket.AF_INET6):
        for message in _asked(family):
            _, port, _, address, inode = _ANSWER.unpack_from(message)
            if f"socket:[{inode}]" in inodes and (info := _info(message)) is not None:
                text = socket.inet_ntop(family, address[: 4 if family == socket.AF_INET else 16])
                yield Measured(_plain(text), socket.ntohs(port), *info)


def _asked(family: int) -> Iterator[bytes]:
    """The kernel's descriptions of all connections that stand."""
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 4) as kernel:  # NETLINK_SOCK_DIAG
            kernel.settimeout(PATIENCE)
            request = _REQUEST.pack(family, socket.IPPROTO_TCP, 1 << (_INET_DIAG_INFO - 1), 0, _ESTABLISHED)
            length = _HEADER.size + len(request)
            kernel.send(_HEADER.pack(length, _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST_DUMP, 1, 0) + request)
            while True:
                data = kernel.recv(1 << 16)
                while data:
                    length, kind, *_ = _HEADER.unpack_from(data)
                    if kind != _SOCK_DIAG_BY_FAMILY:  # the end, or an error
                        return
                    yield data[_HEADER.size : length]
                    data = data[(length + 3) & ~3 :]
    except OSError:
        return


def _info(message: bytes) -> tuple[float, int | None] | None:
    """The round trip and the rate out of tcp_info; None if they are not there."""
    rest = message[_ANSWER.size :]
    while len(rest) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(rest)
        if kind == _INET_DIAG_INFO and length >= _ATTRIBUTE.size + 168:
            info = rest[_ATTRIBUTE.size : length]
            (rtt,), (rate,) = struct.unpack_from("=I", info, 68), struct.unpack_from("=Q", info, 160)
            lacked_data = info[7] & 1  # tcpi_delivery_rate_app_limited: the rate is that of the program
            return rtt / 1e6, None if lacked_data else rate or None
        rest = rest[max((length + 3) & ~3, _ATTRIBUTE.size) :]
    return None
