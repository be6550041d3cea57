"""SQL of the vault."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Row, delete, func, insert, select, update
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


def count_keys(session: Session) -> Sequence[Row[str, int]]:
    """Count the households' keys by the id of the key that wraps them; crosses households."""
    statement = select(HouseholdKey.key_id, func.count()).group_by(HouseholdKey.key_id)
    return session.execute(statement.order_by(HouseholdKey.key_id)).all()


def lock_keys_of_others(
    session: Session, current: str, after: UUID | None, limit: int
) -> Sequence[Row[UUID, bytes, str]]:
    """Return the next keys that another than the current one wraps; crosses households.

    Those that somebody else holds at the moment are left out.
    """
    statement = (
        select(HouseholdKey.household_id, HouseholdKey.wrapped_key, HouseholdKey.key_id)
        .where(HouseholdKey.key_id != current)
        .order_by(HouseholdKey.household_id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    if after is not None:
        statement = statement.where(HouseholdKey.household_id > after)
    return session.execute(statement).all()


def replace_key(session: Session, household_id: UUID, wrapped: bytes, key_id: str) -> None:
    """Store the same key, wrapped by another."""
    session.execute(
        update(HouseholdKey)
        .where(HouseholdKey.household_id == household_id)
        .values(wrapped_key=wrapped, key_id=key_id)
    )
