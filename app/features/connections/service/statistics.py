"""What Prometheus is told of all workers, read from PostgreSQL when it asks.

What the workers did and what waits for them stands in the database, so the web answers for them:
no worker needs a port, and one that died is counted as well. Each web process gives the same
figures; take the maximum, not the sum.
"""

import datetime as dt
import threading
import time
from collections.abc import Iterator

import structlog
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from app.core import metrics
from app.core.database import system_transaction
from app.features.connections import system
from app.features.connections.service import schedule
from app.providers import registry

SPAN = dt.timedelta(hours=1)
KEPT_SECONDS = 5.0
"""However often we are asked, the database is asked this often at most."""
ITEM_STATES = ("good", "expiring", "needs_user", "dead", "parked")
PROOFS = ("tied", "gap", "accepted", "unproven")
RUN_STATES = ("running", "done", "failed", "lost")
LAGS = {"0.5": 0.5, "0.95": 0.95, "1": 1.0}
"""Which percentiles of the lag are given, as Prometheus writes them."""
log = structlog.get_logger(__name__)


class SyncCollector(Collector):
    """Reads the figures when the metrics are asked for; without a database there are none."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._at = float("-inf")
        self._kept: list[GaugeMetricFamily] = []

    def describe(self) -> list[GaugeMetricFamily]:
        """Name nothing beforehand, so that registering asks no database."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the figures, a few seconds old at most."""
        with self._lock:
            if time.monotonic() - self._at > KEPT_SECONDS:
                self._kept, self._at = _measure_if_possible(), time.monotonic()
            yield from self._kept


def _measure_if_possible() -> list[GaugeMetricFamily]:
    try:
        with system_transaction() as session:
            return [*_items(session), *_runs(session), *_queue(session)]
    except SQLAlchemyError as error:
        log.warning("sync_metrics_not_measured", error=type(error).__name__)
        return []


def _items(session: Session) -> Iterator[GaugeMetricFamily]:
    items = {row[0]: row[1] for row in system.count_items(session)}
    proofs = {row[0]: row[1] for row in system.count_proofs(session)}
    yield metrics.gauge(
        "fta_items",
        "Linked connections, by state.",
        ["state"],
        {(state,): items.get(state, 0) for state in ITEM_STATES},
    )
    yield metrics.gauge(
        "fta_accounts",
        "Accounts, by how far they tie out.",
        ["proof"],
        {(proof,): proofs.get(proof, 0) for proof in PROOFS},
    )


def _runs(session: Session) -> Iterator[GaugeMetricFamily]:
    none = {(name, state): 0.0 for name in registry.names() for state in RUN_STATES}
    runs = {(row[0], row[1]): float(row[2]) for row in system.count_runs(session, SPAN)}
    yield metrics.gauge(
        "fta_sync_runs_last_hour",
        "Sync runs that began in the last hour, by provider and outcome.",
        ["provider", "outcome"],
        none | runs,
    )
    reading, booking = system.measure_runs(session, SPAN)
    yield metrics.gauge(
        "fta_sync_seconds_p95_last_hour",
        "95th percentile of the seconds that finished runs of the last hour took, by part.",
        ["part"],
        {("reading",): float(reading), ("booking",): float(booking)},
    )
    lags = {name: [0.0] * len(LAGS) for name in registry.names()}
    found = system.measure_lag(session, schedule.due_after(), list(LAGS.values()))
    lags |= {row[0]: row[1] for row in found}
    yield metrics.gauge(
        "fta_sync_lag_seconds",
        "How long connections are behind what is due, by provider: percentiles.",
        ["provider", "quantile"],
        {
            (name, share): seconds
            for name, percentiles in lags.items()
            for share, seconds in zip(LAGS, percentiles, strict=True)
        },
    )


def _queue(session: Session) -> Iterator[GaugeMetricFamily]:
    waiting, seconds, running = system.measure_queue(session)
    yield metrics.gauge(
        "fta_syncs_waiting",
        "Connections that are due and nobody works on.",
        [],
        {(): waiting},
    )
    yield metrics.gauge(
        "fta_syncs_waiting_seconds",
        "How long the first of them has waited.",
        [],
        {(): float(seconds)},
    )
    yield metrics.gauge(
        "fta_syncs_running",
        "Connections that a worker has the turn of.",
        [],
        {(): running},
    )
