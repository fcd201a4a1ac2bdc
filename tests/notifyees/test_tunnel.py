"""The dialler with a real SSH tunnel to a real SFTP server that nothing but the tunnel leads to.

The server has no port: it answers on a Unix socket, which only the gateway's side of the tunnel can open.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from mprouter import ConnectFlag, Router, Status, WNetError
from mprouter.notifyees.dialler import Dialler, SshTunnel
from sandbox import Command, Places
from servers import sftp
from servers.daemon import Fresh, free_port, wait_for
from servers.sftp import SftpServer


@dataclass(frozen=True)
class Corp:
    """A network behind a gateway. port: where its file server is for programs on this side of the tunnel."""

    gateway: SftpServer
    files: SftpServer
    socket: Path
    port: int
    config: Path
    known_hosts: Path

    def url(self, name: str) -> str:
        """The remote name of a new directory on the file server, with a file in it."""
        directory = self.files.directory(name)
        (directory / "README").write_text(f"this is {name}\n")
        return f"sftp://{self.files.user}@127.0.0.1:{self.port}{directory}"

    @property
    def options(self) -> dict[str, str]:
        return {"known_hosts": str(self.known_hosts), "key_file": str(self.files.key)}

    def dialler(self) -> Dialler:
        tunnel = SshTunnel(
            host=f"ssh://root@{self.gateway.host}:{self.gateway.port}",
            forwards=[f"127.0.0.1:{self.port}:{self.socket}"],
            config=str(self.config),
        )
        return Dialler(ssh_tunnel=tunnel, match=[f"sftp://127.0.0.1:{self.port}/*"])

    @property
    def leads_there(self) -> bool:
        """Whether the tunnel's port is open."""
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), timeout=10).close()
            return True
        return False


@contextmanager
def answering(path: Path, server: SftpServer) -> Iterator[None]:
    """Answer on the Unix socket *path* with an sshd of *server*'s settings for each connection, as inetd does."""
    started: list[subprocess.Popen[bytes]] = []
    ending = threading.Event()

    def serve(listener: socket.socket) -> None:
        while True:
            connection, _ = listener.accept()
            with connection:
                if ending.is_set():
                    return
                started.append(
                    subprocess.Popen(
                        [sftp.SSHD, "-i", "-e", "-f", str(server.key.parent / "sshd_config")],
                        stdin=connection.fileno(),
                        stdout=connection.fileno(),
                        stderr=subprocess.DEVNULL,
                    )
                )

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        thread = threading.Thread(target=serve, args=[listener])
        thread.start()
        try:
            yield
        finally:
            ending.set()
            with socket.socket(socket.AF_UNIX) as last:
                last.connect(str(path))
            thread.join()
            path.unlink()
            for each in started:
                each.terminate()
                each.wait()


@pytest.fixture
def corp(sftp_server: SftpServer, fresh: Fresh, places: Places) -> Iterator[Corp]:
    files = fresh(sftp.serve)
    files.stop()  # its port; what is left are its files, keys and settings
    port, path = free_port(), places.base / "files.socket"
    known_hosts = places.base / "known_hosts"
    known_hosts.write_text(files.known_hosts.read_text().replace(f":{files.port}", f":{port}"))
    config = places.base / "ssh_config"
    config.write_text(
        f"IdentityFile {sftp_server.key}\nIdentitiesOnly yes\n"
        f"UserKnownHostsFile {sftp_server.known_hosts}\nGlobalKnownHostsFile /dev/null\n"
    )
    with answering(path, files):
        yield Corp(sftp_server, files, path, port, config, known_hosts)


@pytest.fixture
def router(corp: Corp) -> Iterator[Router]:
    with Router(drop_ins=False) as made:
        made.register(corp.dialler())
        yield made


def tunnel_pid(places: Places) -> int:
    (kept,) = (places.runtime / "dialler").iterdir()
    return int((kept / "tunnel").read_text().split()[0])


def has_ended(pid: int) -> bool:
    """Whether the process *pid* has ended, though its parent may not have heard of it yet."""
    try:
        return not Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return True


def test_without_the_dialler_the_server_cannot_be_reached(corp: Corp) -> None:
    with Router(drop_ins=False) as alone, pytest.raises(WNetError) as failure:
        alone.connect(corp.url("unreached"), options=corp.options)
    assert failure.value.status is Status.ERROR_CONNECTION_REFUSED


def test_connect_dials_two_connections_share_the_tunnel_and_the_last_disconnect_hangs_up(
    corp: Corp, router: Router, places: Places
) -> None:
    assert not corp.leads_there
    first = router.connect(corp.url("first"), "Z:", options=corp.options)
    assert (first.path / "README").read_text() == "this is first\n"
    dialled = tunnel_pid(places)

    second = router.connect(corp.url("second"), options=corp.options)
    assert (second.path / "README").read_text() == "this is second\n"
    assert tunnel_pid(places) == dialled

    (first.path / "written").write_text("through the tunnel\n")
    router.disconnect("Z:")
    assert (corp.files.root / "first" / "written").read_text() == "through the tunnel\n"
    assert corp.leads_there
    assert (second.path / "README").read_text() == "this is second\n"

    second.close()
    assert not corp.leads_there
    wait_for(lambda: has_ended(dialled), "the end of the tunnel's process")


