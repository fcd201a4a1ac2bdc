"""Browsing of what rclone connects: which servers there are, what is on them, what a name stands for, how fast it is.

``kinds.py`` tells from a name alone what it stands for, ``look.py`` asks servers what they have, ``remarks.py``
asks SMB servers what they say of their shares, ``speed.py`` asks the kernel how fast a connection is. ``browse.py`` has
the answers as the router wants them.
"""
