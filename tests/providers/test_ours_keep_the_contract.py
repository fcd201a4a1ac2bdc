"""The providers of this package keep the contract that strangers' are tested against, with real servers.

One with a server and one without run all of it; the others, which connect in the same way, what differs.
"""

from __future__ import annotations

import pytest

from mprouter.providers.rclone.provider import RcloneProvider
from mprouter.testing import ProviderContract
from sandbox import Places
from shares import Share


class OfAShare(ProviderContract):
    share: Share

    def prepare(self, share: Share) -> None:
        self.share = share
        share.put("hello.txt", "hello\n")
        self.remote_name, self.missing_name = share.url, f"{share.url}/not%20there"
        self.content, self.options = ["hello.txt"], share.options
        self.user, self.password = share.user, share.password

    def provider(self) -> RcloneProvider:
        return type(self.share.provider)(stall=5)


class TestOurs(OfAShare):
    @pytest.fixture(autouse=True, params=["sftp", "file"])
    def _prepare(self, request: pytest.FixtureRequest, places: Places) -> None:
        del places  # they are in the environment
        self.prepare(request.getfixturevalue(f"{request.param}_share"))


@pytest.mark.parametrize("network", ["smb", "webdav", "ftp", "s3"])
def test_the_others_of_ours_too(network: str, request: pytest.FixtureRequest, places: Places) -> None:
    del places
    contract = OfAShare()
    contract.prepare(request.getfixturevalue(f"{network}_share"))
    contract.test_it_can_be_registered()
    contract.test_r2_it_claims_its_names_and_no_others_without_the_network()
    contract.test_n4_it_knows_its_options_without_the_network()
    contract.test_it_connects_is_found_again_and_disconnects()
