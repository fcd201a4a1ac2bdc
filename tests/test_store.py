"""The store: claims, the profile, events, and what becomes of a file that cannot be used."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from mprouter import reserve
from mprouter.names import DRIVE_LETTERS
from mprouter.status import Status, WNetError
from mprouter.store import FILE_NAME, Entry, Remembered, Store, database, events
from stores import CHILD, OTHER, REMOTE, claim, complete, event, in_another_process, refused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox import OrdinaryUser, Places


@pytest.fixture
def store(tmp_path: Path, places: Places) -> Iterator[Store]:
    del places  # the settings are there
    store = Store(tmp_path)
    yield store
    store.close()


# -- claims --------------------------------------------------------------------------------------------------------


def test_a_claim_becomes_a_connection_that_every_process_sees(store: Store, tmp_path: Path) -> None:
    claimed = claim(store)
    assert (claimed.phase, claimed.local_name, claimed.path) == ("adding", "Z:", "/home/ana/Network/Z")
    assert claimed.owner_pid == os.getpid()
    assert claimed.owner_alive()

    connected = complete(store, claimed)

    assert connected == replace(
        claimed, phase="connected", provider="rclone", user="ana", handle={"mount": 7}, made_directory=True
    )
    assert store.entry("Z:") == store.by_id(connected.id) == connected
    assert store.entries() == [connected]
    assert in_another_process(tmp_path, "print(store.entry('Z:').handle)") == "{'mount': 7}"


def test_c4_a_connected_local_name_is_refused(store: Store) -> None:
    complete(store, claim(store))
    with pytest.raises(WNetError) as caught:
        claim(store, remote=OTHER)
    assert caught.value.status is Status.ERROR_ALREADY_ASSIGNED
    assert caught.value.name == "Z:"
    assert f"already connected to {REMOTE}" in str(caught.value)


def test_c4_a_drive_and_its_directory_are_one_place(store: Store) -> None:
    claim(store, "Z:")
    with pytest.raises(WNetError) as caught:
        claim(store, "/home/ana/Network/Z")
    assert caught.value.status is Status.ERROR_ALREADY_ASSIGNED
    assert f"/home/ana/Network/Z: process {os.getpid()} is connecting it" in str(caught.value)
    assert caught.value.hint == "try again when that is done, or give another local name"


def test_c4_a_name_remembered_for_another_resource_is_refused(store: Store) -> None:
    store.remove(complete(store, claim(store), remember=True).id)
    with pytest.raises(WNetError) as caught:
        claim(store, remote=OTHER)
    assert caught.value.status is Status.ERROR_DEVICE_ALREADY_REMEMBERED
    assert caught.value.name == "Z:"
    assert f"remembered for {REMOTE}" in str(caught.value)
    assert claim(store, remote=REMOTE.upper()).local_name == "Z:"


def test_c2_the_first_free_letter_is_picked(store: Store) -> None:
    claim(store, "Z:")
    store.remove(complete(store, claim(store, "Y:"), remember=True).id)
    claim(store, "/home/ana/Network/X")
    assert claim(store, None, letters=DRIVE_LETTERS).local_name == "W:"


def test_c2_letters_run_out(store: Store) -> None:
    taken = [claim(store, None, letters=DRIVE_LETTERS) for _ in DRIVE_LETTERS]
    assert [each.local_name for each in taken] == list(DRIVE_LETTERS)
    with pytest.raises(WNetError) as caught:
        claim(store, None, letters=DRIVE_LETTERS)
    assert caught.value.status is Status.ERROR_NO_MORE_DEVICES
    store.remove(taken[5].id)
    assert claim(store, None, letters=DRIVE_LETTERS).local_name == DRIVE_LETTERS[5]


def test_c5_deviceless_connections_are_found_by_their_remote_name(store: Store) -> None:
    first, second = (complete(store, claim(store, None)) for _ in range(2))
    claim(store, None, OTHER)
    claim(store, "Z:")
    assert store.by_remote(REMOTE) == [first, second]
    assert first.path != second.path


def test_the_mount_point_of_a_deviceless_connection_is_never_given_twice(store: Store) -> None:
    first = claim(store, None)
    store.remove(first.id)
    assert claim(store, None).path != first.path


def race(directory: Path, rounds: int, barrier: Any, results: Any) -> None:
    store = Store(directory)
    outcomes = []
    for _ in range(rounds):
        won: list[int] = []
        barrier.wait()
        try:
            won.append(complete(store, claim(store)).id)
            outcomes.append(0)
        except WNetError as error:
            outcomes.append(error.winerror)
        barrier.wait()
        for entry_id in won:
            assert store.begin_cancel(entry_id)
            store.remove(entry_id)
        barrier.wait()
    store.close()
    results.put(outcomes)


def test_c4_of_eight_processes_exactly_one_wins(tmp_path: Path) -> None:
    """Also the very first round, in which all of them make the file."""
    rounds, racers = 50, 8
    spawn = multiprocessing.get_context("spawn")
    barrier, results = spawn.Barrier(racers, timeout=60), spawn.SimpleQueue()
    processes = [spawn.Process(target=race, args=(tmp_path, rounds, barrier, results)) for _ in range(racers)]
    for each in processes:
        each.start()
    outcomes = [results.get() for _ in processes]
    for each in processes:
        each.join()
    for number in range(rounds):
        assert sorted(each[number] for each in outcomes) == [0] + [85] * (racers - 1)


def test_c4_of_eight_threads_exactly_one_wins(store: Store) -> None:
    barrier = threading.Barrier(8)
    outcomes: list[int] = []

    def go() -> None:
        barrier.wait()
        try:
            claim(store)
            outcomes.append(0)
        except WNetError as error:
            outcomes.append(error.winerror)

    threads = [threading.Thread(target=go) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(outcomes) == [0] + [85] * 7


# -- owners that died ----------------------------------------------------------------------------------------------


def test_n19_a_claim_of_a_dead_process_is_visible_as_such_and_left_to_recovery(store: Store, tmp_path: Path) -> None:
    pid = in_another_process(tmp_path, "claim(store); print(os.getpid())")
    dead = store.entry("Z:")
    assert dead is not None
    assert (dead.phase, dead.owner_pid, dead.owner_alive()) == ("adding", int(pid), False)
    for replacing in (None, dead):
        with pytest.raises(WNetError, match=f"process {pid} died while connecting it") as caught:
            claim(store, replacing=replacing)
        assert caught.value.status is Status.ERROR_ALREADY_ASSIGNED
    assert store.entries() == [dead]


def test_a_lost_connection_is_replaced_once(store: Store) -> None:
    lost = complete(store, claim(store))
    mine = claim(store, replacing=lost)
    assert store.entries() == [mine]
    with pytest.raises(WNetError, match="is connecting it") as caught:  # another process was quicker
        claim(store, replacing=lost)
    assert caught.value.status is Status.ERROR_ALREADY_ASSIGNED
    assert store.entries() == [mine]


def test_what_a_living_process_is_at_work_on_is_not_replaced(store: Store) -> None:
    mine = claim(store)
    with pytest.raises(WNetError) as caught:
        claim(store, replacing=mine)
    assert caught.value.status is Status.ERROR_ALREADY_ASSIGNED
    assert store.entries() == [mine]


def test_a_recycled_process_id_is_not_the_owner() -> None:
    here = Entry(1, REMOTE, REMOTE, None, "/p", 1, None, None, {}, {}, "adding", os.getpid(), "boot/1", 0.0, False)
    assert not here.owner_alive()


def test_a_zombie_is_not_alive(tmp_path: Path, store: Store) -> None:
    code = "from stores import *; claim(Store(Path(sys.argv[1])))"
    with subprocess.Popen([sys.executable, "-c", code, tmp_path], env=os.environ | CHILD) as child:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        dead = store.entry("Z:")
        assert dead is not None
        assert dead.owner_pid == child.pid
        assert not dead.owner_alive()


def test_a_claim_that_was_taken_away_cannot_be_completed(store: Store) -> None:
    claimed = claim(store)
    store.remove(claimed.id)
    with pytest.raises(WNetError) as caught:
        complete(store, claimed, remember=True)
    assert caught.value.status is Status.ERROR_NOT_CONNECTED
    assert store.remembered() == []


# -- cancelling ----------------------------------------------------------------------------------------------------


def test_a_cancel_is_begun_once(store: Store) -> None:
    entry = complete(store, claim(store))
    assert store.begin_cancel(entry.id)
    assert not store.begin_cancel(entry.id)
    store.keep(entry.id)
    assert store.entry("Z:") == entry
    assert store.begin_cancel(entry.id)
    store.remove(entry.id)
    assert not store.begin_cancel(entry.id)
    assert store.entries() == []


def test_a_claim_in_the_making_cannot_be_cancelled(store: Store) -> None:
    assert not store.begin_cancel(claim(store).id)


def test_n19_a_cancel_that_a_dead_process_began_is_left_to_recovery(store: Store, tmp_path: Path) -> None:
    entry = complete(store, claim(store))
    assert in_another_process(tmp_path, f"print(store.begin_cancel({entry.id}))") == "True"
    assert not store.begin_cancel(entry.id)
    store.keep(entry.id)
    assert store.begin_cancel(entry.id)


# -- the profile ---------------------------------------------------------------------------------------------------


def test_c3_a_remembered_connection_outlives_its_connection(store: Store, tmp_path: Path) -> None:
    entry = complete(store, claim(store), remember=True)
    store.remove(entry.id)
    (remembered,) = store.remembered()
    assert remembered == Remembered("Z:", REMOTE, REMOTE, "rclone", "ana", 1, {"vers": "3"}, remembered.saved)
    assert in_another_process(tmp_path, "print(store.remembered()[0].user)") == "ana"
    assert store.forget("Z:")
    assert not store.forget("Z:")
    assert store.remembered() == []


def test_c3_deviceless_connections_are_not_remembered(store: Store) -> None:
    complete(store, claim(store, None), remember=True)
    assert store.remembered() == []


def test_removing_may_forget_in_the_same_step(store: Store) -> None:
    entry = complete(store, claim(store), remember=True)
    store.remove(entry.id, forget="Z:")
    assert (store.entries(), store.remembered()) == ([], [])


def test_remember_replaces_what_the_name_stood_for(store: Store) -> None:
    complete(store, claim(store), remember=True)
    other = Remembered("Z:", OTHER, OTHER, None, None, 1, {}, 1.5)
    store.remember(other)
    assert store.remembered() == [other]


# -- events --------------------------------------------------------------------------------------------------------


def test_n20_events_come_back_as_they_were_written(store: Store) -> None:
    told = event(kind="notify", phase="pre", notifyee="user/dial", answer=1237, message="füß", recovered=True)
    store.record([told, event(force=True)])
    first, second = store.events()
    assert first == replace(told, id=first.id)
    assert second.force is True
    assert first.id is not None
    assert second.id is not None
    assert first.id < second.id


def test_n20_events_are_found_by_name_last_and_after(store: Store) -> None:
    store.record([event(local_name="Y:", remote_name=OTHER, status=number) for number in range(10)])
    store.record([event(status=number) for number in range(10, 20)])
    store.record([event(local_name=None, remote_name=OTHER, status=20)])

    def statuses(**wanted: Any) -> list[int]:
        return [each.status for each in store.events(**wanted)]

    assert statuses() == list(range(21))
    assert statuses(last=3) == [18, 19, 20]
    assert statuses(name="y:", last=2) == [8, 9]
    assert statuses(name=OTHER.upper(), last=2) == [9, 20]
    assert statuses(name=OTHER) == [*range(10), 20]
    assert statuses(name="nobody") == []
    ids = [each.id for each in store.events()]
    assert statuses(after=ids[17]) == [18, 19, 20]
    assert statuses(after=ids[17], name=OTHER) == [20]
    assert statuses(after=ids[20]) == []


def test_a_message_with_half_a_character_does_not_lose_the_event(store: Store) -> None:
    store.record([event(message="half \ud83d of it")])
    assert store.events()[0].message == r"half \ud83d of it"


def test_n20_the_oldest_events_go_when_there_are_too_many(store: Store, places: Places) -> None:
    (places.config / "settings.toml").write_text("events_kept = 50\n")
    for _ in range(20):
        store.record([event()] * 6)
    assert [each.id for each in store.events()] == [*range(71, 121)]  # ids are not used again


def test_n20_events_that_are_too_old_go(store: Store, places: Places) -> None:
    (places.config / "settings.toml").write_text("events_days = 0.5\n")
    now = time.time()
    store.record([event(time=now - 43_300)] * 4 + [event(time=now - 43_100)] * 4)
    assert [round(now - each.time) for each in store.events()] == [43_100] * 4


def test_n20_few_events_go_at_once(store: Store, places: Places) -> None:
    """A bound that was lowered is met step by step."""
    store.record([event()] * 1200)
    (places.config / "settings.toml").write_text("events_kept = 10\n")
    left = []
    for _ in range(4):
        store.record([event()])
        left.append(len(store.events()))
    assert left == [1201 - events.TRIM_AT_ONCE, 1202 - 2 * events.TRIM_AT_ONCE, 10, 10]


def test_n20_nothing_goes_while_notifyees_are_told(store: Store, places: Places) -> None:
    (places.config / "settings.toml").write_text("events_kept = 1\n")
    store.note("a1", attempt=1, status=None, owed={}, events=[event()] * 5)
    assert len(store.events()) == 5
    store.end("a1", [event()])
    assert len(store.events()) == 1


def test_settings_that_are_wrong_do_not_keep_events_from_the_record(store: Store, places: Places) -> None:
    (places.config / "settings.toml").write_text("events_kept = 'few'\n")
    store.record([event()])
    assert len(store.events()) == 1


def test_a_text_of_an_event_that_is_a_book_is_cut(store: Store) -> None:
    store.record([event(message="x" * 100_000)])
    assert store.events()[0].message == "x" * (events.MAX_TEXT - 1) + "…"


@pytest.mark.parametrize(("flags", "kept"), [(1 << 63, (1 << 63) - 1), (-(1 << 70), -(1 << 63))])
def test_a_number_of_an_event_that_sqlite_does_not_have_is_the_nearest_that_it_has(
    store: Store, flags: int, kept: int
) -> None:
    store.record([event(flags=flags)])
    assert [each.flags for each in store.events()] == [kept]


def test_to_keep_all_events_is_no_number_too_large(store: Store) -> None:
    store.record([event(time=0.0), event()])
    with store._database.writing() as db:
        events.trim(db, events.Bounds(1 << 70, 60.0))
    assert len(store.events()) == 1


def test_events_are_found_without_reading_them_all(store: Store) -> None:
    queries: list[str] = []
    with store._database.reading() as db:
        db.set_trace_callback(queries.append)
        events.read(db, after=None, last=50, name=None)
        events.read(db, after=7, last=50, name=None)
        events.read(db, after=7, last=50, name=REMOTE)
        db.set_trace_callback(None)
        plans = [[row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {query}")] for query in queries]
    by_id = "SEARCH events USING INTEGER PRIMARY KEY (rowid>?)"
    assert plans[:2] == [[by_id], [by_id]]
    assert "SEARCH events USING COVERING INDEX events_by_remote_name (remote_name=? AND rowid>?)" in plans[2]
    assert "SEARCH events USING COVERING INDEX events_by_local_name (local_name=? AND rowid>?)" in plans[2]
    assert "SCAN events" not in plans[2]


# -- threads, forks, other processes -------------------------------------------------------------------------------


def test_a_store_is_used_again_after_close(store: Store) -> None:
    claim(store)
    store.close()
    assert [each.local_name for each in store.entries()] == ["Z:"]


def test_a_forked_child_has_a_connection_of_its_own(store: Store, tmp_path: Path) -> None:
    code = """
