"""The person at the terminal, for CONNECT_INTERACTIVE: questions go to the controlling terminal, never to a pipe."""

from __future__ import annotations

import sys

from mprouter.providers.base import Conversation

__all__ = ["Terminal", "terminal"]


def terminal() -> Conversation | None:
    """A conversation with the person at the terminal, or None where nobody sits at one."""
    try:
        return Terminal() if sys.stdin.isatty() and sys.stderr.isatty() else None
    except (AttributeError, ValueError):  # no standard streams, or closed ones
        return None


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
