"""``mpr reg``: Windows registry files, imported and exported. What their keys mean here: ``mprouter.registry``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mprouter.cli.command import Family
from mprouter.cli.options import json_option, option
from mprouter.cli.output import counted, is_terminal, plain, say, say_json
from mprouter.status import subject_of

if TYPE_CHECKING:
    from mprouter.registry.plan import Plan

__all__ = ["command"]


@click.group(cls=Family)
def command() -> None:
    """Import and export Windows registry files.

    Of the registry this machine keeps the order of the network providers, the time to wait for networks, the notifyees
    and the remembered connections. docs/reg.md has the keys.
    """


@command.command(
    "import",
    arguments={"FILE": "A .reg file, of regedit's or of 'mpr reg export'; - is standard input."},
    examples=[
        ("mpr reg import drives.reg --dry-run", "See what would change."),
        ("mpr reg import drives.reg", "Change it: all that the file says, or nothing if something in it is wrong."),
        ("ssh old mpr reg export | mpr reg import -", "What another machine keeps."),
        ("sudo mpr reg import company.reg --system", "Settings and notifyees for all users."),
    ],
)
@click.argument("file", type=click.Path(path_type=Path))
@option("--system", is_flag=True, help="Settings and notifyees are those for all users, in /etc/mprouter.")
@option("--dry-run", is_flag=True, help="Only show what would change.")
@json_option
def import_(file: Path, system: bool, dry_run: bool, as_json: bool) -> None:
    """Import a registry file, all of it or nothing.

    A notifyee that is a DLL of Windows is imported disabled. Connections are remembered, and not connected: that does
    'mpr restore'. Other keys in the file are passed by.
    """
    from contextlib import closing

    from mprouter.registry import importing
    from mprouter.router import Router
    from mprouter.store import Store

    with Router(drop_ins=False) as router, closing(Store(as_is=dry_run)) as store:
        plan = importing.prepare(None if file == Path("-") else file, store, router.providers(), system=system)
        if not dry_run:
            importing.carry_out(plan, store, system=system)
    if as_json:
        say_json(_as_json(plan, written=not dry_run))
    else:
        _say(plan, dry_run=dry_run)


def _say(plan: Plan, *, dry_run: bool) -> None:
    words = {"setting": ("is now", "is no longer set"), "notifyee": ("is now", "is removed")}
    words["provider"] = words["notifyee"]
    words["connection"] = ("is remembered for", "is forgotten")
    changes = plan.changes
    for each in changes:
        now, gone = words[each.what]
        files = {"notifyee": plan.after.notifyees, "provider": plan.after.providers}.get(each.what, {})
        if each.value and each.name in files and not files[each.name].values.get("enabled", True):
            now = "is disabled, with"
        say(plain(f"{each.name} {gone if each.value is None else f'{now} {each.value}'}"))
    for note in plan.notes:
        say(plain(f"line {note.line}: {subject_of(note.name)}{note.reason}"))
    if plan.other_keys or plan.other_values:
        others = [(plan.other_keys, "other key"), (plan.other_values, "other value")]
        say(f"Passed by: {', '.join(counted(number, thing) for number, thing in others if number)}.")
    if not changes:
        say("Everything is as the file says already.")
    elif dry_run:
        say("Nothing was changed: this was a dry run.")


def _as_json(plan: Plan, *, written: bool) -> dict[str, Any]:
    return {
        "changes": [{"what": each.what, "name": each.name, "value": each.value} for each in plan.changes],
        "notes": [{"name": each.name, "line": each.line, "reason": each.reason} for each in plan.notes],
        "other_keys": plan.other_keys,
        "other_values": plan.other_values,
        "written": written,
    }


@command.command(
    "export",
    arguments={"FILE": "The .reg file to write. Without it, or for -, it is shown, or goes to the next program."},
    examples=[
        ("mpr reg export", "See what is kept."),
        ("mpr reg export drives.reg", "A file that regedit, and 'mpr reg import' on another machine, can read."),
        ("mpr reg export old.reg --format 4", "A REGEDIT4 file, for old programs; code page 1252."),
    ],
)
@click.argument("file", type=click.Path(path_type=Path), required=False)
@option("--system", is_flag=True, help="Settings and notifyees are those for all users, in /etc/mprouter.")
@option(
    "--format",
    "version",
    type=click.Choice(["5", "4"]),
    default="5",
    help="5: Windows Registry Editor Version 5.00, in UTF-16. 4: REGEDIT4.",
)
@option("--force", is_flag=True, help="Replace FILE if it is there.")
def export(file: Path | None, system: bool, version: str, force: bool) -> None:
    """Export what this machine keeps as a registry file.

    No password is in it. Notifyees that are commands or Python code have their target in place of a path; those that
    are disabled are not in a key that Windows knows.
    """
    from contextlib import closing

    from mprouter.registry import exporting, reg_file
    from mprouter.store import Store

    with closing(Store(as_is=True)) as store:
        data = exporting.exported(store, system=system, version=int(version))
    if file is not None and file != Path("-"):
        exporting.write(file, data, force=force)
    elif is_terminal(sys.stdout):
        for line in reg_file.read(data).splitlines():
            say(plain(line))
    else:
        say(data)
