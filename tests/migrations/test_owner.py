"""The migrations on a managed database, where nobody is a superuser."""

import os
import subprocess
import sys

import pytest

from app.core import embedded

_REGISTER = """
from sqlalchemy import text
from app.core.database import household_transaction
from app.features.users import service
ada = service.register("ada@example.org", "violet-harbor-lantern-7", "Ada")
with household_transaction(ada.household_id) as session:
    print(*session.execute(text("SELECT current_user, count(*) > 0 FROM categories")).one())
"""


@pytest.mark.slow
def test_an_owner_who_may_create_roles_can_migrate_and_is_bound_by_the_wall():
    with embedded.temporary_home() as home, embedded.postgres(home, durable=False) as server:
        for statement in (
            "CREATE ROLE app_owner LOGIN CREATEROLE PASSWORD 'pw'",
            "CREATE DATABASE managed OWNER app_owner",
        ):
            server.query(statement, database="postgres")
        address = f"postgresql://app_owner:pw@127.0.0.1:{server.port}/managed"
        environment = {**os.environ, "DATABASE_URL": address}
        for command in (("-m", "alembic", "upgrade", "head"), ("-c", _REGISTER)):
            done = subprocess.run(
                [sys.executable, *command],
                env=environment,
                capture_output=True,
                text=True,
                check=False,
                timeout=120,
            )
            assert done.returncode == 0, done.stderr

    assert done.stdout.strip() == "fintech_tenant True"
