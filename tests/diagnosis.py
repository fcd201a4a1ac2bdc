"""What `mpr doctor --json` prints, and running it in a system in which something else is different."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from sandbox import OrdinaryUser

__all__ = ["Examine", "Report", "as_an_ordinary_user", "in_a_namespace", "report"]


@dataclass(frozen=True)
class Report:
    """What it has printed."""

    shown: dict[str, Any]

    @property
    def all(self) -> list[dict[str, Any]]:
        """The findings. That the tests' keyring keeps nothing is no news."""
        found = [finding for check in self.shown["checks"] for finding in check["findings"]]
        return [each for each in found if each["code"] != "keyring-unusable"]

    @property
    def codes(self) -> set[str]:
        return {each["code"] for each in self.all}

    @property
    def mended(self) -> set[str]:
        """The codes of what was mended; that something could not be is never expected."""
        assert self.shown["not_mended"] == []
        return {each["code"] for each in self.shown["mended"]}

    def one(self, code: str) -> dict[str, Any]:
        """The only finding of this code."""
        (found,) = [each for each in self.all if each["code"] == code]
        return found


class Examine(Protocol):
    """``doctor("--fix")`` runs it. commands: shell commands that come first, in a mount namespace of its own."""

    def __call__(self, *options: str, commands: str | None = None) -> Report: ...


def report(ran: subprocess.CompletedProcess[str]) -> Report:
    """Read it, and check that the exit code agrees."""
    assert all(line.startswith("mpr: warning: ") for line in ran.stderr.splitlines()), ran.stderr
    shown = Report(json.loads(ran.stdout))
    wrong = any(each["severity"] != "note" for each in shown.all)
    assert (ran.returncode, shown.shown["healthy"]) == (int(wrong), not wrong)
    return shown


def in_a_namespace(commands: str, argv: Sequence[str | Path]) -> subprocess.CompletedProcess[str]:
    """Run *argv* where *commands* were run before: what they mount is seen by nobody else."""
    script = f"set -e; {commands}; exec {shlex.join(map(str, argv))}"
    return subprocess.run(
        ["unshare", "--mount", "sh", "-c", script], capture_output=True, text=True, timeout=120, check=False
    )


def as_an_ordinary_user(
    user: OrdinaryUser, commands: str, *words: str, script: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run ``mpr``, or a *script* for the shell, as *user* there; *commands* are root's."""
    variables = {**user.places.environment, **user._variables, "PATH": os.environ["PATH"]}
    argv = ["setpriv", f"--reuid={user.account.uid}", f"--regid={user.account.gid}", "--clear-groups", "env", "-i"]
    argv += [f"{name}={value}" for name, value in variables.items()]
    program = ["sh", "-c", script] if script else [user.python, "-m", "mprouter", *words]
    return in_a_namespace(commands, [*argv, *program])
