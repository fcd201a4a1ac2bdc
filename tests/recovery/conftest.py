"""Fixtures: a user with a notifyee of each kind and a resource of a real server."""

from __future__ import annotations

import shutil
from itertools import count

import pytest

from crashes import World
from sandbox import Places
from servers.sftp import SftpServer

_numbers = count(1)


@pytest.fixture
def world(places: Places, sftp_server: SftpServer) -> World:
    root = sftp_server.directory(f"world-{next(_numbers)}")
    options = ("-o", f"known_hosts={sftp_server.known_hosts}", "-o", f"key_file={sftp_server.key}")
    return World(places, sftp_server.url(root), options, root)


@pytest.fixture
def alone(world: World) -> World:
    """A world without notifyees."""
    shutil.rmtree(world.places.config / "notifyees.d")
    return world
