"""The audit trail as people read it: an owner all of it, everybody else what they did."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.orm import Session

from app.features.audit import service as audit
from app.features.audit.service import Event
from app.features.privacy.service import people

EVENTS_PER_PAGE = 50


@dataclass(frozen=True, slots=True)
class TrailPage:
    """One page of a trail, newest first."""

    events: Sequence[Event]
    next_id: UUID | None
    """Ask for what is before this event; None at the end."""


def read(
    session: Session,
    household_id: UUID,
    *,
    reader_id: UUID,
    role: str,
    action: str = "",
    before: UUID | None = None,
    limit: int = EVENTS_PER_PAGE,
) -> TrailPage:
    """Return what happened in the household, as far as the reader may know."""
    found = audit.list_events(
        session,
        household_id,
        action=action or None,
        limit=limit + 1,
        actor_id=None if role == "owner" else reader_id,
        before=before,
    )
    has_more = len(found) > limit
    events = found[:limit]
    return TrailPage(events, events[-1].id if has_more else None)


def names(household_id: UUID) -> dict[UUID, str]:
    """Return what the household's people are called.

    Opens a transaction of its own: hold no other one, since requests that each wait for a second
    connection could wait for each other.
    """
    return {
        UUID(str(each["user_id"])): str(each["name"]) for each in people.list_people(household_id)
    }
