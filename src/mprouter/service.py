"""The systemd units that restore at login or boot, and deliver and disconnect at logout or shutdown.

Their text, their files, and what systemd says of them. Systemd may not run here: the files can be written all the same.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Sequence
from enum import Enum
from pathlib import Path

from mprouter import places
from mprouter.frozen import frozen
from mprouter.log import Log
from mprouter.processes import run
from mprouter.status import Status, WNetError, unreadable, unwritten

__all__ = ["MARK", "Kind", "Standing", "Unit", "await_others", "install", "program", "remove", "standing", "user_id"]

log = Log("mprouter.service")

MARK = "# Written by 'mpr service install'."
"""How the file of a unit begins that is ours to change."""

TIME_TO_DELIVER = "10min"
"""How long written data may take to reach the servers at logout, as far as systemd lets the user's session wait."""

TIME_TO_SAVE = 30.0
"""Seconds that the programs which systemd ends at the same time have to save what they have open."""

MOVED = ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "RCLONE_CONFIG", "NETRC")
"""What moves a user's files, beside ``MPROUTER_…_DIR``: a login shell may set it, and systemd would not know."""

RUNNING = frozenset({"initializing", "starting", "running", "degraded", "maintenance", "stopping"})
"""What a systemd that runs says of itself (``systemctl is-system-running``)."""

_TEXT = """\
{mark} 'mpr service remove' takes it away; what you change belongs
# into a drop-in: systemctl {edit}

[Unit]
{unit}

[Service]
Type=oneshot
RemainAfterExit=yes
{service}# Failures are in the log. They must not make the unit fail: that would disconnect what could be restored.
{keep}ExecStart=-{mpr} provider logon{station}
ExecStart=-{mpr} restore --wait auto
# Programs that end at the same time may be saving to what is connected.
ExecStopPost=-{mpr} service wait{wait}
# Not ExecStop, which systemd leaves out where the start was cut short: by then something may be connected.
ExecStopPost=-{mpr} disconnect --all --force
TimeoutStopSec={time}
# The program that serves the connections ends after that, not before.
KillMode=process

[Install]
WantedBy={wanted_by}
"""

_AT_LOGIN = """\
Description=Network connections of mprouter, from login to logout
# Passwords may be in a keyring, and notifyees on the bus: both end after this.
After=dbus.service gnome-keyring-daemon.service"""

_AT_BOOT = """\
Description=Network connections of mprouter, for user %i from boot to shutdown
Wants=network-online.target
After=network.target network-online.target nss-user-lookup.target
# The directory of the sockets is the same as in that user's sessions.
Requires=user-runtime-dir@%i.service
After=user-runtime-dir@%i.service"""


class Kind(Enum):
    """When, and for whom, connections are restored."""

    USER = "user"
    """At the login of the one who runs this."""
    GLOBAL = "global"
    """At every user's login."""
    SYSTEM = "system"
    """At boot, for users who are named: a template, whose instances are the ids of users."""


@frozen
class Unit:
    """One of the three units, as this installation of ``mpr`` would write it."""

    kind: Kind

    @property
    def path(self) -> Path:
        """Where its file is."""
        if self.kind is Kind.SYSTEM:
            return Path("/etc/systemd/system/mprouter@.service")
        if self.kind is Kind.GLOBAL:
            return Path("/etc/systemd/user/mprouter.service")
        base = os.environ.get("XDG_CONFIG_HOME", "")
        return (Path(base) if base.startswith("/") else Path.home() / ".config") / "systemd/user/mprouter.service"

    @property
    def options(self) -> tuple[str, ...]:
        """Those of systemctl for it."""
        return () if self.kind is Kind.SYSTEM else (f"--{self.kind.value}",)

    @property
    def text(self) -> str:
        """The file's."""
        service = "".join(f'Environment="{_escaped(each)}"\n' for each in self._variables())
        if self.kind is Kind.SYSTEM:
            service = f"User=%i\nEnvironment=XDG_RUNTIME_DIR=/run/user/%i\n{service}"
        mpr = _command(program())
        return _TEXT.format(
            mark=MARK,
            edit=f"edit {self.path.name}" if self.kind is Kind.SYSTEM else f"--user edit {self.path.name}",
            unit=_AT_BOOT if self.kind is Kind.SYSTEM else _AT_LOGIN,
            service=service,
            keep="" if self.kind is Kind.SYSTEM else f"ExecStart=-{mpr} service keep\n",
            mpr=mpr,
            station=" --service" if self.kind is Kind.SYSTEM else "",
            wait=" --system" if self.kind is Kind.SYSTEM else "",
            time=TIME_TO_DELIVER,
            wanted_by="multi-user.target" if self.kind is Kind.SYSTEM else "default.target",
        )

    def _variables(self) -> list[str]:
        """The variables that say where files are; for other users only where the system's are."""
        names = ["MPROUTER_SYSTEM_DIR"]
        if self.kind is Kind.USER:
            places = ("CONFIG", "STATE", "RUNTIME", "DRIVES")
            names += [*(f"MPROUTER_{place}_DIR" for place in places), *MOVED]
        return [f"{name}={os.environ[name]}" for name in names if os.environ.get(name)]

    def names(self, users: Sequence[int]) -> list[str]:
        """What systemd knows it by: for a template each instance, one per user id."""
        return [f"mprouter@{each}.service" for each in users] if self.kind is Kind.SYSTEM else [self.path.name]


