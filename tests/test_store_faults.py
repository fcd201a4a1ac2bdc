"""The store's file cut short, with bits changed, and on a full disk: an error or the truth, never anything else.

And then what `mpr salvage` makes of it.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
from contextlib import closing, contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mprouter import reserve
from mprouter.status import Status, WNetError
from mprouter.store import FILE_NAME, Entry, EventRecord, Operation, Owed, Remembered, Store, owner
from stores import OTHER, REMOTE, claim, complete, event, forget, in_another_process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sandbox import Places

LETTERS = "ZYXWVUTSRQPO"
REASONS = {Status.ERROR_BAD_PROFILE, Status.ERROR_REVISION_MISMATCH, Status.ERROR_CANNOT_OPEN_PROFILE}
"""What may be said of a file that is damaged; the second if its version is, the third if it looks read-only."""


@dataclass
class Model:
    """What a store must say, as long as it says anything: by id and by local name; events without their ids."""

    entries: dict[int, Entry]
    remembered: dict[str, Remembered]
    operations: dict[str, Operation]
    events: set[EventRecord]

    @classmethod
    def of(cls, store: Store) -> Self:
        return cls(
            {each.id: each for each in store.entries()},
            {str(each.local_name): each for each in store.remembered()},
            {each.id: each for each in store.operations()},
            {replace(each, id=None) for each in store.events()},
        )


@pytest.fixture(autouse=True)
def own_settings(places: Places) -> Places:
    return places


class Sound:
    """A store's file and what it says."""

    def __init__(self, file: bytes, said: Model) -> None:
        self.file = file
        self.said = said


def operation(number: int, **values: Any) -> Operation:
    plain = Operation(
        id=f"a{number}",
        event={"name": "Z:"},
        remote_name=REMOTE,
        local_name="Z:",
        provider="rclone",
        entries=(number,),
        forget=None,
        attempt=1,
        status=None,
        owner_pid=1,
        owner_start="boot/1",
        started=float(number),
        owed=(Owed("user/dial", 0, '"line 1"'),),
    )
    return replace(plain, **values)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Sound:
    """A store with something in each table, on several pages, and what it says."""
    directory = tmp_path_factory.mktemp("sound")
    store = Store(directory)
    for number, letter in enumerate(LETTERS):
        complete(store, claim(store, f"{letter}:", rf"\\server-{number}\projects"), remember=True)
    claim(store, None)
    for number in range(1, 4):
        store.begin(replace(operation(number), owed=()))
        store.note(f"a{number}", attempt=1, status=None, owed={"user/dial": Owed("user/dial", 0, '"line 1"')})
    store.note("a4", attempt=1, status=None, owed={}, events=[event(message=f"event {each}") for each in range(150)])
    said = Model.of(store)
    assert [*said.operations.values()] == [operation(number) for number in range(1, 4)]
    store.close()
    return Sound((directory / FILE_NAME).read_bytes(), said)


@contextmanager
def opened(directory: Path) -> Iterator[Store]:
    store = Store(directory)
    try:
        yield store
    finally:
        store.close()


def attempt(use: Callable[[], object], reasons: set[Status] = REASONS) -> tuple[bool, Any]:
    """Whether *use* succeeded, and what it returned. No other error than those of *reasons* comes through."""
    try:
        return True, use()
    except WNetError as error:
        told = error
    assert told.status in reasons, told
    assert told.hint
    assert told.name
    return False, None


def check(store: Store, model: Model, reasons: set[Status] = REASONS) -> int:
    """Every answer is that of *model* or an error; how many are answers. Events may be missing."""
    questions: list[tuple[Callable[[], Any], object]] = [
        (store.entries, list(model.entries.values())),
        (store.remembered, [model.remembered[name] for name in sorted(model.remembered)]),
        (store.operations, list(model.operations.values())),
        (lambda: store.by_id(5), model.entries[5]),
        (lambda: store.entry("V:"), model.entries[5]),
        (lambda: store.by_remote(REMOTE), [model.entries[13]]),
    ]
    answers = 0
    for ask, expected in questions:
        answered, answer = attempt(ask, reasons)
        assert not answered or answer == expected
        answers += answered
    for wanted in ({}, {"last": 5}, {"name": REMOTE}, {"after": 100, "name": "Z:", "last": 20}):
        answered, events = attempt(partial(store.events, **wanted), reasons)
        assert not answered or {replace(each, id=None) for each in events} <= model.events
    attempt(store.last_calls, reasons)
    return answers


