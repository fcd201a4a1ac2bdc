"""Importing and exporting: what the keys mean here, all or nothing, and that what is exported is imported as it was."""

from __future__ import annotations

import errno
import json
import os
import stat
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import example, given
from hypothesis import strategies as st

from mprouter import replacing, settings
from mprouter.cli.program import program
from mprouter.names import DRIVE_LETTERS, parse_remote
from mprouter.plugins import drop_in, trust
from mprouter.providers.order import builtin_providers
from mprouter.registry import exporting
from mprouter.registry.plan import plan
from mprouter.registry.reg_file import parse, read, written
from mprouter.registry.state import Notifyee, State, keys_of, target_of, unusable
from mprouter.status import Status, WNetError
from mprouter.store import Remembered, Store
from sandbox import OrdinaryUser, Places

NETWORK_PROVIDER = r"HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Control\NetworkProvider"
PROVIDERS = builtin_providers()


def remembered(local: str, remote: str, **more: Any) -> Remembered:
    said = {"provider": None, "user": None, "type": 1, "options": {}, "saved": 0.0, **more}
    return Remembered(local_name=local, remote_name=remote, canonical=parse_remote(remote).canonical, **said)


def imported(text: str, before: State | None = None) -> State:
    return unsaved(plan(parse(f"REGEDIT4\n{text}"), before or State(), PROVIDERS).after)


def unsaved(state: State) -> State:
    """*state* without when its connections were remembered."""
    return replace(state, remembered={name: replace(each, saved=0.0) for name, each in state.remembered.items()})


def notes(text: str, before: State | None = None) -> list[tuple[str, int, str]]:
    made = plan(parse(f"REGEDIT4\n{text}"), before or State(), PROVIDERS)
    return [(each.name, each.line, each.reason) for each in made.notes]


def refused(text: str) -> str:
    with pytest.raises(WNetError) as caught:
        imported(text)
    assert caught.value.status is Status.ERROR_INVALID_DATA
    return str(caught.value.strerror)


def saying(values: Mapping[str, Mapping[str, Any]]) -> dict[str, Notifyee]:
    return {name: Notifyee(each) for name, each in values.items()}


# -- the settings --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("RDPNP,LanmanWorkstation,webclient", ("RDPNP", "smb", "webdav")),
        (" WebClient , sftp,,lanmanworkstation,SMB", ("webdav", "sftp", "smb")),
        ("", ()),
    ],
)
def test_r1_the_provider_order_has_the_names_of_those_that_stand_for_windows_own(
    text: str, order: tuple[str, ...]
) -> None:
    found = imported(f'[{NETWORK_PROVIDER}\\Order]\n"ProviderOrder"="{text}"').provider_order
    assert found is not None
    assert [each.lower() for each in found] == [each.lower() for each in order]


@pytest.mark.parametrize("seconds", [99_999_999.0, 0.0004])
def test_r7_a_restore_timeout_that_the_registry_cannot_say_is_not_cut(seconds: float) -> None:
    with pytest.raises(WNetError) as refused:
        keys_of(replace(State(), restore_timeout=seconds))
    assert refused.value.status is Status.ERROR_INVALID_DATA


def test_r7_the_restore_timeout_is_in_milliseconds_in_the_registry() -> None:
    assert imported(f'[{NETWORK_PROVIDER}]\n"RestoreTimeout"=dword:7530').restore_timeout == 30
    assert imported(f'[{NETWORK_PROVIDER}]\n"RestoreTimeout"=hex(4):dc,05,00,00').restore_timeout == 1.5


def test_the_case_of_names_and_which_control_set_do_not_matter() -> None:
    text = '[hklm\\system\\CONTROLSET001\\control\\networkPROVIDER\\order]\n"PROVIDERorder"="sftp"'
    assert imported(text).provider_order == ("sftp",)


def test_a_value_or_a_key_that_is_deleted_is_no_longer_set() -> None:
    before = State(("smb",), 30, saying({"vpn": {"target": "command:/bin/true"}}))
    assert imported(f'[{NETWORK_PROVIDER}\\Order]\n"ProviderOrder"=-', before).provider_order is None
    assert imported(f"[{NETWORK_PROVIDER}\\Order]\n@=-\n[-HKLM\\Other]", before) == before
    assert imported(f"[-{NETWORK_PROVIDER}]", before) == State()
    assert imported(f"[-{NETWORK_PROVIDER}\\Notifyees]", before) == State(("smb",), 30)


# -- notifyees -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "target"),
    [
        ('"/opt/corp/notify.so"', "native:/opt/corp/notify.so"),
        ('"/opt/100%/$x.so"', "native:/opt/100%%/$$x.so"),  # a REG_SZ has no variables
        ("hex(2):25,50,41,54,48,25,2f,24,78,2e,73,6f,00", "native:%PATH%/$$x.so"),
        ('"command:/bin/hook $HOME"', "command:/bin/hook $HOME"),
        ('"python:corp.hooks:dial"', "python:corp.hooks:dial"),
    ],
)
def test_a_path_is_a_library_and_a_target_is_itself(data: str, target: str) -> None:
    found = imported(f'[{NETWORK_PROVIDER}\\Notifyees]\n"vpn"={data}')
    assert found.notifyees == saying({"vpn": {"target": target}})


@pytest.mark.parametrize(
    ("data", "target", "reason"),
    [
        (r'"C:\\corp\\notify.dll"', r"native:C:\corp\notify.dll", "this is a DLL of Windows, which cannot be loaded"),
        ('"notify.dll"', "native:notify.dll", "this is a DLL of Windows, which cannot be loaded here"),
        ('"notify.so"', "native:notify.so", "the path of a library must be absolute, not 'notify.so'"),
        ('"command:true"', "command:true", "the path of a command must be absolute, not 'true'"),
        ('""', "native:", "the path of a library must be absolute, not ''"),
    ],
)
def test_what_cannot_be_used_here_is_imported_disabled_with_the_reason(data: str, target: str, reason: str) -> None:
    text = f'[{NETWORK_PROVIDER}\\Notifyees]\n"Corp"={data}'
    assert imported(text).notifyees == saying({"Corp": {"target": target, "enabled": False}})
    ((name, line, told),) = notes(text)
    assert (name, line) == ("Corp", 3)
    assert told.startswith(f"imported disabled: {reason}")


