"""Modules that a command loads only when something of them is wanted."""

from __future__ import annotations

import subprocess
import sys
from textwrap import dedent

import pytest

from mprouter.cli import later

WANTED = [("inspect", "signature"), ("ipaddress", "ip_address"), ("uuid", "uuid4")]


def run(code: str) -> str:
    """What *code* prints in a process of its own."""
    done = subprocess.run([sys.executable, "-c", dedent(code)], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_each_of_them_is_tried_here() -> None:
    assert [name for name, _ in WANTED] == list(later.NAMES)


@pytest.mark.parametrize(("name", "wanted"), WANTED)
def test_who_has_imported_it_early_has_it_when_something_of_it_is_wanted(name: str, wanted: str) -> None:
    said = run(f"""
        from mprouter.cli import later
        later.begin()
        import {name} as early
        later.end()
        import sys
        before = {name!r} in sys.modules
        import {name} as late
        print(before, early is late, early.{wanted} is late.{wanted}, hasattr(early, "nothing"))
    """)
    assert said == "False False True False"


@pytest.mark.parametrize(("name", "wanted"), WANTED)
def test_what_is_wanted_before_the_end_is_there_too(name: str, wanted: str) -> None:
    said = run(f"""
        from mprouter.cli import later
        later.begin()
        import {name} as early
        from {name} import {wanted} as found
        later.end()
        import {name} as late
        print(found is late.{wanted}, early.{wanted} is found)
    """)
    assert said == "True True"


def test_dataclasses_ask_for_a_class_s_annotations_without_the_module_for_that() -> None:
    said = run("""
        from mprouter.cli import later
        later.begin()
        import dataclasses, sys
        import inspect as early
        later.end()
        class Bare: "It has none."
        @dataclasses.dataclass(slots=True, eq=False)
        class Kind(Bare):
            "One that needs no signature for its words."
            name: str
            order: "int" = 50
        print(Kind("a"), early.get_annotations(Kind), early.get_annotations(Bare), "inspect" in sys.modules)
    """)
    assert said == "Kind(name='a', order=50) {'name': <class 'str'>, 'order': 'int'} {} False"


def test_click_has_its_types_without_the_module_that_one_of_them_is_named_after() -> None:
    said = run("""
        from mprouter.cli import later
        later.begin()
        import click, sys
        later.end()
        before = "uuid" in sys.modules
        print(before, repr(click.UUID("12345678123456781234567812345678")))
    """)
    assert said == "False UUID('12345678-1234-5678-1234-567812345678')"


def test_code_of_others_meets_no_stand_in() -> None:
    said = run("""
        from mprouter.cli import later
        later.begin()
        import click
        later.end()
        from ipaddress import *
        import importlib, importlib.util, traceback
        import logging
        traceback.print_exception = "mine"
        print(IPv4Address("10.0.0.1"), importlib.util.find_spec("inspect").name, logging.traceback.print_exception)
    """)
    assert said == "10.0.0.1 inspect mine"


def test_what_is_there_already_stays() -> None:
    said = run("""
        import inspect, sys
        from mprouter.cli import later
        later.begin()
        print(sys.modules["inspect"] is inspect)
    """)
    assert said == "True"


def test_any_number_of_threads_may_be_the_first_that_want_something() -> None:
    said = run("""
        from mprouter.cli import later
        later.begin()
        import ipaddress
        later.end()
        import sys, threading
        sys.setswitchinterval(1e-6)
        at_once, found = threading.Barrier(16), []
        def want():
            at_once.wait()
            found.append(ipaddress.IPv4Address)
        threads = [threading.Thread(target=want) for _ in range(16)]
        [each.start() for each in threads]
        [each.join() for each in threads]
        print(len(found), len(set(found)))
    """)
    assert said == "16 1"
