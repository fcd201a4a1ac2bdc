"""For the tests of notifyees and providers, ours or a stranger's: contracts to run, and a router that only records.

``docs/testing.md`` shows them in use. Nothing here needs pytest to be imported; the contracts' tests are plain methods.
"""

from mprouter.testing.contract import NotifyeeContract
from mprouter.testing.provider import ProviderContract
from mprouter.testing.recording import RecordingRouter, Result

__all__ = ["NotifyeeContract", "ProviderContract", "RecordingRouter", "Result"]
