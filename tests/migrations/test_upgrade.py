"""XM1: what a released version left in the database, under today's schema and program."""

import os
import re
import subprocess
import sys
from collections import Counter
from hashlib import sha256
from pathlib import Path

import pytest

from app.core import embedded
from app.core.embedded.postgresql import PostgreSQLServer
from tests.migrations.record import RELEASED, SECRET_KEY

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
ALEMBIC, FINTECH = ("-m", "alembic"), ("-c", "from app.cli import main; main()")
FROZEN = {
    "migrations/versions/2026_11_23_0001_the_first_schema.py": "a68f7b6a8de7eb14",
    # Since then it only takes roles that are there already: the schema is the same.
    "migrations/sql/first_schema_guards.sql": "a05f2aabfaf0f114",
}
INSERT = re.compile(r"INSERT INTO public\.(\w+) ")
NO_TRIGGERS = "SET session_replication_role = replica;\n"
"""As pg_restore does: the rows that triggers made are in the file too."""


@pytest.fixture(scope="module")
def server():
    with embedded.temporary_home() as home, embedded.postgres(home, durable=False) as running:
        yield running


def run(url: str, *command: str) -> str:
    done = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT, env={**os.environ, "DATABASE_URL": url, "SECRET_KEY": SECRET_KEY},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def released(server: PostgreSQLServer, file: Path, name: str) -> str:
    """Make a database as the release of this file left it."""
    url = server.url(name)
    run(url, *ALEMBIC, "upgrade", file.stem)
    server.query(NO_TRIGGERS + file.read_text(encoding="utf-8"), database=name)
    return url


def tables_of(server: PostgreSQLServer, name: str) -> set[str]:
    found = server.query(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        " AND relkind IN ('r', 'p') AND NOT relispartition",
        database=name,
    )
    return set(found.split()) - {"alembic_version"}


def counts_of(server: PostgreSQLServer, name: str, tables: set[str]) -> Counter[str]:
    counted = {
        table: int(server.query(f"SELECT count(*) FROM {table}", database=name)) for table in tables
    }
    return Counter(counted)


@pytest.mark.parametrize("file", sorted(RELEASED.glob("*.sql")), ids=lambda file: file.stem)
def test_XM1_the_data_of_a_release_are_whole_and_sound_under_todays_schema(server, file):
    name = f"from_{file.stem}"
    url = released(server, file, name)
    tables = tables_of(server, name)
    written = Counter(INSERT.findall(file.read_text(encoding="utf-8")))
    assert set(written) == tables, "a table of the release has no row in its record"
    said = "SELECT source_id, amount, description, counterparty, category_id, note, is_live"
    shown = f"{said} FROM transactions ORDER BY household_id, id"
    before = server.query(shown, database=name)

    run(url, *ALEMBIC, "upgrade", "head")

    assert counts_of(server, name, tables & tables_of(server, name)) == written
    assert server.query(shown, database=name) == before
    assert " 0 with findings" in run(url, *FINTECH, "verify", "--all")
    assert "The journal and the ledger tell the same." in run(url, *FINTECH, "replay", "--verify")


@pytest.mark.parametrize("file", sorted(RELEASED.glob("*.sql")), ids=lambda file: file.stem)
def test_XM1_the_newest_migration_goes_back_and_forth_over_data(server, file):
    """Back to the release at most: what nobody had before it cannot be kept without it."""
    name = f"back_{file.stem}"
    url = released(server, file, name)
    run(url, *ALEMBIC, "upgrade", "head")
    before = counts_of(server, name, tables_of(server, name))

    if server.query("SELECT version_num FROM alembic_version", database=name) != file.stem:
        run(url, *ALEMBIC, "downgrade", "-1")
        run(url, *ALEMBIC, "upgrade", "head")

    assert counts_of(server, name, tables_of(server, name)) == before
    assert " 0 with findings" in run(url, *FINTECH, "verify", "--all")


def test_XM1_the_first_schema_is_frozen():
    """Databases hang on it: another one would be a schema that no upgrade leads to."""
    digests = {name: sha256((ROOT / name).read_bytes()).hexdigest()[:16] for name in FROZEN}

    assert digests == FROZEN, "change the schema by a migration of its own: make migration"
