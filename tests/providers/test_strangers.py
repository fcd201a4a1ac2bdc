"""R1 to R6 with providers of strangers: how they are registered, and that none that misbehaves harms the others."""

from __future__ import annotations

import errno
import json
import logging
import math
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import reduce
from pathlib import Path
from traceback import format_exception
from typing import Any, cast
from urllib.parse import quote

import pytest

from mprouter import Router, Status, WNetError
from mprouter.credentials import Credentials
from mprouter.doctor import examine
from mprouter.names import parse_remote
from mprouter.plugins import trust
from mprouter.providers import guard
from mprouter.providers.base import (
    Added,
    AddRequest,
    Caching,
    Capability,
    Enumerating,
    Identifying,
    Informing,
    Mounted,
    Pending,
    Provider,
    Starting,
    State,
    Waiting,
)
from mprouter.providers.guard import Guarded
from mprouter.providers.order import route
from mprouter.providers.registration import arranged, builtin, load
from mprouter.resource import NetResource, ResourceScope, ResourceType, ResourceUsage
from recorder import Recorder
from sandbox import Places
from servers.daemon import wait_for
from strangers import Stranger, Wordless, register

NAME = parse_remote("strange://here/")
ODD = "ge\"h\\é'i/m"


def routed(providers: list[Provider]) -> str:
    found, _ = route(providers, NAME, lambda each: each.add_connection(request()))
    return found.name


def request(password: str | None = None, mountpoint: Path = Path("/nowhere")) -> AddRequest:
    return AddRequest(NAME, mountpoint, Credentials(None, password))


def stranger(name: str, **does: Any) -> Guarded:
    """A guarded provider that connects nothing, and does what is given: methods or attributes."""
    made = Stranger()
    for key, value in {"add_connection": lambda _: Added(None, {}), **does}.items():
        setattr(made, key, value)
    return Guarded(made, name)


def raising(error: BaseException) -> Callable[..., Any]:
    def raises(*_: object, **__: object) -> None:
        raise error

    return raises


# -- registration --------------------------------------------------------------------------------------------------


def test_a_file_registers_a_provider_and_settings_are_its_arguments(router: Router, places: Places) -> None:
    register(places, "odd", more='order = 7\n[settings]\nscheme = "odd"\n')
    assert router.providers()[0].name == "odd"  # not as it calls itself
    with router.connect("odd://there/") as connection:
        assert connection.provider == "odd"
        assert (connection.path / "connected").read_text() == "there"
    assert router.connections() == []


def test_a_long_lived_router_sees_what_comes_changes_and_goes(router: Router, places: Places) -> None:
    before = [each.name for each in router.providers()]
    file = register(places, "odd")
    assert [each.name for each in router.providers()] == ["odd", *before]
    loaded = router.providers()[0]
    assert router.providers()[0] is loaded
    file.write_text(file.read_text() + "order = 1000\n")
    assert [each.name for each in router.providers()] == [*before, "odd"]
    file.unlink()
    assert [each.name for each in router.providers()] == before


