"""What one call of an isolated notifyee costs, beside a bare round trip over pipes between two Python processes.

    python bench/isolated_call.py [ROUNDS]

The kinds take turns, so that whatever else the machine does meets all of them; each figure is a median of single calls,
an add's pre. Where the kernel puts the two processes decides more than anything else: on two processors one of them
has to be woken from idleness, on one they only alternate and every instruction of ours counts. So both are measured.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from time import perf_counter_ns

from mprouter import AddConnect, NetResource, NotifyInfo, Phase, Status
from mprouter.notify.dispatch import operate
from mprouter.notify.host import Isolated
from mprouter.notify.model import Call, Event, Registration
from mprouter.plugins.library import cflags

LIBRARY = """
#include <windows.h>
#include <npapi.h>
DWORD WINAPI AddConnectNotify(LPNOTIFYINFO info, LPNOTIFYADD add) { return info == NULL || add == NULL; }
DWORD WINAPI CancelConnectNotify(LPNOTIFYINFO info, LPNOTIFYCANCEL cancel) { return info == NULL || cancel == NULL; }
"""

ECHO = "import os\nwhile data := os.read(0, 65536):\n    os.write(1, data)"

EVENT = AddConnect(NetResource(r"\\files.example.com\projects", "Z:"))

BATCH = 50  # calls in a row, before it is the next kind's turn


def main(rounds: int) -> None:
    """Measure on one processor, and on two if there are, and print the medians."""
    cpus = sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as place:
        for here, there in [(cpus[0], cpus[0]), (cpus[0], cpus[-1])][: len(cpus)]:
            print("on one processor:" if here == there else "on two processors:")
            with ExitStack() as running:
                os.sched_setaffinity(0, {there})  # inherited by what is started now
                kinds = started(Path(place), running)
                os.sched_setaffinity(0, {here})
                times = inside_a_notification(lambda kinds=kinds: measured(kinds, rounds))
            medians = {name: statistics.median(each) for name, each in times.items()}
            least = next(iter(medians.values()))
            for name, median in medians.items():
                print(f"  {name:22} {median:6.1f} us  {median / least:5.2f}")


def started(place: Path, running: ExitStack) -> dict[str, Callable[[], object]]:
    """The kinds of round trip, each with its process running."""
    source, library, module = (place / name for name in ("silent.c", "silent.so", "silent.py"))
    source.write_text(LIBRARY)
    subprocess.run(["gcc", "-O2", "-shared", "-fPIC", *cflags(), source, "-o", library], check=True)
    module.write_text("def told(event):\n    pass\n")
    kinds = {"bare pipe round trip": running.enter_context(pipe())}
    for name, target in (
        ("isolated native call", f"native:{library}"),
        ("isolated Python call", f"python:{module}:told"),
    ):
        isolated = running.enter_context(closing(Isolated(target)))
        isolated.load()
        kinds[name] = lambda call=isolated: call(NotifyInfo(Phase.PRE, Status.WN_SUCCESS), EVENT)
    return kinds


def measured(kinds: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Microseconds that the calls took."""
    times: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in range(rounds):
        for name, call in kinds.items():
            call()  # the processor has forgotten it
            for _ in range(BATCH):
                begun = perf_counter_ns()
                call()
                times[name].append((perf_counter_ns() - begun) / 1000)
    return times


def inside_a_notification(measure: Callable[[], dict[str, list[float]]]) -> dict[str, list[float]]:
    """The result of *measure*, run where calls of notifyees are made: inside an operation (N17)."""
    results: list[dict[str, list[float]]] = []

    def call(info: NotifyInfo, event: Event) -> None:
        del info, event
        results.append(measure())

    telling: Call = call
    operate(EVENT, [Registration("bench", telling)], lambda: EVENT)
    return results[0]


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


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
