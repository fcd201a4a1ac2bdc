"""What a command prints: lines and tables for a person, JSON for a program; always such that a terminal is safe."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from mprouter.terminal import plain

__all__ = [
    "BLUE",
    "BOLD",
    "DIM",
    "GREEN",
    "RED",
    "YELLOW",
    "OutputLost",
    "alone",
    "counted",
    "diverted",
    "is_screen",
    "is_terminal",
    "plain",
    "say",
    "say_error",
    "say_json",
    "say_table",
    "size",
    "stdout",
    "styled",
]

BOLD, DIM, RED, GREEN, YELLOW, BLUE = 1, 2, 31, 32, 33, 34
"""Styles of a terminal: parameters of SGR (ECMA-48)."""


class OutputLost(Exception):
    """Standard output cannot be written: the disk is full, say, or whoever read it has gone, as ``head`` does.

    reader_gone: which of the two; the latter is a reason to end, but not to complain.
    """

    def __init__(self, message: str, *, reader_gone: bool) -> None:
        super().__init__(message)
        self.reader_gone = reader_gone


_own: Any = None


def stdout() -> Any:
    """The stream that ``say`` prints to; None if there is none."""
    return sys.stdout if _own is None else _own


@contextmanager
def alone() -> Iterator[None]:
    """With nothing on standard output but what ``say`` prints: what notifyees print, say, goes to standard error."""
    global _own  # noqa: PLW0603 - a process has one
    try:
        is_there = sys.stdout.fileno() == 1
    except (AttributeError, OSError, ValueError):  # it is closed, or an object that keeps what is printed
        is_there = False
    if not is_there:
        yield
        return
    with open(os.dup(1), "w", encoding=sys.stdout.encoding, errors=sys.stdout.errors) as own:  # noqa: PTH123
        try:
            with diverted(2, 1):
                _own = own
                yield
        finally:
            _own = None


@contextmanager
def diverted(descriptor: int, *standard: int) -> Iterator[None]:
    """With these *standard* streams going to *descriptor*, also what C code and programs write there."""
    saved = {}
    _flush()
    try:
        for each in standard:
            with suppress(OSError):  # it is closed
                saved[each] = os.dup(each)
                os.dup2(descriptor, each)
        yield
    finally:
        _flush()
        for each, before in saved.items():
            os.dup2(before, each)
            os.close(before)


def _flush() -> None:
    for stream in filter(None, (sys.stdout, sys.stderr)):
        with suppress(OSError, ValueError):
            stream.flush()
    if "ctypes" in sys.modules:  # a library may have written too
        import ctypes

        ctypes.CDLL(None).fflush(None)


def say(text: str | bytes, *, is_line: bool = True) -> None:
    """Print *text* on standard output, as a line unless it is none or bytes. Raises ``OutputLost``."""
    try:
        _print(f"{text}\n" if is_line and isinstance(text, str) else text, stdout())
    except OSError as error:
        _give_up(stdout())
        words = f"standard output cannot be written: {error.strerror}"
        raise OutputLost(words, reader_gone=isinstance(error, BrokenPipeError)) from error


def say_error(line: str = "") -> None:
    """Print *line* on standard error. If that cannot be, what it is told of goes on all the same."""
    try:
        _print(f"{line}\n", sys.stderr)
    except (OSError, ValueError):  # a log on a full disk, or nobody reads it any longer
        _give_up(sys.stderr)


def _give_up(stream: Any) -> None:
    """Write nothing more: else Python complains at its end that the rest was not written."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _print(text: str | bytes, stream: Any) -> None:
    """Write *text* to *stream*, at once; without styles unless that is a terminal. ``click.echo`` does the same."""
    if stream is None:  # it was closed before this process began
        return
    if isinstance(text, bytes):
        stream.flush()
        stream = stream.buffer
    elif "\033" in text and not _shows_styles(stream):
        text = _unstyled(text)
    stream.write(text)
    stream.flush()


def styled(text: str, *styles: int) -> str:
    """*text* in these styles, such as ``BOLD``; ``say`` leaves them out where they would not show."""
    return "".join(f"\033[{each}m" for each in styles) + f"{text}\033[0m"


def say_json(value: Any) -> None:
    """Print *value* as JSON: on a terminal over several lines, else on one. All of it is ASCII, so any name passes."""
    import json

    say(json.dumps(value, indent=2 if is_terminal(stdout()) else None))


def say_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print *rows* under their *headings*, aligned; a column with nothing in it is left out. Cells may be styled."""
    shown = [column for column in range(len(headings)) if any(row[column] for row in rows)]
    bold = [styled(each, BOLD) for each in headings]
    columns = [[row[column] for row in (bold, *rows)] for column in shown]
    aligned = [_aligned(cells) for cells in columns]
    say("\n".join("  ".join(cells).rstrip() for cells in zip(*aligned, strict=True)))


def counted(number: int, thing: str) -> str:
    """``1 file``, ``2 files``."""
    return f"{number} {thing}" + ("" if number == 1 else "s")


def size(count: float) -> str:
    """*count* bytes for a person."""
    for unit in ("bytes", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"


def is_terminal(stream: Any) -> bool:
    """Whether a person reads, or writes, *stream*."""
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError):  # there is none, or it is closed
        return False


def is_screen(stream: Any) -> bool:
    """Whether it is a terminal on which lines can be drawn anew; not so in a shell of Emacs, which is a dumb one."""
    return is_terminal(stream) and os.environ.get("TERM", "").lower() not in {"dumb", "unknown"}


def _shows_styles(stream: Any) -> bool:
    return is_screen(stream) and not os.environ.get("NO_COLOR")


def _unstyled(text: str) -> str:
    return re.sub(r"\033\[[0-9;]*m", "", text)


def _aligned(cells: Sequence[str]) -> list[str]:
    """*cells*, each as wide as the widest."""
    widths = [_width(cell) for cell in cells]
    widest = max(widths)
    return [cell + " " * (widest - width) for cell, width in zip(cells, widths, strict=True)]


def _width(text: str) -> int:
    """How many columns of a terminal *text* takes."""
    if "\033" in text:
        text = _unstyled(text)
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(2 if east_asian_width(each) in "WF" else not combining(each) for each in text)
