"""SMB: Windows file servers and Samba."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from mprouter.credentials import Secret
from mprouter.names import RemoteName
from mprouter.providers.base import AddRequest
from mprouter.providers.rclone.failures import BROKEN_OFF, Failure
from mprouter.providers.rclone.logons import Logon, by_password, local_user
from mprouter.providers.rclone.options import Option, word
from mprouter.providers.rclone.provider import IDLE, RcloneProvider, Target
from mprouter.resource import ResourceType
from mprouter.status import Status, WNetError

if TYPE_CHECKING:
    from mprouter.providers.rclone.browsing.look import Seen

__all__ = ["Smb"]

_NOT_SMB = frozenset({Status.ERROR_CONNECTION_REFUSED, Status.ERROR_UNEXP_NET_ERR})

_BEGINNING = "connect SMB: "
"""What rclone says first of what fails before one is logged on. Who breaks off later is an SMB server."""


class Smb(RcloneProvider):
    r"""``\\server\share`` and ``smb://``.

    A UNC name may also mean WebDAV, so there the absence of an SMB server is ERROR_BAD_NETPATH, "not mine" (R3).
    """

    name = "smb"
    title = "SMB"
    backend = "smb"
    retries = 1  # Windows locks an account after a few wrong passwords
    case_insensitive = True
    services: ClassVar[Mapping[str, str]] = {"_smb._tcp": "smb"}
    net_type = 0x00020000  # WNNC_NET_LANMAN, as of Windows' own SMB client
    glance: ClassVar[Mapping[str, str]] = {"idle_timeout": "1s"}  # soon the session dies of its impatience, unnoticed
    options: ClassVar[Mapping[str, Option]] = {"domain": Option("the Windows domain of the user", word)}
    failures = (
        Failure("i/o timeout", Status.ERROR_TIMEOUT, "{host} does not answer"),
        Failure("network name not found|bad network name", Status.ERROR_BAD_NET_NAME, "{host} has no share {share}"),
        Failure("wrong password", Status.ERROR_INVALID_PASSWORD, "the password of {user} is wrong"),
        Failure(
            "attempted logon is invalid|logon failure",
            Status.ERROR_LOGON_FAILURE,
            "{user} is not accepted with this password",
        ),
        Failure(
            "(account .*locked|account .*disabled|password .*expired|must change|account restriction|logon hours.*)",
            Status.ERROR_LOGON_FAILURE,
            "{user} may not log on now: {said}",
        ),
        Failure(
            "initialize SMB: .*(?:permission|access) (?:is )?denied",
            Status.ERROR_ACCESS_DENIED,
            "{user} may not use the share {share}",
        ),
        Failure(
            "NTLM was blocked",
            Status.ERROR_EXTENDED_ERROR,
            "{host} blocks NTLM: it lets people log on by Kerberos only",
            "a remote of rclone (rclone config, use_kerberos) can do that: mpr connect rclone:REMOTE:{share}",
        ),
        Failure("access.*denied", Status.ERROR_ACCESS_DENIED, "{user} may not read {path}"),
        Failure("not a directory|STATUS_NOT_A_DIRECTORY", Status.ERROR_DIRECTORY, "{path} is not a directory"),
        Failure(
            f"{_BEGINNING}connection error",
            Status.ERROR_UNEXP_NET_ERR,
            "what answers on port {port} of {host} breaks off the connection, or does not speak SMB 2 or 3",
        ),
        replace(BROKEN_OFF, pattern="connection error"),
        Failure(
            f"invalid transport format|{_BEGINNING}.*request is not supported",
            Status.ERROR_UNEXP_NET_ERR,
            "what answers on port {port} of {host} does not speak SMB 2 or 3",
        ),
    )

    def target(self, request: AddRequest, options: Mapping[str, str]) -> Target:
        """The share and the directory in it."""
        name = request.name
        host, port = str(name.host), name.port or 445
        settings = {"host": f"[{host}]" if ":" in host else host, "port": str(port), "idle_timeout": IDLE}
        if "domain" in options:
            settings["domain"] = options["domain"]
        share, slash, path = name.path.partition("/")
        root = share.lower() + slash + path  # C7: one resource, one cache
        return Target(name, host, port, root, name.path, settings, read_only=bool(options.get("read_only")))

    def logons(self, request: AddRequest, target: Target) -> Iterator[Logon]:
        """With a password; without one as the user named, else as guest, which servers may allow."""
        del target
        user = request.credentials.user or request.name.user
        guest = _logon(user, None) if user else Logon(None, {"user": "guest"}, is_guest=True)
        yield from by_password(request, _logon, default=user or local_user(), guest=guest)

    def look(self, name: RemoteName) -> Sequence[Seen]:
        """The shares of a server, those aside whose names end in $, with what it says of them; or directories."""
        if name.path:
            return super().look(name)
        from mprouter.providers.rclone.browsing.look import Patience, Seen, look
        from mprouter.providers.rclone.browsing.remarks import remarks

        address, patience = (str(name.host), name.service or 445), Patience()
        try:
            shares, logon = look(self, name, patience)
        except WNetError as error:
            said = remarks(*address, None, None, patience.left()) if error.status is Status.ERROR_LOGON_FAILURE else {}
            if not said:
                raise
            shares = list(said)  # a server may tell nobody in particular what it has
        else:
            user, password = (None, None) if logon is None else (logon.user, logon.password)
            said = remarks(*address, user, password, patience.left())
        unsaid = ResourceType.DISK, ""
        seen = [(each, *said.get(each, unsaid)) for each in shares if not each.endswith("$")]
        return [Seen(each, type_, comment or None) for each, type_, comment in seen]

    def failed(self, text: str, target: Target, logon: Logon) -> WNetError:
        """For a UNC name a server that does not speak SMB is none of this network's."""
        error = super().failed(text, target, logon)
        if target.name.scheme != "unc" or error.status not in _NOT_SMB or _BEGINNING not in text:
            return error
        return WNetError(
            Status.ERROR_BAD_NETPATH, f"no SMB server is there: {error.strerror}", provider_text=error.provider_text
        )


def _logon(user: str, password: Secret | None) -> Logon:
    r"""As ``DOMAIN\user`` or ``user``."""
    domain, _, plain = user.rpartition("\\")
    settings = {"user": plain} | ({"domain": domain} if domain else {})
    if password is None:
        return Logon(user, settings, is_guest=True)
    return Logon(user, settings, obscured={"pass": password}, password=password)