@pytest.mark.parametrize("what", ["odd.toml", "odd.py"])
def test_a_long_lived_router_has_one_again_that_could_not_be_read_just_then(
    router: Router, places: Places, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    register(places, "odd")
    opened = trust.look

    def look(path: str) -> trust.Opened:
        if Path(path).name == what:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return opened(path)

    with monkeypatch.context() as patched:
        patched.setattr(trust, "look", look)
        assert "odd" not in [each.name for each in router.providers()]
    assert "odd" in [each.name for each in router.providers()]


def test_the_system_s_has_the_name_and_ours_cannot_be_taken(router: Router, places: Places) -> None:
    register(places, "odd", "whose = 'system'", source="system")
    register(places, "ODD")
    register(places, "smb", source="system")
    problems = {each.id: each.problem.message for each in router.registered_providers() if each.problem}
    assert problems == {
        "user/ODD": "another provider has this name: system/odd",
        "system/smb": "another provider has this name: built-in/smb",
    }
    assert [each.name for each in router.providers()].count("smb") == 1
    taken = Stranger()
    taken.name = "S3"
    with pytest.raises(WNetError) as refused:
        router.add_provider(taken)
    assert refused.value.status is Status.ERROR_ALREADY_ASSIGNED


@pytest.mark.parametrize(
    ("body", "more", "words"),
    [
        ("def __init__(self): raise SystemExit('no')", "", "cannot be instantiated: SystemExit"),
        ("claims = None", "", "is no network provider: it has no claims"),
        ("capabilities = 'all'", "", "its capabilities are no Capability"),
        ("", "colour = 1\n", "unknown key colour"),
        ("", "[settings]\ncolour = 1\n", "line 3: settings: unknown key colour"),
        ("", "[settings]\nscheme = 1\n", "scheme must be a text"),
        ("1 / 0", "", "ZeroDivisionError"),
        (
            "def __init__(self, colour: 'no type' = 1): pass",
            "[settings]\ncolour = 1\n",
            "cannot be loaded: SyntaxError",
        ),
    ],
)
def test_a_broken_one_is_told_and_keeps_nobody_from_working(
    router: Router, places: Places, body: str, more: str, words: str
) -> None:
    register(places, "broken", body, more=more)
    register(places, "sound")
    (broken,) = [each for each in router.registered_providers() if each.problem]
    assert words in broken.where
    assert str(broken.file) in broken.where
    with router.connect("strange://here/") as connection:
        assert connection.provider == "sound"
    with pytest.raises(WNetError, match="this network provider cannot be used") as refused:
        router.connect("strange://here/", provider="broken")
    assert refused.value.status is Status.ERROR_BAD_PROVIDER


def test_one_that_hangs_while_it_is_made_is_broken_until_it_is_there(
    router: Router, places: Places, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "gate")
    register(places, "slow", f"def __init__(self): super().__init__(); open({str(tmp_path / 'gate')!r}).close()")
    monkeypatch.setattr(guard, "ANSWER", 0.2)
    assert "slow" not in [each.name for each in router.providers()]
    (slow,) = [each for each in router.registered_providers() if each.problem]
    assert "has not been loaded within 0.2 seconds" in slow.where
    assert slow.problem is not None
    assert slow.problem.status is Status.ERROR_TIMEOUT
    (tmp_path / "gate").open("w").close()
    wait_for(lambda: "slow" in [each.name for each in router.providers()], "the provider", 60)


@pytest.mark.parametrize("again", ["sys.modules['the_router']", "__import__('mprouter').Router()"])
def test_r6_one_whose_loading_comes_back_to_a_router_is_not_waited_for(
    router: Router, places: Places, monkeypatch: pytest.MonkeyPatch, again: str
) -> None:
    register(places, "odd", f"def __init__(self): super().__init__(); {again}.providers()")
    monkeypatch.setitem(sys.modules, "the_router", router)
    monkeypatch.setattr(guard, "ANSWER", 1e3)
    assert router.providers()[0].name == "odd"


def test_what_others_could_have_written_is_not_loaded(router: Router, places: Places) -> None:
    file = register(places, "odd", "open('/proc/self/comm').read()\nwas = sys.modules.setdefault('loaded', 1)")
    file.with_suffix(".py").chmod(0o666)
    (broken,) = [each for each in router.registered_providers() if each.problem]
    assert "can be written by its group and others" in broken.where
    file.with_suffix(".py").chmod(0o644)
    file.chmod(0o666)
    (broken,) = [each for each in router.registered_providers() if each.problem]
    assert broken.problem is not None
    assert broken.problem.status is Status.ERROR_ACCESS_DENIED


def test_a_disabled_one_connects_nothing_and_still_disconnects(router: Router, places: Places) -> None:
    file = register(places, "odd")
    router.connect("strange://here/", "Z:")
    file.write_text(file.read_text() + "enabled = false\n")
    with pytest.raises(WNetError) as refused:
        router.connect("strange://here/", "Y:")
    assert refused.value.status is Status.ERROR_NO_NET_OR_BAD_PATH
    with pytest.raises(WNetError, match=r"disabled.*mpr provider enable odd"):
        router.connect("strange://here/", "Y:", provider="odd")
    assert [each.state for each in router.connections()] == [State.CONNECTED]
    router.disconnect("Z:")


def test_c6_a_disabled_one_is_not_asked_for_what_another_of_its_name_has_connected(
    router: Router, places: Places, local_root: Path
) -> None:
    register(places, "file", more="enabled = false\n")
    connection = router.connect(local_root.as_uri(), "Z:", provider="file")
    assert [each.state for each in router.connections()] == [State.CONNECTED]
    (connection.path / "written").write_text("all of it")
    router.disconnect("Z:")
    assert (local_root / "written").read_text() == "all of it"
    assert places.mounts() == []


def test_an_entry_point_registers_a_provider(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "odd_network-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: odd-network\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[mprouter.providers]\nodd = strangers:Stranger\nlost = nowhere:Gone\n")
    monkeypatch.syspath_prepend(tmp_path)
    found = {each.name: each for each in arranged(load([]))}
    assert found["odd"].get().name == "odd"
    assert found["lost"].problem is not None
    assert found["lost"].problem.status is Status.ERROR_MOD_NOT_FOUND
    assert found["lost"].where == "python:nowhere:Gone: there is no Python module nowhere"


def test_n4_a_name_of_a_scheme_that_nobody_has_is_refused_before_anybody_is_told(
    router: Router, recorder: Recorder
) -> None:
    with pytest.raises(WNetError, match="sftp://") as refused:
        router.connect("nfs://host/x")
    assert refused.value.status is Status.ERROR_NO_NET_OR_BAD_PATH
    assert recorder.told == []


def test_r3_a_name_that_nobody_has_is_told_with_who_else_may_have_it(router: Router, places: Places) -> None:
    register(places, "shelf")
    register(places, "torn", "1 / 0")
    register(places, "off", more="enabled = false\n")
    with pytest.raises(WNetError) as refused:
        router.connect("nfs://host/x")
    assert refused.value.status is Status.ERROR_NO_NET_OR_BAD_PATH
    hint = str(refused.value.hint)
    assert "sftp://" in hint
    assert "the names that shelf may have" in hint
    assert "the network provider torn is broken" in hint
    assert "the network provider off is disabled" in hint


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("smb://no.invalid/x", "the network provider smb is disabled; it may have such names: see mpr provider list"),
        (r"\\no.invalid\x", "the network provider smb is disabled; the network provider webdav is disabled; they "),
    ],
)
def test_r3_whoever_misses_one_of_ours_that_is_disabled_is_told_of_that(
    router: Router, places: Places, name: str, told: str
) -> None:
    (places.config / "settings.toml").write_text('disabled_providers = ["smb", "webdav"]\n')
    with pytest.raises(WNetError) as refused:
        router.connect(name)
    assert refused.value.status is Status.ERROR_NO_NET_OR_BAD_PATH
    assert str(refused.value.hint).startswith(told)


