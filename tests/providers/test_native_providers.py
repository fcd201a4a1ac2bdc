"""Native network providers: shared libraries with NPAPI's functions, in host processes, that behave and that do not."""

from __future__ import annotations

import json
import logging
import os
import re
import select
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from libraries import EXAMPLES, Build
from mprouter import ConnectFlag, NetResource, Router, Status, WNetError
from mprouter.cli.program import program
from mprouter.credentials import Credentials, Secret, netrc_file, system_keyring, toml_file
from mprouter.credentials.secret import Found
from mprouter.doctor.providers import registrations
from mprouter.names import parse_remote
from mprouter.plugins import orphans
from mprouter.plugins.host import Host
from mprouter.providers.base import (
    Added,
    AddRequest,
    Capability,
    LogonInfo,
    Mounted,
    PasswordChange,
    Performance,
    PerformanceFlag,
    State,
)
from mprouter.providers.guard import Guarded
from mprouter.providers.native import provider, wire
from mprouter.providers.native.provider import Native
from mprouter.providers.order import route
from mprouter.resource import DisplayType, ResourceScope, ResourceType, ResourceUsage
from mprouter.testing import ProviderContract
from sandbox import Command, Places
from servers.daemon import wait_for

PASSWORD = "Paßwort, nobody's 7f3a"

Load = Callable[..., Native]


@pytest.fixture
def load(built: Build) -> Iterator[Load]:
    """The network of ``native/network.c``, compiled with *arguments*; its processes end with the test."""
    made: list[Native] = []

    def make(*arguments: str, timeout: float = 30.0, match: tuple[str, ...] = ()) -> Native:
        made.append(Native("test", str(built("network.c", *arguments)), timeout=timeout, match=match))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture(scope="module")
def network(built: Build) -> Iterator[Native]:
    """The same for all tests that need none of their own; whoever ends its process, the next one gets another."""
    with closing(Native("test", str(built("network.c")))) as made:
        yield made


@pytest.fixture
def device(tmp_path: Path) -> Path:
    path = tmp_path / "déviçe"
    path.mkdir()
    return path


def asked(share: str, device: Path, password: str | None = None, user: str | None = None) -> AddRequest:
    flags = ConnectFlag.TEMPORARY | ConnectFlag.INTERACTIVE | ConnectFlag.PROMPT | ConnectFlag.REDIRECT
    return AddRequest(parse_remote(f"//test/{share}"), device, Credentials(user, password), flags=flags)


def mounted(device: Path) -> Mounted:
    return Mounted(parse_remote("//test/share"), device, {})


def enumerated(network: Native, container: str | None = None) -> Iterator[NetResource]:
    inside = None if container is None else NetResource(f"//test/{container}")
    return network.enumerate(ResourceScope.GLOBALNET, ResourceType.ANY, ResourceUsage(0), inside)


def run(*arguments: str) -> str:
    """What ``mpr`` prints."""
    return CliRunner().invoke(program, arguments, prog_name="mpr").stdout


def pid_of(network: Native) -> int:
    assert network._host is not None
    return network._host._process.pid


# -- the example ---------------------------------------------------------------------------------------------------


