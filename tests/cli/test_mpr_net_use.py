"""``mpr net use``: the words of Windows on the true router.

Most tests run it in this process with a small provider; the last ones run the installed command with a real server.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mprouter import Router, Status, WNetError
from mprouter import settings as settings_file
from mprouter.cli.net_messages import tell
from mprouter.cli.program import program
from mprouter.names import RemoteName
from mprouter.providers.base import Added, AddRequest, Capability, Mounted, Progress, State
from mprouter.store import Store
from pseudo_terminal import PseudoTerminal
from recorder import Script
from sandbox import Command, Places
from servers.ftp import FtpServer
from servers.smb import SmbServer
from warm import MPR

PROJECTS = r"\\files\projects"
COMPLETED = "The command completed successfully.\n\n"
NOT_FOUND = "The network connection could not be found.\n"
SECRET = "planted-s3cret"


@dataclass
class Files:
    """The network of ``\\\\files``: every share is there; ``closed`` wants a password, which is SECRET."""

    name: str = "smb"
    capabilities: Capability = Capability.ADD_CONNECTION | Capability.CANCEL_CONNECTION | Capability.GET_CONNECTIONS
    requests: list[AddRequest] = field(default_factory=list)
    lost: set[str] = field(default_factory=set)
    in_use: set[str] = field(default_factory=set)
    stuck: set[str] = field(default_factory=set)

    def claims(self, name: RemoteName) -> bool:
        return name.scheme == "unc"

    def check_options(self, name: RemoteName, options: Mapping[str, str]) -> None: ...

    def add_connection(self, request: AddRequest) -> Added:
        self.requests.append(request)
        if request.name.host == "refusing":
            raise WNetError(Status.ERROR_BAD_NETPATH, "it refuses connections")
        if request.name.host != "files":
            raise WNetError(Status.WSAHOST_NOT_FOUND, f"the host name {request.name.host} is not known")
        password = request.credentials.password
        if request.name.path == "closed" and (password is None or password.reveal() != SECRET):
            raise WNetError(Status.ERROR_LOGON_FAILURE)
        return Added(request.credentials.user, {})

    def cancel_connection(self, mounted: Mounted, *, force: bool, progress: Progress | None = None) -> None:
        del progress
        if mounted.name.path in self.stuck:
            raise WNetError(Status.ERROR_WRITE_FAULT)
        if mounted.name.path in self.in_use and not force:
            raise WNetError(Status.ERROR_OPEN_FILES)

    def state(self, mounted: Mounted) -> State:
        return State.LOST if mounted.name.path in self.lost else State.CONNECTED

    def settle(self, mounted: Mounted) -> State:
        return self.state(mounted)


@pytest.fixture
def files(places: Places, monkeypatch: pytest.MonkeyPatch) -> Files:
    del places  # they are in the environment
    made = Files()
    monkeypatch.setattr("mprouter.router.Router", partial(Router, providers=[made]))
    return made


Use = Callable[..., Result]


@pytest.fixture
def net_use(files: Files) -> Use:
    """``net_use("Z:", PROJECTS, stdin="")`` runs the command in this process."""
    del files

    def run(*words: str, stdin: str = "") -> Result:
        return CliRunner().invoke(program, ["net", "use", *words], input=stdin, prog_name="mpr")

    return run


def done(result: Result) -> str:
    """What it printed, when all went well."""
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout


# -- what is there


def test_an_empty_list(net_use: Use) -> None:
    assert done(net_use()) == "New connections will be remembered.\n\nThere are no entries in the list.\n\n"


def test_the_list_has_the_columns_and_states_of_windows(net_use: Use, files: Files, places: Places) -> None:
    for words in (["Z:", PROJECTS], ["Y:", r"\\files\lost"], ["X:", r"\\files\away"], [r"\\files\without"]):
        net_use(*words)
    net_use("W:", r"\\files\a share with a long name")
    net_use(f"{places.home}/mnt", PROJECTS)
    with Router(providers=[files]) as router:
        router.disconnect("X:")
    files.lost.add("lost")
    assert done(net_use()) == (
        "New connections will be remembered.\n"
        "\n"
        "\n"
        "Status       Local     Remote                    Network\n"
        "\n"
        "-------------------------------------------------------------------------------\n"
        f"OK           {places.home}/mnt\n"
        r"                       \\files\projects          Microsoft Windows Network" + "\n"
        r"OK           W:        \\files\a share with a long name" + "\n"
        "                                                Microsoft Windows Network\n"
        r"Unavailable  X:        \\files\away              Microsoft Windows Network" + "\n"
        r"Disconnected Y:        \\files\lost              Microsoft Windows Network" + "\n"
        r"OK           Z:        \\files\projects          Microsoft Windows Network" + "\n"
        r"OK                     \\files\without           Microsoft Windows Network" + "\n"
        "The command completed successfully.\n"
        "\n"
    )


def test_one_connection(net_use: Use, places: Places) -> None:
    net_use("Z:", PROJECTS)
    assert done(net_use("z:")) == (
        "Local name        Z:\n"
        "Remote name       \\\\files\\projects\n"
        "Resource type     Disk\n"
        "Status            OK\n"
        f"Directory         {places.drives}/Z\n" + COMPLETED
    )


def test_a_device_that_is_not_connected(net_use: Use) -> None:
    for words in (["Q:"], ["Q:", "/delete"], [PROJECTS, "/delete"]):
        result = net_use(*words)
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.startswith(NOT_FOUND)
        assert result.stderr.endswith("\nMore help is available by typing NET HELPMSG 2250.\n\n")


def test_helpmsg_tells_the_text_of_a_status(files: Files) -> None:
    del files
    result = CliRunner().invoke(program, ["net", "HelpMsg", "2250"])
    assert done(result) == f"\n{NOT_FOUND}\n"
    assert done(CliRunner().invoke(program, ["net", "helpmsg", "/?"])).startswith(
        "The syntax of this command is:\n\nNET H"
    )
    unknown = CliRunner().invoke(program, ["net", "helpmsg", "99999"])
    assert (unknown.exit_code, unknown.stdout) == (2, "")
    assert unknown.stderr == (
        "\n99999 is not a valid Windows network message number.\n\n"
        "More help is available by typing NET HELPMSG 3871.\n\n"
    )


@pytest.mark.parametrize(
    "words",
    [["helpmsg"], ["helpmsg", "x"], ["helpmsg", "53", "54"], ["view", "/x"], ["view", "-x"], ["view", "a", "b"]],
)
def test_wrong_syntax_of_the_other_commands_ends_with_1_and_their_syntax(words: list[str]) -> None:
    result = CliRunner().invoke(program, ["net", *words])
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"\n\nThe syntax of this command is:\n\nNET {words[0].upper()}\n" in result.stderr


def test_net_view_shows_its_syntax_when_asked() -> None:
    for word in ("/?", "/HELP"):
        assert done(CliRunner().invoke(program, ["net", "view", word])).startswith(
            "The syntax of this command is:\n\nNET V"
        )


# -- connecting


def test_a_letter_a_free_letter_and_none(net_use: Use, places: Places) -> None:
    assert done(net_use("z:", PROJECTS)) == COMPLETED
    free = done(net_use("*", "//files/projects"))
    assert free == f"Drive Y: is now connected to //files/projects.\n\n{COMPLETED}"
    without = done(net_use(PROJECTS))
    assert without == f"{PROJECTS} is now connected at {places.runtime}/mounts/3.\n\n{COMPLETED}"


def test_a_second_connection_without_a_letter_is_the_first_one(net_use: Use, files: Files, places: Places) -> None:
    first = done(net_use(PROJECTS, "/user:ana"))
    assert done(net_use(PROJECTS)) == done(net_use("//FILES/projects", "/user:ana")) == first
    assert f"{places.runtime}/mounts/1." in first
    for password in (SECRET, "*"):  # the script that gives it may run often
        assert net_use(PROJECTS, password, "/user:ana").stdout == net_use(PROJECTS, password).stdout == first
    assert f"{places.runtime}/mounts/2." in done(net_use(PROJECTS, "/user:ben"))
    assert len(files.requests) == 2


@pytest.mark.parametrize("user", ["ana", r"CORP\ana", "ana@corp.example"])
def test_the_user_and_a_password_that_is_saved_if_asked(net_use: Use, files: Files, user: str) -> None:
    result = net_use("Z:", r"\\files\closed", SECRET, f"/USER:{user}", "/p:no", "/SaveCred")
    assert (result.exit_code, result.stdout) == (0, COMPLETED)
    history, saving = result.stderr.splitlines()
    assert "stays in the shell's history" in history
    assert "no password is saved" in saving  # for this provider does not say that it was used
    assert SECRET not in result.stderr
    (request,) = files.requests
    assert (request.credentials.user, request.credentials.save) == (user, True)


def test_a_star_reads_the_password_from_standard_input(net_use: Use) -> None:
    assert done(net_use("Z:", r"\\files\closed", "*", stdin=f"{SECRET}\nmore\n")) == COMPLETED
    result = net_use("Y:", r"\\files\closed", "*")
    assert result.exit_code == 2
    assert "System error 1223 has occurred.\n\nThe operation was canceled by the user.\n" in result.stderr


def test_c3_persistent_holds_for_later_connections_too(net_use: Use, files: Files, store: Store) -> None:
    net_use("Z:", PROJECTS)
    assert done(net_use("/PERSISTENT:NO")) == COMPLETED
    assert done(net_use()).startswith("New connections will not be remembered.\n")
    net_use("Y:", PROJECTS)
    net_use("X:", PROJECTS, "/persistent:yes")
    net_use("W:", PROJECTS)
    net_use("V:", PROJECTS, "/p:n")
    assert [each.local_name for each in store.remembered()] == ["W:", "X:", "Z:"]
    assert settings_file.load().net_use_persistent is False
    assert len(files.requests) == 5


def test_persistent_changes_nothing_else_in_the_settings(net_use: Use, places: Places) -> None:
    path = places.config / "settings.toml"
    before = 'provider_order = ["true", "smb"]  # mine\n"net_use_persistent" = true # the default\nmax_retries = 1\n'
    path.write_text(before)
    net_use("/p:yes")
    assert path.read_text() == before
    net_use("/p:no")
    assert path.read_text() == before.replace('"net_use_persistent" = true', "net_use_persistent = false")
    path.write_text("net_use_persistent = 1\n")
    result = net_use()
    assert result.exit_code == 2
    assert "net_use_persistent must be true or false" in result.stderr


def test_c4_a_remembered_letter_is_overwritten_only_if_one_agrees(net_use: Use, files: Files, store: Store) -> None:
    net_use("Z:", PROJECTS)
    with Router(providers=[files]) as router:
        router.disconnect("Z:")
    question = f"Z: has a remembered connection to {PROJECTS}. Do you\n"
    question += "want to overwrite the remembered connection? (Y/N) [Y]: "
    refused = net_use("Z:", r"\\files\other", "/no")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "System error 1202 has occurred." in refused.stderr
    refused = net_use("Z:", r"\\files\other", stdin="what\nn\n")
    assert (refused.exit_code, refused.stdout) == (2, question + question)
    unanswered = net_use("Z:", r"\\files\other")
    assert (unanswered.exit_code, unanswered.stderr) == (2, "No valid response was provided.\n\n")
    assert [each.remote_name for each in store.remembered()] == [PROJECTS]
    assert done(net_use("Z:", r"\\files\other", stdin="\n")) == question + COMPLETED
    assert [each.remote_name for each in store.remembered()] == [r"\\files\other"]


def test_c4_what_was_remembered_is_forgotten_only_when_the_new_connection_stands(
    net_use: Use, files: Files, store: Store
) -> None:
    net_use("Z:", PROJECTS)
    with Router(providers=[files]) as router:
        router.disconnect("Z:")
    failed = net_use("Z:", r"\\nobody\other", "/y")
    assert (failed.exit_code, "System error 53 has occurred." in failed.stderr) == (2, True)
    assert [each.remote_name for each in store.remembered()] == [PROJECTS]
    assert done(net_use("Z:", r"\\files\other", "/y", "/persistent:no")) == COMPLETED
    assert store.remembered() == []
    assert [each.remote_name for each in store.entries()] == [r"\\files\other"]


# -- disconnecting


def test_c5_delete_disconnects_and_forgets(net_use: Use, store: Store) -> None:
    net_use("Z:", PROJECTS)
    net_use(PROJECTS)
    assert done(net_use("z:", "/d")) == "z: was deleted successfully.\n\n"
    assert done(net_use(PROJECTS, "/del")) == f"{PROJECTS} was deleted successfully.\n\n"
    assert store.entries() == []
    assert store.remembered() == []


def test_delete_with_a_remote_name_is_of_that_connection_only(net_use: Use) -> None:
    net_use("Z:", PROJECTS)
    other = net_use("Z:", r"\\files\other", "/delete")
    assert other.exit_code == 2
    assert other.stderr.startswith(f"{NOT_FOUND}Z: it is connected to {PROJECTS}")
    assert done(net_use("Z:", "//files/projects", "/delete")) == "Z: was deleted successfully.\n\n"


def test_c6_open_files_are_closed_by_force_only_if_one_agrees(net_use: Use, files: Files) -> None:
    net_use("Z:", PROJECTS)
    files.in_use.add("projects")
    question = (
        "There are open files and/or incomplete directory searches pending on the connection to Z:.\n\n"
        "Is it OK to continue disconnecting and force them closed? (Y/N) [N]: "
    )
    refused = net_use("Z:", "/delete", stdin="\n")
    assert (refused.exit_code, refused.stdout) == (2, question)
    assert refused.stderr.startswith("There are open files on the connection.\n")
    assert done(net_use("Z:", "/delete", stdin="y\n")) == f"{question}Z: was deleted successfully.\n\n"
    net_use("Z:", PROJECTS)
    assert done(net_use("Z:", "/delete", "/y")).endswith("Z: was deleted successfully.\n\n")


def test_delete_all(net_use: Use, files: Files, store: Store) -> None:
    assert done(net_use("*", "/delete")) == "There are no entries in the list.\n\n"
    net_use("Z:", PROJECTS)
    net_use("Y:", r"\\files\stuck")
    net_use(PROJECTS)
    shown = (
        "You have these remote connections:\n\n"
        "    Y:              \\\\files\\stuck\n"
        "    Z:              \\\\files\\projects\n"
        "                    \\\\files\\projects\n"
        "Continuing will cancel the connections.\n\n"
    )
    question = "Do you want to continue this operation? (Y/N) [N]: "
    assert done(net_use("*", "/delete", stdin="N\n")) == shown + question
    assert len(store.entries()) == 3
    files.stuck.add("stuck")
    failed = net_use("*", "/delete", "/y")
    assert (failed.exit_code, failed.stdout) == (2, shown)
    assert failed.stderr.startswith(
        "System error 29 has occurred.\n\nThe system cannot write to the specified device.\nY:"
    )
    assert [each.local_name for each in store.entries()] == ["Y:"]
    files.stuck.clear()
    assert done(net_use("*", "/delete", stdin="yes\n")).endswith(question + COMPLETED)
    assert store.remembered() == []


# -- failing


@pytest.mark.parametrize(
    ("words", "number", "text", "reason"),
    [
        (
            ["Z:", r"\\nowhere\x"],
            53,
            "The network path was not found.",
            r"\\nowhere\x: the host name nowhere is not known",
        ),
        (["Z:", r"\\files\closed"], 1326, "The user name or password is incorrect.", r"\\files\closed: "),
        (["A:", PROJECTS], 1200, "The specified device name is invalid.", "A: this letter cannot be redirected"),
        (
            ["z"],
            1200,
            "The specified device name is invalid.",
            "z: a drive letter has a colon (ERROR_BAD_DEVICE, 12",
        ),
        (["LPT1:"], 1200, "The specified device name is invalid.", "LPT1: only directories can be connected"),
        (["COM1:", PROJECTS, "pw"], 1200, "The specified device name is invalid.", "COM1: only directories can be"),
        (["Z:", r"\\refusing\x"], 53, "The network path was not found.", r"\\refusing\x: it refuses connections"),
        (["Z:", r"\\files"], 67, "The network name cannot be found.", r"\\files: this names a server, but no share"),
        (["Z:", "sftp://ana:hunter2@files/x"], 87, "The parameter is incorrect.", "sftp://ana:***@files/x: a password"),
        (["Z:", "/home"], 50, "The request is not supported.", "/HOME means nothing here"),
        (["Z:", PROJECTS, "/smart"], 50, "The request is not supported.", "/SMARTCARD means nothing here"),
    ],
    ids=ascii,
)
def test_a_failure_is_told_as_windows_does_with_the_reason_below(
    net_use: Use, words: list[str], number: int, text: str, reason: str
) -> None:
    result = net_use(*words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"System error {number} has occurred.\n\n{text}\n{reason}")
    assert result.stderr.endswith("\n\n")
    assert "hunter2" not in result.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["hunter2", PROJECTS, "Z:"],
        ["~hunter2", PROJECTS, "Z:"],
        ["Z:", "hunter2", PROJECTS],
        ["Z:", r"\hunter2", PROJECTS],
        ["Z:", "/hunter2/", PROJECTS],
        ["Z:", "hunter2:x", PROJECTS],
        ["hunter2", "/delete"],
    ],
    ids=ascii,
)
def test_a_word_in_a_wrong_place_is_not_repeated_for_it_may_be_a_password(net_use: Use, words: list[str]) -> None:
    result = net_use(*words)
    assert result.exit_code == 2
    assert "\nwhat stands where the " in result.stderr
    assert "hunter2" not in result.stdout + result.stderr


def test_c6_data_that_the_server_refuses_have_a_way_out(
    installed: Command, mpr: Command, places: Places, smb_server: SmbServer
) -> None:
    remote = smb_server.url("public")
    assert mpr("connect", remote, "Z:", "--password-stdin", stdin=f"{smb_server.password}\n").returncode == 0
    (places.drives / "Z" / "refused").write_text("for a share that is read-only")
    failed = installed("net", "use", "*", "/delete", "/y")
    assert failed.returncode == 2
    assert "System error 29 has occurred.\n" in failed.stderr
    later, discard = "mpr disconnect Z: --later", f"mpr discard {remote}"
    assert f"or now with {later}; {discard} then gives it up for good\n" in failed.stderr
    assert mpr(*later.split()[1:]).returncode == mpr(*discard.split()[1:], "--yes").returncode == 0
    assert installed("net", "use", "*", "/delete", "/y").stdout == "There are no entries in the list.\n\n"


@pytest.mark.parametrize(
    ("hint", "told"),
    [
        ("give another password with --password-stdin, another user with --user",
         "give another password with * after the name, another user with /USER:NAME"),
        ("give another key with -o key_file=FILE, a password with --password-stdin, another user with --user",
         "give a password with * after the name, another user with /USER:NAME"),
        ("close them, or disconnect with --force", "close them, or disconnect with /Y"),
    ],
    ids=["password", "key", "force"],
)  # fmt: skip
def test_hints_name_switches_that_net_use_has(capsys: pytest.CaptureFixture[str], hint: str, told: str) -> None:
    tell(WNetError(Status.ERROR_LOGON_FAILURE, hint=hint))
    assert f"; {told}\n" in capsys.readouterr().err


def test_c4_a_letter_that_is_connected(net_use: Use) -> None:
    net_use("Z:", PROJECTS)
    result = net_use("Z:", r"\\files\other")
    assert result.stderr.startswith("System error 85 has occurred.\n\nThe local device name is already in use.\nZ:")


def test_every_status_can_be_told(capsys: pytest.CaptureFixture[str]) -> None:
    for status in Status:
        tell(WNetError(status, "the reason"))
        told = capsys.readouterr().err
        assert f"\nthe reason ({status.name}, {int(status)})\n" in told
        assert ".\nthe reason" in told


def test_wrong_syntax_ends_with_1_and_the_syntax(net_use: Use) -> None:
    for words in (["Z:", PROJECTS, SECRET, "x"], ["/wrong"], ["-x"], ["--force", "Z:"], ["Z:", PROJECTS, f"/{SECRET}"]):
        result = net_use(*words)
        assert (result.exit_code, result.stdout) == (1, "")
        assert "\n\nThe syntax of this command is:\n\nNET USE\n[devicename | *] " in result.stderr
        assert SECRET not in result.stderr
    assert done(net_use("/?")).startswith("The syntax of this command is:\n\nNET USE\n")


# -- real processes, a real server


def test_called_as_net_it_is_mpr_net(places: Places) -> None:
    link = places.home / "net"
    link.symlink_to(Path(sys.executable).with_name("mpr"))
    ran = subprocess.run([link, "USE", "/p:no"], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, COMPLETED, "")
    assert settings_file.load().net_use_persistent is False


def test_a_password_on_the_command_line_leaves_no_trace(
    installed: Command, mpr: Command, places: Places, script: Script, ftp_server: FtpServer
) -> None:
    script.does(f"tr '\\0' ' ' </proc/$PPID/cmdline >>{script.log}; env >>{script.log}")
    mpr("notify", "add", "script", script.target)
    secret, remote = ftp_server.password, ftp_server.url()
    ran = installed("net", "use", "Z:", remote, secret, "/persistent:yes")
    assert (ran.returncode, ran.stdout) == (0, COMPLETED)
    assert (places.drives / "Z" / "readonly").is_dir()
    wiped = " ".join("*" * len(each) for each in ("Z:", remote, secret, "/persistent:yes"))
    assert f" net use {wiped} " in script.log.read_text()
    processes = [Path(f"/proc/{pid}/{kind}") for pid in places.processes() for kind in ("cmdline", "environ")]
    assert processes
    assert not [path for path in processes if secret.encode() in path.read_bytes()]
    shown = [ran.stdout, ran.stderr, mpr("events", "--json").stdout, installed("net", "use", "Z:").stdout]
    assert not [text for text in shown if secret in text]
    assert installed("net", "use", "*", "/delete", "/y").returncode == 0  # so that nothing is mounted in the places
    written = [path for path in places.base.rglob("*") if path.is_file()]
    assert script.log in written
    assert not [path for path in written if secret.encode() in path.read_bytes()]


@pytest.mark.parametrize("kind", ["ftp_server", "smb_server"])
def test_on_a_terminal_the_user_name_and_the_password_are_asked_for(
    request: pytest.FixtureRequest, terminal: PseudoTerminal, kind: str
) -> None:
    server: FtpServer | SmbServer = request.getfixturevalue(kind)
    remote = server.url().replace(f"{server.user}@", "")
    terminal.start("net", "use", "Z:", remote)
    asked = terminal.expect(f"Enter the user name for '{server.host}': ")
    assert asked.startswith(f"The password or user name is invalid for {remote}.\r\n\r\n")
    terminal.enter(f"{server.user}\n")
    terminal.expect(f"Enter the password for {server.host}: ")
    terminal.enter(f"{server.password}\n")
    code, shown = terminal.end()
    assert (code, shown.strip()) == (0, COMPLETED.strip())


def test_on_a_terminal_the_password_of_the_user_is_asked_for(terminal: PseudoTerminal, ftp_server: FtpServer) -> None:
    remote = f"ftp://{ftp_server.host}:{ftp_server.port}/"
    terminal.start("net", "use", "Z:", remote, f"/user:{ftp_server.user}")
    terminal.expect(f"Enter the password for '{ftp_server.user}' to connect to '{ftp_server.host}': ")
    terminal.enter(f"{ftp_server.password}\n")
    code, shown = terminal.end()
    assert (code, shown.strip()) == (0, COMPLETED.strip())
    terminal.start("net", "use", "Y:", remote, "*", f"/user:{ftp_server.user}")
    terminal.expect(f"Type the password for {remote}: ")
    terminal.enter("\n")
    code, shown = terminal.end()
    assert code == 2
    assert "System error 1223 has occurred." in shown
    assert ftp_server.password not in shown


@pytest.mark.parametrize("question", [False, True], ids=["a list", "a question"])
def test_output_that_cannot_be_written_is_a_failure_with_its_exit_code(
    question: bool, mpr: Command, places: Places, resource: str
) -> None:
    words = []
    if question:
        assert mpr("connect", resource, "Z:", "--persist").returncode == mpr("disconnect", "Z:").returncode == 0
        words = ["Z:", f"file://{places.home}"]
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run([MPR, "net", "use", *words], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert ran.returncode == 2
    assert ran.stderr.startswith("mpr: standard output cannot be written: No space left on device (ERROR_WRITE_FAULT")
    assert places.mounts() == []
