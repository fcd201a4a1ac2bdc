"""When the router notifies, and what it tells: N1 to N4, N9, N11, N14 to N17, N20."""

from __future__ import annotations

import json
from collections.abc import Generator
from dataclasses import fields
from pathlib import Path

import pytest

from mprouter import (
    AddConnect,
    Cancel,
    CancelConnect,
    ConnectFlag,
    NetResource,
    NotifyInfo,
    ResourceType,
    Router,
    Status,
    WNetError,
)
from mprouter.store import Store
from recorder import Recorder
from sandbox import Places
from strangers import Wordless

OK = Status.WN_SUCCESS


def test_n1_an_add_notifies_before_and_after(router: Router, recorder: Recorder, resource: str) -> None:
    router.connect(resource, "Z:")
    assert recorder.told == [("add", "pre", OK), ("add", "post", OK)]


def test_n1_a_failed_add_is_one_operation_however_many_providers_are_tried(router: Router, recorder: Recorder) -> None:
    with pytest.raises(WNetError) as failure:
        router.connect(r"\\127.0.0.1\nowhere")  # SMB, then WebDAV
    assert recorder.told == [("add", "pre", OK), ("add", "post", failure.value.status)]


def test_n2_a_cancel_notifies_before_and_after(router: Router, recorder: Recorder, resource: str) -> None:
    connection = router.connect(resource)
    recorder.told.clear()
    connection.close()
    assert recorder.told == [("cancel", "pre", OK), ("cancel", "post", OK)]


def test_n2_closing_a_connection_twice_is_one_cancel(router: Router, recorder: Recorder, resource: str) -> None:
    connection = router.connect(resource)
    connection.close()
    recorder.told.clear()
    connection.close()
    assert recorder.told == []


def test_n3_restoring_notifies_nobody(router: Router, recorder: Recorder, resource: str) -> None:
    router.connect(resource, "Z:", persist=True)
    router.disconnect("Z:")
    recorder.told.clear()
    (restored,) = router.restore()
    assert restored.connection is not None
    assert (restored.connection.path / "README").read_text() == "hello\n"
    assert recorder.told == []


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ({"remote": ""}, Status.ERROR_BAD_NET_NAME),
        ({"remote": "sftp://ana:secret@host/x"}, Status.ERROR_INVALID_PARAMETER),
        ({"local": "C:"}, Status.ERROR_BAD_DEVICE),
        ({"local": "some/where"}, Status.ERROR_BAD_DEVICE),
        ({"provider": "nobody"}, Status.ERROR_BAD_PROVIDER),
        ({"options": {"nonsense": "1"}}, Status.ERROR_INVALID_PARAMETER),
        ({"local": "Z:", "type": ResourceType.PRINT}, Status.ERROR_BAD_DEV_TYPE),
        ({"flags": ConnectFlag.UPDATE_PROFILE | ConnectFlag.TEMPORARY}, Status.ERROR_INVALID_PARAMETER),
        ({"flags": 1 << 31}, Status.ERROR_INVALID_PARAMETER),
        ({"flags": 1 << 63}, Status.ERROR_INVALID_PARAMETER),
        ({"flags": -1}, Status.ERROR_INVALID_PARAMETER),
        ({"flags": ConnectFlag.DEFERRED}, Status.ERROR_NOT_SUPPORTED),
        ({"remote": "//files/projects", "flags": ConnectFlag.REQUIRE_PRIVACY}, Status.ERROR_NOT_SUPPORTED),
        ({"type": 7}, Status.ERROR_INVALID_PARAMETER),
        ({"persist": True, "flags": ConnectFlag.TEMPORARY}, Status.ERROR_INVALID_PARAMETER),
    ],
    ids=str,
)
def test_n4_a_rejected_request_notifies_nobody(
    router: Router, recorder: Recorder, resource: str, arguments: dict[str, object], status: Status
) -> None:
    with pytest.raises(WNetError) as failure:
        router.connect(**{"remote": resource, **arguments})  # type: ignore[arg-type]
    assert failure.value.status is status
    assert "secret" not in str(failure.value)
    assert recorder.told == []
    assert router.connections() == []


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("remote", 5),
        ("remote", None),
        ("remote", b"file:///tmp"),
        ("local", 5),
        ("user", 5),
        ("password", b"secret"),
        ("provider", 5),
        ("type", "DISK"),
        ("persist", "no"),
        ("overwrite", "no"),
        ("flags", "0"),
        ("options", ["read_only=yes"]),
        ("options", {"read_only": True}),
        ("options", {5: "yes"}),
        ("owner", "window"),
        ("conversation", "yes"),
    ],
)
def test_n4_what_is_not_of_its_type_notifies_nobody_and_is_told_by_its_name(
    router: Router, recorder: Recorder, resource: str, argument: str, value: object
) -> None:
    with pytest.raises(WNetError) as failure:
        router.connect(**{"remote": resource, argument: value})  # type: ignore[arg-type]
    assert failure.value.status is Status.ERROR_INVALID_PARAMETER
    assert argument in str(failure.value)
    assert "secret" not in str(failure.value)
    assert recorder.told == []
    assert router.connections() == []


