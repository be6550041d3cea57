"""Where backups lie: a folder, or what is like it in a bucket (`bucket.py`)."""

import fcntl
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from app.core.backups import BackupError
from app.core.embedded.home import write_private

RESERVE_BYTES = 64_000_000
"""Left free on the disk of the backups."""


class Place(Protocol):
    """Keeps files by name. Each call raises BackupError, saying why, when the place fails."""

    def path(self, name: str) -> str:
        """Return what people call a file here."""

    def alone(self) -> AbstractContextManager[None]:
        """Let one process at a time make backups here, and remove what a killed one began."""

    def check_room(self, needed: int) -> None:
        """Refuse before anything is written when so many bytes will not fit."""

    def names(self) -> set[str]:
        """Return the names of all files here."""

    def write(self, name: str, parts: Iterable[bytes]) -> None:
        """Keep a file: whole and durable when this returns, and not there before."""

    def write_text(self, name: str, text: str) -> None:
        """Keep a small file, replacing one of that name."""

    def read_text(self, name: str) -> str | None:
        """Return a small file; None if there is none."""

    def size(self, name: str) -> int | None:
        """Return how many bytes a file has; None if there is none."""

    def open(self, name: str) -> AbstractContextManager[IO[bytes]]:
        """Open a file to read it from its beginning."""

    def delete(self, name: str) -> None:
        """Forget a file; it need not be there."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of this machine."""

    folder: Path

    def path(self, name: str) -> str:
        """Return the path of a file."""
        return str(self.folder / name)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the folder's lock, which ends with the process."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            for left in self.folder.glob("fintech-*.part"):
                left.unlink()
            yield
        finally:
            os.close(descriptor)

    def check_room(self, needed: int) -> None:
        """Compare with what the disk has free, beside a reserve."""
        free = shutil.disk_usage(self.folder).free
        if free < needed + RESERVE_BYTES:
            raise BackupError(
                f"{free / 1e6:,.0f} MB are free at {self.folder}, the database has "
                f"{needed / 1e6:,.0f} MB: make room, or name another folder."
            )

    def names(self) -> set[str]:
        """Return the names of all files in the folder; none where there is no folder."""
        return {path.name for path in self.folder.glob("*")}

    def write(self, name: str, parts: Iterable[bytes]) -> None:
        """Write under another name, make it durable, then give it its own."""
        file, partial = self.folder / name, self.folder / f"{name}.part"
        try:
            descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as target:
                for part in parts:
                    target.write(part)
                target.flush()
                os.fsync(target.fileno())
            partial.rename(file)
            _make_durable(self.folder)
        except OSError as error:
            raise BackupError(f"{file} cannot be written: {error.strerror}") from None
        finally:
            partial.unlink(missing_ok=True)

    def write_text(self, name: str, text: str) -> None:
        """Write it for its owner alone."""
        write_private(self.folder / name, text)

    def read_text(self, name: str) -> str | None:
        """Return it, or None."""
        try:
            return (self.folder / name).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise BackupError(f"{self.folder / name} cannot be read: {error}") from None

    def size(self, name: str) -> int | None:
        """Return its bytes, or None."""
        file = self.folder / name
        return file.stat().st_size if file.is_file() else None

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """Open it."""
        with (self.folder / name).open("rb") as source:
            yield source

    def delete(self, name: str) -> None:
        """Delete it."""
        (self.folder / name).unlink(missing_ok=True)


def _make_durable(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
