"""The example of a provider outside the package: installed by pip, found by mpr, and true to the contract."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from mprouter import Status, WNetError
from mprouter.credentials import Credentials
from mprouter.names import parse_remote
from mprouter.providers.base import AddRequest, Mounted, Provider, State
from mprouter.testing import ProviderContract
from sandbox import Command, Places
from servers.daemon import wait_for

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "provider"


def git(*arguments: str | Path) -> str:
    return subprocess.run(["git", *arguments], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def repository(places: Places, tmp_path: Path) -> Path:
    """A bare repository with one file in it."""
    del places  # without the settings of whoever runs the tests
    bare, work = tmp_path / "notes.git", tmp_path / "work"
    git("init", "--quiet", "--bare", "--initial-branch=main", bare)
    git("clone", "--quiet", bare, work)
    (work / "README").write_text("hello\n")
    git("-C", work, "add", "README")
    git("-C", work, "-c", "user.name=Ana", "-c", "user.email=ana@files.example", "commit", "--quiet", "-m", "first")
    git("-C", work, "push", "--quiet", "origin", "HEAD")
    return bare


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pip has installed the example, with what is in the environment already and without a network."""
    source, target = tmp_path_factory.mktemp("example"), tmp_path_factory.mktemp("installed")
    shutil.copytree(EXAMPLE, source, dirs_exist_ok=True)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index", "--no-deps"]
    subprocess.run([*pip, "--no-build-isolation", "--target", target, source], check=True)
    return target


@pytest.fixture
def findable(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(installed))


def test_pip_installs_it_and_mpr_connects_with_it(
    mpr: Command, repository: Path, installed: Path, monkeypatch: pytest.MonkeyPatch, places: Places
) -> None:
    remote = f"git://{repository}"
    assert "no network here has names of this form" in mpr("connect", remote, "Z:").stderr
    monkeypatch.setenv("PYTHONPATH", str(installed))
    assert mpr("provider", "list").stdout.splitlines()[1].split()[:3] == ["git", "entry-point", "enabled"]
    connected = mpr("connect", remote, "Z:", "-o", "branch=main")
    assert (connected.returncode, connected.stderr) == (0, "")
    drive = places.drives / "Z"
    assert (drive / "README").read_text() == "hello\n"
    (drive / "plan.txt").write_text("written\n")
    assert "git has no option depth" in mpr("connect", remote, "Y:", "-o", "depth=1").stderr
    done = mpr("disconnect", "Z:")
    assert (done.returncode, done.stderr) == (0, "")
    assert git("-C", repository, "show", "main:plan.txt") == "written\n"
    assert not (drive / "README").exists()


@pytest.mark.usefixtures("findable")
def test_what_cannot_be_pushed_stays(mpr: Command, repository: Path, places: Places) -> None:
    remote = f"git://{repository}"
    for letter in ("Z", "Y"):
        assert mpr("connect", remote, f"{letter}:").returncode == 0
        (places.drives / letter / "plan.txt").write_text(f"of {letter}\n")
    assert mpr("disconnect", "Z:").returncode == 0
    refused = mpr("disconnect", "Y:", "--force")
    assert refused.returncode == 1
    assert "(ERROR_WRITE_FAULT, 29)" in refused.stderr
    assert "git pull there" in refused.stderr
    assert (places.drives / "Y" / "plan.txt").read_text() == "of Y\n"


@pytest.fixture
def working_copy(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Provider, Mounted]:
    """A connection of the provider to the repository."""
    monkeypatch.syspath_prepend(EXAMPLE)
    provider: Provider = import_module("mprouter_git").Git()
    name, place = parse_remote(f"git://{repository}"), tmp_path / "place"
    place.mkdir()
    added = provider.add_connection(AddRequest(name, place, Credentials()))
    return provider, Mounted(name, place, added.handle)


def refusal(provider: Provider, mounted: Mounted, *, force: bool) -> WNetError:
    with pytest.raises(WNetError) as caught:
        provider.cancel_connection(mounted, force=force)
    assert provider.state(mounted) is State.CONNECTED
    return caught.value


def test_c6_stashes_and_commits_of_no_branch_are_not_lost(
    repository: Path, working_copy: tuple[Provider, Mounted]
) -> None:
    provider, mounted = working_copy
    place = mounted.mountpoint
    me = ["-c", "user.name=Ana", "-c", "user.email=ana@files.example"]
    (place / "README").write_text("stashed\n")
    git("-C", place, *me, "stash")
    assert "there are stashes" in str(refusal(provider, mounted, force=True))
    git("-C", place, "stash", "pop")
    git("-C", place, "switch", "--quiet", "--detach")
    assert "there are commits of no branch" in str(refusal(provider, mounted, force=True))
    git("-C", place, "switch", "--quiet", "--create", "side")
    provider.cancel_connection(mounted, force=False)
    assert list(place.iterdir()) == []
    assert git("-C", repository, "show", "side:README") == "stashed\n"


@pytest.mark.parametrize("file", ["README", "late/plan.txt"])
def test_c6_what_is_written_between_push_and_removal_is_pushed_too(
    repository: Path, working_copy: tuple[Provider, Mounted], file: str
) -> None:
    provider, mounted = working_copy
    place = mounted.mountpoint
    (place / "empty").mkdir()
    hook = place / ".git" / "hooks" / "pre-push"  # runs when all is committed
    hook.write_text(f"#!/bin/sh\nmkdir late 2>/dev/null && echo late >{file}\nexit 0\n")
    hook.chmod(0o755)
    provider.cancel_connection(mounted, force=False)
    assert list(place.iterdir()) == []
    assert git("-C", repository, "show", f"main:{file}") == "late\n"


