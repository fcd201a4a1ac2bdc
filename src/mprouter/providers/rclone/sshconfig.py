"""What ``~/.ssh/config`` says of a host, as ssh itself reads it, and the keys that are there to log on with."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path

from mprouter.frozen import frozen
from mprouter.processes import run
from mprouter.status import Status, WNetError

__all__ = ["SshHost", "agent_keys", "config_file", "look_up", "needs_passphrase", "quoted"]

_DEFAULT_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")


@frozen
class SshHost:
    """How to reach and log on to a host. user: None = not said.

    keys: private keys that are there, to be tried in this order. agent: the socket of the agent to ask. only_keys: of
    the agent's keys only those in *keys* (IdentitiesOnly). by_ssh: only ssh itself can get there, through a proxy or
    under another name in known_hosts.
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

    Raises ``WNetError`` (ERROR_BAD_CONFIGURATION) if ssh cannot read it.
    """
    agent = os.environ.get("SSH_AUTH_SOCK")
    if not config_file().exists():
        keys = tuple(_existing(str(Path.home() / ".ssh" / name) for name in _DEFAULT_KEYS))
        return SshHost(host, port or 22, user, keys, Path(agent) if agent else None)
    said = _said(host, port, user)
    if said.get("identityagent", [agent])[-1] != "SSH_AUTH_SOCK":
        agent = said.get("identityagent", [agent])[-1]
    proxied = any(said.get(key, ["none"]) != ["none"] for key in ("proxyjump", "proxycommand"))
    return SshHost(
        said["hostname"][0],
        int(said["port"][0]),
        said["user"][0],
        tuple(_existing(said.get("identityfile", []))),
        Path(agent).expanduser() if agent and agent != "none" else None,
        only_keys=said.get("identitiesonly") == ["yes"],
        by_ssh=proxied or "hostkeyalias" in said,
    )


def agent_keys(agent: Path | None) -> int:
    """How many keys the agent behind the socket *agent* has; 0 if there is none."""
    if agent is None:
        return 0
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            connection.connect(str(agent))
            connection.sendall(b"\x00\x00\x00\x01\x0b")  # SSH_AGENTC_REQUEST_IDENTITIES
            answer = b""
            while len(answer) < 9:
                part = connection.recv(9 - len(answer))
                if not part:
                    return 0
                answer += part
            return int.from_bytes(answer[5:9]) if answer[4] == 12 else 0  # SSH_AGENT_IDENTITIES_ANSWER
    except OSError:
        return 0


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
    command = ["ssh", "-G", "-F", str(config_file())]
    command += ["-p", str(port)] if port else []
    command += ["-l", user] if user else []
    try:
        ran = run([*command, "--", host], timeout=30)
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


def _existing(names: Iterable[str]) -> Iterator[Path]:
    """The files that are there, without keys in hardware, which only ssh and the agent can use."""
    for name in names:
        path = Path(name).expanduser()
        if not name.endswith("_sk") and path.is_file() and os.access(path, os.R_OK):
            yield path
