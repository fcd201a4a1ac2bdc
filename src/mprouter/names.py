r"""Names: the local and remote names of a request, parsed and brought to one spelling (C1, C7, N4).

A remote name is read here once, for the whole program: UNC names (``\\server\share``) with the Windows habits for
WebDAV and SSHFS-Win, URLs, and ``rclone:REMOTE:path``. URLs of other schemes are read too, for the providers of others.
Nothing here touches a network or a disk, or knows which provider serves a name.

What is refused is refused so that policy cannot be evaded: two spellings of one resource have one ``canonical``, and
the globs of registrations (``match_pattern``) see every spelling that this file accepts.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import NoReturn

from mprouter.frozen import frozen
from mprouter.status import Status, WNetError

__all__ = [
    "DRIVE_LETTERS",
    "RemoteName",
    "is_drive",
    "looks_local",
    "match_pattern",
    "nobodys",
    "parse_container",
    "parse_local",
    "parse_remote",
    "spelled",
]

DRIVE_LETTERS: tuple[str, ...] = tuple(f"{letter}:" for letter in "ZYXWVUTSRQPONMLKJIHGFED")
"""The letters that can be redirected, in the order in which a free one is picked (C1, C2)."""

MAX_LENGTH = 32767
"""The longest name, in characters, as on Windows."""

_SCHEMES = {
    "smb": "smb",
    "sftp": "sftp",
    "ssh": "sftp",
    "dav": "dav",
    "webdav": "dav",
    "webdav+http": "dav",
    "davs": "davs",
    "webdavs": "davs",
    "webdav+https": "davs",
    "ftp": "ftp",
    "ftps": "ftps",
    "s3": "s3",
    "file": "file",
}
"""What a URL may begin with, and the scheme that it means."""

_OWN = frozenset({"unc", "rclone", *_SCHEMES.values()})

_PORTS = {"smb": 445, "sftp": 22, "dav": 80, "davs": 443, "ftp": 21}
"""The port that a URL without one means. Not for ftps: some mean 990 by it, others 21."""

_KNOWN = r"known are \\server\share, rclone:REMOTE:path, and " + ", ".join(
    f"{each}://" for each in dict.fromkeys(_SCHEMES.values())
)

_NOBODYS = "no network here has names of this form"

_TWO_SLASHES = frozenset({"//", "/\\", "\\/", "\\\\"})
"""A UNC name begins with two, of either kind. Looked up, since a pattern takes a command longer to compile."""

_FORBIDDEN = "[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]"
"""Control characters, line separators, and halves of characters that no network can transport; none is printable."""


@frozen
class RemoteName:
    r"""A remote name, parsed.

    given: exactly as the request wrote it. scheme: unc, smb, sftp, dav, davs, ftp, ftps, s3, file or rclone, or that of
    another's URL, in lower case. host: in lower case, an IPv6 address without brackets; None for file, s3 and rclone.
    port, user: None unless the name gives one; an SMB domain is kept as ``DOMAIN\user``. remote: the remote of rclone's
    configuration, for rclone only.

    path: decoded, with forward slashes, without ``.``, ``..``, doubled or trailing slashes. unc and smb: ``share/dir``.
    sftp, ftp, ftps: ``/dir`` from the server's root; ``dir`` and the empty path from the user's home. dav, davs, file,
    others: ``/dir``. s3: ``bucket/prefix``. rclone: as that remote understands it.

    canonical: one spelling for one resource, itself a name that parses; user and port are part of it, except the
    scheme's default port. forms: every spelling that a glob may match, *given* and *canonical* first.
    """

    given: str
    scheme: str
    host: str | None
    port: int | None
    user: str | None
    path: str
    remote: str | None
    canonical: str
    forms: tuple[str, ...]

    @property
    def is_foreign(self) -> bool:
        """Whether it is a URL of a scheme that no network of this package has: only another's provider can know it."""
        return self.scheme not in _OWN

    @property
    def service(self) -> int | None:
        """The port that it means, the scheme's own where it gives none; None where that says nothing certain."""
        return self.port or _PORTS.get("smb" if self.scheme == "unc" else self.scheme)

    @property
    def told(self) -> str:
        """*given* without the user: what notifyees and the record of events are told (N14 within N15)."""
        return self.given if self.user is None else re.sub(_USER, r"\1", self.given, count=1)

    @property
    def universal(self) -> str | None:
        r"""The resource as a UNC name; None where its network has none (``WNetGetUniversalName``)."""
        if self.scheme == "unc":
            return self.given.strip().replace("/", "\\").rstrip("\\")
        if self.host is None or self.path == "~":
            return None
        server = _unc_host(self.host)
        port = "" if self.port in {None, _PORTS.get(self.scheme)} else str(self.port)
        match self.scheme:
            case "smb":
                return None if port else _unc(server, self.path)
            case "dav" | "davs":
                marks = ("@SSL" if self.scheme == "davs" else "") + (f"@{port}" if port else "")
                return _unc(server + marks, f"DavWWWRoot{self.path}")
            case "sftp" if self.user is None or not set(self.user) & {"/", "\\"}:
                instance = (f"{self.user}@" if self.user else "") + server + (f"!{port}" if port else "")
                return _unc("sshfs.r" if self.path.startswith("/") else "sshfs", f"{instance}/{self.path}")
        return None


