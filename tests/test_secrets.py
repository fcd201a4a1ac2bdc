"""A password is nowhere but in the credential store (N15, C8): not in any process, file, event, output or exception."""

from __future__ import annotations

import json
import os
import traceback
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from mprouter import Router, Secret, WNetError
from mprouter.credentials import save
from mprouter.names import parse_remote
from mprouter.providers.rclone import daemon
from mprouter.store import Remembered, Store
from servers.sftp import SftpServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox import Command, Places
    from servers.ftp import FtpServer
    from servers.smb import SmbServer
    from servers.webdav import WebdavServer

    AnyServer = SftpServer | SmbServer | WebdavServer | FtpServer

WRONG = "planted-Wr0ng-s3cret"


def hook(places: Places) -> Path:
    """Register a command that keeps all that it is told: input, variables, arguments."""
    script, told = places.home / "hook", places.home / "told"
    script.write_text(f'#!/bin/sh\n{{ cat; env; echo "$@"; }} >>{told}\n')
    script.chmod(0o700)
    (places.config / "notifyees.d").mkdir()
    (places.config / "notifyees.d" / "hook.toml").write_text(f'target = "command:{script}"\n')
    return told


def found(secret: str, places: Places) -> list[str]:
    """Where the secret is: the places' files and their names, and what processes show of themselves."""
    needle = secret.encode()
    return [
        str(path) for path in files(places) if secret in path.name or (path.is_file() and needle in path.read_bytes())
    ] + [
        f"{kind} of {pid}"
        for pid in places.processes()
        for kind in ("cmdline", "environ")
        if needle in Path(f"/proc/{pid}/{kind}").read_bytes()
    ]


def files(places: Places) -> Iterator[Path]:
    """All files and directories of the places, without what is mounted there."""
    mounts = places.mounts()
    for directory, below, names in os.walk(places.base):
        below[:] = [name for name in below if f"{directory}/{name}" not in mounts]
        yield from (Path(directory, name) for name in [*below, *names])


def arguments(server: AnyServer) -> list[str]:
    """What connects to *server*, without the password."""
    options = ["-o", f"known_hosts={server.known_hosts}"] if isinstance(server, SftpServer) else []
    return [server.url(), "--user", server.user, *options]


@pytest.mark.parametrize("kind", ["sftp_server", "smb_server", "webdav_server", "ftp_server"])
def test_c8_a_password_leaves_no_trace(request: pytest.FixtureRequest, places: Places, mpr: Command, kind: str) -> None:
    server: AnyServer = request.getfixturevalue(kind)
    told = hook(places)
    right = server.password
    outputs = []
    for password in (WRONG, right):
        run = mpr("connect", *arguments(server), "Z:", "--password-stdin", stdin=f"{password}\n")
        assert (run.returncode == 0) is (password == right), run.stderr
        outputs += [run.stdout, run.stderr]
    for command in (["list"], ["list", "--json"], ["events"], ["events", "--json"]):
        run = mpr(*command)
        outputs.append(run.stdout)
    assert json.loads(mpr("list", "--json").stdout)[0]["local_name"] == "Z:"
    assert "MPR_REMOTE_NAME" in told.read_text()
    rclone = daemon.running()
    assert rclone is not None
    for secret in (WRONG, right):
        assert found(secret, places) == []
        assert found(rclone.obscured(Secret(secret)), places) == []  # which anybody can make out
        assert secret not in "".join(outputs)
    assert mpr("disconnect", "Z:").returncode == 0


def test_c8_an_exception_does_not_carry_the_password(router: Router, ftp_server: FtpServer) -> None:
    with pytest.raises(WNetError) as failure:
        router.connect(ftp_server.url(), password=WRONG)
    shown = "".join(traceback.TracebackException.from_exception(failure.value, capture_locals=False).format())
    chain: list[BaseException | None] = [failure.value, failure.value.__cause__, failure.value.__context__]
    shown += "".join(repr(error.__dict__) + repr(error.args) for error in chain if error is not None)
    assert WRONG not in shown


def test_c8_a_secret_is_in_no_variable_that_a_traceback_shows(router: Router, ftp_server: FtpServer) -> None:
    with pytest.raises(WNetError) as failure:
        router.connect(ftp_server.url(), password=Secret(WRONG))
    shown = "".join(traceback.TracebackException.from_exception(failure.value, capture_locals=True).format())
    assert "password = ***" in shown
    assert WRONG not in shown


class Repeating(StreamRequestHandler):
    """An FTP server that says the password which it refuses."""

    def handle(self) -> None:
        self.wfile.write(b"220 ready\r\n")
        for line in self.rfile:
            command, _, said = line.strip().partition(b" ")
            answers = {b"USER": b"331 the password?", b"PASS": b"599 " + said + b" is odd", b"QUIT": b"221 bye"}
            self.wfile.write(answers.get(command.upper(), b"502 what?") + b"\r\n")


def test_c8_a_password_that_the_server_repeats_is_struck_out(mpr: Command, places: Places) -> None:
    secret = 'planted"Wr0ng\\s3cret'
    with ThreadingTCPServer(("127.0.0.1", 0), Repeating) as server:
        serving = Thread(target=server.serve_forever)
        serving.start()
        remote = f"ftp://127.0.0.1:{server.server_address[1]}/x"
        outputs = []
        for more in ((), ("-v",), ("--json",)):
            run = mpr("connect", remote, "Z:", "--user", "ana", "--password-stdin", *more, stdin=secret)
            assert run.returncode != 0
            outputs += [run.stdout, run.stderr]
        server.shutdown()
        serving.join()
    assert "*** is odd" in "".join(outputs), "the server's words are told"
    outputs += [mpr("events").stdout, mpr("events", "--json").stdout]
    for form in (secret, json.dumps(secret)[1:-1], json.dumps(json.dumps(secret)[1:-1])[1:-1]):
        assert form not in "".join(outputs)
        assert found(form, places) == []


@pytest.mark.parametrize("stored", [True, False], ids=["in the store", "who runs this"])
def test_n15_as_whom_it_was_tried_is_not_recorded(
    router: Router, webdav_server: WebdavServer, monkeypatch: pytest.MonkeyPatch, stored: bool
) -> None:
    remote = f"dav://{webdav_server.host}:{webdav_server.port}/"
    if stored:
        save(parse_remote(remote), "annabel", Secret("wrong"))
    else:
        monkeypatch.setenv("LOGNAME", "annabel")
    with pytest.raises(WNetError, match="user annabel is not accepted with this password"):
        router.connect(remote, "Z:", password=None if stored else "wrong")
    Store().remember(Remembered("Y:", remote, parse_remote(remote).canonical, None, None, 1, {}, 0.0))
    [restored] = router.restore("Y:")
    assert restored.error
    messages = [each.message for each in Store().events() if each.kind == "operation"]
    assert messages[0] == "user *** is not accepted with this password"
    assert len(messages) == 2
    assert "annabel" not in repr(messages)
