"""SSH host keys: which are known, which a server offers, and accepting one.

rclone is never left to decide: it gets a file with just the keys that are known for one server. ``~/.ssh/known_hosts``
is the user's, shared with ssh, and only appended to, after a person agreed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path

from mprouter import places
from mprouter.frozen import frozen
from mprouter.processes import run
from mprouter.providers.rclone.reach import reach
from mprouter.status import Status, WNetError, unwritten

__all__ = [
    "HostKey",
    "accept",
    "algorithms",
    "barred",
    "default_files",
    "offered",
    "pin",
    "record",
    "recorded",
    "refusal",
    "said_by_ssh",
]

_SIGNATURES = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}
"""What a key of a type signs with, where that is not named like the type."""

_TYPES = "ed25519,ecdsa,rsa"
"""What to ask a server for: newer ssh-keyscans ask for others too, with a connection each, which count: ``barred``."""

_CERTIFIED = (
    "ssh-ed25519-cert-v01@openssh.com",
    "ecdsa-sha2-nistp256-cert-v01@openssh.com",
    "rsa-sha2-512-cert-v01@openssh.com",
    "rsa-sha2-256-cert-v01@openssh.com",
)


@frozen
class HostKey:
    """A server's public key. marker: "", ``@cert-authority`` or ``@revoked``. place: ``FILE:LINE`` where recorded."""

    type: str
    key: str
    marker: str = ""
    place: str = ""

    @property
    def fingerprint(self) -> str:
        """``SHA256:...`` as ssh shows it."""
        import base64
        import hashlib

        digest = hashlib.sha256(base64.b64decode(self.key)).digest()
        return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def default_files() -> list[Path]:
    """Where ssh looks for known keys; the first is the one that is written to."""
    return [Path.home() / ".ssh" / "known_hosts", Path("/etc/ssh/ssh_known_hosts")]


def recorded(host: str, port: int, files: Iterable[Path]) -> list[HostKey]:
    """The keys that *files* have for a server. Raises ``WNetError`` (ERROR_ACCESS_DENIED) if one cannot be read."""
    found: list[HostKey] = []
    for file in files:
        try:
            lines = file.read_text(errors="replace").splitlines()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise WNetError(
                Status.ERROR_ACCESS_DENIED, f"{file} cannot be read: {error.strerror}", name=str(file)
            ) from error
        for number, line in enumerate(lines, 1):
            found += _read(line, _address(host, port), f"{file}:{number}")
    return found


def offered(host: str, port: int) -> list[HostKey]:
    """The keys that a server offers now. Raises ``WNetError`` if none can be had."""
    import subprocess

    try:
        ran = run(["ssh-keyscan", "-t", _TYPES, "-T", "10", "-p", str(port), "--", host], timeout=60)
    except FileNotFoundError:
        raise WNetError(
            Status.ERROR_SERVICE_NOT_FOUND,
            "the program ssh-keyscan is not there",
            hint="install it: apt install openssh-client",
        ) from None
    except subprocess.TimeoutExpired:
        raise WNetError(Status.ERROR_TIMEOUT, f"{host} does not tell its host keys") from None
    lines = [line.split(" ", 2) for line in ran.stdout.splitlines() if not line.startswith("#")]
    keys = sorted(
        (HostKey(kind, key) for _, kind, key in lines), key=lambda each: (each.type != "ssh-ed25519", each.type)
    )
    if not keys:
        if error := barred(host, port):
            raise error
        status, why = Status.ERROR_UNEXP_NET_ERR, f"what answers on port {port} of {host} does not speak SSH"
        if not ran.stderr or "timed out" in ran.stderr:
            status, why = Status.ERROR_TIMEOUT, f"{host} says nothing on port {port}"
        raise WNetError(status, why, provider_text=ran.stderr.strip()[-500:])
    return keys


def barred(host: str, port: int) -> WNetError | None:
    """The error for a server that breaks off since it lets nobody in from this address for now; None if it is not.

    OpenSSH does so from 9.8 on: each failed logon counts for 5 seconds, each connection without one for 1 second, and
    from 15 on it says so in place of its version until they are over. Who is there finds out with one connection.
    """
    with suppress(WNetError, OSError), reach(host, port, 3) as connection:
        if connection.recv(64).startswith(b"Not allowed at this time"):
            return WNetError(
                Status.ERROR_UNEXP_NET_ERR,
                f"the SSH server {host} lets nobody in from this address for now, as after failed logons",
                hint="wait a minute, and try again; its sshd_config says how long that lasts: PerSourcePenalties",
            )
    return None


def accept(host: str, port: int, fingerprint: str, file: Path | None = None) -> HostKey:
    """Record the key with *fingerprint* (``SHA256:...``) for a server, if it is what the server offers now.

    file: None = ``~/.ssh/known_hosts``. Raises ``WNetError``: ERROR_MUTUAL_AUTH_FAILED if the server has no such key or
    another one of that type is recorded, and those of ``offered`` and ``record``.
    """
    file = file or default_files()[0]
    keys = offered(host, port)
    key = next((each for each in keys if each.fingerprint == fingerprint), None)
    if key is None:
        raise WNetError(
            Status.ERROR_MUTUAL_AUTH_FAILED,
            f"{host} has no host key {fingerprint}; it has {', '.join(each.fingerprint for each in keys)}",
        )
    for known in recorded(host, port, [file]):
        if known.key == key.key and not known.marker:
            return known
        if known.type == key.type and not known.marker:
            raise WNetError(
                Status.ERROR_MUTUAL_AUTH_FAILED,
                f"another host key of {host} is recorded in {known.place}",
                hint=f"if the server really has a new one: ssh-keygen -R '{_address(host, port)}' -f {file}",
            )
    record(host, port, [key], file)
    return key


