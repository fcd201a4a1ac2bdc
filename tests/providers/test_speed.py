"""How fast a connection is, as the kernel has measured it."""

from __future__ import annotations

import os
import socket
from threading import Thread

import pytest

from mprouter.providers.base import Performance, PerformanceFlag
from mprouter.providers.rclone.browsing.speed import measured, performance
from servers.daemon import free_port, wait_for
from servers.relay import relay


@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_the_rate_is_that_of_the_network_and_not_of_the_program(family: socket.AddressFamily, host: str) -> None:
    with socket.create_server((host, 0), family=family) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection((host, port)) as client:
            server, _ = listener.accept()
            (idle,) = [each for each in measured(os.getpid()) if each.port == port]
            assert (idle.address, idle.rate) == (host, None)
            assert 0 < idle.rtt < 1

            def drain() -> None:
                while server.recv(1 << 16):
                    pass

            def has_rate() -> bool:
                client.sendall(bytes(1 << 22))
                return any(each.port == port and each.rate for each in measured(os.getpid()))

            reader = Thread(target=drain)
            reader.start()
            wait_for(has_rate, "a rate")
            told = performance(os.getpid(), [(host, port)])
            assert told.flags is PerformanceFlag.DYNAMIC
            assert told.delay >= 1
            client.shutdown(socket.SHUT_WR)
            reader.join()
            server.close()


def test_without_a_connection_one_is_made_to_measure_the_delay() -> None:
    with relay("127.0.0.1", free_port()) as listening:
        port = listening.port
        told = performance(os.getpid(), [("127.0.0.1", free_port()), ("127.0.0.1", port)])
    assert (told.flags, told.speed) == (PerformanceFlag.DYNAMIC, 0)
    assert told.delay >= 1


def test_what_cannot_be_measured_is_unknown() -> None:
    unknown = Performance(PerformanceFlag.DYNAMIC)
    assert performance(os.getpid(), []) == unknown
    assert performance(os.getpid(), [("127.0.0.1", free_port()), ("nobody.invalid", 1)]) == unknown
