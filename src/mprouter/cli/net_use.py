r"""``net use``: what its words mean for the router, in the wording and layout of Windows.

The grammar stands in ``net_grammar.py``, the texts of errors in ``net_messages.py``. Nothing is decided here about
connections that ``Router`` does not decide; what Windows asks the person is asked here.
"""

from __future__ import annotations

import re
import shlex
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mprouter import settings
from mprouter.cli import net_messages
from mprouter.cli.disconnect import Waiting
from mprouter.cli.net_grammar import PROMPT, Words
from mprouter.cli.output import is_terminal, plain, say, say_error
from mprouter.names import RemoteName, looks_local, parse_local, parse_remote
from mprouter.providers.base import State
from mprouter.resource import ConnectFlag
from mprouter.status import Status, WNetError
from mprouter.terminal import Terminal

if TYPE_CHECKING:
    from mprouter.connection import Connection
    from mprouter.router import Router

__all__ = ["NoAnswer", "run"]

_COMPLETED = "The command completed successfully.\n"
_EMPTY = "There are no entries in the list.\n"

_STATES = {State.CONNECTED: "OK", State.LOST: "Disconnected", State.ELSEWHERE: "Unavailable", None: "Unavailable"}

_NETWORKS = {"smb": "Microsoft Windows Network", "webdav": "Web Client Network"}
"""How Windows calls the networks that it has too; the others are called as their providers are."""

_LOGON = frozenset({Status.ERROR_LOGON_FAILURE, Status.ERROR_INVALID_PASSWORD})


class NoAnswer(Exception):
    """A question was put, and nobody there could answer it."""


def run(words: Words, router: Router) -> bool:
    """Do what *words* say; whether all of it was done. Raises ``WNetError`` and ``NoAnswer``."""
    if words.elsewhere is not None:
        hint = "connect the directory itself" if words.elsewhere == "HOME" else "leave it out"
        raise WNetError(Status.ERROR_NOT_SUPPORTED, f"/{words.elsewhere} means nothing here", hint=hint)
    if words.device is not None and words.device != PROMPT:
        _check_device(words.device)
    if words.remote is not None:
        _check_remote(words.remote)
    if words.delete:
        return _delete_all(words, router) if words.device == PROMPT else _delete(words, router)
    if words.remote is not None:
        _connect(words, words.remote, router)
    elif words.device is not None:
        _show(words.device, router)
    elif words.persistent is not None:
        _remember_from_now_on(words.persistent)
        say(_COMPLETED)
    else:
        _list(router)
    return True


# -- names that are none: what stands in a wrong place may be a password, and is not repeated ------------------------


def _check_device(word: str) -> None:
    """Raise ``WNetError`` if *word* is no local name. It shows only letters and devices."""
    try:
        parse_local(word)
    except WNetError as error:
        if len(word) == 1 or (looks_local(word) and word[0] not in "/.~"):
            raise
        status, why, hint = error.status, error.strerror, error.hint
    else:
        return
    raise WNetError(status, f"what stands where the device belongs: {why}", hint=hint)


def _check_remote(word: str) -> None:
    """Raise ``WNetError`` if *word* is no remote name. It shows only what begins as one does."""
    try:
        parse_remote(word)
    except WNetError as error:
        if re.match(r"[\\/]{2}|rclone:|[A-Za-z][\w+.-]*://", word, re.IGNORECASE):
            raise
        status, why, hint = error.status, error.strerror, error.hint
    else:
        return
    if looks_local(word):
        hint = "the device comes first, then the remote name, then the password"
    raise WNetError(status, f"what stands where the remote name belongs: {why}", hint=hint)


# -- what is there -------------------------------------------------------------------------------------------------


def _all(router: Router) -> list[Connection]:
    """What is connected or remembered: drives first, then the others."""
    there = router.connections()
    there += [each for each in router.connections(remembered=True) if each.state is None]
    return sorted(there, key=lambda each: (each.local_name is None, each.local_name or each.remote_name))


def _list(router: Router) -> None:
    remembers = settings.load().net_use_persistent
    say(f"New connections will {'' if remembers else 'not '}be remembered.\n")
    found = _all(router)
    if not found:
        say(_EMPTY)
        return
    say(f"\n{_row('Status', 'Local', 'Remote', 'Network')}\n\n{'-' * 79}")
    for each in found:
        network = _NETWORKS.get(each.provider or "", each.provider or "")
        say(_row(_STATES[each.state], plain(each.local_name or ""), plain(each.remote_name), plain(network)))
    say(_COMPLETED)


