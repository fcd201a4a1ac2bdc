"""What rclone's error texts mean: a table from patterns to statuses, to which each network adds its own lines.

rclone passes on what libraries, systems and servers said, so a text is all that there is to go by. What no line knows
becomes ERROR_EXTENDED_ERROR, with the text for whoever can read it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from mprouter.frozen import frozen
from mprouter.status import Status, WNetError

__all__ = [
    "BLOCKED",
    "BROKEN_OFF",
    "COMMON",
    "LINK_LOCAL",
    "SCOPELESS",
    "UNTRUSTED",
    "Failure",
    "attributed",
    "meaning",
    "server_words",
    "without_page",
]


@frozen
class Failure:
    """One line of the table.

    pattern: a regular expression, found anywhere in the text in any case. message, hint: for a person; the words in
    braces are ``network``, ``user``, ``path``, ``share``, those of ``server_words``, and ``said``, the pattern's first
    group.
    """

    pattern: str
    status: Status
    message: str
    hint: str | None = None


UNTRUSTED = Failure(
    "signed by unknown authority",
    Status.ERROR_WINHTTP_SECURE_FAILURE,
    "the server's TLS certificate is signed by nobody whom this system trusts",
    "if it is the right server, give the certificate to trust: -o ca_cert=FILE",
)
"""For networks with that option."""

LINK_LOCAL = r"fe[89ab][0-9a-f]:[^]%]*"
"""An IPv6 address that each network of this machine may have, without the interface that is meant."""

SCOPELESS = Failure(
    rf"dial (?:tcp|udp) \[{LINK_LOCAL}\]:.*connect: invalid argument",
    Status.ERROR_NETWORK_UNREACHABLE,
    "any network of this machine may have {host}",
    "put %25 and the interface that is meant after the address, as in sftp://[fe80::1%25eth0]/",
)
"""Where the system cannot tell to which network to go."""

BLOCKED = Failure(
    "dial (?:tcp|udp).*connect: (?:permission denied|operation not permitted|invalid argument)",
    Status.ERROR_NETWORK_UNREACHABLE,
    "this machine lets nothing through to {host}",
    "see its routes (ip route) and its firewall (nft list ruleset)",
)
"""Where the system itself refuses to connect, as a route of the type prohibit or blackhole has it."""

BROKEN_OFF = Failure(
    "EOF|connection reset|broken pipe",
    Status.ERROR_UNEXP_NET_ERR,
    "{listener} breaks off the connection",
    "try again; if that does not help, see whether it speaks {network} there",
)
"""Where the network or the server fails in the middle of something; but so ends as well what speaks something else."""

COMMON = (
    Failure(
        "too many open files",
        Status.ERROR_TOO_MANY_OPEN_FILES,
        "rclone has as many files open as it may",
        "disconnect everything, and connect again where ulimit -n allows more",
    ),
    Failure("is a file not a directory", Status.ERROR_DIRECTORY, "{path} is a file, not a directory"),
    Failure("directory not found", Status.ERROR_PATH_NOT_FOUND, "there is no directory {path}"),
    Failure(
        UNTRUSTED.pattern,
        UNTRUSTED.status,
        UNTRUSTED.message,
        "if it is the right server, have this system trust its authority; if it does so by now: mpr doctor --fix",
    ),
    Failure(
        "first record does not look like a TLS handshake|server gave HTTP response to HTTPS client",
        Status.ERROR_UNEXP_NET_ERR,
        "{listener} does not speak TLS",
    ),
    Failure("x509: (.*)", Status.ERROR_WINHTTP_SECURE_FAILURE, "the server's TLS certificate is not accepted: {said}"),
    Failure(
        "tls: ((?:oversized )?record|received record|bad record|unexpected message).*",
        Status.ERROR_UNEXP_NET_ERR,
        "what comes from {host} cannot be understood: {said}",
    ),
    Failure(
        "tls: (.*)",
        Status.ERROR_WINHTTP_SECURE_FAILURE,
        "{host} and this machine agree on no TLS session: {said}",
    ),
    Failure("no such host|server misbehaving", Status.WSAHOST_NOT_FOUND, "{host_name} is not known"),
    # before the lines below: there it is the name server, not the host, that does not answer
    Failure(r"lookup \S+(?: on \S+)?: ", Status.WSAHOST_NOT_FOUND, "no name server answers for {host_name}"),
    Failure(
        "connection refused",
        Status.ERROR_CONNECTION_REFUSED,
        "{host} refuses connections{on_port}",
        "is the server running, and is this its port?",
    ),
    Failure("no route to host|host is (?:down|unreachable)", Status.ERROR_HOST_UNREACHABLE, "{host} is unreachable"),
    Failure(
        "network is (?:unreachable|down)", Status.ERROR_NETWORK_UNREACHABLE, "the network of {host} is unreachable"
    ),
    SCOPELESS,
    BLOCKED,
    Failure("permission denied|403 Forbidden", Status.ERROR_ACCESS_DENIED, "{user} may not read {path}"),
    Failure("timeout|timed out|deadline exceeded", Status.ERROR_TIMEOUT, "{host} does not answer"),
    Failure("no space left", Status.ERROR_DISK_FULL, "no space is left: {said}"),
    Failure(
        "unable to decrypt configuration",
        Status.ERROR_BAD_CONFIGURATION,
        "rclone's configuration has been encrypted while it was in use",
        "disconnect everything, so that rclone starts anew",
    ),
    Failure("malformed", Status.ERROR_UNEXP_NET_ERR, "{listener} does not speak {network}"),
    BROKEN_OFF,
)


_ADDRESSES = (
    r"dial \w+: lookup (?P<host>[^\s:]+)(?P<port>)",
    r"dial \w+ (?P<host>[^][\s:]+|\[[^]]+\]):(?P<port>\d+)",
    r"https?://(?:[^/\"\s]*@)?(?P<host>[^][/\"\s:]+|\[[^]]+\])(?::(?P<port>\d+))?[/\"]",
    r"lookup (?P<host>[^\s:]+)(?P<port>)(?: on \S+)?: ",
)
"""Where rclone's errors name the server."""


