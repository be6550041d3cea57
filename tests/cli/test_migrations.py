"""What somebody is told whose database cannot be brought to the newest migration."""

import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from app.cli.migrations import MigrationError, migrate
from app.core.config import settings
from app.core.embedded import ports

NAME = f"migrations_{os.getpid()}"


def refusal(home: Path, url: str) -> str:
    """Return what is said of a database that cannot be migrated."""
    (home / "logs").mkdir()
    with pytest.raises(MigrationError) as caught:
        migrate(home, {**os.environ, "DATABASE_URL": url}, None)
    assert (home / "logs" / "migrations.log").read_text()
    return str(caught.value)


@pytest.fixture
def plain_login() -> Iterator[str]:
    """Give the URL of an empty database whose owner may make no roles and has none of ours."""
    url = settings.DATABASE_URL.get_secret_value()
    name, password = sql.Identifier(NAME), secrets.token_urlsafe()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(name, sql.Literal(password))
        )
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(name, name))
        try:
            server = urlsplit(url).netloc.rpartition("@")[2]
            yield f"postgresql://{NAME}:{password}@{server}/{NAME}"
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))
            connection.execute(sql.SQL("DROP ROLE {}").format(name))


def test_a_login_that_may_make_no_roles_is_told_who_makes_them(
    plain_login: str, tmp_path: Path
) -> None:
    said = refusal(tmp_path, plain_login)

    first, remedy, log = said.splitlines()
    assert "permission denied" in first or "must" in first
    assert "docs/guides/run.md" in remedy
    assert log == f"The log is {tmp_path / 'logs' / 'migrations.log'}."


def test_a_server_that_is_not_there_is_named_without_a_traceback(tmp_path: Path) -> None:
    port = ports.find_free()

    said = refusal(tmp_path, f"postgresql://x@127.0.0.1:{port}/x")

    assert f"port {port} failed: Connection refused" in said
    assert "correct DATABASE_URL" in said
    assert "Traceback" not in said
    assert "File" not in said