def change(store: Store, model: Model, reasons: set[Status] = REASONS) -> int:  # noqa: C901 - one thing after another
    """Change all that can be changed, and *model* with it where it succeeds; how often it does."""
    done: list[object] = []

    def did(use: Callable[[], object]) -> bool:
        succeeded, result = attempt(use, reasons)
        done.extend([result] * succeeded)
        return succeeded and result is not False

    new = Remembered("N:", OTHER, OTHER, None, "007", 1, {}, 1.0)
    if did(lambda: store.remember(new)):
        model.remembered["N:"] = new
    if did(lambda: forget(store, "X:")):
        del model.remembered["X:"]
    if did(lambda: store.begin_cancel(1)):
        pid, start = owner.me()
        model.entries[1] = replace(model.entries[1], phase="cancelling", owner_pid=pid, owner_start=start)
    if did(lambda: store.remove(2, forget="Y:")):
        del model.entries[2], model.remembered["Y:"]
    if did(lambda: store.settle("a2", 53, remove=[3])):
        del model.entries[3]
        model.operations["a2"] = replace(model.operations["a2"], status=53, entries=())
    if did(lambda: store.note("a3", attempt=2, status=0, owed={"user/dial": None})):
        model.operations["a3"] = replace(model.operations["a3"], attempt=2, status=0, owed=())
    if did(lambda: claim(store, "M:")):
        claimed = done[-1]
        assert isinstance(claimed, Entry)
        model.entries[claimed.id] = claimed
        if did(lambda: complete(store, claimed)):
            model.entries[claimed.id] = replace(
                claimed, phase="connected", provider="rclone", user="ana", handle={"mount": 7}, made_directory=True
            )
    told = event(message="new", time=2.5)
    if did(lambda: store.record([told])):
        model.events.add(told)
    return len(done)


# -- damage --------------------------------------------------------------------------------------------------------


def test_a_sound_store_says_and_does_everything(tmp_path: Path, sound: Sound) -> None:
    """So that what follows says something."""
    (tmp_path / FILE_NAME).write_bytes(sound.file)
    model = deepcopy(sound.said)
    with opened(tmp_path) as store:
        assert check(store, model) == 6
        assert change(store, model) == 9
    with opened(tmp_path) as store:
        assert check(store, model) == 6
        assert len(store.events()) == 151


def test_a_store_that_is_cut_short_is_refused_and_left_alone(tmp_path: Path, sound: Sound) -> None:
    whole, said = sound.file, sound.said
    path = tmp_path / FILE_NAME
    lengths = {0, 1, 15, 16, 99, 100, 101, 1000, 4095, 4097, len(whole) - 1, *range(512, len(whole), 1536)}
    for length in sorted(lengths):
        path.write_bytes(whole[:length])
        with opened(tmp_path) as store:
            answers = check(store, said, {Status.ERROR_BAD_PROFILE})
        assert answers == 0 or length > len(whole) - 4096  # SQLite takes the rest of the last page for zeros
        assert path.read_bytes() == whole[:length]


