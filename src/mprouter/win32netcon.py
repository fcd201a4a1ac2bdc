"""pywin32's module ``win32netcon``, as far as it concerns ``win32wnet``; numbers are signed there."""

from mprouter.wnet.constants import *  # noqa: F403

RESOURCETYPE_UNKNOWN = -1
RESOURCEUSAGE_RESERVED = -0x80000000
CONNECT_RESERVED = -0x1000000
