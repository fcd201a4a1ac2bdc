"""Command notifyees: real programs and scripts, their protocol, and how they misbehave."""

from __future__ import annotations

import errno
import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from mprouter import (
    AddConnect,
    CancelConnect,
    ConnectFlag,
    NetResource,
    NotifyInfo,
    Phase,
    ResourceType,
    Status,
    WNetError,
)
from mprouter.notify.command import MAX_OUTPUT, MAX_VARIABLE, from_command
from mprouter.notify.dispatch import NESTING_VARIABLE, operate
from mprouter.notify.model import Event, Registration, Told

ADD = AddConnect(
    NetResource(r"\\files\projects", "Z:", ResourceType.DISK, "smb"),
    ConnectFlag.CURRENT_MEDIA | ConnectFlag.TEMPORARY,
    77,
)
CANCEL = CancelConnect("Z:", None, ConnectFlag.UPDATE_PROFILE, force=True)

OK = Status.WN_SUCCESS


class Hook:
    """A program that is told, and what came of it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.timeout = 30.0
        self.info = NotifyInfo(Phase.PRE, OK)

    def script(self, text: str, interpreter: str = "/bin/sh", name: str = "hook") -> Path:
        path = self.directory / name
        path.write_text(f"#!{interpreter}\n{text}\n")
        path.chmod(0o755)
        return path

    def python(self, text: str) -> Path:
        return self.script(text, sys.executable)

    def tell(self, path: Path, *arguments: str, event: Event = ADD, **info: Any) -> Status:
        """One call; *info* sets attributes of the NotifyInfo."""
        self.info = NotifyInfo(Phase.PRE, OK)
        for key, value in info.items():
            setattr(self.info, key, value)
        answer = from_command([str(path), *arguments], self.timeout)(self.info, event)
        assert isinstance(answer, Status)
        return answer

    def fails(self, path: Path, *arguments: str, **options: Any) -> WNetError:
        with pytest.raises(WNetError) as caught:
            self.tell(path, *arguments, **options)
        return caught.value

    def exceeds(self, path: Path, *names: str) -> WNetError:
        """The error of a call that would never end. It gets a little time, or as much as it needs to write *names*."""
        for self.timeout in (0.3 * 2**each for each in range(8)):
            started = time.monotonic()
            error = self.fails(path)
            assert time.monotonic() - started < self.timeout + 10
            if all((self.directory / each).exists() and self.wrote(each) for each in names):
                break
        return error

    def wrote(self, name: str) -> str:
        return (self.directory / name).read_text()


@pytest.fixture
def hook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hook]:
    monkeypatch.setenv("HERE", str(tmp_path))
    yield Hook(tmp_path)
    for each in tmp_path.glob("*.pid"):  # what a test left behind on purpose
        with suppress(ProcessLookupError):
            os.kill(int(each.read_text()), signal.SIGKILL)


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline


def runs(pid: int) -> bool:
    """Whether the process still runs; one that ended and is nobody's child any more counts as gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


# -- what it is told -------------------------------------------------------------------------------------------


def test_n14_it_reads_one_json_object(hook: Hook) -> None:
    path = hook.script('cat >"$HERE/told"')
    hook.tell(path)
    assert json.loads(hook.wrote("told")) == {
        "operation": "add",
        "phase": "pre",
        "status": 0,
        "status_name": "WN_SUCCESS",
        "may_retry": False,
        "recovered": False,
        "name": r"\\files\projects",
        "remote_name": r"\\files\projects",
        "local_name": "Z:",
        "provider": "smb",
        "type": "disk",
        "flags": 0x204,
        "force": False,
        "owner": 77,
        "context": None,
    }
    hook.tell(
        path,
        event=CANCEL,
        phase=Phase.POST,
        status=Status.ERROR_OPEN_FILES,
        context={"context": [1, "ü"]},
        may_retry=True,
    )
    assert json.loads(hook.wrote("told")) == {
        "operation": "cancel",
        "phase": "post",
        "status": 2401,
        "status_name": "ERROR_OPEN_FILES",
        "may_retry": True,
        "recovered": False,
        "name": "Z:",
        "remote_name": None,
        "local_name": "Z:",
        "provider": None,
        "type": None,
        "flags": 1,
        "force": True,
        "owner": None,
        "context": [1, "ü"],
    }


