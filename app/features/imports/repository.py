"""SQL of imports."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from app.models import Household, Import


def insert_import(session: Session, values: Mapping[str, object]) -> None:
    """Store an import."""
    session.execute(insert(Import).values(values))


def find_import(
    session: Session, household_id: UUID, import_id: UUID, *, lock: bool = False
) -> Import | None:
    """Return one import; with `lock`, nobody else changes it until the transaction ends."""
    statement = select(Import).where(Import.household_id == household_id, Import.id == import_id)
    return session.scalars(statement.with_for_update() if lock else statement).one_or_none()


def update_import(
    session: Session, household_id: UUID, import_id: UUID, values: Mapping[str, object]
) -> None:
    """Overwrite columns of an import."""
    session.execute(
        update(Import)
        .where(Import.household_id == household_id, Import.id == import_id)
        .values(values)
    )


def list_imports(
    session: Session, household_id: UUID, states: Sequence[str], *, limit: int
) -> Sequence[Import]:
    """Return imports, the newest first."""
    return session.scalars(
        select(Import)
        .where(Import.household_id == household_id, Import.state.in_(states))
        .order_by(Import.id.desc())
        .limit(limit)
    ).all()


def base_currency(session: Session, household_id: UUID) -> str:
    """Return the currency in which the household counts."""
    return session.scalars(
        select(Household.base_currency).where(Household.id == household_id)
    ).one()