_USER = r"^([^/\\]*:[/\\]*|\s*[/\\]+[^/\\]+[/\\]+)[^/\\]*@"
"""In a name that has one, with what stands before it; short, since it is compiled in every command."""


def parse_remote(text: str) -> RemoteName:
    """Read a remote name.

    Raises ``WNetError``: ERROR_BAD_NET_NAME for a known form that is malformed, ERROR_NO_NET_OR_BAD_PATH for a form
    that nobody here knows, ERROR_INVALID_PARAMETER for a name with a password in it. The error shows the name without
    what could be a password.
    """
    try:
        return _parse(text)
    except _Refused as error:
        status, why, hint = error.args
    # raised here and not above, so that the error has no context in which the whole name could be found
    raise WNetError(status, why, name=_shown(text), hint=hint)


def nobodys(name: RemoteName, others: Sequence[str] = ()) -> WNetError:
    """The error for a name of a form that no provider knows (R3). others: providers that are not of this package."""
    known = f"{_KNOWN}, and the names that {', '.join(others)} may have" if others else _KNOWN
    return WNetError(Status.ERROR_NO_NET_OR_BAD_PATH, _NOBODYS, name=_shown(name.given), hint=known)


def parse_container(text: str) -> RemoteName:
    r"""Read the name of what can be browsed: a remote name, or a server alone, ``\\server`` or ``smb://server``.

    A server alone has no path; its ``canonical`` and ``forms``, by which passwords are found, are those of the share
    IPC$, which stands for the server itself. Raises ``WNetError`` as ``parse_remote`` does.
    """
    alone = re.fullmatch(r"(?i)((?:smb:)?[\\/]{2}[^\\/]+)[\\/]*", text)
    if alone is None:
        return parse_remote(text)
    try:
        name = _parse(f"{alone[1]}/IPC$")
    except _Refused as error:
        status, why, hint = error.args
    else:
        return replace(name, given=text, path="" if name.scheme in {"unc", "smb"} else "/")
    raise WNetError(status, why, name=_shown(text), hint=hint)


def spelled(name: RemoteName, path: str) -> str:
    r"""The name of *path*, which is as in ``RemoteName``, on the server of *name*, in its form and with its user.

    Without a path it is the server's own: ``\\server``, ``sftp://server``.
    """
    if name.scheme == "unc":
        return _unc(_unc_host(str(name.host)), path)
    if name.remote is not None:
        return f"rclone:{name.remote}:{path}"
    if name.host is None:
        return f"{name.scheme}://{_encoded(path, _RESERVED_IN_PATH)}"
    port = None if name.port == _PORTS.get(name.scheme) else name.port
    url = _url(name.scheme, name.host, port, name.user, path)
    if name.scheme == "sftp":
        return url if path else url.removesuffix("/~")
    return url.removesuffix("/") if path in {"", "/"} and not url.endswith("%2F") else url


def parse_local(text: str) -> str:
    """Read a local name: the canonical form of a drive letter (``Z:``) or of an absolute path (C1).

    A path is normalised by its text alone. Raises ``WNetError`` (ERROR_BAD_DEVICE).
    """
    try:
        return _parse_local(text)
    except _Refused as error:
        _, why, hint = error.args
    raise WNetError(Status.ERROR_BAD_DEVICE, why, name=_shown(text), hint=hint)


def is_drive(local: str) -> bool:
    """Whether the canonical local name *local* is a drive letter."""
    return local in DRIVE_LETTERS


