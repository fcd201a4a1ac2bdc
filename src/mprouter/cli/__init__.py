"""The command ``mpr``: arguments in, one call of the router, words or JSON out.

One file per command or family of commands. ``program.py`` knows their names, ``command.py`` and ``options.py`` what
they have in common for click, ``running.py``, ``output.py`` and ``failure.py`` what they have in common when they run.
``everyday.py``, ``later.py`` and ``ahead.py`` make them start sooner, ``ending.py`` ends the process. ``mpr list`` and
``mpr connect`` have a second file, ``listing.py`` and ``connecting.py``, which does without click. ``mpr net`` has more
of them: ``net_use.py``, ``net_grammar.py``, ``net_messages.py`` and ``command_line.py``. What is decided about
connections is decided in the router.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

__all__ = ["main"]


def main() -> NoReturn:
    """Run the command that the process was started for; ends the process with its exit code."""
    import sys

    try:
        _run()
    except KeyboardInterrupt as interrupt:  # while modules were loaded
        from mprouter.cli import failure

        sys.exit(failure.tell(interrupt, json=False))


def _run() -> NoReturn:
    import gc
    import os
    import sys

    from mprouter.cli import later

    gc.set_threshold(100_000)  # nearly all that a command makes is in use until its end: there is little to collect
    is_completing = "_MPR_COMPLETE" in os.environ
    if not is_completing:
        later.begin()
    words = sys.argv[1:]
    if os.path.basename(sys.argv[0]).lower() in {"net", "net.exe"}:  # noqa: PTH119 - a link of that name; see `mpr net`
        words = ["net", *words]
    lower = [word.lower() for word in words]
    if [word for word in lower if word[:1] != "-"][:2] == ["net", "use"]:
        from mprouter.cli import command_line

        command_line.wipe(len(words) - lower.index("use") - 1)  # before anything else: there may be a password in it
    if words[:1] == ["connect"]:
        from mprouter.cli import ahead

        ahead.begin(words[1:])
    _admit_any_name()
    code: str | int | None = None
    if words[:1] in (["list"], ["connect"]) and not is_completing:
        from mprouter.cli import everyday

        code = everyday.run(words)
    if code is None:
        from mprouter.cli.program import program

        try:
            program.main(words, prog_name="mpr")
        except SystemExit as ended:
            code = ended.code
    from mprouter.cli import ending

    ending.leave(code)


def _admit_any_name() -> None:
    """A name that a terminal cannot show is no reason to fail; and where ASCII is all that is said, UTF-8 is meant."""
    import codecs
    import sys

    for stream in filter(None, (sys.stdout, sys.stderr)):
        if stream.encoding != "utf-8" and codecs.lookup(stream.encoding).name == "ascii":
            stream.reconfigure(encoding="utf-8")
        if stream.errors != "backslashreplace":  # as it is on standard error
            stream.reconfigure(errors="backslashreplace")
