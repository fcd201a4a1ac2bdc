"""What ``mpr list`` shows: the user's connections, whichever process made them, with their state as it really is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mprouter.cli.output import BOLD, DIM, GREEN, RED, counted, plain, say, say_json, say_table, size, styled

if TYPE_CHECKING:
    from mprouter.connection import Connection
    from mprouter.providers.base import Waiting

__all__ = ["show", "waiting_as_json"]


def show(*, remembered: bool = False, unsent: bool = False, as_json: bool = False) -> None:
    """Print the connections, or those *remembered*, and what is *unsent*, or only that."""
    from mprouter.cli import connection
    from mprouter.router import Router

    with Router() as router:
        found = router.connections(remembered=remembered)
        waiting = [] if remembered or (as_json and not unsent) else router.waiting()
    if as_json:
        say_json(
            [waiting_as_json(each) for each in waiting] if unsent else [connection.as_json(each) for each in found]
        )
        return
    if unsent:
        if not waiting:
            say("Nothing waits to be sent.")
    elif not found:
        say("Nothing is remembered." if remembered else "Nothing is connected.")
    else:
        say_table(
            ["LOCAL", "REMOTE", "PROVIDER", "USER", "STATE", "REMEMBERED", "PATH"],
            [_row(each, mark=not remembered) for each in found],
        )
        for each in found:
            if advice := _advice(each):
                say(advice)
    connected = {
        (each.remote_name, each.user) for each in found if each.state is not None and each.state.value != "lost"
    }
    for unsent_there in waiting:
        has_it = not unsent_there.is_left and (unsent_there.remote_name, unsent_there.user) in connected
        _say_waiting(unsent_there, is_connected=has_it)


def _row(connection: Connection, *, mark: bool) -> list[str]:
    return [
        plain(connection.local_name or "-"),
        plain(connection.remote_name),
        plain(connection.provider or ""),
        plain(connection.user or ""),
        _state(connection),
        "yes" if connection.remembered and mark else "",
        plain(connection.path),
    ]


def _state(connection: Connection) -> str:
    if connection.state is None:
        return styled("not connected", DIM)
    if connection.state.value == "lost":
        return styled("LOST", RED, BOLD)
    return styled(connection.state.value, GREEN if connection.state.value == "connected" else DIM)


def _advice(connection: Connection) -> str | None:
    """How to mend what is not as it should be."""
    if connection.state is not None and connection.state.value == "connected":
        return None
    from shlex import quote

    name = quote(plain(connection.local_name or connection.remote_name))
    if connection.state is not None and connection.state.value == "elsewhere":
        return f"{name} is connected in another container or on another machine"
    if connection.state is None:
        return f"{name} is not connected; to connect it: mpr restore {name}"
    again = f"mpr restore {name}" if connection.remembered else _connect(connection, connection.local_name)
    return f"{name} is lost; to connect it again: {again}; to be rid of it: mpr disconnect {name}"


def _connect(each: Connection | Waiting, local_name: str | None = None) -> str:
    """The command that connects *each* as it was connected, for a shell."""
    from shlex import join

    from mprouter.again import connect_words

    words = connect_words(each.remote_name, local_name, user=each.user, provider=each.provider, options=each.options)
    return f"mpr connect {join(map(plain, words))}"


def _say_waiting(waiting: Waiting, *, is_connected: bool) -> None:
    """What is not on the server, and what to do."""
    remote = plain(waiting.remote_name)
    if waiting.pending.files:
        files = f"{counted(waiting.pending.files, 'file')} ({size(waiting.pending.bytes)})"
        advice = "disconnecting waits for that" if is_connected else f"to send that: {_connect(waiting)}"
        say(f"{remote}: {files} not on the server yet; {advice}")
    if waiting.aside:
        files = counted(len(waiting.aside), "file")
        say(f"{remote}: {files} not sent, since a part is missing; see what you need of it, then remove it:")
        for file in waiting.aside:
            say(f"  {plain(file)}")


def waiting_as_json(waiting: Waiting) -> dict[str, Any]:
    """What ``--json`` shows of what waits."""
    return {
        "remote_name": waiting.remote_name,
        "user": waiting.user,
        "files": waiting.pending.files,
        "bytes": waiting.pending.bytes,
        "aside": [str(each) for each in waiting.aside],
        "provider": waiting.provider,
        "options": dict(waiting.options),
        "names": list(waiting.names),
    }
