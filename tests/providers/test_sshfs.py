"""SFTP by sshfs: what it is for those who enable it, with the tests' OpenSSH server."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mprouter.providers.sshfs import Sshfs
from mprouter.testing import ProviderContract
from sandbox import Places
from shares import Share


@pytest.fixture
def by_sshfs(sftp_share: Share) -> Share:
    """The share of SFTP, with a password."""
    return replace(sftp_share, provider=Sshfs())  # type: ignore[arg-type]  # it connects like any other


class TestSshfs(ProviderContract):
    @pytest.fixture(autouse=True)
    def _prepare(self, by_sshfs: Share, places: Places) -> None:
        del places
        by_sshfs.put("hello.txt", "hello\n")
        self.remote_name, self.missing_name = by_sshfs.url, f"{by_sshfs.url}/not%20there"
        self.content, self.options, self.password = ["hello.txt"], by_sshfs.options, by_sshfs.password

    def provider(self) -> Sshfs:
        return Sshfs()
