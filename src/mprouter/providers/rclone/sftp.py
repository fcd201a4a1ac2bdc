"""SFTP: host keys are always verified; keys, the agent, ``~/.ssh/config`` and passwords work as ssh users expect."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

from mprouter import places
from mprouter.credentials import Secret
from mprouter.frozen import frozen
from mprouter.names import RemoteName
from mprouter.providers.base import AddRequest
from mprouter.providers.rclone import accepted, hostkeys, sshconfig
from mprouter.providers.rclone.daemon import Daemon
from mprouter.providers.rclone.failures import BROKEN_OFF, Failure
from mprouter.providers.rclone.hostkeys import HostKey
from mprouter.providers.rclone.logons import Logon, by_stored, by_typed, local_user
from mprouter.providers.rclone.options import Option, existing_file
from mprouter.providers.rclone.program import AGENT_SOCKET
from mprouter.providers.rclone.provider import Probe, RcloneProvider, Target
from mprouter.providers.rclone.reach import reach, resolve
from mprouter.providers.rclone.sshconfig import SshHost
from mprouter.resource import NetResource, ResourceScope
from mprouter.status import Status, WNetError

if TYPE_CHECKING:
    from subprocess import Popen

__all__ = ["Sftp", "accept_host_key", "ask", "changed"]

TRIED = 3
"""How many of an agent's keys each server tries before it breaks off, as one does that is set up to be strict."""


@frozen
class SftpTarget(Target):
    """A directory on an SSH server. user: who is to log on, unless another's password is stored. keys: as recorded."""

    ssh: SshHost = field(kw_only=True)
    user: str = field(kw_only=True)
    keys: tuple[HostKey, ...] = ()


