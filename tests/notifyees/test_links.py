"""Each kind of link. SSH is the real one, against a real server.

Where there is no service manager, no NetworkManager and no WireGuard to try, programs of their names stand in for
theirs: they keep what they were asked to do, and what is up, in files.
"""

from __future__ import annotations

import os
import re
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from links import Programs
from mprouter import ConnectFlag, Status, WNetError
from mprouter.notifyees.dialler import Dialler
from mprouter.notifyees.links import Link, NetworkManagerConnection, SshTunnel, SystemdUnit, WireGuard
from mprouter.testing import RecordingRouter
from sandbox import Places
from servers import sftp
from servers.daemon import Fresh, free_port, processes, wait_for
from servers.sftp import SftpServer

NAME = "sftp://files.corp.example/projects"

STAND_IN = """
cd "$(dirname "$0")"
echo "$(basename "$0") $*" >>asked
case "$(basename "$0") $*" in
    *is-active*) [ -e is-up ] ;;
    *GENERAL.STATE*) [ ! -e is-up ] || echo activated ;;
    *"wg show"*) [ ! -e is-up ] || echo "wg0 corp" ;;
    *refused*) echo "Failed to do it: Access denied"; exit 4 ;;
    *start*|*up*) touch is-up ;;
    *stop*|*down*) rm is-up ;;
esac
"""


@pytest.fixture
def stand_ins(programs: Programs) -> Path:
    """The directory of the programs, where they keep ``asked`` and ``is-up``."""
    for name in ("systemctl", "nmcli", "wg", "wg-quick"):
        programs.make(name, STAND_IN)
    return programs.directory


def changes(stand_ins: Path) -> list[str]:
    """What the programs were asked to change."""
    asked = (stand_ins / "asked").read_text().splitlines()
    return [each for each in asked if not re.search("is-active|GENERAL.STATE|wg show", each)]


KINDS = [
    pytest.param(
        {"unit": "openvpn-client@corp.service"},
        [
            "systemctl --no-ask-password start -- openvpn-client@corp.service",
            "systemctl --no-ask-password stop --no-block -- openvpn-client@corp.service",
        ],
        id="unit",
    ),
    pytest.param(
        {"user_unit": "tunnel.service"},
        [
            "systemctl --user --no-ask-password start -- tunnel.service",
            "systemctl --user --no-ask-password stop --no-block -- tunnel.service",
        ],
        id="user_unit",
    ),
    pytest.param(
        {"network_manager": "Corp VPN", "wait": 20},
        ["nmcli --wait 20 connection up id Corp VPN", "nmcli --wait 20 connection down id Corp VPN"],
        id="network_manager",
    ),
    pytest.param({"wireguard": "corp"}, ["wg-quick up corp", "wg-quick down corp"], id="wireguard"),
    pytest.param(
        {"wireguard": "/etc/vpn/corp.conf"},
        ["wg-quick up /etc/vpn/corp.conf", "wg-quick down /etc/vpn/corp.conf"],
        id="wireguard file",
    ),
]


@pytest.mark.parametrize(("settings", "asked"), KINDS)
def test_a_link_is_brought_up_and_taken_down(settings: dict[str, str], asked: list[str], stand_ins: Path) -> None:
    router = RecordingRouter(Dialler(**settings))  # type: ignore[arg-type]
    assert router.add(NAME, "Z:").status is Status.WN_SUCCESS
    assert changes(stand_ins) == asked[:1]
    router.cancel("Z:")
    assert changes(stand_ins) == asked


@pytest.mark.parametrize(("settings", "asked"), KINDS)
def test_a_link_that_was_up_already_stays_up(settings: dict[str, str], asked: list[str], stand_ins: Path) -> None:
    (stand_ins / "is-up").touch()
    router = RecordingRouter(Dialler(**settings))  # type: ignore[arg-type]
    assert router.add(NAME, "Z:").status is Status.WN_SUCCESS
    router.cancel("Z:")
    assert changes(stand_ins) == []
    assert asked


@pytest.mark.parametrize(
    ("settings", "question"),
    [
        ({"unit": "corp.service"}, "systemctl --no-ask-password is-active --quiet -- corp.service"),
        ({"user_unit": "corp.service"}, "systemctl --user --no-ask-password is-active --quiet -- corp.service"),
        ({"network_manager": "Corp VPN"}, "nmcli --get-values GENERAL.STATE connection show id Corp VPN"),
        ({"wireguard": "corp"}, "wg show interfaces"),
    ],
)
def test_how_a_link_is_asked_whether_it_is_up(settings: dict[str, str], question: str, stand_ins: Path) -> None:
    router = RecordingRouter(Dialler(**settings))  # type: ignore[arg-type]
    router.add(NAME, "Z:", flags=ConnectFlag.CURRENT_MEDIA)
    assert (stand_ins / "asked").read_text().splitlines() == [question]


