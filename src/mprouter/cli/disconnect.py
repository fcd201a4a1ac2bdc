"""``mpr disconnect``: one call of ``Router.disconnect``, or one for each connection, and how data is waited for."""

from __future__ import annotations

import sys
import threading
import time
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

import click

from mprouter.cli import complete
from mprouter.cli.command import Command
from mprouter.cli.options import json_option, option
from mprouter.cli.output import counted, is_screen, is_terminal, plain, say, say_error, say_json, size
from mprouter.status import subject_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    from mprouter.connection import Connection
    from mprouter.providers.base import Pending, Progress
    from mprouter.router import Router

__all__ = ["Waiting", "command"]

_EVERY = 5.0
"""Seconds between lines about one connection where nobody sits at a terminal."""

_AT_ONCE = 32
"""How many are disconnected side by side: more than there are letters, so that none waits for dead servers."""


@click.command(
    cls=Command,
    arguments={
        "NAME": "A local name, or a remote name for all connections to it that have no local name. On a terminal you "
        "are asked for it where it is missing.",
    },
    examples=[
        ("mpr disconnect Z:", "When everything written has reached the server."),
        ("mpr disconnect Z: --force", "In spite of open files; what was written and closed is delivered all the same."),
        ("mpr disconnect Z: --forget", "And do not restore it at the next login."),
        (
            "mpr disconnect Z: --later",
            "At once, though the server does not answer; the next connection sends the rest.",
        ),
        ("mpr disconnect sftp://files.example.com/srv", "The connections to it without a local name."),
        ("mpr disconnect --all", "Every connection, side by side; 'mpr restore' makes the remembered ones again."),
    ],
)
@click.argument("name", required=False, shell_complete=complete.connections)
@option("--all", "everything", is_flag=True, help="Disconnect everything; what is remembered stays remembered.")
@option("--force", is_flag=True, help="Disconnect although files are open.")
@option("--forget", is_flag=True, help="No longer remember it either.")
@option(
    "--later", is_flag=True, help="Do not wait for what is not sent yet: it is kept, and the next connection sends it."
)
@json_option
@click.pass_context
def command(
    ctx: click.Context, *, name: str | None, everything: bool, force: bool, forget: bool, later: bool, as_json: bool
) -> None:
    """Disconnect, after what was written has arrived.

    Registered notifyees are told before and after, and may refuse. It fails while files are open, unless forced, and
    whenever data that a program has written and closed cannot be delivered: nothing is lost, the connection stands.

    With --later it does not wait for that data. They are kept on this machine, shown by 'mpr list --unsent', and sent
    by the next connection to the resource.

    With --all one that fails does not keep the others; the exit code is then 1.
    """
    if everything and (name is not None or forget):
        ctx.fail("--all takes no NAME, and forgets nothing.")
    if not everything and name is None and not (is_terminal(sys.stdin) and is_terminal(sys.stderr)):
        ctx.fail("Missing argument 'NAME'; --all disconnects everything.")
    from mprouter.cli.failure import leaving
    from mprouter.router import Router

    with leaving() as done, Router() as router, Waiting() as waiting:
        if everything:
            _All(router, waiting, force=force, later=later, as_json=as_json).run(ctx)
            return
        name = _chosen(router, forget=forget) if name is None else name
        if name is None:
            if as_json:
                say_json([])
            return
        router.disconnect(name, force, forget, later=later, progress=waiting.of(name))
        done("it is disconnected", name)
    if as_json:
        say_json({"status": "WN_SUCCESS", "code": 0, "name": name, "forgotten": forget})
    else:
        say(f"{plain(name)} disconnected{' and forgotten' if forget else ''}")


def _chosen(router: Router, *, forget: bool) -> str | None:
    """The connection that the person at the terminal chooses; None if there is none."""
    from mprouter.dialog.disconnecting import choose
    from mprouter.dialog.person import Left, person
    from mprouter.status import Status, WNetError

    try:
        found = choose(person("give its NAME"), router, remembered=forget)
    except Left:
        raise WNetError(Status.WN_CANCEL, "nothing is disconnected") from None
    return None if found is None else found.local_name or found.remote_name


