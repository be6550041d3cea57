"""The home of an embedded installation: where it lies, its secrets and its locks."""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SECRET_BYTES = 32


class EmbeddedError(Exception):
    """An embedded server cannot run here; the message says why and what to do."""


def default_home() -> Path:
    """Say where an installation keeps its data unless told otherwise.

    Returns:
        `FINTECH_HOME` if it is set; for root `/var/lib/fintech`, because the servers run as
        `nobody`, who cannot enter root's own folder; else the folder of the XDG standard.
    """
    if chosen := os.environ.get("FINTECH_HOME"):
        return Path(chosen).expanduser().absolute()
    if os.geteuid() == 0:
        return Path("/var/lib/fintech")
    shared = os.environ.get("XDG_DATA_HOME", "")
    base = Path(shared) if shared.startswith("/") else Path.home() / ".local" / "share"
    return base / "fintech"


def cache_folder() -> Path:
    """Say where things that can be made again are kept for all homes of this user."""
    if os.geteuid() == 0:
        return Path("/var/cache/fintech")
    shared = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(shared) if shared.startswith("/") else Path.home() / ".cache"
    return base / "fintech"


def make_home(home: Path) -> None:
    """Create the folder if it is missing; one that exists keeps its mode.

    Root's is 0711 so that `nobody` can reach the servers' folders inside; everyone else's
    is 0700.
    """
    if not home.is_dir():
        home.mkdir(parents=True)
        home.chmod(0o711 if os.geteuid() == 0 else 0o700)


def read_or_create_secret(path: Path) -> str:
    """Return the secret kept in `path` (mode 0600), making a random one the first time."""
    try:
        return path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        secret = secrets.token_urlsafe(SECRET_BYTES)
        write_private(path, secret)
        return secret


def write_private(path: Path, text: str) -> None:
    """Write `text` so that no other user can read it and no crash leaves half of it."""
    partial = path.with_name(path.name + ".new")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


@contextmanager
def locked(path: Path, what: str, *, wait: bool = False) -> Iterator[None]:
    """Hold the lock file `path` while the block runs.

    The kernel lets go of the lock when this process ends, however it ends, so a lock never
    outlives its holder.

    Args:
        path: The lock file; created if missing and never removed.
        what: What is locked, for the message.
        wait: Wait for the present holder instead of refusing.

    Raises:
        EmbeddedError: Another process holds it and `wait` is false.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
            raise EmbeddedError(
                f"{what} is already running from {path.parent} (process {holder}). "
                "Stop it there first, or set FINTECH_HOME to another folder to run a second one."
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode("ascii"), 0)
        yield
    finally:
        os.close(descriptor)
