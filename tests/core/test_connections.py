"""What each connection to the database holds for as long as it is open."""

import os
import socket
import time
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, text

from app.core import database
from app.core.config import settings

BACKEND = text("SELECT pg_backend_pid()")
ALIVE = text("SELECT count(*) FROM pg_stat_activity WHERE pid = ANY(:ids)")
ENDED_SECONDS_MAX = 20.0


@pytest.fixture
def engine() -> Iterator[Engine]:
    """An engine as the program has it, of its own."""
    made = database.make_engine(settings.sqlalchemy_url, through_pooler=False)
    yield made
    made.dispose()


def use(engine: Engine, at_once: int = 1) -> set[int]:
    """Use so many connections at once; return the server processes behind them."""
    opened = [engine.connect() for _ in range(at_once)]
    ids = {each.scalar(BACKEND) for each in opened}
    for each in opened:
        each.close()
    return ids


def test_what_a_busy_minute_opened_ends_where_nobody_uses_it(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "IDLE_CONNECTION_SECONDS_MAX", 1)
    opened = use(engine, at_once=5)
    began = time.monotonic()

    with database.engine.connect() as watch:
        while watch.scalar(ALIVE, {"ids": list(opened)}):
            assert time.monotonic() - began < ENDED_SECONDS_MAX
            watch.rollback()
            time.sleep(0.1)

    assert len(opened) == 5
    assert use(engine, at_once=5).isdisjoint(opened), "and others are made when they are wanted"


def test_a_connection_that_may_end_any_moment_is_not_used_again(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = use(engine)
    again = use(engine)
    monkeypatch.setattr(database, "_REUSED_WITHIN_SECONDS", -1)

    assert again == before
    assert use(engine).isdisjoint(before)


def test_a_connection_holds_little_of_the_temporary_tables_it_has_filled() -> None:
    with database.engine.connect() as connection:
        connection.exec_driver_sql(
            "CREATE TEMPORARY TABLE filled ON COMMIT DROP AS"
            " SELECT repeat('x', 1000) FROM generate_series(1, 10000)"
        )
        held = connection.exec_driver_sql(
            "SELECT total_bytes FROM pg_backend_memory_contexts WHERE name = 'LocalBufferContext'"
        ).scalar_one()
        connection.rollback()

    assert held <= 1_100_000  # of 10,000,000


def test_a_server_that_vanishes_is_given_up_within_half_a_minute(engine: Engine) -> None:
    with engine.connect() as connection:
        fileno = connection.connection.driver_connection.fileno()
        with socket.socket(fileno=os.dup(fileno)) as line:
            idle, interval, count, unanswered = (
                line.getsockopt(socket.IPPROTO_TCP, option)
                for option in (
                    socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT,
                    socket.TCP_USER_TIMEOUT,
                )
            )  # fmt: skip
            assert line.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)

    assert idle + interval * count <= 30
    assert 0 < unanswered <= 30_000