class Sftp(RcloneProvider):
    r"""``sftp://``, and ``\\sshfs\user@host``."""

    name = "sftp"
    title = "SFTP"
    backend = "sftp"
    retries = 1  # OpenSSH counts attempts against whoever makes many
    services: ClassVar[Mapping[str, str]] = {"_sftp-ssh._tcp": "sftp"}
    options: ClassVar[Mapping[str, Option]] = {
        "known_hosts": Option("the file with the host keys to trust, instead of ~/.ssh/known_hosts", existing_file),
        "key_file": Option("the private key to log on with, instead of those in ~/.ssh", existing_file),
    }
    failures = (
        Failure(
            "unable to authenticate|unexpected message type 51|no supported methods remain|too many authentication",
            Status.ERROR_LOGON_FAILURE,
            "{user} is not accepted",
        ),
        Failure(
            "knownhosts: key is revoked|host key is revoked|marked as revoked",
            Status.ERROR_MUTUAL_AUTH_FAILED,
            "the host key of {host} is marked as revoked",
        ),
        Failure(
            "knownhosts|no common algorithm for host key|certificate-authority|host certificate|no authorities"
            "|host key verification failed|no matching host key type",
            Status.ERROR_MUTUAL_AUTH_FAILED,
            "the host key of {host} is not the recorded one",
        ),
        Failure(
            "decryption password incorrect|passphrase protected|incorrect passphrase",
            Status.ERROR_INVALID_PASSWORD,
            "the password does not open the private key",
        ),
        Failure(
            "agent: (?:failed to sign|client error|generic server failure)",
            Status.ERROR_LOGON_FAILURE,
            "the SSH agent does not log on with a key that {host} accepts",
            "unlock the agent, insert its card or confirm what it asks, or give a password with --password-stdin",
        ),
        Failure(
            "private key not found in the ssh-agent|ssh-agent|ssh agent|private key file|public key file|cert file",
            Status.ERROR_LOGON_FAILURE,
            "a private key cannot be used: {said}",
        ),
        Failure(
            "packet length|overflow reading version|MAC failure",
            Status.ERROR_UNEXP_NET_ERR,
            "{listener} does not speak SSH",
        ),
        Failure("connection lost", Status.ERROR_TIMEOUT, "{host} does not answer any more"),
        replace(
            BROKEN_OFF,
            pattern="couldn't initialise SFTP: (?:EOF|.*(?:channel open: <nil>|connection reset|broken pipe))",
        ),
        Failure(
            "server unexpectedly closed connection",
            Status.ERROR_UNEXP_NET_ERR,
            "{listener} speaks SSH, but breaks off as it is asked for SFTP",
            "try again; if that does not help, it offers none",
        ),
        Failure(
            "subsystem request failed|couldn't initialise SFTP",
            Status.ERROR_UNEXP_NET_ERR,
            "{host} speaks SSH, but offers no SFTP",
        ),
    )

    def target(self, request: AddRequest, options: Mapping[str, str]) -> SftpTarget:
        """Find out who the server is, and have its host key."""
        name = request.name
        ssh = sshconfig.look_up(str(name.host), name.port, request.credentials.user or name.user)
        files = [Path(options["known_hosts"])] if "known_hosts" in options else hostkeys.default_files()
        if "key_file" in options:
            ssh = SshHost(ssh.host, ssh.port, ssh.user, (Path(options["key_file"]),), None, by_ssh=ssh.by_ssh)
        keys: tuple[HostKey, ...] = ()
        if ssh.by_ssh:
            settings = {"known_hosts_file": "none", "ssh": _listed(_ssh_command(ssh, name, options))}
            _check_by_ssh(_ssh_command(ssh, name, options))
        else:
            resolve(ssh.host, ssh.port)
            keys = tuple(hostkeys.recorded(ssh.host, ssh.port, files)) or ask(request, ssh, files[0])
            settings = {
                "host": f"[{ssh.host}]" if ":" in ssh.host else ssh.host,
                "port": str(ssh.port),
                "known_hosts_file": str(hostkeys.pin(ssh.host, ssh.port, keys)),
                "host_key_algorithms": " ".join(hostkeys.algorithms(keys)),
            }
        # Otherwise rclone would run commands on the server to find out about its shell and checksums.
        settings |= {"shell_type": "none", "disable_hashcheck": "true"}
        return SftpTarget(
            name=name,
            host=ssh.host,
            port=ssh.port,
            root=name.path,
            shown=name.path or "the home directory",
            settings=settings,
            read_only=bool(options.get("read_only")),
            ssh=ssh,
            user=request.credentials.user or name.user or ssh.user or local_user(),
            keys=keys,
        )

    def logons(self, request: AddRequest, target: Target) -> Iterator[Logon]:
        """With a password given: that, to the server or to open a key. Else the agent, passwords, and all other keys.

        The way that worked last goes before all others, since the server may count those that it refuses; but for a
        key that the request names.
        """
        known = cast("SftpTarget", target)
        ssh, user = known.ssh, known.user
        if ssh.by_ssh:
            yield Logon(user)
            return
        locked = [key for key in ssh.keys if sshconfig.needs_passphrase(key)]
        last = accepted.last_way(ssh.host, ssh.port, user)
        locked.sort(key=lambda key: str(key) != last)
        secrets = _Secrets(request, user, locked, last)
        if (given := request.credentials.password) is not None:
            yield from secrets.given(given)
            return
        keys = sorted(_by_key(ssh, user), key=lambda logon: logon.way != last)
        is_secret = "key_file" not in request.options and last in {accepted.PASSWORD, *map(str, locked)}
        first, others = ([], keys) if is_secret else (keys[:1], keys[1:])
        yield from first
        yield from secrets.stored()
        yield from _likely(others, known)
        yield from secrets.typed(partial(self._check_host_key, target, user))

    def log_on(
        self, rclone: Daemon, request: AddRequest, target: Target, ways: Iterable[Logon], probe: Probe | None = None
    ) -> tuple[str, Logon]:
        """Of several at once, let one find out which way the server accepts."""
        known = cast("SftpTarget", target)
        ssh = known.ssh
        if ssh.by_ssh or request.credentials.password is not None:
            return super().log_on(rclone, request, target, ways, probe)
        with accepted.finding_out(ssh.host, ssh.port, known.user) as is_found:
            likelier = self.logons(request, target) if is_found else ways
            return super().log_on(rclone, request, target, likelier, probe)

    def accepted(self, target: Target, logon: Logon) -> None:
        """Remember the way."""
        if logon.way and isinstance(target, SftpTarget):
            accepted.remember(target.ssh.host, target.ssh.port, target.user, logon.way)

    def _check_host_key(self, target: Target, user: str) -> None:
        """Raise ``WNetError`` if the server is not there or has other keys: no password is to be typed for that one.

        This costs connections, which are made for a person only: else rclone finds it out as it logs on.
        """
        host, port = str(target.host), int(target.port or 22)
        reach(host, port).close()
        said = hostkeys.refusal(host, port, user, Path(target.settings["known_hosts_file"]))
        if said is not None:
            raise self.failed(said, target, Logon(user))

    def near(self, scope: ResourceScope) -> Iterator[NetResource]:
        """The hosts that ``~/.ssh/config`` names, and those that announce themselves."""
        from mprouter.providers.neighbourhood.ssh_hosts import ssh_hosts
        from mprouter.providers.rclone.browsing.browse import named

        for each in ssh_hosts(sshconfig.config_file()):
            yield from named(self, f"sftp://{each}", scope)
        yield from super().near(scope)

    def servers(self, name: RemoteName) -> list[tuple[str, int]]:
        """As ``~/.ssh/config`` says; what ssh alone can get to cannot be measured."""
        ssh = sshconfig.look_up(str(name.host), name.port, name.user)
        return [] if ssh.by_ssh else [(ssh.host, ssh.port)]

    def failed(self, text: str, target: Target, logon: Logon) -> WNetError:
        """Add where the recorded keys stand to what is said of a changed one, and why a server breaks off at once."""
        error = super().failed(text, target, logon)
        if error.status is Status.ERROR_UNEXP_NET_ERR and "handshake failed" in text and target.host and target.port:
            return hostkeys.barred(target.host, target.port) or error
        if error.status is Status.ERROR_MUTUAL_AUTH_FAILED and isinstance(target, SftpTarget):
            return changed(str(error.strerror), target.ssh, target.keys, text)
        return error


