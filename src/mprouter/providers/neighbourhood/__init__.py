"""Which hosts are near: those that announce themselves, and those that the user has written down.

What they serve, and how they are asked for it, is known by the network providers.
"""
