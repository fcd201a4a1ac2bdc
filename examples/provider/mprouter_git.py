"""A network provider of its own package: git repositories as network drives.

``mpr connect git:///srv/notes.git Z:`` makes ``Z:`` a working copy. ``mpr disconnect Z:`` commits whatever has changed
there, pushes it and takes the working copy away; if it cannot be pushed, the connection stands. So it does while there
are stashes or commits of no branch, which no push takes along, and files of which git would give back something else:
assume-unchanged, skip-worktree, FIFOs, or an attribute that changes line ends. A clone that is cut off is removed.
``git://host/notes.git`` and ``git+ssh://ana@host/srv/notes.git`` are repositories elsewhere; ``-o branch=NAME`` is
another branch than the usual.

git has no empty directories, and keeps of a file neither owner nor time: so it is with what is written here.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from filecmp import cmp
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

from mprouter import Status, WNetError
from mprouter.names import RemoteName
from mprouter.providers.base import Added, AddRequest, Capability, Mounted, Progress, State

__all__ = ["Git"]

_MEANINGS = {  # what git says, in the order to look for it
    "Remote branch": Status.ERROR_INVALID_PARAMETER,
    "Could not resolve": Status.WSAHOST_NOT_FOUND,
    "unable to look up": Status.WSAHOST_NOT_FOUND,
    "Connection refused": Status.ERROR_CONNECTION_REFUSED,
    "timed out": Status.ERROR_TIMEOUT,
    "Host key verification failed": Status.ERROR_MUTUAL_AUTH_FAILED,
    "Permission denied": Status.ERROR_ACCESS_DENIED,
    "dubious ownership": Status.ERROR_ACCESS_DENIED,
    "does not exist": Status.ERROR_BAD_NET_NAME,
    "not appear to be a git repository": Status.ERROR_BAD_NET_NAME,
    "not found": Status.ERROR_BAD_NET_NAME,
}

_ARRIVING = ".git arriving"
"""Where ``.git`` is made. Its move to its place is the last step: only what has a ``.git`` is a working copy."""

_DELIVERED = ".git delivered"
"""What ``.git`` is called when everything is pushed, and only the working copy has to go."""

_OURS = "MPROUTER_GIT"
"""The environment of git and of all that it starts says for which mountpoint that is, so that it can be ended."""

_TRIES = 3
"""How many times what was written since the last push is pushed too."""


class Git:
    """The provider. It keeps nothing in itself: another process may be the one that disconnects."""

    name = "git"
    capabilities = Capability.ADD_CONNECTION | Capability.CANCEL_CONNECTION | Capability.GET_CONNECTIONS

    def claims(self, name: RemoteName) -> bool:
        """R2: told by the name alone."""
        return name.scheme in {"git", "git+ssh"}

    def check_options(self, name: RemoteName, options: Mapping[str, str]) -> None:
        """N4: before anybody is told of the connection."""
        for key, value in options.items():
            if key != "branch" or not value or value.startswith("-"):
                hint = "the only option is branch=NAME"
                raise WNetError(Status.ERROR_INVALID_PARAMETER, f"git has no option {key}", name=name.given, hint=hint)

    def add_connection(self, request: AddRequest) -> Added:
        """Clone into the mountpoint; whatever cuts that off, nothing is left there."""
        name, branch = request.name, request.options.get("branch")
        user = request.credentials.user or name.user
        url = name.path  # a repository of this machine
        if name.host is not None:
            login = f"{quote(user)}@" if user and name.scheme == "git+ssh" else ""
            host = f"[{name.host}]" if ":" in name.host else name.host
            port = f":{name.port}" if name.port else ""
            url = f"{name.scheme.removeprefix('git+')}://{login}{host}{port}{quote(name.path)}"
        try:
            _clone(url, ["--branch", branch] if branch else [], request.mountpoint)
        except BaseException:  # Ctrl-C, too
            _undo(request.mountpoint)
            raise
        return Added(user, {"url": url})

    def cancel_connection(self, mounted: Mounted, *, force: bool, progress: Progress | None = None) -> None:
        """C6: nothing goes before it is pushed, force or not. What an add has left that was cut off is not pushed.

        Of such an add the handle is ``{}``, and the mountpoint may be missing: what there is, is told by looking.
        """
        del progress  # git does not say how much is left
        copy = mounted.mountpoint
        if self.state(mounted) is State.LOST:
            _undo(copy)
        for _ in range(_TRIES):
            if self.state(mounted) is State.CONNECTED:
                if not force and (paths := list(_open_below(copy))):
                    raise WNetError(Status.ERROR_OPEN_FILES, f"{paths[0]} is open", hint="close it, or use --force")
                _deliver(copy)
                (copy / ".git").rename(copy / _DELIVERED)
            if _clear(copy):
                return
        status = Status.ERROR_WRITE_FAULT if force else Status.ERROR_OPEN_FILES
        raise WNetError(status, "some program goes on writing there", hint="end it, and disconnect again")

    def state(self, mounted: Mounted) -> State:
        """Told at once."""
        return State.CONNECTED if (mounted.mountpoint / ".git").exists() else State.LOST

    def settle(self, mounted: Mounted) -> State:
        """The process that was disconnecting has died: before all was pushed, or when only the rest had to go."""
        _end(mounted.mountpoint)
        (mounted.mountpoint / ".git" / "index.lock").unlink(missing_ok=True)
        _clear(mounted.mountpoint)
        return self.state(mounted)

    def start_up(self) -> float | None:
        """R7: when the network will be there nobody knows."""
        return None


def _clone(url: str, options: list[str], copy: Path) -> None:
    done = _git("clone", "--quiet", "--no-checkout", *options, "--", url, _ARRIVING, within=copy)
    if done.returncode:
        raise _failure(done, next((each for words, each in _MEANINGS.items() if words in done.stderr), None))
    made = copy / _ARRIVING / ".git"
    here = [f"--git-dir={made}", f"--work-tree={copy}"]
    if _git(*here, "rev-parse", "--quiet", "--verify", "HEAD", within=copy).stdout:  # else it is empty
        done = _git(*here, "read-tree", "-m", "-u", "HEAD", within=copy)
        if done.returncode:
            raise _failure(done, None)
    made.rename(copy / ".git")
    made.parent.rmdir()


def _undo(copy: Path) -> None:
    """Remove a clone that was cut off: what git has made there, and nothing else."""
    _end(copy)
    arriving = copy / _ARRIVING
    if not arriving.exists():
        return
    here = [f"--git-dir={arriving / '.git'}", f"--work-tree={copy}"]
    (arriving / ".git" / "index.lock").unlink(missing_ok=True)
    if _git(*here, "read-tree", "HEAD", within=copy).returncode == 0:  # else no file has been made yet
        _git(*here, "rm", "-r", "--quiet", "--force", "--ignore-unmatch", ".", within=copy)
    shutil.rmtree(arriving)


def _deliver(copy: Path) -> None:
    """Commit and push everything: what git would ignore, too, and branches that somebody has made."""
    if _git("rev-parse", "--quiet", "--verify", "refs/stash", within=copy).stdout:
        raise WNetError(Status.ERROR_WRITE_FAULT, "there are stashes", hint="git stash pop, or git stash drop")
    if any(copy.rglob("*/.git")):
        raise WNetError(Status.ERROR_WRITE_FAULT, "there is a repository within the repository", hint="move it away")
    who = [] if _git("config", "user.email", within=copy).stdout else ["-c", "user.name=mpr", "-c", "user.email=mpr@"]
    while _git("status", "--porcelain", "--ignored", within=copy).stdout:
        steps = (["add", "--all", "--force", "."], [*who, "commit", "--quiet", "--message", "written through mpr"])
        for step in steps:
            if (done := _git(*step, within=copy)).returncode:
                raise _failure(done, Status.ERROR_WRITE_FAULT)
    if _git("rev-list", "--max-count=1", "HEAD", "--not", "--branches", "--tags", within=copy).stdout:
        raise WNetError(Status.ERROR_WRITE_FAULT, "there are commits of no branch", hint="git switch --create NAME")
    if path := next(_unlike(copy), None):
        text = f"git would not give back {path.relative_to(copy)} as it is"
        hint = "move it away, or see why: git ls-files -v, git check-attr -a"
        raise WNetError(Status.ERROR_WRITE_FAULT, text, hint=hint)
    done = _git("push", "--quiet", "origin", "refs/heads/*:refs/heads/*", "refs/tags/*:refs/tags/*", within=copy)
    if done.returncode:
        hint = "git pull there, and disconnect again" if "[rejected]" in done.stderr else None
        raise _failure(done, Status.ERROR_WRITE_FAULT, hint)


def _unlike(copy: Path) -> Iterator[Path]:
    """What is other than git would make it from what is committed, or is not committed at all."""
    with TemporaryDirectory(dir=copy / ".git") as place:
        _git("checkout-index", "--all", "--quiet", f"--prefix={place}/", within=copy)
        for path in _beside(copy / ".git"):
            twin = Path(place, path.relative_to(copy))
            if path.is_symlink():
                is_like = twin.is_symlink() and twin.readlink() == path.readlink()
            else:
                is_like = path.is_dir() or (path.is_file() and twin.is_file() and cmp(path, twin, shallow=False))
            if not is_like:
                yield path


def _clear(copy: Path) -> bool:
    """Take a working copy away of which everything is delivered; the mark of that goes last.

    False if something was written since: nothing of that is removed, and the repository is there again.
    """
    mark = copy / _DELIVERED
    if not mark.exists():
        return True
    if any(_beside(mark)):
        (mark / "index.lock").unlink(missing_ok=True)  # of one that died at this
        here = [f"--git-dir={mark}", f"--work-tree={copy}"]
        removed = _git(*here, "rm", "-r", "--quiet", "--ignore-unmatch", ".", within=copy)  # only what is not changed
        if removed.returncode or any(path.is_symlink() or not path.is_dir() for path in _beside(mark)):
            _git(*here, "read-tree", "HEAD", within=copy)
            _git(*here, "checkout-index", "--all", "--quiet", within=copy)  # leaves what is there
            mark.rename(copy / ".git")
            return False
        for path in sorted(_beside(mark), reverse=True):  # empty directories: what is in one comes first
            path.rmdir()
    shutil.rmtree(mark)
    return True


def _beside(mark: Path) -> Iterator[Path]:
    """What is beside *mark*, at any depth."""
    return (path for each in mark.parent.iterdir() if each != mark for path in (each, *each.rglob("*")))


def _open_below(directory: Path) -> Iterator[str]:
    """The files and directories below *directory* that some process of the user's has open."""
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with suppress(OSError):  # it is closed by now, or another user's
            if (path := os.readlink(link)).startswith(f"{directory.resolve()}/"):  # noqa: PTH115 - it may be no path
                yield path


