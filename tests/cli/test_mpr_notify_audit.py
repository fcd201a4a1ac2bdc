"""`mpr notify audit`: each registration with what would be run and who could have changed it, and nothing is run."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path
from typing import Any

from recorder import Script
from sandbox import Command as Run
from sandbox import OrdinaryUser, Places


def register(places: Places, name: str, text: str, source: str = "user") -> Path:
    path = (places.config if source == "user" else places.system) / "notifyees.d" / f"{name}.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def audited(mpr: Run, code: int = 0) -> dict[str, Any]:
    ran = mpr("notify", "audit", "--json")
    assert (ran.returncode, ran.stderr) == (code, ""), ran.stderr
    return {each["name"]: each for each in json.loads(ran.stdout)}


def test_without_notifyees_nothing_is_wrong(mpr: Run) -> None:
    ran = mpr("notify", "audit")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "No notifyee is registered.\n", "")
    assert audited(mpr) == {}


def test_each_is_shown_with_source_target_owner_mode_digest_and_pin(
    mpr: Run, places: Places, script: Script, tmp_path: Path
) -> None:
    digest = hashlib.sha256(script.path.read_bytes()).hexdigest()
    mine = register(places, "mine", f'target = "{script.target} argument"\nsha256 = "{digest}"\n')
    theirs = register(places, "theirs", 'target = "python:mprouter.names:parse_remote"\nenabled = false\n', "system")
    (tmp_path / "hooks.py").write_text("raise SystemExit('nothing is loaded')")
    register(places, "file", f'target = "python:{tmp_path / "hooks.py"}:hook"\n')
    register(places, "built-in", 'target = "python:sys:exit"\n')
    found = audited(mpr)
    assert [each["source"] for each in found.values()] == ["system", "user", "user", "user"]
    assert found["mine"] == {
        "name": "mine",
        "source": "user",
        "file": str(mine),
        "enabled": True,
        "required": False,
        "target": f"{script.target} argument",
        "path": str(script.path),
        "owner": "root",
        "mode": "0755",
        "sha256": digest,
        "pinned": True,
        "last_call": None,
        "problems": [],
    }
    assert (found["theirs"]["file"], found["theirs"]["enabled"]) == (str(theirs), False)
    assert found["theirs"]["path"].endswith("/mprouter/names.py")
    assert (found["file"]["path"], found["file"]["pinned"]) == (str(tmp_path / "hooks.py"), False)
    assert (found["built-in"]["path"], found["built-in"]["sha256"]) == (None, None)
    assert script.told() == []


def test_what_is_left_to_the_code_is_not_told_as_if_the_file_said_it(mpr: Run, places: Places) -> None:
    policy = (
        'target = "python:mprouter.notifyees.policy:Policy"\n'  # required, and told at 20, unless the file says else
    )
    register(places, "left", policy)
    register(places, "said", f"{policy}required = false\norder = 30\n")
    register(places, "half", f"{policy}required = true\n")
    shown = [line for line in mpr("notify", "audit").stdout.splitlines() if line.startswith("user/")]
    assert shown == [
        "user/said  enabled, order 30",
        "user/half  enabled, required; its code says: order",
        "user/left  enabled; its code says: order, required",
    ]
    assert {name: each["required"] for name, each in audited(mpr).items()} == {
        "left": None,
        "said": False,
        "half": True,
    }


def test_a_link_is_shown_as_what_it_leads_to(mpr: Run, places: Places) -> None:
    link = places.base / "link"
    link.symlink_to("/bin/true")
    register(places, "link", f'target = "command:{link}"\n')
    shown = audited(mpr)["link"]
    assert (shown["target"], shown["path"]) == (f"command:{link}", str(Path("/bin/true").resolve()))


def test_the_last_call_is_that_on_record(mpr: Run, places: Places, script: Script, resource: str) -> None:
    register(places, "called", f'target = "{script.target}"\n')
    register(places, "other", f'target = "{script.target}"\nmatch = ["sftp://*"]\n')
    before = time.time()
    assert mpr("connect", resource, "Z:").returncode == 0
    script.does("exit 75")
    assert mpr("disconnect", "Z:").returncode == 0
    found = audited(mpr)
    last = found["called"]["last_call"]
    assert before <= last.pop("time") <= time.time()
    assert last == {"operation": "cancel", "phase": "post", "answer": "WN_RETRY", "answer_code": 1237}
    assert found["other"]["last_call"] is None
    assert len(script.told()) == 4
    shown = mpr("notify", "audit").stdout
    assert "cancel post: WN_RETRY" in shown
    assert "never called" in shown


def test_whatever_is_wrong_is_told_with_the_command_that_mends_it(
    mpr: Run, places: Places, script: Script, tmp_path: Path
) -> None:
    writable = tmp_path / "writable"
    writable.write_bytes(script.path.read_bytes())
    writable.chmod(0o777)
    (tmp_path / "plain").write_text("#!/bin/sh\n")
    texts = {
        "broken": 'target = "command:/bin/true"\nordre = 3\n',
        "missing": f'target = "command:{tmp_path / "missing"}"\n',
        "missing-module": 'target = "python:no_such_module:hook"\n',
        "not-executable": f'target = "command:{tmp_path / "plain"}"\n',
        "pin": f'target = "{script.target}"\nsha256 = "{"0" * 64}"\n',
        "target": f'target = "command:{writable}"\nenabled = false\n',
        "drop-in": f'target = "{script.target}"\n',
        "well": f'target = "{script.target}"\n',
    }
    files = {name: register(places, name, text) for name, text in texts.items()}
    files["drop-in"].chmod(0o664)
    found = audited(mpr, 1)
    problems = {name: [each["message"] for each in shown["problems"]] for name, shown in found.items()}
    statuses = {name: [each["status"] for each in shown["problems"]] for name, shown in found.items()}
    assert problems.pop("well") == []
    assert all(len(each) == 1 for each in problems.values())
    assert found["broken"]["problems"][0]["line"] == 2
    assert "there is no file" in problems["missing"][0]
    assert "no Python module no_such_module" in problems["missing-module"][0]
    assert "not executable" in problems["not-executable"][0]
    assert "SHA-256" in problems["pin"][0]
    assert statuses["pin"] == ["ERROR_INVALID_IMAGE_HASH"]
    assert statuses["target"] == statuses["drop-in"] == ["ERROR_ACCESS_DENIED"]
    assert problems["target"] == [
        f"{writable} (owner root, mode 0777) can be written by its group and others; mend it: chmod go-w {writable}"
    ]
    assert f"chmod g-w {files['drop-in']}" in problems["drop-in"][0]

    ran = mpr("notify", "audit")
    assert (ran.returncode, ran.stdout.count("WRONG")) == (1, 7)
    assert f"  WRONG   {problems['target'][0]}\n" in ran.stdout
    assert script.told() == []

    for name in texts:
        if name not in {"target", "drop-in", "well"}:
            files[name].unlink()
    writable.chmod(0o755)
    files["drop-in"].chmod(0o644)
    assert {name: shown["problems"] for name, shown in audited(mpr).items()} == {
        "target": [],
        "drop-in": [],
        "well": [],
    }


def test_a_package_on_the_way_to_a_module_counts(mpr: Run, places: Places, tmp_path: Path, monkeypatch: Any) -> None:
    package = tmp_path / "audited"
    package.mkdir()
    (package / "__init__.py").write_text("raise SystemExit('nothing is loaded')")
    (package / "hooks.py").write_text("raise SystemExit('nothing is loaded')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    register(places, "hooks", 'target = "python:audited.hooks:hook"\n')
    assert audited(mpr)["hooks"]["path"] == str(package / "hooks.py")
    package.joinpath("__init__.py").chmod(0o666)
    (problem,) = audited(mpr, 1)["hooks"]["problems"]
    assert problem["message"].startswith(f"{package / '__init__.py'} (owner root, mode 0666)")


def test_an_ordinary_user_audits_the_own_and_the_system_s(ordinary_user: OrdinaryUser) -> None:
    places = ordinary_user.places
    own = register(places, "own", 'target = "command:/bin/true"\n')
    system = register(places, "of-root", 'target = "command:/bin/true"\n', "system")
    ordinary_user.account.own(own, own.parent)
    assert {name: each["problems"] for name, each in audited(ordinary_user.mpr).items()} == {"own": [], "of-root": []}
    system.chmod(0o646)
    (problem,) = audited(ordinary_user.mpr, 1)["of-root"]["problems"]
    assert problem["message"] == (
        f"{system} (owner root, mode 0646) can be written by everybody; mend it, as root: chmod o-w {system}"
    )
