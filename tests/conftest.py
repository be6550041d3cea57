"""What every test may use: servers, a migrated database, the application, and the cast.

Tests that touch data commit for real: each makes households of its own through `tests.factories`
and sees no other test's, because row-level security is what is being tested too. Nothing is
rolled back and nothing is deleted.

Servers: PostgreSQL and Valkey from wheels, started once a session and ended with it; or those of
`FINTECH_TEST_DATABASE_URL` and `FINTECH_TEST_REDIS_URL`. Each pytest-xdist worker has a database
of its own, cloned from one that the migrations built.

Fixtures:
    app: The ASGI application.
    client: A TestClient that nobody is signed in to; sends what a browser of our own origin would.
    ada: Owns a household, signed in by cookie. `ada.get("/…")` and so on; `ada.household_id`;
        `ada.session()` opens her household's transaction.
    ben: A member of Ada's household.
    cleo: A stranger with a household of her own.
    clock: Sets the time: `clock.move_to(…)`, `clock.shift(seconds)`.
"""

import os
import secrets
from contextlib import ExitStack

import pytest

from tests import effort, servers

_WORKER = os.environ.get("PYTEST_XDIST_WORKER", "main")
_PURE = ("tests/domain", "tests/importers", "tests/simulator", "tests/ui")
"""Tests that need no server; when only these run, none is started."""

pytest_plugins = ["tests.cast"]


def pytest_configure(config: pytest.Config) -> None:
    """Start the servers and set the environment, before any test module imports `app`."""
    effort.register_profiles()
    for name in [
        name
        for name in os.environ
        if name.startswith(("PLAID_", "OPENAI_", "SENTRY_", "ROLLBAR_", "BUGSNAG_", "OTEL_"))
    ]:
        # The operator's own keys must not reach the tests.
        del os.environ[name]
    os.environ |= {
        "APP_ENV": "production",
        "SECRET_KEY": secrets.token_urlsafe(48),
        "PUBLIC_URL": "http://localhost:8000",
        "TRUSTED_PROXIES": "192.0.2.0/24",
        "DATABASE_POOL_SIZE": "10",
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/not_started",
        "REDIS_URL": "redis://127.0.0.1:1/0",
    }
    if _needs_servers(config):
        stack = ExitStack()
        config.add_cleanup(stack.close)
        if _WORKER == "main":
            os.environ |= stack.enter_context(servers.running())
        os.environ["DATABASE_URL"] = stack.enter_context(servers.cloned_database(_WORKER))
        os.environ["REDIS_URL"] = os.environ[servers.BROKER]


def _needs_servers(config: pytest.Config) -> bool:
    asked = [argument.partition("::")[0].rstrip("/") for argument in config.args]
    is_pure = bool(asked) and all(argument.startswith(_PURE) for argument in asked)
    return not (config.option.collectonly or is_pure)
