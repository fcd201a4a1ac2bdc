"""Names: what is accepted, what it means, and that neither a password nor a policy's glob can be got round."""

from __future__ import annotations

import os
import pickle
import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mprouter.names import (
    DRIVE_LETTERS,
    RemoteName,
    is_drive,
    looks_local,
    match_pattern,
    parse_local,
    parse_remote,
)
from mprouter.status import Status, WNetError

if TYPE_CHECKING:
    from collections.abc import Callable

BAD_NAME = Status.ERROR_BAD_NET_NAME
UNKNOWN_FORM = Status.ERROR_NO_NET_OR_BAD_PATH
BAD_PARAMETER = Status.ERROR_INVALID_PARAMETER
BAD_DEVICE = Status.ERROR_BAD_DEVICE


def refused(parse: Callable[[str], object], text: str) -> WNetError:
    with pytest.raises(WNetError) as caught:
        parse(text)
    return caught.value


# -- what the forms mean -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "meaning", "canonical"),
    [
        # UNC
        (r"\\Files\Projects\Plan A", ("unc", "files", None, None, "Projects/Plan A"), r"\\files\projects\plan a"),
        ("//files/projects/", ("unc", "files", None, None, "projects"), r"\\files\projects"),
        (r"\\files/C$\x", ("unc", "files", None, None, "C$/x"), r"\\files\c$\x"),
        (r"\\192.0.2.7\share", ("unc", "192.0.2.7", None, None, "share"), r"\\192.0.2.7\share"),
        (r"\\FE80--1s4.IPv6-Literal.net\s", ("unc", "fe80::1%4", None, None, "s"), r"\\fe80--1s4.ipv6-literal.net\s"),
        (r"\\files\100%25", ("unc", "files", None, None, "100%25"), r"\\files\100%25"),
        (r"\\dateien\Straße", ("unc", "dateien", None, None, "Straße"), r"\\dateien\straße"),
        # WebDAV as Windows writes it
        (r"\\web@SSL@8443\DavWWWRoot\docs", ("davs", "web", 8443, None, "/docs"), "davs://web:8443/docs"),
        (r"\\web@ssl\docs", ("davs", "web", None, None, "/docs"), "davs://web/docs"),
        (r"\\web@8080\docs", ("dav", "web", 8080, None, "/docs"), "dav://web:8080/docs"),
        (r"\\web\davwwwroot\Docs", ("dav", "web", None, None, "/Docs"), "dav://web/Docs"),
        (r"\\web@SSL\DavWWWRoot", ("davs", "web", None, None, "/"), "davs://web/"),
        # SSHFS-Win
        (r"\\sshfs\ana@host!2222\p\q", ("sftp", "host", 2222, "ana", "p/q"), "sftp://ana@host:2222/~/p/q"),
        (r"\\sshfs\ana@host", ("sftp", "host", None, "ana", ""), "sftp://ana@host/~"),
        (r"\\sshfs\CORP+bob=ana@host\p", ("sftp", "host", None, "ana", "p"), "sftp://ana@host/~/p"),
        (r"\\SSHFS.r\ana@host\srv", ("sftp", "host", None, "ana", "/srv"), "sftp://ana@host/srv"),
        (r"\\sshfs.r\ana@host", ("sftp", "host", None, "ana", "/"), "sftp://ana@host/"),
        (r"\\sshfs.k\ana@host\p", ("sftp", "host", None, "ana", "p"), "sftp://ana@host/~/p"),
        (r"\\sshfs.kr\ana@host\srv", ("sftp", "host", None, "ana", "/srv"), "sftp://ana@host/srv"),
        # URLs
        ("smb://Files/Projects/X", ("smb", "files", None, None, "Projects/X"), "smb://files/projects/x"),
        ("smb://CORP;ana@files:4455/s", ("smb", "files", 4455, r"CORP\ana", "s"), "smb://corp;ana@files:4455/s"),
        (r"smb://CORP\ana@files/s", ("smb", "files", None, r"CORP\ana", "s"), "smb://corp;ana@files/s"),
        ("sftp://ana@Host:2222/srv/a%20b", ("sftp", "host", 2222, "ana", "/srv/a b"), "sftp://ana@host:2222/srv/a b"),
        ("SSH://host/srv", ("sftp", "host", None, None, "/srv"), "sftp://host/srv"),
        (
            "sftp://ana@corp.example@host/",
            ("sftp", "host", None, "ana@corp.example", "/"),
            "sftp://ana%40corp.example@host/",
        ),
        ("sftp://host:22/srv", ("sftp", "host", 22, None, "/srv"), "sftp://host/srv"),
        ("sftp://host", ("sftp", "host", None, None, ""), "sftp://host/~"),
        ("sftp://host/~", ("sftp", "host", None, None, ""), "sftp://host/~"),
        ("sftp://host/%7E/x/", ("sftp", "host", None, None, "x"), "sftp://host/~/x"),
        ("sftp://host/", ("sftp", "host", None, None, "/"), "sftp://host/"),
        ("sftp://host/~bob", ("sftp", "host", None, None, "/~bob"), "sftp://host/~bob"),
        ("sftp://[::1]:22/x", ("sftp", "::1", 22, None, "/x"), "sftp://[::1]/x"),
        ("sftp://[FE80::0:1%25eth0]/x", ("sftp", "fe80::1%eth0", None, None, "/x"), "sftp://[fe80::1%25eth0]/x"),
        ("sftp://host/wh%3Fy%23/100%25", ("sftp", "host", None, None, "/wh?y#/100%"), "sftp://host/wh%3Fy%23/100%25"),
        ("dav://host", ("dav", "host", None, None, "/"), "dav://host/"),
        ("webdav://host:80/a", ("dav", "host", 80, None, "/a"), "dav://host/a"),
        ("webdav+http://host/a", ("dav", "host", None, None, "/a"), "dav://host/a"),
        ("webdav+https://host:8443/a", ("davs", "host", 8443, None, "/a"), "davs://host:8443/a"),
        ("webdavs://Host./A", ("davs", "host", None, None, "/A"), "davs://host/A"),
        ("davs://BÜCHER.example/ä", ("davs", "bücher.example", None, None, "/ä"), "davs://bücher.example/ä"),
        ("ftp://host/pub/x", ("ftp", "host", None, None, "pub/x"), "ftp://host/pub/x"),
        ("ftp://host/%2Fpub", ("ftp", "host", None, None, "/pub"), "ftp://host/%2Fpub"),
        ("ftp://host//pub", ("ftp", "host", None, None, "/pub"), "ftp://host/%2Fpub"),
        ("ftp://host", ("ftp", "host", None, None, ""), "ftp://host/"),
        ("ftps://host:990/x", ("ftps", "host", 990, None, "x"), "ftps://host:990/x"),
        ("s3://My-Bucket/a//b/", ("s3", None, None, None, "My-Bucket/a/b"), "s3://My-Bucket/a/b"),
        ("s3://bucket", ("s3", None, None, None, "bucket"), "s3://bucket"),
        ("file:///srv/./data/", ("file", None, None, None, "/srv/data"), "file:///srv/data"),
        ("file://localhost/srv", ("file", None, None, None, "/srv"), "file:///srv"),
        # the networks of others
        ("NFS://ana@Host:2049//srv/./x/", ("nfs", "host", 2049, "ana", "/srv/x"), "nfs://ana@host:2049/srv/x"),
        ("git+ssh://host", ("git+ssh", "host", None, None, "/"), "git+ssh://host/"),
        ("git:///srv/a%20b.git", ("git", None, None, None, "/srv/a b.git"), "git:///srv/a b.git"),
    ],
)
def test_a_name_means(text: str, meaning: tuple[object, ...], canonical: str) -> None:
    name = parse_remote(text)
    assert (name.scheme, name.host, name.port, name.user, name.path) == meaning
    assert (name.given, name.remote, name.canonical) == (text, None, canonical)


