"""How a share becomes a directory: by us, and by what people use today. Each takes a network, an account and a place.

A mounter's ``mount`` returns when the root of the share can be listed at the path that it returns; ``unmount`` when
the path is gone. What is measured with them stands in the rows.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import ClassVar

from ground import MPR, Ground
from harness import Role
from mprouter import Connection, Router
from mprouter.providers.rclone import daemon, program
from servers.daemon import Server, listens, processes, wait_for

__all__ = [
    "NETWORKS",
    "Before",
    "Command",
    "Gio",
    "InProcess",
    "Mounter",
    "Rclone",
    "Share",
    "Sshfs",
    "below",
    "commands",
    "gvfs_session",
    "mounters",
    "newest_rclone",
    "places_with_passwords",
    "share",
    "stop",
    "within",
]

NETWORKS = ("sftp", "smb", "webdav")


@dataclass(frozen=True, slots=True)
class Share:
    """A directory on a server of the ground, for its account.

    url: as ours has it. path: as the protocol has it. root: where it is on this machine. options: of ours.
    """

    network: str
    url: str
    path: str
    host: str
    port: int
    root: Path
    user: str
    password: str = field(repr=False)
    options: Mapping[str, str] = field(default_factory=dict)


def share(ground: Ground, network: str) -> Share:
    """The share of *network*, one of ``NETWORKS``."""
    if network == "sftp":
        server = ground.sftp
        options = {"known_hosts": str(server.known_hosts), "key_file": str(server.key)}
        return _share(network, server, server.url(), str(server.root), options)
    if network == "smb":
        return _share(network, ground.smb, ground.smb.url(), "projects", {})
    return _share(network, ground.webdav, ground.webdav.url(), "", {})


def below(share: Share, name: str) -> Share:
    """A directory in it, which is made on the server."""
    root = share.root / name
    root.mkdir(exist_ok=True)
    root.chmod(0o777)
    url, path = (f"{each.rstrip('/')}/{name}" for each in (share.url, share.path))
    return replace(share, url=url, path=path, root=root)


def _share(network: str, server: Server, url: str, path: str, options: Mapping[str, str]) -> Share:
    return Share(network, url, path, server.host, server.port, server.root, server.user, server.password, options)


class Mounter(ABC):
    """One way to have *share* as a directory."""

    name: str
    engine: str
    """The program that makes files of it: where two have the same, they differ in what is around it."""

    role: ClassVar[Role] = Role.PEER

    def __init__(self, share: Share, ground: Ground) -> None:
        self.share = share
        self.ground = ground
        self.place = ground.directory()

    @abstractmethod
    def mount(self) -> Path:
        """Connect, and return the path."""

    @abstractmethod
    def unmount(self) -> None:
        """Disconnect; to be clean for the next time."""

    def listed(self, path: Path) -> Path:
        """*path*, once it has been listed."""
        os.listdir(path)
        return path


class Before(Enum):
    """What there is when ``mpr connect`` begins.

    NOTHING: no rclone of ours runs. RCLONE: it runs, and has not been at any server yet. SESSION: it runs, and was at
    this one less than a minute ago, for which time it keeps the session that it had there.
    """

    NOTHING = "nothing"
    RCLONE = "rclone"
    SESSION = "session"


class Command(Mounter):
    """``mpr connect`` and ``mpr disconnect``. sshfs: with the file that enables the provider of that name."""

    role = Role.OURS

    def __init__(self, share: Share, ground: Ground, *, before: Before = Before.SESSION, sshfs: bool = False) -> None:
        super().__init__(share, ground)
        self.engine = "sshfs" if sshfs else "rclone"
        self.name = "mpr connect, sshfs" if sshfs else "mpr connect"
        self._before = before
        self._environment = places_with_passwords(ground, share)
        if sshfs:
            file = Path(self._environment["MPROUTER_CONFIG_DIR"]) / "providers.d" / "sshfs.toml"
            file.parent.mkdir()
            file.write_text('target = "python:mprouter.providers.sshfs:Sshfs"\norder = 10\n')
        self._options = [part for name, value in share.options.items() for part in ("-o", f"{name}={value}")]
        ground.at_end(lambda: stop(self._environment))

    def mount(self) -> Path:
        """See ``Mounter``."""
        self._run("connect", self.share.url, str(self.place / "drive"), *self._options)
        return self.listed(self.place / "drive")

    def unmount(self) -> None:
        """See ``Mounter``."""
        self._run("disconnect", str(self.place / "drive"))
        if self._before is not Before.SESSION:
            stop(self._environment)
        if self._before is Before.RCLONE:
            with within(self._environment):
                daemon.obtain()

    def _run(self, *arguments: str) -> None:
        subprocess.run([MPR, *arguments], env=self._environment, stdout=subprocess.DEVNULL, check=True)


class InProcess(Mounter):
    """``Router.connect`` and ``Connection.close`` of a program that has made connections before."""

    engine = "rclone"

    def __init__(self, share: Share, ground: Ground) -> None:
        super().__init__(share, ground)
        self.name = "Router.connect"
        self._environment = places_with_passwords(ground, share)
        ground.at_end(lambda: stop(self._environment))
        with within(self._environment):
            self._router = ground.enter(Router())
        self._connection: Connection | None = None

    def mount(self) -> Path:
        """See ``Mounter``."""
        with within(self._environment):
            local = self.place / "drive"
            self._connection = self._router.connect(self.share.url, local, options=self.share.options)
        return self.listed(local)

    def unmount(self) -> None:
        """See ``Mounter``."""
        assert self._connection is not None
        with within(self._environment):
            self._connection.close()


class Sshfs(Mounter):
    """``sshfs`` with its defaults."""

    engine = "sshfs"

    def __init__(self, share: Share, ground: Ground, program: str) -> None:
        super().__init__(share, ground)
        self.name = "sshfs"
        settings = {"IdentityFile": share.options["key_file"], "UserKnownHostsFile": share.options["known_hosts"]}
        options = ",".join([f"port={share.port}", *(f"{name}={value}" for name, value in settings.items())])
        remote = f"{share.user}@{share.host}:{share.root}"
        self._argv = [program, "-F", "/dev/null", "-o", options, remote, str(self.place)]

    def mount(self) -> Path:
        """See ``Mounter``."""
        subprocess.run(self._argv, check=True)
        return self.listed(self.place)

    def unmount(self) -> None:
        """See ``Mounter``."""
        _unmount(self.place)


class Rclone(Mounter):
    """``rclone mount --daemon`` with its defaults."""

    engine = "rclone"

    def __init__(self, share: Share, ground: Ground) -> None:
        super().__init__(share, ground)
        self.name = "rclone mount"
        program = newest_rclone()
        configuration = ground.directory() / "rclone.conf"
        configuration.touch(mode=0o600)
        settings = {"type": share.network, "user": share.user, "host": share.host, "port": str(share.port)}
        if share.network == "sftp":
            settings |= {"key_file": share.options["key_file"], "known_hosts_file": share.options["known_hosts"]}
        else:
            obscuring = [program, "obscure", "-"]
            obscured = subprocess.run(obscuring, input=share.password, capture_output=True, text=True, check=True)
            settings["pass"] = obscured.stdout.strip()
        if share.network == "webdav":
            del settings["host"], settings["port"]
            settings |= {"url": f"http://{share.host}:{share.port}/", "vendor": "other"}
        configuration.write_text("[peer]\n" + "".join(f"{name} = {value}\n" for name, value in settings.items()))
        cache = ground.directory()
        self._argv = [program, "mount", f"peer:{share.path}", str(self.place), "--daemon"]
        self._argv += ["--config", str(configuration), "--cache-dir", str(cache)]

    def mount(self) -> Path:
        """See ``Mounter``."""
        subprocess.run(self._argv, check=True)
        return self.listed(self.place)

    def unmount(self) -> None:
        """See ``Mounter``."""
        _unmount(self.place)


class Gio(Mounter):
    """``gio mount`` in a session of its own, seen through gvfs's FUSE file system. warm: gvfsd and that run already.

    The process that gvfsd has for a mount stays for a second after the unmount, and for so long the FUSE file system
    asks it, rather than a new mount's, and fails. Nobody mounts again in less than a second, so ``unmount`` waits.
    """

    engine = "gvfs"

    def __init__(self, share: Share, ground: Ground, session: Mapping[str, str], *, warm: bool) -> None:
        super().__init__(share, ground)
        self.name = "gio mount"
        self._warm = warm
        self._session = session
        scheme = {"webdav": "dav"}.get(share.network, share.network)
        path = f"/{share.url.rpartition('/')[2]}" if share.network == "smb" else "/"
        self._url = f"{scheme}://{share.user}@{share.host}:{share.port}{path}"
        self._seen = Path(session["XDG_RUNTIME_DIR"]) / "gvfs"
        self._below = str(share.root).lstrip("/") if share.network == "sftp" else ""
        # a domain is asked for by SMB before the password; an SSH key is used without a question
        self._answers = {"smb": f"\n{share.password}\n", "webdav": f"{share.password}\n"}.get(share.network, "")

    def mount(self) -> Path:
        """See ``Mounter``."""
        self._run("mount", self._url)
        wait_for(lambda: os.listdir(self._seen), "gvfs's FUSE file system")
        return self.listed(self._seen / os.listdir(self._seen)[0] / self._below)

    def unmount(self) -> None:
        """See ``Mounter``."""
        gvfsd = self._daemon()
        self._run("mount", "-u", self._url)
        wait_for(lambda: not os.listdir(self._seen), "the end of gvfs's mount")
        if self._warm:
            wait_for(lambda: gvfsd not in {parent for _, parent in processes()}, "the end of gvfsd's child")
        else:
            os.kill(gvfsd, signal.SIGTERM)
            wait_for(lambda: not os.path.ismount(self._seen), "the end of gvfsd")

    def _daemon(self) -> int:
        """The process that the session's bus has started."""
        method = "org.freedesktop.DBus.GetConnectionUnixProcessID"
        argv = ["gdbus", "call", "--session", "--dest", "org.freedesktop.DBus", "--object-path", "/"]
        argv += ["--method", method, "org.gtk.vfs.Daemon"]
        said = subprocess.run(argv, env=self._session, capture_output=True, text=True, check=True)
        return int(re.findall(r"\d+", said.stdout)[-1])

    def _run(self, *arguments: str) -> None:
        silent = subprocess.DEVNULL
        argv = ["gio", *arguments]
        subprocess.run(
            argv, env=self._session, input=self._answers, text=True, stdout=silent, stderr=silent, check=True
        )

    def listed(self, path: Path) -> Path:
        """See ``Mounter``; at first gvfs may fail."""

        def is_there() -> bool:
            with suppress(OSError):
                super(Gio, self).listed(path)
                return True
            return False

        wait_for(is_there, f"{path}")
        return path


