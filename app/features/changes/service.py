"""Use cases of change sets."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from app.core.ids import uuid7
from app.features.changes import repository

ACCEPTED = "accepted_difference"
"""In the counts of an edit: the `gap` of an `account_id` that a person accepted, its `currency`,
and that it had opened `after` a day and `by` another one."""
MOVED = "moved"
"""In the counts of a merge of two accounts: `source_accounts`, which moved `from` one `to` the
other."""
REPEATED = "repeated"
"""In the counts of a sync or an import: how many words of its source wrote nothing, as the ledger
said so already. Of a change set that did not count them there may be any number."""
AS_OF_ROWS = "as_of_rows"
"""In the counts of a sync: that a balance which came with its rows counts (ADR 19). Without it the
listing's counts, as earlier programs booked them; so each is read by the rule it was booked by."""


def open_change_set(
    session: Session,
    household_id: UUID,
    *,
    kind: str,
    actor_user_id: UUID | None = None,
    sync_run_id: UUID | None = None,
    target_id: UUID | None = None,
    reason: str | None = None,
) -> UUID:
    """Begin a change set; what this transaction changes from now on belongs to it.

    From here on the transaction is the only writer of the household's ledger.
    """
    change_set_id = uuid7()
    repository.insert_change_set(
        session,
        {
            "household_id": household_id,
            "id": change_set_id,
            "kind": kind,
            "actor_user_id": actor_user_id,
            "sync_run_id": sync_run_id,
            "target_id": target_id,
            "reason": reason,
        },
    )
    repository.use(session, change_set_id)
    return change_set_id


def lock(session: Session, household_id: UUID) -> None:
    """Be the only writer of the household's ledger until the transaction ends."""
    repository.lock(session, household_id)


def count(
    session: Session, household_id: UUID, change_set_id: UUID, counts: Mapping[str, object]
) -> None:
    """Note how much a change set changed."""
    repository.set_counts(session, household_id, change_set_id, counts)


def is_as_of_rows(session: Session, household_id: UUID, sync_run_id: UUID) -> bool:
    """Tell whether the change set that booked a sync run took balances as of its rows."""
    return repository.has_counted(session, household_id, sync_run_id, AS_OF_ROWS)


def counts_of(session: Session, household_id: UUID, change_set_id: UUID) -> dict[str, Any]:
    """Return what was noted of a change set."""
    return repository.counts_of(session, household_id, change_set_id)
