"""`mpr browse` and the layout of `net view`, in this process."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from mprouter import Router, browsing, settings
from mprouter.cli import browse as browse_command
from mprouter.cli.net_view import view
from mprouter.cli.program import program
from mprouter.providers.base import State
from mprouter.providers.neighbourhood import announced
from mprouter.status import Status, WNetError
from pseudo_terminal import PseudoTerminal
from sandbox import Places
from servers.daemon import wait_for
from servers.ftp import FtpServer
from servers.smb import SmbServer
from strangers import register


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is heard who announces services on the network, as other tests may do at the same time."""
    monkeypatch.setattr(announced, "PATIENCE", 0)


@pytest.fixture
def server(smb_server: SmbServer, places: Places) -> str:
    """A server whose password is stored."""
    url = f"smb://{smb_server.host}:{smb_server.port}"
    file = places.config / "credentials.toml"
    file.write_text(
        f'[[credential]]\nremote = "{url}/*"\nuser = "{smb_server.user}"\npassword = "{smb_server.password}"\n'
    )
    file.chmod(0o600)
    return url


def browse(*arguments: str) -> str:
    result = CliRunner().invoke(program, ["browse", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def rows(*arguments: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(browse(*arguments, "--json"))
    return found


def test_a_server_s_shares_are_shown(server: str) -> None:
    found = {each["remote_name"]: each for each in rows(server)}
    assert found.keys() == {f"{server}/{share}" for share in ("payroll", "projects", "public", "Übersicht der Pläne")}
    assert found[f"{server}/projects"] == {
        "remote_name": f"{server}/projects",
        "local_name": None,
        "provider": "smb",
        "type": "disk",
        "display_type": "share",
        "scope": "globalnet",
        "usage": ["connectable", "container"],
        "comment": None,
    }
    assert [f"{server}/projects", "share", "smb"] in [line.split() for line in browse(server).splitlines()]


def test_without_a_name_what_is_near_and_what_was_connected_is_shown(
    places: Places, local_root: Path, router: Router
) -> None:
    assert browse() == "Nothing is near, and nothing was connected.\n"
    (places.home / ".ssh").mkdir()
    (places.home / ".ssh" / "config").write_text("Host archive\n")
    with router.connect(local_root.as_uri()):
        pass
    assert [(each["remote_name"], each["scope"]) for each in rows()] == [
        (local_root.as_uri(), "recent"),
        ("sftp://archive", "context"),
    ]


def test_a_network_is_browsed_by_the_name_of_its_provider(places: Places) -> None:
    del places  # nothing of the user's own is there
    assert "file:///etc" in [each["remote_name"] for each in rows("FILE")]
    assert browse("rclone") == "There is nothing in it.\n"


ENDLESS = """
capabilities = Stranger.capabilities | Capability.ENUMERATE_GLOBAL
def enumerate(self, *_):
    from itertools import count
    from mprouter.resource import NetResource
    for each in count():
        with open(__file__ + ".told", "w") as file:
            file.write(str(each))
        yield NetResource(f"strange://{each}/")
"""


@pytest.mark.parametrize(("most", "long"), [(50, 60.0), (10_000, 0.0)], ids=["many", "long"])
def test_what_never_ends_is_shown_as_far_as_it_was_told(
    places: Places, monkeypatch: pytest.MonkeyPatch, most: int, long: float
) -> None:
    register(places, "wild", ENDLESS)
    monkeypatch.setattr(browse_command, "MOST", most)
    monkeypatch.setattr(browse_command, "LONG", long)
    monkeypatch.setattr(browsing, "AHEAD", 10)
    before = set(threading.enumerate())
    result = CliRunner().invoke(program, ["browse", "wild", "--json"], catch_exceptions=False)
    found = json.loads(result.stdout)
    assert len(found) == (50 if long else 0)
    assert "are shown" in result.stderr
    wait_for(lambda: set(threading.enumerate()) <= before, "the end of the asking", 60)
    told = int((places.config / "providers.d" / "wild.py.told").read_text())
    assert told < len(found) + 30  # who is not heard tells no more


def test_what_cannot_be_browsed_is_an_error(places: Places) -> None:
    del places  # nothing of the user's own is there
    result = CliRunner().invoke(program, ["browse", r"\\127.0.0.44"])
    assert result.exit_code == 1
    assert "ERROR_BAD_NETPATH, 53" in result.output


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("sftp://files/", "sftp://files/: no network provider accepts this name (ERROR_NO_NET_OR_BAD_PATH, 1203)"),
        ("gopher://files/", "gopher://files/: no network provider accepts this name (ERROR_NO_NET_OR_BAD_PATH, 1203)"),
        ("nonsense", "nonsense: no network here has names of this form (ERROR_NO_NET_OR_BAD_PATH, 1203)"),
    ],
)
def test_r3_a_name_that_none_of_those_who_are_asked_knows_is_nobody_s(places: Places, name: str, words: str) -> None:
    del places
    settings.change_disabled_providers(lambda _: ["sftp"])
    result = CliRunner().invoke(program, ["browse", name])
    assert result.exit_code == 1
    assert words in result.stderr


def test_net_view_has_the_layout_of_windows(
    server: str, smb_server: SmbServer, router: Router, capsys: pytest.CaptureFixture[str]
) -> None:
    with router.connect(f"{server}/projects", "Y:", user=smb_server.user, password=smb_server.password):
        view([server])
    head, _, rest = capsys.readouterr().out.partition(f"{'-' * 79}\n")
    assert head == f"Shared resources at {server}\n\n\n\nShare name           Type  Used as  Comment\n\n"
    *shares, completed, empty = rest.splitlines()
    assert sorted(shares) == [
        "payroll              Disk",
        "projects             Disk  Y:",
        "public               Disk",
        "Übersicht der Pläne  Disk",
    ]
    assert (completed, empty) == ("The command completed successfully.", "")


def test_net_view_without_a_name_shows_the_servers(places: Places, capsys: pytest.CaptureFixture[str]) -> None:
    view([])
    assert capsys.readouterr().out == "There are no entries in the list.\n\n"
    (places.home / ".ssh").mkdir()
    (places.home / ".ssh" / "config").write_text("Host archive\n")
    view([])
    assert capsys.readouterr().out == (
        f"Server Name            Remark\n\n{'-' * 79}\nsftp://archive\nThe command completed successfully.\n\n"
    )
    view(["--JSON"])
    assert [each["remote_name"] for each in json.loads(capsys.readouterr().out)] == ["sftp://archive"]


@pytest.mark.parametrize("switch", ["/ALL", "/cache", "/DOMAIN", "/domain:corp", "/d"])
def test_net_view_has_no_switches_for_what_is_not_here(switch: str) -> None:
    with pytest.raises(WNetError) as caught:
        view([switch])
    assert caught.value.status is Status.ERROR_NOT_SUPPORTED


@pytest.mark.parametrize("words", [["/nonsense"], ["-x"], ["//one", "//two"]])
def test_net_view_refuses_what_is_wrong(words: list[str]) -> None:
    with pytest.raises(click.UsageError, match=r"is unknown|too many"):
        view(words)


def test_on_a_terminal_one_browses_and_connects(server: str, terminal: PseudoTerminal, router: Router) -> None:
    terminal.start("browse", server, "--connect")
    found = terminal.expect("What to connect: ")
    number = next(line.split()[0] for line in found.splitlines() if line.endswith(f"{server}/projects  (share)"))
    terminal.enter(f"{number}\n")
    terminal.expect("Drive letter or directory (Enter for a free letter, - for none): ")
    terminal.enter("y\n")
    terminal.expect("User name (Enter for the usual one): ")
    terminal.enter("\n")
    terminal.expect("Connect it again at login (yes/no) [yes]: ")
    terminal.enter("no\n")
    code, shown = terminal.end()
    assert (code, "Y: -> " in shown) == (0, True)
    made = router.connection("Y:")
    assert (made.remote_name, made.remembered, made.state) == (f"{server}/projects", False, State.CONNECTED)

    terminal.start("disconnect")
    terminal.expect(f"  1  Y:  {server}/projects")
    terminal.expect("What to disconnect (a number, q to leave): ")
    terminal.enter("1\n")
    code, shown = terminal.end()
    assert (code, "Y: disconnected" in shown) == (0, True)
    assert router.connections() == []


def test_a_password_is_asked_for_and_ctrl_c_leaves(ftp_server: FtpServer, terminal: PseudoTerminal) -> None:
    ftp_server.directory("dialog")
    terminal.start("browse", "--connect", "--json")
    for question, answer in (
        ("The network. ", ftp_server.url("/dialog")),
        ("for none): ", "-"),
        ("User name (", ftp_server.user),
        (f"Password of {ftp_server.user} for ", ftp_server.password),
    ):
        terminal.expect(question)
        terminal.enter(f"{answer}\n")
    code, shown = terminal.end()
    assert code == 0
    assert json.loads(shown[shown.index("{") :])["remote_name"] == ftp_server.url("/dialog")
    assert ftp_server.password not in shown

    terminal.start("browse", ftp_server.url("/dialog"), "--connect")
    terminal.expect(f"Enter for {ftp_server.url('/dialog')}, ")
    terminal.enter("\n")
    terminal.expect("for none): ")
    terminal.enter("\x03")
    assert terminal.end()[0] == 130


def test_without_a_terminal_nothing_is_chosen(places: Places) -> None:
    del places  # nothing of the user's own is there
    result = CliRunner().invoke(program, ["browse", "--connect"])
    assert result.exit_code == 1
    assert "this needs a terminal (ERROR_REQUIRES_INTERACTIVE_WINDOWSTATION, 1459); mpr connect needs none" in (
        result.output
    )
    assert CliRunner().invoke(program, ["disconnect"]).exit_code == 2
