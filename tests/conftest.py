"""Fixtures: places of a test's own, the installed command, an ordinary user, and the real servers of `servers/`.

A server's fixture is shared by all tests of a worker; a test that stops a server starts its own with `fresh`.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

import warm
from libraries import Build, builder
from mprouter import Router
from mprouter.store import Store
from recorder import Recorder
from sandbox import Command, OrdinaryUser, Places, make_places
from servers import account as accounts
from servers import ftp, s3, sftp, smb, webdav
from servers.account import Account
from servers.daemon import Fresh, ServerT
from servers.ftp import FtpServer
from servers.s3 import S3Server
from servers.sftp import SftpServer
from servers.smb import SmbServer
from servers.webdav import WebdavServer

settings.register_profile("mprouter", deadline=None, database=None)
settings.load_profile("mprouter")

# Run in the background, this process ignores them, and so would what it starts; a handler is not inherited.
for _number, _handler in ((signal.SIGHUP, lambda *_: None), (signal.SIGINT, signal.default_int_handler)):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _handler)

# What whoever runs the tests may have otherwise: a umask by which the servers' user could read nothing, and, as after
# "su", variables that name another user than the one who runs them.
os.umask(0o022)
for _variable in ("LOGNAME", "USER", "LNAME", "USERNAME"):
    os.environ.pop(_variable, None)

CHECKOUT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Compiles a source, given by its name in ``native/`` or its path, to a shared library."""
    return builder(tmp_path_factory.mktemp("libraries"))


@pytest.fixture
def places(monkeypatch: pytest.MonkeyPatch) -> Iterator[Places]:
    """The test's own places, told to this process and its children by the environment."""
    with make_places() as made:
        for variable, value in made.environment.items():
            monkeypatch.setenv(variable, value)
        for variable in ("SSH_AUTH_SOCK", "NETRC", "DBUS_SESSION_BUS_ADDRESS"):
            monkeypatch.delenv(variable, raising=False)
        for variable in [name for name in os.environ if name.startswith("RCLONE_")]:
            monkeypatch.delenv(variable)
        yield made


@pytest.fixture
def mpr(places: Places) -> Command:
    """Run ``mpr`` with the test's own places, not on a terminal."""
    del places  # they are in the environment
    return warm.run


@pytest.fixture
def installed(places: Places) -> Command:
    """The same, by an interpreter that is started for the command."""
    del places  # they are in the environment

    def run(*arguments: str | Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
        words = [warm.MPR, *arguments]
        return subprocess.run(words, input=stdin, capture_output=True, text=True, timeout=120, check=False)

    return run


@pytest.fixture(scope="session")
def readable_python(account: Account, server_place: Path) -> tuple[Path, Mapping[str, str]]:
    """An interpreter with the package that the ordinary user can read, and the variables that it needs."""
    python = Path(sys.executable)
    trial = ["-c", "import mprouter.status"]
    if account.run(["env", python, *trial], environment={}).returncode == 0:
        return python, {}
    # The checkout is in a private directory, as a temporary one of CI may be: copy what is installed.
    copy = server_place / "readable"
    shutil.copytree(Path(sys.prefix), copy / "venv", symlinks=True)
    shutil.copytree(CHECKOUT / "src", copy / "src")
    command = copy / "venv" / "bin" / "mpr"
    command.write_text(command.read_text().replace(sys.prefix, str(copy / "venv")))
    python, variables = copy / "venv" / "bin" / python.name, {"PYTHONPATH": str(copy / "src")}
    result = account.run(["env", python, *trial], environment=variables)
    assert result.returncode == 0, f"{account.name} can use neither {CHECKOUT} nor a copy: {result.stderr}"
    return python, variables


@pytest.fixture
def ordinary_user(account: Account, readable_python: tuple[Path, Mapping[str, str]]) -> Iterator[OrdinaryUser]:
    """A user who is not root, in places of their own."""
    with make_places(account) as made:
        yield OrdinaryUser(account, made, *readable_python)


@pytest.fixture(scope="session")
def account() -> Account:
    """The ordinary system user whom the servers know."""
    return accounts.ensure()


@pytest.fixture(scope="session")
def server_place() -> Iterator[Path]:
    """Where a worker's servers live: a directory that everybody can enter."""
    place = Path(tempfile.mkdtemp(prefix="mpr-servers-", dir="/tmp"))
    place.chmod(0o755)
    yield place
    shutil.rmtree(place)


@contextmanager
def starter(place: Path, account: Account) -> Iterator[Fresh]:
    with ExitStack() as running:

        def start(serve: Callable[..., AbstractContextManager[ServerT]], **options: Any) -> ServerT:
            own = Path(tempfile.mkdtemp(dir=place))
            own.chmod(0o755)
            return running.enter_context(serve(own, account, **options))

        yield start


@pytest.fixture(scope="session")
def shared(server_place: Path, account: Account) -> Iterator[Fresh]:
    """Starts the servers that all tests of a worker share."""
    with starter(server_place, account) as start:
        yield start


@pytest.fixture
def fresh(server_place: Path, account: Account) -> Iterator[Fresh]:
    """Starts servers of the test's own: for tests that stop them or need their standard ports."""
    with starter(server_place, account) as start:
        yield start


@pytest.fixture(scope="session")
def sftp_server(shared: Fresh) -> SftpServer:
    return shared(sftp.serve)


@pytest.fixture(scope="session")
def smb_server(shared: Fresh) -> SmbServer:
    return shared(smb.serve)


@pytest.fixture(scope="session")
def big_smb(shared: Fresh) -> Iterator[SmbServer]:
    """One with 300 shares more, one that is hidden, and a printer. Comments are waited for on a busy machine too."""
    more = {"geheim$": "comment = for nobody to see", "laser": "printable = yes\ncomment = Der Drucker"}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("mprouter.providers.rclone.browsing.remarks.PATIENCE", 60)
        yield shared(smb.serve, more={**smb.ROOMS, **more})


@pytest.fixture(scope="session")
def webdav_server(shared: Fresh) -> WebdavServer:
    return shared(webdav.serve)


@pytest.fixture(scope="session")
def ftp_server(shared: Fresh) -> FtpServer:
    return shared(ftp.serve)


@pytest.fixture(scope="session")
def s3_server(shared: Fresh) -> S3Server:
    return shared(s3.serve)


@pytest.fixture
def local_root(tmp_path: Path) -> Path:
    """The directory of a ``file://`` resource: root's alone, as ``tmp_path`` is."""
    root = tmp_path / "a local resource"
    root.mkdir()
    return root


# A router


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def router(places: Places, recorder: Recorder) -> Iterator[Router]:
    del places  # they are in the environment
    with Router() as made:
        made.register(recorder, name="recorder")
        yield made


@pytest.fixture
def store(places: Places) -> Iterator[Store]:
    """What the user's routers have written down."""
    del places  # they are in the environment
    opened = Store()
    yield opened
    opened.close()


@pytest.fixture
def resource(local_root: Path) -> str:
    """The remote name of a directory with one file in it."""
    (local_root / "README").write_text("hello\n")
    return local_root.as_uri()
