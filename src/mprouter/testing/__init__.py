"""For the tests of notifyees, ours or a stranger's: a contract to run, and a router that only records.

``docs/testing.md`` shows both in use. Nothing here needs pytest to be imported; the contract's tests are plain methods.
"""

from mprouter.testing.contract import NotifyeeContract
from mprouter.testing.recording import RecordingRouter, Result

__all__ = ["NotifyeeContract", "RecordingRouter", "Result"]
