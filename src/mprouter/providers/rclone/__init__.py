"""The data plane: connections that rclone mounts through FUSE.

``provider.py`` is the way of one connection; ``sftp.py``, ``smb.py`` and so on are what each network adds to it.
Beneath them, one room per idea: ``program.py`` starts rclone, ``daemon.py`` has the one that runs for this user,
``rc.py`` talks to it, ``reach.py`` asks the network, ``mounts.py`` the kernel, ``unsent.py`` knows what waits in the
cache, ``flush.py`` waits for it, ``hold.py`` keeps a file system of rclone's alive meanwhile, and ``failures.py`` knows
what errors mean.
"""
