"""The doctor on directories, disks, settings and passwords: each broken for real, seen, and mended or still there."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from diagnosis import Examine
from sandbox import Command, OrdinaryUser, Places


@pytest.mark.parametrize("place", ["state", "runtime", "state/cache", "runtime/hold"])
def test_a_directory_that_others_may_enter_is_closed(doctor: Examine, places: Places, place: str) -> None:
    first, _, inner = place.partition("/")
    directory = getattr(places, first) / inner
    directory.mkdir(exist_ok=True)
    directory.chmod(0o755)
    assert doctor().one("directory-shared")["mend"] == f"`chmod 700 {directory}`"
    after = doctor("--fix")
    assert (after.mended, after.codes) == ({"directory-shared"}, set())
    assert directory.stat().st_mode & 0o777 == 0o700


def test_a_configuration_that_others_may_change_is_closed(doctor: Examine, places: Places) -> None:
    places.config.chmod(0o775)
    assert doctor().codes == {"directory-writable"}
    assert doctor("--fix").codes == set()
    assert places.config.stat().st_mode & 0o777 == 0o755


def test_a_directory_of_somebody_else_is_reported_and_left(
    doctor: Examine, places: Places, ordinary_user: OrdinaryUser
) -> None:
    ordinary_user.account.own(places.state)
    places.state.chmod(0o755)
    assert doctor("--fix").codes == {"directory-foreign", "store-unread"}
    assert places.state.stat().st_mode & 0o777 == 0o755


def test_a_link_or_a_file_in_the_place_of_a_directory_is_reported(doctor: Examine, places: Places) -> None:
    places.runtime.rmdir()
    places.runtime.symlink_to(places.home)
    places.drives.rmdir()
    places.drives.touch()
    found = doctor("--fix")
    assert [each["code"] for each in found.all] == ["directory-impossible"] * 2
    assert places.runtime.is_symlink()


def test_directories_that_are_made_later_are_no_finding(doctor: Examine, places: Places) -> None:
    for directory in (places.state, places.runtime, places.config, places.drives):
        directory.rmdir()
    assert doctor().codes == set()


def test_rights_that_the_owner_lacks_are_given_back(ordinary_doctor: Examine, ordinary_user: OrdinaryUser) -> None:
    places = ordinary_user.places
    for directory in (places.state, places.drives):
        directory.chmod(0o500)
    places.config.chmod(0o077)
    assert ordinary_doctor().codes >= {"directory-unwritable", "directory-writable"}
    assert ordinary_doctor("--fix").codes == set()
    assert [each.stat().st_mode & 0o777 for each in (places.state, places.drives)] == [0o700, 0o700]


def test_a_place_that_cannot_be_made_is_reported(ordinary_doctor: Examine, ordinary_user: OrdinaryUser) -> None:
    ordinary_user.places.drives.rmdir()
    shutil.chown(ordinary_user.places.base, "root", "root")
    ordinary_user.places.base.chmod(0o755)
    assert ordinary_doctor().codes == {"directory-impossible"}


def test_a_full_disk_and_one_that_is_nearly_full(doctor: Examine, places: Places) -> None:
    mount = f"mount -t tmpfs -o mode=700,{{}} none {places.state}"
    full = doctor(commands=f"{mount.format('size=4m')}; head -c 4M /dev/zero > {places.state}/ballast")
    assert full.codes == {"disk-full"}
    assert doctor(commands=mount.format("size=4m")).codes == {"disk-low"}  # nothing fails yet
    assert doctor(commands=mount.format("size=64m")).codes == {"disk-low"}
    assert doctor(commands=mount.format("size=1g,nr_inodes=1")).codes == {"disk-full"}


def test_a_file_where_a_drive_goes_is_reported_and_kept(doctor: Examine, places: Places) -> None:
    drive = places.drives / "Z"
    drive.mkdir()
    assert doctor("--fix").codes == {"drive-left"}
    assert drive.exists()  # somebody may have made it
    (drive / "thesis").touch()
    assert doctor("--fix").codes == {"drive-occupied"}
    assert (drive / "thesis").exists()


def test_a_file_where_a_remembered_directory_is_connected_is_reported_and_kept(
    doctor: Examine, mpr: Command, places: Places, resource: str
) -> None:
    there = places.base / "work"
    assert mpr("connect", resource, there, "--persist").returncode == 0
    subprocess.run(["fusermount3", "-u", there], check=True)
    (there / "thesis").touch()
    assert doctor("--fix").codes == {"connection-lost-remembered", "path-occupied"}
    assert (there / "thesis").exists()


def test_a_place_that_is_mounted_read_only_is_reported_once(doctor: Examine, mpr: Command, places: Places) -> None:
    assert mpr("list").returncode == 0
    commands = f"mount --bind {places.state} {places.state}; mount -o remount,bind,ro {places.state}"
    found = doctor("--fix", commands=commands).one("directory-read-only")
    assert f"remount,rw {places.state}`" in found["mend"]


def test_what_was_written_where_a_lost_connection_was_mounted_is_reported(
    doctor: Examine, mpr: Command, places: Places, resource: str
) -> None:
    assert mpr("connect", resource, "Z:").returncode == 0
    subprocess.run(["fusermount3", "-u", places.drives / "Z"], check=True)
    (places.drives / "Z" / "thesis").touch()
    assert doctor("--fix").codes == {"connection-lost", "drive-occupied"}
    assert (places.drives / "Z" / "thesis").exists()


def test_directories_that_connections_left_are_removed_if_empty(
    doctor: Examine, mpr: Command, places: Places, resource: str
) -> None:
    assert mpr("connect", resource).returncode == 0
    (there,) = (places.runtime / "mounts").iterdir()
    left, full = there.with_name("98"), there.with_name("99")
    for each in (left, full):
        each.mkdir()
    (full / "thesis").touch()
    assert doctor().codes == {"directory-left", "directory-left-full"}
    after = doctor("--fix")
    assert (after.mended, after.codes) == ({"directory-left"}, {"directory-left-full"})
    assert (there / "README").exists()
    assert sorted((places.runtime / "mounts").iterdir()) == sorted([there, full])


# -- what was written by hand


def test_broken_settings_of_both_places_are_reported(doctor: Examine, places: Places) -> None:
    (places.config / "settings.toml").write_text("max_retries = many\n")
    (places.system / "settings.toml").write_text("max_retires = 3\n")
    found = doctor("--fix").all
    assert [each["code"] for each in found] == ["settings-broken"] * 2
    assert "unknown key max_retires" in found[0]["what"]


def test_a_provider_that_is_not_there_is_noted(doctor: Examine, places: Places) -> None:
    (places.config / "settings.toml").write_text('provider_order = ["smb", "nfs"]\n')
    assert doctor().one("provider-unknown")["what"] == "provider_order names nfs"


def test_passwords_that_others_can_read_are_closed(doctor: Examine, places: Places) -> None:
    file = places.config / "credentials.toml"
    file.write_text('[[credential]]\nremote = "sftp://*"\npassword = "geheim"\n')
    file.chmod(0o644)
    found = doctor()
    assert found.codes == {"credentials-shared"}
    assert "geheim" not in str(found)
    assert doctor("--fix").codes == set()
    assert file.stat().st_mode & 0o777 == 0o600


def test_broken_files_of_passwords_are_reported_without_what_is_in_them(doctor: Examine, places: Places) -> None:
    file = places.config / "credentials.toml"
    file.write_text('[[credential]]\nremote = "sftp://*"\npassword = geheim\n')
    file.chmod(0o600)
    netrc = places.home / ".netrc"
    netrc.write_text("machine files password geheim\n")
    netrc.chmod(0o644)
    found = doctor("--fix")
    assert found.codes == {"credentials-broken", "netrc-shared"}
    assert "geheim" not in str(found)
    assert netrc.stat().st_mode & 0o777 == 0o644  # other programs' too


def test_a_keyring_that_keeps_nothing_is_noted(mpr: Command, places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    del places
    for backend in ("null", "fail"):
        monkeypatch.setenv("PYTHON_KEYRING_BACKEND", f"keyring.backends.{backend}.Keyring")
        ran = mpr("doctor")
        assert ran.returncode == 0
        assert "NOTE" in ran.stdout


def test_what_a_fix_would_change_is_looked_at_again(places: Places, tmp_path: Path) -> None:
    from mprouter.doctor import directories

    places.state.chmod(0o755)
    (finding,) = directories.permissions()
    places.state.rmdir()
    places.state.symlink_to(tmp_path)
    assert finding.fix is not None
    fix: Callable[[], None] = finding.fix
    with pytest.raises(OSError):  # noqa: PT011 - which one depends on the system
        fix()
    assert tmp_path.stat().st_mode & 0o777 == 0o700  # as pytest made it
