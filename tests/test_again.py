"""The words with which a connection is made again: they reach what it reached, as whom and through whom it did."""

from __future__ import annotations

import pytest

from mprouter.again import connect_words


@pytest.mark.parametrize(
    ("name", "known", "words"),
    [
        ("sftp://files/home", {"provider": "sftp"}, ["sftp://files/home"]),
        (r"\\files\home", {}, [r"\\files\home"]),
        # several networks have such names, and options of their own
        (r"\\files\home", {"provider": "webdav"}, [r"\\files\home", "--provider", "webdav"]),
        ("sftp://files/home", {"user": "ana"}, ["sftp://files/home", "--user", "ana"]),
        ("sftp://ana@files/home", {"user": "ana"}, ["sftp://ana@files/home"]),
        ("sftp://ana@files/home", {"user": "bob"}, ["sftp://ana@files/home", "--user", "bob"]),
        (
            "sftp://files/home",
            {"local_name": "Z:", "options": {"port": "2222", "key": "/a b"}},
            ["sftp://files/home", "Z:", "-o", "key=/a b", "-o", "port=2222"],
        ),
        ("no name", {"user": "ana", "provider": "smb"}, ["no name", "--user", "ana"]),
    ],
)
def test_how_a_connection_is_made_again(name: str, known: dict[str, object], words: list[str]) -> None:
    assert connect_words(name, **{"options": {}} | known) == tuple(words)  # type: ignore[arg-type]