@contextmanager
def in_memory(whole: bytes) -> Iterator[sqlite3.Connection]:
    """The database *whole*, without a log, which memory cannot have."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        db.deserialize(whole[:18] + b"\1\1" + whole[20:])
        yield db


def another_name_in_the_index(whole: bytes) -> bytes:
    """*whole*, whose row of V: SQLite finds no more if it looks for that."""
    with in_memory(whole) as db:
        query = "SELECT rootpage FROM sqlite_master WHERE name = 'sqlite_autoindex_connections_1'"
        [page] = db.execute(query).fetchone()
    begin, end = (page - 1) * 4096, page * 4096
    return whole[:begin] + whole[begin:end].replace(b"V:", b"v:") + whole[end:]


def without_a_row(whole: bytes) -> bytes:
    """*whole* less a row, as where what was written did not reach the disk."""
    with in_memory(whole) as db:
        [trigger] = db.execute("SELECT sql FROM sqlite_master WHERE name = 'profile_deleted'").fetchone()
        for statement in ("DROP TRIGGER profile_deleted", "DELETE FROM profile WHERE local_name = 'V:'", trigger):
            db.execute(statement)
        return whole[:20] + db.serialize()[20:]


def without_a_trigger(whole: bytes) -> bytes:
    with in_memory(whole) as db:
        db.execute("DROP TRIGGER profile_changed")
        return whole[:20] + db.serialize()[20:]


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: b"this is no database at all " * 500,
        lambda whole: bytes(len(whole)),
        lambda whole: bytes(4096) + whole[4096:],
        lambda whole: whole[:4096] + bytes(len(whole) - 4096),
        lambda whole: whole.replace(b"server-3", b"server-4"),
        lambda whole: whole.replace(b"line 1", b"line 2"),
        lambda whole: whole.replace(b"connected", b"cancelled"),
        another_name_in_the_index,
        without_a_row,
        without_a_trigger,
    ],
    ids=[
        *["garbage", "zeros", "zeros in front", "zeros inside", "a name", "a context", "a phase"],
        *["an index", "a row", "a trigger"],
    ],
)
def test_a_damaged_store_is_refused_and_left_alone(
    tmp_path: Path, sound: Sound, damage: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / FILE_NAME
    path.write_bytes(damage(sound.file))
    before = path.read_bytes()
    assert before != sound.file
    with opened(tmp_path) as store:
        for use in (store.entries, lambda: claim(store, "E:")):
            with pytest.raises(WNetError, match="damaged") as caught:
                use()
            assert caught.value.status is Status.ERROR_BAD_PROFILE
            assert "mpr salvage" in str(caught.value.hint)
    assert path.read_bytes() == before


def test_damage_among_the_events_does_not_keep_a_connection_from_being_made(
    tmp_path: Path, sound: Sound, caplog: pytest.LogCaptureFixture
) -> None:
    newest = sound.file.index(b"event 149") // 4096 * 4096
    (tmp_path / FILE_NAME).write_bytes(sound.file[:newest] + bytes(4096) + sound.file[newest + 4096 :])
    with opened(tmp_path) as store:
        entry = claim(store, "E:")
        store.begin(operation(9, entries=(entry.id,), owed=()))
        store.note("a9", attempt=1, status=None, owed={"user/a": Owed("user/a", 0)}, events=[event()])
        assert [each.notifyee for each in store.operations()[-1].owed] == ["user/a"]
        store.complete(
            entry.id, provider="rclone", user=None, handle={}, made_directory=True, remember=True, last=[event()]
        )
        store.end("a9", [event()])
        assert [each.phase for each in store.entries() if each.local_name == "E:"] == ["connected"]
        assert "E:" in [each.local_name for each in store.remembered()]
        assert "a9" not in [each.id for each in store.operations()]
        with pytest.raises(WNetError, match="damaged"):
            store.record([event()])
    assert [each.message[:29] for each in caplog.records if each.levelname == "WARNING"] == [
        "what happens is not recorded:"
    ]
    assert "mpr salvage" in caplog.text


Flips = list[tuple[float, int]]
"""Where in the file, from 0 to 1, and which bit of the byte there."""


def flipped(whole: bytes, flips: Flips) -> bytes:
    damaged = bytearray(whole)
    for place, bit in flips:
        damaged[min(int(place * len(whole)), len(whole) - 1)] ^= 1 << bit
    return bytes(damaged)


@settings(max_examples=250, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(flips=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 7)), min_size=1, max_size=8))
@example(flips=[])
def test_a_store_with_changed_bits_says_the_truth_or_nothing(tmp_path: Path, sound: Sound, flips: Flips) -> None:
    whole, said = sound.file, sound.said
    for suffix in ("-wal", "-shm"):
        (tmp_path / (FILE_NAME + suffix)).unlink(missing_ok=True)
    (tmp_path / FILE_NAME).write_bytes(flipped(whole, flips))
    model = deepcopy(said)
    with opened(tmp_path) as store:
        check(store, model)
        change(store, model)
    with opened(tmp_path) as store:
        check(store, model)


class Logged:
    """A store's file and the log beside it."""

    def __init__(self, file: bytes, log: bytes) -> None:
        self.file = file
        self.log = log


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(flips=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 7)), min_size=1, max_size=4), cut=st.floats(0, 1))
def test_a_log_with_changed_bits_loses_the_last_changes_at_most(
    tmp_path: Path, logged: Logged, flips: Flips, cut: float
) -> None:
    """As after a loss of power: what is said was true at some time."""
    whole, log = logged.file, logged.log
    (tmp_path / f"{FILE_NAME}-shm").unlink(missing_ok=True)
    (tmp_path / FILE_NAME).write_bytes(whole)
    (tmp_path / f"{FILE_NAME}-wal").write_bytes(flipped(log, flips)[: int(len(log) * (1 - cut / 4))])
    with opened(tmp_path) as store:
        answered, entries = attempt(store.entries)
        if answered:
            assert [each.local_name for each in entries] == [f"{letter}:" for letter in LETTERS[: len(entries)]]


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Logged:
    """A store whose process was killed, and the log beside it."""
    directory = tmp_path_factory.mktemp("logged")
    code = f"""
for letter in "{LETTERS}":
    claim(store, letter + ":")
os.kill(os.getpid(), signal.SIGKILL)
"""
    in_another_process(directory, code, ends_with=-signal.SIGKILL)
    return Logged((directory / FILE_NAME).read_bytes(), (directory / f"{FILE_NAME}-wal").read_bytes())


