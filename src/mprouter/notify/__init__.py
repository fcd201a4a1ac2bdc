"""The Connection Notification API: who is told of connections, in which order, and what becomes of the answers."""
