"""A program that has as many files open as it may: what it cannot look at is not taken for gone (C6, N19)."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mprouter import Router, Status, WNetError, mountinfo, processes
from mprouter.providers.mounted import State
from mprouter.providers.rclone import daemon, program, rc
from mprouter.store import Store, owner
from stores import claim

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
