"""How a connection is made again: the words that ``mpr connect`` takes, with everything that it took before.

Nothing of it is secret: a password is never an argument, and no option is a secret either.
"""

from __future__ import annotations

from collections.abc import Mapping

from mprouter.names import parse_remote
from mprouter.status import WNetError

__all__ = ["connect_words"]


def connect_words(
    remote_name: str,
    local_name: str | None = None,
    *,
    user: str | None = None,
    provider: str | None = None,
    options: Mapping[str, str],
) -> tuple[str, ...]:
    """What to write after ``mpr connect``, not yet quoted for a shell.

    user: on the server; left out where *remote_name* has it. provider: who made it; left out where no other would.
    """
    words = [remote_name] if local_name is None else [remote_name, local_name]
    scheme, named = None, None
    try:
        name = parse_remote(remote_name)
        scheme, named = name.scheme, name.user
    except WNetError:
        pass  # it is the name of a file system, of which nobody wrote down whose it is
    if user is not None and user != named:
        words += ["--user", user]
    if provider is not None and scheme == "unc":  # several networks have such names, each with options of its own
        words += ["--provider", provider]
    for key, value in sorted(options.items()):
        words += ["-o", f"{key}={value}"]
    return tuple(words)
