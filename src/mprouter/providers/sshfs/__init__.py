"""SFTP by the program ``sshfs``, for those to whom its speed is worth more than rclone's cache: docs/networks.md.

It takes part only where a file in ``providers.d`` says so. Each connection is an sshfs of its own, found again by the
directory that it mounts on; ssh itself verifies the server and finds the keys. Where sshfs cannot do what is wanted the
answer is ERROR_NOT_SUPPORTED, so that the router goes on to the provider ``sftp`` (R3).

``provider.py`` is what the router sees, ``attempt.py`` logs on and mounts, ``served.py`` knows processes and mounts,
``health.py`` what the doctor looks at.
"""

from mprouter.providers.sshfs.provider import Sshfs

__all__ = ["Sshfs"]
