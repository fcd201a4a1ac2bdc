"""S3: Amazon's object store, and everything that speaks its protocol."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import urlsplit

from mprouter.names import parse_remote
from mprouter.providers.base import AddRequest, Capability
from mprouter.providers.rclone.daemon import Daemon
from mprouter.providers.rclone.failures import UNTRUSTED, Failure
from mprouter.providers.rclone.logons import Logon, by_password
from mprouter.providers.rclone.options import Option, certificate_file, fingerprint_of, word, yes_or_no
from mprouter.providers.rclone.provider import RcloneProvider, Target
from mprouter.providers.rclone.rc import Refused
from mprouter.providers.rclone.reach import reach
from mprouter.resource import NetResource, ResourceScope
from mprouter.status import Status, WNetError

__all__ = ["S3"]

PATIENCE = 15.0
"""Seconds after which a server that has told nothing may be in trouble; rclone asks it again for two minutes."""


def _endpoint(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
        raise ValueError("is not like https://host:port")
    return text


class S3(RcloneProvider):
    """``s3://bucket/prefix``. The user is the access key's id, the password its secret.

    A directory is a prefix that objects have. An empty one is there only as long as the connection, unless it is kept
    as an empty object whose name ends in a slash, which not all servers can.
    """

    name = "s3"
    title = "S3"
    backend = "s3"
    silence = "5m"  # some put a large file together before they answer
    options: ClassVar[Mapping[str, Option]] = {
        "endpoint": Option("the server, where it is not Amazon's: https://host:port", _endpoint),
        "region": Option("the region of the bucket", word),
        "provider": Option("the maker of the server, by rclone's name for it", word),
        "profile": Option("the profile in ~/.aws/credentials to log on with", word),
        "empty_directories": Option("yes: keep them, as empty objects", yes_or_no),
        "ca_cert": Option("the file with the certificates to trust, in place of the system's", certificate_file),
    }
    failures = (
        UNTRUSTED,
        Failure("NoSuchBucket", Status.ERROR_BAD_NET_NAME, "there is no bucket {share}"),
        Failure("SignatureDoesNotMatch", Status.ERROR_INVALID_PASSWORD, "the secret of the access key is wrong"),
        Failure(
            "InvalidAccessKeyId|InvalidToken|ExpiredToken|UnsupportedAlgorithm|get credentials|StatusCode: 401",
            Status.ERROR_LOGON_FAILURE,
            "{user} is not accepted",
        ),
        Failure(
            r"expecting '([\w-]+)'",
            Status.ERROR_EXTENDED_ERROR,
            "the bucket {share} is in another region: {said}",
            "give it with -o region=REGION",
        ),
        Failure(
            "PermanentRedirect",
            Status.ERROR_EXTENDED_ERROR,
            "the bucket {share} is in another region, or at another endpoint",
            "give it with -o region=REGION, or -o endpoint=https://HOST:PORT",
        ),
        Failure(
            "RequestTimeTooSkewed",
            Status.ERROR_EXTENDED_ERROR,
            "the clock of this machine and that of the server differ too much",
            "see what date says, and have the clock set: timedatectl set-ntp true",
        ),
        Failure("AccessDenied|StatusCode: 403", Status.ERROR_ACCESS_DENIED, "{user} may not read {path}"),
        Failure(
            r"lookup (\S+?):? .*no such host",
            Status.WSAHOST_NOT_FOUND,
            "the host name {said} is not known",
            "is the network up? for another server than Amazon's: -o endpoint=https://HOST:PORT",
        ),
        Failure(
            "StatusCode: 50[0-9].*api error (.*)",
            Status.ERROR_NETWORK_BUSY,
            "{host} takes no more requests now, or has trouble: {said}",
        ),
        Failure("InvalidBucketName", Status.ERROR_BAD_NET_NAME, "{share} is not the name of a bucket"),
    )

    capabilities = RcloneProvider.capabilities & ~Capability.ENUMERATE_CONTEXT

    def target(self, request: AddRequest, options: Mapping[str, str]) -> Target:
        """The bucket and the prefix."""
        name = request.name
        endpoint, ca = options.get("endpoint"), options.get("ca_cert")
        host, port = None, None
        if endpoint is not None:
            parts = urlsplit(endpoint)
            host, port = parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)
            reach(str(host), port).close()
        settings = {
            "provider": options.get("provider", "Other" if endpoint else "AWS"),
            "no_check_bucket": "true",
        }
        if options.get("empty_directories"):
            settings["directory_markers"] = "true"
        settings |= {key: options[key] for key in ("endpoint", "region") if key in options}
        if "profile" in options:
            settings |= {"env_auth": "true", "profile": options["profile"]}
        # The time of a change is that of the upload: for any other each file would have to be asked for by itself.
        config: dict[str, Any] = {"UseServerModTime": True}
        if ca:
            config["CaCert"] = [ca]
        return Target(
            name,
            host,
            port,
            name.path,
            name.path,
            settings,
            config,
            variant=f"-{fingerprint_of(ca)}" if ca else "",
            read_only=bool(options.get("read_only")),
        )

    def near(self, scope: ResourceScope) -> Iterator[NetResource]:
        """The buckets of those whose key is stored for ``s3://*``: on servers that are connected, else on Amazon's."""
        from mprouter.providers.rclone.browsing.browse import named
        from mprouter.providers.rclone.browsing.look import look_around

        everything = replace(parse_remote("s3://any"), given="s3://", path="")
        for bucket in look_around(self, everything):
            yield from named(self, f"s3://{bucket}", scope)

    def logons(self, request: AddRequest, target: Target) -> Iterator[Logon]:
        """With an access key; with a profile; else as nobody, for what is public."""
        if "profile" in target.settings:
            yield Logon(target.settings["profile"])
            return
        yield from by_password(
            request,
            lambda user, password: Logon(
                user, {"access_key_id": user}, plain={"secret_access_key": password}, password=password
            ),
            default=None,
            guest=None if request.credentials.user else Logon(is_guest=True),
        )

    def connection_string(self, rclone: Daemon, target: Target, logon: Logon) -> str:
        """A prefix ends in a slash: without one rclone looks for an object first, and takes any refusal for one."""
        string = super().connection_string(rclone, target, logon)
        return f"{string}/" if "/" in target.root.rstrip("/") else string

    def probe(self, rclone: Daemon, target: Target, logon: Logon, fs: str) -> None:
        """Look without patience where nothing is told for long, since a server in trouble is asked again and again."""
        try:
            self._look(replace(rclone, patience=min(rclone.patience, PATIENCE)), target, logon, fs)
        except WNetError as error:
            if error.status is not Status.ERROR_TIMEOUT:
                raise
            once = replace(target, config={**target.config, "LowLevelRetries": 1}, variant=f"{target.variant}-once")
            self._look(rclone, once, logon, self._session(rclone, once, logon))

    def _look(self, rclone: Daemon, target: Target, logon: Logon, fs: str) -> None:
        """Tell a prefix that nothing has from an empty directory, and both from a bucket that is not there.

        Over plain http also from a web page, as of a network that wants one to log in: that is there by any name.
        """
        if target.settings.get("endpoint", "").startswith("http:"):
            with suppress(Refused):  # as where one may not ask for what is not there
                opt = {"filesOnly": True}
                if rclone.call("operations/stat", timeout=60, fs=fs, remote=os.urandom(8).hex(), opt=opt)["item"]:
                    raise WNetError(
                        Status.ERROR_UNEXP_NET_ERR,
                        f"what answers on port {target.port} of {target.host} does not speak S3, or does not tell"
                        " which objects it has",
                    )
        bucket, _, prefix = target.root.partition("/")
        if prefix:
            string = self.connection_string(rclone, replace(target, root=bucket), logon)
            config = self.config(target)
            item = rclone.call("operations/stat", timeout=120, fs=string, remote=prefix, _config=config)["item"]
            if item is not None and not item["IsDir"]:
                raise WNetError(Status.ERROR_DIRECTORY, f"{target.shown} is an object, not a directory")
            if item is not None:
                return
            fs = string
        super().probe(rclone, target, logon, fs)
        if prefix:
            raise WNetError(Status.ERROR_PATH_NOT_FOUND, f"nothing in the bucket {bucket} begins with {prefix}/")

    def failed(self, text: str, target: Target, logon: Logon) -> WNetError:
        """What rclone calls a directory that is not there is a bucket."""
        return super().failed(text.replace("directory not found", "NoSuchBucket"), target, logon)