@pytest.mark.parametrize(("argument", "value"), [("name", 5), ("force", "no"), ("forget", "no"), ("later", None)])
def test_n4_a_cancel_with_what_is_not_of_its_type_leaves_the_connection(
    router: Router, recorder: Recorder, resource: str, argument: str, value: object
) -> None:
    router.connect(resource, "Z:")
    recorder.told.clear()
    with pytest.raises(WNetError, match=f"{argument} must be") as failure:
        router.disconnect(**{"name": "Z:", argument: value})  # type: ignore[arg-type]
    assert failure.value.status is Status.ERROR_INVALID_PARAMETER
    assert recorder.told == []
    assert [each.local_name for each in router.connections()] == ["Z:"]


def test_n4_a_taken_local_name_notifies_nobody(router: Router, recorder: Recorder, resource: str) -> None:
    router.connect(resource, "Z:")
    recorder.told.clear()
    with pytest.raises(WNetError) as failure:
        router.connect(resource, "z:")
    assert failure.value.status is Status.ERROR_ALREADY_ASSIGNED
    assert recorder.told == []


def test_n4_cancelling_what_is_not_connected_notifies_nobody(router: Router, recorder: Recorder, resource: str) -> None:
    for name in ("Z:", resource):
        with pytest.raises(WNetError) as failure:
            router.disconnect(name)
        assert failure.value.status is Status.ERROR_NOT_CONNECTED
    assert recorder.told == []


def test_n9_a_veto_leaves_nothing(router: Router, places: Places, resource: str) -> None:
    def refuse(event: AddConnect) -> None:
        raise Cancel(f"not {event.resource.local_name}")

    router.register(refuse)
    with pytest.raises(WNetError) as failure:
        router.connect(resource, "Z:")
    assert failure.value.status is Status.WN_CANCEL
    assert failure.value.strerror == "not Z:"
    assert router.connections() == []
    assert places.mounts() == []
    assert not (places.drives / "Z").exists()


def test_n9_a_veto_of_a_cancel_leaves_the_connection(router: Router, recorder: Recorder, resource: str) -> None:
    connection = router.connect(resource, "Z:")
    recorder.answers["cancel", "pre"] = Status.WN_CANCEL
    with pytest.raises(WNetError) as failure:
        router.disconnect("Z:")
    assert failure.value.status is Status.WN_CANCEL
    assert (connection.path / "README").exists()


def test_n11_a_retry_has_the_connection_made_after_all(router: Router, local_root: Path) -> None:
    missing = local_root / "made by the notifyee"

    def redial(_: object) -> Generator[Status | None, Status, None]:
        status = yield None
        while status == Status.ERROR_PATH_NOT_FOUND:
            missing.mkdir()
            status = yield Status.WN_RETRY

    router.register(redial)
    assert router.connect(missing.as_uri(), "Z:").path.is_dir()


def test_n14_an_add_is_told_as_the_request_gave_it(router: Router, recorder: Recorder, local_root: Path) -> None:
    remote = f"FILE://{local_root}/./".replace(" ", "%20")
    router.connect(remote, "z:", provider="file", flags=ConnectFlag.CURRENT_MEDIA, owner=42)
    expected = AddConnect(NetResource(remote, "z:", ResourceType.DISK, "file"), ConnectFlag.CURRENT_MEDIA, 42)
    assert recorder.events == [expected, expected]


def test_n14_a_free_letter_is_not_known_to_the_notifyees(router: Router, recorder: Recorder, resource: str) -> None:
    assert router.connect(resource, "*").local_name == "Z:"
    assert isinstance(recorder.events[0], AddConnect)
    assert recorder.events[0].resource.local_name is None
    assert recorder.events[0].flags == ConnectFlag.REDIRECT


