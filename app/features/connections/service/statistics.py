"""What Prometheus is told of all workers, read from PostgreSQL when it asks.

What the workers did and what waits for them stands in the database, so the web answers for them:
no worker needs a port, and one that died is counted as well. Each web process gives the same
figures; take the maximum, not the sum.
"""

import datetime as dt
import threading
import time
from collections.abc import Iterator, Sequence

import structlog
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from app.core.database import system_transaction
from app.features.connections import system

SPAN = dt.timedelta(hours=1)
KEPT_SECONDS = 5.0
"""However often we are asked, the database is asked this often at most."""
ITEM_STATES = ("good", "expiring", "needs_user", "dead", "parked")
PROOFS = ("tied", "gap", "accepted", "unproven")
RUN_STATES = ("running", "done", "failed", "lost")
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
        return _measure()
    except SQLAlchemyError as error:
        log.warning("sync_metrics_not_measured", error=type(error).__name__)
        return []


def _measure() -> list[GaugeMetricFamily]:
    with system_transaction() as session:
        items = {row[0]: row[1] for row in system.count_items(session)}
        proofs = {row[0]: row[1] for row in system.count_proofs(session)}
        waiting, age, running = system.measure_queue(session)
        runs = {row[0]: row[1:] for row in system.measure_runs(session, SPAN)}
    none = (0, 0.0, 0.0)
    by_item = _gauge("fta_items", "Linked connections, by state.", ["state"])
    by_run = _gauge(
        "fta_sync_runs_last_hour", "Sync runs that began in the last hour, by outcome.", ["outcome"]
    )
    seconds = _gauge(
        "fta_sync_seconds_p95_last_hour",
        "95th percentile of the seconds that finished runs of the last hour took, by part.",
        ["part"],
    )
    by_proof = _gauge("fta_accounts", "Accounts, by how far they tie out.", ["proof"])
    for proof in PROOFS:
        by_proof.add_metric([proof], proofs.get(proof, 0))
    for state in ITEM_STATES:
        by_item.add_metric([state], items.get(state, 0))
    for state in RUN_STATES:
        by_run.add_metric([state], runs.get(state, none)[0])
    seconds.add_metric(["reading"], float(runs.get("done", none)[1]))
    seconds.add_metric(["booking"], float(runs.get("done", none)[2]))
    return [
        by_item,
        by_proof,
        by_run,
        seconds,
        _gauge("fta_syncs_waiting", "Connections that are due and nobody works on.", value=waiting),
        _gauge("fta_syncs_waiting_seconds", "How long the first of them has waited.", value=age),
        _gauge("fta_syncs_running", "Connections that a worker has the turn of.", value=running),
    ]


def _gauge(
    name: str, help_: str, labels: Sequence[str] = (), value: float | None = None
) -> GaugeMetricFamily:
    if labels:
        return GaugeMetricFamily(name, help_, labels=labels)
    return GaugeMetricFamily(name, help_, value=float(value or 0))