def test_n14_the_same_as_variables(hook: Hook) -> None:
    path = hook.script('env | grep ^MPR_ | sort >"$HERE/told"')
    hook.tell(path)
    assert hook.wrote("told").splitlines() == [
        f"MPR_COMMAND={path}",
        "MPR_CONTEXT=",
        "MPR_FLAGS=516",
        "MPR_FORCE=0",
        "MPR_LOCAL_NAME=Z:",
        "MPR_MAY_RETRY=0",
        "MPR_OPERATION=add",
        "MPR_PHASE=pre",
        "MPR_PROVIDER=smb",
        r"MPR_REMOTE_NAME=\\files\projects",
        "MPR_STATUS=0",
    ]
    hook.tell(path, event=CANCEL, phase=Phase.POST, status=Status.ERROR_OPEN_FILES, context={"context": {"a": None}})
    assert hook.wrote("told").splitlines() == [
        f"MPR_COMMAND={path}",
        'MPR_CONTEXT={"a": null}',
        "MPR_FLAGS=1",
        "MPR_FORCE=1",
        "MPR_LOCAL_NAME=Z:",
        "MPR_MAY_RETRY=0",
        "MPR_OPERATION=cancel",
        "MPR_PHASE=post",
        "MPR_PROVIDER=",
        "MPR_REMOTE_NAME=",
        "MPR_STATUS=2401",
    ]


@pytest.mark.parametrize(
    ("name", "variable"),
    [("Z:", "LOCAL"), ("/mnt/projects", "LOCAL"), (r"\\files\projects", "REMOTE"), ("sftp://ana@files/x", "REMOTE")],
)
def test_n14_a_cancel_tells_the_name_that_was_given_as_what_it_is(hook: Hook, name: str, variable: str) -> None:
    path = hook.script('printf %s "$MPR_REMOTE_NAME|$MPR_LOCAL_NAME" >"$HERE/told"')
    hook.tell(path, event=CancelConnect(name))
    assert hook.wrote("told") == (f"|{name}" if variable == "LOCAL" else f"{name}|")


def test_variables_are_set_also_where_they_are_empty_and_not_those_of_an_outer_call(
    hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MPR_CONTEXT", "an outer one")
    path = hook.script('set -eu\nprintf %s "$MPR_CONTEXT$MPR_PROVIDER" >"$HERE/told"')
    hook.tell(path, event=CANCEL)
    assert hook.wrote("told") == ""


def test_n15_the_environment_gets_nothing_but_the_documented_variables(hook: Hook) -> None:
    hook.tell(hook.script('tr "\\0" "\\n" </proc/$$/environ >"$HERE/told"'))
    names = {line.partition("=")[0] for line in hook.wrote("told").splitlines()}
    documented = "OPERATION PHASE STATUS REMOTE_NAME LOCAL_NAME PROVIDER FLAGS FORCE MAY_RETRY CONTEXT COMMAND"
    assert {name for name in names if name.startswith("MPR_")} == {f"MPR_{each}" for each in documented.split()}
    assert names - {*os.environ} == {name for name in names if name.startswith("MPR_")} | {NESTING_VARIABLE}


def test_n16_connect_current_media_is_a_bit_of_the_flags(hook: Hook) -> None:
    path = hook.script("[ $((MPR_FLAGS & 0x200)) -eq 0 ] || exit 77")
    assert hook.tell(path) is Status.WN_CANCEL
    assert hook.tell(path, event=AddConnect(ADD.resource)) is OK


def test_arguments_are_passed_as_they_are_without_a_shell(hook: Hook) -> None:
    path = hook.script('printf "%s\\n" "$@" >"$HERE/told"')
    hook.tell(path, "two words", "$HOME;`id`", "*", "")
    assert hook.wrote("told") == "two words\n$HOME;`id`\n*\n\n"


def test_it_runs_in_the_root_directory_in_a_session_of_its_own(hook: Hook) -> None:
    path = hook.script('{ pwd; echo $$; cut -d" " -f5,6 /proc/$$/stat; } >"$HERE/told"')
    hook.tell(path)
    directory, pid, group_and_session = hook.wrote("told").splitlines()
    assert directory == "/"
    assert group_and_session == f"{pid} {pid}"


# -- what it answers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "answer"),
    [
        ("exit 0", OK),
        ("exit 75", Status.WN_RETRY),
        ("exit 77", Status.WN_CANCEL),
        ("echo done; echo", OK),
        ("""echo '{"status": 1223}'""", Status.WN_CANCEL),
        ("""echo '{"status": "WN_CANCEL"}'""", Status.WN_CANCEL),
        ("""echo '{"status": "ERROR_RETRY"}'""", Status.WN_RETRY),
        ("""echo '{"status": 99999}'""", Status(99999)),
        ("""echo '{"status": null}'""", OK),
        ("""printf '{"status": 5}'""", Status.ERROR_ACCESS_DENIED),
        ("""echo dialling...; echo '  {"status": 5} '; echo; echo""", Status.ERROR_ACCESS_DENIED),
        ("""echo '{"status": 5}'; echo but that was not the last line""", OK),
        ("""echo '{"result": "ok"}'""", OK),
        ("echo '[5]'", OK),
        ("""echo '{"status": 5}'; exit 75""", Status.WN_RETRY),
        ("""echo '{"status": 0}'; exit 77""", Status.WN_CANCEL),
        ("echo '{'; exit 77", Status.WN_CANCEL),
        ("""echo '{"status": "ERROR_ACCESS_DENIED"}'; exit 1""", Status.ERROR_ACCESS_DENIED),
    ],
)
def test_the_exit_code_and_the_last_line_are_the_answer(hook: Hook, script: str, answer: Status) -> None:
    assert hook.tell(hook.script(script)) == answer