@frozen
class Standing:
    """How a unit is.

    installed: its file is there. ours: and was written by ``mpr``. current: and is as this ``mpr`` would write it.
    enabled, active: what systemd says of it, by name; empty where no systemd runs.
    """

    unit: Unit
    installed: bool
    ours: bool
    current: bool
    systemd: bool
    enabled: dict[str, str]
    active: dict[str, str]

    @property
    def is_good(self) -> bool:
        """Whether connections are restored, as far as can be known here."""
        enabled = bool(self.enabled) and all(each.startswith("enabled") for each in self.enabled.values())
        return self.current and (enabled or not self.systemd)


def program() -> list[str]:
    """The command line that runs this installation of ``mpr``, from wherever."""
    import shutil
    import sysconfig

    script = shutil.which("mpr", path=sysconfig.get_path("scripts"))
    return [script] if script else [sys.executable, "-m", "mprouter"]


def user_id(name: str) -> int:
    """The id of the user *name*, which may be a number already. Raises ``WNetError`` (ERROR_BAD_USERNAME)."""
    import pwd

    try:
        return (pwd.getpwuid(int(name)) if name.isdecimal() else pwd.getpwnam(name)).pw_uid
    except (KeyError, OverflowError):
        raise WNetError(Status.ERROR_BAD_USERNAME, "there is no such user here", name=name) from None


def install(unit: Unit, users: Sequence[int] = (), *, force: bool = False) -> bool:
    """Write the file, and have systemd use it from now on; whether one runs that could be told.

    users: for a template, for whom. force: also in place of a file that is not ours.

    Raises ``WNetError``: ERROR_ALREADY_ASSIGNED for such a file, ERROR_ACCESS_DENIED, ERROR_WRITE_FAULT, and
    ERROR_EXTENDED_ERROR if systemd refuses it.
    """
    _check_ours(unit, force)
    if unit.kind is not Kind.USER:
        _warn_of_program()
    temporary = unit.path.with_name(f".{unit.path.name}.new")
    try:
        places.make(unit.path.parent, for_all=unit.kind is not Kind.USER)
        try:
            temporary.write_text(unit.text, encoding="utf-8", errors="surrogateescape")
            temporary.chmod(0o644)
            temporary.replace(unit.path)  # of a link, as of a unit that was masked, the link itself
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise _unwritable(unit, error) from error
    if not _runs(unit):
        return False
    if unit.kind is not Kind.GLOBAL:
        _told(unit, "daemon-reload")
    _told(unit, "enable", *unit.names(users))
    if unit.kind is not Kind.GLOBAL:
        _told(unit, "start", "--no-block", *unit.names(users))
    return True


def remove(unit: Unit, *, force: bool = False) -> None:
    """Take the file away, and what enables it. What is connected stays.

    Raises ``WNetError``: ERROR_NOT_FOUND, else as ``install`` does.
    """
    if not os.path.lexists(unit.path):
        raise WNetError(Status.ERROR_NOT_FOUND, "there is no such unit", name=str(unit.path))
    _check_ours(unit, force)
    try:
        for link in _links(unit):
            link.unlink()
        unit.path.unlink()
    except OSError as error:
        raise _unwritable(unit, error) from error
    if unit.kind is not Kind.GLOBAL and _runs(unit):
        _told(unit, "daemon-reload")


def await_others(unit: Unit) -> None:
    """At logout, or shutdown, return when the programs have ended that systemd ends at the same time as *unit*.

    Terminals and desktop programs are in no order with it: one that saves when it is told to end needs what is
    connected. None is waited for longer than ``TIME_TO_SAVE``; what systemd ends after *unit* not at all.
    """
    deadline = time.monotonic() + TIME_TO_SAVE
    while _ending(unit) and time.monotonic() < deadline:
        time.sleep(_PAUSE)


