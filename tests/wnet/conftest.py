"""The functions of winnetwk.h on a router of the test's own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from foreign import Foreign
from mprouter import Router, default
from sandbox import Places


@pytest.fixture(autouse=True)
def own_router(router: Router, monkeypatch: pytest.MonkeyPatch) -> Router:
    """The one that the functions use."""
    monkeypatch.setattr(default, "_default", router)
    return router


@pytest.fixture
def foreign(places: Places, monkeypatch: pytest.MonkeyPatch) -> Iterator[Foreign]:
    """A stranger's network provider, the only one that there is."""
    del places  # they are in the environment
    provider = Foreign()
    with Router(providers=[provider], drop_ins=False) as made:
        monkeypatch.setattr(default, "_default", made)
        yield provider