def test_new_notifyees_keep_the_order_of_the_file() -> None:
    lines = '"b"="/b.so"\n"a"="/a.so"\n"c"="/c.so"'
    found = imported(f"[{NETWORK_PROVIDER}\\Notifyees]\n{lines}").notifyees
    assert {name: each.values.get("order", 50) for name, each in found.items()} == {"b": 50, "a": 51, "c": 52}


def test_a_name_that_no_file_can_have_is_made_one() -> None:
    lines = '"Corp VPN (new)"="/a.so"\n@="/b.so"\n"..\\\\..\\\\x"="/c.so"'
    assert [*imported(f"[{NETWORK_PROVIDER}\\Notifyees]\n{lines}").notifyees] == ["Corp-VPN-new", "default", "x"]


def test_a_name_that_is_too_long_for_a_file_is_an_error() -> None:
    assert refused(f'[{NETWORK_PROVIDER}\\Notifyees]\n"{"x" * 201}"="/a.so"').startswith(
        "line 3: the name of a notifyee"
    )


def test_two_names_that_would_be_one_file_are_an_error() -> None:
    problem = refused(f'[{NETWORK_PROVIDER}\\Notifyees]\n"a b"="/a.so"\n"a-b"="/b.so"')
    assert problem == "line 4: the notifyees 'a b' and 'a-b' would be one file, a-b.toml"


def test_what_is_said_of_a_notifyee_beside_its_path_stays() -> None:
    before = State(notifyees=saying({"vpn": {"target": "command:/bin/a", "order": 7, "enabled": False}}))
    found = imported(f'[{NETWORK_PROVIDER}\\Notifyees]\n"VPN"="command:/bin/b"', before)
    assert found.notifyees == saying({"vpn": {"target": "command:/bin/b", "order": 7}})


def test_a_disabled_notifyee_is_deleted_like_others() -> None:
    before = State(notifyees=saying({"vpn": {"target": "command:/bin/a", "enabled": False}}))
    assert imported(f'[{NETWORK_PROVIDER}\\Notifyees]\n"vpn"=-', before) == State()


@pytest.mark.parametrize(
    "table", ["{ order = 'x' }", "{ ordre = 1 }", "{", "1", "{}\\ny = 1", "{ order = " + "9" * 5000 + " }"]
)
def test_what_a_drop_in_file_cannot_say_is_an_error(table: str) -> None:
    text = f'[{NETWORK_PROVIDER}\\Notifyees]\n"vpn"="/a.so"\n[HKLM\\SOFTWARE\\mprouter\\Notifyees]\n"vpn"="{table}"'
    assert refused(text.replace("\\n", "\n")).startswith("line 5: ")


# -- remembered connections ----------------------------------------------------------------------------------------

Z = "[HKEY_CURRENT_USER\\Network\\Z]\n"
SHARE = '"RemotePath"="\\\\\\\\server\\\\share"\n'


@pytest.mark.parametrize(
    ("lines", "user", "provider"),
    [
        ('"UserName"=""\n"ProviderName"="Microsoft Windows Network"', None, "smb"),
        ('"UserName"=dword:0\n"ProviderName"="Web Client Network"', None, "webdav"),
        (
            '"UserName"="CORP\\\\ana"\n"ProviderName"="Rete di Microsoft"\n"ProviderType"=dword:20000',
            r"CORP\ana",
            "smb",
        ),
        ('"ConnectionType"=dword:1\n"DeferFlags"=dword:4\n"UseOptions"=hex:01,02', None, None),
        ('"ProviderName"="SFTP"', None, "sftp"),
    ],
)
def test_c3_a_drive_is_remembered(lines: str, user: str | None, provider: str | None) -> None:
    found = imported(f"{Z}{SHARE}{lines}\n")
    assert found.remembered == {"Z:": remembered("Z:", r"\\server\share", user=user, provider=provider)}
    assert notes(f"{Z}{SHARE}{lines}\n") == []


@pytest.mark.parametrize(
    ("text", "name", "line", "reason"),
    [
        (f"{Z}{SHARE}".replace("k\\Z", "k\\C"), "C:", 3, "not imported: only the drives D: to Z: are remembered"),
        (f"{Z}{SHARE}".replace("k\\Z", "k\\LPT1"), "LPT1:", 3, "not imported: only the drives D: to Z:"),
        (f'{Z}{SHARE}"ConnectionType"=dword:2', "Z:", 4, "not imported: only directories can be connected, not p"),
        (f'{Z}{SHARE}"ConnectionType"=dword:0', "Z:", 4, "not imported: only directories can be connected, and Connec"),
        (f'{Z}"UserName"=""', "Z:", 3, "not imported: it has no RemotePath"),
        (f'{Z}"RemotePath"="NETWARE/VOL:"', "Z:", 3, "not imported: no network here has names of this form"),
    ],
)
def test_a_drive_that_cannot_be_used_here_is_told_with_the_reason(text: str, name: str, line: int, reason: str) -> None:
    assert imported(text) == State()
    ((named, at, told),) = notes(text)
    assert (named, at) == (name, line)
    assert told.startswith(reason)


def test_a_provider_that_is_not_here_is_told_and_any_other_may_make_the_connection() -> None:
    text = f'{Z}{SHARE}"ProviderName"="NFS Network"'
    assert imported(text).remembered["Z:"].provider is None
    assert notes(text) == [("Z:", 4, "the network provider 'NFS Network' is not here: any that can is asked")]


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ('"RemotePath"=dword:1', "line 3: RemotePath must be a text: REG_SZ or REG_EXPAND_SZ"),
        ('"RemotePath"="\\\\\\\\server"', "line 3: Z: this names a server, but no share on it"),
        ('"RemotePath"="sftp://ana:secret@host/"', "line 3: Z: a password is not part of a name"),
        (f'{SHARE}"ConnectionType"="1"', "line 4: ConnectionType must be a number: REG_DWORD"),
        (f'{SHARE}"UserName"=hex:00', "line 4: UserName must be a text"),
    ],
)
def test_a_drive_that_is_wrong_in_itself_is_an_error(lines: str, problem: str) -> None:
    assert refused(Z + lines).startswith(problem)


