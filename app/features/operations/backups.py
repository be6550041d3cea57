"""What the database remembers of backups: for the operator's page and for Prometheus."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

import structlog
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from app.core import metrics
from app.core.database import system_transaction
from app.features.operations import repository

log = structlog.get_logger(__name__)
BACKUP, CHECK = "backup", "check"


@dataclass(frozen=True, slots=True)
class Remembered:
    """The last backup, or the last that was restored to see."""

    file: str
    at: dt.datetime
    age_seconds: float
    bytes: int | None
    is_ok: bool


def remember(
    kind: str, file: str, at: dt.datetime, *, size: int | None = None, is_ok: bool = True
) -> bool:
    """Keep what happened last; return whether the database took it.

    A schema of before this table does not, and a backup is none the worse for it.
    """
    values = {"file": file, "at": at, "bytes": size, "is_ok": is_ok}
    try:
        with system_transaction() as session:
            repository.replace_record(session, kind, values)
    except SQLAlchemyError as error:
        log.warning("backup_not_remembered", error=type(error).__name__)
        return False
    return True


def last() -> dict[str, Remembered]:
    """Return the last backup and the last check, each if there was one."""
    with system_transaction() as session:
        return {
            record.kind: Remembered(
                record.file, record.at, float(seconds), record.bytes, record.is_ok
            )
            for record, seconds in repository.list_records(session)
        }


class BackupCollector(Collector):
    """Tells Prometheus how old the last backup and the last check are, where there was one."""

    def describe(self) -> list[GaugeMetricFamily]:
        """Name nothing beforehand, so that registering asks no database."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the ages; without a value where there is nothing to tell."""
        try:
            found = last()
        except SQLAlchemyError as error:
            log.warning("backup_metrics_not_measured", error=type(error).__name__)
            found = {}
        ages = {kind: {(): each.age_seconds} for kind, each in found.items()}
        is_ok = {kind: {(): float(each.is_ok)} for kind, each in found.items()}
        yield metrics.gauge(
            "fta_backup_age_seconds",
            "Seconds since the moment that the last backup's data is of.",
            [],
            ages.get(BACKUP, {}),
        )
        yield metrics.gauge(
            "fta_backup_check_age_seconds",
            "Seconds since a backup was last restored to see.",
            [],
            ages.get(CHECK, {}),
        )
        yield metrics.gauge(
            "fta_backup_check_ok",
            "1 if that one came back as it was kept, else 0.",
            [],
            is_ok.get(CHECK, {}),
        )
