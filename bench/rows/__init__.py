"""What is measured: one file for each row, or few rows, of the table."""

__all__ = ["ROWS"]

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
