"""SQL of the vault."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Row, delete, func, insert, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.models import Household, HouseholdKey


@dataclass(frozen=True, slots=True)
class Kept:
    """Where secrets are kept that one of ENCRYPTION_KEYS wraps or seals, one an owner."""

    owner_id: InstrumentedAttribute[UUID]
    secret: InstrumentedAttribute[bytes]
    key_id: InstrumentedAttribute[str]


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


def hold(session: Session, household_id: UUID) -> None:
    """Keep the household's key as it is until the commit.

    The household's row stands for it: of keys the household's own role may only read.
    """
    row = select(Household.id).where(Household.id == household_id)
    session.execute(row.with_for_update(read=True))


def lock(session: Session, household_id: UUID) -> None:
    """Wait for all that hold the household's key, and let nobody hold it until the commit."""
    row = select(Household.id).where(Household.id == household_id)
    session.execute(row.with_for_update(key_share=True))


def delete_key(session: Session, household_id: UUID) -> None:
    """Delete the wrapped key, if it is still there."""
    session.execute(delete(HouseholdKey).where(HouseholdKey.household_id == household_id))


def count_by_key(session: Session, kept: Kept) -> Sequence[Row[str, int]]:
    """Count secrets by the id of the key that they are under; crosses households."""
    statement = select(kept.key_id, func.count()).group_by(kept.key_id)
    return session.execute(statement.order_by(kept.key_id)).all()


def lock_under_others(
    session: Session, kept: Kept, current: str, after: UUID | None, limit: int
) -> Sequence[Row[UUID, bytes, str]]:
    """Return the next secrets that are under another than the current key; crosses households.

    Those that somebody else holds at the moment are left out.
    """
    statement = (
        select(kept.owner_id, kept.secret, kept.key_id)
        .where(kept.key_id != current)
        .order_by(kept.owner_id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    if after is not None:
        statement = statement.where(kept.owner_id > after)
    return session.execute(statement).all()


def replace(session: Session, kept: Kept, owner_id: UUID, secret: bytes, key_id: str) -> None:
    """Store the same secret, under another key."""
    values = {kept.secret.key: secret, kept.key_id.key: key_id}
    session.execute(update(kept.owner_id.class_).where(kept.owner_id == owner_id).values(values))