@pytest.mark.parametrize(
    ("text", "remote", "path", "canonical"),
    [
        ("rclone:drive:", "drive", "", "rclone:drive:"),
        ("rclone:drive:Fotos//2024/", "drive", "Fotos/2024", "rclone:drive:Fotos/2024"),
        ("RCLONE:My Drive:/srv/100%?", "My Drive", "/srv/100%?", "rclone:My Drive:/srv/100%?"),
        ("rclone:ana@corp.example:x:y", "ana@corp.example", "x:y", "rclone:ana@corp.example:x:y"),
    ],
)
def test_a_remote_of_rclones_configuration(text: str, remote: str, path: str, canonical: str) -> None:
    name = parse_remote(text)
    assert (name.scheme, name.host, name.remote, name.path, name.canonical) == ("rclone", None, remote, path, canonical)


@pytest.mark.parametrize(
    "remote",
    [
        *("remote", "REMOTE", "r-emote-", "_rem_ote_", ".", "..", ".r.e.m.o.t.e.", "rem ote", "a--", "a -"),
        *("user@example.com", "user+junk@example.com", "blåbær", "chữ Quốc ngữ"),
    ],
)
def test_names_that_rclone_allows(remote: str) -> None:
    assert parse_remote(f"rclone:{remote}:x").remote == remote


