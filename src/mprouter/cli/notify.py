"""``mpr notify``: the drop-in files of notifyees, written and shown, and a rehearsal that connects nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from mprouter.cli import complete
from mprouter.cli.command import Family
from mprouter.cli.options import json_option, option
from mprouter.cli.output import BOLD, DIM, GREEN, RED, plain, say, say_error, say_json, say_table, styled

if TYPE_CHECKING:
    from pathlib import Path

    from mprouter.notify.model import Registration, Told
    from mprouter.plugins.problem import Problem

__all__ = ["command"]

_SYSTEM_FILE = "Change the system's file, for all users, even if you have one of that name."
_NAME = {"NAME": "The notifyee's name, as 'mpr notify list' shows it."}


@click.group(cls=Family)
def command() -> None:
    """Say who is told of connections.

    A notifyee is a program or a Python function that is told before and after each connection is made or broken. Each
    is registered by one file, NAME.toml, in notifyees.d of the system's directory or of yours.
    """


@command.command(
    "add",
    arguments={
        "NAME": "A name for it: letters, digits and _ . @ + -",
        "TARGET": "'command:/path/to/program ARGUMENTS', python:package.module:attribute, or native:/path/to/library; "
        "$VAR is expanded when it is loaded.",
    },
    examples=[
        (
            r"mpr notify add vpn command:/usr/local/lib/vpn-hook --match '\\corp\*' --order 10",
            "A script that brings up the VPN for what is in the company's network.",
        ),
        (
            "mpr notify add policy python:corp.policy:check --required --operation add --system",
            "A policy for all users, without whose consent nothing is connected.",
        ),
    ],
)
@click.argument("name")
@click.argument("target")
@option(
    "--order",
    type=int,
    metavar="N",
    help="Smaller is told earlier before, and later after.  [default: what its code says, else 50]",
)
@option("--required", is_flag=True, help="If it fails before an operation, the operation fails.")
@option("--timeout", type=float, metavar="SECONDS", help="How long one call may take.  [default: 30]")
@option("--match", multiple=True, metavar="GLOB", help="Tell it only of remote names like this; may be repeated.")
@option(
    "--operation",
    "operations",
    multiple=True,
    type=click.Choice(["add", "cancel"]),
    help="Tell it only of this; may be repeated.",
)
@option(
    "--isolation",
    type=click.Choice(["process", "inline"]),
    help="Run a library or Python target in a process of its own, or in the one that connects.  "
    "[default: process for a library, inline for Python]",
)
@option("--system", is_flag=True, help="Register it for all users, in /etc/mprouter.")
@json_option
def add(
    *,
    name: str,
    target: str,
    order: int | None,
    required: bool,
    timeout: float | None,
    match: tuple[str, ...],
    operations: tuple[str, ...],
    isolation: str | None,
    system: bool,
    as_json: bool,
) -> None:
    """Register a notifyee.

    It is told of the next connection that is made or broken, by whichever program.
    """
    from mprouter.notify import registration

    path = registration.add(
        name,
        target,
        order=order,
        required=required,
        timeout=timeout,
        match=match,
        operations=operations,
        isolation=isolation,
        system=system,
    )
    problem = registration.check(registration.read(path, "system" if system else "user"))
    if problem is not None and not as_json:
        say_error(f"mpr: warning: {plain(name)} cannot be used yet: {plain(problem.message)}")
    _say_done(name, path, "is told from now on", as_json=as_json, problem=problem)


@command.command(
    "list",
    examples=[
        ("mpr notify list", "All of them, with what is wrong with them."),
        ("mpr notify list --json | jq -r '.[] | select(.problem).file'", "For scripts: the files to be mended."),
    ],
)
@json_option
def show(as_json: bool) -> None:
    """Show the notifyees in the order in which they are told.

    One that cannot be used is shown as broken, with the file and line to be mended; the exit code is 0 all the same.
    Those that are written in Python are loaded for that.
    """
    from mprouter.notify import registration

    found = registration.load()
    problems = {each.id: each.problem or (registration.check(each) if each.enabled else None) for each in found}
    found.sort(key=lambda each: each.rank)  # what is loaded now may have said its order itself
    if as_json:
        say_json([_as_json(each, problems[each.id]) for each in found])
        return
    if not found:
        say("No notifyee is registered.")
        return
    say_table(
        ["ORDER", "NAME", "FROM", "STATE", "REQUIRED", "TOLD OF", "MATCH", "TARGET"],
        [_row(each, problems[each.id]) for each in found],
    )
    for each in found:
        if problem := problems[each.id]:
            say(styled(f"{_place(each, problem)}: {plain(problem.message)}", RED))


@command.command("remove", arguments=_NAME, examples=[("mpr notify remove vpn", "It is told of nothing any longer.")])
@click.argument("name", shell_complete=complete.notifyees)
@option("--system", is_flag=True, help=_SYSTEM_FILE)
@json_option
def remove(name: str, system: bool, as_json: bool) -> None:
    """Remove a notifyee's file.

    Without --system it is yours, if you have one of that name, else the system's.
    """
    from mprouter.notify import registration

    _say_done(name, registration.remove(name, system=system or None), "is removed", as_json=as_json)


@command.command("enable", arguments=_NAME, examples=[("mpr notify enable vpn", "It is told again.")])
@click.argument("name", shell_complete=complete.notifyees)
@option("--system", is_flag=True, help=_SYSTEM_FILE)
@json_option
def enable(name: str, system: bool, as_json: bool) -> None:
    """Have a disabled notifyee told again."""
    from mprouter.notify import registration

    path = registration.set_enabled(name, True, system=system or None)
    _say_done(name, path, "is told from now on", as_json=as_json)


@command.command("disable", arguments=_NAME, examples=[("mpr notify disable vpn", "It stays registered, untold.")])
@click.argument("name", shell_complete=complete.notifyees)
@option("--system", is_flag=True, help=_SYSTEM_FILE)
@json_option
def disable(name: str, system: bool, as_json: bool) -> None:
    """Have a notifyee told no longer, and keep its file."""
    from mprouter.notify import registration

    path = registration.set_enabled(name, False, system=system or None)
    _say_done(name, path, "is not told from now on", as_json=as_json)


@command.command(
    "audit",
    examples=[
        ("mpr notify audit", "All that is told of your connections, and whether others could change it."),
        (
            "sudo mpr notify audit --json | jq '.[] | select(.problems != [])'",
            "What is wrong with root's, for a script.",
        ),
    ],
)
@json_option
@click.pass_context
def audit(ctx: click.Context, as_json: bool) -> None:
    """Show who could have changed what is told.

    Of each notifyee: the file that registers it, what would be run, that one's owner, mode and SHA-256, whether it is
    pinned to that, its last call, and what is wrong, with the command that mends it. Nothing is loaded or run. The exit
    code is 1 if anything is wrong.
    """
    from mprouter.cli import audit as audits
    from mprouter.notify import registration
    from mprouter.notify.audit import audit
    from mprouter.store import Store

    store = Store()
    try:
        findings = audit(registration.load(), store.last_calls())
    finally:
        store.close()
    if as_json:
        say_json([audits.as_json(each) for each in findings])
    else:
        for line in audits.lines(findings) if findings else ("No notifyee is registered.",):
            say(line)
    if any(each.problems for each in findings):
        ctx.exit(1)


@command.command(
    "test",
    arguments=_NAME | {"REMOTE": r"The remote name that it is told.  [default: \\server\share]"},
    examples=[
        ("mpr notify test vpn", "How it answers when connections come and go."),
        (r"mpr notify test vpn '\\corp\projects'", "The same for a name that it makes a difference for."),
    ],
)
@click.argument("name", shell_complete=complete.notifyees)
@click.argument("remote", default=r"\\server\share", metavar="[REMOTE]")
@json_option
@click.pass_context
def test(ctx: click.Context, name: str, remote: str, as_json: bool) -> None:
    """Rehearse with a notifyee.

    It is really called, as for a connection that is made or fails to be, and for one that is broken or fails to be, so
    a dialler dials; but nothing is connected, and nothing recorded. Under each call stands what it printed. The exit
    code is 1 if one of its calls fails; a veto is no failure.
    """
    from mprouter.cli import rehearsal, timeline

    registration = _usable(name)
    if not rehearsal.is_told_of(registration, remote):
        patterns = ", ".join(map(plain, registration.patterns))
        say_error(f"mpr: warning: it would not be told of {plain(remote)}, for it matches only {patterns}")
    calls = []
    for title, heard in rehearsal.rehearse(registration, remote):
        calls += [{"case": title, **_told_as_json(each.told), "printed": each.printed} for each in heard]
        if not as_json:
            say(styled(title, BOLD))
            for each in heard:
                say(f"  {timeline.call_line(each.told)}")
                for line in each.printed.splitlines():
                    say(f"        | {plain(line)}")
    if as_json:
        say_json(calls)
    if not all(rehearsal.is_answer(call["answer_code"]) for call in calls):
        ctx.exit(1)


def _usable(name: str) -> Registration:
    """The registration *name*, yours before the system's, loaded. Raises ``WNetError`` with what is wrong with it."""
    from mprouter.notify import registration
    from mprouter.status import Status, WNetError

    found = [each for each in registration.load() if name in {each.name, each.id}]
    if not found:
        raise WNetError(
            Status.ERROR_NOT_FOUND,
            "no notifyee of this name is registered",
            name=name,
            hint="mpr notify list shows them",
        )
    chosen = min(found, key=lambda each: each.source == "system")
    if problem := registration.check(chosen):
        raise WNetError(problem.status, f"{_place(chosen, problem)}: {problem.message}", name=name)
    return chosen


