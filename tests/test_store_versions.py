"""Stores of older and newer versions of the program: brought up to date as a whole, or refused and left alone."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from mprouter.status import Status, WNetError
from mprouter.store import FILE_NAME, Store, schema
from stores import OTHER, REMOTE, claim, complete, in_another_process, refused

if TYPE_CHECKING:
    from pathlib import Path

VERSIONS = [1, 2]
"""Those before this one."""


ROWS = [
    """
    INSERT INTO connections VALUES (7, :remote, :remote, 'Z:', '/home/ana/Network/Z', 1, 'rclone', '007', '{}',
    '{"m": 7}', 'connected', 12, 'boot/34', 5, 1)
    """,
    "INSERT INTO profile VALUES ('Z:', :remote, :remote, 'rclone', '007', 1, '{\"vers\": \"3\"}', 5.5)",
    """
    INSERT INTO events VALUES (9, 5.5, 'a1', 'operation', 'add', NULL, NULL, 1, :remote, 'Z:', 'rclone', 1, 0, 0, NULL,
    'füß', 0.25, 12, 0)
    """,
    """
    INSERT INTO operations VALUES ('a1', '{"name": "Z:"}', :remote, 'Z:', NULL, '[7]', NULL, 1, NULL, 12, '34', 5)
    """,
    "INSERT INTO owed VALUES ('a1', 'user/dial', 0, '\"line 1\"', 0, 0, '')",
]


def old(directory: Path, version: int) -> Path:
    """A store as that version of the program made it, with something in each table."""
    path = directory / FILE_NAME
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        for statement in [each for step in schema._STEPS[:version] for each in step]:
            db.execute(statement)
        db.execute(f"PRAGMA user_version = {version}")
        for row in ROWS[: 3 if version == 1 else 5]:
            db.execute(row, {"remote": REMOTE})
    return path


def check_content(store: Store, version: int) -> None:
    (entry,) = [each for each in store.entries() if each.id == 7]
    assert (entry.local_name, entry.user, entry.handle, entry.phase, entry.made_directory) == (
        *("Z:", "007", {"m": 7}, "connected", True),
    )
    assert [(each.local_name, each.options, each.saved) for each in store.remembered()] == [("Z:", {"vers": "3"}, 5.5)]
    assert [(each.id, each.message) for each in store.events()] == [(9, "füß")]
    operations = [(each.id, each.entries, [owed.context for owed in each.owed]) for each in store.operations()]
    assert operations == ([("a1", (7,), ['"line 1"'])] if version >= 2 else [])


def content(directory: Path) -> dict[str, bytes]:
    """The store's file, and its log if there is one with something in it."""
    read = {each.name: each.read_bytes() for each in directory.glob(f"{FILE_NAME}*") if each.suffix != ".db-shm"}
    return {name: found for name, found in read.items() if found}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_file_of_an_older_version_is_brought_up_to_date(tmp_path: Path, version: int) -> None:
    old(tmp_path, version)
    store = Store(tmp_path)
    check_content(store, version)
    assert complete(store, claim(store, "Y:")).id == 8  # the ids go on
    assert store.begin_cancel(7)
    store.remove(7, forget="Z:")
    store.close()
    assert [each.local_name for each in store.entries()] == ["Y:"]
    assert store.remembered() == []
    store.close()


@pytest.mark.parametrize("version", VERSIONS)
def test_one_who_only_looks_neither_makes_the_file_nor_brings_it_up_to_date(tmp_path: Path, version: int) -> None:
    nothing = Store(tmp_path / "nothing", as_is=True)
    assert (nothing.entries(), nothing.damage(), list(tmp_path.iterdir())) == ([], [], [])
    old(tmp_path, version)
    before = content(tmp_path)
    store = Store(tmp_path, as_is=True)
    check_content(store, version)
    assert store.damage() == []
    store.close()
    assert content(tmp_path) == before


@pytest.mark.parametrize("version", VERSIONS)
def test_a_file_that_was_brought_up_to_date_is_as_a_new_one(tmp_path: Path, version: int) -> None:
    tables = []
    for name in ("new", "old"):
        directory = tmp_path / name
        directory.mkdir(mode=0o700)
        if name == "old":
            old(directory, version)
        store = Store(directory)
        with store._database.reading() as db:
            tables.append(db.execute("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY name").fetchall())
        store.close()
    assert tables[0] == tables[1]


@pytest.mark.parametrize("statement", [1, 2, 10, 20, 30, -1])
@pytest.mark.parametrize("version", VERSIONS)
def test_a_migration_that_is_killed_changes_nothing_and_is_done_by_the_next(
    tmp_path: Path, version: int, statement: int
) -> None:
    path = old(tmp_path, version)
    before = path.read_bytes()
    code = f"""
from mprouter.store import schema, sealed
install, begun = sealed.install, []

def watched(db):
    install(db)
    db.set_trace_callback(count)

def count(statement):
    begun.append(statement)
    if len(begun) == {statement} or {statement} < 0 and "user_version" in statement:
        os.kill(os.getpid(), signal.SIGKILL)

sealed.install = watched
store.entries()
"""
    in_another_process(tmp_path, code, ends_with=-signal.SIGKILL)
    assert path.read_bytes() == before
    store = Store(tmp_path)
    check_content(store, version)
    store.close()


