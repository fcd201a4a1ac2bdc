"""Trust: what others could have changed is not run, and what was checked is what is run; for root and other users."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import stat
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import cache_from_source
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from libraries import Build
from mprouter import AddConnect, NetResource, Status, WNetError, service
from mprouter.credentials import Secret, toml_file
from mprouter.names import parse_remote
from mprouter.notify.dispatch import operate
from mprouter.notify.model import Registration, Told
from mprouter.notify.registration import DropIns, add, check, read
from mprouter.plugins import trust
from mprouter.settings import set_provider_order
from sandbox import OrdinaryUser, Places
from servers.account import Account

ADD = AddConnect(NetResource(r"\\corp\projects", "Z:"))
DENIED, OTHER_CONTENT = Status.ERROR_ACCESS_DENIED, Status.ERROR_INVALID_IMAGE_HASH
OK = Status.WN_SUCCESS

STRANGER = 65534  # nobody


# -- whom it concerns: root, who trusts root alone, and an ordinary user, who trusts root and himself ----------------

LOOK = """
import json, sys
from mprouter import WNetError
from mprouter.plugins import trust
try:
    with trust.opened(*sys.argv[1:]) as file:
        print(json.dumps([0, file.path]))
except WNetError as error:
    print(json.dumps([error.status, error.strerror]))
