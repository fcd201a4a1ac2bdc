"""What ``mpr doctor`` finds, in values: which kinds of findings there are, one of them, and a check that yields them.

Whoever knows a part of the system checks it: the rooms of ``doctor/`` what is the router's own, a provider what it
needs. docs/doctor.md has a table of all kinds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum

from mprouter.frozen import frozen

__all__ = ["Check", "Finding", "Kind", "Severity"]


class Severity(Enum):
    """How bad it is: good to know; something does not work as it should; connections fail or data is at stake."""

    NOTE = "note"
    WARNING = "warning"
    ERROR = "error"

    @property
    def is_wrong(self) -> bool:
        """Whether something has to be mended; a note needs nothing."""
        return self is not Severity.NOTE


@frozen
class Finding:
    """One thing that was found.

    code: of its kind. what: one line, with names. meaning: what follows from it. mend: how to mend it. fix: mends it
    and is safe: it loses nothing, and looks again whether it is still so; raises ``OSError`` if it cannot.
    """

    code: str
    severity: Severity
    what: str
    meaning: str
    mend: str
    fix: Callable[[], None] | None = None


@frozen
class Kind:
    """What findings of one kind have in common, for the code and for the document.

    code: for programs. mend: with names in braces for what differs, "" if nothing has to be done. fix: what ``--fix``
    does, "" if nothing.
    """

    code: str
    severity: Severity
    meaning: str
    mend: str
    fix: str = ""

    def found(self, what: str, *, fix: Callable[[], None] | None = None, **words: object) -> Finding:
        """A finding of this kind. words: those in the braces of ``mend``; for a shell, a tuple as several."""
        from shlex import join

        listed = {name: word if isinstance(word, tuple) else (str(word),) for name, word in words.items()}
        mend = self.mend.format_map({name: join(each) for name, each in listed.items()})
        return Finding(self.code, self.severity, what, self.meaning, mend, fix)


@frozen
class Check:
    """A look at one thing. subject: what is looked at, in a word or two. look: yields what is wrong, nothing if well.

    is_of_what_runs: whether it would take for dead or left behind what another realm (``realm``) is at work on.

    Whatever ``look`` raises becomes a finding itself. It may read anything but a mounted directory, which could hang.
    """

    subject: str
    look: Callable[[], Iterable[Finding]]
    is_of_what_runs: bool = False
