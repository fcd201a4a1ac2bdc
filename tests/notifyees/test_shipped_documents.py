"""The examples of docs/shipped-notifyees.md and docs/testing.md are what they say."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from mprouter.notify.registration import check, read
from mprouter.notifyees.audit import Audit
from mprouter.notifyees.desktop import Desktop
from mprouter.notifyees.dialler import Dialler
from mprouter.notifyees.policy import Policy

DOCUMENTS = Path(__file__).resolve().parents[2] / "docs"


def blocks(document: str, language: str) -> dict[str, str]:
    """The blocks of a document by the file that their first line names."""
    text = (DOCUMENTS / document).read_text()
    found = re.findall(rf"(?s)```{language}\n(# (\S+)\n.*?)```", text)
    return {name: block for block, name in found}


@pytest.mark.parametrize("name", ["corp.toml", "tunnel.toml", "policy.toml", "audit.toml", "desktop.toml"])
def test_a_drop_in_of_the_document_can_be_used(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(blocks("shipped-notifyees.md", "toml")[name])
    registration = read(path, "user")
    assert check(registration) is None
    assert registration.order != 50 or "dialler" in str(registration.target)


@pytest.mark.parametrize("notifyee", [Audit, Desktop, Dialler, Policy])
def test_every_setting_is_documented(notifyee: type) -> None:
    text = (DOCUMENTS / "shipped-notifyees.md").read_text()
    settings = set(notifyee.__init__.__annotations__) - {"return"}  # type: ignore[misc]
    assert settings
    assert [each for each in settings if f"`{each}`" not in text] == []


def test_the_tests_of_the_document_pass(tmp_path: Path) -> None:
    examples = blocks("testing.md", "python")
    assert set(examples) == {"test_contract.py", "test_redial.py"}
    for name, text in examples.items():
        (tmp_path / name).write_text(text)
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout
    assert " passed" in ran.stdout
