"""The text of a registry file (``.reg``), in both formats: read into keys and values, and written.

What the keys mean is not known here. The grammar is regedit's; what Windows passes over in silence is an error with its
line instead, so that nothing is lost unnoticed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from enum import IntEnum

from mprouter.frozen import frozen
from mprouter.status import Status, WNetError

__all__ = ["Key", "Kind", "Value", "at", "parse", "read", "written"]

MAX_SIZE = 1 << 27
"""The largest file that is read, in bytes; the export of a whole system hive has some 50 MB."""


class Kind(IntEnum):
    """``REG_*``: what the data of a value is. Files may also have numbers that have no name here."""

    NONE = 0
    SZ = 1
    EXPAND_SZ = 2
    BINARY = 3
    DWORD = 4
    MULTI_SZ = 7


_TEXTS = {Kind.SZ, Kind.EXPAND_SZ, Kind.MULTI_SZ}


@frozen
class Value:
    """One line of a key. name: "" = the default value. line: of the file; 0 = it is not from one.

    kind: a ``Kind`` or another number; None = the value is to be deleted. data: as Windows keeps it, texts in UTF-16LE
    with their terminating NUL, whatever the file's format.
    """

    name: str
    kind: int | None
    data: bytes = b""
    line: int = 0

    @classmethod
    def of_text(cls, name: str, text: str, kind: Kind = Kind.SZ) -> Value:
        """A REG_SZ, or another *kind* of text. Raises ``WNetError`` (ERROR_INVALID_DATA) for a NUL in it."""
        if "\0" in text:
            raise WNetError(Status.ERROR_INVALID_DATA, "there is a null character in it", name=name)
        return cls(name, kind, f"{text}\0".encode("utf-16-le"))

    @classmethod
    def of_number(cls, name: str, number: int) -> Value:
        """A REG_DWORD."""
        return cls(name, Kind.DWORD, number.to_bytes(4, "little"))

    @property
    def text(self) -> str | None:
        """The text of a REG_SZ or REG_EXPAND_SZ, up to its first NUL as Windows reads it; None if it is none."""
        if self.kind not in {Kind.SZ, Kind.EXPAND_SZ}:
            return None
        try:
            return self.data.decode("utf-16-le").partition("\0")[0]
        except UnicodeDecodeError:
            return None

    @property
    def number(self) -> int | None:
        """The number of a REG_DWORD; None if it is none."""
        return int.from_bytes(self.data, "little") if self.kind == Kind.DWORD and len(self.data) == 4 else None


@frozen
class Key:
    """One section. path: from the root's full name on, without backslashes at the end. deleted: with all below it."""

    path: str
    values: tuple[Value, ...] = ()
    deleted: bool = False
    line: int = 0


def at(line: int, problem: str) -> WNetError:
    """The error for what is wrong at *line* of a file (ERROR_INVALID_DATA); who read the file completes its name."""
    return WNetError(Status.ERROR_INVALID_DATA, f"line {line}: {problem}")


# -- reading ---------------------------------------------------------------------------------------------------


def read(data: bytes) -> str:
    r"""The text of a file: UTF-16 with its byte order mark, UTF-8, or else code page 1252; lines end with ``\n``.

    Raises ``WNetError`` (ERROR_INVALID_DATA).
    """
    if len(data) > MAX_SIZE:
        raise WNetError(Status.ERROR_INVALID_DATA, f"the file is larger than {MAX_SIZE >> 20} MiB")
    try:
        if data[:2] in {b"\xff\xfe", b"\xfe\xff"}:
            text = data.decode("utf-16")
        else:
            try:
                text = data.decode("utf-8-sig")
            except UnicodeDecodeError:
                text = _from_ansi(data)
    except UnicodeDecodeError as error:
        line = data[: error.start].decode("utf-16", "replace").count("\n") + 1
        raise at(line, "this is not UTF-16, as the file's byte order mark says") from error
    return text.replace("\r\n", "\n")


