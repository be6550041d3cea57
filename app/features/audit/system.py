"""SQL of the audit trail that crosses households: ends of chains, what links say, what is old."""

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, cast
from uuid import UUID

from sqlalchemy import CursorResult, and_, delete, exists, select, tuple_
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from app.models import AuditEvent, AuditLink, Erasure, Household


class Head(NamedTuple):
    """A link of a household's chain; the last one, when it was read."""

    household_id: UUID
    sequence: int
    hash: bytes


def list_heads(session: Session, since: dt.datetime, *, limit: int) -> list[Head]:
    """Return the last link of each chain that grew since then, the first `limit` of them."""
    statement = (
        select(AuditLink.household_id, AuditLink.sequence, AuditLink.hash)
        .where(AuditLink.linked_at >= since)
        .order_by(AuditLink.household_id, AuditLink.sequence.desc())
        .ext(distinct_on(AuditLink.household_id))
        .limit(limit)
    )
    return [Head(*row) for row in session.execute(statement)]


def find_hashes(
    session: Session, keys: Iterable[tuple[UUID, int]]
) -> dict[tuple[UUID, int], bytes]:
    """Return the hashes of the links that there are, by household and number."""
    statement = select(AuditLink.household_id, AuditLink.sequence, AuditLink.hash).where(
        tuple_(AuditLink.household_id, AuditLink.sequence).in_(list(keys))
    )
    return {(row[0], row[1]): row[2] for row in session.execute(statement)}


def list_erased(session: Session, household_ids: Iterable[UUID]) -> set[UUID]:
    """Return which of these households were erased, their trails with them."""
    return set(session.scalars(select(Erasure.id).where(Erasure.id.in_(list(household_ids)))))


def has_link_before(session: Session, before: dt.datetime) -> bool:
    """Tell whether any chain began before then."""
    return bool(session.scalar(select(exists().where(AuditLink.linked_at < before))))


def list_with_events_before(
    session: Session, before: dt.datetime, kept: Sequence[str], *, limit: int
) -> Sequence[UUID]:
    """Return households whose oldest event, but those of the kept actions, was linked before.

    Not when it was: an import and the migration that made the chains linked what is older.
    """
    is_its = and_(
        AuditLink.household_id == AuditEvent.household_id, AuditLink.event_id == AuditEvent.id
    )
    oldest = (
        select(AuditLink.linked_at)
        .select_from(AuditEvent)
        .join(AuditLink, is_its)
        .where(AuditEvent.household_id == Household.id, AuditEvent.action.not_in(kept))
        .order_by(AuditEvent.id)
        .limit(1)
        .scalar_subquery()
    )
    return session.scalars(select(Household.id).where(oldest < before).limit(limit)).all()


def delete_events(
    session: Session, household_id: UUID, before: dt.datetime, kept: Sequence[str]
) -> int:
    """Delete a household's events that were linked before, but those of the kept actions."""
    linked = select(AuditLink.event_id).where(
        AuditLink.household_id == household_id, AuditLink.linked_at < before
    )
    statement = delete(AuditEvent).where(
        AuditEvent.household_id == household_id,
        AuditEvent.id.in_(linked),
        AuditEvent.action.not_in(kept),
    )
    return cast("CursorResult[Any]", session.execute(statement)).rowcount
