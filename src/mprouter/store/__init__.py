"""What a user's processes share: connections, the remembered ones, the journal of what is under way, and the events.

Mount state is not here: whether a connection still works, its provider tells. Nor is any password: see
``mprouter.credentials``.
"""

from mprouter.store.model import Entry, EventRecord, Operation, Owed, Remembered
from mprouter.store.store import FILE_NAME, Store

__all__ = ["FILE_NAME", "Entry", "EventRecord", "Operation", "Owed", "Remembered", "Store"]