def looks_local(text: str) -> bool:
    """Whether *text*, valid or not, is meant as a local name: a drive, a device, or a path in the file system."""
    return bool(re.match(r"[A-Za-z]:(?:[/\\]|\Z)|/(?![/\\])|[.~]", text) or re.fullmatch(_DEVICE, text))


# -- refusing ------------------------------------------------------------------------------------------------------


class _Refused(Exception):
    """Why a name is not accepted. Neither text quotes the name: it may hold a password."""


def _refuse(why: str, hint: str | None = None, status: Status = Status.ERROR_BAD_NET_NAME) -> NoReturn:
    raise _Refused(status, why, hint)


def _refuse_password() -> NoReturn:
    _refuse(
        "a password is not part of a name, where others could read it",
        "leave it out, and use --password-stdin or the argument password",
        Status.ERROR_INVALID_PARAMETER,
    )


def _check_characters(text: str) -> str:
    if not text.isprintable() and re.search(_FORBIDDEN, text):
        _refuse("the name has a control character or half a character in it")
    return text


_URL_PORT = r"[0-9]{1,5}(?:/|\Z)"
_URL_AUTHORITY = r"/*(?:[^:@%/]*@)?(?:\[[0-9A-Fa-f:.]*(?:%25[\w.~-]*)?\]|[^:%/]*)"


def _shown(text: str) -> str:
    """*text* as an error may show it: without what could be a password, and on one line."""
    if url := re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text):
        after = _without_password(text[url.end() :])
        text = url[0] + re.sub(r"(?s)[?#].*", lambda match: f"{match[0][0]}***", after)
    elif text[:2] in {"\\\\", "//", "\\/", "/\\"}:
        text = re.sub(r"(?s):.*@", ":***@", text)
    elif re.match(r"(?i)rclone:", text):
        remote = text[7:].partition(":")[0]
        text = text if re.fullmatch(_RCLONE_REMOTE, remote) else "rclone:***"
    elif not looks_local(text) and re.search(r"[:@=,].", text):
        text = "***"
    text = re.sub(_FORBIDDEN, lambda match: f"\\u{ord(match[0]):04x}", text)
    return text if len(text) <= 200 else f"{text[:200]}…"


def _without_password(after: str) -> str:
    """*after*, what follows ``://`` in a URL, well-formed or not, with the possible password as ``***``."""
    match = re.match(_URL_AUTHORITY, after)
    end = match.end() if match else 0
    mark, rest = after[end : end + 1], after[end + 1 :]
    if mark not in {":", "%"} or (mark == ":" and re.match(_URL_PORT, rest)):
        return after
    last = max(rest.rfind("@"), rest.rfind("%40"))
    return after[: end + 1] + "***" + (rest[last:] if last >= 0 else "".join(rest.partition("/")[1:]))


# -- remote names --------------------------------------------------------------------------------------------------


@lru_cache(maxsize=64)  # an operation comes to its name again and again; one with a password is refused, so not kept
def _parse(text: str) -> RemoteName:
    if not text:
        _refuse("the remote name is empty", _KNOWN)
    if len(text) > MAX_LENGTH:
        _refuse(f"the name is longer than {MAX_LENGTH} characters")
    _check_characters(text)
    if text[:2] in _TWO_SLASHES:
        return _parse_unc(text)
    if text[0] == "\\":
        _refuse("a UNC name begins with two backslashes", "quote it for the shell, or write //server/share")
    scheme, colon, rest = text.partition(":")
    if colon and scheme.lower() == "rclone":
        return _parse_rclone(text, rest)
    if colon and scheme.lower() in _SCHEMES:
        return _parse_url(text, _SCHEMES[scheme.lower()], rest)
    if looks_local(text):
        why = "this is a local name, where a remote one is expected"
        hint = "the remote name comes first, then the local one"
    elif scheme.lower() in {"http", "https"}:
        why, hint = "a web address is not the name of a directory", "for a WebDAV server write dav:// or davs://"
    elif rest.startswith("//") and re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]+", scheme):
        return _parse_url(text, scheme.lower(), rest)
    else:
        why, hint = _NOBODYS, _KNOWN
    _refuse(why, hint, Status.ERROR_NO_NET_OR_BAD_PATH)


