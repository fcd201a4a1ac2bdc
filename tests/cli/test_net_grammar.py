"""The words of ``net use``: what they mean, which are refused, and where a password may stand among them."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mprouter.cli.net_grammar import Misuse, Words, parse, secrets

UNC = r"\\files\projects"
URL = "sftp://files.example.com/srv"


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ([], Words()),
        (["Z:"], Words("Z:")),
        (["/mnt/dav"], Words("/mnt/dav")),
        (["~/dav", URL], Words("~/dav", URL)),
        ([UNC], Words(remote=UNC)),
        (["//files/projects", "pw"], Words(remote="//files/projects", password="pw")),
        (["z:", UNC, "*"], Words("z:", UNC, "*")),
        (["*", URL], Words("*", URL)),
        (["*", "rclone:nas:dir", ""], Words("*", "rclone:nas:dir", "")),
        (["Z:", UNC, "-pw"], Words("Z:", UNC, "-pw")),
        (["Z:", UNC, "/pw/"], Words("Z:", UNC, "/pw/")),
        (["Z:", r"\server\share"], Words("Z:", r"\server\share")),
        (["/user:CORP\\ana", "Z:", UNC], Words("Z:", UNC, user="CORP\\ana")),
        (["Z:", UNC, "/U:ana@corp.example"], Words("Z:", UNC, user="ana@corp.example")),
        (["Z:", UNC, "/u:CORP/ana"], Words("Z:", UNC, user="CORP/ana")),
        (["Z:", UNC, "/SaveCred", "/per:no"], Words("Z:", UNC, persistent=False, savecred=True)),
        (["/p:Y"], Words(persistent=True)),
        (["/PERSISTENT:yes"], Words(persistent=True)),
        (["Z:", "/D"], Words("Z:", delete=True)),
        (["Z:", "/del", "/y"], Words("Z:", delete=True, answer=True)),
        (["*", "/DELETE", "/NO"], Words("*", delete=True, answer=False)),
        ([UNC, "/delete"], Words(remote=UNC, delete=True)),
        (["Z:", UNC, "/delete"], Words("Z:", UNC, delete=True)),
        (["/y"], Words(answer=True)),
        (["Z:", "/home"], Words("Z:", elsewhere="HOME")),
        (["Z:", UNC, "/transport:quic"], Words("Z:", UNC, elsewhere="TRANSPORT")),
        (["/?", "Z:"], Words(help=True)),
        (["/help"], Words(help=True)),
    ],
    ids=ascii,
)
def test_what_words_mean(words: list[str], meant: Words) -> None:
    assert parse(words) == meant


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["Z:", UNC, "pw", "more"], "too many"),
        ([UNC, "pw", "more"], "too many"),
        (["Z:", UNC, "p\udcffw"], "not UTF-8"),
        (["/"], "not known"),
        (["/hunter2"], "not known"),
        (["Z:", UNC, "/user=ana"], "did you mean /USER?"),
        (["/persistant:yes"], "did you mean /PERSISTENT?"),
        (["Z:", UNC, "/s"], "/SAVECRED or /SKIPCERTCHECK or /SMARTCARD"),
        (["Z:", UNC, "/user"], "/USER:name"),
        (["Z:", UNC, "/user:"], "/USER:name"),
        (["Z:", UNC, "/user:ana:hunter2"], "no colon"),
        (["Z:", UNC, "/user:a", "/U:b"], "given twice"),
        (["/persistent"], "/PERSISTENT:YES"),
        (["/persistent:maybe"], "YES or NO"),
        (["/y", "/no"], "exclude each other"),
        (["Z:", "/y:no"], "takes no value"),
        (["/delete"], "needs a device"),
        (["*"], "needs a remote name"),
        (["*", UNC, "/delete"], "all connections"),
        (["Z:", "/delete", "/p:yes"], "/DELETE goes with no"),
        (["Z:", "/delete", "/user:ana"], "/DELETE goes with no"),
        (["Z:", UNC, "pw", "/delete"], "/DELETE goes with no"),
        (["Z:", "/user:ana"], "need a remote name"),
        (["Z:", "/savecred"], "need a remote name"),
        (["Z:", "/p:yes"], "needs a remote name"),
    ],
    ids=ascii,
)
def test_what_is_refused_and_why_without_repeating_it(words: list[str], why: str) -> None:
    with pytest.raises(Misuse) as refused:
        parse(words)
    assert why in str(refused.value)
    assert "hunter2" not in str(refused.value)


PIECES = ["/", "//", "\\\\", "\\", ":", "*", "Z:", "?", "-", "user", "U", "PER", "yes", "del", "SAVECRED", "home", "sftp://",
          "server", "share", "@", "=", "\udcff", "\n", "\N{LATIN SMALL LETTER DOTLESS I}", "ß"]  # fmt: skip
WORDS = st.lists(st.lists(st.sampled_from(PIECES) | st.text(max_size=4), max_size=5).map("".join), max_size=6)


def meaning(words: list[str]) -> Words | None:
    """None if they are refused."""
    try:
        return parse(words)
    except Misuse:
        return None


@given(WORDS)
def test_any_words_mean_something_or_are_refused(words: list[str]) -> None:
    meant = meaning(words)
    if meant is not None:
        assert {meant.device, meant.remote, meant.password} - {None} <= set(words)


@given(WORDS)
def test_whatever_is_taken_for_a_password_is_wiped(words: list[str]) -> None:
    meant = meaning(words)
    wiped = [words[place] for place in secrets(words)]
    assert meant is None or meant.password in {None, "*", *wiped}


@pytest.mark.parametrize(
    ("words", "wiped"),
    [
        (["Z:", UNC, "pw"], [2]),
        ([UNC, "/u:ana", "pw"], [2]),
        (["Z:", UNC, "*", "/user:ana"], []),
        (["Z:", "pw"], [1]),
        (["Z:", UNC, "pw", "again"], [2, 3]),
        (["Z:", UNC, "/pw"], [2]),
        (["Z:", UNC, "/user:ana:pw"], [2]),
        (["Z:", UNC, "/d"], []),
        ([], []),
    ],
    ids=ascii,
)
def test_where_a_password_may_stand_however_wrong_the_rest_is(words: list[str], wiped: list[int]) -> None:
    assert secrets(words) == wiped


def test_a_password_is_not_shown_by_what_has_it() -> None:
    assert "hunter2" not in repr(parse(["Z:", UNC, "hunter2"]))


@pytest.mark.parametrize(
    "words", [["Z:", UNC, "pässwörd", "/user:ana"], [UNC, "", "hunter2"], ["Z:", "\udcff"]], ids=ascii
)
def test_wiping_leaves_nothing_in_the_list_of_processes_nor_in_sys(words: list[str]) -> None:
    code = (
        "import sys; from pathlib import Path; from mprouter.cli.command_line import wipe; wipe(sys.argv[1:]);"
        "print(sys.argv, sys.orig_argv, Path('/proc/self/cmdline').read_bytes().split(b'\\0'))"
    )
    ran = subprocess.run([sys.executable, "-c", code, "net", "use", *words], capture_output=True, text=True, check=True)
    secret = [words[place] for place in secrets(words)]
    assert ran.stderr == ""
    for each in filter(None, secret):
        assert each not in ran.stdout
        assert repr(each.encode(errors="surrogateescape"))[2:-1] not in ran.stdout
    assert ran.stdout.count("***") >= 2 * len(secret)
    assert "'net', 'use', " in ran.stdout
    assert ascii(words[0])[1:-1] in ran.stdout
