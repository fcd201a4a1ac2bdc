"""The test servers themselves, seen by clients that have nothing to do with mprouter."""

from __future__ import annotations

import base64
import ftplib
import io
import os
import socket
import ssl
import subprocess
import sys
from contextlib import closing
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pytest

from servers import sftp, smb, webdav

if TYPE_CHECKING:
    from sandbox import OrdinaryUser
    from servers.account import Account
    from servers.daemon import Fresh
    from servers.ftp import FtpServer
    from servers.s3 import S3Server
    from servers.sftp import SftpServer
    from servers.smb import SmbServer
    from servers.webdav import WebdavServer


def run(*argv: str | Path, stdin: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "LC_ALL": "C.UTF-8", **variables}
    return subprocess.run(argv, input=stdin, env=environment, capture_output=True, text=True, timeout=60, check=False)


# SFTP


def sftp_batch(server: SftpServer, commands: str, *options: str) -> subprocess.CompletedProcess[str]:
    settings = ["-F", "none", "-o", "GlobalKnownHostsFile=/dev/null", "-P", str(server.port)]
    return run("sftp", *settings, *options, "-b", "-", f"{server.user}@{server.host}", stdin=commands)


def with_hosts(file: Path) -> list[str]:
    return ["-o", f"UserKnownHostsFile={file}"]


def ask_pass(tmp_path: Path, password: str) -> dict[str, str]:
    """Variables that make OpenSSH read the password from a program, as it does without a terminal."""
    program = tmp_path / "askpass"
    program.write_text(f"#!/bin/sh\necho '{password}'\n")
    program.chmod(0o700)
    return {"SSH_ASKPASS": str(program), "SSH_ASKPASS_REQUIRE": "force"}


def ssh_with_password(server: SftpServer, tmp_path: Path, password: str) -> subprocess.CompletedProcess[str]:
    return run(
        "sftp", "-F", "none", "-P", str(server.port), *with_hosts(server.known_hosts),
        "-o", "PubkeyAuthentication=no", "-o", "NumberOfPasswordPrompts=1", f"{server.user}@{server.host}",
        stdin=f"ls {server.root}\n", **ask_pass(tmp_path, password),
    )  # fmt: skip


def test_sftp_serves_files_to_a_key(sftp_server: SftpServer, tmp_path: Path) -> None:
    there = sftp_server.directory("by key")
    (tmp_path / "local").write_text("grün")
    result = sftp_batch(
        sftp_server,
        f'put {tmp_path}/local "{there}/grün"',
        "-i",
        str(sftp_server.key),
        *with_hosts(sftp_server.known_hosts),
    )
    assert result.returncode == 0, result.stderr
    assert (there / "grün").read_text() == "grün"


def test_sftp_takes_the_right_password_only(sftp_server: SftpServer, tmp_path: Path) -> None:
    right = ssh_with_password(sftp_server, tmp_path, sftp_server.password)
    assert right.returncode == 0, right.stderr
    wrong = ssh_with_password(sftp_server, tmp_path, "not the password")
    assert wrong.returncode == 255
    assert "Permission denied (publickey,password)" in wrong.stderr


@pytest.mark.parametrize(
    ("hosts", "complaint"),
    [
        ("unknown_hosts", "Host key verification failed"),
        ("wrong_hosts", "REMOTE HOST IDENTIFICATION HAS CHANGED"),
    ],
)
def test_sftp_host_keys_are_told_apart(sftp_server: SftpServer, hosts: str, complaint: str) -> None:
    result = sftp_batch(sftp_server, "pwd", "-i", str(sftp_server.key), *with_hosts(getattr(sftp_server, hosts)))
    assert result.returncode == 255
    assert complaint in result.stderr


def test_sftp_fingerprints_are_those_that_it_shows(sftp_server: SftpServer) -> None:
    scan = run("ssh-keyscan", "-p", str(sftp_server.port), sftp_server.host)
    shown = run("ssh-keygen", "-l", "-f", "-", stdin=scan.stdout)
    assert {line.split()[1] for line in shown.stdout.splitlines()} == sftp_server.fingerprints


