"""What the package as a whole promises: light imports, a typed public face, true exceptions."""

from __future__ import annotations

import copy
import inspect
import pkgutil
import subprocess
import sys

import pytest

import mprouter
from mprouter import Cancel, Status, WNetError
from mprouter.status import in_words
from sandbox import Places


def modules_after(code: str) -> set[str]:
    """The modules that a fresh interpreter has loaded after *code*."""
    command = [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


def test_importing_the_package_loads_none_of_its_rooms() -> None:
    loaded = modules_after("import mprouter")
    assert {name for name in loaded if name.startswith("mprouter")} == {"mprouter", "mprouter._version"}


def test_connecting_loads_nothing_that_it_does_not_need() -> None:
    loaded = modules_after("from mprouter import Router, connect, notifyee, WNetError")
    heavy = {"sqlite3", "rich", "keyring", "click", "msgspec", "asyncio", "http.client", "importlib.metadata", "netrc"}
    assert not loaded & heavy


def test_a_program_may_take_every_warning_for_an_error(places: Places, resource: str) -> None:
    del places  # they are in the environment
    code = "import mprouter, sys\nwith mprouter.connect(sys.argv[1]): print(len(mprouter.connections()))"
    options = ["-W", "error", "-bb", "-X", "dev", "-X", "warn_default_encoding"]
    ran = subprocess.run([sys.executable, *options, "-c", code, resource], capture_output=True, text=True, check=False)
    assert (ran.stdout, ran.stderr) == ("1\n", "")


def test_every_public_name_is_there() -> None:
    for name in mprouter.__all__:
        assert getattr(mprouter, name) is not None
    assert set(mprouter.__all__) <= set(dir(mprouter))
    with pytest.raises(AttributeError, match="nonsense"):
        _ = mprouter.nonsense  # type: ignore[attr-defined]


def test_connect_has_the_parameters_that_a_router_s_has() -> None:
    ours, theirs = (inspect.signature(each).parameters for each in (mprouter.connect, mprouter.Router.connect))
    assert [*ours.values()] == [each for each in theirs.values() if each.name != "self"]
    with pytest.raises(TypeError, match="pasword"):
        mprouter.connect("sftp://files", pasword="secret")  # type: ignore[call-arg]


def test_no_module_takes_the_place_of_a_public_name() -> None:
    """As Python would have it: a module that is imported becomes an attribute of its package."""
    assert not {each.name for each in pkgutil.iter_modules(mprouter.__path__)} & set(mprouter.__all__)


@pytest.mark.parametrize(
    ("status", "builtin"),
    [
        (Status.ERROR_ACCESS_DENIED, PermissionError),
        (Status.ERROR_LOGON_FAILURE, PermissionError),
        (Status.ERROR_BAD_NET_NAME, FileNotFoundError),
        (Status.WSAHOST_NOT_FOUND, FileNotFoundError),
        (Status.ERROR_ALREADY_ASSIGNED, FileExistsError),
        (Status.ERROR_CONNECTION_REFUSED, ConnectionRefusedError),
        (Status.ERROR_TIMEOUT, TimeoutError),
        (Status.ERROR_DIRECTORY, NotADirectoryError),
        (Status.ERROR_EXTENDED_ERROR, OSError),
    ],
)
def test_an_error_is_also_the_builtin_exception_that_one_expects(status: Status, builtin: type[OSError]) -> None:
    with pytest.raises(builtin) as caught:
        raise WNetError(status, name="Z:")
    assert isinstance(caught.value, WNetError)
    assert caught.value.winerror == int(status)
    assert caught.value.strerror == status.text


def test_an_error_reads_as_one_line_and_survives_copying_and_pickling() -> None:
    error = WNetError(Status.ERROR_ACCESS_DENIED, name=r"\\files\projects", hint="ask Ana", provider="smb")
    assert str(error) == r"\\files\projects: access denied (ERROR_ACCESS_DENIED, 5); ask Ana"
    again = copy.copy(error)
    assert (str(again), again.provider, type(again)) == (str(error), "smb", type(error))
    assert copy.copy(Cancel("no")).strerror == "no"


def test_an_exception_without_words_is_told_by_its_kind() -> None:
    assert in_words(AssertionError()) == "AssertionError"
    assert in_words(ValueError("no port")) == "ValueError: no port"


def test_every_status_has_words_and_its_windows_number() -> None:
    for status in Status:
        assert status.text != "unknown error", status.name
    assert Status(2401) is Status.ERROR_OPEN_FILES
    assert Status["ERROR_CANCELLED"] is Status.WN_CANCEL
    assert Status(99999).name == "STATUS_99999"
    with pytest.raises(ValueError, match="-1"):
        Status(-1)