"""


@dataclass(frozen=True)
class Asker:
    """A user who has a directory of his own, and asks whether a file can be trusted."""

    name: str
    uid: int
    place: Path
    opened: Callable[..., tuple[int, str]]

    def file(self, *names: str, owner: int | None = None) -> Path:
        """A file, in directories below his place; all of them his, but for the file if it has another *owner*."""
        path = self.place.joinpath(*names)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
        for each in (path, *path.parents):
            if each.is_relative_to(self.place):
                os.chown(each, self.uid, -1)
                each.chmod(0o755)
        os.chown(path, self.uid if owner is None else owner, -1)
        return path


@pytest.fixture(params=["root", "ordinary"])
def asker(request: pytest.FixtureRequest, places: Places, ordinary_user: OrdinaryUser) -> Asker:
    if request.param == "root":

        def here(path: Path, *sha256: str) -> tuple[int, str]:
            try:
                with trust.opened(path, *sha256) as file:
                    return 0, file.path
            except WNetError as error:
                return error.status, str(error.strerror)

        return Asker("root", 0, places.base, here)

    def there(path: Path, *sha256: str) -> tuple[int, str]:
        ran = ordinary_user.run(ordinary_user.python, "-c", LOOK, path, *sha256)
        assert ran.returncode == 0, ran.stderr
        status, words = json.loads(ran.stdout)
        return status, words

    account = ordinary_user.account
    return Asker(account.name, account.uid, ordinary_user.places.base, there)


def acl(path: Path, user: int, rights: int) -> None:
    """What ``setfacl -m u:USER:RIGHTS`` does: an access list of version 2, with the mask that it implies."""
    entries = [(0x01, 7, 0xFFFFFFFF), (0x02, rights, user), (0x04, 5, 0xFFFFFFFF), (0x10, 5 | rights, 0xFFFFFFFF)]
    entries.append((0x20, 5, 0xFFFFFFFF))
    packed = b"".join(struct.pack("<HHI", *each) for each in entries)
    os.setxattr(path, "system.posix_acl_access", struct.pack("<I", 2) + packed)


# What is arranged: the path that is asked for, the path that is to blame, and what is said of that.


def a_strangers_file(asker: Asker) -> tuple[Path, Path, str]:
    path = asker.file("hooks", "hook", owner=STRANGER)
    return path, path, "(owner nobody, mode 0755) does not belong to root"


def a_group_writable_file(asker: Asker) -> tuple[Path, Path, str]:
    path = asker.file("hooks", "hook")
    path.chmod(0o775)
    return path, path, f"(owner {asker.name}, mode 0775) can be written by its group"


def a_world_writable_file(asker: Asker) -> tuple[Path, Path, str]:
    path = asker.file("hooks", "hook")
    path.chmod(0o757)
    return path, path, f"(owner {asker.name}, mode 0757) can be written by everybody"


def a_strangers_file_that_all_may_write(asker: Asker) -> tuple[Path, Path, str]:
    path = asker.file("hooks", "two words", owner=STRANGER)
    path.chmod(0o777)
    return path, path, "(owner nobody, mode 0777) does not belong to root"


def an_access_list_that_lets_somebody_write(asker: Asker) -> tuple[Path, Path, str]:
    path = asker.file("hooks", "hook")
    acl(path, STRANGER, 7)
    return path, path, f"(owner {asker.name}, mode 0775) can be written by its group"


def an_access_list_of_the_directory(asker: Asker) -> tuple[Path, Path, str]:
    path = asker.file("hooks", "hook")
    acl(path.parent, STRANGER, 7)
    return path, path.parent, f"(owner {asker.name}, mode 0775) can be written by its group"


def a_group_writable_directory(asker: Asker) -> tuple[Path, Path, str]:
    path = asker.file("hooks", "hook")
    path.parent.chmod(0o775)
    return path, path.parent, f"(owner {asker.name}, mode 0775) can be written by its group"


def a_strangers_directory(asker: Asker) -> tuple[Path, Path, str]:
    path = asker.file("hooks", "hook")
    os.chown(path.parent, STRANGER, -1)
    return path, path.parent, "(owner nobody, mode 0755) does not belong to root"


def a_world_writable_ancestor(asker: Asker) -> tuple[Path, Path, str]:
    path = asker.file("a", "b", "hook")
    path.parent.parent.chmod(0o777)
    return path, path.parent.parent, f"(owner {asker.name}, mode 0777) can be written by its group and others"


def a_strangers_ancestor(asker: Asker) -> tuple[Path, Path, str]:
    path = asker.file("a", "b", "hook")
    os.chown(path.parent.parent, STRANGER, -1)
    return path, path.parent.parent, "(owner nobody, mode 0755) does not belong to root"


def a_link_that_a_stranger_made(asker: Asker) -> tuple[Path, Path, str]:
    real, link = asker.file("hooks", "hook"), asker.place / "link"
    link.symlink_to(real)
    os.chown(link, STRANGER, -1, follow_symlinks=False)
    return link, link, "(owner nobody, mode 0777) does not belong to root"


def a_link_into_a_writable_directory(asker: Asker) -> tuple[Path, Path, str]:
    real, link = asker.file("hooks", "hook"), asker.place / "link"
    link.symlink_to("hooks/hook")
    os.chown(link, asker.uid, -1, follow_symlinks=False)
    real.parent.chmod(0o777)
    return link, real.parent, f"(owner {asker.name}, mode 0777) can be written by its group and others"


def a_link_in_a_writable_directory(asker: Asker) -> tuple[Path, Path, str]:
    real, way = asker.file("hooks", "hook"), asker.file("way", "other").parent
    (way / "on").symlink_to(real.parent)
    os.chown(way / "on", asker.uid, -1, follow_symlinks=False)
    way.chmod(0o777)
    return way / "on" / "hook", way, f"(owner {asker.name}, mode 0777) can be written by its group and others"


def a_way_up_and_down_through_a_writable_directory(asker: Asker) -> tuple[Path, Path, str]:
    path, way = asker.file("hooks", "hook"), asker.file("way", "on", "other").parent
    way.chmod(0o773)
    return way / ".." / ".." / "hooks" / path.name, way, f"(owner {asker.name}, mode 0773) can be written by its group"


UNTRUSTED = [
    a_strangers_file,
    a_group_writable_file,
    a_world_writable_file,
    a_strangers_file_that_all_may_write,
    an_access_list_that_lets_somebody_write,
    an_access_list_of_the_directory,
    a_group_writable_directory,
    a_strangers_directory,
    a_world_writable_ancestor,
    a_strangers_ancestor,
    a_link_that_a_stranger_made,
    a_link_into_a_writable_directory,
    a_link_in_a_writable_directory,
    a_way_up_and_down_through_a_writable_directory,
]


@pytest.mark.parametrize("arrange", UNTRUSTED)
def test_what_others_could_have_changed_is_refused_and_the_command_that_is_named_mends_it(
    asker: Asker, arrange: Callable[[Asker], tuple[Path, Path, str]]
) -> None:
    path, blamed, words = arrange(asker)
    status, message = asker.opened(path)
    assert status == DENIED
    assert message.startswith(f"{blamed} {words}"), message
    _, separator, command = message.partition("; mend it: ")
    if not separator:
        assert asker.uid  # who owns it mends it himself, else it takes root
        _, _, command = message.partition("; mend it, as root: ")
    subprocess.run(["/bin/sh", "-c", command], check=True)
    assert asker.opened(path) == (0, str(path.resolve()))


def test_a_file_right_in_a_directory_that_all_may_write_is_refused_in_spite_of_the_sticky_bit(asker: Asker) -> None:
    path = asker.file("public", "hook")
    path.parent.chmod(0o1777)
    status, message = asker.opened(path)
    assert status == DENIED
    assert message.startswith(f"{path.parent} (owner {asker.name}, mode 1777) can be written by its group and others")
    subprocess.run(["/bin/sh", "-c", message.partition("; mend it: ")[2].partition(", and")[0]], check=True)
    os.chown(path.parent / "notifyees", asker.uid, -1)
    assert asker.opened(path.parent / "notifyees" / "hook")[0] == 0


def test_with_the_sticky_bit_a_directory_s_directories_can_be_trusted(asker: Asker) -> None:
    path = asker.file("public", "own", "hook")
    path.parent.parent.chmod(0o1777)
    assert asker.opened(path) == (0, str(path))
    os.chown(path.parent, STRANGER, -1)
    assert asker.opened(path)[0] == DENIED
    os.chown(path.parent, asker.uid, -1)
    os.chown(path.parent.parent, STRANGER, -1)  # its owner may exchange what is in it
    assert asker.opened(path)[0] == DENIED


def test_what_nobody_else_can_change_is_trusted(asker: Asker) -> None:
    path = asker.file("a", "b", "hook")
    for mode in (0o755, 0o700, 0o555, 0o500):
        path.chmod(mode)
        assert asker.opened(path) == (0, str(path))
    acl(path, STRANGER, 5)  # who may read it
    assert asker.opened(path) == (0, str(path))
    (asker.place / "one").symlink_to("two")
    (asker.place / "two").symlink_to(path.parent)
    for link in ("one", "two"):
        os.chown(asker.place / link, asker.uid, -1, follow_symlinks=False)
    assert asker.opened(asker.place / "one" / "." / "hook") == (0, str(path))
    assert asker.opened(Path("/bin/sh")) == (0, str(Path("/bin/sh").resolve()))


def test_other_content_than_the_pin_s_is_refused(asker: Asker) -> None:
    path = asker.file("pinned")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert asker.opened(path, digest)[0] == OK
    status, words = asker.opened(path, "0" * 64)
    assert status == OTHER_CONTENT
    assert digest in words


def test_root_trusts_root_alone_and_a_user_trusts_root_too(asker: Asker, account: Account) -> None:
    path = asker.file("hooks", "hook", owner=account.uid)
    assert asker.opened(path)[0] == (DENIED if asker.uid == 0 else 0)
    os.chown(path, 0, -1)
    assert asker.opened(path)[0] == 0


def test_a_hard_link_is_the_file_itself(asker: Asker) -> None:
    path = asker.file("hooks", "hook", owner=STRANGER)
    (asker.place / "hard").hardlink_to(path)
    assert asker.opened(asker.place / "hard")[0] == DENIED


def test_what_is_no_file_is_told_as_such(asker: Asker) -> None:
    path = asker.file("hooks", "hook")
    os.mkfifo(path.with_name("pipe"))
    path.with_name("circle").symlink_to("circle")
    for name, status in {
        "missing": Status.ERROR_FILE_NOT_FOUND,
        "hook/below": Status.ERROR_FILE_NOT_FOUND,
        ".": Status.ERROR_BAD_CONFIGURATION,
        "pipe": Status.ERROR_BAD_CONFIGURATION,
        "circle": Status.ERROR_BAD_CONFIGURATION,
    }.items():
        assert asker.opened(path.parent / name)[0] == status, name


def test_a_directory_that_one_may_not_enter_is_told_as_such(ordinary_user: OrdinaryUser, places: Places) -> None:
    ran = ordinary_user.run(ordinary_user.python, "-c", LOOK, places.base / "hook")
    assert json.loads(ran.stdout) == [DENIED, f"{places.base / 'hook'} cannot be read by this user"]


# -- drop-in files ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stage:
    """The directory of drop-ins, one of targets, and a log into which whatever is run writes what it is."""

    base: Path
    built: Build

    @property
    def log(self) -> Path:
        return self.base / "log"

    @property
    def drop_ins(self) -> Path:
        return self.base / "config" / "notifyees.d"

    @property
    def targets(self) -> Path:
        return self.base / "targets"

    def register(self, name: str, text: str) -> Path:
        self.drop_ins.mkdir(exist_ok=True)
        path = self.drop_ins / f"{name}.toml"
        path.write_text(text)
        return path

    def ran(self) -> list[str]:
        return self.log.read_text().split() if self.log.exists() else []

    def write(self, kind: str, says: str) -> Path:
        """A target of some *kind* that writes what it *says* into the log when it is run, a library when loaded."""
        names = {"command": "hook", "module": "trusted_hooks.py", "native": "hook.so"}
        path = self.targets / names.get(kind, "hook.py")
        if kind == "command":
            text = f"#!/bin/sh\necho {says} >>{self.log}\n"
        elif kind == "native":
            source = self.base / "hook.c"
            source.write_text(LIBRARY)
            shutil.copy(self.built(source, f'-DLOG="{self.log}"', f'-DSAYS="{says} "'), path)
            return path
        else:
            text = f"def hook(event):\n    with open({str(self.log)!r}, 'a') as log:\n        log.write('{says} ')\n"
        path.write_text(text)
        path.chmod(0o755)
        return path

    def target(self, kind: str, path: Path) -> str:
        """The line of a drop-in that names it."""
        if kind == "module":
            return 'target = "python:trusted_hooks:hook"\n'
        if kind in {"command", "native"}:
            return f'target = "{kind}:{path}"\n'
        return f'target = "python:{path}:hook"\nisolation = "{kind}"\n'


LIBRARY = """
#include <npapi.h>
#undef IN
#include <stdio.h>
__attribute__((constructor)) static void loaded(void)
{
    FILE *log = fopen(LOG, "a");
    fputs(SAYS, log);
    fclose(log);
}
DWORD AddConnectNotify(LPNOTIFYINFO info, LPNOTIFYADD add) { (void)info; (void)add; return WN_SUCCESS; }
DWORD CancelConnectNotify(LPNOTIFYINFO info, LPNOTIFYCANCEL cancel) { (void)info; (void)cancel; return WN_SUCCESS; }
"""

KINDS = ["command", "inline", "process", "module", "native"]


@pytest.fixture
def stage(places: Places, built: Build, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    made = Stage(places.base, built)
    made.targets.mkdir()
    monkeypatch.syspath_prepend(made.targets)
    yield made
    sys.modules.pop("trusted_hooks", None)


@contextmanager
def router(stage: Stage) -> Iterator[DropIns]:
    made = DropIns([("user", stage.drop_ins)], entry_points=False)
    try:
        yield made
    finally:
        made.close()


def tell(registrations: list[Registration]) -> list[Told]:
    told: list[Told] = []
    operate(ADD, [each for each in registrations if each.concerns("add", ())], lambda: ADD, record=told.append)
    return told


@pytest.mark.parametrize("required", [False, True])
@pytest.mark.parametrize("blamed", ["", "..", "../.."])
def test_n10_an_untrusted_drop_in_is_skipped_and_logged_or_fails_what_it_concerns_if_required(
    stage: Stage, blamed: str, required: bool, caplog: pytest.LogCaptureFixture
) -> None:
    text = stage.target("command", stage.write("command", "hook")) + f"required = {str(required).lower()}\n"
    path = stage.register("hook", text)
    at_fault = (path / blamed).resolve()
    mode = stat.S_IMODE(at_fault.stat().st_mode)
    at_fault.chmod(mode | 0o020)
    with router(stage) as drop_ins, caplog.at_level(logging.WARNING, "mprouter.notify"):
        for _ in range(2):
            if required:
                with pytest.raises(WNetError, match=f"{at_fault} .owner root, mode 0") as caught:
                    tell(drop_ins.registrations())
                assert caught.value.status is DENIED
            else:
                assert tell(drop_ins.registrations()) == []
        assert any(f"{at_fault} (owner root" in record.getMessage() for record in caplog.records)
        assert stage.ran() == []
        at_fault.chmod(mode)  # which a router that runs already notices
        tell(drop_ins.registrations())
        assert stage.ran() == ["hook", "hook"]


def test_a_drop_in_of_somebody_else_s_is_refused_to_root(stage: Stage, account: Account) -> None:
    path = stage.register("hook", stage.target("command", stage.write("command", "hook")))
    account.own(path)
    registration = read(path, "user")
    assert registration.problem is not None
    assert registration.problem.message.startswith(f"{path} (owner {account.name}, mode 0644) does not belong to root")


@pytest.mark.parametrize("umask", [0o000, 0o002, 0o022])
def test_what_add_writes_is_trusted_whatever_the_umask(
    stage: Stage, umask: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MPROUTER_CONFIG_DIR", str(stage.base / "not" / "there" / "yet"))
    path = stage.write("command", "hook")
    before = os.umask(umask)
    try:
        file = add("hook", stage.target("command", path).partition('"')[2].strip('"\n'))
    finally:
        os.umask(before)
    assert tell([read(file, "user")])[0].answer is OK
    assert stage.ran() == ["hook", "hook"]


@pytest.mark.parametrize("umask", [0o000, 0o002, 0o077])
@pytest.mark.parametrize(
    "change",
    [
        lambda: set_provider_order(["sftp"]),
        lambda: service.install(service.Unit(service.Kind.USER)),
        lambda: toml_file.save(parse_remote("sftp://nas"), "ana", Secret("sesame")),
    ],
    ids=["settings", "unit", "credentials"],
)
def test_the_directories_that_other_commands_make_do_not_have_notifyees_refused(
    stage: Stage, umask: int, change: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A umask of 002 is that of users who have a group of their own."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(stage.base / "not" / "there" / "yet"))
    monkeypatch.delenv("MPROUTER_CONFIG_DIR")
    before = os.umask(umask)
    try:
        change()
        file = add("hook", f"command:{stage.write('command', 'hook')}")
    finally:
        os.umask(before)
    assert read(file, "user").problem is None


def test_n10_what_root_registers_for_all_users_they_can_read_whatever_the_umask(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where they cannot, a required notifyee is skipped for them, and settings let nothing be connected."""
    system = stage.base / "not" / "there" / "yet"
    monkeypatch.setenv("MPROUTER_SYSTEM_DIR", str(system))
    before = os.umask(0o077)
    try:
        set_provider_order(["sftp"], system=True)
        file = add("hook", f"command:{stage.write('command', 'hook')}", required=True, system=True)
    finally:
        os.umask(before)
    directories = [file.parent, system, system.parent, system.parent.parent]
    assert {stat.S_IMODE(each.stat().st_mode) for each in directories} == {0o755}
    assert {stat.S_IMODE(each.stat().st_mode) for each in (file, system / "settings.toml")} == {0o644}