# -- a full disk ---------------------------------------------------------------------------------------------------


@contextmanager
def small_disk(path: Path, size: int) -> Iterator[Path]:
    """A file system of its own with room for *size* bytes."""
    path.mkdir(mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "none", path], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", path], check=True)


def fill_up(disk: Path, *, but: int) -> None:
    """Leave *but* bytes."""
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    (disk / "ballast").write_bytes(bytes(max(free - but, 0)))


@pytest.mark.parametrize("free", [0, *(1 << power for power in range(12, 20))])
def test_a_full_disk_is_told_as_such_and_what_failed_changed_nothing(tmp_path: Path, sound: Sound, free: int) -> None:
    full = {Status.ERROR_DISK_FULL}
    with small_disk(tmp_path / "disk", 1 << 20) as disk:
        (disk / FILE_NAME).write_bytes(sound.file)
        fill_up(disk, but=free)
        model = deepcopy(sound.said)
        with opened(disk) as store:
            assert check(store, model) == 6  # no room is needed
            changes = change(store, model, full)
            assert check(store, model) == 6
        if free in {0, 1 << 19}:
            assert changes == (9 if free else 0)
        (disk / "ballast").unlink()
        with opened(disk) as store:
            assert check(store, model) == 6


def test_a_full_disk_hides_nothing_that_is_only_in_the_log(tmp_path: Path, logged: Logged) -> None:
    with small_disk(tmp_path / "disk", 1 << 20) as disk:
        (disk / FILE_NAME).write_bytes(logged.file)
        (disk / f"{FILE_NAME}-wal").write_bytes(logged.log)
        fill_up(disk, but=0)
        with opened(disk) as store:
            assert [each.local_name for each in store.entries()] == [f"{letter}:" for letter in LETTERS]
            (disk / "ballast").unlink()
            made = claim(store, "E:")  # on the disk, not in what was read
        with opened(disk) as store:
            assert store.entries()[-1] == made


