"""Small file systems, to be filled; only root of a Linux can mount one."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

MEGABYTE = 1024**2


@contextmanager
def small_disk(megabytes: int) -> Iterator[Path]:
    """Mount a disk of this size, if we may; it is taken away at the end."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root of a Linux can mount a small disk")
    # Not pytest's folder, which the server, running as nobody, cannot enter.
    folder = Path(tempfile.mkdtemp(prefix="fintech-disk-"))
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", folder]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        folder.rmdir()
        pytest.skip(f"this machine lets nobody mount a disk: {done.stderr.strip()}")
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
        folder.rmdir()


def fill(folder: Path, leave: int) -> Path:
    """Take all room but so many bytes."""
    ballast = folder / "ballast"
    free = os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize
    with ballast.open("wb") as file:
        while file.tell() < free - leave:
            file.write(bytes(min(MEGABYTE, free - leave - file.tell())))
    return ballast
