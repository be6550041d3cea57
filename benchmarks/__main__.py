"""Starts PostgreSQL and Valkey of its own and runs the suite against them.

The servers are durable, as an installation's are: what a disk costs belongs into the figures.
"""

import argparse
import os
import secrets
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from app.core import embedded
from benchmarks.measuring import POSTGRESQL, VALKEY

ROOT = Path(__file__).parent.parent
# What the operator's shell may hold for the program; the benchmarks bring their own.
_OPERATORS = ("DATABASE_", "REDIS_", "SECRET_", "ENCRYPTION_", "PLAID_", "OPENAI_", "FINTECH_")


def main() -> int:
    """Run the figures that were asked for; 0 when all were measured, kept or missed."""
    options = argparse.ArgumentParser(prog="make bench", description=__doc__)
    options.add_argument(
        "--only", default="", help="Measure the figures whose names begin so, comma-separated."
    )
    options.add_argument("--quick", action="store_true", help="Less data, fewer rounds.")
    options.add_argument("--home", type=Path, help="Keep servers and data here for the next run.")
    asked = options.parse_args()
    with ExitStack() as stack:
        home = asked.home or stack.enter_context(embedded.temporary_home())
        database = stack.enter_context(embedded.postgres(home))
        broker = stack.enter_context(embedded.valkey(home))
        assert database.child is not None and broker.child is not None  # noqa: PT018
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(_OPERATORS)
        } | {
            "APP_ENV": "production",
            "LOG_LEVEL": "WARNING",
            "SECRET_KEY": secrets.token_urlsafe(48),
            "DATABASE_URL": database.url("benchmarks"),
            "REDIS_URL": broker.url,
            POSTGRESQL: str(database.child.process.pid),
            VALKEY: str(broker.child.process.pid),
        }
        migrate = [sys.executable, "-m", "alembic", "upgrade", "head"]
        subprocess.run(migrate, cwd=ROOT, env=environment, check=True)
        suite = [sys.executable, "-m", "benchmarks.suite", f"--only={asked.only}"]
        suite += ["--quick"] if asked.quick else []
        return subprocess.run(suite, cwd=ROOT, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
