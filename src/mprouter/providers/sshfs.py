"""SFTP by the program ``sshfs``, for those to whom its speed is worth more than rclone's cache: docs/networks.md.

It takes part only where a file in ``providers.d`` says so. Each connection is an sshfs of its own, found again by the
directory that it mounts on; ssh itself verifies the server and finds the keys. Where sshfs cannot do what is wanted the
answer is ERROR_NOT_SUPPORTED, so that the router goes on to the provider ``sftp`` (R3).
"""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from mprouter import faults
from mprouter.credentials import Secret
from mprouter.names import RemoteName
from mprouter.processes import started_at
from mprouter.providers.base import Added, AddRequest, Capability, Mounted, Progress, State
from mprouter.providers.rclone import hostkeys, mounts, sshconfig
from mprouter.providers.rclone.failures import Failure, meaning
from mprouter.providers.rclone.logons import Logon, by_password, local_user
from mprouter.providers.rclone.options import COMMON_OPTIONS, Option, existing_file, read_options
from mprouter.providers.rclone.scope import apart
from mprouter.providers.rclone.sshconfig import SshHost
from mprouter.status import Status, WNetError

__all__ = ["Sshfs"]

KIND = "fuse.sshfs"
"""The type of the file systems that sshfs mounts."""

LIMIT = 60.0
"""Seconds in which sshfs has to connect; a server that does not answer at all ssh gives up after 10."""

ENDING = 10.0
"""Seconds that a disconnect waits for the end of an sshfs that has nothing to do any more."""

OPTIONS: Mapping[str, Option] = {  # as sftp has them, which would take long to import
    **COMMON_OPTIONS,
    "known_hosts": Option("the file with the host keys to trust, instead of ~/.ssh/known_hosts", existing_file),
    "key_file": Option("the private key to log on with, instead of those in ~/.ssh", existing_file),
}

ALWAYS = {
    "sshfs_verbose": "",  # else what ssh says is thrown away
    "reconnect": "",  # the drive outlives a break of the network
    "idmap": "user",  # who logs on has the same files there and here
    "dcache_timeout": "5",  # what others change shows as soon as on all networks
    "ssh_command": "ssh -oNoHostAuthenticationForLocalhost=no",
    "StrictHostKeyChecking": "yes",
    "UpdateHostKeys": "no",  # known_hosts gets only what a person agreed to
    "ControlPath": "none",  # through another program's session any password would do
    "ConnectTimeout": "10",
    "ServerAliveInterval": "15",
    "ServerAliveCountMax": "3",
    "LogLevel": "ERROR",  # no banner of the server
}
"""Options of every sshfs, and of its ssh."""

_BY_KEY = {"BatchMode": "yes"}
_BY_PASSWORD = {
    "password_stdin": "",
    "BatchMode": "no",
    "PreferredAuthentications": "password,keyboard-interactive",
}

FAILURES = (
    Failure(
        "fusermount.*(?:denied|not permitted)|/dev/fuse", Status.ERROR_ACCESS_DENIED, "mounting is not allowed here"
    ),
    Failure("too many FUSE filesystems", Status.ERROR_BUSY, "no more mounts are allowed", "see mount_max in fuse.conf"),
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
    Failure("(.*connection closed by.*)", Status.ERROR_UNEXP_NET_ERR, "{host} ends the connection: {said}"),
    Failure(
        "bad configuration option|terminating, .* bad",
        Status.ERROR_BAD_CONFIGURATION,
        "ssh cannot read its configuration",
    ),
)
"""What sshfs and ssh say, before what all networks say."""

_CUT = "read: Connection reset by peer\n"
"""What sshfs says last of whatever ends its ssh."""