def _segments(path: str) -> list[str]:
    """The parts of a path between its slashes, without the empty ones and ``.``."""
    segments = [each for each in path.split("/") if each not in {"", "."}]
    if ".." in segments:
        _refuse("the path has a part '..'", "write the path without it")
    return segments


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= 65535):
        _refuse("the port is not a number from 1 to 65535")
    return int(text)


# -- UNC names -----------------------------------------------------------------------------------------------------

_SSHFS = {"sshfs", "sshfs.k", "sshfs.r", "sshfs.kr"}
r"""The pretended servers of SSHFS-Win: paths from home, and (r) from the root; k, a key only, is the same here."""


def _parse_unc(text: str) -> RemoteName:
    r"""``\\server\share\dir``; ``\\server[@SSL][@port]\dir`` and ``\\server\DavWWWRoot\dir`` are WebDAV."""
    server, _, path = text[2:].replace("\\", "/").partition("/")
    if server in {".", "?"}:
        _refuse("this is a name of Windows for its own devices and files", r"write \\server\share")
    if not server:
        _refuse("there is no server after the two slashes", r"write \\server\share or //server/share")
    segments = _segments(path)
    if server.lower() in _SSHFS:
        return _parse_sshfs(text, server.lower(), segments)
    server, *marks = server.split("@")
    host = _host(server)
    if not segments:
        root = r"\DavWWWRoot, or a directory" if marks else r"\share"
        _refuse("this names a server, but no share on it", f"add {root}")
    is_dav = segments[0].lower() == "davwwwroot"
    if not is_dav and not marks:
        return _name(text, "unc", _windows_path(segments), host=host)
    _check_windows_names(segments)
    ports = [each for each in marks if each.lower() != "ssl"]
    if len(ports) > 1 or len(marks) - len(ports) > 1:
        _refuse(r"after the server stands @SSL, @port, or both", r"for example \\server@SSL@8443\dir")
    if ports and not ports[0].isdecimal():
        _refuse("a server's name has no @, and after it stand only @SSL and @port", "give the user with --user")
    path = "/" + "/".join(segments[is_dav:])
    scheme = "dav" if marks == ports else "davs"
    return _name(text, scheme, path, host=host, port=_port(ports[0]) if ports else None)


def _parse_sshfs(text: str, server: str, segments: list[str]) -> RemoteName:
    r"""``\\sshfs\[LOCUSER=]REMUSER@HOST[!PORT][\PATH]``; LOCUSER, whose the files seem to be on Windows, is dropped."""
    if not segments:
        _refuse("there is no host in it", rf"write \\{server}\user@host\dir")
    login, at, place = segments[0].rpartition("@")
    user = login.rpartition("=")[2] if at else None
    if ":" in login:
        _refuse_password()
    if user == "":
        _refuse("the user name before the @ is empty")
    host, mark, port = place.partition("!")
    _check_windows_names(segments[1:])
    path = "/".join(segments[1:])
    if server.endswith("r"):
        if segments[1:2] == ["~"]:
            _refuse("a directory named ~ at the root cannot be told from the home directory")
        path = f"/{path}"
    return _name(text, "sftp", path, host=_host(host), port=_port(port) if mark else None, user=user)


def _windows_path(segments: list[str]) -> str:
    """``share/dir`` after checks that share and directories are possible ([MS-FSCC] 2.1.5 and 2.1.6)."""
    if not segments:
        _refuse("this names a server, but no share on it", "add the share after the server")
    if len(segments[0]) > 80 or re.search(r"[\[\]+=;,]", segments[0]):
        _refuse("a share's name has at most 80 characters, none of them [ ] + = ; ,")
    _check_windows_names(segments)
    return "/".join(segments)


def _check_windows_names(segments: list[str]) -> None:
    for each in segments:
        if len(each) > 255 or re.search(r'["\\:|<>*?]', each):
            _refuse('on a Windows network a name has at most 255 characters, none of them " : | < > * ? or a backslash')
        if each[-1] in ". ":  # Windows takes them off, so the name would be another one's spelling
            _refuse("on a Windows network a name cannot end with a dot or a space")


# -- hosts ---------------------------------------------------------------------------------------------------------

_IPV6_LITERAL = ".ipv6-literal.net"
"""Ends an IPv6 address in a UNC name, where - stands for the colons and s for the % of the zone."""

_INVISIBLE = "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]"
"""Letters and marks that name servers take off, so that the name would be another one's spelling."""