claim(store, "Z:")
waiting, release = os.pipe()
if os.fork() == 0:
    os.close(release)
    claim(store, "Y:")
    os.read(waiting, 1)  # until the parent has closed, which it would do as the last one if the child had no locks
    claim(store, "X:")
    os._exit(0)
store.close()
os.close(release)
assert os.wait()[1] == 0
claim(store, "W:")
print(store.entry("Z:").owner_pid == store.entry("W:").owner_pid, store.entry("X:").owner_alive())
"""
    assert in_another_process(tmp_path, code) == "True False"
    assert [each.local_name for each in store.entries()] == ["Z:", "Y:", "X:", "W:"]


def test_n18_a_signal_handler_in_the_middle_of_a_transaction_does_no_harm(store: Store, tmp_path: Path) -> None:
    said = []

    def interrupted(_: int, local_name: str | None) -> Path:
        with pytest.raises(WNetError) as error:
            store.entries()
        said.append(error.value.status)
        store.close()
        return tmp_path / str(local_name)

    store.claim(remote_name="r", canonical="r", type=1, options={}, local_name="Z:", path_of=interrupted)
    assert said == [Status.ERROR_POSSIBLE_DEADLOCK]
    assert [each.local_name for each in store.entries()] == ["Z:"]


def test_a_fork_waits_for_the_transaction_of_another_thread(tmp_path: Path) -> None:
    code = """