class Sshfs:
    r"""``sftp://``, and ``\\sshfs\user@host``, by sshfs."""

    name = "sshfs"
    capabilities = Capability.ADD_CONNECTION | Capability.CANCEL_CONNECTION | Capability.GET_CONNECTIONS

    def claims(self, name: RemoteName) -> bool:
        """The names of ``sftp``."""
        return name.scheme == "sftp"

    def check_options(self, name: RemoteName, options: Mapping[str, str]) -> None:
        """See ``Provider.check_options``."""
        read_options(OPTIONS, options, network=self.name, name=name.given)

    def add_connection(self, request: AddRequest) -> Added:
        """Have sshfs log on and mount (``NPAddConnection3``); see ``Provider.add_connection``."""
        name = request.name
        with self._reporting(name.given):
            _check_installed()
            mounts.check_fuse()
            options = read_options(OPTIONS, request.options, network=self.name, name=name.given)
            ssh = sshconfig.look_up(str(name.host), name.port, request.credentials.user or name.user)
            if "key_file" in options:
                ssh = replace(ssh, keys=(Path(options["key_file"]),), agent=None)
            mountpoint = mounts.real_path(request.mountpoint)
            try:
                user = _Attempt(request, ssh, options, mountpoint).log_on()
                faults.reached("mounted")
                return Added(user, _handle(mountpoint))
            except BaseException:
                _clear(mountpoint)
                raise

    def cancel_connection(self, mounted: Mounted, *, force: bool, progress: Progress | None = None) -> None:
        """Take the mount away (``NPCancelConnection``, C6); see ``Provider.cancel_connection``.

        What is closed is on the server already. With *force* sshfs serves whoever has files open there to the end.
        """
        del progress
        mountpoint = _mountpoint(mounted)
        with self._reporting(mounted.name.given):
            if not mounted.handle:  # half an add
                _clear(mountpoint)
            elif self.state(mounted) is State.LOST:
                _unmount(mountpoint)
            else:
                opened = mounts.openers(mountpoint)
                if (opened and not force) or not mounts.unmount(mountpoint, lazily=force, kind=KIND):
                    from mprouter.providers.rclone.disconnect import in_use

                    raise in_use(opened or mounts.openers(mountpoint, mapped=True))
                faults.reached("unmounted")
                if not opened:
                    _wait_until(lambda: started_at(mounted.handle["pid"]) != mounted.handle["started"])

    def state(self, mounted: Mounted) -> State:
        """Whether its sshfs runs and its mount is there (``NPGetConnection``), asked of the kernel alone."""
        pid, started = mounted.handle.get("pid", 0), mounted.handle.get("started", -1)
        stands = started_at(pid) == started and mounts.is_mounted(_mountpoint(mounted), KIND)
        return State.CONNECTED if stands else State.LOST

    def settle(self, mounted: Mounted) -> State:
        """The mount is there, or it is gone, and nothing else is to be done; see ``Provider.settle``."""
        return self.state(mounted)

    @contextmanager
    def _reporting(self, name: str) -> Iterator[None]:
        """Let errors tell the provider and the name that they are about."""
        try:
            yield
        except WNetError as error:
            error.provider = error.provider or self.name
            error.filename = error.filename or name
            raise


def _check_installed() -> None:
    import shutil

    for program, package in (("sshfs", "sshfs"), ("ssh", "openssh-client")):
        if shutil.which(program) is None:
            raise WNetError(
                Status.ERROR_NOT_SUPPORTED,
                f"the program {program} is not there",
                hint=f"install it: apt install {package}",
            )


@dataclass(frozen=True, slots=True)
class _Attempt:
    """Making one connection. options: as read."""

    request: AddRequest
    ssh: SshHost
    options: Mapping[str, str]
    mountpoint: Path

    def log_on(self) -> str:
        """Try each way to log on; the user of the one with which it is mounted. Raises ``WNetError``."""
        refused = WNetError(Status.ERROR_LOGON_FAILURE)
        for logon in self._logons():
            try:
                self._mount(logon)
            except WNetError as error:
                if error.status is not Status.ERROR_LOGON_FAILURE:
                    raise
                refused = error
                continue
            if logon.password is not None:
                self.request.credentials.used(logon.user, logon.password)
            return str(logon.user)
        locked = [key for key in self.ssh.keys if sshconfig.needs_passphrase(key)]
        if locked:
            raise WNetError(
                Status.ERROR_NOT_SUPPORTED,
                f"{refused.strerror}, and sshfs has no way to give the passphrase of the key {locked[0]}",
                provider_text=refused.provider_text,
                hint=f"ssh-add {locked[0]}",
            )
        refused.hint = "give another password with --password-stdin, another user with --user"
        raise refused

    def _logons(self) -> Iterator[Logon]:
        """With a password given: that. Else whatever ssh has by itself, stored passwords, what a person types.

        Behind a proxy there is no password: it could be the proxy that asks for it.
        """
        credentials, default = self.request.credentials, self.ssh.user or local_user()
        if credentials.password is None or self.ssh.by_ssh:
            yield Logon(credentials.user or self.request.name.user or default)
        if not self.ssh.by_ssh:
            yield from by_password(self.request, _password_logon, default=default, guest=None)

    def _mount(self, logon: Logon) -> None:
        """Have sshfs mount; on any error nothing is mounted. Raises ``WNetError``, ERROR_LOGON_FAILURE for the next."""
        said = self._run(logon)
        if said is None:
            said = _refusal(self.mountpoint)
        if said is None:
            return
        failure = meaning(said, FAILURES, self._words(logon))
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
        with os.fdopen(os.memfd_create("sshfs"), "w+", errors="replace") as said:
            with subprocess.Popen(
                [*apart(), *self._command(logon)],
                stdin=subprocess.PIPE,
                stdout=said,
                stderr=said,  # which ssh keeps open for ever
                cwd="/",
                env={**os.environ, "SSH_ASKPASS_REQUIRE": "never"},
                start_new_session=True,
            ) as process:
                typed = f"{logon.password.reveal()}\n".encode() if logon.password is not None else None
                try:
                    process.communicate(typed, LIMIT)
                except BaseException as error:  # Ctrl-C, too
                    _clear(self.mountpoint)  # at once: what follows waits for its end
                    if isinstance(error, subprocess.TimeoutExpired):
                        raise WNetError(Status.ERROR_TIMEOUT, f"{self.ssh.host} does not answer") from None
                    raise
            said.seek(0)
            return None if process.returncode == 0 else said.read().removesuffix(_CUT).strip() or _CUT

    def _command(self, logon: Logon) -> list[str]:
        """The words of sshfs; all that is secret comes on its standard input."""
        name = self.request.name
        options = {**ALWAYS, "fsname": name.given, **(_BY_PASSWORD if logon.password is not None else _BY_KEY)}
        if self.options.get("read_only"):
            options["ro"] = ""
        if name.port is not None:
            options["port"] = str(name.port)
        if "known_hosts" in self.options:
            options |= {"UserKnownHostsFile": _path(self.options["known_hosts"]), "GlobalKnownHostsFile": "/dev/null"}
        elif not self.ssh.by_ssh:  # else it may stand under another name, in a file of its own
            options["UserKnownHostsFile"] = _path(hostkeys.default_files()[0])
        words = ["sshfs"]
        is_elsewhere = Path.home() != Path(pwd.getpwuid(os.getuid()).pw_dir)  # where ssh would look
        if is_elsewhere:
            file = sshconfig.config_file()
            words += ["-F", str(file) if file.exists() else "none"]
        if "key_file" in self.options:
            options |= {"IdentitiesOnly": "yes", "IdentityAgent": "none"}
        for each, value in options.items():
            words += ["-o", _escaped(f"{each}={value}" if value else each)]
        for key in self.ssh.keys if is_elsewhere or "key_file" in self.options else ():
            words += ["-o", _escaped(f"IdentityFile={_path(key)}")]
        host = f"[{name.host}]" if ":" in str(name.host) else name.host
        return [*words, "--", f"{logon.user}@{host}:{name.path}", str(self.mountpoint)]

    def _words(self, logon: Logon) -> Mapping[str, str]:
        name = self.request.name
        return {
            "network": "SFTP",
            "host": self.ssh.host,
            "port": str(self.ssh.port),
            "user": f"user {logon.user}",
            "path": name.path or "the home directory",
        }


