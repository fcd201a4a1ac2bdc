"""Real servers for tests, one file per network: OpenSSH, Samba, Apache's WebDAV, FTP, S3, all on loopback.

They need root (a password user of their own, `account.py`) and the packages that `tools/setup test` installs.
Passwords reach them through files and standard input only, so that a search for leaked ones finds real leaks.
"""