def record(host: str, port: int, keys: Sequence[HostKey], file: Path) -> None:
    """Append *keys* to *file*, which is made if it is missing. Raises ``WNetError`` (ERROR_ACCESS_DENIED, …)."""
    text = "".join(f"{_address(host, port)} {each.type} {each.key}\n" for each in keys)
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _append(file, text.encode())
    except OSError as error:
        status, hint = unwritten(error, Status.ERROR_WRITE_FAULT)
        words = f"the host key cannot be recorded: {error.strerror}"
        raise WNetError(status, words, name=str(file), hint=hint) from error


def _append(file: Path, lines: bytes) -> None:
    """Append *lines*, all of them or nothing. Raises ``OSError``."""
    import errno
    import os

    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "r+b", buffering=0) as stream:
        end = stream.seek(0, os.SEEK_END)
        if end and (stream.seek(-1, os.SEEK_END), stream.read(1))[1] != b"\n":
            lines = b"\n" + lines
        if stream.write(lines) != len(lines):
            stream.truncate(end)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), file)


def pin(host: str, port: int, keys: Sequence[HostKey]) -> Path:
    """Write *keys* to a private file with nothing else in it, for rclone to verify the server with.

    Other keys make another file: a session that was opened with these is not used when others are known.
    """
    import hashlib
    import os
    import threading

    directory = places.private(places.runtime_dir() / "known_hosts")
    address = _address(host, port)
    lines = [f"{each.marker} {address} {each.type} {each.key}".lstrip() + "\n" for each in keys]
    text = "".join(sorted(lines)).encode()
    file = directory / hashlib.sha256(text).hexdigest()[:16]
    if not file.exists():
        new = file.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
        new.write_bytes(text)
        new.replace(file)
    return file


def refusal(host: str, port: int, user: str, file: Path) -> str | None:
    """What ssh says of a server that proves itself with none of the keys in *file*, made by ``pin``; None if it does.

    No way to log on is tried. None also if ssh cannot tell, or has no way to be told of the file.
    """
    if "${" in str(file):
        return None
    options = [("LogLevel", "ERROR"), ("PreferredAuthentications", "none")]
    said = said_by_ssh(host, port, user, file, options) or ""
    return said if "Host key verification failed" in said or "no matching host key type" in said else None


def said_by_ssh(host: str, port: int, user: str, file: Path, options: Iterable[tuple[str, str]]) -> str | None:
    """What ssh says as it logs on with *options* and asks for SFTP; None if it is not there, or takes too long.

    file: with the server's keys, without a variable in its name.
    """
    import subprocess

    from mprouter.providers.rclone.sshconfig import quoted

    always = {
        "BatchMode": "yes",
        "CheckHostIP": "no",
        "ConnectTimeout": "10",
        "GlobalKnownHostsFile": "/dev/null",
        "NoHostAuthenticationForLocalhost": "no",
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": quoted(file),
    }
    words = [word for key, value in (*always.items(), *options) for word in ("-o", f"{key}={value}")]
    try:
        ran = subprocess.run(
            ["ssh", "-F", "none", *words, "-p", str(port), "-l", user, "-s", "--", host, "sftp"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            timeout=20,
            check=False,
        )
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return None
    return ran.stderr.strip()


def algorithms(keys: Iterable[HostKey]) -> list[str]:
    """What to ask the server to prove itself with, so that it is a key that can be verified."""
    asked: list[str] = []
    for each in keys:
        if each.marker == "@cert-authority":
            asked = [*_CERTIFIED, *asked]
        elif not each.marker:
            asked += _SIGNATURES.get(each.type, (each.type,))
    return list(dict.fromkeys(asked))


def _address(host: str, port: int) -> str:
    """How a server is written in the files."""
    return host if port == 22 else f"[{host}]:{port}"


def _read(line: str, address: str, place: str) -> Iterator[HostKey]:
    fields = line.split()
    marker = fields.pop(0) if fields and fields[0].startswith("@") else ""
    if len(fields) >= 3 and not fields[0].startswith("#") and _matches(fields[0], address):
        yield HostKey(fields[1], fields[2], marker, place)


def _matches(patterns: str, address: str) -> bool:
    """Whether a line is for *address*: its first field is a hash, or patterns of which none with ! may match."""
    if patterns.startswith("|1|"):
        return _is_hash_of(patterns, address)
    matched = False
    for pattern in patterns.lower().split(","):
        # brackets are part of an address here, not of a pattern
        if fnmatchcase(address, pattern.removeprefix("!").replace("[", "[[]")):
            if pattern.startswith("!"):
                return False
            matched = True
    return matched


def _is_hash_of(field: str, address: str) -> bool:
    import base64
    import hashlib
    import hmac

    try:
        _, _, salt, digest = field.split("|")
        made = hmac.new(base64.b64decode(salt), address.encode(), hashlib.sha1).digest()
        return hmac.compare_digest(made, base64.b64decode(digest))
    except ValueError:
        return False