@pytest.mark.parametrize(
    ("force", "status"), [(False, Status.ERROR_OPEN_FILES), (True, Status.ERROR_WRITE_FAULT)], ids=["", "forced"]
)
def test_c6_while_a_program_goes_on_writing_the_connection_stands(
    working_copy: tuple[Provider, Mounted], force: bool, status: Status
) -> None:
    provider, mounted = working_copy
    hook = mounted.mountpoint / ".git" / "hooks" / "pre-push"
    hook.write_text("#!/bin/sh\necho more >>endless\n")
    hook.chmod(0o755)
    assert refusal(provider, mounted, force=force).status is status
    assert (mounted.mountpoint / "endless").read_text() == "more\n" * 3
    assert (mounted.mountpoint / "README").read_text() == "hello\n"


def test_who_died_while_the_working_copy_was_removed_is_settled(
    repository: Path, working_copy: tuple[Provider, Mounted]
) -> None:
    provider, mounted = working_copy
    place = mounted.mountpoint
    (place / ".git").rename(place / ".git delivered")
    (place / ".git delivered" / "index.lock").touch()
    (place / "README").unlink()
    (place / "new").write_text("written since\n")
    assert provider.settle(mounted) is State.CONNECTED
    provider.cancel_connection(mounted, force=False)
    assert git("-C", repository, "show", "main:README", "main:new") == "hello\nwritten since\n"
    assert list(place.iterdir()) == []


def test_half_a_clone_is_removed_and_never_pushed(repository: Path, working_copy: tuple[Provider, Mounted]) -> None:
    provider, mounted = working_copy
    place, arriving = mounted.mountpoint, mounted.mountpoint / ".git arriving"
    before = git("-C", repository, "rev-parse", "--all")
    arriving.mkdir()
    (place / ".git").rename(arriving / ".git")  # as when a process dies in the midst of it
    (arriving / ".git" / "index").rename(arriving / ".git" / "index.lock")
    (place / "README").write_text("hel")
    half = Mounted(mounted.name, place, {})
    assert provider.state(half) is State.LOST
    provider.cancel_connection(half, force=True)
    assert list(place.iterdir()) == []
    assert git("-C", repository, "rev-parse", "--all") == before


@pytest.mark.usefixtures("findable")
@pytest.mark.parametrize("cut_off", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda each: each.name)
def test_who_is_cut_off_in_a_clone_leaves_nothing(
    mpr: Command, repository: Path, places: Places, cut_off: signal.Signals
) -> None:
    work = repository.with_name("work")
    (work / ".gitattributes").write_text("README filter=slow\n")
    git("-C", work, "add", ".gitattributes")
    git("-C", work, "-c", "user.name=Ana", "-c", "user.email=ana@files.example", "commit", "--quiet", "-m", "slow")
    git("-C", work, "push", "--quiet", "origin", "HEAD")
    git("config", "--global", "filter.slow.smudge", f"touch {places.base}/begun; exec sleep 300")
    arguments = [sys.executable, "-m", "mprouter", "connect", f"git://{repository}", "Z:"]
    with subprocess.Popen(arguments, start_new_session=True, stderr=subprocess.DEVNULL) as connecting:
        wait_for((places.base / "begun").exists, lambda: "the checkout")
        if cut_off is signal.SIGKILL:
            connecting.kill()  # what it has started goes on
        else:
            os.killpg(connecting.pid, cut_off)
    assert connecting.returncode == (-cut_off if cut_off is signal.SIGKILL else 128 + cut_off)
    assert ("undone" in mpr("recover").stdout) is (cut_off is signal.SIGKILL)
    assert "Nothing is connected" in mpr("list").stdout
    assert not (places.drives / "Z").exists()


@pytest.mark.parametrize("flag", ["--assume-unchanged", "--skip-worktree"])
def test_c6_what_git_would_leave_alone_keeps_the_connection(working_copy: tuple[Provider, Mounted], flag: str) -> None:
    provider, mounted = working_copy
    git("-C", mounted.mountpoint, "update-index", flag, "README")
    (mounted.mountpoint / "README").write_text("mine\n")
    assert "git would not give back README as it is" in str(refusal(provider, mounted, force=True))
    assert (mounted.mountpoint / "README").read_text() == "mine\n"


def test_c6_line_ends_that_an_attribute_would_change_keep_the_connection(
    repository: Path, working_copy: tuple[Provider, Mounted]
) -> None:
    provider, mounted = working_copy
    attributes = mounted.mountpoint / ".git" / "info" / "attributes"
    attributes.parent.mkdir(exist_ok=True)
    attributes.write_text("* text eol=lf\n")
    (mounted.mountpoint / "list").write_bytes(b"a\r\n")
    assert "git would not give back list as it is" in str(refusal(provider, mounted, force=True))
    attributes.write_text("* text eol=crlf\nREADME eol=lf\n")  # now it would
    provider.cancel_connection(mounted, force=False)
    assert git("-C", repository, "show", "main:list") == "a\n"


def test_c6_what_git_does_not_keep_is_named(working_copy: tuple[Provider, Mounted]) -> None:
    provider, mounted = working_copy
    os.mkfifo(mounted.mountpoint / "pipe")
    assert "git would not give back pipe as it is" in str(refusal(provider, mounted, force=True))


class TestGit(ProviderContract):
    content = ("README",)

    @pytest.fixture(autouse=True)
    def _prepare(self, repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.syspath_prepend(EXAMPLE)
        self.remote_name = f"git://{repository}"
        self.missing_name = f"git://{repository.with_name('gone.git')}"

    def provider(self) -> Provider:
        made: Provider = import_module("mprouter_git").Git()
        return made
