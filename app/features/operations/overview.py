"""How the server is, for its operator: counts and ages, never anybody's data."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy import Row, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from app.core.database import nobodys_transaction, system_transaction
from app.features.connections import system
from app.features.operations import backups, repository
from app.features.operations.backups import Remembered
from app.features.operations.certificate import watch
from app.features.operations.queues import Queue, list_queues, list_workers

SPAN = dt.timedelta(days=1)
TOO_LONG = dt.timedelta(hours=1)
"""What mends itself has done so by then."""
SLOWEST_MAX = 10
log = structlog.get_logger(__name__)
# The first word says what kind of statement it is; the rest may name somebody's data.
_SLOW = text("""
    SELECT upper(split_part(ltrim(query), ' ', 1)),
        extract(epoch FROM clock_timestamp() - query_start)::float,
        coalesce(wait_event_type, '')
    FROM pg_stat_activity
    WHERE datname = current_database() AND state = 'active' AND pid <> pg_backend_pid()
        AND query_start < clock_timestamp() - interval '1 second'
    ORDER BY query_start LIMIT 20
""")
_SIZES = text("""
    SELECT coalesce(pg_partition_root(oid)::regclass::text, relname),
        sum(pg_total_relation_size(oid))::bigint
    FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
    GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 8
""")
_SIZE = text("SELECT pg_database_size(current_database())")
_SET_ASIDE = "The worker died three times at each: look into the logs for why, then try again."
_ERASURES = (
    "A bank's service does not answer; it is asked again, and after 20 hours left out. "
    "The log says household_erased when it is done."
)
_LINKS = (
    "A worker died while a bank was being linked: its person links it again. Compare with the "
    "Items in the provider's dashboard, since one of them may be billed."
)
_MAILS = "fintech doctor says whether the server of SMTP_URL answers."


@dataclass(frozen=True, slots=True)
class Overview:
    """What the operator's page shows."""

    waiting: int
    """Connections whose turn it is, and that nobody works on."""
    waiting_seconds: float
    running: int
    queues: tuple[Queue, ...]
    workers: tuple[str, ...]
    """Names of those that answer within a second."""
    providers: Sequence[Row[str, int, float, int, int]]
    """Name, connections, longest seconds since a sync, failing, set aside."""
    errors: Sequence[Row[str | None, int, dt.datetime]]
    """Of syncs of a day: code, how many, the last."""
    slow: Sequence[tuple[str, float, str]]
    """Statements that run for over a second: kind, seconds, what they wait for."""
    slowest: Sequence[Row[str, int, float, float]] | None
    """What took most time of all: text without values, calls, seconds each, seconds in all; None
    where the server does not count."""
    left_waiting: tuple[int, int, int]
    """Deletions of households, link flows of unknown end, mail: for longer than `TOO_LONG`."""
    certificate_left: dt.timedelta | None
    database_bytes: int
    tables: Sequence[tuple[str, int]]
    backup: Remembered | None
    check: Remembered | None

    @property
    def parked(self) -> int:
        """How many connections are set aside."""
        return sum(row[4] for row in self.providers)

    @property
    def needs_a_hand(self) -> list[tuple[str, str, str]]:
        """What does not mend itself, in words: what, how many, and what to do."""
        erasures, links, mails = self.left_waiting
        rows = [
            ("Connections set aside", self.parked, _SET_ASIDE),
            ("Deletions of households that wait", erasures, _ERASURES),
            ("Links whose end nobody knows", links, _LINKS),
            ("Messages that the mail server does not take", mails, _MAILS),
        ]
        return [(what, str(count), how) for what, count, how in rows if count]

    @property
    def certificate(self) -> str:
        """The certificate in words; empty where there is none to see."""
        if self.certificate_left is None:
            return ""
        days = self.certificate_left.days
        return f"good for {days} days" if days >= 0 else "has ended"

    @property
    def work(self) -> list[tuple[str, str]]:
        """Queues and workers in words."""
        oldest = f", the first for {_span(self.waiting_seconds)}" if self.waiting else ""
        rows = [
            ("Connections waiting for a worker", f"{self.waiting}{oldest}"),
            ("Connections being synced", str(self.running)),
            ("Workers that answer", ", ".join(self.workers) or "none"),
        ]
        if self.certificate:
            rows.append(("Certificate at PUBLIC_URL", self.certificate))
        for queue in self.queues:
            waiting = "the broker does not answer" if queue.messages is None else queue.messages
            rows.append((f"Messages in the queue {queue.name}", str(waiting)))
        return rows

    @property
    def banks(self) -> list[tuple[str, str, str, str, str]]:
        """Providers in words."""
        return [
            (name, str(count), _span(float(age)), str(failing), str(parked))
            for name, count, age, failing, parked in self.providers
        ]

    @property
    def failures(self) -> list[tuple[str, str, str]]:
        """Errors of a day in words."""
        return [
            (code or "", str(count), f"{at:%Y-%m-%d %H:%M} UTC") for code, count, at in self.errors
        ]

    @property
    def kept(self) -> list[tuple[str, str, str]]:
        """Backups in words."""
        rows = []
        if self.backup:
            rows.append(("Last backup", _ago(self.backup), self.backup.file))
        if self.check:
            how = "came back whole" if self.check.is_ok else "did NOT come back whole"
            rows.append((f"Last restore test: it {how}", _ago(self.check), self.check.file))
        elif self.backup:
            rows.append(("No backup was restored to see", "run: fintech restore --check", ""))
        return rows

    @property
    def sizes(self) -> list[tuple[str, str]]:
        """Database and largest tables in words."""
        rows = [("All of it", self.database_bytes), *((name, size) for name, size in self.tables)]
        return [(name, f"{size / 1e6:,.1f} MB") for name, size in rows]

    @property
    def statements(self) -> list[tuple[str, str, str]]:
        """Slow statements in words."""
        return [(kind, f"{seconds:.1f}", waits or "nothing") for kind, seconds, waits in self.slow]

    @property
    def costliest(self) -> list[tuple[str, str, str, str]]:
        """What took most time of all, in words."""
        return [
            (query, f"{calls:,}", f"{each * 1000:,.1f} ms", _span(total))
            for query, calls, each, total in self.slowest or ()
        ]


