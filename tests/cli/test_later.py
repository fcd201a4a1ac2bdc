"""Modules that a command has loaded only when something of them is wanted."""

from __future__ import annotations

import subprocess
import sys
from textwrap import dedent

import pytest

from mprouter.cli import later


def run(code: str) -> str:
    """What *code* prints in a process that expects the modules."""
    program = f"from mprouter.cli import later\nlater.expect()\n{dedent(code)}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("name", "wanted"), [("inspect", "signature"), ("ipaddress", "ip_address"), ("traceback", "print_exc")]
)
def test_what_is_wanted_is_there_however_it_is_imported(name: str, wanted: str) -> None:
    assert name in later.NAMES
    said = run(f"""
        import sys
        import {name}
        before = sys.modules[{name!r}]
        from {name} import {wanted}
        there = sys.modules[{name!r}]
        print(before is {name}, there is not before, {wanted} is there.{wanted} is before.{wanted})
    """)
    assert said == "True True True"


def test_nothing_stands_for_a_module_that_is_there() -> None:
    assert run("import inspect; later.expect(); print(inspect is __import__('sys').modules['inspect'])") == "True"


def test_what_is_not_in_the_module_is_not_there() -> None:
    assert (
        run("import traceback; print(hasattr(traceback, 'nothing'), hasattr(traceback, 'print_exc'))") == "False True"
    )


def test_any_number_of_threads_may_be_the_first() -> None:
    said = run("""
        import inspect, threading
        at_once, found = threading.Barrier(16), []
        def want():
            at_once.wait()
            found.append(inspect.getmro(int))
        threads = [threading.Thread(target=want) for _ in range(16)]
        [each.start() for each in threads]
        [each.join() for each in threads]
        print(len(found), set(found) == {int.__mro__})
    """)
    assert said == "16 True"
