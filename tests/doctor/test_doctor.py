"""`mpr doctor` as a whole: a healthy system, how it is shown, a document that agrees, and nothing that stops it."""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import mprouter.doctor
import mprouter.providers.rclone.health
import mprouter.providers.sshfs
from diagnosis import Examine
from mprouter.doctor import examination, examine
from mprouter.finding import Check, Finding, Kind, Severity
from mprouter.providers import guard
from mprouter.providers.base import Diagnosing, Mounted
from mprouter.providers.order import builtin_providers
from mprouter.providers.rclone.local import Local
from sandbox import Command, OrdinaryUser, Places

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "doctor.md"


def kinds() -> Iterator[Kind]:
    """All kinds of findings that the package has."""
    for room in (mprouter.doctor, mprouter.providers.rclone.health, mprouter.providers.sshfs):
        for module in pkgutil.iter_modules(room.__path__, f"{room.__name__}."):
            yield from (each for each in vars(importlib.import_module(module.name)).values() if isinstance(each, Kind))


def row(kind: Kind) -> str:
    mend = re.sub(r"\{(\w+)\}", lambda word: word[1].upper(), kind.mend)
    cells = (f"`{kind.code}`", kind.severity.value, kind.meaning, mend or "nothing has to be done", kind.fix or "-")
    return f"| {' | '.join(cells)} |"


def test_the_document_has_every_finding_as_the_code_has_it() -> None:
    table = DOCUMENT.read_text().partition("## All findings")[2]
    documented = [line for line in table.splitlines() if line.startswith("| `")]
    assert sorted(documented) == sorted(row(each) for each in kinds())
    codes = [each.code for each in kinds()]
    assert len(codes) == len(set(codes))
    sources = Path(mprouter.doctor.__file__).parents[1].rglob("*.py")
    assert len(codes) == sum(each.read_text().count(" = Kind(\n") for each in sources)  # none stands elsewhere


def test_a_healthy_system_is_reported_as_healthy_unused_and_in_use(
    doctor: Examine, mpr: Command, resource: str, places: Places
) -> None:
    before = sorted(places.base.rglob("*"))
    assert doctor().all == []
    assert sorted(places.base.rglob("*")) == before  # looking leaves nothing behind
    assert mpr("connect", resource, "Z:", "--persist").returncode == 0
    assert mpr("connect", resource).returncode == 0
    assert doctor().all == []
    assert doctor("--fix").shown["mended"] == []
    assert mpr("disconnect", "Z:").returncode == 0
    assert doctor().all == []


def test_an_ordinary_user_s_system_is_healthy_too(ordinary_doctor: Examine, ordinary_user: OrdinaryUser) -> None:
    home = ordinary_user.places.home
    ordinary_user.run("mkdir", home / "data")
    assert ordinary_doctor().all == []
    assert ordinary_user.mpr("connect", f"file://{home}/data", "Z:").returncode == 0
    assert ordinary_doctor().all == []


def test_a_person_reads_what_is_wrong_what_it_means_and_how_to_mend_it(mpr: Command, places: Places) -> None:
    well = mpr("doctor")
    assert (well.returncode, well.stderr) == (0, "")
    assert well.stdout.endswith("\nNothing is wrong.\n")
    places.state.chmod(0o755)
    ran = mpr("doctor")
    assert ran.returncode == 1
    assert f"directories           ERROR others may enter {places.state} (mode 0755)\n" in ran.stdout
    assert "mprouter does not use it.\n" in ran.stdout
    assert f"mend: `chmod 700 {places.state}`\n" in ran.stdout
    assert ran.stdout.endswith("\n1 thing is wrong. 'mpr doctor --fix' can mend 1 of them.\n")
    mended = mpr("doctor", "--fix")
    assert mended.returncode == 0
    assert mended.stdout.startswith(f"mended   others may enter {places.state} (mode 0755)\n")
    assert mended.stdout.endswith("\nNothing is wrong.\n")


def test_it_works_for_somebody_who_has_nothing(ordinary_user: OrdinaryUser) -> None:
    """No home directory, no account, none of the variables, no PATH."""
    nobody = ["setpriv", "--reuid=54321", "--regid=54321", "--clear-groups", "env", "-i", "PATH=/nowhere"]
    argv = [str(ordinary_user.python), "-m", "mprouter", "doctor", "--json"]
    variables = [f"{name}={value}" for name, value in ordinary_user._variables.items()]
    from diagnosis import in_a_namespace, report

    found = report(in_a_namespace(":", [*nobody, *variables, *argv]))
    assert {"place-unknown", "fusermount-missing", "check-failed"} <= found.codes
    assert not Path("/tmp/mprouter-54321").exists()
    listed = in_a_namespace(":", [*nobody, *variables, *argv[:-2], "list"])
    assert listed.returncode == 1
    assert "mpr: no home directory is known" in listed.stderr


