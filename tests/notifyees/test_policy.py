"""The policy: which names it lets pass, and what the caller is told."""

from __future__ import annotations

import pytest

from mprouter import Status, WNetError
from mprouter.notify.model import Phase
from mprouter.notifyees.policy import Policy
from mprouter.testing import RecordingRouter


def allows(policy: Policy, remote: str) -> bool:
    with RecordingRouter(policy) as router:
        result = router.add(remote, "Z:")
    assert result.status in {Status.WN_SUCCESS, Status.WN_CANCEL}
    assert result.attempts == (1 if result.status is Status.WN_SUCCESS else 0)
    return result.status is Status.WN_SUCCESS


CORP = [r"\\corp\*", "sftp://*.corp.example/*"]


@pytest.mark.parametrize(
    ("policy", "allowed", "refused"),
    [
        (Policy(), [r"\\anything\at\all", "s3://bucket"], []),
        (Policy(allow=CORP), [r"\\corp\x", "sftp://ana@a.corp.example/x"], [r"\\elsewhere\x", "sftp://corp.example/x"]),
        (Policy(deny=CORP), [r"\\elsewhere\x"], [r"\\corp\x", "sftp://a.corp.example/x"]),
        (
            Policy(allow=CORP, deny=[r"\\corp\secret*"]),
            [r"\\corp\x"],
            [r"\\corp\secret", r"\\corp\secrets\a", "s3://b"],
        ),
        (Policy(allow=CORP, default="allow", deny=["s3://*"]), [r"\\corp\x", r"\\elsewhere\x"], ["s3://bucket"]),
        (Policy(default="deny"), [], [r"\\corp\x", "file:///srv"]),
    ],
)
def test_deny_goes_before_allow_and_that_before_the_default(
    policy: Policy, allowed: list[str], refused: list[str]
) -> None:
    assert [name for name in allowed if not allows(policy, name)] == []
    assert [name for name in refused if allows(policy, name)] == []


@pytest.mark.parametrize(
    "spelling",
    [
        r"\\corp\secret",
        "//CORP/Secret/",
        "smb://corp/secret",
        "smb://ana@corp/secret/deep",
        "smb://corp/%73ecret",
        r"\\corp\\secret",
    ],
)
def test_c7_another_spelling_does_not_get_past_it(spelling: str) -> None:
    assert not allows(Policy(deny=[r"\\corp\secret*"]), spelling)


def test_n9_the_caller_is_shown_the_reason() -> None:
    with RecordingRouter(Policy(allow=CORP, reason="ask the service desk, extension 4711")) as router:
        result = router.add(r"\\elsewhere\x")
    assert result.error is not None
    assert result.error.strerror == "ask the service desk, extension 4711"


def test_n15_without_a_reason_the_caller_is_shown_the_name_without_the_user() -> None:
    with RecordingRouter(Policy(default="deny")) as router:
        result = router.add("sftp://ana@files.example.com/x")
    assert result.error is not None
    assert result.error.strerror == "the policy does not allow connections to sftp://files.example.com/x"


def test_n6_it_is_told_before_an_add_and_of_nothing_else() -> None:
    with RecordingRouter(Policy()) as router:
        router.add(r"\\corp\x", "Z:")
        router.cancel("Z:")
    assert [(call.event.operation, call.phase) for call in router.calls] == [("add", Phase.PRE)]


def test_it_is_told_before_a_dialler_and_is_required() -> None:
    told: list[str] = []
    with RecordingRouter() as router:
        router.register(lambda event: told.append(event.operation), name="dials", order=50)
        router.register(Policy(default="deny"))
        router.add(r"\\corp\x")
        assert router._registered["policy"].required
    assert told == []


def test_what_is_no_glob_is_refused_by_its_key() -> None:
    with pytest.raises(WNetError, match=r"deny: '\[z-a\]' is not a glob") as failure:
        Policy(deny=["[z-a]"])
    assert failure.value.status is Status.ERROR_BAD_CONFIGURATION
