"""A database that goes away: 503 with Retry-After while it is gone, and no restart after."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import anyio.to_thread
import psycopg
import pytest
from fastapi import FastAPI
from sqlalchemy import create_engine

from app.core import at_once, database
from app.core.config import settings
from app.features.users.session_cache import cache
from tests.cast import BASE_URL, Browser, SignedInBrowser


@contextmanager
def no_database() -> Iterator[None]:
    """Let sessions of the application look for a server where there is none."""
    other = create_engine("postgresql+psycopg://nobody@127.0.0.1:1/none")
    database._sessions.configure(bind=other)
    try:
        yield
    finally:
        database._sessions.configure(bind=database.engine)
        other.dispose()


def test_pages_and_programs_get_503_and_then_go_on(ada: SignedInBrowser, client: Browser) -> None:
    with no_database():
        cache.clear()
        page = ada.get("/settings")
        login = client.post("/api/v1/auth/login", data={"username": "a@b.c", "password": "x"})

    assert (page.status_code, login.status_code) == (503, 503)
    assert page.headers["retry-after"] == login.headers["retry-after"] == "5"
    assert "database" in page.text
    assert login.json()["code"] == "database_unavailable"
    assert ada.get("/settings").status_code == 200


def test_connections_that_were_cut_are_replaced_without_a_500(ada: SignedInBrowser) -> None:
    # Others' tests shift the clock, by which the pool tells which connections are older than
    # the loss.
    database.engine.dispose()
    ada.get("/settings")
    end_all_sessions()

    statuses = [ada.get("/settings").status_code for _ in range(4)]

    assert set(statuses) <= {200, 503}
    assert statuses[-2:] == [200, 200]


def test_connections_that_were_cut_while_idle_are_not_handed_out(ada: SignedInBrowser) -> None:
    # They lie at the bottom of the pool, where one request after the other never looks.
    with ExitStack() as together:
        for _ in range(4):
            together.enter_context(database.engine.connect())
    end_all_sessions()

    with ExitStack() as together:
        for _ in range(4):
            connection = together.enter_context(database.engine.connect())
            assert connection.exec_driver_sql("SELECT 1").scalar() == 1


def end_all_sessions() -> None:
    """Have the server end all sessions with this database but one's own, and see them gone."""
    url = settings.DATABASE_URL.get_secret_value()
    others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"SELECT pg_terminate_backend(pid, 5000) {others}")


def test_more_requests_than_connections_are_all_answered(
    app: FastAPI, ada: SignedInBrowser
) -> None:
    """The trap of synchronous routes: every thread waits for a connection that none can free."""
    cookies = dict(ada.cookies)
    with Browser(app) as shared:  # runs the start-up, which sizes the thread pool
        assert shared.portal is not None
        limiter = shared.portal.call(anyio.to_thread.current_default_thread_limiter)
        assert limiter.total_tokens + at_once.CONNECTIONS_MAX == settings.DATABASE_POOL_SIZE
        shared.cookies.update(cookies)
        with ThreadPoolExecutor(4 * settings.DATABASE_POOL_SIZE) as pool:
            statuses = list(
                pool.map(lambda _: shared.get(f"{BASE_URL}/settings").status_code, range(80))
            )

    assert statuses == [200] * 80


@pytest.mark.parametrize("path", ["/settings", "/api/v1/auth/me"])
def test_an_exhausted_pool_is_503(ada: SignedInBrowser, path: str) -> None:
    tiny = create_engine(database.engine.url, pool_size=1, max_overflow=0, pool_timeout=0.1)
    held = tiny.connect()
    database._sessions.configure(bind=tiny)
    try:
        cache.clear()
        answer = ada.get(path)
    finally:
        database._sessions.configure(bind=database.engine)
        held.close()
        tiny.dispose()

    assert answer.status_code == 503