def test_n14_a_cancel_is_told_with_the_provider_only_after_success(
    router: Router, recorder: Recorder, resource: str
) -> None:
    router.connect(resource, "Z:", persist=True)
    recorder.events.clear()
    router.disconnect("z:", force=True, forget=True)
    pre = CancelConnect("z:", None, ConnectFlag.UPDATE_PROFILE, force=True)
    assert recorder.events == [pre, CancelConnect("z:", "file", ConnectFlag.UPDATE_PROFILE, force=True)]


def test_n15_a_user_in_the_name_is_not_told_or_recorded(router: Router, recorder: Recorder) -> None:
    with pytest.raises(WNetError):
        router.connect("ftp://annabel@127.0.0.1:1/projects", user="annabel")
    assert isinstance(recorder.events[0], AddConnect)
    assert recorder.events[0].resource.remote_name == "ftp://127.0.0.1:1/projects"
    assert "annabel" not in repr(recorder.events) + repr(Store().events())


def test_n15_there_is_no_place_for_a_user_name_or_password() -> None:
    names = {each.name for kind in (AddConnect, CancelConnect, NetResource) for each in fields(kind)}
    names |= set(NotifyInfo.__slots__)
    assert not {name for name in names if "user" in name or "pass" in name or "cred" in name}


def test_n16_current_media_reaches_a_notifyee(router: Router, resource: str) -> None:
    seen: list[bool] = []
    router.register(lambda event: seen.append(bool(event.flags & ConnectFlag.CURRENT_MEDIA)), name="looks")
    router.connect(resource, flags=ConnectFlag.CURRENT_MEDIA)
    router.connect(resource)
    assert seen == [True, False]


def test_n17_a_notifyee_may_connect_and_is_not_told_of_it(router: Router, recorder: Recorder, resource: str) -> None:
    told: list[str] = []

    def dialler(event: AddConnect | CancelConnect) -> None:
        told.append(event.operation)
        if event.operation == "add":
            router.connect(f"{resource}/", "Y:")

    router.register(dialler, order=10)
    router.connect(resource, "Z:")
    assert told == ["add"]
    assert [operation for operation, _, _ in recorder.told] == ["add"] * 4
    assert {each.local_name for each in router.connections()} == {"Y:", "Z:"}


def test_n17_nesting_has_a_bottom(router: Router, resource: str) -> None:
    depth = 0

    def make(level: int) -> None:
        def connects(event: AddConnect | CancelConnect) -> None:
            nonlocal depth
            if event.operation == "add":
                depth = max(depth, level)
                router.connect(resource)

        router.register(connects, name=f"level {level}", order=level, required=True)

    for level in range(10):
        make(level)
    with pytest.raises(WNetError) as failure:
        router.connect(resource)
    assert failure.value.status is Status.ERROR_NESTING_NOT_ALLOWED
    assert depth == 8 - 1
    assert router.connections() == []


def test_n20_each_call_and_each_operation_is_recorded(router: Router, resource: str) -> None:
    router.connect(resource, "Z:")
    router.disconnect("Z:")
    events = Store().events()
    assert [(each.kind, each.operation, each.phase, each.notifyee) for each in events] == [
        ("notify", "add", "pre", "code/recorder"),
        ("notify", "add", "post", "code/recorder"),
        ("operation", "add", None, None),
        ("notify", "cancel", "pre", "code/recorder"),
        ("notify", "cancel", "post", "code/recorder"),
        ("operation", "cancel", None, None),
    ]
    assert len({each.operation_id for each in events}) == 2
    assert {each.local_name for each in events} == {"Z:"}
    assert all(each.duration > 0 for each in events)


def test_n1_who_is_unregistered_is_told_no_more_and_the_name_is_free(router: Router, resource: str) -> None:
    told: list[str] = []
    assert router.register(lambda _: told.append("first"), name="notes") == "notes"
    with pytest.raises(WNetError) as taken:
        router.register(lambda _: told.append("second"), name="notes")
    assert (taken.value.status, taken.value.filename) == (Status.ERROR_ALREADY_ASSIGNED, "notes")
    router.connect(resource).close()
    assert told == ["first", "first"]
    router.unregister("notes")
    router.connect(resource).close()
    assert told == ["first", "first"]
    with pytest.raises(WNetError) as unknown:
        router.unregister("notes")
    assert (unknown.value.status, unknown.value.filename) == (Status.ERROR_NOT_FOUND, "notes")
    router.register(lambda _: told.append("second"), name="notes")
    router.connect(resource).close()
    assert told[2:] == ["second", "second"]


