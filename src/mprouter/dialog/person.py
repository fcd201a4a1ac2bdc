"""The person in front of a dialog: what is shown, what is typed, and how the dialog is left. It knows no networks."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from mprouter.status import Status, WNetError
from mprouter.terminal import Terminal, terminal

__all__ = ["Left", "Person", "person"]


_OFTEN = 0.5
"""Seconds after which a Ctrl-C is noticed at the latest."""


class Left(Exception):
    """The person has left the dialog."""


def person(hint: str) -> Person:
    """The person at the terminal.

    hint: how to do without a dialog. Raises ``WNetError``, ERROR_REQUIRES_INTERACTIVE_WINDOWSTATION, if there is none.
    """
    if terminal() is None:
        raise WNetError(Status.ERROR_REQUIRES_INTERACTIVE_WINDOWSTATION, hint=hint)
    return Person()


class Person(Terminal):
    """Shows and asks in lines. Ctrl-C at a question, and the end of what is typed (Ctrl-D), leave the dialog.

    has_left: at a question that was put inside of an operation, which then ends as if no answer had come. Ctrl-C at
    any other time is the interrupt that it is elsewhere.
    """

    def __init__(self) -> None:
        self.has_left = False

    def show(self, text: str) -> None:
        """Show *text* as it is, which may be the beginning of a line."""
        sys.stderr.write(text)
        sys.stderr.flush()

    def say(self, line: str) -> None:
        """Show a line."""
        self.show(f"{line}\n")

    def ask(self, question: str) -> str:
        """What is typed after *question*, without blanks around it. Raises ``Left``."""
        while True:
            self.show(question)
            try:
                with self.leaving():
                    _wait()
                    line = sys.stdin.readline()
            except UnicodeDecodeError:
                self.say("That has characters which this terminal's encoding does not have.")
                continue
            except OSError:  # the terminal is gone
                raise Left from None
            if not line:
                self.show("\n")
                raise Left
            return line.strip()

    @contextmanager
    def leaving(self) -> Iterator[None]:
        """Ctrl-C inside leaves the dialog: raises ``Left``."""
        try:
            yield
        except KeyboardInterrupt as interrupt:
            self._leave(interrupt)
            raise Left from None

    def agrees(self, question: str, *, default: bool) -> bool:
        """The answer to *question*, *default* if it is only Enter. Raises ``Left``."""
        while True:
            answer = self.ask(f"{question} (yes/no) [{'yes' if default else 'no'}]: ").lower()
            if answer in {"", "y", "yes", "n", "no"}:
                return answer[0] == "y" if answer else default
            self.say("Type yes or no.")

    def ask_password(self, prompt: str) -> str | None:
        """See ``Conversation``."""
        try:
            return super().ask_password(prompt)
        except KeyboardInterrupt as interrupt:
            self._leave(interrupt)
            return None

    def confirm(self, question: str) -> bool:
        """See ``Conversation``."""
        try:
            return super().confirm(question)
        except KeyboardInterrupt as interrupt:
            self._leave(interrupt)
            return False

    def _leave(self, interrupt: KeyboardInterrupt) -> None:
        """Take *interrupt* for leaving, unless it is a signal that a program has its own end for."""
        if type(interrupt) is not KeyboardInterrupt:
            raise interrupt
        self.has_left = True
        self.show("\n")


def _wait() -> None:
    """Wait until something is typed: a signal that comes just before a read begins would not end it."""
    if os.name == "posix":
        while not select.select([sys.stdin], [], [], _OFTEN)[0]:
            pass