# -- targets, of every kind ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("blame", ["file", "directory"])
def test_n10_an_untrusted_target_is_neither_loaded_nor_run(stage: Stage, kind: str, blame: str) -> None:
    path = stage.write(kind, "hook")
    at_fault = path if blame == "file" else path.parent
    at_fault.chmod(0o775)
    stage.register("advisory", stage.target(kind, path))
    with router(stage) as drop_ins:
        (told,) = tell(drop_ins.registrations())
        assert told.answer is DENIED
        assert f"{at_fault} (owner root, mode 0775) can be written by its group" in str(told.message)
        stage.register("advisory", stage.target(kind, path) + "required = true\n")
        with pytest.raises(WNetError) as caught:
            tell(drop_ins.registrations())
        assert caught.value.status is DENIED
        problem = check(read(stage.drop_ins / "advisory.toml", "user"))
        assert problem is not None
        assert f"chmod g-w {at_fault}" in problem.message
        assert stage.ran() == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_pinned_target_is_run_as_long_as_its_content_is_that(stage: Stage, kind: str) -> None:
    path = stage.write(kind, "first")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    stage.register("hook", stage.target(kind, path) + f'sha256 = "{digest.upper()}"\n')
    with router(stage) as drop_ins:
        assert {each.answer for each in tell(drop_ins.registrations())} == {OK}
    assert set(stage.ran()) == {"first"}
    before = stage.ran()
    sys.modules.pop("trusted_hooks", None)
    path.unlink()
    stage.write(kind, "second")
    with router(stage) as drop_ins:
        (told,) = tell(drop_ins.registrations())
    changed = hashlib.sha256(path.read_bytes()).hexdigest()
    assert told.answer is OTHER_CONTENT
    assert f'sha256 = "{changed}"' in str(told.message)
    assert stage.ran() == before


