"""Try the migrations on an empty PostgreSQL: up, in step with the models, and there and back."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory

from app.core import embedded

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = Path(sys.executable).parent
SECONDS_MAX = 600


def main() -> int:
    """Make all checks; the first that fails ends the program with its status."""
    with (
        embedded.temporary_home() as home,
        embedded.postgres(home, durable=False) as server,
    ):
        os.environ |= {
            "DATABASE_URL": server.url("migrations"),
            "SECRET_KEY": server.url("migrations"),  # any text that is long and random
            "APP_ENV": "development",
        }
        alembic("upgrade", "head")
        alembic("check")
        alembic("downgrade", "-1")
        alembic("upgrade", "head")
        alembic("downgrade", "base")
        alembic("upgrade", "head")
        lint(home)
    return 0


def alembic(*arguments: str) -> None:
    """Run one Alembic command."""
    print("alembic", *arguments, flush=True)
    subprocess.run([PROGRAMS / "alembic", *arguments], cwd=ROOT, check=True, timeout=SECONDS_MAX)


def lint(folder: Path) -> None:
    """Let squawk read the SQL that the migrations would run, for locks that stop everybody.

    The first migration creates what nobody uses yet, so it is left out.
    """
    revisions = sorted((ROOT / "migrations" / "versions").glob("*.py"))
    if len(revisions) < 2:
        print("squawk: only the first migration, which locks nobody out")
        return
    first = ScriptDirectory.from_config(Config(ROOT / "alembic.ini")).get_bases()[0]
    sql = subprocess.run(
        [PROGRAMS / "alembic", "upgrade", f"{first}:head", "--sql"],
        cwd=ROOT, check=True, capture_output=True, text=True, timeout=SECONDS_MAX,
    ).stdout  # fmt: skip
    with tempfile.NamedTemporaryFile("w", suffix=".sql", dir=folder) as file:
        file.write("SET lock_timeout = '4s';\n" + sql)  # as migrations/env.py does
        file.flush()
        print("squawk", len(revisions) - 1, "migration(s)", flush=True)
        # What scans a big table must be allowed to take its time; what waits for a lock must not.
        options = ["--exclude=require-statement-timeout"]
        subprocess.run([PROGRAMS / "squawk", *options, file.name], check=True, timeout=SECONDS_MAX)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except subprocess.CalledProcessError as error:
        sys.exit(f"failed: {' '.join(str(part) for part in error.cmd)}")
