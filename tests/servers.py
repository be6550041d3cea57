"""PostgreSQL and Valkey for the tests, and a migrated database for each process."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from app.core import embedded

DATABASE = "FINTECH_TEST_DATABASE_URL"
BROKER = "FINTECH_TEST_REDIS_URL"
_ROOT = Path(__file__).parents[1]
_MIGRATION_SECONDS_MAX = 900
"""Machines that do much else at a time take minutes."""
_LOCK = 4_820_177_311


@contextmanager
def running() -> Iterator[dict[str, str]]:
    """Start the servers that the environment does not name; yield the names of all."""
    with ExitStack() as stack:
        found = {name: os.environ.get(name, "") for name in (DATABASE, BROKER)}
        if not all(found.values()):
            home = stack.enter_context(embedded.temporary_home())
        if not found[DATABASE]:
            server = stack.enter_context(embedded.postgres(home, durable=False))
            found[DATABASE] = server.url("tests")
        if not found[BROKER]:
            found[BROKER] = stack.enter_context(embedded.valkey(home, durable=False)).url
        yield found


@contextmanager
def cloned_database(worker: str) -> Iterator[str]:
    """Yield the URL of a migrated database of this process alone; dropped at the end."""
    server = os.environ[DATABASE]
    name = f"{_name(server)}_{worker}_{os.getpid()}"
    with psycopg.connect(server, autocommit=True) as connection:
        # One process builds the template while the others wait for it.
        connection.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
        template = _template(connection, server)
        _create(connection, name, template)
    try:
        yield _url(server, name)
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(
                sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
            )


def _template(connection: psycopg.Connection, server: str) -> str:
    """Return the database that today's migrations built, building it if there is none."""
    name = f"{_name(server)}_template_{_fingerprint()}"
    found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
    if found is None:
        partial = f"{name}_{os.getpid()}"
        _create(connection, partial, "template0")
        migrate(_url(server, partial))
        connection.execute(
            sql.SQL("ALTER DATABASE {} RENAME TO {}").format(
                sql.Identifier(partial), sql.Identifier(name)
            )
        )
    return name


def migrate(url: str) -> None:
    """Run the migrations as an operator would: `alembic upgrade head`."""
    subprocess.run(
        [sys.executable, "-m", "alembic", "upgrade", "head"],
        cwd=_ROOT,
        env={**os.environ, "DATABASE_URL": url},
        check=True,
        timeout=_MIGRATION_SECONDS_MAX,
    )


def _create(connection: psycopg.Connection, name: str, template: str) -> None:
    connection.execute(
        sql.SQL("CREATE DATABASE {} TEMPLATE {} ENCODING 'UTF8'").format(
            sql.Identifier(name), sql.Identifier(template)
        )
    )


def _fingerprint() -> str:
    digest = hashlib.sha256()
    for path in sorted((_ROOT / "migrations").rglob("*")):
        if path.suffix in (".py", ".sql"):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:10]


def _name(url: str) -> str:
    return urlsplit(url).path.strip("/") or "tests"


def _url(server: str, name: str) -> str:
    return urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