# Possessive is only what is one character: Python 3.11 goes wrong where a possessive group matches in part.
_HEADER = re.compile(r"[ \t]*+(?:(Windows Registry Editor Version 5\.00)|REGEDIT4)[ \t]*+(?:\n|\Z)")
_BLANK = re.compile(r"(?:[ \t]*+(?:[;#][^\n]*+)?\n)*[ \t]*+(?:[;#][^\n]*+)?")
_KEY = re.compile(r"\[(-?)([^\n]*)\]")
_QUOTED = r'"([^"\\]*+(?:\\["\\][^"\\]*+)*)"'
_NAME = re.compile(rf"(?:@|{_QUOTED})[ \t]*+=[ \t]*+")
_STRING = re.compile(_QUOTED)
_DWORD = re.compile(r"dword:[ \t]*+([0-9a-f]{1,8})(?![0-9a-f])", re.IGNORECASE)
_HEX = re.compile(r"hex(?:\(([0-9a-f]{1,8})\))?:", re.IGNORECASE)
_BYTES = re.compile(r"[ \t]*+((?:[0-9a-f]{1,2}[ \t]*+,[ \t]*+)*(?:[0-9a-f]{1,2}(?![0-9a-f]))?)", re.IGNORECASE)
_CONTINUED = re.compile(r"[ \t]*+\\[ \t]*+(?:;[^\n]*+)?(?:\n(?:[ \t]*+(?:;[^\n]*+)?\n)*|\Z)")
_END = re.compile(r"[ \t]*+(?:;[^\n]*+)?(?:\n|\Z)")

_ROOTS = {
    "HKEY_CLASSES_ROOT": "HKCR",
    "HKEY_CURRENT_USER": "HKCU",
    "HKEY_LOCAL_MACHINE": "HKLM",
    "HKEY_USERS": "HKU",
    "HKEY_CURRENT_CONFIG": "HKCC",
    "HKEY_DYN_DATA": "HKDD",
}
"""The root keys, each with the abbreviation that people use."""

_ROOT_OF = {each: root for root, short in _ROOTS.items() for each in (root, short)}


def parse(text: str) -> list[Key]:
    """The sections of a file whose text is *text*, in its order. Raises ``WNetError`` (ERROR_INVALID_DATA)."""
    header = _HEADER.match(text)
    if header is None:
        raise at(1, 'a registry file begins with "Windows Registry Editor Version 5.00" or "REGEDIT4"')
    return list(_sections(_Scanner(text, header.end(), is_ansi=header[1] is None)))


def _sections(scanner: _Scanner) -> Iterator[Key]:
    path, deleted, line = None, False, 0
    values: list[Value] = []
    while not scanner.at_end():
        if found := scanner.take(_KEY):
            if path is not None:
                yield Key(path, tuple(values), deleted, line)
            line, values = scanner.line(found.start()), []
            path, deleted = _path(found[2], line), bool(found[1])
            scanner.end(found.start(), "nothing but a comment follows a key")
        elif path is None:
            raise at(scanner.line(scanner.position), "a key in brackets comes first")
        else:
            values.append(scanner.value())
    if path is not None:
        yield Key(path, tuple(values), deleted, line)


def _path(text: str, line: int) -> str:
    root, *names = text.rstrip("\\").split("\\")
    known = _ROOT_OF.get(root.upper())
    if known is None:
        raise at(line, f"there is no root key {root!r}; there are {', '.join(_ROOTS)}")
    return "\\".join([known, *names])


