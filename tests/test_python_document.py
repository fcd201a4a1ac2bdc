"""The examples of docs/python.md run, and its tables have what the package has."""

from __future__ import annotations

import re
from dataclasses import fields
from inspect import signature
from pathlib import Path

import pytest

import mprouter
from sandbox import Places

TEXT = (Path(__file__).parent.parent / "docs" / "python.md").read_text()
EXAMPLES: list[str] = re.findall(r"(?s)```python\n(.*?)```", TEXT)


def on(resource: str, places: Places, example: str) -> str:
    """*example* with a resource that is here in place of the servers'."""
    for network in (r"sftp://ana@files\.example\.com", r"dav://files\.example\.com", r"\\\\files"):
        example = re.sub(rf'r?"{network}[/\\](projects|docs)"', lambda _: repr(resource), example)
    example = example.replace("sftp://ana@files.example.com", resource).replace("/home/ana", str(places.home))
    return example.replace('options={"vendor": "nextcloud"}', "options={}").replace('"example.com"', '"file://"')


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_each_example_runs(example: str, resource: str, places: Places) -> None:
    exec(on(resource, places, example), {"mprouter": mprouter})  # noqa: S102 - it is ours
    for each in mprouter.connections():
        each.close(forget=True)


def test_the_first_example_prints_a_file_of_the_resource(
    resource: str, places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    exec(on(resource, places, EXAMPLES[0]), {})  # noqa: S102 - it is ours
    assert capsys.readouterr().out == "hello\n\n"


def test_every_argument_and_attribute_is_told() -> None:
    told = set(re.findall(r"`(\w+)", "\n".join(re.findall(r"(?m)^\| (`.*?) \|", TEXT))))
    assert told >= set(signature(mprouter.connect).parameters)
    assert told >= {each.name for each in fields(mprouter.Connection) if not each.name.startswith("_")}
    assert told >= set(mprouter.WNetError.__annotations__)
