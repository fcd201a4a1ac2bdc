"""The locks by which processes of one user keep out of each other's way, and forks, which share open files (N18)."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mprouter.places import locked, private
from mprouter.status import Status, WNetError


def is_taken(lock: Path) -> bool:
    try:
        with locked(lock, wait=False):
            return False
    except BlockingIOError:
        return True


def test_a_lock_keeps_others_out_until_its_block_ends(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with locked(lock):
        assert is_taken(lock)
    assert not is_taken(lock)


@pytest.mark.parametrize("how", [{}, {"wait": False}, {"patience": 1.0}])
def test_a_file_system_without_locks_is_told_as_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: dict[str, Any]
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    lock = tmp_path / "lock"
    with monkeypatch.context() as context:
        context.setattr(fcntl, "flock", refuse)
        with pytest.raises(WNetError, match="has no locks: No locks available") as error, locked(lock, **how):
            pass
    assert (error.value.status, error.value.name) == (Status.ERROR_BAD_CONFIGURATION, str(lock))
    assert "MPROUTER_RUNTIME_DIR" in str(error.value.hint)
    assert not is_taken(lock)


def test_n18_a_thread_does_not_wait_for_itself(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with locked(lock):
        with pytest.raises(WNetError) as error, locked(lock):  # as a signal handler does
            pass
        assert error.value.status is Status.ERROR_POSSIBLE_DEADLOCK
        with locked(tmp_path / "another"):
            assert is_taken(lock)
    assert not is_taken(lock)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_n18_a_fork_does_not_keep_the_lock_of_the_process_that_it_came_from(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    reading, writing = os.pipe()
    with locked(lock):
        child = os.fork()
        if child == 0:
            os.close(writing)
            os.read(reading, 1)  # until its parent lets it end
            os._exit(0)
    try:
        assert not is_taken(lock)
    finally:
        os.close(writing)
        os.close(reading)
        os.waitpid(child, 0)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_n18_a_fork_that_leaves_the_block_does_not_end_the_lock(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    forked = 1
    with locked(lock):
        forked = os.fork()
        if forked:
            assert os.waitstatus_to_exitcode(os.waitpid(forked, 0)[1]) == 0
    if not forked:
        os._exit(not is_taken(lock))


def test_c6_a_link_to_a_state_directory_that_was_moved_is_not_to_be_removed(tmp_path: Path) -> None:
    """What waits to be sent is behind it."""
    state = tmp_path / "state"
    state.symlink_to(private(tmp_path / "moved"))
    with pytest.raises(WNetError) as caught:
        private(state)
    assert caught.value.status is Status.ERROR_ACCESS_DENIED
    assert "rm " not in str(caught.value.hint)
    assert "MPROUTER_STATE_DIR" in str(caught.value.hint)


def test_n18_tasks_of_one_thread_wait_for_one_another(tmp_path: Path) -> None:
    """As gevent has them: each has a number of its own, and another goes on where one sleeps."""
    code = """if True:
        import sys, time
        from pathlib import Path
        from mprouter import places

        first, second = places.locked(Path(sys.argv[1])), places.locked(Path(sys.argv[1]))
        first.__enter__()
        places.get_ident = lambda: -1
        time.sleep = lambda _: first.__exit__(None, None, None)
        with second:
            print("inside")
    """
    command = [sys.executable, "-c", code, str(tmp_path)]
    assert subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout == "inside\n"