@pytest.mark.parametrize(
    "table",
    ["{ options = { password = 'secret' } }", "{ options = 1 }", "{ options = { read_only = true } }", "{ x = 1 }"],
)
def test_options_are_those_of_the_network(table: str) -> None:
    problem = refused(f'{Z}{SHARE}[HKCU\\Software\\mprouter\\Network]\n"Z:"="{table}"')
    assert problem.startswith("line 5: ")
    assert "secret" not in problem


def test_a_value_changes_that_alone_and_options_are_not_for_another_resource() -> None:
    options = {"read_only": "yes"}
    said = {"provider": "strange", "user": "ana", "options": options}
    before = State(remembered={"Z:": remembered("Z:", r"\\old\share", **said)})
    assert imported(f'{Z}"UserName"="bo"', before).remembered == {
        "Z:": remembered("Z:", r"\\old\share", **{**said, "user": "bo"})
    }
    assert imported(Z + SHARE, before).remembered == {
        "Z:": remembered("Z:", r"\\server\share", **{**said, "options": {}})
    }


def test_a_connection_at_a_directory_is_in_a_key_of_our_own() -> None:
    before = State(remembered={"/mnt/x": remembered("/mnt/x", "file:///old")})
    ours = "[HKCU\\Software\\mprouter\\Network]\n"
    text = f"{ours}\"/mnt/x\"=\"{{ remote = 'sftp://host/dir', user = 'ana', provider = 'SFTP' }}\""
    expected = remembered("/mnt/x", "sftp://host/dir", user="ana", provider="sftp")
    assert imported(text, before).remembered == {"/mnt/x": expected}
    assert imported(f'{ours}"/mnt/x"=-', before) == State()
    unknown = f'{ours}"/mnt/x"="{{ remote = \'gopher://x\' }}"'
    assert imported(unknown, before) == before
    assert notes(unknown) == [("/mnt/x", 3, "not imported: no network here has names of this form")]
    for wrong in ("{}", "{ remote = 1 }", "{ remote = 'file:///x', password = 'secret' }"):
        assert refused(f'{ours}"/mnt/x"="{wrong}"').startswith("line 3: ")
    assert refused(f'{ours}"mnt/x"="{{ remote = \'file:///x\' }}"').startswith("line 3: 'mnt/x' is no local name")


@pytest.mark.parametrize("text", ["[-HKCU\\Network\\z]", "[-HKCU\\Network]", f'{Z}"RemotePath"=-'])
def test_a_drive_is_forgotten(text: str) -> None:
    assert imported(text, State(remembered={"Z:": remembered("Z:", r"\\old\share")})) == State()


# -- the rest of a file --------------------------------------------------------------------------------------------


def test_a_network_provider_of_windows_is_imported_disabled_unless_one_of_ours_stands_for_it() -> None:
    text = "\n".join(
        f'[HKLM\\SYSTEM\\CurrentControlSet\\Services\\{name}\\NetworkProvider]\n"ProviderPath"="C:\\\\x.dll"'
        for name in ("corpfs", "LanmanWorkstation")
    )
    made = imported(text)
    assert made.providers == {"corpfs": Notifyee({"target": r"native:C:\x.dll", "enabled": False})}
    assert imported(text, made) == made
    (corpfs, lanman) = notes(text)
    assert corpfs == ("corpfs", 2, "imported disabled: this is a DLL of Windows, which cannot be loaded here")
    mended = imported(text.replace("C:\\\\x.dll", "/opt/x.so"), made)
    assert mended.providers == {"corpfs": Notifyee({"target": "native:/opt/x.so"})}
    assert imported("[-HKLM\\SYSTEM\\CurrentControlSet\\Services\\corpfs\\NetworkProvider]", made) == State()
    assert lanman == ("LanmanWorkstation", 4, "the network provider smb stands for it here")


SERVICE = r"HKLM\SYSTEM\CurrentControlSet\Services\cabinet\NetworkProvider"


def test_a_shared_library_of_this_machine_becomes_a_network_provider() -> None:
    made = imported(f'[{SERVICE}]\n"Name"="The Cabinet"\n"ProviderPath"="/usr/lib/cabinet.so"')
    assert made.providers == {"cabinet": Notifyee({"target": "native:/usr/lib/cabinet.so"})}
    other = f'[{SERVICE.upper()}]\n"ProviderPath"="/opt/cabinet.so"'
    assert imported(other, made).providers == {"cabinet": Notifyee({"target": "native:/opt/cabinet.so"})}
    assert imported(f"[-{SERVICE}]", made) == State()


@pytest.mark.parametrize("name", ["a b", "..", "a/b", "x" * 201], ids=lambda name: name[:4])
def test_a_network_provider_whose_name_is_none_of_a_file_is_not_imported(name: str) -> None:
    text = f'[{SERVICE.replace("cabinet", name)}]\n"ProviderPath"="/usr/lib/cabinet.so"'
    assert imported(text) == State()
    assert notes(text) == [(name, 2, "not imported: no network provider has such a name here")]


def test_another_provider_of_that_name_stays() -> None:
    there = State(providers={"cabinet": Notifyee({"target": "python:cabinet:Cabinet"})})
    text = f'[{SERVICE}]\n"ProviderPath"="/usr/lib/cabinet.so"'
    assert imported(text, there) == there
    assert imported(f"[-{SERVICE}]", there) == there
    ((name, _, reason),) = notes(text, there)
    assert (name, "there is another network provider of this name" in reason) == ("cabinet", True)


def test_what_comes_after_a_network_provider_that_is_not_imported_is() -> None:
    services = r"HKLM\SYSTEM\CurrentControlSet\Services"
    text = (
        f'[-{services}\\gone\\NetworkProvider]\n[{services}\\LanmanWorkstation\\NetworkProvider]\n"ProviderPath"="C:\\\\x.dll"\n'
        f'[{SERVICE}]\n"ProviderPath"="/usr/lib/cabinet.so"\n[{NETWORK_PROVIDER}]\n"RestoreTimeout"=dword:2710'
    )
    cabinet = {"cabinet": Notifyee({"target": "native:/usr/lib/cabinet.so"})}
    assert imported(text) == State(providers=cabinet, restore_timeout=10)


