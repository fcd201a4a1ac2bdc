"""The words of ``net use``: what they mean, which are refused, and that none stays in the list of processes."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mprouter.cli.net_grammar import Misuse, Words, parse

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
        (["LPT1:"], Words("LPT1:")),
        (["lpt1:", UNC], Words("lpt1:", UNC)),
        (["COM1", UNC, "pw"], Words("COM1", UNC, "pw")),
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
        (["Z:", UNC, "pw", "more"], "there are too many names"),
        ([UNC, "pw", "more"], "there are too many names"),
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


def test_a_password_is_not_shown_by_what_has_it() -> None:
    assert "hunter2" not in repr(parse(["Z:", UNC, "hunter2"]))


@pytest.mark.parametrize(
    "words",
    [
        ["net", "use", "Z:", UNC, "hunter2", "/user:hunter2%hunter2"],
        ["-v", "Net", "-v", "USE", "/savecred", "hunter2", "Z:", "", "sftp://ana:hunter2@files/x"],
        ["net", "use", "-phunter2"],
        ["net", "use", "hunter2", "p\udcff"],
    ],
    ids=ascii,
)
def test_no_word_of_net_use_stays_in_the_list_of_processes_nor_in_sys(words: list[str]) -> None:
    code = """
import sys
from pathlib import Path
import mprouter.cli.program

def run(words, **_):
    print(sys.argv[1:], sys.orig_argv[3:], Path("/proc/self/cmdline").read_bytes().split(b"\\0")[3:-1], sep="\\n")

mprouter.cli.program.program.main = run
mprouter.cli.main()
"""
    ran = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
    assert ran.stderr == ""
    count = [word.lower() for word in words].index("use") + 1
    kept, wiped = words[:count], words[count:]
    assert ran.stdout.splitlines() == [
        str(kept + ["***"] * len(wiped)),
        str(kept + ["***"] * len(wiped)),
        str([os.fsencode(each) for each in kept] + [b"*" * len(os.fsencode(each)) for each in wiped]),
    ]
