"""The dialogs at a terminal: choose something from the network and connect it, or something connected and end it.

They are plain lines on standard error, numbered where there is something to choose, so that they can be read aloud,
and standard output is left to whoever calls. ``person.py`` talks, ``choosing.py`` looks around, ``connecting.py`` and
``disconnecting.py`` are the two dialogs. Nothing is decided here about connections that the router does not decide.
"""