begun, forking = threading.Event(), threading.Event()
os.register_at_fork(before=forking.set)  # the hook that is registered last is called first

def path_meanwhile(entry_id, local_name):
    begun.set()
    assert forking.wait(30)
    return path_of(entry_id, local_name)

def add():
    store.claim(remote_name="r", canonical="r", type=1, options={}, local_name="Z:", path_of=path_meanwhile)

thread = threading.Thread(target=add)
thread.start()
begun.wait()
if os.fork() == 0:
    claim(store, "Y:")
    os._exit(0)
thread.join()
assert os.wait()[1] == 0
print(*sorted(each.local_name for each in store.entries()))
"""
    assert in_another_process(tmp_path, code) == "Y: Z:"


def test_an_interrupted_claim_leaves_nothing_and_no_lock(store: Store, tmp_path: Path) -> None:
    def interrupted(entry_id: int, local_name: str | None) -> Path:
        raise KeyboardInterrupt(entry_id, local_name)

    with pytest.raises(KeyboardInterrupt):
        store.claim(remote_name="r", canonical="r", type=1, options={}, path_of=interrupted)
    assert store.entries() == []
    assert in_another_process(tmp_path, "print(claim(store).phase)") == "adding"


def test_a_process_killed_in_the_middle_leaves_what_was_before(store: Store, tmp_path: Path) -> None:
    code = """