def test_with_the_key_of_the_notifyees_the_disabled_ones_go_too() -> None:
    there = State(
        notifyees=saying({"a": {"target": "native:/a.so"}, "b": {"target": "native:/b.so", "enabled": False}})
    )
    assert imported(f"[-{NETWORK_PROVIDER}\\Notifyees]", there) == State()


def test_a_notifyee_that_no_file_could_hold_is_refused_with_its_line() -> None:
    text = f'[{NETWORK_PROVIDER}\\Notifyees]\n"a"="/{"x" * drop_in.MAX_SIZE}"'
    assert refused(text) == "line 3: it is too long for a drop-in file"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (f"{'[' * 20_000}{']' * 20_000}", "a must be a table as TOML has it"),
        (f"0x{'f' * 5000}", "a number in it is too long"),
    ],
    ids=["nested", "number"],
)
def test_a_table_that_tomllib_gives_up_is_refused_with_its_line(value: str, reason: str) -> None:
    text = f'[HKLM\\SOFTWARE\\mprouter\\Notifyees]\n"a"="{{ target = \'/a.so\', x = {value} }}"'
    assert refused(text).startswith(f"line 3: {reason}")


def test_what_is_of_no_concern_is_counted() -> None:
    text = f'[HKLM\\SOFTWARE\\x]\n"a"="b"\n[HKCR\\y]\n[-HKCU\\z]\n[{NETWORK_PROVIDER}]\n"RestoreConnection"=dword:0\n'
    made = plan(parse(f"REGEDIT4\n{text}"), State(), PROVIDERS)
    assert (made.after, made.other_keys, made.other_values) == (State(), 3, 1)


def test_a_root_key_is_not_deleted() -> None:
    assert refused("[-HKCU]") == "line 2: HKEY_CURRENT_USER is a root key, which cannot be deleted"


# -- what is exported is imported as it was ------------------------------------------------------------------------

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=10)
TARGETS = st.one_of(
    st.sampled_from(
        ["native:/opt/x.so", "native:C:\\x.dll", "native:%A%\\x.dll", "python:a.b:c", "command:/bin/x 'y'"]
    ),
    st.builds("{}{}".format, st.sampled_from(["native:", "native:/", "command:/bin/", "python:", ""]), TEXTS),
    st.lists(st.sampled_from(["%", "%%", "$", "$$", "%A%", "$A", "${A}", "/", "x", '"', "'"]), max_size=6).map(
        lambda parts: f"native:/{''.join(parts)}"
    ),
)
TABLES = st.dictionaries(
    TEXTS,
    st.recursive(
        TEXTS | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.datetimes() | st.dates(),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2),
        max_leaves=4,
    ),
    max_size=3,
)
NOTIFYEES = st.fixed_dictionaries(
    {"target": TARGETS},
    optional={
        "order": st.integers(-(2**40), 2**40),
        "required": st.booleans(),
        "enabled": st.booleans(),
        "operations": st.lists(st.sampled_from(["add", "cancel"]), min_size=1, max_size=2),
        "match": st.lists(TEXTS, min_size=1, max_size=2),
        "timeout": st.floats(0.001, 1e9),
        "thread_safe": st.booleans(),
        "isolation": st.sampled_from(["process", "inline"]),
        "settings": TABLES,
    },
).map(Notifyee)
REMOTES = st.sampled_from([r"\\server\share", "//Büro/Akten", "sftp://ana@host/dir", "davs://host/x y", "file:///srv"])
LOCALS = st.sampled_from(DRIVE_LETTERS) | st.sampled_from(["/home/ana/x", "/home/ana/X", "/srv/a\\b", "/mnt/ß\"'"])
CONNECTIONS = st.builds(
    remembered,
    LOCALS,
    REMOTES,
    provider=st.none() | st.sampled_from([each.name for each in PROVIDERS]),
    user=st.none() | TEXTS.filter(bool),
    options=st.sampled_from([{}, {"read_only": "yes"}]),
)
NAMES = st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9_.@+-]{0,9}\Z")
STATES = st.builds(
    State,
    st.none() | st.lists(st.sampled_from(["smb", "webdav", "sftp", "RDPNP", "a b"]), unique=True).map(tuple),
    st.none() | st.integers(0, 0xFFFFFFFF).map(lambda milliseconds: milliseconds / 1000),
    st.dictionaries(NAMES, NOTIFYEES, max_size=3).filter(lambda found: len({*map(str.lower, found)}) == len(found)),
    st.lists(CONNECTIONS, max_size=3).map(lambda found: {each.local_name: each for each in found}),
)


@given(STATES)
@example(State(notifyees=saying({"x": {"target": r"native:C:\x.dll", "enabled": False}})))
def test_what_is_exported_is_imported_as_it_was(state: State) -> None:
    keys = parse(read(written(keys_of(state))))
    made = plan(keys, State(), PROVIDERS)
    assert unsaved(made.after) == state
    assert (made.other_keys, made.other_values) == (0, 0)


@given(STATES, STATES)
@example(
    State(notifyees=saying({"x": {"target": "native:/opt/x.so", "enabled": False}})),
    State(notifyees=saying({"x": {"target": r"native:C:\x.dll"}})),
)
def test_an_import_over_something_else_is_as_it_was_exported_and_what_else_there_was(one: State, two: State) -> None:
    found = unsaved(plan(parse(read(written(keys_of(one)))), two, PROVIDERS).after)
    names = {each.lower() for each in one.notifyees}
    expected = {name.lower(): each for name, each in two.notifyees.items() if name.lower() not in names}
    expected |= {name.lower(): each for name, each in one.notifyees.items()}
    assert {name.lower(): each for name, each in found.notifyees.items()} == expected
    assert found.remembered == {**two.remembered, **one.remembered}
    assert unsaved(plan(parse(read(written(keys_of(found)))), found, PROVIDERS).after) == found


@given(NOTIFYEES)
def test_a_drop_in_file_that_is_written_says_what_it_was_to_say(notifyee: Notifyee) -> None:
    said = drop_in.parse(drop_in.written(notifyee.values))
    assert (said.values, said.problems) == (notifyee.values, ())


@given(st.sampled_from([1, 2]), TEXTS)
def test_any_path_becomes_a_target_of_which_it_can_be_told_whether_it_is_usable(kind: int, text: str) -> None:
    assert isinstance(unusable(target_of(kind, text)), str | None)