def test_a_pinned_script_finds_where_it_lies(stage: Stage) -> None:
    path = stage.write("command", "hook")
    path.write_text(f'#!/bin/sh\n. "${{MPR_COMMAND%/*}}/common.sh"\necho "$1" >>{stage.log}\n')
    (stage.targets / "common.sh").write_text(f"echo common >>{stage.log}\n")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    for pin in ("", f'sha256 = "{digest}"\n'):
        registration = read(stage.register("hook", f'target = "command:{path} word"\n{pin}'), "user")
        tell([registration])
    assert stage.ran() == ["common", "word"] * 4


def test_a_pin_that_is_none_is_a_problem_on_its_line(stage: Stage) -> None:
    for pin in ('"abc"', '""', f'"{"g" * 64}"', "5", "true"):
        registration = read(stage.register("hook", f'target = "command:/bin/true"\nsha256 = {pin}'), "user")
        assert registration.problem is not None
        assert (registration.problem.line, "64 hexadecimal" in registration.problem.message) == (2, True)


def test_a_module_s_packages_are_checked_before_any_of_them_is_run(stage: Stage) -> None:
    package = stage.targets / "trusted_package"
    package.mkdir()
    (package / "__init__.py").write_text(f"with open({str(stage.log)!r}, 'a') as log: log.write('package ')\n")
    (package / "hooks.py").write_text("from . import __name__ as name\n\n\ndef hook(event):\n    assert name\n")
    (package / "__init__.py").chmod(0o666)
    registration = read(stage.register("hook", 'target = "python:trusted_package.hooks:hook"'), "user")
    (told,) = tell([registration])
    assert told.answer is DENIED
    assert stage.ran() == []
    (package / "__init__.py").chmod(0o644)
    (told,) = tell([read(stage.drop_ins / "hook.toml", "user")])
    assert (told.answer, stage.ran()) == (OK, ["package"])
    for name in ("trusted_package", "trusted_package.hooks"):
        assert sys.modules.pop(name)


