"""``mpr provider``: the network providers, which of them are asked, and in which order (R1)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mprouter.cli import complete
from mprouter.cli.command import Family
from mprouter.cli.output import json_option, plain, say, say_json, say_table

if TYPE_CHECKING:
    from mprouter.providers.registration import Registered

__all__ = ["command"]

_NAME = {"NAME": "The provider's name, as 'mpr provider list' shows it."}
_SYSTEM = "Set it for all users, in /etc/mprouter/settings.toml."


@click.group(cls=Family)
def command() -> None:
    """Show and order the network providers.

    A provider makes the connections of one kind of network. Those that know a name are tried in order until one of
    them connects it. Others' providers are registered by a file each, NAME.toml, in providers.d of the system's
    directory or of yours, or by the Python packages that bring them.
    """


@command.command(
    "list",
    examples=[
        ("mpr provider list", "All of them, in the order in which they are tried, with what is wrong with them."),
        ("mpr provider list --json | jq -r '.[] | select(.problem).file'", "For scripts: the files to be mended."),
    ],
)
@json_option
def show(as_json: bool) -> None:
    """Show the network providers in order.

    One that cannot be used is shown as broken, with what is to be mended; the exit code is 0 all the same. Those that
    are enabled are loaded for that.
    """
    from mprouter.providers.registration import flaws
    from mprouter.router import Router

    with Router() as router:
        found = router.registered_providers()
        if as_json:
            say_json([_as_json(each, flaws(each)) for each in found])
            return
        wrong = {each.id: [each.where] if each.problem else flaws(each) for each in found}
        say_table(["PROVIDER", "FROM", "STATE", "ABLE TO", "TARGET"], [_row(each, wrong[each.id]) for each in found])
        for each in found:
            for words in wrong[each.id]:
                say(click.style(plain(words if each.problem else f"{each.name}: {words}"), fg="red"))


def _able(registered: Registered) -> list[str]:
    """What it can do; of one that does not take part nothing is known, since it is not loaded."""
    if not registered.takes_part:
        return []
    from mprouter.providers.base import Capability

    able = registered.get().capabilities
    return [str(each.name) for each in Capability if each in able]


def _row(registered: Registered, wrong: list[str]) -> list[str]:
    if not registered.enabled:
        state = click.style("disabled", dim=True)
    elif registered.problem:
        state = click.style("BROKEN", fg="red", bold=True)
    elif wrong:
        state = click.style("FLAWED", fg="yellow", bold=True)
    else:
        state = click.style("enabled", fg="green")
    able = ", ".join(each.lower().replace("_", " ") for each in _able(registered))
    return [plain(registered.name), registered.source, state, able, plain(registered.target or "")]


def _as_json(registered: Registered, flaws: list[str]) -> dict[str, Any]:
    from mprouter.plugins.problem import Problem

    problem = registered.problem or (Problem(flaws[0]) if flaws else None)
    return {
        "name": registered.name,
        "capabilities": _able(registered),
        "source": registered.source,
        "target": registered.target,
        "file": str(registered.file) if registered.file else None,
        "enabled": registered.enabled,
        "problem": {"message": problem.message, "line": problem.line} if problem else None,
    }


@command.command(
    "order",
    arguments={"NAME": "Providers in the order to try them; those not named come after. None: show the order."},
    examples=[
        ("mpr provider order", "The order as it is."),
        ("mpr provider order webdav smb", "WebDAV is tried before SMB, for names that both could mean."),
    ],
)
@click.argument("names", metavar="[NAME]...", nargs=-1, shell_complete=complete.providers)
@click.option("--system", is_flag=True, help=_SYSTEM)
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
            known = [each.name for each in router.registered_providers()]
            settings.set_provider_order(_known(names, known), system=system)
        now = [each.name for each in router.providers()]
    if as_json:
        say_json(now)
    else:
        say(" ".join(map(plain, now)))


@command.command(
    "enable", arguments=_NAME, examples=[("mpr provider enable webdav", "WebDAV is asked again for names.")]
)
@click.argument("name", shell_complete=complete.providers)
@click.option("--system", is_flag=True, help=_SYSTEM)
@json_option
def enable(name: str, system: bool, as_json: bool) -> None:
    """Have a disabled provider asked again.

    It is taken out of disabled_providers in settings.toml; one that its own file in providers.d disables is enabled
    there.
    """
    from mprouter.providers.registration import set_enabled

    _say_done(name, set_enabled(name, True, system=system), "is asked from now on", as_json=as_json)


@command.command(
    "disable",
    arguments=_NAME,
    examples=[("mpr provider disable webdav", r"Names such as \\server\share are not tried as WebDAV.")],
)
@click.argument("name", shell_complete=complete.providers)
@click.option("--system", is_flag=True, help=_SYSTEM)
@json_option
def disable(name: str, system: bool, as_json: bool) -> None:
    """Have a provider connect nothing any more, whether it came with this package or not.

    What it has connected stays, and can be disconnected. It is the key disabled_providers of settings.toml: yours, or
    with --system that of the system, which holds for whoever has not set it. The rest of the file stays as it is.
    """
    from mprouter.providers.registration import set_enabled

    _say_done(name, set_enabled(name, False, system=system), "is not asked from now on", as_json=as_json)


def _say_done(name: str, path: Path, what: str, *, as_json: bool) -> None:
    if as_json:
        say_json({"status": "WN_SUCCESS", "code": 0, "name": name, "file": str(path)})
    else:
        say(f"{plain(name)} {what} ({plain(path)})")


def _known(names: tuple[str, ...], known: list[str]) -> list[str]:
    """The providers' own spelling of *names*. Raises ``WNetError`` (ERROR_BAD_PROVIDER) for one that there is not."""
    from mprouter.status import Status, WNetError

    spelled = {each.lower(): each for each in known}
    for name in names:
        if name.lower() not in spelled:
            raise WNetError(Status.ERROR_BAD_PROVIDER, name=name, hint=f"there are {', '.join(known)}")
    return list(dict.fromkeys(spelled[name.lower()] for name in names))