@pytest.mark.parametrize("operation", ["add", "cancel"])
def test_n20_how_an_operation_has_failed_is_recorded_as_the_caller_was_told(
    router: Router, resource: str, operation: str
) -> None:
    def policy(event: AddConnect | CancelConnect) -> None:
        if event.operation == operation:
            raise Cancel("not today")

    router.register(policy)
    with pytest.raises(WNetError) as failure:
        router.connect(resource, "Z:").close()
    last = Store().events()[-1]
    assert (last.kind, last.operation) == ("operation", operation)
    assert (last.status, last.message) == (failure.value.status, failure.value.strerror)
    assert (failure.value.status, failure.value.strerror) == (Status.WN_CANCEL, "not today")


def test_a_command_notifyee_in_a_drop_in_file_is_told(router: Router, places: Places, resource: str) -> None:
    notes = places.home / "notes"
    hook = places.home / "hook"
    hook.write_text(f"#!/bin/sh\ncat >>{notes}; echo >>{notes}\n")
    hook.chmod(0o700)
    drop_in = places.config / "notifyees.d" / "hook.toml"
    drop_in.parent.mkdir()
    drop_in.write_text(f'target = "command:{hook}"\n')
    router.connect(resource, "Z:")
    calls = [json.loads(line) for line in notes.read_text().splitlines()]
    assert [(each["operation"], each["phase"], each["local_name"]) for each in calls] == [
        ("add", "pre", "Z:"),
        ("add", "post", "Z:"),
    ]


@pytest.mark.parametrize("printed", ['{"context": 1e999}', json.dumps({"context": "x" * 100_000})], ids=["inf", "long"])
def test_n7_a_command_whose_context_the_journal_cannot_keep_has_its_post(
    router: Router, places: Places, resource: str, printed: str
) -> None:
    (places.home / "printed").write_text(printed)
    hook = places.home / "hook"
    hook.write_text(
        f"#!/bin/sh\ncd {places.home}\n[ $MPR_PHASE = post ] || exec cat printed\n"
        "echo $MPR_OPERATION >>told\ncat >context\n"
    )
    hook.chmod(0o700)
    (places.config / "notifyees.d").mkdir()
    (places.config / "notifyees.d" / "hook.toml").write_text(f'target = "command:{hook}"\n')
    router.connect(resource, "Z:").close()
    assert (places.home / "told").read_text() == "add\ncancel\n"
    context = json.loads((places.home / "context").read_text())["context"]
    assert context == json.loads(printed)["context"]
    assert {each.status for each in Store().events()} == {0}


def says(message: object) -> object:
    class Sayer:
        def add_connect_notify(self, info: NotifyInfo, _: AddConnect) -> None:
            setattr(info, "message", message)  # noqa: B010 - it is no text

    return Sayer()


def raises(error: Exception) -> object:
    def raiser(_: AddConnect | CancelConnect) -> None:
        raise error

    return raiser


class Incomparable(dict[str, int]):
    """A context that cannot be compared."""

    __hash__ = dict.__hash__

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("it cannot be compared")


def leaves(context: object) -> object:
    class Leaver:
        def add_connect_notify(self, info: NotifyInfo, _: AddConnect) -> None:
            info.context = context

    return Leaver()


@pytest.mark.parametrize(
    ("odd", "status"),
    [
        (says(5), OK),
        (says(2**80), OK),
        (says(Wordless()), OK),
        (raises(Wordless()), OK),
        (raises(Cancel(Wordless())), Status.WN_CANCEL),  # type: ignore[arg-type]
        (raises(Cancel(ValueError("closed today"))), Status.WN_CANCEL),  # type: ignore[arg-type]
        (leaves(Incomparable(a=1)), OK),
    ],
    ids=["number", "large number", "wordless", "raises wordless", "vetoes wordless", "vetoes", "incomparable"],
)
def test_n10_n19_whatever_a_notifyee_says_the_others_have_one_post_and_nothing_stays_in_the_journal(
    router: Router, recorder: Recorder, resource: str, odd: object, status: Status
) -> None:
    router.register(odd, name="odd", order=60)
    if status:
        with pytest.raises(WNetError) as refused:
            router.connect(resource, "Z:", user="root")
        assert refused.value.status is status
    else:
        router.connect(resource, "Z:", user="root").close()
    assert [each for each in recorder.told if each[0] == "add"] == [("add", "pre", OK), ("add", "post", status)]
    with Router() as another:
        assert (another.recover(), another.connections()) == ([], [])
