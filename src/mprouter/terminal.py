"""The person at the terminal, for CONNECT_INTERACTIVE: questions go to the controlling terminal, never to a pipe."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mprouter.providers.base import Conversation

__all__ = ["Terminal", "plain", "terminal"]


def terminal() -> Conversation | None:
    """A conversation with the person at the terminal, or None where nobody sits at one."""
    try:
        return Terminal() if sys.stdin.isatty() and sys.stderr.isatty() else None
    except (AttributeError, ValueError):  # no standard streams, or closed ones
        return None


def plain(text: object) -> str:
    r"""*text* on one line and without what would steer a terminal: control characters and halves become ``\x1b``."""
    text = str(text)
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


class Terminal:
    """Asks on the terminal; what is typed as a password is not shown."""

    def ask_password(self, prompt: str) -> str | None:
        """See ``Conversation``."""
        import getpass

        try:
            return getpass.getpass(f"{prompt}: ") or None
        except EOFError:
            return None

    def confirm(self, question: str) -> bool:
        """See ``Conversation``. Only a typed yes is one."""
        sys.stderr.write(f"{question} (yes/no)? ")
        sys.stderr.flush()
        return sys.stdin.readline().strip().lower() in {"y", "yes"}
