"""What is said is said by the standard library's logging, which is there only when something is."""

from __future__ import annotations

import logging
import resource
import subprocess
import sys
from textwrap import dedent

import pytest

from mprouter.log import Log
from sandbox import Places


def run(code: str) -> subprocess.CompletedProcess[str]:
    """Run *code* in a process of its own, which has loaded nothing yet."""
    return subprocess.run([sys.executable, "-c", dedent(code)], capture_output=True, text=True, check=True)


def test_a_warning_says_who_gives_it_and_where(caplog: pytest.LogCaptureFixture) -> None:
    Log("mprouter.somewhere").warning("beware of %s", "the dog")
    (record,) = caplog.records
    assert (record.name, record.levelno, record.getMessage()) == (
        "mprouter.somewhere",
        logging.WARNING,
        "beware of the dog",
    )
    assert record.pathname == __file__


def test_what_nobody_can_have_asked_for_loads_nothing() -> None:
    done = run("""
        import sys
        from mprouter.log import Log
        log = Log("mprouter")
        log.debug("a detail")
        log.info("another")
        print("logging" in sys.modules)
        log.warning("beware")
        print("logging" in sys.modules)
    """)
    assert (done.stdout, done.stderr) == ("False\nTrue\n", "beware\n")


def test_who_shows_what_is_said_gets_ready_before_the_first_of_it() -> None:
    done = run("""
        from mprouter import log
        def prepare():
            import logging
            logging.basicConfig(format="%(levelname)s of %(name)s: %(message)s")
        log.unprepared.append(prepare)
        log.Log("mprouter.store").warning("one")
        log.Log("mprouter").error("two")
    """)
    assert done.stderr == "WARNING of mprouter.store: one\nERROR of mprouter: two\n"


@pytest.mark.parametrize("words", [["list"], ["connect", "file:///nowhere at all"]], ids=" ".join)
def test_a_command_that_says_nothing_does_not_load_it(words: list[str], places: Places) -> None:
    del places  # they are in the environment
    done = run(f"""
        import sys
        from mprouter import cli
        from mprouter.cli import ending
        ending.leave = lambda code: print(code, "logging" in sys.modules)
        sys.argv = ["mpr", *{words}]
        cli.main()
    """)
    assert done.stdout.splitlines()[-1].endswith(" False")


def test_all_that_waits_to_show_it_gets_ready_once() -> None:
    done = run("""
        import copy
        from mprouter import log
        log.unprepared += [lambda: print("one"), lambda: print("two")]
        said = copy.copy(log.Log("mprouter"))
        said.warning("beware")
        said.warning("again")
    """)
    assert (done.stdout, done.stderr) == ("one\ntwo\n", "beware\nagain\n")


def test_what_cannot_be_said_fails_nothing() -> None:
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    done = run(f"""
        import os, resource
        from mprouter.log import Log
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, {limit}))
        Log("mprouter").warning("no descriptor is free")
        print("done")
    """)
    assert done.stdout == "done\n"


def test_who_has_closed_standard_error_is_told_nothing_and_goes_on() -> None:
    done = run("""
        import sys
        from mprouter.log import Log
        sys.stderr.close()
        Log("mprouter").warning("beware")
        print("done")
    """)
    assert done.stdout == "done\n"
