"""The dump of deploy/ecs/fintech.yaml on a database as clouds give them: nobody is a superuser."""

import os
import subprocess
import sys

import pytest

from app.core import embedded
from app.core.backups import programs
from scripts.cloud.template import Rendered, load
from tests.deploy.files import ROOT

REGISTER = """
from app.features.users import service
for name in ("ada", "ben"):
    service.register(f"{name}@example.org", "violet-harbor-lantern-7", name)
"""
COUNTS = """SELECT (SELECT count(*) FROM households) || ' ' || (SELECT count(*) FROM users)
|| ' ' || (SELECT count(*) FROM categories)"""
WALLS = "SELECT count(*) FROM pg_class WHERE relforcerowsecurity"
GUIDE = ROOT / "docs" / "guides" / "deploy-to-aws.md"


def guide_commands():
    """Return the guide's three commands that restore a dump."""
    lines = (line.strip() for line in GUIDE.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line.startswith(("psql ", "pg_restore "))]


def run(command, **environment):
    done = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_the_dump_holds_every_household_and_restores_as_the_guide_says(tmp_path):
    task = Rendered(load(), {}).resource("DumpTask")
    script = task["ContainerDefinitions"][0]["Command"][0].replace("/dump/", f"{tmp_path}/")
    with embedded.temporary_home() as home, embedded.postgres(home, durable=False) as server:
        for statement in (
            "CREATE ROLE app_owner LOGIN CREATEROLE CREATEDB PASSWORD 'pw'",
            "CREATE DATABASE managed OWNER app_owner",
            "CREATE DATABASE again OWNER app_owner",
        ):
            server.query(statement, database="postgres")
        address = f"postgresql://app_owner:pw@127.0.0.1:{server.port}"
        for command in (("-m", "alembic", "upgrade", "head"), ("-c", REGISTER)):
            run([sys.executable, *command], DATABASE_URL=f"{address}/managed")
        path = f"{programs.find(180000)}:{os.environ['PATH']}"

        run(["sh", "-euc", script], DATABASE_URL=f"{address}/managed", PATH=path)
        [grant, restore, revoke] = guide_commands()
        for command in (grant, restore, revoke):
            command = command.replace("fintech_app.dump", f"{tmp_path}/fintech_app.dump")
            run(["sh", "-euc", command], DATABASE_URL=f"{address}/again", PATH=path)

        for question in (COUNTS, WALLS, "SELECT version_num FROM alembic_version"):
            assert server.query(question, database="again") == server.query(
                question, database="managed"
            )
        assert server.query(COUNTS, database="again").startswith("2 2 ")
