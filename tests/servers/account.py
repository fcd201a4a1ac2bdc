"""The ordinary system user of the tests: who logs in to the servers, and who runs `mpr` where root must not."""

from __future__ import annotations

import fcntl
import os
import pwd
import secrets
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["NAME", "Account", "ensure"]

NAME = "mprtest"
SHARED = Path("/run/mprouter-tests")  # root's own: what all test runs on this machine share


@dataclass(frozen=True)
class Account:
    """A user of this system with a password."""

    name: str
    password: str = field(repr=False)
    uid: int
    gid: int
    home: Path

    def own(self, *paths: Path) -> None:
        """Make the files or directories this user's."""
        for path in paths:
            os.chown(path, self.uid, self.gid)

    def run(
        self, argv: Sequence[str | Path], *, environment: Mapping[str, str], stdin: str = "", timeout: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Run a program as this user, in no other group, with this environment and a PATH."""
        return subprocess.run(
            argv,
            user=self.uid,
            group=self.gid,
            extra_groups=[],
            umask=0o022,
            cwd="/",
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "USER": self.name, **environment},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )


def ensure() -> Account:
    """The user, made if it is missing, with one random password for all test runs until the machine restarts."""
    if os.geteuid() != 0:
        raise PermissionError("the test servers take root, since they log users in: run `make test`")
    SHARED.mkdir(mode=0o700, exist_ok=True)
    stored = SHARED / "password"
    with (SHARED / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            pwd.getpwnam(NAME)
        except KeyError:
            stored.unlink(missing_ok=True)
            options = ["--system", "--create-home", "--user-group", "--shell", "/bin/sh"]
            subprocess.run(["/usr/sbin/useradd", *options, NAME], check=True)
        if not stored.exists():
            password = secrets.token_hex(12)
            subprocess.run(["/usr/sbin/chpasswd"], input=f"{NAME}:{password}\n", text=True, check=True)
            stored.touch(mode=0o600)
            stored.write_text(password)
        entry = pwd.getpwnam(NAME)
        return Account(NAME, stored.read_text(), entry.pw_uid, entry.pw_gid, Path(entry.pw_dir))
