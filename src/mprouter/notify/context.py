"""Contexts as text, so that a post can be made by another process than the one that made the pre (N19).

Only what comes back exactly as it was can be kept: JSON values. A generator, a pointer, an object cannot.
"""

from __future__ import annotations

import json
from types import GeneratorType

__all__ = ["LIMIT", "Elsewhere", "frozen", "thawed"]

LIMIT = 32 * 1024
"""The longest text, in characters; a longer context is not kept."""


class Elsewhere:
    """A context that is in another process. frozen: what ``frozen`` made of it there."""

    __slots__ = ("frozen",)

    def __init__(self, frozen: str | None) -> None:
        self.frozen = frozen


def frozen(context: object) -> str | None:
    """*context*, which is not None, as text; None if it cannot be had again from it."""
    if type(context) is GeneratorType:
        return None
    if isinstance(context, Elsewhere):
        return context.frozen
    try:
        text = json.dumps(context, allow_nan=False)
        same = len(text) <= LIMIT and json.loads(text) == context
    except Exception:  # noqa: BLE001 - it is a stranger's, and may be compared in any way
        return None
    return text if same else None


def thawed(text: str | None) -> object:
    """The context that ``frozen`` made *text* of; None for None."""
    return None if text is None else json.loads(text)
