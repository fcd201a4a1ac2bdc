"""Run rows and print the table: ``make bench``, ``make bench ROW=name``.

    .venv/bin/python bench/run.py [ROW …]

All figures of a row that was measured to its end are also written to build/bench/ROW.json.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import signal
import sys
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from types import FrameType
from typing import NoReturn

from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
sys.path += [str(HERE), str(HERE.parent / "tests")]

from ground import Ground  # noqa: E402
from harness import Result, machine, measured  # noqa: E402
from rows import ROWS, WITH_SERVERS  # noqa: E402
from table import COLUMNS, duration, lines  # noqa: E402

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

console = Console(width=max(Console().width, 160), highlight=False)


class Run:
    """Of some rows: what they have found so far.

    remarks: what is to be said below the table. stopped: the signal that has ended it.
    """

    def __init__(self) -> None:
        self.results: list[Result] = []
        self.remarks: list[str] = []
        self.stopped: signal.Signals | None = None

    def stop(self, number: int, frame: FrameType | None) -> NoReturn:
        """On a signal: what was made is undone on the way out, and no other signal comes between."""
        for each in STOPPING:
            signal.signal(each, signal.SIG_IGN)
        self.stopped = signal.Signals(number)
        raise KeyboardInterrupt

    def rows(self, names: list[str]) -> int:
        """Measure, with a word on each case as it is done, and print what came out; the exit code."""
        for each in STOPPING:
            if signal.getsignal(each) is not signal.SIG_IGN:  # as nohup has it
                signal.signal(each, self.stop)
        failed = []
        for name in names:
            try:
                self.row(name)
            except BaseException as error:
                if self.stopped is not None:  # whatever became of it on the way out
                    told = "above is what was measured until then" if self.results else "nothing was measured yet"
                    self.remarks.append(f"{name}: {self.stopped.name} ended it; {told}")
                    break
                if not isinstance(error, Exception):
                    raise
                console.print_exception()
                failed.append(name)
        if failed:
            self.remarks.append(f"not measured to the end: {', '.join(failed)}")
        if self.results:
            console.print(self.table())
        for remark in self.remarks:
            console.print(remark)
        return 128 + self.stopped if self.stopped else min(len(failed), 1)

    def row(self, name: str) -> None:
        """All cases of one row. What an earlier run wrote down stays if this one has not all of them."""
        begun = monotonic()
        module = importlib.import_module(f"rows.{name}")
        first = len(self.results)
        with ExitStack() as running:
            ground = Ground(running)
            running.callback(lambda: self._remark(name, ground))
            for case in running.enter_context(closing(module.cases(ground))):
                console.print(f"{name}: {case.what} …", style="dim")
                self.results.append(measured(name, case))
        seconds = monotonic() - begun
        console.print(f"{name}: took {duration(seconds)}", style="dim")
        if not ground.cut:
            found = {
                "when": f"{datetime.now(UTC):%Y-%m-%d}",
                "machine": machine(),
                "seconds": round(seconds),
                "left_out": ground.left_out,
                "cases": [each.as_json() for each in self.results[first:]],
            }
            written = HERE.parent / "build" / "bench" / f"{name}.json"
            written.parent.mkdir(parents=True, exist_ok=True)
            whole = written.with_suffix(".new")
            whole.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
            whole.replace(written)

    def table(self) -> Table:
        """All that was measured."""
        made = Table(title=" · ".join(machine().values()), title_justify="left")
        for column in COLUMNS:
            made.add_column(column, justify="left" if column == "what" else "right")
        for number, result in enumerate(self.results):
            if number and result.row != self.results[number - 1].row:
                made.add_section()
            for line in lines(result.as_json()):
                made.add_row(*line)
        return made

    def _remark(self, name: str, ground: Ground) -> None:
        for what, why in {**ground.left_out, **ground.cut}.items():
            self.remarks.append(f"{name}: without {what}: {why}")
        if ground.cut:
            self.remarks.append(f"{name}: build/bench/{name}.json is left as it was, since this is not all")


def main() -> int:
    """The exit code; 128 and the number of the signal that ended it."""
    free = [each for each in ROWS if each not in WITH_SERVERS]
    parser = argparse.ArgumentParser(
        description="Measure ours beside what people use today.",
        epilog=f"All rows take 20 to 40 minutes. Any user may run {', '.join(free)}; the others log a user in to real"
        " SSH, SMB and WebDAV servers on loopback, which takes root.",
    )
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"one of {', '.join(ROWS)}; all without any")
    rows = parser.parse_args().rows or list(ROWS)
    if unknown := [each for each in rows if each not in ROWS]:
        parser.error(f"there is no row {', '.join(unknown)}; there are {', '.join(ROWS)}")
    if os.geteuid() != 0 and (rooted := [each for each in rows if each in WITH_SERVERS]):
        parser.error(
            f"{', '.join(rooted)}: these log a user in to real SSH, SMB and WebDAV servers on loopback, which takes"
            f" root: use make bench, as root or where sudo asks for no password. Without: bench/run.py {' '.join(free)}"
        )
    if len(rows) == len(ROWS):
        console.print("All rows: 20 to 40 minutes. Ctrl-C ends it, and shows what was measured until then.")
    return Run().rows(rows)


if __name__ == "__main__":
    sys.exit(main())
