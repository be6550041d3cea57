"""Use cases of the audit trail."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from app.core.ids import uuid7
from app.features.audit import repository, system
from app.features.notices import service as notices

EVENTS_MAX = 500
SHORTENED = "audit.shortened"
"""Says before when events may be missing; `fintech verify` reads it."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something, through which session, from where."""

    user_id: UUID | None = None
    session_id: UUID | None = None
    address: str | None = None


SYSTEM = Actor()
"""The schedule, a webhook or the operator: nobody who is signed in."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that was done."""

    id: UUID
    at: dt.datetime
    actor: Actor
    action: str
    object_id: str | None
    details: Mapping[str, object]


def record(
    session: Session,
    household_id: UUID,
    action: str,
    *,
    actor: Actor = SYSTEM,
    object_id: UUID | str | None = None,
    details: Mapping[str, object] | None = None,
) -> None:
    """Append an event to the household's trail, in the caller's transaction.

    Whom it is about is told, where `notices.words` says so.

    Args:
        session: Of the household, or one that crosses households.
        household_id: Whose trail it is.
        action: A constant such as `item.unlinked`.
        actor: Who did it; a route passes `current.actor`.
        object_id: What it was done to.
        details: Changed fields as `{"field": {"before": …, "after": …}}` or counts; plain JSON
            values and no secrets. The request's id is added.
    """
    request_id = structlog.contextvars.get_contextvars().get("request_id")
    more = {"request_id": request_id} if request_id else {}
    repository.insert_event(
        session,
        household_id,
        {
            "id": uuid7(),
            "actor_user_id": actor.user_id,
            "session_id": actor.session_id,
            "address": actor.address,
            "action": action,
            "object_id": None if object_id is None else str(object_id),
            "details": {**(details or {}), **more},
        },
    )
    notices.tell(
        session,
        household_id,
        action,
        user_id=actor.user_id or _subject(action, object_id),
        address=actor.address,
        details=details or {},
    )


def shorten(session: Session, before: dt.datetime, kept: Sequence[str], limit: int) -> int:
    """Delete events of before, and write into each trail that they were; return how many.

    The links of their chains stay, so that all that is younger is as proven as it was.

    Args:
        session: One that crosses households.
        before: The oldest that stay; rounded down to a month, so that trails tell of it rarely.
        kept: Actions whose events stay, however old.
        limit: Begin with no further household once this many events are deleted.
    """
    month = before.astimezone(dt.UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    deleted = 0
    for household_id in system.list_with_events_before(session, month, kept, limit=limit):
        count = system.delete_events(session, household_id, month, kept)
        if not count:
            continue  # PostgreSQL keeps what is younger than a year
        details = {"before": month.isoformat(), "events": count}
        record(session, household_id, SHORTENED, details=details)
        deleted += count
        if deleted >= limit:
            break
    return deleted


def list_actions(session: Session, household_id: UUID) -> list[str]:
    """Return the kinds of events that a household's trail has, by name."""
    return list(repository.list_actions(session, household_id, limit=EVENTS_MAX))


def list_events(
    session: Session,
    household_id: UUID,
    *,
    action: str | None = None,
    limit: int = 100,
    actor_id: UUID | None = None,
    before: UUID | None = None,
) -> list[Event]:
    """Return the newest events of a household, newest first.

    Args:
        session: Of the household.
        household_id: Whose trail.
        action: Only events of this kind.
        limit: How many at most; never more than `EVENTS_MAX`.
        actor_id: Only what this person did.
        before: Only events that are older than this one.
    """
    rows = repository.list_events(
        session,
        household_id,
        action=action,
        limit=min(limit, EVENTS_MAX),
        actor_id=actor_id,
        before=before,
    )
    return [
        Event(
            id=row.id,
            at=row.at,
            actor=Actor(row.actor_user_id, row.session_id, row.address),
            action=row.action,
            object_id=row.object_id,
            details=row.details,
        )
        for row in rows
    ]


def _subject(action: str, object_id: UUID | str | None) -> UUID | None:
    """Return whom an event is about that nobody who is signed in made."""
    return object_id if action.startswith("user.") and isinstance(object_id, UUID) else None
