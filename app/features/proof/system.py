"""SQL that crosses households: which there are, and how the walls between them stand."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import Household


def list_households(session: Session) -> list[tuple[UUID, str]]:
    """Return id and name of each household, the oldest first."""
    rows = session.execute(select(Household.id, Household.name).order_by(Household.id))
    return [(row.id, row.name) for row in rows]
