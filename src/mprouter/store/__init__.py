"""What a user's processes share: connections, the profile of remembered ones, and the record of events.

Mount state is not here: whether a connection still works, its provider tells. Nor is any password: see
``mprouter.credentials``.
"""

from mprouter.store.model import Entry, EventRecord, Remembered
from mprouter.store.store import FILE_NAME, Store

__all__ = ["FILE_NAME", "Entry", "EventRecord", "Remembered", "Store"]