def test_a_stopped_server_refuses_and_comes_back(fresh: Fresh) -> None:
    server = fresh(sftp.serve)
    options = ["-i", str(server.key), *with_hosts(server.known_hosts)]
    argv = ["ssh", "-F", "none", "-p", str(server.port), *options, f"{server.user}@{server.host}", "cat"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as held:
        assert held.stdin
        assert held.stdout
        held.stdin.write(b"echo\n")
        held.stdin.flush()
        assert held.stdout.readline() == b"echo\n"
        server.stop()
        assert held.wait(timeout=20) == 255, "the open connection must break"
    assert "Connection refused" in sftp_batch(server, "pwd", *options).stderr
    server.start()
    assert sftp_batch(server, "pwd", *options).returncode == 0


# SMB


def smbclient(
    server: SmbServer, share: str, commands: str, password: str | None = None
) -> subprocess.CompletedProcess[str]:
    return run(
        "smbclient", "-p", str(server.port), f"//{server.host}/{share}", "-U", server.user, "-c", commands,
        PASSWD=password or server.password,
    )  # fmt: skip


@pytest.mark.parametrize("share", ["projects", "PROJECTS", "Übersicht der Pläne", "hidden$"])
def test_smb_shares_can_be_written(smb_server: SmbServer, share: str) -> None:
    result = smbclient(smb_server, share, "mkdir grün; ls")
    assert result.returncode == 0, result.stdout
    assert "grün" in result.stdout
    on_server = smb_server.shares[share.lower() if share.isascii() else share] / "grün"
    assert on_server.is_dir()
    on_server.rmdir()


@pytest.mark.parametrize(
    ("share", "password", "status"),
    [
        ("public", None, "NT_STATUS_ACCESS_DENIED making remote directory"),
        ("payroll", None, "tree connect failed: NT_STATUS_ACCESS_DENIED"),
        ("missing", None, "NT_STATUS_BAD_NETWORK_NAME"),
        ("projects", "not the password", "NT_STATUS_LOGON_FAILURE"),
    ],
)
def test_smb_refuses_with_the_right_status(
    smb_server: SmbServer, share: str, password: str | None, status: str
) -> None:
    result = smbclient(smb_server, share, "mkdir refused", password)
    assert status in result.stdout + result.stderr
    assert not (smb_server.shares["public"] / "refused").exists()


def test_smb_answers_on_the_standard_port_of_an_address_of_its_own(fresh: Fresh) -> None:
    server = fresh(smb.serve, host="127.83.77.66", port=445)
    result = run("smbclient", "//127.83.77.66/projects", "-U", server.user, "-c", "ls", PASSWD=server.password)
    assert result.returncode == 0, result.stdout
    assert server.unc() == r"\\127.83.77.66\projects"


# WebDAV


def http(
    server: WebdavServer, method: str, path: str, *, password: str | None = None, body: bytes = b"", tls: bool = False
) -> tuple[int, bytes]:
    connection = (
        HTTPSConnection(
            server.host, server.tls_port, timeout=20, context=ssl.create_default_context(cafile=server.ca_file)
        )
        if tls
        else HTTPConnection(server.host, server.port, timeout=20)
    )
    with closing(connection):
        login = base64.b64encode(f"{server.user}:{password or server.password}".encode()).decode()
        depth = {"Depth": "1"} if method == "PROPFIND" else {}
        connection.request(method, path, body, {"Authorization": f"Basic {login}", **depth})
        response = connection.getresponse()
        return response.status, response.read()


@pytest.mark.parametrize("tls", [False, True])
def test_webdav_keeps_files(webdav_server: WebdavServer, *, tls: bool) -> None:
    name = f"gr%C3%BCn{tls}"
    assert http(webdav_server, "PUT", f"/{name}", body=b"content", tls=tls)[0] == 201
    assert (webdav_server.root / unquote(name)).read_bytes() == b"content"
    status, listing = http(webdav_server, "PROPFIND", "/", tls=tls)
    assert status == 207
    assert unquote(name) in unquote(listing.decode())
    assert http(webdav_server, "DELETE", f"/{name}", tls=tls)[0] == 204
    assert not (webdav_server.root / unquote(name)).exists()


@pytest.mark.parametrize(
    ("method", "path", "password", "status"),
    [
        ("PROPFIND", "/", "not the password", 401),
        ("PROPFIND", "/missing", None, 404),
        ("PROPFIND", "/forbidden", None, 403),
        ("PROPFIND", "/readonly/", None, 207),
        ("PUT", "/readonly/file", None, 403),
    ],
)
def test_webdav_answers_with_the_right_status(
    webdav_server: WebdavServer, method: str, path: str, password: str | None, status: int
) -> None:
    assert http(webdav_server, method, path, password=password)[0] == status


def test_webdav_certificate_is_nobody_elses(webdav_server: WebdavServer) -> None:
    connection = HTTPSConnection(webdav_server.host, webdav_server.tls_port, timeout=20)
    with closing(connection), pytest.raises(ssl.SSLCertVerificationError, match="self-signed certificate"):
        connection.request("OPTIONS", "/")


def test_webdav_answers_on_the_standard_ports_of_an_address_of_its_own(fresh: Fresh) -> None:
    server = fresh(webdav.serve, host="127.68.65.86", port=80, tls_port=443)
    assert http(server, "PROPFIND", "/")[0] == 207
    assert http(server, "PROPFIND", "/", tls=True)[0] == 207


# FTP


@pytest.mark.parametrize("tls", [False, True])
def test_ftp_keeps_files(ftp_server: FtpServer, *, tls: bool) -> None:
    there = ftp_server.directory(f"grün{tls}")
    client = ftplib.FTP_TLS(context=ssl.create_default_context(cafile=ftp_server.ca_file)) if tls else ftplib.FTP()
    with client:
        client.connect(ftp_server.host, ftp_server.port, timeout=20)
        client.login(ftp_server.user, ftp_server.password)
        if isinstance(client, ftplib.FTP_TLS):
            client.prot_p()
        client.cwd(there.name)
        client.storbinary("STOR file", io.BytesIO(b"content"))
        assert (there / "file").read_bytes() == b"content"
        assert [name for name, _ in client.mlsd()] == ["file"]
        client.rename("file", "grün")
        assert (there / "grün").read_bytes() == b"content"


def test_ftp_refuses_a_wrong_password_and_writing_where_it_may_not(ftp_server: FtpServer) -> None:
    with ftplib.FTP() as client:
        client.connect(ftp_server.host, ftp_server.port, timeout=20)
        with pytest.raises(ftplib.error_perm, match="530"):
            client.login(ftp_server.user, "not the password")
        client.login(ftp_server.user, ftp_server.password)
        with pytest.raises(ftplib.error_perm, match="550"):
            client.mkd("readonly/refused")


def test_ftp_speaks_tls_from_the_start(ftp_server: FtpServer) -> None:
    context = ssl.create_default_context(cafile=ftp_server.ca_file)
    plain = socket.create_connection((ftp_server.host, ftp_server.tls_port), timeout=20)
    with plain, context.wrap_socket(plain, server_hostname=ftp_server.host) as client:
        assert client.recv(1024).startswith(b"220 ")


# S3


def rclone(server: S3Server, *argv: str | Path, secret: str | None = None) -> subprocess.CompletedProcess[str]:
    return run(
        Path(sys.executable).with_name("rclone"),
        *argv,
        RCLONE_CONFIG="/dev/null",
        RCLONE_S3_PROVIDER="Other",
        RCLONE_S3_ENDPOINT=server.endpoint,
        RCLONE_S3_ACCESS_KEY_ID=server.access_key,
        RCLONE_S3_SECRET_ACCESS_KEY=secret or server.secret_key,
    )


def test_s3_keeps_a_file_sent_in_parts_and_renames_it(s3_server: S3Server, tmp_path: Path) -> None:
    content = os.urandom(12 << 20)
    (tmp_path / "file").write_bytes(content)
    assert rclone(s3_server, "copy", "--s3-upload-cutoff=5M", tmp_path / "file", ":s3:projects/a b").returncode == 0
    assert rclone(s3_server, "moveto", ":s3:projects/a b/file", ":s3:projects/a b/grün").returncode == 0
    assert rclone(s3_server, "lsf", ":s3:projects/a b").stdout == "grün\n"
    assert (s3_server.root / "projects" / "a b" / "grün").read_bytes() == content


def test_s3_sees_what_the_test_puts_there(s3_server: S3Server) -> None:
    assert rclone(s3_server, "lsf", ":s3:projects/seen").stdout == ""
    s3_server.directory("projects/seen").joinpath("file").write_text("content")
    assert rclone(s3_server, "cat", ":s3:projects/seen/file").stdout == "content"


def test_s3_refuses_a_wrong_secret(s3_server: S3Server) -> None:
    result = rclone(s3_server, "lsf", ":s3:projects", secret="not the secret")
    assert result.returncode == 1
    assert "SignatureDoesNotMatch" in result.stderr


# The ordinary user


def test_the_ordinary_user_is_not_root_and_has_the_package(ordinary_user: OrdinaryUser, account: Account) -> None:
    result = ordinary_user.run(
        ordinary_user.python, "-c", "import os, mprouter.status; print(os.getuid(), os.getgroups())"
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.split()[0] == str(account.uid)
    home = ordinary_user.run("sh", "-c", 'touch "$HOME/mine" "$MPROUTER_RUNTIME_DIR/mine" && stat -c %U "$HOME/mine"')
    assert home.stdout.strip() == account.name, home.stderr
