"""The command ``mpr``: arguments in, one call of the router, words or JSON out.

One file per command or family of commands. ``program.py`` knows their names, ``command.py`` what they have in common:
how they fail, warn and end. What is decided about connections is decided in the router.
"""

from __future__ import annotations

from typing import NoReturn

__all__ = ["main"]


def main() -> NoReturn:
    """Run the command that the process was started for; ends the process with its exit code."""
    import sys

    from mprouter.cli.program import program

    if sys.stdout is not None:  # a name that this terminal cannot show is no reason to fail
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    program.main(prog_name="mpr")
