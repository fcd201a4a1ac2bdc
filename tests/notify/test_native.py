"""Native notifyees: the C interface, bit for bit, in this process and in a host; the header; the examples."""

from __future__ import annotations

import ctypes
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext
from pathlib import Path

import pytest

from libraries import EXAMPLES, NATIVE, Build
from mprouter import (
    AddConnect,
    CancelConnect,
    ConnectFlag,
    NetResource,
    NotifyInfo,
    Phase,
    ResourceType,
    Router,
    Status,
    WNetError,
)
from mprouter.notify import native
from mprouter.notify.dispatch import operate
from mprouter.notify.host import Isolated
from mprouter.notify.model import Call, Event, Registration, Told
from mprouter.notify.native import from_library
from mprouter.notify.registration import DropIns, check, read
from mprouter.plugins.library import INCLUDE, cflags
from mprouter.plugins.library import NetResource as Netresource
from mprouter.resource import DisplayType, ResourceScope, ResourceUsage
from mprouter.store import Store
from sandbox import Command as Run
from sandbox import Places

OK = Status.WN_SUCCESS
ADD = AddConnect(NetResource(r"\\files\projects", "Z:"))

Load = Callable[[Path], Call]


@pytest.fixture(params=["inline", "isolated"])
def load(request: pytest.FixtureRequest) -> Iterator[Load]:
    """Both ways of calling a library."""
    hosts: list[Isolated] = []

    def isolated(library: Path) -> Call:
        hosts.append(Isolated(f"native:{library}"))
        return hosts[-1]

    yield from_library if request.param == "inline" else isolated
    for each in hosts:
        each.close()


