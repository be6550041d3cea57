"""Where backups lie; apart from the commands, for what must run without settings."""

import os
from pathlib import Path

from app.core.embedded import default_home


def backups_folder() -> Path:
    """Say where backups lie unless told otherwise: `BACKUPS_FOLDER`, or `backups` in the home."""
    chosen = os.environ.get("BACKUPS_FOLDER")
    return Path(chosen) if chosen else default_home() / "backups"
