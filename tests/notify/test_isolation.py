"""Isolation: whatever a notifyee does in its host process, the caller gets a defined status in time, and goes on."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from libraries import Build
from mprouter import AddConnect, CancelConnect, NetResource, NotifyInfo, Phase, Router, Status, WNetError
from mprouter.notify.dispatch import NESTING_VARIABLE, operate
from mprouter.notify.host import Isolated
from mprouter.notify.model import Call, Event, Registration, Told
from mprouter.notify.registration import DropIns, check
from mprouter.plugins import host as host_module
from servers.daemon import wait_for

OK = Status.WN_SUCCESS
ADD = AddConnect(NetResource("//files/projects", "Z:"))

ABORTED, TIMEOUT, NONSENSE = Status.ERROR_PROCESS_ABORTED, Status.ERROR_TIMEOUT, Status.ERROR_INVALID_DATA

Isolate = Callable[..., Isolated]


@pytest.fixture
def isolate() -> Iterator[Isolate]:
    """Isolated notifyees that end with the test."""
    made: list[Isolated] = []

    def make(target: str | Path, timeout: float = 30.0, memory: int = host_module.MEMORY_LIMIT) -> Isolated:
        made.append(Isolated(target if isinstance(target, str) else f"native:{target}", timeout=timeout, memory=memory))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def python(isolate: Isolate, tmp_path: Path) -> Callable[..., Isolated]:
    """An isolated Python notifyee from its source; it is the attribute ``told``."""

    def make(source: str, timeout: float = 30.0, memory: int = host_module.MEMORY_LIMIT) -> Isolated:
        path = tmp_path / f"notifyee{len(list(tmp_path.iterdir()))}.py"
        path.write_text(f"import os, sys, time\nfrom mprouter import Cancel, Status, WNetError\n\n{source}\n")
        return isolate(f"python:{path}:told", timeout, memory)

    return make


def test_no_time_or_memory_is_too_much_to_allow(python: Callable[..., Isolated]) -> None:
    patient = python("def told(event):\n    yield\n", timeout=1e9, memory=1 << 80)
    assert post(patient, pre(patient)) == OK


def pre(call: Call, event: Event = ADD) -> NotifyInfo:
    """What a pre of *event* leaves; it must succeed."""
    info = NotifyInfo(Phase.PRE, OK)
    assert call(info, event) == OK, info.message
    return info


def post(call: Call, before: NotifyInfo, event: Event = ADD, status: Status = OK) -> Status:
    return Status(call(NotifyInfo(Phase.POST, status, before.context), event) or 0)


def mishap(call: Call, event: Event = ADD, before: NotifyInfo | None = None) -> WNetError:
    """The error of a pre, or of the post that belongs to *before*."""
    info = NotifyInfo(Phase.PRE, OK) if before is None else NotifyInfo(Phase.POST, OK, before.context)
    with pytest.raises(WNetError) as caught:
        call(info, event)
    return caught.value


def pid_of(isolated: Isolated) -> int:
    assert isolated._host is not None
    return isolated._host._process.pid


def runs(pid: int) -> bool:
    """Whether the process is there and no zombie."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


