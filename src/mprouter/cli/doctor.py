"""``mpr doctor``: what is wrong, what it means and how to mend it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from mprouter.cli.command import Command
from mprouter.cli.options import json_option, option
from mprouter.cli.output import BLUE, BOLD, GREEN, RED, YELLOW, plain, say, say_json, styled

if TYPE_CHECKING:
    from mprouter.doctor import Examination
    from mprouter.finding import Finding

__all__ = ["command"]

_COLOURS = {"error": RED, "warning": YELLOW, "note": BLUE}


@click.command(
    cls=Command,
    examples=[
        ("mpr doctor", "Look at everything that connections need."),
        ("mpr doctor --fix", "Mend what can be mended without losing anything, and show what is left."),
        ("mpr doctor --json | jq -r '.checks[].findings[].code'", "For monitoring: what was found, by its code."),
    ],
)
@option("--fix", is_flag=True, help="Mend what is safe to mend; no data is removed, no working mount touched.")
@json_option
@click.pass_context
def command(ctx: click.Context, fix: bool, as_json: bool) -> None:
    """Say what is wrong and how to mend it.

    Looks at FUSE, rclone, directories and disk, settings, passwords, the records, connections and mounts, unsent data
    and notifyees. No server is asked. What each finding means stands in docs/doctor.md. The exit code is 1 if something
    wrong remains; notes are only good to know.
    """
    from mprouter.doctor import examine

    found = examine(fix=fix)
    if as_json:
        say_json(_as_json(found))
    else:
        for line in _lines(found):
            say(line)
    if not found.is_healthy:
        ctx.exit(1)


def _lines(found: Examination) -> Iterator[str]:
    for each in found.mended:
        yield f"{styled('mended', GREEN)}   {plain(each.what)}"
    for each, reason in found.failed:
        yield f"{styled('not mended', RED)}   {plain(each.what)}: {plain(reason)}"
    if found.mended or found.failed:
        yield ""
    width = max(len(each.subject) for each in found.checked)
    for checked in found.checked:
        if not checked.findings:
            yield f"{checked.subject:{width}}  {styled('ok', GREEN)}"
        for each in checked.findings:
            yield f"{checked.subject:{width}}  {_styled(each)} {plain(each.what)}"
            yield f"{'':{width}}    {each.meaning}"
            if each.mend:
                yield f"{'':{width}}    {styled('mend:', BOLD)} {plain(each.mend)}"
    yield ""
    yield _summary(found)


def _styled(finding: Finding) -> str:
    return styled(finding.severity.value.upper(), _COLOURS[finding.severity.value], BOLD)


def _summary(found: Examination) -> str:
    wrong = [each for each in found.findings if each.severity.is_wrong]
    if not wrong:
        return "Nothing is wrong."
    safe = sum(each.fix is not None for each in wrong)
    count = "1 thing is wrong." if len(wrong) == 1 else f"{len(wrong)} things are wrong."
    return count + (f" 'mpr doctor --fix' can mend {safe} of them." if safe else "")


def _as_json(found: Examination) -> dict[str, Any]:
    return {
        "healthy": found.is_healthy,
        "checks": [
            {"subject": each.subject, "findings": [_finding_as_json(finding) for finding in each.findings]}
            for each in found.checked
        ],
        "mended": [_finding_as_json(each) for each in found.mended],
        "not_mended": [{**_finding_as_json(each), "reason": reason} for each, reason in found.failed],
    }


def _finding_as_json(finding: Finding) -> dict[str, Any]:
    return {
        "code": finding.code,
        "severity": finding.severity.value,
        "what": finding.what,
        "meaning": finding.meaning,
        "mend": finding.mend,
        "fixable": finding.fix is not None,
    }