def _say_done(name: str, path: Path, what: str, *, as_json: bool, problem: Problem | None = None) -> None:
    if as_json:
        shown = None if problem is None else {"message": problem.message, "line": problem.line}
        say_json({"status": "WN_SUCCESS", "code": 0, "name": name, "file": str(path), "problem": shown})
    else:
        say(f"{plain(name)} {what} ({plain(path)})")


def _row(registration: Registration, problem: Problem | None) -> list[str]:
    if problem:
        state = styled("BROKEN", RED, BOLD)
    else:
        state = styled("enabled", GREEN) if registration.enabled else styled("disabled", DIM)
    return [
        str(registration.order),
        plain(registration.name),
        registration.source,
        state,
        "yes" if registration.required else "",
        ", ".join(sorted(registration.operations)),
        plain(" ".join(registration.patterns)),
        plain(registration.target or ""),
    ]


def _place(registration: Registration, problem: Problem) -> str:
    """``file:line``, as editors and compilers write it."""
    if registration.file is None:
        return plain(registration.target)
    return plain(registration.file) + (f":{problem.line}" if problem.line else "")


def _as_json(registration: Registration, problem: Problem | None) -> dict[str, Any]:
    return {
        "name": registration.name,
        "source": registration.source,
        "file": str(registration.file) if registration.file else None,
        "target": registration.target,
        "order": registration.order,
        "required": registration.required,
        "enabled": registration.enabled,
        "operations": sorted(registration.operations),
        "match": list(registration.patterns),
        "timeout": registration.timeout,
        "isolation": registration.isolation,
        "problem": {"message": problem.message, "line": problem.line} if problem else None,
    }


def _told_as_json(told: Told) -> dict[str, Any]:
    return {
        "phase": told.phase.name.lower(),
        "attempt": told.attempt,
        "status": told.status.name,
        "code": int(told.status),
        "answer": told.answer.name,
        "answer_code": int(told.answer),
        "message": told.message,
        "duration": told.duration,
    }
