"""``mpr provider``: the network providers, who is asked, in which order (R1), and who is told of logons."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mprouter.cli import complete
from mprouter.cli.command import Family
from mprouter.cli.options import json_option, option
from mprouter.cli.output import BOLD, DIM, GREEN, RED, YELLOW, plain, say, say_error, say_json, say_table, styled

if TYPE_CHECKING:
    from mprouter.attending import Attended
    from mprouter.credentials import Secret
    from mprouter.providers.base import LogonInfo
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
        say_table(["PROVIDER", "FROM", "STATE", "TARGET", "ABLE TO"], [_row(each, wrong[each.id]) for each in found])
        for each in found:
            for words in wrong[each.id]:
                say(styled(plain(words if each.problem else f"{each.name}: {words}"), RED))


def _able(registered: Registered) -> list[str]:
    """What it can do; of one that does not take part nothing is known, since it is not loaded."""
    if not registered.takes_part:
        return []
    from mprouter.providers.base import Capability

    able = registered.get().capabilities
    return [str(each.name) for each in Capability if each in able]


def _row(registered: Registered, wrong: list[str]) -> list[str]:
    if not registered.enabled:
        state = styled("disabled", DIM)
    elif registered.problem:
        state = styled("BROKEN", RED, BOLD)
    elif wrong:
        state = styled("FLAWED", YELLOW, BOLD)
    else:
        state = styled("enabled", GREEN)
    able = ", ".join(each.lower().replace("_", " ") for each in _able(registered))
    return [plain(registered.name), registered.source, state, plain(registered.target or ""), able]


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
@option("--system", is_flag=True, help=_SYSTEM)
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
@option("--system", is_flag=True, help=_SYSTEM)
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
@option("--system", is_flag=True, help=_SYSTEM)
@json_option
def disable(name: str, system: bool, as_json: bool) -> None:
    """Have a provider connect nothing any more, whether it came with this package or not.

    What it has connected stays, and can be disconnected. It is the key disabled_providers of settings.toml: yours, or
    with --system that of the system, which holds for whoever has not set it. The rest of the file stays as it is.
    """
    from mprouter.providers.registration import set_enabled

    _say_done(name, set_enabled(name, False, system=system), "is not asked from now on", as_json=as_json)


@command.command(
    "logon",
    examples=[
        ("mpr provider logon", "What 'mpr service install' has done at each login, before anything is restored."),
        ("mpr provider logon --password-stdin < password", "For who knows it: a script of PAM's pam_exec, say."),
    ],
)
@option("--password-stdin", is_flag=True, help="The password of the logon is the first line of standard input.")
@option("--service", is_flag=True, help="It is a service that runs as you, not you yourself.")
@json_option
def logon(password_stdin: bool, service: bool, as_json: bool) -> None:
    """Tell the providers that attend to logons that you have logged on.

    They may log on to their networks then. A logon script that one returns, a command line, is started as you and not
    waited for. Without --password-stdin they are told an empty password. The exit code is 1 if one of them failed.
    """
    from mprouter import attending
    from mprouter.cli import passwords
    from mprouter.router import Router

    password = passwords.from_stdin() if password_stdin else None
    with Router() as router:
        told = router.logged_on(_me(password), station=attending.SERVICE if service else attending.PERSON)
    for each in told:
        if each.script:
            _start(each.script, each.provider)
    _say_told(told, "attends to logons", as_json=as_json)


@command.command(
    "password",
    examples=[("mpr provider password < passwords", "Its first line is the new one, the second that before it.")],
)
@option("--service", is_flag=True, help="It is that of a service that runs as you, not of you yourself.")
@json_option
def password(service: bool, as_json: bool) -> None:
    """Tell the providers that attend to logons that your password has changed.

    The new one is the first line of standard input, the one before the second, if it is known. A stored password of a
    server that 'mpr connect --save-password' replaces they are told without this. The exit code is 1 if one of them
    failed.
    """
    from mprouter import attending
    from mprouter.cli import passwords
    from mprouter.providers.base import PasswordChange
    from mprouter.router import Router

    new = passwords.from_stdin()
    before = passwords.from_stdin(optional=True)
    station = attending.SERVICE if service else attending.PERSON
    change = PasswordChange.VALID_LOGON_ACCOUNT | PasswordChange.NT_PASSWORD_CHANGED
    with Router() as router:
        previous = None if before is None else _me(before)
        told = router.password_changed(_me(new), previous, station=station, change=change)
    _say_told(told, "attends to passwords", as_json=as_json)


def _me(password: Secret | None) -> LogonInfo:
    """The user who runs this, as this machine knows them."""
    import getpass
    import socket

    from mprouter.credentials import Secret
    from mprouter.providers.base import LogonInfo

    return LogonInfo(getpass.getuser(), password or Secret(""), socket.gethostname())


def _start(script: str, provider: str) -> None:
    """Run the command line *script* as whoever runs this, without waiting for its end."""
    import os
    import shlex

    nothing_to_read = (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)
    what_it_prints = (os.POSIX_SPAWN_DUP2, 2, 1)
    try:
        words = shlex.split(script)
        os.posix_spawnp(words[0], words, os.environ, file_actions=[nothing_to_read, what_it_prints], setsid=True)
    except (OSError, ValueError, IndexError) as error:
        say_error(f"mpr: warning: the logon script of {plain(provider)} cannot be run: {plain(error)}")


def _say_told(told: Sequence[Attended], what: str, *, as_json: bool) -> None:
    from mprouter.cli import failure

    if as_json:
        fine = {"status": "WN_SUCCESS", "code": 0}
        answers = [failure.as_json(each.error) if each.error else fine for each in told]
        say_json([{"provider": each.provider} | answer for each, answer in zip(told, answers, strict=True)])
    elif not told:
        say(f"No network provider {what}.")
    for each in () if as_json else told:
        if each.error is None:
            say(f"{plain(each.provider)} has been told")
        else:
            say_error(f"mpr: {plain(each.provider)}: {plain(each.error)}")
    if any(each.error for each in told):
        click.get_current_context().exit(1)


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
