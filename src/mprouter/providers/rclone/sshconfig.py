"""What ``~/.ssh/config`` says of a host, as ssh itself reads it, and the keys that are there to log on with."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from mprouter.frozen import frozen
from mprouter.processes import run
from mprouter.status import Status, WNetError

__all__ = ["SshHost", "agent_keys", "config_file", "look_up", "needs_passphrase", "public_half", "quoted"]

_DEFAULT_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")

_PATIENCE = 30
"""Seconds that ssh may take to read its configuration, for which it may run commands and ask name servers."""


@frozen
class SshHost:
    """How to reach and log on to a host. user: None = not said.

    keys: private keys that are there, or the public ones of an agent's keys, to be tried in this order. agent: the
    socket of the agent to ask. only_keys: of the agent's keys only those in *keys* (IdentitiesOnly). by_ssh: only ssh
    itself can get there, through a proxy or under another name in known_hosts.
    """

    host: str
    port: int
    user: str | None
    keys: tuple[Path, ...]
    agent: Path | None
    only_keys: bool = False
    by_ssh: bool = False


def config_file() -> Path:
    """The user's configuration of ssh."""
    return Path.home() / ".ssh" / "config"


def look_up(host: str, port: int | None, user: str | None) -> SshHost:
    """What the configuration says of *host*; *port* and *user* override it.

    Raises ``WNetError``: ERROR_BAD_CONFIGURATION if ssh cannot read it, ERROR_TIMEOUT if that takes it too long.
    """
    agent = os.environ.get("SSH_AUTH_SOCK")
    if not config_file().exists():
        keys = tuple(_existing((str(Path.home() / ".ssh" / name) for name in _DEFAULT_KEYS), has_agent=bool(agent)))
        return SshHost(host, port or 22, user, keys, Path(agent) if agent else None)
    said = _said(host, port, user)
    if said.get("identityagent", [agent])[-1] != "SSH_AUTH_SOCK":
        agent = said.get("identityagent", [agent])[-1]
    if agent and agent.startswith("$"):  # of this form alone ssh -G says what stands in the file
        agent = os.environ.get(agent[1:])
    if agent == "none":
        agent = None
    words = _words(said, host)
    proxied = any(said.get(key, ["none"]) != ["none"] for key in ("proxyjump", "proxycommand"))
    return SshHost(
        said["hostname"][0],
        int(said["port"][0]),
        said["user"][0],
        tuple(_existing((_expanded(each, words) for each in said.get("identityfile", [])), has_agent=bool(agent))),
        Path(agent).expanduser() if agent else None,
        only_keys=said.get("identitiesonly") == ["yes"],
        by_ssh=proxied or "hostkeyalias" in said,
    )


def agent_keys(agent: Path | None) -> list[bytes]:
    """The public halves of the keys that the agent behind the socket *agent* has; none if there is none."""
    if agent is None:
        return []
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            connection.connect(str(agent))
            connection.sendall(b"\x00\x00\x00\x01\x0b")  # SSH_AGENTC_REQUEST_IDENTITIES
            with connection.makefile("rb") as answer:
                said = answer.read(int.from_bytes(answer.read(4)))
    except OSError:
        return []
    if said[:1] != b"\x0c":  # SSH_AGENT_IDENTITIES_ANSWER
        return []
    keys, rest = [], said[5:]  # after how many they are
    while rest:
        key, rest = _string(rest)
        _, rest = _string(rest)  # a comment
        keys.append(key)
    return keys


def _string(said: bytes) -> tuple[bytes, bytes]:
    """The string, as SSH writes it, that *said* begins with, and what follows."""
    end = 4 + int.from_bytes(said[:4])
    return said[4:end], said[end:]


def public_half(key: Path) -> bytes | None:
    """The public key beside the private one in the file *key*, None if there is none to be read."""
    import base64

    try:
        words = key.with_name(f"{key.name}.pub").read_text(encoding="utf-8", errors="replace").split()
        return base64.b64decode(words[1])
    except (OSError, ValueError, IndexError):
        return None


def needs_passphrase(key: Path) -> bool:
    """Whether the private key in the file *key* is encrypted."""
    import base64

    lines = key.read_text(encoding="utf-8", errors="replace").splitlines()
    if any("ENCRYPTED" in line for line in lines[:3]):
        return True
    if not lines or "OPENSSH PRIVATE KEY" not in lines[0]:
        return False
    try:
        head = base64.b64decode("".join(lines[1:3]))
    except ValueError:
        return False
    size = int.from_bytes(head[15:19])  # after "openssh-key-v1\0" stands the name of the cipher
    return head[19 : 19 + size] != b"none"


def quoted(path: str | Path) -> str:
    """As ssh reads the path of a file: in quotes, and without variables."""
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%") + '"'


def _said(host: str, port: int | None, user: str | None) -> dict[str, list[str]]:
    import subprocess

    command = ["ssh", "-G", "-F", str(config_file())]
    command += ["-p", str(port)] if port else []
    command += ["-l", user] if user else []
    try:
        ran = run([*command, "--", host], timeout=_PATIENCE, apart=True)  # with what it waits for
    except subprocess.TimeoutExpired:
        raise WNetError(
            Status.ERROR_TIMEOUT,
            f"ssh has not read its configuration within {_PATIENCE} seconds",
            name=str(config_file()),
            hint="see what it waits for, as a command after Match exec, or a name server for CanonicalizeHostname",
        ) from None
    except FileNotFoundError:
        raise WNetError(
            Status.ERROR_SERVICE_NOT_FOUND,
            "the program ssh is not there",
            hint="install it: apt install openssh-client",
        ) from None
    if ran.returncode != 0:
        raise WNetError(
            Status.ERROR_BAD_CONFIGURATION,
            f"ssh cannot read its configuration: {ran.stderr.strip()}",
            name=str(config_file()),
        )
    said: dict[str, list[str]] = {}
    for line in ran.stdout.splitlines():
        key, _, value = line.partition(" ")
        said.setdefault(key, []).append(value)
    return said


def _words(said: Mapping[str, list[str]], host: str) -> dict[str, str]:
    """What stands for the letters after ``%`` (ssh_config(5), TOKENS), of which ssh -G leaves those of IdentityFile."""
    from mprouter.providers.rclone.logons import local_user

    return {
        "%": "%",
        "d": str(Path.home()),
        "h": said["hostname"][0],
        "i": str(os.getuid()),
        "k": said.get("hostkeyalias", said["hostname"])[0],
        "L": socket.gethostname().partition(".")[0],
        "l": socket.gethostname(),
        "n": host,
        "p": said["port"][0],
        "r": said["user"][0],
        "u": local_user(),
    }


def _expanded(name: str, words: Mapping[str, str]) -> str:
    """The *name* of a file as ssh reads it, with what it does not know left as it is."""

    def value(found: re.Match[str]) -> str:
        known = words.get(found["letter"]) if found["letter"] else os.environ.get(found["variable"])
        return found[0] if known is None else known

    return re.sub(r"%(?P<letter>.)|\$\{(?P<variable>\w+)\}", value, name)


def _existing(names: Iterable[str], *, has_agent: bool) -> Iterator[Path]:
    """The files that are there, without keys in hardware, which only ssh and the agent can use.

    Where a private key is not there, the public one beside it tells the agent, if there is one, which is meant, as with
    ssh.
    """
    for name in names:
        path = Path(name).expanduser()
        for each in (path, path.with_name(f"{path.name}.pub")) if has_agent else (path,):
            if not name.endswith("_sk") and each.is_file() and os.access(each, os.R_OK):
                yield each
                break