def test_n11_a_tunnel_that_is_killed_before_the_attempt_is_redialled_by_retry(
    corp: Corp, router: Router, places: Places
) -> None:
    killed: list[int] = []

    def kill(event: object) -> None:
        del event
        if not killed:
            killed.append(tunnel_pid(places))
            os.kill(killed[0], signal.SIGKILL)
            wait_for(lambda: not corp.leads_there, "the end of the tunnel")

    router.register(kill, order=90)
    connection = router.connect(corp.url("retried"), "Z:", options=corp.options)
    assert (connection.path / "README").read_text() == "this is retried\n"
    assert tunnel_pid(places) != killed[0]
    connection.close()
    assert not corp.leads_there


def test_a_tunnel_that_was_killed_between_two_connections_is_dialled_for_the_next(
    corp: Corp, router: Router, places: Places
) -> None:
    first = router.connect(corp.url("before"), options=corp.options)
    os.kill(tunnel_pid(places), signal.SIGKILL)
    wait_for(lambda: not corp.leads_there, "the end of the tunnel")
    second = router.connect(corp.url("after"), options=corp.options)
    assert (second.path / "README").read_text() == "this is after\n"
    assert (first.path / "README").read_text() == "this is before\n"  # rclone has found the way again, too
    first.close()
    assert corp.leads_there
    second.close()
    assert not corp.leads_there


def test_a_connection_that_fails_behind_the_tunnel_hangs_up(corp: Corp, router: Router) -> None:
    with pytest.raises(WNetError) as failure:
        router.connect(corp.url("there") + "/not", options=corp.options)
    assert failure.value.status is not Status.ERROR_CONNECTION_REFUSED
    assert not corp.leads_there


def test_n16_current_media_leaves_the_tunnel_down(corp: Corp, router: Router) -> None:
    with pytest.raises(WNetError) as failure:
        router.connect(corp.url("media"), options=corp.options, flags=ConnectFlag.CURRENT_MEDIA)
    assert failure.value.status is Status.ERROR_CONNECTION_REFUSED


def test_another_process_shares_the_tunnel_and_its_disconnect_is_the_last(
    corp: Corp, router: Router, places: Places
) -> None:
    """A drive of this process's router, and one of a process that ends and leaves its connection behind."""
    connection = router.connect(corp.url("mine"), options=corp.options)
    dialled = tunnel_pid(places)
    script = (
        "import sys; from mprouter import Router\n"
        "from mprouter.notifyees.dialler import Dialler, SshTunnel\n"
        "host, forward, config, match, url, hosts, key = sys.argv[1:]\n"
        "router = Router(drop_ins=False)\n"
        "tunnel = SshTunnel(host=host, forwards=[forward], config=config)\n"
        "router.register(Dialler(ssh_tunnel=tunnel, match=[match]))\n"
        "router.connect(url, 'Y:', options={'known_hosts': hosts, 'key_file': key})\n"
    )
    tunnel = corp.dialler().link
    assert isinstance(tunnel, SshTunnel)
    match = f"sftp://127.0.0.1:{corp.port}/*"
    arguments = [
        tunnel.host,
        tunnel.forwards[0],
        corp.config,
        match,
        corp.url("theirs"),
        corp.known_hosts,
        corp.files.key,
    ]
    subprocess.run([sys.executable, "-c", script, *map(str, arguments)], check=True, timeout=120)
    assert tunnel_pid(places) == dialled
    connection.close()
    assert corp.leads_there
    assert (places.drives / "Y" / "README").read_text() == "this is theirs\n"
    router.disconnect("Y:")
    assert not corp.leads_there


def test_a_drop_in_of_a_few_lines_and_commands_that_each_are_a_process(
    corp: Corp, places: Places, mpr: Command
) -> None:
    dialler = corp.dialler()
    tunnel = dialler.link
    assert isinstance(tunnel, SshTunnel)
    directory = places.config / "notifyees.d"
    directory.mkdir(parents=True)
    (directory / "corp.toml").write_text(
        'target = "python:mprouter.notifyees.dialler:Dialler"\n'
        f'match = ["sftp://127.0.0.1:{corp.port}/*"]\n'
        "[settings.ssh_tunnel]\n"
        f'host = "{tunnel.host}"\nforwards = ["{tunnel.forwards[0]}"]\nconfig = "{tunnel.config}"\n'
    )
    options = [f"-o{key}={value}" for key, value in corp.options.items()]
    first = mpr("connect", corp.url("one"), "Z:", *options)
    assert first.returncode == 0, first.stderr
    dialled = tunnel_pid(places)
    assert mpr("connect", corp.url("two"), "Y:", *options).returncode == 0
    assert tunnel_pid(places) == dialled

    assert mpr("disconnect", "Z:").returncode == 0
    assert corp.leads_there
    assert (places.drives / "Y" / "README").read_text() == "this is two\n"

    assert mpr("disconnect", "Y:").returncode == 0
    assert not corp.leads_there