def _row(status: str, local: str, remote: str, network: str) -> str:
    """One connection in its columns; after a name that is too long for its own the row goes on in the next line."""
    lines = []
    line = f"{status:13}{local:10}"
    if len(local) > 9:
        lines.append(line)
        line = f"{'':23}"
    line += f"{remote:26}"
    if len(remote) > 25:
        lines.append(line)
        line = f"{'':48}"  # as Windows does it
    return "\n".join(each.rstrip() for each in [*lines, line + network])


def _show(device: str, router: Router) -> None:
    local = parse_local(device)
    found = next((each for each in _all(router) if each.local_name == local), None)
    if found is None:
        raise WNetError(Status.ERROR_NOT_CONNECTED, name=device, hint="net use shows what is connected")
    for label, value in (
        ("Local name", found.local_name),
        ("Remote name", found.remote_name),
        ("Resource type", "Disk"),
        ("Status", _STATES[found.state]),
        ("Directory", found.path),
    ):
        say(f"{label:18}{plain(value)}")
    say(_COMPLETED)


# -- connecting ----------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Person(Terminal):
    """The person at the terminal, asked for a password as Windows does it.

    user: whose; None = not known yet, so that nothing is asked inside of the attempt.
    """

    name: RemoteName
    user: str | None

    def ask_password(self, prompt: str) -> str | None:
        """See ``Conversation``."""
        if self.is_to_name_user:
            return None
        if self.user is None:  # it is the password of rclone's configuration
            return Terminal.ask_password(self, prompt)
        say(f"The password or user name is invalid for {plain(self.name.told)}.\n")
        return Terminal.ask_password(self, f"Enter the password for '{plain(self.user)}' to connect to '{self.server}'")

    def ask_user(self, status: Status) -> tuple[str | None, str]:
        """User, None = the one of this process, and password. Raises ``WNetError`` (WN_CANCEL)."""
        what = "password" if status is Status.ERROR_INVALID_PASSWORD else "password or user name"
        say(f"The {what} is invalid for {plain(self.name.told)}.\n")
        user = _typed_line(f"Enter the user name for '{self.server}': ").strip()
        password = Terminal.ask_password(self, f"Enter the password for {self.server}")
        if password is None:
            raise _cancelled(self.name)
        return user or None, password

    @property
    def is_to_name_user(self) -> bool:
        """Whether a user name is wanted before a password."""
        return self.user is None and self.name.scheme != "rclone"

    @property
    def server(self) -> str:
        """Who wants it."""
        return plain(self.name.host or self.name.told)


def _connect(words: Words, remote: str, router: Router) -> None:
    if words.password not in {None, PROMPT}:
        say_error(
            "mpr: warning: a password on the command line stays in the shell's history, and could be read by others "
            "until it was wiped; * in its place asks for it"
        )
    name = parse_remote(remote)
    if words.persistent is not None:
        _remember_from_now_on(words.persistent)
    if words.device is None and (there := _deviceless(name, words.user, router)):
        _say_connected(words, there)
        return
    password = _typed_password(name) if words.password == PROMPT else words.password
    _say_connected(words, _connected(words, name, password, router))


def _connected(words: Words, name: RemoteName, password: str | None, router: Router) -> Connection:
    """Connect, after asking for what is missing."""
    user = words.user
    flags = ConnectFlag.CMD_SAVECRED if words.savecred else ConnectFlag(0)
    person = None
    if is_terminal(sys.stdin) and is_terminal(sys.stderr):
        flags |= ConnectFlag.INTERACTIVE | ConnectFlag.COMMANDLINE
        person = _Person(name, user or name.user)
    remember = words.device is not None and settings.load().net_use_persistent
    overwrite = False
    while True:
        try:
            return router.connect(
                name.given,
                words.device,
                user=user,
                password=password,
                persist=remember,
                overwrite=overwrite,
                flags=flags,
                conversation=person,
            )
        except WNetError as error:
            if error.status is Status.ERROR_DEVICE_ALREADY_REMEMBERED and words.device is not None:
                _ask_to_overwrite(words, words.device, router, error)
                overwrite = True
            elif error.status in _LOGON and person is not None and person.is_to_name_user and password is None:
                user, password = person.ask_user(error.status)
            else:
                raise


def _say_connected(words: Words, made: Connection) -> None:
    if words.device is None:  # Windows reaches it by its remote name
        say(f"{plain(made.remote_name)} is now connected at {plain(made.path)}.\n")
    elif words.device == PROMPT:
        say(f"Drive {made.local_name} is now connected to {plain(made.remote_name)}.\n")
    say(_COMPLETED)


def _deviceless(name: RemoteName, user: str | None, router: Router) -> Connection | None:
    """The connection without a device that is there already, of *user* if that is given."""
    for each in router.connections():
        is_it = each.local_name is None and parse_remote(each.remote_name).canonical == name.canonical
        if is_it and each.state is State.CONNECTED and user in {None, each.user}:
            return each
    return None


