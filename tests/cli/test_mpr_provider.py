"""`mpr provider`: what there is, switched on and off and ordered, and what is wrong, in words and as JSON."""

from __future__ import annotations

import json
import tomllib

from click.testing import CliRunner, Result

from mprouter.cli.complete import providers as completed
from mprouter.cli.program import program
from mprouter.doctor.providers import registrations
from sandbox import Places
from strangers import register

OURS = ["smb", "webdav", "sftp", "ftp", "s3", "file", "rclone"]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(program, ["provider", *arguments], prog_name="mpr")


def done(*arguments: str) -> str:
    ran = run(*arguments)
    assert (ran.exit_code, ran.stderr) == (0, "")
    return ran.stdout


def test_list_shows_ours_and_others_with_what_is_wrong_where(places: Places) -> None:
    odd = register(places, "odd", source="system")
    broken = register(places, "broken", more="ordre = 3\n")
    off = register(places, "off", "raise RuntimeError('loaded')", more="enabled = false\n")
    heading, *rows, problem = done("list").splitlines()
    assert heading.split() == ["PROVIDER", "FROM", "STATE", "TARGET", "ABLE", "TO"]
    assert [row.split()[:3] for row in rows] == [
        ["odd", "system", "enabled"],
        ["broken", "user", "BROKEN"],
        ["off", "user", "disabled"],
        *([each, "built-in", "enabled"] for each in OURS),
    ]
    assert rows[0].endswith("add connection, cancel connection, get connections")
    assert f"python:{odd.with_suffix('.py')}:Mine" in rows[0]
    assert problem.startswith(f"{broken}, line 2: unknown key ordre")
    shown = {each["name"]: each for each in json.loads(done("list", "--json"))}
    assert shown["broken"]["problem"]["line"] == 2
    assert shown["broken"]["capabilities"] == []
    assert (shown["off"]["enabled"], shown["off"]["file"]) == (False, str(off))
    able = shown["smb"].pop("capabilities")
    assert {"ADD_CONNECTION", "CANCEL_CONNECTION", "GET_CONNECTIONS"} <= set(able)
    assert shown["smb"] == {
        "name": "smb",
        "source": "built-in",
        "target": None,
        "file": None,
        "enabled": True,
        "problem": None,
    }


def test_ours_is_disabled_and_enabled_in_the_settings(places: Places) -> None:
    settings = places.config / "settings.toml"
    settings.write_text("max_retries = 2  # mine\n")
    assert done("disable", "WebDAV") == f"WebDAV is not asked from now on ({settings})\n"
    done("disable", "s3")
    assert tomllib.loads(settings.read_text()) == {"max_retries": 2, "disabled_providers": ["webdav", "s3"]}
    assert "# mine" in settings.read_text()
    assert done("order") == "smb sftp ftp file rclone\n"
    done("order", "s3", "ftp")  # what is disabled has its place for later
    assert json.loads(done("enable", "s3", "--json"))["file"] == str(settings)
    assert done("order") == "s3 ftp smb sftp file rclone\n"
    done("enable", "s3")  # again does nothing
    assert tomllib.loads(settings.read_text())["disabled_providers"] == ["webdav"]


def test_what_the_administrator_disables_a_user_may_enable(places: Places) -> None:
    done("disable", "ftp", "--system")
    done("disable", "s3")
    assert tomllib.loads((places.system / "settings.toml").read_text()) == {"disabled_providers": ["ftp"]}
    assert done("order") == "smb webdav sftp file rclone\n"
    done("enable", "ftp")
    assert done("order") == "smb webdav sftp ftp file rclone\n"


def test_a_file_that_disables_its_provider_is_switched(places: Places) -> None:
    file = register(places, "odd", more="enabled = false  # for now\n")
    assert done("enable", "odd") == f"odd is asked from now on ({file})\n"
    assert "enabled = true  # for now" in file.read_text()
    assert done("order").startswith("odd smb ")
    done("disable", "odd")
    assert done("order").startswith("smb ")
    done("enable", "odd")
    assert done("order").startswith("odd smb ")


def test_a_provider_that_there_is_not_is_told_with_those_that_there_are(places: Places) -> None:
    register(places, "odd")
    for command in ("enable", "disable", "order"):
        ran = run(command, "nfs")
        assert ran.exit_code == 1
        assert ran.stderr.startswith("mpr: nfs: no such network provider (ERROR_BAD_PROVIDER, 1204); there are ")
        assert {*OURS, "odd"} <= set(ran.stderr.replace(",", " ").split())
    assert not (places.config / "settings.toml").exists()


def test_the_doctor_finds_what_is_broken_and_leaves_alone_what_is_disabled(places: Places) -> None:
    register(places, "odd")
    register(places, "broken", "1 / 0")
    (finding,) = registrations()
    assert (finding.code, "ZeroDivisionError" in finding.what) == ("provider-broken", True)
    assert "`mpr provider disable broken`" in finding.mend
    done("disable", "broken")
    assert list(registrations()) == []


def test_completion_loads_nobody(places: Places) -> None:
    register(places, "odd", "raise RuntimeError('loaded')")
    import click

    offers = completed(click.Context(click.Command("x")), click.Argument(["name"]), "")
    assert [each.value for each in offers] == [*OURS, "odd"]