def newest_rclone() -> str:
    """The one that ours runs."""
    return max(program.binaries(), key=program.version_of)


def commands(ground: Ground, share: Share) -> list[Command]:
    """Ours, with each engine that there is for the network, the default first."""
    found = [Command(share, ground)]
    if share.network == "sftp" and ground.has("sshfs", "sshfs"):
        found.append(Command(share, ground, sshfs=True))
    return found


def mounters(ground: Ground, share: Share, *, warm: bool = True) -> list[Mounter]:
    """The peers that are on this machine. warm: what they leave running between mounts runs already."""
    found: list[Mounter] = [Rclone(share, ground)]
    if share.network == "sftp" and (program := ground.has("sshfs", "sshfs")):
        found.append(Sshfs(share, ground, program))
    if session := gvfs_session(ground, share):
        found.append(Gio(share, ground, session, warm=warm))
    return found


def gvfs_session(ground: Ground, share: Share | None = None) -> dict[str, str] | None:
    """The environment of a D-Bus session of its own with gvfs in it, for mounts of *share*; None if there is none."""
    daemons = Path("/usr/libexec")
    if not (ground.has("gio", "libglib2.0-bin") and ground.has("dbus-daemon", "dbus-daemon")):
        return None
    if not (daemons / "gvfsd-fuse").exists() or not (daemons / "gvfsd-sftp").exists():
        ground.left_out["gio mount"] = "gvfs is not installed (Debian's packages gvfs-backends and gvfs-fuse)"
        return None
    home = ground.directory()
    (home / "gvfs").mkdir()
    programs = home / "programs"
    programs.mkdir()
    if share is not None and share.network == "sftp":  # gvfs runs the ssh of PATH and has no way to tell it about keys
        ssh = programs / "ssh"
        options = f"-i {share.options['key_file']} -o UserKnownHostsFile={share.options['known_hosts']}"
        ssh.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F /dev/null {options} "$@"\n')
        ssh.chmod(0o755)
    environment = {
        "HOME": str(home),
        "XDG_RUNTIME_DIR": str(home),
        "PATH": f"{programs}:{os.environ['PATH']}",
        "LC_ALL": "C.UTF-8",
        "DBUS_SESSION_BUS_ADDRESS": f"unix:path={home}/bus",
    }
    address = environment["DBUS_SESSION_BUS_ADDRESS"]
    ground.start(["dbus-daemon", "--session", "--nofork", f"--address={address}"], environment)
    wait_for(lambda: listens(home / "bus"), "the session's bus")  # it starts gvfsd when asked, and that the other
    ground.at_end(lambda: _unmount(home / "gvfs", lazily=True))
    return environment


def places_with_passwords(ground: Ground, *shares: Share) -> dict[str, str]:
    """The environment of places of their own that have the passwords of the shares."""
    ground.places()
    environment = dict(os.environ)
    file = Path(environment["MPROUTER_CONFIG_DIR"]) / "credentials.toml"
    file.touch(mode=0o600)
    file.write_text(
        "".join(
            f'[[credential]]\nremote = "{each.url.rstrip("/")}*"\nuser = "{each.user}"\npassword = "{each.password}"\n'
            for each in shares
        )
    )
    return environment


@contextmanager
def within(environment: Mapping[str, str]) -> Iterator[None]:
    """This process with *environment* for its own."""
    before = dict(os.environ)
    os.environ.update(environment)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def stop(environment: Mapping[str, str]) -> None:
    """End the rclone of these places."""
    with within(environment):
        daemon.stop()


def _unmount(path: Path, *, lazily: bool = False) -> None:
    subprocess.run(["fusermount3", "-uz" if lazily else "-u", str(path)], check=False, capture_output=True)
    wait_for(lambda: not os.path.ismount(path), f"the end of the mount at {path}")
