"""A program that has as many files open as it may: what it cannot look at is not taken for gone (C6, N19)."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mprouter import Router, Status, WNetError, mountinfo, processes
from mprouter import places as paths
from mprouter.providers.mounted import State
from mprouter.providers.rclone import daemon, hold, mounts, program, provider, rc, unsent
from mprouter.store import Remembered, Store, owner
from stores import REMOTE, claim

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox import Places

pytestmark = pytest.mark.usefixtures("places")


def refuse(*_: object, **__: object) -> Any:
    raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))


@contextmanager
def unopened(patched: pytest.MonkeyPatch, path: Path) -> Iterator[None]:
    """While *path* alone cannot be opened."""
    opened = Path.open

    def check(self: Path, *words: Any, **named: Any) -> Any:
        return refuse() if self == path else opened(self, *words, **named)

    with patched.context() as context:
        context.setattr(Path, "open", check)
        yield


@contextmanager
def without(what: str, patched: pytest.MonkeyPatch) -> Iterator[None]:
    """While nothing can be opened by which *what* is looked at."""
    with patched.context() as context:
        match what:
            case "processes":
                context.setattr(processes, "fields", refuse)
            case "mounts":
                context.setattr(Path, "read_bytes", refuse)
            case "the socket":
                context.setattr(rc, "_connected", refuse)
            case "the record":
                context.setattr(program, "record", _Unread)
        yield


class _Unread:
    read_text = staticmethod(refuse)


@pytest.mark.parametrize("what", ["processes", "mounts", "the socket", "the record"])
def test_c6_a_connection_that_cannot_be_looked_at_stands(
    local_root: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    with Router() as router:
        connection = router.connect(f"file://{local_root}", "Z:")
        (connection.path / "written").write_text("all of it")
        with without(what, monkeypatch):
            assert [each.state for each in router.connections()] == [State.CONNECTED]
            for force in (False, True):
                with pytest.raises(WNetError) as caught:
                    router.disconnect("Z:", force=force)
                assert caught.value.status is Status.ERROR_TOO_MANY_OPEN_FILES
        assert [each.state for each in router.connections()] == [State.CONNECTED]
        router.disconnect("Z:")
    assert (local_root / "written").read_text() == "all of it"


@pytest.mark.parametrize("what", ["the socket", "the record"])
def test_no_other_rclone_is_started_beside_one_that_cannot_be_asked(
    local_root: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    with Router() as router:
        router.connect(f"file://{local_root}", "Z:")
        before = daemon.running()
        with without(what, monkeypatch), pytest.raises(WNetError) as caught:
            router.connect(f"file://{local_root}", "Y:")
        assert caught.value.status is Status.ERROR_TOO_MANY_OPEN_FILES
        assert daemon.running() == before
        assert [each.local_name for each in router.connections()] == ["Z:"]
        router.disconnect("Z:")


def test_n19_whoever_cannot_be_looked_at_is_not_taken_for_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store()
    entry = claim(store)
    with without("processes", monkeypatch), pytest.raises(WNetError) as caught:
        entry.owner_alive()
    assert caught.value.status is Status.ERROR_TOO_MANY_OPEN_FILES
    with unopened(monkeypatch, Path("/proc/sys/kernel/random/boot_id")), pytest.raises(WNetError):
        owner.started(os.getpid())
    assert entry.owner_alive()


def test_what_the_kernel_does_not_tell_for_a_shortage_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    with without("mounts", monkeypatch), pytest.raises(WNetError):
        mountinfo.mounted()
    with without("processes", monkeypatch), pytest.raises(WNetError):
        processes.started_at(os.getpid())


CROWDED = """
import os, resource, sys
from mprouter import Router, WNetError

name, free = sys.argv[1], int(sys.argv[2])
router = Router()
router.connections()
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
held = []
try:
    while True:
        held.append(os.open("/dev/null", os.O_RDONLY))
except OSError:
    for _ in range(free):
        os.close(held.pop())
try:
    router.disconnect(name)
except WNetError as error:
    print(error.status.name)
for each in held:
    os.close(each)
