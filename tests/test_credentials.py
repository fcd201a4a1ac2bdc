"""Credentials: the secret that does not show itself, the places where passwords are stored, and keeping one (C8)."""

from __future__ import annotations

import copy
import errno
import json
import logging
import os
import pickle
import stat
import subprocess
import sys
import threading
import traceback
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from keyring.backend import KeyringBackend
from keyring.credentials import SimpleCredential
from keyring.errors import KeyringLocked, PasswordDeleteError

from mprouter import Router, replacing
from mprouter.credentials import Credentials, Found, Secret, forget, save, system_keyring, toml_file
from mprouter.credentials.server import glob_of, server_of
from mprouter.names import match_pattern, parse_remote
from mprouter.status import Status, WNetError

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox import Places
    from servers.sftp import SftpServer
    from servers.smb import SmbServer
    from servers.webdav import WebdavServer

pytestmark = pytest.mark.usefixtures("places")
PLANTED = "hunter2-planted"
NAME = parse_remote("sftp://files.example.com/projects")


class MemoryKeyring(KeyringBackend):
    """A keyring that lasts as long as a test."""

    priority = 0

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.content: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.content.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.content[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        if self.content.pop((service, username), None) is None:
            raise PasswordDeleteError


class DesktopKeyring(MemoryKeyring):
    """It also finds a password whose user is not known, as the desktops' own keyrings do."""

    def get_credential(self, service: str, username: str | None) -> SimpleCredential | None:
        for (each, user), password in self.content.items():
            if each == service and username in {None, user}:
                return SimpleCredential(user, password)
        return None


class BrokenKeyring(MemoryKeyring):
    """It fails at whatever it is asked, and tells what it was asked."""

    def get_password(self, service: str, username: str) -> str | None:
        raise RuntimeError(service, username)

    def set_password(self, service: str, username: str, password: str) -> None:
        raise RuntimeError(service, username, password)

    def delete_password(self, service: str, username: str) -> None:
        raise RuntimeError(service, username)


class LockedKeyring(MemoryKeyring):
    def get_password(self, service: str, username: str) -> str | None:
        raise KeyringLocked(service, username)

    def set_password(self, service: str, username: str, password: str) -> None:
        raise KeyringLocked(service, username, password)


class Keyrings:
    """Puts a keyring in the place of the system's."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def use(self, backend: MemoryKeyring) -> MemoryKeyring:
        self._monkeypatch.setattr("keyring.core._keyring_backend", backend)
        return backend


@pytest.fixture
def keyrings(monkeypatch: pytest.MonkeyPatch) -> Keyrings:
    return Keyrings(monkeypatch)


@pytest.fixture
def headless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":0")


@pytest.fixture
def file(places: Places) -> Path:
    return places.config / toml_file.FILE_NAME


def write(path: Path, text: str, mode: int = 0o600) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)


def found(remote: str = NAME.given, user: str | None = None) -> list[tuple[str | None, str, str]]:
    stored = Credentials().stored(parse_remote(remote), user)
    return [(each.user, each.password.reveal(), each.source) for each in stored]


def everything(error: BaseException | None) -> str:
    """All that can be read off an error and those behind it."""
    told = "" if error is None else "".join(traceback.format_exception(error))
    while error is not None:
        told += f"{error!s} {error!r} {error.args!r} {vars(error)!r}"
        assert error.__cause__ is None or error.__context__ is error.__cause__
        error = error.__context__
    return told


# -- the secret ----------------------------------------------------------------------------------------------------


def test_a_secret_shows_itself_to_nobody_who_does_not_ask() -> None:
    secret = Secret(PLANTED)
    shown = [str(secret), repr(secret), f"{secret}", f"{[secret]}", "%s %r" % (secret, secret)]  # noqa: UP031
    shown += [repr(Credentials("ana", secret)), repr(Found("ana", secret, "file")), str(dir(secret))]
    assert PLANTED not in "".join(shown)
    assert repr(Credentials("ana", PLANTED)) == "Credentials(user='ana', password=***, save=False)"
    assert secret.reveal() == PLANTED


def test_secrets_are_compared_but_neither_hashed_nor_copied() -> None:
    assert Secret("gruß") == Secret("gruß")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    with pytest.raises(TypeError):
        hash(Secret("a"))
    for copier in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError) as caught:
            copier(Secret(PLANTED))
        assert PLANTED not in everything(caught.value)
    with pytest.raises(TypeError):
        json.dumps(Secret(PLANTED))


def test_a_secret_is_text() -> None:
    with pytest.raises(TypeError) as caught:
        Secret(PLANTED.encode())  # type: ignore[arg-type]
    assert PLANTED not in everything(caught.value)


# -- servers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("remote", "server"),
    [
        (r"\\Files\projects", "smb://files"),
        ("smb://DOMAIN;ana@files:445/projects", "smb://files"),
        ("sftp://ana@files.example.com:22", "sftp://files.example.com"),
        (r"\\sshfs\ana@files.example.com!2222\dir", "sftp://files.example.com:2222"),
        ("davs://[2001:DB8::1]:8443/a@b", "davs://[2001:db8::1]:8443"),
        (r"\\2001-db8--1.ipv6-literal.net\share", "smb://[2001:db8::1]"),
        (r"\\files@SSL\DavWWWRoot\dir", "davs://files"),
        ("ftp://a%40b@files", "ftp://files"),
        ("s3://bucket/prefix", "s3://bucket"),
        ("rclone:my remote:dir", "rclone:my remote"),
    ],
)
def test_a_password_is_for_a_server(remote: str, server: str) -> None:
    name = parse_remote(remote)
    assert server_of(name) == server
    assert system_keyring.service(name) == f"mprouter:{server}"
    assert match_pattern(glob_of(name))(name.forms)


# -- where passwords come from -------------------------------------------------------------------------------------


def test_c8_with_nothing_stored_nothing_is_found(keyrings: Keyrings) -> None:
    keyrings.use(MemoryKeyring())
    assert found() == []


def test_c8_the_keyring_comes_before_the_file_and_netrc(keyrings: Keyrings, file: Path, places: Places) -> None:
    keyrings.use(MemoryKeyring()).set_password("mprouter:sftp://files.example.com", "ana", "one")
    write(file, '[[credential]]\nremote = "sftp://files.example.com/*"\nuser = "ana"\npassword = "two"\n')
    write(places.home / ".netrc", "machine files.example.com login ana password three\n")
    assert found(user="ana") == [("ana", "one", "keyring"), ("ana", "two", "file"), ("ana", "three", "netrc")]
    assert found("sftp://ana@files.example.com") == found(user="ana")
    assert found(user="bob") == []


def test_c8_what_was_tried_does_not_come_again(keyrings: Keyrings, file: Path, places: Places) -> None:
    """Servers lock a user out after a few wrong passwords."""
    keyrings.use(MemoryKeyring()).set_password("mprouter:sftp://files.example.com", "ana", "same")
    write(file, '[[credential]]\nremote = "sftp://*"\nuser = "ana"\npassword = "same"\n')
    write(places.home / ".netrc", "machine files.example.com login ana password same\n")
    assert found(user="ana") == [("ana", "same", "keyring")]


def test_c8_without_a_user_the_keyring_supplies_one(keyrings: Keyrings) -> None:
    keyrings.use(DesktopKeyring()).set_password("mprouter:smb://files", "ana", "one")
    assert found(r"\\FILES\projects") == [("ana", "one", "keyring")]
    assert found("smb://files/projects") == [("ana", "one", "keyring")]
    assert found("smb://files:1445/projects") == []


def test_c8_a_simple_keyring_is_asked_for_the_user_of_this_process(
    keyrings: Keyrings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "ana")
    keyrings.use(MemoryKeyring()).set_password("mprouter:sftp://files.example.com", "ana", "one")
    assert found() == [("ana", "one", "keyring")]


@pytest.mark.parametrize(
    ("backend", "reason"),
    [(BrokenKeyring, "the keyring failed with RuntimeError"), (LockedKeyring, "the keyring is locked")],
)
def test_a_keyring_that_fails_is_passed_by(
    keyrings: Keyrings, backend: type[MemoryKeyring], reason: str, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "mprouter")
    keyrings.use(backend())
    write(file, '[[credential]]\nremote = "*"\npassword = "two"\n')
    assert found(user="ana") == [("ana", "two", "file")]
    assert f"the keyring was passed by: {reason}" in caplog.text


@pytest.fixture(params=["SMB", "WebDAV", "SFTP", "SFTP with a key", "SFTP with an encrypted key"])
def wanting(
    request: pytest.FixtureRequest,
    places: Places,
    sftp_server: SftpServer,
    smb_server: SmbServer,
    webdav_server: WebdavServer,
) -> tuple[str, dict[str, str]]:
    """The name, and the options, of a resource for which a password is wanted, whatever else is tried before."""
    if not request.param.startswith("SFTP"):
        return (smb_server.url() if request.param == "SMB" else webdav_server.url()), {}
    if "key" in request.param:
        (places.home / ".ssh").mkdir(mode=0o700)
        passphrase = "a passphrase" if "encrypted" in request.param else ""
        key = places.home / ".ssh" / "id_ed25519"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-f", key], check=True)
    return sftp_server.url(), {"known_hosts": str(sftp_server.known_hosts)}


def test_c8_a_keyring_that_is_locked_is_told_where_it_may_have_the_password(
    keyrings: Keyrings, router: Router, wanting: tuple[str, dict[str, str]]
) -> None:
    keyrings.use(LockedKeyring())
    remote, options = wanting
    with pytest.raises(WNetError, match=r"[a-z], and the keyring is locked \(ERROR_LOGON_FAILURE") as refused:
        router.connect(remote, "Z:", options=options)
    assert refused.value.hint


@pytest.mark.parametrize("bus", [None, "unix:path=/nowhere"], ids=["no D-Bus", "D-Bus"])
def test_without_any_keyring_the_file_is_used(file: Path, bus: str | None) -> None:
    """For real: a process of its own. The package looks for a backend only where there can be one; it finds none."""
    write(file, '[[credential]]\nremote = "*"\npassword = "two"\n')
    code = """if True:
        import sys
        from mprouter.credentials import Credentials
        from mprouter.names import parse_remote
        print([each.source for each in Credentials().stored(parse_remote("sftp://h"), "ana")], "keyring" in sys.modules)
    """
    environment = {name: value for name, value in os.environ.items() if name != "PYTHON_KEYRING_BACKEND"}
    environment |= {"DBUS_SESSION_BUS_ADDRESS": bus or ""}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout == f"['file'] {bus is not None}\n"


def test_a_keyring_that_hangs_is_waited_for_once(keyrings: Keyrings, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    release = threading.Event()

    class HangingKeyring(MemoryKeyring):
        def get_password(self, service: str, username: str) -> str | None:
            asked.append(service)
            release.wait(30)
            return super().get_password(service, username)

    monkeypatch.setattr(system_keyring, "TIMEOUT", 0.05)
    keyrings.use(HangingKeyring()).set_password("mprouter:sftp://files.example.com", "ana", "one")
    assert found(user="ana") == []
    assert found(user="ana") == []
    monkeypatch.setattr(system_keyring, "TIMEOUT", 30.0)
    release.set()
    for each in threading.enumerate():
        if each.name == "mprouter-keyring":
            each.join()
    assert len(asked) == 1
    assert found(user="ana") == [("ana", "one", "keyring")]  # it has come back


# -- the credentials file ------------------------------------------------------------------------------------------


def test_the_file_is_matched_by_globs_and_users(file: Path) -> None:
    write(
        file,
        r"""
        [[credential]]
        remote = '\\files\*'
        user = 'CORP\ana'
        password = "one"

        [[credential]]  # a comment
        remote = "*://files/*"
        password = "two"
        """,
    )
    assert found(r"\\FILES\projects\x", r"CORP\ana") == [(r"CORP\ana", "one", "file"), (r"CORP\ana", "two", "file")]
    assert found("//files/projects") == [(r"CORP\ana", "one", "file"), (None, "two", "file")]
    assert found("sftp://files/x", "bob") == [("bob", "two", "file")]
    assert found("sftp://files.evil.example/x", "bob") == []


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o777])
def test_a_file_that_others_have_access_to_is_refused(file: Path, mode: int) -> None:
    write(file, f'[[credential]]\nremote = "*"\npassword = "{PLANTED}"\n', mode)
    with pytest.raises(WNetError) as caught:
        found()
    assert caught.value.status is Status.ERROR_ACCESS_DENIED
    assert isinstance(caught.value, PermissionError)
    assert f"mode {mode:04o}" in str(caught.value)
    assert f"chmod 600 {file}" in str(caught.value)
    assert PLANTED not in everything(caught.value)


def test_a_file_of_somebody_else_is_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(file, '[[credential]]\nremote = "*"\npassword = "one"\n')
    monkeypatch.setattr(os, "getuid", lambda: 4711)
    with pytest.raises(WNetError, match=f"belongs to user {file.stat().st_uid}, not to user 4711") as caught:
        found()
    assert caught.value.status is Status.ERROR_ACCESS_DENIED


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f"{PLANTED}\n", 1),
        (f'[[credential]]\nremote = "*"\npassword = {PLANTED}\n', 3),
        (f'[[credential]]\nremote = "*"\npassword = "{PLANTED}\n', 3),
        (f'[[credential]]\nremote = "*"\npassword = "x"\n"{PLANTED}" = 1\n"{PLANTED}" = 2\n', 5),
        (f'[[credential]]\nremote = "*"\npassword = "x"\n\n[[credential]]\nremote = "*"\npasword = "{PLANTED}"\n', 7),
        (f'[[credential]]\nremote = "*"\n\n[[credential]]\nremote = "*"\npassword = "{PLANTED}"\n', 2),
        (f'# a comment\n["{PLANTED}"]\n', 2),
        (f'[[credential]]\nremote = ["{PLANTED}"]\npassword = "x"\n', 2),
        (f'[[credential]]\nremote = "*"\npassword = """\n{PLANTED}\n"""\nuser = 7\n', 6),
        (f'[[credential]]\nremote = "[z-a]{PLANTED}"\npassword = "x"\n', 3),
        (f'[credential]\nremote = "*"\npassword = "{PLANTED}"\n', 1),
        (f'[[credential]]\nremote = "*"\npassword = {"1" * 5000}\n# {PLANTED}', 4),
    ],
)
def test_a_malformed_file_is_told_by_its_line_and_not_shown(file: Path, text: str, line: int) -> None:
    write(file, text)
    with pytest.raises(WNetError) as caught:
        found()
    assert caught.value.status is Status.ERROR_BAD_CONFIGURATION
    assert caught.value.name == str(file)
    assert f"line {line}: " in str(caught.value)
    assert PLANTED not in everything(caught.value)


def test_a_file_that_is_no_text_is_not_shown(file: Path) -> None:
    file.write_bytes(b"\xff" + PLANTED.encode())
    file.chmod(0o600)
    with pytest.raises(WNetError) as caught:
        found()
    assert caught.value.status is Status.ERROR_BAD_CONFIGURATION
    assert PLANTED not in everything(caught.value)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f'[[credential]]\nremote = {PLANTED}\npassword = "x"\n', 2),
        (f"x = {'[' * 10**5}\n# {PLANTED}\n", 2),
    ],
)
def test_what_is_not_toml_is_told_with_its_line(file: Path, text: str, line: int) -> None:
    write(file, text)
    with pytest.raises(WNetError, match=f"line {line}: this is not TOML") as caught:
        found()
    assert caught.value.status is Status.ERROR_BAD_CONFIGURATION
    assert PLANTED not in everything(caught.value)


def test_what_is_wrong_after_a_text_of_several_lines_is_told_with_its_line(file: Path) -> None:
    write(file, f'[[credential]]\nremote = "sftp://h/*"\npassword = """\n{PLANTED}"""\nnope = 1\nuser = "ana"\n')
    with pytest.raises(WNetError, match="line 5: unknown key in credential 1"):
        found()


# -- netrc ---------------------------------------------------------------------------------------------------------


def test_netrc_serves_its_networks_by_host(places: Places) -> None:
    first, last = "machine other login ana password zero\n", "default login x password y\n"
    write(places.home / ".netrc", f"{first}machine Files.example.com login ana password one\n{last}")
    for remote in ("ftp://files.example.com", "davs://files.example.com:8443/x", r"\\files.example.com\share"):
        assert found(remote) == found(remote, "ana") == [("ana", "one", "netrc")]
    assert found("sftp://files.example.com", "bob") == []
    assert found("sftp://other.example.com") == []  # the default entry is for no host in particular
    assert found("sftp://default") == []
    assert found("s3://files.example.com") == []


def test_a_netrc_entry_without_a_user_serves_the_one_given(places: Places) -> None:
    write(places.home / ".netrc", "machine h password one\nmachine g login ana\n")
    assert found("sftp://h", "bob") == [("bob", "one", "netrc")]
    assert found("sftp://g") == []


def test_c8_each_user_of_a_machine_in_netrc_has_an_entry(places: Places) -> None:
    two = "machine h login ana password one\nmachine H login bob password two\nmachine h login eve password three\n"
    write(places.home / ".netrc", two)
    assert found("sftp://h", "ana") == [("ana", "one", "netrc")]
    assert found("sftp://h", "bob") == [("bob", "two", "netrc")]
    assert found("sftp://h", "eve") == [("eve", "three", "netrc")]
    assert found("sftp://h")[0] == ("ana", "one", "netrc")  # the first, as in other programs


def test_a_netrc_that_others_may_read_is_refused_only_where_it_matters(places: Places) -> None:
    write(places.home / ".netrc", f"machine h login ana password {PLANTED}\n", 0o644)
    assert found("sftp://other") == []
    with pytest.raises(WNetError) as caught:
        found("sftp://h")
    assert caught.value.status is Status.ERROR_ACCESS_DENIED
    assert f"chmod 600 {places.home}/.netrc" in str(caught.value)
    assert PLANTED not in everything(caught.value)


@pytest.mark.parametrize("text", [f"machine h login ana {PLANTED}\n".encode(), f"{PLANTED}\n".encode(), b"machine\xff"])
def test_a_malformed_netrc_is_passed_by(places: Places, text: bytes, caplog: pytest.LogCaptureFixture) -> None:
    (places.home / ".netrc").write_bytes(text)
    (places.home / ".netrc").chmod(0o600)
    assert found("sftp://h") == []
    assert "not used" in caplog.text
    assert PLANTED not in caplog.text


# -- keeping a password --------------------------------------------------------------------------------------------


def test_c8_what_worked_is_saved_if_that_was_asked(keyrings: Keyrings, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "mprouter")
    keyring = keyrings.use(MemoryKeyring())
    credentials = Credentials("ana", PLANTED, save=True)
    credentials.used("ana", Secret(PLANTED))
    credentials.save_if_asked(NAME)
    assert keyring.content == {("mprouter:sftp://files.example.com", "ana"): PLANTED}
    assert "the password for sftp://files.example.com is saved in the keyring" in caplog.text
    assert PLANTED not in caplog.text


def test_c8_nothing_is_saved_unasked_or_unused(
    keyrings: Keyrings, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keyring = keyrings.use(MemoryKeyring())
    unasked = Credentials("ana", "one")
    unasked.used("ana", Secret("one"))
    unasked.save_if_asked(NAME)
    assert not caplog.text
    Credentials("ana", "one", save=True).save_if_asked(NAME)  # a key was enough
    assert "WARNING" in caplog.text
    assert "no password is saved" in caplog.text
    assert keyring.content == {}
    assert not file.exists()


@pytest.mark.usefixtures("headless")
@pytest.mark.parametrize("backend", [BrokenKeyring, LockedKeyring])
def test_without_a_keyring_a_headless_machine_saves_in_the_file(
    keyrings: Keyrings, backend: type[MemoryKeyring], file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "mprouter")
    keyrings.use(backend())
    save(NAME, "ana", Secret(PLANTED))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert found(user="ana") == [("ana", PLANTED, "file")]
    assert found("sftp://ana@files.example.com:22/elsewhere") == [("ana", PLANTED, "file")]
    assert found("sftp://files.example.com:2222") == []
    assert str(file) in caplog.text
    assert PLANTED not in caplog.text


@pytest.mark.usefixtures("headless")
def test_a_keyring_that_keeps_nothing_is_found_out(file: Path) -> None:
    """keyring's own null backend, which the environment names here."""
    save(NAME, "ana", Secret("one"))
    assert file.exists()


@pytest.mark.usefixtures("screen")
def test_on_a_desktop_without_a_keyring_the_person_is_told(keyrings: Keyrings, file: Path) -> None:
    keyrings.use(BrokenKeyring())
    with pytest.raises(WNetError) as caught:
        save(NAME, "ana", Secret(PLANTED))
    assert caught.value.status is Status.ERROR_NOT_SUPPORTED
    assert str(file) in str(caught.value)
    assert PLANTED not in everything(caught.value)
    assert not file.exists()

    write(file, "")  # as the hint says
    save(NAME, "ana", Secret(PLANTED))
    assert found(user="ana") == [("ana", PLANTED, "file")]


@pytest.mark.usefixtures("headless")
def test_saving_leaves_what_a_person_wrote(keyrings: Keyrings, file: Path) -> None:
    keyrings.use(BrokenKeyring())
    mine = '# mine\n[[credential]]\nremote = "*"  # all\nuser = "bob"\npassword = """a\n[[credential]]\nb"""\n# end\n'
    write(file, mine)
    save(NAME, "ana", Secret("one"))
    save(NAME, "eve", Secret("two"))
    save(NAME, "ana", Secret("three"))
    assert file.read_text().startswith(mine)
    assert found(user="ana") == [("ana", "three", "file")]
    assert found(user="eve") == [("eve", "two", "file")]
    assert forget(NAME, "ana")
    assert forget(NAME, "eve")
    assert not forget(NAME, "eve")
    assert file.read_text().rstrip() == mine.rstrip()


@pytest.mark.usefixtures("headless")
def test_what_a_person_wrote_below_a_password_stays_when_that_is_forgotten(keyrings: Keyrings, file: Path) -> None:
    keyrings.use(BrokenKeyring())
    save(NAME, "ana", Secret("one"))
    with file.open("a") as opened:
        opened.write("\n# of the old server\n")
    save(NAME, "bob", Secret("two"))
    assert forget(NAME, "ana")
    assert file.read_text().lstrip().startswith("# of the old server\n")
    assert found(user="bob") == [("bob", "two", "file")]


@pytest.mark.usefixtures("headless")
def test_a_link_to_the_file_stays_a_link(keyrings: Keyrings, file: Path, places: Places) -> None:
    keyrings.use(BrokenKeyring())
    real = places.home / "real.toml"
    write(real, "")
    file.symlink_to(real)
    save(NAME, "ana", Secret("one"))
    assert file.is_symlink()
    assert "files.example.com" in real.read_text()
    assert stat.S_IMODE(real.stat().st_mode) == 0o600
    assert sorted(each.name for each in places.home.iterdir()) == ["real.toml"]  # no remains


@pytest.mark.usefixtures("headless")
def test_a_file_that_others_may_read_gets_no_password(keyrings: Keyrings, file: Path) -> None:
    keyrings.use(BrokenKeyring())
    write(file, "", 0o644)
    with pytest.raises(WNetError) as caught:
        save(NAME, "ana", Secret(PLANTED))
    assert caught.value.status is Status.ERROR_ACCESS_DENIED
    assert PLANTED not in everything(caught.value)
    assert file.read_text() == ""


@pytest.mark.usefixtures("headless")
def test_what_cannot_be_changed_safely_stays(keyrings: Keyrings, file: Path) -> None:
    keyrings.use(BrokenKeyring())
    text = f'credential = [{{ remote = "sftp://files.example.com/*", user = "ana", password = "{PLANTED}" }}]\n'
    write(file, text)
    with pytest.raises(WNetError) as caught:
        save(NAME, "ana", Secret("new"))
    assert caught.value.status is Status.ERROR_BAD_CONFIGURATION
    assert PLANTED not in everything(caught.value)
    assert file.read_text() == text


@pytest.mark.usefixtures("headless")
@pytest.mark.parametrize(("user", "password"), [("ana", f"{PLANTED}\udc80"), ("ana\udc80", PLANTED)])
def test_half_a_character_is_refused_without_being_shown(
    keyrings: Keyrings, file: Path, user: str, password: str
) -> None:
    keyrings.use(BrokenKeyring())
    with pytest.raises(WNetError) as caught:
        save(NAME, user, Secret(password))
    assert caught.value.status is Status.ERROR_INVALID_PARAMETER
    assert PLANTED not in everything(caught.value)
    assert not file.exists()


@pytest.mark.usefixtures("headless")
@pytest.mark.parametrize(
    ("error", "status"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), Status.ERROR_DISK_FULL),
        (OSError(errno.EROFS, "Read-only file system"), Status.ERROR_ACCESS_DENIED),
    ],
)
def test_a_file_that_cannot_be_written_is_told_with_its_name(
    keyrings: Keyrings, file: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, status: Status
) -> None:
    def put(*_: object) -> None:
        raise error

    keyrings.use(BrokenKeyring())
    monkeypatch.setattr(replacing, "put", put)
    with pytest.raises(WNetError, match=f"{file}: cannot be written: {error.strerror}") as caught:
        save(NAME, "ana", Secret(PLANTED))
    assert caught.value.status is status
    assert PLANTED not in everything(caught.value)