def test_a_full_disk_has_room_in_reserve_for_changes(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 8 << 20) as disk:
        with opened(disk) as store:
            claim(store)
            assert (disk / reserve.FILE_NAME).stat().st_blocks * 512 == reserve.SIZE
        for letter in LETTERS[1:]:
            fill_up(disk, but=0)  # a program that takes whatever there is
            with opened(disk) as store:
                complete(store, claim(store, f"{letter}:"), remember=True)
            (disk / "ballast").rename(disk / f"ballast {letter}")
            if letter == "T":
                break
        assert 0 < (disk / reserve.FILE_NAME).stat().st_size < reserve.SIZE
        for each in disk.glob("ballast*"):
            each.unlink()
        with opened(disk) as store:  # which takes it again
            assert len(store.remembered()) == 6
            assert (disk / reserve.FILE_NAME).stat().st_size == reserve.SIZE


def test_a_disk_without_another_file_is_full(tmp_path: Path, sound: Sound) -> None:
    with small_disk(tmp_path / "disk", 1 << 20) as disk:
        (disk / FILE_NAME).write_bytes(sound.file)
        subprocess.run(["mount", "-o", "remount,nr_inodes=2", disk], check=True)
        with opened(disk) as store:
            assert check(store, sound.said) == 6
            with pytest.raises(WNetError) as caught:
                claim(store, "E:")
        assert caught.value.status is Status.ERROR_DISK_FULL


@pytest.mark.parametrize("files", [2, 3])
def test_a_store_that_can_have_no_log_is_not_begun(tmp_path: Path, files: int) -> None:
    with small_disk(tmp_path / "disk", 1 << 20) as disk:
        subprocess.run(["mount", "-o", f"remount,nr_inodes={files}", disk], check=True)
        with opened(disk) as store:
            assert store.entries() == []
            with pytest.raises(WNetError) as caught:
                claim(store)
        assert (caught.value.status, caught.value.name) == (Status.ERROR_DISK_FULL, str(disk / FILE_NAME))
        assert list(disk.iterdir()) == []


def test_a_disk_that_is_mounted_read_only_can_be_read_and_is_told_as_such(tmp_path: Path, logged: Logged) -> None:
    with small_disk(tmp_path / "disk", 1 << 20) as disk:
        (disk / FILE_NAME).write_bytes(logged.file)
        (disk / f"{FILE_NAME}-wal").write_bytes(logged.log)
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        with opened(disk) as store:
            assert len(store.entries()) == len(LETTERS)
            with pytest.raises(WNetError, match="mounted read-only") as caught:
                claim(store, "E:")
            assert caught.value.status is Status.ERROR_CANNOT_OPEN_PROFILE
            assert "remount,rw" in str(caught.value.hint)
            assert store.events() == []


@pytest.mark.parametrize("free", [0, 4096, 16384, 65536])
def test_a_store_that_has_no_room_is_not_begun(tmp_path: Path, free: int) -> None:
    with small_disk(tmp_path / "disk", 1 << 20) as disk:
        fill_up(disk, but=free)
        with opened(disk) as store:
            assert store.entries() == []
            with pytest.raises(WNetError) as caught:
                claim(store)
        assert caught.value.status is Status.ERROR_DISK_FULL
        assert caught.value.name == str(disk / FILE_NAME)
        assert [each.name for each in disk.iterdir()] == ["ballast"]
        (disk / "ballast").unlink()
        with opened(disk) as store:
            assert claim(store).phase == "adding"


# -- salvage -------------------------------------------------------------------------------------------------------


def damaged(directory: Path, content: bytes) -> Path:
    path = directory / FILE_NAME
    path.write_bytes(content)
    return path


def test_a_store_that_is_not_damaged_stays_as_it_is(tmp_path: Path, sound: Sound) -> None:
    path = damaged(tmp_path, sound.file)
    with opened(tmp_path) as store:
        assert store.salvage() is None
        assert check(store, sound.said) == 6
    assert path.read_bytes() == sound.file


