"""The server's files, of one file system of rclone's, as what waits to be sent is compared with them."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from mprouter.frozen import frozen
from mprouter.providers.rclone.daemon import Daemon
from mprouter.providers.rclone.rc import Refused

__all__ = ["Server", "seconds"]

_DENIED = re.compile("denied|forbidden|access rights", re.IGNORECASE)
"""How servers say that a file may not be read, which will be so the next time too."""

_FEW = 4
"""Waiting files of one directory that are asked for one by one; for more of them the directory is listed once."""

_UNTOLD = 100 * 365 * 24 * 3600 * 10**9
"""What rclone calls the precision of times that a server does not tell, or does not keep; in nanoseconds."""

_SLACK = 2.0
"""Seconds by which a time may differ from what it was set to: some servers' disks keep every second one."""

_LONG = 3600
"""Seconds for what has to read a whole file."""

_LONG_NAME = 100
"""Bytes from which on a file's name loses its end where rclone puts something behind it."""


class Server:
    """The server's files, of the file system *fs* of an rclone. waiting: names of those that are compared with them."""

    def __init__(self, rclone: Daemon, fs: str, waiting: Iterable[str] = ()) -> None:
        self.rclone = rclone
        self.fs = fs
        self._waiting = Counter(each.rpartition("/")[0] for each in waiting)
        self._listed: dict[str, dict[str, dict[str, Any]]] = {}

    def has(self, name: str) -> bool:
        """Whether there is a file *name*, or may be. Raises ``Refused`` and ``WNetError``."""
        try:
            name.encode()
        except UnicodeEncodeError:  # rclone cannot be asked for it
            return True
        return self._look(name) is not None

    def still_has(self, name: str, fingerprint: str, since: str) -> bool:
        """Whether the file *name* is the one with that fingerprint. Raises ``Refused`` and ``WNetError``.

        since: where that is only a size, as with WebDAV, the file must not have changed after this time.
        """
        item, known = self._look(name, showHash=True), _Known.of(fingerprint)
        if item is None or str(item["Size"]) not in known.sizes:
            return False
        if not known.hashes.isdisjoint((item.get("Hashes") or {}).values()):
            return True
        time = int(seconds(item["ModTime"]))
        return all(int(each) == time for each in known.times) if known.times else time <= int(seconds(since))

    def has_anothers(self, name: str, data: Path, fingerprint: str, since: str) -> bool:
        """Whether the file *name* was made by somebody else while ours waited. Raises ``Refused`` and ``WNetError``.

        It is neither the one with that *fingerprint*, which ours began with, nor what there is of ours in the directory
        *data*. Where ours began with none, as a file does that a program saves under another name first, the server's
        must be newer than *since*, when ours was closed. What cannot be told, or seen, is nobody else's. A directory is
        somebody else's; rclone would remove it from a WebDAV server, with all that is in it.
        """
        if (seen := self._seen(name)) is not None and seen["IsDir"]:
            return True
        ours, began = (data / name).stat(), _Known.of(fingerprint)
        if not self._tells or (fingerprint and not (began.times or began.hashes)):
            return False
        known = _Known(began.sizes | {str(ours.st_size)}, began.times | {ours.st_mtime}, began.hashes)
        if seen is None or known.has(seen):
            return False
        item = self._ask("stat", name, filesOnly=True, showHash=str(seen["Size"]) in known.sizes).get("item")
        if item is None or known.has(item) or (not fingerprint and seconds(item["ModTime"]) <= seconds(since)):
            return False
        return not (item.get("Hashes") and item["Hashes"] == self._hashes(data, name, [*item["Hashes"]]))

    def withdraw(self, name: str, data: Path) -> None:
        """Let no upload of the file *name* of the directory *data*, which nobody waits for any more, get that name.

        All of it may be on the server, and the request to rename it still on its way there: it would replace what
        somebody else makes of the file *name*, at any time. Raises ``WNetError``, and ``Refused`` of many files.
        """
        features, directory = self._can["Features"], name.rpartition("/")[0]
        if not (features["Move"] and features["PartialUploads"]):
            return
        partial = _uploaded_as(name, (data / name).stat())
        if self._waiting[directory] <= _FEW or self._folded(partial) in self._within(directory):
            with suppress(Refused):  # as nearly always: it is not there
                self.rclone.call("operations/deletefile", timeout=60, fs=self.fs, remote=partial)

    def fetch(self, name: str, file: Path) -> bool:
        """Copy the file *name* to *file*; False if it may not be read. Raises ``Refused`` and ``WNetError``."""
        there = {"dstFs": str(file.parent), "dstRemote": file.name}
        try:
            self.rclone.call("operations/copyfile", timeout=_LONG, srcFs=self.fs, srcRemote=name, **there)
        except Refused as refusal:
            if _DENIED.search(refusal.text) is None:
                raise
            return False
        return True

    @cached_property
    def _can(self) -> dict[str, Any]:
        return self.rclone.call("operations/fsinfo", timeout=60, fs=self.fs)

    @property
    def _tells(self) -> bool:
        """Whether another file than before is somebody else's: it has a time, and half of ours never has its name."""
        features = self._can["Features"]
        return bool(self._can["Precision"] < _UNTOLD and (features["Move"] or not features["PartialUploads"]))

    def _seen(self, name: str) -> dict[str, Any] | None:
        """What there is under the *name*, or, where many wait in its directory, there was when that was listed."""
        directory = name.rpartition("/")[0]
        if self._waiting[directory] <= _FEW:
            item: dict[str, Any] | None = self._ask("stat", name, filesOnly=True).get("item")
            if item is not None or not self._can["Features"]["CanHaveEmptyDirectories"]:
                return item
        return self._within(directory).get(self._folded(name))

    def _within(self, directory: str) -> dict[str, dict[str, Any]]:
        """What there is in the *directory*, or was when it was listed."""
        if directory not in self._listed:
            self._listed[directory] = self._list(directory)
        return self._listed[directory]

    def _list(self, directory: str) -> dict[str, dict[str, Any]]:
        """What is there, with hashes in place of times where those take a request for each and hashes do not.

        Directories that cannot be empty are none: a bucket may have one beside a file of the same name.
        """
        features = self._can["Features"]
        hashed = features["SlowModTime"] and self._can["Hashes"] and not features["SlowHash"]
        wanted = {"noModTime": True, "showHash": True} if hashed else {}
        wanted |= {"filesOnly": not features["CanHaveEmptyDirectories"], "noMimeType": True}
        found = self._ask("list", directory, **wanted).get("list", ())
        return {self._folded(each["Path"]): each for each in found}

    def _folded(self, name: str) -> str:
        return name.casefold() if self._can["Features"]["CaseInsensitive"] else name

    def _hashes(self, data: Path, name: str, kinds: list[str]) -> dict[str, str]:
        """Those of the file *name* in the directory *data*, which is here."""
        found = self.rclone.call(
            "operations/stat", timeout=_LONG, fs=str(data), remote=name, opt={"filesOnly": True, "hashTypes": kinds}
        )
        return (found["item"] or {}).get("Hashes") or {}

    def _ask(self, what: str, remote: str, **wanted: bool) -> dict[str, Any]:
        """What rclone answers; nothing where the server refuses that alone, as in a directory that is gone."""
        try:
            return self.rclone.call(f"operations/{what}", timeout=_LONG, fs=self.fs, remote=remote, opt=wanted)
        except Refused:
            self.has("")
            return {}

    def _look(self, name: str, **wanted: bool) -> dict[str, Any] | None:
        found = self.rclone.call("operations/stat", timeout=60, fs=self.fs, remote=name, opt=wanted)
        item: dict[str, Any] | None = found["item"]
        return item


