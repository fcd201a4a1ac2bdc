"""``mpr restore``: what is remembered and not connected is connected again, and nobody is told (N3)."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

import click

from mprouter.cli import complete
from mprouter.cli.command import Command
from mprouter.cli.options import json_option, option
from mprouter.cli.output import is_screen, plain, say, say_error, say_json
from mprouter.frozen import frozen

if TYPE_CHECKING:
    from types import TracebackType

    from rich.progress import Progress as Spinners
    from rich.progress import TaskID

    from mprouter.providers.base import Conversation
    from mprouter.restoring import Restored, Step

__all__ = ["command"]


class _Seconds(click.ParamType):  # type: ignore[type-arg]  # click before 8.4 knows no such argument
    """A number of seconds, or "auto"."""

    name = "seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> bool | float:
        """True for "auto"."""
        if isinstance(value, bool | float):
            return value
        if value == "auto":
            return True
        try:
            seconds = float(value)
        except ValueError:
            seconds = -1.0
        if not 0 <= seconds < float("inf"):
            self.fail(f"{plain(value)} is not a number of seconds, or auto.", param, ctx)
        return seconds


@click.command(
    cls=Command,
    arguments={"NAME": "The local name of the one to restore; all of them without it."},
    examples=[
        ("mpr restore", "All that is remembered, several at a time."),
        ("mpr restore Z:", "Only that one."),
        ("mpr restore --wait 120", "Try again for two minutes what cannot be reached yet."),
        ("mpr restore --wait auto", "What 'mpr service install' has done at each login."),
    ],
)
@click.argument("name", required=False, shell_complete=complete.remembered)
@option(
    "--wait",
    type=_Seconds(),
    default=0.0,
    metavar="SECONDS",
    help="Try again for so long what the network is not there for yet; auto: as long as networks may need to start, "
    "60 or what restore_timeout in the settings says.  [default: 0]",
)
@json_option
@click.pass_context
def command(ctx: click.Context, name: str | None, wait: bool | float, as_json: bool) -> None:
    """Connect again what is remembered.

    Notifyees are not told. Passwords come from where they are stored; on a terminal you are asked for those that are
    not. What was answered, with a wrong password say, is not tried again. The exit code is 1 if one of them could not
    be connected.
    """
    from mprouter.router import Router
    from mprouter.terminal import terminal

    person = terminal()
    with Router() as router, _Shown(results=not as_json) as shown:
        asked = _Paused(person, shown) if person else None
        results = router.restore(name, wait=wait, conversation=asked, hearing=shown.hear)
    if as_json:
        say_json([_as_json(each) for each in results])
    elif not results:
        say(f"{plain(name)} is connected." if name else "There is nothing to restore.")
    if any(each.error for each in results):
        ctx.exit(1)


class _Shown(AbstractContextManager["_Shown"]):
    """Shows how each is getting on: on a screen with a line for each that is under way, else with a line per news.

    results: whether also what became of it is shown, on a screen at the end.
    """

    def __init__(self, *, results: bool) -> None:
        self._results = results
        self._screen = is_screen(sys.stderr)
        self._lines: list[Step] = []
        self._reasons: dict[str, str] = {}
        self._spinners: Spinners | None = None
        self._tasks: dict[str, TaskID] = {}

    def hear(self, step: Step) -> None:
        """Told by the router, at each step."""
        from mprouter.restoring import Stage

        if step.stage in {Stage.RESTORED, Stage.FAILED}:
            if self._spinners is not None and step.local_name in self._tasks:
                self._spinners.remove_task(self._tasks.pop(step.local_name))
            self._lines.append(step)
            if not self._screen:
                self._say_results()
        elif self._screen:
            self._spin(step)
        elif step.error is not None and self._reasons.get(step.local_name) != (reason := plain(step.error.strerror)):
            self._reasons[step.local_name] = reason
            say_error(f"mpr: {plain(step.local_name)} waits for the network: {reason}")

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Nothing is shown meanwhile, so that a person can be asked something."""
        if self._spinners is not None:
            self._spinners.stop()
        try:
            yield
        finally:
            if self._spinners is not None:
                self._spinners.start()

    def _spin(self, step: Step) -> None:
        if self._spinners is None:
            from rich.console import Console
            from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

            self._spinners = Progress(
                SpinnerColumn(),
                TextColumn("{task.description}", markup=False),
                TimeElapsedColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._spinners.start()
        text = f"{plain(step.local_name)}  {plain(step.remote_name)}"
        if step.error is not None:
            text += f"  waiting: {plain(step.error.strerror)}"
        if step.local_name in self._tasks:
            self._spinners.update(self._tasks[step.local_name], description=text)
        else:
            self._tasks[step.local_name] = self._spinners.add_task(text, total=None)

    def _say_results(self) -> None:
        from mprouter.cli import connection

        lines, self._lines = self._lines, []
        for step in lines if self._results else []:
            if step.connection is not None:
                say(connection.as_line(step.connection))
            else:
                say_error(f"mpr: {plain(step.local_name)} is not restored: {plain(step.error)}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._spinners is not None:
            self._spinners.stop()
        self._say_results()


@frozen
class _Paused:
    """The person at the terminal, who is asked while nothing else is shown there."""

    person: Conversation
    shown: _Shown

    def ask_password(self, prompt: str) -> str | None:
        """See ``Conversation``."""
        with self.shown.paused():
            return self.person.ask_password(prompt)

    def confirm(self, question: str) -> bool:
        """See ``Conversation``."""
        with self.shown.paused():
            return self.person.confirm(question)


def _as_json(restored: Restored) -> dict[str, Any]:
    """The connection, or the names and the error, with the status of either."""
    from mprouter.cli import connection, failure

    if restored.connection is not None:
        return {"status": "WN_SUCCESS", "code": 0, **connection.as_json(restored.connection)}
    names = {"remote_name": restored.remote_name, "local_name": restored.local_name}
    return names | (failure.as_json(restored.error) if restored.error else {})