def test_r3_one_of_ours_that_is_disabled_is_told_only_to_those_who_miss_it(router: Router, places: Places) -> None:
    (places.config / "settings.toml").write_text('disabled_providers = ["smb", "s3"]\n')
    with pytest.raises(WNetError) as refused:
        router.connect("nfs://host/x")  # none of ours has such names
    assert "disabled" not in str(refused.value.hint)
    with pytest.raises(WNetError) as refused:
        router.connect(r"\\nobody.invalid\x")  # somebody has said what is wrong
    assert refused.value.status is Status.WSAHOST_NOT_FOUND
    assert "disabled" not in str(refused.value.hint)


@pytest.mark.parametrize("name", ["sftp://no.invalid/x", "nfs://no.invalid/x"], ids=["another's", "nobody's"])
def test_r1_a_provider_that_is_asked_for_and_does_not_have_the_name_is_named(router: Router, name: str) -> None:
    with pytest.raises(WNetError) as refused:
        router.connect(name, provider="smb")
    assert refused.value.status is Status.ERROR_NO_NET_OR_BAD_PATH
    assert refused.value.strerror == "the network provider smb has no names of this form"
    assert refused.value.hint == "leave the provider out, and all are asked"


def test_r3_a_pattern_says_that_a_name_is_of_a_library_that_is_broken(router: Router, places: Places) -> None:
    file = register(places, "wild")
    file.write_text("target = 'native:/nowhere/wild.so'\nmatch = ['//wild.invalid/*']\n")
    with pytest.raises(WNetError) as refused:
        router.connect("//wild.invalid/x")
    assert "the network provider wild is broken" in str(refused.value.hint)
    with pytest.raises(WNetError) as refused:
        router.connect("//other.invalid/x")
    assert "wild" not in str(refused.value.hint)


