"""One process of the storm: random connects, disconnects and restores until it has done its share, or is killed.

Run as a program: what it is given stands on its standard input. It writes one line for each operation that it has done,
and one for each file that it has written and closed on a connection.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from pathlib import Path
from typing import Any

from mprouter import ConnectFlag, Connection, Router, Status, WNetError, mountinfo

EXPECTED = {
    Status.ERROR_ALREADY_ASSIGNED,  # another process has the letter
    Status.ERROR_DEVICE_ALREADY_REMEMBERED,
    Status.ERROR_NOT_CONNECTED,
    Status.ERROR_BUSY,
    Status.ERROR_OPEN_FILES,  # another process is writing
    Status.ERROR_TIMEOUT,  # a server that shares a slow machine with all of them
}
"""How an operation may end among so many."""


def main() -> None:
    given = json.load(sys.stdin)
    dice = random.Random(given["seed"])  # noqa: S311 - the seed tells a failure again
    with Router() as router:
        for number in range(given["operations"]):
            try:
                operate(router, given, dice, f"{given['seed']}-{number}")
            except WNetError as error:
                if error.status not in EXPECTED:
                    print("failed", os.getpid(), f"{time.time():.3f}", error, flush=True)  # noqa: T201
            print("done", number, flush=True)  # noqa: T201


def operate(router: Router, given: dict[str, Any], dice: random.Random, name: str) -> None:
    letter = dice.choice(given["letters"])
    kind = dice.choices(["connect", "disconnect", "restore"], [5, 4, 1])[0]
    if kind == "connect":
        share = dice.choice(given["shares"])
        arguments = {"user": share["user"], "password": share["password"], "options": share["options"]}
        flags = ConnectFlag.CMD_SAVECRED if (persist := dice.random() < 0.3) else ConnectFlag(0)
        connection = router.connect(share["url"], letter, persist=persist, flags=flags, **arguments)
        if dice.random() < 0.5:
            write(connection, name, given["shares"].index(share))
    elif kind == "disconnect":
        router.disconnect(letter, forget=dice.random() < 0.5)
    else:
        for restored in router.restore(letter):
            if restored.error:
                raise restored.error


def write(connection: Connection, name: str, share: int) -> None:
    """Write a file there, if the connection has not gone meanwhile: this may be a mere directory then, or another."""
    try:
        directory = os.open(connection.path, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return
    try:
        device = os.minor(os.fstat(directory).st_dev)
        if (device, connection.remote_name) not in [(each.device, each.source) for each in mountinfo.mounted()]:
            return
        file = os.open(name, os.O_WRONLY | os.O_CREAT, 0o600, dir_fd=directory)
        try:
            os.write(file, name.encode())
        finally:
            os.close(file)
    except OSError:
        return
    finally:
        os.close(directory)
    print("wrote", share, name, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.path.remove(str(Path(__file__).parent))
    main()
