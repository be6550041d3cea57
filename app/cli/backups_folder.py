"""Where backups lie; apart from the commands, for what must run without settings."""

import os
from pathlib import Path

from app.core.backups.places import Folder, Place
from app.core.embedded import default_home

ENDING = ".backup"


def backups_folder() -> Path:
    """Say where backups lie unless told otherwise: `BACKUPS_FOLDER`, or `backups` in the home.

    What happened last is remembered there also when backups go into a bucket.
    """
    chosen = os.environ.get("BACKUPS_FOLDER")
    return Path(chosen) if chosen else default_home() / "backups"


def backups_place() -> Place:
    """Return where backups go: the bucket of `BACKUP_S3_URL`, or else the folder.

    Raises:
        BackupError: The bucket's address or the credentials cannot be used.
    """
    url = os.environ.get("BACKUP_S3_URL")
    return open_place(url) if url else Folder(backups_folder())


def open_place(where: str) -> Place:
    """Return a place by its path, or by its address `s3://bucket/prefix`.

    Raises:
        BackupError: The address or the credentials cannot be used.
    """
    if "://" not in where:
        return Folder(Path(where))
    # Only who has a bucket waits for its client.
    from app.cli.backups_bucket import open_bucket  # noqa: PLC0415

    return open_bucket(where)


def split_file(where: str) -> tuple[Place, str]:
    """Return the place of a backup, and the name it has there; "" for a place alone.

    Raises:
        BackupError: The address or the credentials cannot be used.
    """
    if not where.endswith(ENDING):
        return open_place(where), ""
    folder, _, name = where.rpartition("/")
    return open_place(folder or "."), name
