"""What tests of commands share."""

import psycopg
import pytest


@pytest.fixture
def no_households() -> None:
    """Forget the households of other tests: some were broken on purpose, and restores say so."""
    from app.core.config import settings  # reads the environment

    url = settings.DATABASE_URL.get_secret_value()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("TRUNCATE households CASCADE")
