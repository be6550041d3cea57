"""SQL of the categories."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Row, insert, select
from sqlalchemy.orm import Session

from app.models import Category


def insert_categories(session: Session, rows: list[dict[str, object]]) -> None:
    """Insert categories; each row names its household."""
    session.execute(insert(Category), rows)


def list_categories(session: Session, household_id: UUID) -> Sequence[Category]:
    """Read the household's categories, archived ones too, in the order of the tree."""
    statement = (
        select(Category)
        .where(Category.household_id == household_id)
        .order_by(Category.position, Category.id)
    )
    return session.scalars(statement).all()


def list_codes(session: Session, household_id: UUID) -> Sequence[Row[str | None, UUID]]:
    """Read the code and id of each category that was seeded."""
    statement = select(Category.code, Category.id).where(
        Category.household_id == household_id, Category.code.is_not(None)
    )
    return session.execute(statement).all()
