"""SQL of idempotency keys: who acts, and what they were answered."""

import datetime as dt
from typing import cast
from uuid import UUID

from sqlalchemy import ColumnElement, CursorResult, delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.models import IdempotencyKey


def claim(session: Session, values: dict[str, object], *, now: dt.datetime) -> bool:
    """Let this request act for its key, if none did and none that is alive is about to.

    One statement, so that of requests at once exactly one acts.
    """
    taken_over = ("user_id", "claim_id", "request_hash", "created_at", "running_until")
    statement = (
        insert(IdempotencyKey)
        .values(**values)
        .on_conflict_do_update(
            index_elements=["household_id", "key_hash"],
            set_={name: values[name] for name in taken_over},
            where=IdempotencyKey.status.is_(None) & (IdempotencyKey.running_until < now),
        )
        .returning(IdempotencyKey.claim_id)
    )
    return session.scalar(statement) is not None


def find(session: Session, household_id: UUID, key_hash: bytes) -> IdempotencyKey | None:
    """Return what is known of a key."""
    statement = select(IdempotencyKey).where(
        IdempotencyKey.household_id == household_id, IdempotencyKey.key_hash == key_hash
    )
    return session.scalar(statement)


def keep(
    session: Session, household_id: UUID, claim_id: UUID, key_hash: bytes, **answer: object
) -> bool:
    """Keep the answer of the request that acts; False if another one took its place."""
    statement = (
        update(IdempotencyKey).where(*_acting(household_id, claim_id, key_hash)).values(**answer)
    )
    return cast("CursorResult[tuple[()]]", session.execute(statement)).rowcount == 1


def release(session: Session, household_id: UUID, claim_id: UUID, key_hash: bytes) -> None:
    """Forget a request that did nothing, so that the same key may act at once."""
    session.execute(delete(IdempotencyKey).where(*_acting(household_id, claim_id, key_hash)))


def _acting(household_id: UUID, claim_id: UUID, key_hash: bytes) -> tuple[ColumnElement[bool], ...]:
    return (
        IdempotencyKey.household_id == household_id,
        IdempotencyKey.key_hash == key_hash,
        IdempotencyKey.claim_id == claim_id,
        IdempotencyKey.status.is_(None),
    )