print([each.state.name for each in router.connections()])
"""


def test_a_disconnect_with_too_few_descriptors_says_so_and_the_connection_stands(
    places: Places, local_root: Path
) -> None:
    """Whichever step it is that cannot be done."""
    with Router() as router:
        for free in range(3, 8):
            connection = router.connect(f"file://{local_root}", "Z:")
            (connection.path / f"{free}").write_text("all of it")
            ran = subprocess.run(
                [sys.executable, "-c", CROWDED, "Z:", str(free)], capture_output=True, text=True, check=True
            )
            said = ran.stdout.splitlines()
            assert said in (["ERROR_TOO_MANY_OPEN_FILES", "['CONNECTED']"], ["[]"]), ran
            if len(said) > 1:
                router.disconnect("Z:")
            assert (local_root / f"{free}").read_text() == "all of it"
    assert places.mounts() == []
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 64


def test_what_one_thread_cannot_open_does_not_end_the_transaction_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store()

    def recover() -> None:
        with store.recovering():
            pass

    monkeypatch.setattr(paths, "locked", refuse)
    remembered = Remembered("Z:", REMOTE, REMOTE, None, None, 1, {}, 0.0)
    with store.changing_profile([remembered], []), ThreadPoolExecutor(1) as another:
        with pytest.raises(WNetError) as told:
            another.submit(recover).result()
        assert told.value.status is Status.ERROR_TOO_MANY_OPEN_FILES
    assert store.remembered() == [remembered]


def test_a_mount_that_cannot_be_looked_at_once_it_is_made_is_not_left(
    places: Places, local_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Router() as router, monkeypatch.context() as patched:
        mount, is_mounted = hold.mount, mounts.is_mounted

        def mounted(*words: Any, **named: Any) -> None:
            mount(*words, **named)
            patched.setattr(mounts, "is_mounted", once)

        def once(path: Path) -> bool:
            patched.setattr(mounts, "is_mounted", is_mounted)
            return refuse() or is_mounted(path)

        patched.setattr(provider, "mount", mounted)
        with pytest.raises(WNetError) as caught:
            router.connect(f"file://{local_root}", "Z:")
        assert caught.value.status is Status.ERROR_TOO_MANY_OPEN_FILES
        assert (places.mounts(), router.connections(), list(places.drives.iterdir())) == ([], [], [])


def test_c6_a_disconnect_that_is_done_does_not_fail_for_what_it_leaves_to_the_next(
    places: Places, local_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second mount, by which its file system was held, is taken away by the next disconnect of the same process."""
    with Router() as router:
        for name, is_refused in (("Z:", True), ("Y:", False)):
            connection = router.connect(f"file://{local_root}", name)
            (connection.path / name[0]).write_text("all of it")
            with monkeypatch.context() as patched:
                if is_refused:
                    patched.setattr(Path, "rmdir", refuse)
                router.disconnect(name)
            assert (local_root / name[0]).read_text() == "all of it"
            assert router.connections() == []
            assert bool(list((places.runtime / "hold").iterdir())) is is_refused


@pytest.mark.parametrize("status", [Status.ERROR_DATABASE_FAILURE, Status.ERROR_DISK_FULL])
def test_c3_what_is_written_although_the_disk_reports_an_error_is_connected_and_remembered(
    local_root: Path, monkeypatch: pytest.MonkeyPatch, status: Status
) -> None:
    """As SQLite leaves it where the log cannot be synchronised: the next look at the store finds it there."""
    complete = Store.complete

    def failing(self: Store, *words: Any, **named: Any) -> Any:
        complete(self, *words, **named)
        raise WNetError(status)

    with Router() as router:
        with monkeypatch.context() as patched:
            patched.setattr(Store, "complete", failing)
            connection = router.connect(f"file://{local_root}", "Z:", persist=True)
        assert router.connections() == router.connections(remembered=True) == [connection]
        router.disconnect("Z:")


@pytest.mark.parametrize(
    ("number", "status"),
    [(errno.EIO, Status.ERROR_DATABASE_FAILURE), (errno.EMFILE, Status.ERROR_TOO_MANY_OPEN_FILES)],
)
def test_c6_a_cache_that_cannot_be_read_is_told_and_not_taken_for_empty(
    places: Places, monkeypatch: pytest.MonkeyPatch, number: int, status: Status
) -> None:
    cache = places.state / "cache" / "vfsMeta"
    (cache / "a file system").mkdir(parents=True)

    def fail(path: str) -> Any:
        raise OSError(number, os.strerror(number), path)

    with monkeypatch.context() as patched:
        patched.setattr(os, "scandir", fail)
        with pytest.raises(WNetError) as caught:
            unsent.waiting()
    assert (caught.value.status, caught.value.name) == (status, str(cache))
    assert unsent.waiting() == []
