"""The hosts that the user has written into ``~/.ssh/config``. What it says of them is ssh's to read."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator
from pathlib import Path

__all__ = ["ssh_hosts"]

_DEEPEST = 16
"""How deep files include each other, at most: ssh's own bound."""


def ssh_hosts(file: Path) -> list[str]:
    """The names without wildcards that stand after ``Host`` in *file* and in what it includes, each once, in order."""
    return list(dict.fromkeys(_named(file, file.parent, 0)))


def _named(file: Path, home: Path, depth: int) -> Iterator[str]:
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        keyword, _, rest = re.sub(r"\s*=\s*|\s+", " ", line.strip(), count=1).partition(" ")
        words = [quoted or plain for quoted, plain in re.findall(r'"([^"]*)"|([^\s"]+)', rest)]
        if keyword.lower() == "host":
            yield from (each for each in words if not set(each) & set("*?!"))
        elif keyword.lower() == "include" and depth < _DEEPEST:
            for each in words:
                for found in sorted(glob.glob(str(home / Path(each).expanduser()))):  # noqa: PTH207 - it may be absolute
                    yield from _named(Path(found), home, depth + 1)
