"""The program behind `ftp.py`: pyftpdlib on two ports, set by the JSON file that is its argument."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import TLS_FTPHandler
from pyftpdlib.ioloop import IOLoop
from pyftpdlib.servers import FTPServer

READ, WRITE = "elr", "adfmwMT"


class OnRequest(TLS_FTPHandler):
    """Plain until the client sends AUTH TLS."""


class FromTheStart(TLS_FTPHandler):
    """TLS before the first word, as on port 990."""

    def handle(self) -> None:
        self.secure_connection(self.ssl_context)

    def handle_ssl_established(self) -> None:
        super().handle()


def main(settings_file: str) -> None:
    settings = json.loads(Path(settings_file).read_text())
    authorizer = DummyAuthorizer()
    authorizer.add_user(settings["user"], settings["password"], settings["root"], perm=READ + WRITE)
    authorizer.override_perm(settings["user"], f"{settings['root']}/readonly", READ, recursive=True)
    loop = IOLoop()
    for handler, port in ((OnRequest, settings["port"]), (FromTheStart, settings["tls_port"])):
        handler.authorizer = authorizer
        handler.certfile, handler.keyfile = settings["certificate"], settings["key"]
        handler.auth_failed_timeout = 0  # tests give many wrong passwords
        FTPServer((settings["host"], port), handler, ioloop=loop).max_cons_per_ip = settings["most"]
    loop.loop()


main(sys.argv[1])
