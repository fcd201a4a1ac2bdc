"""What runs in the host process of a native network provider: loads the library, and calls what it is told to call.

``provider.py`` is the router's side; how a function is called stands in ``functions.py``.
"""

from __future__ import annotations

import os

from mprouter.plugins.frames import LIMIT
from mprouter.plugins.hosted import buffer_by_line, failed, messages, prepare, sendable
from mprouter.providers.native.functions import Functions
from mprouter.providers.native.wire import Answer, Look, Request, decode_request, frame
from mprouter.status import Status

__all__ = ["main"]


def main(requests: int, answers: int, lifeline: int, memory: int) -> None:
    """Load a library and serve it until the router closes its end; the arguments are those of ``prepare``."""
    prepare(requests, answers, lifeline, memory)
    buffer_by_line()
    served = _Served()
    serial = 0
    for message in messages(requests):
        request = decode_request(message)
        again = request.serial == serial  # by a router that was interrupted and could not know
        answer = None if again else served.answer(request)
        serial = request.serial
        message[:] = bytes(len(message))  # and with it the password, which the request has there
        if answer is None:
            continue
        answer.serial = serial
        framed = frame(answer)
        if len(framed) > LIMIT:
            framed = frame(Answer(serial, Status.ERROR_INVALID_DATA, "its answer is too long"))
        os.write(answers, framed)


class _Served:
    def __init__(self) -> None:
        self._functions: Functions | None = None

    def answer(self, request: Request) -> Answer:
        """What came of *request*; never raises."""
        try:
            if isinstance(request, Look) and self._functions is None:
                self._functions = Functions(request.path, request.sha256)
            assert self._functions is not None  # noqa: S101 - the router begins with a Look
            return self._functions.answer(request)
        except BaseException as error:  # noqa: BLE001 - whatever goes wrong around the library is the answer
            status, message = failed(error)
            return Answer(0, status, sendable(message))
