"""How a command fails: one line on standard error, or one JSON object on standard output, and an exit code."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mprouter.cli.output import OutputLost, is_terminal, plain, say_error, say_json
from mprouter.cli.running import Ended
from mprouter.status import Status, WNetError, shortage, subject_of

__all__ = ["DEBUG_VARIABLE", "as_json", "interrupted", "leaving", "tell"]

DEBUG_VARIABLE = "MPROUTER_DEBUG"
"""Set to anything, it has the traceback of an unexpected error shown."""

_SIGPIPE = 13


def tell(error: BaseException, *, json: bool, failed: int = 1) -> int:
    """Say that the command ends with *error*. Returns the exit code: *failed*, or what an interrupt has."""
    if isinstance(error, OutputLost):
        if error.reader_gone:
            return 128 + _SIGPIPE  # what ends other programs then
        hint = "if something was to be changed, it is: mpr list shows it"
        error, json = WNetError(Status.ERROR_WRITE_FAULT, str(error), hint=hint), False
    if isinstance(error, RuntimeError) and isinstance(error.__cause__, KeyboardInterrupt):
        error = error.__cause__  # Python 3.11 has wrapped it, where it struck while a class was made
    if isinstance(error, KeyboardInterrupt):
        number = error.number if isinstance(error, Ended) else Ended.latest or signal.SIGINT
        if is_terminal(sys.stderr):
            say_error()  # the line that shows ^C, or a question, ends here
        told = interrupted(error)
        line = (subject_of(told.name) if told.name else "") + str(told.strerror)
        _tell(line, told, json=json, outcome=_left_by(error)[0])
        return 128 + number
    known = error if isinstance(error, WNetError) else _unexpected(error)
    _tell(str(known), known, json=json)
    return failed


def interrupted(interrupt: KeyboardInterrupt) -> WNetError:
    """*interrupt* as an error, which says what became of the connection that was worked at."""
    outcome, name = _left_by(interrupt)
    return WNetError(Status.WN_CANCEL, f"interrupted; {outcome}" if outcome else "interrupted", name=name)


@contextmanager
def leaving() -> Iterator[Callable[[str, str], None]]:
    """Gets a function to be told the outcome, and the name, of what is done: Ctrl-C after that says so too."""
    done: list[str] = []
    try:
        yield lambda outcome, name: done.append(f"{outcome}: {name}")
    except KeyboardInterrupt as interrupt:
        for note in done:
            interrupt.add_note(note)
        raise


def _left_by(interrupt: KeyboardInterrupt) -> tuple[str | None, str | None]:
    """What became of the connection that was worked at, and its name; see ``History.left_by_interrupt``."""
    notes: list[str] = getattr(interrupt, "__notes__", [])
    outcome, colon, name = notes[-1].partition(": ") if notes else ("", "", "")  # the last is the outermost operation's
    return (outcome, name) if colon else (None, None)


def as_json(error: WNetError) -> dict[str, str | int | None]:
    """What ``--json`` shows of *error*."""
    return {
        "status": error.status.name,
        "code": error.winerror,
        "name": error.name,
        "message": error.strerror,
        "hint": error.hint,
    }


def _tell(line: str, error: WNetError, *, json: bool, **more: str | None) -> None:
    if not json:
        say_error(f"mpr: {plain(line)}")
        return
    try:
        say_json(as_json(error) | more)
    except OutputLost:
        say_error(f"mpr: {plain(line)}")


def _unexpected(error: BaseException) -> WNetError:
    """A defect of this program, or a shortage of the system's that nobody noticed before, in one line.

    Its words are not repeated, for nobody has looked whether there may be a secret in them; those of the operating
    system are.
    """
    if os.environ.get(DEBUG_VARIABLE):
        import traceback

        traceback.print_exception(error)
    if short := shortage(error):
        return WNetError(short[0], name=getattr(error, "filename", None), hint=short[1])
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f" at {Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else ""
    words = f": {error}" if isinstance(error, OSError) else ""
    return WNetError(
        Status.ERROR_UNHANDLED_EXCEPTION,
        f"unexpected {type(error).__name__}{place}{words}",
        hint=f"run it again with {DEBUG_VARIABLE}=1 to see where it comes from",
    )
