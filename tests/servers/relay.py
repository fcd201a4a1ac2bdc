"""A network between a client and a server that can be cut: a TCP relay that refuses, falls silent, and comes back."""

from __future__ import annotations

import socket
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import TYPE_CHECKING

from servers.daemon import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Relay", "relay"]


class Relay:
    """A port of its own, behind which the server is. It begins as a network that works."""

    def __init__(self, host: str, target: int, server: str | None = None) -> None:
        """*target*: the server's port on *host*, or on *server*."""
        self.port = free_port(host)
        self._host = host
        self._server = server or host
        self._target = target
        self._flowing = Event()
        self._forgotten: list[Event] = []
        self._connections: set[socket.socket] = set()
        self._listener: socket.socket | None = None
        self._word = b""
        self._held, self._released = Event(), Event()
        self.restore()

    def refuse(self) -> None:
        """Break all connections and refuse new ones, as a host does whose server is gone."""
        if self._listener is not None:
            _close(self._listener)
            self._listener = None
        for connection in list(self._connections):
            _close(connection)
        self._connections.clear()
        for each in (self._flowing, self._released, *self._forgotten):
            each.set()  # so that those who wait see the end

    def hang(self) -> None:
        """Let nothing through any more, without a word, as where a cable was pulled; connections stay."""
        self._flowing.clear()

    def forget(self) -> None:
        """Let nothing through of what is connected, for good and without a word; what connects from now on works.

        So it is for a client that has got another address, as from a VPN that was dialled again.
        """
        self._flowing.clear()
        self._forgotten.append(self._flowing)
        self._flowing = Event()
        self.restore()

    def hold(self, word: bytes) -> Event:
        """Let nothing through any more of the next connection whose client says *word*; set when one has said it."""
        self._word = word
        return self._held

    def release(self) -> None:
        """Let through what was held back in ``hold``."""
        self._released.set()

    def restore(self) -> None:
        """Let everything through again; what was held back in ``hang`` goes on."""
        self._flowing.set()
        if self._listener is None:
            self._listener = socket.create_server((self._host, self.port))
            Thread(target=self._accept, args=[self._listener], daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):  # until it is closed
            while True:
                client, _ = listener.accept()
                self._connections.add(client)
                Thread(target=self._serve, args=[client], daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        flowing = self._flowing
        flowing.wait()
        try:
            server = socket.create_connection((self._server, self._target))
        except OSError:
            _close(client)
            return
        self._connections.add(server)
        Thread(target=self._pump, args=[client, server, flowing], daemon=True).start()
        self._pump(server, client, flowing)

    def _pump(self, source: socket.socket, sink: socket.socket, flowing: Event) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 18):
                flowing.wait()
                if self._word and self._word in data:
                    self._word = b""
                    self._held.set()
                    self._released.wait()
                sink.sendall(data)
        for each in (source, sink):
            _close(each)
            self._connections.discard(each)


@contextmanager
def relay(host: str, target: int, server: str | None = None) -> Iterator[Relay]:
    """Run one on *host* before the port *target* there, or of another *server*."""
    made = Relay(host, target, server)
    try:
        yield made
    finally:
        made.refuse()


def _close(connection: socket.socket) -> None:
    with suppress(OSError):  # wakes those who wait on it, which close alone does not
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