def _host(text: str) -> str:
    """A DNS name or an address in one spelling: lower case, plain for compatibility characters, no last dot."""
    host = letters = text.lower()
    if not host.isascii():
        from unicodedata import category, normalize

        host = normalize("NFKC", normalize("NFKC", text).lower()).replace("\u3002", ".")  # 3002: the Chinese full stop
        letters = "".join(each for each in host if category(each)[0] != "M")
    host, letters = host.removesuffix("."), letters.removesuffix(".")
    if host.endswith(_IPV6_LITERAL):
        address, mark, zone = host.removesuffix(_IPV6_LITERAL).partition("s")
        return _ipv6(f"{address.replace('-', ':')}{'%' if mark else ''}{zone}")
    if not host:
        _refuse("there is no host in it")
    if ":" in host:
        _refuse(
            "a host's name has no colon",
            r"in a URL write an IPv6 address in brackets, in a UNC name as fe80--1.ipv6-literal.net; "
            r"for a port write smb://server:port/share",
        )
    if not re.fullmatch(r"(?!-)[\w-]+(?:\.[\w-]+)*", letters) or (not host.isascii() and re.search(_INVISIBLE, host)):
        _refuse("a host's name has only letters, digits, - _ and single dots")
    parts = host.split(".")
    if len(host) > 253 or max(map(len, parts)) > 63:
        _refuse("the host's name is too long")
    is_number = re.fullmatch(r"\d+|0x[0-9a-f]*", parts[-1])  # some programs read 127.1 or 0x7f000001 as an address too
    if is_number and not _are_ipv4(parts):
        _refuse("this is not an IPv4 address", "write it as four numbers: 192.0.2.1")
    return host


def _are_ipv4(parts: Sequence[str]) -> bool:
    """Whether these are the numbers of an address, as all programs read it; ``ipaddress`` takes longer to load."""
    return len(parts) == 4 and all(each.isdecimal() and int(each) < 256 and each == str(int(each)) for each in parts)


def _ipv6(text: str) -> str:
    from ipaddress import AddressValueError, IPv6Address

    text, percent, zone = text.partition("%")
    try:
        address = IPv6Address(text)
    except AddressValueError:
        _refuse("this is not an IPv6 address")
    if percent and not re.fullmatch(r"[A-Za-z0-9._~-]+", zone):
        _refuse("the zone of the IPv6 address is malformed")
    return str(address.ipv4_mapped or f"{address}{percent}{zone}")


def _unc_host(host: str) -> str:
    if ":" not in host:
        return host
    address, percent, zone = host.partition("%")
    return f"{address.replace(':', '-')}{'s' if percent else ''}{zone}{_IPV6_LITERAL}"


def _host_spellings(host: str) -> Iterator[str]:
    """*host*, and an international name's other spelling: bücher.example is xn--bcher-kva.example."""
    yield host
    if ":" not in host and (not host.isascii() or "xn--" in host):
        to_other = _label_in_unicode if host.isascii() else _label_in_ascii
        yield ".".join(map(to_other, host.split(".")))


def _label_in_ascii(label: str) -> str:
    return label if label.isascii() else f"xn--{label.encode('punycode').decode()}"


def _label_in_unicode(label: str) -> str:
    """The label that *label* is the ASCII spelling of; itself if it is none, or not the one that is right."""
    if not label.startswith("xn--"):
        return label
    try:
        other = label[4:].encode().decode("punycode")
        is_right = _host(other) == other and _label_in_ascii(other) == label
    except (UnicodeError, _Refused):
        is_right = False
    return other if is_right else label


# -- URLs ----------------------------------------------------------------------------------------------------------


def _parse_url(text: str, scheme: str, rest: str) -> RemoteName:
    if not rest.startswith("//"):
        _refuse("two slashes are missing after the colon", f"write {scheme}://…")
    authority, slash, path = rest[2:].partition("/")
    userinfo, at, place = authority.rpartition("@")
    user = _user(userinfo, scheme) if at else None
    if "?" in rest or "#" in rest:
        _refuse("a name has no query or fragment", "where ? or # belong to the name, write %3F or %23")
    path = _decoded(path)
    segments = _segments(path)
    if scheme in {"s3", "file"}:
        if user is not None:
            _refuse("a name of this form has no user in it", "give the user with --user")
        return _parse_hostless(text, scheme, _decoded(place), slash, segments)
    path_from_root = "/" + "/".join(segments)
    if scheme not in _OWN and not authority:
        return _name(text, scheme, path_from_root)
    host, port = _place(place)
    match scheme:
        case "smb":
            path = _windows_path(segments)
        case "sftp":  # no path is the home directory, a slash alone the root
            is_home = not slash or segments[:1] == ["~"]
            path = "/".join(segments[1:]) if is_home else path_from_root
        case "ftp" | "ftps":  # RFC 1738: paths start in the home directory, %2F is the root
            path = path_from_root if path.startswith("/") else "/".join(segments)
        case _:
            path = path_from_root
    return _name(text, scheme, path, host=host, port=port, user=user)