class TestTheCabinetKeepsTheContract(ProviderContract):
    remote_name, missing_name, content = "//cabinet/letters", "//cabinet/stolen", ("first.txt", "older")
    password = PASSWORD

    @pytest.fixture(autouse=True)
    def _prepare(self, built: Build, places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        del places
        letters = tmp_path / "cabinet" / "letters"
        (letters / "older").mkdir(parents=True)
        (letters / "first.txt").write_text("Dear Ana\n")
        (letters / ".key").write_text(f"{PASSWORD}\n")
        monkeypatch.setenv("CABINET", str(letters.parent))
        self.library = str(built(EXAMPLES / "cabinet.c"))
        self.made: list[Native] = []
        yield
        for each in self.made:
            each.close()

    def provider(self) -> Native:
        self.made.append(Native("cabinet", self.library))
        return self.made[-1]

    def test_of_half_an_add_only_the_links_go(self, device: Path, tmp_path: Path) -> None:
        (device / "first.txt").symlink_to(tmp_path / "cabinet" / "letters" / "first.txt")
        (device / "new.txt").write_text("somebody's\n")
        self.provider().cancel_connection(Mounted(parse_remote(self.remote_name), device, {}), force=True)
        assert [each.name for each in device.iterdir()] == ["new.txt"]
        assert (tmp_path / "cabinet" / "letters" / "first.txt").exists()


def test_the_cabinet_is_registered_and_used_with_mpr(
    built: Build, mpr: Command, places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CABINET", str(tmp_path))
    for drawer in ("letters", "bills"):
        (tmp_path / drawer).mkdir()
    (tmp_path / "letters" / "first.txt").write_text("Dear Ana\n")
    (places.config / "providers.d").mkdir(parents=True)
    library = built(EXAMPLES / "cabinet.c")
    (places.config / "providers.d" / "cabinet.toml").write_text(
        f"target = 'native:{library}'\nmatch = ['//cabinet/?*']\nmemory = 300\ntimeout = 20\n"
    )
    connected = mpr("connect", "//cabinet/letters", "Z:")
    assert (connected.returncode, connected.stderr) == (0, "")
    drive = places.drives / "Z"
    assert (drive / "first.txt").read_text() == "Dear Ana\n"
    (drive / "new").mkdir()
    (drive / "new" / "second.txt").write_text("Dear Bob\n")
    with (drive / "new" / "second.txt").open():
        assert "ERROR_OPEN_FILES" in mpr("disconnect", "Z:").stderr
    with Router() as router:
        assert router.connection("Z:").provider == "cabinet"
        router.disconnect("Z:")
    assert (tmp_path / "letters" / "new" / "second.txt").read_text() == "Dear Bob\n"
    assert not list(drive.parent.iterdir())
    with Router() as router:
        found = list(router.enumerate(ResourceScope.GLOBALNET, container=NetResource(r"\\cabinet", provider="cabinet")))
        assert {each.remote_name for each in found} == {
            r"\\cabinet\letters",
            r"\\cabinet\bills",
        }


# -- what it is asked ------------------------------------------------------------------------------------------------


def test_what_npaddconnection3_is_told_and_what_becomes_of_a_connection(network: Native, device: Path) -> None:
    added = network.add_connection(asked("share/directory", device, user="ana"))
    assert added == Added("CORP\\анна", {"remote": r"\\test\share\directory"})
    wanted = r"\\test\share\directory 1 user=ana password=NULL flags=4"  # CONNECT_TEMPORARY
    assert (device / "connected").read_text().strip() == wanted
    assert network.state(mounted(device)) is State.CONNECTED
    assert network.settle(mounted(device)) is State.CONNECTED
    network.cancel_connection(mounted(device), force=False)
    assert network.state(mounted(device)) is State.LOST
    network.cancel_connection(mounted(device), force=True)


def test_npaddconnection_is_called_where_there_is_no_other(load: Load, device: Path) -> None:
    old = load("-DOLD")
    assert Capability.ADD_CONNECTION in old.capabilities
    old.add_connection(asked("share", device, ""))
    assert "password=empty flags=abcd" in (device / "connected").read_text()


def test_c6_a_cancel_is_refused_while_files_are_open(network: Native, device: Path) -> None:
    network.add_connection(asked("busy", device))
    with pytest.raises(WNetError) as caught:
        network.cancel_connection(mounted(device), force=False)
    assert caught.value.status is Status.ERROR_OPEN_FILES
    network.cancel_connection(mounted(device), force=True)


def test_r2_names_are_told_without_a_process(load: Load) -> None:
    everywhere, here = load(), load(match=("//test/*", "scan://*"))
    own = [parse_remote(each) for each in (r"\\test\share", "//test/share", "scan://roll/7")]
    assert [each for each in own if everywhere.claims(each)] == own[:2]
    assert [each for each in own if here.claims(each)] == own
    assert not here.claims(parse_remote(r"\\files\share"))
    assert everywhere._host is None
    assert here._host is None


@pytest.mark.parametrize("status", [Status.ERROR_BAD_NET_NAME, Status.ERROR_NOT_SUPPORTED])
def test_r3_an_insignificant_status_lets_another_have_the_name(network: Native, device: Path, status: Status) -> None:
    request = asked(f"status-{int(status)}", device)
    with pytest.raises(WNetError) as caught:
        route([Guarded(network, "test")], request.name, lambda each: each.add_connection(request))
    assert caught.value.status is Status.ERROR_BAD_NET_NAME
    assert caught.value.provider_code == status


def test_r4_what_is_said_and_not_exported_is_no_capability_and_is_told(
    load: Load, places: Places, built: Build, device: Path
) -> None:
    liar = load("-DLYING")
    assert liar.capabilities & (Capability.CANCEL_CONNECTION | Capability.ENUMERATE_GLOBAL) == 0
    assert Capability.UNIVERSAL_NAME in liar.capabilities
    assert len(liar.flaws()) == 5
    with pytest.raises(WNetError, match="cannot cancel connection") as caught:
        liar.cancel_connection(mounted(device), force=True)
    assert caught.value.status is Status.ERROR_NOT_SUPPORTED
    (places.config / "providers.d").mkdir(parents=True)
    file = places.config / "providers.d" / "liar.toml"
    file.write_text(f"target = 'native:{built('network.c', '-DLYING')}'\n")
    words = "its NPGetCaps says that it has NPCancelConnection, which it does not export"
    shown = run("provider", "list")
    assert shown.splitlines()[1].split()[:3] == ["liar", "user", "FLAWED"]
    assert f"liar: {words}" in shown
    assert json.loads(run("provider", "list", "--json"))[0]["problem"]["message"] == words
    assert [(each.code, words in each.what) for each in registrations()][:1] == [("provider-flawed", True)]


def test_a_library_that_cannot_be_loaded_says_why(load: Load, device: Path) -> None:
    broken = load("-DEARLY")
    assert "was killed by SIGSEGV" in broken.flaws()[0]
    with pytest.raises(WNetError, match="the network provider test: its process was killed by SIGSEGV") as caught:
        route([Guarded(broken, "test")], parse_remote("//test/x"), lambda each: each.add_connection(asked("x", device)))
    assert (caught.value.status, caught.value.provider) == (Status.ERROR_PROCESS_ABORTED, "test")


def test_a_library_that_hangs_while_it_is_loaded_is_waited_for_once(
    load: Load, device: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider, "STARTING", 0.5)
    stuck = load("-DSTUCK", timeout=0.5)
    started: list[Native] = []
    start = Native._started

    def counted(native: Native) -> Host[Any]:
        started.append(native)
        return start(native)

    monkeypatch.setattr(Native, "_started", counted)
    with pytest.raises(
        WNetError, match=r"network provider test: its process has not answered within 0\.5 sec"
    ) as caught:
        route([Guarded(stuck, "test")], parse_remote("//test/x"), lambda each: each.add_connection(asked("x", device)))
    assert (caught.value.status, caught.value.provider) == (Status.ERROR_TIMEOUT, "test")
    assert stuck.flaws()[0].startswith("its process has not answered")
    assert len(started) == 1
    monkeypatch.setattr(provider, "monotonic", lambda: 1e9)
    with pytest.raises(WNetError):
        stuck.user_of(None)
    assert len(started) == 2


def test_a_library_without_npgetcaps_is_none(built: Build) -> None:
    with closing(Native("probe", str(built("probe.c")))) as notifyee:
        assert "does not export NPGetCaps" in notifyee.flaws()[0]


@pytest.mark.parametrize(
    ("said", "seconds", "status"),
    [
        ("0", 0.0, Status.ERROR_NO_NETWORK),
        ("1", 0.0, Status.WN_SUCCESS),
        ("2500", 2.5, Status.ERROR_BUSY),
        ("0xFFFFFFFF", None, Status.ERROR_BUSY),
    ],
)
def test_r7_it_says_when_it_starts(
    load: Load, monkeypatch: pytest.MonkeyPatch, said: str, seconds: float | None, status: Status
) -> None:
    monkeypatch.setenv("NETWORK_START", said)
    network = load()
    assert network.start_up() == seconds
    information = network.network_information()
    assert (information.provider_version, information.net_type) == (0x30002, 0x990000)
    assert information.status is status


def test_what_else_it_is_asked(network: Native, device: Path) -> None:
    here = mounted(device)
    assert network.user_of(here) == "CORP\\анна"
    assert network.user_of(None) == "whoever"
    assert network.performance_of(here) == Performance(PerformanceFlag.DYNAMIC, 10000, 3, 0)
    both, one = network.universal_name(here, "both"), network.universal_name(here, "a/b")
    assert (both.universal, both.connection, both.remaining) == (
        "\\\\test\\share\\универсально",
        r"\\test\share",
        r"\both",
    )
    assert (one.universal, one.connection, one.remaining) == (both.universal, r"\\test\share", "/a/b")


def test_logons_and_new_passwords_are_told(network: Native) -> None:
    logon = LogonInfo("анна", Secret("secret"), "CORP")
    assert network.logon_notify(logon, None, "SvcCtl") == "greet анна@CORP SvcCtl"
    network.password_change_notify(LogonInfo("ana", Secret("new")), logon, "SvcCtl", PasswordChange.NT_PASSWORD_CHANGED)
    with pytest.raises(WNetError) as caught:
        network.password_change_notify(LogonInfo("ana", Secret("new")), logon, "SvcCtl", PasswordChange(0))
    assert caught.value.status is Status.ERROR_NOT_SUPPORTED


def test_its_process_is_known_to_the_doctor(load: Load, places: Places) -> None:
    del places  # they are in the environment
    network = load()
    assert network.flaws() == []
    assert (pid_of(network), network.target) in {(each.pid, each.target) for each in orphans._hosts()}
    assert orphans.orphans() == []


# -- enumeration -----------------------------------------------------------------------------------------------------


def test_enumeration_in_pages_two_at_once(network: Native) -> None:
    one, other = enumerated(network), enumerated(network, "long")
    first = list(islice(one, 10))
    names = [str(each.remote_name) for each in other]
    assert names == [f"\\\\test\\доля {number}" for number in range(300)]
    assert [each.remote_name for each in [*first, *one]] == names
    assert first[1] == NetResource(
        names[1],
        provider="test",
        scope=ResourceScope.GLOBALNET,
        display_type=DisplayType.SHARE,
        usage=ResourceUsage.CONNECTABLE,
    )
    assert (first[0].type, first[0].display_type) == (ResourceType.ANY, DisplayType.GENERIC)


@pytest.mark.parametrize(
    ("how", "status", "words"),
    [
        ("many", Status.ERROR_INVALID_DATA, "1000000 resources into"),
        ("none", Status.ERROR_INVALID_DATA, "the network provider test: .* 0 resources into"),
        ("outside", Status.ERROR_INVALID_DATA, "leads out of the buffer"),
        ("endless", Status.ERROR_INVALID_DATA, "has no end"),
        ("closed", Status.ERROR_NOT_CONTAINER, "closed"),
        ("crash", Status.ERROR_PROCESS_ABORTED, "the network provider test: its process was killed by SIGSEGV"),
    ],
)
def test_an_enumeration_that_goes_wrong(network: Native, how: str, status: Status, words: str) -> None:
    with pytest.raises(WNetError, match=words) as caught:
        list(enumerated(network, how))
    assert caught.value.status is status
    assert len(list(enumerated(network))) == 300


def test_an_enumeration_ends_with_its_process(network: Native) -> None:
    found = enumerated(network)
    next(found)
    os.kill(pid_of(network), signal.SIGKILL)
    with pytest.raises(WNetError) as caught:
        list(found)
    assert caught.value.status in {Status.ERROR_PROCESS_ABORTED, Status.ERROR_INVALID_HANDLE}


# -- misbehaviour ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "status"),
    [
        ("crash", Status.ERROR_PROCESS_ABORTED),
        ("exit", Status.ERROR_PROCESS_ABORTED),
        ("hang", Status.ERROR_TIMEOUT),
        ("flood", Status.ERROR_INVALID_DATA),
        ("scribble", Status.ERROR_INVALID_DATA),
    ],
)
def test_a_mishap_in_npaddconnection_leaves_nothing(load: Load, device: Path, how: str, status: Status) -> None:
    network = load(timeout=0.5 if how == "hang" else 30.0)
    with pytest.raises(WNetError) as caught:
        network.add_connection(asked(how, device))
    assert caught.value.status is status
    assert not list(device.iterdir())
    network.timeout = 30.0
    network.add_connection(asked("share", device))
    network.cancel_connection(mounted(device), force=False)


def test_ctrl_c_ends_a_call_and_leaves_nothing(network: Native, device: Path) -> None:
    def press() -> None:
        wait_for((device / "connected").exists, "the call", 60)
        os.kill(os.getpid(), signal.SIGINT)

    person = threading.Thread(target=press)
    person.start()
    with pytest.raises(KeyboardInterrupt):
        network.add_connection(asked("hang", device))
    person.join()
    assert not list(device.iterdir())


def test_a_process_that_ended_between_two_calls_is_replaced_unnoticed(network: Native, device: Path) -> None:
    network.add_connection(asked("share", device))
    process = os.pidfd_open(pid_of(network))
    os.kill(pid_of(network), signal.SIGKILL)
    assert select.select([process], [], [], 60)[0]  # it has ended
    os.close(process)
    network.cancel_connection(mounted(device), force=False)
    assert not list(device.iterdir())


def test_its_own_code_and_words_come_with_its_error(network: Native, device: Path) -> None:
    with pytest.raises(WNetError, match="the drum is full") as caught:
        network.add_connection(asked("words", device))
    assert caught.value.status is Status.ERROR_EXTENDED_ERROR
    assert (caught.value.provider_code, caught.value.provider_text) == (4711, "the drum is full")


# -- passwords -------------------------------------------------------------------------------------------------------


def memory_of(pid: int) -> bytes:
    """All that the process can write to."""
    found = []
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            area = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
            if area and "[vvar" not in line:
                begin, end = (int(each, 16) for each in area.groups())
                memory.seek(begin)
                found.append(memory.read(end - begin) or b"")
    return b"".join(found)


def test_n15_the_password_is_gone_from_the_process_after_the_call(load: Load, device: Path) -> None:
    network = load()
    network.add_connection(asked("locked", device, PASSWORD * 40, user="ana, whom it may know"))
    assert "password=given" in (device / "connected").read_text()
    left = memory_of(pid_of(network))
    assert b"NPAddConnection3" in left
    for encoding in ("utf-16-le", "utf-8"):
        assert PASSWORD.encode(encoding) not in left
    for place in ("cmdline", "environ"):
        assert PASSWORD.encode() not in Path(f"/proc/{pid_of(network)}/{place}").read_bytes()


def test_n15_the_message_with_the_password_is_wiped_when_it_has_gone(
    load: Load, device: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[bytearray] = []
    told: list[bytes] = []

    def frame(message: wire.Request | wire.Answer) -> bytearray:
        sent.append(framed(message))
        told.append(bytes(sent[-1]))
        return sent[-1]

    framed = wire.frame
    monkeypatch.setattr(wire, "frame", frame)
    load().add_connection(asked("locked", device, PASSWORD, user="ana, whom it may know"))
    assert PASSWORD.encode("utf-16-le") in b"".join(told)
    assert not any(b"".join(sent))


def test_n15_what_the_library_says_of_the_password_is_not_told(
    network: Native, device: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(WNetError) as caught:
        network.add_connection(asked("betray", device, PASSWORD))
    assert caught.value.provider_text == "it says ***"
    assert "the password is ***" in caplog.text
    assert PASSWORD not in f"{caught.value!r} {caught.value} {caplog.text}"


class Person:
    """Types these."""

    def __init__(self, *typed: str) -> None:
        self.typed = list(typed)
        self.prompts: list[str] = []

    def ask_password(self, prompt: str) -> str | None:
        self.prompts.append(prompt)
        return self.typed.pop(0) if self.typed else None

    def confirm(self, question: str) -> bool:
        raise AssertionError(question)


def test_c8_a_password_is_looked_for_only_when_one_is_wanted(
    network: Native, device: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str | None] = []

    def find(_: object, user: str | None) -> Iterator[Found]:
        looked.append(user)
        yield Found("ana", Secret("wrong"), "file")
        yield Found("ana", Secret("Parole"), "file")

    for place in (system_keyring, netrc_file):
        monkeypatch.setattr(place, "find", lambda *_: iter(()))
    monkeypatch.setattr(toml_file, "find", find)
    network.add_connection(asked("share", device))
    assert looked == []
    (device / "connected").unlink()
    network.add_connection(asked("locked", device))
    assert looked == [None]
    assert "user=ana password=given" in (device / "connected").read_text()


def test_c8_a_person_is_asked_three_times_at_most(network: Native, device: Path, places: Places) -> None:
    del places
    person = Person("wrong", "Parole")
    request = asked("locked", device, user="ana")
    network.add_connection(AddRequest(request.name, device, request.credentials, conversation=person))
    assert person.prompts == ["Password of ana for //test/locked"] * 2
    (device / "connected").unlink()
    person = Person(*"12345")
    with pytest.raises(WNetError) as caught:
        network.add_connection(AddRequest(parse_remote("//test/never"), device, Credentials(), conversation=person))
    assert caught.value.status is Status.ERROR_INVALID_PASSWORD
    assert len(person.prompts) == 3


def test_c8_who_wants_to_be_asked_is_asked_first(network: Native, device: Path) -> None:
    name, wanted = parse_remote("//test/share"), Credentials("ana", ask=True)
    with pytest.raises(WNetError) as refused:
        network.add_connection(AddRequest(name, device, wanted, conversation=Person()))
    assert refused.value.status is Status.ERROR_LOGON_FAILURE
    network.add_connection(AddRequest(name, device, wanted, conversation=Person("Parole")))
    assert "user=ana password=given" in (device / "connected").read_text()


# -- registration ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("[settings]\nx = 1", "settings are for Python targets"),
        ("memory = 0", "memory must be a whole number of MiB above 0"),
        (f"sha256 = '{'0' * 64}'", "not that of its registration"),
    ],
)
def test_what_may_not_stand_in_its_file(places: Places, built: Build, lines: str, words: str) -> None:
    (places.config / "providers.d").mkdir(parents=True)
    (places.config / "providers.d" / "test.toml").write_text(f"target = 'native:{built('network.c')}'\n{lines}\n")
    with Router() as router:
        (found,) = [each for each in router.registered_providers() if each.name == "test"]
    assert found.problem is not None
    assert words in found.problem.message


def test_a_library_that_others_could_have_written_is_not_loaded(places: Places, built: Build, tmp_path: Path) -> None:
    library = tmp_path / "network.so"
    library.write_bytes(built("network.c").read_bytes())
    library.chmod(0o777)
    (places.config / "providers.d").mkdir(parents=True)
    (places.config / "providers.d" / "test.toml").write_text(f"target = 'native:{library}'\n")
    with Router() as router:
        (found,) = [each for each in router.registered_providers() if each.name == "test"]
    assert found.problem is not None
    assert "can be written by" in found.problem.message


def test_what_is_for_libraries_is_refused_of_a_python_target(places: Places) -> None:
    (places.config / "providers.d").mkdir(parents=True)
    (places.config / "providers.d" / "test.toml").write_text('target = "python:os:path"\ntimeout = 3\n')
    with Router() as router:
        (found,) = [each for each in router.registered_providers() if each.name == "test"]
    assert found.problem is not None
    assert "timeout is for libraries" in found.problem.message