@pytest.mark.parametrize(
    "remote",
    [
        "",
        ":sftp,host=h",
        "drive,root=x",
        "drive,root='a:b'",
        " drive",
        "drive ",
        "-drive",
        "a-",
        "a/b",
        r"a\b",
        "[a",
        "*",
    ],
)
def test_an_rclone_connection_string_is_refused(remote: str) -> None:
    assert refused(parse_remote, f"rclone:{remote}:path").status == BAD_NAME


def test_an_rclone_remote_of_many_hyphens_is_refused_at_once() -> None:
    assert refused(parse_remote, f"rclone:a{'-' * 30000}!:").status == BAD_NAME


# -- what is refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x" * 32768,
        "sftp://host/a\0b",
        "sftp://host/a%00b",
        "sftp://host/a%0Ab",
        "sftp://host/\udc80",
        "//files/sha\nre",
        # UNC
        r"\\",
        r"\\files",
        r"\\files\.",
        "///files/share",
        r"\\.\pipe\x",
        r"\\?\UNC\files\share",
        r"\files\share",
        r"\\files:445\share",
        r"\\ana@files\share",
        r"\\fi les\share",
        r"\\-files\share",
        r"\\fi..les\share",
        r"\\files\a|b",
        r"\\files\a+b",
        r"\\files\share\a:b",
        r"\\files\share\..\x",
        r"\\files\share\secret.",
        r"\\files\share\secret ",
        "\\\\files\\" + "s" * 81,
        "\\\\files\\share\\" + "d" * 256,
        r"\\web@SSL",
        r"\\web@SSL@SSL\x",
        r"\\web@1@2\x",
        r"\\web@0\x",
        r"\\web@65536\x",
        r"\\sshfs",
        r"\\sshfs\@host",
        r"\\sshfs\ana@host!x",
        r"\\sshfs\ana@host\..\..",
        r"\\sshfs.r\ana@host\~",
        r"\\zz--1.ipv6-literal.net\share",
        # URLs
        "sftp:host/x",
        "sftp:/host/x",
        r"smb:\\files\share",
        "sftp://",
        "sftp:///x",
        "sftp://@host/x",
        "sftp://host:/x",
        "sftp://host:0/x",
        "sftp://host:65536/x",
        "sftp://host:२२/x",
        "sftp://host:" + "0" * 5000 + "22/x",
        "sftp://::1/x",
        "sftp://[::1/x",
        "sftp://[::g]/x",
        "sftp://[::1]x/x",
        "sftp://[fe80::1%25]/x",
        "sftp://127.1/x",
        "sftp://0x7f000001/x",
        "sftp://010.0.0.1/x",
        "sftp://2130706433/x",
        "sftp://host/a/../b",
        "sftp://host/a/%2e%2E/b",
        "sftp://host/a%2F..%2Fb",
        "sftp://host/x?y",
        "sftp://host/x#y",
        "sftp://host/100%",
        "sftp://host/%zz",
        "sftp://host/%ff",
        "sftp://ho st/x",
        r"sftp://host\@evil/x",
        "sftp://co\u00adrp.example/",
        "sftp://corp\ufe0f.example/",
        "sftp://" + "a." * 127 + "a/",
        "sftp://" + "a" * 64 + "/",
        "smb://files",
        "smb://files/",
        "smb://;ana@files/s",
        "smb://CORP;@files/s",
        "smb://files/a%5Cb",
        "smb://files/share/a*",
        "s3://",
        "s3:///x",
        "s3://ana@bucket/x",
        "s3://bucket:9000/x",
        "s3://bucket/../other",
        "file://host/x",
        "file://localhost",
        "file:/srv",
        "file://ana@localhost/srv",
        "rclone:drive",
        "rclone:drive:a/../b",
    ],
)
def test_n4_a_malformed_name_is_bad_net_name(text: str) -> None:
    assert refused(parse_remote, text).status == BAD_NAME


@pytest.mark.parametrize(
    "text",
    [
        "files",
        "ana@host:/srv",
        "nfs:host/x",
        "n!fs://host/x",
        "http://host/x",
        "Z:",
        "z:/x",
        "/srv",
        "./x",
        "~",
        "COM1:",
        " //a/b",
    ],
)
def test_r3_a_form_that_nobody_knows_is_no_net_or_bad_path(text: str) -> None:
    error = refused(parse_remote, text)
    assert error.status == UNKNOWN_FORM
    assert error.hint