complete(store, claim(store), remember=True)
with store._database.writing() as db:
    db.execute("DELETE FROM profile")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    in_another_process(tmp_path, code, ends_with=-signal.SIGKILL)
    assert [each.local_name for each in store.remembered()] == ["Z:"]
    assert claim(store, "Y:").phase == "adding"


@pytest.mark.parametrize("point", ["schema.migrate", "os.link", "os.unlink"])
def test_what_a_process_that_was_killed_while_it_made_the_file_has_left_goes_with_the_next(
    tmp_path: Path, point: str
) -> None:
    """Before it has tables, before it has its name, and before it has only that."""
    code = f"""
from mprouter.store import schema
{point} = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
claim(store)
"""
    in_another_process(tmp_path, code, ends_with=-signal.SIGKILL)
    assert list(tmp_path.glob(f"{FILE_NAME}.new-*"))
    with closing(Store(tmp_path)) as store:
        assert claim(store).phase == "adding"
        assert list(tmp_path.glob(f"{FILE_NAME}.new-*")) == []


def test_a_process_that_holds_the_file_for_long_is_told_of(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    claim(store)
    store.close()
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.01)
    other = sqlite3.connect(store._database.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert [each.local_name for each in store.entries()] == ["Z:"]  # who only reads does not wait
    with pytest.raises(WNetError) as caught:
        claim(store, "Y:")
    assert caught.value.status is Status.ERROR_BUSY
    other.close()
    assert claim(store, "Y:").phase == "adding"


# -- files that cannot be used -------------------------------------------------------------------------------------


def test_the_file_is_the_users_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    store = Store(tmp_path / "made" / "here")
    try:
        claim(store)
        modes = {each.name: each.stat().st_mode & 0o777 for each in (tmp_path / "made" / "here").iterdir()}
    finally:
        os.umask(before)
        store.close()
    assert modes == dict.fromkeys(
        (FILE_NAME, f"{FILE_NAME}-wal", f"{FILE_NAME}-shm", reserve.FILE_NAME, "realm.lock"), 0o600
    )
    assert (tmp_path / "made" / "here").stat().st_mode & 0o777 == 0o700


def test_the_default_place_is_the_state_directory(places: Places) -> None:
    store = Store()
    claim(store)
    store.close()
    assert {each.name for each in places.state.iterdir()} == {FILE_NAME, reserve.FILE_NAME, "realm.lock"}


def test_n15_there_is_no_column_for_a_password(store: Store) -> None:
    with store._database.reading() as db:
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        columns = {column[1] for table in tables for column in db.execute(f"PRAGMA table_info({table})")}
    assert {"connections", "profile", "events"} <= set(tables)
    assert "user" in columns
    assert not [each for each in columns if "pass" in each or "secret" in each or "credential" in each]


def test_another_programs_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / FILE_NAME) as other:
        other.execute("CREATE TABLE songs (title)")
    other.close()
    before = (tmp_path / FILE_NAME).read_bytes()
    error = refused(tmp_path)
    assert error.status is Status.ERROR_BAD_PROFILE
    assert "another program's" in str(error)
    assert (tmp_path / FILE_NAME).read_bytes() == before