@pytest.mark.parametrize("script", ["exit 1", "exit 255", """echo '{"status": 0}'; exit 1""", "echo '{'; exit 1"])
def test_n10_any_other_exit_code_is_an_error(hook: Hook, script: str) -> None:
    error = hook.fails(hook.script(script))
    assert error.status is Status.ERROR_EXTENDED_ERROR
    assert "exit code" in str(error)


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "{done}",
        '{"status": "no"}',
        '{"status": true}',
        '{"status": 1.5}',
        '{"status": -1}',
        '{"status": [5]}',
        '{"context": NaN}',
        '{"context": Infinity}',
        '{"a":' * 20000,
        '{"context": "\\xff"}',
    ],
)
@pytest.mark.parametrize("code", [0, 75])
def test_a_last_line_that_only_looks_like_an_answer_is_an_error(hook: Hook, line: str, code: int) -> None:
    (hook.directory / "line").write_bytes(line.encode().replace(b"\\xff", b"\xff"))
    error = hook.fails(hook.script(f'cat "$HERE/line"; exit {code}'))
    assert error.status is Status.ERROR_INVALID_DATA


def test_its_message_is_what_the_caller_reads(hook: Hook) -> None:
    assert hook.tell(hook.script("""echo '{"message": "not an approved server"}'; exit 77""")) is Status.WN_CANCEL
    assert hook.info.message == "not an approved server"
    error = hook.fails(hook.script("""echo '{"message": "the gateway is silent"}'; echo noise >&2; exit 1"""))
    assert error.strerror == "the gateway is silent"


def test_without_a_message_the_last_lines_of_standard_error_are(hook: Hook) -> None:
    path = hook.script("for n in 1 2 3 4; do echo line $n >&2; done; exit $1")
    assert hook.tell(path, "77") is Status.WN_CANCEL
    assert hook.info.message == "line 2 / line 3 / line 4"
    assert str(hook.fails(path, "3").strerror).endswith("hook ended with exit code 3: line 2 / line 3 / line 4")
    assert hook.tell(path, "0") is OK
    assert hook.info.message is None


def test_what_it_says_cannot_move_the_cursor(hook: Hook) -> None:
    hook.tell(hook.script(r"""printf '\033[2J\r\tred\007 \377alert\n' >&2; exit 77"""))
    assert hook.info.message is not None
    assert hook.info.message.isprintable()
    assert "red" in hook.info.message


# -- its context -----------------------------------------------------------------------------------------------


def play(path: Path, outcome: Status = OK) -> list[Told]:
    """One operation with the notifyee at *path*; its attempt ends with *outcome*, a second one succeeds."""
    told: list[Told] = []
    outcomes = iter([outcome])

    def attempt() -> Event:
        if status := next(outcomes, OK):
            raise WNetError(status)
        return ADD

    with suppress(WNetError):
        operate(ADD, [Registration("hook", from_command([str(path)]))], attempt, record=told.append)
    return told


