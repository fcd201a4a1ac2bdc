"""A person's terminal: what `mpr` prints can be read there, and what it asks for typed."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

__all__ = ["PseudoTerminal"]


class PseudoTerminal:
    """One terminal, for one program at a time, which it controls: Ctrl-C reaches that. kind: its TERM."""

    kind = "xterm"

    def __init__(self) -> None:
        self._mine, self._programs = pty.openpty()
        self._shown = ""
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *arguments: str | Path, program: str = "mpr") -> None:
        """Start *program*, one of this environment's, with these arguments on it."""
        self._process = subprocess.Popen(
            ["setsid", "--ctty", "--wait", Path(sys.executable).with_name(program), *arguments],
            stdin=self._programs,
            stdout=self._programs,
            stderr=self._programs,
            env={**os.environ, "TERM": self.kind},
        )

    def expect(self, text: str, seconds: float = 30.0) -> str:
        """Wait until *text* is shown. Returns all that was shown up to its end and not expected before."""
        deadline = time.monotonic() + seconds
        while text not in self._shown:
            if not select.select([self._mine], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise TimeoutError(f"{text!r} was not shown within {seconds:g} s, but {self._shown!r}")
            self._shown += os.read(self._mine, 4096).decode()
        before, _, self._shown = self._shown.partition(text)
        return before + text

    def enter(self, text: str) -> None:
        """Type *text* at the keyboard; "\\n" is the Enter key, "\\x03" is Ctrl-C."""
        os.write(self._mine, text.encode())

    def end(self) -> tuple[int, str]:
        """Wait for the program's end. Returns its exit code and what was shown and not expected."""
        assert self._process is not None
        code = self._process.wait(60)
        while select.select([self._mine], [], [], 0)[0]:
            self._shown += os.read(self._mine, 4096).decode()
        shown, self._shown = self._shown, ""
        return code, shown

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._programs)
        os.close(self._mine)  # whoever is still on it gets SIGHUP
        if self._process is not None and self._process.poll() is None:
            with suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGTERM)
            self._process.wait(60)
