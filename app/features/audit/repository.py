"""SQL of the audit trail, which only grows."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from app.models import AuditEvent


def insert_event(session: Session, household_id: UUID, values: dict[str, object]) -> None:
    """Append one event."""
    session.execute(insert(AuditEvent).values(household_id=household_id, **values))


def list_events(
    session: Session, household_id: UUID, *, action: str | None, limit: int
) -> Sequence[AuditEvent]:
    """Read the newest events of a household."""
    statement = (
        select(AuditEvent)
        .where(AuditEvent.household_id == household_id)
        .order_by(AuditEvent.id.desc())
        .limit(limit)
    )
    if action is not None:
        statement = statement.where(AuditEvent.action == action)
    return session.scalars(statement).all()