def test_a_url_of_another_scheme_is_foreign_and_held_to_the_same_rules() -> None:
    assert parse_remote("nfs://host/x").is_foreign
    assert not parse_remote("SSH://host/x").is_foreign
    assert refused(parse_remote, "nfs://ana:geheim@host/x").status == BAD_PARAMETER
    assert "geheim" not in str(refused(parse_remote, "nfs://ana:geheim@host/x"))
    assert refused(parse_remote, "nfs://host/../x").status == BAD_NAME
    assert refused(parse_remote, "nfs://ana@/x").status == BAD_NAME


def test_a_refusal_says_what_to_write() -> None:
    assert "%3F" in str(refused(parse_remote, "sftp://host/x?y"))
    assert "dav://" in str(refused(parse_remote, "https://host/x"))
    assert "sftp://" in str(refused(parse_remote, "nfs:host/x"))
    assert "//server/share" in str(refused(parse_remote, r"\files\share"))
    assert "brackets" in str(refused(parse_remote, "sftp://::1/x"))


def test_an_error_stays_on_one_line_and_readable() -> None:
    error = refused(parse_remote, "sftp://host/a\n\x1b[2Jb\udc80" + "c" * 9000)
    assert len(str(error)) < 500
    assert str(error).isprintable()
    assert error.name is not None
    assert error.name.startswith(r"sftp://host/a\u000a\u001b[2Jb\udc80")


# -- one resource, one spelling ------------------------------------------------------------------------------------


def test_c7_unc_names_differ_neither_in_case_nor_in_slashes() -> None:
    spellings = [r"\\Files\Größe\X", "//files/größe/x", r"\\FILES/GRÖßE//./x\ ".rstrip(), "//files./Größe/X/"]
    assert {parse_remote(each).canonical for each in spellings} == {r"\\files\größe\x"}


def test_c7_names_that_a_windows_server_tells_apart_stay_apart() -> None:
    assert parse_remote(r"\\s\straße").canonical != parse_remote(r"\\s\strasse").canonical


def test_c7_where_the_network_minds_case_so_does_the_name() -> None:
    for name in ("sftp://h/{}", "dav://h/{}", "ftp://h/{}", "s3://b/{}", "file:///{}", "rclone:r:{}"):
        assert parse_remote(name.format("a")).canonical != parse_remote(name.format("A")).canonical


def test_a_unc_name_and_a_url_are_two_names_that_see_each_others_globs() -> None:
    unc, url = parse_remote(r"\\files\projects\x"), parse_remote("smb://files/projects/x")
    assert unc.canonical != url.canonical
    assert unc.canonical in url.forms
    assert url.canonical in unc.forms
    assert "dav://files/projects/x" in unc.forms


def test_addresses_have_one_spelling() -> None:
    spellings = ["sftp://[2001:DB8::1]/", "sftp://[2001:db8:0:0::0001]/", r"\\sshfs.r\2001-db8--1.ipv6-literal.net"]
    assert {parse_remote(each).canonical for each in spellings} == {"sftp://[2001:db8::1]/"}
    assert parse_remote("sftp://[::ffff:192.0.2.1]/").host == "192.0.2.1"


# -- properties ----------------------------------------------------------------------------------------------------

PIECES = st.sampled_from(
    [
        *("\\", "\\\\", "/", "//", "://", ":", "@", "!", "=", ";", ".", "..", "~", "%", "%2F", "%2e", "%00", "%C3%BC"),
        *(
            "?",
            "#",
            "*",
            "[",
            "]",
            "[::1]",
            "::1",
            "%25eth0",
            " ",
            "\n",
            "\0",
            "\udcff",
            "é",
            "İ",
            "ß",
            "H\u0331",
            "。",
        ),
        *("sshfs", "sshfs.r", "DavWWWRoot", "@SSL", "@80", "share", "host", "ana", "a.b", "22", "127.0.0.1", "xn--tda"),
        *("smb", "sftp", "ssh", "dav", "davs", "ftp", "ftps", "s3", "file", "rclone", "rclone:r:", "Z:", "COM1:"),
        *(
            "fe80--1s4.ipv6-literal.net",
            "smb://",
            "sftp://h/",
            "ftp://h/",
            "s3://b/",
            "file:///",
            "//h/s/",
            "\\\\sshfs\\",
        ),
    ]
)
ANYTHING = st.one_of(st.text(), st.lists(PIECES, max_size=9).map("".join), st.tuples(PIECES, st.text()).map("".join))


@given(ANYTHING)
def test_any_text_is_a_name_or_has_a_documented_status(text: str) -> None:
    try:
        name = parse_remote(text)
    except WNetError as error:
        assert error.status in {BAD_NAME, BAD_PARAMETER, UNKNOWN_FORM}  # noqa: PT017 -- both outcomes are fine
        assert not re.search(r"[\x00-\x1f\ud800-\udfff]", str(error))  # noqa: PT017
    else:
        assert name.given == name.forms[0] == text
        assert name.canonical in name.forms
        assert len(set(name.forms)) == len(name.forms)
        assert parse_remote(name.canonical).canonical == name.canonical