def test_nmcli_waits_also_when_little_time_is_left(stand_ins: Path) -> None:
    NetworkManagerConnection("Corp VPN").up(stand_ins, 0.4)
    assert changes(stand_ins) == ["nmcli --wait 1 connection up id Corp VPN"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"unit": "--now"}, "unit must be a name"),
        ({"network_manager": ""}, "network_manager must be a name"),
        ({"wireguard": "vpn/corp.conf"}, "wireguard must be the name of an interface, or the absolute path"),
        ({"up": "up", "down": "/bin/down"}, "up must begin with the absolute path"),
        ({"up": "/bin/up 'x", "down": "/bin/down"}, "up cannot be split into words"),
        ({"unit": "a", "wait_for": "h:70000"}, "wait_for must be host:port, not h:70000"),
    ],
)
def test_what_a_program_would_misunderstand_is_refused(settings: dict[str, str], words: str) -> None:
    with pytest.raises(WNetError, match=words) as failure:
        Dialler(**settings)  # type: ignore[arg-type]
    assert failure.value.status is Status.ERROR_BAD_CONFIGURATION


@pytest.mark.parametrize(
    ("link", "words"),
    [
        (SystemdUnit("refused.service"), "the unit refused.service"),
        (NetworkManagerConnection("refused"), "the NetworkManager connection refused"),
        (WireGuard("refused"), "the WireGuard interface refused"),
    ],
)
def test_a_link_that_cannot_be_brought_up_says_what_the_program_said(link: Link, words: str, stand_ins: Path) -> None:
    del stand_ins
    dialler = Dialler(unit="replaced")
    dialler.link = link
    result = RecordingRouter(dialler).add(NAME)
    assert result.status is Status.ERROR_NETWORK_UNREACHABLE
    assert f"{words} could not be brought up: " in str(result.error)
    assert "ended with exit code 4: Failed to do it: Access denied" in str(result.error)


def test_n11_a_unit_that_stopped_meanwhile_is_started_again(stand_ins: Path) -> None:
    dialler = Dialler(unit="corp.service")
    with RecordingRouter(dialler) as router:

        def stop(event: object) -> None:
            if changes(stand_ins) == ["systemctl --no-ask-password start -- corp.service"]:
                (stand_ins / "is-up").unlink()
            del event

        router.register(stop, order=90)
        result = router.add(NAME, outcomes=[Status.ERROR_HOST_UNREACHABLE, Status.WN_SUCCESS])
    assert (result.status, result.attempts) == (Status.WN_SUCCESS, 2)
    assert changes(stand_ins) == ["systemctl --no-ask-password start -- corp.service"] * 2


def test_a_program_that_is_not_installed_is_named(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(places.base))
    result = RecordingRouter(Dialler(network_manager="Corp VPN")).add(NAME)
    assert result.status is Status.ERROR_SERVICE_NOT_FOUND
    assert "the program nmcli is not there" in str(result.error)


# -- SSH ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The private directory of a link."""
    path = tmp_path / "place"
    path.mkdir(mode=0o700)
    return path


def ssh_config(server: SftpServer, directory: Path, **more: object) -> str:
    """A configuration file for logging in to *server* with its key."""
    settings = {
        "IdentityFile": server.key,
        "IdentitiesOnly": "yes",
        "UserKnownHostsFile": server.known_hosts,
        "GlobalKnownHostsFile": "/dev/null",
        **more,
    }
    path = directory / "ssh_config"
    path.write_text("".join(f"{key} {value}\n" for key, value in settings.items()))
    return str(path)


@pytest.fixture
def tunnel(sftp_server: SftpServer, tmp_path: Path, place: Path) -> Iterator[SshTunnel]:
    """A tunnel to a server's own SSH port, which is down."""
    made = tunnel_to(sftp_server, tmp_path)
    yield made
    made.down(place, 10)


def tunnel_to(server: SftpServer, directory: Path, **more: object) -> SshTunnel:
    return SshTunnel(
        host=f"ssh://root@{server.host}:{server.port}",
        forwards=[f"127.0.0.1:{free_port()}:{server.host}:{server.port}"],
        config=ssh_config(server, directory, **more),
    )


def port(tunnel: SshTunnel) -> int:
    return int(tunnel.forwards[0].split(":")[1])


def pid(place: Path) -> int:
    return int((place / "tunnel").read_text().split()[0])


