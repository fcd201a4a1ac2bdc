"""``mpr service``: the units that have systemd restore at login or boot, and disconnect cleanly at the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from mprouter.cli.command import Family
from mprouter.cli.options import json_option, option
from mprouter.cli.output import plain, say, say_json

if TYPE_CHECKING:
    from mprouter.service import Standing, Unit

__all__ = ["command"]

_Decorated = TypeVar("_Decorated", bound=Callable[..., Any])


def _whose(decorated: _Decorated) -> _Decorated:
    """The options that say which unit is meant."""
    decorated = option(
        "--system", is_flag=True, help="The one of the whole system, which restores at boot for users who are named."
    )(decorated)
    return option("--global", "everybody", is_flag=True, help="The one for the login of every user.")(decorated)


@click.group(cls=Family)
def command() -> None:
    """Have connections restored at login.

    A unit of systemd runs 'mpr restore' at login, and at logout 'mpr disconnect', which waits until all that was
    written has reached the servers. It is yours, or for all users (--global), or works from boot on (--system).
    """


@command.command(
    "install",
    arguments={"USER": "With --system: a user, by name or id, whose connections are restored at boot."},
    examples=[
        ("mpr service install", "Restore at your login, disconnect at your logout."),
        ("sudo mpr service install --global", "The same for all users."),
        ("sudo mpr service install --system backup", "For a user who does not log in, from boot to shutdown."),
    ],
)
@click.argument("users", nargs=-1, metavar="[USER]...")
@_whose
@option("--force", is_flag=True, help="Replace a unit of this name that somebody else has written.")
@json_option
@click.pass_context
def install(
    ctx: click.Context, *, users: tuple[str, ...], everybody: bool, system: bool, force: bool, as_json: bool
) -> None:
    """Write the unit, and have systemd use it.

    Where no systemd runs it is only written. To write it again, after mpr has moved say, is fine.
    """
    from mprouter import service

    unit = _unit(ctx, everybody=everybody, system=system)
    if system != bool(users):
        ctx.fail("Say for whom: --system USER." if system else "Only --system takes users.")
    ids = [service.user_id(each) for each in users]
    told = service.install(unit, ids, force=force)
    if told and unit.kind is service.Kind.USER:
        _set_apart()
    if as_json:
        say_json({"path": str(unit.path), "names": unit.names(ids), "systemd": told})
        return
    say(f"{plain(unit.path)} is written" + (", and in use" if told else ""))
    if not told:
        now = "" if everybody else " --now"
        enable = " ".join(["systemctl", *unit.options, f"enable{now}", *unit.names(ids)])
        say(f"No systemd runs here that could be told. Where one does: {enable}")


@command.command(
    "remove",
    examples=[
        ("mpr service remove", "Restore nothing at your login any more; what is connected stays."),
        ("sudo mpr service remove --system", "For nobody at boot."),
    ],
)
@_whose
@option("--force", is_flag=True, help="Also a unit of this name that somebody else has written.")
@json_option
@click.pass_context
def remove(ctx: click.Context, *, everybody: bool, system: bool, force: bool, as_json: bool) -> None:
    """Take the unit away.

    Nothing is disconnected by that, and at logout nothing waits for written data any more.
    """
    from mprouter import service

    unit = _unit(ctx, everybody=everybody, system=system)
    service.remove(unit, force=force)
    if as_json:
        say_json({"path": str(unit.path)})
    else:
        say(f"{plain(unit.path)} is removed")


@command.command(
    "status",
    examples=[
        ("mpr service status", "Whether your connections are restored at login."),
        ("mpr service status --system --json", "For programs, and for the users who are restored at boot."),
    ],
)
@_whose
@json_option
@click.pass_context
def status(ctx: click.Context, *, everybody: bool, system: bool, as_json: bool) -> None:
    """Show whether the unit is there, enabled, active, and up to date.

    The exit code is 1 if it is not installed, not as this mpr would write it, or not enabled.
    """
    from mprouter import service

    found = service.standing(_unit(ctx, everybody=everybody, system=system))
    if as_json:
        say_json(
            {
                "path": str(found.unit.path),
                "installed": found.installed,
                "ours": found.ours,
                "current": found.current,
                "systemd": found.systemd,
                "enabled": found.enabled,
                "active": found.active,
            }
        )
    else:
        _say(found)
    if not found.is_good:
        ctx.exit(1)


@command.command(
    "keep",
    hidden=True,
    examples=[("mpr service keep", "As the unit does first, where something is connected by then.")],
)
def keep() -> None:
    """Have what is connected live until the unit ends."""
    _set_apart()


@command.command("wait", hidden=True, examples=[("mpr service wait", "As the unit does before it disconnects.")])
@_whose
@click.pass_context
def wait(ctx: click.Context, *, everybody: bool, system: bool) -> None:
    """Wait at logout until the programs have ended that systemd ends too."""
    from mprouter import service

    service.await_others(_unit(ctx, everybody=everybody, system=system))


def _set_apart() -> None:
    """Have the unit's end wait for what is connected already, as for what will be."""
    from mprouter.providers.rclone import program
    from mprouter.providers.rclone.scope import set_apart

    if (running := program.last(program.socket_path())) is not None:
        set_apart(running)


def _unit(ctx: click.Context, *, everybody: bool, system: bool) -> Unit:
    from mprouter.service import Kind, Unit

    if everybody and system:
        ctx.fail("Give --global or --system, not both.")
    return Unit(Kind.GLOBAL if everybody else Kind.SYSTEM if system else Kind.USER)


def _say(found: Standing) -> None:
    from mprouter.service import Kind, Unit

    option = "" if found.unit.kind.value == "user" else f" --{found.unit.kind.value}"
    again = f"mpr service install{option}" + (" USER" if option == " --system" else "")
    path = plain(found.unit.path)
    if not found.installed:
        say(f"{path} is not installed; to install it: {again}")
    elif not found.ours:
        say(f"{path} is not from mpr; to replace it: {again} --force")
    elif not found.current:
        say(f"{path} is not as this mpr would write it; to write it again: {again}")
    else:
        say(f"{path} is installed and up to date")
    if found.unit.kind is Kind.USER and Unit(Kind.GLOBAL).path.exists():
        say("There is one for all users; to see it: mpr service status --global")
    if not found.systemd:
        say("No systemd runs here that could be asked.")
    elif found.installed and not found.enabled:
        say("It is enabled for nobody.")
    for name, enabled in found.enabled.items() if found.installed else ():
        say(", ".join(plain(each) for each in (f"{name}: {enabled}", found.active.get(name)) if each))