def server_words(text: str, host: str | None = None, port: int | None = None) -> dict[str, str]:
    """The words for messages about a server. *text* may name it where *host* does not; else they do without its name.

    host, port: such words. host_name: the host as a name. on_port: with a space before it. listener: who answers there.
    """
    if host is None and (found := next(filter(None, (re.search(each, text) for each in _ADDRESSES)), None)):
        host, port = found["host"].strip("[]"), int(found["port"] or 0)
    server = host or "the server"
    return {
        "host": server,
        "port": str(port or ""),
        "host_name": f"the host name {host}" if host else "the server's host name",
        "on_port": f" on port {port}" if port else "",
        "listener": f"what answers on port {port} of {server}" if port else server,
    }


def without_page(text: str) -> str:
    """*text* in one line, without the web page that a server adds to its answer for people."""
    page = r"<(?:!doctype|html|\?xml)\b.*>(?:\s*:)?"
    return " ".join(re.sub(page, "", text, flags=re.DOTALL | re.IGNORECASE).split())


def meaning(text: str, own: Sequence[Failure], words: Mapping[str, str]) -> WNetError:
    """The error that *text* stands for; the first line that fits, of *own* and then ``COMMON``, says which."""
    for failure in (*own, *COMMON):
        if found := re.search(failure.pattern, text, re.IGNORECASE):
            said = found[1] if found.re.groups and found[1] else text
            return WNetError(
                failure.status,
                failure.message.format_map({**words, "said": said}),
                provider_text=text,
                hint=failure.hint and failure.hint.format_map(words),
            )
    return WNetError(Status.ERROR_EXTENDED_ERROR, f"the network reported: {without_page(text)}", provider_text=text)


@contextmanager
def attributed(provider: str, name: str | None) -> Iterator[None]:
    """Let errors tell the *provider* and the *name* that they are about, where they do not."""
    try:
        yield
    except WNetError as error:
        error.provider = error.provider or provider
        error.filename = error.filename or name
        raise
