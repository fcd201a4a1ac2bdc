"""Making a connection: which words sshfs is started with, which ways to log on it tries, and what it says."""

from __future__ import annotations

import fcntl
import os
import pwd
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from mprouter import places, realm
from mprouter.credentials import Secret
from mprouter.frozen import frozen
from mprouter.providers.base import AddRequest
from mprouter.providers.rclone import accepted, hostkeys, sshconfig
from mprouter.providers.rclone.failures import BROKEN_OFF, Failure, meaning, server_words
from mprouter.providers.rclone.logons import Logon, by_stored, by_typed, local_user, other_ways
from mprouter.providers.rclone.scope import apart
from mprouter.providers.rclone.sshconfig import SshHost
from mprouter.providers.sshfs.served import clear
from mprouter.status import Status, WNetError

__all__ = ["Attempt"]

LIMIT = 60.0
"""Seconds in which sshfs has to connect; a server that does not answer at all ssh gives up after 10."""

LISTENING = ("/bin/sh", "-c", 'exec "$@" 9>&2', "sh")
"""What starts sshfs, which gives its ssh nothing of its standard error, but leaves descriptor 9 alone."""

SPEAKING = ("/bin/sh", "-c", ':>|/proc/self/fd/9;exec\tssh\t"$@"\t2>&9', "ssh")
"""What starts ssh, in words without spaces or backslashes, which sshfs divides in its own way.

Each ssh drops what the last has said: whoever uses a drive without network makes one after the other.
"""

VARIABLES = {
    "SSH_ASKPASS_REQUIRE": "never",
    "PWD": "/",  # a shell looks there as it starts, and what is there may be this drive, which does not answer yet
    "OLDPWD": "/",
}
"""Variables of sshfs and ssh, beside those of the process."""

SSHFS = {
    "reconnect": "",  # the drive outlives a break of the network
    "idmap": "user",  # who logs on has the same files there and here
    "dcache_timeout": "5",  # what others change shows as soon as on all networks
}
"""Options of every sshfs."""

SSH = (
    "StrictHostKeyChecking=yes",
    "NoHostAuthenticationForLocalhost=no",
    "KnownHostsCommand=none",
    "VerifyHostKeyDNS=no",
    "UpdateHostKeys=no",  # known_hosts gets only what a person agreed to
    "ControlPath=none",  # through another program's session any password would do
    "ConnectTimeout=10",
    "ServerAliveInterval=15",
    "ServerAliveCountMax=3",
    "LogLevel=ERROR",  # no banner of the server
)
"""Options of every ssh, before what the user's configuration says."""

BY_KEY = ("BatchMode=yes",)
BY_PASSWORD = (
    "BatchMode=no",
    "PreferredAuthentications=password,keyboard-interactive",
    "ProxyJump=none",  # of the system's configuration: it could be the proxy that asks
    "ProxyCommand=none",
)
BY_SSH = "the keys that ssh has"
"""The way to log on that leaves it to ssh."""

ONLY_KEY_FILE = ("IdentitiesOnly=yes", "IdentityAgent=none")

FAILURES = (
    Failure(
        "fusermount.*(?:denied|not permitted)|/dev/fuse", Status.ERROR_ACCESS_DENIED, "mounting is not allowed here"
    ),
    Failure("too many FUSE filesystems", Status.ERROR_BUSY, "no more mounts are allowed", "see mount_max in fuse.conf"),
    Failure(
        "unknown option",
        Status.ERROR_NOT_SUPPORTED,
        "this sshfs has other options: {said}",
        "versions from 3.0 on have them all",
    ),
    Failure("is not empty", Status.ERROR_DIR_NOT_EMPTY, "the directory to mount on is not empty"),
    Failure(
        "marked as revoked|is revoked", Status.ERROR_MUTUAL_AUTH_FAILED, "the host key of {host} is marked as revoked"
    ),
    Failure(
        "host key verification failed|host key is known|no matching host key type",
        Status.ERROR_MUTUAL_AUTH_FAILED,
        "the host key of {host} is not the recorded one",
        "to see what is wrong: ssh {host}",
    ),
    Failure(
        "(load key.*|no such identity.*|unprotected private key)",
        Status.ERROR_LOGON_FAILURE,
        "a private key cannot be used: {said}",
    ),
    Failure(
        r"permission denied(?: \(|, please)|too many authentication failures",
        Status.ERROR_LOGON_FAILURE,
        "{user} is not accepted",
    ),
    Failure(
        "could not resolve|name or service not known", Status.WSAHOST_NOT_FOUND, "the host name {host} is not known"
    ),
    Failure("no such file or directory", Status.ERROR_PATH_NOT_FOUND, "there is no directory {path}"),
    Failure("not a directory", Status.ERROR_DIRECTORY, "{path} is a file, not a directory"),
    Failure("subsystem request failed", Status.ERROR_UNEXP_NET_ERR, "{host} speaks SSH, but offers no SFTP"),
    replace(
        BROKEN_OFF,
        pattern="connection (?:to .* )?closed by|has disconnected|send disconnect|connection reset|input/output error",
    ),
    Failure(
        "banner line|packet length|corrupted mac|message authentication code",
        Status.ERROR_UNEXP_NET_ERR,
        "{listener} does not speak SSH",
    ),
    Failure(
        "bad configuration option|terminating, .* bad",
        Status.ERROR_BAD_CONFIGURATION,
        "ssh cannot read its configuration",
    ),
)
"""What sshfs and ssh say, before what all networks say."""

