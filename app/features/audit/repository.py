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
    session: Session,
    household_id: UUID,
    *,
    action: str | None,
    limit: int,
    actor_id: UUID | None = None,
    before: UUID | None = None,
) -> Sequence[AuditEvent]:
    """Read the newest events of a household, of those before an id."""
    statement = (
        select(AuditEvent)
        .where(AuditEvent.household_id == household_id)
        .order_by(AuditEvent.id.desc())
        .limit(limit)
    )
    if action is not None:
        statement = statement.where(AuditEvent.action == action)
    if actor_id is not None:
        statement = statement.where(AuditEvent.actor_user_id == actor_id)
    if before is not None:
        statement = statement.where(AuditEvent.id < before)
    return session.scalars(statement).all()


def list_actions(session: Session, household_id: UUID, *, limit: int) -> Sequence[str]:
    """Return the kinds of events that a household's trail has."""
    return session.scalars(
        select(AuditEvent.action)
        .where(AuditEvent.household_id == household_id)
        .group_by(AuditEvent.action)
        .order_by(AuditEvent.action)
        .limit(limit)
    ).all()
