r"""``mpr net view``: the servers near, or what is on one, in the layout of Windows' NET VIEW.

Its words are for those who know them; ``mpr browse`` shows the same and more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from mprouter.cli.browse import contents, gathered, record
from mprouter.cli.output import plain, say, say_json

if TYPE_CHECKING:
    from mprouter.resource import NetResource
    from mprouter.router import Router

__all__ = ["SYNTAX", "view"]

SYNTAX = r"""The syntax of this command is:

NET VIEW
[\\computername | name] [--json]
"""

_NOT_HERE = ("/all", "/cache", "/domain", "/network")
"""What Windows' own can besides: hidden shares, offline files and domains are not told by any network here."""

_RULE = "-" * 79
_COMPLETED = "The command completed successfully.\n"
_EMPTY = "There are no entries in the list.\n"


def view(arguments: Sequence[str]) -> None:
    r"""Do ``net view`` with what stands after it: a server or a directory, ``--json``.

    Raises ``click.UsageError`` for what is none of these, ``WNetError``: ERROR_NOT_SUPPORTED for switches that mean
    nothing here, or what browsing reports.
    """
    words = [each for each in arguments if each.lower() != "--json"]
    for each in words:
        _check(each)
    if len(words) > 1:
        raise click.UsageError("there are too many names")
    name = words[0] if words else None
    from mprouter.resource import ResourceScope
    from mprouter.router import Router

    with Router() as router:
        found = gathered(router.enumerate(ResourceScope.CONTEXT)) if name is None else contents(router, name)
        if len(words) < len(arguments):
            say_json([record(each) for each in found])
        elif not found:
            say(_EMPTY)
        elif name is None:
            _say_servers(found)
        else:
            _say_shares(name, found, _devices(router))


def _check(word: str) -> None:
    """Raise ``click.UsageError`` or ``WNetError`` if *word* is no name: a name may begin with two slashes, not one."""
    if word[:1] in {"/", "-"} and word[1:2] != "/":
        switch = word.lower().partition(":")[0]
        if len(switch) > 1 and any(each.startswith(switch) for each in _NOT_HERE):
            from mprouter.status import Status, WNetError

            raise WNetError(Status.ERROR_NOT_SUPPORTED, "there is nothing like it on these networks", name=word)
        raise click.UsageError(f"the option {plain(word)} is unknown")


def _say_servers(found: Sequence[NetResource]) -> None:
    names = [plain(each.remote_name or "") for each in found]
    width = max(23, *(len(each) + 2 for each in names))
    say(f"{'Server Name':{width}}Remark\n\n{_RULE}")
    for name, each in zip(names, found, strict=True):
        say(f"{name:{width}}{plain(each.comment or '')}".rstrip())
    say(_COMPLETED)


def _say_shares(server: str, found: Sequence[NetResource], devices: dict[str, str]) -> None:
    names = [_last(each.remote_name or "") for each in found]
    width = max(12, *(len(each) + 2 for each in names))
    say(f"Shared resources at {plain(server)}\n\n\n\n{'Share name':{width}}Type  Used as  Comment\n\n{_RULE}")
    for name, each in zip(names, found, strict=True):
        kind = "Print" if each.type.name == "PRINT" else "Disk"
        used = devices.get(_canonical(each.remote_name or ""), "")
        say(f"{name:{width}}{kind:6}{used:9}{plain(each.comment or '')}".rstrip())
    say(_COMPLETED)


def _devices(router: Router) -> dict[str, str]:
    """Where what is connected appears: a letter or a path, (UNC) for deviceless connections."""
    return {_canonical(each.remote_name): each.local_name or "(UNC)" for each in router.connections()}


def _canonical(remote_name: str) -> str:
    from mprouter.names import parse_remote
    from mprouter.status import WNetError

    try:
        return parse_remote(remote_name).canonical
    except WNetError:  # of a network with names of its own
        return remote_name


def _last(remote_name: str) -> str:
    """The part of a name that is new in its container; all of it, where it is a server."""
    from urllib.parse import unquote

    slash = "\\" if remote_name.startswith("\\\\") else "/"
    last = remote_name.rstrip("/:").rpartition(slash)[2]
    return plain(unquote(last) if "://" in remote_name else last) or plain(remote_name)