_CUT = "read: Connection reset by peer\n"
"""What sshfs says last of whatever ends its ssh."""


@frozen
class Attempt:
    """Making one connection. options: as read."""

    request: AddRequest
    ssh: SshHost
    options: Mapping[str, str]
    mountpoint: Path

    def log_on(self) -> str:
        """Try each way to log on; the user of the one with which it is mounted. Raises ``WNetError``."""
        if self.ssh.by_ssh or self.request.credentials.password is not None:
            return self._logged_on()
        with accepted.finding_out(self.ssh.host, self.ssh.port, self._user()):
            return self._logged_on()

    def _logged_on(self) -> str:
        refused = WNetError(Status.ERROR_LOGON_FAILURE)
        logon: Logon | None = None
        for logon in self._logons():
            self.request.credentials.tries(logon.user)
            try:
                self._mount(logon)
            except WNetError as error:
                if error.status is not Status.ERROR_LOGON_FAILURE:
                    raise
                refused = error
                continue
            if logon.password is not None:
                self.request.credentials.used(logon.user, logon.password)
            if logon.way:
                accepted.remember(self.ssh.host, self.ssh.port, self._user(), logon.way)
            return str(logon.user)
        locked = [key for key in self.ssh.keys if sshconfig.needs_passphrase(key)]
        if locked:
            raise WNetError(
                Status.ERROR_NOT_SUPPORTED,
                f"{refused.strerror}, and sshfs has no way to give the passphrase of the key {locked[0]}",
                provider_text=refused.provider_text,
                hint=f"ssh-add {locked[0]}",
            )
        refused.hint = other_ways(logon, has_keys=True)
        raise refused

    def _logons(self) -> Iterator[Logon]:
        """With a password given: that. Else whatever ssh has by itself, stored passwords, what a person types.

        Stored ones go first where one has worked last, since the server may count what it refuses. Behind a proxy there
        is no password: it could be the proxy that asks for it.
        """
        request, user, ssh = self.request, self._user(), self.ssh
        new = partial(_password_logon, accepted.PASSWORD if request.credentials.save else "")
        keys = Logon(user, way=BY_SSH)
        if ssh.by_ssh:
            yield Logon(user)
            return
        if request.credentials.password is not None:
            yield new(user, request.credentials.password)
            return
        is_secret = accepted.last_way(ssh.host, ssh.port, user) == accepted.PASSWORD
        yield from () if is_secret else (keys,)
        yield from by_stored(request, partial(_password_logon, accepted.PASSWORD), user)
        yield from (keys,) if is_secret else ()
        yield from by_typed(request, new, user, lambda: None)

    def _user(self) -> str:
        """Who is to log on, unless another's password is stored."""
        return self.request.credentials.user or self.request.name.user or self.ssh.user or local_user()

    def _mount(self, logon: Logon) -> None:
        """Have sshfs mount. Raises ``WNetError``: ERROR_LOGON_FAILURE if another way may do; else it may be mounted."""
        said = self._run(logon)
        if said is None:
            said = _refusal(self.mountpoint)
        if said is None:
            return
        failure = meaning(said, FAILURES, self._words(said, logon))
        if failure.status is Status.ERROR_UNEXP_NET_ERR and not self.ssh.by_ssh:
            raise hostkeys.barred(self.ssh.host, self.ssh.port) or failure
        if failure.status is not Status.ERROR_MUTUAL_AUTH_FAILED or self.ssh.by_ssh:
            raise failure
        self._be_introduced(failure)
        self._mount(logon)

    def _be_introduced(self, failure: WNetError) -> None:
        """Return if the server was unknown, and a person has agreed to its keys. Raises ``WNetError``."""
        from mprouter.providers.rclone.sftp import ask, changed

        files = [Path(self.options["known_hosts"])] if "known_hosts" in self.options else hostkeys.default_files()
        if keys := hostkeys.recorded(self.ssh.host, self.ssh.port, files):
            raise changed(str(failure.strerror), self.ssh, keys, str(failure.provider_text))
        ask(self.request, self.ssh, files[0])

    def _run(self, logon: Logon) -> str | None:
        """Start an sshfs; None once it has mounted, else what it says. Raises ``WNetError`` (ERROR_TIMEOUT)."""
        at_work = realm.enter(places.private(places.state_dir()))
        with os.fdopen(os.memfd_create("sshfs"), "w+", encoding="utf-8", errors="replace") as said:
            fcntl.fcntl(said, fcntl.F_SETFL, os.O_APPEND)  # sshfs goes on at the end of what ssh has left
            with subprocess.Popen(
                [*apart(), *LISTENING, *self._command(logon)],
                stdin=subprocess.PIPE,
                stdout=said,
                stderr=said,  # which ssh keeps open for ever
                cwd="/",
                env={**os.environ, **VARIABLES},
                start_new_session=True,
                pass_fds=() if at_work is None else (at_work.file,),
            ) as process:
                try:
                    process.communicate(_typed(logon), LIMIT)
                except BaseException as error:  # Ctrl-C, too
                    clear(self.mountpoint)  # at once: what follows waits for its end
                    if isinstance(error, subprocess.TimeoutExpired):
                        raise WNetError(Status.ERROR_TIMEOUT, f"{self.ssh.host} does not answer") from None
                    raise
            said.seek(0)
            return None if process.returncode == 0 else said.read().removesuffix(_CUT).strip() or _CUT

    def _command(self, logon: Logon) -> list[str]:
        """The words of sshfs; all that is secret comes on its standard input."""
        name, has_key = self.request.name, "key_file" in self.options
        ssh = [*SSH, *(BY_KEY if logon.password is None else BY_PASSWORD), *(ONLY_KEY_FILE if has_key else ())]
        options = {**SSHFS, "fsname": name.given, "ssh_command": " ".join([*SPEAKING, *(f"-o{each}" for each in ssh)])}
        if logon.password is not None:
            options["password_stdin"] = ""
        if self.options.get("read_only"):
            options["ro"] = ""
        if name.port is not None:
            options["port"] = str(name.port)
        if "known_hosts" in self.options:
            options |= {
                "UserKnownHostsFile": sshconfig.quoted(self.options["known_hosts"]),
                "GlobalKnownHostsFile": "/dev/null",
            }
        elif not self.ssh.by_ssh:  # else it may stand under another name, in a file of its own
            options["UserKnownHostsFile"] = sshconfig.quoted(hostkeys.default_files()[0])
        words = ["sshfs"]
        is_elsewhere = Path.home() != Path(pwd.getpwuid(os.getuid()).pw_dir)  # where ssh would look
        if is_elsewhere:
            file = sshconfig.config_file()
            words += ["-F", str(file) if file.exists() else "none"]
        for each, value in options.items():
            words += ["-o", _escaped(f"{each}={value}" if value else each)]
        for key in self.ssh.keys if is_elsewhere or has_key else ():
            words += ["-o", _escaped(f"IdentityFile={sshconfig.quoted(key)}")]
        host = f"[{name.host}]" if ":" in str(name.host) else name.host
        return [*words, "--", f"{logon.user}@{host}:{name.path}", str(self.mountpoint)]

    def _words(self, said: str, logon: Logon) -> Mapping[str, str]:
        name = self.request.name
        return {
            **server_words(said, self.ssh.host, self.ssh.port),
            "network": "SFTP",
            "user": f"user {logon.user}",
            "path": name.path or "the home directory",
        }


def _password_logon(way: str, user: str, password: Secret) -> Logon:
    if not password.reveal().isprintable() or not password.reveal():
        raise WNetError(
            Status.ERROR_NOT_SUPPORTED, "sshfs types passwords on a terminal, which cannot be done with this one"
        )
    return Logon(user, password=password, way=way)


def _typed(logon: Logon) -> bytes | None:
    return None if logon.password is None else f"{logon.password.reveal()}\n".encode()


def _escaped(option: str) -> str:
    """As sshfs reads one that may have commas in it."""
    return option.replace("\\", "\\\\").replace(",", "\\,")


def _refusal(mountpoint: Path) -> str | None:
    """Why the directory cannot be read, for which sshfs does not ask; None if it can."""
    try:
        with os.scandir(mountpoint) as entries:
            next(entries, None)
    except OSError as error:
        return error.strerror
    return None
