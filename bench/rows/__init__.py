"""What is measured: one file for each row, or few rows, of the table."""

__all__ = ["ROWS", "WITH_SERVERS"]

ROWS = (
    "dispatch",
    "isolated_call",
    "native_call",
    "routing",
    "journal",
    "start",
    "connect",
    "throughput",
    "files",
    "restore",
    "memory",
    "events",
    "growth",
)
"""In the order of the table."""

WITH_SERVERS = frozenset({"connect", "throughput", "files", "restore", "memory"})
"""Those that log a user in to real servers, which takes root."""