class _All:
    """Everything, side by side: each on its own, however the others go, and nobody waits for a dead server but its own.

    Ctrl-C has those that wait for data undone, and begins no other.
    """

    def __init__(self, router: Router, waiting: Waiting, *, force: bool, later: bool, as_json: bool) -> None:
        self._router = router
        self._waiting = waiting
        self._force = force
        self._later = later
        self._as_json = as_json
        self._is_over = False

    def run(self, ctx: click.Context) -> None:
        from concurrent.futures import ThreadPoolExecutor, as_completed

        names = self._names()
        results: dict[str, dict[str, Any]] = {}
        with ThreadPoolExecutor(_AT_ONCE, "mprouter-disconnect") as threads:
            running = {threads.submit(self._disconnect, name): name for name in names}
            try:
                for each in as_completed(running):
                    self._tell(running[each], each.result(), results)
            except BaseException:
                self._is_over = True
                threads.shutdown(cancel_futures=True)
                for each, name in running.items():
                    if name not in results and not each.cancelled():
                        self._tell(name, each.result(), results)
                raise
        self._router.end_idle()
        if self._as_json:
            say_json([results[name] for name in names if name in results])
        elif not results:
            say("Nothing is connected.")
        if any(each["code"] for each in results.values()):
            ctx.exit(1)

    def _names(self) -> list[str]:
        """What to disconnect by; several to one resource that have no local name are one operation (C5)."""
        from mprouter.names import parse_remote

        names: dict[str, Connection] = {}
        for each in self._router.connections():
            names.setdefault(each.local_name or parse_remote(each.remote_name).canonical, each)
        return [each.local_name or each.remote_name for each in names.values()]

    def _disconnect(self, name: str) -> BaseException | None:
        """In a thread of its own. Why it is not disconnected."""
        show = self._waiting.of(name)

        def progress(pending: Pending) -> None:
            if self._is_over:
                raise KeyboardInterrupt
            show(pending)

        try:
            self._router.disconnect(name, self._force, later=self._later, progress=progress)
        except BaseException as error:  # noqa: BLE001 - raised, or told, by the thread that waits
            return error
        finally:
            self._waiting.end(name)
        return None

    def _tell(self, name: str, error: BaseException | None, results: dict[str, dict[str, Any]]) -> None:
        """How it went: a line, and what is shown as JSON."""
        from mprouter.cli import failure
        from mprouter.status import Status, WNetError

        if isinstance(error, KeyboardInterrupt):
            error = failure.interrupted(error)
        elif error is not None and not isinstance(error, WNetError):
            raise error
        line = f"{plain(name)} disconnected"
        result: dict[str, Any] = {"status": "WN_SUCCESS", "code": 0}
        if error is not None:
            if error.status is Status.ERROR_NOT_CONNECTED:
                return  # somebody else has meanwhile
            line = f"mpr: {plain(name)} is not disconnected: {plain(error)}"
            result = {**failure.as_json(error)}
        if not self._as_json:
            with self._waiting.paused():
                say_error(line) if error else say(line)
        results[name] = {**result, "name": name, "forgotten": False}


class Waiting(AbstractContextManager["Waiting"]):
    """Shows on standard error how much data is still on its way: a bar on a screen, else a line now and then.

    For each connection on its own; told by several threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._most: dict[str, int] = {}
        self._next: dict[str, float] = {}
        self._bars: Bars | None = None
        self._tasks: dict[str, TaskID] = {}

    def of(self, name: str) -> Progress:
        """What the router tells, now and then, while it disconnects *name*."""
        return lambda pending: self._show(name, pending)

    def end(self, name: str) -> None:
        """Nothing is shown of it any more."""
        with self._lock:
            if self._bars is not None and name in self._tasks:
                self._bars.remove_task(self._tasks.pop(name))

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Nothing is shown meanwhile."""
        with self._lock:
            if self._bars is not None:
                self._bars.stop()
            yield
            if self._bars is not None and self._tasks:
                self._bars.start()

    def _show(self, name: str, pending: Pending) -> None:
        if not pending.files:
            return
        files = counted(pending.files, "file")
        with self._lock:
            self._most[name] = max(self._most.get(name, 0), pending.bytes)
            if is_screen(sys.stderr):
                self._show_bar(name, f"{plain(name)}  waiting for {files}", pending.bytes)
            elif time.monotonic() >= self._next.get(name, 0.0):
                self._next[name] = time.monotonic() + _EVERY
                line = f"{subject_of(plain(name))}waiting for {files} ({size(pending.bytes)}) to reach the server"
                say_error(f"mpr: {line}")

    def _show_bar(self, name: str, text: str, left: int) -> None:
        if self._bars is None:
            from rich.console import Console
            from rich.progress import BarColumn, DownloadColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
            from rich.progress import Progress as ProgressBars

            self._bars = ProgressBars(
                SpinnerColumn(),
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                DownloadColumn(binary_units=True),
                TimeElapsedColumn(),
                console=Console(stderr=True),
                transient=True,
            )
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(text)
            self._bars.start()
        most = self._most[name]
        self._bars.update(self._tasks[name], description=text, total=most, completed=most - left)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()