def standing(unit: Unit) -> Standing:
    """How *unit* is, and each instance of it that is enabled. Raises ``WNetError`` if its file cannot be read."""
    text = _text(unit)
    runs = _runs(unit)
    names = [link.name for link in _links(unit)] if unit.kind is Kind.SYSTEM else unit.names([])
    asked = names if runs else []
    return Standing(
        unit,
        installed=text is not None,
        ours=_is_ours(text),
        current=text == unit.text,
        systemd=runs,
        enabled={name: _said(*unit.options, "is-enabled", name) for name in asked},
        active={name: _said(*unit.options, "is-active", name) for name in asked if unit.kind is not Kind.GLOBAL},
    )


# -- the file --------------------------------------------------------------------------------------------------------


def _text(unit: Unit) -> str | None:
    """What is in the file; None if there is none. That of a link, to nothing or elsewhere, is empty: it is not ours."""
    if unit.path.is_symlink():
        return ""
    try:
        return unit.path.read_text(encoding="utf-8", errors="surrogateescape")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise unreadable(error, str(unit.path), Status.ERROR_ACCESS_DENIED) from error


def _is_ours(text: str | None) -> bool:
    return text is not None and text.startswith(MARK)


def _check_ours(unit: Unit, force: bool) -> None:
    text = _text(unit)
    if text is not None and not _is_ours(text) and not force:
        raise WNetError(
            Status.ERROR_ALREADY_ASSIGNED,
            "somebody else has written this unit",
            name=str(unit.path),
            hint="look at it, and give --force if it may go",
        )


def _links(unit: Unit) -> list[Path]:
    """What enables it: the links of its name, or of its instances, that targets have."""
    pattern = f"*.wants/{unit.path.name.replace('@.', '@*.')}"
    return sorted(unit.path.parent.glob(pattern))


def _warn_of_program() -> None:
    """Say if somebody else than root could change what all users are to run."""
    from mprouter.plugins import trust

    with trust.look(program()[0]) as found:
        if found.refusal is not None:
            log.warning("other users are going to run a program that is not root's alone: %s", found.refusal)


def _unwritable(unit: Unit, error: OSError) -> WNetError:
    status, hint = unwritten(error, Status.ERROR_WRITE_FAULT)
    if isinstance(error, PermissionError) and unit.kind is not Kind.USER:
        hint = "that takes root: use sudo"
    return WNetError(status, f"it cannot be changed: {error.strerror}", name=str(unit.path), hint=hint)


def _escaped(text: str) -> str:
    """*text* as it stands between double quotes in a unit."""
    text = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return "".join(each if each >= " " else f"\\x{ord(each):02x}" for each in text)


def _command(words: Sequence[str]) -> str:
    """*words* as the begin of a command line in a unit.

    Systemd runs no program in whose path there are quotes, backslashes or control characters, but a shell does.
    """
    if re.search(r"""["'\\\x00-\x1f\x7f]""", words[0]):
        return " ".join([_SHELL, *(_word(each).replace("$", "$$") for each in words)])
    return " ".join(map(_word, words))


_SHELL = """/bin/sh -c 'exec "$$0" "$$@"'"""


def _word(text: str) -> str:
    """*text* as one word of a command line in a unit."""
    plain = text.replace("/", "").replace("-", "").replace(".", "").replace("_", "").isalnum()
    return text if plain else f'"{_escaped(text)}"'


# -- systemd ---------------------------------------------------------------------------------------------------------


def _runs(unit: Unit) -> bool:
    """Whether the systemd runs, and can be asked, that would use *unit*."""
    return _said(*(unit.options if unit.kind is Kind.USER else ()), "is-system-running") in RUNNING


def _said(*arguments: str) -> str:
    """What systemctl answers; "" if it is not there or says nothing."""
    import subprocess

    try:
        return run(
            ["systemctl", *arguments], timeout=30, env={**os.environ, **places.session_variables()}
        ).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""


def _ending(unit: Unit) -> list[str]:
    """What systemd is ending now, apart from *unit*, and from its instances for other users, which wait as well."""
    jobs = [line.split() for line in _said(*unit.options, "list-jobs", "--no-legend", "--full").splitlines()]
    names = [job[1] for job in jobs if job[2:] == ["stop", "running"]]
    own = unit.path.name.removesuffix(".service")
    return [each for each in names if each.endswith((".service", ".scope")) and not each.startswith(own)]


_PAUSE = 0.2  # seconds between two looks at what systemd is ending


def _told(unit: Unit, *arguments: str) -> None:
    ran = run(["systemctl", *unit.options, *arguments], env={**os.environ, **places.session_variables()})
    if ran.returncode:
        raise WNetError(
            Status.ERROR_EXTENDED_ERROR,
            f"systemctl {' '.join(arguments)} failed: {' '.join(ran.stderr.split()) or ran.returncode}",
            name=str(unit.path),
            provider_code=ran.returncode,
        )
