"""``rclone:REMOTE:path``: a remote of the user's own rclone configuration, of any of the networks that rclone knows."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from mprouter.credentials import Credentials, Secret
from mprouter.names import parse_remote
from mprouter.providers.base import AddRequest
from mprouter.providers.rclone import daemon, program
from mprouter.providers.rclone.daemon import Daemon
from mprouter.providers.rclone.failures import Failure
from mprouter.providers.rclone.logons import ASKED, Logon
from mprouter.providers.rclone.provider import RcloneProvider, Target, quoted
from mprouter.resource import NetResource, ResourceScope
from mprouter.status import Status, WNetError

__all__ = ["Remote"]


class Remote(RcloneProvider):
    """``rclone:REMOTE:path``. How to log on stands in the configuration; if that is encrypted it is opened first.

    The name of its file system in rclone does not depend on a password, so that rclone itself finds what is unsent.
    """

    name = "rclone"
    title = "rclone"
    backend = ""
    failures = (
        Failure(
            "didn't find section in config file",
            Status.ERROR_BAD_NET_NAME,
            "rclone's configuration has no remote of this name",
            "see rclone listremotes, and make one with rclone config",
        ),
        Failure(
            "(?:401|unauthori[sz]ed|unable to authenticate|invalid_grant|logon is invalid|\\b530\\b|token.*expired)",
            Status.ERROR_LOGON_FAILURE,
            "the server does not accept what rclone's configuration has to log on with",
            "see rclone config reconnect",
        ),
        Failure(
            "no such host|server misbehaving",
            Status.WSAHOST_NOT_FOUND,
            "{host_name} is not known",
            "is the network up? to correct the name: rclone config",
        ),
        Failure("knownhosts|host key", Status.ERROR_MUTUAL_AUTH_FAILED, "the host key is not the recorded one: {said}"),
    )

    def target(self, request: AddRequest, options: Mapping[str, str]) -> Target:
        """The remote and the path, with the configuration open."""
        _unlock(daemon.obtain(), request)
        name = request.name
        return Target(
            name, None, None, name.path, f"{name.remote}:{name.path}", read_only=bool(options.get("read_only"))
        )

    def near(self, scope: ResourceScope) -> Iterator[NetResource]:
        """The remotes of the configuration."""
        from mprouter.providers.rclone.browsing.browse import named

        if not program.user_config().exists():
            return
        rclone = daemon.obtain()
        _unlock(rclone, AddRequest(parse_remote("rclone:any:"), Path(os.devnull), Credentials()))
        for each in rclone.call("config/listremotes")["remotes"] or []:
            yield from named(self, f"rclone:{each}:", scope)

    def logons(self, request: AddRequest, target: Target) -> Iterator[Logon]:
        """As the configuration says."""
        del request, target
        yield Logon()

    def connection_string(self, rclone: Daemon, target: Target, logon: Logon) -> str:
        """The remote, with a description that gives each path a cache of its own: see ``family``."""
        del rclone
        token = self.family(target, logon).rpartition(" ")[2]
        return f"{target.name.remote},description={quoted(f'mprouter {token}{target.variant}')}:{target.root}"


def _unlock(rclone: Daemon, request: AddRequest) -> None:
    """Have rclone read the user's encrypted configuration, with which it was not started.

    Raises ``WNetError``: ERROR_INVALID_PASSWORD, or ERROR_BAD_CONFIGURATION if nobody can be asked.
    """
    path = str(program.user_config())
    if rclone.config or not program.user_config().exists() or rclone.call("config/paths")["config"] == path:
        return
    passwords = [request.credentials.password] if request.credentials.password is not None else None
    for attempt in range(ASKED if passwords is None else 1):
        password = passwords[attempt] if passwords else _typed(request)
        rclone.call("config/unlock", configPassword=password.reveal())
        rclone.call("config/setpath", path=path)
        if _opens(rclone):
            request.credentials.used(None, password)
            return
        rclone.call("config/setpath", path="")
    raise WNetError(Status.ERROR_INVALID_PASSWORD, "the password does not open rclone's configuration")


def _typed(request: AddRequest) -> Secret:
    typed = None
    if request.conversation is not None:
        typed = request.conversation.ask_password("Password of rclone's configuration")
    if typed is None:
        raise WNetError(
            Status.ERROR_BAD_CONFIGURATION,
            "rclone's configuration is encrypted",
            hint="give its password with --password-stdin, or type it with --interactive",
        )
    return Secret(typed)


def _opens(rclone: Daemon) -> bool:
    from mprouter.providers.rclone.rc import Refused

    try:
        rclone.call("config/listremotes")
    except Refused:
        return False
    return True
