"""SQL of the vault."""

from uuid import UUID

from sqlalchemy import Row, delete, insert, select
from sqlalchemy.orm import Session

from app.models import HouseholdKey


def insert_key(session: Session, household_id: UUID, wrapped: bytes, key_id: str) -> None:
    """Store a wrapped key."""
    values = {"household_id": household_id, "wrapped_key": wrapped, "key_id": key_id}
    session.execute(insert(HouseholdKey).values(values))


def find_key(session: Session, household_id: UUID) -> Row[bytes, str] | None:
    """Return the wrapped key and the id of the key that wraps it."""
    return session.execute(
        select(HouseholdKey.wrapped_key, HouseholdKey.key_id).where(
            HouseholdKey.household_id == household_id
        )
    ).one_or_none()


def delete_key(session: Session, household_id: UUID) -> None:
    """Delete the wrapped key, if it is still there."""
    session.execute(delete(HouseholdKey).where(HouseholdKey.household_id == household_id))
