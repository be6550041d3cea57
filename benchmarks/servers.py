"""PostgreSQL and Valkey of their own for benchmarks, durable as an installation's are."""

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from app.core import embedded
from benchmarks.measuring import POSTGRESQL, VALKEY

ROOT = Path(__file__).parent.parent
# What the operator's shell may hold for the program; the benchmarks bring their own.
_OPERATORS = ("DATABASE_", "REDIS_", "SECRET_", "ENCRYPTION_", "PLAID_", "OPENAI_", "FINTECH_")


@contextmanager
def running(home: Path | None = None) -> Iterator[dict[str, str]]:
    """Start both with a migrated database; yield the environment of programs that use them.

    Args:
        home: Keeps servers and data for the next time; None: they are thrown away.
    """
    with ExitStack() as stack:
        home = home or stack.enter_context(embedded.temporary_home())
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
        yield environment