@pytest.mark.parametrize("options", [{}, {"x": "y"}], ids=["plain", "options"])
def test_r3_the_first_significant_refusal_of_the_only_one_that_may_have_it(
    router: Router, options: dict[str, str]
) -> None:
    router.add_provider(stranger("locked", claims=raising(PermissionError(13, "no"))))
    with pytest.raises(WNetError) as refused:
        router.connect("odd://here/", options=options)
    assert (refused.value.status, refused.value.provider) == (Status.ERROR_ACCESS_DENIED, "locked")


class WordlessAnswer(Wordless, WNetError):
    """As above, with a status."""


@pytest.mark.parametrize(
    "error",
    [Wordless(), WNetError(Status.ERROR_BUSY, Wordless()), WordlessAnswer(Status.ERROR_BUSY)],  # type: ignore[arg-type]
    ids=["any", "WNetError", "subclass"],
)
@pytest.mark.parametrize("call", ["add_connection", "cancel_connection"])
def test_n19_an_error_that_cannot_be_shown_is_told_once_and_leaves_nothing_in_the_journal(
    router: Router, recorder: Recorder, call: str, error: Exception
) -> None:
    router.add_provider(stranger("wordless", **{call: raising(error)}))
    with pytest.raises(WNetError) as refused:
        router.connect("strange://here/").close()
    assert "Wordless" in str(refused.value)
    operation = call.partition("_")[0]
    assert [phase for told, phase, _ in recorder.told if told == operation] == ["pre", "post"]
    assert router.recover() == []


# -- routing -------------------------------------------------------------------------------------------------------


def test_r1_a_name_is_routed_among_a_hundred() -> None:
    others: list[Provider] = [stranger(f"p{number}", scheme=f"s{number}") for number in range(99)]
    assert routed([*others[:60], stranger("mine"), *others[60:]]) == "mine"


def test_r3_the_first_significant_error_among_all_kinds_of_mishaps(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    def insignificant(_: object) -> None:
        raise WNetError(Status.ERROR_BAD_NETPATH)

    bad: list[Provider] = [
        stranger("shrugs", add_connection=insignificant),
        stranger("cannot", capabilities=Capability.CANCEL_CONNECTION),
        stranger("exits", claims=raising(SystemExit(3))),
        stranger("refused", add_connection=raising(ConnectionRefusedError(111, "no"))),
        stranger("lies", add_connection=lambda _: True),
    ]
    with pytest.raises(WNetError) as raised:
        routed(bad)
    assert (raised.value.status, raised.value.provider) == (Status.ERROR_EXTENDED_ERROR, "exits")
    with pytest.raises(WNetError) as raised:
        routed([bad[0], bad[1], *bad[3:]])
    assert (raised.value.status, raised.value.provider) == (Status.ERROR_CONNECTION_REFUSED, "refused")
    with pytest.raises(WNetError, match="returned a bool, not an Added") as raised:
        routed([bad[0], bad[4]])
    assert (raised.value.status, raised.value.provider) == (Status.ERROR_INVALID_DATA, "lies")
    assert routed([*bad, stranger("sound")]) == "sound"
    warned = [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]
    assert "the network provider exits failed: SystemExit: 3" in warned
    assert "Traceback" not in str(warned)  # that is for DEBUG, a line for a line
    assert "\\n" not in str(warned)
    assert "Traceback (most recent call last):" in [each.getMessage() for each in caplog.records]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (PermissionError(13, "no"), Status.ERROR_ACCESS_DENIED),
        (PermissionError("no"), Status.ERROR_ACCESS_DENIED),
        (ConnectionRefusedError(), Status.ERROR_CONNECTION_REFUSED),
        (FileNotFoundError(2, "no such file"), Status.ERROR_FILE_NOT_FOUND),
        (FileNotFoundError(), Status.ERROR_FILE_NOT_FOUND),
        (TimeoutError(), Status.ERROR_TIMEOUT),
        (NotImplementedError(), Status.ERROR_NOT_SUPPORTED),
        (MemoryError(), Status.ERROR_NOT_ENOUGH_MEMORY),
        (OSError(101, "unreachable"), Status.ERROR_NETWORK_UNREACHABLE),
        (KeyError("x"), Status.ERROR_EXTENDED_ERROR),
        (WNetError(Status.WN_SUCCESS), Status.ERROR_EXTENDED_ERROR),
        (WNetError(Status.ERROR_LOGON_FAILURE), Status.ERROR_LOGON_FAILURE),
    ],
)
def test_every_mishap_has_its_status(error: Exception, status: Status) -> None:
    with pytest.raises(WNetError) as raised:
        stranger("odd", add_connection=raising(error)).add_connection(request())
    assert (raised.value.status, raised.value.provider) == (status, "odd")


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """A method that comes back only when the test is over."""
    monkeypatch.setattr(guard, "PATIENCE", 1.0)
    over = threading.Event()

    def hang(*_: object) -> bool:
        over.wait()
        return False

    yield hang
    over.set()


