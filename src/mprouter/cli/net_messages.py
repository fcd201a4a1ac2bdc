"""What Windows' NET commands say of a status, and the layout in which they print it."""

from __future__ import annotations

import click

from mprouter.cli.output import plain
from mprouter.status import Status, WNetError
from mprouter.system_messages import message

__all__ = ["shown", "tell"]

_NOT_THERE = frozenset(
    {
        Status.WSAHOST_NOT_FOUND,
        Status.ERROR_CONNECTION_REFUSED,
        Status.ERROR_HOST_UNREACHABLE,
        Status.ERROR_TIMEOUT,
    }
)
"""For all these Windows' own network says ERROR_BAD_NETPATH."""


def shown(status: Status) -> Status:
    """The status that Windows shows for *status*."""
    return Status.ERROR_BAD_NETPATH if status in _NOT_THERE else status


def tell(error: WNetError) -> None:
    """Say on standard error what Windows would say of *error*, and below it what failed, why, and what to do next."""
    status = shown(error.status)
    reason = f"{message(status)}\n{plain(error)}\n"
    if 2100 <= status < 3000 or 3500 <= status < 6000:  # the numbers of the network's own texts
        click.echo(f"{reason}\nMore help is available by typing NET HELPMSG {int(status)}.\n", err=True)
    else:
        click.echo(f"System error {int(status)} has occurred.\n\n{reason}", err=True)