def _parse_hostless(text: str, scheme: str, place: str, slash: str, segments: list[str]) -> RemoteName:
    if scheme == "s3":
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*", place):
            _refuse("after s3:// stands the name of a bucket", "for example s3://bucket/prefix")
        return _name(text, scheme, "/".join([place, *segments]))
    if place.lower() not in {"", "localhost"} or not slash:
        _refuse("a file URL names a directory of this machine", "for example file:///srv/data, with three slashes")
    return _name(text, scheme, "/" + "/".join(segments))


def _user(userinfo: str, scheme: str) -> str:
    if ":" in userinfo:
        _refuse_password()
    if scheme == "smb":
        userinfo = userinfo.replace(";", "\\", 1)  # DOMAIN;user
    elif "\\" in userinfo:  # others would read it as a slash, and another host before it
        _refuse("the user name has a backslash", "write it as %5C")
    user = _decoded(userinfo)
    if ":" in user:
        _refuse_password()
    if not user or (scheme == "smb" and "" in user.split("\\", 1)):
        _refuse("the user name or the domain before the @ is empty")
    return user


def _place(text: str) -> tuple[str, int | None]:
    """``host[:port]``."""
    match = re.fullmatch(r"(?:\[(?P<address>[^\]]*)\]|(?P<name>[^:]*))(?::(?P<port>.*))?", text)
    if match is None or (match["name"] is not None and ":" in (match["port"] or "")):
        _refuse("after the host stands at most one colon, with the port", "write an IPv6 address in brackets")
    port = None if match["port"] is None else _port(match["port"])
    address = match["address"]
    return _host(_decoded(match["name"])) if address is None else _ipv6(_decoded(address)), port


def _decoded(text: str) -> str:
    """*text* with its percent-encoding undone, once."""
    if "%" not in text:
        return text
    if re.search(r"%(?![0-9A-Fa-f]{2})", text):
        _refuse("a percent sign is not followed by two hexadecimal digits", "write a percent sign itself as %25")
    try:
        return _check_characters(_undo_percent(text))
    except UnicodeDecodeError:
        _refuse("the percent-encoding is not UTF-8")


def _undo_percent(text: str) -> str:
    return re.sub(rb"%([0-9A-Fa-f]{2})", lambda match: bytes.fromhex(match[1].decode()), text.encode()).decode()


# -- rclone's remotes ----------------------------------------------------------------------------------------------

_RCLONE_REMOTE = r"[\w.+@]+(?:[ -][\w.+@ -]*[\w.+@-])?"
"""The names that rclone allows in its configuration (configNameRe in fs/fspath): what is not one would be a connection
string, with which a request could have rclone do anything."""


def _parse_rclone(text: str, rest: str) -> RemoteName:
    remote, colon, path = rest.partition(":")
    if not re.fullmatch(_RCLONE_REMOTE, remote):
        _refuse(
            "this is not the name of a remote in rclone's configuration",
            "connection strings are not accepted: make a remote with rclone config",
        )
    if not colon:
        _refuse("a colon is missing after the remote", "write rclone:REMOTE:path")
    root = "/" if path.startswith("/") else ""
    return _name(text, "rclone", root + "/".join(_segments(path)), remote=remote)


# -- spelling ------------------------------------------------------------------------------------------------------

_RESERVED_IN_PATH = "%?#"
_RESERVED_IN_USER = "%?#:@/;[]\\"


def _encoded(text: str, reserved: str) -> str:
    """*text* with the characters *reserved*, all of them ASCII, percent-encoded."""
    return "".join(f"%{ord(each):02X}" if each in reserved else each for each in text)


def _plain(text: str, _: str) -> str:
    return text