@pytest.mark.parametrize(
    "context", [{"pid": 17, "name": "tün"}, [1, None], "a string", 0, False, "", 1.5, "x" * 300_000]
)
def test_n7_a_printed_context_comes_back_in_the_post(hook: Hook, context: object) -> None:
    (hook.directory / "answer").write_text(json.dumps({"context": context}))
    path = hook.script(
        '[ $MPR_PHASE = post ] || exec cat "$HERE/answer"\n'
        'printf %s "$MPR_CONTEXT" >"$HERE/variable"; cat >"$HERE/told"'
    )
    assert [each.answer for each in play(path)] == [OK, OK]
    assert json.loads(hook.wrote("told"))["context"] == context
    if len(json.dumps(context)) <= MAX_VARIABLE:
        assert json.loads(hook.wrote("variable")) == context
    else:
        assert hook.wrote("variable") == ""


def test_n6_without_a_context_it_is_told_of_the_post_all_the_same(hook: Hook) -> None:
    path = hook.script('echo "$MPR_PHASE $MPR_STATUS [$MPR_CONTEXT]" >>"$HERE/told"')
    play(path, Status.ERROR_BAD_NETPATH)
    assert hook.wrote("told") == "pre 0 []\npost 53 []\n"


def test_n6_a_null_context_declines_the_post(hook: Hook) -> None:
    path = hook.script("""echo $MPR_PHASE >>"$HERE/told"; echo '{"context": null}'""")
    play(path)
    assert hook.wrote("told") == "pre\n"


def test_n11_it_asks_for_a_retry_and_keeps_its_context(hook: Hook) -> None:
    path = hook.script(
        """
        echo "$MPR_PHASE $MPR_STATUS $MPR_CONTEXT" >>"$HERE/told"
        case $MPR_PHASE$MPR_STATUS in
            pre*) echo '{"context": 17}' ;;
            post53) echo '{"context": 18}'; exit 75 ;;
        esac
        """
    )
    assert [each.attempt for each in play(path, Status.ERROR_BAD_NETPATH)] == [1, 1, 2]
    assert hook.wrote("told") == "pre 0 \npost 53 17\npost 0 17\n"


def test_n9_n10_after_a_veto_or_an_error_there_is_no_post(hook: Hook) -> None:
    for code in (77, 1):
        path = hook.script(f"""echo $MPR_PHASE >>"$HERE/told"; echo '{{"context": 1}}'; exit {code}""")
        play(path)
    assert hook.wrote("told") == "pre\npre\n"


# -- nesting ---------------------------------------------------------------------------------------------------


def test_n17_what_it_starts_is_known_to_be_nested(hook: Hook) -> None:
    path = hook.python(
        "import os\nfrom mprouter.notify.dispatch import nesting\n"
        "print(*nesting(), file=open(os.environ['HERE'] + '/told', 'a'))"
    )
    play(path)
    assert hook.wrote("told") == "code/hook\n" * 2


# -- misbehaviour ----------------------------------------------------------------------------------------------


def test_n10_a_time_limit_ends_it_and_all_that_it_started(hook: Hook) -> None:
    path = hook.script('sh -c \'echo $$ >"$HERE/child.pid"; exec sleep 600\' &\necho $$ >"$HERE/main.pid"\nwait')
    error = hook.exceeds(path, "main.pid", "child.pid")
    assert error.status is Status.ERROR_TIMEOUT
    assert isinstance(error, TimeoutError)
    assert str(path) in str(error)
    until(lambda: not runs(int(hook.wrote("main.pid"))))
    until(lambda: not runs(int(hook.wrote("child.pid"))))


@pytest.mark.parametrize("ignore", ["trap '' TERM INT HUP;", "exec >&- 2>&- <&-;", "exec </dev/null;"])
def test_n10_it_cannot_outlive_the_limit_by_ignoring_signals_or_closing_its_pipes(hook: Hook, ignore: str) -> None:
    path = hook.script(f'{ignore} echo $$ >"$HERE/main.pid"; while :; do :; done')
    assert hook.exceeds(path, "main.pid").status is Status.ERROR_TIMEOUT
    assert not runs(int(hook.wrote("main.pid")))


@pytest.mark.parametrize("stream", ["&1", "&2"])
def test_a_flood_neither_blocks_nor_fills_the_memory(hook: Hook, stream: str) -> None:
    hook.timeout = 30 if stream == "&1" else 0.5
    before = int(Path("/proc/self/statm").read_text().split()[1])
    error = hook.fails(hook.script(f"exec yes >{stream}"))
    after = int(Path("/proc/self/statm").read_text().split()[1])
    if stream == "&1":
        assert error.status is Status.ERROR_INVALID_DATA
        assert "1024 KiB" in str(error)
    else:  # only its end is kept, so it may go on until its time is up
        assert error.status is Status.ERROR_TIMEOUT
    assert (after - before) * os.sysconf("SC_PAGE_SIZE") < 16 * MAX_OUTPUT


