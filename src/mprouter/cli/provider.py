"""``mpr provider``: the network providers, and the order in which they are tried (R1)."""

from __future__ import annotations

import click

from mprouter.cli import complete
from mprouter.cli.command import Family
from mprouter.cli.output import json_option, plain, say, say_json, say_table

__all__ = ["command"]


@click.group(cls=Family)
def command() -> None:
    """Show and order the network providers.

    A provider makes the connections of one kind of network. Those that know a name are tried in order until one of
    them connects it.
    """


@command.command("list", examples=[("mpr provider list", "All of them, in the order in which they are tried.")])
@json_option
def show(as_json: bool) -> None:
    """Show the network providers in order."""
    from mprouter.router import Router

    with Router() as router:
        found = router.providers()
    rows = [
        (each.name, [flag.name or "" for flag in type(each.capabilities) if flag in each.capabilities])
        for each in found
    ]
    if as_json:
        say_json([{"name": name, "capabilities": capabilities} for name, capabilities in rows])
        return
    words = [[plain(name), ", ".join(each.lower().replace("_", " ") for each in able)] for name, able in rows]
    say_table(["PROVIDER", "ABLE TO"], words)


@command.command(
    "order",
    arguments={"NAME": "Providers in the order to try them; those not named come after. None: show the order."},
    examples=[
        ("mpr provider order", "The order as it is."),
        ("mpr provider order webdav smb", "WebDAV is tried before SMB, for names that both could mean."),
    ],
)
@click.argument("names", metavar="[NAME]...", nargs=-1, shell_complete=complete.providers)
@click.option("--system", is_flag=True, help="Set it for all users, in /etc/mprouter/settings.toml.")
@json_option
def order(names: tuple[str, ...], system: bool, as_json: bool) -> None:
    """Show or set the order in which the providers are tried.

    It is the key provider_order of settings.toml: yours, or with --system that of the system, which holds for whoever
    has not set it. The rest of the file stays as it is.
    """
    from mprouter import settings
    from mprouter.router import Router

    with Router() as router:
        if names:
            settings.set_provider_order(_known(names, [each.name for each in router.providers()]), system=system)
        now = [each.name for each in router.providers()]
    if as_json:
        say_json(now)
    else:
        say(" ".join(map(plain, now)))


def _known(names: tuple[str, ...], known: list[str]) -> list[str]:
    """The providers' own spelling of *names*. Raises ``WNetError`` (ERROR_BAD_PROVIDER) for one that there is not."""
    from mprouter.status import Status, WNetError

    spelled = {each.lower(): each for each in known}
    for name in names:
        if name.lower() not in spelled:
            raise WNetError(Status.ERROR_BAD_PROVIDER, name=name, hint=f"there are {', '.join(known)}")
    return list(dict.fromkeys(spelled[name.lower()] for name in names))
