"""How long what is no longer needed is kept: each class of data has its term, in the settings.

The ledger, its history and the journal have none: they are what the household keeps the program
for, and go with it. So does the audit trail, unless the operator sets a term.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from sqlalchemy.orm import Session

from app.core import clock
from app.core.config import settings
from app.core.database import system_transaction
from app.features.privacy import system
from app.features.privacy.service import consents

log = structlog.get_logger(__name__)
BATCH_ROWS = 5_000
BATCHES_MAX = 20
"""Of one class in one run; what is left goes with the next."""


@dataclass(frozen=True, slots=True)
class Term:
    """How long a class of data is kept."""

    name: str
    setting: str
    """Holds the days; 0: for good."""
    delete: Callable[[Session, dt.datetime, int], int]
    """Delete some rows from before an instant; return how many."""

    @property
    def days(self) -> int:
        """How long."""
        return int(getattr(settings, self.setting))


TERMS = (
    Term("webhooks", "WEBHOOK_RETENTION_DAYS", system.delete_webhooks),
    Term("sessions", "SESSION_RETENTION_DAYS", system.delete_sessions),
    Term("invitations", "SESSION_RETENTION_DAYS", system.delete_invitations),
    Term("link_sessions", "LINK_SESSION_RETENTION_DAYS", system.delete_link_sessions),
    Term("idempotency_keys", "IDEMPOTENCY_KEY_RETENTION_DAYS", system.delete_idempotency_keys),
    Term("sync_runs", "SYNC_RUN_RETENTION_DAYS", system.delete_sync_runs),
    Term("audit_events", "AUDIT_RETENTION_DAYS", consents.shorten_trail),
)


def run() -> dict[str, int]:
    """Delete what is older than its term, some thousand rows at a time; return how many of each.

    Safe to repeat, and to run twice at once.
    """
    deleted = {term.name: _delete(term) for term in TERMS if term.days}
    if any(deleted.values()):
        log.info("retention", **deleted)
    return deleted


def _delete(term: Term) -> int:
    before = clock.now() - dt.timedelta(days=term.days)
    total = 0
    for _ in range(BATCHES_MAX):
        with system_transaction() as session:
            count = term.delete(session, before, BATCH_ROWS)
        total += count
        if count < BATCH_ROWS:
            break
    return total
