"""docs/providers.md names every method, capability and key that there is, and what it says of statuses is so."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from mprouter.plugins.host import MEMORY_LIMIT
from mprouter.providers import base, guard, registration
from mprouter.providers.base import Capability
from mprouter.providers.native.provider import TIMEOUT
from mprouter.providers.order import INSIGNIFICANT, builtin_providers

DOCUMENT, NATIVE = (
    (Path(__file__).resolve().parents[2] / "docs" / name).read_text()
    for name in ("providers.md", "native-providers.md")
)
NO_PROTOCOLS_OF_A_PROVIDER = {"Conversation"}


def test_every_method_and_capability_is_in_the_tables() -> None:
    protocols = [each for each in vars(base).values() if getattr(each, "_is_protocol", False)]
    methods = {
        name
        for each in protocols
        if each.__module__ == base.__name__ and each.__name__ not in NO_PROTOCOLS_OF_A_PROVIDER
        for name in vars(each)
        if not name.startswith("_")
    }
    documented = set(re.findall(r"(?m)^\| `([a-z]\w+)", DOCUMENT))
    assert methods - documented == set()
    assert documented - methods == {"name"}  # which is no method
    assert {each for each in base.__all__ if not re.search(rf"\b{each}\b", DOCUMENT)} == set()
    assert {str(each.name) for each in Capability} <= set(re.findall(r"`([A-Z_]+)`", DOCUMENT))


def test_the_file_of_the_document_is_one_and_the_numbers_are_right() -> None:
    (text,) = re.findall(r"(?s)```toml\n(# providers\.d.*?)```", DOCUMENT)
    values = tomllib.loads(text)
    (of_a_library,) = re.findall(r"(?s)```toml\n(# a library.*?)```", NATIVE)
    library = tomllib.loads(of_a_library)
    assert {*values, *library} == {*registration.KEYS}
    assert {*library} - {*values} == {*registration.LIBRARIES, "sha256"}
    assert (library["timeout"], library["memory"] << 20) == (TIMEOUT, MEMORY_LIMIT)
    assert values["order"] == registration.ORDER
    first, last = registration.FIRST_BUILTIN, registration.FIRST_BUILTIN + len(builtin_providers()) - 1
    assert f"ours have {first} to {last}" in text
    assert f"after {guard.PATIENCE:g} seconds" in DOCUMENT
    assert all(f"`{each.name}`" in DOCUMENT.partition("R1, R3")[2].partition("R2")[0] for each in INSIGNIFICANT)
