"""SQL of change sets."""

from uuid import UUID

from sqlalchemy import insert, text, update
from sqlalchemy.orm import Session

from app.models import ChangeSet


def insert_change_set(session: Session, values: dict[str, object]) -> None:
    """Store a change set."""
    session.execute(insert(ChangeSet).values(values))


def use(session: Session, change_set_id: UUID) -> None:
    """Make it the one that the database's triggers write under, until the transaction ends."""
    session.execute(
        text("SELECT set_config('app.change_set_id', :id, true)"), {"id": str(change_set_id)}
    )


def set_counts(
    session: Session, household_id: UUID, change_set_id: UUID, counts: dict[str, int]
) -> None:
    """Store how much a change set changed."""
    session.execute(
        update(ChangeSet)
        .where(ChangeSet.household_id == household_id, ChangeSet.id == change_set_id)
        .values(counts=counts)
    )
