"""``mpr connect`` as click knows it; what it does stands in ``connecting.py``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from mprouter.cli import complete
from mprouter.cli.command import Command
from mprouter.cli.options import json_option, option

__all__ = ["command"]

T = TypeVar("T")


def _user(ctx: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    del ctx, parameter
    from mprouter.cli import connecting

    return None if value is None else _good(connecting.user_name, value)


def _options(ctx: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    del ctx, parameter
    from mprouter.cli import connecting

    return _good(connecting.options, values)


def _good(read: Callable[[Any], T], value: object) -> T:
    try:
        return read(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.command(
    cls=Command,
    arguments={
        "REMOTE": r"What to connect: \\server\share (in quotes) or //server/share, smb://, sftp://, dav://, davs://, "
        "ftp://, ftps://, s3://, file:///dir, or rclone:REMOTE:path.",
        "LOCAL": "Where it appears: a drive letter D: to Z:, the absolute path of an empty or missing directory, or "
        "'*' for a free letter. Without it the connection has no local name, but a path all the same.",
    },
    examples=[
        (r"mpr connect '\\files\projects' Z: --user ana --persist", "A Windows share as Z:, now and after each login."),
        ("mpr connect sftp://ana@files.example.com/srv/data '*'", "A directory over SSH, under a free drive letter."),
        (
            "pass show files | mpr connect davs://ana@files.example.com/dav /mnt/dav --password-stdin",
            "A WebDAV directory at a path, its password from a password manager.",
        ),
        ('cd "$(mpr connect s3://backups --json | jq -r .path)"', "Into a bucket, without a local name."),
    ],
)
@click.argument("remote", shell_complete=complete.remote_names)
@click.argument("local", required=False, shell_complete=complete.new_local_names)
@option("--user", callback=_user, metavar="USER", help="The user name on the server; else the one in REMOTE, or yours.")
@option("--password-stdin", is_flag=True, help="Read the password from standard input: its first line.")
@option(
    "--save-password",
    is_flag=True,
    help="Keep the password that the server accepts, in the keyring or the credentials file.",
)
@option("--persist", is_flag=True, help="Remember the connection: 'mpr restore' makes it again.")
@option("--temporary", is_flag=True, help="Never remember it (CONNECT_TEMPORARY).")
@option(
    "--provider",
    metavar="NAME",
    shell_complete=complete.providers,
    help="Ask only this network provider; see 'mpr provider list'.",
)
@option(
    "-o",
    "--option",
    "options",
    metavar="KEY=VALUE",
    multiple=True,
    callback=_options,
    help="A setting of that network, such as key_file=PATH; may be repeated.",
)
@option("--current-media", is_flag=True, help="Have no notifyee dial or bring up a VPN for it (CONNECT_CURRENT_MEDIA).")
@json_option
def command(
    *,
    remote: str,
    local: str | None,
    user: str | None,
    password_stdin: bool,
    save_password: bool,
    persist: bool,
    temporary: bool,
    provider: str | None,
    options: dict[str, str],
    current_media: bool,
    as_json: bool,
) -> None:
    """Connect a network resource.

    It appears as a directory. Registered notifyees are told before and after, and may refuse it.

    A password is never an argument. It comes from the keyring, the credentials file, ~/.netrc, or standard input with
    --password-stdin; on a terminal you are asked for it. SSH keys and agents need none.
    """
    if persist and temporary:
        raise click.UsageError("--persist and --temporary exclude each other.")
    from mprouter.cli import connecting, passwords

    connecting.connect(
        remote,
        local,
        user=user,
        password=passwords.from_stdin() if password_stdin else None,
        save_password=save_password,
        persist=persist,
        temporary=temporary,
        provider=provider,
        options=options,
        current_media=current_media,
        as_json=as_json,
    )
