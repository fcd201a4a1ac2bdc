"""What installed packages register, by entry points.

``importlib.metadata`` reads them. Loading it takes longer than the rest of a command, and hardly any package registers
something here: whether one does is seen from the files first.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

from mprouter.frozen import frozen
from mprouter.status import check_known

__all__ = ["UNKNOWN", "EntryPoint", "entry_points", "mentioning"]

UNKNOWN = "?"
"""The package of an entry point that does not tell."""


@frozen
class EntryPoint:
    """An entry point. name: unique here, with the package's before it if another one has that name too.

    target: as a drop-in file would have it. value: as the package has it.
    """

    name: str
    target: str
    value: str
    package: str


def entry_points(group: str) -> list[EntryPoint]:
    """Those that packages have in *group*."""
    if next(mentioning(group), None) is None:
        return []
    from importlib import metadata

    found: dict[str, EntryPoint] = {}
    for entry in metadata.entry_points(group=group):
        package = entry.dist.name if entry.dist else UNKNOWN
        name = entry.name if entry.name not in found else f"{package}/{entry.name}"
        target = f"python:{entry.value.partition('[')[0].strip()}"
        found[name] = EntryPoint(name, target, entry.value, package)
    return list(found.values())


def mentioning(group: str) -> Iterator[str]:
    """The names of the metadata directories in which *group* is mentioned; "" where only the library can look."""
    if any(hasattr(each, "find_distributions") and each.__module__ != _STANDARD for each in map(_type, sys.meta_path)):
        yield ""
    wanted = group.encode()
    for directory in dict.fromkeys(sys.path):
        try:
            entries = os.scandir(directory or ".")
        except NotADirectoryError:  # a zip file
            yield ""
            continue
        except OSError as error:
            check_known(error)
            continue
        with entries:
            yield from (name for name, said in _said(entries) if wanted in said)


_STANDARD = "_frozen_importlib_external"


def _type(finder: object) -> type:
    return finder if isinstance(finder, type) else type(finder)


def _said(entries: Iterator[os.DirEntry[str]]) -> Iterator[tuple[str, bytes]]:
    for each in entries:
        if each.name.endswith((".dist-info", ".egg-info", ".egg")):
            inside = "EGG-INFO/entry_points.txt" if each.name.endswith(".egg") else "entry_points.txt"
            try:
                with open(f"{each.path}/{inside}", "rb") as file:  # noqa: PTH123 - short of pathlib
                    said = file.read()
            except OSError as error:
                check_known(error)
                continue
            yield each.name, said
