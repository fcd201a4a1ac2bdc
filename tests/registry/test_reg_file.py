"""Registry files as text: what Windows accepts is read, what it would pass over is an error with its line."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mprouter.registry.reg_file import Key, Kind, Value, parse, read, written
from mprouter.status import Status, WNetError

HEADER = "Windows Registry Editor Version 5.00\n\n"
KEY = "HKEY_CURRENT_USER\\Network\\Z"


def values(lines: str, header: str = HEADER) -> list[tuple[str, int | None, bytes]]:
    (key,) = parse(f"{header}[{KEY}]\n{lines}")
    return [(each.name, each.kind, each.data) for each in key.values]


def value(line: str, header: str = HEADER) -> tuple[int | None, bytes]:
    ((_, kind, data),) = values(f'"x"={line}', header)
    return kind, data


def utf16(text: str) -> bytes:
    return text.encode("utf-16-le")


def refused(text: str) -> str:
    with pytest.raises(WNetError) as caught:
        parse(text)
    assert caught.value.status is Status.ERROR_INVALID_DATA
    return str(caught.value.strerror)


# -- encodings and headers -----------------------------------------------------------------------------------------

TEXT = f'{HEADER}[{KEY}]\n"Name"="Ünïcödé"\n'


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-16", "utf-8", "utf-8-sig", "cp1252"])
def test_the_encodings_that_editors_write_are_read(encoding: str, end: str) -> None:
    (key,) = parse(read(TEXT.replace("\n", end).encode(encoding)))
    assert key.values[0].text == "Ünïcödé"


def test_both_byte_orders_are_read() -> None:
    assert read(b"\xff\xfe" + TEXT.encode("utf-16-le")) == read(b"\xfe\xff" + TEXT.encode("utf-16-be")) == TEXT


def test_half_a_character_in_utf_16_is_an_error_with_its_line() -> None:
    data = b"\xff\xfe" + "REGEDIT4\n;\n".encode("utf-16-le") + b"\x00\xd8" + "x".encode("utf-16-le")
    with pytest.raises(WNetError, match="line 3: this is not UTF-16"):
        read(data)


@pytest.mark.parametrize("header", ["REGEDIT4", "Windows Registry Editor Version 5.00", " \tREGEDIT4 "])
@pytest.mark.parametrize("rest", ["", "\n", f"\n[{KEY}]", f"\n\n\n  [{KEY}]  ; why"])
def test_what_begins_as_a_registry_file_is_one(header: str, rest: str) -> None:
    assert [each.path for each in parse(header + rest)] == [KEY] * ("[" in rest)


@pytest.mark.parametrize(
    "header",
    ["", "\nREGEDIT4", "regedit4", "REGEDIT", "REGEDIT5", "REGEDIT4FOO", "Windows Registry Editor Version 4.00"],
)
def test_what_does_not_is_none(header: str) -> None:
    assert refused(f"{header}\n[{KEY}]\n").startswith("line 1: a registry file begins with")


# -- keys ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "path", "deleted"),
    [
        (r"[HKEY_CURRENT_USER\Network]", r"HKEY_CURRENT_USER\Network", False),
        (r"[hkey_current_user\Network\\]", r"HKEY_CURRENT_USER\Network", False),
        (r"[HKCU\Network]", r"HKEY_CURRENT_USER\Network", False),
        (r"[-hklm\SYSTEM\a[b]c] ; gone", r"HKEY_LOCAL_MACHINE\SYSTEM\a[b]c", True),
        (r'[HKCR\http://x"y]', r'HKEY_CLASSES_ROOT\http://x"y', False),
        ("[HKU]", "HKEY_USERS", False),
    ],
)
def test_keys_have_their_roots_full_name(line: str, path: str, deleted: bool) -> None:
    assert parse(HEADER + line) == [Key(path, (), deleted, 3)]


@pytest.mark.parametrize("line", [r"[ HKCU\x]", r"[- HKCU\x]", r"[HKEY_CURRENT_USERS\x]", "[]", r"[\x]"])
def test_an_unknown_root_is_an_error(line: str) -> None:
    assert refused(HEADER + line).startswith("line 3: there is no root key ")


@pytest.mark.parametrize("line", [r"[HKCU\x", r"HKCU\x]", r"[HKCU\x] y"])
def test_a_malformed_key_is_an_error(line: str) -> None:
    assert refused(f"{HEADER}[HKCU\\y]\n{line}\n").startswith("line 4: ")


def test_values_need_a_key() -> None:
    assert refused(f'{HEADER}"x"="y"') == "line 3: a key in brackets comes first"


# -- values --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "kind", "data"),
    [
        (r'"a\\b \"c\" ;d"', Kind.SZ, utf16('a\\b "c" ;d\0')),
        ('""', Kind.SZ, b"\0\0"),
        ('"two\nlines" ; as regedit writes them', Kind.SZ, utf16("two\nlines\0")),
        ("dword:1", Kind.DWORD, b"\1\0\0\0"),
        ("dword: \t89abCDEF \t;x", Kind.DWORD, b"\xef\xcd\xab\x89"),
        ("hex:", Kind.BINARY, b""),
        ("hex:1,02,fF,", Kind.BINARY, b"\1\2\xff"),
        ("hex(0):0a", Kind.NONE, b"\n"),
        ("hex(4):01,00", Kind.DWORD, b"\1\0"),
        ("HEX(B):01,00,00,00,00,00,00,00", 0xB, b"\1" + bytes(7)),
        ("hex(ffffffff):01", 0xFFFFFFFF, b"\1"),
        ("hex(2):61,00,00,00", Kind.EXPAND_SZ, utf16("a\0")),
        ("hex(2):61,00", Kind.EXPAND_SZ, utf16("a\0")),
        ("hex(2):", Kind.EXPAND_SZ, b""),
        ("hex(1):61", Kind.SZ, b"a"),  # half a character, as there are in real registries
        ("hex(7):61,00,00,00,00,00", Kind.MULTI_SZ, utf16("a\0\0")),
        ("hex:01,\\\n  02,\\ ;x\n\n ; y\n  03", Kind.BINARY, b"\1\2\3"),
        ("hex(2):\\\n  61,00,\\\n  00,00", Kind.EXPAND_SZ, utf16("a\0")),
        ("-", None, b""),
        (" - ; gone", None, b""),
    ],
)
def test_data(line: str, kind: int | None, data: bytes) -> None:
    assert value(f"{line}\n") == (kind, data)


def test_names() -> None:
    lines = '"a"="1"\n @ = "2"\n\t""="3"\n"q\\"\\\\[k]=" = "4"\n# "no"="5"\n ; "no"="6"\n'
    assert [name for name, _, _ in values(lines)] == ["a", "", "", 'q"\\[k]=']


def test_hexadecimal_text_of_regedit4_is_ansi() -> None:
    ansi = "REGEDIT4\n"
    assert value("hex(2):e4,80,81,00", ansi) == (Kind.EXPAND_SZ, utf16("ä€\x81\0"))
    assert value("hex(7):61,00,62,00,00", ansi) == (Kind.MULTI_SZ, utf16("a\0b\0\0"))
    assert value("hex(3):e4", ansi) == (Kind.BINARY, b"\xe4")


@pytest.mark.parametrize(
    "line",
    [
        r'"a\b"',  # only \\ and \" are escapes
        '"a" b',
        '"a" # b',
        '"a"b"',
        "text",
        "",
        "dword:",
        "dword:123456789",
        "dword:0x1",
        "dword:1 2",
        "dword:g",
        "hex:0g",
        "hex:001",
        "hex:100,",
        "hex:,01",
        "hex:01,,02",
        "hex:01 02",
        "hex:01/02",
        "hex(0x2):01",
        "hex(123456789):01",
        "hex:20\\\n  21",
        "hex:01,\\ #x\n  02",
        "hex:01,\n  02",  # nothing says that the line goes on
        "- x",
        "--",
    ],
)
def test_malformed_data_is_an_error_with_its_line(line: str) -> None:
    assert refused(f'{HEADER}[{KEY}]\n"good"="1"\n"x"={line}\n\n').startswith(("line 5: ", "line 6: "))


@pytest.mark.parametrize("end", ["", "\n", "\n  \n\n", "\n;", '\n"y"="z"', f"\n[{KEY}]"])
@pytest.mark.parametrize("line", ["hex:61,00,\\", "hex(2):61,00,\\", "hex:61,\\\n  00,\\ ; why", "hex(2):\\", "hex:\\"])
def test_a_hex_value_that_goes_on_in_no_next_line_is_cut_off(line: str, end: str) -> None:
    cut = 4 + line.count("\n")
    assert refused(f'{HEADER}[{KEY}]\n"x"={line}{end}').startswith(f"line {cut}: the hex value breaks off")


@pytest.mark.parametrize("line", ["hex:61,00,", "hex(2):61, 00 , ", "hex(2):61,\\\n  00,", "hex:"])
def test_a_comma_at_the_end_is_a_cut_only_where_the_file_ends(line: str) -> None:
    text = f'{HEADER}[{KEY}]\n"x"={line}'
    assert "the hex value breaks off" in refused(text)
    assert len(parse(f"{text}\n")[0].values) == 1


def test_a_text_without_end_is_an_error_where_it_begins() -> None:
    assert refused(f'{HEADER}[{KEY}]\n"x"="a\n"y"="b"\n').startswith("line 4: ")


@pytest.mark.parametrize("line", ['-"x"', '"x"', 'x="y"', '"x="y"', "=1", '"x":"y"', "\\"])
def test_what_is_neither_a_key_nor_a_value_is_an_error(line: str) -> None:
    assert refused(f"{HEADER}[{KEY}]\n{line}\n").startswith("line 4: this is neither")


def test_an_error_shows_nothing_of_what_is_in_the_file() -> None:
    assert "secret" not in refused(f'{HEADER}[{KEY}]\n"Password"="secret" "secret"\n')


# -- writing -------------------------------------------------------------------------------------------------------


def test_it_is_written_as_regedit_does() -> None:
    keys = [
        Key("HKEY_CURRENT_USER\\Network", deleted=True),
        Key(
            KEY,
            (
                Value.of_text("", "default"),
                Value.of_text('a"\\', 'b"\\'),
                Value.of_number("n", 0x7530),
                Value("gone", None),
                Value.of_text("RemotePath", "%A%\\" + "b" * 20, Kind.EXPAND_SZ),
                Value("raw", Kind.BINARY, b"\x01\xff"),
            ),
        ),
    ]
    data = written(keys)
    assert data[:2] == b"\xff\xfe"
    assert data[2:].decode("utf-16-le").split("\r\n") == [
        "Windows Registry Editor Version 5.00",
        "",
        "[-HKEY_CURRENT_USER\\Network]",
        "",
        f"[{KEY}]",
        '@="default"',
        r'"a\"\\"="b\"\\"',
        '"n"=dword:00007530',
        '"gone"=-',
        '"RemotePath"=hex(2):25,00,41,00,25,00,5c,00,62,00,62,00,62,00,62,00,62,00,62,\\',
        "  00,62,00,62,00,62,00,62,00,62,00,62,00,62,00,62,00,62,00,62,00,62,00,62,00,\\",
        "  62,00,62,00,00,00",
        '"raw"=hex:01,ff',
        "",
        "",
    ]


def test_what_code_page_1252_does_not_have_is_not_written_in_it() -> None:
    with pytest.raises(WNetError, match="code page 1252 has no character 'Ω'"):
        written([Key(KEY, (Value.of_text("x", "Ω"),))], version=4)


CHARACTERS = st.characters(exclude_characters="\0\r", exclude_categories=["Cs"])
ANSI = st.characters(codec="cp1252", exclude_characters="\0\r") | st.sampled_from("€\x81Ã©")


def key_strategy(characters: st.SearchStrategy[str]) -> st.SearchStrategy[Key]:
    texts = st.text(characters, max_size=40)
    data = st.binary(max_size=60)
    some = st.one_of(
        st.builds(Value.of_text, texts, texts, st.sampled_from([Kind.SZ, Kind.EXPAND_SZ, Kind.MULTI_SZ])),
        st.builds(Value.of_number, texts, st.integers(0, 0xFFFFFFFF)),
        st.builds(Value, texts, st.sampled_from([0, 3, 4, 5, 8, 0xB, 0xFFFFFFFF]), data),
        st.builds(Value, texts, st.none()),
    )
    names = st.text(characters, max_size=20).map(lambda name: name.replace("\n", "").replace("\\", "x") + "!")
    paths = names.map("HKEY_LOCAL_MACHINE\\{}".format)
    return st.builds(Key, paths, st.lists(some, max_size=4).map(tuple), st.booleans())


def said(keys: list[Key]) -> list[tuple[object, ...]]:
    return [(key.path, key.deleted, *((each.name, each.kind, each.data) for each in key.values)) for key in keys]


@given(st.lists(key_strategy(CHARACTERS), max_size=4))
def test_what_is_written_in_version_5_is_read_as_it_was(keys: list[Key]) -> None:
    assert said(parse(read(written(keys)))) == said(keys)


@given(st.lists(key_strategy(ANSI), max_size=4))
@example([Key("HKEY_LOCAL_MACHINE\\x", (Value.of_text("x", "Ã©"),))])  # in code page 1252 these are good UTF-8
def test_what_is_written_in_version_4_is_read_as_it_was(keys: list[Key]) -> None:
    assert said(parse(read(written(keys, version=4)))) == said(keys)


FRAGMENTS = st.sampled_from(
    [
        *("\n", "\r\n", "\\\n", ",\\\n  ", " ", "\t", ";", "#", '"', "\\", "=", "@", "-", ",", "[", "]", "\0", "é"),
        *("hex:", "hex(2):", "hex(7):", "dword:", "0a", "ff", '"x"=', '"x"="y"', "[HKCU\\Network\\Z]\n", "[-HKLM\\x]"),
    ]
)


def refusal(data: bytes) -> WNetError | None:
    """Why *data* is no registry file."""
    try:
        parse(read(data))
    except WNetError as error:
        return error
    return None


@given(st.sampled_from(["", "REGEDIT4\n", HEADER]), st.lists(FRAGMENTS | st.text(max_size=5), max_size=30).map("".join))
def test_any_text_is_read_or_refused_with_a_line(header: str, text: str) -> None:
    error = refusal((header + text).encode("utf-16", "surrogatepass"))
    assert error is None or (error.status, str(error.strerror)[:5]) == (Status.ERROR_INVALID_DATA, "line ")


@given(st.sampled_from([b"", b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf", b"REGEDIT4\r\n"]), st.binary(max_size=100))
def test_any_bytes_are_read_or_refused_with_a_line(mark: bytes, data: bytes) -> None:
    error = refusal(mark + data)
    assert error is None or (error.status, str(error.strerror)[:5]) == (Status.ERROR_INVALID_DATA, "line ")


@pytest.mark.parametrize("junk", [" " * 50_000 + "x", "00," * 50_000 + "x", '"' + "\\\\" * 50_000, "00,\\\n" * 50_000])
def test_long_junk_takes_no_long_time_to_refuse(junk: str) -> None:
    assert refused(f'{HEADER}[{KEY}]\n"x"=hex:{junk}!\n').startswith("line ")