def script(source: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A program of its own that uses isolated notifyees."""
    return subprocess.run(
        [sys.executable, "-c", PROGRAM + source, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **environment},
    )


PROGRAM = """\
import os, signal, sys, threading, time
from mprouter import AddConnect, NetResource, NotifyInfo, Phase, Status, WNetError
from mprouter.notify.host import Isolated

def tell(call, name="//files/projects"):
    info = NotifyInfo(Phase.PRE, Status.WN_SUCCESS)
    return call(info, AddConnect(NetResource(name))), info

isolated = Isolated(sys.argv[1])
"""


# -- misbehaviour ------------------------------------------------------------------------------------------------

NAUGHTY = [
    ("crash", ABORTED, "was killed by SIGSEGV"),
    ("abort", ABORTED, "was killed by SIGABRT"),
    ("exit", ABORTED, "ended with exit code 0"),
    ("hang", TIMEOUT, "has not answered within 0.5 seconds"),
    ("loop", TIMEOUT, "has not answered within 0.5 seconds"),
    ("stop", TIMEOUT, "has not answered within 0.5 seconds"),
    ("flood", NONSENSE, "printed more than 1024 KiB"),
    ("eat", ABORTED, "was killed by SIGSEGV"),
    ("close", ABORTED, "has closed its pipes"),
    ("babble", NONSENSE, "answers nonsense"),
    ("boast", NONSENSE, "answers nonsense"),
    ("stutter", NONSENSE, "answers nonsense: to another call"),
]


@pytest.mark.parametrize("phase", ["pre", "post"])
@pytest.mark.parametrize("naughtiness", NAUGHTY, ids=lambda each: each[0])
def test_misbehaviour_is_an_error_in_time_and_the_next_call_works(
    isolate: Isolate, built: Build, naughtiness: tuple[str, Status, str], phase: str
) -> None:
    how, status, words = naughtiness
    naughty = isolate(built("naughty.c"), memory=100 << 20)
    pre(naughty)
    event = AddConnect(NetResource(f"{how} in {phase}"))
    before = pre(naughty, event) if phase == "post" else None
    naughty.timeout = 0.5 if status is TIMEOUT else 30.0
    first = pid_of(naughty)
    started = time.monotonic()
    error = mishap(naughty, event, before)
    assert time.monotonic() - started < 10
    assert error.status is status
    assert words in str(error)
    assert not runs(first)
    naughty.timeout = 30.0
    assert post(naughty, pre(naughty)) == OK
    assert pid_of(naughty) != first


@pytest.mark.parametrize(("how", "status", "words"), NAUGHTY[:4])
def test_misbehaviour_of_a_constructor_is_an_error_in_time(
    isolate: Isolate, built: Build, how: str, status: Status, words: str
) -> None:
    naughty = isolate(built("naughty.c", f"-DEARLY={how}"), timeout=0.5 if status is TIMEOUT else 30.0)
    started = time.monotonic()
    for _ in range(2):
        error = mishap(naughty)
        assert error.status is status
        assert words in str(error)
    assert time.monotonic() - started < 10


def test_the_last_words_of_a_crashed_notifyee_are_in_the_message(isolate: Isolate, built: Build) -> None:
    error = mishap(isolate(built("naughty.c")), AddConnect(NetResource("crash in pre")))
    assert error.strerror == "its process was killed by SIGSEGV; it printed last: about to crash"


@pytest.mark.parametrize("required", [False, True])
def test_n10_a_crash_is_the_error_of_that_notifyee(isolate: Isolate, built: Build, required: bool) -> None:
    registration = Registration("naughty", isolate(built("naughty.c")), required=required)
    attempts: list[Event] = []

    def attempt(event: Event) -> Event:
        attempts.append(event)
        return event

    bad = AddConnect(NetResource("crash in pre"))
    if required:
        with pytest.raises(WNetError) as caught:
            operate(bad, [registration], lambda: attempt(bad))
        assert caught.value.status is ABORTED
        assert "SIGSEGV" in str(caught.value)
        assert not attempts
    else:
        operate(bad, [registration], lambda: attempt(bad))
        assert attempts == [bad]
    operate(ADD, [registration], lambda: attempt(ADD))
    assert attempts[-1] is ADD


PYTHON_MISHAPS = [
    ("os._exit(3)", ABORTED, "ended with exit code 3"),
    ("os.kill(os.getpid(), 9)", ABORTED, "was killed by SIGKILL"),
    ("import ctypes; ctypes.string_at(8)", ABORTED, "was killed by SIGSEGV"),
    ("time.sleep(100)", TIMEOUT, "has not answered within 3 seconds"),
    ("while True: print('x' * 70)", NONSENSE, "printed more than"),
    ("os.closerange(0, 200)", ABORTED, "its process"),
    ("babble()", NONSENSE, "answers nonsense"),
]


@pytest.mark.parametrize(("deed", "status", "words"), PYTHON_MISHAPS)
def test_misbehaviour_of_a_python_notifyee(
    python: Callable[..., Isolated], deed: str, status: Status, words: str
) -> None:
    told = python(
        f"""
def babble():
    for descriptor in range(3, 200):
        try:
            os.write(descriptor, b"junk" * 99)
        except OSError:
            pass

def told(event):
    if event.resource.local_name:
        {deed}
""",
        timeout=3.0 if status is TIMEOUT else 30.0,
    )
    error = mishap(told)
    assert error.status is status
    assert words in str(error)
    told.timeout = 30.0
    assert pre(told, AddConnect(NetResource("//files/projects"))).context is None


@pytest.mark.parametrize(
    ("deed", "status", "message"),
    [
        ("raise ValueError('no such line')", Status.ERROR_UNHANDLED_EXCEPTION, "ValueError: no such line"),
        ("sys.exit(1)", Status.ERROR_UNHANDLED_EXCEPTION, "SystemExit: 1"),
        ("raise KeyboardInterrupt", Status.ERROR_UNHANDLED_EXCEPTION, "KeyboardInterrupt"),
        ("raise WNetError(Status.ERROR_BUSY, 'not now')", Status.ERROR_BUSY, "not now"),
        ("raise Cancel('not you')", Status.WN_CANCEL, "not you"),
        ("return 'yes'", Status.ERROR_UNHANDLED_EXCEPTION, "TypeError: "),
        ("raise OSError(28, 'full')", Status.ERROR_DISK_FULL, "OSError: [Errno 28] full"),
        ("bytearray(600 << 20)", Status.ERROR_NOT_ENOUGH_MEMORY, "MemoryError"),
    ],
)
def test_what_a_python_notifyee_raises_is_its_answer(
    python: Callable[..., Isolated], deed: str, status: Status, message: str
) -> None:
    told = python(f"def told(event):\n    if event.resource.local_name:\n        {deed}", memory=500 << 20)
    info = NotifyInfo(Phase.PRE, OK)
    assert told(info, ADD) is status
    assert (info.message or "").startswith(message)
    first = pid_of(told)
    pre(told, AddConnect(NetResource("//files/projects")))
    assert pid_of(told) == first  # it lives on


def test_what_cannot_be_loaded_says_why(isolate: Isolate, tmp_path: Path) -> None:
    error = mishap(isolate("python:no.such.module:told"))
    assert (error.status, error.strerror) == (Status.ERROR_MOD_NOT_FOUND, "there is no Python module no")
    (tmp_path / "broken.py").write_text("import nothing_of_this_name\n")
    error = mishap(isolate(f"python:{tmp_path}/broken.py:told"))
    assert error.status is Status.ERROR_BAD_CONFIGURATION
    assert "nothing_of_this_name" in str(error)


def test_what_could_not_be_loaded_is_tried_again(isolate: Isolate, tmp_path: Path) -> None:
    told = isolate(f"python:{tmp_path}/late.py:told")
    assert mishap(told).status is Status.ERROR_FILE_NOT_FOUND
    (tmp_path / "late.py").write_text("def told(event): pass\n")
    pre(told)


def test_a_host_that_ended_between_two_calls_is_replaced_unnoticed(isolate: Isolate, built: Build) -> None:
    naughty = isolate(built("naughty.c"))
    before = pre(naughty)
    first = pid_of(naughty)
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: not runs(first), "the end of the process")
    pre(naughty)
    assert pid_of(naughty) != first
    assert mishap(naughty, before=before).status is ABORTED


def test_a_context_does_not_outlive_its_host(isolate: Isolate, built: Build) -> None:
    naughty = isolate(built("naughty.c"))
    before = pre(naughty)
    mishap(naughty, AddConnect(NetResource("exit in pre")))
    pre(naughty)
    error = mishap(naughty, before=before)
    assert error.status is ABORTED
    assert "context" in str(error)
    assert post(naughty, pre(naughty)) == OK


def test_a_context_of_a_lost_host_is_not_taken_to_a_new_one(isolate: Isolate, built: Build) -> None:
    naughty = isolate(built("naughty.c"))
    before = pre(naughty)
    os.kill(pid_of(naughty), signal.SIGKILL)
    error = mishap(naughty, before=before)
    assert error.status is ABORTED
    assert "SIGKILL" in str(error)


def test_names_too_long_to_be_told_are_an_error_of_the_call(isolate: Isolate, built: Build) -> None:
    naughty = isolate(built("naughty.c"))
    assert mishap(naughty, AddConnect(NetResource("x" * 70_000))).status is Status.ERROR_INVALID_PARAMETER
    assert pre(naughty, AddConnect(NetResource("x" * 30_000))).context is not None


def test_a_pipe_that_the_system_keeps_short_is_enough(isolate: Isolate, built: Build) -> None:
    naughty = isolate(built("naughty.c"))
    pre(naughty)
    assert naughty._host is not None
    fcntl.fcntl(naughty._host._requests, fcntl.F_SETPIPE_SZ, 4096)  # as for a user with very many pipes
    long = AddConnect(NetResource("x" * 30_000))
    assert post(naughty, pre(naughty, long), long) == OK
    os.kill(pid_of(naughty), signal.SIGSTOP)
    naughty.timeout = 0.5
    error = mishap(naughty, long)
    assert (error.status, error.strerror) == (TIMEOUT, "its process has read nothing within 0.5 seconds")


def test_what_it_started_ends_with_a_mishap(python: Callable[..., Isolated]) -> None:
    told = python(
        """
import subprocess
def told(event):
    print(subprocess.Popen(["sleep", "1000"]).pid, flush=True)
    time.sleep(1000)
""",
        timeout=2.0,
    )
    mishap(told)
    wait_for(lambda: not runs(int(told.printed)), "the end of the process")


def test_a_forked_process_that_holds_the_pipes_does_not_hide_the_end(python: Callable[..., Isolated]) -> None:
    told = python(
        """
def told(event):
    if child := os.fork():
        print(child, flush=True)
        os._exit(7)
    os.setsid()
    time.sleep(1000)
"""
    )
    started = time.monotonic()
    error = mishap(told)
    assert time.monotonic() - started < 10
    assert "ended with exit code 7" in str(error)
    with suppress(ProcessLookupError):  # it may have ended with the group that it was about to leave
        os.kill(int(told.printed), signal.SIGKILL)


# -- what isolation leaves as it is ------------------------------------------------------------------------------


def test_generators_keep_their_frames(python: Callable[..., Isolated]) -> None:
    told = python(
        """
def told(event):
    mine = event.resource.remote_name
    status = yield
    while status == Status.ERROR_NETWORK_UNREACHABLE:
        status = yield Status.WN_RETRY
    print(mine, status.name)
"""
    )
    failures = [Status.ERROR_NETWORK_UNREACHABLE, Status.ERROR_NETWORK_UNREACHABLE]

    def attempt() -> Event:
        if failures:
            raise WNetError(failures.pop())
        return ADD

    operate(ADD, [Registration("told", told)], attempt)
    assert told.printed == "//files/projects WN_SUCCESS\n"


def test_functions_and_vetoes(python: Callable[..., Isolated]) -> None:
    told = python("def told(event):\n    raise Cancel(f'{event.name} is needed')")
    with pytest.raises(WNetError) as caught:
        operate(CancelConnect("Z:"), [Registration("told", told)], lambda: CancelConnect("Z:"))
    assert (caught.value.status, caught.value.strerror) == (Status.WN_CANCEL, "Z: is needed")


def test_classes_and_their_contexts(python: Callable[..., Isolated]) -> None:
    told = python(
        """
class told:
    def __init__(self):
        self.calls = []
    def add_connect_notify(self, info, add):
        self.calls.append(info.phase.name)
        if info.phase == 1:
            info.context = object()
            self.kept = info.context
        else:
            assert info.context is self.kept
            assert type(add.flags).__name__ == "ConnectFlag" and add.resource.type.name == "DISK"
            info.message = " ".join(self.calls)
"""
    )
    before = pre(told)
    info = NotifyInfo(Phase.POST, OK, before.context)
    assert told(info, ADD) == OK
    assert info.message == "PRE POST"


def test_a_context_goes_when_its_last_post_is_made(python: Callable[..., Isolated]) -> None:
    told = python(
        """
class Context:
    alive = 0
    def __init__(self):
        Context.alive += 1
    def __del__(self):
        Context.alive -= 1

class told:
    def add_connect_notify(self, info, add):
        if info.phase == 1:
            info.message = str(Context.alive)
            info.context = Context()
            return Status.ERROR_BUSY if add.resource.remote_name == "busy" else None
        return Status.WN_RETRY
"""
    )
    before = pre(told)
    retrying = NotifyInfo(Phase.POST, Status.ERROR_BAD_NETPATH, before.context)
    retrying.may_retry = True
    assert told(retrying, ADD) is Status.WN_RETRY
    assert post(told, before, status=Status.ERROR_BAD_NETPATH) is Status.WN_RETRY
    refusing = NotifyInfo(Phase.PRE, OK)
    assert told(refusing, AddConnect(NetResource("busy"))) is Status.ERROR_BUSY
    assert refusing.message == "0"
    assert refusing.context is None
    assert pre(told).message == "0"


def test_modules_are_found_as_in_this_process(
    isolate: Isolate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hooks_of_this_test.py").write_text("def told(event):\n    print(__name__)\n")
    monkeypatch.syspath_prepend(tmp_path)
    told = isolate("python:hooks_of_this_test:told")
    pre(told)
    assert told.printed == "hooks_of_this_test\n"


def test_n17_operations_inside_a_host_are_nested(python: Callable[..., Isolated]) -> None:
    told = python(
        f"""
import json, subprocess
from mprouter.notify.dispatch import nesting
def told(event):
    child = subprocess.run(["printenv", "{NESTING_VARIABLE}"], capture_output=True).stdout
    print(json.dumps([nesting(), json.loads(child)]))
"""
    )
    registration = Registration("told", told)
    operate(ADD, [registration], lambda: ADD)
    assert json.loads(told.printed) == [["code/told"], ["code/told"]]


# -- the process -------------------------------------------------------------------------------------------------


def test_nothing_is_inherited_but_the_pipes(python: Callable[..., Isolated]) -> None:
    told = python(
        """
import resource
def told(event):
    print(*sorted(os.readlink(f"/proc/self/fd/{d}").split(":")[0] for d in os.listdir("/proc/self/fd") if int(d) < 3))
    print(sum(os.path.exists(f"/proc/self/fd/{d}") for d in range(3, 200)))
    print(any(os.get_inheritable(d) for d in range(3, 200) if os.path.exists(f"/proc/self/fd/{d}")))
    print(os.getcwd(), os.getsid(0) == os.getpgrp() == os.getpid(), resource.getrlimit(resource.RLIMIT_CORE))
"""
    )
    with open("/dev/null", "rb") as stray:  # noqa: PTH123
        os.set_inheritable(stray.fileno(), True)
        pre(told)
    assert told.printed.splitlines() == ["/dev/null pipe pipe", "3", "False", "/ True (0, 0)"]


def test_the_list_of_processes_says_what_it_runs(isolate: Isolate, built: Build) -> None:
    naughty = isolate(built("naughty.c"))
    pre(naughty)
    assert naughty.target.encode() in Path(f"/proc/{pid_of(naughty)}/cmdline").read_bytes().split(b"\0")


def test_it_is_kept_from_call_to_call(isolate: Isolate, built: Build) -> None:
    naughty = isolate(built("naughty.c"))
    pre(naughty)
    first = pid_of(naughty)
    pre(naughty, CancelConnect("Z:"))
    assert pid_of(naughty) == first


def test_it_outlives_the_thread_that_started_it(isolate: Isolate, built: Build) -> None:
    naughty = isolate(built("naughty.c"))
    before: list[NotifyInfo] = []
    thread = threading.Thread(target=lambda: before.append(pre(naughty)))
    thread.start()
    thread.join()
    assert post(naughty, before[0]) == OK


def test_n18_threads_take_turns(isolate: Isolate, built: Build) -> None:
    naughty = isolate(built("naughty.c"))
    answers: list[Status] = []
    threads = [
        threading.Thread(target=lambda: answers.extend(post(naughty, pre(naughty)) for _ in range(50)))
        for _ in range(4)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert answers == [OK] * 200


@pytest.mark.parametrize("name", ["//files/projects", "loop in pre"])
def test_it_never_outlives_the_router(built: Build, name: str) -> None:
    program = subprocess.Popen(
        [
            *(sys.executable, "-c"),
            PROGRAM + "tell(isolated)\nprint(isolated._host._process.pid, flush=True)\ntell(isolated, sys.argv[2])",
            f"native:{built('naughty.c')}",
            name,
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    with program:
        assert program.stdout is not None
        host = int(program.stdout.readline())
        program.kill()
    wait_for(lambda: not runs(host), "the end of the process")


def test_ctrl_c_ends_the_wait_and_the_host(python: Callable[..., Isolated]) -> None:
    told = python(
        """
def told(event):
    if event.resource.local_name:
        os.kill(os.getppid(), 2)
        time.sleep(1000)
"""
    )
    with pytest.raises(KeyboardInterrupt):
        told(NotifyInfo(Phase.PRE, OK), ADD)
    assert not runs(pid_of(told))
    pre(told, AddConnect(NetResource("//files/projects")))


def test_signals_that_are_handled_do_not_lengthen_the_wait(isolate: Isolate, built: Build) -> None:
    naughty = isolate(built("naughty.c"))
    pre(naughty)
    naughty.timeout = 1.0
    signals: list[int] = []
    former = signal.signal(signal.SIGALRM, lambda number, _: signals.append(number))
    signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
    started = time.monotonic()
    try:
        assert mishap(naughty, AddConnect(NetResource("hang in pre"))).status is TIMEOUT
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)
    assert time.monotonic() - started < 10
    assert signals


def test_a_program_that_has_a_thousand_files_open_has_a_host_too(built: Build) -> None:
    run = script(
        """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (2048, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
opened = [os.open(os.devnull, os.O_RDONLY) for _ in range(1024)]
print(int(tell(isolated)[0]))
""",
        f"native:{built('naughty.c')}",
    )
    assert (run.returncode, run.stdout.split()) == (0, ["0"]), run.stderr


def test_a_program_with_deadly_sigpipe_survives_a_dead_host(built: Build) -> None:
    run = script(
        """
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
for name in ("//files/projects", "exit in pre", "//files/projects"):
    try:
        print(int(tell(isolated, name)[0]))
    except WNetError as error:
        print(error.winerror)
os.kill(isolated._host._process.pid, signal.SIGKILL)
os.waitid(os.P_PID, isolated._host._process.pid, os.WEXITED | os.WNOWAIT)
print(int(tell(isolated)[0]))
""",
        f"native:{built('naughty.c')}",
    )
    assert (run.returncode, run.stdout.split()) == (0, ["0", "1067", "0", "0"]), run.stderr


def test_a_program_whose_working_directory_is_gone_has_a_host_too(built: Build, tmp_path: Path) -> None:
    run = script(
        """
os.chdir(sys.argv[2])
os.rmdir(sys.argv[2])
assert "" in sys.path
print(int(tell(isolated)[0]))
""",
        f"native:{built('naughty.c')}",
        tempfile.mkdtemp(dir=tmp_path),
    )
    assert (run.returncode, run.stdout.split()) == (0, ["0"]), run.stderr


def test_a_program_that_ignores_the_end_of_its_children(built: Build) -> None:
    run = script(
        """
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for name in ("//files/projects", "crash in pre", "//files/projects"):
    try:
        print(int(tell(isolated, name)[0]))
    except WNetError as error:
        print(error.winerror)
isolated.close()
""",
        f"native:{built('naughty.c')}",
    )
    assert (run.returncode, run.stdout.split()) == (0, ["0", "1067", "0"]), run.stderr


def test_a_forked_child_leaves_the_host_to_its_parent(built: Build) -> None:
    run = script(
        """
before = tell(isolated)[1]
mine = isolated._host._process.pid
child = os.fork()
if not child:
    try:
        isolated(NotifyInfo(Phase.POST, Status.WN_SUCCESS, before.context), AddConnect(NetResource("x")))
    except WNetError as error:
        assert error.winerror == 1067
    assert tell(isolated)[0] == 0
    assert isolated._host._process.pid != mine
    sys.exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
assert isolated._host._process.pid == mine
assert isolated(NotifyInfo(Phase.POST, Status.WN_SUCCESS, before.context), AddConnect(NetResource("x"))) == 0
print("well")
""",
        f"native:{built('naughty.c')}",
        PYTHONWARNINGS="always",
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "well\n", "")


def test_a_forked_child_does_not_keep_the_host_alive(built: Build) -> None:
    run = script(
        """
tell(isolated)
print(isolated._host._process.pid)
child = os.fork()
if not child:
    os.close(1), os.close(2)
    time.sleep(1000)
print(child, flush=True)
os.kill(os.getpid(), 9)
""",
        f"native:{built('naughty.c')}",
    )
    host, child = map(int, run.stdout.split())
    try:
        wait_for(lambda: not runs(host), "the end of the process")
        assert runs(child)
    finally:
        os.kill(child, signal.SIGKILL)


# -- the end -----------------------------------------------------------------------------------------------------


def test_close_lets_it_end_in_good_order(python: Callable[..., Isolated], tmp_path: Path) -> None:
    told = python(
        f"""
import atexit, pathlib, subprocess
atexit.register(pathlib.Path({str(tmp_path)!r}, "goodbye").touch)
def told(event):
    print(subprocess.Popen(["sleep", "1000"]).pid)
"""
    )
    pre(told)
    child = int(told.printed)
    told.close()
    assert (tmp_path / "goodbye").exists()
    assert runs(child)  # as what a notifyee in this process has started would
    os.kill(child, signal.SIGKILL)
    told.close()  # a second time


@pytest.mark.parametrize("name", ["os.pipe", "subprocess.Popen"])
def test_n10_a_host_that_a_shortage_keeps_from_being_started_is_started_by_the_next_call(
    python: Callable[..., Isolated], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    told = python("def told(event): pass")
    with monkeypatch.context() as patched:
        patched.setattr(name, refuse)
        with pytest.raises(WNetError) as caught:
            pre(told)
        assert caught.value.status is Status.ERROR_TOO_MANY_OPEN_FILES
    pre(told)


def test_close_ends_one_that_does_not_want_to(python: Callable[..., Isolated], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_module, "GRACE", 0.3)
    told = python("import atexit\natexit.register(time.sleep, 1000)\ndef told(event): pass")
    pre(told)
    process = pid_of(told)
    told.close()
    assert not runs(process)
    pre(told)  # a router that goes on after all
    told.close()


def test_a_program_that_forgets_to_close_ends_it_in_good_order(tmp_path: Path) -> None:
    (tmp_path / "hook.py").write_text(
        "import atexit, pathlib\n"
        f"atexit.register(pathlib.Path({str(tmp_path)!r}, 'goodbye').touch)\n"
        "def told(event): pass\n"
    )
    run = script("print(tell(isolated)[0].name)", f"python:{tmp_path}/hook.py:told")
    assert (run.stdout, run.stderr) == ("WN_SUCCESS\n", "")
    assert (tmp_path / "goodbye").exists()


def test_ctrl_c_while_it_is_closed_leaves_it_to_the_end_of_the_program(
    python: Callable[..., Isolated], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(descriptor: int) -> None:
        close(descriptor)
        monkeypatch.undo()
        raise KeyboardInterrupt

    told = python("def told(event): pass")
    pre(told)
    process, close = pid_of(told), os.close
    monkeypatch.setattr(os, "close", interrupted)
    with pytest.raises(KeyboardInterrupt):
        told.close()
    assert told._last_resort is not None
    told._last_resort()
    assert not runs(process)


def test_two_threads_may_wait_for_its_end(python: Callable[..., Isolated], tmp_path: Path) -> None:
    gate, ending = tmp_path / "gate", tmp_path / "ending"
    os.mkfifo(gate)
    told = python(
        "import atexit\n"
        f"atexit.register(lambda: (open({str(ending)!r}, 'w').close(), open({str(gate)!r}).read()))\n"
        "def told(event): pass"
    )
    pre(told)
    assert told._last_resort is not None
    process, last_resort = pid_of(told), told._last_resort
    with ThreadPoolExecutor() as threads:
        closing = threads.submit(told.close)
        wait_for(ending.exists, "the begin of its end")
        ended = threads.submit(last_resort)
        wait_for(lambda: not last_resort.alive, "the second thread")
        gate.write_text("now")
        closing.result()
        ended.result()
    assert not runs(process)


def test_one_that_nobody_holds_any_more_ends(built: Build) -> None:
    isolated = Isolated(f"native:{built('naughty.c')}")
    pre(isolated)
    process = pid_of(isolated)
    del isolated
    assert not runs(process)


# -- registered --------------------------------------------------------------------------------------------------


@pytest.fixture
def register(directory: Path) -> Iterator[Callable[..., DropIns]]:
    """Registers an isolated Python notifyee from its source; it is the attribute ``told``."""
    made: list[DropIns] = []

    def write(source: str, more: str = "") -> DropIns:
        path = directory.parent / "notifyee.py"
        path.write_text(f"import os, time\nimport mprouter\n\n{source}\n")
        (directory / "hook.toml").write_text(f'target = "python:{path}:told"\nisolation = "process"\n{more}\n')
        made.append(DropIns(entry_points=False))
        return made[-1]

    yield write
    for each in made:
        each.close()


def tell(drop_ins: DropIns, *outcomes: Status, event: Event = ADD) -> list[Told]:
    """One operation as the router makes it, whose attempts end with *outcomes*, the last one in success."""
    concerned = [each for each in drop_ins.registrations() if each.concerns(event.operation, ())]
    coming = iter(outcomes)
    told: list[Told] = []

    def attempt() -> Event:
        if status := next(coming, OK):
            raise WNetError(status)
        return event

    with suppress(WNetError):
        operate(event, concerned, attempt, record=told.append)
    return told


def test_n19_who_is_cut_off_in_the_pre_by_ctrl_c_is_told_after(
    register: Callable[..., DropIns], tmp_path: Path
) -> None:
    told = tmp_path / "told"
    drop_ins = register(
        f"""
class Dial:
    def add_connect_notify(self, info, add):
        with open({str(told)!r}, "a") as file:
            print(info.phase.name, info.status.name, info.context, file=file)
        if info.phase.name == "PRE":  # half of its work is done
            os.kill(os.getppid(), 2)
            time.sleep(1000)

told = Dial
"""
    )
    with pytest.raises(KeyboardInterrupt):
        tell(drop_ins)
    assert told.read_text().splitlines() == ["PRE WN_SUCCESS None", "POST WN_CANCEL None"]


def test_a_generator_keeps_its_frame_between_the_calls(register: Callable[..., DropIns]) -> None:
    drop_ins = register(
        """
def told(event):
    mine = os.getpid()
    status = yield
    while status:
        status = yield mprouter.Status.WN_RETRY
    raise mprouter.WNetError(mprouter.Status.ERROR_BUSY, f"{mine} {os.getpid()} {event.operation}")
"""
    )
    told = tell(drop_ins, Status.ERROR_BAD_NETPATH)
    assert [each.answer for each in told] == [OK, Status.WN_RETRY, Status.ERROR_BUSY]
    before, after, operation = str(told[-1].message).split()
    assert before == after != str(os.getpid())
    assert operation == "add"
    assert str(tell(drop_ins, event=CancelConnect("Z:"))[-1].message) == f"{before} {after} cancel"  # the same host


def test_what_it_says_of_itself_holds_where_the_file_says_nothing(register: Callable[..., DropIns]) -> None:
    source = """
@mprouter.notifyee(order=7, required=True, thread_safe=True)
class told:
    def add_connect_notify(self, info, add):
        return mprouter.Status.ERROR_BUSY
"""
    drop_ins = register(source)
    assert [each.answer for each in tell(drop_ins)] == [Status.ERROR_BUSY]
    assert tell(drop_ins, event=CancelConnect("Z:")) == []
    (registration,) = drop_ins.registrations()
    assert (registration.order, registration.required, registration.operations) == (7, True, frozenset({"add"}))
    assert not registration.thread_safe  # a host serves one call at a time
    drop_ins = register(source, 'order = 8\nrequired = false\noperations = ["cancel"]\nthread_safe = true')
    (told,) = tell(drop_ins, event=CancelConnect("Z:"))
    assert told.answer == OK
    (registration,) = drop_ins.registrations()
    assert (registration.order, registration.required, registration.operations) == (8, False, frozenset({"cancel"}))
    assert not registration.thread_safe


def test_n10_what_cannot_be_loaded_is_an_error_until_it_can(register: Callable[..., DropIns]) -> None:
    drop_ins = register("import no_such_module")
    (told,) = tell(drop_ins)
    assert told.answer is Status.ERROR_BAD_CONFIGURATION
    assert "no_such_module" in str(told.message)
    (registration,) = drop_ins.registrations()
    assert "no_such_module" in str(check(registration))
    assert registration.file is not None
    (registration.file.parent.parent / "notifyee.py").write_text("def told(event): pass\n")
    assert [each.answer for each in tell(drop_ins)] == [OK]


@pytest.mark.parametrize("when", ["", "def told(event):\n    "])
def test_n10_a_call_that_takes_too_long_is_recorded_as_that(register: Callable[..., DropIns], when: str) -> None:
    drop_ins = register(f"{when}time.sleep(1000)", "timeout = 1")
    started = time.monotonic()
    (told,) = tell(drop_ins)
    assert time.monotonic() - started < 10
    assert (told.answer, told.message) == (Status.ERROR_TIMEOUT, "its process has not answered within 1 seconds")


def test_n17_what_it_connects_while_it_is_loaded_does_not_load_it_again(register: Callable[..., DropIns]) -> None:
    drop_ins = register(
        """
from pathlib import Path
with Path(__file__).with_name("loaded").open("a") as file:
    print(os.getpid(), file=file)
try:
    mprouter.connect("file:///does/not/exist/here")
except mprouter.WNetError as error:
    failure = error.status

def told(event):
    raise mprouter.Cancel(failure.name)
"""
    )
    (told,) = tell(drop_ins)
    assert told.answer is Status.WN_CANCEL
    assert str(told.message) != "ERROR_TIMEOUT"
    (registration,) = drop_ins.registrations()
    assert registration.file is not None
    assert len((registration.file.parent.parent / "loaded").read_text().split()) == 1


def test_n19_a_changed_file_does_not_take_the_post_of_an_operation_under_way(register: Callable[..., DropIns]) -> None:
    drop_ins = register("def told(event):\n    yield\n    raise mprouter.WNetError(mprouter.Status.ERROR_BUSY)")
    (registration,) = drop_ins.registrations()
    registration.concerns("add", ())
    processes: list[int] = []
    told: list[Told] = []

    def attempt() -> Event:
        assert isinstance(registration.call, Isolated)
        processes.append(pid_of(registration.call))
        assert registration.file is not None
        registration.file.unlink()
        assert drop_ins.registrations() == []
        return ADD

    operate(ADD, [registration], attempt, record=told.append)
    assert [each.answer for each in told] == [OK, Status.ERROR_BUSY]
    assert not runs(processes[0])  # and now it has ended


def test_a_post_to_a_host_that_died_is_recorded_as_lost(register: Callable[..., DropIns]) -> None:
    drop_ins = register("def told(event):\n    yield")
    (registration,) = drop_ins.registrations()
    registration.concerns("add", ())
    told: list[Told] = []

    def attempt() -> Event:
        assert isinstance(registration.call, Isolated)
        os.kill(pid_of(registration.call), signal.SIGKILL)
        return ADD

    operate(ADD, [registration], attempt, record=told.append)
    assert told[-1].answer is ABORTED
    assert "SIGKILL" in str(told[-1].message)
    assert [each.answer for each in tell(drop_ins)] == [OK, OK]


def test_the_router_ends_the_hosts_with_itself(register: Callable[..., DropIns], resource: str) -> None:
    register("def told(event):\n    raise mprouter.Cancel(str(os.getpid()))")
    with Router() as router:
        told = []
        for _ in range(2):
            with pytest.raises(WNetError) as caught:
                router.connect(resource)
            told.append(int(str(caught.value.strerror)))
    assert told[0] == told[1]
    assert not runs(told[0])


def test_settings_reach_a_class_in_its_host(isolate: Isolate, tmp_path: Path) -> None:
    (tmp_path / "set.py").write_text(
        "class told:\n"
        "    def __init__(self, *, greeting: str, match: list[str]) -> None:\n"
        "        self.words = f'{greeting} {match}'\n"
        "    def add_connect_notify(self, info, add):\n"
        "        info.message = self.words\n"
    )
    target = f"python:{tmp_path}/set.py:told"
    told = Isolated(target, settings={"greeting": "hello"}, match=["*"])
    assert pre(told).message == "hello ['*']"
    told.close()
    assert "greeting" in str(mishap(isolate(target)))


@pytest.mark.parametrize("value", [1 << 70, "x" * 70_000])
def test_settings_that_cannot_be_told_are_an_error_each_time(value: object) -> None:
    told = Isolated("python:json:loads", settings={"value": value})
    for _ in range(2):
        assert mishap(told).status is Status.ERROR_INVALID_PARAMETER


@pytest.mark.parametrize("leaves", ["sys.exit('well')", "return"])
def test_n10_a_child_that_a_notifyee_forks_answers_nothing(python: Callable[..., Isolated], leaves: str) -> None:
    isolated = python(
        "def told(event):\n    child = os.fork()\n"
        f"    if not child:\n        {leaves}\n"
        "    os.waitpid(child, 0)\n    yield"
    )
    for _ in range(3):
        info = NotifyInfo(Phase.PRE, OK)
        assert isolated(info, ADD) is OK
        assert isolated(NotifyInfo(Phase.POST, OK, info.context), ADD) is OK


def test_n19_a_recovered_post_says_so(python: Callable[..., Isolated]) -> None:
    told = python(
        """
class told:
    def add_connect_notify(self, info, add):
        info.context = True
        info.message = str(info.recovered)
"""
    )
    info = NotifyInfo(Phase.POST, OK, pre(told).context)
    info.recovered = True
    told(info, ADD)
    assert info.message == "True"


# -- what is loaded, and what is left --------------------------------------------------------------------------


def test_what_is_loaded_is_looked_at_at_each_start(isolate: Isolate, built: Build, tmp_path: Path) -> None:
    library = tmp_path / "naughty.so"
    shutil.copy(built("naughty.c"), library)
    naughty = isolate(library)
    mishap(naughty, AddConnect(NetResource("exit in pre")))
    pre(naughty)
    library.chmod(0o777)
    pre(naughty)
    mishap(naughty, AddConnect(NetResource("exit in pre")))
    assert mishap(naughty).status is Status.ERROR_ACCESS_DENIED


def resident(pid: int) -> int:
    """KiB of memory that the process has to itself."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))


def descriptors(process: int | str) -> int:
    return sum(1 for _ in Path(f"/proc/{process}/fd").iterdir())


def test_10_000_rounds_leave_nothing_behind(isolate: Isolate, built: Build) -> None:
    naughty = isolate(built("naughty.c"))
    registration = Registration("naughty", naughty)

    def rounds(count: int) -> None:
        for _ in range(count):
            for event in (ADD, CancelConnect("Z:")):
                operate(event, [registration], lambda event=event: event)  # type: ignore[misc]

    rounds(100)
    process = pid_of(naughty)
    held = descriptors("self"), descriptors(process)
    memory = resident(os.getpid()), resident(process)
    rounds(10_000)
    assert pid_of(naughty) == process
    assert (descriptors("self"), descriptors(process)) == held
    assert resident(process) - memory[1] < 200
    assert resident(os.getpid()) - memory[0] < 2000
    naughty.close()
    assert not runs(process)


def test_mishaps_leave_nothing_behind(isolate: Isolate, built: Build) -> None:
    naughty = isolate(built("naughty.c"))
    before = descriptors("self")
    for how in ("crash", "exit", "babble", "close"):
        mishap(naughty, AddConnect(NetResource(f"{how} in pre")))
        assert descriptors("self") == before
        assert not Path(f"/proc/{pid_of(naughty)}").exists()  # nor a zombie


def test_n19_ctrl_c_while_a_post_is_made_waits_for_its_answer(python: Callable[..., Isolated], tmp_path: Path) -> None:
    gate, done = tmp_path / "gate", tmp_path / "done"
    os.mkfifo(gate)
    told = python(
        "def told(event):\n"
        "    yield\n"
        f"    open({str(tmp_path / 'begun')!r}, 'w').close()\n"
        f"    open({str(done)!r}, 'w').write(open({str(gate)!r}).read())\n"
    )
    info = pre(told)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    main = threading.get_ident()

    def press() -> None:
        wait_for((tmp_path / "begun").exists, "the post")
        signal.pthread_kill(main, signal.SIGINT)
        gate.write_text("told")

    thread = threading.Thread(target=press)
    thread.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            post(told, info)
    finally:
        thread.join()
        signal.signal(signal.SIGINT, before)
    assert done.read_text() == "told"
    first = pid_of(told)
    pre(told)
    assert pid_of(told) == first, "its process goes on"
