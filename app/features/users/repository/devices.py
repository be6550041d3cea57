"""SQL of the browsers and programs that people came from; crosses households."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import UserSession


def list_user_agents(session: Session, user_id: UUID, *, limit: int) -> Sequence[str | None]:
    """Read from what the person's latest sessions came, those that ended as well."""
    statement = (
        select(UserSession.user_agent)
        .where(UserSession.user_id == user_id)
        .order_by(UserSession.seen_at.desc())
        .limit(limit)
    )
    return session.scalars(statement).all()
