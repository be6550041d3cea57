"""Backups of a database as clouds give them, where nobody is a superuser or passes policies by."""

import os
import subprocess
import sys

import pytest

from app.core import embedded

REGISTER = """
from app.features.users import service
for name in ("ada", "ben"):
    service.register(f"{name}@example.org", "violet-harbor-lantern-7", name)
"""
COUNTS = """SELECT (SELECT count(*) FROM households) || ' ' || (SELECT count(*) FROM users)
|| ' ' || (SELECT count(*) FROM categories)"""
OWNER = "SELECT proowner::regrole::text FROM pg_proc WHERE proname = 'search_transactions'"
PROGRAM = "from app.cli import main; import sys; main(sys.argv[1:])"


def run(*command, **environment):
    done = subprocess.run(
        [sys.executable, *command],
        env={**os.environ, **environment}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_managed_databases_owner_backs_up_every_household_checks_and_restores(tmp_path):
    with embedded.temporary_home() as home, embedded.postgres(home, durable=False) as server:
        for statement in (
            "CREATE ROLE app_owner LOGIN CREATEROLE CREATEDB PASSWORD 'pw'",
            "CREATE DATABASE managed OWNER app_owner",
            "CREATE DATABASE again OWNER app_owner",
        ):
            server.query(statement, database="postgres")
        address = f"postgresql://app_owner:pw@127.0.0.1:{server.port}"
        managed = {"DATABASE_URL": f"{address}/managed", "BACKUPS_FOLDER": str(tmp_path)}
        run("-m", "alembic", "upgrade", "head", **managed)
        run("-c", REGISTER, **managed)

        run("-c", PROGRAM, "backup", **managed)
        assert "; 0 differences." in run("-c", PROGRAM, "restore", "--check", **managed)
        [file] = tmp_path.glob("*.backup")
        run("-c", PROGRAM, "restore", str(file), DATABASE_URL=f"{address}/again")

        for question in (COUNTS, OWNER, "SELECT version_num FROM alembic_version"):
            assert server.query(question, database="again") == server.query(
                question, database="managed"
            )
        assert server.query(COUNTS, database="again").startswith("2 2 ")
        assert server.query(OWNER, database="again") == "fintech_system"
