"""R1 to R4: who gets a request, and what is reported if nobody accepts it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mprouter import Router, settings
from mprouter.credentials import Credentials
from mprouter.names import RemoteName, parse_remote
from mprouter.providers.base import Added, AddRequest, Capability, Mounted, Progress, Provider, State
from mprouter.providers.order import builtin_providers, route
from mprouter.providers.registration import arranged, builtin
from mprouter.status import Status, WNetError
from sandbox import Places

NAME = parse_remote(r"\\files\projects")


class Answering:
    """A network provider that answers each request with *answer*; ``asked`` counts them."""

    capabilities = Capability.ADD_CONNECTION

    def __init__(self, name: str, answer: Status | Exception | None = None, *, claims: bool = True) -> None:
        self.name = name
        self.asked = 0
        self._answer = answer
        self._claims = claims

    def claims(self, name: RemoteName) -> bool:
        assert name is NAME
        return self._claims

    def check_options(self, name: RemoteName, options: object) -> None: ...

    def add_connection(self, request: AddRequest) -> Added:
        assert request is REQUEST
        self.asked += 1
        if isinstance(self._answer, Status):
            raise WNetError(self._answer, f"{self.name} says {self._answer.name}")
        if self._answer is not None:
            raise self._answer
        return Added(self.name, {})

    def cancel_connection(self, mounted: Mounted, *, force: bool, progress: Progress | None = None) -> None: ...

    def state(self, mounted: Mounted) -> State:
        raise AssertionError(mounted)

    def settle(self, mounted: Mounted) -> State:
        raise AssertionError(mounted)


REQUEST = AddRequest(NAME, Path("/nowhere"), Credentials())


def routed(*providers: Answering) -> str:
    provider, added = route(providers, NAME, lambda each: each.add_connection(REQUEST))
    assert added.user == provider.name
    return provider.name


def refusal(*providers: Answering) -> WNetError:
    with pytest.raises(WNetError) as raised:
        routed(*providers)
    return raised.value


def test_r1_the_first_that_accepts_gets_it() -> None:
    later = Answering("later")
    assert routed(Answering("first", Status.ERROR_BAD_NETPATH), Answering("second"), later) == "second"
    assert later.asked == 0


def test_r1_a_significant_error_does_not_end_the_cycle() -> None:
    assert routed(Answering("first", Status.ERROR_LOGON_FAILURE), Answering("second")) == "second"


def test_r2_who_does_not_claim_the_name_is_not_asked() -> None:
    stranger = Answering("stranger", claims=False)
    assert routed(stranger, Answering("mine")) == "mine"
    assert stranger.asked == 0


@pytest.mark.parametrize(
    "insignificant",
    [
        Status.ERROR_BAD_NETPATH,
        Status.ERROR_BAD_NET_NAME,
        Status.ERROR_INVALID_PARAMETER,
        Status.ERROR_INVALID_LEVEL,
        Status.ERROR_NOT_SUPPORTED,
    ],
)
def test_r3_the_first_significant_error_is_reported(insignificant: Status) -> None:
    error = refusal(
        Answering("one", insignificant),
        Answering("two", Status.ERROR_ACCESS_DENIED),
        Answering("three", Status.ERROR_TIMEOUT),
    )
    assert error.status is Status.ERROR_ACCESS_DENIED
    assert error.provider == "two"


def test_r3_without_a_significant_error_no_provider_has_the_name() -> None:
    error = refusal(Answering("one", Status.ERROR_BAD_NETPATH), Answering("two", Status.ERROR_NOT_SUPPORTED))
    assert error.status is Status.ERROR_BAD_NET_NAME
    assert "one says" in str(error)
    assert "two says" in str(error)


def test_r1_what_somebody_can_mend_of_those_before_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    said = {
        "unable": WNetError(Status.ERROR_NOT_SUPPORTED, "no program", provider="unable", hint="install it"),
        "stranger": WNetError(Status.ERROR_BAD_NETPATH, "no such server", provider="stranger", hint="is it running?"),
        "silent": WNetError(Status.ERROR_NOT_SUPPORTED, provider="silent"),
        "strict": WNetError(Status.ERROR_MUTUAL_AUTH_FAILED, "other key", provider="strict", hint="look at it"),
    }
    assert routed(*(Answering(name, error) for name, error in said.items()), Answering("last")) == "last"
    assert [each.getMessage() for each in caplog.records] == [
        "connected by last, since unable has refused: no program (ERROR_NOT_SUPPORTED, 50); install it",
        "connected by last, since strict has refused: other key (ERROR_MUTUAL_AUTH_FAILED, 1397); look at it",
    ]


def test_r3_nobody_knows_the_form_of_the_name() -> None:
    assert refusal(Answering("one", claims=False)).status is Status.ERROR_NO_NET_OR_BAD_PATH


def test_r3_there_is_no_provider_at_all() -> None:
    assert refusal().status is Status.ERROR_NO_NETWORK


def test_r4_only_what_a_provider_can_do_is_asked_of_it() -> None:
    unable = Answering("unable")
    unable.capabilities = Capability.GET_CONNECTIONS
    assert routed(unable, Answering("able")) == "able"
    assert unable.asked == 0


def test_r4_a_raising_provider_does_not_end_the_cycle() -> None:
    assert routed(Answering("broken", ZeroDivisionError("by accident")), Answering("sound")) == "sound"
    error = refusal(Answering("broken", ZeroDivisionError("by accident")))
    assert error.status is Status.ERROR_EXTENDED_ERROR
    assert error.provider == "broken"
    assert error.provider_text == "ZeroDivisionError: by accident"


def test_r4_a_provider_that_breaks_over_the_name_does_not_end_the_cycle(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = Answering("broken")
    monkeypatch.setattr(broken, "claims", lambda _: 1 / 0)
    assert routed(broken, Answering("sound")) == "sound"


def test_an_interrupt_ends_the_cycle() -> None:
    class Interrupted(Answering):
        def add_connection(self, request: AddRequest) -> Added:
            assert request is REQUEST
            raise KeyboardInterrupt

    later = Answering("later")
    with pytest.raises(KeyboardInterrupt):
        routed(Interrupted("interrupted"), later)
    assert later.asked == 0


def test_r1_provider_order_puts_the_named_ones_first() -> None:
    ordered = arranged(builtin(), order=["FTP", "no such network", "webdav"])
    assert [each.name for each in ordered] == ["ftp", "webdav", "smb", "sftp", "s3", "file", "rclone"]


@pytest.mark.parametrize(
    ("name", "claimants"),
    [
        (r"\\files\projects", ["smb", "webdav"]),
        ("//files/projects", ["smb", "webdav"]),
        (r"\\files@SSL\DavWWWRoot\projects", ["webdav"]),
        (r"\\sshfs\ana@files!2222\projects", ["sftp"]),
        ("smb://files/projects", ["smb"]),
        ("sftp://files/projects", ["sftp"]),
        ("ssh://files/projects", ["sftp"]),
        ("dav://files/projects", ["webdav"]),
        ("davs://files/projects", ["webdav"]),
        ("ftp://files/projects", ["ftp"]),
        ("ftps://files/projects", ["ftp"]),
        ("s3://bucket/projects", ["s3"]),
        ("file:///projects", ["file"]),
        ("rclone:work:projects", ["rclone"]),
    ],
)
def test_r2_each_name_is_claimed_by_its_networks(name: str, claimants: list[str]) -> None:
    parsed = parse_remote(name)
    providers: list[Provider] = builtin_providers()
    assert [each.name for each in providers if each.claims(parsed)] == claimants


def test_r3_a_name_of_a_network_that_is_disabled_is_nobody_s(places: Places) -> None:
    del places
    settings.change_disabled_providers(lambda _: ["sftp"])
    with Router() as router, pytest.raises(WNetError) as refused:
        router.connect("sftp://files/")
    assert refused.value.status is Status.ERROR_NO_NET_OR_BAD_PATH
