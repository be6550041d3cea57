"""The certificate at PUBLIC_URL is read as a browser meets it, good or not."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.core import certificate, clock
from app.core.config import settings
from app.features.operations import certificate as watched
from tests.providers.tls import make_certificate, tls_server

DAY = dt.timedelta(days=1)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """Give the address of a server whose certificate nobody vouches for, good for a day."""
    with tls_server(make_certificate("localhost", tmp_path)) as port:
        yield f"https://127.0.0.1:{port}"


def test_the_end_of_a_certificate_that_nobody_vouches_for_is_read_all_the_same(server: str) -> None:
    left = certificate.read_end(server) - clock.now()
    assert DAY - dt.timedelta(minutes=5) < left <= DAY


def told() -> list[float]:
    return [
        sample.value
        for family in watched.CertificateCollector().collect()
        for sample in family.samples
    ]


def test_the_figure_is_what_is_left_and_missing_without_https(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watched, "watch", watched.Watch())
    assert told() == []
    monkeypatch.setattr(
        watched, "settings", settings.model_copy(update={"PUBLIC_URL": server, "is_https": True})
    )
    assert told() == [pytest.approx(DAY.total_seconds(), abs=300)]


def test_a_server_that_went_away_is_asked_less_often_and_its_end_still_known(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = settings.model_copy(update={"PUBLIC_URL": server, "is_https": True})
    monkeypatch.setattr(watched, "settings", changed)
    monkeypatch.setattr(watched, "KEPT_SECONDS", 0.0)
    watch = watched.Watch()
    before = watch.left()
    asked = []

    def refuse(url: str) -> dt.datetime:
        asked.append(url)
        raise ConnectionRefusedError

    monkeypatch.setattr(certificate, "read_end", refuse)
    after = [watch.left(), watch.left()]

    assert before is not None
    assert len(asked) == 1
    assert all(left is not None and left <= before for left in after)
