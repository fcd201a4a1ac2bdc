"""Fixtures: a share of each network with a directory of the test's own, and connections that end with the test."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest

from mprouter.providers.rclone.ftp import Ftp
from mprouter.providers.rclone.local import Local
from mprouter.providers.rclone.remote import Remote
from mprouter.providers.rclone.s3 import S3
from mprouter.providers.rclone.sftp import Sftp
from mprouter.providers.rclone.smb import Smb
from mprouter.providers.rclone.webdav import WebDav
from sandbox import Places
from servers.ftp import FtpServer
from servers.s3 import S3Server
from servers.sftp import SftpServer
from servers.smb import SmbServer
from servers.webdav import WebdavServer
from shares import Connect, Connections, Disconnect, Refused, Share

_numbers = count(1)


@pytest.fixture
def connections(places: Places) -> Connections:
    return Connections(places)


@pytest.fixture
def connect(connections: Connections) -> Connect:
    return connections.connect


@pytest.fixture
def refused(connections: Connections, places: Places) -> Refused:
    return Refused(connections, places)


@pytest.fixture
def disconnect(connections: Connections) -> Disconnect:
    return connections.disconnect


@pytest.fixture
def sftp_share(sftp_server: SftpServer) -> Share:
    root = sftp_server.directory(f"sftp {next(_numbers)}")
    options = {"known_hosts": str(sftp_server.known_hosts)}
    url = sftp_server.url(root).replace(" ", "%20")
    return Share(Sftp(stall=5), url, root, None, sftp_server.password, options)


@pytest.fixture
def smb_share(smb_server: SmbServer) -> Share:
    root = smb_server.directory(f"smb {next(_numbers)}")
    url = f"{smb_server.url()}/{root.name}".replace(" ", "%20")
    return Share(Smb(stall=5), url, root, None, smb_server.password)


@pytest.fixture
def webdav_share(webdav_server: WebdavServer) -> Share:
    root = webdav_server.directory(f"dav {next(_numbers)}")
    return Share(
        WebDav(stall=5), webdav_server.url(f"/{root.name}".replace(" ", "%20")), root, None, webdav_server.password
    )


@pytest.fixture
def webdav_tls_share(webdav_server: WebdavServer) -> Share:
    root = webdav_server.directory(f"davs {next(_numbers)}")
    url = webdav_server.tls_url(f"/{root.name}".replace(" ", "%20"))
    return Share(WebDav(stall=5), url, root, None, webdav_server.password, {"ca_cert": str(webdav_server.ca_file)})


@pytest.fixture
def ftp_share(ftp_server: FtpServer) -> Share:
    root = ftp_server.directory(f"ftp {next(_numbers)}")
    return Share(Ftp(stall=5), ftp_server.url(f"/{root.name}".replace(" ", "%20")), root, None, ftp_server.password)


@pytest.fixture
def ftp_tls_share(ftp_server: FtpServer, places: Places, monkeypatch: pytest.MonkeyPatch) -> Share:
    del places  # they are there before rclone is started, which reads the variable
    monkeypatch.setenv("SSL_CERT_FILE", str(ftp_server.ca_file))
    root = ftp_server.directory(f"ftps {next(_numbers)}")
    return Share(Ftp(stall=5), ftp_server.tls_url(f"/{root.name}".replace(" ", "%20")), root, None, ftp_server.password)


@pytest.fixture
def s3_share(s3_server: S3Server) -> Share:
    root = s3_server.root / f"bucket-{next(_numbers)}"
    root.mkdir()
    url = s3_server.url(root.name)
    return Share(S3(stall=5), url, root, s3_server.access_key, s3_server.secret_key, {"endpoint": s3_server.endpoint})


@pytest.fixture
def file_share(local_root: Path) -> Share:
    return Share(Local(stall=5), local_root.as_uri(), local_root)


NETWORKS = ("sftp", "smb", "webdav", "webdav_tls", "ftp", "ftp_tls", "s3", "file", "rclone")


@pytest.fixture
def rclone_share(places: Places, tmp_path: Path) -> Share:
    """A remote of rclone's own configuration."""
    file = places.home / ".config" / "rclone" / "rclone.conf"
    file.parent.mkdir(parents=True)
    file.write_text("[work]\ntype = local\n")
    root = tmp_path / "a remote"
    root.mkdir()
    return Share(Remote(stall=5), f"rclone:work:{root}", root)


@pytest.fixture(params=NETWORKS)
def share(request: pytest.FixtureRequest) -> Share:
    """One of each network."""
    found = request.getfixturevalue(f"{request.param}_share")
    assert isinstance(found, Share)
    return found