@pytest.fixture
def seen(load: Load, built: Build, capfd: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """What the probe sees of an event."""
    probe = load(built("probe.c"))

    def tell(event: Event, info: NotifyInfo | None = None) -> str:
        assert probe(info or NotifyInfo(Phase.PRE, OK), event) == OK
        return probe.printed if isinstance(probe, Isolated) else capfd.readouterr().out

    return tell


def utf16(text: str) -> str:
    return "[" + text.encode("utf-16-be", "surrogatepass").hex() + "]"


# -- what a library is told (N14) ------------------------------------------------------------------------------


def test_n14_every_field_of_an_add_arrives(seen: Callable[..., str]) -> None:
    resource = NetResource(
        r"\\files\projects",
        "Z:",
        ResourceType.PRINT,
        "smb",
        "for all",
        ResourceScope.GLOBALNET,
        DisplayType.SHARE,
        ResourceUsage.CONNECTABLE | ResourceUsage.ATTACHED,
    )
    flags = ConnectFlag.CURRENT_MEDIA | ConnectFlag.UPDATE_PROFILE
    assert seen(AddConnect(resource, flags, owner=0x7123)) == (
        "add phase=1 status=0 owner=7123 scope=2 type=2 display=3 usage=17 flags=201"
        f" local={utf16('Z:')} remote={utf16(resource.remote_name or '')} comment={utf16('for all')}"
        f" provider={utf16('smb')} context=0\n"
    )


def test_n14_every_field_of_a_cancel_arrives(seen: Callable[..., str]) -> None:
    assert seen(CancelConnect("Z:", "smb", ConnectFlag.UPDATE_PROFILE, force=True)) == (
        f"cancel phase=1 status=0 flags=1 force=1 name={utf16('Z:')} provider={utf16('smb')} context=0\n"
    )
    assert "flags=0 force=0" in seen(CancelConnect("Z:"))


def test_an_absent_name_is_null_and_an_empty_one_is_empty(seen: Callable[..., str]) -> None:
    told = seen(AddConnect(NetResource("sftp://files", None, comment="")))
    assert "local=NULL" in told
    assert "comment=[]" in told
    assert "provider=NULL" in told
    assert "provider=NULL" in seen(CancelConnect("Z:"))
    assert "name=[]" in seen(CancelConnect(""))


@pytest.mark.parametrize("name", ["\\\\größe\\ünïcode", "//srv/日本語", "sftp://h/\U0001f5c4/\U0010ffff", "x" * 5000])
def test_names_arrive_as_utf_16(seen: Callable[..., str], name: str) -> None:
    assert f"remote={utf16(name)}" in seen(AddConnect(NetResource(name)))


def test_a_window_handle_arrives_whole(seen: Callable[..., str]) -> None:
    assert "owner=fedcba9876543210" in seen(AddConnect(ADD.resource, owner=0xFEDCBA9876543210))


def test_n11_before_another_attempt_the_status_is_retry(seen: Callable[..., str]) -> None:
    assert "phase=1 status=1237" in seen(ADD, NotifyInfo(Phase.PRE, Status.WN_RETRY))


def test_a_library_may_scribble_on_its_input(load: Load, built: Build, capfd: pytest.CaptureFixture[str]) -> None:
    scribbler = load(built("scribbler.c"))
    event = AddConnect(NetResource(r"\\files\projects", "", comment="", provider="smb"))
    again = AddConnect(NetResource(r"\\files\projects", "", comment="", provider="smb"))
    for _ in range(3):
        assert scribbler(NotifyInfo(Phase.PRE, OK), event) == OK
        assert scribbler(NotifyInfo(Phase.PRE, OK), CancelConnect("Z:", "smb")) == OK
        printed = scribbler.printed if isinstance(scribbler, Isolated) else capfd.readouterr().out
        assert printed.strip() in {"0", ""}  # the length of the empty name, whatever was written there before
    assert event == again


# -- what it keeps and answers -----------------------------------------------------------------------------------


@pytest.mark.parametrize("pointer", [1, 0x7FFF_FFFF_FFFF_FFFF, 0x8000_0000_0000_0001, 0xFFFF_FFFF_FFFF_FFFF])
def test_n7_the_context_comes_back_bit_for_bit(seen: Callable[..., str], pointer: int) -> None:
    event = AddConnect(NetResource(f"context {pointer:#x}"))
    info = NotifyInfo(Phase.PRE, OK)
    seen(event, info)
    assert info.context is not None
    after = NotifyInfo(Phase.POST, Status.ERROR_BAD_NETPATH, info.context)
    told = seen(event, after)
    assert "phase=2 status=53" in told
    assert f"context={pointer:x}\n" in told


def test_n6_a_null_context_is_none(seen: Callable[..., str]) -> None:
    info = NotifyInfo(Phase.PRE, OK)
    seen(ADD, info)
    assert info.context is None


@pytest.mark.parametrize("number", [1223, 1237, 5, 99999, 0xFFFFFFFF])
def test_every_status_is_an_answer(load: Load, built: Build, number: int) -> None:
    probe = load(built("probe.c"))
    answer = probe(NotifyInfo(Phase.PRE, OK), CancelConnect(f"answer {number}"))
    assert answer == number
    assert isinstance(answer, Status)


# -- loading -----------------------------------------------------------------------------------------------------


def refusal(load: Load, library: Path) -> tuple[Status, str | None]:
    """The status with which a library is refused when it is first needed, and why."""
    with pytest.raises(WNetError) as caught:
        load(library)(NotifyInfo(Phase.PRE, OK), ADD)
    return caught.value.status, caught.value.strerror


@pytest.mark.parametrize("there", ["AddConnectNotify", "CancelConnectNotify", "Neither"])
def test_both_functions_must_be_exported(load: Load, built: Build, tmp_path: Path, there: str) -> None:
    source = tmp_path / "half.c"
    source.write_text(f"int {there}(void) {{ return 0; }}")
    missing = [each for each in ("AddConnectNotify", "CancelConnectNotify") if each != there]
    library = built(source)
    refused = (Status.ERROR_PROC_NOT_FOUND, f"{library} does not export {' and '.join(missing)}")
    assert refusal(load, library) == refused


def test_what_cannot_be_loaded_is_refused(load: Load, tmp_path: Path) -> None:
    text = tmp_path / "text.so"
    text.write_text("not a library\n")
    for library in (tmp_path / "missing.so", text, tmp_path):
        status, why = refusal(load, library)
        assert status is Status.ERROR_MOD_NOT_FOUND
        assert str(library) in str(why)
        assert "/proc/" not in str(why)


def test_dllmain_is_called_and_may_refuse(load: Load, built: Build, tmp_path: Path) -> None:
    source = tmp_path / "refusing.c"
    source.write_text(
        f"""#include "{NATIVE / "probe.c"}"
        BOOL DllMain(HINSTANCE h, DWORD reason, LPVOID p) {{
            return h == NULL || reason != DLL_PROCESS_ATTACH || p != NULL;
        }}"""
    )
    library = built(source)
    refused = (Status.ERROR_MOD_NOT_FOUND, f"{library} refuses to be loaded: its DllMain says no")
    assert refusal(load, library) == refused


def test_dllmain_hears_of_the_end(built: Build, tmp_path: Path) -> None:
    source = tmp_path / "attached.c"
    source.write_text(
        f"""#include "{NATIVE / "probe.c"}"
        BOOL DllMain(HINSTANCE h, DWORD reason, LPVOID p) {{
            FILE *file = fopen("{tmp_path}/life", "a");
            (void)h, (void)p;
            fprintf(file, "%u ", reason);
            return fclose(file) == 0;
        }}"""
    )
    host = Isolated(f"native:{built(source)}")
    for _ in range(3):
        host(NotifyInfo(Phase.PRE, OK), ADD)
    assert (tmp_path / "life").read_text() == "1 "
    host.close()
    assert (tmp_path / "life").read_text() == "1 0 "


def test_dllmain_is_called_also_for_what_has_taken_the_place_of_a_library(
    load: Load, built: Build, tmp_path: Path
) -> None:
    """As an update does: a program that runs on loads the new file when the drop-in is touched."""
    path = tmp_path / "hook.so"
    for answer in (5, 67):
        source = tmp_path / f"answers{answer}.c"
        source.write_text(
            f"""#include <windows.h>
            #include <npapi.h>
            static DWORD ready;
            BOOL DllMain(HINSTANCE h, DWORD reason, LPVOID p) {{ ready = {answer}; return h && reason && !p; }}
            DWORD WINAPI AddConnectNotify(LPNOTIFYINFO info, LPNOTIFYADD add) {{ return info && add ? ready : 0; }}
            DWORD WINAPI CancelConnectNotify(LPNOTIFYINFO info, LPNOTIFYCANCEL cancel) {{ return !info || !cancel; }}"""
        )
        shutil.copy(built(source), tmp_path / "new.so")
        (tmp_path / "new.so").replace(path)
        assert [load(path)(NotifyInfo(Phase.PRE, OK), ADD) for _ in range(2)] == [answer, answer]


# -- the header ----------------------------------------------------------------------------------------------------


def numbers(compiler: str, source: Path, *arguments: str) -> list[int]:
    """The values of the first array in *source*, from the compiler's assembly: it need not run here."""
    assembly = subprocess.run(
        [compiler, "-S", "-O0", "-o", "-", *arguments, source], check=True, capture_output=True, text=True
    ).stdout
    data = assembly[re.search(r"^(layout|values):", assembly, re.MULTILINE).end() :]  # type: ignore[union-attr]
    values: list[int] = []
    for line in data.splitlines()[1:]:
        if match := re.match(r"\s+\.(long|space|zero)\s+(-?\d+)", line):
            values += [int(match[2]) % 2**32] if match[1] == "long" else [0] * (int(match[2]) // 4)
        elif not re.match(r"\s*(#|//|\.loc|$)", line):
            break
    return values


def test_the_structures_are_laid_out_as_on_windows() -> None:
    ours = numbers("gcc", NATIVE / "layout.c", *cflags())
    assert ours == numbers("x86_64-w64-mingw32-gcc", NATIVE / "layout.c", "-DUNICODE", "-D_UNICODE")
    assert len(ours) >= 50
    for structure in (native.Info, Netresource, native.Add, native.Cancel):
        fields = [
            number
            for name, *_ in structure._fields_
            for number in (getattr(structure, name).offset, getattr(structure, name).size)
        ]
        wanted = [ctypes.sizeof(structure), *fields]
        assert any(ours[at : at + len(wanted)] == wanted for at in range(len(ours))), structure


def test_the_constants_have_the_values_of_windows(tmp_path: Path) -> None:
    headers = "".join((INCLUDE / each).read_text() for each in ("npapi.h", "wnnc.h"))
    kinds = "WN|WN(?:NC|GETCON|CON)|ERROR|NO|CONNECT|RESOURCE\\w*|NOTIFY|REMOTE|UNIVERSAL"
    names = re.findall(rf"^#define ((?:{kinds})_\w+) ", headers, re.MULTILINE)
    source = tmp_path / "values.c"
    array = "\n".join(f"#ifdef {name}\n(unsigned)({name}),\n#else\n(unsigned)-1,\n#endif" for name in names)
    source.write_text(
        f"#include <windows.h>\n#include <npapi.h>\n#include <wnnc.h>\nconst unsigned values[] = {{\n{array}\n}};\n"
    )
    ours = dict(zip(names, numbers("gcc", source, *cflags()), strict=True))
    theirs = dict(zip(names, numbers("x86_64-w64-mingw32-gcc", source), strict=True))
    unknown = {name for name, value in theirs.items() if value == 2**32 - 1 and name != "RESOURCETYPE_UNKNOWN"}
    assert unknown <= {  # elsewhere, and newer than some of its versions
        "ERROR_WINHTTP_SECURE_FAILURE",
        "WNNC_CON_ADDCONNECTION4",
        "WNNC_CON_CANCELCONNECTION2",
        "WNNC_CONNECTION_FLAGS",
        "WNNC_CF_DEFAULT",
        "ERROR_UNHANDLED_EXCEPTION",
        "ERROR_INVALID_IMAGE_HASH",
        "CONNECT_REQUIRE_INTEGRITY",
        "CONNECT_REQUIRE_PRIVACY",
        "CONNECT_WRITE_THROUGH_SEMANTICS",
        "CONNECT_GLOBAL_MAPPING",
    }
    assert {name: value for name, value in ours.items() if name not in unknown} == {
        name: value for name, value in theirs.items() if name not in unknown
    }
    for name, status in Status.__members__.items():
        if not name.startswith("WSA"):
            assert ours[name] == status
    for flag in ConnectFlag:
        assert ours[f"CONNECT_{flag.name}"] == flag


PROTOTYPES = """
DWORD APIENTRY NPGetCaps(DWORD ndex);
DWORD APIENTRY NPAddConnection(LPNETRESOURCE lpNetResource, LPTSTR lpPassword, LPTSTR lpUserName);
DWORD APIENTRY NPAddConnection3(HWND hwndOwner, LPNETRESOURCE lpNetResource, LPTSTR lpPassword, LPTSTR lpUserName,
                                DWORD dwFlags);
DWORD APIENTRY NPCancelConnection(LPTSTR lpName, BOOL fForce);
DWORD APIENTRY NPGetConnection(LPTSTR lpLocalName, LPTSTR lpRemoteName, LPDWORD lpnBufferLen);
DWORD APIENTRY NPGetConnectionPerformance(LPCWSTR lpRemoteName, LPNETCONNECTINFOSTRUCT lpNetConnectInfo);
DWORD APIENTRY NPGetUniversalName(LPCWSTR lpLocalPath, DWORD dwInfoLevel, LPVOID lpBuffer, LPDWORD lpBufferSize);
DWORD APIENTRY NPGetUser(LPTSTR lpName, LPTSTR lpUserName, LPDWORD lpnBufferLen);
DWORD APIENTRY NPOpenEnum(DWORD dwScope, DWORD dwType, DWORD dwUsage, LPNETRESOURCE lpNetResource, LPHANDLE lphEnum);
DWORD APIENTRY NPEnumResource(HANDLE hEnum, LPDWORD lpcCount, LPVOID lpBuffer, LPDWORD lpBufferSize);
DWORD APIENTRY NPCloseEnum(HANDLE hEnum);
"""


def test_the_prototypes_are_those_of_windows() -> None:
    """As its documents have them, with its names of types: what does not compile here would have to be changed."""
    assert not compiler_says(f"#include <windows.h>\n#include <npapi.h>\n{PROTOTYPES}", "gcc", *cflags())


@pytest.mark.parametrize("compiler", ["gcc", "g++"])
@pytest.mark.parametrize("hardening", [(), ("-O2", "-D_FORTIFY_SOURCE=2")])
def test_sources_for_windows_compile_and_run(
    load: Load, built: Build, compiler: str, hardening: tuple[str, ...]
) -> None:
    library = built("habits.c", *hardening, "-x", "c" if compiler == "gcc" else "c++", compiler=compiler)
    habits = load(library)
    info = NotifyInfo(Phase.PRE, OK)
    assert habits(info, AddConnect(NetResource(r"\\FILES\projects", "z:"))) == OK, info.message
    after = NotifyInfo(Phase.POST, OK, info.context)
    assert habits(after, AddConnect(NetResource(r"\\FILES\projects", "z:"))) == OK
    forgetting = CancelConnect("Z:", None, ConnectFlag.UPDATE_PROFILE, force=True)
    assert habits(NotifyInfo(Phase.PRE, OK), forgetting) is Status.WN_CANCEL


def test_text_of_bytes_is_compared_by_a_to_z_whatever_the_locale(tmp_path: Path) -> None:
    """That of Python's user: a Turkish one has its own ``i`` for ``I``, and a veto would be lost."""
    source = """
        #include <tchar.h>
        int strcasecmp(const char *one, const char *other) { return *one | *other; }  /* not equal, as there */
        int strncasecmp(const char *one, const char *other, size_t count) { return *one | *other | (int)count; }
        int main(int count, char **words) {
            if (_tcsicmp(words[1], words[2]) || _tcsnicmp(words[1], words[2], 4) || _tcsicmp(words[1], words[0]) == 0)
                return count;
            return 0;
        }
    """
    program = tmp_path / "program"
    command = ["gcc", "-Wall", "-Wextra", "-Werror", f"-I{INCLUDE}", "-x", "c", "-o", str(program), "-"]
    subprocess.run(command, input=source, text=True, check=True)
    subprocess.run([program, "FILES", "files"], check=True)


def compiler_says(source: str, compiler: str, *arguments: str) -> str:
    """The compiler's complaints about *source*, empty if there are none."""
    language = "c" if compiler == "gcc" else "c++"
    run = subprocess.run(
        [compiler, "-Wall", "-Wextra", "-Werror", *arguments, "-c", "-x", language, "-o", os.devnull, "-"],
        input=source,
        capture_output=True,
        text=True,
        check=False,
    )
    return run.stderr


@pytest.mark.parametrize("hardening", [("-O0",), ("-O2",), ("-O2", "-D_FORTIFY_SOURCE=2")])
@pytest.mark.parametrize(
    ("compiler", "source"),
    [
        ("gcc", 'int f(WCHAR *to) { return swprintf(to, 9, L"%d", 1); }'),
        ("g++", 'int f(WCHAR *to) { return swprintf(to, 9, L"%d", 1); }'),
        ("gcc", "long f(WCHAR *text) { return wcstol(text, NULL, 10); }"),
        ("g++", "#include <string>\nstd::size_t f(const WCHAR *text) { return std::wstring(text).size(); }"),
    ],
)  # fmt: skip
def test_wide_functions_that_would_go_wrong_do_not_compile(
    compiler: str, source: str, hardening: tuple[str, ...]
) -> None:
    complaint = compiler_says(f"#include <windows.h>\n{source}", compiler, *cflags(), *hardening)
    assert "32-bit characters" in complaint


@pytest.mark.parametrize(
    ("compiler", "standard"),
    [("gcc", "c89"), ("gcc", "c99"), ("gcc", "c17"), ("g++", "c++98"), ("g++", "c++20")],
)
@pytest.mark.parametrize("header", ["npapi.h", "windows.h", "tchar.h", "winnetwk.h"])
def test_each_header_compiles_alone_by_every_standard(header: str, compiler: str, standard: str) -> None:
    source = f"#include <{header}>\nextern int nothing;\n"
    assert compiler_says(source, compiler, *cflags(), f"-std={standard}") == ""


@pytest.mark.parametrize("compiler", ["gcc", "g++"])
def test_without_short_wchar_text_macros_and_u_literals_fit(compiler: str) -> None:
    arguments = [each for each in cflags() if each != "-fshort-wchar"]
    source = '#include <windows.h>\nLPCWSTR one = TEXT("a"), two = u"b";\n'
    assert compiler_says(source, compiler, *arguments) == ""
    assert compiler_says(source + 'LPCWSTR three = L"c";', compiler, *arguments)


# -- the examples ------------------------------------------------------------------------------------------------


@pytest.fixture
def stopwatch(load: Load, built: Build) -> Call:
    return load(built(EXAMPLES / "stopwatch.c"))


@pytest.fixture
def gatekeeper(load: Load, built: Build) -> Call:
    return load(built(EXAMPLES / "gatekeeper.cpp", compiler="g++"))


def test_the_example_in_c_reports_each_operation(stopwatch: Call, capfd: pytest.CaptureFixture[str]) -> None:
    registration = Registration("stopwatch", stopwatch)
    for event in (AddConnect(NetResource("//srv/größe")), CancelConnect("Z:")):
        operate(event, [registration], lambda event=event: event)  # type: ignore[misc]
    if isinstance(stopwatch, Isolated):
        assert re.fullmatch(r"Z: disconnected after \d+ ms: status 0\n", stopwatch.printed)
    else:
        ctypes.CDLL(None).fflush(None)
        lines = capfd.readouterr().out
        assert re.fullmatch(
            r"//srv/größe connected after \d+ ms: status 0\nZ: disconnected after \d+ ms: status 0\n", lines
        )


def test_the_example_in_c_tells_of_failures(stopwatch: Call, capfd: pytest.CaptureFixture[str]) -> None:
    def attempt() -> Event:
        raise WNetError(Status.ERROR_BAD_NETPATH)

    with pytest.raises(WNetError):
        operate(ADD, [Registration("stopwatch", stopwatch)], attempt)
    ctypes.CDLL(None).fflush(None)
    printed = stopwatch.printed if isinstance(stopwatch, Isolated) else capfd.readouterr().out
    assert printed.endswith("status 53\n")


def test_the_example_in_cpp_refuses_by_name(gatekeeper: Call) -> None:
    registration = Registration("gatekeeper", gatekeeper)
    attempts: list[str] = []

    def attempt() -> Event:
        attempts.append("made")
        return ADD

    for name in (r"\\Quarantine\x", "FTP://anything"):
        with pytest.raises(WNetError) as caught:
            operate(AddConnect(NetResource(name)), [registration], attempt)
        assert caught.value.status is Status.WN_CANCEL
    assert not attempts
    operate(ADD, [registration], attempt)
    assert attempts


def test_the_example_in_cpp_has_it_tried_again(gatekeeper: Call) -> None:
    failures = [Status.ERROR_NETWORK_UNREACHABLE, Status.ERROR_HOST_UNREACHABLE]

    def attempt() -> Event:
        if failures:
            raise WNetError(failures.pop())
        return ADD

    operate(ADD, [Registration("gatekeeper", gatekeeper)], attempt)
    assert not failures


def test_the_example_in_c_compiles_for_windows() -> None:
    source = (EXAMPLES / "stopwatch.c").read_text()
    compiler = ("x86_64-w64-mingw32-gcc", "-Wall", "-Werror", "-DUNICODE", "-D_UNICODE")
    run = subprocess.run(
        [*compiler, "-c", "-x", "c", "-", "-o", os.devnull], input=source, text=True, check=False, capture_output=True
    )
    assert run.returncode == 0, run.stderr


def test_the_example_of_the_document(load: Load, built: Build, tmp_path: Path) -> None:
    document = Path(__file__).parents[2] / "docs" / "native.md"
    (text,) = re.findall(r"(?s)```c\n(// hello\.c\n.*?)```", document.read_text())
    source = tmp_path / "hello.c"
    source.write_text(text)
    hello = load(built(source))
    info = NotifyInfo(Phase.PRE, OK)
    assert hello(info, ADD) == OK
    assert hello(NotifyInfo(Phase.POST, OK, info.context), ADD) == OK
    assert hello(NotifyInfo(Phase.PRE, OK), AddConnect(NetResource(r"\\files\quarantine"))) is Status.WN_CANCEL


# -- registered --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("isolation", ["process", "inline"])
def test_an_example_under_the_router(mpr: Run, router: Router, resource: str, built: Build, isolation: str) -> None:
    library = built(EXAMPLES / "gatekeeper.cpp", compiler="g++")
    added = mpr("notify", "add", "gatekeeper", f"native:{library}", "--required", "--isolation", isolation)
    assert (added.returncode, added.stderr) == (0, "")
    router.connect(resource, "Z:").close()
    with pytest.raises(WNetError) as caught:
        router.connect("ftp://127.0.0.1/x")
    assert (caught.value.status, caught.value.strerror) == (
        Status.WN_CANCEL,
        "refused by the notifyee gatekeeper",
    )
    events = Store().events()
    told = [(each.phase, each.answer) for each in events if each.notifyee == "user/gatekeeper"]
    assert told == [("pre", OK), ("post", OK), ("pre", OK), ("pre", Status.WN_CANCEL)]


def test_it_is_isolated_unless_registered_otherwise(directory: Path, built: Build) -> None:
    library = built("probe.c")
    for name, line in (("process", ""), ("inline", 'isolation = "inline"')):
        (directory / f"{name}.toml").write_text(f'target = "native:{library}"\n{line}\n')
    drop_ins = DropIns(entry_points=False)
    inline, isolated = drop_ins.registrations()
    pid = AddConnect(NetResource("//files/projects"))
    for each in (inline, isolated):
        assert each.concerns("add", ())
        operate(pid, [each], lambda: pid)
    assert (inline.isolation, isolated.isolation) == ("inline", "process")
    assert not isinstance(inline.call, Isolated)
    assert isinstance(isolated.call, Isolated)
    assert isolated.call.printed.startswith("add phase=1")
    drop_ins.close()


def test_variables_in_its_path_are_expanded(directory: Path, built: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROBES", str(built("probe.c").parent))
    (directory / "probe.toml").write_text(f'target = "native:$PROBES/{built("probe.c").name}"\n')
    registration = read(directory / "probe.toml", "user")
    assert check(registration) is None


def test_a_library_without_both_functions_is_not_registered(
    mpr: Run, places: Places, built: Build, tmp_path: Path
) -> None:
    source = tmp_path / "half.cpp"
    source.write_text('extern "C" int AddConnectNotify() { return 0; }\nint CancelConnectNotify() { return 0; }\n')
    library = built(source, compiler="g++")
    for isolation in ("process", "inline"):
        ran = mpr("notify", "add", "half", f"native:{library}", "--isolation", isolation)
        assert ran.returncode == 1
        assert f"{library} does not export CancelConnectNotify (ERROR_PROC_NOT_FOUND, 127)" in ran.stderr
        assert 'extern "C"' in ran.stderr
    assert not (places.config / "notifyees.d").exists()


@pytest.mark.parametrize("isolation", ["process", "inline"])
@pytest.mark.parametrize("required", [False, True])
def test_n10_a_library_that_loses_a_function_is_an_error_at_each_operation(
    directory: Path, built: Build, tmp_path: Path, isolation: str, required: bool
) -> None:
    source = tmp_path / "half.c"
    source.write_text("int AddConnectNotify(void) { return 0; }")
    lines = f'target = "native:{built(source)}"\nisolation = "{isolation}"\nrequired = {str(required).lower()}\n'
    (directory / "half.toml").write_text(lines)
    registration = read(directory / "half.toml", "user")
    assert "does not export CancelConnectNotify" in str(check(registration))
    told: list[Told] = []
    for _ in range(2):
        assert registration.concerns("add", ())
        with pytest.raises(WNetError) if required else nullcontext():
            operate(ADD, [registration], lambda: ADD, record=told.append)
    assert [each.answer for each in told] == [Status.ERROR_PROC_NOT_FOUND] * 2
    assert "does not export CancelConnectNotify" in str(told[1].message)


@pytest.mark.parametrize("isolation", ["process", "inline"])
def test_looking_at_a_library_that_crashes_does_no_harm(directory: Path, built: Build, isolation: str) -> None:
    library = built("naughty.c", "-DEARLY=crash")
    (directory / "naughty.toml").write_text(f'target = "native:{library}"\nisolation = "{isolation}"\n')
    problem = check(read(directory / "naughty.toml", "user"))
    assert problem is not None
    assert "was killed by SIGSEGV" in problem.message


def test_mpr_config_prints_the_compiler_s_arguments(mpr: Run, tmp_path: Path) -> None:
    flags = mpr("config", "--cflags")
    assert (flags.returncode, flags.stderr) == (0, "")
    source, library = EXAMPLES / "stopwatch.c", tmp_path / "stopwatch.so"
    command = f"gcc -shared -fPIC {flags.stdout.strip()} {source} -o {library}"  # as the example's first lines say
    subprocess.run(command, shell=True, check=True)  # noqa: S602 - it is to go through a shell
    with closing(Isolated(f"native:{library}")) as isolated:
        assert isolated(NotifyInfo(Phase.PRE, OK), ADD) == OK
    assert json.loads(mpr("config", "--json").stdout) == {"cflags": cflags()}
    assert mpr("config").returncode == 2


# -- memory: under AddressSanitizer, with the router's real buffers -----------------------------------------------

ROUNDS = """
import sys
from contextlib import suppress
from mprouter import AddConnect, CancelConnect, NetResource, NotifyInfo, Phase, Status, WNetError
from mprouter.notify.host import Isolated
from mprouter.notify.native import from_library

inline = sys.argv[2] == "inline"  # in a host, not with its usual limit: AddressSanitizer takes terabytes of addresses
call = from_library(sys.argv[1]) if inline else Isolated(f"native:{sys.argv[1]}", memory=1 << 60)
for status in (Status.WN_SUCCESS, Status.ERROR_BAD_NETPATH):
    for event in (AddConnect(NetResource("//FILES/projects", "Z:")), AddConnect(NetResource("")), CancelConnect("Z:")):
        info = NotifyInfo(Phase.PRE, Status.WN_SUCCESS)
        with suppress(WNetError):  # its process ends at a finding
            call(info, event)
            if info.context is not None:
                call(NotifyInfo(Phase.POST, status, info.context), event)
"""


def sanitized(library: Path, isolation: str = "inline") -> str:
    """What AddressSanitizer says of a library that is called by a program, with leaks that are the library's own."""
    runtime = subprocess.run(
        ["gcc", "-print-file-name=libasan.so"], check=True, capture_output=True, text=True
    ).stdout.strip()
    reports = library.with_suffix(".asan")
    options = f"detect_leaks=1:exitcode=0:log_path={reports}"
    run = subprocess.run(
        [sys.executable, "-c", ROUNDS, library, isolation],
        capture_output=True,
        text=True,
        check=False,
        env={"LD_PRELOAD": runtime, "PYTHONMALLOC": "malloc", "ASAN_OPTIONS": options},
    )
    assert "Traceback" not in run.stderr, run.stderr
    found = "\n\n".join(each.read_text() for each in library.parent.glob(f"{reports.name}.*"))
    source = library.stem.rpartition("-")[0]
    return "\n\n".join(each for each in found.split("\n\n") if f"/{source}.c" in each)


@pytest.mark.parametrize(
    ("source", "compiler"),
    [
        (EXAMPLES / "stopwatch.c", "gcc"),
        (EXAMPLES / "gatekeeper.cpp", "g++"),
        (NATIVE / "probe.c", "gcc"),
        (NATIVE / "scribbler.c", "gcc"),
    ],
)
@pytest.mark.parametrize("isolation", ["inline", "process"])
def test_address_sanitizer_finds_nothing(built: Build, source: Path, compiler: str, isolation: str) -> None:
    library = built(source, "-fsanitize=address,undefined", f'-DISOLATION="{isolation}"', compiler=compiler)
    assert sanitized(library, isolation) == ""


@pytest.mark.parametrize(
    ("isolation", "mistake", "finding"),
    [
        (
            "inline",
            "return add->NetResource.lpRemoteName[wcslen(add->NetResource.lpRemoteName) + 40];",
            "ERROR: Address",
        ),
        ("inline", "info->lpContext = add; memset((char *)add, 0, sizeof *add + 64);", "ERROR: Address"),
        ("inline", "static int *lost; lost = (int *)malloc(40); *lost = 1; lost = NULL;", "Direct leak of"),
        ("process", "static int *lost; lost = (int *)malloc(40); *lost = 1; lost = NULL;", "Direct leak of"),
        (
            "process",
            "volatile int at = 10; int *few = (int *)malloc(40); few[at] = 1; free(few);",
            "ERROR: Address",
        ),
    ],
)
def test_address_sanitizer_would_find_something(
    built: Build, tmp_path: Path, isolation: str, mistake: str, finding: str
) -> None:
    source = tmp_path / "mistaken.c"
    source.write_text(
        f"""#include <windows.h>
        DWORD CancelConnectNotify(LPNOTIFYINFO info, LPNOTIFYCANCEL cancel) {{ return info == NULL || cancel == NULL; }}
        DWORD AddConnectNotify(LPNOTIFYINFO info, LPNOTIFYADD add) {{
            (void)info, (void)add;
            {mistake}
            return 0;
        }}"""
    )
    assert finding in sanitized(built(source, "-fsanitize=address"), isolation)