def test_a_planted_compiled_copy_is_not_what_is_run(stage: Stage) -> None:
    import py_compile

    path = stage.write("module", "source")
    planted = stage.targets / "planted.py"
    planted.write_text(path.read_text().replace("source", "planted"))
    stamp = path.stat().st_mtime_ns
    cache = py_compile.compile(
        str(planted),
        cache_from_source(str(path)),
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )
    assert cache is not None
    os.utime(path, ns=(stamp, stamp))
    (told,) = tell([read(stage.register("hook", stage.target("module", path)), "user")])
    assert (told.answer, told.message, stage.ran()) == (OK, None, ["source"])


def test_variables_of_the_caller_lead_to_nothing_that_is_not_trusted(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, account: Account
) -> None:
    path = stage.write("command", "planted")
    account.own(path)
    monkeypatch.setenv("HOOKS", str(stage.targets))
    (told,) = tell([read(stage.register("hook", 'target = "command:$HOOKS/hook"'), "user")])
    assert (told.answer, stage.ran()) == (DENIED, [])


# -- what was checked is what is run ---------------------------------------------------------------------------------


@contextmanager
def exchanged(path: Path, *others: Path) -> Iterator[None]:
    """Meanwhile *path* is now the one and now another of *others*, as fast as they can be renamed."""
    begun, stop = threading.Event(), threading.Event()

    def exchange() -> None:
        for number, other in enumerate(cycle(others)):
            if stop.is_set():
                return
            new = path.with_name(f".{number % 2}")
            os.link(other, new)
            new.replace(path)
            begun.set()

    thread = threading.Thread(target=exchange)
    thread.start()
    try:
        assert begun.wait(30)
        yield
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize("pinned", [False, True])
@pytest.mark.parametrize("kind", ["command", "inline", "native"])
def test_a_file_that_is_exchanged_between_check_and_use_is_not_run(
    stage: Stage, account: Account, kind: str, pinned: bool
) -> None:
    path = stage.write(kind, "planted")
    planted = path.rename(path.with_name("planted"))
    good = stage.write(kind, "good").rename(path.with_name("good"))
    if not pinned:
        account.own(planted)
    pin = f'sha256 = "{hashlib.sha256(good.read_bytes()).hexdigest()}"\n' if pinned else ""
    file = stage.register("hook", stage.target(kind, path) + pin)
    answers: list[Status] = []
    refusal = OTHER_CONTENT if pinned else DENIED
    wanted = 5 if kind == "native" else 60  # a host is started for each
    with exchanged(path, good, planted):
        while len(answers) < 20_000 and not (answers.count(OK) >= wanted and answers.count(refusal) >= wanted):
            registration = read(file, "user")
            answers += [each.answer for each in tell([registration])][:1]
            if registration.close is not None:
                registration.close()
    assert answers.count(OK) >= wanted
    assert answers.count(refusal) >= wanted
    assert set(answers) <= {OK, refusal, Status.ERROR_FILE_NOT_FOUND}
    assert set(stage.ran()) == {"good"}


