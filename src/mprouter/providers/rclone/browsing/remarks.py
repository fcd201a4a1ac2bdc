"""What an SMB server says of its shares: kind and comment. rclone does not tell them, Samba's ``smbclient`` does.

Where that program is not installed, or cannot log on, shares have no comments, and printers look like directories.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from mprouter.credentials import Secret
from mprouter.resource import ResourceType

__all__ = ["remarks"]

PATIENCE = 3
"""Seconds for the answer; usual are 0.1."""

_KINDS = {"Disk": ResourceType.DISK, "Printer": ResourceType.PRINT}


def remarks(
    host: str, port: int, user: str | None, password: Secret | None, seconds: float = PATIENCE
) -> dict[str, tuple[ResourceType, str]]:
    r"""The kind and the comment of each share, hidden ones too; nothing if that cannot be found out.

    user: ``DOMAIN\user`` or ``user``; None = nobody, whom many servers tell their shares too. seconds: for the answer,
    if that is less than is usual.
    """
    import subprocess

    if seconds <= 0:
        return {}

    variables = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    command = ["smbclient", "--grepable", f"--port={port}", f"--timeout={PATIENCE}", f"--list={host}"]
    try:
        with _logon(user, password) as (option, descriptors):
            ran = subprocess.run(
                [*command, option],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=min(seconds, PATIENCE),
                check=False,
                pass_fds=descriptors,
                env={**variables, "LC_ALL": "C.UTF-8"},
            )
    except (OSError, subprocess.TimeoutExpired):
        return {}
    said = {}
    for line in ran.stdout.decode(errors="replace").splitlines():
        kind, _, rest = line.partition("|")
        share, _, comment = rest.partition("|")
        if kind in _KINDS:
            said[share] = _KINDS[kind], comment
    return said


@contextmanager
def _logon(user: str | None, password: Secret | None) -> Iterator[tuple[str, list[int]]]:
    """The option that tells how to log on, and the descriptors that it needs; the password is in a pipe."""
    if user is None or password is None:
        yield "--no-pass", []
        return
    domain, _, plain = user.rpartition("\\")
    text = f"username = {plain}\npassword = {password.reveal()}\n" + (f"domain = {domain}\n" if domain else "")
    out, into = os.pipe()
    try:
        with suppress(OSError), os.fdopen(into, "wb") as pipe:  # a few bytes: they fit into it
            pipe.write(text.encode())
        yield f"--authentication-file=/dev/fd/{out}", [out]
    finally:
        os.close(out)
