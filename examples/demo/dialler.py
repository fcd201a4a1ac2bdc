"""The demonstration's dialler: no server until a connection asks for one, as there is no network until RAS dials.

``python:…/dialler.py:dial`` is told of every connection. Before one is added it brings the line up: it starts the
very server that the connection needs. The line to a directory named ``unsteady`` drops at the first attempt; the
dialler sees the failure, dials again and asks for a retry (N11). After a connection is cancelled it hangs up.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

from mprouter import AddConnect, CancelConnect, Status

LINE = Path(os.environ["DEMO_DIRECTORY"])
PORT = os.environ["DEMO_PORT"]
RCLONE = Path(sys.executable).with_name("rclone")


def dial(event: AddConnect | CancelConnect) -> Generator[Status | None, Status, None]:
    """Before: pick up the line. After: put it down, or try again."""
    if isinstance(event, CancelConnect):
        if not (yield):
            hang_up()
        return
    if not str(event.resource.remote_name).endswith("unsteady"):
        pick_up()
    status = Status.WN_SUCCESS
    try:
        status = yield
        while status == Status.ERROR_CONNECTION_REFUSED:
            pick_up()
            status = yield Status.WN_RETRY
    finally:
        if status:
            hang_up()


def pick_up() -> None:
    """Start the SFTP server and wait until it says that it serves."""
    log = LINE / "server.log"
    with log.open("w") as output:
        server = subprocess.Popen(
            [
                *(RCLONE, "serve", "sftp", LINE / "served", "--addr", f"127.0.0.1:{PORT}"),
                *("--key", LINE / "host_key", "--authorized-keys", LINE / "user_key.pub", "--user", "demo"),
                *(
                    "--vfs-cache-mode",
                    "writes",
                    "--vfs-write-back",
                    "0",
                    "--dir-cache-time",
                    "0",
                    "--cache-dir",
                    LINE / "server-cache",
                ),
                *("--config", "", "-v"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    (LINE / "server.pid").write_text(str(server.pid))
    with log.open() as lines:
        while server.poll() is None:
            if "listening" in lines.readline():
                return
    raise OSError(f"the line stays silent: {log.read_text()}")


def hang_up() -> None:
    """End the server, if it runs."""
    number = LINE / "server.pid"
    if number.exists():
        os.kill(int(number.read_text()), signal.SIGTERM)
        number.unlink()
