"""What the options of all commands have in common."""

from __future__ import annotations

from functools import partial
from typing import Any

import click

__all__ = ["Option", "json_option", "option"]


class Option(click.Option):
    """One whose help stands as it is written, for which click would load ``inspect``."""

    def __init__(self, *arguments: Any, help: str | None = None, **named: Any) -> None:  # noqa: A002 - click's name
        super().__init__(*arguments, **named)
        self.help = help


option = partial(click.option, cls=Option)
"""``click.option`` of them."""

json_option = option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