def _name(
    given: str,
    scheme: str,
    path: str,
    *,
    host: str | None = None,
    port: int | None = None,
    user: str | None = None,
    remote: str | None = None,
) -> RemoteName:
    """The finished name, with its spellings."""
    special = None if port == _PORTS.get(scheme) else port
    others: Iterable[str] = ()
    if remote is not None:
        canonical = f"rclone:{remote}:{path}"  # for some remotes a slash before the path makes a difference
        others = [f"rclone:{remote}:{path.removeprefix('/')}", f"rclone:{remote}:/{path.removeprefix('/')}"]
    elif host is None:
        canonical, others = f"{scheme}://{_encoded(path, _RESERVED_IN_PATH)}", [f"{scheme}://{path}"]
    else:
        others = _spellings(scheme, host, special, user, path)
        if scheme == "unc":
            canonical = _unc(_unc_host(host), _fold(path))
        elif scheme == "smb":
            canonical = _url(scheme, host, special, _fold(user) if user else None, _fold(path))
        else:
            canonical = _url(scheme, host, special, user, path)
    if len(canonical) > MAX_LENGTH:
        _refuse(f"the name is longer than {MAX_LENGTH} characters")
    forms = tuple(dict.fromkeys([given, canonical, *others]))
    return RemoteName(given, scheme, host, port, user, path, remote, canonical, forms)


def _spellings(scheme: str, host: str, port: int | None, user: str | None, path: str) -> Iterator[str]:
    """The ways to write a resource that has a host; without percent-encoding, which globs have no more either.

    port: None for the scheme's default, which may be written or not.
    """
    if scheme == "unc":  # it may turn out to be served by any of these
        for served in ("smb", "dav", "davs"):
            yield from _spellings(served, host, None, None, path)
        return
    default = _PORTS.get(scheme)
    ports = (None, default) if port is None and default else (port,)
    if user and ("/" in user or (scheme == "sftp" and "\\" in user)):  # it would look like the end of the host
        user = None
    for name, number, login in product(_host_spellings(host), ports, (user, None)):
        url = _url(scheme, name, number, login, path, spell=_plain)
        yield url
        server = _unc_host(name)
        match scheme:
            case "smb":
                yield _unc(server, path)
            case "dav" | "davs":
                server += ("@SSL" if scheme == "davs" else "") + (f"@{number}" if number else "")
                yield _unc(server, path)
                yield _unc(server, f"DavWWWRoot/{path}")
            case "sftp":
                instance = (f"{login}@" if login else "") + server + (f"!{number}" if number else "")
                yield _unc("sshfs.r" if path.startswith("/") else "sshfs", f"{instance}/{path}")
                if not path:
                    yield url.removesuffix("/~")


def _url(
    scheme: str,
    host: str,
    port: int | None,
    user: str | None,
    path: str,
    *,
    spell: Callable[[str, str], str] = _encoded,
) -> str:
    login = "" if user is None else f"{spell(user, _RESERVED_IN_USER)}@"
    if scheme == "smb":
        login = login.replace(spell("\\", _RESERVED_IN_USER), ";", 1)
    place = f"[{spell(host, '%')}]" if ":" in host else host
    path = spell(path, _RESERVED_IN_PATH)
    match scheme:
        case "sftp" if not path.startswith("/"):
            path = f"/~/{path}".removesuffix("/")
        case "ftp" | "ftps" if path.startswith("/"):
            path = f"/{spell('/', '/')}{path[1:]}"
        case _:
            path = "/" + path.removeprefix("/")
    return f"{scheme}://{login}{place}{'' if port is None else f':{port}'}{path}"


def _unc(server: str, path: str) -> str:
    return "\\\\" + "\\".join([server, *filter(None, path.split("/"))])


def _fold(text: str) -> str:
    """*text* without difference of case, one character for each as Windows compares them: ß is not ss."""
    return text.lower() if text.isascii() else "".join(map(_fold_one, text))


def _fold_one(character: str) -> str:
    upper = character.upper()
    character = upper if len(upper) == 1 else character
    lower = character.lower()
    return lower if len(lower) == 1 else character


# -- globs ---------------------------------------------------------------------------------------------------------


