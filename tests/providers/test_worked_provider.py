"""The provider that docs/providers.md shows, taken from there, keeps the contract and saves a password."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from mprouter.cli.program import program
from mprouter.credentials import Credentials, toml_file
from mprouter.names import parse_remote
from mprouter.providers.base import Provider
from mprouter.testing import ProviderContract
from sandbox import Places

PAGE = Path(__file__).resolve().parents[2] / "docs" / "providers.md"
PASSWORD = "open, Sesam 7f3a"


@pytest.fixture
def shelves(tmp_path: Path) -> Path:
    """A locked directory, an open one, and the module of the provider beside them."""
    for name in ("locked", "open"):
        (tmp_path / "shelves" / name).mkdir(parents=True)
        (tmp_path / "shelves" / name / "page").write_text("text\n")
    (tmp_path / "shelves" / "locked" / ".key").write_text(f"{PASSWORD}\n")
    (shown,) = re.findall(r"```python\n(\"\"\"shelf:.*?)```", PAGE.read_text(), re.DOTALL)
    (tmp_path / "shelf.py").write_text(shown)
    return tmp_path / "shelves"


class TestTheWorkedProvider(ProviderContract):
    remote_name, missing_name, content = "shelf:///locked", "shelf:///stolen", ("page",)
    user, password = "ana", PASSWORD

    @pytest.fixture(autouse=True)
    def _prepare(self, shelves: Path) -> None:
        self.root = shelves

    def provider(self) -> Provider:
        module: dict[str, object] = {}
        exec((self.root.parent / "shelf.py").read_text(), module)  # noqa: S102 - it is this repository's
        made: Provider = module["Shelf"](str(self.root))  # type: ignore[operator]
        return made


def test_it_is_registered_by_a_file_and_saves_the_password(shelves: Path, places: Places) -> None:
    drop_in = places.config / "providers.d" / "shelf.toml"
    drop_in.parent.mkdir()
    drop_in.write_text(f'target = "python:{shelves.parent}/shelf.py:Shelf"\n[settings]\nroot = "{shelves}"\n')
    toml_file.path().touch(mode=0o600)

    def mpr(*arguments: str, stdin: str = "") -> str:
        done = CliRunner().invoke(program, arguments, input=stdin)
        assert done.exit_code == 0, done.output
        return done.output

    mpr("connect", "shelf:///locked", "Z:", "--user", "ana", "--password-stdin", "--save-password", stdin=PASSWORD)
    (found,) = Credentials().stored(parse_remote("shelf:///locked"), "ana")
    assert found.password.reveal() == PASSWORD
    (places.drives / "Z" / "new").write_text("new\n")
    mpr("disconnect", "Z:")
    assert (shelves / "locked" / "new").read_text() == "new\n"
    mpr("connect", "shelf:///locked", "Y:", "--user", "ana")
    assert sorted(each.name for each in (places.drives / "Y").iterdir()) == [".shelf", "new", "page"]
    mpr("disconnect", "Y:")