def ask(request: AddRequest, ssh: SshHost, file: Path) -> tuple[HostKey, ...]:
    """Have a person look at the keys of a server that is not known, and record them.

    Raises ``WNetError``: ERROR_MUTUAL_AUTH_FAILED without their consent, and what keeps the server from telling keys.
    """
    reach(ssh.host, ssh.port).close()
    keys = hostkeys.offered(ssh.host, ssh.port)
    shown = "\n".join(f"  {each.fingerprint} ({each.type})" for each in keys)
    if request.conversation is not None and request.conversation.confirm(
        f"The SSH server {ssh.host} is not known. It has the host keys\n{shown}\nIs it the right one?"
    ):
        hostkeys.record(ssh.host, ssh.port, keys, file)
        return tuple(keys)
    import shlex

    elsewhere = [] if file == hostkeys.default_files()[0] else ["--known-hosts", str(file)]
    accept = shlex.join(["mpr", "hostkey", "accept", request.name.given, keys[0].fingerprint, *elsewhere])
    raise WNetError(
        Status.ERROR_MUTUAL_AUTH_FAILED,
        f"the SSH server {ssh.host} is not known; it has the host keys "
        + ", ".join(f"{each.fingerprint} ({each.type})" for each in keys),
        hint=f"if that is right: {accept}",
    )


def changed(what: str, ssh: SshHost, keys: Sequence[HostKey], text: str) -> WNetError:
    """The error for a server that has not proved itself with one of the recorded *keys*; *text*: as it was told."""
    recorded = ", ".join(each.place for each in keys)
    file = keys[0].place.rpartition(":")[0] if keys else ""
    address = f"[{ssh.host}]:{ssh.port}" if ssh.port != 22 else ssh.host
    return WNetError(
        Status.ERROR_MUTUAL_AUTH_FAILED,
        f"{what}: somebody may be listening in, or the server has got a new key; the old one is in {recorded}",
        provider_text=text,
        hint=f"only if you know that the server has a new key: ssh-keygen -R '{address}' -f {file}",
    )


