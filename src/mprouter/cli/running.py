"""While a command does its work: its warnings are lines on standard error, and signals end it in good order."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress

from mprouter import log
from mprouter.cli import later
from mprouter.cli.output import alone, plain, say_error

__all__ = ["Ended", "running"]


class Ended(KeyboardInterrupt):
    """The signal *number* asks the command to end, as Ctrl-C does.

    latest: the number of the last one; an interrupt that had to pass through SQLite is no ``Ended`` any more.
    """

    latest: int | None = None

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = Ended.latest = number


@contextmanager
def running(*, debug: bool = False, json: bool = False) -> Iterator[None]:
    """Around all that a command does, once its words are read.

    debug: show everything that is logged. json: it prints JSON, which nothing else is to come between.
    """
    later.end()
    with _messages(debug=debug), _signals(), alone() if json else nullcontext():
        yield


@contextmanager
def _messages(*, debug: bool) -> Iterator[None]:
    """The project's warnings as lines on standard error; with *debug* everything that it logs."""
    with ExitStack() as prepared:

        def prepare() -> None:
            prepared.enter_context(_lines(debug=debug))

        if debug or "logging" in sys.modules:
            prepare()
        else:
            log.unprepared.append(prepare)
        try:
            yield
        finally:
            log.unprepared.clear()


@contextmanager
def _lines(*, debug: bool) -> Iterator[None]:
    import logging

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            say_error(f"mpr: {record.levelname.lower()}: {plain(record.getMessage())}")
            if record.exc_info:
                say_error(logging.Formatter().formatException(record.exc_info))

    logger = logging.getLogger("mprouter")
    lines, level, propagate = Lines(), logger.level, logger.propagate
    logger.addHandler(lines)
    logger.setLevel(logging.DEBUG if debug else logging.WARNING)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(lines)
        logger.setLevel(level)
        logger.propagate = propagate


@contextmanager
def _signals() -> Iterator[None]:
    """Ctrl-C, SIGTERM and SIGHUP end the command in good order, so that who is owed a post gets it (N19).

    A second one ends it at once. What it leaves is in the journal, and the next command settles it.
    """
    import os
    import signal
    import threading

    number_of_signals = 0

    def end(number: int, _: object) -> None:  # which loads nothing: it may strike whatever is just being loaded
        nonlocal number_of_signals
        number_of_signals += 1
        if number_of_signals > 1:
            words = b"mpr: interrupted again: ended at once; the next command settles what is left\n"
            with suppress(OSError):
                os.write(2, words)
            os._exit(128 + number)
        raise Ended(number)

    before = {}
    if threading.current_thread() is threading.main_thread():
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            usual = {signal.SIG_DFL, signal.default_int_handler}
            if number is not None and signal.getsignal(number) in usual:  # nohup, say, stays respected
                before[number] = signal.signal(number, end)
        number = getattr(signal, "SIGCHLD", None)
        if number is not None and signal.getsignal(number) is signal.SIG_IGN:  # then nobody hears how a child ends
            before[number] = signal.signal(number, signal.SIG_DFL)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
