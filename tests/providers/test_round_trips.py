"""What programs do with a connection, on each network, compared with what the server has afterwards."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

import pytest

from shares import Connect, Disconnect, Share

MEBIBYTE = 1 << 20


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fill(path: Path, mebibytes: int) -> str:
    """Write bytes that do not compress; their digest."""
    told = hashlib.sha256()
    with path.open("wb") as file:
        for _ in range(mebibytes):
            block = os.urandom(MEBIBYTE)
            told.update(block)
            file.write(block)
    return told.hexdigest()


def test_two_thousand_files_are_listed(share: Share, connect: Connect, disconnect: Disconnect) -> None:
    names = {f"file {number:04}.txt" for number in range(2000)}
    for name in names:
        (share.root / name).write_text(name)
    mounted = connect(share)
    assert {each.name for each in mounted.mountpoint.iterdir()} == names
    assert (mounted.mountpoint / "file 1234.txt").read_text() == "file 1234.txt"
    disconnect(mounted)


def test_64_mebibytes_are_read_as_they_are(share: Share, connect: Connect, disconnect: Disconnect) -> None:
    expected = fill(share.root / "big", 64)
    mounted = connect(share)
    assert digest(mounted.mountpoint / "big") == expected
    disconnect(mounted)


def test_c6_64_written_mebibytes_are_on_the_server_after_the_cancel(
    share: Share, connect: Connect, disconnect: Disconnect
) -> None:
    mounted = connect(share)
    expected = fill(mounted.mountpoint / "big", 64)
    disconnect(mounted)
    assert digest(share.root / "big") == expected


def test_files_are_written_appended_to_renamed_and_deleted(
    share: Share, connect: Connect, disconnect: Disconnect
) -> None:
    for name in ("log", "old name", "superfluous"):
        share.put(name, f"{name}\n")
    mounted = connect(share)
    place = mounted.mountpoint
    (place / "new").write_text("new\n")
    (place / "empty").touch()
    with (place / "log").open("a") as log:
        log.write("another line\n")
    (place / "old name").rename(place / "new name")
    (place / "superfluous").unlink()
    disconnect(mounted)
    assert {each.name: each.read_text() for each in share.root.iterdir()} == {
        "new": "new\n",
        "empty": "",
        "log": "log\nanother line\n",
        "new name": "old name\n",
    }


def test_directories_are_made_filled_and_moved(share: Share, connect: Connect, disconnect: Disconnect) -> None:
    mounted = connect(share)
    inner = mounted.mountpoint / "outer" / "inner"
    inner.mkdir(parents=True)
    (inner / "file").write_text("deep")
    (mounted.mountpoint / "outer").rename(mounted.mountpoint / "moved")
    disconnect(mounted)
    assert (share.root / "moved" / "inner" / "file").read_text() == "deep"


def test_names_of_every_script_survive(share: Share, connect: Connect, disconnect: Disconnect) -> None:
    names = {"Grüße aus Köln.txt", "名前", "имя файла", "emoji 🗂", "per%cent & plus+", "it's (a) test", "#1;2"}
    mounted = connect(share)
    for name in names:
        (mounted.mountpoint / name).write_text(name)
    assert {each.name for each in mounted.mountpoint.iterdir()} == names
    disconnect(mounted)
    assert {each.name: each.read_text() for each in share.root.iterdir()} == {name: name for name in names}


def test_read_only_lets_nothing_be_written(share: Share, connect: Connect, disconnect: Disconnect) -> None:
    (share.root / "file").write_text("as it was")
    mounted = connect(share, options={"read_only": "yes"})
    assert (mounted.mountpoint / "file").read_text() == "as it was"
    with pytest.raises(OSError, match=os.strerror(errno.EROFS)):
        (mounted.mountpoint / "file").write_text("changed")
    disconnect(mounted)
    assert (share.root / "file").read_text() == "as it was"


def test_files_are_the_users_own(sftp_share: Share, connect: Connect, disconnect: Disconnect) -> None:
    (sftp_share.root / "file").touch()
    before = os.umask(0o027)
    try:
        mounted = connect(sftp_share)
    finally:
        os.umask(before)
    found = (mounted.mountpoint / "file").stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (os.getuid(), os.getgid(), 0o640)
    disconnect(mounted)
