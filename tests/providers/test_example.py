"""The example of a provider outside the package: installed by pip, found by mpr, and true to the contract."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from mprouter.providers.base import Provider
from mprouter.testing import ProviderContract
from sandbox import Command, Places

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


def test_what_cannot_be_pushed_stays(
    mpr: Command, repository: Path, installed: Path, monkeypatch: pytest.MonkeyPatch, places: Places
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(installed))
    remote = f"git://{repository}"
    for letter in ("Z", "Y"):
        assert mpr("connect", remote, f"{letter}:").returncode == 0
        (places.drives / letter / "plan.txt").write_text(f"of {letter}\n")
    assert mpr("disconnect", "Z:").returncode == 0
    refused = mpr("disconnect", "Y:", "--force")
    assert refused.returncode == 1
    assert "(ERROR_WRITE_FAULT, 29)" in refused.stderr
    assert (places.drives / "Y" / "plan.txt").read_text() == "of Y\n"


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