def look() -> Overview:
    """Look at the server; takes a second for the workers to answer."""
    kept = backups.last()
    with system_transaction() as session:
        waiting, waiting_seconds, running = system.measure_queue(session)
        providers = system.count_by_provider(session)
        errors = system.count_errors(session, SPAN)
        slow, size, tables = _database(session)
        erasures, links, mails = repository.count_left_waiting(session, TOO_LONG)
    return Overview(
        waiting=waiting,
        waiting_seconds=float(waiting_seconds),
        running=running,
        queues=list_queues(),
        workers=list_workers(),
        providers=providers,
        errors=errors,
        slow=slow,
        slowest=_slowest(),
        left_waiting=(erasures, links, mails),
        certificate_left=watch.left(),
        database_bytes=size,
        tables=tables,
        backup=kept.get(backups.BACKUP),
        check=kept.get(backups.CHECK),
    )


def try_again() -> int:
    """Let connections that were set aside be synced once more; return how many."""
    with system_transaction() as session:
        count = system.bring_all_back(session)
    log.info("set_aside_brought_back", count=count)
    return count


def _span(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"


def _ago(remembered: Remembered) -> str:
    return f"{_span(remembered.age_seconds)} ago, {remembered.at:%Y-%m-%d %H:%M} UTC"


def _database(
    session: Session,
) -> tuple[list[tuple[str, float, str]], int, list[tuple[str, int]]]:
    slow = [(str(row[0]), float(row[1]), str(row[2])) for row in session.execute(_SLOW)]
    size = int(session.scalar(_SIZE) or 0)
    return slow, size, [(str(row[0]), int(row[1])) for row in session.execute(_SIZES)]


def _slowest() -> Sequence[Row[str, int, float, float]] | None:
    try:
        with nobodys_transaction() as connection:
            return repository.list_slowest(connection, limit=SLOWEST_MAX)
    except SQLAlchemyError as error:
        log.warning("statements_not_measured", error=type(error).__name__)
        return None
