"""The provider of ``sshfs``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from mprouter import faults
from mprouter.names import RemoteName, parse_remote
from mprouter.processes import started_at, wait_until
from mprouter.providers.base import Added, AddRequest, Capability, Mounted, Progress, State
from mprouter.providers.rclone import mounts, sshconfig
from mprouter.providers.rclone.failures import attributed
from mprouter.providers.rclone.logons import local_user
from mprouter.providers.rclone.options import COMMON_OPTIONS, Option, existing_file, read_options
from mprouter.providers.sshfs.attempt import Attempt
from mprouter.providers.sshfs.health import diagnose, missing
from mprouter.providers.sshfs.served import ENDING, KIND, clear, serving, unmount
from mprouter.status import Status, WNetError

__all__ = ["Sshfs"]

OPTIONS: Mapping[str, Option] = {  # as sftp has them, which would take long to import
    **COMMON_OPTIONS,
    "known_hosts": Option("the file with the host keys to trust, instead of ~/.ssh/known_hosts", existing_file),
    "key_file": Option("the private key to log on with, instead of those in ~/.ssh", existing_file),
}


class Sshfs:
    r"""``sftp://``, and ``\\sshfs\user@host``, by sshfs."""

    name = "sshfs"
    capabilities = Capability.ADD_CONNECTION | Capability.CANCEL_CONNECTION | Capability.GET_CONNECTIONS
    diagnose = staticmethod(diagnose)

    def claims(self, name: RemoteName) -> bool:
        """The names of ``sftp``."""
        return name.scheme == "sftp"

    def check_options(self, name: RemoteName, options: Mapping[str, str]) -> None:
        """See ``Provider.check_options``."""
        read_options(OPTIONS, options, network=self.name, name=name.given)

    def add_connection(self, request: AddRequest) -> Added:
        """Have sshfs log on and mount (``NPAddConnection3``); see ``Provider.add_connection``."""
        name = request.name
        with attributed(self.name, name.given):
            _check_installed()
            mounts.check_fuse()
            options = read_options(OPTIONS, request.options, network=self.name, name=name.given)
            ssh = sshconfig.look_up(str(name.host), name.port, request.credentials.user or name.user)
            _check_sayable(name, request.credentials.user or name.user or ssh.user or "", options)
            if "key_file" in options:
                ssh = replace(ssh, keys=(Path(options["key_file"]),), agent=None)
            _check_sent(name, request.credentials.user or name.user or ssh.user or local_user())
            mountpoint = mounts.real_path(request.mountpoint)
            try:
                user = Attempt(request, ssh, options, mountpoint).log_on()
                faults.reached("mounted")
                return Added(user, _handle(mountpoint))
            except BaseException:
                clear(mountpoint)
                raise

    def cancel_connection(self, mounted: Mounted, *, force: bool, progress: Progress | None = None) -> None:
        """Take the mount away (``NPCancelConnection``, C6); see ``Provider.cancel_connection``.

        What is closed is on the server already. With *force* sshfs serves whoever has files open there to the end.
        """
        del progress
        mountpoint = _mountpoint(mounted)
        with attributed(self.name, mounted.name.given):
            if not mounted.handle:  # half an add
                clear(mountpoint)
            elif self.state(mounted) is State.LOST:
                unmount(mountpoint)
            else:
                opened = mounts.openers(mountpoint)
                if (opened and not force) or not mounts.unmount(mountpoint, lazily=force, kind=KIND):
                    from mprouter.providers.rclone.disconnect import in_use

                    raise in_use(opened or mounts.openers(mountpoint, mapped=True))
                faults.reached("unmounted")
                if not opened:
                    wait_until(lambda: started_at(mounted.handle["pid"]) != mounted.handle["started"], ENDING)

    def state(self, mounted: Mounted) -> State:
        """Whether its sshfs runs and its mount is there (``NPGetConnection``), asked of the kernel alone."""
        pid, started = mounted.handle.get("pid", 0), mounted.handle.get("started", -1)
        stands = started_at(pid) == started and mounts.is_mounted(_mountpoint(mounted), KIND)
        return State.CONNECTED if stands else State.LOST

    def settle(self, mounted: Mounted) -> State:
        """The mount is there, or it is gone, and nothing else is to be done; see ``Provider.settle``."""
        return self.state(mounted)


def _check_installed() -> None:
    for program, package in missing():
        raise WNetError(
            Status.ERROR_NOT_SUPPORTED,
            f"the program {program} is not there",
            hint=f"install it: apt install {package}",
        )


def _check_sayable(name: RemoteName, user: str, options: Mapping[str, str]) -> None:
    """Leave to ``sftp`` what sshfs or ssh would read as something else."""
    if user.startswith("-") or set(user) & set("[]") or any("${" in each for each in options.values()):
        raise WNetError(
            Status.ERROR_NOT_SUPPORTED,
            f"ssh has no way to be told this user, or the path of a file with ${{ in it: {user or name.told}",
        )


def _check_sent(name: RemoteName, user: str) -> None:
    """Leave the resource to ``sftp`` while something written through that waits, which only that sends (C6)."""
    from mprouter.providers.rclone.unsent import waiting

    for each in waiting():
        if each.user in {None, user} and _is_same(each.remote_name, name):
            raise WNetError(
                Status.ERROR_NOT_SUPPORTED,
                f"what was written there through sftp is not on the server yet: {each.pending.files} files",
                hint="to have it sent: --provider sftp",
            )


def _is_same(remote_name: str, name: RemoteName) -> bool:
    try:
        other = parse_remote(remote_name)
    except WNetError:  # it is the name of a file system, of which nobody wrote down whose it is
        return False
    return all(getattr(other, each) == getattr(name, each) for each in ("scheme", "host", "service", "path"))


def _handle(mountpoint: Path) -> Mapping[str, Any]:
    """Who serves it: the oldest, since a child that becomes an ssh looks like it for a moment."""
    for pid, started in serving(mountpoint).items():
        return {"pid": pid, "started": started, "mountpoint": str(mountpoint)}
    raise WNetError(Status.ERROR_EXTENDED_ERROR, "the mount went away at once")


def _mountpoint(mounted: Mounted) -> Path:
    known = mounted.handle.get("mountpoint")
    return Path(known) if known else mounts.real_path(mounted.mountpoint)
