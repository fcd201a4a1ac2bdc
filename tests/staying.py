"""A program that stays, with one ``Router``: does what each line of its standard input says, and tells how that went.

A line is a JSON list: the name of a method of the router, and its arguments.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from mprouter import Router, WNetError


def main() -> None:
    with Router() as router:
        for line in sys.stdin:
            method, arguments = json.loads(line)
            try:
                done = getattr(router, method)(**arguments)
                errors = [each.error for each in done if each.error] if method == "restore" else []
            except WNetError as error:
                errors = [error]
            print(json.dumps([int(bool(errors)), "; ".join(map(str, errors))]), flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.path.remove(str(Path(__file__).parent))
    main()
