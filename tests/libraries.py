"""Native libraries for tests: sources of ``native/`` and of the examples, compiled."""

from __future__ import annotations

import functools
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from mprouter.plugins.library import cflags

NATIVE = Path(__file__).parent / "native"
EXAMPLES = Path(__file__).parents[1] / "examples" / "native"

Build: TypeAlias = Callable[..., Path]


def builder(directory: Path) -> Build:
    """What compiles a source into *directory*; with the same arguments, once."""

    @functools.cache
    def build(source: str | Path, *arguments: str, compiler: str = "gcc") -> Path:
        source = NATIVE / source
        library = directory / f"{source.stem}-{len(list(directory.iterdir()))}.so"
        warnings = ("-Wall", "-Wextra", "-Werror", "-Wno-unknown-pragmas")
        subprocess.run(
            [compiler, "-shared", "-fPIC", "-g", *warnings, *cflags(), *arguments, source, "-o", library], check=True
        )
        return library

    return build