LINES = st.sampled_from(
    [
        *(f"[{NETWORK_PROVIDER}]", f"[{NETWORK_PROVIDER}\\Order]", f"[{NETWORK_PROVIDER}\\Notifyees]", Z.strip()),
        *("[HKLM\\SOFTWARE\\mprouter\\Notifyees]", "[HKCU\\Software\\mprouter\\Network]", f"[-{NETWORK_PROVIDER}]"),
        *("[HKCU\\Network]", "[-HKCU\\Network\\Z]", "[HKLM\\SYSTEM\\CurrentControlSet\\Services\\x\\NetworkProvider]"),
    ]
)
VALUES = st.builds(
    '"{}"={}'.format,
    st.sampled_from(["ProviderOrder", "RestoreTimeout", "vpn", "Z:", "/mnt/x", "RemotePath", "UserName", "", "ü"]),
    st.sampled_from(
        ["-", "dword:1", "hex:00", "hex(1):41", '"{}"', '"{ options = {} }"', "\"{ remote = 'file:///x' }\""]
    )
    | st.sampled_from(
        ['"file:///srv"', '"\\\\\\\\s\\\\x"', "\"{ target = '/x', order = 1 }\"", '"[["', '"/x.so"', "hex(2):"]
    ),
)


def planned(lines: list[str], before: State) -> State | WNetError:
    try:
        return plan(parse("REGEDIT4\n" + "\n".join(lines)), before, PROVIDERS).after
    except WNetError as error:
        return error


@given(st.lists(LINES | VALUES, max_size=12), STATES)
def test_any_file_makes_a_plan_or_is_refused_with_a_line(lines: list[str], before: State) -> None:
    after = planned(lines, before)
    if isinstance(after, WNetError):
        assert (after.status, str(after.strerror)[:5]) == (Status.ERROR_INVALID_DATA, "line ")
    else:
        assert unsaved(plan(parse(read(written(keys_of(after)))), State(), PROVIDERS).after) == unsaved(after)


# -- files and the store -------------------------------------------------------------------------------------------

WHOLE = rf"""
[{NETWORK_PROVIDER}]
"RestoreTimeout"=dword:00007530
[{NETWORK_PROVIDER}\Order]
"ProviderOrder"="webclient,LanmanWorkstation"
[{NETWORK_PROVIDER}\Notifyees]
"a"="C:\\corp\\notify.dll"
"b"="command:/bin/true"
"gone"=-
[HKEY_CURRENT_USER\Network\Z]
"RemotePath"="\\\\server\\share"
"ProviderName"="Microsoft Windows Network"
[-HKEY_CURRENT_USER\Network\Y]
"""


def run(*arguments: str | Path, stdin: bytes = b"") -> Result:
    return CliRunner().invoke(program, ["reg", *map(str, arguments)], input=stdin, prog_name="mpr")


@pytest.fixture
def file(places: Places) -> Path:
    path = places.base / "whole.reg"
    path.write_bytes(b"\xff\xfe" + f"Windows Registry Editor Version 5.00\n{WHOLE}".encode("utf-16-le"))
    return path


@pytest.fixture
def before(places: Places, store: Store) -> dict[str, Any]:
    """Something that a whole import changes in every way; what is kept then."""
    directory = places.config / "notifyees.d"
    directory.mkdir()
    (places.config / "settings.toml").write_text('# mine\nprovider_order = ["sftp"]  # first\nmax_retries = 1\n')
    (directory / "b.toml").write_text('# mine\ntarget = "command:/bin/false"\n')
    (directory / "gone.toml").write_text('target = "command:/bin/true"\n')
    (directory / "gone.toml").chmod(0o600)
    store.remember(remembered("Y:", r"\\old\share"))
    return everything(places, store)


def everything(places: Places, store: Store) -> dict[str, Any]:
    """All that an import could change: files with their modes, directories, and what is remembered."""
    found: dict[str, Any] = {}
    for root in (places.config, places.system):
        for path in sorted(root.rglob("*")):
            found[str(path)] = (path.read_bytes() if path.is_file() else None, path.stat().st_mode)
    return found | {each.local_name: each for each in store.remembered()}


@pytest.mark.usefixtures("places")
def test_an_import_says_of_a_network_provider_that_it_is_disabled(tmp_path: Path) -> None:
    path = tmp_path / "acme.reg"
    path.write_text(f'REGEDIT4\n[{SERVICE}]\n"ProviderPath"="C:\\\\acme.dll"\n')
    ran = run("import", path, "--dry-run")
    assert ran.stdout.startswith("cabinet is disabled, with native:C:\\acme.dll\n")


def test_an_import_writes_settings_drop_in_files_and_the_profile(
    places: Places, store: Store, file: Path, before: dict[str, Any]
) -> None:
    ran = run("import", file)
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert ran.stdout.splitlines() == [
        "provider_order is now webdav, smb",
        "restore_timeout is now 30 s",
        r"a is disabled, with native:C:\corp\notify.dll",
        "b is now command:/bin/true",
        "gone is removed",
        "Y: is forgotten",
        r"Z: is remembered for \\server\share",
        "line 8: a: imported disabled: this is a DLL of Windows, which cannot be loaded here",
    ]
    assert (places.config / "settings.toml").read_text() == (
        '# mine\nprovider_order = ["webdav", "smb"]  # first\nmax_retries = 1\nrestore_timeout = 30\n'
    )
    directory = places.config / "notifyees.d"
    assert sorted(each.name for each in directory.iterdir()) == ["a.toml", "b.toml"]
    assert (directory / "a.toml").read_text() == (
        "# It was imported disabled: this is a DLL of Windows, which cannot be loaded here.\n"
        "target = 'native:C:\\corp\\notify.dll'\nenabled = false\n"
    )
    assert [(each.local_name, each.remote_name, each.provider) for each in store.remembered()] == [
        ("Z:", r"\\server\share", "smb")
    ]
    assert everything(places, store) != before
    after = everything(places, store)
    again = run("import", file)
    assert again.stdout == "Everything is as the file says already.\n"
    assert everything(places, store) == after


def test_a_dry_run_changes_nothing(places: Places, store: Store, file: Path, before: dict[str, Any]) -> None:
    ran = run("import", file, "--dry-run", "--json")
    said = json.loads(ran.stdout)
    assert (said["written"], len(said["changes"]), said["changes"][5]) == (
        False,
        7,
        {"what": "connection", "name": "Y:", "value": None},
    )
    assert said["notes"][0]["line"] == 8
    assert "this was a dry run" in run("import", file, "--dry-run").stdout
    assert everything(places, store) == before


