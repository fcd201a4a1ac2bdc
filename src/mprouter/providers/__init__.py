"""Network providers: who makes and breaks connections, one kind of network each."""

DIRECTORY = "providers.d"
"""The directory of drop-in files, in the system directory and in the user's."""
