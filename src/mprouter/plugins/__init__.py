"""Code of others, notifyees and providers alike: the files that register it, what these name, and trust in it."""