def test_system_is_for_all_users(places: Places, file: Path) -> None:
    assert run("import", file, "--system").exit_code == 0
    assert (places.system / "notifyees.d" / "b.toml").exists()
    assert not (places.config / "notifyees.d").exists()
    assert "command:/bin/true" in run("export", "--system").stdout_bytes.decode("utf-16")
    assert "command:/bin/true" not in run("export").stdout_bytes.decode("utf-16")


def test_what_is_imported_for_all_users_does_not_depend_on_what_the_user_has(places: Places, file: Path) -> None:
    def kept(root: Path) -> dict[Path, bytes]:
        return {path.relative_to(root): path.read_bytes() for path in root.rglob("*.toml")}

    assert run("import", file).exit_code == 0
    own = kept(places.config)
    assert len(own) > 1
    assert run("import", file, "--system").exit_code == 0
    assert kept(places.system) == kept(places.config) == own


def test_a_file_comes_from_standard_input_too(places: Places, store: Store, file: Path) -> None:
    ran = run("import", "-", stdin=file.read_bytes())
    assert (ran.exit_code, [each.local_name for each in store.remembered()]) == (0, ["Z:"])
    assert (places.config / "notifyees.d" / "b.toml").exists()
    ran = run("import", "-", stdin=b'REGEDIT4\n[HKCU\\Network\\C]\n"RemotePath"="\\\\\\\\a\\\\b"\n')
    assert (ran.exit_code, ran.stdout.splitlines()[0]) == (
        0,
        "line 3: C: not imported: only the drives D: to Z: are remembered",
    )
    assert run("export", "-").stdout_bytes == run("export").stdout_bytes
    ran = run("import", "-", stdin=b"rubbish")
    assert (ran.exit_code, ran.stderr.startswith("mpr: standard input: line 1: a registry file begins")) == (1, True)


def test_a_file_that_is_cut_off_leaves_everything(
    places: Places, store: Store, file: Path, before: dict[str, Any]
) -> None:
    for end in ("\\\r\n", "\\", ""):
        file.write_text(f'REGEDIT4\n{WHOLE}[HKEY_CURRENT_USER\\Network\\Z]\n"UserName"=hex(2):61,00,{end}')
        ran = run("import", file)
        assert (ran.exit_code, "the hex value breaks off" in ran.stderr) == (1, True)
        assert everything(places, store) == before


def test_an_error_in_the_last_line_names_it_and_leaves_everything(
    places: Places, store: Store, file: Path, before: dict[str, Any]
) -> None:
    file.write_text(f"REGEDIT4\n{WHOLE}rubbish\n")
    ran = run("import", file)
    assert (ran.exit_code, ran.stdout) == (1, "")
    assert ran.stderr.startswith(f"mpr: {file}: line 15: this is neither a [key] nor a value")
    assert everything(places, store) == before


def test_a_file_that_is_not_there(places: Places) -> None:
    ran = run("import", places.base / "none.reg", "--json")
    assert (ran.exit_code, json.loads(ran.stdout)["status"]) == (1, "ERROR_FILE_NOT_FOUND")
    assert json.loads(run("import", places.base, "--json").stdout)["status"] == "ERROR_ACCESS_DENIED"


def test_a_file_that_cannot_be_written_leaves_the_others_too(
    places: Places, store: Store, file: Path, before: dict[str, Any]
) -> None:
    (places.config / "notifyees.d" / "a.toml").mkdir()  # which no file can replace
    before = everything(places, store)
    ran = run("import", file)
    assert ran.exit_code == 1
    assert f"{places.config / 'notifyees.d' / 'a.toml'}: it is not a file, or leads to none" in ran.stderr
    assert everything(places, store) == before


def test_a_store_that_cannot_be_changed_undoes_the_files(places: Places, file: Path, before: dict[str, Any]) -> None:
    with small_disk(places.state, copying=True) as disk:
        fill_up(disk, but=0)
        ran = run("import", file)
        assert (ran.exit_code, "ERROR_DISK_FULL" in ran.stderr) == (1, True)
        with closing(Store()) as there:
            assert everything(places, there) == before