def test_it_may_print_as_much_as_is_allowed_and_need_not_read(hook: Hook) -> None:
    path = hook.script(f"""head -c {MAX_OUTPUT - 100} /dev/zero; echo; echo '{{"status": 5}}'""")
    assert hook.tell(path, phase=Phase.POST, context={"context": "x" * 500_000}) is Status.ERROR_ACCESS_DENIED


def test_it_may_read_slowly_and_late(hook: Hook) -> None:
    path = hook.python(
        "import json, os, sys\nos.write(1, b'x' * 200000 + b'\\n')\ntold = json.load(sys.stdin)\n"
        "print(json.dumps({'message': str(len(told['context']))}))\nsys.exit(77)"
    )
    hook.tell(path, phase=Phase.POST, context={"context": "x" * 900_000})
    assert hook.info.message == "900000"


def test_it_may_leave_a_daemon_behind_that_holds_its_pipes(hook: Hook) -> None:
    """As a dialler does that starts a daemon without redirecting its output."""
    path = hook.script("""sleep 600 & echo $! >"$HERE/daemon.pid"; echo '{"status": 5}'""")
    started = time.monotonic()
    assert hook.tell(path) is Status.ERROR_ACCESS_DENIED
    assert time.monotonic() - started < 10
    assert runs(int(hook.wrote("daemon.pid")))


def test_a_daemon_that_floods_what_it_inherited_does_not_hold_anybody_up(hook: Hook) -> None:
    path = hook.script('yes >&2 & echo $! >"$HERE/daemon.pid"; exit 77')
    started = time.monotonic()
    assert hook.tell(path) is Status.WN_CANCEL
    assert time.monotonic() - started < 10
    until(lambda: not runs(int(hook.wrote("daemon.pid"))))  # its pipe is gone


def test_n10_one_that_a_signal_ends_has_crashed(hook: Hook) -> None:
    error = hook.fails(hook.script("echo I am lost >&2; kill -SEGV $$"))
    assert error.status is Status.ERROR_PROCESS_ABORTED
    assert "SIGSEGV" in str(error)
    assert "I am lost" in str(error)


