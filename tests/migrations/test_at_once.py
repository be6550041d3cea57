"""Programs that migrate at the same time take turns."""

import os
import subprocess
import sys

import pytest

from app.core import embedded

SECONDS_MAX = 240


@pytest.mark.slow
def test_whoever_comes_second_waits_for_the_first_and_finds_nothing_to_do():
    with embedded.temporary_home() as home, embedded.postgres(home, durable=False) as server:
        environment = {**os.environ, "DATABASE_URL": server.url("at_once")}
        upgrade = [sys.executable, "-m", "alembic", "upgrade", "head"]
        programs = [
            subprocess.Popen(upgrade, env=environment, stderr=subprocess.PIPE, text=True)
            for _ in range(3)
        ]
        words = [program.communicate(timeout=SECONDS_MAX)[1] for program in programs]
        broken = server.query(
            "SELECT count(*) FROM pg_index WHERE NOT indisvalid", database="at_once"
        )

    assert [program.returncode for program in programs] == [0, 0, 0], words
    assert broken == "0"
