"""Where user names and passwords come from: the call, the keyring, the credentials file, netrc (C8)."""