@frozen
class _Known:
    """What is known of a file, or of each of several."""

    sizes: frozenset[str]
    times: frozenset[float]
    hashes: frozenset[str]

    @classmethod
    def of(cls, fingerprint: str) -> _Known:
        """What rclone has written down: size, time and hash, where they are known; "" of no file."""
        size, *known = fingerprint.split(",")
        times = {each for each in known if each.endswith(" UTC")}
        return cls(
            frozenset({size}),
            frozenset(seconds(each.replace(" +0000 UTC", "+00:00")) for each in times),
            frozenset({*known} - times - {""}),
        )

    def has(self, item: dict[str, Any]) -> bool:
        """Whether *item*, as rclone lists it, may be one of them; without a time or a hash it is none."""
        if str(item["Size"]) not in self.sizes:
            return False
        told = item["ModTime"] and seconds(item["ModTime"])
        return not self.hashes.isdisjoint((item.get("Hashes") or {}).values()) or any(
            told and abs(told - each) < _SLACK for each in self.times
        )


def _uploaded_as(name: str, data: os.stat_result) -> str:
    """What rclone calls *data* on the server until all of it is there, and is renamed to *name*."""
    from datetime import UTC, datetime
    from zlib import crc32

    moment, nano = divmod(data.st_mtime_ns, 10**9)
    fraction = f".{nano:09}".rstrip("0.")
    time = f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M:%S}{fraction} +0000 UTC"
    end = f".{crc32(os.fsencode(f'{name}{data.st_size},{time}')):08x}.partial"
    if len(os.fsencode(name.rpartition("/")[2])) > _LONG_NAME:
        name = os.fsencode(name)[: -len(end)].decode(errors="ignore")
    return name + end


def seconds(time: str) -> float:
    """Seconds since 1970, with microseconds; Python keeps no more."""
    from datetime import datetime

    return datetime.fromisoformat(time).timestamp()