def parts_of(name: RemoteName) -> tuple[object, ...]:
    return name.scheme, name.host, name.port, name.user, name.path, name.remote


HOSTS = st.sampled_from(["corp", "Corp.Example.", "192.0.2.1", "[2001:db8::1]", "[fe80::1%25eth0]", "Bücher.example"])
USERS = st.sampled_from(["ana", "trusted.example/", "trusted.example\\x", "ana@trusted.example/x"]) | st.text(
    st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"], exclude_characters=":"), min_size=1, max_size=6
)
SEGMENTS = st.text(
    st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"], exclude_characters="/"), min_size=1, max_size=6
)
WINDOWS_SEGMENTS = SEGMENTS.filter(lambda text: not re.search(r'["\\:|<>*?\[\]+=;,]|[. ]\Z', text))


def encoded(text: str) -> str:
    return "".join(f"%{byte:02x}" for byte in text.encode())


@st.composite
def names(draw: st.DrawFn) -> str:
    """Names of every form, that parse."""
    scheme = draw(
        st.sampled_from(["unc", "sshfs", "webdav", "smb", "sftp", "dav", "davs", "ftp", "ftps", "s3", "file"])
    )
    windows = scheme in {"unc", "sshfs", "webdav", "smb"}
    path = draw(st.lists(WINDOWS_SEGMENTS if windows else SEGMENTS, min_size=1, max_size=4))
    host = draw(st.sampled_from(["corp", "Corp.Example.", "192.0.2.1", "fe80--1s4.ipv6-literal.net", "Bücher.example"]))
    backslashed = "\\".join(path)
    match scheme:
        case "unc":
            text = rf"\\{host}\{backslashed}"
        case "sshfs":
            user = draw(WINDOWS_SEGMENTS.filter(lambda text: "=" not in text))
            server, port = draw(st.sampled_from(["sshfs", "sshfs.r"])), draw(st.sampled_from(["", "!22", "!2222"]))
            text = rf"\\{server}\{user}@{host}{port}\{backslashed}"
        case "webdav":
            text = rf"\\{host}{draw(st.sampled_from(['@SSL', '@SSL@8443', '@80']))}\{backslashed}"
        case "s3":
            text = "s3://bucket/" + "/".join(map(encoded, path))
        case "file":
            text = "file:///" + "/".join(map(encoded, path))
        case _:
            user = draw(st.one_of(st.just(""), USERS.map(lambda text: f"{encoded(text)}@")))
            port = draw(st.sampled_from(["", ":22", ":445", ":80", ":2222"]))
            text = f"{scheme}://{user}{draw(HOSTS)}{port}/" + "/".join(map(encoded, path))
    try:
        parse_remote(text)
    except WNetError:
        assume(False)  # a dot segment, an empty domain and the like
    return text


@given(names())
def test_the_canonical_name_is_a_name_of_the_same_resource(text: str) -> None:
    name = parse_remote(text)
    again = parse_remote(name.canonical)
    assert again.canonical == name.canonical
    if name.scheme not in {"unc", "smb"} and name.port == again.port:
        assert parts_of(again) == parts_of(name)


@given(names())
def test_the_canonical_name_has_no_detours(text: str) -> None:
    name = parse_remote(text)
    path = re.sub(r"\A(?:[a-z0-9]+://|\\\\|rclone:)", "", name.canonical).replace(
        "\\", "/" if name.scheme == "unc" else "\\"
    )
    *before, last = path.split("/")
    assert not {".", ".."} & {*before, last}
    assert "" not in before[1:]
    assert last or len(before) == 1  # a slash at the end is a root


@given(names())
def test_c8_a_glob_for_one_host_does_not_match_names_of_another(text: str) -> None:
    """Globs choose passwords too: none for trusted.example may go to the host that the name really means."""
    forms = parse_remote(text).forms
    for scheme in ("smb", "sftp", "dav", "davs", "ftp", "ftps"):
        assert not match_pattern(f"{scheme}://trusted.example/*")(forms)
        assert not match_pattern(f"{scheme}://*@trusted.example/*")(forms)
    for unc in (r"\\trusted.example\*", r"\\sshfs\trusted.example\*", r"\\sshfs.r\*@trusted.example\*"):
        assert not match_pattern(unc)(forms)


# -- passwords -----------------------------------------------------------------------------------------------------