def match_pattern(glob: str) -> Callable[[tuple[str, ...]], bool]:
    r"""Compile a glob on remote names into a test on ``RemoteName.forms``: the ``match`` of a registration.

    ``*`` is any text, slashes too; ``?`` one character; ``[a-z]`` and ``[!a-z]`` one of (none of) these, except that
    brackets around an IPv6 address mean themselves. Case, the direction of slashes, doubled and trailing slashes, and
    in a URL percent-encoding make no difference. ``X/*`` also matches ``X`` itself.

    Raises ``WNetError`` (ERROR_INVALID_PARAMETER) for an empty glob or an impossible range.
    """
    plain = _uniform(_undo_percent_of_glob(glob) if "://" in glob else glob)
    scheme, url, rest = plain.partition("://")
    if url:
        plain = f"{_SCHEMES.get(scheme, scheme)}://{rest}"
    try:
        matches = re.compile(_regex(plain)).fullmatch
    except re.error:
        plain = ""
    if not plain:
        raise WNetError(
            Status.ERROR_INVALID_PARAMETER, "this is not a glob on remote names", name=glob, hint=r"write \\server\*"
        )

    def match(forms: tuple[str, ...]) -> bool:
        return any(matches(form) or matches(f"{form}/") for form in map(_uniform, forms))

    return match


def _uniform(text: str) -> str:
    """*text* in lower case, with single forward slashes, but for the two of a UNC name and after a URL's scheme."""
    text = _fold(text)
    if "://" not in text:
        text = text.replace("\\", "/")
    text = re.sub(r"(?<=[^:/])/{2,}", "/", re.sub(r"^/{2,}", "//", text))
    return text.rstrip("/")


def _undo_percent_of_glob(glob: str) -> str:
    def literal(match: re.Match[str]) -> str:
        try:
            return re.sub(r"[*?\[]", r"[\g<0>]", _undo_percent(match[0]))
        except UnicodeDecodeError:
            return match[0]

    return re.sub(r"(?:%[0-9A-Fa-f]{2})+", literal, glob)


_GLOB = r"(?s)(?P<any>\*+)|(?P<one>\?)|\[(?P<no>!?)(?P<set>[^\]:/]+)\]|(?P<self>.)"


def _regex(glob: str) -> str:
    """The regular expression for *glob*; it does not come back to a ``*`` once past it, so no glob takes for ever."""
    parts = [""]
    for token in re.finditer(_GLOB, glob):
        if token["any"]:
            parts.append("")
        elif token["one"]:
            parts[-1] += "."
        elif token["set"]:
            parts[-1] += f"[{'^' if token['no'] else ''}{re.sub(_RANGE, _range, token['set'])}]"
        else:
            parts[-1] += re.escape(token["self"])
    first, *others = parts
    if not others:
        return f"(?s:{first})"
    last = others.pop()
    return f"(?s:{first}{''.join(f'(?>.*?{each})' for each in others)}.*{last})"


_RANGE = r"(?s)(.)-(.)|(.)"


def _range(match: re.Match[str]) -> str:
    low, high, one = match.groups()
    return re.escape(one) if one else f"{re.escape(low)}-{re.escape(high)}"


# -- local names ---------------------------------------------------------------------------------------------------

_DEVICE = r"(?i)(?:LPT|COM)[0-9¹²³]:?|(?:PRN|AUX|NUL|CON):?"


def _parse_local(text: str) -> str:
    if not text:
        _refuse("the local name is empty", "give a drive letter such as Z:, or an absolute path")
    if len(text) > MAX_LENGTH:
        _refuse(f"the name is longer than {MAX_LENGTH} characters")
    _check_characters(text)
    letter = text[0].isascii() and text[0].isalpha()
    if letter and text[1:2] == ":" and not text[2:].strip("\\/"):
        drive = text[:2].upper()
        if drive not in DRIVE_LETTERS:
            _refuse("this letter cannot be redirected", "the letters are D: to Z:")
        return drive
    if text[0] != "/" and re.fullmatch(_DEVICE, text):
        _refuse("only directories can be connected, not printers and ports", "give a drive letter such as Z:")
    if text[:2] in _TWO_SLASHES or "://" in text:
        _refuse(
            "this is a remote name, where a local one is expected", "the remote name comes first, then the local one"
        )
    if letter and len(text) == 1:
        _refuse("a drive letter has a colon", f"write {text.upper()}:")
    if not Path(text).is_absolute():
        _refuse("this is neither a drive letter nor an absolute path", "give one, such as Z: or /home/me/projects")
    path = os.path.normpath(text)
    if not path.strip(os.sep):
        _refuse("the root directory cannot be a mount point", "give an empty or a missing directory")
    return path