def test_n9_n10_a_veto_that_nobody_heard_is_an_error_and_no_success(hook: Hook, tmp_path: Path) -> None:
    """Where the program ignores the end of its children, or waits for all of them itself, no exit code is to be had."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        for script in ("exit 77", "exec >&- 2>&-; exit 77"):
            error = hook.fails(hook.script(script))
            assert error.status is Status.ERROR_PROCESS_ABORTED
            assert str(tmp_path / "hook") in str(error)
            assert "SIGCHLD" in str(error)
    finally:
        signal.signal(signal.SIGCHLD, before)
    assert hook.tell(hook.script("exit 77")) is Status.WN_CANCEL


def test_what_cannot_be_run_is_told_with_its_path(hook: Hook, tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    plain = hook.script("exit 0", name="plain")
    plain.chmod(stat.S_IRUSR)
    no_interpreter = hook.script("exit 0", "/no/such/interpreter", name="no-interpreter")
    no_program = tmp_path / "no-program"
    no_program.write_text("exit 0\n")
    no_program.chmod(0o755)
    for path, status, words in [
        (missing, Status.ERROR_FILE_NOT_FOUND, "file not found"),
        (missing / "deeper", Status.ERROR_FILE_NOT_FOUND, "file not found"),
        (plain / "deeper", Status.ERROR_FILE_NOT_FOUND, "file not found"),
        (plain, Status.ERROR_ACCESS_DENIED, "not executable"),
        (tmp_path, Status.ERROR_ACCESS_DENIED, "directory"),
        (no_interpreter, Status.ERROR_FILE_NOT_FOUND, "first line"),
        (no_program, Status.ERROR_BAD_CONFIGURATION, "#!/bin/sh"),
    ]:
        error = hook.fails(path)
        assert (error.status, words in str(error)) == (status, True), str(error)
        assert str(path) in str(error)


@pytest.mark.parametrize("argv", [[], ["hook"], ["./hook"], ["~/hook"], [""]])
def test_only_an_absolute_path_is_a_command(argv: list[str]) -> None:
    with pytest.raises(WNetError, match="absolute") as caught:
        from_command(argv)
    assert caught.value.status is Status.ERROR_BAD_CONFIGURATION


def test_n19_ctrl_c_while_it_runs_ends_it_and_goes_on_to_the_caller(hook: Hook) -> None:
    path = hook.script("sh -c 'echo $$ >\"$HERE/child.pid\"; exec sleep 600' &\nwait")
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    main = threading.get_ident()

    def press() -> None:
        until(lambda: (hook.directory / "child.pid").exists() and hook.wrote("child.pid"))
        signal.pthread_kill(main, signal.SIGINT)

    thread = threading.Thread(target=press)
    thread.start()
    started = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            hook.tell(path)
        assert time.monotonic() - started < hook.timeout / 2
        assert hook.info.context == {}  # half of its work may be done: its post is owed
    finally:
        thread.join()
        signal.signal(signal.SIGINT, before)
    until(lambda: not runs(int(hook.wrote("child.pid"))))


def test_n19_ctrl_c_while_it_is_told_after_waits_for_it(hook: Hook) -> None:
    os.mkfifo(hook.directory / "gate")
    path = hook.script(
        'echo begun >"$HERE/begun"\ncat "$HERE/gate" >"$HERE/done"\nsleep 0.3\necho wholly >>"$HERE/done"'
    )
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    main = threading.get_ident()

    def press() -> None:
        until((hook.directory / "begun").exists)
        signal.pthread_kill(main, signal.SIGINT)
        (hook.directory / "gate").write_text("told ")

    thread = threading.Thread(target=press)
    thread.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            hook.tell(path, phase=Phase.POST)
    finally:
        thread.join()
        signal.signal(signal.SIGINT, before)
    assert hook.wrote("done") == "told wholly\n"


@pytest.mark.parametrize(
    ("number", "status"),
    [
        (errno.EMFILE, Status.ERROR_TOO_MANY_OPEN_FILES),
        (errno.EAGAIN, Status.ERROR_NOT_ENOUGH_MEMORY),
        (errno.E2BIG, Status.ERROR_GEN_FAILURE),
    ],
)
def test_n10_a_program_that_a_shortage_keeps_from_running_is_not_to_be_disabled_for_that(
    hook: Hook, monkeypatch: pytest.MonkeyPatch, number: int, status: Status
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    program = hook.script("exit 0")
    told = from_command([str(program)], hook.timeout, way_out=lambda: "do without it")
    monkeypatch.setattr(subprocess, "Popen", refuse)
    with pytest.raises(WNetError) as caught:
        told(hook.info, ADD)
    assert (caught.value.status, caught.value.hint == "do without it") == (status, number == errno.E2BIG)


@pytest.mark.parametrize(
    ("name", "error", "status"),
    [
        ("threading.Thread.start", RuntimeError("can't start new thread"), Status.ERROR_NOT_ENOUGH_MEMORY),
        ("selectors.DefaultSelector", OSError(errno.EMFILE, "too many"), Status.ERROR_TOO_MANY_OPEN_FILES),
    ],
)
def test_n10_a_shortage_in_this_process_is_no_unexpected_error(
    hook: Hook, monkeypatch: pytest.MonkeyPatch, name: str, error: Exception, status: Status
) -> None:
    started: list[subprocess.Popen[bytes]] = []

    def refuse(*_: object, **__: object) -> None:
        raise error

    def start(*words: Any, **options: Any) -> subprocess.Popen[bytes]:
        started.append(popen(*words, **options))
        return started[-1]

    popen, program = subprocess.Popen, hook.script("exec sleep 1000")
    with monkeypatch.context() as patched:
        patched.setattr(name, refuse)
        patched.setattr(subprocess, "Popen", start)
        assert hook.fails(program).status is status
    assert not any(runs(each.pid) for each in started)
    assert hook.tell(hook.script("exit 0", name="next")) is OK


def test_no_process_and_no_descriptor_is_left(hook: Hook) -> None:
    good, bad = hook.script("cat; echo noise >&2", name="good"), hook.script("exec yes", name="bad")
    hook.tell(good)
    before = os.listdir("/proc/self/fd"), children()  # noqa: PTH208 - the names are what counts
    for _ in range(20):
        hook.tell(good)
        hook.fails(bad)
    assert (os.listdir("/proc/self/fd"), children()) == before  # noqa: PTH208


def children() -> list[str]:
    listed = subprocess.run(["ps", "--ppid", str(os.getpid()), "-o", "comm="], capture_output=True, check=True)
    return sorted(listed.stdout.decode().split())