CORE = "S3CRET"
AROUND = st.text(st.sampled_from("@:%?#;!=,.[]&$*+x%\n \\é"), max_size=4)
PLANTED = st.tuples(AROUND, st.just(CORE), AROUND).map("".join)
PLANTED_WITH_SLASHES = st.tuples(AROUND, st.sampled_from(["/", ""]), st.just(CORE), st.sampled_from(["/", ""]), AROUND)


def assert_no_secret(error: BaseException) -> None:
    shown = [str(error), repr(error), repr(error.args), repr(vars(error))]
    if isinstance(error, WNetError):
        shown += [repr(error.filename), repr(error.strerror), repr(pickle.dumps(error))]
    assert not any(CORE in each for each in shown)
    assert error.__cause__ is None
    assert error.__context__ is None


@given(
    st.sampled_from(
        [
            "sftp://ana:{}@host/x",
            "sftp://ana:{}@host:99999/x",
            "sftp://ana:{}@[::1]/x",
            "sftp://:{}@host/x",
            "sftp://ana:{}@",
            "sftp:///ana:{}@host",
            "sftp://ana%3A{}@host/x",
            "sftp://ana%3a{}%40host/x",
            "smb://CORP;ana:{}@files/share",
            "s3://KEY:{}@bucket/x",
            "file://ana:{}@localhost/x",
            "nfs://ana:{}@host/x",
            "https://ana:{}@host/x",
        ]
    ),
    PLANTED_WITH_SLASHES.map("".join),
)
def test_n15_a_password_in_a_url_is_refused_and_never_shown(template: str, secret: str) -> None:
    text = template.format(secret)
    assert_no_secret(refused(parse_remote, text))
    assert_no_secret(refused(parse_local, text))


@given(
    st.sampled_from(
        [
            "smb://ana%{}@files/share",
            "//ana:{}@files/share",
            r"\\ana:{}@files\share",
            r"\\sshfs\ana:{}@host!22\x",
            "ana:{}@host:/x",
            "a:x{}@host:/x",
            "sftp:ana:{}@host/x",
            "sftp:/ana:{}@host/x",
            "rclone::sftp,host=h,pass={}:x",
            "rclone:drive,pass='{}':x",
            ":sftp,host=h,pass={}:x",
            "dav://host/x?token={}",
            "dav://host/x#{}",
        ]
    ),
    PLANTED,
)
def test_n15_a_secret_in_a_malformed_name_is_never_shown(template: str, secret: str) -> None:
    assert_no_secret(refused(parse_remote, template.format(secret)))


@pytest.mark.parametrize("text", ["sftp://ana:S3CRET/x", "sftp://[ana:S3CRET]/x", "sftp://ana:S3CRET", "x=S3CRET"])
def test_n15_what_may_be_a_password_without_an_at_sign_is_not_shown(text: str) -> None:
    assert_no_secret(refused(parse_remote, text))


def test_n15_the_error_shows_the_rest_of_the_name() -> None:
    error = refused(parse_remote, "sftp://ana:hunter2@host:2222/x")
    assert error.status == BAD_PARAMETER
    assert error.name == "sftp://ana:***@host:2222/x"
    assert "--password-stdin" in str(error)
    assert refused(parse_remote, "sftp://ana:@host/").status == BAD_PARAMETER
    assert refused(parse_remote, r"\\sshfs\ana:hunter2@host").status == BAD_PARAMETER
    assert refused(parse_remote, r"\\sshfs\ana:hunter2=ana@host").status == BAD_PARAMETER


@pytest.mark.parametrize(
    "text",
    ["sftp://ana@host:22/a@b/../c", "sftp://[::1]:22/..", "sftp://ana@[::1]/..", "rclone:ana@corp:../x", "//files/a:b"],
)
def test_a_name_without_a_password_is_shown_as_it_is(text: str) -> None:
    assert refused(parse_remote, text).name == text