def test_salvage_keeps_all_but_the_damaged_row_and_the_damaged_file(tmp_path: Path, sound: Sound) -> None:
    path = damaged(tmp_path, sound.file.replace(b"server-3", b"server-\xc3"))
    before = path.read_bytes()
    with opened(tmp_path) as store:
        salvaged = store.salvage()
        assert salvaged is not None
        assert salvaged.remembered == tuple(sorted(f"{letter}:" for letter in LETTERS if letter != "W"))
        assert len(salvaged.connections) == 12
        assert salvaged.events == 150
        assert len(salvaged.lost) == 2  # one of each table
        assert all("W:" in each for each in salvaged.lost)
        model = deepcopy(sound.said)
        del model.entries[4], model.remembered["W:"]
        assert check(store, model) == 6
        assert change(store, model) == 9
        assert claim(store, "W:").id > 14  # no id is used twice
        assert store.salvage() is None
    assert salvaged.aside.read_bytes() == before
    assert sorted(each.name for each in tmp_path.iterdir()) == [
        FILE_NAME,
        salvaged.aside.name,
        reserve.FILE_NAME,
        "realm.lock",
        "recovery.lock",
    ]


def test_salvage_gives_no_number_twice(tmp_path: Path, sound: Sound) -> None:
    damaged(tmp_path, sound.file)
    with opened(tmp_path) as store:
        newest = claim(store, None)
        store.remove(newest.id)
    damaged(tmp_path, (tmp_path / FILE_NAME).read_bytes().replace(b"server-3", b"server-4"))
    with opened(tmp_path) as store:
        assert store.salvage() is not None
        assert claim(store, None).id > newest.id


