"""Homes for tests: a cluster initialised once per machine and copied in a moment."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.core.embedded import binaries, postgresql, processes
from app.core.embedded.folders import give, make_server_home
from app.core.embedded.home import cache_folder, locked, make_home, read_or_create_secret
from app.core.embedded.processes import Account


def template(home: Path) -> None:
    """Put a copy of the cached, freshly initialised PostgreSQL data into an empty home.

    `initdb` takes one to three seconds, the copy about a fifth of one. All copies share one
    password: use it for tests and benchmarks only.

    Args:
        home: Created if missing; one that has data already is left alone.

    Raises:
        EmbeddedError: The cluster cannot be made; the message says why and what to do.
    """
    account = processes.unprivileged()
    make_home(home)
    server_home = home / "postgresql"
    make_server_home(server_home, account)
    if (server_home / "data").exists():
        return
    cached = _cached(account)
    if (cached / "software").exists() and not (home / "software").exists():
        (home / "software").symlink_to(cached / "software")
    shutil.copy2(cached / "postgresql" / "password", server_home / "password")
    data = server_home / "data"
    shutil.copytree(cached / "postgresql" / "data", data)
    if account is not None:
        for path in (data, *data.rglob("*")):
            give(path, account)


@contextmanager
def temporary_home() -> Iterator[Path]:
    """Give a home for a test session, with PostgreSQL initialised; removed at the end.

    It lies in the system's folder for temporary files and not in pytest's, which root's
    servers, running as `nobody`, cannot enter.
    """
    home = Path(tempfile.mkdtemp(prefix="fintech-"))
    try:
        if os.geteuid() == 0:
            home.chmod(0o711)
        template(home)
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _cached(account: Account | None) -> Path:
    folder = cache_folder()
    if not folder.is_dir():
        folder.mkdir(parents=True)
        folder.chmod(0o755 if account else 0o700)
    cached = folder / f"template-{binaries.postgresql_version()}"
    with locked(folder / "template.lock", "Another test session", wait=True):
        make_home(cached)
        server_home = cached / "postgresql"
        make_server_home(server_home, account)
        programs = binaries.find_postgresql(cached / "software", account)
        password = read_or_create_secret(server_home / "password")
        postgresql.initialise(server_home, programs, password, account)
    return cached
