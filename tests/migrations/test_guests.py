"""XM1: guests under the schema before them: they are gone, and nobody else is."""

import os
import subprocess
import sys

import pytest

from app.core import embedded

_FILL = """
from sqlalchemy import text
from app.core import database
from tests.factories import people
from tests.features.proof import ledgers
ada = people.person("Ada")
people.member(ada, "Ben")
gus = people.member(ada, "Gus", role="guest")
ledgers.fill_with_holdings(ada.household_id)
with database.household_transaction(ada.household_id) as session:
    account_id = session.scalars(text("SELECT id FROM accounts LIMIT 1")).one()
people.share(ada.household_id, gus.user_id, account_id)
people.invitation(ada.household_id, ada.user_id, "guest")
people.invitation(ada.household_id, ada.user_id, "viewer")
"""
ALEMBIC, FINTECH = ("-m", "alembic"), ("-c", "from app.cli import main; main()")
BEFORE_GUESTS = "0019"
OWNER = "CREATE ROLE app_owner LOGIN CREATEROLE NOINHERIT PASSWORD 'pw'"
"""Whom no policy lets through by itself: roles that it is given, it has to assume."""
NO_HINTS = "redis://127.0.0.1:1/0"
LEFT = """
SELECT (SELECT string_agg(role, ' ' ORDER BY role) FROM memberships) || ' | '
    || (SELECT string_agg(role, ' ') FROM invitations)
"""


@pytest.mark.slow
def test_XM1_guests_go_with_the_schema_that_knows_them_also_where_nobody_is_a_superuser():
    with embedded.temporary_home() as home, embedded.postgres(home, durable=False) as server:
        server.query(OWNER, database="postgres")
        server.query("CREATE DATABASE managed OWNER app_owner", database="postgres")
        address = f"postgresql://app_owner:pw@127.0.0.1:{server.port}/managed"

        def run(*command: str) -> str:
            done = subprocess.run(
                [sys.executable, *command],
                env={**os.environ, "DATABASE_URL": address, "REDIS_URL": NO_HINTS},
                capture_output=True, text=True, check=False, timeout=120,
            )  # fmt: skip
            assert done.returncode == 0, done.stdout + done.stderr
            return done.stdout

        run(*ALEMBIC, "upgrade", "head")
        run("-c", _FILL)
        assert " 0 with findings" in run(*FINTECH, "verify", "--all")

        run(*ALEMBIC, "downgrade", BEFORE_GUESTS)

        # Gus owns a household of his own, as everybody does.
        assert server.query(LEFT, database="managed") == "member owner owner owner | viewer"
        run(*ALEMBIC, "upgrade", "head")
        assert " 0 with findings" in run(*FINTECH, "verify", "--all")
