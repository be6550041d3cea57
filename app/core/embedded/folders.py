"""Folders and files that belong to the account a server runs as."""

import os
from pathlib import Path

from app.core.embedded import processes
from app.core.embedded.home import EmbeddedError
from app.core.embedded.processes import Account


def make_server_home(server_home: Path, account: Account | None) -> None:
    """Create the folder of one server inside a home, and try whether the server gets there.

    Raises:
        EmbeddedError: The account cannot enter it; the message names the folder that is closed.
    """
    if not server_home.is_dir():
        server_home.mkdir()
        # Others may pass through to what is theirs, not look.
        server_home.chmod(0o711 if account else 0o700)
    if account is None:
        return
    result = processes.run(["/bin/sh", "-c", 'cd -- "$1"', "sh", server_home], account)
    if result.returncode != 0:
        raise EmbeddedError(
            f"As root, the servers run as the user nobody, who cannot enter {server_home}: "
            f"{_closed_folder(server_home)} is closed to others. Set FINTECH_HOME to a folder "
            "that everybody can pass through, such as /var/lib/fintech, or run as a normal user."
        )


def make_folder(folder: Path, account: Account | None) -> None:
    """Create a folder that only the account can use."""
    folder.mkdir(mode=0o700)
    give(folder, account)


def give(path: Path, account: Account | None) -> None:
    """Make the account the owner; nothing to do when the servers run as ourselves."""
    if account is not None:
        os.chown(path, account.user_id, account.group_id)


def _closed_folder(path: Path) -> Path:
    chain = [*reversed(path.parents), path]
    return next((folder for folder in chain if not folder.stat().st_mode & 0o001), path)