# -- globs ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("glob", "name"),
    [
        (r"\\corp\*", r"\\CORP\share\x"),
        ("//corp/*", r"\\corp\share"),
        (r"\\\\corp\\*", r"\\corp\share"),
        (r"\\corp\share\*", r"\\corp\share"),
        (r"\\corp\share\*", "smb://ana@corp/share/x"),
        ("smb://corp/*", r"\\corp\share"),
        (r"\\corp\docs*", r"\\corp\DavWWWRoot\docs"),
        (r"\\corp@SSL\docs\*", "davs://corp/docs/x"),
        (r"\\corp@SSL@8443\DavWWWRoot\*", r"\\corp@SSL@8443\docs"),
        ("dav://corp/*", r"\\corp@80\docs"),
        ("webdavs://corp/*", r"\\corp@SSL\docs"),
        ("sftp://*.corp.example/*", "sftp://ana@files.corp.example"),
        ("sftp://*.corp.example/*", r"\\sshfs\ana@files.corp.example"),
        ("ssh://host/*", "sftp://host/srv"),
        ("sftp://host:22/*", "sftp://host/srv"),
        ("sftp://host/*", "sftp://host:22/srv"),
        ("sftp://ana@host/*", "sftp://ana@host/srv"),
        ("sftp://host", "sftp://host/~"),
        ("sftp://[::1]/*", "sftp://[0:0::1]/srv"),
        (r"\\sshfs\ana@host\*", r"\\sshfs.k\ana@host\x"),
        ("sftp://host/my%20dir/*", "sftp://host/my dir/x"),
        ("sftp://host/100%25", "sftp://host/100%25"),
        ("sftp://host/100%/*", "sftp://host/100%25/x"),
        ("sftp://host/a%2Ab", "sftp://host/a*b"),
        ("ftp://host/pub/*", "ftp://host/%2Fpub/x"),
        ("rclone:drive:secret/*", "rclone:drive:/secret"),
        ("s3://bucket/*", "s3://bucket"),
        ("davs://bücher.example/*", "davs://xn--bcher-kva.example/"),
        ("davs://xn--bcher-kva.example/*", "davs://Bücher.example/"),
        ("sftp://host[1-3]/*", "sftp://host2/"),
        ("sftp://host[!1-3]/*", "sftp://host4/"),
        ("sftp://host?/*", "sftp://host4/"),
        ("*secret*", r"\\corp\share\Secret"),
        ("*", "file:///srv"),
    ],
)
def test_a_glob_matches(glob: str, name: str) -> None:
    assert match_pattern(glob)(parse_remote(name).forms)


@pytest.mark.parametrize(
    ("glob", "name"),
    [
        (r"\\corp\*", r"\\corporate\share"),
        (r"\\corp\share\*", r"\\corp\share2"),
        ("sftp://host/*", "sftp://host:2222/srv"),
        ("sftp://host/*", "dav://host/srv"),
        ("sftp://bob@host/*", "sftp://ana@host/srv"),
        ("sftp://host/srv/*", "sftp://host/~/srv/x"),
        ("sftp://host[1-3]/*", "sftp://host4/"),
        ("sftp://host[!1-3]/*", "sftp://host2/"),
        ("sftp://host/a%2Ab", "sftp://host/axb"),
        ("sftp://host.example/", "sftp://hostxexample/"),
        ("sftp://corp/*", r"\\corp\share"),
    ],
)
def test_a_glob_does_not_match(glob: str, name: str) -> None:
    assert not match_pattern(glob)(parse_remote(name).forms)


@pytest.mark.parametrize("glob", ["", "/", "//", "[z-a]"])
def test_a_glob_that_can_match_nothing_is_refused(glob: str) -> None:
    assert refused(match_pattern, glob).status == BAD_PARAMETER


@given(st.one_of(st.text(), st.text(st.sampled_from("*?[]!-a:/\\%2é&|~^")), ANYTHING), names())
def test_any_glob_compiles_or_is_refused(glob: str, name: str) -> None:
    try:
        matches = match_pattern(glob)
    except WNetError as error:
        assert error.status == BAD_PARAMETER  # noqa: PT017 -- both outcomes are fine
    else:
        assert matches(parse_remote(name).forms) in {True, False}


def test_a_glob_of_many_stars_takes_no_time() -> None:
    forms = parse_remote("sftp://host/" + "a" * 20000).forms
    assert not match_pattern("*a" * 200 + "b")(forms)
    assert match_pattern("*a" * 200 + "*")(forms)


@st.composite
def spellings_of_a_secret_place(draw: st.DrawFn, scheme: str) -> str:
    """Ways to write the directory secret/plans on the host corp.example, as someone would who evades a policy."""
    is_unc = scheme == "unc"
    slash = st.sampled_from(["/", "\\"] if is_unc else ["/"])

    def disguised(text: str) -> str:
        return "".join(
            draw(
                st.sampled_from(
                    [each, each.upper()] if is_unc else [each, each.upper(), encoded(each), encoded(each).upper()]
                )
            )
            for each in text
        )

    def gap() -> str:
        return "".join(draw(slash) + draw(st.sampled_from(["", "."])) for _ in range(draw(st.integers(0, 2)))) + draw(
            slash
        )

    host = disguised("corp.example") + draw(st.sampled_from(["", "."]))
    if is_unc:
        dav = draw(st.sampled_from(["", "@80"]))
        root = draw(st.sampled_from(["", "DavWWWRoot", "davwwwroot"]))
        head = draw(slash) + draw(slash) + host + dav + (gap() + root if root else "")
    else:
        port = {"sftp": ":22", "dav": ":80", "smb": ":445", "ftp": ":21"}[scheme]
        user = draw(st.sampled_from(["", "ana@", "%61na@"]))
        spelling = draw(
            st.sampled_from({"sftp": ["sftp", "ssh", "SFTP"], "dav": ["dav", "webdav"]}.get(scheme, [scheme]))
        )
        head = f"{spelling}://{user}{host}{draw(st.sampled_from(['', port]))}"
    # path case is another directory on some servers, but the glob means that one too
    return head + gap() + disguised("secret") + gap() + disguised("plans") + draw(st.sampled_from(["", gap()]))