def migrate(directory: Path, letter: str, barrier: Any, results: Any) -> None:
    store = Store(directory)
    barrier.wait()
    try:
        claim(store, letter)
        results.put("done")
    except WNetError as error:
        results.put(str(error))
    store.close()


@pytest.mark.parametrize("version", VERSIONS)
def test_eight_processes_that_bring_it_up_to_date_at_once_do_it_once(tmp_path: Path, version: int) -> None:
    old(tmp_path, version)
    spawn = multiprocessing.get_context("spawn")
    barrier, results = spawn.Barrier(8, timeout=60), spawn.SimpleQueue()
    processes = [spawn.Process(target=migrate, args=(tmp_path, f"{each}:", barrier, results)) for each in "EFGHIJKL"]
    for each in processes:
        each.start()
    assert [results.get() for _ in processes] == ["done"] * 8
    for each in processes:
        each.join()
    store = Store(tmp_path)
    check_content(store, version)
    assert sorted(str(each.local_name) for each in store.entries()) == [f"{each}:" for each in "EFGHIJKLZ"]
    store.close()


NEWER = f"""
claim(store)
with store._database.writing() as db:
    db.execute("PRAGMA user_version = {schema.VERSION + 1}")
"""


@pytest.mark.parametrize("ends", ["", "os.kill(os.getpid(), signal.SIGKILL)"])
def test_a_newer_file_is_refused_and_left_alone(tmp_path: Path, ends: str) -> None:
    """Also its log, which a program that was killed leaves behind."""
    in_another_process(tmp_path, NEWER + (ends or "store.close()"), ends_with=-signal.SIGKILL if ends else 0)
    before = content(tmp_path)
    assert len(before) == (2 if ends else 1)
    assert refused(tmp_path).status is Status.ERROR_REVISION_MISMATCH
    assert content(tmp_path) == before


OLDER = """
from mprouter.store import schema
schema._STEPS = schema._STEPS[:{version}]
schema.VERSION = {version}
for use in (store.entries, lambda: claim(store, "Y:")):
    try:
        print(use())
    except Exception as error:
        print(error.status.name)
"""


@pytest.mark.parametrize("version", VERSIONS)
def test_an_older_program_refuses_this_ones_file(tmp_path: Path, version: int) -> None:
    store = Store(tmp_path)
    claim(store)
    store.close()
    before = content(tmp_path)
    assert in_another_process(tmp_path, OLDER.format(version=version)).split() == ["ERROR_REVISION_MISMATCH"] * 2
    assert content(tmp_path) == before


OLD_WRITES = [
    "UPDATE connections SET phase = 'cancelling' WHERE id = 7",
    "REPLACE INTO profile VALUES ('Z:', 'other', 'other', NULL, NULL, 1, '{}', 6)",
    """
    INSERT INTO profile (local_name, remote_name, canonical, type, options, saved) VALUES ('Y:', '', '', 1, '{}', 6)
    """,
    """
    INSERT INTO events (time, operation_id, kind, operation, attempt, flags, force, status, duration, pid, recovered)
    VALUES (6, 'a2', 'operation', 'add', 1, 0, 0, 0, 0, 1, 0)
    """,
]


@pytest.mark.parametrize("statement", OLD_WRITES)
def test_an_older_program_that_has_it_open_cannot_write_any_more(tmp_path: Path, statement: str) -> None:
    """Programs before version 3 look at the version only when they open the file."""
    path = old(tmp_path, 2)
    with closing(sqlite3.connect(path, isolation_level=None)) as older:
        assert older.execute("SELECT count(*) FROM connections").fetchone() == (1,)
        store = Store(tmp_path)
        check_content(store, 2)
        with pytest.raises(sqlite3.OperationalError):
            older.execute(statement)
        check_content(store, 2)
        store.close()


def test_a_program_that_has_it_open_notices_that_a_newer_one_has_it_now(tmp_path: Path) -> None:
    store = Store(tmp_path)
    claim(store)
    in_another_process(tmp_path, NEWER.replace("claim(store)", "claim(store, 'Y:')") + "store.close()")
    before = content(tmp_path)
    for use in (store.entries, lambda: claim(store, "X:", OTHER)):
        with pytest.raises(WNetError) as caught:
            use()
        assert caught.value.status is Status.ERROR_REVISION_MISMATCH
    assert content(tmp_path) == before


def test_a_program_that_has_it_open_brings_another_file_in_its_place_up_to_date(tmp_path: Path) -> None:
    store = Store(tmp_path)
    claim(store)
    there = tmp_path / "there"
    there.mkdir()
    os.replace(old(there, 1), tmp_path / FILE_NAME)  # noqa: PTH105 - while it is open
    for suffix in ("-wal", "-shm"):
        (tmp_path / (FILE_NAME + suffix)).unlink()
    check_content(store, 1)
    store.close()
