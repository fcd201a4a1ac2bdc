"""A web server that is too busy for the first requests, and passes the others on to a real one."""

from __future__ import annotations

from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Busy", "busy"]


class Busy(ThreadingHTTPServer):
    """In front of the server at *port* of *host*. refused: how many requests were, of the *number* that are to be."""

    def __init__(self, host: str, port: int, number: int) -> None:
        super().__init__((host, 0), _Handler)
        self.target = host, port
        self.number = number
        self.refused = 0

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.server_port


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Busy

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if self.server.refused < self.server.number:
            self.server.refused += 1
            status, headers, answer = 503, {}, b""
        else:
            asking = HTTPConnection(*self.server.target)
            asking.request(self.command, self.path, body, dict(self.headers))
            got = asking.getresponse()
            status, headers, answer = got.status, dict(got.getheaders()), got.read()
            asking.close()
        self.send_response(status)
        for name in headers.keys() & {"Content-Type", "DAV", "Last-Modified", "WWW-Authenticate"}:
            self.send_header(name, headers[name])
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_HEAD = do_OPTIONS = do_PROPFIND = do_PROPPATCH = do_PUT = _answer  # noqa: N815 - http.server's names

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def busy(host: str, port: int, number: int) -> Iterator[Busy]:
    """One that runs."""
    with Busy(host, port, number) as made:
        thread = Thread(target=made.serve_forever)
        thread.start()
        try:
            yield made
        finally:
            made.shutdown()
            thread.join()