def accept_host_key(name: RemoteName, fingerprint: str, known_hosts: Path | None = None) -> HostKey:
    """Record the host key with *fingerprint* for the server of *name*, if it has that key; see ``hostkeys.accept``."""
    ssh = sshconfig.look_up(str(name.host), name.port, name.user)
    resolve(ssh.host, ssh.port)
    reach(ssh.host, ssh.port).close()
    return hostkeys.accept(ssh.host, ssh.port, fingerprint, known_hosts)


def _by_key(ssh: SshHost, user: str) -> Iterator[Logon]:
    """With the agent's keys, and with those that are in files for everybody to read who may read the file."""
    held = sshconfig.agent_keys(ssh.agent)
    if held:
        _lead_to(ssh.agent)
        if not ssh.only_keys:
            yield _logon(user, "the agent", key_use_agent="true")
        for key in ssh.keys if ssh.only_keys else ():
            yield _logon(user, f"the agent, {key}", key_use_agent="true", key_file=str(key))
    for key in ssh.keys:
        is_agents = ssh.agent is not None and key.suffix == ".pub"
        is_tried = sshconfig.public_half(key) in (held if ssh.only_keys else held[:TRIED])
        if not is_agents and not is_tried and not sshconfig.needs_passphrase(key):
            yield _logon(user, str(key), key_file=str(key))


def _likely(logons: Sequence[Logon], target: SftpTarget) -> Iterator[Logon]:
    """Those of *logons* by a key that the server may accept: of two files and more it is asked with one connection."""
    files = [Path(each.way) for each in logons if each.settings.keys() == {"user", "key_file"}]
    likely = files
    if len(files) > 1:
        likely = accepted.of_keys(target.ssh.host, target.ssh.port, target.user, files, target.settings)
    yield from (each for each in logons if Path(each.way) not in files or Path(each.way) in likely)


@frozen
class _Secrets:
    """Logging on with passwords, each of which may also be the passphrase of a key. last: the way that worked last."""

    request: AddRequest
    user: str
    locked: Sequence[Path]
    last: str

    def given(self, password: Secret) -> Iterator[Logon]:
        """With the password of the call."""
        return self._each([self._new(self.user, password)])

    def stored(self) -> Iterator[Logon]:
        """With those that are stored."""
        return self._each(by_stored(self.request, partial(_password_logon, accepted.PASSWORD), self.user))

    def typed(self, before_asking: Callable[[], None]) -> Iterator[Logon]:
        """With what a person types. Raises ``WNetError`` if there is nobody, and a key needs a passphrase."""
        known = bool(self.request.credentials.handed_out)
        for logon in self._each(by_typed(self.request, self._new, self.user, before_asking)):
            known = True
            yield logon
        if self.locked and not known:
            raise WNetError(
                Status.ERROR_LOGON_FAILURE,
                f"no password is known for {self.user}, and the key {self.locked[0]} needs its passphrase",
                hint=f"ssh-add {self.locked[0]}, or give password or passphrase with --password-stdin",
            )

    def _new(self, user: str, password: Secret) -> Logon:
        return _password_logon(accepted.PASSWORD if self.request.credentials.save else "", user, password)

    def _each(self, logons: Iterable[Logon]) -> Iterator[Logon]:
        named = self.request.options.get("key_file")
        both = {} if named is None or self.locked else {"key_file": named}  # a server may want key and password
        for logon in logons:
            passphrase = {"key_file_pass": logon.obscured["pass"]}
            keys = [
                replace(logon, settings={**logon.settings, "key_file": str(key)}, obscured=passphrase, way=str(key))
                for key in self.locked
            ]
            is_keys = bool(keys) and keys[0].way == self.last
            yield from keys[:is_keys]
            yield replace(logon, settings={**logon.settings, **both})
            yield from keys[is_keys:]


