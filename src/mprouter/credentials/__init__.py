"""Where user names and passwords come from: the call, the keyring, the credentials file, netrc (C8).

Asking the person at the terminal is not here: that is the ``Conversation`` of a request.
"""

from mprouter.credentials.credentials import Credentials, forget, save
from mprouter.credentials.secret import Found, Secret

__all__ = ["Credentials", "Found", "Secret", "forget", "save"]