def _password_logon(user: str, password: Secret) -> Logon:
    if not password.reveal().isprintable() or not password.reveal():
        raise WNetError(
            Status.ERROR_NOT_SUPPORTED, "sshfs types passwords on a terminal, which cannot be done with this one"
        )
    return Logon(user, password=password)


def _path(path: str | Path) -> str:
    """As ssh reads the path of a file: in quotes, and without variables."""
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%") + '"'


def _escaped(option: str) -> str:
    """As sshfs reads one that may have commas in it."""
    return option.replace("\\", "\\\\").replace(",", "\\,")


# -- processes and mounts ------------------------------------------------------------------------------------------


def _handle(mountpoint: Path) -> Mapping[str, Any]:
    """Who serves it: the oldest, since a child that becomes an ssh looks like it for a moment."""
    for pid, started in _serving(mountpoint).items():
        return {"pid": pid, "started": started, "mountpoint": str(mountpoint)}
    raise WNetError(Status.ERROR_EXTENDED_ERROR, "the mount went away at once")


def _refusal(mountpoint: Path) -> str | None:
    """Why the directory cannot be read, for which sshfs does not ask; None if it can."""
    try:
        with os.scandir(mountpoint) as entries:
            next(entries, None)
    except OSError as error:
        return error.strerror
    return None


def _mountpoint(mounted: Mounted) -> Path:
    known = mounted.handle.get("mountpoint")
    return Path(known) if known else mounts.real_path(mounted.mountpoint)


def _serving(mountpoint: Path) -> dict[int, int]:
    """The processes of sshfs that mount on *mountpoint*, or are about to, with when they began; the oldest first."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            words = (process / "cmdline").read_bytes().split(b"\0")[:-1]
            if (
                words[-1:] == [os.fsencode(mountpoint)]
                and b"sshfs" in words
                and (began := started_at(int(process.name)))
            ):
                found[int(process.name)] = began
    return dict(sorted(found.items(), key=lambda each: each[1]))


def _clear(mountpoint: Path) -> None:
    """Leave no sshfs behind, also if it is still connecting, and no mount."""
    for pid in _serving(mountpoint):
        for end in (os.killpg, os.kill):  # with ssh, where it is in its group; elsewhere it ends by itself
            with suppress(ProcessLookupError, PermissionError):
                end(pid, signal.SIGKILL)
    _wait_until(lambda: not _serving(mountpoint))
    _unmount(mountpoint)


def _unmount(mountpoint: Path) -> None:
    """Take away what is dead or of no use."""
    if mounts.is_mounted(mountpoint, KIND):
        mounts.unmount(mountpoint, lazily=True, kind=KIND)


def _wait_until(condition: Callable[[], bool]) -> None:
    """Wait, no longer than ``ENDING``."""
    deadline = monotonic() + ENDING
    while not condition() and monotonic() < deadline:
        sleep(0.005)