def test_r2_one_whose_claims_hangs_is_passed_by_told_and_waited_for_once(
    hanging: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[object] = []

    def hang(name: object) -> Any:
        asked.append(name)
        return hanging()

    providers: list[Provider] = [stranger("hangs", claims=hang), stranger("sound")]
    assert routed(providers) == "sound"
    assert routed(providers) == "sound"
    assert len(asked) == 1
    assert caplog.text.count("hangs did not say within 1 seconds") == 1
    with pytest.raises(WNetError, match="mpr provider disable hangs") as raised:
        routed(providers[:1])
    assert raised.value.status is Status.ERROR_TIMEOUT


def test_r2_one_who_has_answered_is_asked_again_however_long_the_program_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = stranger("sound")
    assert routed([sound]) == "sound"
    later = time.monotonic() + 3600
    monkeypatch.setattr(guard, "monotonic", lambda: later)
    assert routed([sound]) == "sound"


def test_r4_one_whose_claims_would_end_the_program_is_an_error_at_once() -> None:
    odd = stranger("odd", claims=raising(KeyboardInterrupt()))
    assert routed([odd, stranger("sound")]) == "sound"
    with pytest.raises(WNetError, match="it raised KeyboardInterrupt"):
        routed([odd])


def test_r4_a_thread_that_cannot_be_started_costs_the_answer_of_one(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    start = threading.Thread.start
    failures = iter([RuntimeError("can't start new thread")])

    def fail_once(thread: threading.Thread) -> None:
        for error in failures:
            raise error
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", fail_once)
    monkeypatch.setattr(guard, "PATIENCE", 1)
    assert routed([stranger("first"), stranger("other", claims=lambda _: False), stranger("last")]) == "last"
    assert "the network provider first failed: RuntimeError: can't start new thread" in caplog.text
    assert "did not say" not in caplog.text


@pytest.mark.parametrize("rubbish", ["no", None, 1], ids=repr)
def test_r2_only_true_claims_a_name_and_rubbish_is_an_error(rubbish: object) -> None:
    odd = stranger("odd", claims=lambda _: rubbish)
    assert routed([odd, stranger("sound")]) == "sound"
    with pytest.raises(WNetError, match="claims answered with a") as raised:
        routed([odd])
    assert (raised.value.status, raised.value.provider) == (Status.ERROR_INVALID_DATA, "odd")


def test_one_that_hangs_behind_the_one_that_accepts_is_not_waited_for(
    hanging: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "PATIENCE", 1e6)
    assert routed([stranger("sound"), stranger("hangs", claims=hanging)]) == "sound"


# -- what else is asked --------------------------------------------------------------------------------------------

MOUNTED = Mounted(NAME, Path("/nowhere"), {})


def test_n4_r5_options_that_it_refuses_are_refused_before_anybody_is_told(router: Router, recorder: Recorder) -> None:
    router.add_provider(stranger("strict", check_options=raising(WNetError(Status.ERROR_INVALID_PARAMETER))))
    with pytest.raises(WNetError) as refused:
        router.connect("strange://here/", options={"colour": "red"})
    assert refused.value.status is Status.ERROR_INVALID_PARAMETER
    assert recorder.told == []


def test_n19_c6_rubbish_in_place_of_what_is_left_of_a_connection_is_an_error_and_not_that_nothing_is() -> None:
    with pytest.raises(WNetError, match="not with a State"):
        stranger("odd", settle=lambda _: None).settle(MOUNTED)


@pytest.mark.parametrize("answer", [lambda _: "gone", raising(KeyError("?"))], ids=["rubbish", "raises"])
def test_what_it_cannot_say_of_a_connection_counts_as_standing(answer: Callable[..., Any]) -> None:
    assert stranger("odd", state=answer).state(MOUNTED) is State.CONNECTED


@pytest.mark.parametrize("is_there", [True, False], ids=["broken", "absent"])
def test_a_connection_whose_provider_cannot_be_asked_counts_as_standing(
    router: Router, places: Places, caplog: pytest.LogCaptureFixture, is_there: bool
) -> None:
    file = register(places, "odd")
    path = router.connect("strange://here/", "Z:").path
    said = file.read_text()
    if is_there:
        file.write_text(said + f"sha256 = '{'0' * 64}'\n")
    else:
        file.unlink()
    assert [each.state for each in router.connections()] == [State.CONNECTED]
    assert "what became of Z: cannot be told: its network provider odd" in caplog.text
    codes = {each.code for each in examine().findings}
    assert ("connection-of-broken-provider" in codes, "connection-without-provider" in codes) == (
        is_there,
        not is_there,
    )
    router.restore()  # which takes away what is lost
    assert (path / "connected").exists()
    with pytest.raises(WNetError) as caught:
        router.disconnect("Z:", force=True)
    assert caught.value.status is Status.ERROR_BAD_PROVIDER
    assert "mpr provider list" in str(caught.value.hint)
    file.write_text(said + "enabled = false\n")
    assert not {each.code for each in examine().findings if each.code.startswith("connection-")}
    router.disconnect("Z:")


def test_a_state_that_hangs_is_waited_for_once(hanging: Callable[..., Any], caplog: pytest.LogCaptureFixture) -> None:
    odd = stranger("odd", state=hanging)
    assert [odd.state(MOUNTED), odd.state(MOUNTED)] == [State.CONNECTED, State.CONNECTED]
    assert caplog.text.count("not answered within") == 1


def test_a_state_that_has_come_back_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, over = [], threading.Event()

    def state(_: Mounted) -> State:
        asked.append(over.wait(60))
        return State.LOST

    odd = stranger("odd", state=state)
    monkeypatch.setattr(guard, "PATIENCE", 0.0)
    assert odd.state(MOUNTED) is State.CONNECTED
    monkeypatch.setattr(guard, "PATIENCE", 60.0)
    over.set()
    wait_for(lambda: odd.state(MOUNTED) is State.LOST, "an answer")
    assert asked == [True, True]


def test_r4_only_what_its_capabilities_say_is_asked() -> None:
    odd = stranger("odd", capabilities=Capability.ADD_CONNECTION, state=raising(AssertionError()))
    assert odd.state(MOUNTED) is State.CONNECTED
    with pytest.raises(WNetError) as raised:
        odd.cancel_connection(MOUNTED, force=False)
    assert raised.value.status is Status.ERROR_NOT_SUPPORTED


def test_r4_one_that_does_not_say_that_it_can_tell_connections_is_not_asked_what_became_of_one() -> None:
    odd = stranger("odd", capabilities=Capability.ADD_CONNECTION, state=lambda _: State.LOST)
    assert odd.state(MOUNTED) is State.CONNECTED


@pytest.mark.parametrize(
    ("added", "words"),
    [
        (Added(None, {"x": b"bytes"}), "cannot be written as JSON"),
        (Added(None, {"x": float("nan")}), "cannot be written as JSON"),
        (
            Added(None, {"x": reduce(lambda inner, _: {"": inner}, range(10**5), cast("dict[str, Any]", {}))}),
            "cannot be written as JSON",
        ),
        (Added(None, {1: "x"}), "is no mapping of names to JSON values"),  # type: ignore[dict-item]
        (Added(7, {}), "the user that it connected is a int"),  # type: ignore[arg-type]
        (Added(None, {"login": 'ana:geh"öim'}), "written the password down"),
        (Added('geh"öim', {}), "written the password down"),
    ],
)
def test_a_connection_that_cannot_be_kept_is_cancelled(added: Added, words: str) -> None:
    cancelled: list[Mounted] = []
    odd = stranger(
        "odd", add_connection=lambda _: added, cancel_connection=lambda mounted, **_: cancelled.append(mounted)
    )
    with pytest.raises(WNetError, match=words) as raised:
        odd.add_connection(request('geh"öim'))
    assert raised.value.status is Status.ERROR_INVALID_DATA
    assert [each.handle for each in cancelled] == [added.handle]


def test_a_connection_that_cannot_be_kept_is_told_of_though_nothing_is_there_to_cancel() -> None:
    odd = stranger("odd", add_connection=lambda _: None, cancel_connection=raising(FileNotFoundError()))
    with pytest.raises(WNetError, match="returned a NoneType, not an Added"):
        odd.add_connection(request())


def test_n15_what_led_to_the_answer_that_it_raises_goes_no_further() -> None:
    def refuse(_: AddRequest) -> Added:
        raise WNetError(Status.ERROR_LOGON_FAILURE, "refused") from ValueError("ftp://ana:geheim@files")

    with pytest.raises(WNetError, match="refused") as raised:
        stranger("odd", add_connection=refuse).add_connection(request("geheim"))
    assert "geheim" not in "".join(format_exception(raised.value, limit=0))


def noted(error: Exception, note: str) -> Exception:
    error.add_note(note)
    return error


@pytest.mark.parametrize(
    "error",
    [
        ValueError("bad geheim"),
        WNetError(Status.ERROR_LOGON_FAILURE, "geheim is wrong"),
        WNetError(Status.ERROR_LOGON_FAILURE, "refused", provider_text="no such user: geheim"),
        WNetError(Status.ERROR_LOGON_FAILURE, "refused", function="login('ana', 'geheim')"),
        noted(WNetError(Status.ERROR_LOGON_FAILURE, "refused"), "with geheim"),
    ],
    ids=["any", "message", "provider_text", "function", "note"],
)
def test_n15_what_it_raises_shows_no_password(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(WNetError) as raised:
        stranger("odd", add_connection=raising(error)).add_connection(request("geheim"))
    assert "geheim" not in f"{format_exception(raised.value, limit=0)} {vars(raised.value)} {caplog.text}"
    assert raised.value.__cause__ is raised.value.__context__ is None


@pytest.mark.parametrize(
    "text",
    [repr(ODD), repr(f"{ODD}\"'"), json.dumps(ODD), json.dumps(ODD, ensure_ascii=False), quote(ODD), quote(ODD, "")],
    ids=["Python", "both marks", "JSON", "JSON as text", "URL", "part of a URL"],
)
def test_n15_nor_one_that_is_quoted(text: str, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(WNetError) as raised:
        stranger("odd", add_connection=raising(ValueError(text))).add_connection(request(ODD))
    assert "ge" not in f"{raised.value.provider_text} {caplog.text}"


def test_n15_nor_a_password_that_was_stored(places: Places, caplog: pytest.LogCaptureFixture) -> None:
    file = places.config / "credentials.toml"
    file.touch(0o600)
    file.write_text('[[credential]]\nremote = "*"\nuser = "ana"\npassword = "geheim"\n')

    def finds(wanted: AddRequest) -> Added:
        (found,) = wanted.credentials.stored(wanted.name, "ana")
        raise RuntimeError(found.password.reveal())

    with pytest.raises(WNetError, match=r"RuntimeError: \*\*\*") as raised:
        stranger("odd", add_connection=finds).add_connection(request())
    assert "geheim" not in f"{raised.value} {raised.value.provider_text} {caplog.text}"


def test_n15_nor_a_password_that_was_typed(caplog: pytest.LogCaptureFixture) -> None:
    class Person:
        def ask_password(self, prompt: str) -> str:
            return "geheim" if prompt else ""

        def confirm(self, question: str) -> bool:
            return bool(question)

    def asks(wanted: AddRequest) -> Added:
        assert wanted.conversation is not None
        raise RuntimeError(f"{wanted.conversation.ask_password('?')} and {wanted.conversation.confirm('?')}")

    with pytest.raises(WNetError, match=r"RuntimeError: \*\*\* and True") as raised:
        stranger("odd", add_connection=asks).add_connection(replace(request(), conversation=Person()))
    assert "geheim" not in f"{raised.value} {raised.value.provider_text} {caplog.text}"


def test_what_it_has_besides_is_seen_through_the_guard_and_checked(caplog: pytest.LogCaptureFixture) -> None:
    made = Stranger()
    rich = Guarded(made, "plain")
    for protocol in (Starting, Caching, Enumerating, Identifying, Informing):
        assert not isinstance(rich, protocol)
    resources: list[object] = [NetResource("strange://a/", provider="x"), NetResource(None), "rubbish"]
    does = {
        "start_up": lambda: 1,
        "waiting": raising(KeyError()),
        "enumerate": lambda *_: iter(resources),
        "user_of": lambda _: 7,
        "resource_information": raising(PermissionError(13, "no")),
    }
    odd: Any = stranger("odd", **does)
    for protocol in (Starting, Caching, Enumerating, Identifying, Informing):
        assert isinstance(odd, protocol)
    assert odd.waiting() == []
    found = odd.enumerate(ResourceScope.GLOBALNET, ResourceType.ANY, ResourceUsage(0), None)
    assert next(found) == NetResource("strange://a/", provider="odd")  # whatever it calls itself
    with pytest.raises(WNetError, match="among what it enumerates is a str"):
        next(found)
    assert "odd enumerates what has no name" in caplog.text
    with pytest.raises(WNetError, match="answered with a int"):
        odd.user_of(None)
    with pytest.raises(WNetError) as raised:
        odd.resource_information(resources[0])
    assert raised.value.status is Status.ERROR_ACCESS_DENIED


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        (lambda: 2, 2.0),
        (lambda: -1, 0.0),
        (lambda: None, None),
        (lambda: "soon", None),
        (lambda: math.nan, None),
        (lambda: math.inf, None),
        (raising(KeyError()), None),
    ],
    ids=["2", "-1", "None", "text", "nan", "inf", "raises"],
)
def test_r7_when_it_will_be_ready_is_unknown_if_it_cannot_say(said: Callable[[], Any], seconds: float | None) -> None:
    odd: Any = stranger("odd", start_up=said)
    assert odd.start_up() == seconds


def test_r4_one_that_cannot_say_what_it_can_do_is_asked_for_nothing(caplog: pytest.LogCaptureFixture) -> None:
    assert stranger("odd", capabilities="much").capabilities == Capability(0)
    assert "odd cannot say what it can do: ValueError" in caplog.text


def test_of_what_waits_only_what_says_so_is_told() -> None:
    waits = Waiting("strange://it", None, Pending(1, 10))
    odd: Any = stranger("odd", waiting=lambda: [waits, "rubbish"])
    assert odd.waiting() == [waits]


def test_what_waits_is_not_waited_for_without_end(
    hanging: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(guard, "ANSWER", 0.1)
    odd: Any = stranger("odd", waiting=hanging)
    assert odd.waiting() == []
    assert "waiting of the network provider odd has not answered within 0.1 seconds" in caplog.text


def test_one_that_is_made_of_ours_shares_their_cache(router: Router, places: Places) -> None:
    file = register(places, "odd")
    file.with_suffix(".py").write_text("from mprouter.providers.rclone.local import Local as Mine\n")
    sources = {each.waiting for each in router.providers() if isinstance(each, Caching)}
    assert len(sources) == 1


def test_r1_ours_and_strangers_go_by_what_the_settings_say(places: Places) -> None:
    register(places, "odd")
    names = [each.name for each in arranged(builtin() + load(), order=["ftp", "odd"], disabled=["SMB"])]
    assert names == ["ftp", "odd", "smb", "webdav", "sftp", "s3", "file", "rclone"]
    (smb,) = [each for each in arranged(builtin(), disabled=["SMB"]) if not each.takes_part]
    assert smb.name == "smb"
