"""/health and /metrics."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy import URL, create_engine, text

from app.core import database
from app.core.config import Settings, settings
from app.features.operations import service
from tests.cast import Browser, SignedInBrowser


@pytest.fixture(autouse=True)
def fresh_look() -> Iterator[None]:
    service.forget_health()
    yield
    service.forget_health()


@contextmanager
def another_engine(url: URL | str) -> Iterator[None]:
    """Let the application use another database."""
    own, other = database.engine, create_engine(url)
    database.engine = other
    try:
        yield
    finally:
        database.engine = own
        other.dispose()


def use(monkeypatch: pytest.MonkeyPatch, **changes: object) -> None:
    """Run with other settings."""
    values = {name: getattr(settings, name) for name in Settings.model_fields}
    changed = Settings.model_construct(**{**values, **changes})
    monkeypatch.setattr(service, "settings", changed)
    monkeypatch.setattr("app.features.operations.api.settings", changed)


def test_all_is_well(client: Browser) -> None:
    answer = client.get("/health")

    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ok",
        "parts": {"database": "ok", "migrations": "ok", "broker": "ok"},
    }
    assert client.get("/health/ready").json() == answer.json()


def test_a_broker_that_is_down_degrades_but_serves(
    client: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, REDIS_URL=SecretStr("redis://127.0.0.1:1/0"))

    answer = client.get("/health")

    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    assert answer.json()["parts"]["broker"] == "down"


def test_a_database_that_is_down_is_503_and_liveness_stays(client: Browser) -> None:
    with another_engine("postgresql+psycopg://nobody@127.0.0.1:1/none"):
        answer = client.get("/health")

    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert answer.json()["parts"] == {"database": "down", "migrations": "down", "broker": "ok"}
    assert client.get("/health?live=1").json() == {"status": "ok"}


def test_a_database_without_our_migrations_is_not_ready(client: Browser) -> None:
    with another_engine(database.engine.url.set(database="postgres")):
        answer = client.get("/health")

    assert answer.status_code == 503
    assert answer.json()["parts"] == {"database": "ok", "migrations": "down", "broker": "ok"}


@pytest.mark.parametrize(("version", "state"), [("0000", "down"), ("from_the_future", "ok")])
def test_an_older_schema_is_not_ready_and_a_newer_one_is(
    client: Browser, monkeypatch: pytest.MonkeyPatch, version: str, state: str
) -> None:
    monkeypatch.setattr(service, "_revisions", lambda: {"0000": "", "0002": "0000"})
    with database.engine.begin() as connection:
        before = connection.scalar(text("SELECT version_num FROM alembic_version"))
        connection.execute(text("UPDATE alembic_version SET version_num = :v"), {"v": version})
    try:
        assert client.get("/health").json()["parts"]["migrations"] == state
    finally:
        with database.engine.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = :v"), {"v": before})


def test_many_probes_share_one_look(client: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = []
    look = service._look
    monkeypatch.setattr(service, "_look", lambda: looks.append(1) or look())

    for _ in range(5):
        client.get("/health")

    assert len(looks) == 1


def test_metrics_are_for_this_machine_unless_a_token_is_set(
    app: FastAPI, client: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert client.get("/metrics").status_code == 403
    local = Browser(app, address="127.0.0.1")
    assert local.get("/metrics").status_code == 200

    use(monkeypatch, METRICS_TOKEN=SecretStr("prometheus"))
    assert local.get("/metrics").status_code == 401
    headers = {"Authorization": "Bearer prometheus"}
    assert client.get("/metrics", headers=headers).status_code == 200


def test_metrics_name_routes_and_never_ids(app: FastAPI, ada: SignedInBrowser) -> None:
    ada.get("/settings")
    ada.get(f"/nowhere/{ada.user_id}")

    metrics = Browser(app, address="::1").get("/metrics")

    assert metrics.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'fta_http_requests_total{method="GET",route="/settings",status="200"}' in metrics.text
    assert 'route="none",status="404"' in metrics.text
    assert "fta_http_request_duration_seconds_bucket" in metrics.text
    assert str(ada.user_id) not in metrics.text


def test_docs_and_reference_come_from_our_own_files(client: Browser) -> None:
    docs, reference = client.get("/docs"), client.get("/redoc")

    assert (docs.status_code, reference.status_code) == (200, 200)
    for page in (docs.text, reference.text):
        assert "http://" not in page
        assert "https://" not in page
    assert 'data-url="/openapi.json"' in docs.text
    for path in client.get("/openapi.json").json()["paths"]:
        assert path in reference.text
    assert "<script" not in reference.text
