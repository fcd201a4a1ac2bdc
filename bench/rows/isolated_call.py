"""One call of an isolated notifyee, beside a bare round trip over pipes between two Python processes.

Where the kernel puts the two processes decides more than anything else: on two processors one of them has to be woken
from idleness, on one they only alternate and every instruction of ours counts. So both are measured.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager

from ground import Ground
from harness import Case, Goal, Kind, Role, timed
from mprouter import NotifyInfo, Phase, Status
from mprouter.notify.dispatch import operate
from mprouter.notify.host import Isolated
from mprouter.notify.model import Event, Registration
from rows.native_call import EVENT, library

ECHO = "import os\nwhile data := os.read(0, 65536):\n    os.write(1, data)"

GOALS = [Goal(2.0)]

BATCH = 50  # calls in a row, before it is the next kind's turn


def cases(ground: Ground) -> Iterator[Case]:
    """On one processor, and on two if there are."""
    cpus = sorted(os.sched_getaffinity(0))
    module = ground.place / "silent.py"
    module.write_text("def told(event):\n    pass\n")
    targets = {"native": f"native:{library(ground)}", "Python": f"python:{module}:told"}
    for here, there in [(cpus[0], cpus[0]), (cpus[0], cpus[-1])][: len(cpus)]:
        where = "on one processor" if here == there else "on two processors"
        for kind, target in targets.items():
            with ExitStack() as running:
                os.sched_setaffinity(0, {there})  # inherited by what is started now
                echo = running.enter_context(pipe())
                call = running.enter_context(isolated(target))
                os.sched_setaffinity(0, {here})
                try:
                    kinds = [
                        Kind("mprouter", Role.OURS, warm(call)),
                        Kind("bare pipe", Role.PEER, warm(echo)),
                    ]
                    yield Case(f"isolated {kind} call, {where}", "us", kinds, GOALS, rounds=41)
                finally:
                    os.sched_setaffinity(0, cpus)


def warm(call: Callable[[], object]) -> Callable[[], float]:
    """A batch of calls inside an operation, as all are (N17), after one that the processor has forgotten."""
    figures: list[float] = []
    once = timed(call, "us", times=BATCH)

    def told(info: NotifyInfo, event: Event) -> None:
        del info, event
        call()
        figures.append(once())

    def batch() -> float:
        operate(EVENT, [Registration("bench", told)], lambda: EVENT)
        return figures.pop()

    return batch


@contextmanager
def isolated(target: str) -> Iterator[Callable[[], object]]:
    """What makes an add's pre."""
    with closing(Isolated(target)) as told:
        told.load()
        yield lambda: told(NotifyInfo(Phase.PRE, Status.WN_SUCCESS), EVENT)


@contextmanager
def pipe() -> Iterator[Callable[[], object]]:
    """What sends 160 bytes, as many as a call has, to a Python process and gets them back."""
    command = [sys.executable, "-I", "-S", "-c", ECHO]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        there, back, data = process.stdin.fileno(), process.stdout.fileno(), bytes(160)

        def round_trip() -> None:
            os.write(there, data)
            os.read(back, 65536)

        yield round_trip
        process.stdin.close()
