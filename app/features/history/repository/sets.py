"""SQL that lists change sets and what they changed."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import ChangeSet


def find(session: Session, household_id: UUID, change_set_id: UUID) -> ChangeSet | None:
    """Return one change set."""
    return session.scalars(
        select(ChangeSet).where(
            ChangeSet.household_id == household_id, ChangeSet.id == change_set_id
        )
    ).one_or_none()