def greeting(port: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        return connection.recv(4)


def test_a_tunnel_that_is_up_leads_there_at_once(tunnel: SshTunnel, place: Path) -> None:
    assert not tunnel.is_up(place)
    tunnel.up(place, 20)
    assert tunnel.is_up(place)
    assert greeting(port(tunnel)) == b"SSH-"
    tunnel.down(place, 20)
    assert not tunnel.is_up(place)
    with pytest.raises(ConnectionRefusedError):
        greeting(port(tunnel))


def test_a_tunnel_is_nobodys_child_and_leaves_no_zombie(tunnel: SshTunnel, place: Path) -> None:
    children = {child for child, parent in processes() if parent == os.getpid()}
    tunnel.up(place, 20)
    tunnel.down(place, 20)
    assert {child for child, parent in processes() if parent == os.getpid()} == children


def test_a_tunnel_survives_ctrl_c_at_the_terminal_that_it_was_started_from(tunnel: SshTunnel, place: Path) -> None:
    tunnel.up(place, 20)
    assert os.getsid(pid(place)) != os.getsid(0)


def test_a_killed_tunnel_is_down(tunnel: SshTunnel, place: Path) -> None:
    tunnel.up(place, 20)
    os.kill(pid(place), signal.SIGKILL)
    wait_for(lambda: not tunnel.is_up(place), "the end of ssh")


def test_a_tunnel_ends_when_its_server_does(fresh: Fresh, tmp_path: Path, place: Path) -> None:
    server = fresh(sftp.serve)
    tunnel = tunnel_to(server, tmp_path)
    tunnel.up(place, 20)
    server.stop()
    wait_for(lambda: not tunnel.is_up(place), "the end of ssh")


def test_another_process_of_the_same_number_is_not_the_tunnel(tunnel: SshTunnel, place: Path) -> None:
    (place / "tunnel").write_text(f"{os.getpid()} another boot/12345")
    assert not tunnel.is_up(place)
    tunnel.down(place, 1)  # and this process is still there


def test_a_port_that_another_program_has_is_no_tunnel(tunnel: SshTunnel, place: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", port(tunnel))),
        pytest.raises(WNetError, match=r"ssh has ended: .*forward") as failure,
    ):
        tunnel.up(place, 20)
    assert failure.value.status is Status.ERROR_NETWORK_UNREACHABLE
    assert not tunnel.is_up(place)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        (("UserKnownHostsFile", "wrong_hosts"), "Host key verification failed"),
        (("UserKnownHostsFile", "unknown_hosts"), "Host key verification failed"),
        (("IdentityFile", "/dev/null"), r"Permission denied \(publickey"),
    ],
)
def test_ssh_asks_nobody_and_its_refusal_is_told(
    sftp_server: SftpServer, tmp_path: Path, place: Path, setting: tuple[str, str], words: str
) -> None:
    key, value = setting
    tunnel = tunnel_to(sftp_server, tmp_path, **{key: getattr(sftp_server, value, value)})
    with pytest.raises(WNetError, match=words):
        tunnel.up(place, 20)
    assert not tunnel.is_up(place)


def test_a_server_that_says_nothing_is_given_up(tmp_path: Path, place: Path, sftp_server: SftpServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        tunnel = SshTunnel(
            host=f"ssh://root@127.0.0.1:{silent.getsockname()[1]}",
            forwards=["127.0.0.1:1:127.0.0.1:1"],
            config=ssh_config(sftp_server, tmp_path),
        )
        with pytest.raises(WNetError) as failure:
            tunnel.up(place, 0.5)
    assert failure.value.status is Status.ERROR_TIMEOUT
    assert not (place / "tunnel").exists()


@pytest.mark.parametrize(
    ("host", "forwards", "words"),
    [
        ("-oProxyCommand=touch /tmp/x", ["1:a:1"], "ssh_tunnel.host"),
        ("", ["1:a:1"], "ssh_tunnel.host"),
        ("gw", [], "ssh_tunnel.forwards"),
        ("gw", ["8022"], "8022"),
        ("gw", ["8022:files"], "8022:files"),
        ("gw", ["8022:files:22 -R 1:b:1"], "neither"),
    ],
)
def test_what_ssh_would_misunderstand_is_refused(host: str, forwards: list[str], words: str) -> None:
    with pytest.raises(WNetError, match=words) as failure:
        SshTunnel(host=host, forwards=forwards)
    assert failure.value.status is Status.ERROR_BAD_CONFIGURATION


@pytest.mark.parametrize(
    "forward",
    ["8022:files:22", "127.0.0.1:8022:files.corp.example:22", "[::1]:8022:[2001:db8::7]:22", "*:80:x:8080", "1:/run/x"],
)
def test_the_forwards_of_ssh_are_accepted(forward: str) -> None:
    assert SshTunnel(host="ana@gw", forwards=[forward]).forwards == [forward]
