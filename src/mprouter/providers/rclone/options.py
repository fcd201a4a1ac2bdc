"""Options of a network, ``-o KEY=VALUE``: which there are, what values they take, and how a wrong one is refused.

No option is secret: options are remembered, shown, and given on command lines.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from mprouter.frozen import frozen
from mprouter.status import Status, WNetError

__all__ = [
    "COMMON_OPTIONS",
    "Option",
    "certificate_file",
    "choice",
    "existing_file",
    "fingerprint_of",
    "read_options",
    "word",
    "yes_or_no",
]


@frozen
class Option:
    """An option. about: what it does. read: the value as it is used; raises ``ValueError`` with what is wrong."""

    about: str
    read: Callable[[str], str]


def word(text: str) -> str:
    """Any text that is not empty."""
    if not text.strip():
        raise ValueError("is empty")
    return text


def yes_or_no(text: str) -> str:
    """``yes`` or ``""``."""
    if text.lower() in {"yes", "true", "on", "1"}:
        return "yes"
    if text.lower() in {"no", "false", "off", "0"}:
        return ""
    raise ValueError("is neither yes nor no")


def choice(*values: str) -> Callable[[str], str]:
    """One of *values*."""

    def read(text: str) -> str:
        if text.lower() not in values:
            raise ValueError(f"is none of {', '.join(values)}")
        return text.lower()

    return read


def existing_file(text: str) -> str:
    """The absolute path of a file that can be read; ``~`` is the home directory."""
    path = Path(text).expanduser()
    if not path.is_absolute():
        raise ValueError("is not an absolute path")
    try:
        path.open("rb").close()
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from error
    return str(path)


def certificate_file(text: str) -> str:
    """The absolute path of a file with certificates in PEM form."""
    path = existing_file(text)
    import ssl

    try:
        ssl.create_default_context(cafile=path)
    except (OSError, ssl.SSLError) as error:
        raise ValueError("has no certificate in PEM form") from error
    return path


def fingerprint_of(path: str) -> str:
    """A few digits that tell the content of a file from others."""
    from hashlib import sha256

    return sha256(Path(path).read_bytes()).hexdigest()[:8]


COMMON_OPTIONS: Mapping[str, Option] = {"read_only": Option("yes: nothing can be written", yes_or_no)}


def read_options(known: Mapping[str, Option], given: Mapping[str, str], *, network: str, name: str) -> dict[str, str]:
    """The values of *given*. Raises ``WNetError`` (ERROR_INVALID_PARAMETER) for what *known* does not have."""
    values = {}
    for key, text in given.items():
        option = known.get(key)
        if option is None:
            raise WNetError(
                Status.ERROR_INVALID_PARAMETER,
                f"the network {network} has no option {key}",
                name=name,
                hint=f"it has {', '.join(sorted(known))}",
            )
        try:
            values[key] = option.read(text)
        except ValueError as error:
            raise WNetError(
                Status.ERROR_INVALID_PARAMETER, f"the option {key}={text} {error}", name=name, hint=option.about
            ) from None
    return values
