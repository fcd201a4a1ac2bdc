"""The everyday forms of ``mpr list`` and ``mpr connect``, which are read without click: it is an eighth of a list.

In such a form each word is an argument, one of the options below, or what follows one of those that want a word. All
else, help and every mistake among it, is left to click, which would read the same of these (``list.py``,
``connect.py``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["read", "run"]

_LIST = {"--remembered": "remembered", "--unsent": "unsent", "--json": "as_json"}

_CONNECT = {
    "--save-password": "save_password",
    "--persist": "persist",
    "--temporary": "temporary",
    "--current-media": "current_media",
    "--json": "as_json",
}

_CONNECT_WITH = {"--user": "user", "-o": "options", "--option": "options"}
"""Those that want a word."""


def run(words: Sequence[str]) -> int | None:
    """Run the command if *words* are an everyday form of it. Returns its exit code; None: they are not."""
    values = read(words)
    if values is None:
        return None
    from mprouter.cli.running import running

    with running(json="as_json" in values):
        try:
            if words[0] == "list":
                from mprouter.cli import listing

                listing.show(**values)
            else:
                from mprouter.cli import connecting

                connecting.connect(**values)
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - told here, once, whatever it is
            from mprouter.cli import failure

            return failure.tell(error, json="as_json" in values)
    return 0


def read(words: Sequence[str]) -> dict[str, Any] | None:
    """The parameters that an everyday form gives the command, by their names; None if *words* are no such form."""
    try:
        match words:
            case ["list", *rest]:
                return _list(rest)
            case ["connect", *rest]:
                return _connect(rest)
    except ValueError:
        pass
    return None


def _list(words: Sequence[str]) -> dict[str, Any]:
    arguments, flags, _ = _sorted(words, _LIST, {})
    if arguments or flags >= {"remembered", "unsent"}:
        raise ValueError
    return dict.fromkeys(flags, True)


def _connect(words: Sequence[str]) -> dict[str, Any]:
    from mprouter.cli import connecting

    arguments, flags, given = _sorted(words, _CONNECT, _CONNECT_WITH)
    if not 1 <= len(arguments) <= 2 or flags >= {"persist", "temporary"}:
        raise ValueError
    values: dict[str, Any] = {**dict(zip(("remote", "local"), arguments, strict=False)), **dict.fromkeys(flags, True)}
    if "user" in given:
        values["user"] = connecting.user_name(given["user"][-1])
    if "options" in given:
        values["options"] = connecting.options(given["options"])
    return values


def _sorted(
    words: Sequence[str], flags: Mapping[str, str], wanting: Mapping[str, str]
) -> tuple[list[str], set[str], dict[str, list[str]]]:
    """The arguments, the flags that are set, and the words that were given to options. Raises ``ValueError``."""
    arguments: list[str] = []
    found: set[str] = set()
    given: dict[str, list[str]] = {}
    following = iter(words)
    for word in following:
        if word in flags:
            found.add(flags[word])
        elif word in wanting:
            given.setdefault(wanting[word], []).append(_word(next(following, "")))
        else:
            arguments.append(_word(word))
    return arguments, found, given


def _word(word: str) -> str:
    """*word*, which is no option. Raises ``ValueError`` if it might be one, or is nothing."""
    if not word or word[0] == "-":
        raise ValueError
    return word