def _logon(user: str, way: str, **settings: str) -> Logon:
    return Logon(user, {"user": user, **settings}, way=way)


def _password_logon(way: str, user: str, password: Secret) -> Logon:
    return Logon(user, {"user": user}, obscured={"pass": password}, password=password, way=way)


def _lead_to(agent: Path | None) -> None:
    """Point the name under which rclone knows the SSH agent to the one of this process."""
    link = places.private(places.runtime_dir()) / AGENT_SOCKET
    new = link.with_name(f".{link.name}.{os.getpid()}-{threading.get_ident()}")
    new.unlink(missing_ok=True)
    new.symlink_to(str(agent))
    new.replace(link)


# -- hosts that only ssh itself can reach --------------------------------------------------------------------------


def _ssh_command(ssh: SshHost, name: RemoteName, options: Mapping[str, str]) -> list[str]:
    command = ["ssh", "-F", str(sshconfig.config_file()), "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes"]
    command += ["-o", "ServerAliveInterval=30", "-o", f"Port={ssh.port}"]
    command += ["-o", f"User={ssh.user}"] if ssh.user else []
    for keyword, option in (("UserKnownHostsFile", "known_hosts"), ("IdentityFile", "key_file")):
        command += ["-o", f"{keyword}={sshconfig.quoted(options[option])}"] if option in options else []
    return [*command, str(name.host)]


def _listed(command: list[str]) -> str:
    """*command* as rclone reads a list: fields with spaces in quotes."""
    return " ".join('"' + each.replace('"', '""') + '"' if " " in each or '"' in each else each for each in command)


_SSH_SAYS = (
    ("host key verification failed|no .* host key is known", Status.ERROR_MUTUAL_AUTH_FAILED),
    ("permission denied", Status.ERROR_LOGON_FAILURE),
    ("could not resolve|name or service not known", Status.WSAHOST_NOT_FOUND),
    ("connection refused", Status.ERROR_CONNECTION_REFUSED),
    ("no route to host", Status.ERROR_HOST_UNREACHABLE),
    ("network is unreachable", Status.ERROR_NETWORK_UNREACHABLE),
    ("timed out", Status.ERROR_TIMEOUT),
)


def _check_by_ssh(command: list[str]) -> None:
    """Let ssh begin an SFTP session, since rclone would not tell why it cannot."""
    import re
    import signal
    import subprocess
    from threading import Timer

    with subprocess.Popen(
        [*command[:-1], "-o", "ConnectTimeout=10", "-s", "--", command[-1], "sftp"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        end = partial(os.killpg, process.pid, signal.SIGKILL)  # with its proxy, which may be many processes
        late = Timer(60, end)
        late.start()
        try:
            answer = _begun(process)
        finally:
            late.cancel()
            end()
        assert process.stderr is not None  # noqa: S101 - a pipe
        said = process.stderr.read().decode(errors="replace").strip()
    if answer[4:5] == b"\x02":  # SSH_FXP_VERSION
        return
    for pattern, status in _SSH_SAYS:
        if re.search(pattern, said, re.IGNORECASE):
            raise WNetError(status, f"ssh reports: {said}", provider_text=said, hint="try: " + _listed(command))
    raise WNetError(Status.ERROR_EXTENDED_ERROR, f"ssh reports: {said or 'nothing'}", provider_text=said)


def _begun(process: Popen[bytes]) -> bytes:
    """What the server answers to the beginning of an SFTP session; nothing if ssh ends."""
    assert process.stdin is not None  # noqa: S101 - they are pipes
    assert process.stdout is not None  # noqa: S101
    with suppress(BrokenPipeError):  # not by the buffer, which would be written once more at the end
        os.write(process.stdin.fileno(), b"\x00\x00\x00\x05\x01\x00\x00\x00\x03")  # SSH_FXP_INIT, version 3
    return process.stdout.read(5)
