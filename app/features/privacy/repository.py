"""SQL inside one household: which connections are to end."""

from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.models import Item


def list_linked(session: Session, household_id: UUID) -> list[tuple[UUID, str]]:
    """Return id, and provider with its own id, of each Item that is not unlinked."""
    rows = session.execute(
        select(Item.id, Item.provider, Item.item_source_id).where(
            Item.household_id == household_id, Item.unlinked_at.is_(None)
        )
    )
    return [(row[0], f"{row[1]}:{row[2]}") for row in rows]


def is_syncing(session: Session, household_id: UUID) -> bool:
    """Tell whether a worker has the turn of one of the household's Items."""
    leased = select(func.count()).where(
        Item.household_id == household_id, Item.lease_until > func.now()
    )
    return session.scalars(leased).one() > 0
