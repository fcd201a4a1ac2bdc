"""What Windows' NET commands say of a status, and the layout in which they print it."""

from __future__ import annotations

from mprouter.cli.output import plain, say_error
from mprouter.status import Status, WNetError
from mprouter.system_messages import message

__all__ = ["tell"]

_NOT_THERE = frozenset(
    {
        Status.WSAHOST_NOT_FOUND,
        Status.ERROR_CONNECTION_REFUSED,
        Status.ERROR_HOST_UNREACHABLE,
        Status.ERROR_TIMEOUT,
    }
)
"""For all these Windows' own network says ERROR_BAD_NETPATH."""


_IN_ITS_WORDS = {
    "another key with -o key_file=FILE, ": "",
    "with --password-stdin": "with * after the name",
    "use --password-stdin or the argument password": "write * after the name",
    "with --interactive": "at a terminal",
    "another user with --user": "another user with /USER:NAME",
    "with --force": "with /Y",
    "mpr list shows": "net use shows",
}
"""What hints say of the commands of ``mpr``, for those who typed NET."""


def _shown(error: WNetError) -> Status:
    """The status that Windows shows for *error*: R3 keeps what a provider said of a host as that provider's code."""
    is_not_there = error.status in _NOT_THERE or (
        error.status is Status.ERROR_BAD_NET_NAME and error.provider_code == Status.ERROR_BAD_NETPATH
    )
    return Status.ERROR_BAD_NETPATH if is_not_there else error.status


def tell(error: WNetError) -> None:
    """Say on standard error what Windows would say of *error*, and below it what failed, why, and what to do next."""
    status = _shown(error)
    error.hint = _hint(error)
    reason = f"{message(status)}\n{plain(error)}\n"
    if 2100 <= status < 3000 or 3500 <= status < 6000:  # the numbers of the network's own texts
        say_error(f"{reason}\nMore help is available by typing NET HELPMSG {int(status)}.\n")
    else:
        say_error(f"System error {int(status)} has occurred.\n\n{reason}")


def _hint(error: WNetError) -> str | None:
    """What to do next, with switches that NET has."""
    if error.hint is None:
        return None
    hint = error.hint
    for words, own in _IN_ITS_WORDS.items():
        hint = hint.replace(words, own)
    return hint
