"""F14: what a statement, a wait and a page may cost, and what people are told beyond it."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Engine, create_engine, text

from app.core import database
from app.core.config import settings
from app.core.pagination import PAGE_SIZE_MAX
from tests.scaling.pooler import application_on

NAMES = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")


@contextmanager
def another_process() -> Iterator[Engine]:
    """Let the application connect anew, as a process does that has the bounds of now."""
    made = database.make_engine(settings.sqlalchemy_url, through_pooler=False)
    with application_on(made):
        yield made


@pytest.mark.parametrize(("is_web", "seconds"), [(True, "10s"), (False, "1min")])
def test_F14_statements_waits_and_idle_transactions_are_bounded(ada, monkeypatch, is_web, seconds):
    monkeypatch.setattr(
        database, "_statement_seconds", settings.DATABASE_WORKER_STATEMENT_TIMEOUT_SECONDS
    )
    if is_web:
        database.limit_to_requests()

    with another_process(), ada.session() as session:
        assert _limits(session) == [seconds, "5s", "15s"]
        database.take_time(session)
        assert _limits(session) == ["1min", "5s", "15s"]


def test_F14_the_web_has_the_bounds_of_requests(app):
    assert database._statement_seconds == settings.DATABASE_STATEMENT_TIMEOUT_SECONDS == 10


def test_F14_whoever_waits_too_long_for_a_lock_is_told_and_the_next_request_is_fine(
    ada, monkeypatch
):
    monkeypatch.setattr(database, "LOCK_SECONDS_MAX", 1)
    with another_process(), _writing(ada):
        answer = _edit_all(ada)
    assert (answer.status_code, answer.json()["code"]) == (503, "in_use")
    assert answer.headers["retry-after"] == "5"
    assert "try again" in answer.json()["detail"]
    assert _edit_all(ada).status_code == 200


def test_F14_a_slow_statement_is_stopped_and_the_next_request_is_fine(ada, monkeypatch):
    monkeypatch.setattr(database, "_statement_seconds", 1)
    with another_process(), _writing(ada):
        answer = _edit_all(ada)
        assert ada.get("/settings").status_code == 200
    assert (answer.status_code, answer.json()["code"]) == (503, "too_slow")
    assert _edit_all(ada).status_code == 200


def test_F14_no_list_gives_more_than_500_at_once(app, ada):
    limits = [
        parameter["schema"]
        for path in app.openapi()["paths"].values()
        for operation in path.values()
        for parameter in operation.get("parameters", ())
        if parameter["name"] == "limit"
    ]
    assert limits
    assert all(limit["maximum"] <= PAGE_SIZE_MAX <= 500 for limit in limits)
    refused = ada.get(f"/api/v1/transactions/?limit={PAGE_SIZE_MAX + 1}", headers=ada.bearer())
    assert refused.status_code == 422


@contextmanager
def _writing(ada) -> Iterator[None]:
    """Hold the household's ledger, as a sync does that books much."""
    other = create_engine(settings.sqlalchemy_url)
    try:
        with other.begin() as connection:
            connection.execute(
                text("SELECT pg_advisory_xact_lock(hashtextextended(:household_id, 7))"),
                {"household_id": str(ada.household_id)},
            )
            yield
    finally:
        other.dispose()


def _edit_all(ada):
    return ada.patch(
        "/api/v1/transactions/", json={"all": True, "note": "seen"}, headers=ada.bearer()
    )


def _limits(session) -> list[str]:
    return [session.execute(text(f"SHOW {name}")).scalar_one() for name in NAMES]
