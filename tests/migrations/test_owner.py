"""The migrations on a managed database, where nobody is a superuser."""

import os
import subprocess
import sys

import pytest

from app.core import embedded
from app.core.backups.measures import ROLES

_REGISTER = """
from sqlalchemy import text
from app.core.database import household_transaction
from app.features.users import service
ada = service.register("ada@example.org", "violet-harbor-lantern-7", "Ada")
with household_transaction(ada.household_id) as session:
    print(*session.execute(text("SELECT current_user, count(*) > 0 FROM categories")).one())
"""


MAY_CREATE_ROLES = ("CREATE ROLE app_owner LOGIN CREATEROLE PASSWORD 'pw'",)
MAY_NOT = (
    *(f"CREATE ROLE {role} NOLOGIN" for role in ROLES),
    "CREATE ROLE app_owner LOGIN PASSWORD 'pw'",
    f"GRANT {', '.join(ROLES)} TO app_owner",
)
"""What the guide lets an administrator run first."""


@pytest.mark.slow
@pytest.mark.parametrize("prepared", [MAY_CREATE_ROLES, MAY_NOT], ids=["creates", "is given"])
def test_an_owner_can_migrate_and_is_bound_by_the_wall(prepared):
    with embedded.temporary_home() as home, embedded.postgres(home, durable=False) as server:
        for statement in (
            *prepared,
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
