"""Services that announce themselves on the local network: multicast DNS and DNS-SD (RFC 6762, 6763).

The library zeroconf speaks the protocol. Here is only the question: who is there now, told within a short time.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic
from typing import TYPE_CHECKING, Any

from mprouter.errand import Errand, Unfinished
from mprouter.frozen import frozen
from mprouter.log import Log

if TYPE_CHECKING:
    from zeroconf import ServiceInfo, Zeroconf

__all__ = ["PATIENCE", "Service", "announced"]

PATIENCE = 2.0
"""Seconds for all answers: multicast DNS has no last one. Usual are 0.2."""

_RESOLVING = 0.5
"""Seconds within which the system must know a host's name, else its address is told."""

log = Log("mprouter.providers")


@frozen
class Service:
    """A service. kind: as asked for, ``_smb._tcp``. title: its name for a person.

    host: its name as the system resolves it, else its address. path: what its directory is there, "" if not said.
    """

    kind: str
    title: str
    host: str
    port: int
    path: str


def announced(kinds: Sequence[str]) -> Iterator[Service]:
    """The services of *kinds* that answer in time, each as soon as it does; none without a network."""
    from zeroconf import ServiceBrowser

    deadline = monotonic() + PATIENCE
    asking = _listener()
    if asking is None:
        return
    answers: SimpleQueue[Service | None] = SimpleQueue()

    def heard(zeroconf: Zeroconf, service_type: str, name: str, state_change: Any) -> None:
        if state_change.name == "Added":  # it may be slow to tell where it is: the others do not wait for it
            arguments = [zeroconf, service_type, name, deadline, answers]
            Thread(target=_ask, args=arguments, name="mprouter-announced", daemon=True).start()

    known = set()
    browser = None
    try:
        browser = ServiceBrowser(asking, [f"{kind}.local." for kind in kinds], handlers=[heard])
        while (left := deadline - monotonic()) > 0:
            found = answers.get(timeout=left)
            if found is not None and found not in known:
                known.add(found)
                yield found
    except Empty:
        return
    finally:
        if browser is not None:
            browser.cancel()  # closing what it asks with would leave its thread
        asking.close()


def _listener() -> Zeroconf | None:
    from zeroconf import IPVersion, Zeroconf

    for version in (IPVersion.All, IPVersion.V4Only):  # without IPv6 in the kernel the first fails
        try:
            return Zeroconf(ip_version=version)
        except OSError as error:
            log.debug("multicast DNS cannot be used with %s: %s", version, error)
    return None


def _ask(zeroconf: Zeroconf, kind: str, name: str, deadline: float, answers: SimpleQueue[Service | None]) -> None:
    try:
        found = zeroconf.get_service_info(kind, name, timeout=max(1, int((deadline - monotonic()) * 1000)))
        if found is not None and found.port:
            answers.put(_service(found, min(_RESOLVING, (deadline - monotonic()) / 2)))
    except Exception as error:  # noqa: BLE001 - whatever a stranger's answer leads to, the others are told
        log.debug("the service %s cannot be asked where it is: %s", name, error)


def _service(found: ServiceInfo, seconds: float) -> Service | None:
    from zeroconf import IPVersion

    host = (found.server or "").removesuffix(".")
    addresses = found.parsed_scoped_addresses(IPVersion.V4Only) + found.parsed_scoped_addresses(IPVersion.V6Only)
    try:
        Errand(lambda: socket.getaddrinfo(host, found.port)).result(seconds)
    except (OSError, UnicodeError, Unfinished):  # a system without mDNS, or a name that is none
        if not addresses:
            return None
        host = addresses[0]
    path = found.decoded_properties.get("path") or ""
    kind = found.type.removesuffix(".local.")
    return Service(kind, found.name.removesuffix(f".{found.type}"), host, int(found.port or 0), path)
