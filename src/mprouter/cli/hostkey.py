"""``mpr hostkey``: the keys by which SSH servers prove who they are, looked at and accepted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mprouter.cli import complete
from mprouter.cli.command import Family
from mprouter.cli.options import json_option, option
from mprouter.cli.output import BOLD, RED, plain, say, say_json, say_table, styled

if TYPE_CHECKING:
    from mprouter.names import RemoteName
    from mprouter.providers.rclone.hostkeys import HostKey

__all__ = ["command"]

_NAME = {"NAME": "A remote name on the server, such as sftp://files.example.com/"}
_KNOWN_HOSTS = option(
    "--known-hosts",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="The file of known keys, for connections that have their own (-o known_hosts=PATH).",
)


@click.group(cls=Family)
def command() -> None:
    """Show and accept the keys of SSH servers.

    A server is connected only if its host key is known. Compare the fingerprint with one that you have from whoever
    runs the server: what the network shows you may be somebody else's.
    """


@command.command(
    "show",
    arguments=_NAME,
    examples=[("mpr hostkey show sftp://files.example.com/", "Its keys, and which of them are known.")],
)
@click.argument("name", shell_complete=complete.remote_names)
@_KNOWN_HOSTS
@json_option
def show(name: str, known_hosts: Path | None, as_json: bool) -> None:
    """Show the keys that a server offers.

    "CHANGED" marks a key where another one of its type is known: somebody may be pretending to be the server.
    """
    from mprouter.providers.rclone import hostkeys, reach, sshconfig

    files = hostkeys.default_files() if known_hosts is None else [known_hosts]
    with _about(name) as remote:
        ssh = sshconfig.look_up(str(remote.host), remote.port, remote.user)
        reach.resolve(ssh.host, ssh.port)
        reach.reach(ssh.host, ssh.port).close()
        known = hostkeys.recorded(ssh.host, ssh.port, files)
        rows = [(each, *_standing(each, known)) for each in hostkeys.offered(ssh.host, ssh.port)]
    if as_json:
        say_json(
            [
                {"type": key.type, "fingerprint": key.fingerprint, "state": state.lower(), "place": place or None}
                for key, state, place in rows
            ]
        )
    else:
        say_table(
            ["TYPE", "FINGERPRINT", "STATE", "IN"],
            [[plain(key.type), key.fingerprint, _styled(state), plain(place)] for key, state, place in rows],
        )


@command.command(
    "accept",
    arguments=_NAME | {"FINGERPRINT": "The fingerprint of the key, SHA256:…, as ssh and 'mpr hostkey show' write it."},
    examples=[
        (
            "mpr hostkey accept sftp://files.example.com/ SHA256:uNiVztksCsDhcc0u9e8BrqXVUDWV2LfGTW9R0v1DgTw",
            "Trust that key from now on.",
        )
    ],
)
@click.argument("name", shell_complete=complete.remote_names)
@click.argument("fingerprint")
@_KNOWN_HOSTS
@json_option
def accept(name: str, fingerprint: str, known_hosts: Path | None, as_json: bool) -> None:
    """Accept the key of a server.

    The server is asked for its keys, and the one with this fingerprint is written to ~/.ssh/known_hosts, which ssh
    uses too. A key never replaces another one.
    """
    from mprouter.providers.rclone import hostkeys, sftp

    with _about(name) as remote:
        key = sftp.accept_host_key(remote, fingerprint, known_hosts)
    file = str(known_hosts or hostkeys.default_files()[0])
    if as_json:
        shown = {"name": name, "type": key.type, "fingerprint": key.fingerprint, "file": file}
        say_json({"status": "WN_SUCCESS", "code": 0, **shown})
    else:
        say(f"{plain(name)}: {plain(key.type)} {key.fingerprint} is known ({plain(file)})")


@contextmanager
def _about(name: str) -> Iterator[RemoteName]:
    """The name, read. Raises ``WNetError`` if it is not on an SSH server; errors of the block are about it."""
    from mprouter.names import parse_remote
    from mprouter.status import Status, WNetError

    remote = parse_remote(name)
    if remote.scheme != "sftp":
        raise WNetError(
            Status.ERROR_NOT_SUPPORTED, "only SSH servers have host keys", name=name, hint="write sftp://HOST/"
        )
    try:
        yield remote
    except WNetError as error:
        error.filename = error.filename or name
        raise


def _standing(key: HostKey, known: list[HostKey]) -> tuple[str, str]:
    """What is known of an offered key, and where that is written."""
    same_type = [each for each in known if each.type == key.type]
    same = [each for each in same_type if each.key == key.key]
    revoked = [each for each in same if each.marker == "@revoked"]
    others = [each for each in same_type if not each.marker and each not in same]
    for state, keys in (("REVOKED", revoked), ("known", same), ("CHANGED", others)):
        if keys:
            return state, keys[0].place
    return "unknown", ""


def _styled(state: str) -> str:
    return styled(state, RED, BOLD) if state.isupper() else state