def _end(copy: Path) -> None:
    """End every git of ours that is still at work on *copy*, whoever has started it and died."""
    mark = os.fsencode(f"{_OURS}={copy}")
    while True:
        is_at_work = False
        for each in Path("/proc").glob("[0-9]*/environ"):
            with suppress(OSError):  # it has ended, or is another user's
                if mark in each.read_bytes().split(b"\0"):
                    is_at_work = True
                    os.kill(int(each.parent.name), signal.SIGKILL)
        if not is_at_work:
            return
        time.sleep(0.01)


def _git(*arguments: str, within: Path) -> subprocess.CompletedProcess[str]:
    """Run git, which asks nobody anything: who may be asked is in ``AddRequest.conversation``."""
    environment = {key: value for key, value in os.environ.items() if key not in {"GIT_DIR", "GIT_WORK_TREE"}}
    environment |= {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_SSH_COMMAND": "ssh -o BatchMode=yes"}
    environment[_OURS] = str(within)
    try:
        return subprocess.run(
            ["git", "-C", str(within), *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except FileNotFoundError:
        raise WNetError(Status.ERROR_SERVICE_NOT_FOUND, "git is not there", hint="apt install git") from None


def _failure(done: subprocess.CompletedProcess[str], status: Status | None, hint: str | None = None) -> WNetError:
    """What git reported, in one line."""
    lines = [each.strip() for each in done.stderr.splitlines() if each.strip()]
    silent = f"it was killed by signal {-done.returncode}" if done.returncode < 0 else "it says nothing"
    words = next((each for each in lines if each.startswith(("fatal:", "error:", "!"))), silent)
    return WNetError(status or Status.ERROR_EXTENDED_ERROR, f"git: {words}", provider_text=done.stderr, hint=hint)
