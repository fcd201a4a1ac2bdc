"""Passwords on standard input, one on each line, for the commands that take them there."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Literal, overload

import click

from mprouter.cli.output import is_terminal

if TYPE_CHECKING:
    from mprouter.credentials import Secret

__all__ = ["from_stdin"]

_MOST = 1 << 16


@overload
def from_stdin(*, optional: Literal[False] = ...) -> Secret: ...
@overload
def from_stdin(*, optional: bool) -> Secret | None: ...
def from_stdin(*, optional: bool = False) -> Secret | None:
    """The next line of standard input, without the newline at its end, or the NUL that PAM may put there.

    optional: None if there is none; else that is wrong usage.
    """
    from mprouter.credentials import Secret

    if is_terminal(sys.stdin):
        raise click.UsageError("A password is read from a pipe or a file, not from a terminal.")
    line = b"" if sys.stdin is None else sys.stdin.buffer.readline(_MOST + 2)
    line = line.removesuffix(b"\n").removesuffix(b"\r").removesuffix(b"\0")
    if not line and optional:
        return None
    if not line:
        raise click.UsageError("A password is wanted, and there is no password on standard input.")
    if len(line) > _MOST:
        raise click.UsageError(f"A line of standard input is longer than {_MOST} bytes: that is no password.")
    try:
        return Secret(line.decode())
    except UnicodeDecodeError:
        pass  # told outside, without the error that has the bytes
    raise click.UsageError("The password on standard input is not UTF-8.")
