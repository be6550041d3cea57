"""SQL of the audit trail that crosses households: where each chain ends, and what links say."""

import datetime as dt
from collections.abc import Iterable
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import exists, select, tuple_
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from app.models import AuditLink, Erasure


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