class Stranger(Local):
    """A provider that somebody else has written; it is asked with the built-in ones' function left out."""

    def __init__(self, look: Callable[[], Sequence[Finding]]) -> None:
        super().__init__()
        self._look = look
        self.diagnose = self._checks

    def _checks(self, known: Callable[[], Sequence[Mounted]]) -> Sequence[Check]:
        assert known() == []
        return [Check("the stranger's", self._look)]


def test_a_provider_of_a_stranger_contributes(places: Places) -> None:
    del places
    kind = Kind("cable", Severity.ERROR, "Nothing works.", "plug it in: `plug {cable}`")
    plugged: list[str] = []

    def look() -> list[Finding]:
        return [] if plugged else [kind.found("a cable is out", fix=lambda: plugged.append("in"), cable="the red one")]

    stranger = Stranger(look)
    assert isinstance(stranger, Diagnosing)
    (finding,) = [each for each in examine(providers=[stranger]).findings if each.code == "cable"]
    assert finding.mend == "plug it in: `plug 'the red one'`"
    after = examine(providers=[stranger], fix=True)
    assert ([each.code for each in after.mended], after.is_healthy) == (["cable"], True)


def test_the_networks_that_share_a_data_plane_are_asked_once(places: Places) -> None:
    del places
    subjects = [each.subject for each in examine().checked]
    assert len(builtin_providers()) > 1
    assert subjects.count("FUSE") == 1


def test_a_check_that_fails_or_hangs_or_wants_to_exit_is_a_finding(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    del places
    released = threading.Event()

    def hang() -> list[Finding]:
        released.wait()
        return []

    def leave() -> list[Finding]:
        raise SystemExit(3)

    def fail() -> list[Finding]:
        raise ValueError("with a secret in it")

    def refuse() -> None:
        raise PermissionError(1, "not permitted")

    providers = [Stranger(each) for each in (leave, fail)]
    found = examine(providers=providers).findings
    assert [each.code for each in found if each.code.startswith("check")] == ["check-failed"] * 2
    assert "secret" not in str(found)

    kind = Kind("stuck", Severity.WARNING, "It is stuck.", "")
    stuck = examine(providers=[Stranger(lambda: [kind.found("it is stuck", fix=refuse)])], fix=True)
    assert [(each.code, reason) for each, reason in stuck.failed] == [("stuck", "not permitted")]
    assert not stuck.is_healthy

    monkeypatch.setattr(examination, "LIMIT", 1.0)
    hanging = examine(providers=[Stranger(hang)])
    released.set()
    assert "check-hangs" in [each.code for each in hanging.findings]


@pytest.mark.parametrize("rubbish", [[3], 3, [Check(3, list)]], ids=["number in a list", "number", "subject"])  # type: ignore[arg-type]
def test_what_a_stranger_answers_instead_of_checks_is_a_finding(places: Places, rubbish: Any) -> None:
    del places
    stranger: Any = Stranger(list)
    stranger.diagnose = lambda _: rubbish
    codes = [each.code for each in examine(providers=[stranger]).findings]
    assert codes.count("check-failed") == 1


@pytest.mark.parametrize("rubbish", [[3], [Finding("x", "bad", "x", "x", "x")]], ids=["number", "severity"])  # type: ignore[arg-type]
def test_and_instead_of_findings(places: Places, rubbish: Any) -> None:
    del places
    (finding,) = [each for each in examine(providers=[Stranger(lambda: rubbish)]).findings if "check" in each.code]
    assert finding.what.startswith("the check of the stranger's failed: it answered with a ")


def test_a_stranger_that_does_not_say_what_is_to_be_checked_is_a_finding(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    del places
    monkeypatch.setattr(guard, "ANSWER", 0.1)
    released = threading.Event()
    stranger: Any = Stranger(list)
    stranger.name = "slow"
    stranger.diagnose = lambda _: released.wait()
    found = examine(providers=[stranger]).findings
    released.set()
    (what,) = [each.what for each in found if each.code == "check-hangs"]
    assert what.startswith("diagnose of the network provider slow has not answered within 0.1 seconds; ")
    assert what.endswith("mpr provider disable slow")


def test_words_of_others_do_not_steer_the_terminal(mpr: Command, places: Places) -> None:
    (places.config / "settings.toml").write_text('"\\u001b[2J" = 1\n')
    ran = mpr("doctor")
    assert ran.returncode == 1
    assert "\x1b" not in ran.stdout
    assert json.loads(mpr("doctor", "--json").stdout)["healthy"] is False