def test_a_pinned_program_that_is_overwritten_while_it_is_started_runs_as_it_was_checked(stage: Stage) -> None:
    path = stage.write("command", "good")
    with trust.opened(path, hashlib.sha256(path.read_bytes()).hexdigest()) as file:
        path.write_text(path.read_text().replace("good", "planted"))  # in place: the same file, by its owner
        subprocess.run([path], executable=file.place, pass_fds=(file.fileno(),), check=True)
        with pytest.raises(PermissionError), open(file.place, "r+b") as copy:  # noqa: PTH123
            copy.write(b"#")
    assert stage.ran() == ["good"]


def test_checks_leave_no_descriptor_behind(stage: Stage) -> None:
    path = stage.write("command", "hook")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    path.with_name("link").symlink_to(path)
    before = os.listdir("/proc/self/fd")  # noqa: PTH208 - names are all that there is

    for sha256 in (None, digest, "0" * 64):
        for mode in (0o755, 0o777):
            path.chmod(mode)
            for name in ("hook", "link", "missing", "hook/below", ".."):
                with suppress(WNetError):
                    trust.opened(path.parent / name, sha256).close()
    assert os.listdir("/proc/self/fd") == before  # noqa: PTH208


def strike(monkeypatch: pytest.MonkeyPatch, owner: object, name: str, nth: int) -> None:
    """Have Ctrl-C strike when the *nth* call of a function has done its work."""
    function, left = getattr(owner, name), nth

    def struck(*words: Any) -> Any:
        nonlocal left
        left -= 1
        done = function(*words)
        if left == 0:
            raise KeyboardInterrupt
        return done

    monkeypatch.setattr(owner, name, struck)


@pytest.mark.parametrize(("owner", "name"), [(os, "close"), (trust._Way, "enter"), (trust._Way, "follow")])
@pytest.mark.parametrize("nth", [1, 2])
def test_an_interrupt_on_the_way_is_an_interrupt_and_closes_nothing_twice(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, owner: object, name: str, nth: int
) -> None:
    """N19: an error in its place would count as the notifyee's, which is then not told."""
    path = stage.write("command", "hook")
    for new, old in (("link", "hook"), ("other", str(path.with_name("link")))):
        path.with_name(new).symlink_to(old)
    before = os.listdir("/proc/self/fd")  # noqa: PTH208 - names are all that there is
    with monkeypatch.context() as context:
        strike(context, owner, name, nth)
        with pytest.raises(KeyboardInterrupt):
            trust.opened(path.with_name("other"))
    assert os.listdir("/proc/self/fd") == before  # noqa: PTH208