class _Scanner:
    """A place in a text, which moves on. is_ansi: texts in hexadecimal are of code page 1252."""

    def __init__(self, text: str, position: int, *, is_ansi: bool) -> None:
        self._text = text
        self.position = position
        self._is_ansi = is_ansi
        self._counted = (0, 1)  # a place, and the line that it is on

    def line(self, position: int) -> int:
        """The number of the line; places are asked for in ascending order."""
        before, line = self._counted
        self._counted = (position, line + self._text.count("\n", before, position))
        return self._counted[1]

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Go past *pattern* if it is here."""
        found = pattern.match(self._text, self.position)
        if found is not None:
            self.position = found.end()
        return found

    def at_end(self) -> bool:
        """Go past blanks and comments; whether nothing follows."""
        self.take(_BLANK)
        return self.position == len(self._text)

    def end(self, start: int, problem: str) -> None:
        """Go to the next line; if more stands here, *problem* is what is wrong with what began at *start*."""
        if self.take(_END) is None:
            raise at(self.line(start), problem)

    def value(self) -> Value:
        """The value that stands here."""
        start = self.position
        name = self.take(_NAME)
        if name is None:
            raise at(
                self.line(start),
                'this is neither a [key] nor a value: "name"=…, where a " and a \\ in the name have a \\ before them',
            )
        line = self.line(start)
        kind, data = self._data(line)
        return Value(_unescaped(name[1] or ""), kind, data, line)

    def _data(self, line: int) -> tuple[int | None, bytes]:
        start = self.position
        if found := self.take(_STRING):
            self.end(start, 'something follows the text; a " and a \\ in it have a \\ before them')
            return Kind.SZ, f"{_unescaped(found[1])}\0".encode("utf-16-le")
        if found := self.take(_DWORD):
            self.end(start, "a dword has at most 8 hexadecimal digits, and nothing follows it")
            return Kind.DWORD, int(found[1], 16).to_bytes(4, "little")
        if found := self.take(_HEX):
            kind = Kind.BINARY if found[1] is None else int(found[1], 16)
            return kind, self._converted(kind, self._bytes())
        if self._text[start : start + 1] == "-":
            self.position += 1
            self.end(start, "nothing follows the - that deletes a value")
            return None, b""
        raise at(line, 'after the = stands "text" (a \\ and a " in it as \\\\ and \\"), dword:…, hex:…, hex(…):… or -')

    def _bytes(self) -> bytes:
        """The bytes of a hex value. As with regedit a comma may follow the last one, but not where the file ends."""
        data = bytearray()
        last, is_continued = self.position, False
        while True:
            start = self.position
            digits = self.take(_BYTES)
            found = digits[1] if digits else ""
            data += bytes(int(each, 16) for each in found.split(",") if each.strip())
            last = start if found else last
            is_open = not found or found.rstrip()[-1] == ","
            if is_open and self.take(_CONTINUED):
                is_continued = True
                continue
            if is_open and (self.position == len(self._text) or (is_continued and not found)):
                raise at(self.line(last), "the hex value breaks off: after ,\\ it goes on in the next line")
            self.end(last, "a hex value is pairs of digits with commas between; a line that goes on ends with ,\\")
            return bytes(data)

    def _converted(self, kind: int, data: bytes) -> bytes:
        """What a hex value of *data* means; texts get the NUL that Windows adds where there is none."""
        if kind not in _TEXTS or not data:
            return data
        if self._is_ansi:
            data = _from_ansi(data).encode("utf-16-le")
        return data if len(data) % 2 or data.endswith(b"\0\0") else data + b"\0\0"


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


# -- writing ---------------------------------------------------------------------------------------------------


def written(keys: Iterable[Key], *, version: int = 5) -> bytes:
    """A file of *keys*, as regedit writes it. version: 5 = UTF-16LE, 4 = REGEDIT4 in code page 1252.

    Raises ``WNetError`` (ERROR_INVALID_DATA) for a character that code page 1252 does not have.
    """
    is_ansi = version == 4
    lines = ["REGEDIT4" if is_ansi else "Windows Registry Editor Version 5.00", ""]
    for key in keys:
        lines.append(f"[{'-' if key.deleted else ''}{key.path}]")
        lines += [_line(value, is_ansi=is_ansi) for value in key.values]
        lines.append("")
    text = "\r\n".join(lines) + "\r\n"
    if not is_ansi:
        return b"\xff\xfe" + text.encode("utf-16-le")
    data = _to_ansi(text)
    if not text.isascii():  # by this mark nobody takes it for UTF-8
        data = data.replace(b"\r\n", b"\r\n; Windows-1252: \xe9\r\n", 1)
    return data


def _line(value: Value, *, is_ansi: bool) -> str:
    name = f'"{_escaped(value.name)}"' if value.name else "@"
    if value.kind is None:
        return f"{name}=-"
    if value.number is not None:
        return f"{name}=dword:{value.number:08x}"
    text = value.text
    if (
        value.kind == Kind.SZ
        and text is not None
        and not re.search(r"[\r\n]", text)
        and value.data == f"{text}\0".encode("utf-16-le")
    ):
        return f'{name}="{_escaped(text)}"'
    data = value.data
    if is_ansi and value.kind in _TEXTS:
        data = _to_ansi(data.decode("utf-16-le"))
    return _hex(f"{name}=hex{'' if value.kind == Kind.BINARY else f'({value.kind:x})'}:", data)


def _hex(start: str, data: bytes) -> str:
    """*data* behind *start*, in lines of at most 80 columns as far as possible."""
    lines, line = [], start
    for place, byte in enumerate(data):
        if len(line) > 76:
            lines.append(line)
            line = "  "
        line += f"{byte:02x}" + ("," if place + 1 < len(data) else "")
    return "\\\r\n".join([*lines, line])


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"")


# -- code page 1252 as Windows has it: each byte is a character ------------------------------------------------

_ANSI = "".join(bytes([each]).decode("cp1252", "ignore") or chr(each) for each in range(256))
_ANSI_BYTES = {ord(character): byte for byte, character in enumerate(_ANSI)}


def _from_ansi(data: bytes) -> str:
    return data.decode("latin-1").translate(_ANSI)


def _to_ansi(text: str) -> bytes:
    try:
        return bytes(_ANSI_BYTES[ord(each)] for each in text)
    except KeyError as error:
        character = chr(error.args[0])
        raise WNetError(
            Status.ERROR_INVALID_DATA,
            f"code page 1252 has no character {character!r}",
            hint="the format 5 has all characters",
        ) from error