@pytest.mark.usefixtures("headless")
def test_what_is_in_the_file_s_place_is_told(keyrings: Keyrings, file: Path, places: Places) -> None:
    keyrings.use(BrokenKeyring())
    file.mkdir(0o700)
    with pytest.raises(WNetError, match="cannot be read: Is a directory"):
        found()
    file.rmdir()
    places.config.rmdir()
    places.config.touch()
    with pytest.raises(WNetError, match="cannot be made: File exists"):
        save(NAME, "ana", Secret(PLANTED))


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_comes_back_from_the_file(user: str, password: str) -> None:
    toml_file.save(NAME, user, Secret(password))
    assert [(each.user, each.password.reveal()) for each in toml_file.find(NAME, user)] == [(user, password)]
    toml_file.save(NAME, user, Secret(password + "!"))
    assert [(each.user, each.password.reveal()) for each in toml_file.find(NAME, user)] == [(user, password + "!")]
    assert toml_file.forget(NAME, user)
    assert list(toml_file.find(NAME, user)) == []


@pytest.mark.usefixtures("headless")
def test_many_who_save_at_once_lose_nothing(keyrings: Keyrings) -> None:
    keyrings.use(BrokenKeyring())
    code = """if True:
        import sys
        from mprouter.credentials import Secret, toml_file
        from mprouter.names import parse_remote
        for number in range(10):
            toml_file.save(parse_remote(f"sftp://{sys.argv[1]}-{number}"), "ana", Secret("p"))
    """
    children = [subprocess.Popen([sys.executable, "-c", code, f"host{each}"]) for each in range(3)]
    threads = [
        threading.Thread(target=toml_file.save, args=(parse_remote(f"sftp://thread-{each}"), "ana", Secret("p")))
        for each in range(10)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [each.wait() for each in children] == [0, 0, 0]
    hosts = [f"thread-{each}" for each in range(10)] + [f"host{a}-{b}" for a in range(3) for b in range(10)]
    assert [found(f"sftp://{host}", "ana") for host in hosts] == [[("ana", "p", "file")]] * 40


def test_c8_forgetting_drops_it_from_the_keyring(keyrings: Keyrings) -> None:
    keyring = keyrings.use(MemoryKeyring())
    save(NAME, "ana", Secret("one"))
    assert forget(NAME, "ana")
    assert not forget(NAME, "ana")
    assert keyring.content == {}


@pytest.mark.usefixtures("headless")
def test_c8_forgetting_drops_also_what_was_saved_when_there_was_no_keyring(keyrings: Keyrings, file: Path) -> None:
    keyrings.use(BrokenKeyring())
    save(NAME, "ana", Secret("one"))
    keyrings.use(MemoryKeyring())
    save(NAME, "ana", Secret("two"))
    assert forget(NAME, "ana")
    assert found(user="ana") == []
    assert "one" not in file.read_text()