def _ask_to_overwrite(words: Words, device: str, router: Router, error: WNetError) -> None:
    """Whether a new connection may take the place of a remembered one; raise *error* if the person does not agree."""
    local = parse_local(device)
    there = next((each for each in router.connections(remembered=True) if each.local_name == local), None)
    if there is None:
        return  # forgotten meanwhile
    question = f"{plain(device)} has a remembered connection to {plain(there.remote_name)}. Do you\n"
    if not _agreed(f"{question}want to overwrite the remembered connection? (Y/N) [Y]: ", words, default=True):
        raise error


def _remember_from_now_on(persistent: bool) -> None:
    if persistent is not settings.load().net_use_persistent:
        settings.set_net_use_persistent(persistent)


# -- disconnecting -------------------------------------------------------------------------------------------------


def _delete(words: Words, router: Router) -> bool:
    name = words.device or words.remote or ""
    if words.device is not None:
        local = parse_local(words.device)
        if words.remote is not None:
            wanted = parse_remote(words.remote).canonical
            for each in _all(router):
                if each.local_name == local and parse_remote(each.remote_name).canonical != wanted:
                    why = f"it is connected to {each.remote_name}"
                    raise WNetError(Status.ERROR_NOT_CONNECTED, why, name=words.device)
    _disconnect(name, words, router)
    say(f"{plain(name)} was deleted successfully.\n")
    return True


def _delete_all(words: Words, router: Router) -> bool:
    found = _all(router)
    if not found:
        say(_EMPTY)
        return True
    say("You have these remote connections:\n")
    for each in found:
        say(f"    {plain(each.local_name or ''):15} {plain(each.remote_name)}")
    say("Continuing will cancel the connections.\n")
    if not _agreed("Do you want to continue this operation? (Y/N) [N]: ", words, default=False):
        return True
    done = True
    for name in dict.fromkeys(each.local_name or each.remote_name for each in found):
        try:
            _disconnect(name, words, router)
        except WNetError as error:
            if error.status is not Status.ERROR_NOT_CONNECTED:  # somebody else has meanwhile
                net_messages.tell(error)
                done = False
    if done:
        say(_COMPLETED)
    return done


def _disconnect(name: str, words: Words, router: Router) -> None:
    """Disconnect *name* and forget it; in spite of open files, if the person agrees."""
    for force in (False, True):
        with Waiting() as waiting:
            try:
                router.disconnect(name, force, forget=True, progress=waiting.of(name))
            except WNetError as error:
                error.hint = error.hint and error.hint.replace("with --later", _later(name, error))
                if force or error.status is not Status.ERROR_OPEN_FILES:
                    raise
                refused = error
            else:
                return
        say(f"There are open files and/or incomplete directory searches pending on the connection to {plain(name)}.\n")
        question = "Is it OK to continue disconnecting and force them closed? (Y/N) [N]: "
        if not _agreed(question, words, default=False):
            raise refused


def _later(name: str, error: WNetError) -> str:
    """The way out if a server does not take what was written; Windows' command has no switch for it."""
    later, discard = (
        shlex.join(["mpr", "disconnect", name, "--later"]),
        shlex.join(["mpr", "discard", error.name or name]),
    )
    return f"with {later}; {discard} then gives it up for good"


# -- asking --------------------------------------------------------------------------------------------------------


def _agreed(question: str, words: Words, *, default: bool) -> bool:
    """The answer that /Y or /NO gives, or the person. Raises ``NoAnswer``."""
    if words.answer is not None:
        return words.answer
    for _ in range(3):
        answer = _typed_line(question).strip().upper()
        if answer in {"", "Y", "YES", "N", "NO"}:
            return answer[0] == "Y" if answer else default
    raise NoAnswer


def _typed_line(question: str) -> str:
    """What is typed, with the newline. Raises ``NoAnswer`` at the end of standard input."""
    say(question, is_line=False)
    line = sys.stdin.readline() if sys.stdin is not None else ""
    if not line:
        say("")
        raise NoAnswer
    return line


def _typed_password(name: RemoteName) -> str:
    """On a terminal typed without being shown; else the first line of standard input. Raises ``WNetError``."""
    if is_terminal(sys.stdin):
        typed = Terminal().ask_password(f"Type the password for {plain(name.told)}")
    else:
        typed = sys.stdin.readline().removesuffix("\n").removesuffix("\r") if sys.stdin is not None else None
    if not typed:
        raise _cancelled(name)
    return typed


def _cancelled(name: RemoteName) -> WNetError:
    return WNetError(Status.WN_CANCEL, "no password was typed", name=name.told)
