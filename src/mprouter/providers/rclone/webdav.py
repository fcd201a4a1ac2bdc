"""WebDAV over http and https: Apache, IIS, Nextcloud, ownCloud and others."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote, unquote, urlsplit

from mprouter.names import RemoteName
from mprouter.providers.base import AddRequest
from mprouter.providers.rclone.daemon import Daemon
from mprouter.providers.rclone.failures import UNTRUSTED, Failure
from mprouter.providers.rclone.logons import Logon, by_password, local_user
from mprouter.providers.rclone.options import Option, certificate_file, choice, fingerprint_of
from mprouter.providers.rclone.provider import RcloneProvider, Target
from mprouter.providers.rclone.reach import reach
from mprouter.status import Status, WNetError

if TYPE_CHECKING:
    from http.client import HTTPResponse

__all__ = ["WebDav"]

_UNC_TIMEOUT = 3.0
"""Seconds for each of the two ports that a UNC name may mean: it was tried as SMB before."""

_PAUSE = "1ms"
"""Between two requests, at least; after a failure it is doubled each time. rclone's own 10 ms would let a hundred files
a second through at most."""

_NAMES = {"noModTime": True, "noMimeType": True}

_NO_WEBDAV = "the web server {host} offers no WebDAV at {path}"

_SCHEMES = {"http": "dav", "https": "davs"}

_PAGE = frozenset({Status.ERROR_ACCESS_DENIED, Status.ERROR_PATH_NOT_FOUND, Status.ERROR_UNEXP_NET_ERR})
"""What is told of a directory that a server was asked for as a web page."""

_NTLM = "sharepoint-ntlm"

_VENDORS = ("nextcloud", "owncloud", "infinitescale", "sharepoint", _NTLM, "fastmail")
"""Those that rclone knows."""

_HEADERS = {"lighttpd": "Content-Type,application/xml"}
"""For servers that rclone does not know, what it is to send with each request: lighttpd wants the type of questions."""


def _answer(codes: str) -> str:
    """The pattern of an answer with one of the *codes*. Each server has words of its own after it, or none."""
    return rf"(?:^|: )(?:{codes})(?: |$)"


class WebDav(RcloneProvider):
    r"""``dav://``, ``davs://``, and ``\\server\share`` where no SMB server has it (R3).

    For a UNC name Windows asks port 80; here 443 is asked before. As on Windows no password goes over plain http,
    unless the name says ``dav://``, or a port, and thereby asks for it.
    """

    name = "webdav"
    title = "WebDAV"
    backend = "webdav"
    retries = 13  # with which a server that is busy has four seconds, as with rclone's own pause and tries
    silence = "5m"  # some put a large file together before they answer
    services: ClassVar[Mapping[str, str]] = {"_webdav._tcp": "dav", "_webdavs._tcp": "davs"}
    copies_age = True
    net_type = 0x002E0000  # WNNC_NET_DAV, as of Windows' own WebDAV client
    options: ClassVar[Mapping[str, Option]] = {
        "ca_cert": Option("the file with the certificates to trust, in place of the system's", certificate_file),
        "vendor": Option(
            "the software of the server, where it has habits of its own",
            choice("other", *_VENDORS, *_HEADERS),
        ),
    }
    failures = (
        UNTRUSTED,
        Failure(_answer("401"), Status.ERROR_LOGON_FAILURE, "{user} is not accepted with this password"),
        Failure(_answer("403"), Status.ERROR_ACCESS_DENIED, "{user} may not read {path}"),
        Failure(f"{_answer('405|501|400|30[1278]')}|XML syntax error", Status.ERROR_UNEXP_NET_ERR, _NO_WEBDAV),
        Failure(
            _answer("415"),
            Status.ERROR_UNEXP_NET_ERR,
            "the web server {host} does not take questions without their type",
            "if it is lighttpd: -o vendor=lighttpd",
        ),
        Failure(
            _answer("407|511"),
            Status.ERROR_UNEXP_NET_ERR,
            "a proxy or a network on the way to {host} wants one to log on to it first",
        ),
        Failure(_answer("423"), Status.ERROR_BUSY, "the web server {host} says that {path} is locked"),
        Failure(
            rf"{_answer('429|50[0234]')}(.*)", Status.ERROR_NETWORK_BUSY, "the web server {host} has trouble: {said}"
        ),
    )

    def target(self, request: AddRequest, options: Mapping[str, str]) -> Target:
        """The web server, and the path on it."""
        name = request.name
        ca = options.get("ca_cert")
        if name.scheme == "unc":
            scheme, port = _find(str(name.host), name.path, ca)
        else:
            scheme, port = ("https", name.port or 443) if name.scheme == "davs" else ("http", name.port or 80)
            reach(str(name.host), port).close()
        host = f"[{quote(str(name.host), safe=':')}]" if ":" in str(name.host) else str(name.host)  # %25 before a zone
        base, root = self.place(name)
        vendor = options.get("vendor", "other")
        headers = {"headers": _HEADERS[vendor]} if vendor in _HEADERS else {}
        config: dict[str, Any] = {"CaCert": [ca]} if ca and scheme == "https" else {}
        return Target(
            name,
            str(name.host),
            port,
            root,
            f"/{name.path.lstrip('/')}",
            {
                "url": f"{scheme}://{host}:{port}{quote(base)}",
                "vendor": "other" if headers else vendor,
                "pacer_min_sleep": _PAUSE,
                **headers,
            },
            config,
            variant=f"-{fingerprint_of(ca)}" if ca else "",
            read_only=bool(options.get("read_only")),
        )

    def probe(self, rclone: Daemon, target: Target, logon: Logon, fs: str) -> None:
        """Tell an empty directory from a web page, as of a network that wants one to log in: rclone does not."""
        del logon
        if rclone.call("operations/list", timeout=60, fs=fs, remote="", opt=_NAMES)["list"]:
            return
        url, ca = urlsplit(target.settings["url"]), target.config.get("CaCert", [None])[0]
        try:
            has_it = _speaks_webdav(url.scheme, str(target.host), int(target.port or 80), target.shown, ca)
        except (OSError, ValueError):  # what cannot be asked cannot be told apart
            return
        if not has_it:
            text = _NO_WEBDAV.format(host=target.host, path=target.shown)
            raise WNetError(Status.ERROR_UNEXP_NET_ERR, text)

    def failed(self, text: str, target: Target, logon: Logon) -> WNetError:
        """Tell a server that may take no password as rclone gives it, and one that has all of this elsewhere.

        That is mostly over https; rclone asks there for a web page.
        """
        error = super().failed(text, target, logon)
        if error.status not in {*_PAGE, Status.ERROR_LOGON_FAILURE} or (logon.is_guest and error.status not in _PAGE):
            return error
        url, ca = urlsplit(target.settings["url"]), target.config.get("CaCert", [None])[0]
        try:
            answer = _asked(url.scheme, str(target.host), int(target.port or 80), target.shown, ca)
            there = urlsplit(answer.getheader("Location") or "")
        except (OSError, ValueError):
            return error
        if error.status is Status.ERROR_LOGON_FAILURE:
            if target.settings["vendor"] == _NTLM:
                return error
            return _other_ways(error, ", ".join(answer.headers.get_all("WWW-Authenticate", [])))
        if there.scheme not in _SCHEMES or unquote(there.path).strip("/") != target.shown.strip("/"):
            return error
        user = f"{quote(target.name.user)}@" if target.name.user else ""
        return WNetError(
            Status.ERROR_UNEXP_NET_ERR,
            f"the web server {target.host} refers to {there.scheme}://{there.netloc}",
            provider_text=text,
            hint=f"connect {_SCHEMES[there.scheme]}://{user}{there.netloc}{there.path}",
        )

    def place(self, name: RemoteName) -> tuple[str, str]:
        """What Nextcloud and its kin have before a user's files is for rclone part of the server's address."""
        if found := re.fullmatch(r"(.*/dav/files/[^/]+)(?:/(.*))?", name.path):
            return found[1], found[2] or ""
        return "", name.path.lstrip("/")

    def servers(self, name: RemoteName) -> list[tuple[str, int]]:
        """For a UNC name either of two ports."""
        return [(str(name.host), port) for port in (443, 80)] if name.scheme == "unc" else super().servers(name)

    def logons(self, request: AddRequest, target: Target) -> Iterator[Logon]:
        """Without a name or password first as nobody: what is public needs none."""
        named = request.credentials.user or request.name.user
        guest = None if named else Logon(is_guest=True)
        if request.name.scheme == "unc" and target.settings["url"].startswith("http://"):
            yield Logon(is_guest=True)
            raise WNetError(
                Status.ERROR_ACCESS_DENIED,
                "the WebDAV server wants a password, and would get it unencrypted",
                hint=f"if it may: connect dav://{target.host}{quote(target.shown)}",
            )
        yield from by_password(
            request,
            lambda user, password: Logon(user, {"user": user}, obscured={"pass": password}, password=password),
            default=named or local_user(),
            guest=guest,
        )


def _other_ways(error: WNetError, ways: str) -> WNetError:
    """*error*, that a password is not accepted, for a server that names *ways* to log on which rclone may not have.

    It may be wrong all the same: WsgiDAV takes more than it names.
    """
    if re.search(r"\b(?:Basic|Bearer)\b", ways, re.IGNORECASE):
        return error
    windows = re.search(r"\b(?:NTLM|Negotiate)\b", ways, re.IGNORECASE)
    if not windows and re.search(r"\bDigest\b", ways, re.IGNORECASE) is None:
        return error
    why = f"{error.strerror}; or the server takes it by {'NTLM or Kerberos' if windows else 'Digest'} only"
    hint = f"for NTLM: -o vendor={_NTLM}" if windows else "rclone has no Digest: have the server offer Basic as well"
    return WNetError(error.status, why, provider_text=error.provider_text, hint=hint)


def _find(host: str, path: str, ca: str | None) -> tuple[str, int]:
    """Whether a WebDAV server is behind a UNC name, and where. Raises ``WNetError`` ERROR_BAD_NETPATH: "not mine"."""
    reasons = []
    for scheme, port in (("https", 443), ("http", 80)):
        try:
            reach(host, port, _UNC_TIMEOUT).close()
            if _speaks_webdav(scheme, host, port, path, ca):
                return scheme, port
            reasons.append(f"the web server on port {port} offers no WebDAV")
        except WNetError as error:
            if error.status is Status.WSAHOST_NOT_FOUND:
                raise
            reasons.append(str(error.strerror))
        except (OSError, ValueError) as error:  # no TLS, a certificate that is not trusted, no HTTP
            reasons.append(f"port {port}: {error}")
    raise WNetError(Status.ERROR_BAD_NETPATH, f"no WebDAV server is there: {'; '.join(reasons)}")


def _speaks_webdav(scheme: str, host: str, port: int, path: str, ca: str | None) -> bool:
    answer = _asked(scheme, host, port, path, ca)
    # a server may want to know who asks before it says what it can
    return bool(answer.getheader("DAV") or answer.getheader("MS-Author-Via") or answer.status == 401)


def _asked(scheme: str, host: str, port: int, path: str, ca: str | None) -> HTTPResponse:
    """What the server answers to nobody in particular who asks what it can. Raises ``OSError``, ``ValueError``."""
    from http.client import HTTPConnection, HTTPException, HTTPSConnection

    if scheme == "https":
        import ssl

        context = ssl.create_default_context(cafile=ca)
        connection: HTTPConnection = HTTPSConnection(host, port, timeout=_UNC_TIMEOUT, context=context)
    else:
        connection = HTTPConnection(host, port, timeout=_UNC_TIMEOUT)
    try:
        directory = f"/{path.strip('/')}/".replace("//", "/")  # without its last "/" Apache tells only of that
        connection.request("OPTIONS", quote(directory))
        return connection.getresponse()
    except HTTPException as error:
        raise ValueError(f"no answer in HTTP ({type(error).__name__})") from error
    finally:
        connection.close()