def test_salvage_gives_no_number_twice_where_nothing_is_connected(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        last = complete(store, claim(store), remember=True)
        store.remove(last.id)
    damaged(tmp_path, (tmp_path / FILE_NAME).read_bytes().replace(b"projects", b"projectz"))
    with opened(tmp_path) as store:
        assert store.salvage() is not None
        assert claim(store).id > last.id


def test_salvage_keeps_nothing_of_a_damaged_operation(tmp_path: Path, sound: Sound) -> None:
    damaged(tmp_path, sound.file.replace(b"boot/1", b"boot/2", 1))
    with opened(tmp_path) as store:
        assert store.salvage() is not None
        kept = store.operations()
        assert len(kept) == 2
        (gone,) = sound.said.operations.keys() - {each.id for each in kept}
        store.begin(operation(1, id=gone, owed=()))
        assert [each.owed for each in store.operations() if each.id == gone] == [()]


@pytest.mark.parametrize("number", [0, "x", None, -1, (1 << 63) - 1])
def test_a_damaged_number_of_the_last_connection_is_told_and_mended(
    tmp_path: Path, sound: Sound, number: object
) -> None:
    path = damaged(tmp_path, sound.file)
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = 'connections'", [number])
        db.commit()
    with opened(tmp_path) as store:
        with pytest.raises(WNetError) as told:
            claim(store, "A:")
        assert told.value.status is Status.ERROR_BAD_PROFILE
        salvaged = store.salvage()
        assert salvaged is not None
        assert len(salvaged.connections) == 13
        assert claim(store, "A:").id > 13
        assert store.salvage() is None


def test_a_header_that_says_that_nobody_may_write_is_damage(tmp_path: Path, sound: Sound) -> None:
    damaged(tmp_path, sound.file[:18] + b"\x03" + sound.file[19:])
    with opened(tmp_path) as store:
        with pytest.raises(WNetError) as told:
            claim(store, "A:")
        assert told.value.status is Status.ERROR_BAD_PROFILE
        assert store.salvage() is not None
        assert claim(store, "A:").phase == "adding"


def test_salvage_of_a_store_without_its_first_page_keeps_all(tmp_path: Path, sound: Sound) -> None:
    damaged(tmp_path, bytes(4096) + sound.file[4096:])
    with opened(tmp_path) as store:
        salvaged = store.salvage()
        assert salvaged is not None
        assert check(store, sound.said) == 6
        assert salvaged.events == 150


def test_salvage_reads_events_up_to_where_they_are_broken_from_both_ends(tmp_path: Path, sound: Sound) -> None:
    page = sound.file.index(b"event 70") // 4096 * 4096
    damaged(tmp_path, sound.file[:page] + bytes(4096) + sound.file[page + 4096 :])
    with opened(tmp_path) as store:
        salvaged = store.salvage()
        assert salvaged is not None
        messages = [each.message for each in store.events()]
        assert (messages[0], messages[-1]) == ("event 0", "event 149")
        assert len(messages) == salvaged.events < 150
        assert check(store, sound.said) == 6


@pytest.mark.parametrize("kept", [0, 100, 4096, 40_000])
def test_salvage_of_what_is_cut_short_begins_anew_with_what_there_is(tmp_path: Path, sound: Sound, kept: int) -> None:
    damaged(tmp_path, sound.file[:kept])
    with opened(tmp_path) as store:
        salvaged = store.salvage()
        assert salvaged is not None
        assert salvaged.lost
        assert salvaged.aside.read_bytes() == sound.file[:kept]
        assert {each.id: each for each in store.entries()}.items() <= sound.said.entries.items()
        assert claim(store, "E:").phase == "adding"


@pytest.mark.parametrize(("kept", "perhaps"), [(30_000, True), (60_000, False)])
def test_salvage_of_what_is_cut_off_where_its_tables_are_described_keeps_what_is_before(
    tmp_path: Path, sound: Sound, kept: int, perhaps: bool
) -> None:
    damaged(tmp_path, sound.file[:kept])
    with opened(tmp_path) as store:
        salvaged = store.salvage()
        assert salvaged is not None
        assert {each.id: each for each in store.entries()} == sound.said.entries
        assert {each.local_name: each for each in store.remembered()} == sound.said.remembered
        assert any("the table events" in each for each in salvaged.lost)
        assert any("perhaps rows of the table profile" in each for each in salvaged.lost) == perhaps


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(flips=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 7)), min_size=1, max_size=8))
def test_whatever_the_damage_what_salvage_keeps_is_true(tmp_path: Path, sound: Sound, flips: Flips) -> None:
    for each in tmp_path.iterdir():
        each.unlink()
    content = flipped(sound.file, flips)
    damaged(tmp_path, content)
    said = sound.said
    with opened(tmp_path) as store:
        done, salvaged = attempt(store.salvage, {Status.ERROR_REVISION_MISMATCH, Status.ERROR_CANNOT_OPEN_PROFILE})
        if not done:
            return
        assert Model.of(store).entries.items() <= said.entries.items()
        assert Model.of(store).remembered.items() <= said.remembered.items()
        assert {each.id for each in store.operations()} <= said.operations.keys()
        assert Model.of(store).events <= said.events
        if salvaged is None or not salvaged.lost:
            assert Model.of(store).entries == said.entries
            assert Model.of(store).remembered == said.remembered
        if salvaged is not None:
            assert salvaged.aside.read_bytes() == content


def test_who_has_the_damaged_store_open_goes_on_with_the_new_one(tmp_path: Path, sound: Sound) -> None:
    path = damaged(tmp_path, sound.file)
    with opened(tmp_path) as store, opened(tmp_path) as other:
        assert other.entry("W:") is not None
        with path.open("r+b") as file:
            file.write(sound.file.replace(b"server-3", b"server-4"))
        assert store.salvage() is not None
        assert other.entry("W:") is None
        new = claim(other, "W:")
        other.close()  # which leaves the log of the new one alone
        assert store.entry("W:") == new
        forget(other, "Z:")
        assert "".join(each.local_name[0] for each in store.remembered()) == "OPQRSTUVXY"


def damaged_with_log(directory: Path, sound: Sound) -> None:
    """As ``sound``, where Z: is not remembered any more, which is only in the log, and W: is damaged."""
    path = damaged(directory, sound.file)
    in_another_process(
        directory, "forget(store, 'Z:'); os.kill(os.getpid(), signal.SIGKILL)", ends_with=-signal.SIGKILL
    )
    assert path.with_name(f"{FILE_NAME}-wal").stat().st_size
    damaged(directory, path.read_bytes().replace(b"server-3", b"server-4"))


