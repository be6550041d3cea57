"""SQL of change sets."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from app.models import ChangeSet

# The same lock as the trigger's on `transactions`: numbers are given in the order of the commits.
_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(:household_id, 7))")

# Each booking runs these, and to compose them costs more than to run them.
_INSERT = text("""
INSERT INTO change_sets (household_id, id, sequence, kind, actor_user_id, sync_run_id, target_id,
                         reason)
SELECT :household_id, :id, coalesce(max(sequence), 0) + 1, :kind, :actor_user_id, :sync_run_id,
       :target_id, :reason
FROM change_sets WHERE household_id = :household_id
""")
_SET_COUNTS = text(
    "UPDATE change_sets SET counts = :counts WHERE household_id = :household_id AND id = :id"
).bindparams(bindparam("counts", type_=JSONB))


def lock(session: Session, household_id: object) -> None:
    """Wait until nobody else writes the household's ledger, and until the end let nobody."""
    session.execute(_LOCK, {"household_id": str(household_id)})


def insert_change_set(session: Session, values: Mapping[str, object]) -> None:
    """Store a change set under the household's next number, as its only writer from now on."""
    lock(session, values["household_id"])
    session.execute(_INSERT, values)


def use(session: Session, change_set_id: UUID) -> None:
    """Make it the one that the database's triggers write under, until the transaction ends."""
    session.execute(
        text("SELECT set_config('app.change_set_id', :id, true)"), {"id": str(change_set_id)}
    )


def set_counts(
    session: Session, household_id: UUID, change_set_id: UUID, counts: Mapping[str, object]
) -> None:
    """Store how much a change set changed."""
    values = {"household_id": household_id, "id": change_set_id, "counts": dict(counts)}
    session.execute(_SET_COUNTS, values)


def counts_of(session: Session, household_id: UUID, change_set_id: UUID) -> dict[str, Any]:
    """Return what was noted of a change set."""
    return session.scalars(
        select(ChangeSet.counts).where(
            ChangeSet.household_id == household_id, ChangeSet.id == change_set_id
        )
    ).one()


def has_counted(session: Session, household_id: UUID, sync_run_id: UUID, name: str) -> bool:
    """Tell whether the change set of a sync run noted something under a name."""
    counts = session.scalar(
        select(ChangeSet.counts).where(
            ChangeSet.household_id == household_id, ChangeSet.sync_run_id == sync_run_id
        )
    )
    return counts is not None and name in counts