@pytest.mark.parametrize(
    ("scheme", "glob"),
    [
        ("unc", r"\\corp.example\secret\*"),
        ("unc", "dav://corp.example/secret/*"),
        ("smb", r"\\CORP.example\secret\*"),
        ("smb", "smb://corp.example/secret/plans"),
        ("dav", "dav://corp.example/secret/*"),
        ("dav", r"\\corp.example\secret\*"),
        ("sftp", "sftp://corp.example/secret/*"),
        ("sftp", r"\\sshfs.r\corp.example\secret\*"),
        ("ftp", "ftp://corp.example/secret/*"),
    ],
)
@given(data=st.data())
def test_a_denying_glob_cannot_be_evaded(scheme: str, glob: str, data: st.DataObject) -> None:
    text = data.draw(spellings_of_a_secret_place(scheme))
    assert match_pattern(glob)(parse_remote(text).forms)


# -- local names ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "local"),
    [
        ("z:", "Z:"),
        ("Z:\\", "Z:"),
        ("d:/", "D:"),
        ("/home/me/net", "/home/me/net"),
        ("/home/me//net/", "/home/me/net"),
        ("/home/./me/x/../net", "/home/me/net"),
        ("/home/me/Straße 1", "/home/me/Straße 1"),
    ],
)
def test_c1_a_local_name_has_one_spelling(text: str, local: str) -> None:
    assert parse_local(text) == local
    assert looks_local(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", "A:", "b:", "C:\\", "1:", "Z", "Z:x", "Z:\\x", "LPT1", "COM1:", "com1", "nul", "PRN:"),
        *("net", "./net", "~/net", "/", "/..", "//", "//files/share", r"\\files\share", "sftp://host/x"),
        *("/a\0b", "/a\nb", "/\udcff", "/" * 40000),
    ],
)
def test_c1_what_cannot_be_redirected_is_a_bad_device(text: str) -> None:
    assert refused(parse_local, text).status == BAD_DEVICE


def test_c1_what_looks_like_a_local_name() -> None:
    assert all(map(looks_local, ["Z:", "a:", "Z:/", "COM1:", "lpt1", "/srv", "~/x", "./x", ".."]))
    assert not any(
        map(looks_local, ["", "//files/share", r"\\files\share", "sftp://h", "rclone:r:", "a:b@c:/x", "net"])
    )


def test_c2_the_letters_go_from_z_down_to_d() -> None:
    assert DRIVE_LETTERS[0] == "Z:"
    assert DRIVE_LETTERS[-1] == "D:"
    assert len(DRIVE_LETTERS) == 23
    assert list(DRIVE_LETTERS) == sorted(DRIVE_LETTERS, reverse=True)
    assert is_drive("Z:")
    assert not is_drive("/srv")


@given(st.one_of(ANYTHING, st.text().map("/{}".format)))
def test_any_text_is_a_local_name_or_a_bad_device(text: str) -> None:
    try:
        local = parse_local(text)
    except WNetError as error:
        assert error.status == BAD_DEVICE  # noqa: PT017 -- both outcomes are fine
    else:
        assert parse_local(local) == local
        assert is_drive(local) or (os.path.isabs(local) and not local.endswith("/"))  # noqa: PTH117 -- as text


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("sftp://ana@files.example.com/projects", "sftp://files.example.com/projects"),
        ("SMB://CORP;ana@files/projects", "SMB://files/projects"),
        (r"\\sshfs\ana@files!2222\projects", r"\\sshfs\files!2222\projects"),
        (r"\\sshfs.kr\local=ana@files\projects", r"\\sshfs.kr\files\projects"),
        ("davs://a%40b@files/x@y", "davs://files/x@y"),
        (r"\\files\projects", r"\\files\projects"),
    ],
)
def test_n15_the_name_that_is_told_has_no_user(given: str, told: str) -> None:
    name = parse_remote(given)
    assert name.told == told
    assert parse_remote(told).user is None
    assert parse_remote(told).path == name.path