def test_salvage_keeps_what_is_only_in_the_log(tmp_path: Path, sound: Sound) -> None:
    damaged_with_log(tmp_path, sound)
    log = (tmp_path / f"{FILE_NAME}-wal").read_bytes()
    with opened(tmp_path) as store:
        salvaged = store.salvage()
        assert salvaged is not None
        assert salvaged.remembered == tuple(f"{letter}:" for letter in sorted(LETTERS) if letter != "Z")
        assert salvaged.aside.with_name(f"{salvaged.aside.name}-wal").read_bytes() == log


def test_a_log_whose_file_is_gone_is_damage(tmp_path: Path, sound: Sound) -> None:
    """A new file would take over what is in it."""
    damaged_with_log(tmp_path, sound)
    (tmp_path / FILE_NAME).unlink()
    log = (tmp_path / f"{FILE_NAME}-wal").read_bytes()
    with opened(tmp_path) as store:
        with pytest.raises(WNetError, match="it is gone") as caught:
            store.entries()
        assert caught.value.status is Status.ERROR_BAD_PROFILE
        salvaged = store.salvage()
        assert salvaged is not None
        assert salvaged.aside.with_name(f"{salvaged.aside.name}-wal").read_bytes() == log
        assert store.entries() == []


EFFECTS = {"os.link", "os.remove", "os.rename", "os.rmdir", "os.mkdir", "shutil.copyfile"}


@pytest.mark.parametrize("number", range(1, 13))
def test_salvage_that_is_killed_loses_nothing(tmp_path: Path, sound: Sound, number: int) -> None:
    """Before each change of the directory."""
    damaged_with_log(tmp_path, sound)
    file = (tmp_path / FILE_NAME).read_bytes()
    code = f"""
effects = []

def hook(name, args):
    if name in {EFFECTS}:
        effects.append(name)
        if len(effects) == {number}:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(hook)
store.salvage()
"""
    in_another_process(tmp_path, code, ends_with=-signal.SIGKILL)
    assert file in [each.read_bytes() for each in tmp_path.glob(f"{FILE_NAME}*")]
    with opened(tmp_path) as store:
        first = store.salvage()
        assert first is None or first.remembered
        known = {each.local_name: each for each in store.entries()}
        assert "W:" not in known
        assert len(known) == 12
    assert any(each.stat().st_size for each in tmp_path.glob(f"{FILE_NAME}.damaged-*-wal"))


def test_salvage_without_room_changes_nothing(tmp_path: Path, sound: Sound) -> None:
    with small_disk(tmp_path / "disk", 1 << 20) as disk:
        path = damaged(disk, sound.file.replace(b"server-3", b"server-4"))
        before = path.read_bytes()
        fill_up(disk, but=100_000)
        with opened(disk) as store, pytest.raises(WNetError) as caught:
            store.salvage()
        assert caught.value.status is Status.ERROR_DISK_FULL
        assert path.read_bytes() == before
        assert sorted(each.name for each in disk.iterdir()) == ["ballast", FILE_NAME, "realm.lock", "recovery.lock"]


def test_salvage_leaves_what_is_not_damaged_but_not_ours(tmp_path: Path, sound: Sound) -> None:
    other = tmp_path / "other"
    other.mkdir(mode=0o700)
    newer = tmp_path / "newer"
    newer.mkdir(mode=0o700)
    with closing(sqlite3.connect(other / FILE_NAME)) as db:
        db.execute("CREATE TABLE songs (title)")
    damaged(newer, sound.file)
    with closing(sqlite3.connect(newer / FILE_NAME)) as db:
        db.execute("PRAGMA user_version = 99")
    for directory, reason in ((other, "another program's"), (newer, "newer mprouter")):
        before = (directory / FILE_NAME).read_bytes()
        with opened(directory) as store, pytest.raises(WNetError, match=reason):
            store.salvage()
        assert (directory / FILE_NAME).read_bytes() == before
