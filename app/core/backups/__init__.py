"""Backups: a sealed dump, a manifest that says what is in it, and the way back."""


class BackupError(Exception):
    """A backup cannot be made, read or restored; the message says why and what to do."""