@pytest.mark.parametrize("point", ["before", "after"])
def test_an_interrupt_when_the_store_is_changed_leaves_all_or_nothing(
    places: Places, store: Store, file: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    before = everything(places, store)
    changing = Store.changing_profile

    @contextmanager
    def struck(*words: Any) -> Iterator[None]:
        with changing(*words):
            yield
            if point == "before":
                raise KeyboardInterrupt
        raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr(Store, "changing_profile", struck)
        assert run("import", file).exit_code == 130
    if point == "before":
        assert everything(places, store) == before
    else:
        assert run("import", file).stdout == "Everything is as the file says already.\n"


@contextmanager
def small_disk(path: Path, *, copying: bool = False) -> Iterator[Path]:
    """A file system of its own at *path* with room for 1 MiB, with what was there, if that is wanted."""
    reserve = "mprouter.reserve"  # for which there is no room
    files = [each for each in path.iterdir() if each.is_file() and each.name != reserve] if copying else []
    there = {each.name: each.read_bytes() for each in files}
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1M,mode=0700", "none", path], check=True)
    try:
        for name, content in there.items():
            (path / name).write_bytes(content)
        yield path
    finally:
        subprocess.run(["umount", path], check=True)


def fill_up(disk: Path, *, but: int) -> None:
    """Leave *but* bytes."""
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    (disk / "ballast").write_bytes(bytes(max(free - but, 0)))


def test_files_that_are_broken_or_links_are_kept(places: Places) -> None:
    directory = places.config / "notifyees.d"
    directory.mkdir()
    elsewhere = places.base / "elsewhere.toml"
    for name in ("VPN", "vpn", "b"):
        (directory / f"{name}.toml").write_text("ordre = 1\n")
    for name in ("link", "gone"):
        elsewhere.write_text('target = "command:/bin/false"\n')
        (directory / f"{name}.toml").symlink_to(elsewhere)
    file = places.base / "some.reg"
    file.write_text(
        f'REGEDIT4\n[{NETWORK_PROVIDER}\\Notifyees]\n"b"="command:/bin/true"\n"link"="command:/bin/true"\n"gone"=-\n'
    )
    assert run("import", file).exit_code == 0
    assert sorted(each.name for each in directory.iterdir()) == ["VPN.toml", "b.toml", "link.toml", "vpn.toml"]
    assert (directory / "VPN.toml").read_text() == (directory / "vpn.toml").read_text() == "ordre = 1\n"
    assert (directory / "b.toml").read_text() == elsewhere.read_text().replace("order = 51\n", "")
    assert (directory / "link.toml").is_symlink()


def test_a_network_provider_is_written_and_one_that_was_there_keeps_what_else_it_says(places: Places) -> None:
    directory = places.config / "providers.d"
    directory.mkdir()
    (directory / "cabinet.toml").write_text('target = "native:/old/cabinet.so"\nmemory = 300\n')
    file = places.base / "some.reg"
    services = "\n".join(
        f'[{SERVICE.replace("cabinet", name)}]\n"ProviderPath"="/usr/lib/{name}.so"' for name in ("cabinet", "drawer")
    )
    file.write_text(f"REGEDIT4\n{services}\n")
    assert run("import", file).stdout.splitlines() == [
        "cabinet is now native:/usr/lib/cabinet.so",
        "drawer is now native:/usr/lib/drawer.so",
    ]
    assert (directory / "cabinet.toml").read_text() == 'target = "native:/usr/lib/cabinet.so"\nmemory = 300\n'
    assert (directory / "drawer.toml").read_text() == 'target = "native:/usr/lib/drawer.so"\n'
    file.write_text(f"REGEDIT4\n[-{SERVICE}]\n")
    assert run("import", file).stdout == "cabinet is removed\n"
    assert [each.name for each in directory.iterdir()] == ["drawer.toml"]


def test_on_a_full_disk_all_or_nothing_is_imported(places: Places, store: Store, file: Path) -> None:
    outcomes = set()
    with small_disk(places.config) as disk:
        for pages in range(8):
            fill_up(disk, but=pages * 4096)
            before = everything(places, store)
            ran = run("import", file)
            outcomes.add(ran.exit_code)
            if ran.exit_code:
                assert "ERROR_DISK_FULL" in ran.stderr
                assert everything(places, store) == before
            else:
                assert {"Z:", str(disk / "settings.toml"), str(disk / "notifyees.d" / "b.toml")} <= {
                    *everything(places, store)
                }
                break
    assert outcomes == {0, 1}


@pytest.mark.parametrize("has_links", [True, False])
def test_an_import_that_is_interrupted_leaves_everything_as_it_was(
    places: Places,
    store: Store,
    file: Path,
    before: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    *,
    has_links: bool,
) -> None:
    last, replace_file, replaced = places.config / "notifyees.d" / "b.toml", Path.replace, []

    def interrupted(path: Path, target: Path) -> Path:
        found = replace_file(path, target)
        replaced.append(target)
        if target == last and replaced.count(last) == 1:
            raise KeyboardInterrupt
        return found

    def without_links(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "replace", interrupted)
    if not has_links:
        monkeypatch.setattr(os, "link", without_links)
    assert run("import", file).exit_code != 0
    assert replaced.count(last) == 2  # there and back
    assert everything(places, store) == before


@pytest.mark.usefixtures("before")
def test_what_others_change_during_an_import_waits_for_its_end_and_is_not_lost(
    places: Places, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_file = Path.replace
    refused: dict[str, Status | None] = {}

    def change(target: Path) -> None:
        if target.parent == places.config:
            settings.change_disabled_providers(lambda known: [*known, "ftp"])
        else:
            drop_in.switch(target, enabled=False)

    def replacing_file(path: Path, target: Path) -> Path:
        with ThreadPoolExecutor() as others:
            error = others.submit(change, target).exception()
        refused[target.name] = error.status if isinstance(error, WNetError) else None
        return replace_file(path, target)

    monkeypatch.setattr(replacing, "PATIENCE", 0.0)
    monkeypatch.setattr(Path, "replace", replacing_file)
    assert run("import", file).exit_code == 0
    assert refused == dict.fromkeys(("settings.toml", "a.toml", "b.toml"), Status.ERROR_BUSY)


def test_what_an_import_that_fails_cannot_put_back_is_kept_and_all_else_is_as_it_was(
    places: Places,
    store: Store,
    file: Path,
    before: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken, replace_file, replaced = places.config / "notifyees.d" / "b.toml", Path.replace, []
    kept = broken.with_name(f".b.toml-before-{os.getpid()}")

    def failing(path: Path, target: Path) -> Path:
        replaced.append(target)
        if target == broken:
            if replaced.count(broken) == 1:
                replace_file(path, target)
            raise OSError(errno.EIO, "Input/output error")
        return replace_file(path, target)

    monkeypatch.setattr(Path, "replace", failing)
    ran = run("import", file)
    assert (ran.exit_code, f"{broken}: it cannot be written" in ran.stderr) == (1, True)
    assert f"what it was is in {kept}" in ran.stderr
    assert replace_file(kept, broken) == broken
    assert everything(places, store) == before


@pytest.mark.parametrize("directory", ["notifyees.d", "providers.d"])
@pytest.mark.parametrize("number", [errno.EMFILE, errno.EIO])
def test_a_drop_in_that_cannot_be_read_just_now_is_not_replaced(
    places: Places, file: Path, monkeypatch: pytest.MonkeyPatch, directory: str, number: int
) -> None:
    kept = places.config / directory / "policy.toml"
    kept.parent.mkdir()
    kept.write_text('target = "command:/bin/false"\nrequired = true')
    file.write_text(f'REGEDIT4\n[{NETWORK_PROVIDER}\\Notifyees]\n"policy"="command:/bin/false"\n')

    def look(path: str) -> trust.Opened:
        raise OSError(number, os.strerror(number), path)

    monkeypatch.setattr(trust, "look", look)
    ran = CliRunner().invoke(program, ["reg", "import", str(file)])
    assert (ran.exit_code, str(kept) in ran.output) == (1, True)
    assert "required" in kept.read_text()


def test_a_file_that_an_import_killed_before_has_kept_is_not_in_the_way(places: Places, file: Path) -> None:
    settings = places.config / "settings.toml"
    settings.write_text('provider_order = ["sftp"]\n')
    os.link(settings, settings.with_name(f".settings.toml-before-{os.getpid()}"))
    assert run("import", file).exit_code == 0
    assert [each.name for each in places.config.iterdir() if each.name.startswith(".")] == []


def test_what_is_imported_for_all_users_can_be_read_by_them_and_stays_whose_it_was(places: Places, file: Path) -> None:
    settings = places.system / "settings.toml"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text('provider_order = ["sftp"]\n')
    os.chown(settings, 1, 1)
    mask = os.umask(0o077)
    try:
        assert run("import", file, "--system").exit_code == 0
    finally:
        os.umask(mask)
    assert (settings.stat().st_uid, settings.stat().st_gid) == (1, 1)
    assert stat.S_IMODE((places.system / "notifyees.d").stat().st_mode) == 0o755
    assert stat.S_IMODE((places.system / "notifyees.d" / "b.toml").stat().st_mode) == 0o644


def test_an_export_is_imported_elsewhere_as_it_was(
    places: Places, store: Store, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("import", file)
    whole = run("export").stdout_bytes
    exported = places.base / "exported.reg"
    for version in ("5", "4"):
        assert run("export", exported, "--format", version, "--force").exit_code == 0
        assert (exported.read_bytes() == whole) == (version == "5")
        elsewhere = places.base / f"elsewhere{version}"
        for place in ("config", "state"):
            monkeypatch.setenv(f"MPROUTER_{place.upper()}_DIR", str(elsewhere / place))
        assert run("import", exported).exit_code == 0
        for path in ("settings.toml", "notifyees.d/a.toml", "notifyees.d/b.toml"):
            assert (elsewhere / "config" / path).read_text() == (places.config / path).read_text()
        with closing(Store()) as there:
            assert [replace(each, saved=0) for each in there.remembered()] == [
                replace(each, saved=0) for each in store.remembered()
            ]
        assert run("export").stdout_bytes == whole


def test_an_export_does_not_replace_a_file_unless_told_to(places: Places) -> None:
    path = places.base / "x.reg"
    path.write_text("mine")
    ran = run("export", path)
    assert (ran.exit_code, path.read_text()) == (1, "mine")
    assert "it is there already (ERROR_ALREADY_ASSIGNED, 85)" in ran.stderr
    assert run("export", path, "--force").exit_code == 0
    assert path.read_bytes()[:2] == b"\xff\xfe"
    assert sorted(each.name for each in places.base.iterdir() if "x.reg" in each.name) == ["x.reg"]


def test_an_export_that_cannot_be_written_says_why_and_what_to_do(places: Places) -> None:
    (places.base / "file").touch()
    for path, said in {
        "nowhere/x.reg": "there is no such directory to write it in (ERROR_PATH_NOT_FOUND, 3); make it first\n",
        "file/x.reg": "it cannot be written: Not a directory (ERROR_WRITE_FAULT, 29)\n",
    }.items():
        ran = run("export", places.base / path)
        assert (ran.exit_code, ran.stderr) == (1, f"mpr: {places.base / path}: {said}")


def test_an_export_that_finds_the_disk_full_leaves_what_was_there(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fsync(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = places.base / "x.reg"
    path.write_text("mine")
    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(WNetError) as refused:
        exporting.write(path, b"all of it", force=True)
    assert (refused.value.status, path.read_text()) == (Status.ERROR_DISK_FULL, "mine")
    assert [each.name for each in places.base.iterdir() if "x.reg" in each.name] == ["x.reg"]


def test_an_export_to_where_one_may_not_write_is_refused(ordinary_user: OrdinaryUser) -> None:
    ours = ordinary_user.places.base / "ours"
    ours.mkdir(mode=0o700)  # root's
    for path in (ours / "x.reg", Path("/etc/x.reg")):
        ran = ordinary_user.mpr("reg", "export", path)
        said = "it cannot be written: Permission denied (ERROR_ACCESS_DENIED, 5)\n"
        assert (ran.returncode, ran.stderr) == (1, f"mpr: {path}: {said}")


def test_a_link_goes_whose_target_is_where_one_may_not_look(ordinary_user: OrdinaryUser) -> None:
    base = ordinary_user.places.base
    elsewhere = base / "elsewhere" / "link.toml"
    elsewhere.parent.mkdir()
    elsewhere.write_text('target = "command:/bin/true"\n')
    elsewhere.parent.chmod(0o711)  # others may pass, and not look
    link = ordinary_user.places.config / "notifyees.d" / "link.toml"
    link.parent.mkdir()
    link.symlink_to(elsewhere)
    ordinary_user.account.own(link.parent)
    file = base / "some.reg"
    file.write_text(f'REGEDIT4\n[{NETWORK_PROVIDER}\\Notifyees]\n"link"=-\n')
    ran = ordinary_user.mpr("reg", "import", file)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert (link.is_symlink(), elsewhere.exists()) == (False, True)


def test_what_is_no_file_is_not_replaced_by_one(places: Places, file: Path) -> None:
    pipe = places.base / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDWR)  # so that nobody waits
    assert run("export", pipe).exit_code == 0
    assert os.read(reader, 1000)[:2] == b"\xff\xfe"
    os.close(reader)
    (places.config / "notifyees.d").mkdir()
    (places.config / "notifyees.d" / "b.toml").symlink_to(pipe)
    ran = run("import", file)
    assert (ran.exit_code, "it is not a file, or leads to none" in ran.stderr) == (1, True)
    assert pipe.is_fifo()
    assert run("export", places.base).exit_code == 1


def test_an_export_leaves_out_nothing_silently(places: Places) -> None:
    directory = places.config / "notifyees.d"
    directory.mkdir()
    (directory / "broken.toml").write_text('target = "command:/bin/true"\nordre = 1\n')
    ran = run("export")
    assert (ran.exit_code, ran.stdout) == (1, "")
    assert "unknown key ordre" in ran.stderr
    (directory / "broken.toml").unlink()
    (directory / "VPN.toml").write_text('target = "command:/bin/true"\n')
    (directory / "vpn.toml").write_text('target = "command:/bin/true"\n')
    assert "would be the same as that of VPN.toml" in run("export").stderr
