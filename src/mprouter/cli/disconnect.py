"""``mpr disconnect``: one call of ``Router.disconnect``, and a line that shows how written data is waited for."""

from __future__ import annotations

import sys
import time
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import click

from mprouter.cli import complete
from mprouter.cli.command import Command
from mprouter.cli.output import counted, is_terminal, json_option, plain, say, say_json, size

if TYPE_CHECKING:
    from types import TracebackType

    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    from mprouter.providers.base import Pending
    from mprouter.router import Router

__all__ = ["Waiting", "command"]

_EVERY = 5.0  # seconds between lines where nobody sits at a terminal


@click.command(
    cls=Command,
    arguments={
        "NAME": "A local name, or a remote name for all connections to it that have no local name.",
    },
    examples=[
        ("mpr disconnect Z:", "When everything written has reached the server."),
        ("mpr disconnect Z: --force", "In spite of open files; what was written and closed is delivered all the same."),
        ("mpr disconnect Z: --forget", "And do not restore it at the next login."),
        ("mpr disconnect sftp://files.example.com/srv", "The connections to it without a local name."),
        (
            "mpr disconnect --all",
            "Every connection, one after the other; 'mpr restore' makes the remembered ones again.",
        ),
    ],
)
@click.argument("name", required=False, shell_complete=complete.connections)
@click.option("--all", "everything", is_flag=True, help="Disconnect everything; what is remembered stays remembered.")
@click.option("--force", is_flag=True, help="Disconnect although files are open.")
@click.option("--forget", is_flag=True, help="No longer remember it either.")
@json_option
@click.pass_context
def command(
    ctx: click.Context, *, name: str | None, everything: bool, force: bool, forget: bool, as_json: bool
) -> None:
    """Disconnect, after what was written has arrived.

    Registered notifyees are told before and after, and may refuse. It fails while files are open, unless forced, and
    whenever data that a program has written and closed cannot be delivered: nothing is lost, the connection stands.

    With --all one that fails does not keep the others; the exit code is then 1.
    """
    if everything and (name is not None or forget):
        ctx.fail("--all takes no NAME, and forgets nothing.")
    if not everything and name is None:
        ctx.fail("Missing argument 'NAME'; --all disconnects everything.")
    from mprouter.router import Router

    with Router() as router, Waiting() as waiting:
        if name is None:
            _disconnect_all(ctx, router, waiting, force=force, as_json=as_json)
            return
        router.disconnect(name, force, forget, progress=waiting.show)
    if as_json:
        say_json({"status": "WN_SUCCESS", "code": 0, "name": name, "forgotten": forget})
    else:
        say(f"{plain(name)} disconnected{' and forgotten' if forget else ''}")


def _disconnect_all(ctx: click.Context, router: Router, waiting: Waiting, *, force: bool, as_json: bool) -> None:
    """Each on its own, however the others go."""
    from mprouter.cli import failure
    from mprouter.status import Status, WNetError

    results: list[dict[str, Any]] = []
    for name in dict.fromkeys(each.local_name or each.remote_name for each in router.connections()):
        try:
            router.disconnect(name, force, progress=waiting.show)
        except WNetError as error:
            if error.status is Status.ERROR_NOT_CONNECTED:
                continue  # somebody else has meanwhile
            results.append({**failure.as_json(error), "name": name, "forgotten": False})
            if not as_json:
                waiting.pause()
                click.echo(f"mpr: {plain(name)} is not disconnected: {plain(error)}", err=True)
        else:
            results.append({"status": "WN_SUCCESS", "code": 0, "name": name, "forgotten": False})
            if not as_json:
                waiting.pause()
                say(f"{plain(name)} disconnected")
    if as_json:
        say_json(results)
    elif not results:
        say("Nothing is connected.")
    if any(each["code"] for each in results):
        ctx.exit(1)


class Waiting(AbstractContextManager["Waiting"]):
    """Shows on standard error how much data is still on its way: a bar on a terminal, else a line now and then."""

    def __init__(self) -> None:
        self._most = 0
        self._next = 0.0
        self._bar: Bar | None = None
        self._task: TaskID | None = None

    def show(self, pending: Pending) -> None:
        """Told by the router, now and then."""
        if not pending.files:
            return
        self._most = max(self._most, pending.bytes)
        files = counted(pending.files, "file")
        if is_terminal(sys.stderr):
            self._show_bar(f"waiting for {files}", pending.bytes)
        elif time.monotonic() >= self._next:
            self._next = time.monotonic() + _EVERY
            click.echo(f"mpr: waiting for {files} ({size(pending.bytes)}) to reach the server", err=True)

    def pause(self) -> None:
        """Nothing is shown until there is news."""
        if self._bar is not None:
            self._bar.stop()
        self._bar, self._most, self._next = None, 0, 0.0

    def _show_bar(self, text: str, left: int) -> None:
        if self._bar is None or self._task is None:
            from rich.console import Console
            from rich.progress import BarColumn, DownloadColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

            self._bar = Progress(
                SpinnerColumn(),
                TextColumn("{task.description}"),
                BarColumn(),
                DownloadColumn(binary_units=True),
                TimeElapsedColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._task = self._bar.add_task(text)
            self._bar.start()
        self._bar.update(self._task, description=text, total=self._most, completed=self._most - left)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.pause()
