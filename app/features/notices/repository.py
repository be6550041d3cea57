"""SQL of notices: written in a household's transaction, read across households by their person."""

import datetime as dt
from collections.abc import Sequence
from typing import cast
from uuid import UUID

from sqlalchemy import CursorResult, delete, insert, select, update
from sqlalchemy.orm import Session

from app.models import Notice


def insert_notice(session: Session, household_id: UUID, values: dict[str, object]) -> None:
    """Insert a notice."""
    session.execute(insert(Notice).values(household_id=household_id, **values))


def list_notices(
    session: Session, user_id: UUID, *, before: UUID | None, limit: int
) -> Sequence[Notice]:
    """Read the person's notices, newest first, from below `before`."""
    statement = select(Notice).where(Notice.user_id == user_id)
    if before is not None:
        statement = statement.where(Notice.id < before)
    return session.scalars(statement.order_by(Notice.id.desc()).limit(limit)).all()


def mark_read(session: Session, user_id: UUID, up_to: UUID, now: dt.datetime) -> int:
    """Mark the person's notices as read, up to one; return how many were not."""
    statement = (
        update(Notice)
        .where(Notice.user_id == user_id, Notice.id <= up_to, Notice.read_at.is_(None))
        .values(read_at=now)
    )
    return cast("CursorResult[tuple[()]]", session.execute(statement)).rowcount


def delete_old(session: Session, before: dt.datetime) -> int:
    """Delete notices of before."""
    result = session.execute(delete(Notice).where(Notice.at < before))
    return cast("CursorResult[tuple[()]]", result).rowcount
