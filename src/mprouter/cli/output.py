"""What a command prints: lines and tables for a person, JSON for a program; always such that a terminal is safe."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import click

from mprouter.terminal import plain

__all__ = ["OutputLost", "counted", "is_terminal", "plain", "say", "say_json", "say_table", "size"]


class OutputLost(Exception):
    """Standard output cannot be written: the disk is full, say, or whoever read it has gone, as ``head`` does.

    reader_gone: which of the two; the latter is a reason to end, but not to complain.
    """

    def __init__(self, message: str, *, reader_gone: bool) -> None:
        super().__init__(message)
        self.reader_gone = reader_gone


def say(text: str | bytes, *, is_line: bool = True) -> None:
    """Print *text* on standard output, as a line unless it is none or bytes. Raises ``OutputLost``."""
    try:
        click.echo(text, nl=is_line and isinstance(text, str), color=False if os.environ.get("NO_COLOR") else None)
    except OSError as error:
        with suppress(OSError, ValueError):  # else Python complains at its end that the rest was not written
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        words = f"standard output cannot be written: {error.strerror}"
        raise OutputLost(words, reader_gone=isinstance(error, BrokenPipeError)) from error


def say_json(value: Any) -> None:
    """Print *value* as JSON: on a terminal over several lines, else on one. All of it is ASCII, so any name passes."""
    import json

    say(json.dumps(value, indent=2 if is_terminal(sys.stdout) else None))


def say_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print *rows* under their *headings*, aligned; a column with nothing in it is left out. Cells may be styled."""
    shown = [column for column in range(len(headings)) if any(row[column] for row in rows)]
    styled = [click.style(each, bold=True) for each in headings]
    columns = [[row[column] for row in (styled, *rows)] for column in shown]
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


def _aligned(cells: Sequence[str]) -> list[str]:
    """*cells*, each as wide as the widest."""
    widths = [_width(cell) for cell in cells]
    widest = max(widths)
    return [cell + " " * (widest - width) for cell, width in zip(cells, widths, strict=True)]


def _width(text: str) -> int:
    """How many columns of a terminal *text* takes."""
    if "\033" in text:
        text = click.unstyle(text)
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(2 if east_asian_width(each) in "WF" else not combining(each) for each in text)