def test_a_directory_in_the_files_place_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).mkdir()
    assert refused(tmp_path).status is Status.ERROR_CANNOT_OPEN_PROFILE


@pytest.mark.parametrize("made", ["no file yet", "a file", "a file in a directory that may be written"])
def test_what_may_not_be_written_cannot_be_opened(ordinary_user: OrdinaryUser, made: str) -> None:
    state = ordinary_user.places.state
    code = """if True:
        from mprouter.store import Store
        from mprouter.status import WNetError
        store = Store()
        try:
            print(store.forget("Z:"))
        except WNetError as error:
            print(error.status.name, error.name)
        store.close()
    """
    if made != "no file yet":
        assert ordinary_user.run(ordinary_user.python, "-c", code).stdout == "False\n"
        (state / FILE_NAME).chmod(0o400)
    if not made.endswith("written"):
        state.chmod(0o500)
    done = ordinary_user.run(ordinary_user.python, "-c", code)
    assert done.stdout == f"ERROR_CANNOT_OPEN_PROFILE {state / FILE_NAME}\n", done.stderr


def test_a_store_that_was_refused_is_tried_again(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    path.write_bytes(b"not a database" * 99)
    store = Store(tmp_path)
    with pytest.raises(WNetError):
        store.entries()
    path.unlink()
    assert store.entries() == []
    store.close()


def test_a_name_that_is_no_text_is_refused(store: Store) -> None:
    with pytest.raises(WNetError) as caught:
        claim(store, "/mnt/\udcff")
    assert caught.value.status is Status.ERROR_INVALID_PARAMETER
    assert store.entries() == []


def test_a_store_that_nobody_has_any_more_lets_go_of_its_file(places: Places) -> None:
    """So that Python 3.13, which warns of an open database, has nothing to say of a router that was not closed."""
    del places  # they are in the environment
    store = Store()
    assert store.entries() == []
    connection: Any = store._database._connection
    del store
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.execute("SELECT 1")


def test_a_store_whose_making_was_interrupted_goes_without_a_word(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    del places
    said: list[object] = []
    monkeypatch.setattr("sys.unraisablehook", said.append)
    with monkeypatch.context() as interrupted:
        interrupted.setattr("threading.RLock", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            Store()
    gc.collect()
    assert said == []


def _interrupt() -> NoReturn:
    raise KeyboardInterrupt
